"""What becomes of events that are altered: new payloads, types, streams, times.

A payload is changed by its members: those that stay keep their very characters. It is
then read again as one that lies in a store would be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.edits.choosing import called, event_of
from workbench.edits.overlay import ROW, SCHEMA
from workbench.errors import EditError
from workbench.event import Event
from workbench.payload.codec import Codec
from workbench.payload.decode import decode
from workbench.payload.native import fields_of, native
from workbench.payload.written import (
    TIME_FIELD,
    VERSION_FIELD,
    in_utc,
    joined_members,
    members,
    rewritten,
)
from workbench.scanning import ENVELOPE
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from workbench.edits.choosing import Chooser
    from workbench.edits.values import Alter, Change, Which

MOST_SHOWN = 40  # characters of a value
FIXED = ("position", "partition")
COLUMNS = ("stream", "type", "version", "schema_version", "time")
"""What a function may change of an event besides its payload."""


@dataclass
class Altered:
    """An event that is being altered: its row before and now, and what was done."""

    before: dict[str, Any]
    row: dict[str, Any]
    done: list[str] = field(default_factory=list)

    @property
    def what(self) -> str:
        """What was done, in words."""
        return "; ".join(self.done) or "nothing: it stays as it is"


def altered(asked: Alter, chooser: Chooser, full_type: Callable[[str], str]) -> list[Altered]:
    """Return the events that are altered, in order of position.

    Parameters
    ----------
    asked
        Positions with their changes, or pairs of which events and what change.
    chooser
        Finds the events.
    full_type
        Gives the full name of a type.

    Raises
    ------
    EditError
        If it names no event, changes nothing, or a change cannot be made.
    """
    found: dict[tuple[int, int], Altered] = {}
    for which, change in _pairs(asked):
        if isinstance(change, Mapping) and not change:
            msg = "Cannot alter events by no fields: the change is empty. Name a field: {'a': 1}."
            raise EditError(msg)
        for row in chooser.chosen(which, "alter").iter_rows(named=True):
            one = found.setdefault((row["position"], row[ROW]), Altered(row, dict(row)))
            _change(one, change, full_type)
    return [found[key] for key in sorted(found)]


def _pairs(asked: Alter) -> list[tuple[Which, Change]]:
    pairs: list[Any]
    if isinstance(asked, Mapping):
        pairs = list(asked.items())
    elif isinstance(asked, tuple) and len(asked) == 2 and not isinstance(asked[1], tuple):  # noqa: PLR2004
        pairs = [asked]
    else:
        pairs = list(asked) if isinstance(asked, Iterable) else [asked]
    if not pairs:
        msg = "Cannot alter nothing: no event is named. Give {position: {field: value}}."
        raise EditError(msg)
    for pair in pairs:
        is_pair = isinstance(pair, tuple) and len(pair) == 2  # noqa: PLR2004, which and change
        if not is_pair or not (isinstance(pair[1], Mapping) or callable(pair[1])):
            msg = (
                f"Cannot alter by {pair!r:.100}: it is no pair of which events and what change. "
                "A change is a dict of payload fields, or a function of an Event."
            )
            raise EditError(msg)
    return pairs


def _change(one: Altered, change: Change, full_type: Callable[[str], str]) -> None:
    """Change the row of an event."""
    row = one.row
    if row["data"] is None:
        msg = (
            f"Cannot alter the event at {row['position']:,}: its payload cannot be decoded "
            f"({row['problem']}). Drop it, and insert another."
        )
        raise EditError(msg)
    event = event_of(tuple(row[name] for name in (*ENVELOPE, "data")))
    made = change if isinstance(change, Mapping) else called(change, event, "alter", row["data"])
    if isinstance(made, Event):
        known = fields_of(row["data"])
        kept = {n: v for n, v in made.data.items() if n not in known or not _same(v, known[n])}
        _set(one, kept, [name for name in known if name not in made.data])
        _set_columns(one, made, full_type)
    elif isinstance(made, Mapping):
        _set(one, made, [])
    else:
        msg = (
            f"Cannot alter the event at {row['position']:,} by {made!r:.100}: the function "
            f"returned a {type(made).__name__}. Let it return a dict of fields, or an Event."
        )
        raise EditError(msg)


def _same(value: object, known: object) -> bool:
    return type(value) is type(known) and repr(value) == repr(known)


def _set(one: Altered, fields: Mapping[str, object], removed: list[str]) -> None:
    """Set fields of the payload and remove others."""
    row = one.row
    if not fields and not removed:
        return
    found = members(row["data"])
    if found is None:
        msg = (
            f"Cannot alter fields of the event at {row['position']:,}: its payload is "
            f"{row['data']:.50}, which is no JSON object and has no fields. Drop it, and insert "
            "another."
        )
        raise EditError(msg)
    for name in removed:
        del found[name]
        one.done.append(f"{name} removed")
    for name, value in fields.items():
        if not isinstance(name, str):
            msg = (
                f"Cannot alter the field {name!r} of the event at {row['position']:,}: the name of "
                "a field is a text. Give {'field': value}."
            )
            raise EditError(msg)
        before = found.get(name)
        found[name] = _written(name, value, before, row["position"])
        was = "not there" if before is None else _shown(before)
        one.done.append(f"{name}: {was} -> {_shown(found[name])}")
    row["data"] = joined_members(found)


def _written(name: str, value: object, before: bytes | None, position: int) -> bytes:
    try:
        return rewritten(value, before)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"Cannot write {value!r:.100} into the field {name!r} of the event at {position:,}"
        raise no_form(msg, error) from error


def no_form(asked: str, error: Exception) -> EditError:
    """Return the error for a value that the library's transcoder has no form for."""
    return EditError(
        f"{asked}: {error}. The library's JSON has texts, numbers, lists, dicts, Decimal, datetime "
        "and UUID; write a value of another kind as {'_type_': its name, '_data_': its form}."
    )


def _shown(value: bytes) -> str:
    """Return a value of a payload in words: what a wrapper wraps, anything else as JSON."""
    found = native(json.loads(value))
    text = str(found) if isinstance(found, Decimal | datetime) else value.decode()
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _set_columns(one: Altered, made: Event, full_type: Callable[[str], str]) -> None:
    """Set what a function has changed of an event besides its payload."""
    row = one.row
    for name in FIXED:
        if getattr(made, name) != row[name]:
            msg = (
                f"Cannot alter the {name} of the event at {row['position']:,} to "
                f"{getattr(made, name)!r}: it stays where it is. Move it: move={{position: after}}."
            )
            raise EditError(msg)
    for name in COLUMNS:
        value: Any = getattr(made, name)
        if value == row[name]:
            continue
        if not isinstance(value, _KINDS[name]):
            msg = (
                f"Cannot alter the {name} of the event at {row['position']:,} to {value!r:.100}. "
                f"Give a {_KINDS[name].__name__}."
            )
            raise EditError(msg)
        if name == "type":
            value = full_type(str(value))
        if name == "time":
            value = in_utc(value)
        one.done.append(f"{name}: {row[name]} -> {value}")
        row[name] = value
        _into_payload(row, name)


_KINDS: dict[str, type] = {
    "stream": str,
    "type": str,
    "version": int,
    "schema_version": int,
    "time": datetime,
}


def _into_payload(row: dict[str, Any], name: str) -> None:
    """Write a time or a schema version where the payload says it, too."""
    if name not in {"time", "schema_version"}:
        return
    found = members(row["data"])
    if found is None:
        return
    if name == "time":
        written = rewritten(row["time"], None)
        # First where it is new, as the library writes it.
        first = {} if TIME_FIELD in found else {TIME_FIELD: written}
        found = {**first, **found, TIME_FIELD: written}
    else:
        found[VERSION_FIELD] = rewritten(row["schema_version"], None)
    row["data"] = joined_members(found)


def read_again(rows: list[Altered]) -> pl.DataFrame:
    """Return the altered events as rows of the event table and `ROW`, as their payloads say."""
    before = pl.DataFrame([one.before for one in rows], schema=SCHEMA)
    now = pl.DataFrame([one.row for one in rows], schema=SCHEMA)
    # What the payload says of causes is read again; what the source says stays.
    stated = _decoded(before.with_columns(pl.lit(None, pl.String).alias("metadata")))["metadata"]
    from_payload = stated.eq_missing(before["metadata"])
    metadata = now["metadata"].set(from_payload, None)
    return reread(now.with_columns(metadata.alias("metadata")))


def reread(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with what their payloads say: of time, schema version, causes and problems.

    Where a payload says nothing of them, they stay.
    """
    found = _decoded(rows)
    said = ["schema_version", "time", "problem"]
    return rows.with_columns(
        *(found[name].zip_with(found[name].is_not_null(), rows[name]).alias(name) for name in said),
        found["data"],
        found["metadata"],
    )


def _decoded(rows: pl.DataFrame) -> pl.DataFrame:
    raw = rows.drop("schema_version", "time", "problem").rename({"data": "state"})
    return decode(raw.with_columns(pl.col("state").cast(pl.Binary)), EVENTS.names, Codec(), None)
