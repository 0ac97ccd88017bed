"""Polars functions, for the tests of what a module offers."""

from __future__ import annotations

import polars as pl


def by_stream(events: pl.LazyFrame) -> pl.LazyFrame:
    """Count the events of each stream."""
    return events.group_by("stream").agg(pl.len().alias("events"))
