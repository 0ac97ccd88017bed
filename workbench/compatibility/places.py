"""Where something is: a path through payloads, and a pointer into a schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLAIN = re.compile(r"[^\W\d][\w-]*")


@dataclass(frozen=True, slots=True)
class Field:
    """A step into the field of a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Items:
    """A step into the items of a list, from the one with this number on."""

    start: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """A step into one item of a list."""

    index: int


@dataclass(frozen=True, slots=True)
class Others:
    """A step into the fields that have none of these names and match none of these patterns."""

    names: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matching:
    """A step into the fields whose names match a pattern."""

    pattern: str


Step = Field | Items | Item | Others | Matching
Steps = tuple[Step, ...]


def path_text(steps: Steps) -> str:
    """Return a path as text; names that would be misread stand in brackets, as JSON.

    Examples
    --------
    >>> path_text((Field("items"), Items(), Field("price")))
    'items[].price'
    >>> path_text((Field("prices"), Others(), Field("a.b")))
    'prices.{*}["a.b"]'
    >>> path_text(())
    '$'
    """
    text = ""
    for step in steps:
        if isinstance(step, Items):
            text += "[]"
        elif isinstance(step, Item):
            text += f"[{step.index}]"
        elif isinstance(step, Others | Matching):
            text += ".{*}"
        elif _PLAIN.fullmatch(step.name):
            text += f".{step.name}"
        else:
            text += f"[{json.dumps(step.name, ensure_ascii=False)}]"
    return text.removeprefix(".") or "$"


def within(path: str, name: str) -> str:
    """Return the text of the path of a field, in that of what holds it.

    Examples
    --------
    >>> within("items[]", "price"), within("$", "a.b")
    ('items[].price', '["a.b"]')
    """
    at = "" if path == "$" else path
    step = path_text((Field(name),))
    return f"{at}{step}" if not at or step.startswith("[") else f"{at}.{step}"


def pointer_text(pointer: tuple[str, ...]) -> str:
    """Return a pointer into a schema as text.

    Examples
    --------
    >>> pointer_text(("properties", "a/b"))
    '#/properties/a~1b'
    >>> pointer_text(())
    '#/'
    """
    return "#/" + "/".join(s.replace("~", "~0").replace("/", "~1") for s in pointer)


def values_at(value: object, steps: Steps) -> Iterator[object]:
    """Yield each value of a payload to which a path leads.

    Examples
    --------
    >>> list(values_at({"items": [{"price": 1}, {}, {"price": 3}]},
    ...                (Field("items"), Items(), Field("price"))))
    [1, 3]
    """
    found: list[object] = [value]
    for step in steps:
        found = [below for at in found for below in _below(at, step)]
    yield from found


def _below(at: object, step: Step) -> Iterator[object]:
    if isinstance(at, dict):
        yield from _fields(at, step)
    elif isinstance(at, list):
        if isinstance(step, Items):
            yield from at[step.start :]
        elif isinstance(step, Item) and step.index < len(at):
            yield at[step.index]


def _fields(at: Mapping[str, object], step: Step) -> Iterator[object]:
    if isinstance(step, Field):
        if step.name in at:
            yield at[step.name]
    elif isinstance(step, Matching):
        yield from (value for name, value in at.items() if re.search(step.pattern, name))
    elif isinstance(step, Others):
        for name, value in at.items():
            if name not in step.names and not any(re.search(p, name) for p in step.patterns):
                yield value
