"""The one pass over two change logs: at which positions the states of a key differ.

The state of a key on each side is a step function of position. The steps of both sides
are put in one order, by key and position; each side's last entry is carried forward; and
what differs is then a comparison of two columns. Several changes of one key at one
position are one step: its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from workbench.changelog.log import ENTRIES, ChangeLog
from workbench.comparing.values import differ, directions

if TYPE_CHECKING:
    from workbench.comparing.values import Tolerance

LARGEST = 2**63
ITEMS = pl.Schema(
    {
        "number": pl.Int16,
        "first": pl.UInt32,
        "last": pl.UInt32,
        "lasts": pl.Boolean,
        "direction": pl.String,
    }
)
"""One cell, or row, that differs at any step: which column (-1 for the row), the first and
the last step at which it does, whether that is the end, and the direction there, or, where
it does not last, at the first."""


def fixed_log(table: pl.DataFrame, key: tuple[str, ...]) -> ChangeLog:
    """Return a table whose changes are not known as a log with one entry a row."""
    entries = pl.DataFrame(schema=ENTRIES).clear(table.height)
    rows = pl.int_range(table.height, dtype=pl.UInt32, eager=True)
    entries = entries.with_columns(rows.alias("row"), pl.lit(value=False).alias("deleted"))
    return ChangeLog(table.select(key), entries, table.drop(key))


@dataclass(frozen=True)
class Compared:
    """One column as both sides have it after each entry, in the dtype of the comparison."""

    name: str
    a: pl.Series
    b: pl.Series
    tolerance: Tolerance | None


@dataclass(frozen=True)
class Steps:
    """The states of all keys of two change logs, step by step.

    `key_a` and `key_b` number the rows of each log by key. `keys` has the key columns.
    """

    a: ChangeLog
    b: ChangeLog
    keys: pl.DataFrame
    key_a: pl.Series
    key_b: pl.Series
    columns: tuple[Compared, ...]

    @cached_property
    def frame(self) -> pl.DataFrame:
        """A row a step, by key and position: `key`, `position`, and the entries `a` and `b`."""
        a, b = _numbered(self.a, self.key_a, "a"), _numbered(self.b, self.key_b, "b")
        if all(a[name].equals(b[name], null_equal=True) for name in ("key", "position")):
            merged = _sorted(a.with_columns(b=pl.col("a")))
        else:
            merged = _sorted(pl.concat([a, b], how="diagonal"))
            sides = {"a": a["key"], "b": b["key"]}
            merged = merged.with_columns(
                _carried(merged[side], merged["key"], keys) for side, keys in sides.items()
            )
        key, position = merged["key"], merged["position"]
        is_last_of_key = key.ne_missing(key.shift(-1))
        return merged.filter(is_last_of_key | position.ne_missing(position.shift(-1)))

    @cached_property
    def ends(self) -> pl.Series:
        """Whether a step is the last of its key."""
        key = self.frame["key"]
        return key.ne_missing(key.shift(-1))

    def is_there(self, side: str, steps: pl.Series | None = None) -> pl.Series:
        """Return whether the row is there on a side after each step."""
        log = self.a if side == "a" else self.b
        entries = self.frame[side] if steps is None else self.frame[side].gather(steps)
        return ~log.entries["deleted"].gather(entries).fill_null(value=True)

    def values(self, column: Compared, side: str, steps: pl.Series | None = None) -> pl.Series:
        """Return the values of a column on a side after each step, null where there is no row."""
        entries = self.frame[side] if steps is None else self.frame[side].gather(steps)
        return (column.a if side == "a" else column.b).gather(entries)

    @cached_property
    def items(self) -> pl.DataFrame:
        """All that differs at any step: `ITEMS`, by column and key."""
        there_a, there_b = self.is_there("a"), self.is_there("b")
        found = [self._rows(there_a != there_b, there_a)]
        both = there_a & there_b
        for number, column in enumerate(self.columns):
            a, b = self.values(column, "a"), self.values(column, "b")
            spans = self._spans(both & differ(a, b, column.tolerance))
            at = _decisive(spans)
            said = directions(a.gather(at), b.gather(at))
            found.append(_items(number, spans, said))
        return pl.concat(found)

    def _rows(self, different: pl.Series, there_a: pl.Series) -> pl.DataFrame:
        spans = self._spans(different)
        is_missing = there_a.gather(_decisive(spans))
        said = pl.select(pl.when(is_missing).then(pl.lit("missing")).otherwise(pl.lit("extra")))
        return _items(-1, spans, said.to_series())

    def _spans(self, different: pl.Series) -> pl.DataFrame:
        """Return the first and the last step of each key at which something differs."""
        steps = different.arg_true().cast(pl.UInt32)
        key = self.frame["key"].gather(steps)
        last = steps.filter(key.ne_missing(key.shift(-1)))
        first = steps.filter(key.ne_missing(key.shift(1)))
        return pl.DataFrame({"first": first, "last": last, "lasts": self.ends.gather(last)})


def _numbered(log: ChangeLog, keys: pl.Series, side: str) -> pl.DataFrame:
    """Return the key, the position and the number of each entry of a log."""
    return pl.DataFrame(
        {
            "key": keys.gather(log.entries["row"]),
            "position": log.entries["position"],
            side: pl.int_range(len(log), dtype=pl.UInt32, eager=True),
        }
    )


def _sorted(steps: pl.DataFrame) -> pl.DataFrame:
    """Return steps by key and position; what was made at one position stays in order.

    Where both numbers fit into one, that is sorted: it takes half the time.
    """
    lowest, highest = steps["position"].min(), steps["position"].max()
    if not isinstance(lowest, int) or not isinstance(highest, int):
        return steps.sort("key", maintain_order=True)
    span, keys = highest - lowest + 1, steps["key"].max()
    if isinstance(keys, int) and (keys + 1) * span < LARGEST:
        packed = pl.col("key").cast(pl.Int64) * span + (pl.col("position") - lowest)
        return steps.with_columns(place=packed).sort("place", maintain_order=True).drop("place")
    return steps.sort("key", "position", maintain_order=True)


def _carried(entries: pl.Series, key: pl.Series, keys: pl.Series) -> pl.Series:
    """Return the last entry before or at each step, null before the first of its key."""
    filled = entries.fill_null(strategy="forward")
    is_own = keys.gather(filled).eq_missing(key)
    return filled.set(~is_own, None) if filled.len() else filled


def _decisive(spans: pl.DataFrame) -> pl.Series:
    """Return the step that says how something differs: the end, or where it began."""
    at = pl.when("lasts").then("last").otherwise("first")
    return spans.select(at).to_series()


def _items(number: int, spans: pl.DataFrame, direction: pl.Series) -> pl.DataFrame:
    made = spans.with_columns(
        pl.lit(number, pl.Int16).alias("number"), direction.alias("direction")
    )
    return made.select(ITEMS.names())
