"""Replays in a process of their own: of a git revision, or of code as it lies there now."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest
from polars.testing import assert_frame_equal
from repositories import PAID, VIEWS, add_library, git, make_repository, write_payments
from stores import BEGIN, Row, append, state_of

from workbench import compare, load_trial, open_history, replay, replay_revision
from workbench.comparing.report import report_of
from workbench.errors import (
    HandlerError,
    ProjectionError,
    ReplayError,
    RevisionError,
    TrialError,
    WorkbenchError,
)
from workbench.separate import side

ROOT = Path(__file__).parents[1]
MOST_S = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make a repository with a projection of the library too."""
    folder = make_repository(tmp_path_factory.mktemp("repository") / "shop")
    add_library(folder)
    (folder / "views" / "accounts.py").write_text(VIEWS.replace("RATE = 1", "RATE = 2"))
    return folder


@pytest.fixture
def repository(made, monkeypatch, tmp_path):
    """Go to the repository, and look for what is left of temporary folders afterwards."""
    monkeypatch.chdir(made)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield made
    assert list(temporary.iterdir()) == []
    assert git(made, "worktree", "list").count("\n") == 0


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Return a function that writes a projection into a folder of its own, and goes there."""
    folder = tmp_path / "slow"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def write(line: str, head: str = "") -> None:
        text = VIEWS.replace("    paid = row", f"    {line}\n        paid = row")
        (folder / "views.py").write_text(f"import os, pathlib, time\n{head}\n{text}")

    return write


@pytest.fixture
def payments(tmp_path):
    """Return a history of ten payments, one amount that is none, and one that cannot be read."""
    path = write_payments(tmp_path / "shop.db")
    bad = state_of(BEGIN, amount="much")
    append(path, [Row(11, "a", 7, PAID, bad), Row(12, "b", 7, PAID, b"\xff{")])
    append(path, [Row(13, "c", 1, "shop:Account.Opened", state_of(BEGIN))])
    return open_history(path)


def here(text=VIEWS):
    """Return the projection as it is when it is loaded into this process."""
    module = ModuleType("views_here")
    exec(text, vars(module))
    return module


def run(history, place="views.accounts:Accounts@v1", **options):
    """Replay a place, and collect what fails."""
    return replay_revision(history, place, **{"on_error": "collect", "progress": False} | options)


def wait_for(path):
    """Wait until there is a file of this name, with something in it, and return its text."""
    end = time.monotonic() + MOST_S
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.02)
    return path.read_text()


NARROWINGS = {
    "all": lambda history: history,
    "between": lambda history: history.between(after=2, upto=11),
    "one stream": lambda history: history.of_streams("b"),
    "none": lambda history: history.between(upto=0),
    "edited": lambda history: history.edit(drop=[3], alter={4: {"amount": 7.5}}),
    "masked": lambda history: history.masked("@stream", key=b"k" * 32),
}


class TestSameAsHere:
    """What runs apart is what `replay` would have made of it here."""

    @pytest.mark.parametrize("narrowing", NARROWINGS)
    def test_same_trial(self, repository, payments, narrowing):
        """Changes, failures and counts are the same, and so is what is told of the history."""
        history = NARROWINGS[narrowing](payments)
        apart = run(history)
        other = replay(history, here().Accounts, on_error="collect", progress=False)
        assert apart.recipe.result_hash == other.recipe.result_hash
        assert (apart.events, apart.last_position) == (other.events, other.last_position)
        assert apart.is_complete
        assert apart.handlers == other.handlers
        assert_frame_equal(apart.failures, other.failures)
        assert_frame_equal(apart.handled, other.handled)
        assert_frame_equal(apart.coverage, other.coverage)
        for name in ("source", "kind", "narrowed", "after", "upto", "edits", "on_error"):
            assert getattr(apart.recipe, name) == getattr(other.recipe, name), name
        assert compare(apart, other).equal

    def test_polars_function(self, repository, payments):
        """A function gives the same table."""
        apart = run(payments, "views.accounts:counted@v2", key="stream")
        other = replay(payments, here().counted, key="stream", progress=False)
        assert_frame_equal(apart.table(), other.table())
        assert compare(apart, other).equal

    def test_projection_of_the_library(self, repository, payments):
        """Projection, view and events are all of the revision."""
        options = {"view": "views.sums:Memory", "classes": ["shop"]}
        narrowed = payments.between(upto=10)
        sums = [
            run(narrowed, f"views.sums:Sums{at}", **options).table("sums")["value"].to_list()
            for at in ("@one", "@two")
        ]
        assert sums == [[30, 25], [60, 50]]

    def test_each_has_the_code_of_its_revision(self, repository, payments):
        """Two revisions and the folder as it is differ, since the first event that is paid."""
        trials = [run(payments, f"views.accounts:Accounts{at}") for at in ("@v1", "@v2", "")]
        paid = [trial.table().filter(account="b")["paid"].item() for trial in trials]
        assert paid == pytest.approx([25, 25.025, 50])
        assert [trial.name for trial in trials] == ["Accounts@v1", "Accounts@v2", "Accounts"]
        found = compare(trials[0], trials[2])
        assert found.first["position"].to_list() == [1]
        assert set(found.of("accounts").divergences()["type"]) == {PAID}
        assert "Accounts@v1" in report_of(found)

    def test_commit_in_the_name_is_short(self, repository, payments):
        """A whole commit is named by its first digits."""
        commit = git(repository, "rev-parse", "v1")
        assert run(payments, f"views.accounts:Accounts@{commit}").name == f"Accounts@{commit[:10]}"

    def test_root(self, repository, payments, monkeypatch, tmp_path):
        """The folder of the code may be another than the current one."""
        monkeypatch.chdir(tmp_path)
        assert run(payments, root=repository).events == 12
        assert run(payments, "accounts:Accounts@v1", root=repository / "views").events == 12

    def test_masked_values_are_never_handed_over(self, repository, payments):
        """What is masked here is masked there: code of the user's does not see it."""
        found = run(payments.masked("Account.Paid:amount"))
        assert found.table()["paid"].to_list() == [0.0, 0.0]
        assert found.table()["n"].to_list() == [5, 5]


class TestTrial:
    """What can be done with such a trial."""

    def test_it_is_saved_and_loaded(self, repository, payments, tmp_path):
        """Its folder is a trial's."""
        trial = run(payments)
        again = load_trial(trial.save(tmp_path / "kept"), history=payments)
        assert again.recipe == trial.recipe
        assert again.name == "Accounts@v1"

    @pytest.mark.parametrize("act", ["rerun", "advance"])
    def test_it_does_not_go_on(self, repository, payments, act):
        """Its code is not here, and the error says what to do."""
        trial = run(payments)
        with pytest.raises(TrialError, match="Replay it again, with replay_revision"):
            getattr(trial, act)(progress=False)

    def test_progress(self, repository, payments):
        """Reading, and then the replay, are told up to the end."""
        told = []
        run(payments, progress=told.append)
        assert (told[-1].done, told[-1].events) == (told[-1].total, 12)
        assert all(0 <= one.done <= one.total for one in told)


class TestRefused:
    """What cannot be done is said before, or told as it was there."""

    @pytest.mark.parametrize(
        ("place", "options", "kind", "said"),
        [
            ("views.accounts", {}, RevisionError, "Write module:Projection"),
            ("views.accounts:Accounts@v9", {}, RevisionError, "There are: broken, main"),
            ("views.accounts:Accounts@broken", {}, RevisionError, "raised ZeroDivisionError"),
            ("views.accounts:Nothing@v1", {}, RevisionError, "Near it: Accounts|Accounts"),
            ("json:dumps@v1", {}, RevisionError, "the revision has no module 'json'"),
            ("views.accounts:Accounts@v1", {"on_error": "x"}, ProjectionError, "Choose 'stop'"),
            ("views.accounts:counted@v1", {}, ProjectionError, "without its key"),
            ("views.sums:Sums@one", {"view": "views.sums:Memory@one"}, RevisionError, "of its own"),
            ("views.sums:Sums@one", {"view": "views.sums"}, RevisionError, "Write module:"),
            ("views.accounts:Accounts@v1", {"on_error": "stop"}, HandlerError, "position 11"),
        ],
    )
    def test_bad_use(self, repository, payments, place, options, kind, said):
        """One sentence each, of the class that `replay` would raise."""
        with pytest.raises(kind, match=said):
            run(payments, place, **options)

    def test_error_of_no_class_of_ours(self, slow, payments):
        """A process that ends at once is told with its last line."""
        slow("pass", "print('no licence', flush=True); os._exit(3)")
        with pytest.raises(ReplayError, match="ended with 3: no licence"):
            run(payments, "views:Accounts")


class TestStopping:
    """It ends when it is told to, with what there is; or at once, where it does not listen."""

    def stopped(self, payments, mark):
        """Replay until the mark is there, and then stop."""
        stop = threading.Event()

        def later():
            wait_for(mark)
            stop.set()

        watcher = threading.Thread(target=later)
        watcher.start()
        try:
            return run(payments, "views:Accounts", stop=stop)
        finally:
            watcher.join()

    def test_what_there_is_comes_back(self, slow, payments, tmp_path):
        """A stop lets the handler return, and gives the trial up to there."""
        mark = tmp_path / "mark"
        slow(f"pathlib.Path({str(mark)!r}).write_text('x'); time.sleep(0.5)")
        trial = self.stopped(payments, mark)
        assert not trial.is_complete
        assert 0 < trial.events < 12
        assert trial.last_position == trial.events
        assert trial.table()["n"].sum() == trial.events

    def test_handler_that_never_returns(self, slow, payments, tmp_path, monkeypatch):
        """Its process is ended after a while."""
        monkeypatch.setattr(side, "GRACE_S", 0.3)
        mark = tmp_path / "mark"
        slow(f"pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(600)")
        with pytest.raises(ReplayError, match="a handler did not return"):
            self.stopped(payments, mark)
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), 0)

    def test_module_that_is_still_loading(self, slow, payments, tmp_path):
        """There is no trial yet, and the error says so."""
        mark = tmp_path / "mark"
        slow("pass", f"pathlib.Path({str(mark)!r}).write_text('x'); time.sleep(600)")
        with pytest.raises(ReplayError, match="it had not begun"):
            self.stopped(payments, mark)

    def test_stopped_before(self, repository, payments):
        """What is stopped already does not begin."""
        stop = threading.Event()
        stop.set()
        with pytest.raises(WorkbenchError, match=r"had begun|had not begun"):
            run(payments, stop=stop)

    def test_it_ends_with_who_waits_for_it(self, slow, payments, tmp_path):
        """A process whose parent was killed does not go on for ever."""
        mark = tmp_path / "mark"
        slow(f"pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(0.05)")
        code = (
            "from workbench import open_history, replay_revision\n"
            f"replay_revision(open_history({payments.target!r}), 'views:Accounts')\n"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
        with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
            child = int(wait_for(mark))
            parent.send_signal(signal.SIGKILL)
        end = time.monotonic() + MOST_S
        while time.monotonic() < end:
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        pytest.fail("it still runs")
