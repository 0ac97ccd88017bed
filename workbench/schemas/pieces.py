"""One part of a reading, by event type and schema version: shapes by event, values by field.

A piece can say what is known of any run of its events, so that a change of shape in
the middle of a part is found at its own event.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from workbench.payload.decode import after_time
from workbench.schemas.cells import Cell, Extent
from workbench.schemas.shapes import (
    OBJECT,
    Feature,
    Mark,
    Path,
    Shape,
    maps_among,
    shape_of,
    with_maps,
)
from workbench.schemas.skeletons import Values, skeletons
from workbench.schemas.statistics import (
    NEVER,
    Count,
    Field,
    Kind,
    Seen,
    literal_spread,
    spread_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

COLUMNS = ("position", "type", "schema_version", "time", "data")
"""The columns of the event table that are looked at."""
MOST_REMEMBERED = 20_000
"""Skeletons whose shapes are remembered."""


class Key(NamedTuple):
    """An event type in one declared schema version; of what cannot be decoded, no version."""

    type: str
    version: int | None
    is_decoded: bool = True


class _Found(NamedTuple):
    """The values of one feature: the event of each in the piece, and its text."""

    row: NDArray[np.int64]
    text: pl.Series


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """The events of one type and schema version in one part, in order of position."""

    key: Key
    positions: NDArray[np.int64]
    times: pl.Series
    shapes: tuple[Shape, ...]
    shape_of: NDArray[np.int64]
    """Which of `shapes` each event has."""
    values: dict[Feature, _Found]
    maps: Mapping[Path, frozenset[str]]
    """Objects of too many names, which are maps in its shapes, with names that stay fields."""
    whole: Cell | None = None
    """What is known of all its events."""

    def first_rows(self) -> Iterable[tuple[int, Shape]]:
        """Return each shape with the first event that has it, in that order."""
        used, rows = np.unique(self.shape_of, return_index=True)
        return sorted(
            ((int(row), self.shapes[i]) for i, row in zip(used, rows, strict=True)),
            key=lambda pair: pair[0],
        )

    def cell(self, begin: int, end: int) -> Cell:
        """Return what is known of the events from number `begin` to before `end`."""
        if self.whole is not None and (begin, end) == (0, self.positions.size):
            return self.whole
        positions, times = self.positions[begin:end], self.times[begin:end]
        extent = Extent(
            int(positions.size),
            int(positions.min()),
            int(positions.max()),
            _time(times.min()),
            _time(times.max()),
        )
        fields = _fields(self._groups(begin, end))
        self._add_values(fields, begin, end)
        return Cell(extent, fields)

    def _groups(self, begin: int, end: int) -> list[tuple[Shape, Seen]]:
        """Return the shapes of a run of events, and in which of them each is."""
        rows = self.shape_of[begin:end]
        order = np.argsort(rows, kind="stable")
        used, starts, counts = np.unique(rows[order], return_index=True, return_counts=True)
        found = []
        for i, start, count in zip(used, starts, counts, strict=True):
            mine = order[start : start + count]
            at = self.positions[begin:end][mine]
            seen = Seen(int(count), int(at.min()), int(at.max()), int(mine[0]), int(mine[-1]))
            found.append((self.shapes[i], seen))
        return found

    def _add_values(self, fields: dict[Path, Field], begin: int, end: int) -> None:
        used = np.unique(self.shape_of[begin:end])
        for path, kind in dict.fromkeys(f for i in used for f in self.shapes[i].features):
            if (path, kind) not in self.values:
                continue
            found = self.values[path, kind]
            low, high = np.searchsorted(found.row, [begin, end])
            if low == high:
                continue
            texts = found.text[int(low) : int(high)]
            spread = spread_of(kind, texts, self.positions[found.row[low:high]])
            kinds = dict(fields[path].kinds)
            before = kinds[kind].spread
            kinds[kind] = kinds[kind]._replace(
                spread=spread if before is None else before.join(spread)
            )
            fields[path] = fields[path]._replace(kinds=kinds)


def _time(value: object) -> datetime | None:
    return value  # type: ignore[return-value]  # Polars' scalar


def _fields(groups: list[tuple[Shape, Seen]]) -> dict[Path, Field]:
    """Return what shapes tell of each path; values that stand in skeletons among it."""
    kinds: dict[Path, dict[str, Kind]] = {}
    for shape, seen in groups:
        for (path, kind), count in zip(shape.features, shape.counts, strict=True):
            mine = Kind(seen, count * seen.events)
            known = kinds.setdefault(path, {})
            known[kind] = known[kind].join(mine) if kind in known else mine
        for number, value, count in shape.literals:
            path, kind = shape.features[number]
            spread = literal_spread(value, Count(count * seen.events, seen.first, seen.last))
            kinds[path][kind] = kinds[path][kind].join(Kind(NEVER, 0, spread))
    missing = _missing(groups, kinds)
    return {path: Field(found, missing.get(path, NEVER)) for path, found in kinds.items()}


def _missing(groups: list[tuple[Shape, Seen]], paths: Iterable[Path]) -> dict[Path, Seen]:
    """Return in which events a field is missing, of those that have its object."""
    members: dict[Path, list[Path]] = {}
    for path in paths:
        if path and (isinstance(path[-1], str) or path[-1] is Mark.ANY):
            members.setdefault(path[:-1], []).append(path)
    found: dict[Path, Seen] = {}
    for shape, seen in groups:
        there = {path for path, _ in shape.features}
        for path, kind in shape.features:
            if kind != OBJECT:
                continue
            for member in members.get(path, ()):
                if member not in there or member in shape.incomplete:
                    found[member] = found.get(member, NEVER).join(seen)
    return found


class Part(NamedTuple):
    """What was read in one part."""

    pieces: list[Piece]
    undecoded: list[tuple[Key, Extent]]


class Examiner:
    """Reads parts, and remembers the shapes of the skeletons that it has seen.

    Parts may be read in several threads: what one has learnt, others only save time by.

    Parameters
    ----------
    sums_up
        Whether what is known of a whole piece is found out at once, in the thread.
    """

    def __init__(self, *, sums_up: bool = True) -> None:
        self._sums_up = sums_up
        self._shapes: dict[str, Shape] = {}

    def part(self, frame: pl.DataFrame) -> Part:
        """Return the pieces of a frame with `COLUMNS` of the event table, in order."""
        undecoded = frame.filter(pl.col("data").is_null())
        decoded = frame if undecoded.is_empty() else frame.filter(pl.col("data").is_not_null())
        pieces = self._pieces(decoded) if decoded.height else []
        return Part(pieces, [_extent(rows) for rows in _by_type(undecoded)])

    def _pieces(self, frame: pl.DataFrame) -> list[Piece]:
        rest = after_time(frame["data"])
        payloads = frame["data"] if rest is None else "{" + rest
        found = skeletons(payloads)
        groups = (
            frame.select("type", "schema_version")
            .with_columns(found.skeleton.alias("skeleton"))
            .with_row_index("row")
            .group_by("type", "schema_version", "skeleton", maintain_order=True)
            .agg("row")
        )
        shapes = [self._shape(skeleton) for skeleton in groups["skeleton"].to_list()]
        group_of = np.empty(frame.height, np.int64)
        lengths = groups["row"].list.len().to_numpy()
        group_of[groups["row"].explode().to_numpy()] = np.repeat(np.arange(len(shapes)), lengths)
        keys = [Key(t or "", v) for t, v in groups.select("type", "schema_version").rows()]
        maps, shapes = _with_maps(keys, shapes)
        tokens = (
            _located(found.texts, group_of, [s.texts for s in shapes]),
            _located(found.numbers, group_of, [s.numbers for s in shapes]),
        )
        pieces = _split(frame, (keys, shapes, maps), group_of, tokens)
        return [_with_whole(piece) for piece in pieces] if self._sums_up else pieces

    def _shape(self, skeleton: str) -> Shape:
        shape = self._shapes.get(skeleton)
        if shape is None:
            shape = shape_of(skeleton)
            if len(self._shapes) < MOST_REMEMBERED:
                self._shapes[skeleton] = shape
        return shape


def _with_maps(
    keys: Sequence[Key], shapes: Sequence[Shape]
) -> tuple[dict[Key, dict[Path, frozenset[str]]], list[Shape]]:
    """Return which objects are maps, and the shapes with them so."""
    mine: dict[Key, list[Shape]] = {}
    for key, shape in zip(keys, shapes, strict=True):
        mine.setdefault(key, []).append(shape)
    maps = {key: maps_among(found) for key, found in mine.items()}
    return maps, [
        with_maps(shape, maps[key]) if maps[key] else shape
        for key, shape in zip(keys, shapes, strict=True)
    ]


class _Located(NamedTuple):
    """Values, with the number of the feature in its event's shape that each belongs to."""

    row: NDArray[np.int64]
    feature: NDArray[np.int64]
    text: pl.Series


def _located(
    values: Values, group_of: NDArray[np.int64], slots: Sequence[NDArray[np.int32]]
) -> _Located:
    """Return to which feature each value belongs, by its place in its payload."""
    flat = np.concatenate([*slots, np.empty(0, np.int32)])
    sizes = np.array([s.size for s in slots], np.int64)
    starts = np.cumsum(sizes) - sizes
    counts = np.bincount(values.row, minlength=group_of.size)
    nth = np.arange(values.row.size) - np.repeat(np.cumsum(counts) - counts, counts)
    group = group_of[values.row]
    feature = np.full(values.row.size, -1, np.int64)
    known = nth < sizes[group]
    feature[known] = flat[(starts[group] + nth)[known]]
    return _Located(values.row, feature, values.text)


def _split(
    frame: pl.DataFrame,
    groups: tuple[list[Key], list[Shape], dict[Key, dict[Path, frozenset[str]]]],
    group_of: NDArray[np.int64],
    tokens: tuple[_Located, _Located],
) -> list[Piece]:
    """Return a piece for each type and schema version; groups are events of one skeleton."""
    keys, shapes, maps = groups
    unique = list(dict.fromkeys(keys))
    number = {key: i for i, key in enumerate(unique)}
    piece_of_group = np.array([number[key] for key in keys], np.int64)
    piece_of = piece_of_group[group_of]
    values = _by_feature(shapes, group_of, piece_of_group, tokens)
    positions = frame["position"].to_numpy()
    pieces = []
    for i, key in enumerate(unique):
        rows = np.flatnonzero(piece_of == i)
        of_piece = np.flatnonzero(piece_of_group == i)
        within = np.searchsorted(rows, np.arange(frame.height))
        piece = Piece(
            key,
            positions[rows],
            frame["time"].gather(rows),
            tuple(shapes[g] for g in of_piece),
            np.searchsorted(of_piece, group_of[rows]),
            {f: _Found(within[v.row], v.text) for (p, f), v in values.items() if p == i},
            maps[key],
        )
        pieces.append(piece)
    return pieces


def _with_whole(piece: Piece) -> Piece:
    return replace(piece, whole=piece.cell(0, piece.positions.size))


def _by_feature(
    shapes: list[Shape],
    group_of: NDArray[np.int64],
    piece_of_group: NDArray[np.int64],
    tokens: tuple[_Located, _Located],
) -> dict[tuple[int, Feature], _Found]:
    """Return the values of each piece and feature, in the order of their events."""
    numbers: dict[tuple[int, Feature], int] = {}
    tables = [
        np.array([numbers.setdefault((int(p), f), len(numbers)) for f in shape.features], np.int64)
        for shape, p in zip(shapes, piece_of_group, strict=True)
    ]
    sizes = np.array([t.size for t in tables], np.int64)
    starts = np.cumsum(sizes) - sizes
    flat = np.concatenate([*tables, np.empty(0, np.int64)])
    names = list(numbers)
    found: dict[tuple[int, Feature], _Found] = {}
    for located in tokens:
        known = np.flatnonzero(located.feature >= 0)
        row = located.row[known]
        global_ = flat[starts[group_of[row]] + located.feature[known]]
        order = np.argsort(global_, kind="stable")
        used, begins = np.unique(global_[order], return_index=True)
        texts = located.text.gather(known[order])
        for number, low, high in zip(used, begins, _ends(begins, order.size), strict=True):
            found[names[number]] = _Found(row[order[low:high]], texts[int(low) : int(high)])
    return found


def _ends(begins: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return where runs end that begin there, and fill so many places."""
    return np.append(begins[1:], size)[: begins.size]


def _by_type(frame: pl.DataFrame) -> Iterable[pl.DataFrame]:
    return frame.partition_by("type", maintain_order=True) if frame.height else ()


def _extent(rows: pl.DataFrame) -> tuple[Key, Extent]:
    at, when = rows["position"].to_numpy(), rows["time"]
    key = Key(rows["type"][0] or "", None, is_decoded=False)
    extent = Extent(rows.height, int(at.min()), int(at.max()), _time(when.min()), _time(when.max()))
    return key, extent
