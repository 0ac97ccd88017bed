"""One event as code that reacts to events gets it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from workbench.description import html_table
from workbench.payload.decode import after_time
from workbench.payload.native import fields_of_all
from workbench.scanning import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = (*ENVELOPE, "data", "problem")
"""The columns of the event table that `events_of` takes."""
_AT_ONCE = 1024  # events whose fields are Python objects at the same time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event as a handler gets it.

    `data` has the fields that are stored, in native Python types: the library's
    wrappers are `datetime` in UTC, `Decimal`, and `str` for a UUID. `tags` are those of an
    event of a DCB store, which has no stream.
    """

    position: int
    partition: int
    stream: str
    version: int | None
    type: str
    schema_version: int | None
    time: datetime | None
    data: dict[str, Any]
    tags: tuple[str, ...] = ()

    def replace(self, **changes: Any) -> Event:  # noqa: ANN401, a field of any kind
        """Return the same event with other values for the named fields."""
        return msgspec.structs.replace(self, **changes)

    def _repr_html_(self) -> str:
        return html_table(
            "Event",
            {
                "type": self.type,
                "stream": self.stream,
                "position": f"{self.position:,}",
                "version": "none" if self.version is None else f"{self.version:,}",
                "time": "none" if self.time is None else self.time.isoformat(),
                "data": repr(self.data),
                **({"tags": ", ".join(self.tags)} if self.tags else {}),
            },
        )


def events_of(frame: pl.DataFrame) -> Iterator[list[Event]]:
    """Yield the rows of a frame as events, a list at a time.

    The data of an event that cannot be decoded is `workbench.payload.native.NoFields`.

    Parameters
    ----------
    frame
        The columns of the event table that are named in `NEEDED`, and `tags` if events
        are to have theirs.
    """
    rest = after_time(frame["data"])
    texts = frame["data"] if rest is None else pl.select("{" + rest).to_series()
    is_tagged = "tags" in frame.columns and bool((frame["tags"].list.len() > 0).any())
    for first in range(0, frame.height, _AT_ONCE):
        part = frame[first : first + _AT_ONCE]
        since = part["time"].to_numpy().astype("timedelta64[us]").tolist()
        columns = [part[name].to_list() for name in ENVELOPE[:-1]]
        columns.append([None if passed is None else _EPOCH + passed for passed in since])
        columns.append(fields_of_all(texts[first : first + _AT_ONCE], part["problem"]))
        if is_tagged:
            columns.append(list(map(tuple, part["tags"].to_list())))
        yield list(map(Event, *columns))
