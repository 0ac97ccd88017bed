"""The tables of the overview: their columns, their rows out of frames, and their titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import SHORT_NAME
from workbench.dashboards import summary
from workbench.dashboards.grid import TO_THE_MINUTE, Cell, Grid, shown, shown_time
from workbench.dashboards.markup import escaped
from workbench.dashboards.parts import at_once, column, loading, text

if TYPE_CHECKING:
    from workbench.dashboards.exporting import Export

PROBLEMS_HEIGHT, TYPES_HEIGHT = 320, 640  # pixels, from where on rows scroll

TYPE_CELLS = (
    Cell("name", "Type", 150, grow=3, look="wb-go"),
    Cell("count", "Events", 80, form="count"),
    Cell("share", "Share", 70, form="percent"),
    Cell("versions", "Schema versions", 120),
    Cell("first", "First (UTC)", 136, look="wb-quiet"),
    Cell("last", "Last (UTC)", 136, look="wb-quiet"),
    Cell("mean", "Mean size, B", 100, form="count"),
    Cell("largest", "Largest, B", 90, form="count"),
    Cell("undecodable", "Undecodable", 100, form="count"),
)
VERSION_CELLS = (
    Cell("name", "Type", 150, grow=3, look="wb-go"),
    Cell("version", "Schema version", 110, form="id"),
    Cell("count", "Events", 80, form="count"),
    Cell("share", "Share of type", 100, form="percent"),
    Cell("first", "First (UTC)", 136, look="wb-quiet"),
    Cell("last", "Last (UTC)", 136, look="wb-quiet"),
    Cell("first_position", "First position", 100, form="id"),
    Cell("last_position", "Last position", 100, form="id"),
)
RECEIVER_CELLS = (
    Cell("receiver", "Receiver", 150, grow=3, look="wb-go wb-mono"),
    Cell("follows", "Follows", 120, grow=1),
    Cell("position", "Position", 90, form="id"),
    Cell("events", "Lag, events", 90, form="id"),
    Cell("seconds", "Lag, time", 100, form="id"),
    Cell("moved", "Moved (UTC)", 150, look="wb-quiet"),
)
SEVERAL = pl.col("len") > 1
PROBLEM_CELLS = (
    Cell("severity", "Severity", 72),
    Cell("kind", "Kind", 168, look="wb-go"),
    Cell("found", "Found", 170, grow=2, look="wb-wrap"),
    Cell("stream", "Stream", 130, look="wb-mono"),
    Cell("positions", "Positions", 116, form="id"),
    Cell("meaning", "Meaning", 220, grow=3, look="wb-wrap wb-quiet"),
)
STREAM_CELLS = (
    Cell("stream", "Stream", 150, grow=3, look="wb-go wb-mono"),
    Cell("aggregate", "Aggregate", 110, grow=1),
    Cell("events", "Events", 80, form="count"),
    Cell("head_version", "Head version", 100, form="id"),
    Cell("first", "First (UTC)", 136, look="wb-quiet"),
    Cell("last", "Last (UTC)", 136, look="wb-quiet"),
)


class Section:
    """A titled table, or what stands in its place."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._title, self._note = text(margin=(14, 0, 4, 0)), text(loading("Reading…"))
        self.view = column(self._title, grid.view, self._note)

    def show(self, title: str, beside: str, rows: pl.DataFrame, export: Export) -> None:
        """Show rows under a title, of a table that can be exported."""
        with at_once():
            self._title.object = f"<h2>{escaped(title)}<span>{escaped(beside)}</span></h2>"
            self._note.visible = False
            self._grid.show(rows, export=export)

    def say(self, title: str, beside: str, html: str) -> None:
        """Show HTML in place of rows."""
        with at_once():
            self._title.object = f"<h2>{escaped(title)}<span>{escaped(beside)}</span></h2>"
            self._grid.hide()
            self._note.param.update(object=html, visible=True)


def severities(problems: pl.DataFrame) -> str:
    """Return how many problems there are of each severity, in words."""
    counts = problems.group_by("severity", maintain_order=True).len()
    return ", ".join(f"{n:,} {severity}" for severity, n in counts.iter_rows())


def type_rows(types: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.TYPES` as `TYPE_CELLS` show it."""
    names = summary.short_names(types)
    return types.select(
        pl.col("type").replace_strict(names, return_dtype=pl.String).alias("name"),
        "count",
        (pl.col("share") * 100).alias("share"),
        pl.col("schema_versions").cast(pl.List(pl.String)).list.join(", ").alias("versions"),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
        pl.col("mean_size_bytes").round(0).alias("mean"),
        pl.col("largest_size_bytes").alias("largest"),
        "undecodable",
    )


def problem_rows(problems: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.PROBLEMS` as `PROBLEM_CELLS` show it."""
    first, last = pl.col("first_position"), pl.col("last_position")
    one = first.cast(pl.String)
    span = pl.when(first == last).then(one).otherwise(pl.format("{} to {}", first, last))
    return problems.select(
        "severity", "kind", "found", shown("stream"), span.fill_null("").alias("positions"),
        "meaning",
    )  # fmt: skip


def stream_rows(streams: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.STREAMS` as `STREAM_CELLS` show it."""
    return streams.select(
        "stream",
        shown("aggregate"),
        "events",
        shown("head_version"),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
    )


def version_rows(versions: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.dashboards.ranges.VERSIONS` as `VERSION_CELLS` show it."""
    return versions.select(
        SHORT_NAME.fill_null("").alias("name"),
        shown("schema_version").alias("version"),
        "count",
        (pl.col("share") * 100).alias("share"),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
        shown("first_position"),
        shown("last_position"),
    )


def receiver_rows(receivers: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.RECEIVERS` as `RECEIVER_CELLS` show it."""
    lag = pl.col("lag_s").map_elements(duration, return_dtype=pl.String)
    return receivers.select(
        shown("receiver"),
        shown("follows"),
        shown("position"),
        shown("lag_events").alias("events"),
        lag.fill_null("").alias("seconds"),
        shown_time("moved_at").alias("moved"),
    )


def duration(seconds: float) -> str:
    """Return a length of time as a person says it.

    Examples
    --------
    >>> [duration(s) for s in (0.25, 59, 3_700, 200_000)]
    ['0.2 s', '59 s', '1 h 1 min', '2 d 7 h']
    """
    if seconds < 10:  # noqa: PLR2004, so short that tenths count
        return f"{seconds:.1f} s"
    minutes, hours, days = (int(seconds // unit) for unit in (60, 3_600, 86_400))
    if not minutes:
        return f"{seconds:.0f} s"
    if not hours:
        return f"{minutes} min {seconds % 60:.0f} s"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"
