"""Payloads are read without classes; what cannot be read takes no neighbour with it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import PLACED, Row, to_json, write_native
from strategies import payloads, states, undecodable

from workbench import open_history
from workbench.payload.codec import LARGEST_BYTES, Codec, read_json
from workbench.payload.native import fields_of

PLAIN = b'{"n":1,"text":"\xc3\xa9"}'
ENCODED = {
    "plain": PLAIN,
    "zlib": zlib.compress(PLAIN),
    "zlib, no compression": zlib.compress(PLAIN, 0),
    "gzip": gzip.compress(PLAIN),
    "bz2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
    "msgpack": msgspec.msgpack.encode(json.loads(PLAIN)),
    "msgpack in zlib": zlib.compress(msgspec.msgpack.encode(json.loads(PLAIN))),
}


@pytest.mark.parametrize("how", ENCODED)
def test_encoding_is_told_from_the_bytes(how):
    """Each encoding is undone, with no problem."""
    read = Codec().read(ENCODED[how])
    assert (json.loads(read.data), read.problem) == (json.loads(PLAIN), None)


@pytest.mark.parametrize("how", [how for how in ENCODED if how != "plain"])
def test_truncated_encoding_is_a_problem(how):
    """Bytes that end too early give no data, and a reason."""
    read = Codec().read(ENCODED[how][:-3])
    assert read.data is None
    assert read.problem


def test_decompression_is_bounded():
    """A payload that grows without end is given up."""
    bomb = zlib.compress(bytes(LARGEST_BYTES + 1), 1)
    assert "more than" in Codec().read(bomb).problem


@given(st.one_of(st.none(), st.binary(max_size=200)))
def test_no_bytes_raise(state):
    """Whatever is stored, reading it returns data that is JSON, or a reason."""
    read = Codec().read(state)
    assert (read.data is None) <= (read.problem is not None)
    if read.data is not None:
        msgspec.json.decode(read.data, type=msgspec.Raw)


@given(st.text(max_size=80))
def test_no_text_raises(text):
    """Whatever a text is, it is JSON or not, and says so."""
    read = read_json(text)
    assert (read.data is None) <= (read.problem is not None)


@given(payloads())
def test_fields_are_those_that_were_encoded(payload):
    """Encoding and reading a payload gives its names back."""
    named = set(fields_of(to_json(payload).decode()))
    assert named == set(payload) - {"timestamp", "class_version"}


@pytest.mark.parametrize(
    ("text", "data", "said"),
    [
        ('{"a":NaN}', '{"a":null}', "NaN at a"),
        ('{"a":[1,-Infinity]}', '{"a":[1,null]}', r"Infinity at a\[1\]"),
        ('{"a":18446744073709551616}', '{"a":18446744073709551616}', "64 bits at a"),
    ],
)
def test_odd_value_is_named(tmp_path, text, data, said):
    """What strict JSON has not is null, or kept, and named in `problem`."""
    rows = [Row(1, "a", 1, PLACED, text.encode())]
    table = open_history(write_native(tmp_path / "a.db", rows)).scan().collect()
    assert table["data"].to_list() == [data]
    assert table["problem"].str.contains(said).all()


@given(st.lists(states(), min_size=1, max_size=6), undecodable(), st.integers(0, 6))
def test_bad_row_takes_no_neighbour_with_it(new_path, good, bad, place):
    """The rows around a bad one are read as if it were not there."""
    rows = [Row(2 * n + 2, "a", n + 1, PLACED, state) for n, state in enumerate(good)]
    with_bad = [*rows, Row(2 * place + 1, "b", 1, PLACED, bad)]
    clean = open_history(write_native(new_path(), rows))
    mixed = open_history(write_native(new_path(), sorted(with_bad)))
    kept = mixed.scan().collect().filter(pl.col("stream") == "a")
    assert_frame_equal(kept, clean.scan().collect())
    assert mixed.events("Order.Placed").height == len(with_bad)


@pytest.mark.parametrize("state", [None, b"", b"\xff\xfe", b"{", b"nonsense", "text", 42])
def test_bad_row_is_a_row(tmp_path, state):
    """A payload that cannot be decoded is a row with null data and a reason."""
    rows = [Row(1, "a", 1, PLACED, state)]
    table = open_history(write_native(tmp_path / "a.db", rows)).scan().collect()
    found = table.select("position", "data", "time").row(0)
    assert found[0] == 1
    assert (found[1] is None) == (table["problem"][0] is not None) or state == 42
