"""Values of an upcast event: written in one form, held against each other, and told apart.

The written form of two equal values is the same text, whichever process wrote it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 200
"""Characters of an example."""
DEEPEST = 300
"""Levels that are looked into; below, values are compared as wholes."""
_PLAIN = (str, int, bool, type(None))


class Difference(NamedTuple):
    """One place where two values differ."""

    path: str
    what: str
    """'lost', 'filled', 'changed type' or 'changed'."""
    before: Any
    after: Any


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


def written(value: object) -> str:
    """Return a value as JSON; wrappers name what JSON has not.

    Notes
    -----
    A `Decimal`, `datetime` or `UUID` is `{"Decimal": "1.50"}` and so on, and an object of a
    user's class `{"Address": {...}}` with its attributes.
    """
    return json.dumps(_jsonable(value, 0), sort_keys=True, ensure_ascii=False, default=str)


def example(value: object) -> str | None:
    """Return a value as written, in at most 200 characters; None where there is none."""
    if value is ABSENT:
        return None
    try:
        text = written(value)
    except Exception as error:  # noqa: BLE001, what a user's class raises
        text = f"<{type(error).__name__}>"
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _jsonable(value: Any, depth: int) -> Any:  # noqa: ANN401, PLR0911, one case a kind of value
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > DEEPEST:
        return f"<{kind.__name__}>"
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Mapping):
        found = {str(k): _jsonable(v, depth + 1) for k, v in value.items()}
        return found if kind is dict else {kind.__name__: found}
    if kind is list:
        return [_jsonable(v, depth + 1) for v in value]
    if isinstance(value, (Decimal, UUID)):
        return {kind.__name__: str(value)}
    if isinstance(value, (datetime, date, time)):
        return {kind.__name__: value.isoformat()}
    if isinstance(value, Enum):
        return {kind.__name__: value.name}
    if isinstance(value, tuple):
        return {kind.__name__: [_jsonable(v, depth + 1) for v in value]}
    if isinstance(value, Set):
        found_set = [json.dumps(_jsonable(v, depth + 1), sort_keys=True) for v in value]
        return {kind.__name__: sorted(found_set)}
    attributes = _attributes(value)
    return {kind.__name__: {k: _jsonable(v, depth + 1) for k, v in attributes.items()}}


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
        if type(a) in _PLAIN or type(a) is Decimal:
            return bool(a == b) or (type(a) is Decimal and a.is_nan() and b.is_nan())
        return written(a) == written(b)
    except Exception:  # noqa: BLE001, what a user's class raises
        return a is b


def differences(before: Any, after: Any, path: str = "", depth: int = 0) -> Iterator[Difference]:  # noqa: ANN401
    """Yield where a value differs from what it was, at the highest place that tells it.

    A member that is gone is 'lost', also one that has become null; a new one, or one that
    was null, is 'filled'. A value of another type is 'changed type', another value of
    the same type 'changed'. Members of a list share one path.
    """
    if before is after:
        return
    kind, is_deep = type(before), depth < DEEPEST
    if kind is dict and type(after) is dict and is_deep:
        for name, value in before.items():
            inner = joined(path, name)
            if name in after:
                yield from differences(value, after[name], inner, depth + 1)
            else:
                yield Difference(inner, "lost", value, ABSENT)
        for name, value in after.items():
            if name not in before:
                yield Difference(joined(path, name), "filled", ABSENT, value)
    elif kind is list and type(after) is list and is_deep:
        for one, other in zip(before, after, strict=False):
            yield from differences(one, other, f"{path}[]", depth + 1)
        if len(before) > len(after):
            yield Difference(f"{path}[]", "lost", before[len(after)], ABSENT)
        elif len(after) > len(before):
            yield Difference(f"{path}[]", "filled", ABSENT, after[len(before)])
    elif before is None or after is None:
        yield Difference(path, "filled" if before is None else "lost", before, after)
    elif kind is not type(after):
        yield Difference(path, "changed type", before, after)
    elif not same(before, after):
        yield Difference(path, "changed", before, after)
