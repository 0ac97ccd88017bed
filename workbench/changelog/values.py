"""Which Python values a column of a declared dtype keeps exactly as they are."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench.tables import Dtype

    Check = Callable[[Any], bool]
    """Whether a value that is not None can be kept."""

_OF_CLASS: dict[type[pl.DataType], type] = {
    pl.String: str,
    pl.Boolean: bool,
    pl.Date: date,
    pl.Time: time,
    pl.Duration: timedelta,
    pl.Binary: bytes,
}


def plain_class(dtype: Dtype) -> type | None:
    """Return the class whose every object fits, None where a value has to be looked at."""
    return float if dtype == pl.Float64 else _OF_CLASS.get(type(dtype))  # type: ignore[arg-type]


def check_of(dtype: Dtype) -> Check:  # noqa: PLR0911, a case a kind of dtype
    """Return what tells whether a value is kept by a column exactly as it is.

    Whole numbers fit a column of floats where they are exact in it. Integers must be
    within bounds, and decimals have no more places than the column.
    """
    if isinstance(dtype, pl.Decimal):
        return _decimal_check(dtype.precision or 38, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return partial(_is_datetime, dtype.time_zone is not None)
    if isinstance(dtype, pl.List):
        return partial(_is_list, check_of(dtype.inner))  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return partial(_is_struct, {f.name: check_of(f.dtype) for f in dtype.fields})  # type: ignore[arg-type]
    plain = plain_class(dtype)
    if dtype.is_integer():
        low, high = _bounds(dtype)
        return partial(_is_integer, low, high)
    if dtype == pl.Float64:
        return _is_float
    if plain is not None:
        return partial(_is_of, plain)
    return partial(_is_kept, dtype)


def _bounds(dtype: Dtype) -> tuple[int, int]:
    found = pl.select(low=dtype.min(), high=dtype.max()).row(0)  # type: ignore[union-attr]
    return int(found[0]), int(found[1])


def _is_of(plain: type, value: Any) -> bool:
    if plain is date and isinstance(value, datetime):
        return False  # a day alone would lose the time of it
    return isinstance(value, plain)


def _is_integer(low: int, high: int, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_float(value: Any) -> bool:
    if isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and int(float(value)) == value


def _decimal_check(precision: int, scale: int) -> Check:
    unit, most = Decimal(1).scaleb(-scale), Decimal(10) ** (precision - scale)
    # Within what the module counts exactly, the remainder tells at once.
    sure = min(most, Decimal(10) ** (27 - scale))

    def is_decimal(value: Any) -> bool:
        if value.__class__ is Decimal and value.is_finite():
            if -sure < value < sure:
                return not value % unit
            return -most < value < most and -value.as_tuple().exponent <= scale  # type: ignore[operator]
        return isinstance(value, int) and not isinstance(value, bool) and -most < value < most

    return is_decimal


def _is_datetime(zoned: bool, value: Any) -> bool:  # noqa: FBT001, a check has one argument
    return isinstance(value, datetime) and (value.tzinfo is not None) == zoned


def _is_list(check: Check, value: Any) -> bool:
    return isinstance(value, list) and all(item is None or check(item) for item in value)


def _is_struct(checks: dict[str, Check], value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= set(checks)
        and all(item is None or checks[name](item) for name, item in value.items())
    )


def _is_kept(dtype: Dtype, value: Any) -> bool:
    """Ask Polars, for dtypes that are rare."""
    try:
        kept = pl.Series([value], dtype=dtype, strict=True)
    except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
        return False
    return kept.dtype == dtype and bool(kept.to_list()[0] == value)


def series_of(name: str, values: Sequence[Any], dtype: Dtype) -> pl.Series:
    """Return checked values as a column; decimals by way of text, which is five times faster."""
    if isinstance(dtype, pl.Decimal):
        texts = [None if value is None else format(value, "f") for value in values]
        return pl.Series(name, texts, pl.String).cast(dtype)
    return pl.Series(name, values, dtype, strict=True)
