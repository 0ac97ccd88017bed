"""A history is narrowed without being changed, and says what it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, PLACED, Row, append, plain, simple_rows, state_of, write_native
from strategies import histories, plain_states

from workbench import errors, open_history
from workbench.tables import EVENTS


def test_table_fits_its_spec(small):
    """The scan's schema and the collected frame are those of EVENTS."""
    assert small.scan().collect_schema() == EVENTS.schema
    assert EVENTS.misfits(small.scan().collect()) == []


@given(histories(plain_states()), st.integers(-2, 60), st.integers(-2, 60))
def test_between_is_a_range_of_positions(new_path, rows, after, upto):
    """`between` selects positions greater than `after`, up to and with `upto`."""
    history = open_history(write_native(new_path(), rows))
    low, high = min(after, upto), max(after, upto)
    wanted = history.scan().collect().filter(pl.col("position") > low, pl.col("position") <= high)
    narrowed = history.between(after=low, upto=high)
    assert_frame_equal(narrowed.scan().collect(), wanted)
    assert len(narrowed) == len(wanted)
    assert narrowed.head == wanted["position"].max()


@given(histories(plain_states()), st.integers(-60, 60), st.integers(0, 60))
def test_since_and_until_are_a_range_of_times(new_path, rows, begins, lasts):
    """`since` and `until` select by the time in the payload, both ends included."""
    history = open_history(write_native(new_path(), rows))
    first = BEGIN + timedelta(minutes=begins)
    last = first + timedelta(minutes=lasts)
    wanted = history.scan().collect().filter(pl.col("time").is_between(first, last))
    narrowed = history.since(first).until(last)
    assert_frame_equal(narrowed.scan().collect(), wanted)
    assert len(narrowed) == len(wanted)
    assert sum(frame.height for frame in narrowed.events_by_type().values()) == len(wanted)


@given(histories(plain_states()))
def test_batches_are_the_table(new_path, rows):
    """All batches in turn are the event table."""
    history = open_history(write_native(new_path(), rows))
    frames = [EVENTS.frame(), *history.batches()]
    assert_frame_equal(pl.concat(frames), history.scan().collect())


@given(histories(plain_states()))
def test_len_is_what_sql_counts(new_path, rows):
    """`len` is SQL's count, and so is the height of the table."""
    path = write_native(new_path(), rows)
    history = open_history(path)
    counted = plain(path, "SELECT count(*), max(rowid) FROM stored_events")[0]
    assert (len(history), history.head) == counted
    assert history.scan().select(pl.len()).collect().item() == counted[0]


def test_narrowing_leaves_the_history_as_it_was(small):
    """A narrowed history is another one."""
    before = (repr(small), len(small))
    small.between(after=3).of_types("Order.Placed").of_streams("stream-1").since("2025-03-01")
    assert (repr(small), len(small)) == before


def test_narrowing_twice_is_what_both_have(small):
    """The second narrowing does not forget the first."""
    assert small.between(after=5).between(upto=9).scan().collect()["position"].to_list() == [
        6,
        7,
        8,
        9,
    ]
    assert len(small.of_types("Order.Placed").of_types("Order.Shipped")) == 0


@pytest.mark.parametrize("name", ["Order.Placed", PLACED])
def test_type_by_full_or_short_name(small, name):
    """A short name means its type where it is unambiguous."""
    assert set(small.of_types(name).scan().collect()["type"]) == {PLACED}


def test_short_name_of_two_types_is_ambiguous(tmp_path):
    """Two types of one short name are told apart by the full name alone."""
    rows = [Row(1, "a", 1, "old:Order.Placed"), Row(2, "a", 2, "new:Order.Placed")]
    history = open_history(write_native(tmp_path / "a.db", rows))
    with pytest.raises(errors.UnknownTypeError, match=r"new:Order\.Placed, old:Order\.Placed"):
        history.of_types("Order.Placed")
    assert len(history.of_types("old:Order.Placed")) == 1


def test_unknown_type_names_near_ones(small):
    """The error lists types like the one that was asked for."""
    with pytest.raises(errors.UnknownTypeError, match=r"Near it: Order\.Placed"):
        small.of_types("Order.Plced")


def test_type_that_is_added_later_is_found(store):
    """The known types follow the store."""
    history = open_history(store)
    assert "shop:Order.New" not in history.type_names()
    append(store, [Row(31, "new", 1, "shop:Order.New", b"{}")])
    assert len(history.of_types("Order.New")) == 1


@pytest.mark.parametrize("form", [str, lambda u: u.hex, lambda u: u])
def test_stream_by_uuid(tmp_path, form):
    """A UUID is found with and without dashes, and as an object."""
    stream = UUID(int=7)
    history = open_history(write_native(tmp_path / "a.db", [Row(1, stream.hex, 1, PLACED)]))
    assert len(history.of_streams(form(stream))) == 1


def test_unknown_stream_is_refused(small):
    """The error lists streams that there are."""
    with pytest.raises(errors.UnknownStreamError, match="stream-1"):
        small.of_streams("stream-9")


@pytest.mark.parametrize(
    "narrow",
    [
        lambda h: h.between(after=9, upto=8),
        lambda h: h.since("2025-03-02").until("2025-03-01"),
        lambda h: h.until("2025-03-01").since("2025-03-02"),
    ],
)
def test_range_that_ends_before_it_begins_is_refused(small, narrow):
    """Such a range is a slip, not an empty selection."""
    with pytest.raises(errors.RangeError, match="ends before"):
        narrow(small)


@pytest.mark.parametrize("text", ["yesterday", "2025-13-01", "", "20250301T"])
def test_text_that_is_no_time_is_refused(small, text):
    """The error quotes the text and shows the form."""
    with pytest.raises(errors.RangeError, match="ISO 8601"):
        small.since(text)


@pytest.mark.parametrize(
    "moment",
    [
        "2025-03-01T00:10",
        "2025-03-01T02:10+02:00",
        datetime(2025, 3, 1, 0, 10, tzinfo=UTC),
        datetime(2025, 2, 28, 19, 10, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_moment_in_any_form(small, moment):
    """Text and datetimes of any zone mean the same moment; without a zone it is UTC."""
    assert small.since(moment).scan().collect()["position"].min() == 11


def test_date_means_the_whole_day(tmp_path):
    """`until` a date includes the last moment of that day, `since` its first."""
    rows = [
        Row(1, "a", 1, PLACED, state_of(datetime(2025, 3, 1, tzinfo=UTC))),
        Row(2, "a", 2, PLACED, state_of(datetime(2025, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC))),
        Row(3, "a", 3, PLACED, state_of(datetime(2025, 3, 2, tzinfo=UTC))),
    ]
    history = open_history(write_native(tmp_path / "a.db", rows))
    day = date(2025, 3, 1)
    assert history.since(day).until(day).scan().collect()["position"].to_list() == [1, 2]


def test_stored_bytes_of_a_position(small):
    """`state` returns what lies in the store."""
    assert small.state(1) == simple_rows(1)[0].state


def test_position_in_a_hole_is_refused(small):
    """The error says from where to where the positions go."""
    with pytest.raises(errors.UnknownPositionError, match="from 1 to 30"):
        small.state(31)


def test_empty_history(tmp_path):
    """An empty store has no head, no length and an empty table."""
    history = open_history(write_native(tmp_path / "a.db", []))
    assert (history.head, len(history), history.scan().collect().height) == (None, 0, 0)
    assert history.events_by_type() == {}
    assert history.types().is_empty()
    assert history.streams().is_empty()


def test_repr_is_one_line(small):
    """The repr says what it is and what it is narrowed to."""
    narrowed = small.between(after=3, upto=9).of_types("Order.Placed").of_streams("stream-1")
    assert repr(narrowed) == (
        "<History 'store.db': eventsourcing 9, SQLite, "
        "after 3; up to 9; types Order.Placed; streams stream-1>"
    )


def test_html_escapes_what_is_stored(tmp_path):
    """A stream's name does not become markup."""
    rows = [Row(1, "<script>alert(1)</script>", 1, PLACED)]
    history = open_history(write_native(tmp_path / "a.db", rows))
    assert "<script>" not in history.of_streams("<script>alert(1)</script>")._repr_html_()


def test_events_of_several_types_keep_data(small):
    """The events of no or several types are the event table."""
    assert small.events().schema == EVENTS.schema
    assert small.events("Order.Placed", "Order.Shipped").schema == EVENTS.schema


def test_events_of_a_type_that_the_range_lacks(small):
    """A type that the store has but the selection has not is an empty frame."""
    assert small.between(after=29).events("Order.Placed").is_empty()


def test_progress_goes_up_to_the_end(small):
    """Reports are in order, and the last one has everything done."""
    seen = []
    small.with_progress(seen.append).scan().collect()
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].total, seen[-1].left_s) == (30, 30, 0)


@given(histories(plain_states()), st.data())
def test_of_types_and_of_streams_are_the_filters_they_mean(new_path, rows, data):
    """Narrowing by types and streams selects the rows that have them."""
    history = open_history(write_native(new_path(), rows))
    whole = history.scan().collect()
    types = data.draw(st.sets(st.sampled_from(sorted({r.type for r in rows}) or ["-"]))) - {"-"}
    streams = data.draw(st.sets(st.sampled_from(sorted({r.stream for r in rows}) or ["-"]))) - {"-"}
    wanted = whole.filter(pl.col("type").is_in(list(types)), pl.col("stream").is_in(list(streams)))
    narrowed = history.of_types(*types).of_streams(*streams)
    assert_frame_equal(narrowed.scan().collect(), wanted)
    assert_frame_equal(pl.concat([EVENTS.frame(), *narrowed.batches()]), wanted)
    assert len(narrowed) == len(wanted)
    assert narrowed.types()["count"].sum() == len(wanted)


@given(histories(plain_states()), st.permutations(["between", "types", "since", "until"]))
def test_the_order_of_narrowing_does_not_matter(new_path, rows, order):
    """Narrowing in any order gives the same history."""
    history = open_history(write_native(new_path(), rows))
    types = sorted({row.type for row in rows})[:2]
    narrow = {
        "between": lambda h: h.between(after=2, upto=30),
        "types": lambda h: h.of_types(*types),
        "since": lambda h: h.since(BEGIN),
        "until": lambda h: h.until(BEGIN + timedelta(days=1)),
    }
    forward, backward = history, history
    for name in order:
        forward = narrow[name](forward)
    for name in reversed(order):
        backward = narrow[name](backward)
    assert_frame_equal(forward.scan().collect(), backward.scan().collect())
    assert forward == backward


def test_histories_are_values(store):
    """A history can be compared and hashed, and cannot be changed."""
    history = open_history(store)
    assert history.between(upto=3) == history.between(upto=3)
    assert history.between(upto=3) != history.between(upto=4)
    with pytest.raises(AttributeError):
        history.selection = None


@pytest.mark.parametrize("types", [("Order.Placed",), ("Order.Placed", "Order.Shipped")])
def test_typed_events_are_those_of_the_narrowed_history(small, types):
    """The typed columns of a narrowed history have its events and no others."""
    narrowed = small.between(after=4, upto=15).of_types(*types)
    found = narrowed.events_by_type()
    positions = sorted(p for frame in found.values() for p in frame["position"])
    assert positions == narrowed.scan().collect()["position"].to_list()


@pytest.mark.parametrize("columns", [["data"], ["problem", "time"], ["position"], [], ["tags"]])
def test_batches_of_some_columns(small, columns):
    """Batches have the columns that are asked for, in the order of the event table."""
    frames = list(small.batches(columns))
    assert [frame.columns for frame in frames] == [[n for n in EVENTS.names if n in columns]]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_moment_that_no_calendar_has_is_refused(small, moment):
    """A time whose year in UTC is not within 1 to 9999 is an error that quotes it."""
    with pytest.raises(errors.RangeError, match="year"):
        small.since(moment)


@pytest.mark.parametrize(
    ("after", "upto", "count"), [(2**70, None, 0), (None, 2**70, 30), (-(2**70), None, 30)]
)
def test_range_beyond_all_numbers(small, after, upto, count):
    """A position beyond what a store can number is a range like any other."""
    narrowed = small.between(after=after, upto=upto)
    assert len(narrowed) == narrowed.scan().collect().height == count


def test_state_of_an_event_without_one(tmp_path):
    """An event whose payload is NULL has no bytes, and is an event all the same."""
    history = open_history(write_native(tmp_path / "a.db", [Row(1, "a", 1, PLACED, None)]))
    assert history.state(1) == b""
