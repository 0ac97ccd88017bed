"""Where a trial's tables come from: the change logs, or a Polars function over the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import polars as pl

from workbench.errors import NoChangeLogError, ProjectionError, UnknownTableError, near

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from workbench.changelog.log import ChangeLog
    from workbench.history import History
    from workbench.projections.plan import FramePlan


class Tables(Protocol):
    """The tables of a trial, as of any position."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables."""

    def keys(self, name: str) -> tuple[str, ...]:
        """The key columns of a table."""

    def log(self, name: str) -> ChangeLog:
        """The change log of a table."""

    def table(self, name: str, position: int | None) -> pl.DataFrame:
        """A table as of a position, None for the end."""

    def height(self, name: str) -> int:
        """How many rows a table has at the end."""

    def position_at(self, moment: datetime) -> int | None:
        """The position before the first event that is later and matters; None for the end."""


@dataclass(frozen=True)
class LoggedTables:
    """Tables that a change log remembers."""

    projection: str
    logs: Mapping[str, ChangeLog]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(self.logs)

    def keys(self, name: str) -> tuple[str, ...]:
        """The key columns of a table."""
        return tuple(self.log(name).keys.columns)

    def log(self, name: str) -> ChangeLog:
        """The change log of a table.

        Raises
        ------
        UnknownTableError
            If the trial has no such table.
        """
        if name not in self.logs:
            raise UnknownTableError(_no_table(name, self.projection, self.logs))
        return self.logs[name]

    def table(self, name: str, position: int | None) -> pl.DataFrame:
        """A table as of a position, None for the end."""
        return self.log(name).table(position)

    def height(self, name: str) -> int:
        """How many rows a table has at the end."""
        return self.log(name).height()

    def position_at(self, moment: datetime) -> int | None:
        """The position before the first change that is later; None for the end."""
        later = [
            log.entries.filter(pl.col("time") > moment)["position"].min()
            for log in self.logs.values()
        ]
        found = [position for position in later if isinstance(position, int)]
        return min(found) - 1 if found else None


def _no_table(name: str, projection: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    return f"Cannot find the table {name!r} of {projection}. {near(name, known)}"


@dataclass(frozen=True)
class FixedTables:
    """Tables of which only the end is known: those of a Polars function, loaded from a folder."""

    projection: str
    tables: Mapping[str, pl.DataFrame]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(self.tables)

    def keys(self, name: str) -> tuple[str, ...]:
        """The key columns."""
        self.table(name, None)
        return self.key

    def log(self, name: str) -> ChangeLog:
        """A function has no change log.

        Raises
        ------
        NoChangeLogError
            Always.
        """
        raise NoChangeLogError(_no_log(name))

    def table(self, name: str, position: int | None) -> pl.DataFrame:
        """The table as of the end.

        Raises
        ------
        NoChangeLogError
            If a position is given.
        """
        if name not in self.tables:
            raise UnknownTableError(_no_table(name, self.projection, self.tables))
        if position is not None:
            raise NoChangeLogError(_no_log(name))
        return self.tables[name]

    def height(self, name: str) -> int:
        """How many rows the table has."""
        return self.table(name, None).height

    def position_at(self, moment: datetime) -> int | None:  # noqa: ARG002, of the protocol
        """Not known.

        Raises
        ------
        NoChangeLogError
            Always.
        """
        raise NoChangeLogError(_no_log(self.projection))


def _no_log(name: str) -> str:
    return (
        f"Cannot tell the changes of {name!r}: a Polars function computes its table as a whole, "
        "and no event changes a row. Ask trial.at(position=...) for two positions of a trial that "
        "was not loaded, or write it as a Projection with handlers."
    )


@dataclass(frozen=True)
class ComputedTables:
    """The one table of a Polars function, which is computed for each position that is asked."""

    plan: FramePlan
    history: History

    @property
    def names(self) -> tuple[str, ...]:
        """The one name, which is the function's."""
        return (self.plan.name,)

    def keys(self, name: str) -> tuple[str, ...]:
        """The key columns."""
        self._known(name)
        return self.plan.key

    def log(self, name: str) -> ChangeLog:
        """A function has no change log.

        Raises
        ------
        NoChangeLogError
            Always.
        """
        self._known(name)
        raise NoChangeLogError(_no_log(name))

    def table(self, name: str, position: int | None) -> pl.DataFrame:
        """The table as of a position: the function over the events up to it, sorted by key.

        Raises
        ------
        ProjectionError
            If the function fails, returns no frame, or one with rows of the same key.
        """
        self._known(name)
        chosen = self.history
        if position is not None:
            after = chosen.selection.after or 0
            chosen = chosen.between(upto=max(position, after))
        found = self._computed(chosen.scan())
        missing = [column for column in self.plan.key if column not in found.columns]
        if missing:
            msg = (
                f"Cannot use the result of {name!r}: it has no column {missing[0]!r}, which is in "
                f"its key. It has {', '.join(found.columns)}."
            )
            raise ProjectionError(msg)
        values = [column for column in found.columns if column not in self.plan.key]
        table = found.select(*self.plan.key, *values).sort(self.plan.key)
        keys = table.select(self.plan.key)
        if keys.null_count().sum_horizontal().sum() or keys.n_unique() < keys.height:
            odd = keys.filter(keys.is_duplicated() | pl.any_horizontal(pl.all().is_null()))
            msg = (
                f"Cannot use the result of {name!r}: the key {odd.row(0)} is null or stands there "
                f"twice. Name the columns that tell its rows apart: key=[...]."
            )
            raise ProjectionError(msg)
        return table

    def _computed(self, events: pl.LazyFrame) -> pl.DataFrame:
        try:
            found = self.plan.function(events)
            if isinstance(found, pl.LazyFrame):
                return found.collect()
        except pl.exceptions.PolarsError as error:
            msg = (
                f"Cannot replay into {self.plan.name!r}: {str(error).splitlines()[0]}. "
                "The function gets the event table as a LazyFrame: see workbench.tables.EVENTS."
            )
            raise ProjectionError(msg) from error
        msg = (
            f"Cannot replay into {self.plan.name!r}: it returned {type(found).__name__}. "
            "Return a LazyFrame."
        )
        raise ProjectionError(msg)

    def height(self, name: str) -> int:
        """How many rows the table has at the end."""
        return self.table(name, None).height

    def position_at(self, moment: datetime) -> int | None:
        """The position before the first event that is later; None for the end."""
        later = self.history.scan().filter(pl.col("time") > moment)
        found = later.select(pl.col("position").min()).collect().item()
        return None if found is None else int(found) - 1

    def _known(self, name: str) -> None:
        if name != self.plan.name:
            raise UnknownTableError(_no_table(name, self.plan.name, (self.plan.name,)))
