"""A view that is kept in memory: what a handler touches becomes changes of tables.

Each dictionary, set or list that is an attribute of the view is a table; its other
attributes together are one row of a table. Containers of the standard classes are
replaced by ones that note which keys are touched, so that an event costs what it
touches. Whatever else there is, is compared as a whole after each event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from logging import Logger
from threading import Condition, Event, Lock, RLock, Semaphore, Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workbench.errors import ProjectionError
from workbench.projections.kept import KeptTable, duplicate
from workbench.projections.tracked import FIXED, tracked

if TYPE_CHECKING:
    from workbench.changelog.writer import Cursor, LogWriter
    from workbench.projections.running import Processed
    from workbench.projections.tracked import Touched

_NO = object()
_INTERNAL = (type(Lock()), type(RLock()), Condition, Event, Semaphore, Thread, Logger, ModuleType)


class MemoryView:
    """A view's attributes as tables with change logs.

    Parameters
    ----------
    view
        Any object. What it holds before the first event counts as that event's change.
    application
        The name under which positions are tracked.
    cursor
        Which event is being handled.
    """

    def __init__(self, view: Any, application: str, cursor: Cursor) -> None:  # noqa: ANN401
        self.view = view
        self._view = view
        self._application = application
        self._positions: dict[str, int | None] = getattr(view, "_max_tracking_ids", {})
        self._position: int | None = None
        """The one that was tracked before the present event."""
        self._cursor = cursor
        self._skipped = _own_names(view)
        self._slots = _slots(view)
        self._is_plain = not self._slots and hasattr(view, "__dict__")
        self._tables: dict[str, KeptTable] = {}
        self._watched: tuple[tuple[Touched, KeptTable], ...] = ()
        self._rest = KeptTable(type(view).__name__, cursor)
        """The one row of what is in no table of its own."""
        self._kept: dict[str, Any] = {}
        """Copies of what is not tracked, as it was before the present event."""
        self._fresh: dict[str, Any] = {}
        self._names: tuple[str, ...] = ()
        self._last: tuple[Any, ...] = ()
        self._bound: tuple[tuple[str, Any], ...] = ()
        """Those that the view itself has, and what they are bound to."""
        self._count = 0
        """How many there are, -1 where they are looked at after every event."""
        self._look(logs=False)

    @property
    def writers(self) -> dict[str, LogWriter]:
        """The change logs by table."""
        found = {table.writer.name: table.writer for table in self._tables.values()}
        if self._rest.container or not found:
            found.setdefault(self._rest.writer.name, self._rest.writer)
        return found

    def process(self, call: Processed) -> None:
        """Let a handler process an event, and log what that has changed."""
        handler, event, tracking = call
        handler(event, tracking)
        self._position = self._positions.get(self._application)
        for touched, table in self._watched:
            if touched.put or touched.keys or touched.all:
                table.flush()
        found = vars(self._view) if self._is_plain else self._attributes()
        if len(found) != self._count:
            self._look(logs=True)
            return
        for name, value in self._bound:
            if found.get(name, _NO) is not value:
                self._look(logs=True)
                return

    def undo(self) -> None:
        """Make the view what it was before the present event."""
        if self._positions:
            self._positions[self._application] = self._position
        attributes = self._attributes()
        known = dict(zip(self._names, self._last, strict=True))
        for name in attributes.keys() - known.keys():
            object.__delattr__(self._view, name)
        for name, value in known.items():
            table = self._tables.get(name)
            if name in self._kept:
                self._put(name, duplicate(self._kept[name]))
                continue
            if attributes.get(name, known) is not value:
                self._put(name, value)
            if table is not None and table.container is not value and tracked(value) is value:
                table.hold(value, is_tracked=True)
        for table in (*self._tables.values(), self._rest):
            if table.is_tracked:
                table.undo()
            else:
                table.writer.undo()
        self._look(logs=False)

    def gather(self) -> None:
        """Do nothing: what an event has changed is logged after it."""

    def settled(self) -> None:
        """Forget the present event: the next one may have its number."""
        for table in self._tables.values():
            table.settled()

    def check(self) -> None:
        """Hold the view against what was logged.

        Raises
        ------
        ProjectionError
            If something was changed in a way that was not noted.
        """
        for _, table in self._watched:
            found = table.unseen()
            if found:
                msg = (
                    f"Cannot tell when {found[0]!r:.100} in {table.writer.name!r} of "
                    f"{type(self._view).__name__} changed: it is an object that is also kept, "
                    "and changed, elsewhere. Let handlers change it through the view's own "
                    "attribute, or keep each object in one place."
                )
                raise ProjectionError(msg)

    def _look(self, *, logs: bool) -> None:
        """Take note of attributes that are new, or are bound to another object, or loose."""
        attributes = self._attributes()
        self._fresh, rest = {}, dict[str, Any]()
        owners = {id(t.container): n for n, t in self._tables.items() if t.is_tracked}
        twins: dict[int, Any] = {}
        for name, value in list(attributes.items()):
            if name in self._skipped or isinstance(value, _INTERNAL) or callable(value):
                continue
            found = twins.get(id(value))
            if found is None and owners.get(id(value), name) == name:
                found = twins[id(value)] = tracked(value)
                if found is not None:
                    self._take(name, value, found)
                    continue
            if not self._hold_loose(name, value, found):
                rest[name.lstrip("_") or name] = value
        for name in self._tables.keys() - attributes.keys():
            self._tables[name].hold({}, is_tracked=False)
        whole = {type(self._view).__name__: rest} if rest else {}
        self._rest.hold(whole, is_tracked=False)
        self._watched = tuple((t.touched, t) for t in self._tables.values() if t.is_tracked)
        if logs:
            for table in (*self._tables.values(), self._rest):
                if not table.is_tracked or table.touched.all:
                    table.flush()
        self._seen(logs=logs)

    def _seen(self, *, logs: bool) -> None:
        """Take note of how the attributes are now: as they were before the next event."""
        attributes = self._attributes()
        self._names, self._last = tuple(attributes), tuple(attributes.values())
        self._kept = self._fresh
        loose = any(value.__class__ not in FIXED for value in self._kept.values())
        self._count = -1 if loose or not logs else len(self._last)
        self._bound = tuple(pair for pair in attributes.items() if pair[0] not in self._skipped)

    def _hold_loose(self, name: str, value: Any, twin: Any) -> bool:  # noqa: ANN401
        """Compare as a whole what cannot be tracked; return whether it is a table of its own."""
        if twin is not None:
            self._put(name, twin)  # one object under two names stays one
        self._fresh[name] = duplicate(value)
        if twin is not None or isinstance(value, (Mapping, AbstractSet, list, deque)):
            self._table(name).hold(value if twin is None else twin, is_tracked=False)
            return True
        if name in self._tables:
            self._tables[name].hold({}, is_tracked=False)
        return False

    def _take(self, name: str, value: object, found: Any) -> None:  # noqa: ANN401
        """Watch a container that an attribute is bound to."""
        table = self._table(name)
        if table.container is found and table.is_tracked:
            return
        if found is not value:
            self._put(name, found)
        table.hold(found, is_tracked=True)

    def _table(self, name: str) -> KeptTable:
        found = self._tables.get(name)
        if found is None:
            taken = {table.writer.name for table in self._tables.values()}
            shown = name.lstrip("_") or name
            shown = name if shown in taken or shown == self._rest.writer.name else shown
            found = self._tables[name] = KeptTable(shown, self._cursor)
        return found

    def _attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = getattr(self._view, "__dict__", {})
        if not self._slots:
            return found
        view = self._view
        return {name: getattr(view, name) for name in self._slots if hasattr(view, name)} | found

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self._view, name, value)


def _own_names(view: object) -> frozenset[str]:
    """Return the attributes that the library's own classes give a view: locks, tracking."""
    found: set[str] = set()
    for base in type(view).__mro__:
        if base.__module__ == "eventsourcing.popo":
            found |= vars(base()).keys()
    return frozenset(found)


def _slots(view: object) -> tuple[str, ...]:
    found = [vars(base).get("__slots__", ()) for base in type(view).__mro__]
    names = [n for slots in found for n in ([slots] if isinstance(slots, str) else slots)]
    return tuple(name for name in names if name not in {"__dict__", "__weakref__"})
