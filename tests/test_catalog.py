"""The catalogue says what SQL says."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal
from stores import plain, write_native
from strategies import histories

from workbench import errors, open_history
from workbench.tables import RATE, STREAMS, TYPES


@given(histories())
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


@given(histories())
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


@given(histories())
def test_types_add_up(new_path, rows):
    """Shares sum to one; undecodable events are those without data."""
    history = open_history(write_native(new_path(), rows))
    types, table = history.types(), history.scan().collect()
    assert types["count"].sum() == len(table)
    assert types["undecodable"].sum() == table["data"].null_count()
    assert not len(table) or types["share"].sum() == pytest.approx(1)


@given(histories())
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
