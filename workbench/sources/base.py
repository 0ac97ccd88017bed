"""What a source of events is: the port that every system's adapter implements.

A source hands out raw rows in parts, in the order of their positions. A part is
a function that has not run yet, so that the reader above decides how many run
at once and stops when it has enough. Raw rows carry the stored bytes; what the
bytes say is found out above, in `workbench.payload`, the same way for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, runtime_checkable

import polars as pl

from workbench.tables import TIME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

RAW_SCHEMA = pl.Schema(
    [
        ("position", pl.Int64),
        ("partition", pl.Int32),
        ("stream", pl.String),
        ("version", pl.Int64),
        ("type", pl.String),
        ("state", pl.Binary),
        ("metadata", pl.String),
        ("tags", pl.List(pl.String)),
    ]
)

STATED_SCHEMA = pl.Schema([("schema_version", pl.Int32), ("time", TIME)])
"""More raw columns, of sources that keep these beside the payload; see `Capabilities.stated`."""

Part = Callable[[], pl.DataFrame]
End = TypeVar("End", int, datetime)

REPLACED = "\ufffd"
"""What `as_text` puts where bytes are not UTF-8."""


def as_text(column: pl.Series, errors: Literal["null", "replace"]) -> pl.Series:
    """Return a column of bytes as text; bytes that are not UTF-8 are null, or marked."""
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        return pl.Series(column.name, [_text(b, errors) for b in column.to_list()], pl.String)


def _text(value: bytes | None, errors: str) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None if errors == "null" else value.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a source can do, so that a page or function can say why it does not.

    `total_order`: one number orders all events. `time_index`: a start time is
    found without reading. `live`: new events are announced. `receivers`: it
    knows who follows it. `own_numbers`: its positions are counted for it alone,
    so that a missing number is a hole. `decoded`: its parts are rows of the event
    table already, so that nothing is left to decode. `tags`: it selects by tags.
    `grows`: events may still be added. `stated`: which columns of `STATED_SCHEMA` its raw
    rows carry, so that nobody looks for them in the payload.
    """

    total_order: bool
    time_index: bool
    live: bool
    receivers: bool
    own_numbers: bool
    decoded: bool = False
    tags: bool = False
    grows: bool = True
    stated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events to read; `None` means no limit on that side.

    Ranges are `after` (exclusive) and `upto` (inclusive); memberships list the
    values that may occur. `limit` is the greatest number of rows wanted. The times, both
    inclusive, are for a source that has the capability `time_index`, and stand in a
    selection together with a limit only there: others hand out events of any time. `tags`
    are those that an event must all have; only a source with the capability `tags` is asked
    for any.
    """

    after: int | None = None
    upto: int | None = None
    types: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    after_version: int | None = None
    upto_version: int | None = None
    limit: int | None = None
    first_time: datetime | None = None
    last_time: datetime | None = None
    tags: frozenset[str] = frozenset()

    def meet(self, other: Selection) -> Selection:
        """Return the selection of what is in both."""
        return Selection(
            after=_largest(self.after, other.after),
            upto=_smallest(self.upto, other.upto),
            types=_common(self.types, other.types),
            streams=_common(self.streams, other.streams),
            after_version=_largest(self.after_version, other.after_version),
            upto_version=_smallest(self.upto_version, other.upto_version),
            limit=_smallest(self.limit, other.limit),
            first_time=_largest(self.first_time, other.first_time),
            last_time=_smallest(self.last_time, other.last_time),
            tags=self.tags | other.tags,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be in it, whatever the source holds."""
        return (
            (self.types is not None and not self.types)
            or (self.streams is not None and not self.streams)
            or (self.after is not None and self.upto is not None and self.after >= self.upto)
            or self.limit == 0
            or (
                self.first_time is not None
                and self.last_time is not None
                and self.first_time > self.last_time
            )
        )


def _largest(a: End | None, b: End | None) -> End | None:
    return max((x for x in (a, b) if x is not None), default=None)


def _smallest(a: End | None, b: End | None) -> End | None:
    return min((x for x in (a, b) if x is not None), default=None)


def _common(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


class Source(Protocol):
    """A place where stored events lie, opened for reading only."""

    @property
    def name(self) -> str:
        """What a person calls it: a file's name, an application's class."""

    @property
    def kind(self) -> str:
        """What it was recognised as, such as 'eventsourcing 9, SQLite'."""

    @property
    def application(self) -> str | None:
        """The application whose events these are, where the source says so."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @property
    def first_schema_version(self) -> int | None:
        """The schema version of an event that states none; null if unknown."""

    def head(self) -> int | None:
        """The last position, or None if there are no events."""

    def tail(self) -> int | None:
        """The first position, or None if there are no events."""

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`."""

    def parts(
        self, selection: Selection, columns: Collection[str]
    ) -> AbstractContextManager[Iterator[Part]]:
        """The selected raw rows: `columns` of `RAW_SCHEMA`, parts in order of position.

        A source that is `decoded` takes columns of `workbench.tables.EVENTS` instead, and
        hands out such rows. Parts may be called in any thread, while the context is open.
        """

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The texts under which a stream may stand in the column `stream`."""

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event, None if no event is there."""

    def snapshots(self) -> pl.DataFrame:
        """The stored snapshots: `workbench.tables.SNAPSHOTS`."""

    def receivers(self) -> pl.DataFrame:
        """Who follows this source and how far each is: `workbench.tables.RECEIVERS`."""


# What a source may do besides. Who asks for it tells by `isinstance`.


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Events that a source has, and does not hand out yet: others may still precede them."""

    after: int
    """What is handed out ends here."""
    upto: int
    """The last position that is held back."""
    events: int
    """How many events there are between the two."""
    reason: str
    """Who may still write before them, in words."""


@runtime_checkable
class Withholding(Protocol):
    """A source in which an event may appear before others that are there already."""

    def held_back(self) -> HeldBack | None:
        """What is held back now, None if nothing is."""


Wait = Callable[[float], object]


@runtime_checkable
class Announcing(Protocol):
    """A source that tells when something new is there; others are asked now and then."""

    def waiting(self) -> AbstractContextManager[Wait]:
        """A function that returns when something may have changed, or after some seconds.

        It is asked for at most a quarter of a second at a time. The context ends without
        leaving a connection, a thread or a subscription behind.
        """


@runtime_checkable
class Partitioned(Protocol):
    """A source of several logs, each with positions of its own."""

    def ends(self) -> Mapping[int, int]:
        """The last position of each partition; one without events may be left out."""

    def within(self, after: Mapping[int, int], upto: Mapping[int, int]) -> Source:
        """The same source, of which each partition begins and ends so.

        A partition that is not in `after` begins at its beginning; one that is not in `upto`
        is left out.
        """


@runtime_checkable
class TimeIndexed(Protocol):
    """A source that finds a start time without reading; its capabilities say `time_index`."""

    def position_before(self, moment: datetime) -> int | None:
        """A position that all events of `moment` or later come after, None if none is known."""
