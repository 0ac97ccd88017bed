"""`workbench compare`: two versions of a projection, each from its own git revision."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from repositories import VIEWS, add_library, git, make_repository, write_payments

from workbench import errors
from workbench.cli import main
from workbench.comparing.accepted import add_accepted, read_accepted
from workbench.revisions import Place, checked_out, commit_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Make a repository of three commits and a change that is not committed, and go there."""
    folder = make_repository(tmp_path / "shop")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


@pytest.fixture
def store(tmp_path):
    """Write ten payments of two accounts."""
    return write_payments(tmp_path / "shop.db")


def run(*arguments):
    """Run the command in this process; return its code, output and errors."""
    found = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    return found.exit_code, found.stdout, found.stderr


def sides(base, other):
    """Return the options that name two versions."""
    return "--base", f"views.accounts:{base}", "--with", f"views.accounts:{other}"


def answer(*arguments, code):
    """Run the command with --json, and return its result."""
    found, said, errors_ = run(*arguments, "--json")
    assert (found, errors_) == (code, "")
    assert said.count("\n") == 1
    return json.loads(said)["result"]


def unchanged(folder):
    """Check that no worktree is left, and nothing else than what was there."""
    assert git(folder, "worktree", "list").count("\n") == 0
    assert git(folder, "status", "--porcelain").split() == ["M", "views/accounts.py"]


@pytest.fixture
def of_library(repository):
    """Add a projection of the library, of which the rate differs by revision."""
    add_library(repository)
    return repository


class TestOfLibrary:
    """Unmodified projections, each side with the view of its revision."""

    def sides(self, view="Memory"):
        both = "--base", "views.sums:Sums@one", "--with", "views.sums:Sums@two"
        return *both, "--view", f"views.sums:{view}", "--classes", "shop"

    def test_view_in_memory(self, of_library, store):
        """The views differ as the projections do."""
        found = answer(store, *self.sides(), code=1)
        (cause,) = found["causes"]["rows"]
        assert (cause["table"], cause["direction"], cause["count"]) == ("sums", "higher", 2)
        unchanged = git(of_library, "worktree", "list")
        assert unchanged.count("\n") == 0

    def test_view_in_postgresql(self, of_library, store, postgres):
        """Both sides run at the same time in the database that was named, and leave nothing."""
        database = postgres.new_database()
        scratch = "--scratch", postgres.url(database)
        found = answer(store, *self.sides("Server"), *scratch, code=1)
        assert found["causes"]["rows"][0]["count"] == 2
        with postgres.connect(database) as db:
            query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'workbench%'"
            assert db.execute(query).fetchone() == (0,)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ((), "without its view"),
            (("--view", "views.sums:None_"), "Cannot find the view 'views.sums:None_'"),
            (("--view", "views.nowhere:A"), "Cannot load the view 'views.nowhere:A'"),
            (("--view", "views.sums:Memory@one"), "is not of the form MODULE:NAME"),
            (("--view", "views.sums:Server"), "without a PostgreSQL database"),
            (("--view", "views.sums:Memory"), "Its types are of shop"),
            (("--view", "views.sums:Memory", "--classes", "no.such"), "No module named 'no'"),
        ],
    )
    def test_refused(self, of_library, store, options, said, monkeypatch):
        """What is missing is told in one line."""
        monkeypatch.delenv("WORKBENCH_SCRATCH", raising=False)
        both = "--base", "views.sums:Sums@one", "--with", "views.sums:Sums"
        code, out, err = run(store, *both, *options)
        assert (code, out) == (2, "")
        assert said in err


class TestComparing:
    """What is found."""

    def test_each_side_is_of_its_own_revision(self, repository, store):
        """Two revisions, and the folder as it is, give three results."""
        found = answer(store, *sides("Accounts@v1", "Accounts@v2"), code=1)
        (cause,) = found["causes"]["rows"]
        assert (cause["column"], cause["direction"], cause["count"]) == ("paid", "higher", 2)
        assert found["tables"][0]["changed"] == 2
        assert found["base"]["result_hash"] != found["with"]["result_hash"]
        assert found["base"]["events"] == 10
        unchanged(repository)
        now = answer(store, *sides("Accounts@v1", "Accounts"), code=1)
        assert now["with"]["result_hash"] != found["with"]["result_hash"]

    def test_same_revision_is_equal(self, repository, store):
        """A revision, under two names, equals itself: exit code 0."""
        code, said, _ = run(store, *sides("Accounts@v1", "Accounts@main~2"))
        assert code == 0
        assert "no differences" in said
        assert "imported" not in said

    def test_causes_are_printed(self, repository, store):
        """For people, the causes are a table."""
        code, said, _ = run(store, *sides("Accounts@v1", "Accounts@v2"))
        assert code == 1
        assert "2 differences of 1 cause" in said
        assert "Account.Paid" in said
        assert "--accept ID" in said

    def test_from_a_folder_inside_the_repository(self, repository, store, monkeypatch):
        """A module is found as from the folder in which one stands."""
        monkeypatch.chdir(repository / "views")
        found = answer(
            store, "--base", "accounts:Accounts@v1", "--with", "accounts:Accounts", code=1
        )
        assert not found["equal"]

    def test_tolerance(self, repository, store):
        """Differences within the tolerance are none."""
        both = sides("Accounts@v1", "Accounts@v2")
        assert answer(store, *both, "--tolerance", "paid=0.1", code=0)["equal"]
        assert not answer(store, *both, "--tolerance", "paid=0.001", code=1)["equal"]

    def test_narrowed(self, repository, store):
        """Both sides read what was asked for, and no more."""
        found = answer(store, *sides("Accounts@v1", "Accounts@v2"), "--upto", 4, code=1)
        assert (found["base"]["events"], found["with"]["upto"]) == (4, 4)
        found = answer(store, *sides("Accounts@v1", "Accounts"), "--stream", "a", code=1)
        assert found["tables"][0]["rows_a"] == 1

    def test_polars_functions(self, repository, store):
        """Functions are compared by the key that is given."""
        both = sides("counted@v1", "counted")
        assert answer(store, *both, "--key", "stream", code=0)["equal"]
        code, _, said = run(store, *both)
        assert code == 2
        assert "Name the columns" in said

    def test_report(self, repository, store, tmp_path):
        """The report is written, whatever the exit code."""
        path = tmp_path / "report.html"
        assert run(store, *sides("Accounts@v1", "Accounts"), "--report", path)[0] == 1
        assert "Account.Paid" in path.read_text()

    def test_code_of_the_repository_does_not_run(self, repository, store):
        """Hooks of the repository are left alone."""
        hook = repository / ".git" / "hooks" / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {repository}/hooked\n")
        hook.chmod(0o755)
        assert run(store, *sides("Accounts@v1", "Accounts@v1"))[0] == 0
        unchanged(repository)


class TestAccepting:
    """What is intended is in a file."""

    def test_accepted_causes_are_kept(self, repository, store):
        """Once accepted, a cause no longer fails, and the file says why."""
        both = sides("Accounts@v1", "Accounts@v2")
        (cause,) = answer(store, *both, code=1)["causes"]["rows"]
        reason = 'a "new" rate = 1.001'
        found = answer(store, *both, "--accept", f"{cause['cause']}={reason}", code=0)
        assert found["causes"]["rows"][0]["accepted"] == reason
        assert answer(store, *both, code=0)["equal"]
        (entry,) = tomllib.loads((repository / "workbench-accepted.toml").read_text())["accepted"]
        assert entry == {
            "id": cause["cause"],
            "cause": "accounts: paid is higher since Account.Paid (schema version 1)",
            "reason": reason,
        }

    def test_other_file(self, repository, store):
        """The file may have another name; what is no longer found is told."""
        path = repository / "other.toml"
        path.write_text('# mine\n[[accepted]]\nid = "gone"\nreason = "once"')
        both = sides("Accounts@v1", "Accounts@v2")
        (cause,) = answer(store, *both, code=1)["causes"]["rows"]
        accept = ("--accepted", path, "--accept", f"{cause['cause']}=yes")
        assert answer(store, *both, *accept, code=0)["accepted_but_gone"] == ["gone"]
        assert path.read_text().startswith("# mine\n[[accepted]]\nid")
        assert "no longer found: gone" in run(store, *both, "--accepted", path)[1]
        assert read_accepted(path) == {"gone": "once", cause["cause"]: "yes"}

    def test_unknown_cause(self, repository, store):
        """A cause that was not found cannot be accepted, and nothing is written."""
        code, _, said = run(store, *sides("Accounts@v1", "Accounts"), "--accept", "x=y")
        assert (code, "there is none" in said) == (2, True)
        assert not (repository / "workbench-accepted.toml").exists()

    @pytest.mark.parametrize(
        "text",
        [
            *("[", "accepted = 1", "accepted = [1]", '[[accepted]]\nid = "x"'),
            '[[accepted]]\nid = "x"\nreason = ""',
            '[[accepted]]\nid = 1\nreason = "x"',
        ],
    )
    def test_damaged_file(self, tmp_path, text):
        """A file of another form is refused, not taken for empty."""
        path = tmp_path / "accepted.toml"
        path.write_text(text)
        with pytest.raises(errors.ComparisonError, match="accepted causes"):
            read_accepted(path)

    def test_file_that_cannot_be_written(self, tmp_path):
        """A folder that is not there is told."""
        with pytest.raises(errors.ExportError, match="Name another file"):
            add_accepted(tmp_path / "nowhere" / "a.toml", {})

    def test_any_reason_comes_back(self, tmp_path):
        """Quotes, lines, and characters that TOML forbids are kept."""
        path = tmp_path / "a.toml"
        cause = {"table": "t", "column": None, "direction": "extra", "type": None}
        for reason in ('"', "\\", "a\nb", "\x7f\x00", "\N{SNOWMAN}"):
            add_accepted(path, {"x": {**cause, "accepted": reason}})
            assert read_accepted(path) == {"x": reason}


class TestRefusing:
    """What cannot be done says what was asked, what was found, and what to do."""

    @pytest.mark.parametrize(
        ("base", "said"),
        [
            (
                "views.accounts:Accounts@v9",
                "Cannot find the git revision 'v9'.*There are: broken, main, v1, v2",
            ),
            ("views.accounts:Accounts@--help", "Cannot find the git revision '--help'"),
            ("views.accounts:Accounts@", "Write module:Projection"),
            ("views.accounts", "Write module:Projection"),
            ("views accounts:x", "Write module:Projection"),
            ("views.account:Accounts@v1", "there is no module 'views.account' in that revision"),
            ("views.account:Accounts", "there is no module 'views.account'"),
            ("views.accounts:Account@v1", "has no 'Account'.*Near it: Accounts"),
            ("views.accounts:Accounts@broken", "importing it raised ZeroDivisionError"),
            ("views.accounts:RATE@v1", "it is no projection"),
            ("json:dumps@v1", "the revision has no module 'json'"),
        ],
    )
    def test_projection_that_is_not_there(self, repository, store, base, said):
        """No revision, module or class: one line, exit code 2, and no worktree left."""
        code, out, errors_ = run(store, "--base", base, "--with", "views.accounts:Accounts")
        assert (code, out) == (2, "")
        assert errors_.count("\n") == 1
        assert "Traceback" not in errors_
        assert re.search(said, errors_), errors_
        unchanged(repository)

    def test_no_repository(self, tmp_path, store, monkeypatch):
        """Outside of a git repository there are no revisions."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        code, _, said = run(store, *sides("Accounts@v1", "Accounts"))
        assert (code, "not in a git repository" in said) == (2, True)

    def test_no_git(self, repository, monkeypatch):
        """Without git, an error says so."""
        monkeypatch.setenv("PATH", "")
        with pytest.raises(errors.RevisionError, match="there is no git"):
            commit_of("v1", repository)

    def test_no_store(self, repository):
        """A target that is not there ends the command before anything is checked out."""
        code, _, said = run("nowhere.db", *sides("Accounts@v1", "Accounts"))
        assert (code, "nowhere.db" in said) == (2, True)

    def test_handler_that_raises(self, repository, store):
        """What a handler raised on one side is told, or collected."""
        path = repository / "views" / "accounts.py"
        path.write_text(
            VIEWS.replace("    paid = row", "    paid = 1 / (5 - event.position) + row")
        )
        both = sides("Accounts@v1", "Accounts")
        code, _, said = run(store, *both)
        assert (code, "position 5" in said) == (2, True)
        code, said, _ = run(store, *both, "--on-error", "collect")
        assert (code, "1 failures" in said) == (1, True)

    def test_process_that_ends_at_once(self, repository, store):
        """Code that ends the process is told with its last line."""
        text = VIEWS + "\nimport os, sys\nprint('no licence', flush=True)\nos._exit(3)\n"
        (repository / "views" / "accounts.py").write_text(text)
        code, _, said = run(store, *sides("Accounts", "Accounts"))
        assert (code, "ended with 3: no licence" in said) == (2, True)

    @pytest.mark.parametrize(
        "option",
        [("--tolerance", "paid"), ("--tolerance", "paid=x"), ("--accept", "=x"), ("--pair", "a=")],
    )
    def test_usage(self, repository, store, option):
        """An option of the wrong form is a usage error."""
        code, _, said = run(store, *sides("Accounts", "Accounts"), *option)
        assert (code, "--help" in said) == (2, True)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(self, repository, store, tmp_path, number):
        """An interrupt ends both sides, and takes worktrees and folders away."""
        marks = tmp_path / "marks"
        marks.mkdir()
        text = VIEWS + (
            "import os, pathlib, time\n"
            "pathlib.Path(os.environ['MARKS'], str(os.getpid())).touch()\n"
            "time.sleep(600)\n"
        )
        (repository / "views" / "accounts.py").write_text(text)
        git(repository, "commit", "-qam", "slow")
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        # Where the tests run in the background, Ctrl-C is ignored, and stays so in processes.
        code = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from workbench.cli import main; main()"
        )
        command = [sys.executable, "-c", code, "compare", str(store)]
        with subprocess.Popen(
            [*command, *sides("Accounts@main", "Accounts@main")],
            env={**os.environ, "MARKS": str(marks), "TMPDIR": str(temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            end = time.monotonic() + 60
            while len(list(marks.iterdir())) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            process.send_signal(number)
            try:
                _, said = process.communicate(timeout=30)
            finally:
                process.terminate()
        children = [int(path.name) for path in marks.iterdir()]
        assert (process.returncode, said.strip()) == (130, "")
        assert len(children) == 2
        assert list(temporary.iterdir()) == []
        assert git(repository, "worktree", "list").count("\n") == 0
        for child in children:
            with pytest.raises(ProcessLookupError):
                os.kill(child, 0)


class TestRevisions:
    """Folders of revisions."""

    def test_folder_goes_away_after_an_error(self, repository):
        """Whatever happens inside, the worktree is removed."""
        found = []

        def look():
            with checked_out("v1", repository) as tree:
                found.append(tree)
                assert "RATE = 1\n" in (tree / "views" / "accounts.py").read_text()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            look()
        assert not found[0].parent.exists()
        unchanged(repository)

    def test_hook_variables_do_not_disturb(self, repository, monkeypatch):
        """Called from a hook, the repository's index stays as it is."""
        monkeypatch.setenv("GIT_INDEX_FILE", str(repository / "other-index"))
        with checked_out("v1", repository):
            pass
        assert not (repository / "other-index").exists()

    def test_place_reads_as_it_was_written(self):
        """A place and its text are one."""
        for text in ("a.b:C", "a:B.C@origin/main"):
            assert str(Place.of(text)) == text
