"""A trial: one run of a projection over a history, which remembers every change it made.

The change log is the trial: the table as of any position is the last change of each
key up to it.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import RangeError, UnknownTableError, near
from workbench.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from workbench.history import History
    from workbench.projection import Projection

MOST_SHOWN = 10


@dataclass(frozen=True)
class Trial:
    """One run of a projection over a history, with its tables and its change log."""

    projection: type[Projection]
    history: History = field(repr=False)
    events: int
    """How many events the handlers were given."""
    last_position: int | None
    """The last position that was read."""
    elapsed_s: float
    failures: pl.DataFrame = field(repr=False)
    """What handlers could not process: `workbench.tables.FAILURES`."""
    _logs: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def rate(self) -> float:
        """Events a second, from the source to the change log."""
        return self.events / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table as of the end, by name."""
        return self.at().tables

    def table(self, name: str) -> pl.DataFrame:
        """Return a table as of the end: its key and value columns, sorted by key.

        Raises
        ------
        UnknownTableError
            If the projection declares no such table.
        """
        return self.at().table(name)

    def changes(self, name: str) -> pl.DataFrame:
        """Return the change log of a table: `workbench.tables.CHANGES` and its own columns.

        After the columns of `CHANGES` come the key columns, with the prefix `key.` where
        they are named like one of those, and `<value>_before` and
        `<value>_after` for each value column; rows are in the order in which they
        were made. Before an insert and after a delete, values are null.

        Raises
        ------
        UnknownTableError
            If the projection declares no such table.
        """
        if name not in self._logs:
            msg = (
                f"Cannot find the table {name!r} of {self.projection.__name__}. "
                f"{near(name, self._logs)}"
            )
            raise UnknownTableError(msg)
        return self._logs[name]

    def at(
        self,
        *,
        position: int | None = None,
        time: datetime | date | str | None = None,
    ) -> TrialAt:
        """Return the tables as of a position, or of a time; without either, as of the end.

        Parameters
        ----------
        position
            Up to and with the event at this position.
        time
            Up to the first change that is later than `time`: where times run backwards
            over the log, the log's order decides. A time without a zone is UTC; a date
            means the end of that day.

        Raises
        ------
        RangeError
            If both are given, or `time` is no time.
        """
        if position is not None and time is not None:
            msg = "Cannot look at a position and a time at once. Give one of the two."
            raise RangeError(msg)
        if time is not None:
            position = self._position_at(moment_of(time, end_of_day=True))
        return TrialAt(self, position)

    def _position_at(self, moment: datetime) -> int:
        """Return the position before the first change that is later than `moment`."""
        later = [
            log.filter(pl.col("time") > moment)["position"].min() for log in self._logs.values()
        ]
        found = [position for position in later if isinstance(position, int)]
        return min(found) - 1 if found else self.last_position or 0

    def __repr__(self) -> str:
        """One line: what was run, over how much, with what result."""
        sizes = ", ".join(f"{name} {len(self.table(name)):,}" for name in self._logs)
        failed = f", {self.failures.height:,} failures" if self.failures.height else ""
        return (
            f"<Trial {self.projection.__name__}: {self.events:,} events up to position "
            f"{self.last_position or 0:,}{failed}; rows: {sizes}>"
        )

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(repr(self))}</p>"]
        for name, table in self.tables.items():
            shown = table.head(MOST_SHOWN)._repr_html_()
            parts.append(f"<p><b>{html.escape(name)}</b>, {len(table):,} rows</p>{shown}")
        return "".join(parts)


@dataclass(frozen=True)
class TrialAt:
    """The tables of a trial as of one position; made by `Trial.at`."""

    trial: Trial
    position: int | None

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table as of the position, by name."""
        return {name: self.table(name) for name in self.trial.projection.declared()}

    def table(self, name: str) -> pl.DataFrame:
        """Return a table as of the position: its key and value columns, sorted by key.

        Raises
        ------
        UnknownTableError
            If the projection declares no such table.
        """
        log = self.trial.changes(name)
        declared = self.trial.projection.declared()[name]
        if self.position is not None:
            log = log.filter(pl.col("position") <= self.position)
        keys, values = declared.logged_keys, list(declared.values)
        return (
            log.unique(subset=list(keys.values()), keep="last", maintain_order=False)
            .filter(pl.col("change") != "delete")
            .select(
                *(pl.col(logged).alias(key) for key, logged in keys.items()),
                *(pl.col(f"{value}_after").alias(value) for value in values),
            )
            .sort(list(keys))
        )
