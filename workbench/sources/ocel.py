"""OCEL 2.0, object-centric event logs: an event has objects, of which one is the stream.

All objects of an event are its tags, as `type:id`. The stream is an object of the type
that the user names, else of the type of which most events have exactly one.

Notes
-----
"OCEL (Object-Centric Event Log) 2.0 Specification", Berti, Koren, Adams, Park and others,
2023, https://www.ocel-standard.org: the formats JSON and SQLite. Attributes of objects,
their changes, and relations among objects are not events, and are left aside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.errors import MappingError, StoreUnreadableError, UnknownLayoutError, near
from workbench.sources.files import in_order, stamp_of
from workbench.sources.lazy import LogSource, reading
from workbench.sources.ocel_sqlite import is_ocel, read_sqlite
from workbench.sources.texts import times_of
from workbench.sources.xes import compact
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ENDINGS = (".json", ".jsonocel")
OWN = "workbench_"
"""The prefix of what the event table knows and OCEL has no place for."""
STREAM, TAG = "stream", "tag"
"""How an event of an exported log is related to its stream, and to its tags."""
_NUMBERS = ("position", "partition", "version", "schema_version")
_TEXTS = ("stream", "type", "time", "data", "metadata", "problem")
_SCHEMA = pl.Schema(
    [(name, pl.Int64()) for name in _NUMBERS]
    + [(name, pl.String()) for name in _TEXTS]
    + [("tags", pl.List(pl.String))]
)


@dataclass
class LogEvent:
    """One event as either format has it."""

    id: str
    type: str
    time: str
    attributes: dict[str, Any]
    relations: list[tuple[str, str]] = field(default_factory=list)
    """The objects' ids, and how it is related to each."""


def is_log(path: Path) -> bool:
    """Return whether a path is one that `open_ocel` opens: by its ending, or by its tables."""
    ending = path.suffix.lower()
    return ending in ENDINGS or (ending in (".sqlite", ".sqlite3") and is_ocel(path))


def open_ocel(path: Path, object_type: str | None = None) -> LogSource:
    """Return the events of an object-centric log, which is read into memory.

    Parameters
    ----------
    path
        A file of JSON, or one of SQLite.
    object_type
        Which objects are the streams.

    Raises
    ------
    StoreNotFoundError, StoreUnreadableError
        If there is nothing, or it cannot be read.
    UnknownLayoutError
        If it is JSON or SQLite, but no such log.
    MappingError
        If it has no objects of that type, or two events have one position.
    """
    if not stamp_of(path).size_bytes:
        msg = f"Cannot read {str(path)!r}: it is empty. Export the log again."
        raise StoreUnreadableError(msg)
    with reading(path.name):
        is_json = path.suffix.lower() in ENDINGS
        types, events = _read_json(path) if is_json else _of_sqlite(path)
        frame = _as_events(types, events, path.name, object_type)
        rows, _ = in_order(frame.lazy(), path.name)
        kind = f"OCEL 2.0 log, {'JSON' if is_json else 'SQLite'}"
        return LogSource(path.name, kind, rows.collect())


def _read_json(path: Path) -> tuple[dict[str, str], list[LogEvent]]:
    """Return the type of each object, and the events."""
    import msgspec

    try:
        log = msgspec.json.decode(path.read_bytes())
    except ValueError as error:
        msg = f"Cannot read {path.name!r}: it is no JSON, or cut off ({error}). Get it again."
        raise StoreUnreadableError(msg) from error
    wanted = ("eventTypes", "objectTypes", "events", "objects")
    if not isinstance(log, dict) or not all(isinstance(log.get(n), list) for n in wanted):
        found = ", ".join(map(repr, list(log)[:10])) if isinstance(log, dict) else "no object"
        msg = (
            f"Cannot read {path.name!r} as OCEL 2.0: it needs the lists {', '.join(wanted)}, and "
            f"has {found}. Export it as OCEL 2.0."
        )
        raise UnknownLayoutError(msg)
    try:
        kinds = {
            one["name"]: {a["name"]: a["type"] for a in one.get("attributes", [])}
            for one in log["eventTypes"]
        }
        types = {str(one["id"]): str(one["type"]) for one in log["objects"]}
        return types, [_of_json(one, kinds.get(one["type"], {})) for one in log["events"]]
    except (KeyError, TypeError, AttributeError) as error:
        msg = (
            f"Cannot read {path.name!r} as OCEL 2.0: {type(error).__name__} {error} where an id, a "
            "type, a time or a name should be. Export it again."
        )
        raise UnknownLayoutError(msg) from error


def _of_json(one: dict[str, Any], kinds: dict[str, str]) -> LogEvent:
    attributes = {
        a["name"]: native(a["value"], kinds.get(a["name"], "")) for a in one.get("attributes") or []
    }
    relations = [
        (str(r["objectId"]), str(r.get("qualifier", ""))) for r in one.get("relationships") or []
    ]
    return LogEvent(str(one["id"]), str(one["type"]), str(one["time"]), attributes, relations)


def native(value: Any, kind: str) -> Any:  # noqa: ANN401, JSON
    """Return a value as its declared type says; as it is, where it does not fit.

    Examples
    --------
    >>> native("500", "integer"), native(1, "boolean"), native("x", "float")
    (500, True, 'x')
    """
    try:
        match kind.lower():
            case "integer" if not isinstance(value, bool):
                return int(value)
            case "float" | "real" if not isinstance(value, bool):
                return float(value)
            case "boolean" if value in (0, 1, "0", "1", "true", "false", "True", "False"):
                return str(value).lower() in ("1", "true")
            case "time" | "timestamp" if isinstance(value, str):
                return {"_type_": "datetime_iso", "_data_": value}
    except (ValueError, TypeError):
        pass
    return value


def _of_sqlite(path: Path) -> tuple[dict[str, str], list[LogEvent]]:
    types, found = read_sqlite(path)
    events = []
    for row in found:
        attributes = {
            name: native(value, row.kinds[name])
            for name, value in row.attributes.items()
            if value is not None
        }
        events.append(LogEvent(row.id, row.type, row.time, attributes, row.relations))
    return types, events


def _as_events(
    types: dict[str, str], events: list[LogEvent], name: str, object_type: str | None
) -> pl.DataFrame:
    """Return the events as rows of the event table."""
    is_own = bool(events) and all(f"{OWN}position" in event.attributes for event in events)
    if object_type is not None and object_type not in types.values():
        msg = (
            f"Cannot take objects of type {object_type!r} in {name!r} as streams. "
            f"{near(object_type, types.values())}"
        )
        raise MappingError(msg)
    chosen = object_type
    if chosen is None and not is_own:
        chosen = _usual(types, events)
    rows = [_row(event, types, chosen, is_own=is_own) for event in events]
    frame = pl.DataFrame(rows, schema=_SCHEMA, strict=False)
    times = times_of(frame["time"])
    late = pl.format("time is not read: {}", pl.lit(frame["time"]).str.head(60))
    odd = pl.lit(frame["time"].is_not_null() & times.is_null())
    frame = frame.with_columns(
        times.alias("time"), pl.when(odd).then(late).otherwise("problem").alias("problem")
    )
    if not is_own:
        frame = frame.sort("time", nulls_last=False, maintain_order=True).with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("position"),
            pl.lit(0).alias("partition"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("stream").alias("version"),
        )
    return EVENTS.conform(frame)


def _usual(types: dict[str, str], events: Iterable[LogEvent]) -> str | None:
    """Return the type of which most events have exactly one object; of several, the first."""
    having: Counter[str] = Counter()
    for event in events:
        of = Counter(types.get(id_, "") for id_, _ in event.relations)
        having.update(type_ for type_, objects in of.items() if type_ and objects == 1)
    return min(having, key=lambda type_: (-having[type_], type_), default=None)


def _row(
    event: LogEvent, types: dict[str, str], chosen: str | None, *, is_own: bool
) -> dict[str, Any]:
    fields = event.attributes
    own = {key[len(OWN) :]: fields.pop(key) for key in list(fields) if key.startswith(OWN)}
    streams = [
        id_
        for id_, how in event.relations
        if (how == STREAM if chosen is None else types.get(id_) == chosen)
    ]
    row: dict[str, Any] = {name: own.get(name) for name in _NUMBERS}
    row["stream"] = streams[0] if streams else None
    row["problem"] = own.get("problem")
    row["data"] = None if own.get("undecoded") else own.get("data") or compact(fields)
    row["type"] = None if own.get("no_type") else event.type
    row["time"] = None if own.get("no_time") else event.time
    if is_own:
        row["metadata"] = own.get("metadata")
        row["tags"] = [id_ for id_, how in event.relations if how == TAG]
        return row
    related = {id_: how for id_, how in event.relations if how}
    row["metadata"] = compact({"event": event.id, **({"qualifiers": related} if related else {})})
    row["tags"] = [f"{types.get(id_, 'object')}:{id_}" for id_, _ in event.relations]
    return row
