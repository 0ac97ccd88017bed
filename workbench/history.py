"""A history: an immutable, lazy selection of one source's events, in order.

Narrowing a history gives a new one, and reading happens only when a frame is asked
for. `workbench.opening.open_history` makes histories.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from workbench import catalog, quality
from workbench.description import html_table, in_words
from workbench.errors import RangeError
from workbench.following import Followable
from workbench.inferring import Inferring
from workbench.missing import no_stream, no_tags
from workbench.moments import moment_of
from workbench.numbered import Numbered
from workbench.payload.codec import Codec
from workbench.plotted import Plotted
from workbench.scanning import ENVELOPE_SCHEMA, Reading
from workbench.searching import Searchable
from workbench.sources import Selection, Source
from workbench.tables import EVENTS
from workbench.tracing import Traceable
from workbench.type_names import TypeNames, full_type
from workbench.what_if import Editable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator
    from uuid import UUID

    from workbench.conditions import Condition
    from workbench.dashboards.plots import HistoryPlots
    from workbench.edits import Edit
    from workbench.reading import Progress


@dataclass(frozen=True)
class History(Editable, Inferring, Followable, Numbered, Searchable, Traceable):
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
    conditions: tuple[Condition, ...] = ()
    """What else must hold for an event, all of it; see `where`."""
    edits: tuple[Edit, ...] = ()
    """The edits that were made to it, in order; see `edit`."""
    target: str | None = field(default=None, repr=False, compare=False)
    """What it was opened by, without passwords; None where it was an object."""
    on_progress: Callable[[Progress], None] | None = field(default=None, repr=False, compare=False)
    _types: TypeNames = field(default_factory=TypeNames, repr=False, compare=False)

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
        if self.selection == Selection() and not self._reading.looks_inside:
            return self.source.head()
        last: int | None = self.scan().select(pl.col("position").max()).collect().item()
        return last

    def __len__(self) -> int:
        """The number of events in the selection."""
        if self._reading.looks_inside:
            return int(self.scan().select(pl.len()).collect().item())
        return self.source.count(self.selection)

    def __repr__(self) -> str:
        """One line, without reading anything."""
        told = ", ".join(filter(None, (self.source.kind, self.made, self.narrowed)))
        return f"<History {self.name!r}: {told}>"

    @property
    def narrowed(self) -> str:
        """What the history is narrowed to, in words; empty if to nothing."""
        words = in_words(self.selection, self.first_time, self.last_time)
        return "; ".join(filter(None, (words, *(each.text for each in self.conditions))))

    def _repr_html_(self) -> str:
        return html_table(
            "History",
            {
                "source": f"{self.name} ({self.source.kind})",
                "application": self.application or "not said by the source",
                "events": f"{len(self):,}",
                "last position": f"{self.head or 0:,}",
                "narrowed to": self.narrowed or "nothing: the whole history",
                **{f"edited by {edit.name}": edit.does for edit in self.edits},
                **({"masked": ", ".join(self.masks)} if self.masks else {}),
            },
        )

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
                raise no_stream(str(stream), self.name, self.scan())
        chosen = frozenset().union(*forms)
        return replace(self, selection=self.selection.meet(Selection(streams=chosen)))

    def of_tags(self, *tags: str) -> History:
        """Return the events that have all of these tags, as events of a DCB store do.

        Raises
        ------
        UnknownTagError
            If the source has no event with all of them, or its events have no tags.
        """
        asked = Selection(tags=frozenset(tags))
        can = self.source.capabilities.tags
        if not can or not self.source.count(replace(asked, limit=1)):
            raise no_tags(tags, self.name, self.scan() if can else None)
        return replace(self, selection=self.selection.meet(asked))

    def with_progress(self, on_progress: Callable[[Progress], None] | None) -> History:
        """Return the same history, which reports to `on_progress` while it is read."""
        return replace(self, on_progress=on_progress)

    def _of(self, source: Source, edits: tuple[Edit, ...]) -> History:
        return replace(self, source=source, edits=edits, _types=TypeNames())

    # Names of types

    def type_names(self) -> frozenset[str]:
        """Return all event types of the source, whatever the history is narrowed to."""
        return self._types.upto(
            self.source.head(),
            lambda after: self._whole(after).scan(),
        )

    def _whole(self, after: int | None) -> History:
        return History(
            self.source, self.codec, Selection(after=after), on_progress=self.on_progress
        )

    def full_type(self, name: str) -> str:
        """Return the type, as stored, for a full or short name.

        Raises
        ------
        UnknownTypeError
            If the source has no such type, or several of that short name.
        """
        return full_type(name, self.type_names(), self.name)

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
        return self._reading.lazy()

    @property
    def _reading(self) -> Reading:
        return Reading(
            self.source,
            self.codec,
            self.selection,
            self.first_time,
            self.last_time,
            self.on_progress,
            self.conditions,
        )

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
        return chosen.events_by_type().get(name, pl.DataFrame(schema=ENVELOPE_SCHEMA))

    def events_by_type(self) -> dict[str, pl.DataFrame]:
        """Return the typed columns of every type, as `events` does for one, in one reading.

        Keys are full type names in the order in which they first occur.
        """
        return self._reading.typed()

    def batches(
        self, columns: Collection[str] = EVENTS.names, *, checks: bool = True
    ) -> Generator[pl.DataFrame, None, None]:
        """Yield the events a frame at a time, in order, so that memory stays small.

        Parameters
        ----------
        columns
            Which columns of `workbench.tables.EVENTS`, all by default.
        checks
            Whether payloads are checked to be JSON. Without, which is faster, `data` may
            hold text that is none, and `problem` does not say so.

        Raises
        ------
        StoreUnreadableError
            If the source can no longer be read.
        """
        return self._reading.frames(columns, checks=checks)

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

    def intervals(self, within: catalog.Within = "stream") -> pl.DataFrame:
        """Return how long after the one before events happen: `workbench.tables.INTERVALS`.

        Parameters
        ----------
        within
            The one before in the same 'stream', or of the same 'type'.

        Raises
        ------
        RangeError
            If `within` is neither of the two.
        """
        return catalog.intervals(self.scan(), within)

    plot: ClassVar[Plotted[HistoryPlots]] = Plotted("workbench.dashboards.plots:HistoryPlots")
    """Plotly figures: `plot.rate()`, `plot.intervals()`, `plot.versions()`, `plot.lag()`."""

    def problems(self, *, now: datetime | None = None) -> pl.DataFrame:
        """Return what is wrong or odd with the history: `workbench.tables.PROBLEMS`.

        A narrowed history is checked for what its events show by themselves: gaps,
        rare types, snapshots and receivers are looked at only in a whole one.

        Parameters
        ----------
        now
            After which moment a time is in the future; by default the present.
        """
        is_whole = self.selection == Selection() and not self._reading.looks_inside
        around = quality.Circumstances(
            head=self.source.head(),
            now=moment_of(now or datetime.now(UTC)),
            is_whole=is_whole,
            own_numbers=self.source.capabilities.own_numbers,
            snapshots=self.source.snapshots(),
            receivers=self.source.receivers(),
        )
        return quality.problems(self.scan(), around)

    def snapshots(self) -> pl.DataFrame:
        """Return the stored snapshots: `workbench.tables.SNAPSHOTS`."""
        return self.source.snapshots()
