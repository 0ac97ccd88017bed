"""The version numbers of streams from which events were taken, or into which some were put.

In a stream, every event that stands after one that is gone has a version less, and
every event after a new one has a version more. So an unbroken stream stays unbroken,
and what was missing in a broken one is still missing.
"""

from __future__ import annotations

import polars as pl

from workbench.tables import EVENTS

ORDER = ("position", "tier", "seq")
"""By what events stand: at one position the stored, then those that follow it, in turn."""
OWNER, FOLLOWER, LATEST = 0, 1, 2
"""Tiers: who has the number, who was put behind it before, and who is put there now."""
LINE = pl.Schema(
    [
        ("position", pl.Int64),
        ("tier", pl.Int8),
        ("seq", pl.Int32),
        ("stream", pl.String),
        ("version", EVENTS.schema["version"]),
        ("delta", pl.Int8),
        ("derives", pl.Boolean),
        ("row", pl.Int32),
    ]
)
"""An event in a touched stream: `delta` is -1 if it is gone, 1 if new, 0 if it stays.

`derives`: it gets the version that the stream has next. `row`: which of the added rows
it is, null for an event of the source below.
"""


def renumbered(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that are not gone, with the column `now`: their new versions.

    Parameters
    ----------
    lines
        The events of touched streams: the columns of `LINE`, in any order.
    """
    ordered = lines.sort(ORDER, maintain_order=True)
    shift = pl.col("delta").cast(pl.Int64).cum_sum().over("stream")
    kept = pl.col("version") + pl.when(pl.col("delta") == 0).then(shift).otherwise(0)
    first = _first_versions(ordered)
    staying = ordered.with_columns(kept.alias("now")).filter(pl.col("delta") >= 0)
    known = pl.when("derives").then(None).otherwise("now")
    runs = (
        staying.with_columns(known.alias("now"))
        .join(first, on="stream", how="left", maintain_order="left")
        .with_columns(pl.col("now").is_not_null().cum_sum().over("stream").alias("run"))
    )
    # A run is an event with a version, and those after it that get theirs from it.
    begins = pl.col("now").first().over("stream", "run")
    nth = pl.int_range(pl.len()).over("stream", "run")
    derived = pl.coalesce(begins, "first") + nth
    return runs.with_columns(pl.when("derives").then(derived).otherwise("now").alias("now")).select(
        *LINE.names(), "now"
    )


def _first_versions(ordered: pl.DataFrame) -> pl.DataFrame:
    """Return the version with which each stream begins: null where it has none, 1 if it is new."""
    old = pl.col("delta") <= 0
    return ordered.group_by("stream").agg(
        pl.when(old.any())
        .then(pl.col("version").filter(old).drop_nulls().first())
        .otherwise(1)
        .alias("first")
    )
