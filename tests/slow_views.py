"""A projection that takes its time, for tests that stop it."""

from __future__ import annotations

import time

import polars as pl

from workbench import Projection, handles, table

HANDLED = 600
PAUSE_S = 0.025


class Slow(Projection):
    """The first of the reserved items, one step each, slowly."""

    items = table(key={"position": pl.Int64}, values={"n": pl.Int64})

    def __init__(self):
        self.count = 0

    @handles("StockItem.Reserved")
    def reserved(self, event):
        if self.items.get(HANDLED) is None and self.count < HANDLED:
            time.sleep(PAUSE_S)
            self.count += 1
            self.items.set(event.position, n=self.count)
