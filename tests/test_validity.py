"""Which payloads are JSON: the pattern says yes only where the reader does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import payloads, texts
from workbench.payload import validity
from workbench.payload.validity import odd_payloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.payload.codec import Text

FIRST = '{"first":1,'


@pytest.fixture(autouse=True)
def by_pattern() -> Iterator[None]:
    """Look for the pattern in a frame of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validity, "FEWEST_BY_PATTERN", 0)
        yield


def _one_by_one(found: list[str]) -> dict[int, Text]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validity, "FEWEST_BY_PATTERN", len(found) + 1)
        return odd_payloads(pl.Series(found, dtype=pl.String))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw a JSON object, or what a cut, a character more or another character makes of one."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    ascii_ = draw(st.booleans())
    text = json.dumps(draw(payloads()), ensure_ascii=ascii_, separators=separators)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)))
    put = draw(st.sampled_from(["", *'{}[]:,"\\ \t\n\x000-1.eE', "NaN", "null", "1" * 19, "\\u00"]))
    return text[:start] + put + text[end:]


@given(found=st.lists(damaged() | texts(), min_size=1, max_size=8))
def test_the_pattern_finds_what_the_reader_finds(found: list[str]) -> None:
    """What is odd is the same with the pattern and without, damaged or not."""
    assert odd_payloads(pl.Series(found, dtype=pl.String)) == _one_by_one(found)


@given(found=st.lists(damaged(), min_size=1, max_size=8))
def test_what_follows_a_first_member_says_as_much(found: list[str]) -> None:
    """Where a first member is known to be JSON, the others tell what the whole text does."""
    whole = [FIRST + text[1:] for text in found]
    rest = pl.Series([text[1:] for text in found], dtype=pl.String)
    assert odd_payloads(pl.Series(whole, dtype=pl.String), rest) == _one_by_one(whole)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a":1}',
        '{"a": 1, "b": [1, 2.5e3, -0]}',
        '{"when":{"_type_":"datetime_iso","_data_":"2025-01-01T00:00:00"}}',
        '{"lines":[{"item":"x","price":{"_type_":"decimal_str","_data_":"1"},"n":2}]}',
        '{"note":"grüße \\n \\"quoted\\" 日本","of":{"a":[true,null]}}',
    ],
)
def test_what_applications_write_needs_no_reader(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrappers, lists of objects and texts of any language fit the pattern."""
    read: list[Any] = []
    monkeypatch.setattr(validity, "_one_by_one", lambda texts: read.extend(texts) or {})
    assert odd_payloads(pl.Series([text])) == {}
    assert read == []


@pytest.mark.parametrize(
    ("text", "data", "problem"),
    [
        ("", None, "not JSON"),
        ('{"a":1,}', None, "not JSON"),
        ('{"a":1}}', None, "not JSON"),
        ('{"a":1} {"b":2}', None, "not JSON"),
        ('{"a":01}', None, "not JSON"),
        ('{"a":"x\ty"}', None, "not JSON"),
        ('{"a":NaN}', '{"a":null}', "NaN at a"),
        ('{"a":"\\ud800"}', '{"a":"\ufffd"}', "half a surrogate pair at a"),
        (f'{{"a":{10**20}}}', f'{{"a":{10**20}}}', "integer beyond 64 bits at a"),
    ],
)
def test_an_odd_payload_is_named_alone(text: str, data: str | None, problem: str) -> None:
    """An odd payload among good ones is found by its row, with what can be read of it."""
    (found,) = odd_payloads(pl.Series(['{"a":1}', None, text, '{"a":2}'])).items()
    assert found[0] == 2
    assert found[1].data == data
    assert str(found[1].problem).startswith(problem)


@pytest.mark.parametrize(
    "text", [f'{{"a":{2**63}}}', '{"a":"\\u00e4"}', '{"a":' + "[" * 9 + "]" * 9 + "}"]
)
def test_what_is_out_of_the_ordinary_may_be_json(text: str) -> None:
    """An integer of 19 digits, an escape of four digits and many levels are no problem."""
    assert odd_payloads(pl.Series([text])) == {}
