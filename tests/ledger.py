"""An application of the real library, and every encoding in which it can store its events.

`write_ledger` runs it with SQLite persistence and returns what the library's own
recorder and decoder say is in the file. There is no `from __future__ import
annotations` here: the library makes event classes from these annotations.
"""

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import (
    Aggregate,
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    MetaDomainEvent,
    event,
)
from eventsourcing.persistence import (
    Cipher,
    Compressor,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    Transcoder,
    Transcoding,
)
from eventsourcing.utils import get_topic, resolve_topic
from pydantic import BaseModel, ConfigDict

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(range(32, 64))).decode()


# The domain


class Price:
    """A value that needs a transcoding of the application's own."""

    def __init__(self, amount: Decimal, currency: str) -> None:
        """Take both."""
        self.amount, self.currency = amount, currency


class PriceAsDict(Transcoding):
    """A custom transcoding: a wrapper that no class-less reader knows."""

    type = Price
    name = "price"

    def encode(self, obj: Price) -> dict[str, Any]:
        """Return the two fields, one of them wrapped in turn."""
        return {"amount": obj.amount, "currency": obj.currency}

    def decode(self, data: dict[str, Any]) -> Price:
        """Return the value."""
        return Price(**data)


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


class TextAggregate(BaseAggregate[str]):
    """The base of an aggregate whose id is a text."""

    class Event(CanMutateAggregate[str], metaclass=MetaDomainEvent):
        """What every event carries."""

        originator_id: str
        originator_version: int
        timestamp: datetime

    class Created(Event, CanInitAggregate[str]):
        """The first event of a stream."""

        originator_topic: str


class Drawer(TextAggregate):
    """An aggregate with a text for its id."""

    @event("Labelled")
    def __init__(self, *, label: str) -> None:
        """Label it."""
        self.label = label

    @staticmethod
    def create_id(label: str) -> str:
        """Return an id with all that a text may have."""
        return f"drawer/{label} 'ß\" %_"

    @event("Filled")
    def fill(self, *, things: list[str]) -> None:
        """Fill it."""
        self.things = things


class Ledger(Application[Any]):
    """The application that writes the stores."""

    def register_transcodings(self, transcoder: JSONTranscoder) -> None:
        """Add the custom transcoding, where the transcoder is the library's own."""
        if isinstance(transcoder, JSONTranscoder):
            super().register_transcodings(transcoder)
            transcoder.register(PriceAsDict())


# Mappers and transcoders as the library's examples write them: ids in the state, no wrappers


class Noted(BaseModel):
    """An event as a pydantic model."""

    model_config = ConfigDict(frozen=True)

    originator_id: UUID
    originator_version: int
    timestamp: datetime
    text: str
    amount: Decimal
    tags: list[str]


class PydanticMapper(Mapper[UUID]):
    """The mapper of the library's pydantic example."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Return the event with its whole model as state."""
        state = self.transcoder.encode(domain_event.model_dump(mode="json"))
        return StoredEvent(
            domain_event.originator_id,
            domain_event.originator_version,
            get_topic(type(domain_event)),
            state,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Return the model."""
        return resolve_topic(stored_event.topic)(**self.transcoder.decode(stored_event.state))


class Marked(msgspec.Struct, frozen=True):
    """An event as a msgspec struct."""

    originator_id: UUID
    originator_version: int
    timestamp: datetime
    text: str
    amount: Decimal
    tags: list[str]


class MsgspecMapper(Mapper[UUID]):
    """The mapper of the library's msgspec example."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Return the event with its whole struct as state."""
        state = self.transcoder.encode(msgspec.to_builtins(domain_event))
        return StoredEvent(
            domain_event.originator_id,
            domain_event.originator_version,
            get_topic(type(domain_event)),
            state,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Return the struct."""
        state = self.transcoder.decode(stored_event.state)
        return msgspec.convert(state, resolve_topic(stored_event.topic), strict=False)


class PlainJSON(Transcoder):
    """JSON with nothing tagged."""

    def encode(self, obj: Any) -> bytes:
        """Return compact JSON."""
        return msgspec.json.encode(obj)

    def decode(self, data: bytes) -> Any:
        """Return what JSON knows."""
        return msgspec.json.decode(data)


class MessagePack(Transcoder):
    """Maps of msgpack."""

    def encode(self, obj: Any) -> bytes:
        """Return a msgpack map."""
        return msgspec.msgpack.encode(obj)

    def decode(self, data: bytes) -> Any:
        """Return what msgpack knows."""
        return msgspec.msgpack.decode(data)


# A compressor and a cipher of an application's own


class Backwards(Compressor):
    """A compressor that turns the bytes around: nothing in them tells so."""

    def compress(self, data: bytes) -> bytes:
        """Return the bytes from last to first."""
        return b"\xff" + data[::-1]

    def decompress(self, data: bytes) -> bytes:
        """Return the bytes from first to last."""
        if not data.startswith(b"\xff"):
            msg = "not turned around"
            raise ValueError(msg)
        return data[:0:-1]


class Masked(Cipher):
    """A cipher that flips bits by the key's length."""

    def __init__(self, environment: Any) -> None:
        """Take the key."""
        self._mask = len(environment.get("CIPHER_KEY")) | 0x80

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return the bytes with bits flipped."""
        return bytes(byte ^ self._mask for byte in plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Return the bytes with bits flipped."""
        return self.encrypt(ciphertext)


@dataclass(frozen=True)
class Encoding:
    """One way in which an application can store its events, and how to open the store."""

    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    opening: Mapping[str, str] = field(default_factory=dict)
    fill: Callable[[Ledger], None] = field(default=lambda app: fill_accounts(app))  # noqa: PLW0108, defined below


def fill_accounts(app: Ledger) -> None:
    """Save events of every kind in three streams, with snapshots."""
    cet = timezone(timedelta(hours=1))
    for number in range(3):
        account = Account(
            owner=f'Zoë №{number} "quoted" \\ \n',
            holder=uuid5(NAMESPACE_URL, f"holder-{number}"),
            since=datetime(2025, 3, 30, 2, 30, 0, number, tzinfo=cet),
            address={"street": "Straße", "at": [Decimal("1.50"), {"when": datetime(2025, 1, 1)}]},
        )
        app.save(account)
        account.credit(
            amount=Decimal("12.50"),
            fee=Price(Decimal("0.99"), "EUR"),
            note=None,
            correlation_id=uuid5(NAMESPACE_URL, f"cause-{number}"),
        )
        account.credit(amount=Decimal("1E+3"), fee=None, note="später", correlation_id=None)
        app.save(account)
        account.split(
            parts=[Decimal(number), Decimal("-0.001")],
            times=[datetime(2025, 1, 1, tzinfo=UTC)] * number,
            ids=[uuid5(NAMESPACE_URL, str(i)) for i in range(number)],
        )
        app.save(account)
        app.take_snapshot(account.id)
        account.close()
        app.save(account)


def fill_drawers(app: Ledger) -> None:
    """Save events in streams whose ids are texts."""
    for label in ("a", "Ä", "b:c"):
        drawer = Drawer(label=label)
        drawer.fill(things=[label, "x"])
        app.save(drawer)


def fill_models(app: Ledger) -> None:
    """Put pydantic models into two streams."""
    app.events.put(_noted(Noted))


def fill_structs(app: Ledger) -> None:
    """Put msgspec structs into two streams."""
    app.events.put(_noted(Marked))


def _noted(made: Any) -> list[Any]:
    return [
        made(
            originator_id=uuid5(NAMESPACE_URL, f"note-{number % 2}"),
            originator_version=number // 2 + 1,
            timestamp=datetime(2025, 5, 1, 12, number, 30, 5 * number, tzinfo=UTC),
            text=f"größer {number}",
            amount=Decimal(number) / 4,
            tags=["x"] * number,
        )
        for number in range(6)
    ]


_AES = {"CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher", "CIPHER_KEY": KEY}
_PYCRYPTODOME = {"CIPHER_TOPIC": "eventsourcing.cipher:AESCipher", "CIPHER_KEY": KEY}
_ZLIB = {"COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor"}
_MASKED = {"CIPHER_TOPIC": "ledger:Masked", "CIPHER_KEY": "any"}
_TEXT = {"ORIGINATOR_ID_TYPE": "text"}

ENCODINGS = [
    Encoding("json"),
    Encoding("zlib", _ZLIB),
    Encoding("zlib-module", {"COMPRESSOR_TOPIC": "zlib"}),
    Encoding("gzip", {"COMPRESSOR_TOPIC": "gzip"}),
    Encoding("bz2", {"COMPRESSOR_TOPIC": "bz2"}),
    Encoding("xz", {"COMPRESSOR_TOPIC": "lzma"}),
    Encoding(
        "custom-compressor",
        {"COMPRESSOR_TOPIC": "ledger:Backwards"},
        {"compressor": "ledger:Backwards"},
    ),
    Encoding("aes", _AES, {"cipher_key": KEY}),
    Encoding("aes-zlib", _AES | _ZLIB, {"cipher_key": KEY}),
    Encoding("custom-cipher", _MASKED, {"cipher_key": "any", "cipher": "ledger:Masked"}),
    Encoding(
        "custom-both",
        _MASKED | {"COMPRESSOR_TOPIC": "ledger:Backwards"},
        {"cipher_key": "any", "cipher": "ledger:Masked", "compressor": "ledger:Backwards"},
    ),
    Encoding("text-ids", _TEXT, fill=fill_drawers),
    Encoding("text-ids-zlib", _TEXT | _ZLIB, fill=fill_drawers),
    Encoding(
        "pydantic",
        {"MAPPER_TOPIC": "ledger:PydanticMapper", "TRANSCODER_TOPIC": "ledger:PlainJSON"},
        fill=fill_models,
    ),
    Encoding(
        "msgspec-json",
        {"MAPPER_TOPIC": "ledger:MsgspecMapper", "TRANSCODER_TOPIC": "ledger:PlainJSON"},
        fill=fill_structs,
    ),
    Encoding(
        "msgpack",
        {"MAPPER_TOPIC": "ledger:MsgspecMapper", "TRANSCODER_TOPIC": "ledger:MessagePack"},
        fill=fill_structs,
    ),
]
if find_spec("Crypto") is not None:
    ENCODINGS.append(Encoding("aes-pycryptodome", _PYCRYPTODOME, {"cipher_key": KEY}))


class Known(NamedTuple):
    """What the library's own recorder and decoder say of one event."""

    position: int
    stream: Any
    version: int
    type: str
    state: bytes
    decoded: Any
    time: datetime | None
    schema_version: int


def make_app(path: Path | None, encoding: Encoding) -> Ledger:
    """Return the application, on a SQLite file or in memory."""
    env = {"IS_SNAPSHOTTING_ENABLED": "y", **encoding.env}
    if path is not None:
        env |= {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": os.fspath(path)}
    return Ledger(env=env)


def write_ledger(path: Path, encoding: Encoding) -> list[Known]:
    """Write a store by running the application, and return what the library reads from it."""
    with make_app(path, encoding) as app:
        encoding.fill(app)
        return known_by(app)


def known_by(app: Ledger) -> list[Known]:
    """Return every event as the application's own recorder and transcoder give it."""
    found = []
    for stored in app.recorder.select_notifications(None, 1_000_000):
        state = stored.state
        if app.mapper.cipher is not None:
            state = app.mapper.cipher.decrypt(state)
        if app.mapper.compressor is not None:
            state = app.mapper.compressor.decompress(state)
        decoded = app.mapper.transcoder.decode(state)
        found.append(
            Known(
                stored.id,
                stored.originator_id,
                stored.originator_version,
                stored.topic,
                bytes(stored.state),
                decoded,
                getattr(app.mapper.to_domain_event(stored), "timestamp", None),
                decoded.get("class_version", 1),
            )
        )
    return found


def as_read(value: Any) -> Any:
    """Return a decoded value as a reader without classes gives it.

    An id is text, a time is in UTC, and a value of a custom transcoding its wrapper.
    """
    match value:
        case UUID():
            return value.hex
        case datetime():
            return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        case Price():
            return {"_type_": "price", "_data_": as_read(PriceAsDict().encode(value))}
        case dict():
            return {name: as_read(inner) for name, inner in value.items()}
        case list() | tuple():
            return [as_read(inner) for inner in value]
    return value


def fields_read(known: Known) -> dict[str, Any]:
    """Return the fields of an event as `workbench.payload.native.fields_of` must give them."""
    envelope = {"timestamp", "class_version"}
    return {n: as_read(v) for n, v in known.decoded.items() if n not in envelope}
