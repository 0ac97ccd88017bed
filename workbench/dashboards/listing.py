"""Events as a page lists them: what names each, and the beginning of its payload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.tables import TIME, Column, Table

if TYPE_CHECKING:
    from workbench.history import History

LISTING = Table(
    "listing",
    "one event of a page",
    (
        Column("position", pl.Int64, "the event's position"),
        Column("time", TIME, "when it happened, UTC"),
        Column("type", pl.String, "the event type as stored"),
        Column("stream", pl.String, "the stream that it belongs to"),
        Column("version", pl.Int64, "its number within the stream"),
        Column("preview", pl.String, "the beginning of the payload, without its envelope"),
        Column("problem", pl.String, "why the payload cannot be read, else null"),
    ),
    ("position",),
)
READ = ("position", "time", "type", "stream", "version", "data", "problem")
"""The columns of `workbench.tables.EVENTS` that a listing is made from."""

PREVIEW_CHARACTERS = 240
_LONGEST_READ = 2_000  # characters of a payload that a preview is made from

# What the library puts before an event's own fields; and its wrappers, shown as their content.
_ENVELOPE = (
    r'^\{(?:"timestamp":\s?(?:\{"_type_":\s?"datetime_iso",\s?"_data_":\s?"[^"]*"\}|"[^"]*")'
    r'(?:,\s?)?)?(?:"originator_topic":\s?"[^"]*"(?:,\s?)?)?'
)
_WRAPPED = r'\{"_type_":\s?"[^"]*",\s?"_data_":\s?("(?:[^"\\]|\\.)*"|[^{}\[\]",]+)\}'


def listed(events: pl.DataFrame) -> pl.DataFrame:
    """Return `LISTING` of a frame that has the columns `READ`, in its order."""
    return LISTING.conform(events.with_columns(_preview().alias("preview")))


def listed_at(history: History, positions: pl.Series) -> pl.DataFrame:
    """Return `LISTING` of the events at positions that lie close together, by position."""
    ends = int(positions.min()), int(positions.max())  # type: ignore[arg-type]
    window = history.between(after=ends[0] - 1, upto=ends[1])
    wanted = pl.col("position").is_in(positions.to_list())
    return listed(window.scan().select(READ).filter(wanted).collect())


def _preview() -> pl.Expr:
    start = (
        pl.col("data")
        .str.slice(0, _LONGEST_READ)
        .str.replace(_ENVELOPE, "{")
        .str.replace_all(_WRAPPED, "$1")
    )
    is_cut = (start.str.len_chars() > PREVIEW_CHARACTERS) | (
        pl.col("data").str.len_chars() > _LONGEST_READ
    )
    cut = start.str.slice(0, PREVIEW_CHARACTERS) + "…"
    return pl.when(is_cut).then(cut).otherwise(start)
