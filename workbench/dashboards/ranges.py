"""The overview of a range of time, out of counts by the hour: no event is read again.

`digest` reads the history once; a range that begins and ends with an hour is then a filter
and a sum, which take milliseconds. For any other range the history itself is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import AGGREGATE, SHORT_NAME
from workbench.dashboards.queries import Filters
from workbench.moments import moment_of
from workbench.tables import STREAMS, TIME, TYPES, Column, Table

if TYPE_CHECKING:
    from datetime import datetime

    from workbench.history import History

HOUR = "1h"
VERSIONS = Table(
    "versions",
    "one schema version of one event type",
    (
        Column("type", pl.String, "the event type as stored"),
        Column("schema_version", pl.Int32, "the version that its events state, null where none"),
        Column("count", pl.Int64, "events"),
        Column("share", pl.Float64, "part of the type's events, 0 to 1"),
        Column("first_position", pl.Int64, "the position of the first event"),
        Column("last_position", pl.Int64, "the position of the last event"),
        Column("first_time", TIME, "the earliest time"),
        Column("last_time", TIME, "the latest time"),
    ),
    ("type", "schema_version"),
)


def digest(history: History) -> pl.DataFrame:
    """Return what is needed of each hour, type and schema version to sum up any range of hours.

    Returns
    -------
    polars.DataFrame
        `time`, where the hour begins, null for events without a time; `type`;
        `schema_version`; and `count`, `size`, `largest`, `undecodable`, `first_position`,
        `last_position`, `first_time`, `last_time` of their events.
    """
    size = pl.col("data").str.len_bytes().cast(pl.Int64)
    hour = pl.col("time").dt.truncate(HOUR).alias("hour")
    found = history.scan().group_by(hour, "type", "schema_version").agg(
        pl.len().cast(pl.Int64).alias("count"),
        size.sum().alias("size"),
        size.max().alias("largest"),
        pl.col("data").is_null().sum().cast(pl.Int64).alias("undecodable"),
        *_ends(pl.col("position"), pl.col("position"), pl.col("time"), pl.col("time")),
    )  # fmt: skip
    return found.collect(engine="streaming").rename({"hour": "time"})


def stream_digest(history: History) -> pl.DataFrame:
    """Return the same of each hour and stream: `count`, the ends, `head_version` and `type`."""
    hour = pl.col("time").dt.truncate(HOUR).alias("hour")
    found = history.scan().group_by(hour, "stream").agg(
        pl.len().cast(pl.Int64).alias("count"),
        pl.col("version").max().alias("head_version"),
        pl.col("type").sort_by("position").first().alias("type"),
        *_ends(pl.col("position"), pl.col("position"), pl.col("time"), pl.col("time")),
    )  # fmt: skip
    return found.collect(engine="streaming").rename({"hour": "time"})


def _ends(first: pl.Expr, last: pl.Expr, begin: pl.Expr, end: pl.Expr) -> list[pl.Expr]:
    return [
        first.min().alias("first_position"),
        last.max().alias("last_position"),
        begin.min().alias("first_time"),
        end.max().alias("last_time"),
    ]


_SUMMED = _ends(*map(pl.col, ("first_position", "last_position", "first_time", "last_time")))


def range_of(filters: Filters) -> Filters:
    """Return the range of time alone of filters: what the overview follows."""
    return Filters(since=filters.since, until=filters.until)


def is_whole_hours(range_: Filters) -> bool:
    """Return whether a range begins and ends with an hour, or is open.

    Raises
    ------
    RangeError
        If a time cannot be read.
    """
    first, last = _bounds(range_)
    starts = first is None or first.replace(minute=0, second=0, microsecond=0) == first
    ends = last is None or (last.minute, last.second, last.microsecond) == (59, 59, 999_999)
    return starts and ends


def _bounds(range_: Filters) -> tuple[datetime | None, datetime | None]:
    first = None if range_.since is None else moment_of(range_.since)
    last = None if range_.until is None else moment_of(range_.until, end_of_day=True)
    return first, last


def within(digested: pl.DataFrame, range_: Filters) -> pl.DataFrame:
    """Return the part of a digest that is in a range of whole hours."""
    first, last = _bounds(range_)
    if first is not None:
        digested = digested.filter(pl.col("time") >= first)
    return digested if last is None else digested.filter(pl.col("time") <= last)


def types(digested: pl.DataFrame) -> pl.DataFrame:
    """Return the types of a digest: `workbench.tables.TYPES`, as `History.types` does."""
    decodable = pl.col("count").sum() - pl.col("undecodable").sum()
    found = (
        digested.group_by("type")
        .agg(
            pl.col("schema_version").drop_nulls().unique().sort().alias("schema_versions"),
            pl.when(decodable > 0).then(pl.col("size").sum() / decodable).alias("mean_size_bytes"),
            pl.col("largest").max().alias("largest_size_bytes"),
            pl.col("count").sum(),
            pl.col("undecodable").sum(),
            *_SUMMED,
        )
        .with_columns(
            SHORT_NAME.alias("short_name"),
            AGGREGATE.alias("aggregate"),
            (pl.col("count") / pl.col("count").sum()).alias("share"),
        )
    )
    return TYPES.conform(found).sort("count", "type", descending=[True, False])


def versions(digested: pl.DataFrame) -> pl.DataFrame:
    """Return the schema versions of each type in a digest: `VERSIONS`."""
    found = digested.group_by("type", "schema_version").agg(pl.col("count").sum(), *_SUMMED)
    share = pl.col("count") / pl.col("count").sum().over("type")
    return VERSIONS.conform(found.with_columns(share.alias("share"))).sort("type", "schema_version")


def streams(digested: pl.DataFrame) -> pl.DataFrame:
    """Return the streams of a stream digest: `workbench.tables.STREAMS`, as `History.streams`."""
    found = (
        digested.sort("first_position")
        .group_by("stream", maintain_order=True)
        .agg(
            pl.col("type").first(),
            pl.col("count").sum().alias("events"),
            pl.col("head_version").max(),
            *_SUMMED,
        )
        .with_columns(AGGREGATE.alias("aggregate"))
    )
    return STREAMS.conform(found).sort("first_position", "stream")


def problems(found: pl.DataFrame, types: pl.DataFrame) -> pl.DataFrame:
    """Return the `workbench.tables.PROBLEMS` that touch the positions of a range's types.

    Those that are about no position, such as a receiver's, are left out.
    """
    first, last = types["first_position"].min(), types["last_position"].max()
    if first is None or last is None:
        return found.clear()
    return found.filter(pl.col("first_position") <= last, pl.col("last_position") >= first)
