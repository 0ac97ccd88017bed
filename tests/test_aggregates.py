"""An aggregate class in a trial: each stream as a row, as the library's repository has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import library_shop
import pytest
from eventsourcing.domain import Aggregate
from hypothesis import given
from hypothesis import strategies as st
from library_shop import Order, Parcel, Shop, write_orders
from polars.testing import assert_frame_equal
from stores import Row, state_of, write_native
from test_library_projection import MemoryView, more

from workbench import errors, load_trial, open_history, replay
from workbench.changelog.inferred import as_text

STEPS = [(1, 4), (2, 8), (1, 7), (2, 5), (2, 0), (1, 3), (3, 9), (1, 0)]
steps = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), min_size=1, max_size=15)


def run(path, aggregate=Order, **options):
    """Return the trial of a store."""
    return replay(open_history(path), aggregate, progress=False, **options)


def assert_is(row, order):
    """Assert that a row has the attributes of an aggregate."""
    assert row["stream"] == order.id.hex
    for name in ("version", "created_on", "modified_on", "number", "amount"):
        assert row[name] == getattr(order, name)
    assert row["lines"] == as_text(order.lines)


class TestRepository:
    """The same as the library's own repository."""

    @given(steps)
    def test_every_version_is_that_of_the_repository(self, new_path, made):
        """Rows as of a version are the aggregates as of that version."""
        path = write_orders(new_path(), made)
        trial = run(path)
        env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
        with Shop(env) as application:
            for version in range(1, 1 + max(trial.table()["version"])):
                for row in trial.at(version=version).table().to_dicts():
                    order = application.repository.get(UUID(row["stream"]), version=version)
                    assert_is(row, order)

    @given(steps, st.integers(1, 16))
    def test_table_as_of_a_position_is_that_of_a_shorter_history(self, new_path, made, upto):
        """Rows as of a position are the aggregates of the events up to there."""
        path = write_orders(new_path(), made)
        part = replay(open_history(path).between(upto=upto), Order, progress=False)
        found = run(path).at(position=upto).table()
        assert_frame_equal(found, part.table(), check_dtypes=False)  # places of decimals

    def test_other_aggregates_are_passed_over(self, tmp_path):
        """Only streams of the class are rows, and only their types are read."""
        path = write_orders(tmp_path / "a.db", STEPS)
        env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
        with Shop(env) as application:
            application.save(Parcel(1.5))
        assert run(path).events == len(STEPS)
        parcels = run(path, Parcel).table()
        assert parcels.select("version", "weight").rows() == [(1, 1.5)]


class TestGoingOn:
    """Aggregates are made anew from their events where they are needed."""

    def test_saved_trial_advances(self, tmp_path):
        """A trial that was loaded goes on, and equals a whole replay."""
        path = write_orders(tmp_path / "a.db", STEPS[:5])
        run(path).save(tmp_path / "trial")
        more(path, STEPS)
        history = open_history(path)
        loaded = load_trial(tmp_path / "trial", history=history, projection=Order)
        assert_frame_equal(loaded.advance(progress=False).table(), run(path).table())

    def test_second_advance_of_one_trial(self, tmp_path):
        """A trial can go on any number of times."""
        path = write_orders(tmp_path / "a.db", STEPS[:5])
        trial = run(path)
        more(path, STEPS)
        first, second = trial.advance(progress=False), trial.advance(progress=False)
        assert_frame_equal(first.table(), second.table())
        assert_frame_equal(first.table(), run(path).table())
        assert_frame_equal(trial.rerun(progress=False).table(), trial.table())


class TestFailures:
    """Events that do not fit."""

    def test_event_that_cannot_be_applied_ends_its_stream(self, tmp_path):
        """It is a failure, its row stays, and so are the stream's later events."""
        path = write_orders(tmp_path / "a.db", [(1, 4), (2, 4), (1, 13), (2, 5), (1, 6)])
        trial = run(path, on_error="collect")
        assert trial.failures["position"].to_list() == [3, 5]
        assert trial.failures["error"][0] == "ValueError: thirteen"
        assert "an earlier event of the stream" in trial.failures["error"][1]
        assert dict(trial.table().select("number", "version").rows()) == {1: 1, 2: 2}
        assert set(trial.table()["lines"]) == {"[]", '[["sku-2", 5]]'}

    def test_event_that_cannot_be_applied_stops(self, tmp_path):
        """Under 'stop' it is an error, which comes again on resuming."""
        path = write_orders(tmp_path / "a.db", [(1, 4), (1, 5), (1, 13), (1, 6)])
        with pytest.raises(errors.HandlerError, match="position 3") as caught:
            run(path)
        stopped = caught.value.trial
        assert stopped.table()["version"].to_list() == [2]
        with pytest.raises(errors.HandlerError, match="thirteen"):
            stopped.resume(progress=False)

    def test_stream_that_does_not_begin(self, tmp_path):
        """A stream without its first event is a failure that says so."""
        path = write_orders(tmp_path / "a.db", [(1, 4), (1, 5)])
        history = open_history(path).between(after=1)
        trial = replay(history, Order, on_error="collect", progress=False)
        (error,) = trial.failures["error"]
        assert "the first event of its stream is not in the history" in error

    def test_old_events_that_the_class_has_outgrown(self, tmp_path):
        """A field that the class needs and the event lacks is a failure with its position."""
        topic = {"originator_topic": "library_shop:Order"}
        state = state_of(datetime(2025, 1, 1, tzinfo=UTC), **topic, number=1)
        rows = [Row(7, UUID(int=1).hex, 1, "library_shop:Order.Placed", state)]
        trial = run(write_native(tmp_path / "a.db", rows), on_error="collect")
        assert trial.failures["position"].to_list() == [7]
        assert "amount" in trial.failures["error"][0]

    def test_originator_topic_is_not_imported(self, tmp_path, monkeypatch):
        """The class that a first event names is looked for in the named modules alone."""
        (tmp_path / "evil2.py").write_text(
            "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass A: pass\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        state = state_of(datetime(2025, 1, 1, tzinfo=UTC), originator_topic="evil2:A", number=1)
        rows = [Row(1, UUID(int=1).hex, 1, "library_shop:Order.Placed", state)]
        trial = run(write_native(tmp_path / "a.db", rows), on_error="collect")
        assert "evil2" in trial.failures["error"][0]
        assert not (tmp_path / "ran").exists()


class TestBadInput:
    """Each is an error that says what to do."""

    def test_no_event_of_the_class(self, tmp_path):
        """The modules that were looked at are named, and those of the types."""
        path = write_native(tmp_path / "a.db", [Row(1, "a", 1, "nowhere:A", state_of())])
        with pytest.raises(errors.ProjectionError, match="Types are of nowhere"):
            run(path)

    def test_view_of_an_aggregate(self, tmp_path):
        """An aggregate has no view."""
        path = write_orders(tmp_path / "a.db", [(1, 4)])
        with pytest.raises(errors.ProjectionError, match="it has no view"):
            run(path, view=MemoryView)

    @pytest.mark.parametrize("thing", [int, Decimal, 5])
    def test_class_that_is_neither(self, tmp_path, thing):
        """A class that is no projection and no aggregate is refused."""
        path = write_orders(tmp_path / "a.db", [(1, 4)])
        with pytest.raises(errors.ProjectionError, match="it is no projection"):
            run(path, thing)


class TestRedefinition:
    """A cell that is run again makes another class of the same name."""

    def test_class_that_was_made_again(self, tmp_path, monkeypatch):
        """The new class is used, though the library remembers the old one."""
        monkeypatch.setenv("EVENTSOURCING_DISABLE_REDEFINITION_CHECK", "1")
        path = write_orders(tmp_path / "a.db", [(1, 4), (1, 6)])
        assert "doubled" not in run(path).table().columns

        def made(doubles):
            @dataclass
            class Order(Aggregate):
                number: int
                amount: Decimal

                def __post_init__(self) -> None:
                    if doubles:
                        self.doubled = self.amount * 2

            return Order

        namespace: dict[str, Any] = {}
        old = library_shop.Order
        try:
            for doubles in (False, True):
                kind = made(doubles)
                _rename(kind, "library_shop", "Order")
                monkeypatch.setattr(library_shop, "Order", kind)
                kind.Placed = kind.Created
                namespace[str(doubles)] = run(
                    path, kind, classes=[library_shop], on_error="collect"
                )
        finally:
            monkeypatch.setattr(library_shop, "Order", old)
        assert "doubled" not in namespace["False"].table().columns
        assert namespace["True"].table()["doubled"].to_list() == [Decimal(2)]
        assert run(path).table().height == 1


def _rename(kind, module, name):
    kind.__module__, kind.__qualname__ = module, name
    for inner in list(vars(kind).values()):
        if isinstance(inner, type):
            inner.__module__ = module
            inner.__qualname__ = f"{name}.{inner.__name__}"
