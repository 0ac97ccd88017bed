"""What the scratch databases of trials share: transactions of a view as savepoints.

What is a transaction for the view is a savepoint inside of a larger one, so that the changes
of one event can be taken back, and those of thousands of events are one commit. Positions are
kept in memory until somebody looks, or a batch ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsourcing.persistence import Tracking

    Note = tuple[Any, ...]
    """What a trigger tells: a number, and values of a row."""

EVENT = "workbench_event"
"""The savepoint before the present event."""
_INSERT = "_insert_tracking"
"""The method by which the library's views insert a position."""


class _Mark:
    """What to go back to: the savepoint, if it had to be made, and what was known then."""

    __slots__ = ("name", "noted", "tracked", "written")

    def __init__(self, noted: int, tracked: int | None, written: int | None) -> None:
        self.name = ""
        self.noted = noted
        self.tracked = tracked
        self.written = written


class Savepoints(ABC):
    """The savepoints of one connection, made when they are needed."""

    run: Callable[[str], object]
    """Runs a statement that is about savepoints and transactions."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        """What triggers have told since the present event began, where they tell at once."""
        self._application = ""
        self._tracked: int | None = None
        self._written: int | None = None
        self._marks: list[_Mark] = []
        self._event = _Mark(0, None, None)
        """What to go back to if the present event fails."""

    @abstractmethod
    def write_position(self, application: str, position: int | None) -> None:
        """Write the position of an application into the view's table of positions."""

    def begin(self) -> None:
        """Begin what can be taken back."""
        self._marks.append(_Mark(len(self.notes), self._tracked, self._written))

    def use(self) -> None:
        """Get ready for a statement: make the savepoints that are not there yet."""
        marks = self._marks
        if not self._event.name:
            self._event.name = EVENT
            self.run(f"SAVEPOINT {EVENT}")
            if marks:
                marks[0].name = EVENT  # nothing lies between the two
        if marks and not marks[-1].name:
            for i, mark in enumerate(marks):
                if not mark.name:
                    mark.name = f"workbench_{i}"
                    self.run(f"SAVEPOINT {mark.name}")

    def end(self, *, keeps: bool) -> None:
        """End what was begun last, and keep it or take it back."""
        mark = self._marks.pop()
        if not keeps:
            self._back_to(mark)
        if mark.name and mark.name != self._event.name:
            self.run(f"RELEASE {mark.name}")

    def end_event(self, *, keeps: bool) -> None:
        """End the present event, and keep what it has changed or take it back."""
        if not keeps:
            self._back_to(self._event)
        if self._event.name:
            self.run(f"RELEASE {EVENT}")
        if self._marks:
            self._marks.clear()
        if self.notes:
            self.notes.clear()
        event = self._event
        event.name, event.tracked, event.written = "", self._tracked, self._written

    def rollback(self) -> None:
        """Take back what was done since the connection was given out."""
        if self._marks:
            self._back_to(self._marks[-1])

    def _back_to(self, mark: _Mark) -> None:
        if mark.name:
            self.run(f"ROLLBACK TO {mark.name}")
        del self.notes[mark.noted :]
        self._tracked, self._written = mark.tracked, mark.written

    def settle(self) -> None:
        """Commit the events of a batch."""
        self.write_tracking()
        self._event = _Mark(0, self._tracked, self._written)
        self.run("COMMIT")
        self.run("BEGIN")

    # Positions

    def keep_positions(self, view: Any, application: str, base: type[Any]) -> None:  # noqa: ANN401
        """Keep an application's positions in memory until somebody looks, or a batch ends.

        A view with a way of its own to insert them, other than that of `base`, keeps it.
        """
        plain = getattr(type(view), _INSERT) is getattr(base, _INSERT)
        if not plain or not view.datastore.single_row_tracking:
            return
        insert: Callable[[Any, Tracking], None] = getattr(view, _INSERT)
        insert_alone: Callable[[Tracking], None] = view.insert_tracking

        def keep(cursor: Any, tracking: Tracking) -> None:  # noqa: ANN401, the library's
            if tracking.application_name == application:
                keep_own(tracking)
            else:
                insert(cursor, tracking)

        def keep_alone(tracking: Tracking) -> None:
            if tracking.application_name == application:
                keep_own(tracking)
            else:
                insert_alone(tracking)

        def keep_own(tracking: Tracking) -> None:
            position = tracking.notification_id
            if self._tracked is not None and self._tracked >= position:
                # In the library's words.
                msg = f"Failed to record tracking for {application} {position}"
                raise IntegrityError(msg)
            self._tracked = position

        self._application = application
        vars(view)[_INSERT] = keep
        if type(view).insert_tracking is base.insert_tracking:
            vars(view)["insert_tracking"] = keep_alone

    def write_tracking(self) -> None:
        """Write the position that is kept in memory, if it is not written yet."""
        if self._tracked != self._written:
            self._written = self._tracked
            self.write_position(self._application, self._tracked)
