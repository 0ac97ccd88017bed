"""A history as a XES log: a stream is a trace, an event an event, a field an attribute.

What a field is stays: whole numbers, floats, truth values, times, UUIDs, decimals, lists
and objects are attributes of that kind. What XES has no kind for is a string of JSON, and
says so in a nested attribute. What the event table knows besides is in attributes whose
keys begin with `workbench:`; so the log is read again as the history that it was.

Notes
-----
See `workbench.sources.xes` for the standard. Its schema wants keys that are XML names: a
payload with other keys is besides, as it is, in `workbench:data`.
"""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID
from xml.sax.saxutils import quoteattr

import polars as pl

from workbench.sources.xes import DEEPEST, ITEM, KIND, NAME, OWN, TIMESTAMP, compact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="nested-attributes" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Workbench" prefix="workbench" uri="urn:event-workbench:xes"/>
<classifier name="Type" scope="event" keys="concept:name"/>
"""
TAIL = "</log>\n"
ROWS_AT_ONCE = 10_000
_NUMBERS = ("position", "partition", "version", "schema_version")
_TEXTS = ("metadata", "problem")
_FIRST = r"A-Za-z_:À-ÖØ-öø-\u02ff\u0370-\u037d"  # of a name, as XML has it; there are more
_KEY = re.compile(rf"[{_FIRST}][-.0-9{_FIRST}]*")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_HEX = re.compile(r"[0-9a-f]{32}")
_LONG = 2**63
MOST_NESTED = DEEPEST // 4  # levels; deeper ones are JSON
_RESERVED = frozenset({NAME, TIMESTAMP})


def write_xes(events: pl.LazyFrame, path: Path) -> None:
    """Write rows of the event table as a XES log, compressed if the name ends in .gz.

    A log has its events by trace, so they are held in memory while it is written.

    Parameters
    ----------
    events
        `workbench.tables.EVENTS`, in order.
    path
        The file; its name may end otherwise.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        _write(events, file)


def write_xes_gz(events: pl.LazyFrame, path: Path) -> None:
    """Write rows of the event table as a XES log, compressed; see `write_xes`."""
    with gzip.open(path, "wt", compresslevel=6, encoding="utf-8", newline="\n") as file:
        _write(events, file)


def _write(events: pl.LazyFrame, file: TextIO) -> None:
    file.write(HEAD)
    before: object = ...
    for row in _by_trace(events):
        if row["stream"] != before:
            file.write("" if before is ... else "</trace>\n")
            before = row["stream"]
            file.write(f"<trace>\n{attribute(NAME, before)}\n")
        file.write(f"<event>{''.join(_attributes(row))}</event>\n")
    file.write("" if before is ... else "</trace>\n")
    file.write(TAIL)


def _by_trace(events: pl.LazyFrame) -> Iterator[dict[str, Any]]:
    """Yield the events stream by stream, in the order in which the streams begin."""
    time = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")
    # The writer of a file counts rows on their way, so all columns are collected first.
    read = events.collect(engine="streaming").with_columns(time)
    begins = pl.col("row").min().over("stream").alias("begins")
    rows = read.with_row_index("row").with_columns(begins).sort("begins", "row")
    for part in rows.iter_slices(ROWS_AT_ONCE):
        yield from part.iter_rows(named=True)


def _attributes(row: dict[str, Any]) -> Iterator[str]:
    """Yield the attributes of one event."""
    if row["type"] is not None:
        yield attribute(NAME, row["type"])
    if row["time"] is not None:
        yield f'<date key="{TIMESTAMP}" value="{row["time"]}"/>'
    for name in (*_NUMBERS, *_TEXTS):
        if row[name] is not None:
            yield attribute(OWN + name, row[name])
    if row["tags"]:
        yield attribute(f"{OWN}tags", compact(row["tags"]))
    if row["data"] is None:
        yield attribute(f"{OWN}undecoded", value=True)
        return
    fields, is_whole = _fields(row["data"])
    for key, value in fields.items():
        yield attribute(key, value)
    if not is_whole:
        yield attribute(f"{OWN}data", row["data"])


def _fields(text: str) -> tuple[dict[str, Any], bool]:
    """Return the fields that can be attributes, and whether the payload is made of them again."""
    try:
        found = json.loads(text)
        same = compact(found) == text
    except (ValueError, RecursionError):
        return {}, False
    if not isinstance(found, dict):
        return {}, False
    fields = {key: value for key, value in found.items() if _is_key(key)}
    return fields, same and len(fields) == len(found)


def _is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None and key not in _RESERVED and not key.startswith(OWN)


def attribute(key: str, value: Any, depth: int = 0) -> str:  # noqa: ANN401, JSON
    """Return a value as a XES attribute, or several nested ones.

    Examples
    --------
    >>> attribute("n", 3)
    '<int key="n" value="3"/>'
    >>> attribute("at", {"_type_": "datetime_iso", "_data_": "2025-03-01T00:00:00+00:00"})
    '<date key="at" value="2025-03-01T00:00:00+00:00"/>'
    """
    name = f'key="{key}"'  # an XML name, in which nothing is to be quoted
    known = _scalar(name, value)
    if known is not None:
        return known
    if isinstance(value, list) and depth < MOST_NESTED:
        return _list(name, "", [(ITEM, item) for item in value], depth)
    if isinstance(value, dict) and depth < MOST_NESTED and all(map(_is_key, value)):
        return _list(name, _kind("object"), list(value.items()), depth)
    text = quoteattr(json.dumps(value, separators=(",", ":")))
    return f"<string {name} value={text}>{_kind('json')}</string>"


def _scalar(name: str, value: Any) -> str | None:  # noqa: ANN401, JSON
    """Return a value without parts, or a wrapper; None for what XES has no kind for."""
    match value:
        case bool():
            kind, text = "boolean", quoteattr(str(value).lower())
        case int() if -_LONG <= value < _LONG:
            kind, text = "int", quoteattr(str(value))
        case float() if value - value == 0:
            kind, text = "float", quoteattr(repr(value))
        case str() if not _NOT_XML.search(value):
            kind, text = "string", quoteattr(value)
        case {"_type_": str(kind), "_data_": str(text)} if list(value) == ["_type_", "_data_"]:
            return _wrapped(name, kind, text)
        case _:
            return None
    return f"<{kind} {name} value={text}/>"


def _list(name: str, kind: str, items: list[tuple[str, Any]], depth: int) -> str:
    inner = "".join(attribute(key, item, depth + 1) for key, item in items)
    # The schema gives `values` a key, as it does to every attribute.
    return f'<list {name}>{kind}<values key="values">{inner}</values></list>'


def _kind(kind: str) -> str:
    return f'<string key="{KIND}" value="{kind}"/>'


def _wrapped(name: str, kind: str, text: str) -> str | None:
    """Return one of the library's wrappers as an attribute, None where XES has no such kind."""
    if kind == "datetime_iso" and _DATE.fullmatch(text):
        return f'<date {name} value="{text}"/>'
    if kind == "uuid_hex" and _HEX.fullmatch(text):
        return f'<id {name} value="{UUID(text)}"/>'
    if kind == "decimal_str" and _DECIMAL.fullmatch(text):
        return f'<float {name} value="{text}">{_kind(kind)}</float>'
    return None
