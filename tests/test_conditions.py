"""Conditions on events: what they mean, where they are wrong, and what a source is left with."""

from __future__ import annotations

import json
import operator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, PLACED, Row, state_of, write_native

from workbench import copy_history, open_history
from workbench.conditions import Compare, Field, Literal, condition
from workbench.errors import ConditionError, UnknownStreamError, UnknownTypeError
from workbench.sources import Selection

if TYPE_CHECKING:
    from workbench import History

DECIMAL = {"_type_": "decimal_str", "_data_": "27.30"}


def holds(text: str, payload: object, **columns: Any) -> bool:
    """Return whether a condition holds for one event."""
    event = {"position": 7, "type": "shop:Order.Placed", "stream": "order-1", **columns}
    event |= {"data": payload if isinstance(payload, str) else json.dumps(payload)}
    return condition(text).kept(pl.DataFrame([event])).height == 1


@pytest.mark.parametrize(
    ("text", "payload", "expected"),
    [
        ("amount > 100", {"amount": 100.5}, True),
        ("amount > 100", {"amount": 100}, False),
        ("100 < amount", {"amount": 101}, True),
        ("amount = 27.3", {"amount": DECIMAL}, True),
        ("amount >= 27.31", {"amount": DECIMAL}, False),
        ("amount > 100", {"amount": "150"}, True),
        ("amount > 100", {"amount": "NaN"}, False),
        ("amount > 100", {"amount": "inf"}, False),
        ("amount != 5", {"amount": "five"}, True),
        ("amount != 5", {"other": 1}, False),
        ("not amount = 5", {"other": 1}, False),
        ("n = 9007199254740993", {"n": 9007199254740992}, False),
        ("n = 9007199254740993", {"n": 9007199254740993}, True),
        ("amount between 1 and 3 and ok = true", {"amount": 3, "ok": True}, True),
        ("currency = 'EUR'", {"currency": "EUR"}, True),
        ("currency = 'eur'", {"currency": "EUR"}, False),
        ("currency = 'O''Neill'", {"currency": "O'Neill"}, True),
        ('currency = "EUR"', {"currency": "EUR"}, True),
        ("currency in ('USD', 'EUR')", {"currency": "EUR"}, True),
        ("currency not in ('USD', 'EUR')", {"currency": "CHF"}, True),
        ("currency not in ('USD')", {}, False),
        ("a contains 'zo\u00cb'", {"a": "Zo\u00eb"}, True),
        ("a contains '.'", {"a": "x"}, False),
        ("a starts with 'ZO'", {"a": "Zo\u00eb"}, True),
        ("a starts with 'o'", {"a": "Zo\u00eb"}, False),
        ("a ends with '\u00eb'", {"a": "Zo\u00eb"}, True),
        ("a matches '^Z.+$'", {"a": "Zo\u00eb"}, True),
        ("a is null", {"a": None}, True),
        ("a is null", {}, True),
        ("a is not null", {"a": 0}, True),
        ("address.city = 'K\u00f6ln'", {"address": {"city": "K\u00f6ln"}}, True),
        ("address.city = 'K\u00f6ln'", {"city": "K\u00f6ln"}, False),
        ("lines[1].price > 2", {"lines": [{"price": 9}, {"price": 3}]}, True),
        ("lines[1].price > 2", {"lines": [{"price": 9}]}, False),
        ("$[0] = 1", [1, 2], True),
        ("`odd name` = 1", {"odd name": 1}, True),
        ("$['a.b'] = 1", {"a.b": 1}, True),
        ("$.version = 3", {"version": 3}, True),
        ("data.version = 3", {"version": 3}, True),
        ("data contains '\"a\":1'", '{"a":1}', True),
        ("position >= 7 and position < 8", {}, True),
        ("type = 'Order.Placed'", {}, True),
        ("type = 'Placed' or type starts with 'shop:'", {}, True),
        ("type != 'Order.Placed'", {}, False),
        ("a < b", {"a": 9, "b": "10"}, True),
        ("a < b", {"a": "x", "b": "y"}, True),
        ("a = 1 or b = 1 and c = 1", {"a": 1}, True),
        ("(a = 1 or b = 1) and c = 1", {"a": 1}, False),
        ("a = 1 OR NOT b = 1", {"b": 2}, True),
        ("\u00fcber = 1", '{"\\u00fcber":1}', True),
        ("amount = 1", '{"\\u0061mount":1}', True),
        ("a = 'caf\u00e9'", '{"a":"caf\\u00e9"}', True),
        ("a = 'x/y'", '{"a":"x\\/y"}', True),
        ("a = 1", "no json", False),
        ("a = 1", '"text"', False),
    ],
)
def test_what_a_condition_means(text, payload, expected):
    """Each form of a condition holds for the events that it says, and for no other."""
    assert holds(text, payload) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time = '2025-03-01'", True),
        ("time > '2025-03-01'", False),
        ("time <= '2025-03-01'", True),
        ("time < '2025-03-01T12:00:01'", True),
        ("time >= '2025-03-01T13:00+01:00'", True),
        ("time != '2025-03-02'", True),
    ],
)
def test_a_date_is_a_whole_day(text, expected):
    """A time is compared as a moment, and a date as all of that day in UTC."""
    moment = datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert holds(text, {}, time=moment) is expected


def test_tags_and_metadata_can_be_asked():
    """A tag is contained or not, and metadata is JSON like a payload."""
    columns = {"tags": ["a", "b"], "metadata": '{"correlation_id":"x"}'}
    assert holds("tags contains 'a' and metadata.correlation_id = 'x'", {}, **columns)
    assert not holds("tags contains 'A'", {}, **columns)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 0, "write a condition"),
        ("amount >", 8, "write a number"),
        ("amount >> 3", 8, "write a number"),
        ("(amount > 3", 11, "close the bracket"),
        ("amount > 3 method = 'x'", 11, "join conditions"),
        ("amount = null", 9, "is null"),
        ("amount ~ 3", 7, "put text between"),
        ("position = 'x'", 11, "position is a number"),
        ("time > 'yesterday'", 7, "write a time"),
        ("type.x = 3", 0, "write [$].type"),
        ("a matches '('", 10, "regular expression"),
        ("12abc = 3", 0, "put a name that begins so"),
        ("a = 'x", 4, "close what it opens"),
        ("a && b", 2, "write and, or, not"),
        ("a in (1,", 8, "write a number"),
        ("tags = 'x'", 7, "tags contains"),
        ("position contains 'x'", 18, "compare position"),
        ("__import__('os').system('x') = 1", 10, "compare it"),
        ("(" * 60 + "a = 1" + ")" * 60, 50, "no deeper"),
        ("`a\\b` = 1", 0, "without"),
    ],
)
def test_errors_name_the_place(text, place, said):
    """What cannot be read is said with its place, and with what would be right there."""
    with pytest.raises(ConditionError, match=said) as raised:
        condition(text)
    assert raised.value.at == place
    assert (f"at character {place + 1}" if place < len(text) else "at its end") in str(raised.value)


def test_a_condition_has_an_end():
    """A text that is longer than a person writes is refused, and one of many parts is not."""
    with pytest.raises(ConditionError, match="at most 4,000"):
        condition("a = 1 and " * 1_000)
    assert holds(" or ".join(["a = 2"] * 300 + ["a = 1"]), {"a": 1})


NAMES = st.sampled_from(["a", "b", "\u00e9t\u00e9", "x y"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
)
SIGNS = {"=": operator.eq, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


def number_of(value: object) -> float | None:
    """Return the number that a value is, None if it is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=20),
    NAMES,
    st.sampled_from(sorted(SIGNS)),
    st.integers(-100, 100),
    st.booleans(),
)
def test_numbers_are_compared_as_python_does(payloads, name, sign, wanted, is_ascii):
    """The events that are kept are those that a loop over decoded payloads keeps."""
    numeric = [{k: v for k, v in p.items() if not isinstance(v, str)} for p in payloads]
    frame = pl.DataFrame({"data": [json.dumps(p, ensure_ascii=is_ascii) for p in numeric]})
    frame = frame.with_row_index()
    kept = condition(f"`{name}` {sign} {wanted}").kept(frame)["index"].to_list()
    numbers = [number_of(p.get(name)) for p in numeric]
    expected = [i for i, n in enumerate(numbers) if n is not None and SIGNS[sign](n, wanted)]
    assert kept == expected


@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=20),
    NAMES,
    st.data(),
    st.booleans(),
)
def test_texts_are_found_however_they_are_written(payloads, name, data, is_ascii):
    """Text is found by equality whichever characters it has, and however JSON escapes them."""
    texts = [p[name] for p in payloads if isinstance(p.get(name), str)]
    wanted = data.draw(st.sampled_from(texts) if texts else st.just("x"))
    frame = pl.DataFrame({"data": [json.dumps(p, ensure_ascii=is_ascii) for p in payloads]})
    literal = wanted.replace("'", "''")
    kept = condition(f"`{name}` = '{literal}'").kept(frame.with_row_index())["index"].to_list()
    must = [i for i, p in enumerate(payloads) if p.get(name) == wanted and type(p[name]) is str]
    assert set(must) <= set(kept)
    others = [payloads[i].get(name) for i in kept if i not in must]
    assert all(json.dumps(other) == wanted or str(other) == wanted for other in others)


# A history that is narrowed


def positions(history: History) -> list[int]:
    return history.scan().select("position").collect()["position"].to_list()


def test_a_narrowed_history_is_one_like_any_other(shop):
    """All questions to a narrowed history are answered from the events that it has."""
    found = shop.where("amount > 200 and method = 'card'")
    rows = found.scan().collect()
    typed = found.events("Payment.Charged")
    assert len(found) == rows.height == found.types()["count"].sum()
    assert found.head == rows["position"].max()
    assert set(typed["method"]) == {"card"}
    assert sum(frame.height for frame in found.batches(["position"])) == rows.height
    assert found.rate("1mo")["count"].sum() == rows.height


@pytest.mark.parametrize(
    "text",
    [
        "amount > 200 and method = 'card'",
        "position between 100 and 300 and not type = 'Order.Placed'",
        "type = 'Order.Placed' and time >= '2026-01-01' and data contains 'k\u00f6ln'",
        "stream in ('order-12600', 'order-12601') and time < '2026-02-01'",
    ],
)
def test_every_kind_of_source_answers_alike(shop, text, tmp_path_factory):
    """A store, the same in memory, and an archive of it have the same events that fit."""
    folder = tmp_path_factory.mktemp("archive")
    copy_history(shop, folder / "a.delta", progress=False)
    expected = shop.where(text).scan().collect()
    assert expected.height > 0
    assert_frame_equal(shop.in_memory().where(text).scan().collect(), expected)
    of_archive = open_history(folder / "a.delta").where(text)
    assert_frame_equal(of_archive.scan().collect(), expected)
    assert_frame_equal(of_archive.scan().head(3).collect(), expected.head(3))
    assert len(of_archive) == expected.height


def test_the_source_is_left_what_it_can_answer(shop):
    """Conditions on position, type, stream and time narrow what is read at all."""
    found = shop.where("position > 100 and type = 'Order.Placed' and time >= '2025-03-01'")
    assert found.selection == Selection(after=100, types=frozenset({"shop:Order.Placed"}))
    assert found.first_time == datetime(2025, 3, 1, tzinfo=UTC)
    assert found.conditions == ()


def test_what_is_left_is_said(shop):
    """A history says to what it is narrowed, and keeps it when it is narrowed further."""
    found = shop.where("amount > 200").containing("card").between(upto=9_000)
    assert repr(found).endswith("up to 9,000; amount > 200; payload contains 'card'>")
    assert positions(found) == [p for p in positions(shop.where("amount > 200 and method = 'card'"))
                                if p <= 9_000]  # fmt: skip


def test_a_head_of_what_fits_is_of_what_fits(shop):
    """A limit counts the events that fit, not those that were looked at."""
    found = shop.where("method = 'wallet'")
    assert found.scan().head(5).collect().height == 5


def test_names_that_a_source_does_not_have_are_said(shop):
    """A type or a stream that is not there is an error, as in `of_types` and `of_streams`."""
    with pytest.raises(UnknownTypeError, match="Order.Shipped"):
        shop.where("type = 'Order.Shiped'")
    with pytest.raises(UnknownStreamError):
        shop.where("stream = 'order-0'")


def test_nothing_cannot_be_searched(shop):
    """Every payload contains an empty text: that is a mistake."""
    with pytest.raises(ConditionError, match="empty text"):
        shop.containing("")


def test_an_undecodable_event_fits_no_condition_on_its_payload(tmp_path):
    """Bytes that are no JSON have no fields, and do not disturb those beside them."""
    rows = [Row(1, "s", 1, PLACED, b"\xff"), Row(2, "s", 2, PLACED, state_of(BEGIN, a=1))]
    history = open_history(write_native(tmp_path / "a.db", rows))
    assert positions(history.where("a = 1")) == [2]
    assert positions(history.where("a is null")) == [1]


def test_a_tree_is_plain_values():
    """What is parsed is a tree of frozen values, which two equal texts share."""
    assert condition("amount > 5").node == Compare(">", Field("data", ("amount",)), Literal(5))
    assert condition("5 < amount").node == condition("amount > 5").node
