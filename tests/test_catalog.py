"""The catalogue says what SQL says."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import FIXTURES, fixture_id
from polars.testing import assert_frame_equal
from stores import Row, plain, write_native
from strategies import histories, plain_states, texts

from workbench import errors, open_history
from workbench.catalog import short_name
from workbench.tables import RATE, STREAMS, TYPES

TYPES_ODD = ["a:b:C.D", "a.b", "a:", ":a", "a:.b", "a:b.", "a.b.c", "x:a\nb.c", "", ".", ":"]


@given(histories(plain_states()))
def test_types_are_what_sql_groups(new_path, rows):
    """Types, counts and positions are those of GROUP BY topic."""
    path = write_native(new_path(), rows)
    types = open_history(path).types()
    grouped = plain(
        path,
        "SELECT topic, count(*), min(rowid), max(rowid) FROM stored_events "
        "GROUP BY topic ORDER BY 2 DESC, 1",
    )
    assert types.select("type", "count", "first_position", "last_position").rows() == grouped
    assert TYPES.misfits(types) == []


@given(histories(plain_states()))
def test_streams_are_what_sql_groups(new_path, rows):
    """Streams, counts, positions and heads are those of GROUP BY originator_id."""
    path = write_native(new_path(), rows)
    streams = open_history(path).streams()
    grouped = plain(
        path,
        "SELECT originator_id, count(*), min(rowid), max(rowid), max(originator_version) "
        "FROM stored_events GROUP BY originator_id ORDER BY 3",
    )
    columns = ("stream", "events", "first_position", "last_position", "head_version")
    assert streams.select(columns).rows() == grouped
    assert STREAMS.misfits(streams) == []


@given(histories(plain_states()))
def test_types_add_up(new_path, rows):
    """Shares sum to one; undecodable events are those without data."""
    history = open_history(write_native(new_path(), rows))
    types, table = history.types(), history.scan().collect()
    assert types["count"].sum() == len(table)
    assert types["undecodable"].sum() == table["data"].null_count()
    assert not len(table) or types["share"].sum() == pytest.approx(1)


@given(histories(plain_states()))
def test_rate_counts_every_event_with_a_time(new_path, rows):
    """All windows together hold the events that have a time."""
    history = open_history(write_native(new_path(), rows))
    timed = history.scan().collect()["time"].count()
    for by in ("type", "stream"):
        rate = history.rate("1h", by)
        assert RATE.misfits(rate) == []
        assert rate["count"].sum() == timed


def test_sample_equals_sql(shop):
    """The sample's types and streams are what SQL groups."""
    path = shop.source.file.path
    types = plain(path, "SELECT topic, count(*) FROM stored_events GROUP BY 1 ORDER BY 2 DESC, 1")
    streams = plain(path, "SELECT count(DISTINCT originator_id) FROM stored_events")
    assert shop.types().select("type", "count").rows() == types
    assert shop.streams().height == streams[0][0]


def test_schema_versions_are_listed(shop):
    """All versions of a type that were stored are there, in order."""
    placed = shop.types().filter(pl.col("short_name") == "Order.Placed")
    assert placed["schema_versions"].to_list() == [[1, 2, 3]]


def test_aggregate_is_what_stands_before_the_last_dot(shop):
    """The aggregate of an order's events is Order."""
    assert set(shop.types()["aggregate"]) == {"Order", "Payment", "Item", "StockItem", "Refund"}


def test_rate_by_aggregate_sums_that_by_type(shop):
    """Counting coarser counts the same events."""
    by_type, by_aggregate = shop.rate("1mo"), shop.rate("1mo", "aggregate")
    total = pl.col("count").sum()
    assert_frame_equal(
        by_type.group_by("time").agg(total).sort("time"),
        by_aggregate.group_by("time").agg(total).sort("time"),
    )


@pytest.mark.parametrize("every", ["day", "", "1x", "-1d", "0d"])
def test_window_that_is_none_is_refused(small, every):
    """The error shows how windows are written."""
    with pytest.raises(errors.RangeError, match="1d"):
        small.rate(every)


def test_unknown_way_to_count_is_refused(small):
    """The error lists what can be counted by."""
    with pytest.raises(errors.RangeError, match="aggregate"):
        small.rate(by="colour")


@given(names=st.lists(texts() | st.sampled_from(TYPES_ODD), min_size=1, unique=True))
def test_short_names_and_aggregates_of_any_type(new_path, names):
    """The short name is what follows the last colon, the aggregate that up to its last dot."""
    rows = [Row(n, "s", n, name, b"{}") for n, name in enumerate(names, 1)]
    found = open_history(write_native(new_path(), rows)).types()
    for type_, short, aggregate in found.select("type", "short_name", "aggregate").rows():
        assert short == short_name(type_) == type_.rsplit(":", 1)[-1]
        assert aggregate == (short.rpartition(".")[0] or None)


@given(histories(plain_states()))
def test_types_span_their_events(new_path, rows):
    """Times, versions and sizes of a type are those of its events."""
    history = open_history(write_native(new_path(), rows))
    table = history.scan().collect()
    for found in history.types().iter_rows(named=True):
        events = table.filter(pl.col("type") == found["type"])
        sizes = [len(text.encode()) for text in events["data"].drop_nulls()]
        assert found["first_time"] == events["time"].min()
        assert found["last_time"] == events["time"].max()
        assert found["schema_versions"] == sorted(set(events["schema_version"].drop_nulls()))
        assert found["largest_size_bytes"] == max(sizes, default=None)
        assert found["mean_size_bytes"] == (
            pytest.approx(sum(sizes) / len(sizes)) if sizes else None
        )


@given(histories(plain_states()))
def test_aggregate_of_a_stream_is_that_of_its_first_event(new_path, rows):
    """A stream belongs to the aggregate of the type of its first event."""
    streams = open_history(write_native(new_path(), rows)).streams()
    first = {}
    for row in rows:
        first.setdefault(row.stream, short_name(row.type).rpartition(".")[0] or None)
    assert dict(streams.select("stream", "aggregate").rows()) == first


@pytest.mark.parametrize("by", ["type", "stream", "aggregate"])
@pytest.mark.parametrize("every", ["1h", "1d", "1w", "1mo"])
def test_windows_hold_the_times_that_they_cover(shop, every, by):
    """A window begins at or before its events, and is a whole multiple of its length."""
    rate = shop.rate(every, by)
    starts = rate["time"].unique()
    assert starts.dt.truncate(every).equals(starts)
    assert rate["count"].sum() == shop.scan().select(pl.col("time").count()).collect().item()


def test_weeks_begin_on_monday(shop):
    """A window of a week begins on Monday."""
    assert set(shop.rate("1w")["time"].dt.weekday()) == {1}


@pytest.mark.parametrize("fixture", FIXTURES, ids=fixture_id)
def test_types_of_a_fixture_are_those_of_its_rows(fixture):
    """The types of every layout are what the library that wrote it stored."""
    types = open_history(fixture.path, **fixture.opening).types()
    assert dict(types.select("type", "count").rows()) == Counter(r.type for r in fixture.rows)


@pytest.mark.parametrize("fixture", FIXTURES, ids=fixture_id)
def test_streams_of_a_fixture_are_those_of_its_rows(fixture):
    """The streams of every layout are what the library that wrote it stored."""
    streams = open_history(fixture.path, **fixture.opening).streams()
    assert dict(streams.select("stream", "events").rows()) == Counter(
        r.stream for r in fixture.rows
    )
