"""What the Compare page shows of a comparison: its causes, and the differences behind one.

Nothing of Panel is here: what the page shows, these functions return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import short_name
from workbench.comparing.values import DIRECTIONS
from workbench.dashboards.trials import shown_key
from workbench.tables import DIVERGENCES

if TYPE_CHECKING:
    from workbench import Comparison

MOST = 200  # differences of one cause that are shown


def causes(comparison: Comparison) -> pl.DataFrame:
    """Return the causes as text for a page, the largest first; the column `cause` names each."""
    found = comparison.causes
    types = [None if name is None else short_name(name) for name in found["type"]]
    return found.select(
        "cause",
        "table",
        pl.Series("type", types, pl.String).fill_null("not known"),
        pl.col("schema_version").cast(pl.String).fill_null("").alias("version"),
        pl.col("column").fill_null("the row"),
        "direction",
        pl.col("direction").replace(DIRECTIONS).alias("meaning"),
        "count",
        pl.col("first_position").cast(pl.String).fill_null("").alias("first"),
        pl.col("accepted").fill_null(""),
    )


def behind(comparison: Comparison, cause: str) -> pl.DataFrame:
    """Return the first differences of a cause: `DIVERGENCES`, after the row's key as text.

    None if the comparison has no such cause: then there are no rows.
    """
    told = comparison.causes.filter(cause=cause)
    if told.is_empty():
        return pl.DataFrame(schema={"key": pl.String, **DIVERGENCES.schema})
    row = told.row(0, named=True)
    one = comparison.of(row["table"])
    which = [
        pl.col(name).eq_missing(pl.lit(row[name], DIVERGENCES.schema[name]))
        for name in ("type", "schema_version", "column", "direction")
    ]
    found = one.divergences(lasts=True).filter(*which).head(MOST)
    keys = found.select(one.key_columns(found)).rows()
    named = pl.Series("key", [shown_key(list(key)) for key in keys], pl.String)
    return found.select(named, *DIVERGENCES.names)
