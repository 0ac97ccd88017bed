"""The tables of an OCEL 2.0 log in SQLite, read-only like every store."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.errors import StoreUnreadableError, UnknownLayoutError
from workbench.sources.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    from pathlib import Path

TABLES = frozenset({"event", "event_object", "event_map_type", "object"})
_ENVELOPE = ("ocel_id", "ocel_time")


class SQLiteEvent(NamedTuple):
    """One event as the tables have it: values, and the declared types of their columns."""

    id: str
    type: str
    time: str
    attributes: dict[str, Any]
    relations: list[tuple[str, str]]
    kinds: dict[str, str]


def is_ocel(path: Path) -> bool:
    """Return whether a SQLite file has the tables of such a log, and no others of ours."""
    try:
        names = {row[0] for row in SQLiteFile(path).ask("SELECT name FROM sqlite_master")}
    except (StoreUnreadableError, FileNotFoundError):
        return False
    return names >= TABLES


def read_sqlite(path: Path) -> tuple[dict[str, str], list[SQLiteEvent]]:
    """Return the type of each object, and the events in the order in which they are stored.

    Raises
    ------
    StoreNotFoundError, StoreUnreadableError
        If it cannot be read.
    UnknownLayoutError
        If a table that the log names is not there.
    """
    file = SQLiteFile(path)

    def read() -> tuple[dict[str, str], list[SQLiteEvent]]:
        with file.connect() as db:
            db.text_factory = lambda text: text.decode("utf-8", "replace")
            try:
                return _objects(db), _events(db)
            except sqlite3.OperationalError as error:
                if "no such" not in str(error):
                    raise
                msg = (
                    f"Cannot read {path.name!r} as OCEL 2.0: {error}, which the log itself names. "
                    "Export it again."
                )
                raise UnknownLayoutError(msg) from error

    return file.steadily(read)


def _objects(db: sqlite3.Connection) -> dict[str, str]:
    return {
        str(id_): str(type_) for id_, type_ in db.execute("SELECT ocel_id, ocel_type FROM object")
    }


def _events(db: sqlite3.Connection) -> list[SQLiteEvent]:
    relations: dict[str, list[tuple[str, str]]] = {}
    sql = "SELECT ocel_event_id, ocel_object_id, ocel_qualifier FROM event_object ORDER BY rowid"
    for event, object_, how in db.execute(sql):
        relations.setdefault(str(event), []).append((str(object_), how or ""))
    rows: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {}
    for type_, table in db.execute(
        "SELECT ocel_type, ocel_type_map FROM event_map_type"
    ).fetchall():
        rows |= {f"{type_}\x00{id_}": row for id_, row in _of_type(db, f"event_{table}").items()}
    found = []
    for id_, type_ in db.execute("SELECT ocel_id, ocel_type FROM event ORDER BY rowid"):
        time, attributes, kinds = rows.get(f"{type_}\x00{id_}", (None, {}, {}))
        related = relations.get(str(id_), [])
        found.append(SQLiteEvent(str(id_), str(type_), str(time), dict(attributes), related, kinds))
    return found


def _of_type(
    db: sqlite3.Connection, table: str
) -> dict[object, tuple[str, dict[str, Any], dict[str, str]]]:
    """Return the time and the attributes of each event of one type, by its id."""
    quoted = table.replace('"', '""')
    kinds = {name: kind for _, name, kind, *_ in db.execute(f'PRAGMA table_info("{quoted}")')}
    cursor = db.execute(f'SELECT * FROM "{quoted}"')
    names = [column[0] for column in cursor.description]
    rest = {name: kind for name, kind in kinds.items() if name not in _ENVELOPE}
    rows = {}
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        id_, time = (row.pop(name) for name in _ENVELOPE)
        rows[id_] = (time, row, rest)
    return rows
