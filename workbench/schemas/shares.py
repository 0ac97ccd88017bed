"""How the events of one type are shared among its schemas, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.tables import SCHEMA_SHARES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workbench.schemas.schema import Schema

COLUMNS = ("position", "schema_version", "time")
"""The columns of the event table that are looked at."""


def shares(schemas: Sequence[Schema], frames: Iterable[pl.DataFrame], every: str) -> pl.DataFrame:
    """Return the share of each schema in each window: `workbench.tables.SCHEMA_SHARES`.

    Parameters
    ----------
    schemas
        Those of one type, in order.
    frames
        `COLUMNS` of its events, in parts.
    every
        The length of a window.
    """
    window = pl.col("time").dt.truncate(every)
    counted = [
        frame.filter(pl.col("time").is_not_null())
        .group_by(window, _nth(schemas).alias("nth"))
        .agg(pl.len().cast(pl.Int64).alias("count"))
        for frame in frames
    ]
    if not counted:
        return SCHEMA_SHARES.frame()
    whole = pl.concat(counted).drop_nulls("nth").group_by("time", "nth").agg(pl.col("count").sum())
    names = pl.Series([schema.name for schema in schemas], dtype=pl.String)
    said = whole.sort("time", "nth").with_columns(
        name=pl.lit(names).gather("nth"), share=pl.col("count") / pl.col("count").sum().over("time")
    )
    return SCHEMA_SHARES.conform(said)


def _nth(schemas: Sequence[Schema]) -> pl.Expr:
    """Return which schema an event is of: by its version, and of silent ones by its position."""
    found = pl.lit(None, pl.UInt32)
    for nth, schema in enumerate(schemas):
        is_mine = pl.col("schema_version").eq_missing(schema.schema_version) & pl.col(
            "position"
        ).is_between(schema.first_position, schema.last_position)
        found = pl.when(is_mine).then(pl.lit(nth, pl.UInt32)).otherwise(found)
    return found
