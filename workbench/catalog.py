"""What is in a history: its types, its streams, and how many events in which time.

Each function takes the event table as a LazyFrame and returns a small frame; only
the columns that the answer needs are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from workbench.errors import RangeError
from workbench.tables import INTERVALS, RATE, STREAMS, TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

By = Literal["type", "stream", "aggregate"]
Within = Literal["stream", "type"]
STEPS_S = (
    *(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0),
    *(3600.0, 10_800.0, 43_200.0, 86_400.0, 259_200.0, 864_000.0, 2_592_000.0, 7_776_000.0),
    *(31_536_000.0, 315_360_000.0),
)
"""Where the lengths of intervals are told apart: whole steps of the units that people use."""
_WINDOW = re.compile(r"[1-9][0-9]{0,5}(us|ms|s|m|h|d|w|mo|q|y)")


def short_name(type_: str) -> str:
    """Return an event type without its module.

    Examples
    --------
    >>> short_name("shop.orders:Order.Placed")
    'Order.Placed'
    """
    return type_.rpartition(":")[2]


SHORT_NAME = pl.col("type").str.extract(r"([^:]*)$")
AGGREGATE = SHORT_NAME.str.extract(r"(?s)^(.+)\.[^.]*$")


def check_window(every: str) -> None:
    """Check the length of a window of time.

    Raises
    ------
    RangeError
        If it is no duration as Polars writes them.
    """
    if not _WINDOW.fullmatch(every):
        msg = f"Cannot use {every!r} as a window of time. Write it as '1h', '1d', '1w' or '1mo'."
        raise RangeError(msg)


def types(events: pl.LazyFrame) -> pl.DataFrame:
    """Return the event types: `workbench.tables.TYPES`, most frequent first.

    Parameters
    ----------
    events
        The event table, as `History.scan` returns it.
    """
    size = pl.col("data").str.len_bytes().cast(pl.Int64)
    found = (
        events.group_by("type")
        .agg(
            pl.col("schema_version").drop_nulls().unique().sort().alias("schema_versions"),
            pl.len().cast(pl.Int64).alias("count"),
            *_span(),
            size.mean().alias("mean_size_bytes"),
            size.max().alias("largest_size_bytes"),
            pl.col("data").is_null().sum().cast(pl.Int64).alias("undecodable"),
        )
        .with_columns(
            SHORT_NAME.alias("short_name"),
            AGGREGATE.alias("aggregate"),
            (pl.col("count") / pl.col("count").sum()).alias("share"),
        )
        .collect(engine="streaming")
    )
    return TYPES.conform(found).sort("count", "type", descending=[True, False])


def streams(events: pl.LazyFrame) -> pl.DataFrame:
    """Return the streams: `workbench.tables.STREAMS`, in the order in which they begin.

    Parameters
    ----------
    events
        The event table, as `History.scan` returns it.
    """
    found = (
        events.group_by("stream")
        .agg(
            pl.col("type").sort_by("position").first().alias("type"),
            pl.len().cast(pl.Int64).alias("events"),
            *_span(),
            pl.col("version").max().alias("head_version"),
        )
        .with_columns(AGGREGATE.alias("aggregate"))
        .collect(engine="streaming")
    )
    return STREAMS.conform(found).sort("first_position", "stream")


def _span() -> list[pl.Expr]:
    return [
        pl.col("position").min().alias("first_position"),
        pl.col("position").max().alias("last_position"),
        pl.col("time").min().alias("first_time"),
        pl.col("time").max().alias("last_time"),
    ]


def rate(events: pl.LazyFrame, every: str = "1d", by: By = "type") -> pl.DataFrame:
    """Return how many events there are in each window of time: `workbench.tables.RATE`.

    Parameters
    ----------
    events
        The event table, as `History.scan` returns it. Events without a time do not count.
    every
        The window's length, as Polars writes durations: '1h', '1d', '1w', '1mo'. Windows
        begin at whole multiples in UTC; weeks begin on Monday.
    by
        What to count apart: the short name of the 'type', the 'stream', or the 'aggregate'.

    Raises
    ------
    RangeError
        If `every` is no duration or `by` is none of the three.
    """
    columns: Mapping[str, pl.Expr] = {
        "type": SHORT_NAME,
        "stream": pl.col("stream"),
        "aggregate": AGGREGATE,
    }
    if by not in columns:
        msg = f"Cannot count by {by!r}. Choose one of {', '.join(get_args(By))}."
        raise RangeError(msg)
    check_window(every)
    found = (
        events.filter(pl.col("time").is_not_null())
        .group_by(pl.col("time").dt.truncate(every), columns[by].alias("by"))
        .agg(pl.len().cast(pl.Int64).alias("count"))
        .collect(engine="streaming")
    )
    return RATE.conform(found).sort("time", "by")


def intervals(events: pl.LazyFrame, within: Within = "stream") -> pl.DataFrame:
    """Return how long after the one before them events happen: `workbench.tables.INTERVALS`.

    Parameters
    ----------
    events
        The event table, as `History.scan` returns it. Events without a time do not count.
    within
        What the one before has in common: the 'stream', or the 'type'.

    Raises
    ------
    RangeError
        If `within` is neither of the two.
    """
    if within not in get_args(Within):
        msg = f"Cannot look for the event before within {within!r}. Choose 'stream' or 'type'."
        raise RangeError(msg)
    # Sources of several partitions have no order but that of time.
    times = events.filter(pl.col("time").is_not_null())
    seconds = pl.col("time").diff().over(within).dt.total_microseconds() / 1e6
    steps = pl.Series("step", STEPS_S)
    step = pl.lit(steps).search_sorted(pl.col("s"), side="right").cast(pl.Int32)
    found = (
        times.select(SHORT_NAME.alias("by"), seconds.alias("s"))
        .drop_nulls("s")
        .group_by("by", step.alias("step"))
        .agg(pl.len().cast(pl.Int64).alias("count"))
        .collect()
    )
    lower, upper = (None, *STEPS_S), (*STEPS_S, None)
    bounds = [pl.Series(n, v, pl.Float64) for n, v in (("at_least_s", lower), ("below_s", upper))]
    index = pl.Series("step", range(len(lower)), pl.Int32)
    joined = found.join(pl.DataFrame([index, *bounds]), on="step")
    return INTERVALS.conform(joined.sort("by", "step"))
