"""Stored events behind a live application or recorder, read through the library's own port.

Whatever implements `select_notifications` is read in pages, one after the other.
This is the slow door, and the only one to a store that lives in memory.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

import polars as pl

from workbench import tables
from workbench.sources.base import RAW_SCHEMA, Capabilities, Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from workbench.sources.base import Part

PAGE = 5_000
LARGEST = 2**63


@runtime_checkable
class Recorder(Protocol):
    """The part of `eventsourcing.persistence.ApplicationRecorder` that is needed here."""

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Any]:
        """Return up to `limit` notifications from `start` on."""

    def max_notification_id(self) -> int | None:
        """Return the last notification id."""


@dataclass(frozen=True)
class RecorderSource:
    """The events that a recorder returns."""

    recorder: Recorder
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
        """Total order; whoever follows it is not known here."""
        return Capabilities(
            total_order=True, time_index=False, live=False, receivers=False, own_numbers=True
        )

    @property
    def first_schema_version(self) -> int | None:
        """1, as in all of eventsourcing 9."""
        return 1

    def head(self) -> int | None:
        """The last notification id."""
        return self.recorder.max_notification_id()

    def tail(self) -> int | None:
        """The first notification id."""
        first = self.recorder.select_notifications(None, 1)
        return first[0].id if first else None

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`, by reading them."""
        return sum(page().height for page in self._pages(selection, ("position",)))

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself, and a UUID's 32 hex digits."""
        value = str(stream)
        try:
            return frozenset({value, UUID(value).hex})
        except ValueError:
            return frozenset({value})

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event."""
        if not 0 <= position < LARGEST:
            return None
        found = self.recorder.select_notifications(position, 1, position)
        return bytes(found[0].state) if found else None

    def snapshots(self) -> pl.DataFrame:
        """None: a recorder of events knows no snapshots."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """None: a recorder does not know who reads it."""
        return tables.RECEIVERS.frame()

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows, a page a part; pages are read in turn."""
        yield self._pages(selection, columns)

    def _pages(self, selection: Selection, columns: Collection[str]) -> Iterator[Part]:
        if selection.after is not None and selection.after >= LARGEST:
            return
        after, left = selection.after, selection.limit
        upto = None if selection.upto is None else min(selection.upto, LARGEST - 1)
        topics = () if selection.types is None else tuple(sorted(selection.types))
        while not selection.is_empty and left != 0:
            page = self.recorder.select_notifications(
                after, PAGE, upto, topics, inclusive_of_start=after is None
            )
            if not page:
                return
            after = page[-1].id
            frame = _frame(page).filter(_of(selection))
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield partial(_chosen, frame, columns)


def _chosen(frame: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if name in columns)


def _frame(page: Sequence[Any]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {
        "position": [n.id for n in page],
        "partition": [0] * len(page),
        "stream": [_stream(n.originator_id) for n in page],
        "version": [n.originator_version for n in page],
        "type": [n.topic for n in page],
        "state": [bytes(n.state) for n in page],
        "metadata": [None] * len(page),
        "tags": [[] for _ in page],
    }
    return pl.DataFrame(columns, schema=RAW_SCHEMA)


def _stream(originator_id: object) -> str:
    # As the library's own SQLite and POPO recorders key it: a UUID is 32 hex digits.
    return originator_id.hex if isinstance(originator_id, UUID) else str(originator_id)


def _of(selection: Selection) -> pl.Expr:
    conditions = [pl.lit(value=True)]
    if selection.streams is not None:
        conditions.append(pl.col("stream").is_in(sorted(selection.streams)))
    if selection.after_version is not None:
        conditions.append(pl.col("version") > selection.after_version)
    if selection.upto_version is not None:
        conditions.append(pl.col("version") <= selection.upto_version)
    return pl.all_horizontal(conditions)
