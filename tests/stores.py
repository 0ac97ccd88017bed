"""Stores that the tests write: through the real library, or straight with SQL.

`write_ledger` runs an application of `eventsourcing` with SQLite persistence, in any
of `ENCODINGS`, and returns what the library's own recorder and decoder say is in it.
`write_native` puts any bytes into the library's own tables, also such as it would
never write.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from base64 import b64encode
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    Cipher,
    Compressor,
    Mapper,
    StoredEvent,
    Transcoder,
    Transcoding,
)
from eventsourcing.projection import Projection
from eventsourcing.utils import Environment, get_topic, resolve_topic
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from eventsourcing.persistence import JSONTranscoder

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(range(32, 64))).decode()


# Rows, written straight


class Row(NamedTuple):
    """A row of stored events, as it lies in the store."""

    position: int
    stream: str
    version: int | None
    type: str
    state: Any = b"{}"


NATIVE = """
CREATE TABLE stored_events (originator_id TEXT, originator_version INTEGER, topic TEXT,
    state BLOB, PRIMARY KEY (originator_id, originator_version));
CREATE TABLE stored_snapshots (originator_id TEXT, originator_version INTEGER, topic TEXT,
    state BLOB, PRIMARY KEY (originator_id, originator_version)) WITHOUT ROWID;
CREATE TABLE tracking (application_name TEXT, notification_id INTEGER,
    PRIMARY KEY (application_name)) WITHOUT ROWID;
INSERT INTO tracking VALUES ('__migration__', 1);
"""
"""The tables of `eventsourcing.sqlite` 9.5.6, as they stand in `sqlite_master`."""

INSERT = (
    "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?, ?)"
)


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
    schema = NATIVE if unique else NATIVE.replace(NATIVE_KEY, "", 1)
    with written(path, schema=schema, wal=wal) as db:
        db.executemany(INSERT, rows)
        db.executemany("INSERT INTO stored_snapshots VALUES (?, ?, ?, ?)", snapshots)
        db.executemany("INSERT INTO tracking VALUES (?, ?)", tracking)
    return path


NATIVE_KEY = """,
    state BLOB, PRIMARY KEY (originator_id, originator_version)"""
NATIVE = NATIVE.replace("topic TEXT,\n    state BLOB, PRIMARY", "topic TEXT,\n    state BLOB, PRIMARY")


def state_of(
    time: datetime | str | None = None, version: int | None = None, /, **fields: Any
) -> bytes:
    """Return a state as the library's JSONTranscoder writes it: time first, version last."""
    state: dict[str, Any] = {}
    if time is not None:
        iso = time if isinstance(time, str) else time.isoformat()
        state["timestamp"] = {"_type_": "datetime_iso", "_data_": iso}
    state |= fields
    if version is not None:
        state["class_version"] = version
    return json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()


def simple_rows(count: int, *, step: int = 1, start: int = 1) -> list[Row]:
    """Return `count` events of two types in three streams, a minute apart."""
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    return [
        Row(
            start + i * step,
            f"stream-{i % 3}",
            i // 3 + 1,
            ("shop:Order.Placed", "shop:Order.Shipped")[i % 2],
            state_of(begin + timedelta(minutes=i), n=i, text=f"é{i}"),
        )
        for i in range(count)
    ]


# An application of the real library


class Money(NamedTuple):
    """A value that needs a transcoding of the application's own."""

    amount: Decimal
    currency: str


class MoneyAsDict(Transcoding):
    """A custom transcoding: a wrapper that no class-less reader knows."""

    type = Money
    name = "money"

    def encode(self, obj: Money) -> dict[str, str]:
        """Return the two fields."""
        return {"amount": str(obj.amount), "currency": obj.currency}

    def decode(self, data: dict[str, str]) -> Money:
        """Return the value."""
        return Money(Decimal(data["amount"]), data["currency"])


class Account(Aggregate):
    """An account whose events hold every kind of value that the library stores."""

    class Opened(Aggregate.Created):
        """Text, an id, a time, and nesting."""

        owner: str
        holder: UUID
        since: datetime
        address: dict[str, Any]

    class Credited(Aggregate.Event):
        """Has a class_version, and a value of a custom transcoding."""

        class_version = 3

        amount: Decimal
        fee: Any
        note: str | None
        correlation_id: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Add the fee."""
            state["fee"] = None

        @staticmethod
        def upcast_v2_v3(state: dict[str, Any]) -> None:
            """Add the note."""
            state["note"] = None

    class Split(Aggregate.Event):
        """Lists of wrappers."""

        parts: list[Decimal]
        times: list[datetime]
        ids: list[UUID]

    class Closed(Aggregate.Event):
        """No fields at all."""

    @event(Opened)
    def __init__(
        self, *, owner: str, holder: UUID, since: datetime, address: dict[str, Any]
    ) -> None:
        """Open the account."""
        self.owner, self.holder, self.since, self.address = owner, holder, since, address
        self.balance = Decimal(0)

    @event(Credited)
    def credit(
        self, *, amount: Decimal, fee: Any, note: str | None, correlation_id: UUID | None
    ) -> None:
        """Credit an amount."""
        self.balance += amount

    @event(Split)
    def split(self, *, parts: list[Decimal], times: list[datetime], ids: list[UUID]) -> None:
        """Split it."""
        self.parts = parts

    @event(Closed)
    def close(self) -> None:
        """Close the account."""
        self.owner = ""


class NamedAccount(Account):
    """An account whose id is a text."""

    originator_id_type = str

    @staticmethod
    def create_id(owner: str) -> str:
        """Return a text with everything that text may have."""
        return f"konto/{owner} 'ß' \"%\""


class Ledger(Application):
    """The application that writes most stores here."""

    is_snapshotting_enabled = True

    def register_transcodings(self, transcoder: Transcoder) -> None:
        """Add the custom transcoding, where the transcoder is the library's own."""
        if hasattr(transcoder, "register"):
            super().register_transcodings(transcoder)
            transcoder.register(MoneyAsDict())


