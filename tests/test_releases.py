"""Two releases over the same stored events: which each reads, and which streams it rebuilds."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent

import polars as pl
import pytest
from stores import BEGIN, Row, state_of, write_native

from workbench import compare_releases, open_history
from workbench.errors import RangeError, RevisionError, UpcasterError
from workbench.samples import RELEASES, shop_path
from workbench.tables import RELEASE_FIELDS, RELEASE_STREAMS, RELEASE_TYPES
from workbench.upcasting import feeding

PLAIN = """
import json, sys
from eventsourcing.application import Application
from workbench.samples import RELEASES, load_release, shop_path
shop = load_release(RELEASES[int(sys.argv[1])])
path = f"file:{sys.argv[2]}?mode=ro"
env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path, "CREATE_TABLE": "no"}
app = shop.Shop(env)
ids = json.loads(sys.stdin.read())
good = []
for id_ in ids:
    try:
        app.repository.get(id_)
    except Exception:
        continue
    good.append(id_)
app.close()
print(json.dumps(good))
"""


@pytest.fixture(scope="module")
def compared():
    """Return the comparison of the first and the third release, of events of all three."""
    history = open_history(shop_path())
    file = RELEASES[2].path
    return compare_releases(
        history,
        "shop=workbench.samples.release_1",
        f"shop={file}",
        aggregates=True,
        progress=False,
    )


class TestSample:
    """The sample history's first and third release."""

    @pytest.mark.parametrize(("side", "number"), [("old", 0), ("new", 2)])
    def test_streams_are_those_of_plain_replay(self, compared, tmp_path, side, number):
        """The streams that are rebuilt are those that the release's repository returns."""
        copy = tmp_path / "shop.db"
        copy.write_bytes(shop_path().read_bytes())
        ids = compared.streams["stream"].to_list()
        # The library reads a file in WAL mode only.
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(copy)) as db:
            db.execute("PRAGMA journal_mode=WAL")
        done = subprocess.run(
            [sys.executable, "-c", PLAIN, str(number), str(copy)],
            input=json.dumps(ids),
            capture_output=True,
            text=True,
            check=True,
        )
        found = compared.streams.filter(f"{side}_rebuilds")["stream"].to_list()
        assert found == json.loads(done.stdout)

    def test_reads_and_fails(self, compared):
        """Of each type and version, every event is read or fails, in both."""
        types = compared.types
        for side in ("old", "new"):
            both = types[f"read_by_{side}"] + types[f"failed_in_{side}"]
            assert both.to_list() == types["events"].to_list()

    def test_first_failure_of_a_stream(self, compared):
        """A stream that cannot be rebuilt is told with the event at which it stops."""
        (row,) = compared.streams.filter(stream="order-12600").to_dicts()
        assert (row["new_position"], row["new_version"]) == (27_830, 7)
        assert row["new_type"] == "shop:Order.Shipped"
        assert row["new_error"].startswith("OriginatorVersionError")

    def test_fields_that_differ(self, compared):
        """Where both read an event, the fields that differ are told with both values."""
        (row,) = compared.fields.filter(type="shop:Payment.Charged").to_dicts()
        assert (row["path"], row["what"], row["events"]) == ("amount", "other type", 1173)
        assert (row["old"], row["new"]) == ("27.3", '{"Decimal": "27.30"}')

    def test_frames_have_their_specs(self, compared):
        """Every frame has the columns of its spec."""
        frames = (compared.types, compared.fields, compared.streams)
        specs = (RELEASE_TYPES, RELEASE_FIELDS, RELEASE_STREAMS)
        assert [spec.misfits(f) for spec, f in zip(specs, frames, strict=True)] == [[]] * 3

    def test_nothing_is_broken(self, compared):
        """The third release reads and rebuilds all that the first one does."""
        assert (compared.broken, compared.is_complete, compared.events) == (0, True, 54_375)

    def test_it_is_shown(self, compared):
        """In a notebook it is a static table."""
        assert "other type" in compared._repr_html_()
        assert repr(compared).startswith("<ReleaseComparison of ")


def test_release_differs_not_from_itself():
    """A release compared with itself has no differences."""
    history = open_history(shop_path()).between(upto=2_000)
    name = "shop=workbench.samples.release_3"
    found = compare_releases(history, name, name, progress=False)
    assert (found.fields.height, found.types["different"].sum(), found.broken) == (0, 0, 0)


ITEMS = """
from datetime import datetime
import os, time
from eventsourcing.domain import BaseAggregate, CanInitAggregate, CanMutateAggregate
from eventsourcing.domain import DomainEvent, MetaDomainEvent, event


class Aggregate(BaseAggregate[str]):
    class Event(CanMutateAggregate[str], metaclass=MetaDomainEvent):
        originator_id: str
        originator_version: int
        timestamp: datetime

    class Created(Event, CanInitAggregate[str]):
        originator_topic: str


class Item(Aggregate):
    @event("Listed")
    def __init__(self, name: str) -> None:
        self.name = name

    @event("Moved")
    def move(self, to: str) -> None:
        {move}


class Note(DomainEvent):
    originator_id: str
    {note}
"""
UPCAST = """class_version = 2

    @staticmethod
    def upcast_v1_v2(state):
        state["text"] = {value}
        state["place"] = state.pop("at", None)"""


def module(folder, name, move="self.to = to", note="text: str"):
    """Write a release, and return its name."""
    file = folder / name
    file.write_text(ITEMS.format(move=move, note=note))
    return f"items={file}"


def rows():
    """Return events of three items and of a log."""
    made = []
    for stream in "abc":
        first = {"originator_topic": "items:Item", "name": stream}
        made.append(Row(len(made) + 1, stream, 1, "items:Item.Listed", state_of(BEGIN, **first)))
        for i in (2, 3):
            moved = state_of(BEGIN, to=f"{stream}{i}")
            made.append(Row(len(made) + 1, stream, i, "items:Item.Moved", moved))
    made += [
        Row(20 + i, "log", i, "items:Note", state_of(BEGIN, text=f"n{i}", at={"x": i, "y": [i]}))
        for i in range(1, 4)
    ]
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Write the store."""
    return write_native(tmp_path_factory.mktemp("items") / "items.db", rows())


def run(store, old, new, **options):
    """Compare two releases."""
    return compare_releases(open_history(store), old, new, progress=False, **options)


class TestStreams:
    """What is rebuilt."""

    def test_process_that_ends_in_a_stream(self, store, tmp_path):
        """A stream at which the process ends is told; the others are rebuilt."""
        old = module(tmp_path, "old.py")
        new = module(tmp_path, "new.py", move="self.to = to if to != 'b3' else os._exit(3)")
        found = run(store, old, new, aggregates=True).streams
        assert found.filter("new_rebuilds")["stream"].to_list() == ["a", "c"]
        (row,) = found.filter(stream="b").to_dicts()
        assert (row["new_position"], row["new_error"]) == (6, "Stopped: ended with code 3")

    def test_loop_in_a_stream(self, store, tmp_path):
        """A stream that comes to no end is told, at the event where it is."""
        old = module(tmp_path, "old.py")
        new = module(tmp_path, "new.py", move="exec('while True: pass') if to == 'a2' else None")
        found = run(store, old, new, aggregates=True, event_limit_s=0.5)
        (row,) = found.streams.filter(stream="a").to_dicts()
        assert (row["new_position"], row["new_error"]) == (2, "Stopped: no end after 0.5 s")
        assert found.broken == 1

    def test_events_of_no_aggregate(self, store, tmp_path):
        """A stream whose events mutate nothing is rebuilt by none."""
        name = module(tmp_path, "old.py")
        (row,) = run(store, name, name, aggregates=True).streams.filter(stream="log").to_dicts()
        assert (row["old_rebuilds"], row["old_error"]) == (
            False,
            "its events have no method mutate",
        )

    def test_streams_in_buckets(self, store, tmp_path, monkeypatch):
        """Where the events are many, streams are sorted out on disk first: it comes to the same."""
        name = module(tmp_path, "old.py")
        whole = run(store, name, name, aggregates=True).streams
        monkeypatch.setattr(feeding, "EVENTS_A_BUCKET", 3)
        monkeypatch.setattr(feeding, "EVENTS_A_JOB", 2)
        assert run(store, name, name, aggregates=True).streams.equals(whole)

    def test_streams_are_asked_for(self, store, tmp_path):
        """Without aggregates= no stream is rebuilt."""
        name = module(tmp_path, "old.py")
        assert run(store, name, name).streams.height == 0

    def test_first_event_that_is_missing(self, tmp_path):
        """A stream without its first event is told as such."""
        store = write_native(tmp_path / "s.db", rows()[1:3])
        name = module(tmp_path, "old.py")
        (row,) = run(store, name, name, aggregates=True).streams.to_dicts()
        assert row["new_error"] == "AssertionError: the stream does not begin with its first event"


class TestFields:
    """What differs."""

    def test_value_that_differs(self, store, tmp_path):
        """Another value, a field that only one has, and where."""
        old = module(tmp_path, "old.py")
        new = module(tmp_path, "new.py", note=UPCAST.format(value="state['text'].upper()"))
        found = run(store, old, new)
        told = found.fields.select("path", "what", "events", "first_position", "last_position")
        assert told.rows() == [
            ("at", "only in old", 3, 21, 23),
            ("place", "only in new", 3, 21, 23),
            ("text", "other value", 3, 21, 23),
        ]
        assert found.types.filter(type="items:Note")["different"].to_list() == [3]

    def test_values_that_come_to_the_same(self, store, tmp_path):
        """Two ways to the same fields differ in nothing."""
        note = UPCAST.format(value="'same'")
        old = module(tmp_path, "old.py", note=note)
        new = module(tmp_path, "new.py", note=note.replace("'same'", "'sa' + 'me'"))
        assert run(store, old, new).fields.height == 0

    def test_event_that_one_cannot_read(self, store, tmp_path):
        """An event that fails in the new release alone is broken, and its error is told."""
        old = module(tmp_path, "old.py")
        new = module(tmp_path, "new.py", note=UPCAST.format(value="1 / 0"))
        found = run(store, old, new)
        (row,) = found.types.filter(type="items:Note").to_dicts()
        assert (row["broken"], row["read_by_old"], row["failed_in_new"]) == (3, 3, 3)
        assert row["new_error"] == "upcast_v1_v2: ZeroDivisionError: division by zero"
        assert found.broken == 3


def git(folder, *arguments):
    """Run git in a folder, as somebody."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Make a repository with a release in a commit, and another in the folder; go there."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    module(folder, "items.py")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "v1")
    module(folder, "items.py", note=UPCAST.format(value="'new'"))
    monkeypatch.chdir(folder)
    return folder


class TestCode:
    """Where releases come from."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [("items@v1", "items"), ("items.py@v1", "items.py"), (".@v1", "."), ("./@main", "./")],
    )
    def test_git_revision(self, repository, store, old, new):
        """A module, a file or a folder is as it was in a revision, or as it is."""
        found = run(store, old, new)
        assert found.types["different"].sum() == 3
        assert (
            subprocess.run(
                ["git", "worktree", "list"], cwd=repository, capture_output=True, check=True
            ).stdout.count(b"\n")
            == 1
        )

    def test_revision_without_the_module(self, repository, store):
        """A module that the revision lacks is refused, also if Python finds one elsewhere."""
        with pytest.raises(UpcasterError, match="no such module"):
            run(store, "json@v1", "items")

    def test_unknown_revision(self, repository, store):
        """A revision that is not there is refused."""
        with pytest.raises(RevisionError, match="v9"):
            run(store, "items@v9", "items")

    def test_limit_of_nothing(self, store):
        """A limit is above zero."""
        with pytest.raises(RangeError, match="time_limit_s"):
            run(store, "items", "items", time_limit_s=-1)

    def test_time_limit(self, store, tmp_path):
        """Where the time is over, what is there is returned, and says so."""
        slow = "text: str\n    __import__('time').sleep(9)"
        name = module(tmp_path, "old.py", note=dedent(slow))
        found = run(store, name, name, time_limit_s=1)
        assert (found.events, found.is_complete) == (0, False)
        assert found.stopped == "the time limit of 1 s was reached"
        assert found.types.height == found.fields.height == 0
        assert isinstance(found.streams, pl.DataFrame)
