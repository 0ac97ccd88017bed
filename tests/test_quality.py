"""What is wrong or odd with a history is found, and what is not is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from conftest import FIXTURES
from hypothesis import given
from polars.testing import assert_frame_equal
from stores import BEGIN, Row, simple_rows, state_of, write_native
from strategies import histories, plain_states

from workbench import open_history, quality
from workbench.tables import PROBLEMS

TYPE = "shop:Order.Placed"
NOW = datetime(2025, 6, 1, tzinfo=UTC)


def row(position, stream="a", version=None, *, minute=None, type_=TYPE, state=None):
    """Return a row whose version and time follow from its position unless given."""
    moment = BEGIN + timedelta(minutes=position if minute is None else minute)
    state = state_of(moment) if state is None else state
    return Row(position, stream, position if version is None else version, type_, state)


def problems(path, rows, **options):
    """Return the problems of a store of these rows."""
    return open_history(write_native(path, rows, **options)).problems(now=NOW)


def found(path, rows, kind, **options):
    """Return the problems of one kind, without what is the same for all of the kind."""
    listed = problems(path, rows, **options).filter(pl.col("kind") == kind)
    return listed.select("first_position", "last_position", "stream", "found").rows()


# For each kind: rows in which it occurs, and where it is found.
CASES = {
    "undecodable": (
        [row(1), row(2, state=b"\xff"), row(3)],
        {},
        (2, 2, "a"),
    ),
    "odd_payload": ([row(1), row(2, state=b'{"n":NaN}'), row(3)], {}, (2, 2, "a")),
    "version_gap": ([row(1), row(2), row(3, version=5)], {}, (2, 3, "a")),
    "version_start": ([row(1, version=3), row(2, version=4)], {}, (1, 1, "a")),
    "version_duplicate": (
        [row(1), row(2), row(3, version=2)],
        {"unique": False},
        (2, 3, "a"),
    ),
    "position_hole": ([row(1), row(2), row(6, version=3)], {}, (3, 5, None)),
    "stream_time_backwards": ([row(1), row(2, minute=9), row(3, minute=8)], {}, (2, 3, "a")),
    "log_time_backwards": (
        [row(1, minute=9), row(2, "b", 1, minute=1), row(3, "b", 2, minute=8)],
        {},
        (2, 3, None),
    ),
    "time_in_future": ([row(1), row(2, state=state_of(NOW + timedelta(days=1)))], {}, (2, 2, "a")),
    "rare_type": ([row(1), row(2, type_="shop:Order.Plcaed"), row(3)], {}, (2, 2, "a")),
    "snapshot_ahead": (
        [row(1), row(2)],
        {"snapshots": [("a", 7, "shop:Order", b"{}")]},
        (2, 2, "a"),
    ),
    "receiver_ahead": ([row(1), row(2)], {"tracking": [("Mailer", 9)]}, (9, 9, None)),
}


def test_every_kind_has_a_case():
    """No kind of problem is left without a test."""
    assert set(CASES) == {kind.name for kind in quality.KINDS}


@pytest.mark.parametrize("kind", CASES)
def test_problem_is_found(tmp_path, kind):
    """A problem of each kind is found once, at its place."""
    rows, options, place = CASES[kind]
    listed = found(tmp_path / "a.db", rows, kind, **options)
    assert [problem[:3] for problem in listed] == [place]


@pytest.mark.parametrize("kind", CASES)
def test_sound_history_has_no_problem_of_the_kind(tmp_path, kind):
    """A history without flaws has none of any kind."""
    rows = simple_rows(30)
    options = {"snapshots": [("stream-0", 10, "shop:Order", b"{}")], "tracking": [("Mailer", 30)]}
    assert found(tmp_path / "a.db", rows, kind, **options) == []


@pytest.mark.parametrize("kind", CASES)
def test_row_says_severity_and_meaning_of_its_kind(tmp_path, kind):
    """Severity and meaning are those that KINDS states."""
    rows, options, _ = CASES[kind]
    listed = problems(tmp_path / "a.db", rows, **options).filter(pl.col("kind") == kind)
    (known,) = [k for k in quality.KINDS if k.name == kind]
    assert listed.select("severity", "meaning").row(0) == (known.severity, known.meaning)


def test_problems_fit_their_spec(tmp_path):
    """The frame has the columns of PROBLEMS, with and without findings."""
    rows = [row(1), row(2, state=b"\xff")]
    assert PROBLEMS.misfits(problems(tmp_path / "a.db", rows)) == []
    assert PROBLEMS.misfits(problems(tmp_path / "b.db", simple_rows(9))) == []
    assert PROBLEMS.misfits(problems(tmp_path / "c.db", [])) == []


def test_most_severe_stand_first(tmp_path):
    """Errors stand before warnings, warnings before information."""
    rows = [row(2, minute=9), row(4, version=3, minute=5), row(5, version=7, minute=6)]
    severities = problems(tmp_path / "a.db", rows)["severity"].to_list()
    assert severities == sorted(severities, key=quality.SEVERITIES.index)
    assert set(severities) == set(quality.SEVERITIES)


def test_many_of_one_kind_are_summed_up(tmp_path):
    """Past a thousand findings of a kind, one row says how many there are besides."""
    rows = [row(n, state=b"\xff") for n in range(1, 1_502)]
    listed = found(tmp_path / "a.db", rows, "undecodable")
    assert len(listed) == quality.MOST_FOUND + 1
    assert listed[-1] == (1_001, 1_501, None, "501 more of this kind, in this range of positions")


def test_streams_that_begin_at_version_zero_are_sound(tmp_path):
    """A first version of 0 is as good as 1."""
    rows = [row(1, version=0), row(2, version=1), row(3, version=2)]
    assert problems(tmp_path / "a.db", rows).is_empty()


def test_events_without_a_time_are_no_problem(tmp_path):
    """Payloads need not carry a time."""
    rows = [row(n, state=b'{"n":1}') for n in range(1, 5)]
    assert problems(tmp_path / "a.db", rows).is_empty()


def test_narrowed_history_has_no_gaps(tmp_path):
    """What was not selected is not missing."""
    path = write_native(tmp_path / "a.db", simple_rows(30))
    narrowed = open_history(path).between(after=5, upto=20).of_types("Order.Placed")
    assert narrowed.problems(now=NOW).is_empty()


def test_numbers_that_applications_share_have_no_holes(tmp_path):
    """Positions of another application in the same table are not missing from this one."""
    fixture = open_history(FIXTURES / "django.db", application="Parcels")
    assert "position_hole" not in fixture.problems(now=NOW)["kind"]


def test_receiver_of_another_application_is_not_compared():
    """A file that says whom a receiver follows is taken at its word."""
    fixture = open_history(FIXTURES / "sqlalchemy.db")
    assert fixture.problems(now=NOW).filter(pl.col("kind") == "receiver_ahead").is_empty()


def test_backwards_stretches_cover_every_event_behind(shop):
    """The stretches of the log in which time is behind hold exactly the events behind."""
    stretches = shop.problems().filter(pl.col("kind") == "log_time_backwards")
    times = shop.scan().select("position", "time").drop_nulls().collect()
    behind = times.filter(pl.col("time") < pl.col("time").cum_max())["position"]
    covered = times["position"].filter(
        [
            any(
                first <= p <= last
                for first, last in stretches.select("first_position", "last_position").rows()
            )
            for p in times["position"]
        ]
    )
    assert covered.to_list() == behind.to_list()


class TestLaws:
    """What is found in any history is what a look at each row finds."""

    @staticmethod
    def listed(new_path, rows, kind):
        """Return the problems of one kind in these rows."""
        found = open_history(write_native(new_path(), rows)).problems(now=NOW)
        return found.filter(pl.col("kind") == kind)

    @given(rows=histories(plain_states()))
    def test_holes_are_the_missing_positions(self, new_path, rows):
        """The ranges of holes cover exactly the numbers from 1 to the head that are missing."""
        holes = self.listed(new_path, rows, "position_hole")
        covered = [
            n
            for first, last in holes.select("first_position", "last_position").rows()
            for n in range(first, last + 1)
        ]
        taken = {row.position for row in rows}
        assert covered == [n for n in range(1, max(taken, default=0)) if n not in taken]

    @given(rows=histories(plain_states()))
    def test_gaps_are_the_missing_versions(self, new_path, rows):
        """As many versions are missing in each stream as its numbers leave out."""
        gaps = self.listed(new_path, rows, "version_gap")
        missing = gaps.with_columns(pl.col("found").str.extract(r": (\d+) missing").cast(pl.Int64))
        by_stream = dict(missing.group_by("stream").agg(pl.col("found").sum()).rows())
        versions: dict[str, list[int]] = {}
        for one in rows:
            versions.setdefault(one.stream, []).append(one.version)
        expected = {s: max(v) - min(v) + 1 - len(v) for s, v in versions.items()}
        assert by_stream == {stream: count for stream, count in expected.items() if count}

    @given(rows=histories(plain_states()))
    def test_undecodable_are_the_rows_without_data(self, new_path, rows):
        """Each event without data is listed, and no other."""
        history = open_history(write_native(new_path(), rows))
        without = history.scan().filter(pl.col("data").is_null()).collect()["position"]
        found = history.problems(now=NOW).filter(pl.col("kind") == "undecodable")
        assert found["first_position"].to_list() == without.to_list()

    @given(rows=histories(plain_states()))
    def test_time_runs_backwards_where_it_does(self, new_path, rows):
        """Each event that is earlier than the one before it in its stream is listed."""
        history = open_history(write_native(new_path(), rows))
        timed = history.scan().select("position", "stream", "time").drop_nulls().collect()
        last, back = {}, []
        for position, stream, time in timed.rows():
            if stream in last and time < last[stream]:
                back.append(position)
            last[stream] = time
        found = history.problems(now=NOW).filter(pl.col("kind") == "stream_time_backwards")
        assert sorted(found["last_position"]) == back

    @given(rows=histories(plain_states()))
    def test_every_problem_is_told_in_full(self, new_path, rows):
        """No problem lacks its kind, severity, finding or meaning, and each kind is known."""
        found = open_history(write_native(new_path(), rows)).problems(now=NOW)
        told = found.select("kind", "severity", "found", "meaning")
        assert sum(told.null_count().row(0)) == 0
        assert set(found["kind"]) <= {kind.name for kind in quality.KINDS}

    def test_type_that_is_missing_is_told_too(self, tmp_path):
        """An event without a type, in a file made by hand, is listed with what it lacks."""
        rows = [row(1), row(2), row(3, type_=None, state=b"")]
        found = problems(tmp_path / "a.db", rows)
        assert found["found"].null_count() == 0


class TestSample:
    """The flaws of the sample history, as data/README.md states them."""

    @pytest.mark.parametrize(
        ("kind", "places"),
        [
            ("undecodable", [(7184, 7184), (16488, 16488)]),
            ("position_hole", [(79, 80), (82, 85), (27667, 27670)]),
        ],
    )
    def test_positions(self, shop, kind, places):
        """The flaw is found at the positions on record."""
        listed = shop.problems().filter(pl.col("kind") == kind)
        assert listed.select("first_position", "last_position").rows() == places

    @pytest.mark.parametrize(
        ("kind", "streams"),
        [
            ("version_gap", [f"order-{n}" for n in (12600, 12601, 12602, 12603)]),
            (
                "stream_time_backwards",
                ["order-13856", *(f"payment-{n}" for n in range(13854, 13861))],
            ),
        ],
    )
    def test_streams(self, shop, kind, streams):
        """The flaw is found in the streams on record."""
        listed = shop.problems().filter(pl.col("kind") == kind)
        assert sorted(listed["stream"]) == streams

    def test_twenty_events_are_behind(self, shop):
        """As many events are earlier than one before them as are on record."""
        listed = shop.problems().filter(pl.col("kind") == "log_time_backwards")
        counts = listed["found"].str.extract(r"^(\d+) events").cast(pl.Int64)
        assert (counts.sum(), listed["first_position"].min(), listed["last_position"].max()) == (
            20,
            40848,
            40925,
        )

    def test_nothing_else_is_found(self, shop):
        """The sample has the flaws on record, and no other."""
        assert set(shop.problems()["kind"]) == {
            *("undecodable", "position_hole", "version_gap"),
            *("stream_time_backwards", "log_time_backwards"),
        }

    def test_problems_are_the_same_twice(self, shop):
        """Asking again gives the same rows in the same order."""
        assert_frame_equal(shop.problems(), shop.problems())
