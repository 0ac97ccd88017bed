"""The shape of a payload: which fields it has, of which kinds, read out of its skeleton.

A path leads to a field: names, and marks for the items of a list, what a wrapper
wraps, and any name of a map. A kind is a type of JSON, or the name of a wrapper.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.payload.typed import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


class Mark(Enum):
    """A step of a path that is no name."""

    ITEM = "[]"
    DATA = "_data_"
    ANY = "{*}"


Path = tuple[str | Mark, ...]
Feature = tuple[Path, str]
"""A path and a kind that occurs there."""

NULL, BOOLEAN, INTEGER, NUMBER = "null", "boolean", "integer", "number"
STRING, OBJECT, ARRAY = "string", "object", "array"
JSON_KINDS = (NULL, BOOLEAN, INTEGER, NUMBER, STRING, OBJECT, ARRAY)
KNOWN_WRAPPERS = ("datetime_iso", "decimal_str", "uuid_hex")

MOST_KEYS = 256
"""Different names in an object of one schema, beyond which it is taken for a map."""
MOST_NESTED = 64
"""Levels of a payload that are looked at."""
LONGEST_NAME = 64
"""Characters of a wrapper's name."""

_PLAIN = re.compile(r"[^\W\d][\w-]*")


def path_text(path: Path) -> str:
    """Return a path as text; names that would be misread stand in brackets, as JSON.

    Examples
    --------
    >>> path_text(("items", Mark.ITEM, "price"))
    'items[].price'
    >>> path_text(("prices", Mark.ANY, "a.b"))
    'prices.{*}["a.b"]'
    >>> path_text(())
    '$'
    """
    text = ""
    for step in path:
        if step is Mark.ITEM:
            text += "[]"
        elif isinstance(step, Mark):
            text += f".{step.value}"
        elif _PLAIN.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text.removeprefix(".") or "$"


def in_maps(path: Path, maps: Mapping[Path, frozenset[str]]) -> Path:
    """Return a path through objects that are maps: any name of theirs is the step `ANY`.

    Parameters
    ----------
    path
        The path with names.
    maps
        The paths of objects that are maps, each with the names that stay fields.

    Examples
    --------
    >>> path_text(in_maps(("prices", "tea", "net"), {("prices",): frozenset()}))
    'prices.{*}.net'
    """
    if not maps:
        return path
    found: Path = ()
    for step in path:
        kept = maps.get(found)
        any_ = kept is not None and isinstance(step, str) and step not in kept
        found = (*found, Mark.ANY if any_ else step)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a payload is made of; made once for each skeleton."""

    features: tuple[Feature, ...]
    """Every path and kind that occurs, parents first."""
    counts: tuple[int, ...]
    """How often each occurs in one payload: more than once in lists."""
    incomplete: frozenset[Path]
    """Fields that some of their objects have and others lack."""
    texts: NDArray[np.int32]
    """The feature of each text in turn, -1 where it is not looked at."""
    numbers: NDArray[np.int32]
    """The feature of each number in turn, -1 where it is not looked at."""
    literals: tuple[tuple[int, str, int], ...]
    """Values that the skeleton holds: the feature, the value, and how often."""

    @property
    def key(self) -> tuple[frozenset[Feature], frozenset[Path]]:
        """What two payloads of one shape have in common, whatever the length of lists."""
        return frozenset(self.features), self.incomplete


def with_maps(shape: Shape, maps: Mapping[Path, frozenset[str]]) -> Shape:
    """Return a shape in which these objects are maps; see `in_maps`."""
    numbers: dict[Feature, int] = {}
    counts = Counter[int]()
    table = np.empty(len(shape.features), np.int32)
    for i, (path, kind) in enumerate(shape.features):
        table[i] = numbers.setdefault((in_maps(path, maps), kind), len(numbers))
        counts[int(table[i])] += shape.counts[i]
    slots = np.append(table, -1)  # -1 stays -1
    return Shape(
        tuple(numbers),
        tuple(counts[n] for n in numbers.values()),
        frozenset(path for path in shape.incomplete if in_maps(path, maps) == path),
        slots[shape.texts],
        slots[shape.numbers],
        tuple((int(table[n]), value, count) for n, value, count in shape.literals),
    )


def maps_among(shapes: Iterable[Shape]) -> dict[Path, frozenset[str]]:
    """Return the objects of more than `MOST_KEYS` names, with names that are always there."""
    members: dict[Path, set[str]] = {}
    always: dict[Path, set[str]] = {}
    for shape in shapes:
        mine: dict[Path, set[str]] = {p: set() for p, kind in shape.features if kind == OBJECT}
        for path, _ in shape.features:
            if path and isinstance(path[-1], str):
                mine[path[:-1]].add(path[-1])
        for path, names in mine.items():
            members.setdefault(path, set()).update(names)
            whole = {name for name in names if (*path, name) not in shape.incomplete}
            always[path] = always[path] & whole if path in always else whole
    return {p: frozenset(always[p]) for p, names in members.items() if len(names) > MOST_KEYS}


class _Members(list[tuple[str, Any]]):
    """The members of an object in their order, doubles among them."""


_read = json.JSONDecoder(object_pairs_hook=_Members, parse_constant=str).decode
_NO_SLOTS = np.empty(0, np.int32)


def shape_of(skeleton: str) -> Shape:
    """Return the shape of the payloads that have a skeleton."""
    walk = _Walk()
    try:
        value = _read(skeleton)
        walk.into((), value, 0)
    except RecursionError:  # too deep for Python: an object of which nothing is known
        kind = ARRAY if skeleton.startswith("[") else OBJECT
        return Shape((((), kind),), (1,), frozenset(), _NO_SLOTS, _NO_SLOTS, ())
    return walk.shape(is_escaped="\\" in skeleton)


class _Walk:
    """Goes through a skeleton in the order of its text, and notes what is where."""

    def __init__(self) -> None:
        self.numbers_of: dict[Feature, int] = {}
        self.counts = Counter[int]()
        self.texts: list[int] = []
        self.numbers: list[int] = []
        self.literals = Counter[tuple[int, str]]()

    def note(self, path: Path, kind: str) -> int:
        number = self.numbers_of.setdefault((path, kind), len(self.numbers_of))
        self.counts[number] += 1
        return number

    def into(self, path: Path, value: Any, depth: int) -> None:  # noqa: ANN401, JSON
        if isinstance(value, _Members):
            self.members(path, value, depth)
        elif isinstance(value, list):
            self.note(path, ARRAY)
            for item in value:
                self.below((*path, Mark.ITEM), item, depth)
        elif isinstance(value, str):
            self.texts.append(self.note(path, STRING))
        elif isinstance(value, bool):
            self.literals[self.note(path, BOOLEAN), json.dumps(value)] += 1
        elif value is None:
            self.note(path, NULL)
        else:
            self.numbers.append(self.note(path, INTEGER if isinstance(value, int) else NUMBER))

    def below(self, path: Path, value: Any, depth: int) -> None:  # noqa: ANN401, JSON
        if depth < MOST_NESTED:
            self.into(path, value, depth + 1)
        else:
            self.past(value)

    def members(self, path: Path, members: _Members, depth: int) -> None:
        wrapper = _wrapper(members)
        if wrapper is not None:
            return self.wrapped(path, wrapper, members, depth)
        self.note(path, OBJECT)
        last = {name: i for i, (name, _) in enumerate(members)}
        for i, (name, value) in enumerate(members):
            if last[name] != i or (not path and name in ENVELOPE):
                self.past(value, name)
            elif name == "_type_" and isinstance(value, str):
                self.literals[self.note((*path, name), STRING), value] += 1
            else:
                self.below((*path, name), value, depth)
        return None

    def wrapped(self, path: Path, wrapper: str, members: _Members, depth: int) -> None:
        number = self.note(path, wrapper)
        (data,) = (value for name, value in members if name == "_data_")
        if isinstance(data, str):
            self.texts.append(number)
        else:
            self.below((*path, Mark.DATA), data, depth)

    def past(self, value: Any, name: str = "") -> None:  # noqa: ANN401, JSON
        """Count the values of what is not looked at."""
        if isinstance(value, _Members):
            for inner, member in value:
                self.past(member, inner)
        elif isinstance(value, list):
            for item in value:
                self.past(item)
        elif isinstance(value, str):
            if name != "_type_":
                self.texts.append(-1)
        elif value is not None and not isinstance(value, bool):
            self.numbers.append(-1)

    def shape(self, *, is_escaped: bool) -> Shape:
        objects = {p: self.counts[n] for (p, kind), n in self.numbers_of.items() if kind == OBJECT}
        found = Counter[Path]()
        for (path, _), number in self.numbers_of.items():
            found[path] += self.counts[number]
        incomplete = {
            path
            for path, count in found.items()
            if path and isinstance(path[-1], str) and count < objects.get(path[:-1], 0)
        }
        # A name that is written with escapes may hide which texts are in the skeleton.
        hidden = is_escaped and any("_type_" in path for path, _ in self.numbers_of)
        return Shape(
            tuple(self.numbers_of),
            tuple(self.counts[n] for n in self.numbers_of.values()),
            frozenset(incomplete),
            _NO_SLOTS if hidden else np.array(self.texts, np.int32),
            np.array(self.numbers, np.int32),
            tuple((n, value, count) for (n, value), count in self.literals.items()),
        )


def _wrapper(members: _Members) -> str | None:
    """Return the name of the wrapper that an object is, None if it is none."""
    if len(members) != 2 or {name for name, _ in members} != {"_type_", "_data_"}:  # noqa: PLR2004
        return None
    (name,) = (value for name, value in members if name == "_type_")
    fits = isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name not in JSON_KINDS
    return name if fits else None
