"""A source whose rows are masked, laid over another: what is masked never leaves it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import polars as pl

from workbench.masking.hiding import HIDDEN, Hiding
from workbench.masking.rules import METADATA, STREAM, TAGS, Masks
from workbench.payload.decode import decode, raw_columns
from workbench.sources import Partitioned, Selection, Withholding
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from workbench.payload.codec import Codec
    from workbench.sources import Capabilities, Part, Source
    from workbench.sources.base import HeldBack

_MASKED = ("data", "metadata", "problem")
"""Columns in which something of a payload may stand."""
_SAFE = (
    *("no payload is stored", "not JSON: ", "not UTF-8 at byte ", "not read: "),
    *("NaN at ", "Infinity at ", "half a surrogate pair at ", "integer beyond 64 bits at "),
)
"""How problems begin that say of a payload where something is in it, and no value."""


@dataclass(frozen=True, eq=False)
class MaskedSource:
    """The events of a source, of which some values are hidden; the source is only read."""

    below: Source
    codec: Codec = field(repr=False)
    masks: Masks

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
        """Those of the source below, whose index of times and masked tags are not used."""
        can = self.below.capabilities
        tags = can.tags and not self.masks.hides(TAGS)
        return replace(can, decoded=True, live=False, time_index=False, tags=tags)

    @property
    def first_schema_version(self) -> int | None:
        """The schema version of an event that states none."""
        return self.below.first_schema_version

    def head(self) -> int | None:
        """The last position."""
        return self.below.head()

    def tail(self) -> int | None:
        """The first position."""
        return self.below.tail()

    def held_back(self) -> HeldBack | None:
        """What the source below holds back now, None if nothing."""
        return self.below.held_back() if isinstance(self.below, Withholding) else None

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`."""
        if not self._asks_for_masked(selection):
            return self.below.count(selection)
        with self.parts(replace(selection, limit=None), {"position"}) as parts:
            found = sum(part().height for part in parts)
        return found if selection.limit is None else min(found, selection.limit)

    def _asks_for_masked(self, selection: Selection) -> bool:
        return selection.streams is not None and self.masks.hides(STREAM)

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected rows: `columns` of `workbench.tables.EVENTS`, in parts, by position."""
        asked, streams = selection, None
        needed = set(columns)
        if needed.intersection(_MASKED):
            needed |= {"type", "data"} if "problem" in needed else {"type"}
        if self._asks_for_masked(selection):
            # Only what a stream's name becomes is known: whose it is, is found by reading.
            asked, streams = replace(selection, streams=None, limit=None), selection.streams
            needed.add("stream")
        decoded = [name for name in EVENTS.names if name in needed]
        can = self.below.capabilities
        raw = needed if can.decoded else raw_columns(decoded, can.stated, self.codec)
        names = [name for name in EVENTS.names if name in columns]
        with self.below.parts(asked, raw) as parts:
            yield (partial(self._masked, part, decoded, names, streams) for part in parts)

    def _masked(
        self, part: Part, decoded: list[str], names: list[str], streams: frozenset[str] | None
    ) -> pl.DataFrame:
        rows = part()
        if not self.below.capabilities.decoded:
            rows = decode(rows, decoded, self.codec, self.first_schema_version)
        rows = self.hidden(rows)
        if streams is not None:
            rows = rows.filter(pl.col("stream").is_in(streams))
        return rows.select(names)

    def hidden(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows of the event table with what is masked hidden."""
        made = [self._hiding_texts(rows, name) for name in ("data", "metadata") if name in rows]
        if "problem" in rows:
            made.append(self._hiding_problems(rows))
        for column, name in (("stream", STREAM), ("tags", TAGS)):
            if column in rows and self.masks.hides(name):
                made.append(self._named(rows[column]))
        return rows.with_columns(made)

    @cached_property
    def _hiding(self) -> Hiding:
        return Hiding(self.masks.key)

    def _hiding_texts(self, rows: pl.DataFrame, name: str) -> pl.Series:
        """Return JSON texts with values hidden; only those are looked into that may have any."""
        column, rules = rows[name], self.masks.rules
        if name == "metadata" and self.masks.hides(METADATA):
            return _mapped(column, self._hiding.all_of)
        if not rules or column.null_count() == column.len():
            return column
        needles = {rule.needle for rule in rules}
        found = column.is_not_null()
        if "" not in needles:
            # With an escape in it, a name may be written in many ways.
            found = column.str.contains_any([*needles, "\\"]).fill_null(value=False)
        chosen = found.arg_true()
        if chosen.is_empty():
            return column
        types, texts = rows["type"].gather(chosen).to_list(), column.gather(chosen).to_list()
        masked = [self._text(type_, text) for type_, text in zip(types, texts, strict=True)]
        return column.clone().scatter(chosen, pl.Series(masked, dtype=pl.String))

    def _text(self, type_: str | None, text: str) -> str:
        rules = self.masks.of_type(type_ or "")
        if rules is None:
            return text
        found = self._hiding.payload(text, rules)
        return f'"{HIDDEN}"' if found is None else found

    def _hiding_problems(self, rows: pl.DataFrame) -> pl.Series:
        """Return problems that tell nothing of a payload; what says it in a foreign text is cut."""
        column = rows["problem"]
        if not self.masks.rules or column.null_count() == column.len():
            return column
        pairs = zip(rows["type"].to_list(), column.to_list(), strict=True)
        made = [
            text if text is None or self.masks.of_type(type_ or "") is None else _told(text)
            for type_, text in pairs
        ]
        return pl.Series("problem", made, pl.String)

    def _named(self, column: pl.Series) -> pl.Series:
        """Return names with a pseudonym for each: streams and tags stay apart."""
        hiding = Hiding(self.masks.key or self.masks.names_key)
        if column.dtype == pl.String:
            return _mapped(column, hiding.name_for)
        lists = [None if tags is None else list(map(hiding.name_for, tags)) for tags in column]
        return pl.Series(column.name, lists, column.dtype)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The texts under which a stream is shown here."""
        if self.masks.hides(STREAM):
            return frozenset({str(stream)})
        return self.below.stream_forms(stream)

    def state(self, position: int) -> bytes | None:
        """The payload of one event as it is shown here; of one that is not JSON, no bytes."""
        stored = self.below.state(position)
        if stored is None:
            return None
        with self.parts(Selection(after=position - 1, upto=position), {"type", "data"}) as parts:
            found = pl.concat([part() for part in parts])
        if found.is_empty() or self.masks.of_type(found["type"][0] or "") is None:
            return stored if found.height else None
        data = found["data"][0]
        return HIDDEN.encode() if data is None else data.encode()

    def snapshots(self) -> pl.DataFrame:
        """The snapshots of the source below, whose streams are called as here."""
        found = self.below.snapshots()
        if not self.masks.hides(STREAM):
            return found
        return found.with_columns(self._named(found["stream"]))

    def receivers(self) -> pl.DataFrame:
        """The receivers of the source below."""
        return self.below.receivers()


class MaskedPartitions(MaskedSource):
    """The same over a source of several logs, each with positions of its own."""

    def ends(self) -> Mapping[int, int]:
        """The last position of each partition."""
        return self._logs.ends()

    def within(self, after: Mapping[int, int], upto: Mapping[int, int]) -> Source:
        """The same source, of which each partition begins and ends so."""
        return replace(self, below=self._logs.within(after, upto))

    @property
    def _logs(self) -> Partitioned:
        if not isinstance(self.below, Partitioned):
            msg = f"{type(self.below).__name__} has no partitions"
            raise TypeError(msg)
        return self.below


def masked(source: Source, codec: Codec, masks: Masks) -> MaskedSource:
    """Return a source laid over another, in which what the masks name is hidden."""
    made = MaskedPartitions if isinstance(source, Partitioned) else MaskedSource
    return made(source, codec, masks)


def masks_of(source: object) -> tuple[str, ...]:
    """Return the patterns of what is masked in a source, and in those below it."""
    found: list[str] = []
    while source is not None:
        if isinstance(source, MaskedSource):
            found += source.masks.patterns
        source = getattr(source, "below", None) or getattr(source, "origin", None)
    return tuple(dict.fromkeys(found))


def _told(problem: str) -> str:
    if problem.startswith(_SAFE):
        return problem
    return f"{problem.partition(':')[0]}: the rest is masked"


def _mapped(column: pl.Series, made: Callable[[str], str]) -> pl.Series:
    texts = [None if text is None else made(text) for text in column.to_list()]
    return pl.Series(column.name, texts, pl.String)
