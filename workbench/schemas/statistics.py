"""What is known of a field: how often it is there, and which values it has.

All of it can be joined: what is known of events that come later is added to what is
known of earlier ones, with the same result as from all of them at once.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from workbench.payload.decode import parse_times
from workbench.schemas.shapes import INTEGER, NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_HASHES = 1_024
"""The smallest hashes that are kept of a field's values, to count different ones."""
MOST_VALUES = 32
"""Different values that are kept with their counts."""
MOST_EXAMPLES = 3
FEW = 64
"""Values for which it takes longer to ask Polars than to look at each."""
LONGEST_TEXT = 80
"""Characters that are kept of a text."""


class Seen(NamedTuple):
    """In how many events something is, and in which it is first and last.

    `first_nth` and `last_nth` count the events of the type and version from 0.
    """

    events: int
    first: int
    last: int
    first_nth: int
    last_nth: int

    def join(self, other: Seen) -> Seen:
        """Return what is known of both."""
        if not self.events or not other.events:
            return self if self.events else other
        return Seen(
            self.events + other.events,
            min(self.first, other.first),
            max(self.last, other.last),
            min(self.first_nth, other.first_nth),
            max(self.last_nth, other.last_nth),
        )

    def later(self, by: int) -> Seen:
        """Return the same, where `by` more events come before it."""
        return self._replace(first_nth=self.first_nth + by, last_nth=self.last_nth + by)


NEVER = Seen(0, 0, 0, 0, 0)


class Value(NamedTuple):
    """A value as text, and what it is ordered by."""

    by: Any
    text: str


class Count(NamedTuple):
    """How often one value is there, and at which positions first and last."""

    total: int
    first: int
    last: int

    def join(self, other: Count) -> Count:
        """Return what is known of both."""
        return Count(
            self.total + other.total, min(self.first, other.first), max(self.last, other.last)
        )


class Spread(NamedTuple):
    """The values of a field of one kind."""

    total: int
    hashes: NDArray[np.uint64]
    low: Value | None
    high: Value | None
    values: Mapping[str, Count] | None
    """All values, None where they are many or long."""
    examples: tuple[str, ...]

    def join(self, other: Spread) -> Spread:
        """Return what is known of both; the other's events come later."""
        return Spread(
            self.total + other.total,
            _smallest(self.hashes, other.hashes),
            min((v for v in (self.low, other.low) if v is not None), default=None),
            max((v for v in (self.high, other.high) if v is not None), default=None),
            _joined_values(self.values, other.values),
            tuple(dict.fromkeys((*self.examples, *other.examples)))[:MOST_EXAMPLES],
        )

    @property
    def distinct(self) -> int:
        """The number of different values; an estimate where there are many.

        Notes
        -----
        K minimum values, of K = `MOST_HASHES` hashes: exact below K, else with a
        standard error of 1/sqrt(K - 2), 3 %. Bar-Yossef et al., "Counting distinct
        elements in a data stream" (2002), and Beyer et al., "On synopses for
        distinct-value estimation under multiset operations" (2007).
        """
        if self.is_exact:
            return self.hashes.size
        return round((MOST_HASHES - 1) / (float(self.hashes[-1]) / 2.0**64))

    @property
    def is_exact(self) -> bool:
        """Whether `distinct` is exact."""
        return self.hashes.size < MOST_HASHES


def _smallest(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    if one.size == MOST_HASHES:
        other = other[other < one[-1]]
        if not other.size:
            return one
    return np.union1d(one, other)[:MOST_HASHES]


def _joined_values(
    one: Mapping[str, Count] | None, other: Mapping[str, Count] | None
) -> Mapping[str, Count] | None:
    if one is None or other is None:
        return None
    found = dict(one)
    for value, count in other.items():
        found[value] = found[value].join(count) if value in found else count
    return found if len(found) <= MOST_VALUES else None


def spread_of(kind: str, texts: pl.Series, positions: NDArray[np.int64]) -> Spread:
    """Return what is known of values of one kind, given as texts in the order of events."""
    if 0 < texts.len() <= FEW and not texts.null_count():
        return _spread_of_few(kind, texts, positions)
    return _spread_of_many(kind, texts, positions)


def _spread_of_few(kind: str, texts: pl.Series, positions: NDArray[np.int64]) -> Spread:
    """Return the same as `_spread_of_many`, without its fixed cost: a type may have many fields."""
    held = texts.to_list()
    unique = list(dict.fromkeys(held))
    as_series = pl.Series(unique, dtype=pl.String)
    cut = [text[:LONGEST_TEXT] for text in unique]
    values: dict[str, Count] | None = None
    if len(unique) <= MOST_VALUES and cut == unique:
        values = {}
        for text, position in zip(held, positions.tolist(), strict=True):
            one = Count(1, position, position)
            values[text] = values[text].join(one) if text in values else one
    ends = _ends_of_few(kind, cut) or _ends(kind, pl.Series(cut, dtype=pl.String))
    hashes = np.sort(as_series.hash().to_numpy())[:MOST_HASHES]
    examples = tuple(dict.fromkeys(cut))[:MOST_EXAMPLES]
    return Spread(len(held), hashes, *ends, values, examples)


def _ends_of_few(kind: str, unique: list[str]) -> tuple[Value, Value] | None:
    """Return the least and the greatest value; None where their order is not plain."""
    by: list[Any]
    if kind == INTEGER:
        by = [int(text) for text in unique]
        if not all(-(2**63) <= value < 2**63 for value in by):
            return None
        found = [Value(*pair) for pair in zip(by, unique, strict=True)]
    elif kind in {NUMBER, "decimal_str"}:
        if not all(map(_PLAIN_NUMBER, unique)) or not all(by := [float(t) for t in unique]):
            return None  # as a zero, of which there are two
        pairs = zip(by, unique, strict=True)
        found = [Value(Decimal(t) if kind == "decimal_str" else value, t) for value, t in pairs]
        low, high = min(by), max(by)
        ends = ([v for v, at in zip(found, by, strict=True) if at == end] for end in (low, high))
        return min(next(ends)), max(next(ends))
    elif kind == "datetime_iso":
        return None
    else:
        found = [Value(text, text) for text in unique]
    return min(found), max(found)


_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII).fullmatch


def _spread_of_many(kind: str, texts: pl.Series, positions: NDArray[np.int64]) -> Spread:
    unique = texts.unique(maintain_order=True)
    hashes = np.sort(unique.hash().to_numpy())[:MOST_HASHES]
    longest = unique.str.len_chars().max()
    cut = unique if _as_int(longest) <= LONGEST_TEXT else unique.str.head(LONGEST_TEXT)
    values = None
    if unique.len() <= MOST_VALUES and cut is unique:
        values = _counted(texts, positions)
    low, high = _ends(kind, cut)
    examples = tuple(dict.fromkeys(cut.head(MOST_EXAMPLES * 8).to_list()))
    if len(examples) < MOST_EXAMPLES:
        examples = tuple(cut.unique(maintain_order=True).head(MOST_EXAMPLES).to_list())
    return Spread(texts.len(), hashes, low, high, values, examples[:MOST_EXAMPLES])


def _as_int(value: Any) -> int:  # noqa: ANN401, Polars' scalars
    return int(value)


def literal_spread(value: str, count: Count) -> Spread:
    """Return what is known of a value that stands in the skeletons."""
    hashed = pl.Series([value]).hash().to_numpy()
    text = Value(value, value)
    return Spread(count.total, hashed, text, text, {value: count}, (value,))


def _counted(texts: pl.Series, positions: NDArray[np.int64]) -> dict[str, Count]:
    if texts.is_empty():
        return {}
    frame = pl.DataFrame({"value": texts, "position": positions})
    at = pl.col("position")
    found = frame.group_by("value", maintain_order=True).agg(
        pl.len(), at.min().alias("first"), at.max().alias("last")
    )
    return {value: Count(*counts) for value, *counts in found.rows()}


def _ends(kind: str, unique: pl.Series) -> tuple[Value | None, Value | None]:
    """Return the least and the greatest value, by what the kind is ordered by."""
    by = _ordering(kind, unique)
    if by is None:
        ends = unique.min(), unique.max()
        return Value(ends[0], str(ends[0])), Value(ends[1], str(ends[1]))
    found = by.drop_nulls()
    if found.is_empty():
        return None, None
    read = _READ.get(kind)
    edges = []
    for end, pick in ((found.min(), min), (found.max(), max)):
        texts = unique.filter(by == end).to_list()
        edges.append(pick(Value(end if read is None else read(text), text) for text in texts))
    return edges[0], edges[1]


_READ = {"decimal_str": Decimal, INTEGER: int}


def _ordering(kind: str, unique: pl.Series) -> pl.Series | None:
    if kind == INTEGER:
        found = unique.cast(pl.Int64, strict=False)
        return unique.cast(pl.Float64, strict=False) if found.null_count() else found
    if kind == NUMBER:
        return unique.cast(pl.Float64, strict=False)
    if kind == "decimal_str":
        by = unique.cast(pl.Float64, strict=False)
        return by.set(~by.is_finite().fill_null(value=False), None)
    if kind == "datetime_iso":
        return parse_times(unique).dt.epoch("us")
    return None


class Kind(NamedTuple):
    """One kind of value at a path: in which events, how often, and which values."""

    seen: Seen
    total: int
    spread: Spread | None = None

    def join(self, other: Kind) -> Kind:
        """Return what is known of both; the other's events come later."""
        spread = self.spread
        if spread is None or other.spread is None:
            spread = spread or other.spread
        else:
            spread = spread.join(other.spread)
        return Kind(self.seen.join(other.seen), self.total + other.total, spread)

    def later(self, by: int) -> Kind:
        """Return the same, where `by` more events come before it."""
        return self._replace(seen=self.seen.later(by))


class Field(NamedTuple):
    """What is known of a path: its kinds, and the events in which it is missing."""

    kinds: Mapping[str, Kind]
    missing: Seen = NEVER
    """Events with an object that might have it and does not."""

    def join(self, other: Field) -> Field:
        """Return what is known of both; the other's events come later."""
        kinds = dict(self.kinds)
        for name, kind in other.kinds.items():
            kinds[name] = kinds[name].join(kind) if name in kinds else kind
        return Field(kinds, self.missing.join(other.missing))

    def later(self, by: int) -> Field:
        """Return the same, where `by` more events come before it."""
        kinds = {name: kind.later(by) for name, kind in self.kinds.items()}
        return Field(kinds, self.missing.later(by))

    @property
    def total(self) -> int:
        """How often it is there."""
        return sum(kind.total for kind in self.kinds.values())
