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
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.payload.decode import TIME_CLOSES, TIME_ENDS, TIME_OPENS, parse_times

if TYPE_CHECKING:
    import pyarrow as pa

# Fields that the event table shows under its own names.
ENVELOPE = ("timestamp", "class_version")
NOT_AN_OBJECT = "value"  # the field of a payload that is a list or a scalar
_WRAPPER = ("_type_", "_data_")
_LARGEST_SCALE = 30
_FAILURES = (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError, RecursionError)


class Fields:
    """Reads the payloads of one event type, and remembers the fields it has seen."""

    def __init__(self) -> None:
        self._schema: pa.Schema | None = None
        self._texts: list[pl.Series] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, texts: pl.Series) -> None:
        """Parse one more column of JSON texts; null is an event without fields."""
        self._texts.append(texts)
        self._frames.append(self._parsed(texts))

    def frame(self) -> pl.DataFrame:
        """Return all that was added, in order, in native dtypes.

        The library's wrappers become Datetime, Decimal and String; an unknown
        wrapper stays a struct of `_type_` and `_data_`.
        """
        try:
            frame = pl.concat(self._frames, how="diagonal_relaxed", rechunk=False)
        except _FAILURES:
            frame = _one_by_one(pl.concat(self._texts))
        height = sum(texts.len() for texts in self._texts)
        frame = frame.drop(ENVELOPE, strict=False)
        if not frame.columns:
            return pl.DataFrame(height=height)
        return frame.select(_native(frame[name]).alias(name) for name in frame.columns)

    def _parsed(self, texts: pl.Series) -> pl.DataFrame:
        if texts.is_empty():
            return pl.DataFrame()
        lines = _lines(texts)
        schema = self._schema
        if schema is not None:
            frame = _parsed_as(lines, schema, texts.len())
            if frame is not None:
                return frame
        try:
            frame = _inferred(lines)
        except _FAILURES:
            return _one_by_one(texts)
        if frame.height != texts.len() and frame.columns:
            return _one_by_one(texts)
        if not frame.columns:
            return pl.DataFrame(height=texts.len())
        self._schema = _arrow_schema(frame.schema)
        return frame


def _lines(texts: pl.Series) -> bytes:
    """Return the texts as lines of JSON, without the time that each begins with.

    The time is known already, and is the longest value of most events.
    """
    states = texts.fill_null("{}").cast(pl.Binary)
    closes = states.bin.slice(TIME_ENDS - len(TIME_CLOSES), len(TIME_CLOSES) + 1)
    sliced = (
        (states.bin.starts_with(TIME_OPENS) & closes.bin.starts_with(TIME_CLOSES + b",")).all()
    )
    if sliced:
        lines = b"{" + b"\n{".join(states.bin.slice(TIME_ENDS + 1).to_list())
    else:
        lines = b"\n".join(states.to_list())
    if lines.count(b"\n") != texts.len() - 1 or b"\r" in lines:
        # Line ends between tokens: inside a string they would not be JSON.
        lines = "\n".join(texts.fill_null("{}").str.replace_all(r"[\r\n]", " ").to_list()).encode()
    return lines


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


def _inferred(lines: bytes) -> pl.DataFrame:
    frame = pl.read_ndjson(BytesIO(lines), infer_schema_length=None)
    return frame.select(pl.all().exclude(pl.Null), *[pl.col(n) for n in _nulls(frame)])


def _nulls(frame: pl.DataFrame) -> list[str]:
    return [name for name, dtype in frame.schema.items() if dtype == pl.Null]


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
    return inner.to_frame().select(pl.when(series.is_not_null()).then(pl.col(series.name))).to_series()


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
        after_point = texts.str.split(".").list.get(1, null_on_oob=True).str.len_bytes()
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
