"""Whether the streams of a history are independent in a projection, watched while it runs.

They are if every access to a table, for reading or writing, is by a key that is the
stream of the event which is handled, or has it in one column, always the same. Then no
event of one stream reads or changes what an event of another has written: what some
streams write can be made anew without the others. A replay that nobody asks this of
does not pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.projections.cell import CellRun
from workbench.projections.plan import CellPlan
from workbench.projections.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import Cursor
    from workbench.history import History
    from workbench.projections.declared import Projection
    from workbench.projections.rows import TableDeclaration
    from workbench.projections.running import Call


@dataclass(eq=False)
class Watch:
    """What is known of how handlers access tables: so far, streams are independent, or not.

    Parameters
    ----------
    places
        For each table that was accessed, the key columns in which each access had the
        stream, by number.
    """

    places: dict[str, frozenset[int]] = field(default_factory=dict)
    breach: str | None = None
    """The first access that is not by the event's own stream, in words."""
    streams: Sequence[str | None] = field(default=(), repr=False)
    """The stream of each event of the batch."""

    def going_on(self) -> Watch:
        """Return a watch that knows what this one knows, and learns by itself."""
        return Watch(dict(self.places), self.breach)

    def note(self, table: str, key: object, cursor: Cursor) -> None:
        """Take note of an access by key; outside of handlers there is none to note."""
        if self.breach is not None or cursor.event < 0:
            return
        stream = self.streams[cursor.event]
        if key.__class__ is str:
            found = frozenset((0,)) if key == stream else frozenset[int]()
        else:
            parts = key if isinstance(key, tuple) else (key,)
            found = frozenset(
                i for i, part in enumerate(parts) if part.__class__ is str and part == stream
            )
        known = self.places.get(table)
        left = found if known is None else known & found
        if left != known:
            self.places[table] = left
            if not left:
                self.breach = (
                    f"an event of the stream {stream!r:.100} uses the row {key!r:.100} of "
                    f"{table!r}, which is not told by that stream"
                )

    def note_all(self, table: str, cursor: Cursor) -> None:
        """Take note of a question to all rows of a table."""
        if self.breach is None and cursor.event >= 0:
            self.breach = f"a handler counts the rows of {table!r}, which are of all streams"


class WatchedRows(Rows):
    """The rows of one table, which tell a watch of every access."""

    def __init__(self, name: str, declared: TableDeclaration, cursor: Cursor, watch: Watch) -> None:
        super().__init__(name, declared, cursor)
        self._watch, self._cursor, self._name = watch, cursor, name

    def __len__(self) -> int:
        """The number of rows."""
        self._watch.note_all(self._name, self._cursor)
        return super().__len__()

    def set(self, key: object, /, **values: Any) -> None:  # noqa: ANN401, as in Rows
        """Make the row of that key have these values; see `Rows.set`."""
        self._watch.note(self._name, key, self._cursor)
        super().set(key, **values)

    def _state(self, key: Any) -> Any:  # noqa: ANN401, as in Rows
        self._watch.note(self._name, key, self._cursor)
        return super()._state(key)


class WatchedRun(CellRun):
    """A projection with declared tables while it runs, and is watched."""

    def __init__(
        self, projection: type[Projection], history: History, watch: Watch, *, stops: bool
    ) -> None:
        self._watch = watch
        super().__init__(projection, history, stops=stops)

    def rows_of(self, name: str, declared: TableDeclaration) -> Rows:
        """Return the rows of a table, which tell the watch."""
        return WatchedRows(name, declared, self.cursor, self._watch)

    def calls(self, batch: pl.DataFrame) -> Iterator[list[Call]]:
        """Yield the handler of each event, and the event."""
        self._watch.streams = batch["stream"].to_list()
        return super().calls(batch)


@dataclass(frozen=True)
class WatchedPlan(CellPlan):
    """A projection that is written as a class, and is watched whenever it runs."""

    watch: Watch = field(default_factory=Watch, compare=False)

    def start(self, history: History, *, stops: bool) -> WatchedRun:
        """Return the projection as it is before the first event."""
        return WatchedRun(self.projection, history, self.watch, stops=stops)

    def go_on(self, history: History, logs: Mapping[str, ChangeLog], *, stops: bool) -> WatchedRun:
        """Return the projection as it is after what the logs tell."""
        run = WatchedRun(self.projection, history, self.watch, stops=stops)
        run.go_on_from(logs)
        return run
