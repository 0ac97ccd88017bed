"""Stored bytes become JSON text, whatever was done to them, or a reason why not."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import KEY, OTHER_KEY
from stores import Row, simple_rows, to_json, write_native
from strategies import texts, values

from workbench import open_history
from workbench.errors import CodecError, MissingExtraError, WorkbenchError, WrongKeyError
from workbench.payload import codec as codec_module
from workbench.payload.codec import Codec, Text, make_codec, read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = b'{"a":"\xc3\xa9","b":[1,2.5,null,true]}'
NOTHING: dict[str, str] = {}


def aes(plaintext: bytes, key: str = KEY) -> bytes:
    """Return bytes as the library encrypts them."""
    from eventsourcing.cryptography import AESCipher
    from eventsourcing.utils import Environment

    return AESCipher(Environment(env={"CIPHER_KEY": key})).encrypt(plaintext)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "zlib": zlib.compress,
    "zlib-0": lambda data: zlib.compress(data, 0),
    "zlib-1": lambda data: zlib.compress(data, 1),
    "zlib-9": lambda data: zlib.compress(data, 9),
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


# What is recognised


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_compression_is_recognised(compress: Callable[[bytes], bytes]) -> None:
    """zlib, gzip, bz2 and xz are told from the first bytes, at every level."""
    assert Codec().read(compress(PLAIN)) == Text(PLAIN.decode(), None)


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_compression_under_encryption(compress: Callable[[bytes], bytes]) -> None:
    """What was compressed and then encrypted is deciphered and then decompressed."""
    codec = make_codec(cipher_key=KEY, env=NOTHING)
    assert codec.read(aes(compress(PLAIN))) == Text(PLAIN.decode(), None)


@given(value=st.dictionaries(texts(), values()))
def test_msgpack_maps_become_json(value: dict[str, Any]) -> None:
    """A msgpack map is the JSON of the same value."""
    read = Codec().read(msgspec.msgpack.encode(value))
    assert read.problem is None
    assert json.loads(read.data or "") == json.loads(msgspec.json.encode(value))


@given(value=values())
def test_json_stays_as_it_is(value: Any) -> None:
    """JSON text that any reader takes is not touched."""
    text = to_json(value)
    assert Codec().read(text) == Text(text.decode(), None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({1: "a"}, '{"1":"a"}'),
        ({"a": b"\x00\xff"}, '{"a":"AP8="}'),
        ({"a": msgspec.msgpack.Ext(5, b"x")}, '{"a":{"_ext_":5,"_data_":"eA=="}}'),
        ({}, "{}"),
    ],
)
def test_what_msgpack_has_and_json_has_not(value: Any, text: str) -> None:
    """Keys that are numbers become texts, bytes base64, extensions their number and data."""
    assert Codec().read(msgspec.msgpack.encode(value)) == Text(text, None)


# What cannot be read


@given(state=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(state: bytes) -> None:
    """Reading any bytes gives JSON, or says why not, and never raises."""
    read = Codec().read(state)
    assert (read.data is None) <= (read.problem is not None)
    assert read.data is None or json.loads(read.data, parse_constant=pytest.fail) is not ...


@given(
    state=st.binary(max_size=60), cut=st.integers(0, 40), name=st.sampled_from(sorted(COMPRESSORS))
)
def test_damaged_bytes_are_read_or_refused(state: bytes, cut: int, name: str) -> None:
    """Reading compressed bytes that were cut, or have others after them, never raises."""
    read = Codec().read(COMPRESSORS[name](PLAIN)[:cut] + state)
    assert (read.data is None) <= (read.problem is not None)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (None, "no payload is stored"),
        (b"", "no payload is stored"),
        (b'{"a":1', "not JSON: Expecting ',' delimiter at character 6 of 6"),
        (b'{"a":"\x00"}', "not JSON: Invalid control character at character 6 of 9"),
        (b"nonsense", "not JSON: Expecting value at character 0 of 8"),
        (
            b"\xef\xbb\xbf{}",
            "not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at character 0 of 3",
        ),
        (
            b'{"a":"\xff"}',
            "not UTF-8 at byte 6 of 9: encrypted, compressed in a way not known here, or damaged",
        ),
        (zlib.compress(PLAIN)[:-5], "not decompressed: the compressed bytes end too early"),
        (
            gzip.compress(PLAIN, mtime=0)[:-9],
            "not decompressed: the compressed bytes end too early",
        ),
        (bz2.compress(PLAIN)[:-9], "not decompressed: the compressed bytes end too early"),
        (lzma.compress(PLAIN)[:-9], "not decompressed: the compressed bytes end too early"),
        (zlib.compress(b"\xff"), "not UTF-8 at byte 0 of 1 after zlib: "),
        (zlib.compress(b"{"), "not JSON: "),
        (b"x\x9cbroken", "not decompressed: "),
        (b"\x81\xa1a", "neither UTF-8 nor msgpack: "),
        (b"[" * 100_000, "not read: nested too deeply"),
        (b"9" * 5_000, "not read: Exceeds the limit (4300 digits)"),
    ],
)
def test_why_bytes_cannot_be_read(state: bytes | None, problem: str) -> None:
    """The problem says in words, on one line, at which step reading ended."""
    read = Codec().read(state)
    assert read.data is None
    assert (read.problem or "").startswith(problem)
    assert "\n" not in (read.problem or "")


@pytest.mark.parametrize("name", ["zlib", "gzip", "bz2", "xz"])
def test_a_bomb_is_not_blown_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that grows beyond the bound is refused, not held in memory."""
    monkeypatch.setattr(codec_module, "LARGEST_BYTES", 10_000)
    bomb = COMPRESSORS[name](b'"' + b"a" * 1_000_000 + b'"')
    assert (
        Codec().read(bomb).problem == "not decompressed: more than 10,000 bytes when decompressed"
    )


def test_a_large_payload_is_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload just below the bound is read."""
    monkeypatch.setattr(codec_module, "LARGEST_BYTES", 10_000)
    text = b'"' + b"a" * 9_000 + b'"'
    assert Codec().read(zlib.compress(text)).data == text.decode()


# JSON that is none


@pytest.mark.parametrize(
    ("text", "data", "problem"),
    [
        ('{"a":NaN}', '{"a":null}', "NaN at a: not JSON, read as null"),
        ("NaN", "null", "NaN at the top: not JSON, read as null"),
        (
            '{"a":[1,-Infinity],"b":{"c":Infinity}}',
            '{"a":[1,null],"b":{"c":null}}',
            "Infinity at a[1], b.c: not JSON, read as null",
        ),
        (
            '{"a":[NaN,NaN,NaN,NaN,NaN]}',
            '{"a":[null,null,null,null,null]}',
            "NaN at a[0], a[1], a[2] and 2 more: not JSON, read as null",
        ),
        (
            '{"a":"\\ud800"}',
            '{"a":"\ufffd"}',
            "half a surrogate pair at a: no text, read as U+FFFD",
        ),
        (
            '{"\\udc00":1}',
            '{"\ufffd":1}',
            "half a surrogate pair at the top: no text, read as U+FFFD",
        ),
        (
            '{"a":NaN,"b":18446744073709551616}',
            '{"a":null,"b":18446744073709551616}',
            (
                "NaN at a: not JSON, read as null; "
                "integer beyond 64 bits at b: kept whole, but few readers do"
            ),
        ),
    ],
)
def test_json_that_is_mended(text: str, data: str, problem: str) -> None:
    """What Python writes and no other reader takes is mended, and named with its place."""
    assert read_json(text) == Text(data, problem)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**100])
def test_large_integers_are_kept_whole(number: int) -> None:
    """An integer beyond 64 bits stays in the text as it is, and is named."""
    read = read_json(f'{{"a":{number}}}')
    assert read.data == f'{{"a":{number}}}'
    assert "integer beyond 64 bits at a" in (read.problem or "")


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 0])
def test_integers_of_64_bits_are_no_problem(number: int) -> None:
    """An integer that fits 64 bits, signed or not, is ordinary."""
    assert read_json(f'{{"a":{number}}}').problem is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_of_msgpack_that_are_none(value: float) -> None:
    """A NaN in a msgpack map is null with its problem, as in JSON."""
    read = Codec().read(msgspec.msgpack.encode({"a": value}))
    assert read.data == '{"a":null}'
    assert "at a: not JSON, read as null" in (read.problem or "")


# In a history


@pytest.mark.parametrize(
    ("state", "data", "problem"),
    [
        (
            b'{"a":123456789012345678901234567890}',
            '{"a":123456789012345678901234567890}',
            "integer",
        ),
        (b'{"a":NaN}', '{"a":null}', "NaN"),
        (b'{"a":"\\ud800"}', '{"a":"\ufffd"}', "half a surrogate"),
        (b'{"a":' + b"9" * 5_000 + b"}", None, "not read: Exceeds the limit"),
        (b'{"a":' + b"[" * 5_000, None, "not read: nested too deeply"),
        ('{"text":"state"}', '{"text":"state"}', None),
        (5, "5", None),
        (2.5, "2.5", None),
        (None, None, "no payload is stored"),
    ],
)
def test_odd_payloads_of_a_store(
    tmp_path: Path, state: Any, data: str | None, problem: str | None
) -> None:
    """Each odd payload is a row with its problem, and its neighbours are as they were."""
    rows = [
        Row(1, "s", 1, "a:B", PLAIN),
        Row(2, "s", 2, "a:B", state),
        Row(3, "s", 3, "a:B", PLAIN),
    ]
    found = open_history(write_native(tmp_path / "store.db", rows)).scan().collect()
    assert found["data"].to_list() == [PLAIN.decode(), data, PLAIN.decode()]
    assert found["problem"].is_null().to_list() == [True, problem is None, True]
    assert (found["problem"][1] or "").startswith(problem or "")


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_encodings_may_change_from_row_to_row(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Compression that was switched on or off during the life of a store is no matter."""
    rows = [Row(1, "s", 1, "a:B", PLAIN), Row(2, "s", 2, "a:B", compress(PLAIN))]
    found = open_history(write_native(tmp_path / "store.db", rows)).scan().collect()
    assert found["data"].to_list() == [PLAIN.decode()] * 2


# Keys


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    """Return a store of 50 encrypted events."""
    rows = [row._replace(state=aes(row.state)) for row in simple_rows(50)]
    return write_native(tmp_path / "store.db", rows)


def test_without_a_key_encrypted_rows_are_problems(encrypted: Path) -> None:
    """An encrypted store opens without a key, and each row says why it is not decoded."""
    found = open_history(encrypted, env=NOTHING).scan().collect()
    assert found["data"].null_count() == 50
    assert found["problem"].null_count() == 0
    assert found["position"].to_list() == list(range(1, 51))


def test_a_wrong_key_is_an_error(encrypted: Path) -> None:
    """A key that fits no event is refused at the door."""
    with pytest.raises(WrongKeyError, match=r"fits none of 40 events.*Give the key that wrote"):
        open_history(encrypted, cipher_key=OTHER_KEY)


def test_a_wrong_key_on_a_plain_store_is_an_error(store: Path) -> None:
    """A key for a store that is not encrypted fits none of its events."""
    with pytest.raises(WrongKeyError):
        open_history(store, cipher_key=KEY)


def test_a_key_that_fits_some_events_opens(tmp_path: Path) -> None:
    """Where a key was changed once, the events of the other key are problems."""
    rows = [
        row._replace(state=aes(row.state, KEY if row.position <= 25 else OTHER_KEY))
        for row in simple_rows(50)
    ]
    history = open_history(write_native(tmp_path / "store.db", rows), cipher_key=OTHER_KEY)
    found = history.scan().filter(pl.col("problem").is_null()).collect()
    assert found["position"].to_list() == list(range(26, 51))


def test_a_key_for_an_empty_store(tmp_path: Path) -> None:
    """A store without events cannot prove a key wrong."""
    assert len(open_history(write_native(tmp_path / "store.db", []), cipher_key=KEY)) == 0


@pytest.mark.parametrize("name", ["CIPHER_KEY", "SHOP_CIPHER_KEY"])
def test_the_key_may_stand_in_the_environment(encrypted: Path, name: str) -> None:
    """The library's own name is looked up, with the application's name before it first."""
    history = open_history(encrypted, application="shop", env={name: KEY})
    assert history.scan().collect()["problem"].null_count() == 50


def test_the_applications_own_key_goes_first(encrypted: Path) -> None:
    """A key under the application's name goes before the common one."""
    env = {"CIPHER_KEY": OTHER_KEY, "SHOP_CIPHER_KEY": KEY}
    assert len(open_history(encrypted, application="shop", env=env)) == 50


def test_an_argument_goes_before_the_environment(encrypted: Path) -> None:
    """A key that is given is used, whatever the environment says."""
    assert len(open_history(encrypted, cipher_key=KEY, env={"CIPHER_KEY": OTHER_KEY})) == 50


def test_the_process_environment_is_looked_into(
    encrypted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the environment is the process's own."""
    monkeypatch.setenv("CIPHER_KEY", KEY)
    assert open_history(encrypted).scan().collect()["problem"].null_count() == 50


@pytest.mark.parametrize("key", ["short", "", "!!!", b64encode(bytes(17)).decode(), "é" * 24])
def test_a_key_of_no_use(key: str) -> None:
    """A key that is not base64 of 16, 24 or 32 bytes is refused before anything is read."""
    with pytest.raises(CodecError, match="not base64 of 16, 24 or 32 bytes"):
        make_codec(cipher_key=key or "=", env=NOTHING)


def test_a_key_is_never_quoted() -> None:
    """An error about a key does not show it."""
    with pytest.raises(CodecError) as caught:
        make_codec(cipher_key="c2VjcmV0", env=NOTHING)
    assert "c2VjcmV0" not in str(caught.value)


def test_without_a_cipher_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no AES package is installed, the error names the extra and the install line."""
    import sys

    monkeypatch.setitem(sys.modules, "eventsourcing.cryptography", None)
    monkeypatch.setitem(sys.modules, "eventsourcing.cipher", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'event-workbench\[crypto\]'"):
        make_codec(cipher_key=KEY, env=NOTHING)


# Ciphers and compressors by topic


@pytest.mark.parametrize(
    "topic", ["no_such_module", "no_such:Thing", "json:NoSuch", "", ":", "a b:c", "..x", "ledger:"]
)
@pytest.mark.parametrize("what", ["cipher", "compressor"])
def test_a_topic_that_is_none(topic: str, what: str) -> None:
    """A topic that cannot be imported is an error that quotes it."""
    given = {what: topic or " ", "cipher_key": KEY}
    with pytest.raises(CodecError, match="Cannot use the"):
        make_codec(**given, env=NOTHING)


@pytest.mark.parametrize("topic", ["json", "pathlib:Path", "ledger:KEY", "json:decoder"])
def test_a_compressor_that_is_none(topic: str) -> None:
    """A compressor without `decompress` is refused."""
    with pytest.raises(CodecError, match="it has no decompress"):
        make_codec(compressor=topic, env=NOTHING)


def test_a_compressor_that_cannot_be_made() -> None:
    """A compressor whose class wants arguments is refused."""
    with pytest.raises(CodecError, match="Cannot use the compressor 'ledger:Masked'"):
        make_codec(compressor="ledger:Masked", env=NOTHING)


@pytest.mark.parametrize("topic", ["json", "pathlib:Path", "ledger:KEY", "builtins:repr"])
def test_a_cipher_that_is_none(topic: str) -> None:
    """A cipher without `decrypt` is refused."""
    with pytest.raises(CodecError, match="Cannot use the cipher"):
        make_codec(cipher=topic, cipher_key=KEY, env=NOTHING)


def test_a_compressor_is_not_imported_unless_named(store: Path) -> None:
    """Opening a store imports nothing that its events name."""
    assert open_history(store, env=NOTHING).codec == Codec()


@pytest.mark.parametrize(
    "topic", ["zlib", "gzip", "bz2", "lzma", "eventsourcing.compressor:ZlibCompressor"]
)
def test_a_compressor_that_is_recognised_is_not_needed(topic: str) -> None:
    """A compressor that the bytes tell is not set, so that rows without it are read too."""
    assert make_codec(compressor=topic, env=NOTHING).decompress is None


def test_a_compressor_that_does_not_fit(tmp_path: Path) -> None:
    """Rows that a named compressor refuses are problems."""
    path = write_native(tmp_path / "store.db", simple_rows(3))
    found = open_history(path, compressor="ledger:Backwards").scan().collect()
    assert found["problem"].to_list() == ["not decompressed: not turned around"] * 3


def test_the_environment_of_the_tests_names_no_cipher() -> None:
    """These tests do not depend on the environment that they run in."""
    assert not {"CIPHER_KEY", "CIPHER_TOPIC", "COMPRESSOR_TOPIC"} & set(os.environ)


def test_codec_errors_are_of_the_tree() -> None:
    """The errors about codecs are the project's own."""
    assert all(issubclass(e, WorkbenchError) for e in (CodecError, WrongKeyError))
