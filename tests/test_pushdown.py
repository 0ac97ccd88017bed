"""A predicate that is pushed down selects exactly what it selects afterwards."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import simple_rows, write_native
from strategies import histories, plain_states, predicates

from workbench import open_history
from workbench.pushdown import selection_of
from workbench.sources import Selection
from workbench.tables import EVENTS

POSITION, VERSION = pl.col("position"), pl.col("version")
TYPE, STREAM = pl.col("type"), pl.col("stream")


@pytest.fixture(scope="module")
def asked(new_path):
    """Return a history, and the list of what its source is asked for."""
    history = open_history(write_native(new_path(), simple_rows(30)))
    seen = []

    class Spied:
        """The source, which remembers each selection and the columns."""

        def __getattr__(self, name):
            return getattr(history.source, name)

        def parts(self, selection, columns):
            seen.append((selection, set(columns)))
            return history.source.parts(selection, columns)

    return replace(history, source=Spied()), seen


def last_asked(asked, query):
    """Return what the source is asked for by a query."""
    history, seen = asked
    query(history.scan()).collect()
    return seen[-1]


@pytest.mark.parametrize(
    ("query", "selection"),
    [
        (lambda q: q.filter(POSITION > 5), Selection(after=5)),
        (
            lambda q: q.filter(TYPE == "a").filter(STREAM == "b"),
            Selection(types=frozenset("a"), streams=frozenset("b")),
        ),
        (lambda q: q.filter(TYPE.is_in(["a"])).select("position"), Selection(types=frozenset("a"))),
        (lambda q: q.head(4), Selection(limit=4)),
        (lambda q: q.head(4).filter(POSITION > 2), Selection(limit=4)),
        (lambda q: q.filter(POSITION > 2).head(4), Selection(after=2)),
        (lambda q: q.select("type").unique(), Selection()),
        (lambda q: q.filter(POSITION.is_in([7])), Selection(after=6, upto=7)),
    ],
)
def test_query_reaches_the_source(asked, query, selection):
    """What a query selects is what the source is asked for."""
    assert last_asked(asked, query)[0] == selection


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        (lambda q: q.select("type"), {"type", "position"}),
        (lambda q: q.select("time"), {"state", "position"}),
        (lambda q: q.filter(VERSION > 1).select("stream"), {"stream", "version", "position"}),
        (lambda q: q.select(pl.len()), {"position"}),
        (lambda q: q.select("metadata"), {"metadata", "state", "position"}),
    ],
)
def test_only_used_columns_are_read(asked, query, columns):
    """The source is asked for no column that a query does not use."""
    assert last_asked(asked, query)[1] == columns


def test_narrowed_history_and_query_meet(asked):
    """A query on a narrowed history asks for what both select."""
    history, seen = asked
    history.between(after=3, upto=20).scan().filter(POSITION < 10).collect()
    assert seen[-1][0] == Selection(after=3, upto=9)


@given(histories(plain_states()), predicates())
def test_filtered_scan_is_the_filtered_table(new_path, rows, predicate):
    """Filtering the scan gives the rows that filtering all rows gives."""
    history = open_history(write_native(new_path(), rows))
    assert_frame_equal(
        history.scan().filter(predicate).collect(), history.scan().collect().filter(predicate)
    )


@given(histories(plain_states()), st.lists(st.sampled_from(EVENTS.names), unique=True, min_size=1))
def test_columns_are_those_of_the_table(new_path, rows, columns):
    """Reading some columns gives what they are in the whole table."""
    history = open_history(write_native(new_path(), rows))
    assert_frame_equal(
        history.scan().select(columns).collect(), history.scan().collect().select(columns)
    )


@given(histories(plain_states()), predicates(), st.integers(0, 8))
def test_first_and_last_rows_and_length(new_path, rows, predicate, n):
    """The first, the last and the number of rows are those of the whole table."""
    history = open_history(write_native(new_path(), rows))
    scan, table = history.scan().filter(predicate), history.scan().collect().filter(predicate)
    assert_frame_equal(scan.head(n).collect(), table.head(n))
    assert_frame_equal(scan.tail(n).collect(), table.tail(n))
    assert scan.select(pl.len()).collect().item() == len(table)
    assert_frame_equal(
        history.scan().head(n).filter(predicate).collect(),
        history.scan().collect().head(n).filter(predicate),
    )


@given(histories(plain_states()), predicates())
def test_selection_holds_every_row_that_fits(new_path, rows, predicate):
    """What is asked of the source has at least the rows that fit the predicate."""
    history = open_history(write_native(new_path(), rows))
    fitting = history.scan().collect().filter(predicate)
    with history.source.parts(selection_of(predicate), {"position"}) as parts:
        asked = {position for part in parts for position in part()["position"]}
    assert set(fitting["position"]) <= asked


@pytest.mark.parametrize(
    ("predicate", "selection"),
    [
        (POSITION > 5, Selection(after=5)),
        (POSITION >= 5, Selection(after=4)),
        (POSITION < 5, Selection(upto=4)),
        (POSITION <= 5, Selection(upto=5)),
        (POSITION == 5, Selection(after=4, upto=5)),
        (pl.lit(5) < POSITION, Selection(after=5)),
        (POSITION.is_between(3, 9), Selection(after=2, upto=9)),
        (POSITION.is_between(3, 9, closed="none"), Selection(after=3, upto=8)),
        (POSITION.is_in([4, 7]), Selection(after=3, upto=7)),
        (VERSION > 2, Selection(after_version=2)),
        ((VERSION >= 2) & (VERSION < 4), Selection(after_version=1, upto_version=3)),
        (TYPE == "a", Selection(types=frozenset("a"))),
        (TYPE.is_in(["a"]), Selection(types=frozenset("a"))),
        (TYPE.is_in(pl.Series(["a", "b"]).implode()), Selection(types=frozenset("ab"))),
        (POSITION.is_in(pl.Series([4, 7]).implode()), Selection(after=3, upto=7)),
        (TYPE.is_in(["a", "b"]), Selection(types=frozenset("ab"))),
        (STREAM == "s", Selection(streams=frozenset("s"))),
        ((STREAM == "s") & (POSITION > 1), Selection(after=1, streams=frozenset("s"))),
        ((TYPE == "a") & (pl.col("data").is_null()), Selection(types=frozenset("a"))),
    ],
    ids=lambda value: str(value) if isinstance(value, pl.Expr) else "",  # a set has no order
)
def test_form_is_recognised(predicate, selection):
    """A condition in this form is answered by the source."""
    assert selection_of(predicate) == selection


@pytest.mark.parametrize(
    "predicate",
    [
        (POSITION > 5) | (TYPE == "a"),
        ~(POSITION > 5),
        TYPE != "a",
        TYPE.str.starts_with("a"),
        POSITION % 2 == 1,
        pl.col("time").is_not_null(),
        TYPE.is_in(["a", None]),
        VERSION > POSITION,
    ],
    ids=str,
)
def test_form_is_left_to_polars(predicate):
    """A condition that would lose rows, or is not understood, is not asked of the source."""
    assert selection_of(predicate) == Selection()


def test_no_predicate_selects_everything():
    """Without a condition everything is read."""
    assert selection_of(None) == Selection()
