"""The change log of one table: every change that a trial made to it, by column.

Each change knows the change before it of the same row, so that what a row was before,
when a value ceased to hold, and the table as of any position are lookups by number,
not searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.tables import CHANGES, EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

CAUSE = ("position", "partition", "time", "stream", "version", "type", "schema_version")
"""The columns of the event that a change was made at."""
ENTRIES = pl.Schema(
    [
        *((name, EVENTS.schema[name]) for name in CAUSE),
        ("row", pl.UInt32),
        ("previous", pl.UInt32),
        ("deleted", pl.Boolean),
    ]
)
"""The columns of `ChangeLog.entries`."""


def logged_key(name: str) -> str:
    """Return the name that a key column has in the change log: an event's column comes first."""
    return f"key.{name}" if name in CHANGES.names else name


@dataclass(frozen=True)
class ChangeLog:
    """The changes to one table, in the order in which they were made.

    `keys` has the key columns of every row that ever was; a row's number is its place
    there. `entries` has a row a change: the event's columns (`CAUSE`), `row`, `previous`
    (the entry before it of the same row, null for the first), and `deleted`. `after` has
    beside each entry the value columns as they are after it, null after a delete.
    """

    keys: pl.DataFrame
    entries: pl.DataFrame
    after: pl.DataFrame

    @property
    def schema(self) -> pl.Schema:
        """The schema of the table: key columns, then value columns."""
        return pl.Schema({**self.keys.schema, **self.after.schema})

    def __len__(self) -> int:
        """The number of changes."""
        return self.entries.height

    @cached_property
    def _next(self) -> pl.Series:
        """For each entry, the one after it of the same row, null where there is none."""
        previous = self.entries["previous"]
        later = pl.repeat(None, len(self), dtype=pl.UInt32, eager=True)
        numbers = pl.int_range(len(self), dtype=pl.UInt32, eager=True)
        known = previous.is_not_null()
        return later.scatter(previous.filter(known), numbers.filter(known))

    @cached_property
    def _rank(self) -> pl.Series:
        """For each row, its place in the order of the keys."""
        order = self.keys.select(pl.arg_sort_by(self.keys.columns)).to_series()
        places = pl.int_range(order.len(), dtype=pl.UInt32, eager=True)
        return pl.zeros(order.len(), pl.UInt32, eager=True).scatter(order, places)

    @cached_property
    def _is_ordered(self) -> bool:
        return self.entries["position"].is_sorted()

    def upto(self, position: int | None) -> int:
        """Return how many of the changes were made at or before a position."""
        if position is None:
            return len(self)
        if self._is_ordered:
            return int(self.entries["position"].search_sorted(position, side="right"))
        return int((self.entries["position"] <= position).sum())

    def table(self, position: int | None = None) -> pl.DataFrame:
        """Return the table as of a position: key and value columns, sorted by key."""
        return self._at(self._live(position))

    def table_at_version(self, version: int) -> pl.DataFrame:
        """Return the table of rows as changed by events up to a version of their streams.

        The last change of each row by an event of at most that version counts.
        """
        entries = self.entries.lazy().with_row_index("entry")
        last = (
            entries.filter(pl.col("version") <= version)
            .group_by("row")
            .agg(pl.col("entry").last(), pl.col("deleted").last())
            .filter(~pl.col("deleted"))
            .collect()
        )
        return self._at(last["entry"])

    def rows_of_many_streams(self) -> pl.DataFrame:
        """Return the keys of rows that events of more than one stream have changed."""
        streams = self.entries.group_by("row").agg(pl.col("stream").n_unique())
        many = streams.filter(pl.col("stream") > 1)["row"].sort()
        return self.keys[many]

    def _live(self, position: int | None) -> pl.Series:
        """Return the entries that are the state of their rows as of a position."""
        count = self.upto(position)
        after = self._next.head(count)
        live = (after.is_null() | (after >= count)) & ~self.entries["deleted"].head(count)
        return live.fill_null(value=True).arg_true()

    def _at(self, entries: pl.Series) -> pl.DataFrame:
        rows = self.entries["row"].gather(entries)
        order = self._rank.gather(rows).arg_sort()
        rows, entries = rows.gather(order), entries.gather(order)
        return pl.concat([self.keys[rows], self.after[entries]], how="horizontal")

    def height(self, position: int | None = None) -> int:
        """Return how many rows the table has as of a position."""
        return self._live(position).len()

    def changes(self, entries: pl.Series | None = None) -> pl.DataFrame:
        """Return changes in the public form: `workbench.tables.CHANGES` and the table's columns.

        Parameters
        ----------
        entries
            The numbers of the changes; all by default.
        """
        found = self.entries if entries is None else self.entries[entries]
        after = self.after if entries is None else self.after[entries]
        before = self.after.select(pl.all().gather(found["previous"]))
        is_new = self.entries["deleted"].gather(found["previous"]).fill_null(value=True)
        change = pl.select(
            pl.when(found["deleted"])
            .then(pl.lit("delete"))
            .when(is_new)
            .then(pl.lit("insert"))
            .otherwise(pl.lit("update"))
            .alias("change")
        )
        keys = self.keys[found["row"]]
        keys.columns = [logged_key(name) for name in keys.columns]
        pairs = [
            column
            for name in self.after.columns
            for column in (before[name].alias(f"{name}_before"), after[name].alias(f"{name}_after"))
        ]
        return pl.concat([found.select(CAUSE), change, keys, pl.DataFrame(pairs)], how="horizontal")

    def row_of(self, key: Mapping[str, Any]) -> int | None:
        """Return the number of the row of a key, None if there never was one."""
        matches = pl.all_horizontal(
            pl.col(name) == pl.lit(value, self.keys.schema[name]) for name, value in key.items()
        )
        found = self.keys.select(matches.arg_true()).to_series()
        return int(found[0]) if found.len() else None

    def entries_of(self, row: int) -> pl.Series:
        """Return the numbers of a row's changes, in order."""
        return (self.entries["row"] == row).arg_true()

    def entries_at(self, position: int) -> pl.Series:
        """Return the numbers of the changes that were made at a position."""
        if self._is_ordered:
            first = int(self.entries["position"].search_sorted(position, side="left"))
            return pl.int_range(first, self.upto(position), dtype=pl.UInt32, eager=True)
        return (self.entries["position"] == position).arg_true()

    def last(self) -> pl.DataFrame:
        """Return the last entry of each row, in order of rows: `row`, `entry` and `deleted`."""
        numbered = self.entries.select("row", "deleted").with_row_index("entry")
        return numbered.filter(self._next.is_null()).sort("row")
