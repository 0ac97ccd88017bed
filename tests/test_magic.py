"""The cell magic `%%trial`, in a real shell: what it runs, keeps, shows and says."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import polars as pl
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from polars.testing import assert_frame_equal
from stores import Row, append, state_of, write_native
from test_going_on import same
from test_trial import ADD, DROP, SET
from traitlets.config import Config

from workbench import Trial, open_history, replay
from workbench.samples import shop_path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
STREAMS = 20
HOSTILE = "<script>alert('x')</script>&\"<b>"


@dataclass
class Shown:
    """What a cell printed and displayed, and how it ended."""

    out: str
    text: str
    html: str
    error: BaseException | None
    errors: str


class Shell:
    """A shell with a history of baskets."""

    def __init__(self, shell, path):
        self.shell, self.path = shell, path
        shell.user_ns["history"] = open_history(path)

    def run(self, code: str) -> Shown:
        """Run a cell, and return what it showed."""
        with capture_output() as captured:
            result = self.shell.run_cell(dedent(code), store_history=False)
        outputs = [output.data for output in captured.outputs]
        return Shown(
            captured.stdout,
            "\n".join(data.get("text/plain", "") for data in outputs),
            "\n".join(data.get("text/html", "") for data in outputs),
            result.error_before_exec or result.error_in_exec,
            re.sub(r"\x1b\[[0-9;]*m", "", captured.stdout + captured.stderr),
        )

    def trial(self, code: str, line: str = "history --no-progress") -> Shown:
        """Run a cell with the magic, which must not fail."""
        shown = self.run(f"%%trial {line}\n{dedent(code)}")
        assert shown.error is None, shown.errors
        return shown

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]


def baskets():
    """Return events of twenty streams: set, added to in two, dropped in one."""
    rows = [Row(i, f"b{i}", 1, SET, state_of(items=i)) for i in range(1, STREAMS + 1)]
    rows += [Row(30, "b3", 2, ADD, state_of(items=5)), Row(31, "b4", 2, ADD, state_of(items=6))]
    return [*rows, Row(32, "b5", 2, DROP, state_of(items=0))]


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Return a shell in which the extension is loaded."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    for name in ("__main__", "builtins"):
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    made = Shell(
        InteractiveShell.instance(config=config), write_native(tmp_path / "b.db", baskets())
    )
    made.run("%load_ext workbench")
    made.run("import polars as pl\nfrom workbench import Projection, handles, table")
    yield made
    InteractiveShell.clear_instance()


BASKETS = """
class Baskets(Projection):
    baskets = table(key={"basket": pl.String}, values={"items": pl.Int64})

    @handles("Basket.Set")
    def was_set(self, event):
        self.baskets.set(event.stream, items=event.data["items"])

    @handles("Basket.Added")
    def added(self, event):
        row = self.baskets.get(event.stream)
        self.baskets.update(event.stream, items=row["items"] + event.data["items"])
"""
TWICE = BASKETS.replace('+ event.data["items"]', '+ 2 * event.data["items"]')
DROPS = (
    BASKETS
    + """
    @handles("Basket.Dropped")
    def dropped(self, event):
        self.baskets.delete(event.stream)
"""
)


def is_full(shell, name="trial"):
    """Check that a trial is what a replay of everything is."""
    trial = shell[name]
    same(
        trial,
        replay(shell["history"], shell[trial.name], on_error=trial.engine.on_error, progress=False),
    )


class TestFirstRun:
    """A projection is defined in a cell and replayed."""

    def test_shows_tables_and_speed(self, shell):
        """The tables, how many events, how fast, and that it is the first run."""
        shown = shell.trial(BASKETS)
        assert (
            "Baskets: replayed everything: this is the first run over this history." in shown.text
        )
        assert re.search(r"22 events in \d+\.\d\d s, [\d,]+ a second\.", shown.text)
        assert "Table baskets: 20 rows." in shown.text
        assert "│ b1 " in shown.text
        assert "last run." not in shown.text

    def test_html_says_the_same(self, shell):
        """A notebook shows the same, as a table."""
        html = shell.trial(BASKETS).html
        assert (
            "<p>Baskets: replayed everything: this is the first run over this history.</p>" in html
        )
        assert "<p>Table baskets: 20 rows.</p>" in html
        assert "<table" in html

    def test_keeps_the_trial(self, shell):
        """The trial is in the variable `trial`, and is what replay returns."""
        shell.trial(BASKETS)
        assert isinstance(shell["trial"], Trial)
        is_full(shell)

    def test_keeps_the_trial_under_a_name(self, shell):
        """--as names the variable."""
        shell.trial(BASKETS, "history --as mine --no-progress")
        assert "trial" not in shell.shell.user_ns
        is_full(shell, "mine")

    def test_several_projections_are_a_dictionary(self, shell):
        """Each projection of the cell is replayed; one that others derive from is not."""
        shown = shell.trial(
            BASKETS
            + """
class More(Baskets):
    @handles("Basket.Dropped")
    def dropped(self, event):
        self.baskets.delete(event.stream)

class Less(Baskets):
    pass
"""
        )
        assert list(shell["trial"]) == ["More", "Less"]
        assert "More: replayed" in shown.text
        assert "Less: replayed" in shown.text
        assert shell["trial"]["More"].table().height == STREAMS - 1

    def test_functions_are_a_projection(self, shell):
        """`Projection.of` in a cell is a projection as a class is."""
        cell = """
            tables = {"n": table(key={"k": pl.String}, values={"n": pl.Int64})}
            def was_set(tables, event):
                tables.n.set(event.stream, n=1)
            def added(tables, event):
                tables.n.set(event.stream, n=2)
            Counts = Projection.of(
                "Counts", tables=tables, handlers={"Basket.Set": was_set, "Basket.Added": added}
            )
        """
        shell.trial(cell)
        shown = shell.trial(cell.replace("n=2", "n=3"))
        assert "Counts: replayed 2 of 20 streams: added changed." in shown.text
        assert shell["trial"].table()["n"].to_list().count(3) == 2

    def test_other_code_of_the_cell_runs(self, shell):
        """A cell may import, print and define whatever it needs."""
        shown = shell.trial(f"import math\nside = math.floor(2.5)\nprint('said')\n{BASKETS}")
        assert shell["side"] == 2
        assert "said" in shown.out

    def test_table_to_show(self, shell):
        """--table shows one table alone."""
        cell = BASKETS.replace(
            "    baskets = ",
            '    other = table(key={"k": pl.String}, values={})\n    baskets = ',
        )
        assert "Table other: 0 rows." in shell.trial(cell).text
        shown = shell.trial(cell, "history --table baskets")
        assert "Table baskets" in shown.text
        assert "Table other" not in shown.text

    def test_progress_is_shown_by_default(self, shell):
        """Without --no-progress it is the same."""
        shell.trial(BASKETS, "history")
        is_full(shell)


class TestPolarsFunction:
    """A function from the event table to a table is replayed with --key."""

    CELL = """
        def _seen(events):
            return events.filter(pl.col("version") == 1)

        def counts(events):
            return _seen(events).group_by("type").agg(n=pl.len())
    """

    def test_is_replayed(self, shell):
        """The last function of the cell is the projection."""
        shown = shell.trial(self.CELL, "history --key type")
        assert "counts: replayed everything: a Polars function is computed as a whole." in (
            shown.text
        )
        assert shell["trial"].table().rows() == [(SET, STREAMS)]

    def test_changes_are_shown(self, shell):
        """What changed since the last run is told for functions too."""
        shell.trial(self.CELL, "history --key type")
        shown = shell.trial(self.CELL.replace("== 1", ">= 1"), "history --key type")
        assert "counts: rows 2 added" in shown.text

    def test_several_key_columns(self, shell):
        """--key takes several columns, at once or one by one."""
        cell = """
            def counts(events):
                return events.group_by("type", "stream", "version").len()
        """
        shell.trial(cell, "history --key type,stream --key version")
        assert shell["trial"].key() == ("type", "stream", "version")


class TestEdits:
    """After an edit no more is replayed than has to be, and it is said what was."""

    def test_edited_handler_replays_its_streams(self, shell):
        """Only streams that have events of the handler are replayed."""
        shell.trial(BASKETS)
        shown = shell.trial(TWICE)
        assert "Baskets: replayed 2 of 20 streams: added changed." in shown.text
        assert "4 events in" in shown.text
        is_full(shell)

    def test_what_changed_is_shown(self, shell):
        """Changed rows are shown with what they were before."""
        shell.trial(BASKETS)
        shown = shell.trial(TWICE)
        assert "Changed since the last run:" in shown.text
        assert "baskets: rows 2 changed" in shown.text
        for column in ("items_before", "items_after"):
            assert column in shown.text
            assert column in shown.html
        assert re.search(r"b3 +┆ 8 +┆ 13", shown.text)

    def test_nothing_changed_is_said(self, shell):
        """An edit that comes to the same is said to."""
        shell.trial(BASKETS)
        shown = shell.trial(BASKETS.replace("row =", "seen =").replace("row[", "seen["))
        assert "replayed 2 of 20 streams" in shown.text
        assert "Nothing changed since the last run." in shown.text
        assert "<p>Nothing changed since the last run.</p>" in shown.html

    def test_same_cell_replays_nothing(self, shell):
        """A cell that is run again as it is replays nothing."""
        shell.trial(BASKETS)
        shown = shell.trial("# a comment\n\n" + BASKETS)
        assert "replayed nothing: neither the projection nor the history" in shown.text
        assert "Nothing changed" in shown.text
        is_full(shell)

    def test_all_replays_everything(self, shell):
        """--all replays everything, as asked."""
        shell.trial(BASKETS)
        assert "replayed everything: as asked" in shell.trial(BASKETS, "history --all").text

    def test_added_handler(self, shell):
        """A new handler is a change of its events; a row that it removes is told."""
        shell.trial(BASKETS)
        shown = shell.trial(DROPS)
        assert "replayed 1 of 20 streams: dropped changed." in shown.text
        assert "baskets: rows 1 removed" in shown.text
        is_full(shell)

    def test_removed_handler(self, shell):
        """A handler that is gone is a change of its events."""
        shell.trial(DROPS)
        shown = shell.trial(BASKETS)
        assert "replayed 1 of 20 streams: dropped changed." in shown.text
        assert "baskets: rows 1 added" in shown.text
        is_full(shell)

    def test_edited_helper_of_another_cell_replays_everything(self, shell):
        """A function that handlers refer to is part of the projection."""
        shell.run("def more(n):\n    return n + 1")
        cell = BASKETS.replace('=event.data["items"])', '=more(event.data["items"]))')
        shell.trial(cell)
        assert "replayed nothing" in shell.trial(cell).text
        shell.run("def more(n):\n    return n + 1")
        assert "replayed nothing" in shell.trial(cell).text
        shell.run("def more(n):\n    return n + 2")
        shown = shell.trial(cell)
        assert "replayed everything: more, which it refers to, is another." in shown.text
        assert "baskets: rows 20 changed" in shown.text
        is_full(shell)

    def test_edited_value_of_another_cell_replays_everything(self, shell):
        """A value that handlers refer to is part of the projection."""
        shell.run("rates = {'a': 1}")
        cell = BASKETS.replace('=event.data["items"])', '=rates["a"])')
        shell.trial(cell)
        shell.run("rates['a'] = 2")
        assert "rates, which it refers to, is another" in shell.trial(cell).text

    def test_edited_method_replays_everything(self, shell):
        """A method that is no handler may be called by any."""
        cell = DROPS + "\n    def helper(self):\n        return 1\n"
        shell.trial(cell)
        shown = shell.trial(cell.replace("return 1", "return 2"))
        assert "replayed everything: helper, which is no handler, is another." in shown.text

    def test_edited_table_replays_everything(self, shell):
        """A new column is said, and what was there before is compared."""
        shell.trial(BASKETS)
        shown = shell.trial(
            BASKETS.replace('"items": pl.Int64}', '"items": pl.Int64, "note": pl.String}')
        )
        assert "replayed everything: its tables are declared otherwise." in shown.text
        assert "baskets: the column note is new" in shown.text

    def test_handler_of_many_streams_replays_everything(self, shell):
        """Where most streams are touched, nothing is gained by choosing."""
        shell.trial(BASKETS)
        shown = shell.trial(BASKETS.replace("items=event.data", "items=1 + event.data"))
        assert "was_set changed, and 20 of 20 streams have such events" in shown.text
        is_full(shell)

    def test_dependent_streams_replay_everything(self, shell):
        """A handler that counts rows depends on all streams."""
        cell = BASKETS.replace('=event.data["items"])', "=len(self.baskets))")
        shell.trial(cell)
        shown = shell.trial(cell.replace('+ event.data["items"]', ""))
        assert (
            "added changed, and streams are not independent: a handler counts the rows of "
            "'baskets', which are of all streams" in shown.text
        )
        is_full(shell)

    def test_new_dependence_replays_everything(self, shell):
        """A handler that comes to read across streams is found out."""
        shell.trial(BASKETS)
        shown = shell.trial(
            BASKETS.replace(
                "self.baskets.get(event.stream)", "{'items': 0}\n        self.baskets.get('b1')"
            )
        )
        assert "streams are independent no more: an event of the stream 'b3' uses the row 'b1'" in (
            shown.text
        )
        is_full(shell)

    def test_state_beside_tables_replays_everything(self, shell):
        """What a projection keeps on itself is told by no change log."""
        cell = BASKETS.replace("        row =", "        self.seen = 1\n        row =")
        shell.trial(cell)
        shown = shell.trial(cell)
        assert "replayed everything: the projection keeps more than its tables." in shown.text

    def test_state_outside_replays_everything(self, shell):
        """What handlers keep in a value of the notebook is state too."""
        shell.run("seen = []")
        cell = BASKETS.replace("        row =", "        seen.append(1)\n        row =")
        shell.trial(cell)
        shown = shell.trial(cell)
        assert "replayed everything: the run has changed seen, which is no table." in shown.text

    def test_redefined_many_times(self, shell):
        """The same names are defined again and again, and each version counts."""
        for factor in range(10):
            shell.trial(BASKETS.replace("+ event.data", f"+ {factor} * event.data"))
            assert shell["trial"].table().row(by_predicate=pl.col("basket") == "b3")[1] == (
                3 + factor * 5
            )
        is_full(shell)

    def test_trial_that_was_put_together_goes_on(self, shell):
        """A trial of which streams were replayed anew advances as any other."""
        shell.trial(BASKETS)
        shell.trial(TWICE)
        append(shell.path, [Row(40, "b3", 3, ADD, state_of(items=1))])
        trial = shell["trial"].advance(progress=False)
        same(trial, replay(shell["history"], shell["Baskets"], progress=False))
        assert trial.coverage["handled"].sum() == trial.events
        assert trial.profile["events"].sum() == trial.events


class TestGrownHistory:
    """Events that have come since the last run are replayed, and that is said."""

    MORE = (Row(40, "b3", 3, ADD, state_of(items=1)), Row(41, "new", 1, SET, state_of(items=1)))

    def test_same_cell_advances(self, shell):
        """Only new events are replayed."""
        shell.trial(BASKETS)
        append(shell.path, self.MORE)
        shown = shell.trial(BASKETS)
        assert "replayed 2 events that have come since: no handler has changed." in shown.text
        assert "baskets: rows 1 added, 1 changed" in shown.text
        is_full(shell)

    def test_edited_cell_does_both(self, shell):
        """The streams of the edited handler, then the new events."""
        shell.trial(BASKETS)
        append(shell.path, self.MORE)
        shown = shell.trial(TWICE)
        assert (
            "replayed 2 of 20 streams: added changed; then 2 events that have come since."
            in shown.text
        )
        is_full(shell)

    def test_history_that_is_opened_again_is_replayed(self, shell):
        """A store of the same name may be another by now: its tables are compared, no more."""
        shell.trial(BASKETS)
        shell.shell.user_ns["history"] = open_history(shell.path)
        shown = shell.trial(BASKETS)
        assert "replayed everything: the history was opened anew since the last run." in shown.text
        assert "Nothing changed since the last run." in shown.text

    def test_history_that_is_narrowed_in_the_same_way_is_the_same(self, shell):
        """Narrowing makes a new history, of the same events."""
        for said in ("this is the first run over this history", "replayed nothing"):
            shell.run("part = history.between(upto=1000)")
            assert said in shell.trial(BASKETS, "part").text

    def test_other_history_has_a_first_run(self, shell):
        """Over another history there is nothing to compare with."""
        shell.trial(BASKETS)
        shell.run("history = history.between(upto=10)")
        shown = shell.trial(BASKETS)
        assert "this is the first run" in shown.text
        assert "last run." not in shown.text


class TestErrors:
    """Errors are one clear message, with the user's own frames, and no trial is half told."""

    def errors(self, shell, code, line="history"):
        """Return what is shown of an error, without what the magic is made of."""
        shown = shell.run(f"%%trial {line}\n{dedent(code)}")
        assert shown.error is not None
        assert "magic.py" not in shown.errors
        assert "running.py" not in shown.errors
        return shown.errors

    def test_unknown_history(self, shell):
        """Histories that there are, are named."""
        found = self.errors(shell, BASKETS, "histori")
        assert "UsageError: Cannot replay 'histori': it is not defined, and no history." in found
        assert "Near it: history." in found

    def test_variable_that_is_no_history(self, shell):
        """What the variable holds is said."""
        assert "it is a module, and no history" in self.errors(shell, BASKETS, "pl")

    def test_no_history_at_all(self, shell):
        """How to open one is said."""
        shell.run("del history")
        assert "Open one: history = open_history(...)" in self.errors(shell, BASKETS)

    @pytest.mark.parametrize("line", ["", "history --on-error never", "history --what"])
    def test_odd_options(self, shell, line):
        """Options that there are not are refused."""
        self.errors(shell, BASKETS, line)
        assert "Baskets" not in shell.shell.user_ns

    @pytest.mark.parametrize("name", ["history", "a-b", "class"])
    def test_odd_name_for_the_trial(self, shell, name):
        """A trial is kept in a variable, and not in the history's."""
        assert f"Cannot keep the trial as '{name}'" in self.errors(
            shell, BASKETS, f"history --as {name}"
        )

    def test_unknown_table(self, shell):
        """Tables that there are, are named."""
        found = self.errors(shell, BASKETS, "history --table basket")
        assert "Cannot show the table 'basket'" in found
        assert "Near it: baskets." in found

    def test_cell_without_a_projection(self, shell):
        """What a cell has to define is said."""
        assert "Cannot replay this cell: it defines no projection" in self.errors(shell, "x = 1")

    def test_projection_of_another_cell_is_none_of_this(self, shell):
        """Only what the cell itself defines is replayed."""
        shell.run(BASKETS)
        assert "it defines no projection" in self.errors(shell, "Baskets")

    def test_function_without_a_key(self, shell):
        """A function alone needs --key."""
        found = self.errors(shell, "def f(events):\n    return events")
        assert "it defines the function f, and no projection" in found

    def test_class_with_a_key(self, shell):
        """The key of a class is that of its tables."""
        found = self.errors(shell, BASKETS, "history --key basket")
        assert "Cannot replay Baskets with --key" in found

    def test_syntax_error(self, shell):
        """The line is shown, as in any cell."""
        shown = shell.run("%%trial history\nx = 1\nclass Baskets(:\n    pass")
        assert "class Baskets(:" in shown.errors
        assert "SyntaxError: invalid syntax" in shown.errors
        assert "line 3" in shown.errors
        assert "magic.py" not in shown.errors
        assert type(shown.error).__name__ == "SyntaxError"

    def test_error_of_the_cell_itself(self, shell):
        """The cell's own line is shown."""
        found = self.errors(shell, "\nmissing + 1")
        assert "NameError: name 'missing' is not defined" in found
        assert "missing + 1" in found

    def test_handler_that_raises(self, shell):
        """The handler's own frames, then which event it was."""
        found = self.errors(shell, BASKETS.replace('event.data["items"])', 'event.data["price"])'))
        assert "def was_set(self, event):" in found
        assert "KeyError: 'price'" in found
        assert "HandlerError: Cannot replay the event at position 1" in found
        assert "trial" not in shell.shell.user_ns

    def test_column_that_is_not_declared(self, shell):
        """The handler's line, and the message of the workbench."""
        found = self.errors(shell, BASKETS.replace("(event.stream, items=", "(event.stream, item="))
        assert "self.baskets.set(event.stream, item=" in found
        assert "Cannot set the column 'item' of 'baskets'" in found

    def test_projection_without_tables(self, shell):
        """A projection that cannot be run is one line."""
        found = self.errors(shell, "class Nothing(Projection):\n    pass")
        assert "ProjectionError: Cannot replay into Nothing: it declares no table." in found

    def test_error_leaves_the_last_run(self, shell):
        """After an error, the next run is held against the last that ended well."""
        shell.trial(BASKETS)
        first = shell["trial"]
        self.errors(shell, BASKETS.replace('row["items"]', 'row["price"]'))
        assert shell["trial"] is first
        assert "replayed 2 of 20 streams: added changed." in shell.trial(TWICE).text
        is_full(shell)

    def test_errors_are_collected(self, shell):
        """--on-error collect lists failures, and says how many there were."""
        bad = BASKETS.replace('row["items"]', 'row["price"]')
        line = "history --on-error collect --no-progress"
        assert "Failures" not in shell.trial(BASKETS, line).text
        shown = shell.trial(bad, line)
        assert "Failures: 2." in shown.text
        assert "failures: 2, and were 0" in shown.text
        assert "KeyError: 'price'" in shown.html or "KeyError: &#x27;price&#x27;" in shown.html
        is_full(shell)

    def test_other_policy_replays_everything(self, shell):
        """What failed depends on the policy."""
        shell.trial(BASKETS)
        shown = shell.trial(BASKETS, "history --on-error collect")
        assert "errors were met with 'stop' in the last run" in shown.text


class TestHostileText:
    """What is stored is text that nobody trusts."""

    def test_html_is_escaped(self, shell, tmp_path):
        """Keys, values and messages are shown as what they are."""
        rows = [
            Row(1, HOSTILE, 1, SET, state_of(text=HOSTILE)),
            Row(2, "x", 1, SET, state_of(text=HOSTILE * 2)),
        ]
        shell.shell.user_ns["history"] = open_history(write_native(tmp_path / "h.db", rows))
        cell = """
            class Texts(Projection):
                texts = table(key={"k": pl.String}, values={"text": pl.String})

                @handles("Basket.Set")
                def was_set(self, event):
                    if event.stream == "x":
                        raise ValueError(event.data["text"])
                    self.texts.set(event.stream, text=event.data["text"])
        """
        first = shell.trial(cell, "history --on-error collect")
        second = shell.trial(
            cell.replace('text=event.data["text"]', 'text=2 * event.data["text"]'),
            "history --on-error collect",
        )
        for shown in (first, second):
            assert "<script" not in shown.html
            assert "<b>" not in shown.html
        assert "&lt;script&gt;" in second.html
        assert HOSTILE[:8] in second.text


def test_sample_history(shell):
    """On the sample history, an edit of a rare handler replays few streams."""
    shell.shell.user_ns["history"] = open_history(shop_path())
    cell = """
        class Payments(Projection):
            payments = table(key={"payment": pl.String}, values={"state": pl.String})

            @handles("Payment.Charged")
            def charged(self, event):
                self.payments.set(event.stream, state="charged")

            @handles("Payment.Refunded")
            def refunded(self, event):
                self.payments.set(event.stream, state="refunded")
    """
    shell.trial(cell, "history --on-error collect")
    before = shell["trial"].table()
    shown = shell.trial(cell.replace('"refunded"', '"given back"'), "history --on-error collect")
    assert re.search(r"replayed [\d,]+ of [\d,]+ streams: refunded changed", shown.text)
    is_full(shell)
    assert_frame_equal(
        before.with_columns(pl.col("state").replace("refunded", "given back")),
        shell["trial"].table(),
    )


def test_interrupted_run_is_kept(shell):
    """The stop button leaves what there is, and the next run begins anew."""
    shown = shell.trial(
        BASKETS.replace("        row =", "        raise KeyboardInterrupt\n        row =")
    )
    assert "Interrupted at position 20: the trial's resume() completes it." in shown.text
    assert not shell["trial"].is_complete
    assert "replayed everything: the last run was interrupted." in shell.trial(BASKETS).text
    is_full(shell)


def test_cell_of_the_readme_runs(shell):
    """The cell of the README, and all of its options."""
    shell.shell.user_ns["history"] = open_history(shop_path())
    (cell,) = re.findall(r"^```\n(%%trial.*?)^```", README, re.DOTALL | re.MULTILINE)
    shown = shell.run(cell)
    assert shown.error is None
    assert "Table payments" in shown.text
    options = set(re.findall(r"^\| `(--[a-z-]+)", README, re.MULTILINE))
    parser = shell.shell.magics_manager.magics["cell"]["trial"].parser
    assert options == {a.option_strings[0] for a in parser._actions if a.option_strings}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_notebook(tmp_path, monkeypatch):
    """In a kernel: tables as HTML, an edit, and an error that ends the notebook."""
    path = write_native(tmp_path / "b.db", baskets())
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    begin = (
        "%load_ext workbench\nimport polars as pl\n"
        "from workbench import Projection, handles, open_history, table\n"
        f"history = open_history({str(path)!r})"
    )
    wrong = BASKETS.replace('row["items"]', 'row["price"]')
    cells = [begin, *(f"%%trial history\n{text}" for text in (BASKETS, TWICE, wrong))]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    with pytest.raises(CellExecutionError, match="HandlerError"):
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    first, second, third = (cell.outputs for cell in notebook.cells[1:])
    # The last output of a cell: a run that takes over a second shows its progress before.
    assert "Table baskets: 20 rows." in first[-1].data["text/html"]
    assert "replayed 2 of 20 streams: added changed." in second[-1].data["text/html"]
    told = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(third[-1].traceback))
    assert "KeyError: 'price'" in told
    assert "magic.py" not in told


def test_extension_may_be_loaded_twice(shell):
    """Loading it again is no error."""
    assert shell.run("%reload_ext workbench").error is None
    shell.trial(BASKETS)
