"""What the page of schemas shows, as functions that return frames; no Panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.dashboards import summary
from workbench.tables import TIME

if TYPE_CHECKING:
    from workbench.history import History
    from workbench.schemas import Schema, Schemas

SHARES = pl.Schema(
    [("time", TIME), ("name", pl.String), ("count", pl.Int64), ("share", pl.Float64)]
)


def matrix(older: Schema, newer: Schema) -> pl.DataFrame:
    """Return the fields of two schemas side by side, in the order of their paths.

    Columns: `path`; `older` and `newer`, what each says of it, null where it lacks it; and
    `change`: 'added', 'removed', 'changed' or 'same'.
    """
    sides = [
        schema.fields.select("path", _said().alias(side))
        for side, schema in (("older", older), ("newer", newer))
    ]
    joined = sides[0].join(sides[1], on="path", how="full", coalesce=True)
    old, new = pl.col("older"), pl.col("newer")
    change = (
        pl.when(old.is_null())
        .then(pl.lit("added"))
        .when(new.is_null())
        .then(pl.lit("removed"))
        .when(old == new)
        .then(pl.lit("same"))
        .otherwise(pl.lit("changed"))
    )
    return joined.with_columns(change.alias("change")).sort("path")


def _said() -> pl.Expr:
    kinds = pl.col("kinds").list.sort().list.join(" or ")
    optional = pl.when(pl.col("presence") == "optional").then(pl.lit(", optional"))
    return kinds + optional.otherwise(pl.lit(""))


def shares(history: History, schemas: Schemas, type_: str) -> pl.DataFrame:
    """Return how many events of a type each schema has in each window of time: `SHARES`.

    Windows are as long as fits the type's times. `share` is the part of the window's
    events, 0 to 1. Events without a time do not count.
    """
    mine = list(schemas.of(type_))
    times = [t for s in mine for t in (s.first_time, s.last_time) if t is not None]
    if not times:
        return pl.DataFrame(schema=SHARES)
    every = summary.EVERY[summary.windows_for(max(times) - min(times))[0]]
    counted = (
        history.of_types(type_)
        .scan()
        .filter(pl.col("time").is_not_null())
        .select(pl.col("time").dt.truncate(every), _name(mine).alias("name"))
        .filter(pl.col("name").is_not_null())
        .group_by("time", "name")
        .agg(pl.len().cast(pl.Int64).alias("count"))
        .collect(engine="streaming")
    )
    share = pl.col("count") / pl.col("count").sum().over("time")
    return counted.with_columns(share.alias("share")).select(SHARES.names()).sort("time", "name")


def _name(schemas: list[Schema]) -> pl.Expr:
    """Return the name of the schema that an event is of: by version, silent ones by position."""
    found = pl.lit(None, pl.String)
    for schema in schemas:
        is_mine = pl.col("schema_version").eq_missing(schema.schema_version) & pl.col(
            "position"
        ).is_between(schema.first_position, schema.last_position)
        found = pl.when(is_mine).then(pl.lit(schema.name)).otherwise(found)
    return found
