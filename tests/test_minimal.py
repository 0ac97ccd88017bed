"""A few events that still show a difference, and the test file that is made of them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, Row, state_of, write_native

from workbench import (
    NewEvent,
    Projection,
    compare,
    errors,
    handles,
    load_trial,
    open_history,
    replay,
    table,
)
from workbench.comparing import minimal as minimal_module
from workbench.comparing.events import history_of
from workbench.comparing.shrinking import Shrinker
from workbench.tables import EVENTS

ROOT = Path(__file__).parents[1]
PAID, MOVED, SEEN = "shop:Account.Paid", "shop:Account.Moved", "shop:Account.Seen"

OLD = '''"""Accounts as they were."""

import polars as pl

from workbench import Projection, handles, table

LIMIT = 10


class Accounts(Projection):
    """What was paid into each account."""

    accounts = table(key={"account": pl.String}, values={"paid": pl.Int64})

    @handles("Account.Paid")
    def paid(self, event):
        """Add it up."""
        row = self.accounts.get(event.data["account"]) or {"paid": 0}
        self.accounts.set(event.data["account"], paid=row["paid"] + event.data["amount"])
'''
NEW = OLD.replace("as they were", "with a limit").replace(
    'row["paid"] + event.data["amount"])', 'min(row["paid"] + event.data["amount"], LIMIT))'
)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write the two versions as modules, and return their classes."""
    for name, text in (("old_accounts", OLD), ("new_accounts", NEW)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("old_accounts", "new_accounts"):
        sys.modules.pop(name, None)
    return [importlib.import_module(f"{n}_accounts").Accounts for n in ("old", "new")]


def paid(position, amount, account="a", stream="s", **more):
    """Return one payment as it lies in the store."""
    state = state_of(BEGIN, amount=amount, account=account, **more)
    return Row(position, stream, position, PAID, state)


MADE = [
    paid(1, 1),
    paid(2, 6, "b", text='"""\\ \N{SNOWMAN} <b> \'x\''),
    paid(3, 2),
    paid(5, 5, "b"),
    paid(6, 7, "c"),
    paid(8, 1, "b"),
]


def compared(path, a, b, made=MADE, **options):
    """Return the comparison of two projections over these events."""
    history = open_history(write_native(path, made))
    sides = (replay(history, p, progress=False) for p in (a, b))
    return compare(*sides, **options)


def run_test(path, *folders):
    """Run a test file as a process of its own; return its exit code and what it says."""
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-vv",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            path,
        ],
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *folders)))},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.returncode, found.stdout


class TestShrinking:
    """Leaving out what is not needed."""

    @given(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40), max_size=6))
    def test_what_is_needed_is_left(self, numbers, needed):
        """Where a set shows it if it has all that is needed, nothing else is left."""
        needed &= numbers
        shrinker = Shrinker(lambda some: needed <= set(some), time.monotonic() + 60)
        found = shrinker.shrink(sorted(numbers))
        assert found.is_minimal
        assert set(found.left) >= needed
        assert len(found.left) == max(len(needed), 1)

    @given(st.integers(1, 30), st.integers(2, 7))
    def test_no_single_one_can_be_left_out(self, count, modulus):
        """Also where what shows it comes and goes, the rest needs every single one."""

        def shows(some):
            return sum(some) % modulus == sum(range(count)) % modulus and bool(some)

        shrinker = Shrinker(shows, time.monotonic() + 60)
        left = shrinker.shrink(range(count)).left
        assert shows(left)
        assert len(left) == 1 or not any(shows(left[:n] + left[n + 1 :]) for n in range(len(left)))

    def test_time_that_is_up(self):
        """Without time, all is left, and it says so."""
        shrinker = Shrinker(bool, time.monotonic() - 1)
        found = shrinker.shrink(range(5))
        assert (found.left, found.is_minimal, found.tries) == ((0, 1, 2, 3, 4), False, 0)


class TestMinimal:
    """Finding the events."""

    def test_only_what_shows_it_is_left(self, tmp_path, modules):
        """Of a row's payments, those that pass the limit are enough."""
        found = compared(tmp_path / "a.db", *modules).minimal("b")
        assert found.positions == (2, 5)
        assert found.is_minimal
        assert EVENTS.misfits(found.events) == []
        assert found.a.table().rows() == [("b", 11)]
        assert found.b.table().rows() == [("b", 10)]
        assert "2 events show how 'accounts' differs for {'account': 'b'}" in repr(found)
        assert "<b>" not in found._repr_html_()

    @settings(max_examples=15)
    @given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab")), min_size=3, max_size=12))
    def test_no_event_can_be_left_out(self, new_path, payments):
        """For every row that differs, what is found shows it, and no fewer events do."""
        made = [paid(n, *one) for n, one in enumerate(payments, 1)]

        class Limited(Sums):
            limit = 7

        comparison = compared(new_path(), Sums, Limited, made)
        for key in comparison.rows()["account"]:
            example = comparison.minimal(key)
            assert example.is_minimal
            amounts = [payments[position - 1][0] for position in example.positions]
            assert sum(amounts) > 7
            assert all(sum(amounts) - amount <= 7 for amount in amounts)

    def test_events_of_the_stream_that_wrote_nothing(self, tmp_path):
        """An event that changes no row of the table may be needed: it is in the stream."""

        class Plain(Projection):
            t = table(key={"k": pl.String}, values={"v": pl.Int64})

            def __init__(self):
                self.seen = 0

            @handles("Account.Seen")
            def was_seen(self, event):
                self.seen += 1

            @handles("Account.Paid")
            def was_paid(self, event):
                self.t.set("k", v=1)

        class Counting(Plain):
            @handles("Account.Paid")
            def was_paid(self, event):
                self.t.set("k", v=1 + (self.seen > 1))

        seen = [Row(n, "s", n, SEEN, state_of(BEGIN)) for n in range(1, 6)]
        found = compared(tmp_path / "a.db", Plain, Counting, [*seen, paid(9, 1)]).minimal("k")
        assert len(found.positions) == 3
        assert found.positions[-1] == 9

    def test_healed_difference(self, tmp_path):
        """A row that differed for a while is shown up to where it had not healed."""

        class Late(Sums):
            @handles("Account.Paid")
            def was_paid(self, event):
                if event.position != 3:
                    super().was_paid(event)
                if event.position == 6:
                    self.accounts.set(event.data["account"], paid=4)

        made = [paid(1, 1), paid(3, 2), paid(6, 1)]
        comparison = compared(tmp_path / "a.db", Sums, Late, made)
        assert comparison.equal
        assert comparison.minimal("a").positions == (1, 3)

    def test_two_histories(self, tmp_path, modules):
        """One projection over two stores: each side runs over its own events."""
        old, _ = modules
        a = replay(open_history(write_native(tmp_path / "a.db", MADE)), old, progress=False)
        other = [paid(5, 9, "b") if row.position == 5 else row for row in MADE]
        b = replay(open_history(write_native(tmp_path / "b.db", other)), old, progress=False)
        found = compare(a, b).minimal("b")
        assert found.positions == (5,)
        path = found.to_pytest(tmp_path / "test_two.py")
        assert "EVENTS_A" in path.read_text()
        assert run_test(path, tmp_path)[0] == 1

    def test_edited_history(self, tmp_path, modules):
        """What an edit altered, moved or inserted is shown by the events as they were edited."""
        old, _ = modules
        history = open_history(write_native(tmp_path / "a.db", MADE))
        edited = history.edit(
            alter={5: {"amount": 9}},
            insert=NewEvent(type=PAID, stream="s", data={"amount": 3, "account": "c"}, after=6),
        )
        comparison = compare(*(replay(h, old, progress=False) for h in (history, edited)))
        assert set(comparison.rows()["account"]) == {"b", "c"}
        assert comparison.minimal("b").positions == (5,)
        found = comparison.minimal("c")
        assert (found.events_a.height, found.events.height) == (1, 2)
        path = found.to_pytest(tmp_path / "test_edited.py")
        assert run_test(path, tmp_path)[0] == 1

    def test_time_is_bounded(self, tmp_path, modules):
        """With no time to look, an error says so."""
        comparison = compared(tmp_path / "a.db", *modules)
        with pytest.raises(errors.MinimalError, match="time was up"):
            comparison.minimal("b", seconds=0)

    def test_row_that_does_not_differ(self, tmp_path, modules):
        """A row that is the same, and one that never was, are told."""
        comparison = compared(tmp_path / "a.db", *modules)
        with pytest.raises(errors.UnknownRowError, match="is the same"):
            comparison.minimal("a")
        with pytest.raises(errors.UnknownRowError, match="neither side ever had it"):
            comparison.minimal("z")
        with pytest.raises(errors.UnknownRowError, match="each key column"):
            comparison.minimal(("a", "b"))

    def test_what_no_events_show(self, tmp_path, modules, monkeypatch):
        """Where no candidates show it, an error says what was tried."""
        comparison = compared(tmp_path / "a.db", *modules)
        monkeypatch.setattr(minimal_module.Shown, "by", lambda *_: False)
        with pytest.raises(errors.MinimalError, match="no events by themselves"):
            comparison.minimal("b")

    def test_loaded_trial_without_its_projection(self, tmp_path, modules):
        """A trial that cannot run again cannot be run over fewer events."""
        comparison = compared(tmp_path / "a.db", *modules)
        loaded = load_trial(comparison.a.save(tmp_path / "saved"), history=comparison.a.history)
        with pytest.raises(errors.TrialError, match="without its projection"):
            compare(loaded, comparison.b).minimal("b")

    def test_polars_functions(self, tmp_path):
        """Functions are shrunken over the whole history."""

        def largest(events):
            """Return the largest amount."""
            amount = pl.col("data").str.json_path_match("$.amount").cast(pl.Int64)
            return events.select(pl.lit("all").alias("k"), amount.max().alias("n"))

        def capped(events):
            """Return the largest amount, which is at most six."""
            return largest(events).with_columns(pl.col("n").clip(upper_bound=6))

        history = open_history(write_native(tmp_path / "a.db", MADE))
        a, b = (replay(history, f, key="k", progress=False) for f in (largest, capped))
        found = compare(a, b).minimal("all")
        assert found.positions == (6,)
        path = found.to_pytest(tmp_path / "test_functions.py")
        assert run_test(path)[0] == 1


class Sums(Projection):
    """What was paid, up to a limit."""

    accounts = table(key={"account": pl.String}, values={"paid": pl.Int64})
    limit = 1000

    @handles("Account.Paid")
    def was_paid(self, event):
        row = self.accounts.get(event.data["account"]) or {"paid": 0}
        amount = min(row["paid"] + event.data["amount"], self.limit)
        self.accounts.set(event.data["account"], paid=amount)


class TestTestFile:
    """The test file."""

    @pytest.mark.slow
    def test_fails_while_they_differ_and_passes_once_they_agree(self, tmp_path, modules):
        """The file imports both modules by name, and runs by itself."""
        found = compared(tmp_path / "a.db", *modules).minimal("b")
        path = found.to_pytest(tmp_path / "test_accounts.py")
        code, said = run_test(path, tmp_path)
        assert (code, "1 failed" in said) == (1, True), said
        assert "'paid_a': 11" in said
        (tmp_path / "new_accounts.py").write_text(OLD)
        code, said = run_test(path, tmp_path)
        assert (code, "1 passed" in said) == (0, True), said

    def test_file_passes_the_linter(self, tmp_path, modules):
        """The file is formatted, imports are sorted, and nothing is unused."""
        found = compared(tmp_path / "a.db", *modules).minimal("b")
        path = found.to_pytest(tmp_path / "test_accounts.py")
        select = ["--isolated", "--select", "E,F,W,I,B,UP", "--line-length", "100"]
        lint = subprocess.run(
            [sys.executable, "-m", "ruff", "check", *select, path.name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert lint.returncode == 0, lint.stdout + lint.stderr

    def test_events_are_as_stored(self, tmp_path, modules):
        """The file's events are those of the store, payloads and all."""
        found = compared(tmp_path / "a.db", *modules).minimal("b")
        path = found.to_pytest(tmp_path / "test_accounts.py")
        names = {}
        exec(compile(path.read_text(), str(path), "exec"), names)
        history = history_of(names["EVENTS"])
        columns = ["position", "stream", "version", "type", "schema_version", "time", "data"]
        assert_frame_equal(history.scan().select(columns).collect(), found.events.select(columns))

    @pytest.mark.slow
    def test_projection_of_a_notebook_is_copied(self, tmp_path):
        """What cannot be imported is written into the file, with what it uses.

        A variable of the notebook is not, where a handler has its own of that name.
        """
        script = tmp_path / "notebook.py"
        script.write_text(
            OLD
            + "\n\nOldAccounts = Accounts\n\n"
            + NEW.split("LIMIT = 10\n")[1]
            + "\n\nimport sys\nfrom pathlib import Path\n"
            "from workbench import compare, open_history, replay\n"
            "event = row = history = open_history(sys.argv[1])\n"
            "sides = [replay(history, p, progress=False) for p in (OldAccounts, Accounts)]\n"
            "compare(*sides).minimal('b').to_pytest(sys.argv[2])\n"
        )
        store, path = write_native(tmp_path / "a.db", MADE), tmp_path / "test_copied.py"
        subprocess.run(
            [sys.executable, script, store, path],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        text = path.read_text()
        assert "LIMIT = 10" in text
        assert "import polars as pl" in text
        code, said = run_test(path)
        assert (code, "'paid_a': 11" in said) == (1, True), said

    def test_subclass_of_a_local_class_is_copied_with_its_base(self, tmp_path):
        """A class in a function comes with the local classes and values that it uses."""
        most = 10

        class Limited(Sums):
            @handles("Account.Paid")
            def was_paid(self, event):
                super().was_paid(event)
                row = self.accounts.get(event.data["account"])
                self.accounts.set(event.data["account"], paid=min(row["paid"], most))

        class Lower(Limited):
            @handles("Account.Paid")
            def was_paid(self, event):
                """Pay, and say nothing."""
                super().was_paid(event)

        found = compared(tmp_path / "a.db", Sums, Lower).minimal("b")
        text = found.to_pytest(tmp_path / "test_local.py").read_text()
        assert text.index("most = 10") < text.index("class Limited") < text.index("class Lower")
        assert "from test_minimal import Sums" in text
        names = {}
        exec(compile(text, "test_local.py", "exec"), names)
        with pytest.raises(AssertionError):
            names["test_both_give_the_same_rows"]()

    def test_projection_that_cannot_be_copied(self, tmp_path):
        """What is no class, function or plain value cannot be written into a file."""
        limits = {"limit": Path()}

        class Limited(Sums):
            @handles("Account.Paid")
            def was_paid(self, event):
                if limits:
                    self.accounts.set(event.data["account"], paid=0)

        found = compared(tmp_path / "a.db", Sums, Limited).minimal("b")
        with pytest.raises(errors.MinimalError, match=r"'limits'.*Put it in a module"):
            found.to_pytest(tmp_path / "test_local.py")
        assert not (tmp_path / "test_local.py").exists()

    def test_source_that_is_nowhere(self, tmp_path):
        """A class that was made of text has no source."""
        names = {"Sums": Sums, "__name__": "__main__"}
        exec("class Made(Sums):\n    limit = 10\n    def f(self): pass\n", names)
        found = compared(tmp_path / "a.db", Sums, names["Made"]).minimal("b")
        with pytest.raises(errors.MinimalError, match="source cannot be had"):
            found.to_pytest(tmp_path / "test_local.py")

    def test_side_that_handles_none_of_the_events(self, tmp_path):
        """A projection whose types do not occur in the example gives empty tables."""

        class Moves(Sums):
            @handles("Account.Moved")
            def was_paid(self, event):
                """Handle what the example does not have."""

        class Paid(Sums):
            limit = 10

            @handles("Account.Paid")
            def was_paid(self, event):
                """Take the payment."""
                self.accounts.set(event.data["account"], paid=1)

        made = [*MADE, Row(9, "s", 9, MOVED, state_of(BEGIN))]
        found = compared(tmp_path / "a.db", Moves, Paid, made).minimal("b")
        assert len(found.positions) == 1
        text = found.to_pytest(tmp_path / "test_moves.py").read_text()
        assert f'types=["{MOVED}"]' in text
        names = {}
        exec(compile(text, "test_moves.py", "exec"), names)
        with pytest.raises(AssertionError):
            names["test_both_give_the_same_rows"]()

    def test_tolerance_and_names_are_kept(self, tmp_path):
        """The test compares with the same tolerance, and the same pair of tables."""

        class Renamed(Projection):
            """The same table under another name."""

            totals = table(key={"account": pl.String}, values={"paid": pl.Int64})

            @handles("Account.Paid")
            def was_paid(self, event):
                """Take twenty more."""
                self.totals.set(event.data["account"], paid=event.data["amount"] + 20)

        for most in (2, Decimal("2.5")):
            found = compared(tmp_path / f"{most}.db", Sums, Renamed, tolerance={"paid": most})
            path = found.minimal("b", "totals").to_pytest(tmp_path / f"test_{most}.py")
            assert f'tables={{"accounts": "totals"}}, tolerance={{"paid": {most!r}}}' in (
                path.read_text()
            )

    def test_file_that_is_there(self, tmp_path, modules):
        """A file that is there is kept, unless it may be replaced."""
        found = compared(tmp_path / "a.db", *modules).minimal("b")
        path = tmp_path / "test_accounts.py"
        path.write_text("mine")
        with pytest.raises(errors.ExportError, match="overwrite=True"):
            found.to_pytest(path)
        assert path.read_text() == "mine"
        assert found.to_pytest(path, overwrite=True).read_text() != "mine"
        with pytest.raises(errors.ExportError, match="Name a file"):
            found.to_pytest(tmp_path / "nowhere" / "test_x.py")
