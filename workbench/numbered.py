"""Single events by their numbers: what one is, what is stored of it, and what another one has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import UnknownPositionError
from workbench.payload.differing import payload_differences

if TYPE_CHECKING:
    from workbench.sources import Source


class Numbered(ABC):
    """What has events at positions; `workbench.history.History` is it."""

    source: Source

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called."""

    @property
    @abstractmethod
    def narrowed(self) -> str:
        """What it is narrowed to, in words."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """Return the event table, of which only what is needed is read."""

    def event(self, position: int) -> pl.DataFrame:
        """Return one event by its number: `workbench.tables.EVENTS`, one row.

        Raises
        ------
        UnknownPositionError
            If no event of the history has that position.
        """
        # A view may give one number twice.
        found = self.scan().filter(pl.col("position") == position).head(1).collect()
        if found.is_empty():
            raise self._unknown(position, self.narrowed)
        return found

    def state(self, position: int) -> bytes:
        """Return the stored bytes of one event's payload, as they lie in the source.

        Raises
        ------
        UnknownPositionError
            If no event of the source has that position.
        """
        found = self.source.state(position)
        if found is None:
            raise self._unknown(position)
        return found

    def payload_differences(self, before: int, after: int) -> pl.DataFrame:
        """Return what differs between two payloads: `workbench.tables.PAYLOAD_DIFFERENCES`.

        Objects are compared by name, lists by place. A wrapper of the library's, such as a
        Decimal's, is one value. The time of an event of the library is in its payload.

        Parameters
        ----------
        before, after
            The positions of the two events, of one type or not.

        Raises
        ------
        UnknownPositionError
            If no event of the history has one of the positions.
        """
        one, other = (self.event(position)["data"].item() for position in (before, after))
        return payload_differences(one, other)

    def _unknown(self, position: int, narrowed: str = "") -> UnknownPositionError:
        among = f", narrowed to {narrowed}" if narrowed else ""
        return UnknownPositionError(
            f"Cannot find an event at position {position:,} in {self.name!r}{among}, which goes "
            f"from {self.source.tail() or 0:,} to {self.source.head() or 0:,}. "
            "Positions may have holes, which its problems list."
        )
