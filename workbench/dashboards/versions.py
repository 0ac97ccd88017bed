"""What the page of schemas shows, as functions that return frames; no Panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.dashboards import summary
from workbench.tables import SCHEMA_SHARES

if TYPE_CHECKING:
    import polars as pl

    from workbench.schemas import Schemas


def shares(schemas: Schemas, type_: str) -> pl.DataFrame:
    """Return `Schemas.shares` of a type, in windows as long as fits its times."""
    mine = list(schemas.of(type_))
    times = [t for s in mine for t in (s.first_time, s.last_time) if t is not None]
    if not times:
        return SCHEMA_SHARES.frame()
    every = summary.EVERY[summary.windows_for(max(times) - min(times))[0]]
    return schemas.shares(type_, every)
