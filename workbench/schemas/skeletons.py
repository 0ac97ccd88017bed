"""JSON texts to their skeletons and their values, by column.

A skeleton is the text with every text in it empty and every number 0 (0.0 for one
with a fraction or an exponent): valid JSON, and the same for all payloads of one
structure, so that only the few different ones have to be parsed. What was taken out
comes along as columns: all texts and all numbers of the payloads, in their order.
Names of fields, and the name that a wrapper bears, stay in the skeleton.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUOTE, _BACKSLASH, _COLON = ord('"'), ord("\\"), ord(":")
_LINE_END = ord("\n")
# What a byte outside of texts is, by one look at all bytes.
_OTHER, _NUMBER, _CLOSING, _SPACE = range(4)
_CLASSES = bytes(
    _NUMBER
    if byte in b"-+0123456789"
    else _CLOSING
    if byte in b",]}\n"
    else _SPACE
    if byte in b" \t\r"
    else _OTHER
    for byte in range(256)
)
_WRAPPER_NAME = b"_type_"


class Values(NamedTuple):
    """Values of one kind out of many payloads: the row of each, and its text."""

    row: NDArray[np.int64]
    text: pl.Series


class Skeletons(NamedTuple):
    """The skeleton of each payload, and the texts and numbers that it had."""

    skeleton: pl.Series
    texts: Values
    numbers: Values


def skeletons(payloads: pl.Series) -> Skeletons:
    """Return the skeletons of payloads, and their values.

    Parameters
    ----------
    payloads
        JSON texts, none of them null.
    """
    lines = payloads
    try:
        return _read(_Bytes(lines))
    except _SpacesError:
        compact = [msgspec.json.format(text, indent=-1) for text in lines.to_list()]
        return _read(_Bytes(pl.Series(lines.name, compact, pl.String)))


class _SpacesError(Exception):
    """Space between the tokens of a payload, which the reading by column does not take."""


class _Bytes:
    """All payloads as one array of bytes, each followed by a line end."""

    def __init__(self, lines: pl.Series) -> None:
        self.all = np.frombuffer(_buffer(lines), dtype=np.uint8)
        lengths = lines.str.len_bytes().to_numpy().astype(np.int64) + 1
        self.ends = np.cumsum(lengths)
        self.begins = self.ends - lengths

    def rows(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.ends, at, side="right")


def _buffer(lines: pl.Series) -> memoryview:
    joined = pl.concat([lines, pl.Series(lines.name, [""], pl.String)]).str.join("\n")
    return memoryview(joined.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2])


def _quotes(found: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where texts begin and end: quotes that are not escaped."""
    quotes = np.flatnonzero(found == _QUOTE)
    slashes = np.flatnonzero(found == _BACKSLASH)
    if not slashes.size:
        return quotes
    # Of a run of backslashes, an odd number escapes what follows.
    is_first = np.diff(slashes, prepend=-2) != 1
    first = slashes[is_first]
    last = slashes[np.append(np.flatnonzero(is_first)[1:] - 1, slashes.size - 1)]
    escaped = last[(last - first) % 2 == 0] + 1
    return quotes[~np.isin(quotes, escaped, assume_unique=True)]


def _read(source: _Bytes) -> Skeletons:
    found = source.all
    quotes = _quotes(found)
    opens, closes = quotes[0::2], quotes[1::2]
    is_value = (found[closes + 1] != _COLON) & ~_names_wrapper(found, opens, closes)
    classes = np.frombuffer(found.tobytes().translate(_CLASSES), np.uint8).copy()
    classes[_covered(found.size, opens, closes + 1)] = _OTHER
    if (classes == _SPACE).any() or np.count_nonzero(found == _LINE_END) > source.ends.size:
        raise _SpacesError
    digits = classes == _NUMBER
    goes_on = np.zeros_like(digits)
    np.logical_and(digits[1:], digits[:-1], out=goes_on[1:])
    texts = _Spans(opens[is_value] + 1, closes[is_value])
    dropped = _covered(found.size, texts.begin, texts.end)
    strings = found[dropped]
    dropped |= goes_on
    bare = found[~dropped]
    bare[digits[~dropped]] = ord("0")
    numbers = _numbers(found, digits & ~goes_on, classes)
    ends = np.flatnonzero(bare == _LINE_END)
    return Skeletons(
        _texts(bare[bare != _LINE_END], np.diff(ends, prepend=-1) - 1),
        Values(source.rows(texts.begin), _plain(_texts(strings, texts.end - texts.begin))),
        Values(source.rows(numbers.begin), numbers.taken(found)),
    )


def _names_wrapper(
    found: NDArray[np.uint8], opens: NDArray[np.int64], closes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which texts are the value of a field `_type_`."""
    size = len(_WRAPPER_NAME)
    named = (closes - opens == size + 1) & (found[closes + 1] == _COLON)
    for i, letter in enumerate(_WRAPPER_NAME):
        at = np.flatnonzero(named)
        named[at] = found[opens[at] + 1 + i] == letter
    is_name = np.zeros(opens.size, np.bool_)
    at = np.flatnonzero(named[:-1]) + 1
    is_name[at] = opens[at] == closes[at - 1] + 2  # nothing but the colon between
    return is_name


def _covered(size: int, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of so many bytes are in one of the spans, which do not touch."""
    steps = np.zeros(size + 1, np.int8)
    steps[begins] += 1
    steps[ends] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8, out=steps[:-1]).view(np.bool_)


def _numbers(
    found: NDArray[np.uint8], starts: NDArray[np.bool_], classes: NDArray[np.uint8]
) -> _Spans:
    """Return the spans of numbers: from the first digit or sign to what closes a value."""
    at = np.flatnonzero(starts)
    before = found[at - 1]  # of the first byte this is the last one, a line end
    at = at[(before != ord(".")) & (before != ord("e")) & (before != ord("E"))]
    closing = np.flatnonzero(classes == _CLOSING)
    return _Spans(at, closing[np.searchsorted(closing, at)])


class _Spans(NamedTuple):
    """Pieces of an array of bytes, in order."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    def taken(self, found: NDArray[np.uint8]) -> pl.Series:
        """Return the pieces as texts."""
        data = found[_covered(found.size, self.begin, self.end)]
        return _texts(data, self.end - self.begin)


def _texts(data: NDArray[np.uint8], lengths: NDArray[np.int64]) -> pl.Series:
    """Return bytes as texts of these lengths."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(lengths)])
    buffers = pa.py_buffer(offsets), pa.py_buffer(data)
    return pl.Series("value", pa.LargeStringArray.from_buffers(lengths.size, *buffers), pl.String)


def _plain(texts: pl.Series) -> pl.Series:
    """Return texts without the escapes of JSON."""
    escaped = texts.str.contains("\\", literal=True).arg_true()
    if escaped.is_empty():
        return texts
    read = [json.loads(f'"{text}"') for text in texts.gather(escaped).to_list()]
    whole = [text.encode("utf-8", "replace").decode() for text in read]
    return texts.scatter(escaped, pl.Series(whole, dtype=pl.String))
