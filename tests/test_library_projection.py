"""Unmodified projections of the library in a trial: the same views, and every change of them."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import library_shop
import polars as pl
import pytest
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection as LibraryProjection
from eventsourcing.projection import ProjectionRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from library_shop import AbstractView, MemoryView, OnlyLines, Orders, SQLView, write_orders
from polars.testing import assert_frame_equal
from stores import Row, append, started_threads, state_of, write_native

from workbench import Projection, errors, handles, load_trial, open_history, replay, table
from workbench.changelog.inferred import as_text

if TYPE_CHECKING:
    from eventsourcing.persistence import Tracking

STEPS = [(1, 4), (1, 2), (2, 8), (1, 7), (2, 5), (3, 1), (2, 0), (1, 3), (3, 9), (3, 9), (1, 0)]
steps = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 14)), min_size=1, max_size=20)


def run(path, view=MemoryView, projection=Orders, **options):
    """Return the trial of a store."""
    return replay(open_history(path), projection, view=view, progress=False, **options)


def by_runner(path, view, folder=None):
    """Return the view as the library's own runner leaves it."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(path),
        "APPLICATION_RECORDER_TOPIC": "library_shop:PollingRecorder",
        "ORDERS_PERSISTENCE_MODULE": "eventsourcing.popo",
    }
    if folder is not None:
        env |= {
            "ORDERS_PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "ORDERS_SQLITE_DBNAME": str(folder / "view.db"),
        }
    with ProjectionRunner(
        application_class=library_shop.Shop, projection_class=Orders, view_class=view, env=env
    ) as runner:
        runner.wait(runner.app.recorder.max_notification_id(), timeout=20)
        return runner.view


def values_of(trial, name):
    """Return a table as a dictionary from key to value."""
    found = trial.table(name)
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in found.rows()}


def assert_tells(trial, view):
    """Assert that a trial's tables are what is in a view in memory."""
    assert values_of(trial, "amounts") == {str(k): v for k, v in view.amounts.items()}
    assert values_of(trial, "skus") == dict(view._skus)
    assert set(values_of(trial, "seen")) == set(map(str, view.seen))
    assert list(values_of(trial, "quantities").values()) == view.quantities
    assert list(values_of(trial, "last").values()) == list(view.last)
    assert {row[:2]: row[2] for row in trial.table("pairs").rows() if len(row) == 3} == {
        (str(a), b): n for (a, b), n in view.pairs.items()
    }
    expected = {k: as_text(v) for k, v in view.by_sku.items()}
    assert values_of(trial, "by_sku") == expected
    orders = {row["key"]: row for row in trial.table("orders").to_dicts()}
    assert orders.keys() == set(map(str, view.orders))
    for key, summary in view.orders.items():
        row = orders[str(key)]
        assert row["amount"] == summary.amount
        assert row["lines"] == summary.lines
        assert row["skus"] == as_text(summary.skus)
    (row,) = trial.table("MemoryView").to_dicts() or [{"total": Decimal(0), "latest": None}]
    assert row["total"] == view.total
    assert row["latest"] == (str(view.latest) if view.latest else None)


class TestConformance:
    """The same as the library's own runner."""

    def test_view_in_memory(self, tmp_path):
        """A view in memory ends as under the runner."""
        path = write_orders(tmp_path / "a.db", STEPS)
        assert_tells(run(path), by_runner(path, MemoryView))

    def test_view_in_sqlite(self, tmp_path):
        """A view in SQLite ends as under the runner, with each kind of key."""
        path = write_orders(tmp_path / "a.db", STEPS)
        trial = run(path, SQLView)
        view = by_runner(path, SQLView, tmp_path)
        for name in ("orders", "pairs", "log"):
            assert trial.table(name).rows() == view.rows(name)
        view.datastore.close()

    def test_topics_are_honoured(self, tmp_path):
        """Only the types of `topics` are read, by their stored names."""
        path = write_orders(tmp_path / "a.db", [(1, 1), (2, 1), (1, 0)])
        append(path, [Row(9, "a", 1, "library_shop:Order.LineAdded", state_of(sku="s"))])
        with pytest.raises(errors.HandlerError) as caught:
            run(path, projection=OnlyLines)
        assert "position 9" in str(caught.value)
        assert caught.value.trial.events == 0

    def test_no_thread_and_no_file_is_left(self, tmp_path):
        """A trial starts no thread that stays, and leaves no file."""
        path = write_orders(tmp_path / "a.db", STEPS)
        before = started_threads(), sorted(tmp_path.iterdir())
        trial = run(path, SQLView)
        assert (started_threads(), sorted(tmp_path.iterdir())) == before
        del trial
        gc.collect()
        assert sorted(tmp_path.iterdir()) == before[1]


class Quantities(Projection):
    """How much of each kind an order has, as a cell would say it."""

    pairs = table(key={"order": pl.String, "sku": pl.String}, values={"n": pl.Int64})

    @handles("Order.LineAdded")
    def added(self, event):
        """Add to the row."""
        key = (event.stream, event.data["sku"])
        n = (self.pairs.get(key) or {"n": 0})["n"]
        self.pairs.set(key, n=n + event.data["quantity"])


def quantities(events):
    """Return the same as a Polars function."""
    fields = pl.col("data").str.json_path_match
    return (
        events.filter(pl.col("type") == "library_shop:Order.LineAdded")
        .group_by(order="stream", sku=fields("$.sku"))
        .agg(n=fields("$.quantity").cast(pl.Int64).sum())
    )


class TestLaws:
    """What holds for every history."""

    @given(steps)
    def test_each_kind_of_projection_answers_the_same(self, new_path, made):
        """A cell, a Polars function, and the library's with both kinds of view are equal."""
        lines = [(order, quantity) for order, quantity in made if quantity not in {0, 13}]
        assume(len(lines) > len({order for order, _ in lines}))
        history = open_history(write_orders(new_path(), lines))
        cell = replay(history, Quantities, progress=False).table()
        function = replay(history, quantities, key=("order", "sku"), progress=False).table()
        assert_frame_equal(function, cell)
        for view in (SQLView, MemoryView):
            trial = replay(history, Orders, view=view, progress=False)
            ids = [(str(id_).replace("-", ""), *row) for id_, *row in trial.table("pairs").rows()]
            assert ids == cell.rows()

    @given(steps)
    def test_log_of_a_view_in_memory_ends_with_the_view(self, new_path, made):
        """Replaying the change log gives the view, also where events fail."""
        trial = run(write_orders(new_path(), made), on_error="collect")
        assert_tells(trial, trial.engine.live.running._view.view)

    @given(steps)
    def test_log_of_a_view_in_sqlite_ends_with_the_view(self, new_path, made):
        """Replaying the change log gives the view's tables, also where events fail."""
        trial = run(write_orders(new_path(), made), SQLView, on_error="collect")
        view = trial.engine.live.running._view.view
        for name in ("orders", "pairs", "log"):
            assert trial.table(name).rows() == view.rows(name)

    @given(steps, st.integers(1, 22))
    @pytest.mark.parametrize("view", [MemoryView, SQLView])
    def test_table_as_of_a_position_is_that_of_a_shorter_history(self, new_path, view, made, upto):
        """The tables as of a position are the view run up to there."""
        path = write_orders(new_path(), made)
        whole = run(path, view, on_error="collect")
        part = replay(open_history(path).between(upto=upto), Orders, view=view, on_error="collect")
        for name in part.tables:
            expected = part.table(name)
            found = whole.at(position=upto).table(name)
            assert found.height == expected.height
            if found.height:  # columns are known from the first row on
                assert found.select(expected.columns).rows() == expected.rows()

    @given(steps)
    @pytest.mark.parametrize("view", [MemoryView, SQLView])
    def test_failing_event_leaves_no_change(self, new_path, view, made):
        """No position is both a failure and in a change log."""
        trial = run(write_orders(new_path(), made), view, on_error="collect")
        failed = trial.failures["position"].implode()
        for name in trial.tables:
            assert trial.changes(name).filter(pl.col("position").is_in(failed)).is_empty()


class TestGoingOn:
    """Interrupting, advancing, saving."""

    @pytest.mark.parametrize("view", [MemoryView, SQLView])
    def test_advance_is_the_whole(self, tmp_path, view):
        """What has come since is all that is read; the tables are those of a whole replay."""
        path = write_orders(tmp_path / "a.db", STEPS[:5])
        trial = run(path, view)
        more(path, STEPS)
        assert_same(trial.advance(progress=False), run(path, view))

    def test_sql_view_goes_on_from_its_log(self, tmp_path):
        """A trial that was saved goes on: the view's tables are filled from its log."""
        path = write_orders(tmp_path / "a.db", STEPS[:7])
        run(path, SQLView).save(tmp_path / "trial")
        more(path, STEPS)
        loaded = load_trial(
            tmp_path / "trial", history=open_history(path), projection=Orders, view=SQLView
        )
        assert_same(loaded.advance(progress=False), run(path, SQLView))

    def test_view_in_memory_does_not_go_on_from_a_folder(self, tmp_path):
        """A view in memory is not in the folder, and that is said."""
        path = write_orders(tmp_path / "a.db", STEPS[:5])
        run(path).save(tmp_path / "trial")
        more(path, STEPS)
        loaded = load_trial(
            tmp_path / "trial", history=open_history(path), projection=Orders, view=MemoryView
        )
        with pytest.raises(errors.TrialError, match="rerun"):
            loaded.advance(progress=False)

    def test_view_in_memory_goes_on_once(self, tmp_path):
        """The view went on with the first trial; the second says so, and can be run again."""
        path = write_orders(tmp_path / "a.db", STEPS[:5])
        trial = run(path)
        more(path, STEPS)
        trial.advance(progress=False)
        with pytest.raises(errors.TrialError, match="rerun"):
            trial.advance(progress=False)
        assert_same(trial.rerun(progress=False), trial)

    def test_trial_that_stopped_resumes_at_the_event_that_failed(self, tmp_path):
        """The failing event left no trace, and fails again."""
        path = write_orders(tmp_path / "a.db", [(1, 1), (1, 2), (1, 13), (1, 3)])
        with pytest.raises(errors.HandlerError, match="thirteen") as caught:
            run(path)
        stopped = caught.value.trial
        assert stopped.table("skus").rows() == [("sku-2", 2)]
        with pytest.raises(errors.HandlerError, match="thirteen"):
            stopped.resume(progress=False)


def more(path, all_steps):
    """Write the rest of the steps into a store: the events of a store that has all of them."""
    whole = write_orders(path.with_name("whole.db"), all_steps)
    with closing(open_connection(path)) as db, db:
        db.execute("ATTACH ? AS whole", (str(whole),))
        db.execute(
            "INSERT INTO stored_events SELECT * FROM whole.stored_events "
            "WHERE rowid > (SELECT max(rowid) FROM stored_events)"
        )


def open_connection(path):
    """Return a connection to a store."""
    import sqlite3

    return sqlite3.connect(path)


def assert_same(one, other):
    """Assert that two trials have the same tables."""
    assert one.table_names == other.table_names
    for name in one.table_names:
        assert_frame_equal(one.table(name), other.table(name))


class TestHostile:
    """A stored type names any module."""

    def test_module_of_a_stored_type_is_never_imported(self, tmp_path, monkeypatch):
        """A type in a module that was not named is a failure, and its module is not run."""
        (tmp_path / "evil.py").write_text(
            "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass A: pass\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        path = write_orders(tmp_path / "a.db", [(1, 1), (1, 2)])
        hostile = ["evil:A", "evil", "evil.sub:A", "library_shop:time.sleep", "os:system", ""]
        append(path, [Row(10 + i, "x", i, t, state_of()) for i, t in enumerate(hostile)])
        trial = run(path, on_error="collect")
        assert trial.failures["position"].to_list() == list(range(10, 16))
        assert trial.failures["error"].str.contains("Cannot find the class").all()
        assert set(trial.failures["handler"]) == {"making the event"}
        assert not (tmp_path / "ran").exists()
        assert "evil" not in sys.modules
        with pytest.raises(errors.HandlerError, match="was not named"):
            run(path)

    def test_no_class_at_all_names_the_modules(self, tmp_path):
        """Where no stored type resolves, the modules that are needed are named."""
        path = write_native(tmp_path / "a.db", [Row(1, "a", 1, "nowhere.at.all:A", state_of())])
        with pytest.raises(errors.ProjectionError, match=r"types are of nowhere\.at\.all"):
            run(path)

    def test_payload_that_cannot_be_decoded(self, tmp_path):
        """It is a failure with its reason."""
        path = write_orders(tmp_path / "a.db", [(1, 1)])
        append(path, [Row(5, "a", 1, "library_shop:Order.LineAdded", b"\x00\x01")])
        (error,) = run(path, on_error="collect").failures["error"]
        assert "cannot be decoded" in error


class NoView(LibraryProjection[Any]):
    """A projection that cannot be made."""

    def __init__(self, view: Any, more: int) -> None:
        super().__init__(view)

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Do nothing."""


class BrokenView(POPOTrackingRecorder):
    """A view that cannot be made."""

    def __init__(self) -> None:
        super().__init__()
        msg = "no"
        raise OSError(msg)


class TestBadInput:
    """Each is an error that says what to do."""

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"view": None}, "without its view"),
            ({"view": "MemoryView"}, "it is no class"),
            ({"view": AbstractView}, "it is abstract"),
            ({"view": PostgresTrackingRecorder}, "without a PostgreSQL database"),
            ({"view": BrokenView}, "OSError: no"),
            ({"projection": NoView}, "with its view alone"),
            ({"classes": ["no.such.module"]}, "No module named"),
            ({"classes": [1]}, "Name modules or classes"),
            ({"transcoder": object()}, "has no decode"),
            ({"mapper": object()}, "has no to_domain_event"),
            ({"mapper": 1, "transcoder": 2}, "Give one of them"),
            ({"env": {"MAPPER_TOPIC": "a:b"}}, "Give mapper="),
        ],
    )
    def test_is_refused(self, tmp_path, options, said):
        """The message says what to do."""
        path = write_orders(tmp_path / "a.db", [(1, 1)])
        with pytest.raises(errors.ProjectionError, match=said):
            run(path, **options)

    def test_topics_that_the_history_lacks(self, tmp_path):
        """Topics of which there is no event are named."""
        path = write_orders(tmp_path / "a.db", [(1, 1)])
        with pytest.raises(errors.ProjectionError, match="its topics are"):
            run(path, projection=OnlyLines)

    def test_options_of_the_library_with_another_kind(self, tmp_path):
        """A Polars function has no view."""
        path = write_orders(tmp_path / "a.db", [(1, 1)])
        with pytest.raises(errors.ProjectionError, match="Cannot use view"):
            replay(open_history(path), lambda events: events, key="stream", view=MemoryView)

    def test_object_that_is_changed_from_elsewhere(self, tmp_path):
        """An object that is kept in two places, and changed in one, is told."""

        class Twice(MemoryView):
            def __init__(self) -> None:
                super().__init__()
                self.again: dict[Any, Any] = {}

            def place(self, order, amount, tracking):
                super().place(order, amount, tracking)
                self.again[order] = self.orders[order]

        path = write_orders(tmp_path / "a.db", [(1, 1), (1, 2)])
        with pytest.raises(errors.ProjectionError, match="kept in one place|in one place"):
            run(path, Twice)


@st.composite
def containers(draw):
    """Return a container of a standard class, and what is done to it."""
    kind = draw(st.sampled_from([dict, defaultdict, Counter, OrderedDict, list, set]))
    keys = st.integers(0, 4)
    doing = st.lists(st.tuples(st.integers(0, 9), keys, st.integers(-3, 9)), max_size=8)
    return kind, draw(st.lists(doing, min_size=1, max_size=6)), draw(st.sets(st.integers(0, 5)))


def change(held, what, key, number):  # noqa: PLR0912
    """Change a container in one of ten ways."""
    if isinstance(held, dict):
        mutable = [number] if not isinstance(held, Counter) and number > 5 else number
        if what < 3:
            held[key] = mutable
        elif what == 3:
            held.pop(key, None)
        elif what == 4:
            held.update({key: number, key + 1: number})
        elif what == 5 and not isinstance(held, Counter):
            held.setdefault(key, [number])
        elif what == 6:
            for value in held.values():
                if isinstance(value, list):
                    value.append(number)
        elif what == 7 and key == 4:
            held.clear()
        elif what == 8 and isinstance(held.get(key), list):
            held[key].append(number)
        elif isinstance(held, Counter):
            held.subtract([key])
    elif isinstance(held, list):
        ways = [
            lambda: held.append(number),
            lambda: held.insert(0, number),
            lambda: held and held.pop(),
            lambda: held and held.__setitem__(-1, [number]),
            lambda: held and isinstance(held[0], list) and held[0].append(number),
            held.reverse,
            lambda: held.extend([number, key]),
            lambda: held and held.__delitem__(0),
            lambda: [v.append(1) for v in held if isinstance(v, list)],
            held.clear,
        ]
        ways[what]()
    else:
        ways = [
            held.add,
            held.discard,
            lambda k: held.update([k, k + 1]),
            held.symmetric_difference_update,
        ]
        way = ways[what % 4]
        way([key] if what % 4 == 3 else key)


class Holder(POPOTrackingRecorder):
    """A view with one container."""

    held: Any
    script: Any


class Driver(LibraryProjection[Any]):
    """Does to the container what the script says for the event."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Change it, and fail for those that are to fail."""
        number = tracking.notification_id - 1
        for step in SCRIPT[number] if number < len(SCRIPT) else ():
            change(self.view.held, *step)
        if number in FAILING:
            msg = "asked to"
            raise ValueError(msg)


SCRIPT: list[Any] = []
FAILING: set[int] = set()


class TestContainers:
    """Every standard container notes what is touched."""

    @given(containers())
    def test_log_is_what_the_container_holds(self, new_path, made):
        """After every event the log tells the container, failed events undone."""
        kind, script, failing = made
        SCRIPT[:], plain = script, kind()
        if kind is defaultdict:
            plain = defaultdict(list)
        FAILING.clear()
        FAILING.update(failing)

        class View(Holder):
            def __init__(self) -> None:
                super().__init__()
                self.held = type(plain)(list) if kind is defaultdict else kind()

        path = write_orders(new_path(), [(1, 1)] + [(1, 2)] * 5)
        trial = run(path, View, Driver, classes=[library_shop], on_error="collect")
        for number, did in enumerate(script):
            before = _copied(plain)
            for step in did:
                change(plain, *step)
            if number in failing:
                plain = before
            rows = trial.at(position=number + 1).table("held").rows()
            assert _told(rows) == _expected(plain)
        held = trial.engine.live.running._view.view.held
        assert held == plain
        # A key that a failed event took away is back, at another place maybe.
        took_away = any(
            step[0] in {3, 7}
            for number, did in enumerate(script)
            if number in failing
            for step in did
        )
        if isinstance(plain, list) or (isinstance(plain, dict) and not took_away):
            assert list(held) == list(plain)


def _copied(held):
    from copy import deepcopy

    return deepcopy(held)


def _told(rows):
    return {row[0]: next((as_text(v) for v in row[1:] if v is not None), None) for row in rows}


def _expected(held):
    if isinstance(held, dict):
        return {key: as_text(value) for key, value in held.items()}
    if isinstance(held, set):
        return dict.fromkeys(held, "true")
    return {i: as_text(value) for i, value in enumerate(held)}


def test_classes_of_the_library_are_not_loaded_by_the_package():
    """`import workbench` loads nothing of the library, and replay of a cell does not either."""
    code = (
        "import sys, polars as pl, workbench as w\n"
        "from workbench.replaying import plan_of\n"
        "class P(w.Projection):\n"
        "    t = w.table(key={'a': pl.String}, values={})\n"
        "plan_of(P, None)\n"
        "print([m for m in sys.modules if m.startswith('eventsourcing')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
