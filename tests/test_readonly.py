"""Reading leaves a store as it was: bytes, journal mode, times and folder listing."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from itertools import count
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import FIXTURES, Fixture, fixture_id
from ledger import ENCODINGS, Account, make_app
from stores import (
    BEGIN,
    INSERT,
    PLACED,
    Row,
    append,
    cut_parts,
    simple_rows,
    started_threads,
    state_of,
    write_native,
)

from workbench import Projection, handles, open_history, replay, table
from workbench.errors import StoreLockedError, StoreNotFoundError, StoreUnreadableError
from workbench.export import export
from workbench.samples import shop_path
from workbench.sources import sqlite_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench import History

NOBODY = 65534


class Entry(NamedTuple):
    """What a file is, as far as reading could change it."""

    digest: str
    size_bytes: int
    mtime_ns: int
    mode: int


def entries(folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, Entry]:
    """Return what lies in a folder, with the bytes and times of each file."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.endswith(but or ("\0",)):
            stat = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.name] = Entry(digest, stat.st_size, stat.st_mtime_ns, stat.st_mode)
    return found


def journal_mode(path: Path) -> int:
    """Return the header's byte of the journal mode: 1 is a rollback journal, 2 is WAL."""
    with path.open("rb") as file:
        return file.read(20)[18]


class Seen(Projection):
    """A projection, so that a replay is among the ways of reading."""

    seen = table(key={"stream": pl.String}, values={"events": pl.Int64})

    @handles("Order.Placed")
    def placed(self, event):
        """Count the event."""
        row = self.seen.get(event.stream) or {"events": 0}
        self.seen.set(event.stream, events=row["events"] + 1)


def read_in_every_way(history: History) -> int:
    """Call every method that reads, and return the number of events."""
    position = history.head or 0
    history.types()
    history.streams()
    history.rate("1d", by="stream")
    history.problems()
    history.receivers()
    history.snapshots()
    history.events_by_type()
    history.events()
    history.state(position)
    history.since("2000-01-01").scan().collect(engine="streaming")
    history.scan().select("type").head(2).collect()
    history.scan().tail(3).collect()
    history._repr_html_()
    repr(history)
    replay(history, Seen, on_error="collect")
    next(iter(history.batches()))  # and leave the rest
    return len(history)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of its own."""
    found = tmp_path / "folder"
    found.mkdir()
    return found


@contextmanager
def nothing_changes(folder: Path, *, but: tuple[str, ...] = ()) -> Iterator[None]:
    """Assert that the folder is the same at the end."""
    before = entries(folder, but=but)
    listing = sorted(os.listdir(folder))
    yield
    gc.collect()
    assert sorted(os.listdir(folder)) == listing
    assert entries(folder, but=but) == before


# Files at rest


def test_a_file_with_a_rollback_journal(folder: Path) -> None:
    """A file in rollback-journal mode stays in it, and nothing appears beside it."""
    path = write_native(folder / "store.db", simple_rows(30))
    with nothing_changes(folder):
        assert read_in_every_way(open_history(path)) == 30
    assert journal_mode(path) == 1


def test_a_file_in_wal_mode_that_is_closed(folder: Path) -> None:
    """A file in WAL mode stays in it, and gets no `-wal` and `-shm` beside it."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    assert os.listdir(folder) == ["store.db"]
    with nothing_changes(folder):
        assert read_in_every_way(open_history(path)) == 30
    assert journal_mode(path) == 2


def test_the_sample_history(folder: Path) -> None:
    """The committed sample can be read where it lies."""
    path = shutil.copy(shop_path(), folder / "shop.db")
    with nothing_changes(folder):
        history = open_history(path)
        history.types()
        history.problems()
        history.events_by_type()


@pytest.mark.parametrize("fixture", FIXTURES, ids=fixture_id)
@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_every_layout(folder: Path, fixture: Fixture, *, wal: bool) -> None:
    """No layout is written to, in either journal mode."""
    path = folder / "store.db"
    shutil.copy(fixture.path, path)
    if wal:
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode=WAL")
    with nothing_changes(folder):
        history = open_history(path, **fixture.opening)
        history.types()
        history.problems()
        history.events_by_type()
        assert len(history) == len(fixture.lines)


def test_an_export(folder: Path, tmp_path: Path) -> None:
    """An export writes where it is asked to, and nowhere else."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    with nothing_changes(folder):
        assert export(open_history(path), tmp_path / "events.parquet") == 30


def test_an_opening_that_fails(folder: Path) -> None:
    """A failed opening changes nothing either."""
    path = folder / "store.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (a)")
        db.commit()
    with nothing_changes(folder), pytest.raises(ValueError, match="no table in it"):
        open_history(path)


@pytest.mark.parametrize(
    "name",
    [
        "with space.db",
        "what?.db",
        "a#b.db",
        "100%.db",
        "%41.db",
        "ünï.db",
        "a&b=c.db",
        "'q'.db",
        "file:x",
    ],
)
@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_paths_with_odd_names(folder: Path, name: str, *, wal: bool) -> None:
    """A path may have characters that mean something in a URI."""
    path = write_native(folder / name, simple_rows(5), wal=wal)
    with nothing_changes(folder):
        assert read_in_every_way(open_history(path)) == 5


def test_a_path_that_is_not_utf_8(folder: Path) -> None:
    """A path may have bytes that are no text."""
    path = write_native(folder / "store.db", simple_rows(5))
    odd = path.rename(folder / os.fsdecode(b"odd\xff.db"))
    assert read_in_every_way(open_history(odd)) == 5


def test_a_relative_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is taken from the folder that one is in when it is opened."""
    write_native(folder / "store.db", simple_rows(5))
    monkeypatch.chdir(folder)
    assert read_in_every_way(open_history("store.db")) == 5


def test_a_link(folder: Path, tmp_path: Path) -> None:
    """A link to a store is read as the store."""
    path = write_native(folder / "store.db", simple_rows(5), wal=True)
    (tmp_path / "link.db").symlink_to(path)
    with nothing_changes(folder), nothing_changes(tmp_path):
        assert read_in_every_way(open_history(tmp_path / "link.db")) == 5


# Folders that nobody may write to


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Make a folder read-only, and be a user whom that binds."""
    import adbc_driver_sqlite.dbapi  # noqa: F401, loaded while it may be
    import pyarrow.json  # noqa: F401

    open_history(shop_path()).events_by_type()
    chain = [folder, *folder.parents]
    modes = {path: path.stat().st_mode for path in chain}
    try:
        for path in chain[1:]:
            if path.stat().st_uid == os.getuid():
                path.chmod(modes[path] | 0o055)
        folder.chmod(0o555)
        with _unprivileged():
            yield
    finally:
        for path in chain:
            if path.stat().st_mode != modes[path]:
                path.chmod(modes[path])


@contextmanager
def _unprivileged() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_a_read_only_folder(folder: Path, *, wal: bool) -> None:
    """A store in a folder that one may not write to is read."""
    path = write_native(folder / "store.db", simple_rows(30), wal=wal)
    with nothing_changes(folder), as_nobody(folder):
        with pytest.raises(OSError, match="denied"):
            (folder / "probe").touch()
        assert read_in_every_way(open_history(path)) == 30


def test_a_read_only_folder_with_a_wal_alone(folder: Path) -> None:
    """A `-wal` without its `-shm` is read in a read-only folder too."""
    path = with_wal_alone(folder)
    with nothing_changes(folder), as_nobody(folder):
        assert read_in_every_way(open_history(path)) == 31


def test_a_file_that_one_may_not_read(folder: Path) -> None:
    """A file without permission is an error that says so."""
    path = write_native(folder / "store.db", simple_rows(3))
    path.chmod(0o000)
    with as_nobody(folder), pytest.raises(StoreUnreadableError, match="Permission denied"):
        open_history(path)


# Writers


@contextmanager
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that has written one event in WAL mode, and stays open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(INSERT, Row(1_000, "live", 1, PLACED, state_of()))
        yield db


def test_a_live_writer(folder: Path) -> None:
    """The newest committed event of a live writer is seen, and its files stay as they are."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    with writer(path), nothing_changes(folder, but=("-shm",)):
        history = open_history(path)
        assert read_in_every_way(history) == 31
        assert history.head == 1_000


def test_a_live_file_is_read_by_one_library_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two SQLite libraries in one process do not see each other's locks: ADBC's is not used."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    monkeypatch.setattr(sqlite_reader.Reader, "_connected", lambda _: pytest.fail("ADBC is used"))
    with writer(path):
        assert read_in_every_way(open_history(path)) == 31


def test_a_live_file_is_not_opened_as_a_plain_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a plain file would drop the locks that a writer in this process holds."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    with writer(path):
        monkeypatch.setattr("pathlib.Path.open", lambda *_: pytest.fail("the file is opened"))
        assert read_in_every_way(open_history(path)) == 31


def test_a_live_application_in_this_process(folder: Path) -> None:
    """An application that saves while its store is read is not disturbed."""
    path = folder / "store.db"
    with make_app(path, ENCODINGS[0]) as app:
        ENCODINGS[0].fill(app)
        for saved in range(5):
            history = open_history(path)
            assert history.types()["count"].sum() == 15 + saved
            assert sum(map(len, history.events_by_type().values())) == 15 + saved
            app.save(Account(owner="x", holder=UUID(int=1), since=BEGIN, address={}))


def test_an_uncommitted_event_is_not_seen(folder: Path) -> None:
    """What a writer has not committed does not exist, and reading does not wait for it."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    with writer(path) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(INSERT, Row(1_001, "live", 2, PLACED, state_of()))
        assert open_history(path).head == 1_000
        db.execute("COMMIT")
        assert open_history(path).head == 1_001


def test_a_writer_can_write_while_a_scan_is_half_read(folder: Path) -> None:
    """A reader that has stopped half-way locks nobody out."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    with writer(path) as db:
        batches = open_history(path).batches()
        next(batches)
        db.execute(INSERT, Row(1_001, "live", 2, PLACED, state_of()))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        del batches


WRITER = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute(
    "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
    "VALUES (1000, 'live', 1, 'shop:Order.Placed', '{}')"
)
print("ready", flush=True)
sys.stdin.read() if sys.argv[2] == "wait" else os._exit(0)
"""


def test_a_live_writer_in_another_process(folder: Path) -> None:
    """The newest event of another process that has the file open is seen."""
    path = write_native(folder / "store.db", simple_rows(30))
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with nothing_changes(folder, but=("-shm",)):
            assert read_in_every_way(open_history(path)) == 31
        process.communicate()


def test_a_writer_that_was_killed(folder: Path) -> None:
    """What a killed writer has left behind is read, and left where it is."""
    path = write_native(folder / "store.db", simple_rows(30))
    subprocess.run(
        [sys.executable, "-c", WRITER, str(path), "die"], check=True, capture_output=True
    )
    assert sorted(os.listdir(folder)) == ["store.db", "store.db-shm", "store.db-wal"]
    with nothing_changes(folder, but=("-shm",)):
        assert read_in_every_way(open_history(path)) == 31


def with_wal_alone(folder: Path) -> Path:
    """Return a store of 31 events whose last one is in a `-wal` that has lost its `-shm`."""
    path = write_native(folder / "before.db", simple_rows(30), wal=True)
    with writer(path):
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", folder / f"store.db{suffix}")
    path.unlink()
    return folder / "store.db"


def test_a_wal_without_its_shm(folder: Path) -> None:
    """A `-wal` that was copied without its `-shm` is read, and gets none."""
    path = with_wal_alone(folder)
    with nothing_changes(folder):
        history = open_history(path)
        assert read_in_every_way(history) == 31
        assert history.head == 1_000


def test_the_copy_is_removed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy that a lone `-wal` needs is gone when nobody reads it any more."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    history = open_history(with_wal_alone(folder))
    assert len(os.listdir(temporary)) == 1
    del history
    gc.collect()
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("content", [b"", b"junk" * 100], ids=["empty", "junk"])
@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_a_stray_wal(folder: Path, content: bytes, *, wal: bool) -> None:
    """A `-wal` in which nothing is committed is passed over, and left where it is."""
    path = write_native(folder / "store.db", simple_rows(5), wal=wal)
    (folder / "store.db-wal").write_bytes(content)
    with nothing_changes(folder):
        assert read_in_every_way(open_history(path)) == 5


def test_a_lock_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a writer holds exclusively is an error that says what to do."""
    monkeypatch.setattr("workbench.sources.sqlite_file.BUSY_TIMEOUT_MS", 1)
    path = write_native(folder / "store.db", simple_rows(5))
    with closing(sqlite3.connect(path, isolation_level=None)) as db, nothing_changes(folder):
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreLockedError, match=r"another process holds it locked.*Wait until"):
            open_history(path)


def test_a_lock_during_a_scan_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is locked after it was opened is the same error when it is read."""
    monkeypatch.setattr("workbench.sources.sqlite_file.BUSY_TIMEOUT_MS", 1)
    monkeypatch.setattr("workbench.sources.sqlite_reader.BUSY_TIMEOUT_MS", 1)
    path = write_native(folder / "store.db", simple_rows(5))
    history = open_history(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreLockedError, match="locked"):
            history.scan().collect()


def test_a_write_that_was_cut_short(folder: Path, tmp_path: Path) -> None:
    """A rollback journal that SQLite would have to play back is an error, and stays."""
    path = write_native(tmp_path / "before.db", simple_rows(5))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA cache_size=1")
        db.execute("BEGIN")
        db.executemany(INSERT, [(n, f"s{n}", 1, PLACED, b"x" * 500) for n in range(100, 1_000)])
        for suffix in ("", "-journal"):
            shutil.copy(f"{path}{suffix}", folder / f"store.db{suffix}")
        db.execute("ROLLBACK")
    with nothing_changes(folder), pytest.raises(StoreUnreadableError, match="was cut short"):
        open_history(folder / "store.db")


# A file that changes while it is read


@pytest.fixture
def few_rows_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut parts at four rows."""
    cut_parts(monkeypatch, 4)


@pytest.mark.usefixtures("few_rows_a_part")
@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_a_scan_ends_at_the_head_as_it_was(folder: Path, *, wal: bool) -> None:
    """Events that are appended while a scan runs are not in it; those before all are."""
    path = write_native(folder / "store.db", simple_rows(60), wal=wal)
    batches = open_history(path).batches(["position"])
    found = [next(batches)]
    append(path, [row._replace(version=row.version + 100) for row in simple_rows(60, start=100)])
    found += batches
    assert pl.concat(found)["position"].to_list() == list(range(1, 61))


@pytest.mark.usefixtures("few_rows_a_part")
def test_a_transaction_of_this_process_begins_during_a_scan(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal is no write that was cut short, though the driver does not see its lock."""
    path = write_native(folder / "store.db", simple_rows(60), wal=False)
    selected = sqlite_reader._selected
    started = []
    batches = open_history(path).batches(["position"])
    found = [next(batches)]
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:

        def disturbed(connection, sql):
            if started:
                return selected(connection, sql)
            started.append(sql)
            db.execute("PRAGMA cache_size=1")  # so that the journal is in use before the end
            db.execute("BEGIN")
            db.executemany(INSERT, [(n, "late", n, PLACED, b"x" * 500) for n in range(100, 1_000)])
            try:
                return selected(connection, sql)
            finally:
                db.execute("COMMIT")

        monkeypatch.setattr(sqlite_reader, "_selected", disturbed)
        found += batches
    assert started
    assert pl.concat(found)["position"].to_list() == list(range(1, 61))


@pytest.mark.usefixtures("few_rows_a_part")
def test_a_writer_starts_during_an_immutable_read(folder: Path) -> None:
    """A file that was opened as immutable is opened anew when a writer has come."""
    path = write_native(folder / "store.db", simple_rows(60), wal=True)
    batches = open_history(path).batches(["position", "type"])
    found = [next(batches)]
    with writer(path) as db:
        db.execute("UPDATE stored_events SET topic = 'shop:Changed' WHERE rowid > 40")
        found += batches
    whole = pl.concat(found)
    assert whole["position"].to_list() == list(range(1, 61))
    assert set(whole.tail(10)["type"]) == {"shop:Changed"}


@pytest.mark.usefixtures("few_rows_a_part")
def test_a_writer_comes_and_goes_during_an_immutable_read(folder: Path) -> None:
    """A file that a writer has changed and closed meanwhile is read as it is now."""
    path = write_native(folder / "store.db", simple_rows(60), wal=True)
    batches = open_history(path).batches(["position", "type"])
    found = [next(batches)]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE stored_events SET topic = 'shop:Changed' WHERE rowid > 40")
        db.execute("CREATE TABLE another (a)")
        db.execute("DELETE FROM stored_events WHERE rowid BETWEEN 45 AND 50")
    db = sqlite3.connect(path)
    db.execute("VACUUM")
    db.close()
    found += batches
    whole = pl.concat(found)
    assert whole["position"].to_list() == [*range(1, 45), *range(51, 61)]
    assert set(whole.tail(10)["type"]) == {"shop:Changed"}


def test_a_query_is_asked_again_when_a_writer_came_in_between(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was read from an immutable file while it changed is not used."""
    path = write_native(folder / "store.db", simple_rows(30), wal=True)
    history = open_history(path)
    numbers = count(100)
    connect = sqlite3.connect

    def disturbed(*args, **kwargs):
        connection = connect(*args, **kwargs)
        if "immutable" in str(args[0]) and (number := next(numbers)) < 103:
            with closing(connect(path)) as db, db:
                db.execute(INSERT, Row(number, "late", number, PLACED, b"{}"))
        return connection

    monkeypatch.setattr("workbench.sources.sqlite_file.sqlite3.connect", disturbed)
    assert history.head == 102


def test_a_file_that_is_removed(store: Path) -> None:
    """A store that is gone is an error of the project's when it is read."""
    history = open_history(store)
    store.unlink()
    with pytest.raises(StoreNotFoundError, match="there is no such file"):
        len(history)


def test_a_file_that_is_removed_before_a_scan(store: Path) -> None:
    """A store that is gone is an error of the project's when a scan is collected."""
    history = open_history(store)
    store.unlink()
    with pytest.raises(StoreNotFoundError, match="there is no such file"):
        history.scan().collect()


def test_a_page_that_is_damaged(folder: Path) -> None:
    """A damaged page is an error of the project's when the scan comes to it."""
    path = write_native(folder / "store.db", simple_rows(3_000))
    history = open_history(path)
    content = bytearray(path.read_bytes())
    content[4_096 * 3 :] = b"\xff" * (len(content) - 4_096 * 3)
    path.write_bytes(content)
    with pytest.raises(StoreUnreadableError, match=r"Cannot read .*store\.db"):
        history.scan().collect()


# Nothing is left open


def open_files() -> list[str]:
    """Return the paths of the files that this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return found


def abandoned_batches(history: History) -> None:
    """Take one batch and leave the rest."""
    next(iter(history.batches()))


def closed_batches(history: History) -> None:
    """Take one batch and close the iterator."""
    batches = history.batches()
    next(batches)
    batches.close()


def head_of_scan(history: History) -> None:
    """Take two events of a scan."""
    history.scan().head(2).collect()


def batches_of_scan(history: History) -> None:
    """Take one batch of a lazy frame and leave the rest."""
    next(iter(history.scan().collect_batches(chunk_size=1)))


def failing_query(history: History) -> None:
    """Let a condition fail on the first batch."""
    with pytest.raises(pl.exceptions.PolarsError):
        history.scan().filter(pl.col("data").str.to_integer() > 0).collect()


def never_begun(history: History) -> None:
    """Ask for batches and take none."""
    history.batches()


def failing_handler(history: History) -> None:
    """Let a replay fail half-way."""

    class Fails(Seen):
        @handles("Order.Placed")
        def placed(self, event):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        replay(history, Fails)


@pytest.mark.usefixtures("few_rows_a_part")
@pytest.mark.parametrize(
    "cut_short",
    [
        abandoned_batches,
        closed_batches,
        head_of_scan,
        failing_query,
        never_begun,
        failing_handler,
        read_in_every_way,
    ],
)
def test_a_reading_that_is_cut_short_leaves_nothing(
    folder: Path, cut_short: Callable[[History], object]
) -> None:
    """No thread and no connection is left when a reading ends early."""
    path = write_native(folder / "store.db", simple_rows(200))
    history = open_history(path)
    before = started_threads()
    cut_short(history)

    def left() -> list[str]:
        gc.collect()
        threads = [t.name for t in started_threads() - before if t.name.startswith("workbench")]
        return threads + [name for name in open_files() if str(folder) in name]

    # A query that fails is let go of by a thread of Polars, a moment after it has raised.
    end = time.monotonic() + 30
    while left() and time.monotonic() < end:
        time.sleep(0.01)
    assert left() == []


@given(size=st.integers(1, 8), taken=st.integers(0, 8))
def test_any_part_of_a_reading_leaves_nothing(
    new_path: Callable[[], Path], size: int, taken: int
) -> None:
    """Wherever a reading is cut short, no connection is left."""
    path = write_native(new_path(), simple_rows(20))
    with pytest.MonkeyPatch.context() as patch:
        cut_parts(patch, size)
        batches = open_history(path).batches()
        for _, _ in zip(range(taken), batches, strict=False):
            pass
        batches.close()
    assert [name for name in open_files() if str(path) in name] == []
