"""Texts that are written alike become columns without a parser, and no other texts do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.strategies import is_no_wrapper, names, texts, wrappers
from workbench.payload import shaped
from workbench.payload.shaped import columns_of_one_shape
from workbench.payload.typed import TypedReader, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 2**40


@pytest.fixture(autouse=True)
def few_are_enough() -> Iterator[None]:
    """Cut columns of any height."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shaped, "FEWEST", 1)
        yield


def scalars() -> st.SearchStrategy[Any]:
    """Return a strategy for values that one field may have."""
    return (
        st.integers(-(10**20), 10**20)
        | st.integers(-9, 9)
        | st.floats(allow_nan=True, allow_infinity=True)
        | st.booleans()
        | st.none()
        | texts(6)
        | st.text("ab ,:{}", max_size=6)
        | wrappers()
    )


def objects() -> st.SearchStrategy[Any]:
    """Return a strategy for objects without lists, most of them."""
    inner = st.dictionaries(names(), scalars(), max_size=2).filter(is_no_wrapper)
    return st.dictionaries(names(), scalars() | inner | st.just([1]), min_size=1, max_size=4)


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Draw texts of one object with other values in it, a few of them of another shape."""
    first = draw(objects())
    found = [first]
    for _ in range(draw(st.integers(0, 4))):
        again = {name: draw(_of_a_kind(value)) for name, value in first.items()}
        found.append(draw(st.just(again) | st.just(again) | st.just(again) | objects()))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    lines = [json.dumps(one, ensure_ascii=False, separators=separators) for one in found]
    if draw(st.booleans()):
        row = draw(st.integers(0, len(lines) - 1))
        lines[row] = draw(_damaged(lines[row]))
    return lines


def _of_a_kind(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, dict):
        return st.fixed_dictionaries({name: _of_a_kind(inner) for name, inner in value.items()})
    same = {
        bool: st.booleans(),
        int: st.integers(-(10**19), 10**19),
        float: st.floats(allow_nan=False),
        str: texts(6) | st.text("ab", max_size=3),
    }
    return same.get(type(value), st.just(value))


def _damaged(text: str) -> st.SearchStrategy[str]:
    def put(at: int, what: str, taken: int) -> str:
        return text[:at] + what + text[at + taken :]

    odd = st.sampled_from(["", *'{}[]:,"\\ \t\n\x000-+1.eE', '"a":1,', '","', "null", "9" * 19])
    return st.builds(put, st.integers(0, len(text)), odd, st.integers(0, 2))


@given(found=alike(), is_opened=st.booleans())
def test_what_is_cut_is_what_json_says(found: list[str], *, is_opened: bool) -> None:
    """Each row has the values that its text has, or there is no frame."""
    opens = found[0][:1] if is_opened and all(text[:1] == "{" for text in found) else ""
    columns = columns_of_one_shape(pl.Series([t[len(opens) :] for t in found]), opens)
    if columns is not None:
        assert columns.to_dicts() == [json.loads(text) for text in found]


@given(found=alike())
def test_cut_and_parsed_are_the_same_frame(found: list[str]) -> None:
    """The typed columns of texts that can be cut are those that a parser makes, dtypes and all."""
    frame = pl.DataFrame({"type": "t", "data": found})
    columns = columns_of_one_shape(frame["data"])
    if columns is None:
        return
    cut = joined(TypedReader().pieces(frame, lambda: frame))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shaped, "FEWEST", NEVER)
        assert_frame_equal(cut, joined(TypedReader().pieces(frame, lambda: frame)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1}, {"a": -(2**63)}),
        ({"a": 1.5}, {"a": 3}),
        ({"a": True}, {"a": False}),
        ({"a": "x"}, {"a": "größer als 12 Zeichen"}),
        ({"a": "x", "b": 1, "c": "z"}, {"a": "", "b": 1000, "c": "{:,}"}),
        ({"a": 1, "b": None}, {"a": 2, "b": None}),
        ({"a": {"b": {"c": 1}, "d": "x"}}, {"a": {"b": {"c": 2}, "d": "y"}}),
        (
            {"paid": {"_type_": "decimal_str", "_data_": "1.50"}, "n": 1},
            {"paid": {"_type_": "decimal_str", "_data_": "20"}, "n": 2},
        ),
    ],
)
def test_events_of_one_shape_are_cut(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Fields with values of one kind are cut, objects in objects too."""
    written = [json.dumps(one, ensure_ascii=False) for one in (first, second)]
    columns = columns_of_one_shape(pl.Series(written))
    assert columns is not None
    assert columns.to_dicts() == [first, second]


@pytest.mark.parametrize(
    "second",
    [
        '{"b":"x","a":1}',
        '{"a":1}',
        '{"a":1,"b":"x","c":2}',
        '{"a": 1,"b":"x"}',
        '{"a":null,"b":"x"}',
        '{"a":1.5,"b":"x"}',
        '{"a":01,"b":"x"}',
        '{"a":+1,"b":"x"}',
        '{"a":,"b":"x"}',
        '{"a":9223372036854775808,"b":"x"}',
        '{"a":1,"b":null}',
        '{"a":1,"b":"x\\n"}',
        '{"a":1,"b":"x\ny"}',
        '{"a":1,"b":"x"',
        '{"a":1,"b":"x"}}',
        '{"a":1,"b"":x}',
        "",
    ],
)
def test_a_text_of_another_shape_leaves_all_to_the_parser(second: str) -> None:
    """Other fields, another order, other spaces and values of another kind are not cut."""
    assert columns_of_one_shape(pl.Series(['{"a":1,"b":"x"}', second])) is None


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a":{}}',
        '{"a":[1]}',
        '{"a":1,"a":2}',
        '{"a":{"b":1},"a":{"c":2}}',
        '{"a":"\\u00e4"}',
        '{"a":NaN}',
        '{"a":1',
        '{"a":' * 20 + "1" + "}" * 20,
        "1",
        '"x"',
        "null",
    ],
)
def test_what_has_no_certain_shape_is_left_to_the_parser(text: str) -> None:
    """Lists, empty objects, names that come twice and what is no JSON are not cut."""
    assert columns_of_one_shape(pl.Series([text, text])) is None


def test_few_texts_are_left_to_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a number of texts, a parser is sooner done."""
    monkeypatch.setattr(shaped, "FEWEST", 3)
    assert columns_of_one_shape(pl.Series(['{"a":1}'] * 2)) is None
