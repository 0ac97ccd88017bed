"""What differs between two payloads, value by value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workbench.tables import PAYLOAD_DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

_WRAPPER = {"_type_", "_data_"}
_MISSING = object()
_Row = tuple[str, str, str | None, str | None]


def payload_differences(before: str | None, after: str | None) -> pl.DataFrame:
    """Return what differs between two payloads: `workbench.tables.PAYLOAD_DIFFERENCES`.

    Objects are compared by name, lists by place. A wrapper of the library's, such as a
    Decimal's, is one value. What is no JSON differs as a whole.

    Parameters
    ----------
    before, after
        The payloads as JSON.

    Examples
    --------
    >>> payload_differences('{"a":1,"b":2}', '{"a":1,"b":3,"c":[]}').rows()
    [('b', 'changed', '2', '3'), ('c', 'added', None, '[]')]
    """
    found = list(_between("", _read(before), _read(after)))
    return PAYLOAD_DIFFERENCES.frame(
        [dict(zip(PAYLOAD_DIFFERENCES.names, row, strict=True)) for row in found]
    )


class _Number(str):
    """A number as it is written: 1.10 is not 1.1."""

    __slots__ = ()


class _Text(str):
    """What is no JSON, as a whole."""

    __slots__ = ()


def _read(text: str | None) -> object:
    if text is None:
        return _MISSING
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return _Text(text)


def _between(path: str, a: object, b: object) -> Iterator[_Row]:
    if a is _MISSING or b is _MISSING:
        if a is not b:
            change = "added" if a is _MISSING else "removed"
            yield path, change, _written(a), _written(b)
    elif _is_object(a) and _is_object(b):
        yield from _objects(path, a, b)
    elif isinstance(a, list) and isinstance(b, list):
        for place in range(max(len(a), len(b))):
            inner = f"{path}[{place}]"
            yield from _between(
                inner,
                a[place] if place < len(a) else _MISSING,
                b[place] if place < len(b) else _MISSING,
            )
    elif type(a) is not type(b) or a != b:
        yield path, "changed", _written(a), _written(b)


def _objects(path: str, a: object, b: object) -> Iterator[_Row]:
    if not isinstance(a, dict) or not isinstance(b, dict):
        return
    for name in dict.fromkeys((*a, *b)):
        inner = f"{path}.{name}" if path else name
        yield from _between(inner, a.get(name, _MISSING), b.get(name, _MISSING))


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and value.keys() != _WRAPPER


def _written(value: object) -> str | None:
    """Return a value as JSON, numbers as they were written."""
    if value is _MISSING:
        return None
    if isinstance(value, _Number | _Text):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(str(_written(item)) for item in value)}]"
    if isinstance(value, dict):
        members = (f"{json.dumps(k, ensure_ascii=False)}:{_written(v)}" for k, v in value.items())
        return f"{{{','.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)
