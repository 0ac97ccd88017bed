"""Stores that are written straight with SQL, also such as the library would never write."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pytest


class Row(NamedTuple):
    """A row of stored events, as it lies in the store."""

    position: int
    stream: str | None
    version: int | None
    type: str
    state: Any = b"{}"


_KEY = ", PRIMARY KEY (originator_id, originator_version)"
_COLUMNS = "originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB"
EVENTS_TABLE = f"CREATE TABLE stored_events ({_COLUMNS}{_KEY});"
EVENTS_TABLE_WITHOUT_KEY = f"CREATE TABLE stored_events ({_COLUMNS});"
OTHER_TABLES = f"""
CREATE TABLE stored_snapshots ({_COLUMNS}{_KEY}) WITHOUT ROWID;
CREATE TABLE tracking (application_name TEXT, notification_id INTEGER,
    PRIMARY KEY (application_name)) WITHOUT ROWID;
INSERT INTO tracking VALUES ('__migration__', 1);
"""
NATIVE = EVENTS_TABLE + OTHER_TABLES
"""The tables of `eventsourcing.sqlite` 9.5.6, as they stand in `sqlite_master`."""

INSERT = (
    "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?, ?)"
)

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
PLACED, SHIPPED = "shop:Order.Placed", "shop:Order.Shipped"


@contextmanager
def written(path: Path, *, schema: str = NATIVE, wal: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a new file with these tables, and commit at the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute(f"PRAGMA journal_mode={'WAL' if wal else 'MEMORY'}")
        db.executescript(f"BEGIN; {schema}")
        yield db
        db.execute("COMMIT")


def write_native(
    path: Path,
    rows: Iterable[Sequence[Any]],
    *,
    snapshots: Iterable[Sequence[Any]] = (),
    tracking: Iterable[Sequence[Any]] = (),
    wal: bool = False,
    unique: bool = True,
) -> Path:
    """Write rows in the layout of `eventsourcing.sqlite`, and return the path."""
    events = EVENTS_TABLE if unique else EVENTS_TABLE_WITHOUT_KEY
    with written(path, schema=events + OTHER_TABLES, wal=wal) as db:
        db.executemany(INSERT, rows)
        db.executemany("INSERT INTO stored_snapshots VALUES (?, ?, ?, ?)", snapshots)
        db.executemany("INSERT INTO tracking VALUES (?, ?)", tracking)
    return path


def to_json(value: Any) -> bytes:
    """Return a value as the library's JSONTranscoder writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def state_of(
    time: datetime | str | None = None, version: int | None = None, /, **fields: Any
) -> bytes:
    """Return a state as the library writes it: the time first, the class_version last."""
    state: dict[str, Any] = {}
    if time is not None:
        iso = time if isinstance(time, str) else time.isoformat()
        state["timestamp"] = {"_type_": "datetime_iso", "_data_": iso}
    state |= fields
    if version is not None:
        state["class_version"] = version
    return to_json(state)


def simple_rows(count: int, *, step: int = 1, start: int = 1) -> list[Row]:
    """Return events of two types in three streams, a minute apart."""
    return [
        Row(
            start + i * step,
            f"stream-{i % 3}",
            i // 3 + 1,
            (PLACED, SHIPPED)[i % 2],
            state_of(BEGIN + timedelta(minutes=i), n=i, text=f"é{i}"),
        )
        for i in range(count)
    ]


def append(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write more rows into a store, and close it."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(INSERT, rows)


def plain(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a plain SQL query, read in a way that changes nothing."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        return db.execute(sql, parameters).fetchall()


def cut_parts(patch: pytest.MonkeyPatch, rows: int) -> None:
    """Let the parts in which a SQLite store is read begin at a few rows each."""
    patch.setattr("workbench.sources.sqlite.ROWS_A_PART", rows)
    patch.setattr("workbench.sources.sqlite_reader.ROWS_A_PART", rows)
    patch.setattr("workbench.sources.sqlite_reader.FIRST_RANGE", rows)


def started_threads() -> set[threading.Thread]:
    """Return the threads that Python code has started.

    A thread of Polars that has called Python code once is listed by Python too, as a dummy.
    """
    return {t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)}
