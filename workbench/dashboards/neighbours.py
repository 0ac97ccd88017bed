"""One event, and those around it in its stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.dashboards.listing import listed_at
from workbench.dashboards.queries import Filters, previous_start
from workbench.errors import UnknownPositionError
from workbench.payload.differing import payload_differences
from workbench.tables import PAYLOAD_DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.history import History


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The events around one in its stream, by version, and that one."""

    rows: pl.DataFrame
    """`workbench.dashboards.listing.LISTING`, by version and position."""
    place: int
    """The event's place in the stream, from 1."""
    total: int
    """How many events the stream has."""
    before: int | None
    """The position of the event before it in the stream."""
    behind: int | None
    """The position of the event after it in the stream."""


def previous_of_type(history: History, found: Mapping[str, Any]) -> int | None:
    """Return the position of the event before of the same type: in the stream, else anywhere.

    Parameters
    ----------
    history
        In which to look.
    found
        The event: a row of `workbench.tables.EVENTS`.
    """
    if found["type"] is None:
        return None
    stream, before = found["stream"], found["position"]
    if stream is not None:
        own = history.of_streams(stream).of_types(found["type"]).between(upto=before - 1)
        last: int | None = own.scan().select(pl.col("position").max()).collect().item()
        if last is not None:
            return last
    return previous_start(history, Filters(types=(found["type"],)), before=before, size=1)


def difference(history: History, found: Mapping[str, Any]) -> tuple[int | None, pl.DataFrame]:
    """Return which event is the one before of the same type, and what is new in the payload.

    Parameters
    ----------
    history
        In which to look.
    found
        The event: a row of `workbench.tables.EVENTS`.

    Returns
    -------
    tuple
        The position, None for the first of its type; and
        `workbench.tables.PAYLOAD_DIFFERENCES` without the time, which always differs.
    """
    previous = previous_of_type(history, found)
    if previous is None:
        return None, PAYLOAD_DIFFERENCES.frame()
    before = history.event(previous)["data"].item()
    differences = payload_differences(before, found["data"])
    return previous, differences.filter(pl.col("path") != "timestamp")


def neighbours(history: History, stream: str, position: int, *, around: int = 5) -> Neighbours:
    """Return up to `around` events on each side of one in its stream, and that one.

    Parameters
    ----------
    history
        In which to look.
    stream, position
        The event: its stream and position.
    around
        How many on each side.

    Raises
    ------
    UnknownStreamError
        If the history has no such stream.
    UnknownPositionError
        If the stream has no event at that position.
    """
    chosen = history.of_streams(stream)
    order = chosen.scan().select("position", "version").collect().sort("version", "position")
    positions = order["position"]
    place = positions.index_of(position)
    if place is None:
        msg = (
            f"Cannot find position {position:,} in the stream {stream!r} of {history.name!r}, "
            f"which has {positions.len():,} others. Name the position of one of its events."
        )
        raise UnknownPositionError(msg)
    first, last = max(place - around, 0), min(place + around, positions.len() - 1)
    return Neighbours(
        listed_at(chosen, positions[first : last + 1]).sort("version", "position"),
        place + 1,
        positions.len(),
        positions[place - 1] if place else None,
        positions[place + 1] if place + 1 < positions.len() else None,
    )
