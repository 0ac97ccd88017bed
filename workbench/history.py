"""A history: an immutable, lazy selection of one source's events, in order.

Narrowing a history gives a new one, and reading happens only when a frame is asked
for. `workbench.opening.open_history` makes histories.
"""

from __future__ import annotations

import html
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from workbench import catalog, quality
from workbench.catalog import short_name
from workbench.errors import (
    RangeError,
    UnknownPositionError,
    UnknownStreamError,
    UnknownTypeError,
    near,
)
from workbench.moments import moment_of
from workbench.payload.codec import Codec
from workbench.payload.decode import decode, raw_columns
from workbench.payload.typed import Piece, TypedReader, joined
from workbench.pushdown import selection_of
from workbench.reading import THREADS, Progress, read_parts
from workbench.sources import Selection, Source
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import date
    from uuid import UUID

T = TypeVar("T")

ENVELOPE = ("position", "partition", "stream", "version", "type", "schema_version", "time")
MOST_NEAR_STREAMS = 10_000


@dataclass(slots=True)
class _Types:
    """The type names of a source, read once, and then only what has been added."""

    head: int | None = None
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class History:
    """An immutable, lazy selection of one source's events, in order of position.

    Made by `open_history`. `len(history)` counts the events.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> history = open_history(shop_path())
    >>> history.of_types("Order.Placed").scan().select("position", "time").collect().width
    2
    """

    source: Source
    codec: Codec = field(default_factory=Codec, repr=False)
    selection: Selection = field(default_factory=Selection)
    first_time: datetime | None = None
    """Only events of this time or later, if set."""
    last_time: datetime | None = None
    """Only events of this time or earlier, if set."""
    on_progress: Callable[[Progress], None] | None = field(default=None, repr=False, compare=False)
    _types: _Types = field(default_factory=_Types, repr=False, compare=False)

    # What it is

    @property
    def name(self) -> str:
        """What the source is called, such as a file's name."""
        return self.source.name

    @property
    def application(self) -> str | None:
        """The application whose events these are, where the source says so."""
        return self.source.application

    @property
    def head(self) -> int | None:
        """The last position of the selection, None where it is empty.

        The source's own last position while nothing narrows the history, at no
        cost; else the last position that is in it.
        """
        if self.selection == Selection() and not self._is_timed:
            return self.source.head()
        last: int | None = self.scan().select(pl.col("position").max()).collect().item()
        return last

    @property
    def _is_timed(self) -> bool:
        return self.first_time is not None or self.last_time is not None

    def __len__(self) -> int:
        """The number of events in the selection."""
        if self._is_timed:
            return int(self.scan().select(pl.len()).collect().item())
        return self.source.count(self.selection)

    def __repr__(self) -> str:
        """One line, without reading anything."""
        narrowed = f", {self._narrowed()}" if self._narrowed() else ""
        return f"<History {self.name!r}: {self.source.kind}{narrowed}>"

    def _narrowed(self) -> str:
        chosen, words = self.selection, []
        if chosen.after is not None:
            words.append(f"after {chosen.after:,}")
        if chosen.upto is not None:
            words.append(f"up to {chosen.upto:,}")
        if self.first_time is not None:
            words.append(f"since {self.first_time.isoformat()}")
        if self.last_time is not None:
            words.append(f"until {self.last_time.isoformat()}")
        if chosen.types is not None:
            words.append(f"types {', '.join(sorted(map(short_name, chosen.types)))}")
        if chosen.streams is not None:
            words.append(f"streams {', '.join(sorted(chosen.streams))}")
        return "; ".join(words)

    def _repr_html_(self) -> str:
        rows = {
            "source": f"{self.name} ({self.source.kind})",
            "application": self.application or "not said by the source",
            "events": f"{len(self):,}",
            "last position": f"{self.head or 0:,}",
            "narrowed to": self._narrowed() or "nothing: the whole history",
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table><caption>History</caption>{cells}</table>"

    # Narrowing

    def between(self, *, after: int | None = None, upto: int | None = None) -> History:
        """Return the events at positions greater than `after`, up to and with `upto`.

        Raises
        ------
        RangeError
            If the range ends before it begins.
        """
        if after is not None and upto is not None and upto < after:
            msg = (
                f"Cannot select positions after {after:,} up to {upto:,}: the range ends before "
                f"it begins. Swap the two: after={upto}, upto={after}."
            )
            raise RangeError(msg)
        return replace(self, selection=self.selection.meet(Selection(after=after, upto=upto)))

    def since(self, moment: datetime | date | str) -> History:
        """Return the events of `moment` or later, by the time that they carry.

        A time without a zone is UTC. Text is ISO 8601, such as '2025-03-01' or
        '2025-03-01T12:00+02:00'. Events without a time are left out.

        Raises
        ------
        RangeError
            If the text is no time, or the history ends before it.
        """
        first = moment_of(moment)
        if self.first_time is not None:
            first = max(first, self.first_time)
        return self._timed(first, self.last_time)

    def until(self, moment: datetime | date | str) -> History:
        """Return the events of `moment` or earlier; see `since`.

        A date without a time of day means the whole of that day.

        Raises
        ------
        RangeError
            If the text is no time, or the history begins after it.
        """
        last = moment_of(moment, end_of_day=True)
        if self.last_time is not None:
            last = min(last, self.last_time)
        return self._timed(self.first_time, last)

    def _timed(self, first: datetime | None, last: datetime | None) -> History:
        if first is not None and last is not None and last < first:
            msg = (
                f"Cannot select events since {first.isoformat()} until {last.isoformat()}: the "
                "range ends before it begins. Give an earlier since, or a later until."
            )
            raise RangeError(msg)
        return replace(self, first_time=first, last_time=last)

    def of_types(self, *types: str) -> History:
        """Return the events of these types, by full or unambiguous short name.

        Raises
        ------
        UnknownTypeError
            If the source has no such type, or several of that short name.
        """
        chosen = frozenset(self.full_type(name) for name in types)
        return replace(self, selection=self.selection.meet(Selection(types=chosen)))

    def of_streams(self, *streams: str | UUID) -> History:
        """Return the events of these streams; a UUID is found with and without dashes.

        Raises
        ------
        UnknownStreamError
            If the source has no such stream.
        """
        forms = [self.source.stream_forms(stream) for stream in streams]
        for stream, form in zip(streams, forms, strict=True):
            if not self.source.count(Selection(streams=form)):
                raise UnknownStreamError(self._no_stream(str(stream)))
        chosen = frozenset().union(*forms)
        return replace(self, selection=self.selection.meet(Selection(streams=chosen)))

    def _no_stream(self, stream: str) -> str:
        known = self.scan().select("stream").head(MOST_NEAR_STREAMS).unique().collect()
        return (
            f"Cannot find the stream {stream!r} in {self.name!r}. "
            f"{near(stream, known['stream'].drop_nulls().to_list())}"
        )

    def with_progress(self, on_progress: Callable[[Progress], None] | None) -> History:
        """Return the same history, which reports to `on_progress` while it is read."""
        return replace(self, on_progress=on_progress)

    # Names of types

    def type_names(self) -> frozenset[str]:
        """Return all event types of the source, whatever the history is narrowed to."""
        head = self.source.head()
        if head != self._types.head:
            fresh = History(self.source, self.codec, Selection(after=self._types.head))
            names = fresh.scan().select("type").unique().collect(engine="streaming")
            self._types.names |= frozenset(names["type"].drop_nulls().to_list())
            self._types.head = head
        return self._types.names

    def full_type(self, name: str) -> str:
        """Return the type, as stored, for a full or short name.

        Raises
        ------
        UnknownTypeError
            If the source has no such type, or several of that short name.
        """
        known = self.type_names()
        if name in known:
            return name
        found = sorted(k for k in known if short_name(k) == name)
        if len(found) == 1:
            return found[0]
        if found:
            msg = (
                f"Cannot tell which event type {name!r} is in {self.name!r}: "
                f"{', '.join(found[:5])} have that short name. Give one of these in full."
            )
            raise UnknownTypeError(msg)
        msg = (
            f"Cannot find the event type {name!r} in {self.name!r}. "
            f"{near(name, map(short_name, known))}"
        )
        raise UnknownTypeError(msg)

    # Reading

    def scan(self) -> pl.LazyFrame:
        """Return the event table as a LazyFrame: `workbench.tables.EVENTS`, by position.

        Only the columns that a query uses are read. Conditions on position, stream,
        version and type are answered by the source, where it can; all others by
        Polars, also those on time, which is in the payload.

        Raises
        ------
        StoreUnreadableError
            When it is collected, if the source can no longer be read.
        """
        from polars.io.plugins import register_io_source

        return register_io_source(
            self._io_source, schema=EVENTS.schema, validate_schema=False, is_pure=False
        )

    def _io_source(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        wanted = list(EVENTS.names) if with_columns is None else with_columns
        needed = {*wanted, *(predicate.meta.root_names() if predicate is not None else ())}
        selection = self.selection
        if n_rows is None:
            selection = selection.meet(selection_of(predicate))
        elif not self._is_timed:
            selection = selection.meet(Selection(limit=n_rows))
        left = n_rows
        for frame in self._batches(needed or {"position"}, selection):
            # Where Polars hands over both, the rows are counted before the condition.
            found = frame if left is None else frame.head(left)
            left = None if left is None else left - found.height
            kept = found if predicate is None else found.filter(predicate)
            yield kept.select(wanted)
            if left == 0:
                return

    def _batches(self, columns: Collection[str], selection: Selection) -> Iterator[pl.DataFrame]:
        needed = {*columns, "time"} if self._is_timed else columns
        return self._read(raw_columns(needed), selection, lambda raw: self._decoded(raw, columns))

    def _read(
        self, raw: set[str], selection: Selection, use: Callable[[pl.DataFrame], T]
    ) -> Iterator[T]:
        return read_parts(self.source, selection, raw, use, self.on_progress)

    def events(self, *types: str) -> pl.DataFrame:
        """Return the events, with typed columns if they are of one type.

        Parameters
        ----------
        types
            Full or short names. With exactly one, its payload's fields are columns in
            native dtypes: the library's wrappers are Datetime (UTC), Decimal, and String
            for a UUID; an unknown wrapper is a struct. A field that is named like one of
            the event's own columns gets the prefix `data.`. With none or several,
            `workbench.tables.EVENTS`, whose `data` is JSON.

        Raises
        ------
        UnknownTypeError
            If the source has no such type, or several of that short name.
        """
        chosen = self.of_types(*types) if types else self
        if len(types) != 1:
            return chosen.scan().collect()
        name = self.full_type(types[0])
        return chosen.events_by_type().get(name, pl.DataFrame(schema=_envelope_schema()))

    def events_by_type(self) -> dict[str, pl.DataFrame]:
        """Return the typed columns of every type, as `events` does for one, in one reading.

        Keys are full type names in the order in which they first occur.
        """
        reader, found = TypedReader(), dict[str, list[Piece]]()
        columns = {*ENVELOPE, "data", "problem"}

        def parsed(raw: pl.DataFrame) -> list[Piece]:
            return reader.pieces(
                self._decoded(raw, columns, checks=False), lambda: self._decoded(raw, columns)
            )

        for pieces in self._read(raw_columns({*columns, "time"}), self.selection, parsed):
            for piece in pieces:
                found.setdefault(piece.type, []).append(piece)
        with ThreadPoolExecutor(THREADS) as pool:
            frames = pool.map(joined, found.values())
            return {name: _without_empty_problem(f) for name, f in zip(found, frames, strict=True)}

    def _decoded(
        self, raw: pl.DataFrame, columns: Collection[str], *, checks: bool = True
    ) -> pl.DataFrame:
        """Return the event table for raw rows, of the times that are selected."""
        needed = {*columns, "time"} if self._is_timed else columns
        first = self.source.first_schema_version
        frame = decode(raw, needed, self.codec, first, checks=checks)
        if self.first_time is not None:
            frame = frame.filter(pl.col("time") >= self.first_time)
        if self.last_time is not None:
            frame = frame.filter(pl.col("time") <= self.last_time)
        return frame.select(name for name in EVENTS.names if name in columns)

    def batches(self, columns: Collection[str] = EVENTS.names) -> Iterator[pl.DataFrame]:
        """Yield the events a frame at a time, in order, so that memory stays small.

        Parameters
        ----------
        columns
            Which columns of `workbench.tables.EVENTS`, all by default.

        Raises
        ------
        StoreUnreadableError
            If the source can no longer be read.
        """
        yield from self._batches(columns, self.selection)

    def state(self, position: int) -> bytes:
        """Return the stored bytes of one event's payload, as they lie in the source.

        Raises
        ------
        UnknownPositionError
            If no event has that position.
        """
        found = self.source.state(position)
        if found is None:
            msg = (
                f"Cannot find an event at position {position:,} in {self.name!r}, which goes from "
                f"{self.source.tail() or 0:,} to {self.source.head() or 0:,}. "
                "Positions may have holes: see history.problems()."
            )
            raise UnknownPositionError(msg)
        return found

    # Questions to it

    def types(self) -> pl.DataFrame:
        """Return the event types: `workbench.tables.TYPES`, most frequent first."""
        return catalog.types(self.scan())

    def streams(self) -> pl.DataFrame:
        """Return the streams: `workbench.tables.STREAMS`, in the order in which they begin."""
        return catalog.streams(self.scan())

    def rate(self, every: str = "1d", by: catalog.By = "type") -> pl.DataFrame:
        """Return how many events there are in each window of time: `workbench.tables.RATE`.

        Parameters
        ----------
        every
            The window's length: '1h', '1d', '1w', '1mo'. Windows begin in UTC.
        by
            What to count apart: 'type' (short names), 'stream' or 'aggregate'.

        Raises
        ------
        RangeError
            If `every` is no duration or `by` is none of the three.
        """
        return catalog.rate(self.scan(), every, by)

    def problems(self, *, now: datetime | None = None) -> pl.DataFrame:
        """Return what is wrong or odd with the history: `workbench.tables.PROBLEMS`.

        A narrowed history is checked for what its events show by themselves: gaps,
        rare types, snapshots and receivers are looked at only in a whole one.

        Parameters
        ----------
        now
            After which moment a time is in the future; by default the present.
        """
        is_whole = self.selection == Selection() and not self._is_timed
        around = quality.Circumstances(
            head=self.source.head(),
            now=moment_of(now or datetime.now(UTC)),
            is_whole=is_whole,
            own_numbers=self.source.capabilities.own_numbers,
            snapshots=self.source.snapshots(),
            receivers=self.source.receivers(),
        )
        return quality.problems(self.scan(), around)

    def receivers(self) -> pl.DataFrame:
        """Return who follows the source, and how far: `workbench.tables.RECEIVERS`."""
        return self.source.receivers()

    def snapshots(self) -> pl.DataFrame:
        """Return the stored snapshots: `workbench.tables.SNAPSHOTS`."""
        return self.source.snapshots()


def _without_empty_problem(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without the column `problem` if no event of it has one."""
    return frame.drop("problem") if frame["problem"].null_count() == frame.height else frame


def _envelope_schema() -> pl.Schema:
    return pl.Schema({name: EVENTS.schema[name] for name in ENVELOPE})
