"""Answers that are kept while a history stays as it is, and shared by all sessions.

An answer is found once, whoever asks first; others who ask meanwhile wait for it. When
the log has grown, it is found anew. Long readings take turns, so that a page of the log
is served quickly while somebody else searches all payloads.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.dashboards import queries, ranges, summary, versions
from workbench.dashboards.exporting import Export
from workbench.dashboards.live import Live
from workbench.dashboards.making import Trials
from workbench.dashboards.neighbours import difference, neighbours
from workbench.dashboards.offering import offer_of
from workbench.dashboards.queries import Filters
from workbench.upcasting.checking import check_upcasters
from workbench.upcasting.drafts import drafts_of
from workbench.upcasting.states import state_change

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from datetime import datetime
    from threading import Event

    import polars as pl

    from workbench import Progress, Projection, UpcasterReport
    from workbench.compatibility.levels import Level
    from workbench.dashboards.address import Place
    from workbench.dashboards.neighbours import Neighbours
    from workbench.dashboards.offering import Offer
    from workbench.dashboards.queries import Found
    from workbench.dashboards.summary import Facts
    from workbench.history import History
    from workbench.schemas import Schema, Schemas
    from workbench.upcasting.drafts import Drafts
    from workbench.upcasting.states import StateChange

T = TypeVar("T")

MOST_KEPT = 64
LONG_READINGS = 2  # at the same time


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the log, and where it lies among the events that match."""

    rows: pl.DataFrame
    """`workbench.dashboards.listing.LISTING`."""
    total: int
    """How many events match."""
    offset: int
    """How many of them lie before this page."""
    previous: int | None
    """Where the page before this one begins, None on the first."""
    next: int | None
    """Where the page after this one begins, None on the last."""


class Answers:
    """What has been asked of one history.

    Parameters
    ----------
    history
        Whose answers these are.
    projections
        What may be replayed, by the name under which it is offered.
    classes
        Where the classes of the events are, as `check_upcasters` takes it.
    """

    def __init__(
        self,
        history: History,
        projections: Mapping[str, Offer | type[Projection]] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        self.history = history
        self.projections = {n: offer_of(one) for n, one in (projections or {}).items()}
        self.classes = tuple(classes)
        self.trials = Trials(history)
        self.live = Live(history)
        self._kept: OrderedDict[Hashable, tuple[Hashable, object]] = OrderedDict()
        self._schemas: Schemas | None = None
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()
        self._readers = ThreadPoolExecutor(LONG_READINGS, thread_name_prefix="workbench-page")

    def prepare(self) -> None:
        """Begin to find what the overview shows, before anybody asks."""
        import pandas as pd  # noqa: F401, what the first table and the first plot would wait for
        import plotly.graph_objects as go  # noqa: F401

        for ask in (self.facts, self.history.type_names, self.types, self.problems):
            self._readers.submit(ask)

    async def soon(self, ask: Callable[[], T]) -> T:
        """Return `ask()`, run in a thread so that the page stays alive."""
        return await asyncio.to_thread(ask)

    async def in_turn(self, ask: Callable[[], T]) -> T:
        """Return `ask()`, which reads much: in a thread, after those that came before."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, ask)

    def end(self) -> Hashable:
        """Return what changes when the history grows; while somebody follows, it costs nothing.

        Raises
        ------
        StoreUnreadableError
            If nobody follows, and the store cannot be read.
        """
        return self.live.stamp()

    def export(
        self, name: str, frame: Callable[[], pl.DataFrame | pl.LazyFrame], call: str | None
    ) -> Export:
        """Return a table of the history as it can be exported.

        Parameters
        ----------
        name
            What it is called.
        frame
            Makes it, all of it.
        call
            The Python that makes it of a `history`; None where none does.
        """
        named = f"{self.history.name} {name}"
        if call is None:
            return Export(named, frame)
        opened = repr(self.history.target or self.history.name)
        lines = ["from workbench import open_history", "", f"history = open_history({opened})"]
        history = self.history
        narrowed = f"narrowed to {history.narrowed}" if history.narrowed else ""
        if how := " and ".join(filter(None, (history.made, narrowed))):
            # One line: what is a name there must not become code here.
            lines.append(f"# What is shown is {' '.join(how.split())}: make this history so too.")
        return Export(named, frame, "\n".join([*lines, call]))

    def events_export(self, filters: Filters) -> Export:
        """Return all events that filters let through, as they can be exported."""
        code = f"{queries.code_of(filters)}.scan().collect()"
        return self.export("events", lambda: queries.matching(self.history, filters), code)

    def facts(self) -> Facts:
        """Return what the history is."""
        return self._once("facts", lambda: summary.facts(self.history))

    def known_facts(self) -> Facts | None:
        """Return what the history was when somebody last asked, None if nobody did."""
        with self._lock:
            return self._kept.get("facts", (None, None))[1]  # type: ignore[return-value]

    def types(self) -> pl.DataFrame:
        """Return `History.types`."""
        return self._once("types", self.history.types)

    def streams(self) -> pl.DataFrame:
        """Return `History.streams`."""
        return self._once("streams", self.history.streams)

    def problems(self) -> pl.DataFrame:
        """Return `History.problems`."""
        return self._once("problems", self.history.problems)

    def schemas(self) -> Schemas:
        """Return `History.schemas`; once they are known, what comes is added."""
        return self._once("schemas", self._advanced)

    def _advanced(self) -> Schemas:
        known = self._schemas
        is_shorter = known is not None and (known.head or 0) > (self.history.source.head() or 0)
        found = self.history.schemas() if known is None or is_shorter else known.advance()
        self._schemas = found
        return found

    def shares(self, type_: str) -> pl.DataFrame:
        """Return `versions.shares` of one type."""
        return self._once(("shares", type_), lambda: versions.shares(self.schemas(), type_))

    def findings(self, level: Level) -> pl.DataFrame:
        """Return `Schemas.check`."""
        return self._once(("findings", level), lambda: self.schemas().check(level))

    def drift(self, type_: str) -> pl.DataFrame:
        """Return the change points of `History.drift`."""
        return self._once(("drift", type_), lambda: self.history.drift(type_).changes)

    def drafts(self, older: Schema, newer: Schema) -> Drafts:
        """Return `drafts_of` two schemas."""
        key = ("drafts", older.type, older.name, newer.name)
        return self._once(key, lambda: drafts_of(self.history, older, newer))

    def dry_run(self, tell: Callable[[Progress], None], stop: Event) -> UpcasterReport:
        """Return `check_upcasters` with the classes that were named.

        Raises
        ------
        queries.CancelledError
            If it was stopped.
        WorkbenchError
            As `check_upcasters` does.
        """

        def told(progress: Progress) -> None:
            if stop.is_set():
                raise queries.CancelledError
            tell(progress)

        return self._once(
            "dry run", lambda: check_upcasters(self.history, list(self.classes), progress=told)
        )

    def digest(self) -> pl.DataFrame:
        """Return `ranges.digest`."""
        return self._once("digest", lambda: ranges.digest(self.history))

    def stream_digest(self) -> pl.DataFrame:
        """Return `ranges.stream_digest`."""
        return self._once("stream_digest", lambda: ranges.stream_digest(self.history))

    def types_in(self, range_: Filters) -> pl.DataFrame:
        """Return `History.types` of a range of time; raises as `queries.narrowed` does."""
        if range_ == Filters():
            return self.types()
        if ranges.is_whole_hours(range_):
            return ranges.types(ranges.within(self.digest(), range_))
        return self._once(("types", range_), lambda: queries.narrowed(self.history, range_).types())

    def versions_in(self, range_: Filters) -> pl.DataFrame:
        """Return the schema versions of a range of time: `ranges.VERSIONS`."""
        if ranges.is_whole_hours(range_):
            return ranges.versions(ranges.within(self.digest(), range_))
        return self._once(
            ("versions", range_),
            lambda: ranges.versions(ranges.digest(queries.narrowed(self.history, range_))),
        )

    def streams_in(self, range_: Filters) -> pl.DataFrame:
        """Return `History.streams` of a range of time."""
        if range_ == Filters():
            return self.streams()
        if ranges.is_whole_hours(range_):
            return ranges.streams(ranges.within(self.stream_digest(), range_))
        return self._once(
            ("streams", range_), lambda: queries.narrowed(self.history, range_).streams()
        )

    def problems_in(self, range_: Filters, types: pl.DataFrame) -> pl.DataFrame:
        """Return the problems of a range of time, whose types are `types`."""
        found = self.problems()
        return found if range_ == Filters() else ranges.problems(found, types)

    def activity(self, every: str) -> pl.DataFrame:
        """Return `summary.activity`."""
        return self._once(("activity", every), lambda: summary.activity(self.history, every))

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the earliest and latest time."""
        return summary.span(self.types())

    def stream_names(self) -> pl.Series:
        """Return all streams."""
        return self._once("stream_names", lambda: queries.stream_names(self.history))

    def count(self, filters: Filters) -> int:
        """Return `queries.count`."""
        found = self.found(filters) if filters.reads_payloads else None
        return self._once(
            ("count", filters), lambda: queries.count(self.history, filters, found=found)
        )

    def neighbours(self, stream: str, position: int) -> Neighbours:
        """Return `neighbours.neighbours`."""
        return neighbours(self.history, stream, position)

    def difference(self, event: Mapping[str, Any]) -> tuple[int | None, pl.DataFrame]:
        """Return `neighbours.difference`."""
        return self._once(
            ("difference", event["position"]), lambda: difference(self.history, event)
        )

    def state_change(self, position: int) -> StateChange:
        """Return `state_change` with the classes that were named; raises as it does."""
        classes = list(self.classes)
        return self._once(
            ("state", position), lambda: state_change(self.history, position, classes)
        )

    def listing(self, place: Place) -> Listing:
        """Return the page of the log that a place names; raises as `queries.page_of` does."""
        history, filters, size = self.history, place.filters, place.size
        found = self.found(filters) if filters.reads_payloads else None
        total = self.count(filters)
        rows = queries.page_of(history, filters, start=place.start, size=size, found=found)
        first = None if rows.is_empty() else int(rows["position"][0])
        offset = total
        if first is not None and place.start is None:
            offset = 0
        elif first is not None:
            offset = queries.rank(history, filters, first, found=found)
        previous = None
        if offset:
            previous = queries.previous_start(
                history, filters, before=first, size=size, found=found
            )
        is_last = offset + rows.height >= total
        return Listing(
            rows, total, offset, previous, None if is_last else int(rows["position"][-1]) + 1
        )

    def come(self, filters: Filters, end: Hashable, total: int) -> int:
        """Return how many events that match have come since the history had this end.

        It reads those alone where positions say which they are; else all are counted, less
        the `total` that matched then.
        """
        if not isinstance(end, int):
            return max(self.count(filters) - total, 0)
        if filters.last_position is not None and filters.last_position <= end:
            return 0
        return queries.count(self.history.between(after=end), filters)

    def last_start(self, place: Place) -> int | None:
        """Return where the last page begins, None where there is none."""
        found = self.found(place.filters) if place.filters.reads_payloads else None
        return queries.previous_start(self.history, place.filters, size=place.size, found=found)

    def has_found(self, filters: Filters) -> bool:
        """Return whether nothing has to be searched: these filters read no payloads, or did."""
        return (
            not filters.reads_payloads or self._recall(("found", filters), self.end()) is not None
        )

    def found(
        self,
        filters: Filters,
        on_progress: Callable[[Progress], None] | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Found:
        """Return `queries.find`.

        Raises
        ------
        queries.CancelledError
            If `is_cancelled` says so.
        """
        return self._once(
            ("found", filters),
            lambda: queries.find(
                self.history, filters, on_progress=on_progress, is_cancelled=is_cancelled
            ),
        )

    def _once(self, key: Hashable, ask: Callable[[], T]) -> T:
        end = self.end()
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            kept = self._recall(key, end)
            if kept is None:
                kept = ask()
                self._keep(key, end, kept)
        return kept  # type: ignore[return-value]

    def _recall(self, key: Hashable, end: Hashable) -> object | None:
        with self._lock:
            stamp, kept = self._kept.get(key, (None, None))
            if kept is None or stamp != end:
                return None
            self._kept.move_to_end(key)
            return kept

    def _keep(self, key: Hashable, end: Hashable, answer: object) -> None:
        with self._lock:
            self._kept[key] = (end, answer)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                forgotten, _ = self._kept.popitem(last=False)
                self._locks.pop(forgotten, None)
