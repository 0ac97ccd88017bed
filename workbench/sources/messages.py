"""What a broker's message says of its event: its type, stream and versions, in headers or fields.

A broker knows a subject or a key, headers, and bytes. Which header, or which field of a JSON
payload, holds the type of the event is a convention of those who write. `Fields` names it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from workbench.sources.base import RAW_SCHEMA, STATED_SCHEMA
from workbench.sources.memory import fitting

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from workbench.sources.base import Selection

STATED = frozenset(STATED_SCHEMA)
COLUMNS = pl.Schema({**RAW_SCHEMA, **STATED_SCHEMA})

TYPE_HEADERS = ("ce-type", "ce_type", "type", "event-type", "event_type")
"""Where the type is looked for if nobody says: CloudEvents' names, then plain ones."""
_MOST_DIGITS = {"version": 18, "schema_version": 9}

Header = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Fields:
    """Where things stand in a message. A header goes before a field.

    Notes
    -----
    `ce-type` and `ce_type` are where the NATS and Kafka protocol bindings of CloudEvents 1.0
    put the type of an event in binary mode.
    """

    type_header: str | None = None
    """The header that holds the type; by default the first there is of `TYPE_HEADERS`."""
    type_field: str | None = None
    """The field of a JSON payload that holds the type."""
    stream_header: str | None = None
    """The header that holds the stream; by default the subject or key is the stream."""
    stream_field: str | None = None
    """The field of a JSON payload that holds the stream."""
    version_header: str | None = None
    """The header that holds the event's number within its stream."""
    schema_version_header: str | None = None
    """The header that holds the version of the payload's shape."""

    @property
    def own_streams(self) -> bool:
        """Whether the stream is the message's subject or key, for any message."""
        return self.stream_header is None and self.stream_field is None

    def of_payload(self, columns: Collection[str]) -> dict[str, str]:
        """Return which of `columns` may stand in which field of a payload."""
        found = {"type": self.type_field, "stream": self.stream_field}
        return {name: field for name, field in found.items() if field and name in columns}

    def reads_headers(self, columns: Collection[str]) -> bool:
        """Whether one of `columns` may stand in a header."""
        named = {
            "stream": self.stream_header,
            "version": self.version_header,
            "schema_version": self.schema_version_header,
            "type": True,
            "metadata": True,
        }
        return any(named.get(column) for column in columns)


FIELD_OPTIONS = tuple(field.name for field in fields(Fields))


def fields_of(options: Mapping[str, object]) -> Fields:
    """Return where things stand, as the options say."""
    return Fields(**{n: str(options[n]) for n in FIELD_OPTIONS if options.get(n) is not None})


class Stated(NamedTuple):
    """What the headers of one message say."""

    type: str | None = None
    stream: str | None = None
    version: int | None = None
    schema_version: int | None = None
    metadata: str | None = None


NOTHING = Stated()


def stated_by(headers: Sequence[Header], fields: Fields) -> Stated:
    """Return what the headers of a message say.

    Names are compared without regard to case. A header that occurs several times is a list
    in the metadata, and its first value counts elsewhere.
    """
    if not headers:
        return NOTHING
    first = {name.lower(): value for name, value in reversed(headers)}
    types = TYPE_HEADERS if fields.type_header is None else (fields.type_header.lower(),)
    version = _named(first, fields.version_header)
    schema_version = _named(first, fields.schema_version_header)
    return Stated(
        type=next((first[name] for name in types if first.get(name) is not None), None),
        stream=_named(first, fields.stream_header),
        version=_whole_number(version, _MOST_DIGITS["version"]),
        schema_version=_whole_number(schema_version, _MOST_DIGITS["schema_version"]),
        metadata=_as_json(headers),
    )


def _named(first: dict[str, str | None], header: str | None) -> str | None:
    return None if header is None else first.get(header.lower())


def _as_json(headers: Sequence[Header]) -> str:
    import msgspec

    members: dict[str, Any] = dict(headers)
    if len(members) != len(headers):
        many: dict[str, list[str | None]] = {}
        for name, value in headers:
            many.setdefault(name, []).append(value)
        members = {n: values[0] if len(values) == 1 else values for n, values in many.items()}
    return msgspec.json.encode(members).decode()


def shown_bytes(value: bytes) -> str:
    """Return bytes as text, those that are not UTF-8 as hexadecimal digits after `0x`.

    Examples
    --------
    >>> shown_bytes("é".encode()), shown_bytes(bytes([255, 1]))
    ('é', '0xff01')
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def _whole_number(text: str | None, digits: int) -> int | None:
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= digits
    return int(text) if is_number and text is not None else None


FRAME_LENGTH = 5  # a zero, and the number of a registry's schema in four bytes


def registered_schema(state: bytes) -> int | None:
    """Return the number of a registry's schema that stands before a payload, else None.

    Notes
    -----
    The wire format of Confluent's serializers: a zero byte, then four bytes, big-endian.

    Examples
    --------
    >>> registered_schema(bytes([0, 0, 0, 1, 2, 99]))
    258
    """
    if not state.startswith(b"\0") or len(state) <= FRAME_LENGTH:
        return None
    return int.from_bytes(state[1:FRAME_LENGTH], "big")


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages, by column: all have the same length, in order of position."""

    position: pl.Series
    partition: pl.Series
    stream: pl.Series
    """The subject, or the key."""
    time: pl.Series
    stated: list[Stated] | None
    """What the headers say, None if they were not read."""
    state: pl.Series
    """The payloads; null where they were not read, and where there is none."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How messages become raw rows."""

    fields: Fields
    default_type: str
    """The type of a message that states none."""
    selection: Selection
    """Which rows are left; the limit is none of its conditions."""
    columns: frozenset[str]
    """Which columns are wanted."""
    reads_frames: bool = False
    """Whether a registry's number before the payload is the schema version."""

    @property
    def needed(self) -> frozenset[str]:
        """The columns that are wanted, or looked at by the selection."""
        chosen, more = self.selection, set()
        if chosen.types is not None:
            more.add("type")
        if chosen.streams is not None:
            more.add("stream")
        if chosen.after_version is not None or chosen.upto_version is not None:
            more.add("version")
        return self.columns | more | {"position"}

    @property
    def reads_payloads(self) -> bool:
        """Whether the payloads are needed."""
        needed = self.needed
        framed = self.reads_frames and "schema_version" in needed
        return "state" in needed or framed or bool(self.fields.of_payload(needed))

    @property
    def reads_headers(self) -> bool:
        """Whether the headers are needed."""
        return self.fields.reads_headers(self.needed)

    def frame(self, batch: Batch) -> pl.DataFrame:
        """Return the raw rows that are left of a batch."""
        needed = self.needed
        found = {
            "position": lambda: batch.position,
            "partition": lambda: batch.partition,
            "stream": lambda: (
                self._texts(batch, "stream").fill_null(batch.stream)
                if not self.fields.own_streams
                else batch.stream
            ),
            "version": lambda: _stated(batch, "version"),
            "type": lambda: self._texts(batch, "type").fill_null(self.default_type),
            "state": lambda: batch.state,
            "metadata": lambda: _stated(batch, "metadata"),
            "tags": lambda: _no_tags(batch.position.len()),
            "schema_version": lambda: self._schema_versions(batch),
            "time": lambda: batch.time,
        }
        columns = [found[n]().alias(n) for n in COLUMNS if n in needed]
        rows = pl.DataFrame(columns).lazy().filter(*fitting(self.selection))
        return rows.select(n for n in COLUMNS if n in self.columns).collect()

    def _texts(self, batch: Batch, column: str) -> pl.Series:
        """A text of the headers, else of the payload."""
        stated = _stated(batch, column)
        field = self.fields.of_payload({column}).get(column)
        return stated if field is None else stated.fill_null(_in_payload(batch.state, field))

    def _schema_versions(self, batch: Batch) -> pl.Series:
        stated = _stated(batch, "schema_version")
        if not self.reads_frames:
            return stated
        framed = batch.state.bin.starts_with(b"\0").fill_null(value=False)
        if not framed.any():
            return stated
        read = [None if s is None else registered_schema(s) for s in batch.state.set(~framed, None)]
        fitting_32_bits = [n if n is None or n < _LARGEST_32_BITS else None for n in read]
        return stated.fill_null(pl.Series(fitting_32_bits, dtype=pl.Int32))


_LARGEST_32_BITS = 2**31


def _stated(batch: Batch, column: str) -> pl.Series:
    dtype = COLUMNS[column]
    if batch.stated is None:
        return pl.repeat(None, batch.position.len(), dtype=dtype, eager=True)
    at = Stated._fields.index(column)
    return pl.Series(column, [stated[at] for stated in batch.stated], dtype)


def _no_tags(count: int) -> pl.Series:
    return pl.Series([[]], dtype=COLUMNS["tags"]).new_from_index(0, count)


def _in_payload(states: pl.Series, field: str) -> pl.Series:
    """Return a field of JSON payloads, null where it is not there, or no text."""
    import msgspec

    named = [("field", msgspec.Raw, msgspec.Raw(b"null"))]
    only: Any = msgspec.defstruct("Payload", named, rename={"field": field})
    whole, text = msgspec.json.Decoder(only), msgspec.json.Decoder(str)

    def read(state: bytes | None) -> str | None:
        if not state:
            return None
        if registered_schema(state) is not None:
            state = state[FRAME_LENGTH:]
        try:
            return text.decode(whole.decode(state).field)
        except (ValueError, RecursionError):
            return None

    return pl.Series([read(state) for state in states], dtype=pl.String)
