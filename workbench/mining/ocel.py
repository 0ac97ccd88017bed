"""A history as an object-centric log, OCEL 2.0: streams and tags are objects.

A stream is an object of the type of its aggregate, to which its events are related as
`stream`; a tag `type:id` is an object to which they are related as `tag`. Fields of a
payload are attributes of the type that OCEL has for them. What OCEL has no place for is
in attributes that begin with `workbench_`; so the log is read again as the history that
it was.

Notes
-----
See `workbench.sources.ocel` for the specification. It has five types of attributes, and
wants a type and a time for every event: an event without one gets '' and 1970, and says
so in an attribute.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from workbench.catalog import AGGREGATE
from workbench.sources.ocel import OWN, STREAM, TAG
from workbench.sources.xes import compact

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = "1970-01-01T00:00:00.000000Z"
MOST_ATTRIBUTES = 500  # of one type of events: a table of SQLite has at most 2,000 columns
_LONG = 2**63
_NUMBERS = ("position", "partition", "version", "schema_version")
_TEXTS = ("metadata", "problem", "data")
_TRUTHS = ("undecoded", "no_type", "no_time")
_OWN = {
    **{f"{OWN}{name}": "integer" for name in _NUMBERS},
    **{f"{OWN}{name}": "string" for name in _TEXTS},
    **{f"{OWN}{name}": "boolean" for name in _TRUTHS},
}
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")


class Written(NamedTuple):
    """One event as it is written."""

    id: str
    type: str
    time: str
    attributes: dict[str, Any]
    relations: list[tuple[str, str]]


@dataclass
class Log:
    """What must be known of all events before the first is written."""

    rows: pl.DataFrame
    """The event table."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """The type of each attribute, by the type of events."""
    objects: dict[str, str] = field(default_factory=dict)
    """The type of each object."""

    def events(self) -> Iterator[Written]:
        """Yield the events, as they are written."""
        for row in self.rows.iter_rows(named=True):
            yield self._written(row)

    def _written(self, row: dict[str, Any]) -> Written:
        type_ = row["type"] or ""
        own: dict[str, Any] = {f"{OWN}{n}": row[n] for n in (*_NUMBERS, "metadata", "problem")}
        own[f"{OWN}undecoded"] = row["data"] is None or None
        own[f"{OWN}no_type"] = row["type"] is None or None
        own[f"{OWN}no_time"] = row["time"] is None or None
        fields, is_whole = self._fields(row["data"], self.attributes[type_])
        own[f"{OWN}data"] = None if is_whole else row["data"]
        fields |= {name: value for name, value in own.items() if value is not None}
        relations = [] if row["stream"] is None else [(row["stream"], STREAM)]
        relations += [(tag, TAG) for tag in row["tags"]]
        id_ = f"e{row['partition']}-{row['position']}"
        return Written(id_, type_, row["time"] or EPOCH, fields, relations)

    def _fields(self, text: str | None, declared: dict[str, str]) -> tuple[dict[str, Any], bool]:
        """Return the attributes of a payload, and whether it is made of them again."""
        payload, is_whole = _payload(text)
        found: dict[str, Any] = {}
        for name, value in payload.items():
            kind, written, is_exact = attribute(value)
            if name not in declared or kind is None:
                is_whole = False
                continue
            if declared[name] != kind:
                is_exact, written = False, _as_kind(written, declared[name])
            found[name] = written
            is_whole &= is_exact
        order = [name for name in declared if name in found]
        return found, is_whole and order == list(found)


def log_of(events: pl.LazyFrame) -> Log:
    """Return what there is to write: the attributes of each type, and all objects.

    Parameters
    ----------
    events
        `workbench.tables.EVENTS`, in order; they are held in memory.
    """
    time = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    log = Log(events.collect(engine="streaming").with_columns(time, AGGREGATE.alias("aggregate")))
    for type_, aggregate, stream, tags, data in log.rows.select(
        "type", "aggregate", "stream", "tags", "data"
    ).iter_rows():
        if stream is not None:
            log.objects.setdefault(stream, aggregate or "stream")
        for tag in tags:
            log.objects.setdefault(tag, tag.partition(":")[0] if ":" in tag else "tag")
        _declare(log.attributes.setdefault(type_ or "", {}), data)
    for declared in log.attributes.values():
        declared.update(_OWN)
    return log


def _declare(declared: dict[str, str], text: str | None) -> None:
    """Add the fields of a payload to the attributes of its type."""
    known = {name.lower() for name in declared}
    for name, value in _payload(text)[0].items():
        kind = attribute(value)[0]
        if kind is None:
            continue
        if name not in declared:
            # SQLite knows columns apart by their letters alone, whatever their case.
            fits = name.lower() not in known and name and "\x00" not in name
            if not fits or name.lower().startswith(("ocel_", OWN)):
                continue
            if len(declared) < MOST_ATTRIBUTES:
                declared[name] = kind
                known.add(name.lower())
        elif declared[name] != kind:
            numbers = {declared[name], kind} == {"integer", "float"}
            declared[name] = "float" if numbers else "string"


def _payload(text: str | None) -> tuple[dict[str, Any], bool]:
    """Return the fields of a payload, and whether they are written again as they were."""
    if text is None:
        return {}, True
    try:
        found = json.loads(text)
        is_same = compact(found) == text
    except (ValueError, RecursionError):
        return {}, False
    return (found, is_same) if isinstance(found, dict) else ({}, False)


def attribute(value: Any) -> tuple[str | None, Any, bool]:  # noqa: ANN401, JSON
    """Return the type of an attribute, its value, and whether that says all of a field.

    Examples
    --------
    >>> attribute({"_type_": "decimal_str", "_data_": "9.50"})
    ('float', 9.5, False)
    >>> attribute([1, 2])
    ('string', '[1,2]', False)
    """
    match value:
        case None:
            return None, None, False
        case {"_type_": str(kind), "_data_": str(text)} if list(value) == ["_type_", "_data_"]:
            return _wrapped(kind, text)
        case str():
            return "string", value, "\x00" not in value
        case int() if not -_LONG <= value < _LONG:
            return "string", compact(value), False
    kinds = {bool: "boolean", int: "integer", float: "float"}
    if type(value) in kinds:
        return kinds[type(value)], value, True
    return "string", compact(value), False


def _wrapped(kind: str, text: str) -> tuple[str, Any, bool]:
    if kind == "datetime_iso" and _TIME.fullmatch(text):
        return "time", text, True
    if kind == "decimal_str":
        try:
            number = float(text)
        except ValueError:
            return "string", text, False
        if number - number == 0:
            return "float", number, False
    return "string", text, False


def _as_kind(value: Any, kind: str) -> Any:  # noqa: ANN401, JSON
    if kind == "float":
        return float(value)
    return value if isinstance(value, str) else compact(value)
