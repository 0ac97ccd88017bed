"""From JSON texts that are written alike to columns, without a parser.

Most events of a type have the same fields in the same order, and values of the same kinds.
Then their texts differ in nothing but the values, and where those are is told by the quotes
in them. The first text is the shape that the others are held against. Every character of
every text is looked at: a text of another shape, and a value that is not certain, leave
all of them to a parser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 64  # texts: fewer are parsed sooner
MOST_NESTED = 8  # objects in objects
_QUOTE, _BACKSLASH, _SPACE = b'"\\ '
_TOKEN = re.compile(
    rb'"(?P<text>[^"\\]*)"|(?P<integer>-?[0-9]+)(?![0-9.eE])|(?P<float>-?[0-9][0-9.eE+-]*)'
    rb"|(?P<boolean>true|false)|(?P<null>null)|(?P<mark>[{},:])|(?P<space>[ ])"
)
_FLOAT = r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


class _Value(NamedTuple):
    """A value of the first text: what it is, and where; a constant is the same in all texts."""

    kind: str
    start: int
    end: int
    constant: str | None = None


_Tree = dict[str, Any]  # of values and trees, by name


class _Shape(NamedTuple):
    """The first text: its values by name, and those of them that are cut out, in order."""

    text: bytes
    tree: _Tree
    cuts: list[_Value]


def columns_of_one_shape(texts: pl.Series, opens: str = "") -> pl.DataFrame | None:
    """Return the fields of JSON objects that are all written alike, None if they are not.

    Parameters
    ----------
    texts
        One JSON object each, with no nulls.
    opens
        What stands before each text.

    Notes
    -----
    The columns are those that a reader of JSON makes: objects are structs, a field
    that is always null has no dtype.
    """
    if texts.len() < FEWEST:
        return None
    shape = _shape(texts[0].encode(), opens.encode())
    if shape is None:
        return None
    segments = _segments(texts, shape)
    if segments is None:
        return None
    columns = _values(segments, shape)
    return None if columns is None else _frame(shape.tree, columns, texts.len())


def _shape(text: bytes, opens: bytes) -> _Shape | None:
    """Return the shape of a text, None if it has a list, or what is not certain."""
    import msgspec

    whole = opens + text
    try:
        msgspec.json.Decoder(msgspec.Raw).decode(whole)
    except (ValueError, RecursionError):
        return None
    reading, end = _Reading(), 0
    for token in _TOKEN.finditer(whole):
        if token.start() != end or not reading.takes(token, len(opens)):
            return None
        end = token.end()
    return _Shape(text, reading.tree, reading.cuts) if end == len(whole) else None


class _Reading:
    """The tokens of a text that is known to be JSON, as far as they were taken."""

    def __init__(self) -> None:
        self.tree: _Tree = {}
        self.cuts: list[_Value] = []
        self._opened: list[_Tree] = []
        self._name = ""
        self._is_name = False

    def takes(self, token: re.Match[bytes], skipped: int) -> bool:
        """Take a token; say no where the text would have no shape with it."""
        kind = str(token.lastgroup)
        found = token[kind]
        if kind == "space":
            return True
        if kind == "mark":
            self._is_name = found in b"{,"
            return self._takes_object(found)
        if self._is_name:
            self._name = found.decode()
            return True
        if not self._opened:
            return False  # a payload that is no object
        start = token.start(kind) - skipped
        is_constant = kind == "null" or (kind == "text" and self._name == "_type_")
        value = _Value(kind, start, start + len(found), found.decode() if is_constant else None)
        if not is_constant:
            self.cuts.append(value)
        return self._opened[-1].setdefault(self._name, value) is value

    def _takes_object(self, mark: bytes) -> bool:
        if mark == b"{":
            inner = {} if self._opened else self.tree
            outer = self._opened[-1] if self._opened else {}
            self._opened.append(inner)
            return outer.setdefault(self._name, inner) is inner and len(self._opened) <= MOST_NESTED
        return mark != b"}" or bool(self._opened.pop())


def _segments(texts: pl.Series, shape: _Shape) -> list[pl.Series] | None:
    """Return the values of all texts, by column; None if anything between them differs."""
    import numpy as np
    import pyarrow as pa

    arrow = texts.alias("text").to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(arrow.buffers()[1], dtype=np.int64, count=len(arrow) + 1)
    characters = np.frombuffer(arrow.buffers()[2], dtype=np.uint8, count=offsets[-1])
    quotes = _quotes(characters, offsets, shape.text.count(_QUOTE))
    if quotes is None or ((characters < _SPACE) | (characters == _BACKSLASH)).any():
        return None
    bounds = _bounds(quotes, offsets, shape)
    if (np.diff(bounds) < 0).any():
        return None
    parts = pa.Array.from_buffers(
        pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), arrow.buffers()[2]]
    )
    every = pl.Series(pl.from_arrow(parts))
    width = 2 * len(shape.cuts) + 1
    columns = [every.gather_every(width, i) for i in range(width)]
    if any((between != between.head(1)).any() for between in columns[::2]):
        return None
    return [column.cast(pl.String) for column in columns[1::2]]


def _quotes(
    characters: NDArray[np.uint8], offsets: NDArray[np.int64], each: int
) -> NDArray[np.int64] | None:
    """Return where the quotes of each text are, None if not each text has so many."""
    import numpy as np

    found = np.flatnonzero(characters == _QUOTE)
    height = len(offsets) - 1
    if len(found) != height * each or not each:
        return None
    quotes = found.reshape(height, each)
    is_inside = (quotes[:, 0] >= offsets[:-1]).all() and (quotes[:, -1] < offsets[1:]).all()
    return quotes if is_inside else None


def _bounds(
    quotes: NDArray[np.int64], offsets: NDArray[np.int64], shape: _Shape
) -> NDArray[np.int64]:
    """Return where texts and values begin and end, if they are written as the first text is.

    A text lies between its quotes. Anything else lies as far from the quotes around it as
    in the first text.
    """
    import numpy as np

    first = quotes[0] - offsets[0]
    bounds = np.empty((len(quotes), 2 * len(shape.cuts) + 1), dtype=np.int64)
    bounds[:, 0] = offsets[:-1]
    for i, value in enumerate(shape.cuts):
        before = int(np.searchsorted(first, value.start)) - 1
        bounds[:, 2 * i + 1] = quotes[:, before] + (value.start - first[before])
        if before + 1 < len(first):
            bounds[:, 2 * i + 2] = quotes[:, before + 1] - (first[before + 1] - value.end)
        else:
            bounds[:, 2 * i + 2] = offsets[1:] - (len(shape.text) - value.end)
    return np.append(bounds.reshape(-1), offsets[-1])


def _values(texts: list[pl.Series], shape: _Shape) -> dict[_Value, pl.Series] | None:
    found = {}
    for value, column in zip(shape.cuts, texts, strict=True):
        read = _READ[value.kind](column)
        if read is None:
            return None
        found[value] = read
    return found


def _integers(texts: pl.Series) -> pl.Series | None:
    """Return integers, None if any would be written otherwise: with a sign, zeros, a point."""
    numbers = texts.cast(pl.Int64, strict=False)
    return numbers if (numbers.cast(pl.String) == texts).all(ignore_nulls=False) else None


def _floats(texts: pl.Series) -> pl.Series | None:
    if not texts.str.contains(_FLOAT).all():
        return None
    numbers = texts.cast(pl.Float64, strict=False)
    return numbers if numbers.is_finite().all(ignore_nulls=False) else None


def _booleans(texts: pl.Series) -> pl.Series | None:
    return texts == "true" if texts.is_in(["true", "false"]).all() else None


_READ = {"text": lambda texts: texts, "integer": _integers, "float": _floats, "boolean": _booleans}


def _frame(tree: _Tree, columns: dict[_Value, pl.Series], height: int) -> pl.DataFrame:
    """Return the values under their names, objects as structs."""
    found = {}
    for name, value in tree.items():
        if not isinstance(value, _Value):
            found[name] = _frame(value, columns, height).to_struct()
        elif value.kind == "null":
            found[name] = pl.repeat(None, height, dtype=pl.Null, eager=True)
        elif value.constant is not None:
            found[name] = pl.repeat(value.constant, height, dtype=pl.String, eager=True)
        else:
            found[name] = columns[value]
    return pl.DataFrame(found)
