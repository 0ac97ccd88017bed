"""XES logs: what is written is read again, and is what IEEE 1849 says a log is."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from contracts import DecodedSourceContract, EmptySourceContract, Made
from files import KNOWN, exported, fingerprint, stored
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import Row, state_of
from strategies import histories, payloads, predicates

from workbench import errors, open_history
from workbench.export import export
from workbench.mining.xes import attribute

ENDINGS = pytest.mark.parametrize("ending", [".xes", ".xes.gz"])
NAMESPACE = "{http://www.xes-standard.org/}"
NAME = re.compile(r"[A-Za-z_:][-A-Za-z0-9_:.]*")
VALUES = {
    "string": re.compile(r"(?s).*"),
    "int": re.compile(r"[+-]?[0-9]+"),
    "float": re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|INF|-INF|NaN"),
    "boolean": re.compile(r"true|false|0|1"),
    "date": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-].*)?"
    ),
    "id": re.compile(r"(?s).*"),
    "list": None,
}
"""The attributes of `xes-ieee-1849-2016.xsd`, and how XML Schema writes their values."""
FOREIGN = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <global scope="event"><string key="concept:name" value="__INVALID__"/></global>
  <classifier name="Activity" keys="concept:name lifecycle:transition"/>
  <string key="creator" value="somebody"/>
  <trace>
    <string key="concept:name" value="case 1"/><int key="amount" value="100"/>
    <event><string key="concept:name" value="pay"/>
      <date key="time:timestamp" value="2009-12-31T23:00:00.000+01:00"/>
      <string key="org:resource" value="Sue"><string key="role" value="clerk"/></string>
      <boolean key="ok" value="true"/><float key="cost" value="1.5"/>
      <list key="parts"><values><int key="a" value="1"/><int key="b" value="2"/></values></list>
      <container key="of"><string key="x" value="y"/></container>
      <id key="who" value="f81d4fae-7dec-11d0-a765-00a0c91e6bf6"/>
    </event>
    <event><string key="concept:name" value="undated"/></event>
  </trace>
  <trace>
    <event><string key="concept:name" value="ask"/>
      <date key="time:timestamp" value="2009-12-31T20:00:00.000Z"/></event>
    <event><date key="time:timestamp" value="2010-01-01T00:00:00.000Z"/></event>
  </trace>
</log>
"""


def log_of(events, *, head='<?xml version="1.0"?>'):
    """Return a log of one trace of these events."""
    name = '<string key="concept:name" value="c"/>'
    return f'{head}<log xes.version="1.0"><trace>{name}{events}</trace></log>'


@pytest.fixture
def foreign(tmp_path):
    """Return a log that was written by something else."""
    path = tmp_path / "foreign.xes"
    path.write_text(FOREIGN)
    return path


def read(path, text):
    """Write a log and return its events."""
    path.write_text(text)
    return open_history(path).scan().collect()


class TestXES(DecodedSourceContract):
    """An exported log."""

    ending = ".xes"

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        return Made(open_history(exported(new_path, KNOWN, cls.ending)).source, KNOWN)


class TestCompressedXES(TestXES):
    """An exported log that is compressed."""

    ending = ".xes.gz"


class TestEmptyXES(EmptySourceContract):
    """A log of no events."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path):
        """Return the source of no events."""
        return open_history(exported(new_path, [], ".xes")).source


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


@given(made=histories(max_size=15), condition=predicates())
def test_conditions_find_the_same(new_path, made, condition):
    """A condition leaves the same events in a log as in the store."""
    path = new_path()
    history = stored(path, made)
    export(history, path.with_suffix(".xes"))
    found = open_history(path.with_suffix(".xes")).scan().filter(condition).collect()
    assert_frame_equal(found, history.scan().filter(condition).collect())


@given(payload=payloads())
def test_payload_is_made_of_attributes_again(new_path, payload):
    """A payload of any fields comes back, to the letter."""
    path = new_path()
    history = stored(path, [Row(1, "s", 1, "T", state_of(None, None, **payload))])
    export(history, path.with_suffix(".xes"))
    found = open_history(path.with_suffix(".xes")).scan().collect()
    assert found["data"].to_list() == history.scan().collect()["data"].to_list()


def test_sample_is_read_again(shop, tmp_path):
    """A part of the sample, with its flaws, is the same with typed columns too."""
    some = shop.between(upto=4_000)
    export(some, tmp_path / "shop.xes.gz")
    found = open_history(tmp_path / "shop.xes.gz")
    assert_frame_equal(found.scan().collect(), some.scan().collect())
    typed = found.events_by_type()
    for name, frame in some.events_by_type().items():
        assert_frame_equal(typed[name], frame)


def test_text_that_xml_cannot_hold_comes_back(tmp_path):
    """Control characters, line ends and markup in names and payloads come back."""
    odd = "a\x00b\r\n\t<&\">'\ufffe"
    history = stored(tmp_path / "a.db", [Row(1, odd, 1, odd, state_of(None, None, text=odd))])
    export(history, tmp_path / "a.xes")
    assert_frame_equal(open_history(tmp_path / "a.xes").scan().collect(), history.scan().collect())


# What the standard says of a log


def attributes_of(element):
    """Yield all attributes below an element, also nested ones."""
    for child in element.iter():
        if child.tag.removeprefix(NAMESPACE) in VALUES:
            yield child


@pytest.fixture(scope="module")
def log(shop, tmp_path_factory):
    """Return the parsed log of a part of the sample."""
    path = tmp_path_factory.mktemp("log") / "shop.xes"
    export(shop.between(upto=3_000), path)
    return ET.parse(path).getroot()


def test_elements_are_in_the_order_of_the_schema(log):
    """Extensions come first, then classifiers, then traces, in the namespace of XES."""
    assert log.tag == f"{NAMESPACE}log"
    tags = [child.tag.removeprefix(NAMESPACE) for child in log]
    assert list(dict.fromkeys(tags)) == ["extension", "classifier", "trace"]
    assert float(log.get("xes.version")) == 1849.2016


def test_extensions_are_declared(log):
    """Each prefix of a key is that of a declared extension, which has a name and a URI."""
    declared = {e.get("prefix"): e for e in log.iter(f"{NAMESPACE}extension")}
    assert all(e.get("name") and e.get("uri") for e in declared.values())
    keys = {a.get("key") for a in attributes_of(log)}
    assert {key.partition(":")[0] for key in keys if ":" in key} <= set(declared)


def test_attributes_have_the_values_of_their_kind(log):
    """A key is an XML name, and a value is written as XML Schema writes its type."""
    for found in attributes_of(log):
        kind = VALUES[found.tag.removeprefix(NAMESPACE)]
        assert NAME.fullmatch(found.get("key"))
        assert kind is None or kind.fullmatch(found.get("value"))


def test_events_have_what_tools_look_for(log, shop):
    """A trace is named as its stream, an event as its type, and has its time."""
    traces = log.findall(f"{NAMESPACE}trace")
    some = shop.between(upto=3_000)
    named = [
        next(a.get("value") for a in trace if a.get("key") == "concept:name") for trace in traces
    ]
    assert named == some.streams()["stream"].to_list()
    events = [event for trace in traces for event in trace.iter(f"{NAMESPACE}event")]
    types = {a.get("value") for e in events for a in e if a.get("key") == "concept:name"}
    assert (len(events), types) == (len(some), set(some.types()["type"]))


def test_lists_have_values(tmp_path):
    """A list holds one element `values`, as the schema has it."""
    found = ET.fromstring(attribute("of", [1, {"a": None}]))
    assert (found.tag, [child.tag for child in found]) == ("list", ["values"])


@given(st.text(max_size=20))
def test_any_text_is_well_formed(text):
    """The value of an attribute is well-formed XML, whatever it is."""
    ET.fromstring(attribute("a", text))


# Logs of others


def test_foreign_log_is_read(foreign):
    """Traces are streams, names are types, and events are in order of time and trace."""
    found = open_history(foreign).scan().collect()
    assert found.select("position", "stream", "version", "type").rows() == [
        (1, "trace 2", 1, "ask"),
        (2, "case 1", 1, "pay"),
        (3, "case 1", 2, "undated"),
        (4, "trace 2", 2, None),
    ]
    assert found["time"][1] == datetime(2009, 12, 31, 22, tzinfo=UTC)
    assert found["problem"].to_list() == [None] * 4


def test_types_of_attributes_are_kept(foreign):
    """Truth values, numbers, lists and nested attributes are those of the log."""
    (row,) = open_history(foreign).of_types("pay").scan().collect().to_dicts()
    assert json.loads(row["data"]) == {
        "org:resource": {"value": "Sue", "role": "clerk"},
        "ok": True,
        "cost": 1.5,
        "parts": [{"a": 1}, {"b": 2}],
        "of": {"x": "y"},
        "who": {"_type_": "uuid_hex", "_data_": "f81d4fae7dec11d0a76500a0c91e6bf6"},
    }
    assert json.loads(row["metadata"]) == {"trace": {"amount": 100}}


def test_dates_are_typed_columns(tmp_path):
    """A date of an event is a column of times."""
    due = '<date key="due" value="2025-03-01T12:00:00+02:00"/>'
    event = f'<event><string key="concept:name" value="A"/>{due}</event>'
    (tmp_path / "a.xes").write_text(log_of(event))
    found = open_history(tmp_path / "a.xes").events("A")
    assert found["due"].to_list() == [datetime(2025, 3, 1, 10, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ('<int key="n" value="many"/>', "n is no int: many"),
        ('<float key="n" value="x"/>', "n is no float: x"),
        ('<float key="n" value="NaN"/>', "NaN at n: not JSON, read as null"),
        ('<boolean key="n" value="perhaps"/>', "n is no boolean: perhaps"),
        ('<date key="time:timestamp" value="soon"/>', "time is not read: soon"),
    ],
)
def test_value_that_does_not_fit_is_a_problem(tmp_path, attribute, said):
    """A value that is not of its kind is said, and takes no other event with it."""
    found = read(tmp_path / "a.xes", log_of(f"<event>{attribute}</event><event/>"))
    assert set(found["problem"].to_list()) == {None, said}


def test_order_within_a_trace_is_kept(tmp_path):
    """An event that says that it was before the one it follows stays behind it."""
    times = ["2025-03-01T12:00:00Z", "2025-03-01T10:00:00Z", "2025-03-01T11:00:00Z"]
    events = "".join(
        f'<event><string key="concept:name" value="{n}"/>'
        f'<date key="time:timestamp" value="{t}"/></event>'
        for n, t in enumerate(times)
    )
    assert read(tmp_path / "a.xes", log_of(events))["type"].to_list() == ["0", "1", "2"]


# What is refused

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
NESTED = '<string key="a">' * 90 + "</string>" * 90
NUMBERED = '<event><int key="workbench:position" value="7"/></event>'
LAUGH = '<event><string key="concept:name" value="&{};"/></event>'


def cut(folder, name):
    """Export a log, and cut it off."""
    path = exported(lambda: folder / "a.db", KNOWN, name)
    path.write_bytes(path.read_bytes()[:900])
    return path


def named(folder, name, content):
    """Write a file."""
    (folder / name).write_bytes(content)
    return folder / name


CASES = {
    "missing": (lambda f: f / "a.xes", errors.StoreNotFoundError, "no such file"),
    "empty": (lambda f: named(f, "a.xes", b""), errors.StoreUnreadableError, "is empty"),
    "cut": (lambda f: cut(f, ".xes"), errors.StoreUnreadableError, "cut off"),
    "cut gzip": (lambda f: cut(f, ".xes.gz"), errors.StoreUnreadableError, "cut off"),
    "no gzip": (
        lambda f: named(f, "a.xes.gz", b"<log/>"),
        errors.StoreUnreadableError,
        "[Nn]ot a gzipped file",
    ),
    "broken gzip": (
        lambda f: named(f, "a.xes.gz", gzip.compress(b"<log/>" * 99)[:12] + b"\xff" * 40),
        errors.StoreUnreadableError,
        "Cannot read 'a.xes.gz'",
    ),
    "no xml": (lambda f: named(f, "a.xes", b"log;log"), errors.StoreUnreadableError, "line 1"),
    "html": (lambda f: named(f, "a.xes", b"<html/>"), errors.UnknownLayoutError, "<html>"),
    "laughs": (
        lambda f: named(f, "a.xes", log_of(LAUGH.format("c"), head=LAUGHS).encode()),
        errors.StoreUnreadableError,
        "document type",
    ),
    "outside": (
        lambda f: named(f, "a.xes", log_of(LAUGH.format("a"), head=OUTSIDE).encode()),
        errors.StoreUnreadableError,
        "document type",
    ),
    "nested": (
        lambda f: named(f, "a.xes", log_of(f"<event>{NESTED}</event>").encode()),
        errors.StoreUnreadableError,
        "nested deeper",
    ),
    "twice": (
        lambda f: named(f, "a.xes", log_of(NUMBERED * 2).encode()),
        errors.MappingError,
        "position 7 occurs twice",
    ),
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


def test_mapping_is_refused(foreign):
    """A log has no columns to be mapped."""
    with pytest.raises(errors.UnknownTargetError, match="columns="):
        open_history(foreign, columns={"type": "kind"})


def test_many_events_are_read_in_frames(tmp_path, monkeypatch):
    """A log of more events than a frame holds is read whole."""
    monkeypatch.setattr("workbench.sources.xes.ROWS_A_FRAME", 7)
    monkeypatch.setattr("workbench.sources.xes.BYTES_AT_ONCE", 64)
    history = stored(tmp_path / "a.db", KNOWN)
    export(history, tmp_path / "a.xes")
    assert_frame_equal(open_history(tmp_path / "a.xes").scan().collect(), history.scan().collect())


def test_is_in_memory_after_opening(foreign):
    """A log is read once: its events are there when the file is gone."""
    history = open_history(foreign)
    foreign.unlink()
    assert history.scan().select(pl.len()).collect().item() == 4
