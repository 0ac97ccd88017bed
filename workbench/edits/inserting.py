"""Events that are inserted: rows of the event table, and where they are to stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.edits.altering import no_form, reread
from workbench.edits.choosing import KEY
from workbench.edits.overlay import BELOW, ROW, SCHEMA
from workbench.edits.values import NewEvent, few
from workbench.errors import EditError
from workbench.payload.written import in_utc, payload
from workbench.sources import Selection
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from workbench.edits.choosing import Chooser
    from workbench.edits.values import Insert

LARGEST = 2**62


@dataclass(frozen=True)
class Inserted:
    """Events to be inserted, and whether each follows another, and has a version."""

    rows: pl.DataFrame
    """`workbench.tables.EVENTS` and `ROW`, in the order given."""
    follows: list[bool]
    """Whether an event shares the number of the one that it follows."""
    derives: list[bool]
    """Whether an event gets the version that its stream has next."""
    places: list[str]
    """Where each stands, in words."""


def nothing_inserted() -> Inserted:
    """Return that no event is inserted."""
    return Inserted(pl.DataFrame(schema=SCHEMA), [], [], [])


def inserted(
    asked: Insert, chooser: Chooser, full_type: Callable[[str], str], leaving: pl.DataFrame
) -> Inserted:
    """Return the events to be inserted.

    Parameters
    ----------
    asked
        New events, or rows of the event table.
    chooser
        Finds events in the whole source.
    full_type
        Gives the full name of a type.
    leaving
        The events that leave their numbers by the same edit.

    Raises
    ------
    EditError
        If there is none, a number is taken, or a payload cannot be written.
    """
    found = _rows(asked) if isinstance(asked, pl.DataFrame) else _new(asked, chooser, full_type)
    own = [
        position
        for position, follows in zip(found.rows["position"].to_list(), found.follows, strict=True)
        if not follows
    ]
    _check_numbers(own, chooser, leaving)
    return found


def _check_numbers(own: list[int], chooser: Chooser, leaving: pl.DataFrame) -> None:
    outside = [p for p in own if not 0 <= p < LARGEST]
    if outside:
        msg = f"Cannot insert an event at {few(outside)}. A position is a number from 0 on."
        raise EditError(msg)
    there = chooser.all_at(own).join(leaving, on=KEY, how="anti", maintain_order="left")
    taken = there["position"].unique(maintain_order=True).to_list()
    taken += [position for position, times in Counter(own).items() if times > 1]
    if taken:
        msg = (
            f"Cannot insert an event at {few(taken)} of {chooser.name!r}: the number is taken. "
            f"Insert it behind: after={taken[0]}; or drop the event that has the number."
        )
        raise EditError(msg)


def _rows(rows: pl.DataFrame) -> Inserted:
    misfits = EVENTS.misfits(rows)
    if misfits or rows.is_empty() or rows["position"].null_count():
        found = "; ".join(misfits) or "it has no row, or one without a position"
        msg = (
            f"Cannot insert the rows of a frame: {found}. Give rows of the event table, as "
            "history.scan() returns them."
        )
        raise EditError(msg)
    nowhere = pl.lit(BELOW, SCHEMA[ROW]).alias(ROW)
    return Inserted(
        EVENTS.conform(rows).with_columns(nowhere),
        [False] * rows.height,
        [False] * rows.height,
        [f"at {position:,}" for position in rows["position"].to_list()],
    )


def _new(asked: object, chooser: Chooser, full_type: Callable[[str], str]) -> Inserted:
    listed = [asked] if isinstance(asked, NewEvent) or not isinstance(asked, Iterable) else asked
    events = list(listed)
    wrong = [event for event in events if not isinstance(event, NewEvent)]
    if wrong or not events:
        found = f"{wrong[0]!r:.100} is no new event" if wrong else "there is none"
        msg = f"Cannot insert events: {found}. Give NewEvent(type=..., stream=..., data=...)."
        raise EditError(msg)
    rows, end = [], (chooser.reading.source.head() or 0) + 1
    anchors = [event.after for event in events if event.after is not None]
    times = _times(anchors, chooser)
    for event in events:
        position, time = event.after, event.time
        if position is None:
            position = end if event.position is None else event.position
            end = max(end, position + 1)
            time = _time_before(position, chooser) if time is None else time
        elif time is None:
            time = times[position]
        rows.append(_row(event, position, time, chooser, full_type))
    return Inserted(
        reread(pl.DataFrame(rows, schema=SCHEMA)),
        [event.after is not None for event in events],
        [True] * len(events),
        [event.place for event in events],
    )


def _times(anchors: list[int], chooser: Chooser) -> dict[int, datetime | None]:
    if not anchors:
        return {}
    found = chooser.at(anchors, "insert an event after")
    return dict(found.select("position", "time").iter_rows())


def _time_before(position: int, chooser: Chooser) -> datetime | None:
    """Return the time of the last event before a position."""
    width, tail = 100, chooser.reading.source.tail()
    upto = min(position - 1, chooser.reading.source.head() or 0)
    while tail is not None and upto >= tail:
        chosen = Selection(after=upto - width, upto=upto)
        times = [frame["time"] for frame in chooser.reading.frames({"time"}, chosen)]
        found = [series[-1] for series in times if series.len()]
        if found:
            last: datetime | None = found[-1]
            return last
        upto, width = upto - width, width * 10
    return None


def _row(
    event: NewEvent,
    position: int,
    time: datetime | None,
    chooser: Chooser,
    full_type: Callable[[str], str],
) -> dict[str, Any]:
    first = chooser.reading.source.first_schema_version
    version = first if event.schema_version is None else event.schema_version
    row = dict.fromkeys(SCHEMA, None) | {
        "position": position,
        "partition": 0,
        "stream": _stream(event, chooser),
        "type": full_type(event.type),
        "schema_version": version,
        "time": None if time is None else in_utc(time),
        "data": _data(event, position, time, None if version == first else version),
        "tags": [],
        ROW: BELOW,
    }
    read = reread(pl.DataFrame([row], schema=SCHEMA))
    if read["data"][0] is None:
        msg = (
            f"Cannot insert {event.type} {event.place}: its data is no JSON "
            f"({read['problem'][0]}). Give JSON text, or a dict of fields."
        )
        raise EditError(msg)
    return row


def _data(event: NewEvent, position: int, time: datetime | None, version: int | None) -> str:
    if isinstance(event.data, str):
        return event.data
    try:
        return payload(event.data, time, version)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"Cannot write the payload of {event.type} at {position:,}"
        raise no_form(msg, error) from error


def _stream(event: NewEvent, chooser: Chooser) -> str:
    """Return the stream in the form in which the source shows it, if it is there."""
    source = chooser.reading.source
    for form in sorted(source.stream_forms(event.stream)):
        if source.count(Selection(streams=frozenset({form}))):
            return form
    return str(event.stream)
