"""The events of one type in order, by shape, with the values of each field.

What a drift is told from: unlike a census it keeps every event and value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from workbench.schemas.shapes import (
    ARRAY,
    JSON_KINDS,
    OBJECT,
    Feature,
    Mark,
    Path,
    in_maps,
    maps_among,
)
from workbench.tables import TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from workbench.schemas.pieces import Piece


class Values(NamedTuple):
    """The values of one kind at one path: the number of the event of each, and its text."""

    nth: NDArray[np.int64]
    text: pl.Series


@dataclass(frozen=True, eq=False)
class Gathered:
    """The events of one type, in order of position."""

    positions: NDArray[np.int64]
    times: pl.Series
    shape_of: NDArray[np.int64]
    """Which shape each event has."""
    features: tuple[Feature, ...]
    counts: NDArray[np.int64]
    """How often each shape has each feature: shapes by features."""
    values: Mapping[Feature, Values]

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """All paths but that of a payload which is an object, in order."""
        found = dict.fromkeys(path for path, kind in self.features if path or kind != OBJECT)
        return tuple(found)

    def count(self, path: Path, kinds: Iterable[str] | None = None) -> NDArray[np.int64]:
        """Return how often each shape has a path, or these kinds there."""
        wanted = self.kinds(path) if kinds is None else kinds
        columns = [self._columns[path, kind] for kind in wanted if (path, kind) in self._columns]
        total: NDArray[np.int64] = self.counts[:, columns].sum(axis=1)
        return total

    def kinds(self, path: Path) -> list[str]:
        """Return the kinds at a path."""
        return self._kinds.get(path, [])

    @cached_property
    def _columns(self) -> dict[Feature, int]:
        return {feature: i for i, feature in enumerate(self.features)}

    @cached_property
    def _kinds(self) -> dict[Path, list[str]]:
        found: dict[Path, list[str]] = {}
        for path, kind in self.features:
            found.setdefault(path, []).append(kind)
        return found

    def around(self, path: Path) -> NDArray[np.int64]:
        """Return how often each shape has what holds a path."""
        if not path:
            return np.ones(self.counts.shape[0], np.int64)
        if path[-1] is Mark.ITEM:
            return self.count(path[:-1], [ARRAY])
        if path[-1] is Mark.DATA:
            wrappers = [kind for kind in self.kinds(path[:-1]) if kind not in JSON_KINDS]
            return self.count(path[:-1], wrappers)
        return self.count(path[:-1], [OBJECT])

    def lacking(self, path: Path) -> NDArray[np.int64]:
        """Return how many objects of each shape lack a field."""
        if not path or not isinstance(path[-1], str):
            return np.zeros(self.counts.shape[0], np.int64)
        return self.around(path) - self.count(path)


def gathered(pieces: Iterable[Piece]) -> Gathered:
    """Return the events of all pieces together, in order of position."""
    found = list(pieces)
    maps = _with(maps_among(s for p in found for s in p.shapes), found)
    features: dict[Feature, int] = {}
    numbers: dict[object, int] = {}
    rows: list[dict[int, int]] = []
    shape_of = [_numbered(piece, maps, features, numbers, rows) for piece in found]
    positions = np.concatenate([np.empty(0, np.int64), *(p.positions for p in found)])
    order = np.argsort(positions, kind="stable")
    nth = np.empty_like(order)
    nth[order] = np.arange(order.size)
    counts = np.zeros((len(rows), len(features)), np.int64)
    for i, row in enumerate(rows):
        counts[i, list(row)] = list(row.values())
    times = pl.concat([pl.Series("time", [], TIME), *(p.times.alias("time") for p in found)])
    whole = np.concatenate([np.empty(0, np.int64), *shape_of])[order]
    return Gathered(
        positions[order],
        times.gather(order),
        whole,
        tuple(features),
        counts,
        _values(found, nth, maps),
    )


def _with(maps: dict[Path, frozenset[str]], pieces: Iterable[Piece]) -> dict[Path, frozenset[str]]:
    """Return these maps, and those that pieces have been read with."""
    for piece in pieces:
        for path, kept in piece.maps.items():
            maps[path] = maps.get(path, kept) & kept
    return maps


def _numbered(
    piece: Piece,
    maps: Mapping[Path, frozenset[str]],
    features: dict[Feature, int],
    numbers: dict[object, int],
    rows: list[dict[int, int]],
) -> NDArray[np.int64]:
    """Return the numbers of the shapes of a piece's events; shapes of one make are one."""
    table = np.empty(len(piece.shapes), np.int64)
    for i, shape in enumerate(piece.shapes):
        row: dict[int, int] = {}
        for (path, kind), count in zip(shape.features, shape.counts, strict=True):
            number = features.setdefault((in_maps(path, maps), kind), len(features))
            row[number] = row.get(number, 0) + count
        key = frozenset(row.items())
        if key not in numbers:
            numbers[key] = len(rows)
            rows.append(row)
        table[i] = numbers[key]
    return table[piece.shape_of]


def _values(
    pieces: list[Piece], nth: NDArray[np.int64], maps: Mapping[Path, frozenset[str]]
) -> dict[Feature, Values]:
    parts: dict[Feature, list[Values]] = {}
    begin = 0
    for piece in pieces:
        mine = nth[begin : begin + piece.positions.size]
        begin += piece.positions.size
        for (path, kind), found in piece.values.items():
            feature = (in_maps(path, maps), kind)
            parts.setdefault(feature, []).append(Values(mine[found.row], found.text))
        for (path, kind), literals in _literals(piece):
            feature = (in_maps(path, maps), kind)
            parts.setdefault(feature, []).append(Values(mine[literals.nth], literals.text))
    return {feature: _sorted(found) for feature, found in parts.items()}


def _literals(piece: Piece) -> Iterator[tuple[Feature, Values]]:
    """Yield the values that stand in the shapes of a piece, such as true and false."""
    for i, shape in enumerate(piece.shapes):
        if not shape.literals:
            continue
        rows = np.flatnonzero(piece.shape_of == i)
        for number, value, count in shape.literals:
            nth = np.repeat(rows, count)
            texts = pl.repeat(value, nth.size, dtype=pl.String, eager=True)
            yield shape.features[number], Values(nth, texts)


def _sorted(parts: list[Values]) -> Values:
    nth = np.concatenate([part.nth for part in parts])
    order = np.argsort(nth, kind="stable")
    return Values(nth[order], pl.concat([part.text for part in parts]).gather(order))
