"""Edits that are drafted on a page: what an address keeps of them, and what they do."""

from __future__ import annotations

import json
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import simple_rows, write_native
from strategies import texts, values

from workbench import open_history
from workbench.dashboards.address import Place, Scene, place_of, query_of
from workbench.dashboards.named_edits import (
    MOST_STEPS,
    Drop,
    Move,
    NamedEdit,
    Put,
    Set,
    edit_named,
    steps_in_words,
    typed,
    typed_fields,
    with_edit,
)
from workbench.errors import EditError
from workbench.samples import shop_path

POSITIONS = st.integers(0, 2**62 - 1)
JSON = values().map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
STEPS = st.one_of(
    st.builds(Drop, POSITIONS),
    st.builds(Set, POSITIONS, texts(), JSON),
    st.builds(Move, POSITIONS, POSITIONS),
    st.builds(
        Put,
        st.none() | POSITIONS,
        NAMES,
        NAMES,
        st.dictionaries(texts(), st.integers()).map(
            lambda found: json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        ),
    ),
)
EDITS = st.builds(NamedEdit, NAMES, st.lists(STEPS, max_size=6).map(tuple))


@given(st.lists(EDITS, max_size=3, unique_by=lambda edit: edit.name).map(tuple))
def test_address_leads_back_to_its_edits(edits):
    """The edits that an address names are those that it was made from."""
    place = Place(page="replay", scene=Scene("A", edited="x"), edits=edits)
    assert place_of(query_of(place)) == place


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[1]", '[""]', '"x"', "[" * 100_000, "null"],
)
def test_text_that_is_no_edit(text):
    """What is no edit is none."""
    assert NamedEdit.of(text) is None


@pytest.mark.parametrize(
    "step",
    [
        ["fly", 1],
        ["drop"],
        ["drop", -1],
        ["drop", True],
        ["drop", 1.5],
        ["drop", 2**63],
        ["set", 1, 2, 3],
        ["move", 1],
        ["move", 1, "2"],
        ["insert", 1, "", "s", {}],
        ["insert", 1, "t", "s", []],
        ["insert", "1", "t", "s", {}],
        {},
        None,
    ],
)
def test_steps_that_an_address_says_wrongly_are_left_out(step):
    """Of an edit, the steps that are none are left out, and the others stay."""
    found = NamedEdit.of(json.dumps(["e", step, ["drop", 3]]))
    assert found == NamedEdit("e", (Drop(3),))


def test_more_steps_than_an_address_holds():
    """An edit of an address has no more steps than one that was drafted."""
    edit = NamedEdit("e")
    for position in range(MOST_STEPS):
        edit = edit.with_step(Drop(position))
    with pytest.raises(EditError, match="as many as an address holds"):
        edit.with_step(Drop(MOST_STEPS))
    longer = json.dumps(["e", *(["drop", n] for n in range(MOST_STEPS * 2))])
    assert NamedEdit.of(longer) == edit


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        ((Drop(1),), Drop(1), (Drop(1),)),
        ((Drop(1),), Set(1, "a", "2"), (Set(1, "a", "2"),)),
        ((Set(1, "a", "2"), Move(1, 5)), Drop(1), (Drop(1),)),
        ((Set(1, "a", "2"),), Set(1, "a", "3"), (Set(1, "a", "3"),)),
        ((Set(1, "a", "2"),), Set(1, "b", "3"), (Set(1, "a", "2"), Set(1, "b", "3"))),
        ((Move(1, 2),), Move(1, 3), (Move(1, 3),)),
        ((Drop(1),), Put(1, "t", "s", "{}"), (Drop(1), Put(1, "t", "s", "{}"))),
        ((Drop(1),), Drop(2), (Drop(1), Drop(2))),
    ],
)
def test_step_takes_the_place_of_what_it_contradicts(before, new, after):
    """Of two steps that cannot both be, the later counts."""
    assert NamedEdit("e", before).with_step(new).steps == after


def test_step_is_taken_away():
    """A step can be taken away again."""
    assert NamedEdit("e", (Drop(1), Drop(2), Drop(3))).without(1).steps == (Drop(1), Drop(3))


def test_edits_by_name():
    """An edit takes the place of the one of its name."""
    a, b = NamedEdit("a", (Drop(1),)), NamedEdit("b")
    assert with_edit((a, b), NamedEdit("a")) == (NamedEdit("a"), b)
    assert with_edit((a,), b) == (a, b)
    assert edit_named((a, b), "b") == b
    assert edit_named((a, b), "c") is None


@pytest.fixture(scope="module")
def shop():
    return open_history(shop_path())


@pytest.fixture
def history(tmp_path):
    return open_history(write_native(tmp_path / "s.db", simple_rows(9)))


EDIT = NamedEdit(
    "all four",
    (
        Drop(2),
        Set(3, "n", "77"),
        Set(3, "text", '"new"'),
        Move(4, 6),
        Put(5, "Order.Placed", "stream-9", '{"n":1}'),
        Put(None, "Order.Placed", "stream-9", '{"n":2}'),
    ),
)


def test_edit_does_what_its_steps_say(history):
    """It is the edit that `History.edit` makes of the same."""
    edited = EDIT.applied(history)
    assert edited.edits[-1].name == "all four"
    assert edited.edited_events().select("kind", "position").rows() == [
        ("drop", 2),
        ("alter", 3),
        ("move", 4),
        ("insert", 5),
        ("insert", 10),
    ]
    row = edited.between(after=2, upto=3).events("Order.Placed").row(0, named=True)
    assert (row["n"], row["text"]) == (77, "new")


def test_edit_without_steps_leaves_the_history(history):
    """Nothing asked for is no edit."""
    assert NamedEdit("empty").applied(history) is history


def test_python_makes_the_same_history(history, tmp_path):
    """The code that is copied gives, run elsewhere, the same events."""
    known = {}
    exec(EDIT.python(str(tmp_path / "s.db")), known)
    assert_frame_equal(known["edited"].scan().collect(), EDIT.applied(history).scan().collect())


def test_python_with_native_values(shop):
    """Amounts, times and ids are written as Python has them, and mean the same."""
    steps = tuple(
        Set(21755, name, value)
        for name, value in {
            "amount": '{"_type_":"decimal_str","_data_":"1.50"}',
            "until": '{"_type_":"datetime_iso","_data_":"2026-01-01T00:00:00+00:00"}',
            "id": '{"_type_":"uuid_hex","_data_":"0123456789abcdef0123456789abcdef"}',
        }.items()
    )
    edit = NamedEdit("it's", steps)
    known = {}
    exec(edit.python(str(shop_path())), known)
    data = [
        found.between(after=21754, upto=21755).scan().select("data").collect().item()
        for found in (known["edited"], edit.applied(shop))
    ]
    assert data[0] == data[1]
    assert '"_type_":"uuid_hex"' in data[0]


def test_edit_that_cannot_be_made(history):
    """What `History.edit` refuses is refused."""
    with pytest.raises(EditError, match="there is no event at 99"):
        NamedEdit("e", (Drop(99),)).applied(history)


def test_steps_in_words():
    """Each step is a row of text."""
    assert steps_in_words(EDIT).rows() == [
        ("drop", "2", "left out"),
        ("set", "3", "n = 77"),
        ("set", "3", "text = new"),
        ("move", "4", "to after 6"),
        ("insert", "5", 'Order.Placed in stream-9 after 5: {"n":1}'),
        ("insert", "", 'Order.Placed in stream-9 at the end: {"n":2}'),
    ]
    assert steps_in_words(NamedEdit("e")).schema == dict.fromkeys(
        ("kind", "position", "what"), pl.String()
    )


# What somebody types


@pytest.mark.parametrize(
    ("text", "before", "expected"),
    [
        ("true", "old", "true"),
        ("12", 7, 12),
        ("[1, {}]", [], [1, {}]),
        ("null", 3, None),
        ("plain", None, "plain"),
        ("3", None, 3),
        (
            " 1.5",
            {"_type_": "decimal_str", "_data_": "1"},
            {"_type_": "decimal_str", "_data_": "1.5"},
        ),
        (
            "2026-01-02",
            {"_type_": "datetime_iso", "_data_": "2025-01-01T00:00:00+00:00"},
            {"_type_": "datetime_iso", "_data_": "2026-01-02T00:00:00+00:00"},
        ),
        (
            "01234567-89ab-cdef-0123-456789abcdef",
            {"_type_": "uuid_hex", "_data_": "0" * 32},
            {"_type_": "uuid_hex", "_data_": "0123456789abcdef0123456789abcdef"},
        ),
    ],
)
def test_typed_value_is_of_the_kind_that_stands_there(text, before, expected):
    """A text stays text, an amount an amount; else JSON is read."""
    assert json.loads(typed(text, before)) == expected


@pytest.mark.parametrize(
    ("text", "before", "said"),
    [
        ("much", {"_type_": "decimal_str", "_data_": "1"}, "as an amount"),
        ("soon", {"_type_": "datetime_iso", "_data_": "2026-01-01"}, "as a time"),
        ("x", {"_type_": "uuid_hex", "_data_": "0" * 32}, "as a UUID"),
        ("many", 3, "as JSON"),
        ("NaN", 3, "as JSON"),
        ("[" * 100_000, 3, "as JSON"),
    ],
)
def test_typed_value_that_does_not_fit(text, before, said):
    """What is not of the kind that stands there is refused, with what to write."""
    with pytest.raises(EditError, match=said):
        typed(text, before)


def test_typed_fields():
    """The fields of a new event are a JSON object; nothing typed is none."""
    assert typed_fields("") == "{}"
    assert json.loads(typed_fields(' {"a": [1]} ')) == {"a": [1]}
    for wrong in ("[1]", "{", "NaN"):
        with pytest.raises(EditError, match="Write a"):
            typed_fields(wrong)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_typed_amounts_keep_their_digits(amount):
    """An amount is stored with the digits that were typed."""
    before = {"_type_": "decimal_str", "_data_": "1"}
    assert Decimal(json.loads(typed(str(amount), before))["_data_"]) == amount
