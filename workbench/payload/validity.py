"""Which payloads are JSON, and what can be read of those that are not.

Payloads as applications write them match one pattern: JSON that is not nested deeply,
with no long integer. The pattern is looked for by column, with no Python object a row.
What does not match it, which may be JSON too, is read one by one.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from workbench.payload.codec import Text, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

FEWEST_BY_PATTERN = 2**13  # rows: to make the pattern ready takes milliseconds, in each thread


def odd_payloads(texts: pl.Series, rest: pl.Series | None = None) -> dict[int, Text]:
    """Return the rows that are no JSON, or JSON that few readers take, with what is read.

    Parameters
    ----------
    texts
        The payloads; null is no payload, and not odd.
    rest
        What is left of each text after its first member and a comma, where all texts begin
        with a member that is known to be JSON.

    Notes
    -----
    What is JSON is said by `msgspec`, whose reader can walk over a value and build
    nothing, and where that refuses by `workbench.payload.codec.read_json`. The pattern
    only says yes, and only where both would.
    """
    if texts.len() < FEWEST_BY_PATTERN:
        return _one_by_one(texts)
    plain = texts if rest is None else rest
    fits = plain.str.contains(_whole() if rest is None else _members())
    others = (~fits).arg_true()
    if others.is_empty():
        return {}
    found = _one_by_one(texts.gather(others))
    return {others[row]: text for row, text in found.items()}


def _one_by_one(texts: pl.Series) -> dict[int, Text]:
    skip = _skipper()
    found: dict[int, Text] = {}
    try:
        deque(map(skip, texts.drop_nulls().cast(pl.Binary).to_list()), maxlen=0)
    except (ValueError, RecursionError):
        found = _refused(texts, skip)
    for row in _with_long_integers(texts):
        if row not in found:
            text = read_json(texts[row])
            if text.problem is not None:  # it is JSON, and stays as it is written if it can be read
                found[row] = text if text.data is None else Text(texts[row], text.problem)
    return found


def _refused(texts: pl.Series, skip: Callable[[bytes], object]) -> dict[int, Text]:
    found: dict[int, Text] = {}
    for row, payload in enumerate(texts.cast(pl.Binary).to_list()):
        if payload is None:
            continue
        try:
            skip(payload)
        except (ValueError, RecursionError):
            found[row] = read_json(payload.decode())
    return found


def _skipper() -> Callable[[bytes], object]:
    """Return a decoder that walks over a JSON value and builds nothing."""
    import msgspec

    return msgspec.json.Decoder(msgspec.Raw).decode


def _with_long_integers(texts: pl.Series) -> list[int]:
    """Return the rows that may hold an integer of 19 digits or more.

    Such a run fills at least one aligned word of eight bytes with digits. These are
    looked for first: most frames have none, and cost one pass over the bytes.
    """
    import numpy as np

    high, six = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(0x0606060606060606)
    threes = np.uint64(0x3030303030303030)
    for buffer in texts.to_arrow(compat_level=pl.CompatLevel.newest()).buffers()[2:]:
        words = np.frombuffer(buffer, dtype=np.uint64, count=buffer.size // 8)
        digits = words[(words & high) == threes]
        if (((digits + six) & high) == threes).any():
            found = texts.str.contains(_LONG_INTEGER).fill_null(value=False)
            rows: list[int] = found.arg_true().to_list()
            return rows
    return []


_LONG_INTEGER = r"[:\[,\s]-?[0-9]{19}"


# The pattern, after RFC 8259. Escapes of four digits are left to the reader: they may be
# half of a surrogate pair. A number has no more digits before its point than fit 64 bits.
_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_WRAPPER = r'\{"_type_": ?"[a-z_]*", ?"_data_": ?' + _STRING + r"\}"
_LEVELS = 2  # of objects and lists around the innermost; each makes the pattern four times as long


def _member() -> str:
    scalar = f"{_STRING}|{_NUMBER}|true|false|null|{_WRAPPER}"
    value = f"(?:{scalar})"
    for _ in range(_LEVELS):
        member = f"{_STRING}: ?{value}"
        value = rf"(?:{scalar}|\{{{_several(member)}\}}|\[{_several(value)}\])"
    return f"{_STRING}: ?{value}"


def _several(one: str) -> str:
    return f"(?:{one}(?:, ?{one})*)?"


@cache
def _whole() -> str:
    """Return the pattern of a whole payload."""
    return rf"^\{{{_several(_member())}\}}$"


@cache
def _members() -> str:
    """Return the pattern of the members that follow another one, to the payload's end."""
    member = _member()
    return rf"^{member}(?:, ?{member})*\}}$"
