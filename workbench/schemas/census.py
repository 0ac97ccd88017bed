"""The census of a history's payloads: what is known of each type and schema version.

A census goes on: parts of a reading are added in the order of their positions, and
cost what they hold. It keeps what can be told of the fields in epochs. An epoch begins
at an event with a field, or a kind of value, or the lack of a field, that no event of
that type and version had before; `workbench.schemas.regimes` says which of these
beginnings are changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.schemas.cells import Cell, Extent, as_maps, wide_objects
from workbench.schemas.shapes import OBJECT, Path, Shape, in_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.schemas.pieces import Key, Part, Piece

MOST_EPOCHS = 16
"""Epochs that are kept of one type and schema version; the shortest is joined to another."""
MOST_BEGINNINGS = 512
"""Epochs that are begun in one type and schema version; then what is new begins none."""


@dataclass(frozen=True, eq=False, slots=True)
class Census:
    """What is known of the payloads of a history, by type and declared schema version."""

    versions: Mapping[Key, Version] = field(default_factory=dict)
    undecoded: Mapping[Key, Extent] = field(default_factory=dict)
    head: int | None = None
    """The last position that was read."""

    def add(self, parts: Iterable[Part]) -> Census:
        """Return the census of these events too, which come later."""
        growing: dict[Key, _Growing] = {}
        undecoded, head = dict(self.undecoded), self.head
        for part in parts:
            for piece in part.pieces:
                if piece.key not in growing:
                    growing[piece.key] = _Growing(self.versions.get(piece.key))
                growing[piece.key].add(piece)
                head = max(head or 0, int(piece.positions.max()))
            for key, extent in part.undecoded:
                undecoded[key] = undecoded[key].join(extent) if key in undecoded else extent
                head = max(head or 0, extent.last)
        grown = {key: version.version() for key, version in growing.items()}
        return Census({**self.versions, **grown}, undecoded, head)


@dataclass(frozen=True, eq=False, slots=True)
class Version:
    """What is known of the events of one type and declared schema version."""

    epochs: tuple[Cell, ...]
    maps: Mapping[Path, frozenset[str]]
    """Objects with too many names; of each those that are always there, which stay fields."""
    known: _Known
    begun: int
    """Epochs that were begun, those among them that have been joined."""

    @property
    def events(self) -> int:
        """The number of events."""
        return sum(epoch.extent.events for epoch in self.epochs)


@dataclass(frozen=True, slots=True)
class _Known:
    """What events had so far: kinds at paths, fields that were missing, and whole shapes."""

    features: frozenset[tuple[Path, str]] = frozenset()
    missing: frozenset[Path] = frozenset()
    shapes: frozenset[object] = frozenset()


class _Growing:
    """A version while events are added to it."""

    def __init__(self, version: Version | None) -> None:
        known = _Known() if version is None else version.known
        self.epochs = [] if version is None else list(version.epochs)
        self.maps = {} if version is None else dict(version.maps)
        self.features, self.missing = set(known.features), set(known.missing)
        self.shapes = set(known.shapes)
        self.events = 0 if version is None else version.events
        self.begun = 0 if version is None else version.begun
        self.members: dict[Path, set[Path]] = {}
        for path, _ in self.features:
            self._is_member(path)

    def version(self) -> Version:
        known = _Known(frozenset(self.features), frozenset(self.missing), frozenset(self.shapes))
        return Version(tuple(self.epochs), self.maps, known, self.begun)

    def add(self, piece: Piece) -> None:
        if piece.maps:
            self._settle(piece.maps)
        begins = [row for row, shape in piece.first_rows() if self._is_new(shape)]
        del begins[max(MOST_BEGINNINGS - self.begun, 0) :]
        self.begun += len(begins)
        cuts = sorted({0, *begins})
        for begin, end in zip(cuts, [*cuts[1:], piece.positions.size], strict=True):
            cell = piece.cell(begin, end).later(self.events)
            if self.maps:
                cell = as_maps(cell, self.maps)
            if not self.epochs or begin in begins:
                self._open(cell)
            else:
                self.epochs[-1] = self.epochs[-1].join(cell)
            self.events += cell.extent.events
        self._settle()

    def _open(self, cell: Cell) -> None:
        """Begin an epoch; where there are too many, the shortest joins its neighbour."""
        if len(self.epochs) == MOST_EPOCHS:
            sizes = [epoch.extent.events for epoch in self.epochs]
            at = max(sizes.index(min(sizes)), 1)
            self.epochs[at - 1 : at + 1] = [self.epochs[at - 1].join(self.epochs[at])]
        self.epochs.append(cell)

    def _is_new(self, shape: Shape) -> bool:
        """Return whether a shape has what no event had before, and remember it."""
        if shape.key in self.shapes:
            return False
        self.shapes.add(shape.key)
        features = {(in_maps(path, self.maps), kind) for path, kind in shape.features}
        there = {path for path, _ in features}
        lacking = {
            member
            for path, kind in features
            if kind == OBJECT
            for member in self.members.get(path, ())
            if member not in there or member in shape.incomplete
        }
        first = {
            path
            for path, _ in features - self.features
            if self._is_member(path) and (path[:-1], OBJECT) in self.features
        }
        is_new = not (features <= self.features and lacking <= self.missing)
        self.missing |= lacking | first
        self.features |= features
        return is_new

    def _is_member(self, path: Path) -> bool:
        """Return whether a path is a field of an object that was not known, and note it."""
        if not path or not isinstance(path[-1], str):
            return False
        members = self.members.setdefault(path[:-1], set())
        is_new = path not in members
        members.add(path)
        return is_new

    def _settle(self, others: Mapping[Path, frozenset[str]] | None = None) -> None:
        """Take objects with too many names for maps, and those that are in other events."""
        maps = wide_objects(self.epochs, self.members, self.maps, others or {})
        if maps == self.maps:
            return
        self.maps = maps
        self.epochs = [as_maps(epoch, maps) for epoch in self.epochs]
        self.features = {(in_maps(path, maps), kind) for path, kind in self.features}
        self.missing = {path for path in self.missing if in_maps(path, maps) == path}
        self.shapes = set()
        self.members = {}
        for path, _ in self.features:
            self._is_member(path)
        if self.epochs:
            self._join_alike()

    def _join_alike(self) -> None:
        """Join epochs that begin with nothing new any more."""
        joined = self.epochs[:1]
        known = _features(joined[0])
        for epoch in self.epochs[1:]:
            found = _features(epoch)
            if found <= known:
                joined[-1] = joined[-1].join(epoch)
            else:
                joined.append(epoch)
            known |= found
        self.epochs = joined


def _features(cell: Cell) -> set[tuple[Path, str]]:
    found = {(path, kind) for path, known in cell.fields.items() for kind in known.kinds}
    return found | {
        (path, "missing") for path, known in cell.fields.items() if known.missing.events
    }
