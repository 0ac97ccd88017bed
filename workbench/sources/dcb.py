"""Events behind a live DCB recorder or application, also in memory: with tags, in no stream.

Whatever implements `eventsourcing.dcb.api.DCBRecorder` is read in pages, one after the
other. An event of such a store may have several tags, and belongs to each as much as to
the others: no one of them is its stream, and it has no version.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from workbench import tables
from workbench.sources.base import RAW_SCHEMA, Capabilities, Selection
from workbench.sources.memory import fitting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from workbench.sources.base import Part

PAGE = 5_000
LARGEST = 2**63
NO_TAG = "workbench: a tag that no event has"


class DCBReader(Protocol):
    """The part of `eventsourcing.dcb.api.DCBRecorder` that is needed here."""

    def read(self, query: Any = None, *, after: int | None = None, limit: int | None = None) -> Any:  # noqa: ANN401, an iterator with a head
        """Return the events that match a query, and the head."""


@dataclass(frozen=True)
class DCBSource:
    """The events that a DCB recorder returns."""

    recorder: DCBReader
    application: str | None = None

    @property
    def name(self) -> str:
        """The application's name, else the recorder's class."""
        return self.application or type(self.recorder).__name__

    @property
    def kind(self) -> str:
        """The recorder's class."""
        return f"{type(self.recorder).__name__} of eventsourcing"

    @property
    def capabilities(self) -> Capabilities:
        """Total order, and tags."""
        return Capabilities(
            total_order=True,
            time_index=False,
            live=False,
            receivers=False,
            own_numbers=True,
            tags=True,
        )

    @property
    def first_schema_version(self) -> int | None:
        """1: what is stored states no version of its shape."""
        return 1

    def head(self) -> int | None:
        """The last position."""
        # A recorder in memory copies all that it reads: here that is nothing.
        head: int | None = self.recorder.read(_query((), [NO_TAG])).head
        return head

    def tail(self) -> int | None:
        """The first position."""
        first = next(iter(self.recorder.read(limit=1)), None)
        return None if first is None else int(first.position)

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`, by reading them."""
        return sum(page().height for page in self._pages(selection, ("position",)))

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself."""
        return frozenset({str(stream)})

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event."""
        if not 0 < position < LARGEST:
            return None
        found = next(iter(self.recorder.read(after=position - 1, limit=1)), None)
        return bytes(found.event.data) if found and found.position == position else None

    def snapshots(self) -> pl.DataFrame:
        """None: a DCB store has none."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """None: a recorder does not know who reads it."""
        return tables.RECEIVERS.frame()

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows, a page a part; pages are read in turn."""
        yield self._pages(selection, columns)

    def _pages(self, selection: Selection, columns: Collection[str]) -> Iterator[Part]:
        after, left = max(selection.after or 0, 0), selection.limit
        if selection.is_empty or after >= LARGEST:
            return
        # What is stored meanwhile belongs to the next reading.
        head = self.head() or 0
        upto = head if selection.upto is None else min(selection.upto, head)
        query, conditions = _asked(selection), fitting(selection)
        while left != 0 and after < upto:
            page = list(islice(self.recorder.read(query, after=after, limit=PAGE), PAGE))
            if not page:
                return
            after = page[-1].position
            frame = _frame(page).filter(pl.col("position") <= upto, *conditions)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield partial(_chosen, frame, columns)
            if len(page) < PAGE:
                return


def _asked(selection: Selection) -> Any:  # noqa: ANN401, a class of the library's
    """Return the query to the recorder, None for all events.

    Notes
    -----
    Any number of types with tags, or one type without, is what `PostgresDCBRecorderTT` of
    eventsourcing 9.5.6 answers too.
    """
    types = sorted(selection.types or ())
    if selection.tags:
        return _query(types, sorted(selection.tags))
    return _query(types, []) if len(types) == 1 else None


def _query(types: Collection[str], tags: Collection[str]) -> Any:  # noqa: ANN401, as above
    from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

    return DCBQuery([DCBQueryItem(types=list(types), tags=list(tags))])


def _chosen(frame: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if name in columns)


def _frame(page: list[Any]) -> pl.DataFrame:
    nothing = [None] * len(page)
    columns: dict[str, list[Any]] = {
        "position": [e.position for e in page],
        "partition": [0] * len(page),
        "stream": nothing,
        "version": nothing,
        "type": [e.event.type for e in page],
        "state": [bytes(e.event.data) for e in page],
        "metadata": nothing,
        "tags": [list(e.event.tags) for e in page],
    }
    return pl.DataFrame(columns, schema=RAW_SCHEMA)
