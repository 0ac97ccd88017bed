"""Running a projection that is written in a cell: a class with handlers, or functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.catalog import short_name
from workbench.errors import ProjectionError, near
from workbench.event import NEEDED, events_of
from workbench.payload.native import NoFields
from workbench.projections.rows import Rows
from workbench.projections.running import Running, undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import LogWriter
    from workbench.event import Event
    from workbench.history import History
    from workbench.projections.declared import Projection
    from workbench.projections.rows import TableDeclaration
    from workbench.projections.running import Call, Spent


class CellRun(Running):
    """A projection with declared tables while it runs.

    Raises
    ------
    ProjectionError
        If the projection has no tables or handlers, handles no type that the history
        has, or cannot be made.
    """

    columns = (*NEEDED, "tags")

    def __init__(self, projection: type[Projection], history: History, *, stops: bool) -> None:
        super().__init__(stops=stops)
        declared = projection.declared()
        rows = {name: self.rows_of(name, found) for name, found in declared.items()}
        self._writers = {name: found.writer for name, found in rows.items()}
        self._projection = projection
        self.made = _made(projection)
        self.made.rows = rows
        # So that a handler's `self.orders` is found without asking the declaration.
        vars(self.made).update(rows)
        self._own = {"rows", *rows}
        self._handlers: dict[str, tuple[Spent, Callable[[Event], object]]] = {}
        self.renew(history)

    def rows_of(self, name: str, declared: TableDeclaration) -> Rows:
        """Return what handlers are given as a table."""
        return Rows(name, declared, self.cursor)

    def renew(self, history: History) -> None:
        """Take note of event types that the history has come to have."""
        self._handlers = {
            type_: (self.spent(method), getattr(self.made, method))
            for type_, method in _handlers(self._projection, history).items()
        }
        self.types = frozenset(self._handlers)

    @property
    def handlers(self) -> Mapping[str, str]:
        """The handler of each event type; by the name given, where the history has none."""
        found = {type_: spent.handler for type_, (spent, _) in self._handlers.items()}
        matched = {*found, *map(short_name, found)}
        named = self._projection.handlers()
        return found | {name: method for name, method in named.items() if name not in matched}

    @property
    def writers(self) -> Mapping[str, LogWriter]:
        """The change log of each table while it is written."""
        return self._writers

    @property
    def keeps_own_state(self) -> bool:
        """Whether the projection's object has come to hold more than its tables."""
        return bool(set(vars(self.made)) - self._own)

    def calls(self, batch: pl.DataFrame) -> Iterator[list[Call]]:
        """Yield the handler of each event, and the event."""
        handlers = self._handlers
        for events in events_of(batch):
            yield [
                (*handlers[event.type], event)
                if event.data.__class__ is dict
                else (handlers[event.type][0], _undecodable, event)
                for event in events
            ]

    def go_on_from(self, logs: Mapping[str, ChangeLog]) -> None:
        """Take up where a trial ended: its tables are as it left them."""
        for name, writer in self._writers.items():
            writer.go_on_from(logs[name])


def _undecodable(event: Event) -> None:
    if isinstance(event.data, NoFields):
        raise undecodable(event.data.reason)


def _made(projection: type[Projection]) -> Projection:
    try:
        return projection()
    except Exception as error:
        msg = (
            f"Cannot replay into {projection.__name__}: making it raised {type(error).__name__}: "
            f"{error}. Let it be made without arguments, and use its tables in handlers only."
        )
        raise ProjectionError(msg) from error


def _handlers(projection: type[Projection], history: History) -> dict[str, str]:
    """Return the method for each stored type: a short name stands for all that have it."""
    named, types = projection.handlers(), history.type_names()
    shorts = {type_: short_name(type_) for type_ in types}
    found = {type_: named[short] for type_, short in shorts.items() if short in named}
    found |= {type_: method for type_, method in named.items() if type_ in types}
    if not found:
        msg = (
            f"Cannot replay {history.name!r} into {projection.__name__}: it handles "
            f"{', '.join(sorted(named)[:5])}, and the history has none of them. "
            f"{near(next(iter(named)), shorts.values())}"
        )
        raise ProjectionError(msg)
    return found
