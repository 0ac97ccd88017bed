"""What is known of a run of events of one type and schema version: a cell, and joining cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workbench.schemas.shapes import MOST_KEYS, OBJECT, Mark, Path, in_maps
from workbench.schemas.statistics import NEVER, Field, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Extent(NamedTuple):
    """So many events, from where to where."""

    events: int
    first: int
    last: int
    first_time: datetime | None
    last_time: datetime | None

    def join(self, other: Extent) -> Extent:
        """Return both together."""
        starts = [t for t in (self.first_time, other.first_time) if t is not None]
        ends = [t for t in (self.last_time, other.last_time) if t is not None]
        return Extent(
            self.events + other.events,
            min(self.first, other.first),
            max(self.last, other.last),
            min(starts, default=None),
            max(ends, default=None),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Cell:
    """What is known of a run of events of one type and schema version."""

    extent: Extent
    fields: Mapping[Path, Field]

    def join(self, other: Cell) -> Cell:
        """Return what is known of both; the other's events come later."""
        fields = {}
        for path in dict.fromkeys((*self.fields, *other.fields)):
            mine = self.fields.get(path) or Field({}, self.missing(path))
            theirs = other.fields.get(path) or Field({}, other.missing(path))
            fields[path] = mine.join(theirs)
        return Cell(self.extent.join(other.extent), fields)

    def later(self, by: int) -> Cell:
        """Return the same, where `by` more events of the type and version come before it."""
        if not by:
            return self
        return Cell(self.extent, {path: known.later(by) for path, known in self.fields.items()})

    def missing(self, path: Path) -> Seen:
        """Return in which events a field is missing, of those that have its object."""
        known = self.fields.get(path)
        if known is not None:
            return known.missing
        if not path or not isinstance(path[-1], str):
            return NEVER
        parent = self.fields.get(path[:-1])
        if parent is None or OBJECT not in parent.kinds:
            return NEVER
        return parent.kinds[OBJECT].seen

    def around(self, path: Path) -> int:
        """Return how many events have what holds a path: the object, list or wrapper."""
        if not path:
            return self.extent.events
        parent = self.fields.get(path[:-1])
        if parent is None:
            return 0
        kinds = parent.kinds.items()
        if path[-1] is Mark.ITEM:
            held = [kind.seen.events for name, kind in kinds if name == "array"]
        elif path[-1] is Mark.DATA:
            held = [kind.seen.events for name, kind in kinds if name not in _NO_WRAPPERS]
        else:
            held = [kind.seen.events for name, kind in kinds if name == OBJECT]
        return sum(held)


_NO_WRAPPERS = frozenset(("null", "boolean", "integer", "number", "string", "object", "array"))


def as_maps(cell: Cell, maps: Mapping[Path, frozenset[str]]) -> Cell:
    """Return a cell in which these objects are maps: their names are one field `{*}`."""
    fields: dict[Path, Field] = {}
    for path, known in cell.fields.items():
        new = in_maps(path, maps)
        # Nobody misses one name out of a map.
        mine = known._replace(missing=NEVER) if new[-1:] == (Mark.ANY,) else known
        fields[new] = fields[new].join(mine) if new in fields else mine
    return Cell(cell.extent, fields)


def wide_objects(
    cells: Sequence[Cell],
    members: Mapping[Path, set[Path]],
    maps: Mapping[Path, frozenset[str]],
    others: Mapping[Path, frozenset[str]],
) -> dict[Path, frozenset[str]]:
    """Return the objects with too many names, with those names that are always there.

    Parameters
    ----------
    cells
        All that is known of a type and schema version.
    members
        The fields of each object.
    maps
        Objects that have been found so before: they stay.
    others
        Objects that are so in events which are not in the cells yet.
    """
    wide = {path for path, mine in members.items() if len(mine) > MOST_KEYS}
    found = {}
    for path in {**maps, **others, **dict.fromkeys(wide)}:
        names = [
            m[-1] for m in members.get(path, ()) if not any(c.missing(m).events for c in cells)
        ]
        always = frozenset(name for name in names if isinstance(name, str))
        # In events of which nothing is known yet, any name is always there.
        is_known = any(path in cell.fields for cell in cells)
        kept = always if is_known else others.get(path, always)
        found[path] = kept & others.get(path, kept)
    return found
