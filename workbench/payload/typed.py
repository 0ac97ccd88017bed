"""From JSON texts of one event type to typed columns.

Texts that are all written alike are cut into columns; see `workbench.payload.shaped`.
Others are parsed as newline-delimited JSON in one go, with the fields known so far; a
field that is not known yet makes the frame be read again with its schema inferred from
all its rows, so that no field is ever missed. Texts that no columnar reader takes are
read one by one. A field with values of different kinds becomes text: a text as it is,
anything else as JSON.
"""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from workbench.payload.decode import after_time
from workbench.payload.shaped import columns_of_one_shape
from workbench.payload.wrapped import FAILURES, native_column
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

# Fields that the event table shows under its own names.
ENVELOPE = ("timestamp", "class_version")
NOT_AN_OBJECT = "value"  # the field of a payload that is a list or a scalar
MOST_NESTED = 64  # levels; Polars' reader takes ever longer, and ends the process at some depth


class Piece(NamedTuple):
    """The events of one type in one frame: the other columns, the texts, and their fields."""

    type: str
    envelope: pl.DataFrame
    texts: pl.Series
    fields: pl.DataFrame


class TypedReader:
    """Parses frames of events by type, and remembers the fields that it has seen.

    Frames may be parsed in several threads: what one has learnt of a type's fields,
    the others only save time by.
    """

    def __init__(self) -> None:
        self._schemas: dict[str, pa.Schema] = {}

    def pieces(self, frame: pl.DataFrame, checked: Callable[[], pl.DataFrame]) -> list[Piece]:
        """Return the parsed events of a frame by type, in the order of their first event.

        Parameters
        ----------
        frame
            Columns of the event table with `type` and `data`. Its texts need not be
            known to be JSON: if one is not, none of the frame is used.
        checked
            Returns the same frame with every text checked.
        """
        pieces = [self._known(rows, is_checked=False) for rows in _by_type(frame)]
        found = [piece for piece in pieces if piece is not None]
        if len(found) == len(pieces):
            return found
        return [self._piece(rows) for rows in _by_type(checked())]

    def _known(self, rows: _Rows, *, is_checked: bool) -> Piece | None:
        """Cut, or parse with the fields known so far; None if they are not all."""
        shaped = columns_of_one_shape(rows.frame[_LINE], "{" if rows.is_sliced else "")
        if shaped is not None:
            return rows.piece(shaped)
        schema = self._schemas.get(rows.type)
        # Arrow's reader takes no text but objects: at `null` it ends the process.
        if schema is None or not rows.are_objects:
            return None
        lines = rows.lines()
        if not is_checked and _has_floats(schema) and lines.str.contains_any(_NOT_JSON)[0]:
            return None
        fields = _parsed_as(lines, schema, rows.texts.len())
        return None if fields is None else rows.piece(fields)

    def _piece(self, rows: _Rows) -> Piece:
        known = self._known(rows, is_checked=True)
        if known is not None:
            return known
        if not rows.are_objects or any(map(_is_deep, rows.texts.drop_nulls())):
            return rows.piece(_one_by_one(rows.texts))
        try:
            lines = BytesIO(rows.lines()[0].encode())
            fields = pl.read_ndjson(lines, infer_schema_length=None)
        except FAILURES:
            return rows.piece(_one_by_one(rows.texts))
        if not fields.columns:
            return rows.piece(pl.DataFrame(height=rows.texts.len()))
        if fields.height != rows.texts.len() or any(map(_is_garbled, fields)):
            return rows.piece(_one_by_one(rows.texts))
        schema = _arrow_schema(fields.schema)
        if schema is not None:
            self._schemas[rows.type] = _merged(self._schemas.get(rows.type), schema)
        return rows.piece(fields)


# What Arrow's reader takes for floats.
_NOT_JSON = ["NaN", "Inf", "inf"]


def _control_characters(text: pl.Series) -> int:
    """Return how many bytes of a series of one text are line ends, tabs and the like."""
    import numpy as np

    characters = np.frombuffer(_bytes(text), dtype=np.uint8)
    return int(np.count_nonzero(characters < ord(" ")))


def _bytes(text: pl.Series) -> pa.Buffer:
    return text.alias("text").to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2]


def _has_floats(schema: pa.Schema) -> bool:
    return "double" in str(schema.types)


class _Rows(NamedTuple):
    """The rows of one type in a frame, with what is to be parsed of each text."""

    frame: pl.DataFrame
    is_sliced: bool

    @property
    def type(self) -> str:
        return str(self.frame["type"][0])

    @property
    def texts(self) -> pl.Series:
        return self.frame["data"]

    @property
    def are_objects(self) -> bool:
        """Whether every text is a JSON object, or none is there."""
        return self.is_sliced or self.texts.str.starts_with("{").all()

    def lines(self) -> pl.Series:
        """Return the texts as lines of JSON, in a series of one; the first may be empty."""
        lines = self.frame[_LINE]
        if self.is_sliced:
            lines = pl.concat([_NOTHING, lines])
        text = lines.str.join("\n{" if self.is_sliced else "\n")
        if _control_characters(text) < lines.len():
            return text
        # Line ends between tokens: inside a string they would not be JSON.
        return self.texts.fill_null("{}").str.replace_all(r"[\r\n]", " ").str.join("\n")

    def piece(self, fields: pl.DataFrame) -> Piece:
        return Piece(self.type, self.frame.drop("data", _LINE), self.texts, fields)


_LINE = "\x00line"
_NOTHING = pl.Series(_LINE, [""])


def _by_type(frame: pl.DataFrame) -> list[_Rows]:
    """Return the rows of each type, and beside each text what is to be parsed of it.

    Where all texts begin with a time and go on with a field, they are parsed from
    there: the time is known already, and is the longest value of most events.
    """
    rest = after_time(frame["data"])
    sliced = rest is not None
    line = frame["data"].fill_null("{}") if rest is None else rest
    found = frame.with_columns(line.alias(_LINE))
    return [_Rows(rows, sliced) for _, rows in found.group_by("type", maintain_order=True)]


def joined(pieces: Sequence[Piece]) -> pl.DataFrame:
    """Return the pieces of one type as one frame: the other columns, then the fields.

    The library's wrappers are Datetime, Decimal and String; an unknown wrapper stays a
    struct of `_type_` and `_data_`. A field that is named like a column of the event
    table gets the prefix `data.`.
    """
    envelope = pl.concat([piece.envelope for piece in pieces])
    fields = _joined_fields(pieces)
    if fields is None or (fields.columns and fields.height != envelope.height):
        fields = _one_by_one(pl.concat([piece.texts for piece in pieces]))
    fields = _as_written(fields.drop(ENVELOPE, strict=False), pieces)
    native = [native_column(column) for column in fields.rename(_prefixed(fields.columns))]
    # By name: a list would give a column without a name one.
    return pl.concat([envelope, pl.DataFrame({s.name: s for s in native})], how="horizontal")


def _as_written(fields: pl.DataFrame, pieces: Sequence[Piece]) -> pl.DataFrame:
    """Return fields in the order in which the events first have them.

    Pieces that are parsed at the same time learn fields from each other, in whichever order
    they happen to come to them.
    """
    known = set(fields.columns)
    ordered = {name: None for name in _keys(_text(pieces, 0)) if name in known}
    rest = [name for name in fields.columns if name not in ordered]
    firsts = {name: fields[name].is_not_null().arg_max() or 0 for name in rest}
    # Other events are looked at only for the fields that the first has not.
    for name, first in sorted(firsts.items(), key=lambda found: (found[1], found[0])):
        if name not in ordered and first > 0:
            ordered |= {key: None for key in _keys(_text(pieces, first)) if key in firsts}
    return fields.select(*ordered, *sorted(firsts.keys() - ordered.keys()))


def _text(pieces: Sequence[Piece], row: int) -> str | None:
    for piece in pieces:
        if row < piece.texts.len():
            found: str | None = piece.texts[row]
            return found
        row -= piece.texts.len()
    return None


def _keys(text: str | None) -> list[str]:
    """Return the keys of an object, none of anything else."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return []
    return list(found) if isinstance(found, dict) else []


def _prefixed(names: Sequence[str]) -> dict[str, str]:
    """Return new names for fields that are named like a column of the event table."""
    found = {}
    for name in names:
        new = name
        while new in EVENTS.names or (new != name and new in names):
            new = f"data.{new}"
        found[name] = new
    return found


def _joined_fields(pieces: Sequence[Piece]) -> pl.DataFrame | None:
    """Return the fields of all pieces; None if they turn out to be of different kinds."""
    kinds: dict[str, pl.DataType] = {}
    for piece in pieces:
        for name, dtype in piece.fields.schema.items():
            if not _agree(kinds.setdefault(name, dtype), dtype):
                return None
            if dtype != pl.Null:
                kinds[name] = dtype
    try:
        return pl.concat([piece.fields for piece in pieces], how="diagonal_relaxed")
    except FAILURES:
        return None


def _agree(one: pl.DataType, other: pl.DataType) -> bool:
    """Return whether two dtypes are of the same kind, so that no value becomes another."""
    if pl.Null in (one, other) or one == other:
        return True
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        return _agree(one.inner, other.inner)  # type: ignore[arg-type]
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields = {field.name: field.dtype for field in one.fields}
        return all(_agree(fields.get(f.name, f.dtype), f.dtype) for f in other.fields)  # type: ignore[arg-type]
    return one.is_numeric() and other.is_numeric()


def _parsed_as(lines: pl.Series, schema: pa.Schema, height: int) -> pl.DataFrame | None:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    text = _bytes(lines)
    try:
        parsed = arrow_json.read_json(
            pa.BufferReader(text),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=text.size + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    if parsed.num_rows != height:
        return None
    frame = pl.DataFrame(pl.from_arrow(parsed))
    frame.columns = parsed.column_names  # Polars gives a column without a name one
    return frame


def _merged(known: pa.Schema | None, found: pa.Schema) -> pa.Schema:
    """Return the fields of both; where they differ in kind, what was found last."""
    import pyarrow as pa

    if known is None:
        return found
    try:
        return pa.unify_schemas([known, found], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return found


def _arrow_schema(schema: pl.Schema) -> pa.Schema | None:
    """Return the schema for Arrow's reader, or None where it would read other values."""
    import pyarrow as pa

    fields = [(name, _arrow_type(dtype)) for name, dtype in schema.items()]
    if any(dtype is None for _, dtype in fields):
        return None
    return pa.schema(fields)


def _arrow_type(dtype: pl.DataType) -> pa.DataType | None:
    import pyarrow as pa

    if isinstance(dtype, pl.Struct):
        inner = [(f.name, _arrow_type(f.dtype)) for f in dtype.fields]  # type: ignore[arg-type]
        return None if any(t is None for _, t in inner) or not inner else pa.struct(inner)
    if isinstance(dtype, pl.List):
        item = _arrow_type(dtype.inner)  # type: ignore[arg-type]
        return None if item is None else pa.list_(item)
    simple = {
        pl.String: pa.string(),
        pl.Int64: pa.int64(),
        pl.Float64: pa.float64(),
        pl.Boolean: pa.bool_(),
    }
    return simple.get(type(dtype))


def _is_garbled(column: pl.Series) -> bool:
    """Return whether a list or object may have become text that is no JSON.

    Polars writes control characters into it as they are.
    """
    if isinstance(column.dtype, pl.Struct):
        return any(map(_is_garbled, column.struct.unnest()))
    if isinstance(column.dtype, pl.List):
        return _is_garbled(column.explode())
    if column.dtype != pl.String:
        return False
    return bool(column.filter(column.str.contains(r"^[\[{]")).str.contains(r"[\x00-\x1f]").any())


def _is_deep(text: str) -> bool:
    """Return whether a JSON text is nested deeper than columns can be."""
    if text.count("{") + text.count("[") <= MOST_NESTED:
        return False
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth > MOST_NESTED:
            return True
    return False


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def _one_by_one(texts: pl.Series) -> pl.DataFrame:
    """Read texts that no columnar reader takes; a field of several kinds becomes text."""
    rows = [_object(text) for text in texts.to_list()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return pl.DataFrame(height=len(rows))
    return pl.DataFrame({name: _column(name, [row.get(name) for row in rows]) for name in names})


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text) if text is not None else {}
    except RecursionError:  # at a depth at which other readers have just not given up
        value = text
    return value if isinstance(value, dict) else {NOT_AN_OBJECT: value}


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds <= {int, float} or kinds in ({str}, {bool}):
            return pl.Series(name, values, strict=kinds != {int, float})
        if kinds <= {dict} or kinds <= {list}:
            text = "\n".join(json.dumps({"v": value}) for value in values)
            if not any(map(_is_deep, text.splitlines())):
                return pl.read_ndjson(BytesIO(text.encode()), infer_schema_length=None)["v"].alias(
                    name
                )
    except (*FAILURES, KeyError):
        pass
    return pl.Series(name, [_as_text(value) for value in values], pl.String)


def _as_text(value: Any) -> str | None:  # noqa: ANN401, JSON
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
