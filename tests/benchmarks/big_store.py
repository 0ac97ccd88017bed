"""A SQLite store of many events, encoded by the library's own transcoder."""

from __future__ import annotations

import random
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import DatetimeAsISO, DecimalAsStr, JSONTranscoder, UUIDAsHex
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TYPES = tuple(
    f"shop.orders:Order.{name}"
    for name in (
        "Placed",
        "LineAdded",
        "Confirmed",
        "Charged",
        "Packed",
        "Shipped",
        "Delivered",
        "Returned",
        "Refunded",
    )
)
EVENTS_A_STREAM = 50
BEGINS = datetime(2024, 1, 1, tzinfo=UTC)


def transcoder() -> JSONTranscoder:
    """Return the transcoder of a plain application."""
    made = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        made.register(transcoding)
    return made


def make_store(path: Path, events: int) -> Path:
    """Write a store of so many events of 9 types, about 170 bytes each, unless it is there."""
    if path.exists():
        return path
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    datastore = SQLiteDatastore(str(unfinished))
    SQLiteApplicationRecorder(datastore).create_table()
    datastore.close()
    database = sqlite3.connect(unfinished, isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN")
    database.executemany("INSERT INTO stored_events VALUES (?, ?, ?, ?)", _rows(events))
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    unfinished.rename(path)
    return path


def _rows(events: int) -> Iterator[tuple[str, int, str, bytes]]:
    chance, encode = random.Random(1), transcoder().encode
    streams = [uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(events // EVENTS_A_STREAM)]
    versions = dict.fromkeys(streams, 0)
    for i in range(events):
        stream = chance.choice(streams)
        versions[stream] += 1
        kind = chance.randrange(len(TYPES))
        state: dict[str, Any] = {
            "timestamp": BEGINS + timedelta(seconds=i * 7, microseconds=chance.randrange(10**6)),
            "amount": Decimal(chance.randrange(100_000)) / 100,
            f"field_{kind}": chance.randrange(1_000),
            "note": "left at the door"[: chance.randrange(17)],
        }
        if kind == 0:
            state["class_version"] = 2
        yield stream, versions[stream], TYPES[kind], encode(state)
