"""When two values are equal, in which direction they differ, and how they read as text.

Null is a value, and NaN equals NaN. Columns of two dtypes are compared where both keep
their values in one dtype; a tolerance makes any two columns of numbers comparable.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from workbench.changelog.inferred import plain_of

if TYPE_CHECKING:
    Tolerance = float | Decimal

MOST_DIGITS = 38
EXACT_IN_FLOAT = 2**53
DIRECTIONS = {
    "missing": "the row is in a only",
    "extra": "the row is in b only",
    "higher": "b is greater than a",
    "lower": "b is less than a",
    "null": "b is null, and a is not",
    "set": "a is null, and b is not",
    "other": "neither is greater",
    "only in a": "the column or table is in a only",
    "only in b": "the column or table is in b only",
    "other dtype": "the column has two dtypes whose values cannot be compared",
}
"""What the directions of a difference mean."""
MIRRORED = {
    "missing": "extra",
    "higher": "lower",
    "null": "set",
    "only in a": "only in b",
}


def is_number(dtype: pl.DataType) -> bool:
    """Return whether a column of a dtype can have a tolerance."""
    return dtype.is_numeric() or dtype == pl.Null


def common(a: pl.Series, b: pl.Series, tolerance: Tolerance | None) -> pl.DataType | None:
    """Return the dtype in which two columns are compared by value, None if there is none."""
    one, other = a.dtype, b.dtype
    if other in {one, pl.Null()}:
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        return _common_number(a, b) or (pl.Float64() if tolerance is not None else None)
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime):
        return _finer(one, other) if one.time_zone == other.time_zone else None
    if isinstance(one, pl.Duration) and isinstance(other, pl.Duration):
        return _finer(one, other)
    texts = (pl.String, pl.Categorical, pl.Enum)
    return pl.String() if isinstance(one, texts) and isinstance(other, texts) else None


def _finer(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    finest = ("ns", "us", "ms")
    units = finest.index(one.time_unit), finest.index(other.time_unit)  # type: ignore[attr-defined]
    return one if units[0] <= units[1] else other


def _common_number(a: pl.Series, b: pl.Series) -> pl.DataType | None:
    one, other = a.dtype, b.dtype
    if one.is_integer() and other.is_integer():
        return pl.Int128()
    if one.is_float() and other.is_float():
        return pl.Float64()
    if one.is_decimal() or other.is_decimal():
        if one.is_float() or other.is_float():
            return None
        scale = max(getattr(dtype, "scale", 0) for dtype in (one, other))
        return pl.Decimal(MOST_DIGITS, scale) if _fits(a, scale) and _fits(b, scale) else None
    whole = a if one.is_integer() else b
    largest = max(abs(_bound(whole.max())), abs(_bound(whole.min())))
    return pl.Float64() if largest <= EXACT_IN_FLOAT else None


def _fits(column: pl.Series, scale: int) -> bool:
    """Return whether all values have room in the Decimal of most digits."""
    if column.dtype.is_integer() and scale < MOST_DIGITS:
        most: float = 10 ** min(MOST_DIGITS - scale, 38) - 1
        return max(abs(_bound(column.max())), abs(_bound(column.min()))) <= most
    try:
        column.cast(pl.Decimal(MOST_DIGITS, scale))
    except pl.exceptions.PolarsError:
        return False
    return True


def _bound(value: object) -> int:
    return value if isinstance(value, int) else 0


def differ(a: pl.Series, b: pl.Series, tolerance: Tolerance | None) -> pl.Series:
    """Return where two columns of one dtype differ by more than the tolerance."""
    different = a.ne_missing(b)
    if tolerance is None or not a.dtype.is_numeric():
        return different
    if a.dtype.is_float():
        near = (a - b).abs() <= float(tolerance)
    elif a.dtype.is_decimal():
        near = (a - b).abs() <= Decimal(str(tolerance))
    else:
        near = (a.cast(pl.Int128) - b.cast(pl.Int128)).abs() <= int(tolerance)
    return different & ~near.fill_null(value=False)


def directions(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return in which direction each b differs from its a: a key of `DIRECTIONS`."""
    frame = pl.DataFrame([a.alias("a"), b.alias("b")])
    one, other = pl.col("a"), pl.col("b")
    told = pl.when(one.is_null()).then(pl.lit("set")).when(other.is_null()).then(pl.lit("null"))
    if a.dtype.is_float():
        told = told.when(one.is_nan() | other.is_nan()).then(pl.lit("other"))
    if a.dtype.is_numeric() or a.dtype.is_temporal():
        told = told.when(other > one).then(pl.lit("higher")).when(other < one).then(pl.lit("lower"))
    return frame.select(told.otherwise(pl.lit("other")).alias("direction")).to_series()


def texts(values: pl.Series) -> pl.Series:
    """Return a column as text: null as null, times in ISO 8601, bytes in hex, lists as JSON."""
    dtype = values.dtype
    if dtype == pl.String:
        return values
    if dtype == pl.Binary:
        return values.bin.encode("hex")
    if dtype.is_temporal():
        return values.dt.to_string("iso")
    if dtype.is_nested() or dtype == pl.Object:
        found = [None if v is None else json_text(v) for v in values.to_list()]
        return pl.Series(values.name, found, pl.String)
    return values.cast(pl.String)


def changed_by(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return b - a of two columns of one dtype as text, null where that is no number."""
    if not a.dtype.is_numeric():
        return pl.repeat(None, a.len(), dtype=pl.String, eager=True)
    if a.dtype.is_integer():
        a, b = a.cast(pl.Int128), b.cast(pl.Int128)
    return (b - a).cast(pl.String)


def json_text(value: object) -> str:
    """Return a value as JSON."""
    return json.dumps(plain_of(value), ensure_ascii=False)


def key_texts(keys: pl.DataFrame) -> list[str]:
    """Return keys as JSON: a value, or a list where the key has several columns."""
    if keys.width == 1:
        return [json_text(value) for value in keys.to_series().to_list()]
    return [json_text(row) for row in keys.rows()]
