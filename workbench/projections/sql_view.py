"""A view that is kept in a database: what triggers tell of rows becomes changes of tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.changelog.writer import LogWriter
from workbench.errors import ProjectionError, TrialError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import Cursor
    from workbench.projections.running import Processed
    from workbench.projections.savepoints import Note, Savepoints
    from workbench.tables import Dtype

INSERTED, UPDATED, DELETED, EMPTIED = KINDS = range(4)
"""What a trigger tells of; it gives a note the number `len(KINDS) * table + kind`."""


@dataclass(frozen=True)
class ViewTable:
    """A table of a view: its key and its other columns, with their types in the database."""

    name: str
    key: Mapping[str, str]
    values: Mapping[str, str]


class SqlView(ABC):
    """The tables of a view in a scratch database, with change logs."""

    view: Any
    """The view itself, an object of the user's class."""

    def __init__(
        self,
        savepoints: Savepoints,
        tables: Sequence[ViewTable],
        dtypes: Mapping[str, Dtype],
        cursor: Cursor,
    ) -> None:
        self._savepoints = savepoints
        self._cursor = cursor
        self.writers: dict[str, LogWriter] = {}
        for table in tables:
            made = LogWriter(table.name, dict.fromkeys(table.key), None, cursor)
            key, values = (
                {name: dtypes.get(of) for name, of in columns.items()}
                for columns in (table.key, table.values)
            )
            made.expect(key, values)
            self.writers[table.name] = made
        self._kinds = [
            (kind, len(table.key), self.writers[table.name]) for table in tables for kind in KINDS
        ]
        """What a note's number stands for: the kind, how many columns the key has, the log."""

    def process(self, call: Processed) -> None:
        """Let a handler process an event, log what that has changed, and keep it."""
        handler, event, tracking = call
        handler(event, tracking)
        savepoints = self._savepoints
        if savepoints.notes:
            self._log(savepoints.notes)
        savepoints.end_event(keeps=True)

    def _log(self, notes: Sequence[Note]) -> None:
        """Log what triggers have told of one event."""
        if len(notes) == 1:
            (note,) = notes
            what, width, writer = self._kinds[note[0]]
            first = note[1] if width == 1 else note[1 : 1 + width]
            if what == UPDATED:
                key = note[2] if width == 1 else note[1 + width : 1 + 2 * width]
                if key == first:
                    self._write(writer, key, note[1 + 2 * width :])
                    return
            elif what != EMPTIED:
                self._write(writer, first, note[1 + width :] if what == INSERTED else None)
                return
        for (at, key), values in self._net(notes).items():
            self._write(self._kinds[at][2], key, values)

    def _net(self, notes: Iterable[Note]) -> dict[tuple[int, Any], tuple[Any, ...] | None]:
        """Return what rows have in the end, by the first kind of their table, and key."""
        net: dict[tuple[int, Any], tuple[Any, ...] | None] = {}
        for number, *row in notes:
            what, width, writer = self._kinds[number]
            at = number - what
            if what == EMPTIED:
                net |= dict.fromkeys((at, key) for key in writer.states)
                net |= dict.fromkeys(place for place in net if place[0] == at)
                continue
            if what != INSERTED:
                net[at, row[0] if width == 1 else tuple(row[:width])] = None
            if what == UPDATED:
                del row[:width]
            if what != DELETED:
                net[at, row[0] if width == 1 else tuple(row[:width])] = tuple(row[width:])
        return net

    @staticmethod
    def _write(writer: LogWriter, key: Any, values: tuple[Any, ...] | None) -> None:  # noqa: ANN401
        state = writer.states.get(key)
        if state is None:
            if values is None:
                return
            state = writer.new_state(key)
        if state.values != values:
            writer.write(state, values)

    def undo(self) -> None:
        """Take back what the present event has changed."""
        self._savepoints.end_event(keeps=False)
        for writer in self.writers.values():
            writer.undo()

    def gather(self) -> None:  # noqa: B027, most are told at once
        """Log what triggers have told of the events of a batch, where they do not tell at once."""

    def settled(self) -> None:
        """Commit the events of a batch.

        Raises
        ------
        ProjectionError
            If the view has made, altered or dropped tables.
        """
        self._savepoints.settle()

    def check(self) -> None:  # noqa: B027, the database notes every change
        """Hold the view against what was logged, which is all there is."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database, and of what was made in it."""

    @abstractmethod
    def restore(self, logs: Mapping[str, ChangeLog], application: str) -> None:
        """Fill the view's tables with what the logs end with.

        Raises
        ------
        TrialError
            If the logs do not tell all that the view needs.
        """

    def _restored(self, logs: Mapping[str, ChangeLog], application: str) -> None:
        """Go on from logs whose rows are in the tables."""
        from eventsourcing.persistence import Tracking

        for name, writer in self.writers.items():
            writer.go_on_from(logs[name])
        last = [log.entries["position"].max() for log in logs.values() if len(log)]
        self._savepoints.notes.clear()
        if last:
            self.view.insert_tracking(Tracking(application, int(max(last))))  # type: ignore[type-var,arg-type]
        self._savepoints.end_event(keeps=True)


def changed_tables(view: object, made_in: str) -> ProjectionError:
    """Return the error for a view whose tables are not what they were."""
    return ProjectionError(
        f"Cannot watch the tables of {type(view).__name__}: it has changed them while "
        f"events were processed. Make them in {made_in}."
    )


def cannot_restore(view: object, why: str) -> TrialError:
    """Return the error for a view whose change log does not tell all of it."""
    return TrialError(
        f"Cannot go on with a trial of {type(view).__name__} from its change log: {why}. "
        "Use trial.rerun()."
    )
