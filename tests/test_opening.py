"""What cannot be opened is refused in one line that says what to do, and stays as it was."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, suppress
from itertools import count

import pytest
from eventsourcing import cryptography
from hypothesis import given
from hypothesis import strategies as st
from ledger import ENCODINGS, make_app
from stores import Row, simple_rows, write_native

from workbench import WorkbenchError, errors, open_history

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def not_sqlite(folder):
    """Write a text file."""
    (folder / "a.db").write_text("hello, world, this is no database")
    return folder / "a.db"


def empty(folder):
    """Write an empty file."""
    (folder / "a.db").touch()
    return folder / "a.db"


def truncated(folder):
    """Write a store without its end."""
    path = write_native(folder / "a.db", simple_rows(500))
    path.write_bytes(path.read_bytes()[:9_000])
    return path


def header_only(folder):
    """Write the first bytes of a store."""
    path = write_native(folder / "a.db", simple_rows(3))
    path.write_bytes(path.read_bytes()[:40])
    return path


def without_events(folder):
    """Write a database of other tables."""
    with closing(sqlite3.connect(folder / "a.db")) as db:
        db.execute("CREATE TABLE customers (name TEXT)")
    return folder / "a.db"


def locked(folder):
    """Write a store that another connection holds locked for good."""
    path = write_native(folder / "a.db", simple_rows(3))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    HELD.append(holder)
    return path


HELD = []

CASES = [
    (lambda folder: folder / "none.db", errors.StoreNotFoundError, "no such file"),
    (lambda folder: folder / "no" / "none.db", errors.StoreNotFoundError, "no folder"),
    (lambda folder: folder, errors.StoreUnreadableError, "is a directory"),
    (empty, errors.StoreUnreadableError, "is empty"),
    (not_sqlite, errors.StoreUnreadableError, "not a SQLite file"),
    (truncated, errors.StoreUnreadableError, "truncated"),
    (header_only, errors.StoreUnreadableError, "truncated"),
    (without_events, errors.UnknownLayoutError, "customers"),
    (locked, errors.StoreLockedError, "locked"),
    (lambda _: "mqtt://host:1/topic", errors.UnknownTargetError, "'mqtt'"),
    (lambda _: "sqlite://shop.db", errors.UnknownTargetError, "three slashes"),
    (lambda _: "", errors.UnknownTargetError, "no target"),
    (lambda _: 42, errors.UnknownTargetError, "int"),
    (lambda _: None, errors.UnknownTargetError, "NoneType"),
]


@pytest.mark.parametrize(("make", "kind", "said"), CASES)
def test_target_is_refused(tmp_path, make, kind, said):
    """The error is of the project's tree, in one line, and nothing on disk has changed."""
    target = make(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(kind, match=said) as caught:
        open_history(target)
    while HELD:
        HELD.pop().close()
    assert isinstance(caught.value, WorkbenchError)
    assert "\n" not in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_password_of_a_url_is_not_shown():
    """An error does not repeat credentials."""
    with pytest.raises(errors.UnknownTargetError) as caught:
        open_history("mysql://user:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:///{}", "{}"])
def test_path_and_url_name_the_same(store, url, monkeypatch):
    """A store is opened by its path or its URL."""
    monkeypatch.chdir(store.parent)
    assert len(open_history(url.format("store.db"))) == 30
    assert len(open_history(url.format(store))) == 30


@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b.db", "a%20b.db", "größe.db", "a&b.db"])
def test_path_with_odd_characters(tmp_path, name):
    """Characters that mean something in a URL are part of a path."""
    assert len(open_history(write_native(tmp_path / name, simple_rows(3)))) == 3


def test_truncated_later_is_an_error_of_the_tree(tmp_path):
    """A store that loses its end while it is open is reported, not half read."""
    path = write_native(tmp_path / "a.db", simple_rows(5_000))
    history = open_history(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(errors.StoreUnreadableError):
        history.scan().collect()


def test_store_that_vanished_is_an_error_of_the_tree(store):
    """A store that is gone is reported when it is read."""
    history = open_history(store)
    store.unlink()
    with pytest.raises(errors.WorkbenchError):
        history.scan().collect()


@given(st.data())
def test_damaged_store_is_a_result_or_an_error_of_the_tree(new_path, data):
    """Whatever bytes of a store are changed: there is a table, or an error of the tree."""
    path = write_native(new_path(), simple_rows(40))
    damaged = bytearray(path.read_bytes())
    places = st.integers(0, 99) | st.integers(0, len(damaged) - 1)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(places)] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(damaged))
    with suppress(WorkbenchError):
        history = open_history(path)
        history.scan().collect()
        history.problems()


def encrypted(path):
    """Write an encrypted store."""
    (encoding,) = [e for e in ENCODINGS if e.name == "aes"]
    app = make_app(path, encoding)
    encoding.fill(app)
    app.close()
    return encoding


def test_wrong_key_is_refused(tmp_path):
    """A key that fits no event is an error, not a table of undecodable rows."""
    encrypted(tmp_path / "a.db")
    with pytest.raises(errors.WrongKeyError, match="fits none"):
        open_history(tmp_path / "a.db", cipher_key=KEY)


def test_missing_key_gives_rows_with_problems(tmp_path, monkeypatch):
    """Without a key, every event is there, and has a problem: that it may be encrypted."""
    # A ciphertext may begin, by chance, as Protobuf or as something compressed does: not so here.
    numbers = count()
    monkeypatch.setattr(
        cryptography.AESCipher,
        "random_bytes",
        staticmethod(lambda size: b"\xff" * (size - 4) + next(numbers).to_bytes(4, "big")),
    )
    encrypted(tmp_path / "a.db")
    table = open_history(tmp_path / "a.db", env={}).scan().collect()
    assert table["data"].null_count() == table.height > 0
    assert table["problem"].null_count() == 0
    assert table["problem"].str.contains("encrypted").all()


def test_key_from_the_environment(tmp_path):
    """The key is found under the library's own name."""
    encoding = encrypted(tmp_path / "a.db")
    env = {"CIPHER_KEY": encoding.opening["cipher_key"]}
    assert open_history(tmp_path / "a.db", env=env).scan().collect()["problem"].null_count() > 0


def test_key_of_the_application_goes_first(tmp_path):
    """A name with the application's prefix wins over the plain one."""
    encoding = encrypted(tmp_path / "a.db")
    env = {"CIPHER_KEY": KEY, "BANK_CIPHER_KEY": encoding.opening["cipher_key"]}
    assert len(open_history(tmp_path / "a.db", application="bank", env=env)) > 0


@pytest.mark.parametrize("key", ["abc", "%%%", "QUJD"])
def test_malformed_key_is_refused(store, key):
    """A key of the wrong form is refused before anything is read, and not repeated."""
    with pytest.raises(errors.CodecError, match="base64") as caught:
        open_history(store, cipher_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("topic", ["nowhere:Compressor", "json:nothing", "json", ":", ""])
def test_unusable_compressor(store, topic):
    """A compressor that cannot be imported, or is none, is refused; an empty name is none."""
    if not topic:
        assert len(open_history(store, compressor=topic)) == 30
        return
    with pytest.raises(errors.CodecError, match="compressor"):
        open_history(store, compressor=topic)


def test_stored_topic_is_never_imported(tmp_path, monkeypatch):
    """A module that a stored topic names is not imported, whatever is asked."""
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    rows = [Row(1, "a", 1, "trap:Order.Placed", b'{"originator_topic":"trap:Order"}')]
    history = open_history(write_native(tmp_path / "a.db", rows))
    history.events("Order.Placed")
    for answer in (history.types, history.streams, history.problems, history.rate):
        answer()
    assert "trap" not in sys.modules


@pytest.mark.parametrize(
    "name",
    ["", "'; DROP TABLE stored_events; --", 'a"b', "%s", "{}", "a\nb", "é" * 500, "\u202e"],
)
def test_hostile_names_are_only_names(tmp_path, name):
    """Any text may be a stream or a type, and is found by it."""
    rows = [*simple_rows(3), Row(9, name, 1, name, b"{}")]
    history = open_history(write_native(tmp_path / "a.db", rows))
    assert history.of_streams(name).scan().collect()["position"].to_list() == [9]
    assert history.of_types(name).scan().collect()["position"].to_list() == [9]
