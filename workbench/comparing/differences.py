"""Where the tables of two trials differ, as frames: the rows at the end, and each first event."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from workbench.changelog.log import CAUSE
from workbench.comparing.values import changed_by, key_texts, texts
from workbench.tables import CORRECTIONS, DIVERGENCES, ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.comparing.steps import Compared, Steps

Odd = tuple[str | None, str, int]
"""What is not compared by value: the column (null for the table), the direction, how many rows."""


@dataclass(frozen=True)
class TableDifferences:
    """One pair of tables: what differs, when it began, and what cannot be compared."""

    name: str
    """The table, with both names where they are two."""
    table_a: str | None
    table_b: str | None
    steps: Steps
    odd: tuple[Odd, ...]
    rows_a: int | None
    rows_b: int | None

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns."""
        return tuple(self.steps.keys.columns)

    # What differs

    @cached_property
    def items(self) -> pl.DataFrame:
        """All cells and rows that differ at any event, in order of `DIVERGENCES`.

        The columns of `workbench.comparing.steps.ITEMS`, then `key` (its number), `column`,
        `by`, `healed_at`, and the columns of the first event.
        """
        steps, items = self.steps.frame, self.steps.items
        key, position = steps["key"].gather(items["first"]), steps["position"]
        event, by = self._events(items["first"])
        names = pl.Series([column.name for column in self.steps.columns], dtype=pl.String)
        number = items["number"].cast(pl.Int32)
        made = items.with_columns(
            key.alias("key"),
            names.gather(number.set(number < 0, None)).alias("column"),
            by.alias("by"),
            _after(position, items).alias("healed_at"),
            self._rank(key).alias("rank"),
            *event.iter_columns(),
        )
        return made.sort("position", "rank", "number").drop("rank")

    def _events(self, steps: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """Return the events at which steps were made, and which side changed the row there."""
        position = self.steps.frame["position"].gather(steps)
        made = {}
        for side, log in (("a", self.steps.a), ("b", self.steps.b)):
            entries = self.steps.frame[side].gather(steps)
            is_own = log.entries["position"].gather(entries) == position
            made[side] = entries.set(~is_own.fill_null(value=False), None)
        a, b = (
            log.entries.select(pl.col(CAUSE).gather(made[side]))
            for side, log in (("a", self.steps.a), ("b", self.steps.b))
        )
        by_b, by_a = made["b"].is_not_null(), made["a"].is_not_null()
        event = pl.DataFrame([b[name].zip_with(by_b, a[name]) for name in CAUSE])
        told = (
            (pl.when(by_a & by_b).then(pl.lit("both")).when(by_b).then(pl.lit("b")))
            .when(by_a)
            .then(pl.lit("a"))
        )
        return event, pl.select(told).to_series()

    def _rank(self, keys: pl.Series) -> pl.Series:
        """Return the place of each key in the order of keys."""
        distinct = keys.unique()
        order = self.steps.keys[distinct].select(pl.arg_sort_by(self.key)).to_series()
        places = pl.DataFrame({"key": distinct.gather(order)}).with_row_index("rank")
        found = keys.to_frame("key").join(places, on="key", how="left", maintain_order="left")
        return found["rank"]

    # The rows at the end

    @cached_property
    def changed_rows(self) -> pl.DataFrame:
        """The rows that differ at the end: `key` (its number), `change`, `columns`, by key."""
        change = (
            pl.when(pl.col("direction") == "missing")
            .then(pl.lit("removed"))
            .when(pl.col("direction") == "extra")
            .then(pl.lit("added"))
            .otherwise(pl.lit("changed"))
        )
        found = (
            self.items.filter("lasts")
            .sort("number")
            .group_by("key", maintain_order=True)
            .agg(change.first().alias("change"), pl.col("column").drop_nulls().alias("columns"))
        )
        return found.sort(self._rank(found["key"]))

    def rows(self) -> pl.DataFrame:
        """Return the rows that differ at the end: `workbench.tables.ROWS` and the columns."""
        found = self.changed_rows
        last = _last_steps(self.steps, found["key"])
        pairs = [
            self.steps.values(column, side, last).alias(f"{column.name}_{side}")
            for column in self.steps.columns
            for side in "ab"
        ]
        told = found.select(ROWS.names)
        taken = {*ROWS.names, *(pair.name for pair in pairs)}
        keys = self._keys(found["key"], taken)
        return pl.concat([told, keys, pl.DataFrame(pairs)], how="horizontal")

    def _keys(self, numbers: pl.Series, taken: set[str]) -> pl.DataFrame:
        """Return key columns, with a prefix where a column of that name stands before them."""
        keys = self.steps.keys[numbers]
        keys.columns = [f"key.{name}" if name in taken else name for name in keys.columns]
        return keys

    @cached_property
    def healed_rows(self) -> int:
        """How many rows differed at some event, and are the same at the end."""
        ever = self.items["key"].n_unique()
        return ever - self.changed_rows.height

    # The first events

    def divergences(self, most: int | None = None, *, lasts: bool = False) -> pl.DataFrame:
        """Return where each cell began to differ: `workbench.tables.DIVERGENCES` and the key.

        Parameters
        ----------
        most
            How many rows, all by default.
        lasts
            Whether to leave out what has healed.
        """
        items = self.items.filter("lasts") if lasts else self.items
        return self._diverging(items if most is None else items.head(most))

    @staticmethod
    def key_columns(divergences: pl.DataFrame) -> list[str]:
        """Return what the key columns are called in a frame of divergences."""
        return divergences.columns[len(DIVERGENCES.names) :]

    def first(self) -> pl.DataFrame:
        """Return the first row of `divergences`, after the table's name and the key as JSON."""
        items = self.items.head(1)
        made = self._diverging(items)
        told = {"table": self.name, "key": key_texts(self.steps.keys[items["key"]])[0]}
        return made.select(
            *(pl.lit(value).alias(name) for name, value in told.items()), *DIVERGENCES.names
        )

    def _diverging(self, items: pl.DataFrame) -> pl.DataFrame:
        first = items["first"]
        before = _steps_before(self.steps.frame["key"], first)
        at = {"before": before, "after": first}
        told = {
            f"{side}_{when}": self._texts(items["number"], side, steps)
            for side in "ab"
            for when, steps in at.items()
        }
        made = items.with_columns(**told).select(DIVERGENCES.names)
        keys = self._keys(items["key"], set(DIVERGENCES.names))
        return pl.concat([made, keys], how="horizontal")

    def _texts(self, numbers: pl.Series, side: str, steps: pl.Series) -> pl.Series:
        """Return the values of items at steps as text, each of its own column."""
        told = pl.repeat(None, numbers.len(), dtype=pl.String, eager=True)
        for number in numbers.unique().to_list():
            places = (numbers == number).arg_true()
            at = steps.gather(places)
            if number < 0:
                found = self._row_texts(side, at)
            else:
                found = texts(self.steps.values(self.steps.columns[number], side, at))
            told = told.scatter(places, found)
        return told

    def _row_texts(self, side: str, steps: pl.Series) -> pl.Series:
        """Return whole rows as JSON, null where there is none."""
        columns = [
            texts(self.steps.values(column, side, steps)).alias(column.name)
            for column in self.steps.columns
        ]
        if columns:
            rows = pl.DataFrame(columns).to_struct().struct.json_encode()
        else:
            rows = pl.repeat("{}", steps.len(), eager=True)
        return rows.set(~self.steps.is_there(side, steps), None)

    # What would put it right

    def corrections(self) -> pl.DataFrame:
        """Return what would make a as b is: `workbench.tables.CORRECTIONS`, cell by cell."""
        items = self.items.filter("lasts")
        whole = items.filter(pl.col("number") < 0)
        of_rows = [
            whole.with_columns(pl.lit(number, pl.Int16).alias("number"))
            for number in range(len(self.steps.columns))
        ]
        cells = pl.concat([items.filter(pl.col("number") >= 0), *(of_rows or [whole])])
        parts = [
            self._corrected(cells.filter(pl.col("number") == number), column)
            for number, column in (enumerate(self.steps.columns) if of_rows else [(-1, None)])
        ]
        found = pl.concat([part.select(_CORRECTING) for part in parts])
        found = found.sort("position", self._rank(found["number"]), "order")
        return CORRECTIONS.conform(
            found.with_columns(
                pl.lit(self.name).alias("table"),
                pl.Series("key", key_texts(self.steps.keys[found["number"]]), pl.String),
            )
        )

    def _corrected(self, cells: pl.DataFrame, column: Compared | None) -> pl.DataFrame:
        nothing = pl.repeat(None, cells.height, dtype=pl.String, eager=True)
        name, is_, should_be, difference = None, nothing, nothing, nothing
        if column is not None:
            name = column.name
            a, b = (self.steps.values(column, side, cells["last"]) for side in "ab")
            is_, should_be, difference = texts(a), texts(b), changed_by(a, b)
        action = pl.col("direction").replace_strict(
            {"missing": "remove", "extra": "add"}, default="change", return_dtype=pl.String
        )
        return cells.select(
            *(name for name in CAUSE if name in CORRECTIONS.names),
            pl.col("key").alias("number"),
            pl.col("number").alias("order"),
            action.alias("action"),
            pl.lit(name, pl.String).alias("column"),
            is_.alias("value"),
            should_be.alias("should_be"),
            difference.alias("difference"),
        )


_CORRECTING: Sequence[str] = (
    *("number", "order", "action", "column", "value", "should_be", "difference"),
    *(name for name in CAUSE if name in CORRECTIONS.names),
)


def _after(position: pl.Series, items: pl.DataFrame) -> pl.Series:
    """Return the position at which items have become the same, null where they have not."""
    later = pl.select(pl.when(~items["lasts"]).then(items["last"] + 1)).to_series()
    return position.gather(later)


def _steps_before(key: pl.Series, steps: pl.Series) -> pl.Series:
    """Return the step of the same key before each, null where there is none."""
    has_one = (steps > 0) & (
        key.gather(pl.select(pl.when(steps > 0).then(steps - 1)).to_series()) == key.gather(steps)
    ).fill_null(value=False)
    return pl.select(pl.when(has_one).then(steps - 1)).to_series()


def _last_steps(steps: Steps, keys: pl.Series) -> pl.Series:
    """Return the last step of each key."""
    ends = steps.ends.arg_true()
    last = pl.zeros(steps.keys.height, pl.UInt32, eager=True).scatter(
        steps.frame["key"].gather(ends), ends.cast(pl.UInt32)
    )
    return last.gather(keys)
