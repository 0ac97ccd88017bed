"""Typed columns: the payloads of one event type as columns in native dtypes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import BEGIN, Row, cut_parts, state_of, to_json, write_native
from strategies import histories, payloads, undecodable, wrappers

from workbench import History, open_history
from workbench.payload.decode import parse_times
from workbench.payload.native import fields_of, native
from workbench.payload.typed import MOST_NESTED
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

TYPE = "shop:Thing.Happened"
ENVELOPE = ["position", "partition", "stream", "version", "type", "schema_version", "time"]


def rows_of(states: Iterable[Any], type_: str = TYPE) -> list[Row]:
    """Return one event of one type for each state."""
    return [Row(n, "s", n, type_, state) for n, state in enumerate(states, 1)]


def typed(path: Path, *states: Any) -> pl.DataFrame:
    """Return the typed columns of events with these states."""
    return open_history(write_native(path, rows_of(states))).events(TYPE)


def fields(path: Path, *payloads: Any) -> pl.DataFrame:
    """Return the typed columns of these payloads, without the event's own columns."""
    return typed(path, *map(to_json, payloads)).drop(ENVELOPE)


@pytest.fixture
def few_rows_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut parts at two rows, so that a few events are several parts."""
    cut_parts(monkeypatch, 2)


def is_same(found: Any, wanted: Any) -> bool:
    """Return whether a cell holds a value, in the form that its column gives it.

    A struct has the fields of all rows, an integer may be a float among floats, and a
    value among those of another kind is text: its JSON, unless it is a text itself.
    """
    match found, wanted:
        case None, None:
            return True
        case None, {}:
            return True  # a struct without fields, in a column where others have some
        case dict(), dict():
            found = native(found) if is_wrapper(found) else found
            if not isinstance(found, dict):
                return is_same(found, wanted)
            return all(is_same(found.get(n), wanted.get(n)) for n in {*found, *wanted})
        case dict(), _ if is_wrapper(found):
            return native(strip(found)) == wanted
        case dict(), _ if is_wrapper(strip(found)):
            return native(strip(found)) == wanted
        case list(), list():
            pairs = zip(found, wanted, strict=False)
            return len(found) == len(wanted) and all(is_same(f, w) for f, w in pairs)
        case str(), _:
            return found == wanted or is_same(native(json_of(found)), wanted)
        case (bool(), _) | (_, bool()):
            return found is wanted
        case int(), float():
            return float(found) == wanted  # among texts, 2.0 is written 2
        case float(), int():
            return math.isclose(found, wanted, rel_tol=1e-15)
    return type(found) is type(wanted) and bool(found == wanted)


def json_of(text: str) -> Any:
    """Return what a JSON text says, None if it is none or says a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return None if isinstance(value, str) else value


def is_wrapper(value: dict[str, Any]) -> bool:
    """Return whether a dict is what the library writes for a value."""
    return set(value) == {"_type_", "_data_"}


def strip(value: Any) -> Any:
    """Return a value of a struct without the fields that it has only for others."""
    if isinstance(value, dict):
        return {name: strip(inner) for name, inner in value.items() if inner is not None}
    return value


def column_of(name: str, frame: pl.DataFrame) -> pl.Series:
    """Return the column of a field, under whatever name it stands."""
    while name not in frame.columns or name in EVENTS.names:
        name = f"data.{name}"
    return frame[name]


def check(frame: pl.DataFrame, texts: list[str | None]) -> None:
    """Assert that a frame has exactly the fields of these payloads, with their values."""
    read = [{} if text is None else fields_of(text) for text in texts]
    known = set(frame.columns) - set(ENVELOPE) - {"problem"}
    names = {name for one in read for name in one}
    assert len(known) == len(names)
    for name in names:
        cells = column_of(name, frame).to_list()
        wrong = [
            (c, r.get(name))
            for c, r in zip(cells, read, strict=True)
            if not is_same(c, r.get(name))
        ]
        assert wrong == [], name


# Laws


@given(payloads=st.lists(payloads(), min_size=1, max_size=6))
def test_columns_hold_what_payloads_hold(
    new_path: Callable[[], Path], payloads: list[dict[str, Any]]
) -> None:
    """Each field is a column, and each cell the value of that event's payload, or null."""
    texts = [to_json(payload) for payload in payloads]
    frame = typed(new_path(), *texts)
    collisions = {n for p in payloads for n in p if n.startswith("data.")}
    if not collisions:
        check(frame, [text.decode() for text in texts])


@given(rows=histories(max_size=12), size=st.integers(1, 4))
def test_columns_hold_what_histories_hold(
    new_path: Callable[[], Path], rows: list[Row], size: int
) -> None:
    """However a history is cut into parts, the columns of each type have its values."""
    path = write_native(new_path(), rows)
    with pytest.MonkeyPatch.context() as patch:
        cut_parts(patch, size)
        history = open_history(path)
        found, events = history.events_by_type(), history.scan().collect()
    assert set(found) == set(events["type"])
    for type_, frame in found.items():
        of_type = events.filter(pl.col("type") == type_)
        assert frame["position"].to_list() == of_type["position"].to_list()
        check(frame, of_type["data"].to_list())


@given(rows=histories(max_size=12))
def test_the_problem_is_that_of_the_scan(new_path: Callable[[], Path], rows: list[Row]) -> None:
    """A typed frame has the same problems as the event table, and no column for none."""
    history = open_history(write_native(new_path(), rows))
    events = history.scan().collect()
    for type_, frame in history.events_by_type().items():
        problems = events.filter(pl.col("type") == type_)["problem"]
        if problems.null_count() == len(problems):
            assert "problem" not in frame.columns
        else:
            assert frame["problem"].to_list() == problems.to_list()


@given(
    good=st.lists(payloads(), min_size=1, max_size=4),
    bad=undecodable().filter(lambda state: not decodes(state)),
    where=st.integers(0, 4),
    size=st.integers(1, 5),
)
def test_a_bad_row_leaves_its_neighbours(
    new_path: Callable[[], Path], good: list[dict[str, Any]], bad: Any, where: int, size: int
) -> None:
    """The columns of good events are the same with and without an undecodable one."""
    states = list(map(to_json, good))
    with pytest.MonkeyPatch.context() as patch:
        cut_parts(patch, size)
        without = typed(new_path(), *states).drop("position", "version")
        states.insert(where, bad)
        with_bad = typed(new_path(), *states)
    kept = with_bad.filter(pl.col("problem").is_null())
    assert kept.height == len(good)
    assert (
        kept.select(sorted(without.columns)).rows()
        == without.select(sorted(without.columns)).rows()
    )


def decodes(state: Any) -> bool:
    """Return whether a state is one that is decoded, perhaps with a problem."""
    from workbench.payload.codec import Codec

    return Codec().read(state).data is not None


# Wrappers


@pytest.mark.parametrize(
    ("wrapper", "dtype", "value"),
    [
        (
            {"_type_": "datetime_iso", "_data_": "2025-01-01T12:00:00.5+02:00"},
            pl.Datetime("us", "UTC"),
            datetime(2025, 1, 1, 10, 0, 0, 500_000, tzinfo=UTC),
        ),
        (
            {"_type_": "datetime_iso", "_data_": "2025-01-01T12:00:00"},
            pl.Datetime("us", "UTC"),
            datetime(2025, 1, 1, 12, tzinfo=UTC),
        ),
        ({"_type_": "decimal_str", "_data_": "-12.50"}, pl.Decimal(38, 2), Decimal("-12.50")),
        ({"_type_": "decimal_str", "_data_": "1E+3"}, pl.Decimal(38, 0), Decimal(1000)),
        ({"_type_": "decimal_str", "_data_": "1E-7"}, pl.Decimal(38, 7), Decimal("1E-7")),
        ({"_type_": "uuid_hex", "_data_": "0" * 32}, pl.String, "0" * 32),
    ],
)
def test_wrappers_are_native(tmp_path: Path, wrapper: Any, dtype: Any, value: Any) -> None:
    """The library's wrappers of times, amounts and ids become native dtypes."""
    found = fields(tmp_path / "store.db", {"a": wrapper})["a"]
    assert (found.dtype, found.to_list()) == (dtype, [value])


@pytest.mark.parametrize(
    "payload",
    [
        {"a": {"_type_": "money", "_data_": "5 EUR"}},
        {"a": {"_type_": "money", "_data_": {"amount": 5}}},
        {"a": {"_type_": "decimal_str", "_data_": "no number"}},
        {"a": {"_type_": "decimal_str", "_data_": "NaN"}},
        {"a": {"_type_": "decimal_str", "_data_": "1" * 60}},
        {"a": {"_type_": "datetime_iso", "_data_": "yesterday"}},
        {"a": {"_type_": "uuid_hex", "_data_": 5}},
        {"a": {"_type_": 5, "_data_": "x"}},
    ],
)
def test_other_wrappers_stay(tmp_path: Path, payload: Any) -> None:
    """An unknown wrapper, and one whose value does not fit, stays a struct."""
    assert fields(tmp_path / "store.db", payload).to_dicts() == [payload]


def test_one_misfit_keeps_all_of_a_column(tmp_path: Path) -> None:
    """Where one value of a column does not convert, none is converted and none is lost."""
    payloads = [{"a": {"_type_": "decimal_str", "_data_": data}} for data in ("1.5", "?")]
    assert fields(tmp_path / "store.db", *payloads).to_dicts() == payloads


@given(items=st.lists(st.none() | st.lists(st.none() | wrappers(), max_size=3), min_size=1))
def test_lists_of_wrappers(new_path: Callable[[], Path], items: list[Any]) -> None:
    """Wrappers in lists are converted, and empty and missing lists stay what they are."""
    payloads = [{"a": item} for item in items]
    frame = fields(new_path(), *payloads)
    check(frame, [to_json(payload).decode() for payload in payloads])


def test_wrappers_at_any_depth(tmp_path: Path) -> None:
    """A wrapper in a struct in a list in a struct is converted."""
    amount = {"_type_": "decimal_str", "_data_": "1.50"}
    frame = fields(tmp_path / "store.db", {"a": {"b": [{"c": amount}, {"c": None}], "d": []}})
    assert frame["a"].to_list() == [{"b": [{"c": Decimal("1.50")}, {"c": None}], "d": []}]


def test_wrappers_in_unknown_wrappers(tmp_path: Path) -> None:
    """A known wrapper inside an unknown one is converted."""
    amount = {"_type_": "decimal_str", "_data_": "1.50"}
    frame = fields(tmp_path / "store.db", {"a": {"_type_": "money", "_data_": {"amount": amount}}})
    assert frame["a"].to_list() == [{"_type_": "money", "_data_": {"amount": Decimal("1.50")}}]


def test_two_fields_that_look_like_half_a_wrapper(tmp_path: Path) -> None:
    """A struct with the fields of a wrapper, some rows lacking one, is no wrapper."""
    payloads = [{"a": {"_type_": "decimal_str", "_data_": "1"}}, {"a": {"_data_": "2"}}]
    frame = fields(tmp_path / "store.db", *payloads)
    assert [strip(value) for value in frame["a"].to_list()] == [p["a"] for p in payloads]


# Fields


def test_a_field_that_some_events_lack_is_null(tmp_path: Path) -> None:
    """An optional field is null where it is absent."""
    frame = fields(tmp_path / "store.db", {"a": 1}, {"b": "x"}, {})
    assert frame.rows() == [(1, None), (None, "x"), (None, None)]


def test_mixed_kinds_become_text(tmp_path: Path) -> None:
    """A field with values of different kinds is text: texts as they are, others as JSON."""
    payloads = [{"a": 1}, {"a": "x"}, {"a": True}, {"a": None}, {"a": 2.5}]
    assert fields(tmp_path / "store.db", *payloads)["a"].to_list() == [
        "1",
        "x",
        "true",
        None,
        "2.5",
    ]


@pytest.mark.usefixtures("few_rows_a_part")
@pytest.mark.parametrize(
    ("early", "late", "found"),
    [
        (True, 5, ["true", "true", "5"]),
        (5, "x", ["5", "5", "x"]),
        ([1], 5, ["[1]", "[1]", "5"]),
        ({"b": 1}, "x", ['{"b": 1}', '{"b": 1}', "x"]),
        (1, 2.5, [1.0, 1.0, 2.5]),
        (None, 1, [None, None, 1]),
        ({"b": 1}, {"c": "x"}, [{"b": 1, "c": None}] * 2 + [{"b": None, "c": "x"}]),
    ],
)
def test_kinds_of_different_parts(tmp_path: Path, early: Any, late: Any, found: list[Any]) -> None:
    """Values keep their meaning where the parts of a history disagree on a field's kind."""
    payloads = [{"a": early}, {"a": early}, {"a": late}]
    assert fields(tmp_path / "store.db", *payloads)["a"].to_list() == found


@pytest.mark.parametrize("name", EVENTS.names)
def test_fields_named_like_columns(tmp_path: Path, name: str) -> None:
    """A field that is named like a column of the event table gets a prefix."""
    frame = typed(tmp_path / "store.db", to_json({name: "x"}))
    assert frame[f"data.{name}"].to_list() == ["x"]


def test_a_prefixed_name_that_is_taken(tmp_path: Path) -> None:
    """A prefix is set again where the prefixed name is a field of its own."""
    frame = fields(tmp_path / "store.db", {"position": 1, "data.position": 2})
    assert frame.to_dicts() == [{"data.data.position": 1, "data.position": 2}]


@pytest.mark.parametrize("name", ["", "a.b", " ", '"', "\\", "\n", "ß", "\x00", "$.a", "_type_"])
def test_names_with_any_characters(tmp_path: Path, name: str) -> None:
    """A field may have any name."""
    assert fields(tmp_path / "store.db", {name: 1}, {name: 2}).to_dicts() == [{name: 1}, {name: 2}]


@pytest.mark.parametrize(
    ("payload", "value"), [([1, 2], [1, 2]), ("text", "text"), (5, 5), (None, None), (True, True)]
)
def test_payloads_that_are_no_objects(tmp_path: Path, payload: Any, value: Any) -> None:
    """A payload that is a list or a scalar is the one field `value`."""
    assert fields(tmp_path / "store.db", payload).to_dict(as_series=False) == {"value": [value]}


@pytest.mark.usefixtures("few_rows_a_part")
@pytest.mark.parametrize("odd", ["null", "5", "[1]", '"x"', "{}", "  {}"])
def test_odd_payloads_after_ordinary_ones(tmp_path: Path, odd: str) -> None:
    """A payload that is no object is read among objects whose fields are known already."""
    frame = typed(tmp_path / "store.db", b'{"a":1}', b'{"a":2}', b'{"a":3}', odd.encode())
    assert frame["a"].to_list()[:3] == [1, 2, 3]
    assert frame.height == 4


@pytest.mark.usefixtures("few_rows_a_part")
@pytest.mark.parametrize(
    ("state", "value"),
    [(b'{"a":NaN}', None), (b'{"a":Infinity}', None), (b'{"a":-Infinity}', None)],
)
def test_numbers_that_are_none_in_a_late_part(tmp_path: Path, state: bytes, value: Any) -> None:
    """A NaN among floats is null with its problem, in whichever part it comes."""
    frame = typed(tmp_path / "store.db", b'{"a":1.5}', b'{"a":2.5}', b'{"a":3.5}', state)
    assert frame["a"].to_list() == [1.5, 2.5, 3.5, value]
    assert frame["problem"].is_not_null().to_list() == [False, False, False, True]


@pytest.mark.parametrize(
    "number",
    [2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, -(10**40), 1e308, 5e-324, -0.0],
)
def test_numbers_are_exact(tmp_path: Path, number: float) -> None:
    """A number is what it was, however large."""
    assert (
        check(
            typed(tmp_path / "store.db", to_json({"a": number})), [to_json({"a": number}).decode()]
        )
        is None
    )


def test_a_number_beyond_all_floats(tmp_path: Path) -> None:
    """A float too large for any reader is infinite, as Python reads it."""
    assert typed(tmp_path / "store.db", b'{"a":1e400}')["a"].to_list() == [math.inf]


def test_the_first_time_that_a_field_occurs_may_be_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A field that first occurs after 65,536 events is there, null before."""
    states = [b'{"a":1}'] * 65_536 + [b'{"a":2,"late":"x"}']
    frame = typed(tmp_path / "store.db", *states)
    assert frame["late"].null_count() == 65_536
    assert frame.row(-1, named=True)["late"] == "x"
    assert frame["a"].sum() == 65_538


def test_two_types_do_not_mix(tmp_path: Path) -> None:
    """The fields of one type are not columns of another."""
    rows = [
        Row(1, "s", 1, "a:One", b'{"x":1}'),
        Row(2, "s", 2, "a:Two", b'{"y":"t"}'),
        Row(3, "s", 3, "a:One", b'{"x":2}'),
    ]
    history = open_history(write_native(tmp_path / "store.db", rows))
    found = {
        type_: frame.drop(ENVELOPE).to_dicts() for type_, frame in history.events_by_type().items()
    }
    assert found == {"a:One": [{"x": 1}, {"x": 2}], "a:Two": [{"y": "t"}]}


def test_types_come_in_the_order_of_their_first_event(tmp_path: Path) -> None:
    """The keys are full type names, first come first."""
    rows = [Row(n, "s", n, f"a:T{n % 3}") for n in range(1, 8)]
    history = open_history(write_native(tmp_path / "store.db", rows))
    assert list(history.events_by_type()) == ["a:T1", "a:T2", "a:T0"]


def test_the_envelope_stands_first(tmp_path: Path) -> None:
    """The event's own columns come before its fields, with the dtypes of the event table."""
    frame = typed(tmp_path / "store.db", state_of(BEGIN, 2, amount=1))
    assert frame.columns == [*ENVELOPE, "amount"]
    assert frame.row(0) == (1, 0, "s", 1, TYPE, 2, BEGIN, 1)
    assert {n: d for n, d in frame.schema.items() if n in ENVELOPE} == {
        n: EVENTS.schema[n] for n in ENVELOPE
    }


def test_events_without_fields(tmp_path: Path) -> None:
    """An event without fields has its own columns, and no other."""
    assert typed(tmp_path / "store.db", b"{}", state_of(BEGIN)).columns == ENVELOPE


def test_a_type_that_is_narrowed_away(small: History) -> None:
    """A known type without events in the selection is an empty frame of the event's columns."""
    frame = small.between(upto=1).events("Order.Shipped")
    assert (frame.columns, frame.height) == (ENVELOPE, 0)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_several_types_keep_data_as_json(small: History, count: int) -> None:
    """With no type or several, the frame is the event table."""
    types = ("Order.Placed", "Order.Shipped", "Order.Placed")[:count]
    frame = small.events(*types)
    assert EVENTS.misfits(frame) == []
    assert frame.height == 30


# What columns cannot hold


@pytest.mark.parametrize("closes", ["]", "}"])
@pytest.mark.parametrize("depth", [MOST_NESTED - 2, MOST_NESTED + 1, 300, 900])
def test_deep_nesting_is_text(tmp_path: Path, depth: int, closes: str) -> None:
    """A value that is nested deeper than columns can be is JSON text, and ends nothing."""
    opens = "[" if closes == "]" else '{"a":'
    deep = f"{opens * depth}1{closes * depth}"
    frame = typed(tmp_path / "store.db", f'{{"x":{deep}}}'.encode(), b'{"y":1}')
    assert frame["y"].to_list() == [None, 1]
    if depth > MOST_NESTED:
        assert json.loads(frame["x"][0]) == json.loads(deep)


def test_half_a_surrogate_pair(tmp_path: Path) -> None:
    """Half of a surrogate pair, which is no text, is marked, and is a problem."""
    frame = typed(tmp_path / "store.db", b'{"a":"x\\ud800y"}', b'{"a":"\\ud83d\\ude00"}')
    assert frame["a"].to_list() == ["x\ufffdy", "😀"]
    assert frame["problem"].to_list() == [
        "half a surrogate pair at a: no text, read as U+FFFD",
        None,
    ]


def test_line_ends_between_tokens(tmp_path: Path) -> None:
    """JSON that is spread over lines is one payload."""
    frame = typed(tmp_path / "store.db", b'{\r\n "a": 1,\n "b": "x\\ny"\n}', b'{"a":2,"b":"z"}')
    assert frame.drop(ENVELOPE).rows() == [(1, "x\ny"), (2, "z")]


# Times

ZONES = [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=9, minutes=30)), None]


@given(
    moments=st.lists(
        st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.sampled_from(ZONES)),
        max_size=5,
    )
)
def test_times_are_read_as_the_library_reads_them(moments: list[datetime]) -> None:
    """Any time that `isoformat` writes is read as what it was, in UTC."""
    found = parse_times(pl.Series([moment.isoformat() for moment in moments], dtype=pl.String))
    wanted = [m.replace(tzinfo=m.tzinfo or UTC).astimezone(UTC) for m in moments]
    assert found.to_list() == wanted


TIMES = [
    "2025-01-01T12:00:00+00:00",
    "2025-01-01T12:00:00.123456+00:00",
    "2025-01-01T12:00:00.123+02:00",
    "2025-01-01T12:00:00.123456789Z",
    "2025-01-01T12:00:00Z",
    "2025-01-01T12:00:00",
    "2025-01-01 12:00:00",
    "2025-01-01 12:00:00+01:00",
    "2025-01-01T12:00:00+0100",
    "2025-01-01T12:00",
    "2025-01-01T12:00+00:00",
    "2025-01-01",
    "2025-01-01T24:00:00Z",
    "2025-01-01T12:00:60Z",
    "2025-13-01T12:00:00Z",
    "2025-02-30T12:00:00Z",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59.999999+00:00",
    "20250101T120000Z",
    "12:00",
    "yesterday",
    "",
    "-2025-01-01T12:00:00Z",
    "+12025-01-01T12:00:00Z",
    None,
]


@pytest.mark.parametrize("one", TIMES)
@pytest.mark.parametrize("other", TIMES)
def test_a_time_is_read_the_same_beside_any_other(one: str | None, other: str | None) -> None:
    """Whether and how a text is read as a time does not depend on its neighbours."""
    alone = parse_times(pl.Series([one], dtype=pl.String)).to_list()
    beside = parse_times(pl.Series([one, other], dtype=pl.String)).to_list()
    assert beside[:1] == alone


@pytest.mark.parametrize("text", TIMES)
def test_a_time_is_what_python_reads(text: str | None) -> None:
    """A text is the time that `datetime.fromisoformat` reads, where both read one."""
    (found,) = parse_times(pl.Series([text], dtype=pl.String)).to_list()
    try:
        wanted = datetime.fromisoformat(text or "")
    except ValueError:
        return
    assert found in (None, wanted.replace(tzinfo=wanted.tzinfo or UTC).astimezone(UTC))
