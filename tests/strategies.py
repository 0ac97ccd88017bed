"""Strategies of hypothesis for this domain: payloads, states, histories and predicates.

A history is a list of rows as they lie in a store: positions with holes, times that
tie or step back, types known and unknown, several schema versions, names with any
characters, and payloads with all that JSON and the library's wrappers can hold.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st
from stores import PLACED, SHIPPED, Row, state_of

from workbench.sources import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = [
    PLACED,
    SHIPPED,
    "shop:Payment.Charged",
    "shop.v2:Order.Placed",
    "other:Order.Placed",
    "NoModule",
    "a.b.c:D.E.F",
    "übung:Größe.Geändert",
    "odd'type\":x%_",
    "",
]
STREAMS = [
    "order-1",
    "order-2",
    "00112233445566778899aabbccddeeff",
    "ünïcode-ström",
    "it's; DROP TABLE--",
    "",
]

LARGE = 2**63
"""Integers from here on do not fit 64 bits."""


@cache
def texts(max_size: int = 12) -> st.SearchStrategy[str]:
    """Return a strategy for text that UTF-8 can hold, with line ends, quotes and NUL."""
    return st.text(st.characters(codec="utf-8"), max_size=max_size)


@cache
def times() -> st.SearchStrategy[datetime]:
    """Return a strategy for aware times in several zones, a few of which coincide."""
    zones = st.sampled_from(
        [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=3, minutes=30))]
    )
    near = st.integers(0, 5).map(lambda minute: datetime(2025, 3, 1, 12, minute, tzinfo=UTC))
    return near | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=zones)


@cache
def wrappers() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for what the library writes for a time, a Decimal and a UUID."""
    decimals = st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4
    )
    return st.one_of(
        times().map(lambda t: {"_type_": "datetime_iso", "_data_": t.isoformat()}),
        decimals.map(lambda d: {"_type_": "decimal_str", "_data_": str(d)}),
        st.uuids().map(lambda u: {"_type_": "uuid_hex", "_data_": u.hex}),
    )


@cache
def unknown_wrappers() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for wrappers of an application's own."""
    return st.builds(
        lambda name, data: {"_type_": name, "_data_": data},
        st.sampled_from(["money", "address", "datetime"]),
        texts() | st.dictionaries(st.sampled_from(["a", "b"]), texts(), min_size=1),
    )


@cache
def scalars() -> st.SearchStrategy[Any]:
    """Return a strategy for values without parts."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-LARGE, LARGE - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        texts(),
        wrappers(),
        unknown_wrappers(),
    )


@cache
def names() -> st.SearchStrategy[str]:
    """Return a strategy for field names: plain ones, and such as columns have."""
    odd = ["", "a.b", "position", "type", "data", "problem", "é", '"', "data.position", "value"]
    return st.sampled_from(["a", "b", "c", "amount"]) | st.sampled_from(odd) | texts(4)


@cache
def values() -> st.SearchStrategy[Any]:
    """Return a strategy for JSON values of any shape."""
    return st.recursive(
        scalars(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(names(), inner, max_size=3).filter(is_no_wrapper)
        ),
        max_leaves=6,
    )


def is_no_wrapper(value: dict[str, Any]) -> bool:
    """Return whether a dict is not taken for a wrapper by chance."""
    return set(value) != {"_type_", "_data_"}


@cache
def payloads() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the fields of an event."""
    fields = st.dictionaries(names(), values(), max_size=4)
    return fields.filter(is_no_wrapper).filter(
        lambda found: not {"timestamp", "class_version"} & set(found)
    )


@cache
@st.composite
def states(draw: Callable[..., Any]) -> bytes:
    """Return a strategy for states as an application writes them."""
    time = draw(st.none() | times())
    version = draw(st.none() | st.integers(1, 4))
    return state_of(time, version, **{f"f_{n}": v for n, v in draw(payloads()).items()})


@cache
def plain_states() -> st.SearchStrategy[Any]:
    """Return a strategy for states whose fields do not matter, a few of them odd."""
    good = st.builds(state_of, st.none() | times(), st.none() | st.integers(1, 4))
    return st.one_of(good, good, good, st.sampled_from([b"{", b'{"a":NaN}', b"", None, b"\xff"]))


@cache
def undecodable() -> st.SearchStrategy[Any]:
    """Return a strategy for states that nobody can decode, or that are odd."""
    return st.sampled_from(
        [
            b'{"timestamp":{"_type_":"datetime_iso","_data_":"2025-01-01T12:00:00.000001+00:00"},"a',
            b'{"a":1',
            b"\xff\xfe{}",
            b"",
            None,
            b"\x80\x81\x82",
            b"\x1f\x8b\x08\x00broken",
            b"x\x9cbroken",
            b"BZhbroken",
            b"\xfd7zXZ\x00broken",
            b'{"a":NaN}',
            b'{"a":[1,-Infinity]}',
            b'{"a":123456789012345678901234567890}',
            b'{"a":"\\ud800"}',
            b'{"a":"\x00"}',
            b"[1,2,3]",
            b"null",
            b'"text"',
            b"nonsense",
            b"\xef\xbb\xbf{}",
        ]
    ) | st.binary(max_size=40)


@cache
def _events(state: st.SearchStrategy[Any] | None, max_size: int) -> st.SearchStrategy[Any]:
    state = st.one_of(states(), states(), undecodable()) if state is None else state
    steps = st.sampled_from([1, 1, 1, 2, 5, 1000])
    one = st.tuples(steps, st.sampled_from(STREAMS), st.sampled_from(TYPES), state)
    return st.lists(one, max_size=max_size)


@st.composite
def histories(
    draw: Callable[..., Any],
    state: st.SearchStrategy[Any] | None = None,
    max_size: int = 25,
) -> list[Row]:
    """Return a strategy for histories, also empty ones."""
    events = draw(_events(state, max_size))
    position, heads, rows = draw(st.sampled_from([0, 0, 3])), {}, []
    for step, stream, type_, found in events:
        position += step
        version = heads[stream] = heads.get(stream, 0) + draw(st.sampled_from([1, 1, 1, 2]))
        rows.append(Row(position, stream, version, type_, found))
    return rows


def selections() -> st.SearchStrategy[Selection]:
    """Return a strategy for selections of what `histories` makes."""
    numbers = st.none() | st.integers(-2, 60)
    return st.builds(
        Selection,
        after=numbers,
        upto=numbers,
        types=st.none() | st.frozensets(st.sampled_from([*TYPES, "unknown"]), max_size=4),
        streams=st.none() | st.frozensets(st.sampled_from([*STREAMS, "unknown"]), max_size=3),
        after_version=st.none() | st.integers(-1, 6),
        upto_version=st.none() | st.integers(-1, 6),
    )


# Predicates on the event table


def _comparisons(column: str, literals: st.SearchStrategy[Any]) -> st.SearchStrategy[pl.Expr]:
    col = pl.col(column)
    return st.one_of(
        literals.map(lambda v: col > v),
        literals.map(lambda v: col >= v),
        literals.map(lambda v: col < v),
        literals.map(lambda v: col <= v),
        literals.map(lambda v: col == v),
        literals.map(lambda v: col != v),
        literals.map(lambda v: pl.lit(v) < col),
        literals.map(lambda v: pl.lit(v) >= col),
        literals.map(lambda v: pl.lit(v) == col),
        st.lists(literals, max_size=4).map(col.is_in),
        st.tuples(literals, literals, st.sampled_from(["both", "left", "right", "none"])).map(
            lambda t: col.is_between(pl.lit(t[0]), pl.lit(t[1]), closed=t[2])
        ),
        st.just(col.is_null()),
        st.just(col.is_not_null()),
    )


_CONDITIONS = [
    _comparisons("position", st.integers(-3, 40) | st.sampled_from([0, 2**31, 2**62])),
    _comparisons("version", st.integers(-1, 8)),
    _comparisons("type", st.sampled_from([*TYPES, "shop:Unknown"])),
    _comparisons("stream", st.sampled_from([*STREAMS, "unknown"])),
    _comparisons("time", times().map(lambda t: t.astimezone(UTC))),
    st.sampled_from(
        [
            pl.col("data").is_null(),
            pl.col("problem").is_not_null(),
            pl.col("schema_version") > 1,
            pl.col("position") % 2 == 0,
            pl.col("version") < pl.col("position"),
            pl.col("stream").str.starts_with("order"),
        ]
    ),
]


@st.composite
def predicates(draw: Callable[..., Any], depth: int = 2) -> pl.Expr:
    """Return a strategy for conditions on the event table, joined in any way."""
    joined = draw(st.sampled_from(["", "", "and", "and", "or", "not"])) if depth else ""
    if not joined:
        return draw(draw(st.sampled_from(_CONDITIONS)))
    left = draw(predicates(depth - 1))
    if joined == "not":
        return ~left
    right = draw(predicates(depth - 1))
    return left & right if joined == "and" else left | right
