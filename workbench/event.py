"""One event as code that reacts to events gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Event(NamedTuple):
    """One event as a handler gets it.

    `data` has the fields that are stored, in native Python types: the library's
    wrappers are `datetime` in UTC, `Decimal`, and `str` for a UUID.
    """

    position: int
    partition: int
    stream: str
    version: int | None
    type: str
    schema_version: int | None
    time: datetime | None
    data: dict[str, Any]
