"""Formats that are told from a payload's bytes, and not read: Avro, Protobuf, Confluent's framing.

None of them can be read without a schema that is not in the payload. So the problem names
the format, and what the user can do about it.
"""

from __future__ import annotations

from workbench.sources.messages import registered_schema

_GIVE = "give decode= to open_history, a function that reads it"
_AVRO_FILE = b"Obj\x01"
_AVRO_SINGLE = b"\xc3\x01"
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_MOST_FIELD = 2**29
_MOST_LOOKED_AT = 100_000  # bytes; what is longer is not looked at as Protobuf
_VARINT_LENGTH = 10


def foreign(state: bytes) -> str | None:
    """Return in words which format a payload is in, None if in none that is known here.

    Notes
    -----
    Avro's object container and single-object encoding begin with fixed bytes (Avro 1.12
    specification). A serializer for Confluent's schema registry puts a zero byte and the
    number of the schema before the payload. Protobuf has no mark: bytes that are one whole
    message of its wire format by every rule are called so with a "perhaps".

    Examples
    --------
    >>> foreign(b"Obj" + bytes([1, 2]))
    'an Avro file: give decode= to open_history, a function that reads it'
    >>> foreign(bytes([0, 0, 0, 0, 7, 2]))
    'framed for a schema registry, schema 7: give decode= to open_history, a function that reads it'
    >>> foreign(b"nonsense") is None
    True
    """
    if state.startswith(_AVRO_FILE):
        return f"an Avro file: {_GIVE}"
    if state.startswith(_AVRO_SINGLE) and len(state) >= len(_AVRO_SINGLE) + 8:
        print_ = state[2:10][::-1].hex()
        return f"Avro, of the schema with the fingerprint {print_}: {_GIVE}"
    schema = registered_schema(state)
    if schema is not None:
        return f"framed for a schema registry, schema {schema}: {_GIVE}"
    if _is_protobuf(state):
        return f"perhaps Protobuf: {_GIVE}"
    return None


def _is_protobuf(state: bytes) -> bool:
    """Whether the bytes are fields of Protobuf's wire format from the first to the last."""
    if not 1 < len(state) <= _MOST_LOOKED_AT:
        return False
    at = 0
    while at < len(state):
        tag, at = _varint(state, at)
        field, kind = tag >> 3, tag & 7
        if not 0 < field < _MOST_FIELD:
            return False
        if kind == _VARINT:
            value, at = _varint(state, at)
            at = at if value >= 0 else -1
        elif kind == _BYTES:
            length, at = _varint(state, at)
            at += max(length, 0)
        elif kind in {_FIXED_64, _FIXED_32}:
            at += 8 if kind == _FIXED_64 else 4
        else:
            return False
        if not 0 < at <= len(state):
            return False
    return True


def _varint(state: bytes, at: int) -> tuple[int, int]:
    """Return a number and where the next thing begins; -1 and -1 if there is none."""
    value = 0
    for index, byte in enumerate(state[at : at + _VARINT_LENGTH]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004, the bit that says that more follows
            return value, at + index + 1
    return -1, -1
