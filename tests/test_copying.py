"""An archive holds every event of a history exactly once, however the copying went."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import polars as pl
import pytest
from contracts import DecodedSourceContract, EmptySourceContract, Made
from deltalake import DeltaTable, write_deltalake
from files import KNOWN, fingerprint, stored
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import Row, append, simple_rows, state_of, write_native
from strategies import histories, predicates

from workbench import History, copy_history, errors, open_history
from workbench.copying import _commit
from workbench.export import export
from workbench.sources import delta
from workbench.sources.delta import FILE_NAME, RECEIVER, files_of
from workbench.tables import EVENTS


@pytest.fixture
def small_files(monkeypatch):
    """Let a file of an archive have ten events, and a part of a store too."""
    monkeypatch.setattr("workbench.copying.ROWS_A_FILE", 10)
    for module in ("sqlite", "sqlite_reader"):
        monkeypatch.setattr(f"workbench.sources.{module}.ROWS_A_PART", 10)
    monkeypatch.setattr("workbench.sources.sqlite_reader.FIRST_RANGE", 10)


@pytest.fixture
def archived(small, tmp_path):
    """Return the archive of the small store."""
    path = tmp_path / "small.delta"
    copy_history(small, path, progress=False)
    return path


def rows_of(path):
    """Return all events of an archive."""
    return open_history(path).scan().collect()


class TestArchive(DecodedSourceContract):
    """An archive that was written in one go."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        path = new_path().with_suffix(".delta")
        copy_history(stored(new_path(), KNOWN), path, progress=False)
        return Made(open_history(path).source, KNOWN)


class TestArchiveOfManyFiles(DecodedSourceContract):
    """An archive that grew by a few events at a time."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        path, store = new_path().with_suffix(".delta"), new_path()
        write_native(store, KNOWN[:3])
        for first in range(3, 40, 7):
            copy_history(open_history(store), path, progress=False)
            append(store, KNOWN[first : first + 7])
        copy_history(open_history(store), path, progress=False)
        return Made(open_history(path).source, KNOWN)


class TestForeignTable(DecodedSourceContract):
    """A Delta table that was written by somebody else, in no order."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        path = new_path().with_suffix(".delta")
        rows = stored(new_path(), KNOWN).scan().collect()
        for part in rows.reverse().iter_slices(15):
            write_deltalake(path, part, mode="append")
        return Made(open_history(path).source, KNOWN)


class TestEmptyArchive(EmptySourceContract):
    """An archive of a store without events."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path):
        """Return the source of no events."""
        path = new_path().with_suffix(".delta")
        copy_history(stored(new_path(), []), path, progress=False)
        return open_history(path).source


# The laws


@given(made=histories(), condition=predicates())
def test_archive_is_the_history(new_path, made, condition):
    """An archive has the same events, and finds the same by any condition."""
    history, path = stored(new_path(), made), new_path().with_suffix(".delta")
    copy_history(history, path, progress=False, verify=True)
    found = open_history(path)
    assert_frame_equal(found.scan().collect(), history.scan().collect())
    assert_frame_equal(
        found.scan().filter(condition).collect(), history.scan().filter(condition).collect()
    )


@given(made=histories(), cuts=st.lists(st.integers(0, 25), max_size=3))
def test_archive_in_parts_is_the_archive_in_one(new_path, made, cuts):
    """A store that is archived again and again while it grows is archived as it is at the end."""
    path, store = new_path().with_suffix(".delta"), write_native(new_path(), [])
    done, copied = 0, 0
    for cut in [*sorted(cuts), len(made)]:
        append(store, made[done:cut])
        done = max(done, min(cut, len(made)))
        copied += copy_history(open_history(store), path, progress=False).events
    assert copied == len(made)
    assert_frame_equal(rows_of(path), open_history(store).scan().collect())


def test_problems_are_those_of_the_store(shop, tmp_path):
    """Also holes in the positions are found in an archive, as in the store."""
    path = tmp_path / "shop.delta"
    copy_history(shop, path, progress=False)
    found, known = open_history(path).problems(), shop.problems()
    asked = pl.col("kind").is_in(["snapshot_ahead", "receiver_ahead"])
    assert_frame_equal(found.filter(~asked), known.filter(~asked))


# One run


def test_says_what_it_did(small, tmp_path):
    """The answer has the events of this run, and where the archive ends."""
    done = copy_history(small, tmp_path / "a.delta", progress=False)
    assert (done.events, done.position, done.path) == (30, 30, tmp_path / "a.delta")
    assert "30 new events, up to 30" in repr(done)
    again = copy_history(small, tmp_path / "a.delta", progress=False)
    assert (again.events, again.position, again.version) == (0, 30, done.version)


def test_only_what_is_new_is_copied(store, archived):
    """A second run adds the events that have come since, in a file of their own."""
    append(store, [Row(40, "stream-9", 1, "shop:Order.Lost", state_of())])
    done = copy_history(open_history(store), archived, progress=False)
    assert (done.events, done.position) == (1, 40)
    assert [(f.first, f.last) for f in files_of(DeltaTable(archived))] == [(1, 30), (40, 40)]


@pytest.mark.usefixtures("small_files")
def test_each_file_is_a_commit_with_its_position(small, tmp_path):
    """The last position stands in the commit that adds the events up to it."""
    copy_history(small, tmp_path / "a.delta", progress=False)
    positions = [
        DeltaTable(tmp_path / "a.delta", version=version).transaction_version(RECEIVER)
        for version in range(DeltaTable(tmp_path / "a.delta").version() + 1)
    ]
    heads = [
        max((f.last for f in files_of(DeltaTable(tmp_path / "a.delta", version=v))), default=None)
        for v in range(len(positions))
    ]
    assert positions == heads
    assert len(positions) > 2


def test_files_are_compressed_with_zstandard(archived):
    """Every column of every file is compressed with Zstandard."""
    import pyarrow.parquet as pq

    (file,) = archived.glob("*.parquet")
    group = pq.read_metadata(file).row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}


def test_reports_progress(small, tmp_path):
    """Whoever is named is told how far the copying has come."""
    seen = []
    copy_history(small, tmp_path / "a.delta", progress=seen.append)
    assert seen[-1].done == seen[-1].total


def test_source_stays_as_it_is(store, tmp_path_factory):
    """Archiving changes nothing beside the store, and reading nothing in the archive."""
    path = tmp_path_factory.mktemp("archive") / "a.delta"
    before = fingerprint(store.parent)
    copy_history(open_history(store), path, progress=False, verify=True)
    assert fingerprint(store.parent) == before
    held = fingerprint(path)
    history = open_history(path)
    history.types()
    history.problems()
    assert fingerprint(path) == held


def test_archive_that_grows_is_seen(store, archived):
    """A history of an archive that is open sees what has been added."""
    history = open_history(archived)
    assert len(history) == 30
    append(store, [Row(31, "stream-9", 1, "shop:Order.Lost", state_of())])
    copy_history(open_history(store), archived, progress=False)
    assert (len(history), history.head) == (31, 31)
    assert "shop:Order.Lost" in history.type_names()


def test_log_is_read_again_where_it_changed(store, archived, monkeypatch):
    """The table's log is read once for each of its versions, also of those of one moment."""
    history, read = open_history(archived), []
    monkeypatch.setattr(delta, "delta_table", lambda path: read.append(path) or DeltaTable(path))
    log = archived / "_delta_log"
    DeltaTable(archived).create_checkpoint()
    for position in (31, 32, 33):
        append(store, [Row(position, f"stream-{position}", 1, "shop:Order.Lost", state_of())])
        copy_history(open_history(store), archived, progress=False)
        os.utime(log, (1, 1))
        read.clear()
        assert [history.head, history.source.tail(), len(history)] == [position, 1, position]
        assert len(read) == 1


def test_archive_is_followed(store, archived):
    """What is added to an archive is told to whoever follows it."""
    with closing(open_history(archived).follow(after=28)) as frames:
        assert next(frames)["position"].to_list() == [29, 30]
        append(store, [Row(31, "stream-9", 1, "shop:Order.Lost", state_of())])
        copy_history(open_history(store), archived, progress=False)
        assert next(frames)["position"].to_list() == [31]


def test_table_may_be_moved(archived, tmp_path):
    """A copy of the folder is the same archive."""
    shutil.copytree(archived, tmp_path / "copy.delta")
    assert_frame_equal(rows_of(tmp_path / "copy.delta"), rows_of(archived))


def test_other_tools_read_it(archived):
    """It is a Delta table like any other."""
    found = pl.read_delta(str(archived)).sort("position")
    assert_frame_equal(found, rows_of(archived))


def test_archive_that_was_reordered_is_in_order(store, archived):
    """A table that another tool has rewritten is sorted when it is read, and grows on."""
    append(store, [Row(31, "stream-9", 1, "shop:Order.Lost", state_of())])
    copy_history(open_history(store), archived, progress=False)
    table = DeltaTable(archived)
    table.optimize.z_order(["stream"])
    assert not all(FILE_NAME.fullmatch(file.path) for file in files_of(DeltaTable(archived)))
    append(store, [Row(32, "stream-9", 2, "shop:Order.Lost", state_of())])
    copy_history(open_history(store), archived, progress=False, verify=True)
    assert rows_of(archived)["position"].to_list() == list(range(1, 33))


@pytest.mark.parametrize(
    ("narrow", "left"),
    [
        (lambda h: h.between(after=20), 1),
        (lambda h: h.between(upto=10), 1),
        (lambda h: h.since("2026-01-01"), 0),
        (lambda h: h.until("2025-03-01T00:05"), 1),
    ],
)
@pytest.mark.usefixtures("small_files")
def test_files_in_which_nothing_fits_are_left_out(small, tmp_path, narrow, left):
    """Positions and times in the table's log say which files need not be opened."""
    copy_history(small, tmp_path / "a.delta", progress=False)
    history = narrow(open_history(tmp_path / "a.delta"))
    asked = history._reading._timed(history.selection)
    files = files_of(DeltaTable(tmp_path / "a.delta"))
    assert len(files) > 1
    chosen = [file for file in files if file.may_have(asked)]
    assert (len(chosen) < len(files), bool(chosen)) == (True, bool(left))
    assert_frame_equal(history.scan().collect(), narrow(small).scan().collect())


# Killed, and at the same time

KILLED = """
import sys
from workbench import copy_history, open_history
import workbench.copying, workbench.sources.sqlite, workbench.sources.sqlite_reader as reader
workbench.copying.ROWS_A_FILE = 500
workbench.sources.sqlite.ROWS_A_PART = reader.ROWS_A_PART = reader.FIRST_RANGE = 500
print("begun", flush=True)
copy_history(open_history(sys.argv[1]), sys.argv[2], progress=False)
"""


def test_killed_at_any_moment_it_goes_on(tmp_path):
    """After a kill the archive holds a beginning of the history, and the next run the rest."""
    store = write_native(tmp_path / "store.db", simple_rows(20_000))
    path, history = tmp_path / "a.delta", open_history(store)
    whole, heights = history.scan().collect(), []
    for delay in (0.0, 0.05, 0.15, 0.1):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, store, path], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"begun\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        if (path / "_delta_log").is_dir():
            found = rows_of(path)
            assert_frame_equal(found, whole.head(found.height))
            heights.append(found.height)
    assert heights == sorted(heights)
    copy_history(history, path, progress=False, verify=True)
    assert_frame_equal(rows_of(path), whole)


@pytest.mark.usefixtures("small_files")
def test_reading_that_fails_keeps_what_was_copied(small, tmp_path, monkeypatch):
    """What was committed before an error stays, and the next run goes on behind it."""
    whole = History.batches

    def failing(self, *arguments):
        for number, frame in enumerate(whole(self, *arguments)):
            if number == 2:
                raise errors.StoreUnreadableError("gone")
            yield frame

    with monkeypatch.context() as patch:
        patch.setattr(History, "batches", failing)
        with pytest.raises(errors.StoreUnreadableError, match="gone"):
            copy_history(small, tmp_path / "a.delta", progress=False)
    assert 0 < len(open_history(tmp_path / "a.delta")) < 30
    copy_history(small, tmp_path / "a.delta", progress=False, verify=True)
    assert len(open_history(tmp_path / "a.delta")) == 30


def test_two_at_the_same_time_double_nothing(small, archived, store, monkeypatch):
    """Of two runs that copy the same events one is refused, and leaves no file behind."""
    append(store, [Row(31, "stream-9", 1, "shop:Order.Lost", state_of())])

    def late(frame, path, table):
        monkeypatch.setattr("workbench.copying._commit", _commit)
        copy_history(open_history(store), path, progress=False)
        return _commit(frame, path, table)

    monkeypatch.setattr("workbench.copying._commit", late)
    with pytest.raises(errors.ArchiveError, match="another process has copied"):
        copy_history(open_history(store), archived, progress=False)
    assert rows_of(archived)["position"].to_list() == list(range(1, 32))
    assert len(list(archived.glob("*.parquet"))) == 2


# What is refused


def test_another_history_is_refused(archived, tmp_path):
    """An archive goes on only with a history in which its last event is the same."""
    other = stored(tmp_path / "other.db", simple_rows(40, start=2))
    before = fingerprint(archived)
    with pytest.raises(errors.ArchiveError, match="that event is another one"):
        copy_history(other, archived, progress=False)
    short = stored(tmp_path / "short.db", simple_rows(5))
    with pytest.raises(errors.ArchiveError, match="that event is not there"):
        copy_history(short, archived, progress=False)
    assert fingerprint(archived) == before


@pytest.mark.parametrize(
    "narrow",
    [
        lambda h: h.of_types("Order.Placed"),
        lambda h: h.of_streams("stream-1"),
        lambda h: h.since("2025-03-01"),
        lambda h: h.edit(name="without", drop=[3]),
    ],
)
def test_part_of_a_history_is_refused(small, tmp_path, narrow):
    """A history that leaves out events by anything but position cannot be gone on with."""
    with pytest.raises(errors.ArchiveError, match="Copy the whole history|use export"):
        copy_history(narrow(small), tmp_path / "a.delta", progress=False)
    assert not (tmp_path / "a.delta").exists()


def test_beginning_of_a_history_goes_on(small, tmp_path):
    """A history may be archived up to a position first, and the rest later."""
    copy_history(small.between(upto=12), tmp_path / "a.delta", progress=False, verify=True)
    assert copy_history(small, tmp_path / "a.delta", progress=False, verify=True).events == 18


def test_several_partitions_are_refused(tmp_path):
    """Events without one order have no position that says how far a copy has come."""
    rows = {"position": [1, 1], "partition": [0, 1], "stream": ["s"] * 2, "type": ["A"] * 2}
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(errors.ArchiveError, match="no order among each other"):
        copy_history(open_history(tmp_path / "a.parquet"), tmp_path / "a.delta", progress=False)


def test_something_else_is_not_written_to(small, tmp_path):
    """A folder with other files, a file, and a table of others are refused as they are."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file.txt").write_text("mine")
    write_deltalake(tmp_path / "theirs", pl.DataFrame({"a": [1]}))
    before = fingerprint(tmp_path)
    for name, said in [("mine", "something else"), ("theirs", "has not made")]:
        with pytest.raises(errors.ArchiveError, match=said):
            copy_history(small, tmp_path / name, progress=False)
    with pytest.raises(errors.ArchiveError, match="something else"):
        copy_history(small, tmp_path / "mine" / "file.txt", progress=False)
    assert fingerprint(tmp_path) == before


def test_verifying_finds_what_differs(small, archived):
    """A changed archive is found out, with the first position that differs."""
    (file,) = archived.glob("*.parquet")
    changed = pl.when(pl.col("position") == 7).then(pl.lit("{}")).otherwise("data").alias("data")
    pl.read_parquet(file).with_columns(changed).write_parquet(file)
    with pytest.raises(errors.ArchiveError, match="differs from the history at position 7"):
        copy_history(small, archived, progress=False, verify=True)


def test_verifying_finds_what_is_gone(small, archived, store):
    """An event that the archive has and the history has not is found out."""
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("DELETE FROM stored_events WHERE rowid = 12")
    with pytest.raises(errors.ArchiveError, match="differs from the history at position 12"):
        copy_history(open_history(store), archived, progress=False, verify=True)


def test_folder_that_cannot_be_written_is_said(small, tmp_path):
    """A place where no folder can be made is an error of the tree."""
    (tmp_path / "file").touch()
    with pytest.raises(errors.ExportError, match="Cannot copy to"):
        copy_history(small, tmp_path / "file" / "a.delta", progress=False)


def test_damaged_table_is_said(archived):
    """A table whose log cannot be read, or whose files are gone, is an error of the tree."""
    history = open_history(archived)
    next(archived.glob("*.parquet")).unlink()
    with pytest.raises(errors.StoreUnreadableError, match=r"small\.delta"):
        history.scan().collect()
    for entry in (archived / "_delta_log").iterdir():
        entry.write_text("{")
    with pytest.raises(errors.StoreUnreadableError, match="as a Delta table"):
        open_history(archived)


def test_missing_package_is_named(small, tmp_path, archived, monkeypatch):
    """Without deltalake the error names the feature, the extra and the line that installs it."""
    monkeypatch.setitem(sys.modules, "deltalake", None)
    line = r"need the extra 'delta'. Install it: pip install 'event-workbench\[delta\]'"
    with pytest.raises(errors.MissingExtraError, match=line):
        copy_history(small, tmp_path / "b.delta", progress=False)
    with pytest.raises(errors.MissingExtraError, match=line):
        open_history(archived)


def test_archive_is_exported_like_any_history(archived, tmp_path):
    """What comes out of an archive is what went in."""
    export(open_history(archived), tmp_path / "out.parquet")
    assert EVENTS.misfits(rows_of(archived)) == []
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), rows_of(archived))


def test_mapping_is_for_tables_of_others(archived):
    """With a mapping an archive is read like any table."""
    columns = {"position": "position", "stream": "type", "type": "stream"}
    found = open_history(archived, columns=columns).scan().collect()
    assert found["type"].to_list() == rows_of(archived)["stream"].to_list()
