"""The overview of a range of time, out of counts by the hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from workbench.dashboards import queries, ranges, sections, summary
from workbench.dashboards.answers import Answers
from workbench.dashboards.queries import Filters
from workbench.tables import RECEIVERS

RANGES = [
    Filters(),
    Filters(since="2025-03-01", until="2025-03-09"),
    Filters(since="2026-01-06T05:00"),
    Filters(until="2025-07-01T04:59:59.999999"),
    Filters(since="2031-01-01"),
    Filters(since="2025-03-01T12:34:56", until="2025-03-02T01:02"),
]


@pytest.fixture(scope="module")
def answers(shop) -> Answers:
    return Answers(shop)


@pytest.mark.parametrize("range_", RANGES, ids=str)
def test_a_range_is_summed_up_as_the_history_says(shop, answers, range_):
    """Types and streams of a range are those of the history narrowed to it."""
    narrowed = queries.narrowed(shop, range_)
    assert_frame_equal(answers.types_in(range_), narrowed.types())
    assert_frame_equal(answers.streams_in(range_), narrowed.streams())


@pytest.mark.parametrize("range_", RANGES, ids=str)
def test_schema_versions_of_a_range(shop, answers, range_):
    """Schema versions are counted in the range, and their shares are of their type."""
    rows = queries.narrowed(shop, range_).scan().collect()
    found = answers.versions_in(range_)
    assert ranges.VERSIONS.misfits(found) == []
    expected = rows.group_by("type", "schema_version").len().sort("type", "schema_version")
    assert found["count"].to_list() == expected["len"].to_list()
    shares = found.group_by("type").agg(pl.col("share").sum())
    assert all(share == pytest.approx(1) for share in shares["share"])


def test_whole_hours_read_nothing_again(shop, answers):
    """A range of whole hours is answered out of what is known, without the source."""
    answers.types_in(RANGES[1])
    lost = Answers(replace(shop, source=None))
    lost.digest = answers.digest  # type: ignore[method-assign]
    assert lost.types_in(Filters(since="2025-05-01", until="2025-05-31")).height > 0


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        (Filters(since="2025-03-01", until="2025-03-01"), True),
        (Filters(since="2025-03-01T10:00"), True),
        (Filters(until="2025-03-01T10:59:59.999999"), True),
        (Filters(until="2025-03-01T10:00"), False),
        (Filters(since="2025-03-01T10:00:00.000001"), False),
        (Filters(since="2025-03-01T10:30+05:30"), True),
    ],
    ids=str,
)
def test_which_ranges_are_of_whole_hours(range_, expected):
    """A range of whole hours begins with an hour and ends just before one, in UTC."""
    assert ranges.is_whole_hours(range_) is expected


@pytest.mark.parametrize("every", summary.EVERY.values())
def test_a_brushed_range_is_of_whole_windows(every):
    """What is brushed goes from the beginning of one window to the end of another."""
    first, last = datetime(2025, 3, 5, 12, 30, tzinfo=UTC), datetime(2025, 4, 6, 1, 2, tzinfo=UTC)
    found = summary.behind_range(first, last, every)
    assert found.since == summary.behind_window(first, every).since
    assert found.until == summary.behind_window(last, every).until
    assert ranges.is_whole_hours(found)


def test_problems_of_a_range_touch_it(answers):
    """A problem is one of a range if its positions and the range's have one in common."""
    range_ = Filters(since="2025-06-12", until="2025-09-12")
    types = answers.types_in(range_)
    found = answers.problems_in(range_, types)
    first, last = types["first_position"].min(), types["last_position"].max()
    assert found.height > 0
    assert (found["last_position"] >= first).all()
    assert (found["first_position"] <= last).all()
    assert answers.problems_in(range_, types.clear()).is_empty()


def test_receivers_say_their_lag_in_events_and_time():
    """A receiver's lag is told in events, and in time as a person says it."""
    row = {"receiver": "a", "follows": "shop", "position": 7, "lag_events": 1_234, "lag_s": 90.0}
    found = sections.receiver_rows(RECEIVERS.frame([row | {"moved_at": None}]))
    assert found.row(0) == ("a", "shop", "7", "1234", "1 min 30 s", "")
