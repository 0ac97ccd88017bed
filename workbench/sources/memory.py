"""Events in memory: rows of the event table, read once from another source.

Nothing is left to read or to decode, so a query over them is one over a Polars frame.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from workbench.sources.base import Capabilities, Selection
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from workbench.sources.base import Part, Source

ROWS_A_PART = 50_000


def fitting(selection: Selection) -> list[pl.Expr]:
    """Return the conditions on rows of the event table to be in a selection.

    Its limit is none of them.
    """
    position, version = pl.col("position"), pl.col("version")
    ranges = (
        (selection.after, position.gt),
        (selection.upto, position.le),
        (selection.after_version, version.gt),
        (selection.upto_version, version.le),
    )
    members = (("type", selection.types), ("stream", selection.streams))
    return [fits(end) for end, fits in ranges if end is not None] + [
        pl.col(name).is_in(sorted(values)) for name, values in members if values is not None
    ]


@dataclass(frozen=True, eq=False)
class MemorySource:
    """Events that were read from `origin`, in the order in which it gave them."""

    origin: Source
    events: pl.DataFrame
    """Rows of `workbench.tables.EVENTS`."""
    stored_snapshots: pl.DataFrame
    """The snapshots as they were when the events were read."""
    known_receivers: pl.DataFrame
    """The receivers as they were when the events were read."""

    @property
    def name(self) -> str:
        """The name of the source that was read."""
        return self.origin.name

    @property
    def kind(self) -> str:
        """The kind of the source that was read, and that this is a copy in memory."""
        kind = self.origin.kind
        return kind if isinstance(self.origin, MemorySource) else f"{kind}, in memory"

    @property
    def application(self) -> str | None:
        """The application, where the source that was read says so."""
        return self.origin.application

    @property
    def capabilities(self) -> Capabilities:
        """Those of the source that was read, but that nothing new appears."""
        return replace(self.origin.capabilities, decoded=True, live=False, grows=False)

    @property
    def first_schema_version(self) -> int | None:
        """The schema version of an event that states none."""
        return self.origin.first_schema_version

    def head(self) -> int | None:
        """The greatest position."""
        return self._edge(pl.col("position").max())

    def tail(self) -> int | None:
        """The smallest position."""
        return self._edge(pl.col("position").min())

    def _edge(self, which: pl.Expr) -> int | None:
        edge: int | None = self.events.select(which).item()
        return edge

    def lazy(self, selection: Selection) -> pl.LazyFrame:
        """Return the rows of a selection: `workbench.tables.EVENTS`, in order."""
        chosen = self.events.lazy().filter(*fitting(selection))
        return chosen if selection.limit is None else chosen.head(selection.limit)

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`."""
        return int(self.lazy(selection).select(pl.len()).collect().item())

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected rows: `columns` of `workbench.tables.EVENTS`, in parts."""
        events, left = self.events, selection
        if selection.limit is not None:
            events, left = self.lazy(selection).collect(), Selection()
        names = [name for name in EVENTS.names if name in columns]
        slices = events.iter_slices(ROWS_A_PART)
        yield (partial(_chosen, rows, left, names) for rows in slices)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The texts under which the source that was read shows a stream."""
        return self.origin.stream_forms(stream)

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event, from the source that was read."""
        is_here = self.count(Selection(after=position - 1, upto=position))
        return self.origin.state(position) if is_here else None

    def snapshots(self) -> pl.DataFrame:
        """The snapshots as they were when the events were read."""
        return self.stored_snapshots

    def receivers(self) -> pl.DataFrame:
        """The receivers as they were when the events were read."""
        return self.known_receivers


def _chosen(rows: pl.DataFrame, selection: Selection, names: list[str]) -> pl.DataFrame:
    return rows.lazy().filter(*fitting(selection)).select(names).collect()


def in_memory(origin: Source, events: pl.DataFrame) -> MemorySource:
    """Return a source of events that have been read from another.

    Parameters
    ----------
    origin
        What was read: it is asked for its snapshots and receivers now.
    events
        What was found: `workbench.tables.EVENTS`, in order.
    """
    return MemorySource(origin, events, origin.snapshots(), origin.receivers())
