"""Change logs taken apart by stream, and put together again.

Where every row is changed by one stream alone, a log is the sum of what each stream has
written: what some streams have written can be left out, and written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.changelog.log import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Collection


def without_streams(log: ChangeLog, streams: Collection[str]) -> ChangeLog:
    """Return the log without what these streams have changed.

    Each row must have been changed by one stream alone: see `ChangeLog.rows_of_many_streams`.
    """
    left_out = pl.Series(sorted(streams), dtype=pl.String).implode()
    kept = log.entries.select(~pl.col("stream").is_in(left_out)).to_series()
    return _taken(log, kept.fill_null(value=True).arg_true())


def merged(one: ChangeLog, other: ChangeLog) -> ChangeLog:
    """Return two logs of the same table as one, in order of position.

    The two must have no row and no position in common: see `have_common_positions`.
    """
    second = other.entries.with_columns(
        pl.col("row") + pl.lit(one.keys.height, pl.UInt32),
        pl.col("previous") + pl.lit(len(one), pl.UInt32),
    )
    both = ChangeLog(
        pl.concat([one.keys, other.keys]),
        pl.concat([one.entries, second]),
        pl.concat([one.after, other.after]),
    )
    order = both.entries.select(pl.arg_sort_by("position", maintain_order=True)).to_series()
    return _taken(both, order)


def have_common_positions(one: ChangeLog, other: ChangeLog) -> bool:
    """Return whether two logs have changes at the same position, whose order neither tells."""
    return not one.entries.join(other.entries, on="position", how="semi").is_empty()


def _taken(log: ChangeLog, order: pl.Series) -> ChangeLog:
    """Return the log of these entries, in this order: of each row all of them, or none.

    Rows are numbered in the order in which they first occur, as a replay does.
    """
    entries = log.entries[order]
    rows = entries["row"].unique(maintain_order=True)
    places = _inverse(order, len(log))
    numbers = _inverse(rows, log.keys.height)
    links = [
        numbers.gather(entries["row"]).alias("row"),
        places.gather(entries["previous"]).alias("previous"),
    ]
    return ChangeLog(log.keys[rows], entries.with_columns(links), log.after[order])


def _inverse(numbers: pl.Series, height: int) -> pl.Series:
    """Return for each number its place, null where it is not among them."""
    places = pl.int_range(numbers.len(), dtype=pl.UInt32, eager=True)
    return pl.repeat(None, height, dtype=pl.UInt32, eager=True).scatter(numbers, places)
