"""The page What if: which events it offers, and what it says would change."""

from __future__ import annotations

import json
import threading

import polars as pl
import pytest
from hypothesis import given
from strategies import payloads

from workbench import compare, open_history, propose_correction, replay
from workbench.dashboards import candidates
from workbench.dashboards.answers import Answers
from workbench.dashboards.making import Asked
from workbench.dashboards.named_edits import Drop, NamedEdit, typed
from workbench.dashboards.queries import Filters
from workbench.samples import shop_path
from workbench.samples.overcharges import Overcharges

EDIT = NamedEdit("once", (Drop(21_755),))


@pytest.fixture(scope="module")
def history():
    return open_history(shop_path())


def test_problems_that_name_an_event(history):
    """Of the problems, those are offered of which one event may be the cause."""
    problems = history.problems()
    found = candidates.problem_events(problems)
    assert not set(found["kind"]) & {"position_hole", "log_time_backwards"}
    assert set(found["kind"]) >= {"undecodable"}
    whole = history.scan().select("position").collect()["position"]
    assert found["position"].is_in(whole.implode()).all()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("7,184", "", ""), Filters(first_position=7184, last_position=7184)),
        (
            (" wallet ", "order-1", "Order.Placed"),
            Filters(("Order.Placed",), "order-1", text="wallet"),
        ),
        (("", "", ""), Filters()),
        (("²", "", ""), Filters(text="²")),
        (("9" * 30, "", ""), Filters(text="9" * 30)),
    ],
)
def test_what_is_searched_for(said, expected):
    """A number alone is a position; what was said is found again in the filters."""
    found = candidates.search_filters(*said)
    assert found == expected
    assert candidates.search_filters(candidates.searched(found), said[1], said[2]) == expected


@given(payloads())
def test_value_that_is_listed_can_be_typed_again(payload):
    """What a field is shown as is, typed into it, the value that it has."""
    event = {"data": json.dumps(payload)}
    rows = candidates.field_rows(event)
    found = candidates.fields(event)
    assert rows["field"].to_list() == list(found)
    for name, value in found.items():
        text = candidates.plain(value)
        if isinstance(value, str | int | bool | list | None):
            assert json.loads(typed(text, value)) == value
        assert rows.filter(field=name)["value"][0] == text[: candidates.MOST_CHARACTERS]


@pytest.mark.parametrize("data", [None, "", "{", "[1]", "3", "[" * 100_000])
def test_payload_without_fields(data):
    """What is no object has no fields."""
    assert candidates.field_rows({"data": data}).rows() == []


def test_what_would_change_is_what_the_correction_proposes(history):
    """The page compares the same two trials as a notebook would."""
    answers = Answers(history, {"A": Overcharges})
    plain = Asked(answers.projections["A"])
    edited = Asked(answers.projections["A"], EDIT)
    found = answers.trials.compared_as((plain, edited), lambda _: None, threading.Event())
    trials = [
        replay(one, Overcharges, on_error="collect", progress=False)
        for one in (history, history.edit(drop=21_755))
    ]
    expected = propose_correction(compare(*trials))
    assert propose_correction(found).equals(expected)
    shown = candidates.corrected(expected)
    assert shown["position"].to_list() == expected["position"].cast(pl.String).to_list()
    assert shown["name"].unique().to_list() == ["Payment.Charged"]


def test_comparison_that_was_stopped_is_none(history):
    """Trials that were stopped are not compared: they may have ended at two events."""
    answers, stop = Answers(history, {"A": Overcharges}), threading.Event()
    stop.set()
    both = Asked(answers.projections["A"]), Asked(answers.projections["A"], EDIT)
    assert answers.trials.compared_as(both, lambda _: None, stop) is None
