"""Nothing is ever written to a store: not its bytes, its journal mode, or its folder."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest
from stores import Row, simple_rows, write_native

from workbench import Projection, handles, open_history, replay, table
from workbench.export import export

NOBODY = 65534
MANY = 200_000  # events: some parts are still to be read when a scan is cut short


class Count(Projection):
    """How many events each stream has."""

    counts = table(key={"stream": pl.String}, values={"n": pl.Int64})

    @handles("Order.Placed", "Order.Shipped")
    def seen(self, event):
        """Count the event."""
        row = self.counts.get(event.stream) or {"n": 0}
        self.counts.set(event.stream, n=row["n"] + 1)


READS = {
    "open": lambda _: None,
    "len": len,
    "scan": lambda h: h.scan().collect(),
    "streaming": lambda h: h.scan().group_by("type").len().collect(engine="streaming"),
    "first row": lambda h: h.scan().head(1).collect(),
    "half of the batches": lambda h: next(h.batches()),
    "typed": lambda h: h.events_by_type(),
    "stream": lambda h: h.of_streams("stream-1").scan().collect(),
    "types": lambda h: h.types(),
    "streams": lambda h: h.streams(),
    "rate": lambda h: h.rate(),
    "problems": lambda h: h.problems(),
    "state": lambda h: h.state(1),
    "snapshots": lambda h: h.snapshots(),
    "receivers": lambda h: h.receivers(),
    "replay": lambda h: replay(h, Count).table("counts"),
    "repr": lambda h: h._repr_html_(),
}


def fingerprint(folder):
    """Return what is in a folder: names, times of change, and the bytes of what is stored.

    The `-shm` file is memory that readers and writers share; its bytes are no content.
    """
    return {
        path.name: (
            path.stat().st_mtime_ns if path.suffix != ".db-shm" else None,
            sha256(path.read_bytes()).hexdigest() if not path.name.endswith("-shm") else None,
        )
        for path in sorted(folder.iterdir())
        if path.suffix != ".db-shm"
    } | {path.name: None for path in folder.glob("*-shm")}


def rollback(folder):
    """Write a store with a rollback journal."""
    return write_native(folder / "a.db", simple_rows(50)), []


def wal(folder):
    """Write a store in WAL mode that nobody has open."""
    return write_native(folder / "a.db", simple_rows(50), wal=True), []


def wal_with_a_writer(folder):
    """Write a store in WAL mode that a writer has open, with an event not yet in the file."""
    path = write_native(folder / "a.db", simple_rows(50), wal=True)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute(
        "INSERT INTO stored_events VALUES ('stream-1', 99, 'shop:Order.Shipped', x'7b7d')"
    )
    return path, [writer]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("make", [rollback, wal, wal_with_a_writer])
def test_reading_changes_nothing(tmp_path, make, read):
    """After any reading, the folder is as it was: listing, bytes, times of change."""
    path, open_ones = make(tmp_path)
    before = fingerprint(tmp_path)
    READS[read](open_history(path))
    after = fingerprint(tmp_path)
    for connection in open_ones:
        connection.close()
    assert after == before


@pytest.mark.parametrize(("make", "mode"), [(rollback, "delete"), (wal, "wal")])
def test_journal_mode_stays(tmp_path, make, mode):
    """The journal mode is the one that it was."""
    path, _ = make(tmp_path)
    open_history(path).scan().collect()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == (mode,)


def test_export_changes_nothing(tmp_path):
    """Exporting a store leaves its folder as it was."""
    (tmp_path / "store").mkdir()
    path, _ = wal(tmp_path / "store")
    before = fingerprint(tmp_path / "store")
    export(open_history(path), tmp_path / "out.parquet")
    assert fingerprint(tmp_path / "store") == before


def test_newest_event_of_a_live_writer_is_seen(tmp_path):
    """What a writer has committed is there, also while it is only in the `-wal` file."""
    path, (writer,) = wal_with_a_writer(tmp_path)
    history = open_history(path)
    found = (history.head, len(history), history.scan().collect().height)
    writer.close()
    assert found == (51, 51, 51)


def test_uncommitted_event_is_not_seen(tmp_path):
    """What a writer may still take back is not there."""
    path, (writer,) = wal_with_a_writer(tmp_path)
    writer.execute("BEGIN")
    writer.execute("INSERT INTO stored_events VALUES ('x', 1, 'shop:Order.Shipped', x'7b7d')")
    found = len(open_history(path))
    writer.rollback()
    writer.close()
    assert found == 51


def test_writer_that_begins_while_a_history_is_open(tmp_path):
    """A history that was opened before the writer began shows what the writer commits."""
    path, _ = wal(tmp_path)
    history = open_history(path)
    assert len(history) == 50
    with closing(sqlite3.connect(path)) as writer:
        with writer:
            writer.execute(
                "INSERT INTO stored_events VALUES ('s', 1, 'shop:Order.Shipped', x'7b7d')"
            )
        assert history.scan().collect()["position"].max() == 51
    assert history.scan().collect()["position"].max() == 51


def test_wal_without_shm_is_read_from_a_copy(tmp_path):
    """A `-wal` without its `-shm`, as a copied store has it, is read, and neither is changed."""
    (tmp_path / "live").mkdir()
    path, (writer,) = wal_with_a_writer(tmp_path / "live")
    (tmp_path / "copy").mkdir()
    for name in ("a.db", "a.db-wal"):
        (tmp_path / "copy" / name).write_bytes((path.parent / name).read_bytes())
    writer.close()
    before = fingerprint(tmp_path / "copy")
    assert len(open_history(tmp_path / "copy" / "a.db")) == 51
    assert fingerprint(tmp_path / "copy") == before


@contextmanager
def as_nobody():
    """Run as a user who may not write; only root can become one."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.parametrize("make", [rollback, wal])
def test_read_only_folder(tmp_path, make):
    """A store in a folder that nobody may write to is read."""
    path, _ = make(tmp_path)
    open_history(path).scan().collect()  # all modules are loaded while they may be
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest"):
            folder.chmod(0o755)
    tmp_path.chmod(0o555)
    path.chmod(0o444)
    before = fingerprint(tmp_path)
    if os.geteuid() == 0:
        with as_nobody():
            found = open_history(path).scan().collect().height
    else:
        found = open_history(path).scan().collect().height
    assert fingerprint(tmp_path) == before
    tmp_path.chmod(0o755)
    assert found == 50


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return a store of many parts."""
    rows = (
        Row(n, f"s{n % 100}", n // 100, "shop:Order.Placed", b'{"n":1}') for n in range(1, MANY)
    )
    return write_native(tmp_path_factory.mktemp("large") / "a.db", rows, wal=True)


def open_files(path):
    """Return how often this process has a file open."""
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            links.append(fd.readlink())
        except FileNotFoundError:
            continue
    return sum(link == path for link in links)


CUTS = {
    "batches": lambda h: next(h.batches()),
    "scan": lambda h: h.scan().head(10).collect(),
    "streaming": lambda h: h.scan().head(10).collect(engine="streaming"),
    "error in a query": lambda h: (
        h.scan().select(pl.col("position").map_elements(lambda _: 1 / 0)).collect()
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cut", CUTS)
def test_nothing_is_left_of_a_scan_that_was_cut_short(large, cut):
    """No thread and no open file is left when a reading is given up."""
    before = {thread.name for thread in threading.enumerate()}
    try:
        CUTS[cut](open_history(large))
    except (pl.exceptions.PolarsError, ZeroDivisionError):
        assert cut == "error in a query"
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith("workbench")]
    assert open_files(large) == 0


def test_writer_that_appends_while_a_scan_runs(large, tmp_path):
    """A scan has every event that was there when it began, once, and in order."""
    path = tmp_path / "a.db"
    path.write_bytes(large.read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        found = []
        for n, frame in enumerate(open_history(path).batches(("position",))):
            found += frame["position"].to_list()
            writer.execute(
                "INSERT INTO stored_events VALUES (?, 1, 'shop:Order.New', x'7b7d')", (f"new{n}",)
            )
    assert found == list(range(1, MANY))
