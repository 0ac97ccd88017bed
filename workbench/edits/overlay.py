"""A source with an overlay: events that are gone, new version numbers, and events added.

An edited source hands out the rows of the event table of the source below, less those
that are gone, with those that were added among them. It is read part by part like any
other: what a source can select itself, it still selects.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import polars as pl

from workbench.edits.stitching import merged, stitched, within
from workbench.payload.decode import decode, raw_columns
from workbench.sources import Selection
from workbench.sources.memory import fitting
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from workbench.payload.codec import Codec
    from workbench.sources import Capabilities, Part, Source

ROW = "\x00row"
"""Which row of the added ones it is, `BELOW` for an event of the source below."""
BELOW = -1
SCHEMA = pl.Schema([*EVENTS.schema.items(), (ROW, pl.Int32)])
GONE = pl.Schema(
    [(name, EVENTS.schema[name]) for name in ("position", "stream", "type", "version", "tags")]
)
VERSIONS = pl.Schema([(name, EVENTS.schema[name]) for name in ("position", "version")])
MOST_AT_ONCE = 65_536  # rows that a limit may ask for, to be answered in one part
_LARGEST = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Overlay:
    """What differs from the source below; all three stand by position."""

    gone: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GONE))
    """Events of the source below that are not there any more: the columns of `GONE`."""
    versions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=VERSIONS))
    """The new version of an event of the source below: the columns of `VERSIONS`."""
    extra: pl.DataFrame = field(default_factory=EVENTS.frame)
    """Rows of the event table that are added, after any event of the same position."""

    @cached_property
    def numbered(self) -> pl.DataFrame:
        """The added rows with the column `ROW`."""
        rows = pl.int_range(self.extra.height, dtype=pl.Int32, eager=True)
        return self.extra.with_columns(rows.alias(ROW))


@dataclass(frozen=True, eq=False)
class EditedSource:
    """The events of a source as edits leave them; the source is only read.

    It ends at `last`, where the source below ended when it was first edited.
    """

    below: Source
    codec: Codec = field(repr=False)
    last: int | None
    overlay: Overlay = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the source below."""
        return self.below.name

    @property
    def kind(self) -> str:
        """The kind of the source below."""
        return self.below.kind

    @property
    def application(self) -> str | None:
        """The application, where the source below says so."""
        return self.below.application

    @property
    def capabilities(self) -> Capabilities:
        """Those of the source below, but that nothing new appears, and no time is indexed."""
        can = self.below.capabilities
        return replace(can, decoded=True, live=False, time_index=False, grows=False)

    @property
    def first_schema_version(self) -> int | None:
        """The schema version of an event that states none."""
        return self.below.first_schema_version

    def head(self) -> int | None:
        """The last position."""
        return self._edges[1]

    def tail(self) -> int | None:
        """The first position."""
        return self._edges[0]

    @cached_property
    def _edges(self) -> tuple[int | None, int | None]:
        """The first and the last position; the source below is read only if its own are gone."""
        found = [self.below.tail(), self.last]
        gone = set(self.overlay.gone["position"].to_list())
        if gone.intersection(found):
            with self._remaining(Selection(), {"position"}) as parts:
                below = [part()["position"] for part in parts]
            found = [edge for p in below if p.len() for edge in (p[0], p[-1])]
        extra = self.overlay.extra["position"]
        edges = [p for p in (*found, *extra.head(1), *extra.tail(1)) if p is not None]
        return min(edges, default=None), max(edges, default=None)

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`."""
        whole = replace(selection, limit=None)
        added = self.overlay.extra.lazy().filter(*fitting(whole)).select(pl.len()).collect().item()
        if self._shifts(selection):
            with self._remaining(whole, {"position"}) as parts:
                below = sum(part().height for part in parts)
        else:
            gone = self.overlay.gone.lazy().filter(*fitting(whole)).select(pl.len()).collect()
            # A database counts faster without a condition.
            asked = whole if self.below.head() == self.last else self._pinned(whole)
            below = self.below.count(asked) - gone.item()
        found = int(below + added)
        return found if selection.limit is None else min(found, selection.limit)

    def _pinned(self, selection: Selection) -> Selection:
        """Return what is asked of the source below, if versions are what they are there."""
        return selection.meet(Selection(upto=-1 if self.last is None else self.last))

    def _shifts(self, selection: Selection) -> bool:
        """Return whether versions are asked for, and are not those of the source below."""
        asks = selection.after_version is not None or selection.upto_version is not None
        return asks and not self.overlay.versions.is_empty()

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected rows: `columns` of `workbench.tables.EVENTS`, in parts, by position."""
        limit, whole = selection.limit, replace(selection, limit=None)
        names = [name for name in SCHEMA if name in columns]
        needed = [name for name in SCHEMA if name in {*columns, "position"}]
        extra = self.overlay.numbered.lazy().filter(*fitting(whole)).select(needed).collect()
        if limit is not None and limit <= MOST_AT_ONCE:
            yield iter([partial(self._first, whole, extra, limit, names)])
            return
        with self._remaining(whole, needed) as parts:
            yield (partial(_only, part, names) for part in stitched(parts, extra))

    def _first(
        self, selection: Selection, extra: pl.DataFrame, limit: int, names: list[str]
    ) -> pl.DataFrame:
        """Return the first rows of a selection, and read no part that they are not in."""
        needed, found, height = extra.columns, [extra.clear()], 0
        if selection.limit == 0 or limit == 0:
            return extra.clear().select(names)
        most = None if self._shifts(selection) else limit + self.overlay.gone.height
        with self._remaining(replace(selection, limit=most), needed) as parts:
            for part in parts:
                found.append(part())
                height += found[-1].height
                if height >= limit:
                    break
        below = pl.concat(found)
        rows = extra if height < limit else within(extra, None, below["position"][-1])
        return merged(below, rows).head(limit).select(names)

    @contextmanager
    def _remaining(
        self, selection: Selection, columns: Collection[str]
    ) -> Iterator[Iterable[Part]]:
        """The selected rows of the source below that are not gone, as rows of the event table."""
        asked, shifts = self._pinned(selection), self._shifts(selection)
        decoded = [name for name in EVENTS.names if name in {*columns, "position"}]
        if shifts:
            asked = replace(asked, after_version=None, upto_version=None, limit=None)
            decoded = [n for n in EVENTS.names if n in {*decoded, "version"}]
        versions = Selection(
            after_version=selection.after_version, upto_version=selection.upto_version
        )
        left = fitting(versions) if shifts else []
        can = self.below.capabilities
        needed = set(decoded)
        if not can.decoded:
            needed = raw_columns(decoded, can.stated, self.codec)
        with self.below.parts(asked, needed) as parts:
            yield (partial(self._kept, part, decoded, left, columns) for part in parts)

    def _kept(
        self, part: Part, decoded: list[str], left: list[pl.Expr], columns: Collection[str]
    ) -> pl.DataFrame:
        raw = part()
        if raw.height:
            raw = self._reversioned(self._without_gone(raw))
        if not self.below.capabilities.decoded:
            raw = decode(raw, decoded, self.codec, self.first_schema_version)
        if left:
            raw = raw.filter(*left)
        below = pl.lit(BELOW, SCHEMA[ROW]).alias(ROW)
        chosen = [below if name == ROW else pl.col(name) for name in SCHEMA if name in columns]
        return raw.select(chosen)

    def _without_gone(self, raw: pl.DataFrame) -> pl.DataFrame:
        gone = _of(self.overlay.gone, raw)["position"]
        return raw if gone.is_empty() else raw.filter(~pl.col("position").is_in(gone.implode()))

    def _reversioned(self, raw: pl.DataFrame) -> pl.DataFrame:
        if "version" not in raw.columns or raw.is_empty():
            return raw
        shifted = _of(self.overlay.versions, raw)
        if shifted.is_empty():
            return raw
        known = raw.join(shifted, on="position", how="left", suffix="_new", maintain_order="left")
        version = pl.coalesce("version_new", "version").alias("version")
        return known.with_columns(version).drop("version_new")

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The texts under which the source below may show a stream."""
        return self.below.stream_forms(stream) | {str(stream)}

    def state(self, position: int) -> bytes | None:
        """The bytes of one event's payload: as stored, or as the edit would store them."""
        if not -_LARGEST < position < _LARGEST:
            return None
        gone = within(self.overlay.gone, position - 1, position)
        if gone.is_empty() and self.last is not None and position <= self.last:
            stored = self.below.state(position)
            if stored is not None:
                return stored
        added = within(self.overlay.extra, position - 1, position)
        return None if added.is_empty() else (added["data"][0] or "").encode()

    def snapshots(self) -> pl.DataFrame:
        """The snapshots of the source below, which edits leave as they are."""
        return self.below.snapshots()

    def receivers(self) -> pl.DataFrame:
        """The receivers of the source below, which edits leave as they are."""
        return self.below.receivers()


def _of(rows: pl.DataFrame, part: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in the range of positions that a part of the source below has."""
    positions = part["position"]
    return within(rows, positions[0] - 1, positions[-1])


def _only(part: Part, names: list[str]) -> pl.DataFrame:
    return part().select(names)
