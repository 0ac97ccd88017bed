"""From native Python values to the JSON in which the library stores them.

What `workbench.payload.native` reads, this writes: a time, an amount and an id become
the wrappers `{"_type_", "_data_"}`. The members of a payload that are not changed keep
the very characters that they have.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from workbench.payload.native import native

if TYPE_CHECKING:
    from collections.abc import Mapping

TIME_FIELD, VERSION_FIELD = "timestamp", "class_version"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def written(value: object) -> bytes:
    """Return a value as the library's JSONTranscoder stores it.

    Raises
    ------
    TypeError, ValueError, RecursionError
        If it, or a value inside it, has no form there.

    Notes
    -----
    The forms are those of `eventsourcing.persistence`: `DatetimeAsISO`, `DecimalAsStr`
    and `UUIDAsHex`. NaN, which the library writes and JSON does not have, is refused.

    Examples
    --------
    >>> written(Decimal("9.50"))
    b'{"_type_":"decimal_str","_data_":"9.50"}'
    """
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_wrapped
    ).encode()


def _wrapped(value: Any) -> dict[str, str]:  # noqa: ANN401, any value
    if type(value) is datetime:
        return {"_type_": "datetime_iso", "_data_": value.isoformat()}
    if type(value) is Decimal:
        return {"_type_": "decimal_str", "_data_": str(value)}
    if type(value) is UUID:
        return {"_type_": "uuid_hex", "_data_": value.hex}
    msg = f"a {type(value).__name__} has no form in JSON"
    raise TypeError(msg)


def payload(
    fields: Mapping[str, object], time: datetime | None = None, version: int | None = None
) -> str:
    """Return the payload of an event as the library stores it: the time first, the version last.

    Raises
    ------
    TypeError, ValueError, RecursionError
        If a value has no form in it.
    """
    first = {} if time is None or TIME_FIELD in fields else {TIME_FIELD: in_utc(time)}
    last = {} if version is None or VERSION_FIELD in fields else {VERSION_FIELD: version}
    return written({**first, **fields, **last}).decode()


def in_utc(time: datetime) -> datetime:
    """Return a time in UTC; one without a zone is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def members(text: str) -> dict[str, bytes] | None:
    """Return the members of a JSON object with their texts, None if it is no object."""
    try:
        return {name: bytes(value) for name, value in _members(text).items()}
    except (msgspec.DecodeError, RecursionError):
        return None


def joined_members(found: Mapping[str, bytes]) -> str:
    """Return a JSON object with these members."""
    return msgspec.json.encode({n: msgspec.Raw(value) for n, value in found.items()}).decode()


def rewritten(value: object, before: bytes | None) -> bytes:
    """Return a value as it is stored, in the form of what stood there before where it can be.

    A text that stands for an id where there was one is an id again.

    Raises
    ------
    TypeError, ValueError, RecursionError
        If it, or a value inside it, has no form in it.
    """
    return written(value if before is None else _in_form(value, json.loads(before)))


def _in_form(value: Any, before: Any) -> Any:  # noqa: ANN401, JSON
    known = native(before)
    if type(value) is dict and type(known) is dict:
        return {n: _in_form(v, before[n]) if n in before else v for n, v in value.items()}
    if type(value) is list and type(known) is list:
        old = [*before[: len(value)], *([None] * (len(value) - len(before)))]
        return [_in_form(item, was) for item, was in zip(value, old, strict=True)]
    if repr(known) == repr(value):
        return before
    if type(value) is str and type(before) is dict and before.get("_type_") == "uuid_hex":
        try:
            return UUID(value)
        except ValueError:
            return value
    return value
