"""From JSON texts of one event type to typed columns.

A column of texts is parsed as newline-delimited JSON in one go, with the fields
known so far; a field that is not known yet makes the frame be read again with its
schema inferred from all its rows, so that no field is ever missed. Texts that no
columnar reader takes are read one by one, and a field with values of different
kinds becomes JSON text.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from workbench.payload.decode import TIME_CLOSES, TIME_ENDS, TIME_OPENS, parse_times
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

# Fields that the event table shows under its own names.
ENVELOPE = ("timestamp", "class_version")
NOT_AN_OBJECT = "value"  # the field of a payload that is a list or a scalar
_WRAPPER = ("_type_", "_data_")
_LARGEST_SCALE = 30
_FAILURES = (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError, RecursionError)


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
        pieces = [self._known(rows) for rows in _by_type(frame)]
        found = [piece for piece in pieces if piece is not None]
        if len(found) == len(pieces):
            return found
        return [self._piece(rows) for rows in _by_type(checked())]

    def _known(self, rows: _Rows) -> Piece | None:
        """Parse with the fields known so far; None if they are not all."""
        schema = self._schemas.get(rows.type)
        if schema is None:
            return None
        fields = _parsed_as(rows.lines(), schema, rows.texts.len())
        return None if fields is None else rows.piece(fields)

    def _piece(self, rows: _Rows) -> Piece:
        known = self._known(rows)
        if known is not None:
            return known
        try:
            fields = pl.read_ndjson(BytesIO(rows.lines()), infer_schema_length=None)
        except _FAILURES:
            return rows.piece(_one_by_one(rows.texts))
        if not fields.columns:
            return rows.piece(pl.DataFrame(height=rows.texts.len()))
        if fields.height != rows.texts.len():
            return rows.piece(_one_by_one(rows.texts))
        schema = _arrow_schema(fields.schema)
        if schema is not None:
            self._schemas[rows.type] = _merged(self._schemas.get(rows.type), schema)
        return rows.piece(fields)


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

    def lines(self) -> bytes:
        """Return the texts as lines of JSON."""
        payloads = self.frame[_LINE].to_list()
        lines = b"{" + b"\n{".join(payloads) if self.is_sliced else b"\n".join(payloads)
        if lines.count(b"\n") == len(payloads) - 1 and b"\r" not in lines:
            return lines
        # Line ends between tokens: inside a string they would not be JSON.
        flat = self.texts.fill_null("{}").str.replace_all(r"[\r\n]", " ")
        return "\n".join(flat.to_list()).encode()

    def piece(self, fields: pl.DataFrame) -> Piece:
        return Piece(self.type, self.frame.drop("data", _LINE), self.texts, fields)


_LINE = "\x00line"


def _by_type(frame: pl.DataFrame) -> list[_Rows]:
    """Return the rows of each type, and beside each text what is to be parsed of it.

    Where all texts begin with a time and go on with a field, they are parsed from
    there: the time is known already, and is the longest value of most events.
    """
    states = frame["data"].fill_null("{}").cast(pl.Binary)
    after = states.bin.slice(TIME_ENDS - len(TIME_CLOSES), len(TIME_CLOSES) + 1)
    sliced = bool(
        (states.bin.starts_with(TIME_OPENS) & after.bin.starts_with(TIME_CLOSES + b",")).all()
    )
    line = states.bin.slice(TIME_ENDS + 1) if sliced else states
    found = frame.with_columns(line.alias(_LINE))
    return [_Rows(rows, sliced) for _, rows in found.group_by("type", maintain_order=True)]


def joined(pieces: Sequence[Piece]) -> pl.DataFrame:
    """Return the pieces of one type as one frame: the other columns, then the fields.

    The library's wrappers are Datetime, Decimal and String; an unknown wrapper stays a
    struct of `_type_` and `_data_`. A field that is named like a column of the event
    table gets the prefix `data.`.
    """
    envelope = pl.concat([piece.envelope for piece in pieces])
    try:
        fields = pl.concat([piece.fields for piece in pieces], how="diagonal_relaxed")
        if fields.columns and fields.height != envelope.height:
            fields = _reread(pieces)
    except _FAILURES:
        fields = _reread(pieces)
    fields = fields.drop(ENVELOPE, strict=False)
    names = {name: f"data.{name}" for name in fields.columns if name in EVENTS.names}
    native = [_native(column) for column in fields.rename(names)]
    return pl.concat([envelope, pl.DataFrame(native)], how="horizontal")


def _reread(pieces: Sequence[Piece]) -> pl.DataFrame:
    """Read all texts again, where the pieces turned out to be of different kinds."""
    return _one_by_one(pl.concat([piece.texts for piece in pieces]))


def _parsed_as(lines: bytes, schema: pa.Schema, height: int) -> pl.DataFrame | None:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    try:
        parsed = arrow_json.read_json(
            pa.BufferReader(lines),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    if parsed.num_rows != height:
        return None
    frame = pl.from_arrow(parsed)
    return frame if isinstance(frame, pl.DataFrame) else None


def _merged(known: pa.Schema | None, found: pa.Schema) -> pa.Schema:
    """Return the fields of both; where they differ in kind, what was found last."""
    import pyarrow as pa

    if known is None:
        return found
    try:
        return pa.unify_schemas([known, found], promote_options="permissive")
    except pa.ArrowInvalid:
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


def _one_by_one(texts: pl.Series) -> pl.DataFrame:
    """Read texts that no columnar reader takes; a field of several kinds becomes JSON text."""
    rows = [_object(text) for text in texts.to_list()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return pl.DataFrame(height=len(rows))
    return pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names])


def _object(text: str | None) -> dict[str, Any]:
    value = json.loads(text) if text is not None else {}
    return value if isinstance(value, dict) else {NOT_AN_OBJECT: value}


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds <= {int, float} or kinds in ({str}, {bool}):
            return pl.Series(name, values, strict=kinds != {int, float})
        if kinds <= {dict} or kinds <= {list}:
            text = "\n".join(json.dumps({"v": value}) for value in values)
            parsed = pl.read_ndjson(BytesIO(text.encode()), infer_schema_length=None)
            return parsed["v"].alias(name)
    except (*_FAILURES, KeyError):
        pass
    texts = [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
    return pl.Series(name, texts, pl.String)


def _native(series: pl.Series) -> pl.Series:
    """Return the series with the library's wrappers, at any depth, in native dtypes."""
    dtype = series.dtype
    if isinstance(dtype, pl.List) and _has_wrapper(dtype):
        return _native_list(series)
    if not isinstance(dtype, pl.Struct) or not _has_wrapper(dtype):
        return series
    fields = series.struct.unnest()
    if set(fields.columns) == set(_WRAPPER):
        return _unwrapped(series, fields)
    inner = fields.select(_native(fields[name]) for name in fields.columns).to_struct(series.name)
    return (
        inner.to_frame().select(pl.when(series.is_not_null()).then(pl.col(series.name))).to_series()
    )


def _has_wrapper(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        names = {field.name for field in dtype.fields}
        return names == set(_WRAPPER) or any(_has_wrapper(f.dtype) for f in dtype.fields)  # type: ignore[arg-type]
    return isinstance(dtype, pl.List) and _has_wrapper(dtype.inner)  # type: ignore[arg-type]


def _native_list(series: pl.Series) -> pl.Series:
    """Convert the items of all lists at once, and cut them into the same lists again."""
    frame = pl.DataFrame({"row": pl.int_range(series.len(), eager=True), "item": series})
    items = frame.filter(pl.col("item").list.len() > 0).explode("item")
    items = items.with_columns(_native(items["item"]).alias("item"))
    lists = items.group_by("row", maintain_order=True).agg("item")
    joined = frame.select("row", empty=pl.col("item").list.len() == 0).join(
        lists, on="row", how="left", maintain_order="left"
    )
    nothing = pl.lit([], dtype=lists.schema["item"])
    return joined.select(
        pl.when(pl.col("empty")).then(nothing).otherwise(pl.col("item")).alias(series.name)
    ).to_series()


def _unwrapped(series: pl.Series, fields: pl.DataFrame) -> pl.Series:
    kinds = fields["_type_"].drop_nulls().unique().to_list()
    data = fields["_data_"]
    if len(kinds) != 1 or data.dtype != pl.String:
        return series
    converted = {"datetime_iso": parse_times, "decimal_str": _decimals, "uuid_hex": _same}
    convert = converted.get(kinds[0])
    native = convert(data) if convert is not None else None
    # A value that does not convert must not be lost: then all stay as they are.
    if native is None or native.null_count() != data.null_count():
        return series
    return native.alias(series.name)


def _same(texts: pl.Series) -> pl.Series:
    return texts


def _decimals(texts: pl.Series) -> pl.Series | None:
    try:
        if texts.str.contains(r"[^0-9.\-]").any():
            texts = _without_exponents(texts)
        after_point = texts.str.len_bytes() - texts.str.find(".", literal=True) - 1
        scale = int(str(after_point.max() or 0))
        if scale > _LARGEST_SCALE:
            return None
        return texts.cast(pl.Decimal(38, scale))
    except (*_FAILURES, InvalidOperation):
        return None


def _without_exponents(texts: pl.Series) -> pl.Series:
    return pl.Series(
        texts.name,
        [None if text is None else f"{Decimal(text):f}" for text in texts.to_list()],
        pl.String,
    )
