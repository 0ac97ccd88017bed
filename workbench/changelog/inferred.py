"""Columns whose dtype nobody declared: found from the values, and the same in every batch.

Whole numbers and floats are Float64 together; values of several kinds, and values that
no dtype keeps, are text: a text as it is, anything else as JSON.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import polars as pl

from workbench.tables import TIME, Dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_DIGITS = 38
_DTYPES: dict[type, Dtype] = {
    str: pl.String,
    bool: pl.Boolean,
    int: pl.Int64,
    float: pl.Float64,
    date: pl.Date,
    timedelta: pl.Duration("us"),
    bytes: pl.Binary,
}


def inferred(name: str, values: Sequence[Any]) -> pl.Series:
    """Return values as a column of the narrowest dtype that keeps all of them."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pl.Series(name, [None] * len(values), pl.Null)
    (kind, *others) = kinds
    try:
        if kind in _DTYPES and not others:
            return pl.Series(name, values, _DTYPES[kind])
        if kinds == {int, float} and all(_is_exact(value) for value in values):
            return pl.Series(name, values, pl.Float64, strict=False)
        if kind is datetime and not others:
            return pl.Series(name, [_in_utc(value) for value in values], TIME)
        if kind is Decimal and not others:
            return _decimals(name, values)
    except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
        pass  # an integer of more than 64 bits, a NaN among decimals
    return pl.Series(name, [as_text(value) for value in values], pl.String)


def _is_exact(value: float | None) -> bool:
    return value is None or isinstance(value, float) or abs(value) <= _LARGEST_EXACT


_LARGEST_EXACT = 2**53  # of the whole numbers that a float keeps


def _in_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _decimals(name: str, values: Sequence[Any]) -> pl.Series:
    texts = pl.Series(name, [value if value is None else str(value) for value in values], pl.String)
    if texts.str.contains_any(["E", "N", "I"]).any():  # an exponent, or no number at all
        texts = pl.Series(name, [v if v is None else format(v, "f") for v in values], pl.String)
    point = texts.str.find(".", literal=True)
    places: Any = (texts.str.len_bytes() - point - 1).max()
    return texts.cast(pl.Decimal(MOST_DIGITS, places or 0))


def unified(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return frames of the same columns, some of them with more, as one.

    Where dtypes differ, the column is of one that keeps all values: Float64 for numbers,
    the Decimal of most places, else text.
    """
    # A frame without columns has no rows, but a literal would make one of it.
    frames = [frame for frame in frames if frame.width] or frames[:1]
    schemas = [frame.schema for frame in frames]
    if all(schema == schemas[0] for schema in schemas):
        return pl.concat(frames)
    wanted: dict[str, pl.DataType] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            wanted[name] = _wider(wanted.get(name, pl.Null()), dtype)
    for frame in frames:
        for name, dtype in wanted.items():
            if dtype == pl.Float64 and name in frame.columns and not _fits_float(frame[name]):
                wanted[name] = pl.String()
    return pl.concat(
        [
            frame.select(
                _cast(frame[name], dtype)
                if name in frame.columns
                else pl.lit(None, dtype).alias(name)
                for name, dtype in wanted.items()
            )
            for frame in frames
        ]
    )


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if other in {one, pl.Null()}:
        return one
    if one == pl.Null:
        return other
    if {one, other} == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    if isinstance(one, pl.Decimal) and isinstance(other, pl.Decimal):
        return one if one.scale >= other.scale else other
    return pl.String()


def _fits_float(column: pl.Series) -> bool:
    return column.dtype != pl.Int64 or bool(
        column.is_between(-_LARGEST_EXACT, _LARGEST_EXACT).all()
    )


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    if dtype == pl.String and column.dtype not in {pl.String, pl.Null}:
        return pl.Series(column.name, [as_text(v) for v in column.to_list()], pl.String)
    return column.cast(dtype)


def as_text(value: Any) -> str | None:  # noqa: ANN401, a value of any kind
    """Return a text as it is, None as None, anything else as JSON."""
    if value is None or value.__class__ is str:
        return value
    if value.__class__ is UUID:
        return str(value)
    plain = plain_of(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def plain_of(value: Any, depth: int = 0) -> Any:  # noqa: ANN401, PLR0911, values of any kind
    """Return what JSON can say of a value: its parts, or its attributes, or its `repr`."""
    if value is None or (
        isinstance(value, (bool, int, float, str)) and not isinstance(value, Enum)
    ):
        return value
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.name
    if depth > _MOST_NESTED:
        return repr(value)
    if isinstance(value, dict):
        return {str(plain_of(k, depth + 1)): plain_of(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_of(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain_of(item, depth + 1) for item in value), key=repr)
    attributes = getattr(value, "__dict__", None)
    if attributes is None and hasattr(value, "__slots__"):
        attributes = {n: getattr(value, n) for n in value.__slots__ if hasattr(value, n)}
    return repr(value) if attributes is None else plain_of(attributes, depth + 1)


_MOST_NESTED = 20
