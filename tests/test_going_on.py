"""A trial stops and goes on: in parts, after an interrupt, from a folder, after a crash."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import Row, append, state_of, write_native
from test_trial import ADD, DROP, SET, Baskets, handled, one, rows

from workbench import Projection, errors, handles, load_trial, open_history, replay, table
from workbench.trials import engine


def same(a, b):
    """Check that two trials are the same, in every table, change and failure."""
    assert a.table_names == b.table_names
    for name in a.table_names:
        assert_frame_equal(a.changes(name), b.changes(name))
        assert_frame_equal(a.table(name), b.table(name))
    assert_frame_equal(a.failures, b.failures)
    assert_frame_equal(a.handled, b.handled)
    assert a.events == b.events
    assert a.last_position == b.last_position
    assert a.recipe.result_hash == b.recipe.result_hash


def collected(history, **options):
    """Return the trial of baskets, in which failures are listed."""
    return replay(history, Baskets, on_error="collect", progress=False, **options)


class TestInParts:
    """Replay in two parts equals replay in one."""

    @given(made=rows().filter(handled), cut=st.integers(0, 80), from_folder=st.booleans())
    def test_advance_over_new_events(self, new_path, made, cut, from_folder):
        """Whatever comes later is added, from the live trial or from a folder."""
        early, late = made[: max(cut % len(made), 1)], made[max(cut % len(made), 1) :]
        if not handled(early):
            early, late = made, []
        path = write_native(new_path(), early)
        history = open_history(path)
        trial = collected(history)
        if from_folder:
            folder = trial.save(path.with_suffix(".trial"))
            trial = load_trial(folder, history=history, projection=Baskets)
        append(path, late)
        same(trial.advance(progress=False), collected(open_history(path)))

    @given(made=rows().filter(handled))
    def test_two_go_on_from_the_same_trial(self, new_path, made):
        """The second starts from the change log, and comes to the same."""
        path = write_native(new_path(), made)
        trial = collected(open_history(path))
        append(path, [Row(1000, "a", 500, SET, state_of(items=3)), one(DROP, position=1001)])
        first, second = trial.advance(progress=False), trial.advance(progress=False)
        same(first, second)
        assert trial.last_position == made[-1].position

    @given(made=rows().filter(handled))
    def test_rerun_is_the_same(self, new_path, made):
        """The same recipe, the same result."""
        trial = collected(open_history(write_native(new_path(), made)))
        same(trial, trial.rerun(progress=False))

    @given(made=rows().filter(handled))
    def test_saved_and_loaded_is_the_same(self, new_path, made):
        """A folder keeps all there is to a trial."""
        path = write_native(new_path(), made)
        history = open_history(path)
        trial = collected(history)
        loaded = load_trial(
            trial.save(path.with_suffix(".trial")), history=history, projection=Baskets
        )
        same(trial, loaded)
        assert loaded.recipe == trial.recipe
        assert_frame_equal(loaded.coverage, trial.coverage)
        assert_frame_equal(loaded.profile, trial.profile)
        same(trial, loaded.rerun(progress=False))

    def test_advance_takes_up_new_types(self, tmp_path):
        """A type that comes later is handled, if a handler names it."""
        path = write_native(tmp_path / "a.db", [one(SET, items=2)])
        trial = collected(open_history(path))
        append(path, [one(ADD, items=3, position=2)])
        assert trial.advance(progress=False).table("baskets")["items"].to_list() == [5]

    def test_nothing_new_is_the_same_trial(self, tmp_path):
        """Nothing is read where nothing has come."""
        trial = collected(open_history(write_native(tmp_path / "a.db", [one(SET)])))
        assert trial.advance(progress=False) is trial
        assert trial.resume(progress=False) is trial

    def test_history_that_lost_its_end_is_refused(self, tmp_path):
        """A trial does not go on over a history that ends before it."""
        path = write_native(tmp_path / "a.db", [one(SET, position=n) for n in range(1, 4)])
        trial = collected(open_history(path))
        shorter = open_history(write_native(tmp_path / "b.db", [one(SET)]))
        loaded = load_trial(trial.save(tmp_path / "t"), history=shorter, projection=Baskets)
        with pytest.raises(errors.TrialError, match="now ends at 1"):
            loaded.advance()


class Slow(Projection):
    """Counts, and interrupts itself once, where it is told."""

    counts = table(key={"stream": pl.String}, values={"events": pl.Int64})
    at: int | None = None

    @handles("Basket.Set")
    def was_set(self, event):
        """Count."""
        if event.position == type(self).at:
            type(self).at = None
            signal.raise_signal(signal.SIGINT)
        row = self.counts.get(event.stream) or {"events": 0}
        self.counts.set(event.stream, events=row["events"] + 1)


class TestInterrupts:
    """An interrupt keeps what there is, and the rest can follow."""

    @given(size=st.integers(1, 40), at=st.integers(1, 40), a_part=st.integers(1, 9))
    def test_interrupt_and_resume(self, new_path, size, at, a_part):
        """Wherever it is interrupted, what is resumed ends the same."""
        path = write_native(
            new_path(), [Row(n, "abc"[n % 3], n, SET, state_of(items=n)) for n in range(1, size)]
        )
        if size == 1:
            return
        history = open_history(path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.projections.running.AT_ONCE", a_part)
            Slow.at = at
            trial = replay(history, Slow, progress=False)
        Slow.at = None
        # The event that asks is still handled: the replay stops between two events.
        assert trial.is_complete == (at >= size - 1)
        assert trial.last_position == min(at, size - 1)
        same(trial.resume(progress=False), replay(history, Slow, progress=False))

    def test_second_interrupt_stops_in_the_handler(self, tmp_path):
        """Who asks twice waits for no handler; its event is not half done."""

        class Stuck(Projection):
            counts = table(key={"stream": pl.String}, values={"events": pl.Int64})

            @handles("Basket.Set")
            def was_set(self, event):
                self.counts.set(event.stream, events=event.position)
                if event.position == 2:
                    signal.raise_signal(signal.SIGINT)
                    signal.raise_signal(signal.SIGINT)

        path = write_native(tmp_path / "a.db", [one(SET, position=n) for n in range(1, 4)])
        before = signal.getsignal(signal.SIGINT)
        trial = replay(open_history(path), Stuck, progress=False)
        assert signal.getsignal(signal.SIGINT) is before
        assert not trial.is_complete
        assert trial.table()["events"].to_list() == [1]

    def test_replay_in_a_thread(self, tmp_path):
        """A thread has no signals, and replays as well."""
        history = open_history(write_native(tmp_path / "a.db", [one(SET)]))
        found = []
        thread = threading.Thread(target=lambda: found.append(collected(history)))
        thread.start()
        thread.join()
        assert found[0].is_complete

    def test_failure_keeps_what_there_was(self, tmp_path):
        """The error of a replay that stops has the trial up to there."""
        made = [one(SET, items=4), one(SET, items=5, position=2), Row(3, "b", 1, ADD, state_of())]
        with pytest.raises(errors.ReplayError) as caught:
            replay(open_history(write_native(tmp_path / "a.db", made)), Baskets, progress=False)
        trial = caught.value.trial
        assert trial.last_position == 2
        assert not trial.is_complete
        assert trial.table("baskets")["items"].to_list() == [5]


class TestFolders:
    """What a folder holds, and what it does not."""

    def test_folder_of_something_else_is_left_alone(self, tmp_path):
        """A folder that holds other things is no place for a trial."""
        (tmp_path / "mine.txt").write_text("mine")
        trial = collected(open_history(write_native(tmp_path / "a.db", [one(SET)])))
        for use in (trial.save, lambda f: collected(trial.history, folder=f)):
            with pytest.raises(errors.TrialError, match="something else is there"):
                use(tmp_path)
        assert (tmp_path / "mine.txt").read_text() == "mine"

    def test_saved_again_replaces(self, tmp_path):
        """The folder of a trial takes the next one."""
        path = write_native(tmp_path / "a.db", [one(SET)])
        first = collected(open_history(path))
        first.save(tmp_path / "t")
        append(path, [one(ADD, position=2)])
        second = first.advance(progress=False)
        second.save(tmp_path / "t")
        assert load_trial(tmp_path / "t").events == 2
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["t"]

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (lambda f: (f / "trial.json").unlink(), "no trial.json"),
            (lambda f: (f / "trial.json").write_text("{"), "damaged"),
            (lambda f: (f / "trial.json").write_text("{}"), "damaged"),
            (lambda f: next(f.glob("*-entries-*")).write_bytes(b"no"), "damaged"),
            (lambda f: next(f.glob("*-after-*")).unlink(), "damaged"),
            (
                lambda f: (f / "trial.json").write_text(json.dumps({"format": 99})),
                "of format 99",
            ),
        ],
    )
    def test_damaged_folder_is_refused(self, tmp_path, damage, said):
        """One line says what is wrong with it."""
        trial = collected(open_history(write_native(tmp_path / "a.db", [one(SET)])))
        folder = trial.save(tmp_path / "t")
        damage(folder)
        with pytest.raises(errors.TrialError, match=said):
            load_trial(folder)

    def test_without_history_and_projection(self, tmp_path):
        """Tables and changes are there; what needs more says so."""
        trial = collected(open_history(write_native(tmp_path / "a.db", [one(SET, items=3)])))
        loaded = load_trial(trial.save(tmp_path / "t"))
        assert loaded.table("baskets")["items"].to_list() == [3]
        assert loaded.explain("a", table="baskets").height == 1
        for ask in (loaded.rerun, loaded.advance, lambda: loaded.coverage):
            with pytest.raises(errors.TrialError, match="loaded without its history"):
                ask()
        with pytest.raises(errors.TrialError, match="without its history"):
            loaded.explain("a", table="baskets", with_data=True)
        with pytest.raises(errors.TrialError, match="without its projection"):
            load_trial(tmp_path / "t", history=trial.history).rerun()

    def test_other_code_does_not_go_on(self, tmp_path):
        """A projection that was changed cannot go on where the old one ended."""

        class Baskets2(Baskets):
            @handles("Basket.Set")
            def was_set(self, event):
                self.baskets.set(event.stream, items=-1)

        path = write_native(tmp_path / "a.db", [one(SET)])
        trial = collected(open_history(path))
        append(path, [one(SET, position=2)])
        folder = trial.save(tmp_path / "t")
        loaded = load_trial(folder, history=open_history(path), projection=Baskets2)
        with pytest.raises(errors.TrialError, match="another by now"):
            loaded.advance()

    def test_state_outside_of_tables_does_not_go_on_from_a_folder(self, tmp_path):
        """What a projection keeps on itself goes on with it, but not from a folder."""

        class Remembers(Projection):
            counts = table(key={"stream": pl.String}, values={"events": pl.Int64})
            seen = 0

            @handles("Basket.Set")
            def was_set(self, event):
                self.seen += 1
                self.counts.set("all", events=self.seen)

        path = write_native(tmp_path / "a.db", [one(SET)])
        history = open_history(path)
        trial = replay(history, Remembers, progress=False)
        folder = trial.save(tmp_path / "t")
        append(path, [one(SET, position=2)])
        assert trial.advance(progress=False).table()["events"].to_list() == [2]
        loaded = load_trial(folder, history=history, projection=Remembers)
        with pytest.raises(errors.TrialError, match="keeps more than its tables"):
            loaded.advance()
        with pytest.raises(errors.TrialError, match="keeps more than its tables"):
            trial.advance(progress=False)


_KILLED = """
import sys, time
import polars as pl
from workbench import Projection, handles, open_history, replay, table
from workbench.trials import engine
from workbench.projections import running

class Counts(Projection):
    counts = table(key={"stream": pl.String}, values={"events": pl.Int64})

    @handles("Basket.Set")
    def was_set(self, event):
        row = self.counts.get(event.stream) or {"events": 0}
        self.counts.set(event.stream, events=row["events"] + 1)
        time.sleep(0.0003)

if __name__ == "__main__":
    engine.CHECKPOINT_S = 0.02
    from workbench.sources import sqlite, sqlite_reader
    sqlite.ROWS_A_PART = sqlite_reader.ROWS_A_PART = 16
    sqlite_reader.FIRST_RANGE = 16
    print("begun", flush=True)
    replay(open_history(sys.argv[1]), Counts, folder=sys.argv[2], progress=False)
    print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_kept_first", [False, True])
@pytest.mark.parametrize("turn", range(3))
def test_killed_at_any_moment_and_resumed(tmp_path, monkeypatch, turn, is_kept_first):
    """What a killed replay has kept is whole, and with the rest equals a replay in one.

    The moment is counted from the beginning, or from when something was kept.
    """
    path = write_native(
        tmp_path / "a.db",
        [Row(n, f"s{n % 50}", n, SET, state_of(items=n)) for n in range(1, 2001)],
    )
    (tmp_path / "killed.py").write_text(_KILLED)
    command = [sys.executable, str(tmp_path / "killed.py"), str(path), str(tmp_path / "t")]
    kept = tmp_path / "t" / "trial.json"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        while is_kept_first and not kept.exists():
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(random.Random().uniform(0, 0.2 * (turn + 1)))
        process.kill()
    monkeypatch.syspath_prepend(tmp_path)
    killed = __import__("killed")
    history = open_history(path)
    whole = replay(history, killed.Counts, progress=False)
    assert kept.exists() or not is_kept_first
    if not kept.exists():
        return  # nothing is claimed to be there
    loaded = load_trial(tmp_path / "t", history=history, projection=killed.Counts)
    at = loaded.last_position
    assert_frame_equal(loaded.table(), whole.at(position=at).table())
    same(loaded.resume(progress=False), whole)


def test_long_replay_is_kept_in_parts(tmp_path, monkeypatch):
    """Each checkpoint writes what is new, and the parts are the whole."""
    monkeypatch.setattr(engine, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr("workbench.sources.sqlite_reader.ROWS_A_PART", 4)
    monkeypatch.setattr("workbench.sources.sqlite_reader.FIRST_RANGE", 4)
    made = [Row(n, f"s{n % 5}", n, SET, state_of(items=n)) for n in range(1, 40)]
    history = open_history(write_native(tmp_path / "a.db", made))
    trial = collected(history, folder=tmp_path / "t")
    parts = json.loads((tmp_path / "t" / "trial.json").read_text())["parts"]
    assert len([p for p in parts if p["kind"] == "entries" and p["table"] == "baskets"]) > 5
    same(load_trial(tmp_path / "t", history=history, projection=Baskets), trial)


class TestEdits:
    """Trials over edited histories."""

    @given(made=rows().filter(handled), dropped=st.integers(0, 30), at=st.integers(1, 60))
    def test_recipe_tells_the_edits(self, new_path, made, dropped, at):
        """A trial over an edited history says so, is interrupted and goes on like any other."""
        path = write_native(new_path(), made)
        history = open_history(path)
        edited = history.edit(name="without one", drop=made[dropped % len(made)].position)
        left = [row for i, row in enumerate(made) if i != dropped % len(made)]
        if not handled(left):
            return
        trial = collected(edited)
        assert trial.recipe.edits == (f"without one: {edited.edits[0].does}",)
        same(trial, trial.rerun(progress=False))
        part = collected(edited.between(upto=min(at, made[-1].position)))
        assert_frame_equal(
            part.table("baskets"), trial.at(position=min(at, made[-1].position)).table("baskets")
        )
        folder = trial.save(path.with_suffix(".trial"))
        loaded = load_trial(folder, history=history, projection=Baskets)
        append(path, [Row(1000, "z", 1, SET, state_of(items=1))])
        with pytest.raises(errors.TrialError, match="edited in another way"):
            loaded.advance()
