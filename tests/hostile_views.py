"""Projections whose columns and values try to be markup, for the Replay page."""

from __future__ import annotations

import polars as pl

from workbench import Projection, handles, table

EVIL = "<img src=x onerror=evil()>"


class Hostile(Projection):
    """One row an event; its key and value come from the store."""

    found = table(key={EVIL: pl.String}, values={f"v.{EVIL}": pl.String, "n": pl.Int64})

    @handles("T")
    def t(self, event):
        self.found.set(event.stream, **{f"v.{EVIL}": str(event.data), "n": event.position})


class Refusing(Projection):
    """Fails at every event."""

    found = table(key={"id": pl.String}, values={"n": pl.Int64})

    @handles("T")
    def t(self, event):
        raise ValueError(EVIL)
