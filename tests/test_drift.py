"""Drift: how the fields of one type change over time, and since which event."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import BEGIN, PLACED, Row, state_of, write_native
from strategies import histories

from workbench import open_history
from workbench.errors import RangeError, UnknownTypeError
from workbench.schemas.change_points import KINDS
from workbench.schemas.shifts import shifts
from workbench.tables import CHANGE_POINTS, DRIFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench import History
    from workbench.schemas.drift import Drift


@pytest.fixture
def drifted(new_path: Callable[[], Path]) -> Callable[..., Drift]:
    """Return a function that gives the drift of events with these fields, an hour apart."""

    def drift(*payloads: dict[str, Any], every: str = "1d") -> Drift:
        rows = [
            Row(2 * i + 1, f"s{i}", 1, PLACED, state_of(BEGIN + timedelta(hours=i), **payload))
            for i, payload in enumerate(payloads)
        ]
        return open_history(write_native(new_path(), rows)).drift("Order.Placed", every)

    return drift


def points(drift: Drift) -> list[tuple[str, str, int]]:
    """Return the path, kind and position of each change point."""
    return drift.changes.select("path", "kind", "position").rows()


def random_numbers(count: int, level: float) -> list[dict[str, float]]:
    """Return fields with numbers about a level."""
    chance = random.Random(count)
    return [{"n": level + chance.random()} for _ in range(count)]


CHANGES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, int]]]] = {
    "nothing": ([{"a": i % 40} for i in range(200)], []),
    "a field begins": ([{}] * 30 + [{"a": 1}] * 30, [("a", "field_begins", 61)]),
    "a field ends": ([{"a": 1}] * 30 + [{}] * 30, [("a", "field_ends", 61)]),
    "a field is missing at times": (
        [{"a": 1}] * 60 + [{}, {"a": 1}, {"a": 1}] * 20,
        [("a", "missing_begins", 121)],
    ),
    "a field is never missing any more": (
        [{"a": 1}, {}] * 20 + [{"a": 1}] * 60,
        [("a", "missing_ends", 81)],
    ),
    "a field is missing less often": (
        [{"a": 1}, {}] * 100 + ([{}] + [{"a": 1}] * 9) * 20,
        [("a", "missing_share", 403)],
    ),
    "a field is null at times": (
        [{"a": 1}] * 60 + [{"a": None}, {"a": 1}, {"a": 1}] * 20,
        [("a", "null_begins", 121)],
    ),
    "a field is null more often": (
        ([{"a": None}] + [{"a": 1}] * 9) * 20 + [{"a": None}, {"a": 1}] * 100,
        [("a", "null_share", 401)],
    ),
    "a kind begins and another ends": (
        [{"a": "1"}] * 30 + [{"a": [1]}] * 30,
        [("a", "kind_begins", 61), ("a", "kind_ends", 61)],
    ),
    "a value begins": (
        [{"a": "xy"[i % 2]} for i in range(60)] + [{"a": "xyz"[i % 3]} for i in range(60)],
        [("a", "value_begins", 125)],
    ),
    "a truth begins": (
        [{"a": False}] * 40 + [{"a": bool(i % 2)} for i in range(40)],
        [("a", "value_begins", 83)],
    ),
    "a level": (random_numbers(50, 0) + random_numbers(50, 10), [("n", "level", 101)]),
    "a level that comes and goes": (
        random_numbers(80, 0) + random_numbers(80, 10) + random_numbers(80, 0),
        [("n", "level", 161), ("n", "level", 321)],
    ),
    "a number that is counted up": ([{"n": i} for i in range(500)], []),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_points(drifted: Callable[..., Drift], name: str) -> None:
    """A change point is the first event that is otherwise; what goes on all the time is none."""
    payloads, expected = CHANGES[name]
    assert points(drifted(*payloads)) == expected


def test_every_kind_is_told() -> None:
    """The cases above have every kind of change there is, but the end of a null and a value."""
    found = {kind for _, expected in CHANGES.values() for _, kind, _ in expected}
    assert found == set(KINDS) - {"null_ends", "value_ends"}


def test_sentence(drifted: Callable[..., Drift]) -> None:
    """A change point is told in a sentence, with how often it is so, before and since."""
    (row,) = drifted(*[{"a": 1}] * 60, *[{"a": None}, {"a": 1}] * 30).changes.to_dicts()
    assert row["sentence"] == (
        "since position 121 `a` is sometimes null (50 % of 60 events; never in 60 before)"
    )
    assert (row["before"], row["after"]) == ("never", "in 50 % of events")
    assert row["time"] == BEGIN + timedelta(hours=60)


SAMPLE = {
    "Order.Placed": [
        ("customer_name", "field_ends", 13028),
        ("first_name", "field_begins", 13028),
        ("last_name", "field_begins", 13028),
        ("address", "kind_begins", 33505),
        ("address", "kind_ends", 33505),
    ],
    "Order.Confirmed": [
        ("coupon", "field_begins", 13031),
        ("coupon", "value_begins", 20163),
        ("coupon", "value_ends", 22850),
    ],
    "Payment.Charged": [("amount", "kind_begins", 13033), ("amount", "kind_ends", 13033)],
    "Order.Delivered": [],
    "StockItem.Reserved": [],
}


@pytest.mark.parametrize("type_", SAMPLE)
def test_change_points_of_the_sample(shop: History, type_: str) -> None:
    """The sample's releases, and its campaign in autumn, are found at their events."""
    found = points(shop.drift(type_))
    assert [p for p in found if "[" not in p[0] and "." not in p[0]] == SAMPLE[type_]


def test_windows(drifted: Callable[..., Drift]) -> None:
    """A window tells shares, different values, mean, median and new values of a field."""
    days = [{"n": 1, "s": "a"}] * 12 + [{"n": 4, "s": "a"}] * 12
    later = [{"n": None, "s": "b"}] * 6 + [{"n": 10, "s": "a"}] * 6 + [{"s": "a"}] * 12
    rows = drifted(*days, *later).windows.drop("time").rows()
    assert rows == [
        ("n", 24, 0.0, 0.0, 2, 2.5, 2.5, []),
        ("n", 12, 0.5, 0.5, 1, 10.0, 10.0, ["10"]),
        ("s", 24, 0.0, 0.0, 1, None, None, []),
        ("s", 24, 0.0, 0.0, 2, None, None, ["b"]),
    ]


@settings(max_examples=25)
@given(rows=histories(max_size=25))
def test_any_history_has_a_drift(new_path: Callable[[], Path], rows: list[Row]) -> None:
    """The frames of any type are of their specs; every event with a time is in one window."""
    history = open_history(write_native(new_path(), rows))
    events = history.scan().collect()
    for type_ in history.type_names():
        drift = history.drift(type_, "1h")
        assert DRIFT.misfits(drift.windows) == []
        assert CHANGE_POINTS.misfits(drift.changes) == []
        mine = events.filter(type=type_).drop_nulls(["time", "data"])
        most = drift.windows.group_by("path").agg(events=drift.windows["events"].max())
        assert (most["events"].max() or 0) <= mine.height


@settings(max_examples=50)
@given(
    level=st.lists(st.floats(0, 1), min_size=60, max_size=120),
    gap=st.floats(2, 1e6),
    at=st.integers(25, 35),
)
def test_a_shift_is_found_where_it_is(level: list[float], gap: float, at: int) -> None:
    """Numbers that are all greater from some place on have a shift there, if they did not move."""
    values = np.array(level)
    calm = values.copy()
    calm[:] = 0.5
    calm[at:] += gap
    assert shifts(calm, 0.33) == [at]
    assert all(0 < found < values.size for found in shifts(values, 0.33))


@pytest.mark.parametrize("every", ["month", "0d", "", "-1d"])
def test_no_duration(shop: History, every: str) -> None:
    """What is no duration is refused."""
    with pytest.raises(RangeError, match="window of time"):
        shop.drift("Order.Placed", every)


def test_unknown_type(shop: History) -> None:
    """A type that is not there is refused."""
    with pytest.raises(UnknownTypeError, match=r"Order\.Placed"):
        shop.drift("Order.Plased")


def test_shown(shop: History) -> None:
    """A drift is shown with its change points."""
    drift = shop.drift("Order.Confirmed")
    assert repr(drift) == "<Drift of 'Order.Confirmed': 4,939 events, 1 fields>"
    assert "AUTUMN10" in drift._repr_html_()
