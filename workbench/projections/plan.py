"""What a user hands to `replay`, made ready to run: once now, and again whenever it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from workbench.projections.cell import CellRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from workbench.changelog.log import ChangeLog
    from workbench.history import History
    from workbench.projections.aggregate import AggregateRun
    from workbench.projections.declared import Projection
    from workbench.projections.library import Given, LibraryRun
    from workbench.projections.running import Running


class Plan(Protocol):
    """A projection that can be run, any number of times."""

    @property
    def name(self) -> str:
        """What the projection is called."""

    @property
    def code(self) -> tuple[object, ...]:
        """The classes and functions that the result depends on."""

    def start(self, history: History, *, stops: bool) -> Running:
        """Return the projection as it is before the first event."""

    def go_on(self, history: History, logs: Mapping[str, ChangeLog], *, stops: bool) -> Running:
        """Return the projection as it is after what the logs tell.

        Raises
        ------
        ProjectionError
            If the logs do not tell all that it needs.
        """


@dataclass(frozen=True)
class CellPlan:
    """A projection that is written as a class with declared tables."""

    projection: type[Projection]

    @property
    def name(self) -> str:
        """The class's name."""
        return self.projection.__name__

    @property
    def code(self) -> tuple[object, ...]:
        """The class."""
        return (self.projection,)

    def start(self, history: History, *, stops: bool) -> Running:
        """Return the projection as it is before the first event."""
        return CellRun(self.projection, history, stops=stops)

    def go_on(self, history: History, logs: Mapping[str, ChangeLog], *, stops: bool) -> Running:
        """Return the projection as it is after what the logs tell."""
        run = CellRun(self.projection, history, stops=stops)
        run.go_on_from(logs)
        return run


@dataclass(frozen=True)
class LibraryPlan:
    """A projection of the library, unmodified, with the class of its view."""

    projection: type[Any]
    view: type[Any]
    given: Given

    @property
    def name(self) -> str:
        """The class's name."""
        return self.projection.__name__

    @property
    def code(self) -> tuple[object, ...]:
        """The projection, its view, and the modules of the events."""
        return (self.projection, self.view, *self.given.classes.code)

    def start(self, history: History, *, stops: bool) -> Running:
        """Return the projection as it is before the first event."""
        return self._run(history, stops=stops)

    def _run(self, history: History, *, stops: bool) -> LibraryRun:
        from workbench.projections.library import LibraryRun

        return LibraryRun(self.projection, self.view, self.given, history, stops=stops)

    def go_on(self, history: History, logs: Mapping[str, ChangeLog], *, stops: bool) -> Running:
        """Return the projection as it is after what the logs tell.

        Raises
        ------
        TrialError
            If the view cannot be told from its change log.
        """
        run = self._run(history, stops=stops)
        run.go_on_from(logs)
        return run


@dataclass(frozen=True)
class AggregatePlan:
    """An aggregate class of the library, of which every stream is a row."""

    aggregate: type[Any]
    given: Given

    @property
    def name(self) -> str:
        """The class's name."""
        return self.aggregate.__name__

    @property
    def code(self) -> tuple[object, ...]:
        """The class, and the modules of the events."""
        return (self.aggregate, *self.given.classes.code)

    def start(self, history: History, *, stops: bool) -> Running:
        """Return the aggregates as they are before the first event: none."""
        return self._run(history, stops=stops)

    def _run(self, history: History, *, stops: bool) -> AggregateRun:
        from workbench.projections.aggregate import AggregateRun

        return AggregateRun(self.aggregate, self.given, history, stops=stops)

    def go_on(self, history: History, logs: Mapping[str, ChangeLog], *, stops: bool) -> Running:
        """Return the aggregates as they are after what the logs tell."""
        run = self._run(history, stops=stops)
        run.go_on_from(logs)
        return run


@dataclass(frozen=True)
class FramePlan:
    """A Polars function from the event table to a table, with the columns that are its key.

    It is computed as a whole: it has no change log, and nothing to go on from.
    """

    function: Callable[[pl.LazyFrame], pl.LazyFrame]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    @property
    def code(self) -> tuple[object, ...]:
        """The function."""
        return (self.function,)
