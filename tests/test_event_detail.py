"""One event: what is new in its payload, what it made, and how it is taken along."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import BEGIN, PLACED, Row, state_of, write_native

from workbench import NewEvent, open_history, state_change
from workbench.dashboards import markup, neighbours
from workbench.errors import EditError, RangeError, UnknownPositionError, UpcasterError
from workbench.payload.differing import payload_differences
from workbench.tables import PAYLOAD_DIFFERENCES, STATES
from workbench.writing import as_fixture, as_json, as_python, python_of

RELEASE = "shop=workbench.samples.release_3"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def row_of(history: Any, position: int) -> dict[str, Any]:
    return history.event(position).row(0, named=True)


# What is new


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('{"a":1}', '{"a":1}', []),
        ('{"a":1.10}', '{"a":1.1}', [("a", "changed", "1.10", "1.1")]),
        ('{"a":1}', '{"a":"1"}', [("a", "changed", "1", '"1"')]),
        ('{"a":true}', '{"a":1}', [("a", "changed", "true", "1")]),
        ('{"a":null}', "{}", [("a", "removed", "null", None)]),
        ("{}", '{"a":{"b":[1]}}', [("a", "added", None, '{"b":[1]}')]),
        ('{"a":{"b":[1,2]}}', '{"a":{"b":[1,3,4]}}',
         [("a.b[1]", "changed", "2", "3"), ("a.b[2]", "added", None, "4")]),
        ('{"a":{"_type_":"u","_data_":"1"}}', '{"a":{"_type_":"u","_data_":"2"}}',
         [("a", "changed", '{"_type_":"u","_data_":"1"}', '{"_type_":"u","_data_":"2"}')]),
        ("[1]", '{"a":1}', [("", "changed", "[1]", '{"a":1}')]),
        ("no json", "{}", [("", "changed", "no json", "{}")]),
        (None, "{}", [("", "added", None, "{}")]),
        (None, None, []),
    ],
)  # fmt: skip
def test_what_differs_between_payloads(before, after, expected):
    """Each value that differs is a row, with where it stands and what it was."""
    found = payload_differences(before, after)
    assert found.rows() == expected
    assert PAYLOAD_DIFFERENCES.misfits(found) == []


@given(JSON)
def test_a_payload_does_not_differ_from_itself(value):
    """Nothing differs between a payload and itself."""
    assert payload_differences(json.dumps(value), json.dumps(value)).is_empty()


@given(JSON, JSON)
def test_differences_turn_around(a, b):
    """What is added one way is removed the other way, at the same places."""
    there = payload_differences(json.dumps(a), json.dumps(b))
    back = payload_differences(json.dumps(b), json.dumps(a))
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    expected = {(path, turned[change], after, was) for path, change, was, after in there.rows()}
    assert set(back.rows()) == expected


def test_the_one_before_is_of_the_stream_first(shop):
    """An event is compared with the one before of its type in its stream, else in the log."""
    item = shop.of_streams("item-mug-blue").of_types("Item.Received").scan().collect()
    first, second = item["position"][:2]
    assert neighbours.previous_of_type(shop, row_of(shop, second)) == first
    order = shop.of_types("Order.Placed").scan().select("position").head(6).collect()["position"]
    assert neighbours.previous_of_type(shop, row_of(shop, order[5])) == order[4]
    assert neighbours.previous_of_type(shop, row_of(shop, order[0])) is None


def test_the_difference_leaves_out_the_time(shop):
    """Every event has another time: that is not told as new."""
    previous, found = neighbours.difference(shop, row_of(shop, 40_851))
    assert previous is not None
    assert found["path"].to_list() == ["item_id", "quantity", "price"]


# What it made


def test_state_before_and_after(shop):
    """The aggregate is made of its events up to the one before, and with it."""
    change = state_change(shop, 88, RELEASE)
    found = {row["attribute"]: row for row in change.attributes.iter_rows(named=True)}
    assert (change.aggregate, change.failed) == ("Order", None)
    assert STATES.misfits(change.attributes) == []
    assert (found["version"]["before"], found["version"]["after"]) == ("1", "2")
    assert found["version"]["changed"] is True
    assert found["id"]["changed"] is False
    assert "Order" in change._repr_html_()


def test_the_first_event_makes_the_aggregate(shop):
    """Before the first event there is nothing."""
    change = state_change(shop, 87, RELEASE)
    assert change.attributes["before"].null_count() == change.attributes.height > 0


def test_an_event_that_cannot_be_applied_is_told(shop):
    """What the user's code raises is told with the position, and not raised."""
    change = state_change(shop, 7_184, RELEASE)
    assert change.failed is not None
    assert change.failed.startswith("position 7,184, decode")


@pytest.mark.parametrize(
    ("position", "classes", "limit", "error"),
    [
        (80, RELEASE, 60, UnknownPositionError),
        (87, "no.such.module", 60, UpcasterError),
        (87, RELEASE, 0, RangeError),
    ],
)
def test_a_state_that_cannot_be_told(shop, position, classes, limit, error):
    """A position that is not there, code that is not there, and no time at all are errors."""
    with pytest.raises(error):
        state_change(shop, position, classes, time_limit_s=limit)


# Taking it along


def test_json_is_the_event(shop):
    """JSON holds the envelope, and the payload as it is stored."""
    row = row_of(shop, 94)
    found = json.loads(as_json(row))
    assert found["data"] == json.loads(row["data"])
    assert found["stream"] == "payment-10001"
    assert datetime.fromisoformat(found["time"]) == row["time"]


@pytest.mark.parametrize("position", [1, 87, 94, 40_850, 54_385])
def test_python_makes_the_event_again(shop, position):
    """The Python, run as it stands, makes an event that says what is stored."""
    row = row_of(shop, position)
    names: dict[str, Any] = {}
    exec(as_python(row), names)
    made = shop.edit(insert=names["event"]).scan().tail(1).collect().row(0, named=True)
    expected = {k: v for k, v in json.loads(row["data"]).items() if k != "timestamp"}
    found = {k: v for k, v in json.loads(made["data"]).items() if k != "timestamp"}
    assert found == expected
    assert (made["type"], made["stream"], made["time"]) == (row["type"], row["stream"], row["time"])


def test_a_fixture_returns_the_event(shop):
    """The fixture is named after the type and position, and returns a `NewEvent`."""
    code = as_fixture(row_of(shop, 94))
    names: dict[str, Any] = {}
    exec(code.replace("@pytest.fixture\n", ""), names)
    made = names["payment_charged_94"]()
    assert isinstance(made, NewEvent)
    assert made.data["order_id"] == "order-10001"
    assert "@pytest.fixture\ndef payment_charged_94() -> NewEvent:" in code


def test_wrappers_are_native_in_python():
    """What the library wraps is written as the value, and anything else as it is."""
    value = {
        "t": {"_type_": "datetime_iso", "_data_": "2025-03-01T12:00:00+00:00"},
        "d": {"_type_": "decimal_str", "_data_": "1.50"},
        "u": {"_type_": "uuid_hex", "_data_": "00112233445566778899aabbccddeeff"},
        "o": {"_type_": "own", "_data_": [1, None, True]},
        "n": float("inf"),
    }
    names = {"datetime": datetime, "Decimal": Decimal, "UUID": UUID}
    assert eval(python_of(value), names) == {
        "t": datetime(2025, 3, 1, 12, tzinfo=UTC),
        "d": Decimal("1.50"),
        "u": UUID("00112233445566778899aabbccddeeff"),
        "o": {"_type_": "own", "_data_": [1, None, True]},
        "n": float("inf"),
    }


@given(JSON)
def test_python_of_json_is_the_value(value):
    """Whatever a payload holds, the Python of it is only that value."""
    if not (isinstance(value, dict) and value.keys() == {"_type_", "_data_"}):
        assert eval(python_of(value), {"__builtins__": {"float": float}}) == value


@pytest.mark.parametrize(
    "name", ['");import os#', "'''", 'x"""y', "a\nb", "\u202e", "1st", "", "{0}"]
)
def test_hostile_names_stay_text_in_code(tmp_path, name):
    """Types, streams and keys that try to be code are text in what is copied."""
    rows = [Row(1, name or "s", 1, f"m:{name}", state_of(BEGIN, **{name or "k": name}))]
    history = open_history(write_native(tmp_path / "a.db", rows))
    names: dict[str, Any] = {}
    exec(as_python(row_of(history, 1)), names)
    assert names["event"].type == f"m:{name}"
    assert names["event"].data == {name or "k": name}
    compile(as_fixture(row_of(history, 1)), "fixture", "exec")


def test_what_cannot_be_decoded_is_no_python(shop):
    """An event whose payload cannot be decoded has no Python, and says why."""
    with pytest.raises(EditError, match=r"position 7,184.*not UTF-8"):
        as_python(row_of(shop, 7_184))
    assert json.loads(as_json(row_of(shop, 7_184)))["data"] is None


# A large value


def test_a_large_value_is_loaded_on_demand():
    """A value beyond 20,000 characters is cut, until all of it is asked for."""
    data = json.dumps({"a": "x" * 30_000, "b": 1})
    assert markup.is_cut(data)
    assert "10,000 more characters" in markup.tree(data)
    assert "more characters" not in markup.tree(data, whole=True)
    assert "x" * 30_000 in markup.tree(data, whole=True)


def test_a_tree_of_many_values_is_cut():
    """Of a payload with thousands of values the rest is loaded on demand too."""
    data = json.dumps(list(range(5_000)))
    assert markup.is_cut(data)
    assert ">4999<" in markup.tree(data, whole=True)


def test_a_small_payload_is_whole():
    """A payload that says of itself that it is cut is not."""
    data = json.dumps({"a": "class='note cut'>" + "x" * 5_000})
    assert not markup.is_cut(data)


def test_previous_is_found_without_a_stream(tmp_path):
    """A type that occurs once has none before it."""
    rows = [Row(1, "s", 1, PLACED, state_of(BEGIN, a=1))]
    history = open_history(write_native(tmp_path / "a.db", rows))
    assert neighbours.difference(history, row_of(history, 1))[0] is None
    assert isinstance(history.event(1), pl.DataFrame)
