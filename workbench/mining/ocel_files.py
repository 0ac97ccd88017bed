"""An object-centric log as a file: OCEL 2.0 as JSON, and as SQLite."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from workbench.mining.ocel import EPOCH, Log, log_of
from workbench.sources.xes import compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import polars as pl

COLUMNS = {
    "string": "TEXT",
    "time": "TIMESTAMP",
    "integer": "INTEGER",
    "float": "REAL",
    "boolean": "BOOLEAN",
}
_TABLES = """
CREATE TABLE event (ocel_id TEXT, ocel_type TEXT);
CREATE TABLE event_map_type (ocel_type TEXT, ocel_type_map TEXT);
CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT);
CREATE TABLE object (ocel_id TEXT, ocel_type TEXT);
CREATE TABLE object_map_type (ocel_type TEXT, ocel_type_map TEXT);
CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT);
"""


def write_ocel_json(events: pl.LazyFrame, path: Path) -> None:
    """Write rows of the event table as OCEL 2.0 in JSON.

    Parameters
    ----------
    events
        `workbench.tables.EVENTS`, in order; they are held in memory.
    path
        The file; its name may end otherwise.
    """
    log = log_of(events)
    kinds = [
        {"name": type_, "attributes": [{"name": n, "type": k} for n, k in declared.items()]}
        for type_, declared in log.attributes.items()
    ]
    objects = [{"name": type_, "attributes": []} for type_ in dict.fromkeys(log.objects.values())]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"eventTypes":{compact(kinds)},\n"objectTypes":{compact(objects)},\n')
        file.write('"events":[\n')
        file.writelines(_joined(_events_in_json(log)))
        file.write('],\n"objects":[\n')
        listed = ({"id": i, "type": t, "attributes": []} for i, t in log.objects.items())
        file.writelines(_joined(listed))
        file.write("]}\n")


def _joined(values: Iterable[dict[str, Any]]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield f"{',' if number else ''}{compact(value)}\n"


def _events_in_json(log: Log) -> Iterator[dict[str, Any]]:
    for event in log.events():
        yield {
            "id": event.id,
            "type": event.type,
            "time": event.time,
            "attributes": [{"name": n, "value": v} for n, v in event.attributes.items()],
            "relationships": [{"objectId": i, "qualifier": how} for i, how in event.relations],
        }


def write_ocel_sqlite(events: pl.LazyFrame, path: Path) -> None:
    """Write rows of the event table as OCEL 2.0 in SQLite; see `write_ocel_json`."""
    log = log_of(events)
    tables = _names(log.attributes)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")  # the file gets its name when it is whole
        db.execute("PRAGMA journal_mode=MEMORY")
        db.execute("BEGIN")
        for statement in _TABLES.split(";"):
            db.execute(statement)
        for type_, declared in log.attributes.items():
            db.execute("INSERT INTO event_map_type VALUES (?, ?)", (type_, tables[type_]))
            columns = "".join(f", {_quoted(n)} {COLUMNS[kind]}" for n, kind in declared.items())
            table = _quoted(f"event_{tables[type_]}")
            db.execute(f"CREATE TABLE {table} (ocel_id TEXT, ocel_time TIMESTAMP{columns})")
        _write_events(db, log, tables)
        _write_objects(db, log)
        db.execute("COMMIT")


def _write_events(db: sqlite3.Connection, log: Log, tables: dict[str, str]) -> None:
    inserts = {
        type_: f"INSERT INTO {_quoted(f'event_{tables[type_]}')} "
        f"VALUES ({', '.join('?' * (2 + len(declared)))})"
        for type_, declared in log.attributes.items()
    }
    for event in log.events():
        declared = log.attributes[event.type]
        db.execute("INSERT INTO event VALUES (?, ?)", (event.id, event.type))
        values = [event.attributes.get(name) for name in declared]
        db.execute(inserts[event.type], (event.id, event.time, *values))
        related = [(event.id, *relation) for relation in event.relations]
        db.executemany("INSERT INTO event_object VALUES (?, ?, ?)", related)


def _write_objects(db: sqlite3.Connection, log: Log) -> None:
    tables = _names(log.objects.values())
    db.executemany("INSERT INTO object VALUES (?, ?)", log.objects.items())
    db.executemany("INSERT INTO object_map_type VALUES (?, ?)", tables.items())
    for type_, table in tables.items():
        quoted = _quoted(f"object_{table}")
        db.execute(
            f"CREATE TABLE {quoted} (ocel_id TEXT, ocel_time TIMESTAMP, ocel_changed_field TEXT)"
        )
        having = [(id_, EPOCH) for id_, of in log.objects.items() if of == type_]
        db.executemany(f"INSERT INTO {quoted} VALUES (?, ?, NULL)", having)


def _names(types: Iterable[str]) -> dict[str, str]:
    """Return a name for each type's table: letters and digits, no two the same."""
    names: dict[str, str] = {}
    taken = {"map_type", "object"}  # the tables that there are already
    for type_ in dict.fromkeys(types):
        plain = re.sub(r"[^A-Za-z0-9_]", "", type_) or "type"
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.lower())
        names[type_] = name
    return names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
