"""What the page of schemas shows, as functions that return frames; no Panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.dashboards import summary
from workbench.tables import SCHEMA_SHARES

if TYPE_CHECKING:
    from workbench.schemas import Schemas


def shares(schemas: Schemas, type_: str) -> pl.DataFrame:
    """Return `Schemas.shares` of a type, in windows as long as fits its times."""
    mine = list(schemas.of(type_))
    times = [t for s in mine for t in (s.first_time, s.last_time) if t is not None]
    if not times:
        return SCHEMA_SHARES.frame()
    every = summary.EVERY[summary.windows_for(max(times) - min(times))[0]]
    return schemas.shares(type_, every)


def matrix_rows(matrix: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.SCHEMA_MATRIX` as text, as the page shows it."""
    said = pl.col("rules").list.join(", ")
    offered = (
        pl.when(pl.col("change") == "added")
        .then(pl.lit("renamed from"))
        .otherwise(pl.lit("renamed to"))
    )
    offers = pl.format(", perhaps {} {}", offered, "offered").fill_null("")
    return matrix.select(
        "path", "change", _side("older"), _side("newer"), (said + offers).alias("what")
    )


def _side(name: str) -> pl.Expr:
    """Return what one schema says of a field, with how often it is null or missing."""
    parts = [pl.col(name)]
    for what in ("null", "missing"):
        share = pl.col(f"{name}_{what}_share")
        percent = (share * 100).round_sig_figs(3).cast(pl.String).str.strip_suffix(".0")
        parts.append(pl.when(share > 0).then(pl.format(", {} % {}", percent, pl.lit(what))))
    return pl.concat_str(
        [parts[0].fill_null(""), *(part.fill_null("") for part in parts[1:])]
    ).alias(name)
