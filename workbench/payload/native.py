"""From the JSON text of one payload to native Python values, without classes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.payload.typed import ENVELOPE, NOT_AN_OBJECT

if TYPE_CHECKING:
    from collections.abc import Callable

_decode = msgspec.json.Decoder().decode


def fields_of(text: str) -> dict[str, Any]:
    """Return the fields of a payload, wrappers as native values, at any depth.

    The time and schema version, which the event table has, are left out. A payload
    that is a list or a scalar is the one field `value`.

    Examples
    --------
    >>> fields_of('{"amount":{"_type_":"decimal_str","_data_":"9.50"},"class_version":2}')
    {'amount': Decimal('9.50')}
    """
    try:
        value = _decode(text)
    except msgspec.DecodeError:  # numbers beyond what fits 64 bits
        value = json.loads(text)
    if type(value) is not dict:
        return {NOT_AN_OBJECT: native(value)}
    for name in ENVELOPE:
        value.pop(name, None)
    for name, inner in value.items():
        if type(inner) is dict or type(inner) is list:
            value[name] = native(inner)
    return value


def native(value: Any) -> Any:  # noqa: ANN401, JSON
    """Return a JSON value with the library's wrappers replaced by what they wrap.

    `datetime_iso` is a datetime in UTC, `decimal_str` a Decimal, `uuid_hex` its text;
    an unknown wrapper, and a known one with a value that does not fit, stay as they are.
    """
    if type(value) is list:
        return [native(item) for item in value]
    if type(value) is not dict:
        return value
    if len(value) == 2 and "_type_" in value and "_data_" in value:  # noqa: PLR2004, the wrapper
        convert = _WRAPPED.get(value["_type_"]) if type(value["_type_"]) is str else None
        if convert is not None and type(value["_data_"]) is str:
            try:
                return convert(value["_data_"])
            except (ValueError, OverflowError, InvalidOperation):
                return value
    return {name: native(inner) for name, inner in value.items()}


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_WRAPPED: dict[str, Callable[[str], Any]] = {
    "datetime_iso": _time,
    "decimal_str": Decimal,
    "uuid_hex": str,
}
