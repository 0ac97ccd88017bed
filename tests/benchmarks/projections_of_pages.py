"""What the benchmark of the pages replays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from big_store import TYPES

from workbench import Projection, handles, table

if TYPE_CHECKING:
    from workbench import Event


class Amounts(Projection):
    """The last amount of each order that was refunded."""

    amounts = table(key={"order": pl.String}, values={"position": pl.Int64})

    @handles(TYPES[-1])
    def refunded(self, event: Event) -> None:
        """Note where it was."""
        self.amounts.set(event.stream, position=event.position)
