"""Values of an upcast event: written in one form, held against each other, and told apart.

The written form of two equal values is the same text, whichever process wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 200
"""Characters of an example."""
TAG = "\u0001"
"""Before the name of a class, where a value is written to be read again."""
DEEPEST = 300
"""Levels that are looked into; below, values are compared as wholes."""
_PLAIN = (str, int, bool, float, type(None))
FIXED = frozenset((*_PLAIN, Decimal, datetime, date, time, UUID))
"""Types of which equal values are the same, and none can be changed."""


class Difference(NamedTuple):
    """One place where two values differ."""

    path: str
    what: str
    """'lost', 'filled', 'changed type' or 'changed'."""
    before: Any
    after: Any


class Tagged:
    """A value that was written with the name of its class; each name is a class here."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


@cache
def _tag(name: str) -> type[Tagged]:
    return type(name, (Tagged,), {"__slots__": ()})


def read(text: str) -> Any:  # noqa: ANN401, what was written
    """Return what `written` has written; values that JSON has not are `Tagged`."""
    return json.loads(text, object_hook=_read_tag)


def _read_tag(found: dict[str, Any]) -> Any:  # noqa: ANN401, JSON
    if len(found) == 1:
        ((name, value),) = found.items()
        if name.startswith(TAG):
            return _tag(name[len(TAG) :])(value)
    return found


class Absent:
    """In the place of a value that is not there."""


ABSENT = Absent()


def joined(path: str, name: object) -> str:
    """Return the path of a member; a name with a dot or bracket, or none, is quoted.

    Examples
    --------
    >>> joined("customer", "first_name"), joined("", "a.b"), joined("x", "")
    ('customer.first_name', '"a.b"', 'x.""')
    """
    text = str(name)
    if not text or any(c in '."[]' for c in text) or not text.isprintable():
        text = json.dumps(text)
    return f"{path}.{text}" if path else text


def written(value: object, tag: str = TAG) -> str:
    """Return a value as JSON, in which equal values are the same text.

    What JSON has not is an object of one member, named after the value's class: a `Decimal`
    is `{"Decimal": "1.50"}`, and an object of a user's class has its attributes.

    Parameters
    ----------
    value
        Any value of an event.
    tag
        What stands before the name of a class.
    """
    if tag == TAG:
        try:
            return _write(_native(value, 0)).decode()
        except (_OddError, TypeError, ValueError, OverflowError, RecursionError):
            pass  # what is rare: a NaN, an integer beyond 64 bits, a user's class
    return _encode(_jsonable(value, 0, tag))


def example(value: object) -> str | None:
    """Return a value as written, in at most 200 characters; None where there is none."""
    if value is ABSENT:
        return None
    try:
        text = written(value, tag="")
    except Exception as error:  # noqa: BLE001, what a user's class raises
        text = f"<{type(error).__name__}>"
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class _OddError(ValueError):
    """A value has to be written the long way."""


def _native(value: Any, depth: int) -> Any:  # noqa: ANN401, a value of any kind
    """Return a value of the usual types, with a tag where JSON has not its type."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is dict and depth < DEEPEST:
        if not _NAMES.issuperset(map(type, value)):
            raise _OddError
        return {name: _native(held, depth + 1) for name, held in value.items()}
    if kind is list and depth < DEEPEST:
        return [_native(held, depth + 1) for held in value]
    if kind is float and isfinite(value):
        return value
    tag = _TAGS.get(kind)
    if tag is None:
        if isinstance(value, Tagged):
            return {f"{TAG}{kind.__name__}": value.value}
        raise _OddError
    return {tag: value.isoformat() if kind in _ISO else str(value)}


_AS_THEY_ARE = frozenset((str, int, bool, type(None)))
_NAMES = frozenset((str,))
_ISO = frozenset((datetime, date, time))
_TAGS = {kind: f"{TAG}{kind.__name__}" for kind in (Decimal, datetime, date, time, UUID)}
_write = msgspec.json.Encoder(order="sorted").encode
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def _jsonable(value: Any, depth: int, tag: str) -> Any:  # noqa: ANN401
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > DEEPEST:
        return f"<{kind.__name__}>"
    if kind is list:
        return [_jsonable(member, depth + 1, tag) for member in value]
    if kind is dict:
        return {str(k): _jsonable(v, depth + 1, tag) for k, v in value.items()}
    if isinstance(value, Tagged):
        return {f"{tag}{kind.__name__}": value.value}
    return {f"{tag}{kind.__name__}": _inside(value, depth + 1, tag)}


def _inside(value: Any, depth: int, tag: str) -> Any:  # noqa: ANN401
    """Return what a value holds that is no value of JSON."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID, int, str, float)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_jsonable(member, depth, tag) for member in value]
    if isinstance(value, AbstractSet):
        return sorted(json.dumps(_jsonable(v, depth, tag), sort_keys=True) for v in value)
    held = value if isinstance(value, Mapping) else _attributes(value)
    return {str(name): _jsonable(v, depth, tag) for name, v in held.items()}


def _attributes(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what an object of a user's class holds."""
    found = getattr(value, "__dict__", None)
    if isinstance(found, dict):
        return {str(name): held for name, held in found.items()}
    names = [n for base in type(value).__mro__ for n in getattr(base, "__slots__", ())]
    return {name: getattr(value, name, None) for name in names} or {"value": str(value)}


def same(a: Any, b: Any) -> bool:  # noqa: ANN401, values of any kind
    """Return whether two values are the same: of one type, and equal or written the same."""
    if type(a) is not type(b):
        return False
    try:
        if type(a) in FIXED and a == b and str(a) == str(b):
            return True
        return written(a) == written(b)
    except Exception:  # noqa: BLE001, what a user's class raises
        return a is b


def equal(a: Any, b: Any) -> bool:  # noqa: ANN401, values of any kind
    """Return whether two values are equal, or written the same; faster than `same`."""
    try:
        return bool(a == b) or same(a, b)
    except Exception:  # noqa: BLE001, what a user's class raises
        return same(a, b)


def differences(
    before: Any,  # noqa: ANN401, a value of any kind
    after: Any,  # noqa: ANN401, the same
    path: str = "",
    depth: int = 0,
) -> Iterator[Difference]:
    """Yield where a value differs from what it was, at the highest place that tells it.

    A member that is gone is 'lost', also one that has become null; a new one, or one that
    was null, is 'filled'. A value of another type is 'changed type', another value of
    the same type 'changed'. Members of a list share one path.
    """
    kind = type(before)
    if before is after:
        return
    if kind is not type(after) or depth >= DEEPEST or kind not in {dict, list}:
        what = _what(before, after)
        if what is not None:
            yield Difference(path, what, before, after)
    elif kind is dict:
        for name, value in before.items():
            other = after.get(name, ABSENT)
            if other is ABSENT:
                yield Difference(joined(path, name), "lost", value, ABSENT)
            # Most are as they were.
            elif type(value) not in FIXED or type(other) is not type(value) or value != other:
                yield from differences(value, other, joined(path, name), depth + 1)
        for name in [name for name in after if name not in before]:
            yield Difference(joined(path, name), "filled", ABSENT, after[name])
    else:
        yield from _of_lists(before, after, f"{path}[]", depth + 1)


def _of_lists(before: list[Any], after: list[Any], path: str, depth: int) -> Iterator[Difference]:
    for one, other in zip(before, after, strict=False):
        yield from differences(one, other, path, depth)
    if len(before) > len(after):
        yield Difference(path, "lost", before[len(after)], ABSENT)
    elif len(after) > len(before):
        yield Difference(path, "filled", ABSENT, after[len(before)])


def _what(before: Any, after: Any) -> str | None:  # noqa: ANN401
    """Return how two values differ that have no members to look at, None if they do not."""
    if before is None or after is None:
        return "filled" if before is None else "lost"
    if type(before) is not type(after):
        return "changed type"
    return None if same(before, after) else "changed"
