"""From stored bytes to JSON text, without the application's classes.

What was done to a payload on its way into the store is undone in reverse: decipher
where a key is given, decompress by the first bytes or by the compressor that the
user names, then read JSON, or msgpack as JSON. Whatever cannot be undone is said
in words, for that one payload.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import json
import lzma
import math
import os
import re
import zlib
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workbench.errors import CodecError, missing_extra
from workbench.payload.foreign import foreign
from workbench.sources.messages import FRAME_LENGTH, registered_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_BYTES = 256 * 2**20  # of one decompressed payload
MOST_NAMED = 3
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_GZIP = b"\x1f\x8b"
_BZ2 = b"BZh"
_XZ = b"\xfd7zXZ\x00"
_MSGPACK_MAP = {*range(0x80, 0x90), 0xDE, 0xDF}
_LARGEST_INTEGER = 2**64


class Cipher(Protocol):
    """What `eventsourcing.persistence.Cipher` does that is needed here."""

    def decrypt(self, ciphertext: bytes, /) -> bytes:
        """Return the plain bytes."""


class Text(NamedTuple):
    """A payload as JSON text, or None, and what is wrong with it, or None."""

    data: str | None
    problem: str | None


@dataclass(frozen=True)
class Codec:
    """How payloads were encoded, as far as the bytes themselves do not tell.

    `decompress` is set only where the user named a compressor, and `decode` where the
    user gave a function: it takes the bytes and the event's type, and returns JSON text,
    or a value that JSON has.
    """

    cipher: Cipher | None = None
    decompress: Callable[[bytes], bytes] | None = None
    decode: Callable[[bytes, str], object] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is named, so that a payload may be plain text."""
        return self.cipher is None and self.decompress is None and self.decode is None

    def read(self, state: bytes | None, type_: str | None = None) -> Text:
        """Return the JSON text of one stored payload; never raises.

        Notes
        -----
        The order (transcode, compress, encrypt) is that of
        `eventsourcing.persistence.Mapper.to_stored_event`, undone from its end.
        """
        if not state:
            return Text(None, "no payload is stored")
        done = []
        if self.cipher is not None:
            try:
                state = self.cipher.decrypt(state)
            except Exception as error:  # noqa: BLE001, a user's cipher may raise anything
                return Text(None, f"not deciphered with the key that was given: {_said(error)}")
            done.append("deciphered")
        try:
            state, how = self._decompressed(state)
        except Exception as error:  # noqa: BLE001, a user's compressor may raise anything
            return Text(None, f"not decompressed: {_said(error)}")
        if self.decode is not None:
            return _decoded(self.decode, state, type_ or "")
        return _transcoded(state, [*done, *how])

    def _decompressed(self, state: bytes) -> tuple[bytes, list[str]]:
        if self.decompress is not None:
            return self.decompress(state), ["decompressed"]
        if state.startswith(_ZLIB):
            return _bounded(zlib.decompressobj(), state), ["zlib"]
        if state.startswith(_GZIP):
            return _bounded(zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), state), ["gzip"]
        if state.startswith(_BZ2):
            return _bounded(bz2.BZ2Decompressor(), state), ["bz2"]
        if state.startswith(_XZ):
            return _bounded(lzma.LZMADecompressor(), state), ["xz"]
        return state, []


def _decoded(decode: Callable[[bytes, str], object], state: bytes, type_: str) -> Text:
    import msgspec

    try:
        value = decode(state, type_)
        if not isinstance(value, (str, bytes)):
            value = msgspec.json.encode(value, enc_hook=str)
        return read_json(value if isinstance(value, str) else value.decode("utf-8"))
    except Exception as error:  # noqa: BLE001, a user's function may raise anything
        return Text(None, f"not decoded by the function that was given: {_said(error)}")


def _bounded(decompressor: Any, state: bytes) -> bytes:  # noqa: ANN401, three classes with no base
    data: bytes = decompressor.decompress(state, LARGEST_BYTES)
    if not decompressor.eof:
        msg = (
            f"more than {LARGEST_BYTES:,} bytes when decompressed"
            if len(data) >= LARGEST_BYTES
            else "the compressed bytes end too early"
        )
        raise ValueError(msg)
    return data


def _transcoded(state: bytes, done: list[str]) -> Text:
    how = f" after {' and '.join(done)}" if done else ""
    if state[:1] and state[0] in _MSGPACK_MAP:
        return _from_msgpack(state, how)
    if registered_schema(state) is not None and state[FRAME_LENGTH:].startswith(b"{"):
        state = state[FRAME_LENGTH:]  # JSON Schema: what follows the number is the text
    try:
        text = state.decode("utf-8")
    except UnicodeDecodeError as error:
        return Text(
            None,
            foreign(state)
            or f"not UTF-8 at byte {error.start} of {len(state)}{how}: "
            "encrypted, compressed in a way not known here, or damaged",
        )
    found = read_json(text)
    if found.data is None and (named := foreign(state)) is not None:
        return Text(None, named)
    return found


def _from_msgpack(state: bytes, how: str) -> Text:
    import msgspec

    try:
        odd: dict[str, list[str]] = {}
        value = _strict(msgspec.msgpack.decode(state, ext_hook=_extension), "", odd)
        text = msgspec.json.encode(value, enc_hook=str).decode()
        return Text(text, _odd_in_words(odd) if odd else None)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        return Text(
            None,
            f"neither UTF-8 nor msgpack{how}: {_said(error)}: "
            "encrypted, compressed in a way not known here, or damaged",
        )


def _extension(code: int, data: memoryview) -> dict[str, str | int]:
    return {"_ext_": code, "_data_": base64.b64encode(data).decode()}


def read_json(text: str) -> Text:
    """Return JSON text as strict JSON, with what had to be changed as its problem.

    Python's own JSON has `NaN` and `Infinity`, which no other reader takes: they
    become null. Half of a surrogate pair becomes U+FFFD. Integers beyond 64 bits
    stay, and are named, since few readers keep them whole.

    Examples
    --------
    >>> read_json('{"price": NaN}')
    Text(data='{"price":null}', problem='NaN at price: not JSON, read as null')
    >>> read_json('{"a": 1')
    Text(data=None, problem="not JSON: Expecting ',' delimiter at character 7 of 7")
    """
    odd: dict[str, list[str]] = {}
    try:
        strict = _strict(json.loads(text), "", odd)
    except json.JSONDecodeError as error:
        return Text(
            None,
            f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos} of {len(text)}",
        )
    except RecursionError:
        return Text(None, "not read: nested too deeply")
    except ValueError as error:  # integers of more than 4,300 digits
        return Text(None, f"not read: {_said(error)}")
    if not odd:
        return Text(text, None)
    problem = _odd_in_words(odd)
    if set(odd) == {_LARGE}:
        return Text(text, problem)
    return Text(json.dumps(strict, ensure_ascii=False, separators=(",", ":")), problem)


_LARGE = "integer beyond 64 bits"
_SURROGATE = "half a surrogate pair"
_MEANING = {
    "NaN": "not JSON, read as null",
    "Infinity": "not JSON, read as null",
    _SURROGATE: "no text, read as U+FFFD",
    _LARGE: "kept whole, but few readers do",
}


def _odd_in_words(odd: Mapping[str, list[str]]) -> str:
    said = (f"{what} at {_named(paths)}: {_MEANING[what]}" for what, paths in odd.items())
    return "; ".join(said)


def _named(paths: list[str]) -> str:
    more = len(paths) - MOST_NAMED
    named = ", ".join(path or "the top" for path in paths[:MOST_NAMED])
    return named + (f" and {more} more" if more > 0 else "")


def _strict(value: Any, path: str, odd: dict[str, list[str]]) -> Any:  # noqa: ANN401, JSON
    """Return a value as JSON and UTF-8 can hold it, and note in `odd` what was not so."""
    if isinstance(value, dict):
        whole = {_strict(k, path, odd): v for k, v in value.items()}
        return {k: _strict(v, f"{path}.{k}" if path else f"{k}", odd) for k, v in whole.items()}
    if isinstance(value, list):
        return [_strict(v, f"{path}[{i}]", odd) for i, v in enumerate(value)]
    if isinstance(value, str):
        return _whole(value, path, odd)
    if isinstance(value, float) and not math.isfinite(value):
        odd.setdefault("NaN" if math.isnan(value) else "Infinity", []).append(path)
        return None
    if isinstance(value, int) and not -_LARGEST_INTEGER // 2 <= value < _LARGEST_INTEGER:
        odd.setdefault(_LARGE, []).append(path)
    return value


def _whole(value: str, path: str, odd: dict[str, list[str]]) -> str:
    found = _HALF.sub("\ufffd", value)
    if found != value:
        odd.setdefault(_SURROGATE, []).append(path)
    return found


_HALF = re.compile("[\ud800-\udfff]")


def _said(error: BaseException) -> str:
    words = str(error).splitlines()
    return (words[0] if words else type(error).__name__)[:200]


def make_codec(
    *,
    cipher_key: str | None = None,
    cipher: str | None = None,
    compressor: str | None = None,
    application: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Codec:
    """Return the codec that the arguments, else the environment, describe.

    Parameters
    ----------
    cipher_key
        The key, base64 of 16, 24 or 32 bytes, as `AESCipher.create_key` makes it.
    cipher
        The topic of the cipher's class. By default the library's AES.
    compressor
        The topic of a compressor: a module or class with `decompress`.
    application
        A name whose upper case may stand before the environment's names.
    env
        The environment, `os.environ` by default: `CIPHER_KEY`, `CIPHER_TOPIC` and
        `COMPRESSOR_TOPIC`, as `eventsourcing` names them.

    Raises
    ------
    CodecError
        If a key, cipher or compressor cannot be used.
    MissingExtraError
        If no AES library is installed.
    """
    named = _Named(os.environ if env is None else env, application)
    key = cipher_key or named.value("CIPHER_KEY")
    topic = compressor or named.value("COMPRESSOR_TOPIC")
    return Codec(
        cipher=_cipher(cipher or named.value("CIPHER_TOPIC") or None, key) if key else None,
        decompress=_compressor(topic) if topic else None,
    )


class _Named:
    """The library's way to look into an environment: the application's own name first."""

    def __init__(self, env: Mapping[str, str], application: str | None) -> None:
        self._env = env
        self._prefix = f"{application.upper()}_" if application else ""

    def value(self, name: str) -> str | None:
        return self._env.get(self._prefix + name) or self._env.get(name)


_SNIFFED = {"zlib", "gzip", "bz2", "lzma", "eventsourcing.compressor:ZlibCompressor"}


def _compressor(topic: str) -> Callable[[bytes], bytes] | None:
    if topic in _SNIFFED:
        return None  # told from the bytes, row by row
    found = _resolved(topic, "compressor")
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:
        msg = f"Cannot use the compressor {topic!r}: {_said(error)}. Check its class."
        raise CodecError(msg) from error
    decompress: Callable[[bytes], bytes] | None = getattr(made, "decompress", None)
    if decompress is None:
        msg = f"Cannot use the compressor {topic!r}: it has no decompress. Name one that has."
        raise CodecError(msg)
    return decompress


def _cipher(topic: str | None, key: str) -> Cipher:
    from eventsourcing.utils import Environment

    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if topic in {None, "eventsourcing.cipher:AESCipher", "eventsourcing.cryptography:AESCipher"}:
        if size not in {16, 24, 32}:
            msg = (
                "Cannot use the cipher key: it is not base64 of 16, 24 or 32 bytes. "
                "Give the key as AESCipher.create_key made it."
            )
            raise CodecError(msg)
        found = _aes()
    else:
        found = _resolved(str(topic), "cipher")
    try:
        made: Cipher = found(Environment(env={"CIPHER_KEY": key}))
    except Exception as error:
        msg = f"Cannot use the cipher {topic!r}: {_said(error)}. Check its key and its class."
        raise CodecError(msg) from error
    if not hasattr(made, "decrypt"):
        msg = f"Cannot use the cipher {topic!r}: it has no decrypt. Name one that has."
        raise CodecError(msg)
    return made


def _aes() -> Any:  # noqa: ANN401, a class of the library, in one of two modules
    for module in ("eventsourcing.cryptography", "eventsourcing.cipher"):
        try:
            return import_module(module).AESCipher
        except ImportError:
            continue
    raise missing_extra("AES ciphers", "crypto")


def _resolved(topic: str, what: str) -> Any:  # noqa: ANN401, whatever the user named
    module, _, name = topic.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split(".") if name else ():
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, TypeError, SyntaxError) as error:
        msg = (
            f"Cannot use the {what} {topic!r}: {_said(error)}. "
            "Give it as module:Class, of a module that can be imported here."
        )
        raise CodecError(msg) from error
    return found
