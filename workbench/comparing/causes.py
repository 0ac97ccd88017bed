"""The few causes behind many differences: with which event type they began, and where they lead."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

from workbench.comparing.values import key_texts
from workbench.tables import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.comparing.differences import TableDifferences

MOST_EXAMPLES = 5
_GROUP = ("type", "schema_version", "column", "direction")


def cause_id(table: str, *parts: object) -> str:
    """Return the name of a cause, which is the same in every comparison that finds it.

    Examples
    --------
    >>> cause_id("orders", "Order.Placed", 1, "amount", "higher")
    '4fb5fc333d'
    """
    told = "\0".join("" if part is None else str(part) for part in (table, *parts))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def causes(found: Iterable[TableDifferences], accepted: Mapping[str, str]) -> pl.DataFrame:
    """Return the causes of all that differs at the end: `workbench.tables.CAUSES`."""
    parts = [part for one in found for part in (_grouped(one, lasts=True), _odd(one))]
    return _ordered(parts, accepted)


def healed(found: Iterable[TableDifferences]) -> pl.DataFrame:
    """Return the causes of what differed only for a while: `workbench.tables.CAUSES`."""
    return _ordered([_grouped(one, lasts=False) for one in found], {})


def _grouped(one: TableDifferences, *, lasts: bool) -> pl.DataFrame:
    chosen = one.items.filter(pl.col("lasts") == lasts)
    groups = chosen.group_by(_GROUP, maintain_order=True).agg(
        pl.len().alias("count"),
        pl.col("position").min().alias("first_position"),
        pl.col("position").max().alias("last_position"),
        pl.col("key").head(MOST_EXAMPLES),
    )
    examples = [key_texts(one.steps.keys[keys]) for keys in groups["key"]]
    return groups.with_columns(
        pl.lit(one.name).alias("table"),
        pl.Series("examples", examples, pl.List(pl.String)),
    )


def _odd(one: TableDifferences) -> pl.DataFrame:
    """Return what is not compared by value, as causes."""
    return CAUSES.frame(
        [
            {**dict.fromkeys(CAUSES.names), "table": one.name, "examples": []}
            | {"column": column, "direction": direction, "count": rows}
            for column, direction, rows in one.odd
        ]
    )


def _ordered(parts: Iterable[pl.DataFrame], accepted: Mapping[str, str]) -> pl.DataFrame:
    whole = [CAUSES.conform(_with_all_columns(part)) for part in parts]
    found = pl.concat([CAUSES.frame(), *whole])
    names = [cause_id(*row) for row in found.select("table", *_GROUP).rows()]
    reasons = [accepted.get(name) for name in names]
    told = found.with_columns(
        pl.Series("cause", names, pl.String), pl.Series("accepted", reasons, pl.String)
    )
    return told.sort("count", "cause", descending=[True, False])


def _with_all_columns(part: pl.DataFrame) -> pl.DataFrame:
    return part.with_columns(
        pl.lit(None, dtype).alias(name)
        for name, dtype in CAUSES.schema.items()
        if name not in part.columns
    )
