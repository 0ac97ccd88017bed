"""From the library's wrappers in columns to native dtypes.

The library writes a time, an amount or an id as `{"_type_": ..., "_data_": ...}`, at
any depth of a payload. In a column these are structs of two texts.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import polars as pl

from workbench.payload.decode import parse_times

FAILURES = (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError, RecursionError)
_WRAPPER = ("_type_", "_data_")
_LARGEST_SCALE = 30


def native_column(series: pl.Series) -> pl.Series:
    """Return the series with the library's wrappers, at any depth, in native dtypes."""
    dtype = series.dtype
    if isinstance(dtype, pl.List) and _has_wrapper(dtype):
        return _native_list(series)
    if not isinstance(dtype, pl.Struct) or not _has_wrapper(dtype):
        return series
    fields = series.struct.unnest()
    if set(fields.columns) == set(_WRAPPER):
        unwrapped = _unwrapped(series, fields)
        if unwrapped is not None:
            return unwrapped
    inner = fields.select(native_column(fields[name]) for name in fields.columns).to_struct(
        series.name
    )
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
    items = items.with_columns(native_column(items["item"]).alias("item"))
    lists = items.group_by("row", maintain_order=True).agg("item")
    joined = frame.select("row", empty=pl.col("item").list.len() == 0).join(
        lists, on="row", how="left", maintain_order="left"
    )
    nothing = pl.lit([], dtype=lists.schema["item"])
    return joined.select(
        pl.when(pl.col("empty")).then(nothing).otherwise(pl.col("item")).alias(series.name)
    ).to_series()


def _unwrapped(series: pl.Series, fields: pl.DataFrame) -> pl.Series | None:
    """Return what wrappers of one known kind wrap; None if they are others."""
    kinds = fields["_type_"].drop_nulls().unique().to_list()
    data = fields["_data_"]
    is_whole = fields["_type_"].null_count() == series.null_count()
    if len(kinds) != 1 or not is_whole or data.dtype != pl.String:
        return None
    converted = {"datetime_iso": parse_times, "decimal_str": _decimals, "uuid_hex": _same}
    convert = converted.get(kinds[0])
    native = convert(data) if convert is not None else None
    # A value that does not convert must not be lost: then all stay as they are.
    if native is None or native.null_count() != data.null_count():
        return None
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
    except (*FAILURES, InvalidOperation):
        return None


def _without_exponents(texts: pl.Series) -> pl.Series:
    return pl.Series(
        texts.name,
        [None if text is None else f"{Decimal(text):f}" for text in texts.to_list()],
        pl.String,
    )
