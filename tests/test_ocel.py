"""OCEL 2.0 logs: what is written is read again, and is what the specification says a log is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest
from contracts import DecodedSourceContract, EmptySourceContract, Made
from files import KNOWN, exported, fingerprint, stored
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import Row, simple_rows, state_of, write_native
from strategies import histories, payloads, predicates

from workbench import errors, open_history
from workbench.export import export

ENDINGS = pytest.mark.parametrize("ending", [".ocel.json", ".ocel.sqlite"])
TYPES = {"string", "time", "integer", "float", "boolean"}
LOG = {
    "eventTypes": [
        {
            "name": "Create Order",
            "attributes": [
                {"name": "total items", "type": "integer"},
                {"name": "express", "type": "boolean"},
                {"name": "due", "type": "time"},
            ],
        },
        {"name": "Ship", "attributes": []},
    ],
    "objectTypes": [{"name": "order", "attributes": []}, {"name": "item", "attributes": []}],
    "events": [
        {
            "id": "e2",
            "type": "Ship",
            "time": "2025-03-02T00:00:00Z",
            "attributes": [],
            "relationships": [{"objectId": "i1", "qualifier": "shipped"}],
        },
        {
            "id": "e1",
            "type": "Create Order",
            "time": "2025-03-01T00:00:00Z",
            "attributes": [
                {"name": "total items", "value": "2"},
                {"name": "express", "value": True},
                {"name": "due", "value": "2025-03-09T00:00:00Z"},
            ],
            "relationships": [
                {"objectId": "o1", "qualifier": "order"},
                {"objectId": "i1", "qualifier": "item"},
                {"objectId": "i2", "qualifier": "item"},
            ],
        },
        {
            "id": "e3",
            "type": "Ship",
            "time": "2025-03-03T00:00:00Z",
            "relationships": [{"objectId": "i2", "qualifier": "shipped"}],
        },
    ],
    "objects": [
        {"id": "o1", "type": "order"},
        {"id": "i1", "type": "item"},
        {"id": "i2", "type": "item"},
    ],
}
SQL = """
CREATE TABLE event (ocel_id TEXT, ocel_type TEXT);
CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT);
CREATE TABLE object (ocel_id TEXT, ocel_type TEXT);
CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT);
CREATE TABLE event_map_type (ocel_type TEXT, ocel_type_map TEXT);
CREATE TABLE object_map_type (ocel_type TEXT, ocel_type_map TEXT);
CREATE TABLE event_CreateOrder (ocel_id TEXT, ocel_time TIMESTAMP, "total items" INTEGER,
    express BOOLEAN, due TIMESTAMP);
CREATE TABLE event_Ship (ocel_id TEXT, ocel_time TIMESTAMP);
INSERT INTO event_map_type VALUES ('Create Order', 'CreateOrder'), ('Ship', 'Ship');
INSERT INTO event VALUES ('e2', 'Ship'), ('e1', 'Create Order'), ('e3', 'Ship');
INSERT INTO event_Ship VALUES ('e2', '2025-03-02 00:00:00'), ('e3', '2025-03-03T00:00:00Z');
INSERT INTO event_CreateOrder VALUES ('e1', '2025-03-01 00:00:00', 2, 1, '2025-03-09T00:00:00Z');
INSERT INTO object VALUES ('o1', 'order'), ('i1', 'item'), ('i2', 'item');
INSERT INTO event_object VALUES ('e2', 'i1', 'shipped'), ('e1', 'o1', 'order'),
    ('e1', 'i1', 'item'), ('e1', 'i2', 'item'), ('e3', 'i2', 'shipped');
"""


def in_json(folder):
    """Write the log as JSON."""
    (folder / "log.json").write_text(json.dumps(LOG))
    return folder / "log.json"


def in_sqlite(folder):
    """Write the log as SQLite."""
    with closing(sqlite3.connect(folder / "log.sqlite")) as db, db:
        db.executescript(SQL)
    return folder / "log.sqlite"


FORMATS = pytest.mark.parametrize("make", [in_json, in_sqlite])


class TestJSON(DecodedSourceContract):
    """An exported log as JSON."""

    ending = ".ocel.json"

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        return Made(open_history(exported(new_path, KNOWN, cls.ending)).source, KNOWN)


class TestSQLite(TestJSON):
    """An exported log as SQLite."""

    ending = ".ocel.sqlite"


class TestEmptyJSON(EmptySourceContract):
    """A log of no events as JSON."""

    ending = ".ocel.json"

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path):
        """Return the source of no events."""
        return open_history(exported(new_path, [], cls.ending)).source


class TestEmptySQLite(TestEmptyJSON):
    """A log of no events as SQLite."""

    ending = ".ocel.sqlite"


# The law: what is written and read again is equal


@ENDINGS
@given(made=histories())
def test_log_is_the_history(new_path, ending, made):
    """Every event of an exported log is that of the store, also what cannot be decoded."""
    path = new_path()
    history = stored(path, made)
    export(history, path.with_suffix(ending))
    found = open_history(path.with_suffix(ending)).scan().collect()
    assert_frame_equal(found, history.scan().collect())


@ENDINGS
@given(made=histories(max_size=15), condition=predicates())
def test_conditions_find_the_same(new_path, ending, made, condition):
    """A condition leaves the same events in a log as in the store."""
    path = new_path()
    history = stored(path, made)
    export(history, path.with_suffix(ending))
    found = open_history(path.with_suffix(ending)).scan().filter(condition).collect()
    assert_frame_equal(found, history.scan().filter(condition).collect())


@ENDINGS
@given(made=st.lists(payloads(), max_size=6))
def test_payloads_of_one_type_are_made_again(new_path, ending, made):
    """Payloads of one type with fields of all kinds come back, to the letter."""
    rows = [
        Row(n, "s", n, "T", state_of(None, None, **payload)) for n, payload in enumerate(made, 1)
    ]
    path = new_path()
    history = stored(path, rows)
    export(history, path.with_suffix(ending))
    found = open_history(path.with_suffix(ending)).scan().collect()
    assert found["data"].to_list() == history.scan().collect()["data"].to_list()


@ENDINGS
def test_tags_and_metadata_come_back(tmp_path, ending):
    """Tags in their order, the same one twice, metadata and missing parts come back."""
    rows = {
        "position": [3, 5, 9],
        "stream": ["order:1", None, "s"],
        "type": ["A", None, "A"],
        "time": [datetime(2025, 3, 1, tzinfo=UTC), None, None],
        "metadata": [None, '{"by":"x"}', None],
        "tags": [["order:1", "b", "order:1"], [], ["b"]],
        "data": ['{"a":1}', None, '[1, "x"]'],
        "problem": [None, "broken", None],
    }
    pl.DataFrame(rows, schema_overrides={"tags": pl.List(pl.String)}).write_parquet(
        tmp_path / "a.parquet"
    )
    history = open_history(tmp_path / "a.parquet")
    export(history, tmp_path / f"a{ending}")
    found = open_history(tmp_path / f"a{ending}").scan().collect()
    assert_frame_equal(found, history.scan().collect())


@ENDINGS
def test_sample_is_read_again(shop, tmp_path, ending):
    """A part of the sample, with its flaws, is the same with typed columns too."""
    some = shop.between(upto=4_000)
    export(some, tmp_path / f"shop{ending}")
    found = open_history(tmp_path / f"shop{ending}")
    assert_frame_equal(found.scan().collect(), some.scan().collect())
    typed = found.events_by_type()
    for name, frame in some.events_by_type().items():
        assert_frame_equal(typed[name], frame)


# What the specification says of a log


@pytest.fixture(scope="module")
def written(shop, tmp_path_factory):
    """Return a part of the sample as a log, parsed."""
    path = tmp_path_factory.mktemp("log") / "shop.ocel.json"
    export(shop.between(upto=2_000), path)
    return json.loads(path.read_text("utf-8"))


def test_json_has_what_the_schema_requires(written):
    """The four lists are there, names are unique, and attributes have one of five types."""
    assert set(written) == {"eventTypes", "objectTypes", "events", "objects"}
    for kinds in (written["eventTypes"], written["objectTypes"]):
        names = [kind["name"] for kind in kinds]
        assert len(set(names)) == len(names)
        assert {a["type"] for kind in kinds for a in kind["attributes"]} <= TYPES


def test_events_of_json_are_declared(written):
    """Each event has an id of its own, a declared type, a time, and values of declared types."""
    declared = {
        k["name"]: {a["name"]: a["type"] for a in k["attributes"]} for k in written["eventTypes"]
    }
    python = {"integer": int, "float": float, "boolean": bool, "string": str, "time": str}
    ids = set()
    for event in written["events"]:
        assert set(event) == {"id", "type", "time", "attributes", "relationships"}
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        for attribute in event["attributes"]:
            kind = declared[event["type"]][attribute["name"]]
            assert type(attribute["value"]) is python[kind]
        ids.add(event["id"])
    assert len(ids) == len(written["events"])


def test_objects_of_json_are_there(written):
    """Each relationship names an object that the log has, of a declared type."""
    types = {kind["name"] for kind in written["objectTypes"]}
    objects = {one["id"]: one["type"] for one in written["objects"]}
    assert len(objects) == len(written["objects"])
    assert set(objects.values()) <= types
    assert {r["objectId"] for e in written["events"] for r in e["relationships"]} <= set(objects)


def test_streams_are_objects_of_their_aggregate(written, shop):
    """The type of a stream's object is its aggregate, and its events are related to it."""
    known = dict(shop.between(upto=2_000).streams().select("stream", "aggregate").iter_rows())
    objects = {one["id"]: one["type"] for one in written["objects"]}
    assert objects == {stream: aggregate or "stream" for stream, aggregate in known.items()}


def test_sqlite_has_the_tables_of_the_specification(shop, tmp_path):
    """The tables and columns are those of the format, and every map names a table."""
    export(shop.between(upto=2_000), tmp_path / "a.ocel.sqlite")
    with closing(sqlite3.connect(tmp_path / "a.ocel.sqlite")) as db:
        tables = {
            name: [column[1] for column in db.execute(f'PRAGMA table_info("{name}")')]
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        maps = db.execute("SELECT 'event_' || ocel_type_map FROM event_map_type").fetchall()
        maps += db.execute("SELECT 'object_' || ocel_type_map FROM object_map_type").fetchall()
        counted = [db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in maps]
        missing = db.execute(
            "SELECT count(*) FROM event_object WHERE ocel_event_id NOT IN (SELECT ocel_id FROM "
            "event) OR ocel_object_id NOT IN (SELECT ocel_id FROM object)"
        ).fetchone()
    assert tables["event"] == tables["object"] == ["ocel_id", "ocel_type"]
    assert tables["event_object"] == ["ocel_event_id", "ocel_object_id", "ocel_qualifier"]
    assert tables["object_object"] == ["ocel_source_id", "ocel_target_id", "ocel_qualifier"]
    for (name,) in maps:
        assert tables[name][:2] == ["ocel_id", "ocel_time"]
        assert name.startswith("event_") or tables[name][2] == "ocel_changed_field"
    assert (min(counted) > 0, missing) == (True, (0,))


def test_names_of_types_are_tables_of_their_own(tmp_path):
    """Types whose names differ in signs or case alone have different tables."""
    names = ["a:B", "a.B", "ab", "AB", "", "map_type", "object"]
    rows = [Row(n, "s", n, name, b"{}") for n, name in enumerate(names, 1)]
    history = stored(tmp_path / "a.db", rows)
    export(history, tmp_path / "a.ocel.sqlite")
    found = open_history(tmp_path / "a.ocel.sqlite").scan().collect()
    assert_frame_equal(found, history.scan().collect())


# Logs of others


@FORMATS
def test_foreign_log_is_read(tmp_path, make):
    """Events are in order of time; all their objects are tags."""
    found = open_history(make(tmp_path)).scan().collect()
    assert found.select("position", "type", "tags").rows() == [
        (1, "Create Order", ["order:o1", "item:i1", "item:i2"]),
        (2, "Ship", ["item:i1"]),
        (3, "Ship", ["item:i2"]),
    ]
    assert found["time"].dt.day().to_list() == [1, 2, 3]
    assert json.loads(found["metadata"][1]) == {"event": "e2", "qualifiers": {"i1": "shipped"}}


@FORMATS
@pytest.mark.parametrize(
    ("object_type", "streams"),
    [(None, ["i1", "i1", "i2"]), ("item", ["i1", "i1", "i2"]), ("order", ["o1", None, None])],
)
def test_stream_is_the_object_that_is_asked_for(tmp_path, make, object_type, streams):
    """The stream is an object of the chosen type; by default of that with one for most events."""
    found = open_history(make(tmp_path), object_type=object_type).scan().collect()
    assert found["stream"].to_list() == streams


@FORMATS
def test_types_of_attributes_are_kept(tmp_path, make):
    """Attributes are of the type that is declared, whatever form they have in the file."""
    found = open_history(make(tmp_path)).events("Create Order").row(0, named=True)
    assert (found["total items"], found["express"]) == (2, True)
    assert found["due"] == datetime(2025, 3, 9, tzinfo=UTC)


def test_versions_are_counted(tmp_path):
    """The events of a stream are numbered in order of time."""
    found = open_history(in_json(tmp_path)).scan().collect()
    assert found["version"].to_list() == [1, 2, 1]


def test_store_is_no_log(tmp_path):
    """A store whose name ends in .sqlite is a store."""
    path = write_native(tmp_path / "a.sqlite", simple_rows(3))
    assert open_history(path).source.kind == "eventsourcing 9, SQLite"


# What is refused


def text(folder, content):
    """Write a file that ends in .json."""
    (folder / "a.json").write_text(content)
    return folder / "a.json"


def without_a_table(folder):
    """Write a log in SQLite without a table that it names."""
    path = in_sqlite(folder)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE event_Ship")
    return path


def changed(folder, **parts):
    """Write the log with other parts."""
    return text(folder, json.dumps({**LOG, **parts}))


CASES = {
    "missing": (lambda f: f / "a.json", errors.StoreNotFoundError, "no such file"),
    "empty": (lambda f: text(f, ""), errors.StoreUnreadableError, "is empty"),
    "cut": (lambda f: text(f, json.dumps(LOG)[:-9]), errors.StoreUnreadableError, "cut off"),
    "a list": (lambda f: text(f, "[1]"), errors.UnknownLayoutError, "has no object"),
    "ocel 1": (
        lambda f: text(f, '{"ocel:events": {}}'),
        errors.UnknownLayoutError,
        "'ocel:events'",
    ),
    "no id": (lambda f: changed(f, events=[{"type": "T"}]), errors.UnknownLayoutError, "'id'"),
    "no event": (lambda f: changed(f, events=[7]), errors.UnknownLayoutError, "TypeError"),
    "no table": (without_a_table, errors.UnknownLayoutError, "event_Ship"),
}


@pytest.mark.parametrize("name", CASES)
def test_log_is_refused(tmp_path, name):
    """The error is of the project's tree, in one line, and nothing on disk has changed."""
    make, kind, said = CASES[name]
    path = make(tmp_path)
    before = fingerprint(tmp_path)
    with pytest.raises(kind, match=said) as caught:
        open_history(path)
    assert "\n" not in str(caught.value)
    assert fingerprint(tmp_path) == before


@FORMATS
def test_unknown_type_of_objects_is_refused(tmp_path, make):
    """The error lists the types that there are."""
    with pytest.raises(errors.MappingError, match="There are: item, order"):
        open_history(make(tmp_path), object_type="customer")


@FORMATS
def test_reading_leaves_the_folder_as_it_is(tmp_path, make):
    """No byte changes, and no file appears."""
    path = make(tmp_path)
    before = fingerprint(tmp_path)
    open_history(path).types()
    assert fingerprint(tmp_path) == before


def test_time_that_is_none_is_a_problem(tmp_path):
    """A time that cannot be read is null, and its row says so."""
    events = [{"id": "e", "type": "Ship", "time": "soon", "relationships": []}]
    found = open_history(changed(tmp_path, events=events)).scan().collect()
    assert found.select("time", "problem").rows() == [(None, "time is not read: soon")]
