"""What the Compare page shows of a comparison: its causes, and the differences behind one.

Nothing of Panel is here: what the page shows, these functions return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import short_name
from workbench.comparing.accepted import accepted_text
from workbench.comparing.differences import TableDifferences
from workbench.comparing.values import DIRECTIONS
from workbench.dashboards.trials import shown_key
from workbench.errors import UnknownCauseError
from workbench.tables import DIVERGENCES

if TYPE_CHECKING:
    from workbench import Comparison

MOST_ROWS = 500
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


def tables(comparison: Comparison) -> pl.DataFrame:
    """Return how each pair of tables differs, `COMPARED`, for a page; `-` is not known."""
    counts = ("rows_a", "rows_b", "added", "removed", "changed", "healed")
    return comparison.summary.select(
        "table",
        *(pl.col(name).cast(pl.String).fill_null("-") for name in counts),
        pl.col("first_position").cast(pl.String).fill_null("").alias("first"),
    )


def differing(comparison: Comparison, table: str) -> pl.DataFrame:
    """Return the rows and cells of a table that differ at the end: `CORRECTIONS`, from a to b.

    Raises
    ------
    UnknownTableError
        If no such table was compared.
    """
    return comparison.of(table).corrections()


def accepted_file(comparison: Comparison) -> str:
    """Return the file of accepted causes that `workbench compare --accepted` reads."""
    told = comparison.causes.drop_nulls("accepted").to_dicts()
    return accepted_text({cause["cause"]: cause for cause in told})


def behind(comparison: Comparison, cause: str) -> pl.DataFrame:
    """Return the first differences of a cause: `DIVERGENCES`, after the row's key as text.

    If the comparison has no such cause, there are no rows.
    """
    try:
        found = comparison.behind(cause).head(MOST)
    except UnknownCauseError:
        return pl.DataFrame(schema={"key": pl.String, **DIVERGENCES.schema})
    keys = found.select(TableDifferences.key_columns(found)).rows()
    named = pl.Series("key", [shown_key(list(key)) for key in keys], pl.String)
    return found.select(named, *DIVERGENCES.names)
