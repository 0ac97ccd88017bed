"""How the fields of one event type change over time, and since which event."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from workbench.catalog import short_name
from workbench.description import html_table
from workbench.schemas.change_points import changes, numbers_at
from workbench.schemas.shapes import NULL, Path, path_text
from workbench.schemas.statistics import LONGEST_TEXT, MOST_VALUES
from workbench.tables import CHANGE_POINTS, DRIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.schemas.gathering import Gathered


@dataclass(frozen=True, eq=False)
class Drift:
    """How the fields of one event type change over time; made by `History.drift`.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> drift = open_history(shop_path()).drift("Order.Confirmed")
    >>> drift.changes.select("path", "kind", "position").rows()[0]
    ('coupon', 'field_begins', 13031)
    """

    type: str
    """The event type as stored."""
    every: str
    """The length of a window."""
    events: Gathered = field(repr=False)

    @cached_property
    def changes(self) -> pl.DataFrame:
        """The change points: `workbench.tables.CHANGE_POINTS`, by position.

        Notes
        -----
        What begins or ends does so by the likelihood ratio that finds silent versions, see
        `workbench.schemas.regimes`. Levels and shares change by Pettitt's test, see
        `workbench.schemas.shifts`: with a probability below 0.000001 of being by chance,
        and by a Cliff's delta of at least 0.33, of shares by at least 0.2.
        """
        rows = [change.row(self.events) for change in changes(self.events)]
        return CHANGE_POINTS.frame(rows).sort("position", "path", "kind", maintain_order=True)

    @cached_property
    def windows(self) -> pl.DataFrame:
        """Each field in each window: `workbench.tables.DRIFT`, by path and time.

        Events without a time are in no window.
        """
        begins = self.events.times.dt.truncate(self.every)
        dated = begins.is_not_null().to_numpy()
        windows = begins.drop_nulls().unique().sort()
        of_event = np.full(dated.size, -1, np.int64)
        of_event[dated] = windows.search_sorted(begins.drop_nulls()).to_numpy()
        shapes = self.events.counts.shape[0]
        cells = of_event[dated] * shapes + self.events.shape_of[dated]
        table = np.bincount(cells, minlength=windows.len() * shapes)
        by_shape = table.reshape(windows.len(), shapes)
        frames = [self._windows_of(path, windows, of_event, by_shape) for path in self.events.paths]
        return pl.concat([DRIFT.frame(), *frames]).sort("path", "time")

    def _windows_of(
        self,
        path: Path,
        windows: pl.Series,
        of_event: NDArray[np.int64],
        by_shape: NDArray[np.int64],
    ) -> pl.DataFrame:
        """Return the rows of one field; `by_shape` counts events by window and shape."""
        of = self.events
        count, lacking = by_shape @ of.count(path), by_shape @ of.lacking(path)
        frame = pl.DataFrame(
            {
                "window": np.arange(windows.len()),
                "time": windows,
                "events": by_shape @ (of.count(path) > 0),
                "count": count,
                "null_share": by_shape @ of.count(path, [NULL]),
                "missing_share": lacking,
                "around": count + lacking,
            }
        ).with_columns(
            pl.lit(path_text(path)).alias("path"),
            _share("null_share", "count"),
            _share("missing_share", "around"),
        )
        values = self._values(path, of_event)
        numbers = numbers_at(of, path)
        level = (
            numbers.with_columns(pl.Series("window", of_event[numbers["nth"].to_numpy()]))
            .group_by("window")
            .agg(pl.col("value").mean().alias("mean"), pl.col("value").median().alias("median"))
        )
        distinct = values.group_by("window").agg(pl.col("value").n_unique().alias("distinct"))
        joined = (
            frame.join(distinct, on="window", how="left")
            .join(level, on="window", how="left")
            .join(_new_values(values), on="window", how="left")
        )
        return DRIFT.conform(
            joined.filter(pl.col("around") > 0).with_columns(
                pl.col("distinct").fill_null(0),
                pl.col("new_values").fill_null([]),
            )
        )

    def _values(self, path: Path, of_event: NDArray[np.int64]) -> pl.DataFrame:
        """Return the window and the text of each value at a path."""
        empty = pl.DataFrame(schema={"window": pl.Int64, "value": pl.String})
        parts = [
            pl.DataFrame({"window": of_event[found.nth], "value": found.text})
            for kind in self.events.kinds(path)
            if (found := self.events.values.get((path, kind))) is not None
        ]
        return pl.concat([empty, *parts]).filter(pl.col("window") >= 0)

    def __repr__(self) -> str:
        """One line."""
        return (
            f"<Drift of {short_name(self.type)!r}: {self.events.positions.size:,} events, "
            f"{len(self.events.paths)} fields>"
        )

    def _repr_html_(self) -> str:
        rows = {
            f"{row['position']:,}": row["sentence"]
            for row in self.changes.head(_MOST_ROWS).to_dicts()
        }
        return html_table(repr(self)[1:-1], rows or {"changes": "none"})


_MOST_ROWS = 60


def _share(part: str, of: str) -> pl.Expr:
    return pl.when(pl.col(of) > 0).then(pl.col(part) / pl.col(of)).alias(part)


def _new_values(values: pl.DataFrame) -> pl.DataFrame:
    """Return by window the values that are new in it, of a field of few values."""
    empty = pl.DataFrame(schema={"window": pl.Int64, "new_values": pl.List(pl.String)})
    first = values.group_by("value").agg(pl.col("window").min())
    longest = first["value"].str.len_chars().max() or 0
    if not 0 < first.height <= MOST_VALUES or int(str(longest)) > LONGEST_TEXT:
        return empty
    later = first.filter(pl.col("window") > first["window"].min())
    return later.group_by("window").agg(pl.col("value").sort().alias("new_values"))
