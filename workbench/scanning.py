"""The event table of a selection: as frames in turn, as a LazyFrame, and typed by event type."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from workbench.payload.decode import decode, raw_columns
from workbench.payload.typed import Piece, TypedReader, joined
from workbench.pushdown import selection_of
from workbench.reading import THREADS, read_parts
from workbench.sources import Selection, TimeIndexed
from workbench.sources.lazy import LazySource
from workbench.sources.memory import MemorySource
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from datetime import datetime

    from workbench.conditions import Condition
    from workbench.payload.codec import Codec
    from workbench.reading import Progress
    from workbench.sources import Source

T = TypeVar("T")

ENVELOPE = ("position", "partition", "stream", "version", "type", "schema_version", "time")
"""The columns that stand before an event's typed fields."""
ENVELOPE_SCHEMA = pl.Schema([(name, EVENTS.schema[name]) for name in ENVELOPE])


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a source, and how its payloads are encoded.

    `schema` is what the rows have: a source that is decoded may know more columns.
    """

    source: Source
    codec: Codec
    selection: Selection
    first_time: datetime | None = None
    last_time: datetime | None = None
    on_progress: Callable[[Progress], None] | None = None
    conditions: tuple[Condition, ...] = ()
    schema: pl.Schema = field(default_factory=lambda: EVENTS.schema)

    @property
    def is_timed(self) -> bool:
        """Whether times are selected, which are known only after decoding."""
        return self.first_time is not None or self.last_time is not None

    @property
    def looks_inside(self) -> bool:
        """Whether events are selected by what is known only after decoding."""
        return self.is_timed or bool(self.conditions)

    def _needed(self, columns: Collection[str]) -> set[str]:
        """Return the columns that have to be read to have these, of the events selected."""
        looked_at = (condition.columns for condition in self.conditions)
        return {*columns, *(("time",) if self.is_timed else ())}.union(*looked_at)

    def frames(
        self,
        columns: Collection[str],
        narrowed: Selection | None = None,
        *,
        checks: bool = True,
    ) -> Generator[pl.DataFrame, None, None]:
        """Yield columns of `workbench.tables.EVENTS`, a frame a part, in order of position.

        Without `checks`, `data` may hold text that is no JSON.
        """
        return self.used(columns, lambda frame: frame, narrowed, checks=checks)

    def used(
        self,
        columns: Collection[str],
        use: Callable[[pl.DataFrame], T],
        narrowed: Selection | None = None,
        *,
        checks: bool = True,
    ) -> Generator[T, None, None]:
        """Yield `use` of each frame that `frames` yields; it is called in threads."""
        return read_parts(
            self.source,
            self._wanted(narrowed),
            self._asked(columns),
            lambda raw: use(self._decoded(raw, columns, checks=checks)),
            self.on_progress,
        )

    @property
    def _begun(self) -> Selection:
        """The selection, begun where the source's index of times says that the times do."""
        source, first = self.source, self.first_time
        if first is None or not isinstance(source, TimeIndexed):
            return self.selection
        return self.selection.meet(Selection(after=source.position_before(first)))

    def _asked(self, columns: Collection[str]) -> set[str]:
        """Return what the source is asked for, to have these columns of the event table."""
        needed = self._needed(columns)
        can = self.source.capabilities
        return needed if can.decoded else raw_columns(needed, can.stated, self.codec)

    def _decoded(
        self, raw: pl.DataFrame, columns: Collection[str], *, checks: bool = True
    ) -> pl.DataFrame:
        """Return the event table for raw rows, of the events that are selected."""
        frame = raw
        if not self.source.capabilities.decoded:
            first = self.source.first_schema_version
            needed = self._needed(columns)
            frame = decode(raw, needed, self.codec, first, checks=checks or bool(self.conditions))
        found = self._fitting(frame.filter(*self._in_time()))
        return found.select(n for n in self.schema if n in columns)

    def _fitting(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the events of a frame for which the conditions hold."""
        for condition in self.conditions:
            frame = condition.kept(frame)
        return frame

    def _chosen(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the events of a query for which the conditions hold."""
        if not self.conditions:
            return rows
        return rows.map_batches(self._fitting, projection_pushdown=False, streamable=True)

    def _in_time(self) -> list[pl.Expr]:
        """Return the conditions on the times that are selected."""
        first = [] if self.first_time is None else [pl.col("time") >= self.first_time]
        return first if self.last_time is None else [*first, pl.col("time") <= self.last_time]

    def lazy(self) -> pl.LazyFrame:
        """Return the event table as a LazyFrame: of a frame in memory, or an IO plugin."""
        from polars.io.plugins import register_io_source

        if isinstance(self.source, MemorySource) and self.on_progress is None:
            return self._chosen(self.source.lazy(self.selection).filter(*self._in_time()))
        is_query = isinstance(self.source, LazySource) and self.on_progress is None
        return register_io_source(
            self._query if is_query else self._io_source,
            schema=self.schema,
            validate_schema=False,
            is_pure=False,
        )

    def _query(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Hand everything on to a source that is a query itself."""
        if not isinstance(self.source, LazySource):
            msg = f"{type(self.source).__name__} is no query"
            raise TypeError(msg)
        # Where Polars hands over both, the rows are counted before the condition.
        limit = Selection() if self.conditions else Selection(limit=n_rows)
        narrowed = selection_of(predicate) if n_rows is None else limit
        found = self.source.lazy(self._timed(self.selection.meet(narrowed)))
        wanted = with_columns or self.schema.names()
        if self.conditions:
            seen = set(predicate.meta.root_names()) if predicate is not None else set()
            needed = self._needed({*wanted, *seen})
            found = self._chosen(found.select(n for n in self.schema if n in needed))
            found = found if n_rows is None else found.head(n_rows)
        if predicate is not None:
            found = found.filter(predicate)
        yield from self.source.batches(found.select(wanted))

    def _wanted(self, narrowed: Selection | None = None) -> Selection:
        """Return what is asked of the source, with the times as far as it knows of them."""
        begun = self._begun if narrowed is None else self._begun.meet(narrowed)
        source = self.source
        is_filtered = source.capabilities.time_index and not isinstance(source, TimeIndexed)
        return self._timed(begun) if is_filtered else begun

    def _timed(self, selection: Selection) -> Selection:
        return replace(selection, first_time=self.first_time, last_time=self.last_time)

    def _io_source(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        wanted = list(self.schema) if with_columns is None else with_columns
        needed = {*wanted, *(predicate.meta.root_names() if predicate is not None else ())}
        narrowed = Selection()
        if n_rows is None:
            narrowed = selection_of(predicate)
        elif not self.looks_inside:
            narrowed = Selection(limit=n_rows)
        left = n_rows
        for frame in self.frames(needed or {"position"}, narrowed):
            # Where Polars hands over both, the rows are counted before the condition.
            found = frame if left is None else frame.head(left)
            left = None if left is None else left - found.height
            kept = found if predicate is None else found.filter(predicate)
            yield kept.select(wanted)
            if left == 0:
                return

    def typed(self) -> dict[str, pl.DataFrame]:
        """Return the typed columns of every type, by its name, in one reading."""
        reader, found = TypedReader(), dict[str, list[Piece]]()
        columns = {*ENVELOPE, "data", "problem"}

        def parsed(raw: pl.DataFrame) -> list[Piece]:
            return reader.pieces(
                self._decoded(raw, columns, checks=False), lambda: self._decoded(raw, columns)
            )

        asked = self._asked(columns)
        for pieces in read_parts(self.source, self._wanted(), asked, parsed, self.on_progress):
            for piece in pieces:
                found.setdefault(piece.type, []).append(piece)
        with ThreadPoolExecutor(THREADS) as pool:
            frames = pool.map(joined, found.values())
            return {name: _without_empty_problem(f) for name, f in zip(found, frames, strict=True)}


def _without_empty_problem(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without the column `problem` if no event of it has one."""
    return frame.drop("problem") if frame["problem"].null_count() == frame.height else frame
