"""A trial: one run of a projection over a history, which remembers every change it made.

The change log is the trial: the table as of any position is the last change of each
key up to it.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from workbench.errors import RangeError
from workbench.moments import moment_of
from workbench.plotted import Plotted
from workbench.tables import COVERAGE
from workbench.trials import questions
from workbench.trials.following import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import date, datetime
    from pathlib import Path
    from threading import Event

    import polars as pl

    from workbench.dashboards.plots import TrialPlots
    from workbench.following import OnTrouble
    from workbench.history import History
    from workbench.reading import Progress
    from workbench.trials.engine import Engine
    from workbench.trials.recipe import Recipe
    from workbench.trials.tables import Tables

MOST_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Trial:
    """One run of a projection over a history, with its tables and its change log.

    Made by `replay`, or by `load_trial` from a folder.
    """

    name: str
    """What the projection is called."""
    history: History | None = field(repr=False)
    """What was read, up to the head as it was; None for a trial that was loaded without one."""
    events: int
    """How many events the handlers were given."""
    last_position: int
    """The last position that was read; 0 if none."""
    elapsed_s: float
    """Seconds from the source to the change log."""
    is_complete: bool
    """Whether all of the history was read; if not, see `resume`."""
    failures: pl.DataFrame = field(repr=False)
    """What handlers could not process: `workbench.tables.FAILURES`."""
    handled: pl.DataFrame = field(repr=False)
    """How many events handlers were given: `workbench.tables.HANDLED`."""
    profile: pl.DataFrame = field(repr=False)
    """The time that each handler took: `workbench.tables.PROFILE`."""
    handlers: Mapping[str, str] = field(repr=False)
    """Which handler each event type has; also of types that the history has none of."""
    recorded: Tables = field(repr=False)
    engine: Engine = field(repr=False)

    # The tables

    @property
    def rate(self) -> float:
        """Events a second, from the source to the change log."""
        return self.events / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names of the tables."""
        return self.recorded.names

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table as of the end, by name."""
        return self.at().tables

    def table(self, name: str | None = None) -> pl.DataFrame:
        """Return a table as of the end: its key and value columns, sorted by key.

        Parameters
        ----------
        name
            Its name; may be left out where the trial has one table.

        Raises
        ------
        UnknownTableError
            If the trial has no such table, or several and none is named.
        """
        return self.at().table(name)

    def key(self, name: str | None = None) -> tuple[str, ...]:
        """Return the names of a table's key columns."""
        return self.recorded.keys(questions.table_name(self, name))

    def changes(self, name: str | None = None) -> pl.DataFrame:
        """Return the change log of a table: `workbench.tables.CHANGES` and its own columns.

        After the columns of `CHANGES` come the key columns, with the prefix `key.` where
        they are named like one of those, and `<value>_before` and
        `<value>_after` for each value column; rows are in the order in which they
        were made. Before an insert and after a delete, values are null.

        Raises
        ------
        UnknownTableError
            If the trial has no such table.
        NoChangeLogError
            If the table is that of a Polars function.
        """
        return self.recorded.log(questions.table_name(self, name)).changes()

    def at(
        self,
        *,
        position: int | None = None,
        time: datetime | date | str | None = None,
        version: int | None = None,
    ) -> TrialAt:
        """Return the tables as of a position, a time or a version; else as of the end.

        Parameters
        ----------
        position
            Up to and with the event at this position.
        time
            Up to the first change that is later than `time`: where times run backwards
            over the log, the log's order decides. A time without a zone is UTC; a date
            means the end of that day.
        version
            Each row as the events of its stream up to this version left it; for tables
            of which each row is changed by one stream alone.

        Raises
        ------
        RangeError
            If several are given, `version` is below 0, or `time` is no time.
        """
        if sum(given is not None for given in (position, time, version)) > 1:
            msg = "Cannot look at several moments at once. Give a position, a time or a version."
            raise RangeError(msg)
        if version is not None and version < 0:
            msg = (
                f"Cannot look at version {version}: a stream begins at version 0 or 1. "
                "Give a version from 0 on, or none for the end."
            )
            raise RangeError(msg)
        if time is not None:
            position = self.recorded.position_at(moment_of(time, end_of_day=True))
        return TrialAt(self, position, version)

    # Questions to it

    def explain(
        self,
        key: object,
        column: str | None = None,
        *,
        table: str | None = None,
        with_data: bool = False,
    ) -> pl.DataFrame:
        """Return the changes that made a row, or one of its cells, in order.

        Parameters
        ----------
        key
            The row's key: one value, a tuple where the key has several columns, or a
            dictionary by column.
        column
            A value column: only the changes of that cell, as `before` and `after`.
        table
            The table; may be left out where the trial has one.
        with_data
            Whether each event's payload stands beside its change, in `data`.

        Returns
        -------
        pl.DataFrame
            The columns of `workbench.tables.CHANGES`, then of the table as in `changes`,
            or `before` and `after` of the one column. The last row's `after` is the
            cell's value, unless the row was deleted.

        Raises
        ------
        UnknownTableError
            If the trial has no such table, or several and none is named.
        UnknownRowError
            If the table never had such a row, or has no such column.
        """
        return questions.explain(self, key, column, table=table, with_data=with_data)

    plot: ClassVar[Plotted[TrialPlots]] = Plotted("workbench.dashboards.plots:TrialPlots")
    """Plotly figures: `plot.cell(key, column)`."""

    def impact(self, position: int) -> pl.DataFrame:
        """Return everything that one event changed: `workbench.tables.IMPACT`.

        Raises
        ------
        UnknownPositionError
            If the position was not read by this trial.
        """
        return questions.impact(self, position)

    @cached_property
    def coverage(self) -> pl.DataFrame:
        """Which events were seen, handled and ignored: `workbench.tables.COVERAGE`.

        Raises
        ------
        TrialError
            If the trial was loaded without its history.
        """
        return COVERAGE.conform(self.engine.coverage(self))

    @cached_property
    def recipe(self) -> Recipe:
        """How the trial came to be, and a hash of what came out."""
        return self.engine.recipe(self)

    # Going on

    def rerun(self, *, progress: bool | Callable[[Progress], None] = True) -> Trial:
        """Return the same trial, made anew: the same source, range, edits and policy.

        Raises
        ------
        TrialError
            If the history or the projection is not at hand.
        """
        return self.engine.rerun(self, progress)

    def resume(
        self, *, progress: bool | Callable[[Progress], None] = True, stop: Event | None = None
    ) -> Trial:
        """Return the trial with what was left when it was interrupted.

        Parameters
        ----------
        progress, stop
            As in `replay`.

        Raises
        ------
        TrialError
            If the history or the projection is not at hand, or is another by now.
        """
        return self.engine.resume(self, progress, stop)

    def advance(self, *, progress: bool | Callable[[Progress], None] = True) -> Trial:
        """Return the trial with the events that have come since; it reads those alone.

        Raises
        ------
        TrialError
            If the history or the projection is not at hand, or is another by now.
        """
        return self.engine.advance(self, progress)

    def follow(
        self, *, stop: Event | None = None, on_trouble: OnTrouble | None = None
    ) -> Generator[Trial, None, None]:
        """Yield the trial advanced, each time that new events have come.

        It ends as `History.follow` does, or after a Ctrl-C with the trial as it is then.

        Parameters
        ----------
        stop, on_trouble
            As in `History.follow`.

        Raises
        ------
        TrialError
            If the history or the projection is not at hand, or is another by now.
        HandlerError
            If a handler raised, and the trial stops at errors.
        """
        return follow(self, stop, on_trouble)

    def save(self, folder: str | Path) -> Path:
        """Write the trial to a folder, from which `load_trial` reads it; return the folder.

        Raises
        ------
        TrialError
            If there is something there that is no saved trial, or it cannot be written.
        """
        return self.engine.save(self, folder)

    # What it looks like

    def __repr__(self) -> str:
        """One line: what was run, over how much, with what result."""
        sizes = ", ".join(f"{name} {self.recorded.height(name):,}" for name in self.table_names)
        failed = f", {self.failures.height:,} failures" if self.failures.height else ""
        partial = "" if self.is_complete else ", interrupted"
        return (
            f"<Trial {self.name}: {self.events:,} events up to position "
            f"{self.last_position:,}{failed}{partial}; rows: {sizes}>"
        )

    def _repr_html_(self) -> str:
        return _in_html(self)


def _in_html(found: Trial | TrialAt) -> str:
    parts = [f"<p>{html.escape(repr(found))}</p>"]
    for name, table in found.tables.items():
        shown = table.head(MOST_SHOWN)._repr_html_()
        parts.append(f"<p><b>{html.escape(name)}</b>, {len(table):,} rows</p>{shown}")
    return "".join(parts)


@dataclass(frozen=True)
class TrialAt:
    """The tables of a trial as of one position or version; made by `Trial.at`."""

    trial: Trial
    position: int | None
    version: int | None = None

    def __repr__(self) -> str:
        """One line: which trial, as of when."""
        when = (
            f"version {self.version}" if self.version is not None else f"position {self.position}"
        )
        return f"<{self.trial.name} as of {when}>"

    def _repr_html_(self) -> str:
        return _in_html(self)

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table as of then, by name."""
        return {name: self.table(name) for name in self.trial.table_names}

    def table(self, name: str | None = None) -> pl.DataFrame:
        """Return a table as of then: its key and value columns, sorted by key.

        Raises
        ------
        UnknownTableError
            If the trial has no such table, or several and none is named.
        RangeError
            If a version was asked for, and rows are changed by several streams.
        """
        found = questions.table_name(self.trial, name)
        if self.version is None:
            return self.trial.recorded.table(found, self.position)
        log = self.trial.recorded.log(found)
        shared = log.rows_of_many_streams()
        if shared.height:
            msg = (
                f"Cannot look at {found!r} as of version {self.version}: {shared.height:,} of its "
                f"rows are changed by several streams, such as {shared.row(0)}. "
                "Give a position or a time."
            )
            raise RangeError(msg)
        return log.table_at_version(self.version)
