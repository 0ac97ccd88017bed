"""The check of stored schemas, and the command that runs it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import BEGIN, PLACED, SHIPPED, Row, cut_parts, state_of, write_native

from workbench import Progress, check_compatibility, open_history
from workbench.cli import main
from workbench.compatibility.levels import LEVELS, pairs
from workbench.errors import SchemaError, UnknownTypeError
from workbench.tables import (
    CHANGE_POINTS,
    FINDINGS,
    SCHEMA_FIELDS,
    SCHEMA_MATRIX,
    SCHEMA_SHARES,
    SCHEMA_VERSIONS,
)

if TYPE_CHECKING:
    from pathlib import Path


def event(position: int, version: int | None = None, type_: str = PLACED, **fields: Any) -> Row:
    state = state_of(BEGIN + timedelta(minutes=position), version, **fields)
    return Row(position, f"stream-{position}", 1, type_, state)


ROWS = [
    *(event(n, item="a", price=n) for n in range(1, 11)),
    *(event(n, 2, item="a", price=f"{n}") for n in range(11, 16)),
    *(event(n, 3, item="a", price=f"{n}", vat=1) for n in range(16, 21)),
    *(event(n, type_=SHIPPED, by="post") for n in range(21, 26)),
    Row(26, "broken", 1, PLACED, b"\xff"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_native(tmp_path_factory.mktemp("store") / "shop.db", ROWS)


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, ["schemas", *map(str, arguments)], prog_name="workbench")


def test_each_version_is_held_against_those_before(store):
    """A finding names versions, rule, path, and the stored events that the reader refuses."""
    findings = open_history(store).schemas().check("BACKWARD_TRANSITIVE")
    told = findings.filter("breaks", pl.col("affected") > 0).select(
        "type", "version", "against", "rule", "path", "affected", "of", "first_position",
        "last_position", "sentence",
    )  # fmt: skip
    assert told.rows() == [
        (PLACED, "2", "1", "type_changed", "price", 10, 10, 1, 10, "breaking, 10 of 10 events"),
        (PLACED, "3", "1", "type_changed", "price", 10, 10, 1, 10, "breaking, 10 of 10 events"),
        (PLACED, "3", "1", "required_attribute_added", "vat", 10, 10, 1, 10,
         "breaking, 10 of 10 events"),
        (PLACED, "3", "2", "required_attribute_added", "vat", 5, 5, 11, 15,
         "breaking, 5 of 5 events"),
    ]  # fmt: skip
    assert FINDINGS.misfits(findings) == []


def test_what_breaks_in_theory_alone_says_so(store):
    """A field added to an open model breaks by definition; no stored event has it."""
    findings = open_history(store).schemas().check("BACKWARD")
    row = findings.row(by_predicate=pl.col("path").eq("vat") & pl.col("rule").str.starts_with("p"),
                       named=True)  # fmt: skip
    assert (row["rule"], row["sentence"], row["share"], row["first_position"]) == (
        "property_added_to_open_content_model", "breaking in theory, 0 of 5 events", 0.0, None,
    )  # fmt: skip


def test_forward_counts_the_events_of_the_newer_version(store):
    """FORWARD: the older version reads, so that events of the newer one are affected."""
    findings = open_history(store).schemas().check("FORWARD").filter(pl.col("affected") > 0)
    told = findings.select("version", "against", "direction", "rule", "affected", "of")
    assert told.rows() == [("2", "1", "forward", "type_changed", 5, 5)]


def test_counts_do_not_depend_on_the_parts_that_are_read(store, monkeypatch):
    """A store that is read in many small parts gives the same findings."""
    whole = open_history(store).schemas().check("FULL_TRANSITIVE")
    cut_parts(monkeypatch, 4)
    assert open_history(store).schemas().check("FULL_TRANSITIVE").equals(whole)


def test_the_reading_reports_progress(store):
    """While affected events are counted, the history's own progress is told."""
    seen: list[Progress] = []
    schemas = open_history(store).with_progress(seen.append).schemas()
    seen.clear()
    schemas.check("BACKWARD")
    assert seen


def test_nothing_is_read_where_nothing_breaks(store):
    """Payloads of a type with one version only are not read again."""
    seen: list[Progress] = []
    schemas = open_history(store).with_progress(seen.append).schemas()
    seen.clear()
    assert schemas.of(SHIPPED).check("FULL_TRANSITIVE").is_empty()
    assert seen == []


def test_a_new_schema_is_checked_before_it_is_in_use(store):
    """Of an old schema of the history, its own events are counted and no others."""
    history = open_history(store)
    old = history.schemas()["Order.Placed", 2]
    new = old.json_schema()
    new["properties"]["price"] = {"type": "string", "maxLength": 1}
    (row,) = check_compatibility(new, old, events=history).rows(named=True)
    assert (row["rule"], row["path"], row["sentence"]) == (
        "max_length_added", "price", "breaking, 5 of 5 events",
    )  # fmt: skip
    assert (row["version"], row["against"], row["type"]) == ("new", "2", None)


def test_without_events_a_finding_is_theory():
    """Where no events are given, none are counted, and the sentence says so."""
    (row,) = (
        check_compatibility({"required": ["a"]}, {"type": "object"})
        .filter("breaks")
        .rows(named=True)[:1]
    )
    assert (row["affected"], row["of"]) == (None, None)
    assert row["sentence"] == "breaking in theory, no events to count"


def test_of_many_old_versions_the_level_says_which_are_checked():
    """The last one alone, or all with a transitive level; the oldest comes first."""
    a, b = {"type": "object", "properties": {"x": {"type": "string"}}}, {"type": "object"}
    one = check_compatibility(a, [b, a], "BACKWARD")
    both = check_compatibility(a, [b, a], "BACKWARD_TRANSITIVE")
    assert (one["breaks"].sum(), both.filter("breaks")["against"].to_list()) == (0, ["1"])


@pytest.mark.parametrize(
    ("payload", "steps_rule"),
    [
        ("[1, 2]", 1),
        ("5", 1),
        ('{"items": [{"price": 1}, {"price": "1"}]}', 1),
        ('{"items": [{"price": 1}]}', 0),
        ('{"items": {"price": "1"}}', 1),
        ("{}", 0),
        ('{"items": [{"price": 100000000000000000000000000000}]}', 0),
    ],
)
def test_any_payload_is_judged_by_the_reader(payload, steps_rule):
    """A list, a scalar, deep nesting: whether the reader refuses it is what is counted."""
    prices = {
        "type": "array",
        "items": {"type": "object", "properties": {"price": {"type": "number"}}},
    }
    new = {"type": "object", "properties": {"items": prices}}
    events = pl.DataFrame({"position": [7], "data": [payload]})
    found = check_compatibility(new, {}, events=events)
    assert found["affected"].to_list() == [steps_rule]


def test_a_payload_that_cannot_be_judged_is_left_out():
    """Of payloads that are no JSON, or nested too deeply, nothing is said."""
    deep = "[" * 5_000 + "]" * 5_000
    events = pl.DataFrame({"position": [1, 2, 3, 4], "data": [deep, "{", "5", None]})
    found = check_compatibility({"type": "object"}, {}, events=events)
    assert found["sentence"].to_list() == ["breaking, 1 of 1 events"]


@pytest.mark.parametrize("level", ["BACKWARDS", "", "transitive"])
def test_an_unknown_level_is_refused(store, level):
    """A level that does not exist is an error that lists some that do."""
    with pytest.raises(SchemaError, match="Cannot check for the compatibility"):
        open_history(store).schemas().check(level)


def test_no_old_schema_is_refused():
    """A schema can be checked only against another."""
    with pytest.raises(SchemaError, match="Give at least one"):
        check_compatibility({}, [])


@given(st.sampled_from(LEVELS), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_levels_are_made_of_each_other(level, versions):
    """FULL is BACKWARD and FORWARD, and a transitive level has all pairs of its plain one."""
    whole = set(pairs(level, versions, versions))
    if level.startswith("FULL"):
        other = level.removeprefix("FULL")
        parts = [pairs(f"{name}{other}", versions, versions) for name in ("BACKWARD", "FORWARD")]
        assert whole == {*parts[0], *parts[1]}
    if level.endswith("_TRANSITIVE"):
        assert whole >= set(pairs(level.removesuffix("_TRANSITIVE"), versions, versions))
    assert all(pair.older < pair.newer for pair in whole)


# The command


def answer(*arguments: Any, code: int = 0) -> Any:
    found = run(*arguments, "--json")
    assert (found.exit_code, found.stderr) == (code, "")
    return json.loads(found.stdout)["result"]


def test_the_command_lists_versions(store):
    """Without --check the rows are the versions, as the library has them."""
    found = answer(store)
    assert list(found["rows"][0]) == list(SCHEMA_VERSIONS.names)
    assert [row["name"] for row in found["rows"]] == ["1", "2", "3", "undecodable", "1"]
    assert (found["fields"], found["overlaps"], found["check"]) == (None, [], None)


def test_the_command_lists_fields_of_a_type(store):
    """With --type the fields are there too."""
    found = answer(store, "--type", "Order.Placed")
    assert list(found["fields"][0]) == list(SCHEMA_FIELDS.names)
    assert {row["path"] for row in found["fields"]} == {"item", "price", "vat"}
    said = run(store, "--type", "Order.Placed").stdout
    assert "price" in said
    assert "price" not in run(store).stdout


@pytest.mark.parametrize(
    ("arguments", "columns", "paths"),
    [
        (["--between", "1", "2"], SCHEMA_MATRIX, ["item", "price"]),
        (["--drift"], CHANGE_POINTS, None),
        (["--over-time", "1d"], SCHEMA_SHARES, None),
    ],
)
def test_the_command_answers_about_one_type(store, arguments, columns, paths):
    """Two versions, drift and shares are the rows of the library's own answers."""
    found = answer(store, "--type", "Order.Placed", *arguments)
    assert found["total"] == len(found["rows"])
    assert [list(row) for row in found["rows"]] == [list(columns.names)] * found["total"]
    if paths is not None:
        assert [row["path"] for row in found["rows"]] == paths
    assert run(store, "--type", "Order.Placed", *arguments).exit_code == 0


def test_the_command_drafts(store):
    """A draft is an upcaster and a test for it, in JSON and to paste."""
    asked = [store, "--type", "Order.Placed", "--draft", "1", "2", "--mask", "item"]
    found = answer(*asked)
    assert found["upcaster"].startswith("@staticmethod\ndef upcast_v1_v2(")
    assert "def test_upcast_v1_v2" in found["test"]
    assert "***" in found["test"]
    said = run(*asked).stdout
    assert found["upcaster"] in said
    assert found["test"].rstrip() in said


def test_overlaps_are_listed(tmp_path):
    """Two versions that were written at the same time are told below the versions."""
    rows = [event(i, 2 if i % 2 else None) for i in range(1, 9)]
    path = write_native(tmp_path / "both.db", rows)
    (pair,) = answer(path)["overlaps"]
    assert (pair["older"], pair["newer"], pair["first_position"]) == ("2", "1", 2)
    assert "Written at the same time:" in run(path).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--between", "1", "2"], 2),
        (["--drift", "--type", "Order.Placed", "--type", "Order.Shipped"], 2),
        (["--drift", "--check", "FULL", "--type", "Order.Placed"], 2),
        (["--mask", "item", "--type", "Order.Placed"], 0),
        (["--between", "1", "9", "--type", "Order.Placed"], 2),
        (["--over-time", "often", "--type", "Order.Placed"], 2),
        (["--check", "BACKWARD_TRANSITIVE"], 1),
        (["--check", "backward", "--type", "Order.Placed"], 1),
        (["--check", "FULL", "--type", "Order.Shipped"], 0),
        (["--check", "NONE"], 0),
        (["--check", "FORWARD", "--only-affected"], 1),
        (["--check", "FORWARD", "--only-affected", "--after", "10"], 0),
        (["--check", "FORWARD", "--after", "10"], 0),
        (["--check", "BACKWARD", "--only-affected", "--after", "10"], 1),
        (["--only-affected"], 2),
        (["--check", "SIDEWARDS"], 2),
        (["--check", "FULL", "--type", "Nothing"], 2),
    ],
)
def test_the_exit_code_says_whether_something_breaks(store, arguments, code):
    """1 where a version cannot read what it must, 0 where all can, 2 for wrong usage."""
    assert run(store, *arguments).exit_code == code


def test_the_answer_of_a_check_holds_the_findings(store):
    """With --check the rows are findings, harmless ones too, and the verdict."""
    found = answer(store, "--check", "BACKWARD", code=1)
    assert list(found["rows"][0]) == list(FINDINGS.names)
    assert found["check"] == {"level": "BACKWARD", "only_affected": False, "passed": False}


def test_people_are_told_who_reads_what(store):
    """The table says which version reads which, the field, the rule and the count."""
    said = run(store, "--check", "BACKWARD", "--only-affected").stdout
    assert "2 reads 1" in said
    assert "breaking, 10 of 10 events" in said
    assert "The check for BACKWARD has failed: 2 breaking changes that affect stored" in said


def test_an_unknown_type_is_refused(store):
    """A type that the history does not have is an error of the library."""
    with pytest.raises(UnknownTypeError):
        open_history(store).schemas().of("Nothing")
