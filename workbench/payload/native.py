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

    import polars as pl

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
    return _fields(text)


class NoFields(dict[str, Any]):
    """The fields of a payload that cannot be read: none, and the reason."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def fields_of_all(texts: pl.Series, problems: pl.Series) -> list[dict[str, Any]]:
    """Return the fields of each payload as `fields_of` does; `NoFields` for one that has none.

    Parameters
    ----------
    texts
        JSON, null where it cannot be decoded.
    problems
        Why it cannot.
    """
    if not texts.null_count():
        try:
            return _all_simple(texts)
        except (ValueError, OverflowError, InvalidOperation, RecursionError):
            pass  # something that is rare, and read one by one
        try:
            return [_fields(text) for text in texts.to_list()]
        except RecursionError:
            pass
    return [_fields_or_reason(*pair) for pair in zip(texts, problems, strict=True)]


def _fields_or_reason(text: str | None, problem: str | None) -> dict[str, Any]:
    if text is None:
        return NoFields(problem or "no payload")
    try:
        return _fields(text)
    except RecursionError:
        return NoFields("nested deeper than Python can follow")


class _Time(msgspec.Struct, tag_field="_type_", tag="datetime_iso", forbid_unknown_fields=True):
    text: str = msgspec.field(name="_data_")


class _Decimal(msgspec.Struct, tag_field="_type_", tag="decimal_str", forbid_unknown_fields=True):
    text: str = msgspec.field(name="_data_")


class _UUID(msgspec.Struct, tag_field="_type_", tag="uuid_hex", forbid_unknown_fields=True):
    text: str = msgspec.field(name="_data_")


_decode_lines = msgspec.json.Decoder(
    dict[str, _Time | _Decimal | _UUID | str | int | float | bool | list[Any] | None]
).decode_lines


def _all_simple(texts: pl.Series) -> list[dict[str, Any]]:
    """Return the fields of payloads whose objects are all wrappers, which most are.

    Raises
    ------
    ValueError, OverflowError, InvalidOperation, RecursionError
        If there is another one.
    """
    found: list[dict[str, Any]] = _decode_lines(texts.str.join("\n")[0])
    if len(found) != texts.len():
        msg = "a text has several lines"
        raise ValueError(msg)
    value: Any
    for fields in found:
        fields.pop("timestamp", None)
        fields.pop("class_version", None)
        for name, value in fields.items():
            kind = value.__class__
            if kind is str or kind is int:
                continue
            if kind is _Decimal:
                fields[name] = Decimal(value.text)
            elif kind is _Time:
                fields[name] = _time(value.text)
            elif kind is _UUID:
                fields[name] = value.text
            elif kind is list:
                fields[name] = native(value)
    return found


def _fields(text: str) -> dict[str, Any]:
    try:
        value = _decode(text)
    except msgspec.DecodeError:  # numbers beyond what fits 64 bits
        value = json.loads(text)
    if value.__class__ is not dict:
        return {NOT_AN_OBJECT: native(value)}
    for name in ENVELOPE:
        value.pop(name, None)
    for name, inner in value.items():
        if inner.__class__ is dict or inner.__class__ is list:
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
