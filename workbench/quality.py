"""What is wrong, or odd, with a history.

Each check looks at the whole history by column and returns its findings as rows of
`workbench.tables.PROBLEMS`. `KINDS` names every check, its severity and its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench.tables import PROBLEMS

if TYPE_CHECKING:
    from datetime import datetime

SEVERITIES = ("error", "warning", "info")
COLUMNS = ("position", "partition", "stream", "version", "type", "time", "data", "problem")
MOST_FOUND = 1_000  # findings of one kind; the rest is one row that says how many


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its stable name, severity, and meaning in one sentence."""

    name: str
    severity: str
    meaning: str


KINDS = (
    Kind(
        "undecodable",
        "error",
        "The payload cannot be read without more knowledge, or is damaged: "
        "a replay with the application stops here.",
    ),
    Kind(
        "odd_payload",
        "warning",
        "The payload can be read, but holds a value that other readers refuse or round.",
    ),
    Kind(
        "version_gap",
        "error",
        "Versions of a stream run without a gap when they are written, "
        "so that events in between were removed later.",
    ),
    Kind(
        "version_start",
        "warning",
        "The stream does not begin with its first version: its beginning was removed, "
        "or the history starts later.",
    ),
    Kind(
        "version_duplicate",
        "error",
        "Two events claim the same place in a stream, which the store should refuse.",
    ),
    Kind(
        "position_hole",
        "info",
        "Numbers are missing: a database loses some when a write fails, "
        "and others when rows are deleted; the numbers alone do not tell which.",
    ),
    Kind(
        "stream_time_backwards",
        "warning",
        "An event says that it happened before the one it follows in its stream: "
        "the clocks of two machines differ, or the time was given by hand.",
    ),
    Kind(
        "log_time_backwards",
        "info",
        "Times step back over the log: events are stored after they happen, "
        "and clocks differ, so that order by time is not order by position here.",
    ),
    Kind(
        "time_in_future",
        "warning",
        "The event says that it happens later than now: a clock was ahead, or the time is a plan.",
    ),
    Kind(
        "rare_type",
        "info",
        "A type that occurs once is often a slip: a class that was renamed, or tried out.",
    ),
    Kind(
        "snapshot_ahead",
        "error",
        "A snapshot sums up events that the stream no longer has: "
        "the aggregate is rebuilt from something that cannot be checked.",
    ),
    Kind(
        "receiver_ahead",
        "warning",
        "A receiver has recorded a position that the log has not reached: it follows another "
        "store, or the log has lost its end, and the next events will be passed over.",
    ),
)
_KIND = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the checks must know besides the events.

    `is_whole`: the events are the source's whole history, so that gaps in it are
    real. `own_numbers`: the source's positions are counted for it alone.
    """

    head: int | None
    now: datetime
    is_whole: bool
    own_numbers: bool
    snapshots: pl.DataFrame
    receivers: pl.DataFrame


def problems(events: pl.LazyFrame, around: Circumstances) -> pl.DataFrame:
    """Return everything that is wrong or odd: `workbench.tables.PROBLEMS`.

    Most severe first, then by kind and position. Of one kind at most 1,000 rows are
    listed, and one more row says how many there are besides.

    Parameters
    ----------
    events
        The event table, as `History.scan` returns it.
    around
        What else there is to know.
    """
    decoded = pl.col("data").is_not_null().alias("decoded")
    frame = (
        events.select(*(c for c in COLUMNS if c != "data"), decoded)
        .with_columns(pl.col("type").cast(pl.Categorical), pl.col("stream").cast(pl.Categorical))
        .collect(engine="streaming")
        .sort("partition", "position")
    )
    found = [*_of_payloads(frame), *_of_times(frame, around.now)]
    if around.is_whole:
        found += [*_of_versions(frame), _rare_types(frame), _snapshots(frame, around.snapshots)]
        found += [_receivers(around)]
        if around.own_numbers:
            found.append(_holes(frame))
    return _listed(found)


def _listed(found: list[pl.DataFrame]) -> pl.DataFrame:
    order = pl.col("severity").replace_strict(
        SEVERITIES, range(len(SEVERITIES)), return_dtype=pl.Int8
    )
    tops = [_capped(frame) for frame in found]
    return (
        pl.concat(tops)
        .sort(order, "kind", "first_position", "stream", nulls_last=True, maintain_order=True)
        .pipe(PROBLEMS.conform)
    )


def _capped(found: pl.DataFrame) -> pl.DataFrame:
    if found.height <= MOST_FOUND:
        return found
    rest = found.slice(MOST_FOUND)
    more = pl.DataFrame(
        {
            "kind": found["kind"][0],
            "severity": found["severity"][0],
            "first_position": rest["first_position"].min(),
            "last_position": rest["last_position"].max(),
            "stream": None,
            "found": f"{rest.height:,} more of this kind, in this range of positions",
            "meaning": found["meaning"][0],
        },
        schema=PROBLEMS.schema,
    )
    return pl.concat([found.head(MOST_FOUND), more])


def _rows(
    frame: pl.DataFrame,
    kind: str,
    found: pl.Expr,
    *,
    first: pl.Expr | str = "position",
    last: pl.Expr | str = "position",
    stream: pl.Expr | str = "stream",
) -> pl.DataFrame:
    def column(expression: pl.Expr | str) -> pl.Expr:
        return pl.col(expression) if isinstance(expression, str) else expression

    chosen = frame.select(
        pl.lit(kind).alias("kind"),
        pl.lit(_KIND[kind].severity).alias("severity"),
        column(first).alias("first_position"),
        column(last).alias("last_position"),
        column(stream).cast(pl.String).alias("stream"),
        found.alias("found"),
        pl.lit(_KIND[kind].meaning).alias("meaning"),
    )
    return PROBLEMS.conform(chosen)


def _of_payloads(frame: pl.DataFrame) -> list[pl.DataFrame]:
    bad = frame.filter(~pl.col("decoded"))
    odd = frame.filter(pl.col("decoded") & pl.col("problem").is_not_null())
    said = pl.format(
        "{}: {}",
        pl.col("type").cast(pl.String).fill_null("no type"),
        pl.col("problem").fill_null("no payload"),
    )
    return [_rows(bad, "undecodable", said), _rows(odd, "odd_payload", said)]


def _of_versions(frame: pl.DataFrame) -> list[pl.DataFrame]:
    ordered = (
        frame.select("position", "stream", "version")
        .drop_nulls("version")
        .sort("stream", "version", "position")
        .with_columns(
            pl.col("version").shift(1).over("stream").alias("before"),
            pl.col("position").shift(1).over("stream").alias("position_before"),
        )
    )
    step = pl.col("version") - pl.col("before")
    gaps, twice = ordered.filter(step > 1), ordered.filter(step == 0)
    starts = ordered.filter(pl.col("before").is_null() & (pl.col("version") > 1))
    between = pl.format(
        "version {} follows version {}: {} missing",
        "version",
        "before",
        pl.col("version") - pl.col("before") - 1,
    )
    lowest = pl.min_horizontal("position", "position_before")
    highest = pl.max_horizontal("position", "position_before")
    return [
        _rows(gaps, "version_gap", between, first=lowest, last=highest),
        _rows(starts, "version_start", pl.format("the first version is {}", "version")),
        _rows(
            twice,
            "version_duplicate",
            pl.format("version {} occurs twice", "version"),
            first=lowest,
            last=highest,
        ),
    ]


def _holes(frame: pl.DataFrame) -> pl.DataFrame:
    ordered = frame.select(
        "position", "stream", pl.col("position").shift(1).over("partition").alias("before")
    )
    # The first event may be missing too: numbers begin at 1.
    first = pl.col("before").fill_null(pl.min_horizontal(pl.col("position") - 1, 0))
    holes = ordered.with_columns(first.alias("before")).filter(
        pl.col("position") - pl.col("before") > 1
    )
    missing = pl.col("position") - pl.col("before") - 1
    return _rows(
        holes,
        "position_hole",
        pl.format("{} missing", missing),
        first=pl.col("before") + 1,
        last=pl.col("position") - 1,
        stream=pl.lit(None, pl.String),
    )


def _of_times(frame: pl.DataFrame, now: datetime) -> list[pl.DataFrame]:
    timed = frame.select("position", "partition", "stream", "version", "time").drop_nulls("time")
    in_streams = timed.sort("stream", "version", "position").with_columns(
        pl.col("time").shift(1).over("stream").alias("before"),
        pl.col("position").shift(1).over("stream").alias("position_before"),
    )
    back = in_streams.filter(pl.col("time") < pl.col("before")).sort("position")
    late = timed.filter(pl.col("time") > now)
    by = (pl.col("before") - pl.col("time")).dt.total_seconds(fractional=True)
    return [
        _rows(
            back,
            "stream_time_backwards",
            pl.format("{} s before version {}'s", by.round(3), pl.col("version") - 1),
            first="position_before",
        ),
        _rows(late, "time_in_future", pl.format("{}", pl.col("time").dt.to_string("iso:strict"))),
        _log_backwards(timed),
    ]


def _log_backwards(timed: pl.DataFrame) -> pl.DataFrame:
    """One row for each stretch of positions in which times are behind the latest so far."""
    latest = pl.col("time").cum_max().over("partition")
    behind = timed.with_columns((pl.col("time") < latest).alias("behind"), latest.alias("latest"))
    runs = (
        behind.with_columns(pl.col("behind").rle_id().alias("run"))
        .filter("behind")
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("position").min().alias("first"),
            pl.col("position").max().alias("last"),
            pl.len().alias("events"),
            (pl.col("latest") - pl.col("time")).max().dt.total_seconds(fractional=True).alias("by"),
        )
    )
    return _rows(
        runs,
        "log_time_backwards",
        pl.format(
            "{} events, at most {} s behind the latest before", "events", pl.col("by").round(3)
        ),
        first="first",
        last="last",
        stream=pl.lit(None, pl.String),
    )


def _rare_types(frame: pl.DataFrame) -> pl.DataFrame:
    alone = frame.filter(pl.len().over("type") == 1)
    type_ = pl.col("type").cast(pl.String).fill_null("no type")
    return _rows(alone, "rare_type", pl.format("{} occurs once", type_))


def _snapshots(frame: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    heads = frame.group_by("stream").agg(
        pl.col("version").max().alias("head"), pl.col("position").max()
    )
    ahead = snapshots.join(
        heads.with_columns(pl.col("stream").cast(pl.String)), on="stream", how="left"
    ).filter(pl.col("version") > pl.col("head").fill_null(-1))
    found = pl.format(
        "a snapshot of version {}, the stream's head is {}",
        "version",
        pl.col("head").cast(pl.String).fill_null("missing"),
    )
    return _rows(ahead, "snapshot_ahead", found)


def _receivers(around: Circumstances) -> pl.DataFrame:
    head = around.head or 0
    ahead = around.receivers.filter(pl.col("position") > head)
    found = pl.format(
        "{} has recorded {} of {}; the head is {}", "receiver", "position", "follows", pl.lit(head)
    )
    nowhere = pl.lit(None, pl.String)
    return _rows(ahead, "receiver_ahead", found, stream=nowhere)
