"""A history in memory is the history that was read, whatever is asked of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import polars as pl
import pytest
from contracts import DecodedSourceContract, EmptySourceContract, Made
from hypothesis import given
from polars.testing import assert_frame_equal
from stores import Row, append, simple_rows, state_of, write_native
from strategies import histories, predicates
from test_trial import Baskets, rows

from workbench import open_history, replay
from workbench.errors import UnknownPositionError, UnknownStreamError, UnknownTypeError
from workbench.export import export
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench import History, Progress
    from workbench.sources import Source


class TestMemory(DecodedSourceContract):
    """A store that was read into memory."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path: Callable[[], Path]) -> Made:
        """Return 40 events at every third position."""
        known = simple_rows(40, step=3, start=5)
        return Made(open_history(write_native(new_path(), known)).in_memory().source, known)


class TestMemoryInManyParts(TestMemory):
    """The same, where a part has few rows."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_rows_a_part(cls) -> Iterator[None]:
        """Cut parts at four rows."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.memory.ROWS_A_PART", 4)
            yield


class TestEmptyMemory(EmptySourceContract):
    """An empty store that was read into memory."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path: Callable[[], Path]) -> Source:
        """Return the source of no events."""
        return open_history(write_native(new_path(), [])).in_memory().source


class TestLaws:
    """What holds for every history."""

    @given(histories())
    def test_scan_is_that_of_the_store(self, new_path, made):
        """Every event is there, in the same order, also what cannot be decoded."""
        history = open_history(write_native(new_path(), made))
        assert_frame_equal(history.in_memory().scan().collect(), history.scan().collect())

    @given(histories(), predicates())
    def test_conditions_find_the_same(self, new_path, made, condition):
        """A condition leaves the same events in memory as in the store."""
        history = open_history(write_native(new_path(), made))
        found = history.in_memory().scan().filter(condition).collect()
        assert_frame_equal(found, history.scan().filter(condition).collect())

    @given(histories())
    def test_questions_have_the_same_answers(self, new_path, made):
        """The catalogue, the problems and the typed columns are those of the store."""
        history = open_history(write_native(new_path(), made))
        held = history.in_memory()
        assert_frame_equal(held.types(), history.types())
        assert_frame_equal(held.streams(), history.streams())
        assert_frame_equal(held.problems(), history.problems())
        typed, stored = held.events_by_type(), history.events_by_type()
        assert list(typed) == list(stored)
        for name, frame in stored.items():
            assert_frame_equal(typed[name], frame)

    @given(rows().filter(lambda made: any(row.type.endswith("Set") for row in made)))
    def test_replay_is_that_of_the_store(self, new_path, made):
        """A projection makes the same changes."""
        history = open_history(write_native(new_path(), made))
        stored = replay(history, Baskets, on_error="collect")
        held = replay(history.in_memory(), Baskets, on_error="collect")
        for name in stored.tables:
            assert_frame_equal(held.changes(name), stored.changes(name))
        assert_frame_equal(held.failures, stored.failures)


NARROWED: dict[str, Callable[[History], History]] = {
    "between": lambda h: h.between(after=5, upto=20),
    "since": lambda h: h.since("2025-03-01T00:10"),
    "until": lambda h: h.until("2025-03-01T00:10"),
    "types": lambda h: h.of_types("Order.Placed"),
    "streams": lambda h: h.of_streams("stream-1"),
    "all": lambda h: (
        h.between(after=3).of_types("Order.Placed").of_streams("stream-1").since("2025-03-01")
    ),
}


@pytest.mark.parametrize("name", NARROWED)
def test_narrowing_after_is_narrowing_before(small: History, name: str) -> None:
    """A history in memory is narrowed like any other, and a narrowed one is read narrowed."""
    narrow = NARROWED[name]
    expected = narrow(small).scan().collect()
    after, before = narrow(small.in_memory()), narrow(small).in_memory()
    for history in (after, before):
        assert_frame_equal(history.scan().collect(), expected)
        assert_frame_equal(pl.concat(history.batches()), expected)
        assert (len(history), history.head) == (expected.height, expected["position"].max())


def test_scan_is_a_plain_frame(small: History) -> None:
    """There is no IO plugin between a query and the frame."""
    plan = small.in_memory().scan().explain()
    assert "PYTHON" not in plan
    assert "DF [" in plan


def test_is_as_of_the_time_it_was_read(store: Path) -> None:
    """What is added to the store later is not in it."""
    history = open_history(store)
    held = history.in_memory()
    append(store, [Row(31, "stream-9", 1, "shop:Order.Lost", state_of())])
    assert (len(held), held.head, len(history)) == (30, 30, 31)
    assert "shop:Order.Lost" not in held.type_names()


def test_part_of_a_history_is_not_whole(small: History) -> None:
    """A narrowed history in memory is not taken for a whole one with gaps."""
    held = small.of_types("Order.Placed").in_memory()
    assert (
        held.problems()["kind"].to_list()
        == small.of_types("Order.Placed").problems()["kind"].to_list()
    )
    assert "position_hole" not in held.problems()["kind"]


def test_snapshots_and_receivers_are_kept(tmp_path: Path) -> None:
    """What the store says of snapshots and followers is there."""
    path = write_native(
        tmp_path / "store.db",
        simple_rows(3),
        snapshots=[("stream-0", 1, "shop:Snapshot", b"{}")],
        tracking=[("follower", 2)],
    )
    history = open_history(path)
    held = history.in_memory()
    assert_frame_equal(held.snapshots(), history.snapshots())
    assert_frame_equal(held.receivers(), history.receivers())


def test_says_that_it_is_in_memory(small: History) -> None:
    """It shows where its events are, once."""
    assert repr(small.in_memory()) == "<History 'store.db': eventsourcing 9, SQLite, in memory>"
    assert repr(small.in_memory().in_memory()) == repr(small.in_memory())


def test_stored_bytes_come_from_the_store(small: History) -> None:
    """The bytes of a payload are those that are stored; of no event, there are none."""
    held = small.between(upto=10).in_memory()
    assert held.state(3) == small.state(3)
    with pytest.raises(UnknownPositionError, match="Cannot find an event at position 11"):
        held.state(11)


def test_unknown_names_are_refused(small: History) -> None:
    """Types and streams that are not in it raise as they do for a store."""
    held = small.in_memory()
    with pytest.raises(UnknownTypeError, match="Order.Shiped"):
        held.of_types("Order.Shiped")
    with pytest.raises(UnknownStreamError, match="stream-7"):
        held.of_streams("stream-7")


def test_reports_progress(small: History) -> None:
    """Reading into memory, and reading from it, report how far they have come."""
    seen: list[Progress] = []
    held = small.with_progress(seen.append).in_memory()
    assert seen[-1].done == seen[-1].total
    seen.clear()
    held.scan().collect()
    assert seen[-1].done == 30
    seen.clear()
    held.with_progress(None).scan().collect()
    assert seen == []


def test_exports(small: History, tmp_path: Path) -> None:
    """It is exported like any other history."""
    assert export(small.in_memory(), tmp_path / "out.parquet") == 30
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), small.scan().collect())


def test_fits_the_spec_when_empty(tmp_path: Path) -> None:
    """An empty history in memory is an empty event table."""
    held = open_history(write_native(tmp_path / "store.db", [])).in_memory()
    assert EVENTS.misfits(held.scan().collect()) == []
    assert (len(held), held.head) == (0, None)


def test_leaves_the_store_as_it_is(store: Path) -> None:
    """Reading into memory changes no byte and leaves no file."""
    before = store.read_bytes(), os.listdir(store.parent)
    open_history(store).in_memory().types()
    assert (store.read_bytes(), os.listdir(store.parent)) == before
