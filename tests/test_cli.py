from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import polars as pl
import pytest
from click.testing import CliRunner
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from stores import PLACED, Row, simple_rows, state_of, write_native

from workbench import Progress, open_history, passwords, progress
from workbench.cli import main
from workbench.cli.app import HINTS
from workbench.cli.options import LEVELS
from workbench.cli.printing import Column, fitting, indented, shared, visible
from workbench.export import FORMATS
from workbench.quality import SEVERITIES
from workbench.samples import facts, shop_path
from workbench.tables import EVENTS, PROBLEMS, RATE, STREAMS, TYPES

FIXTURES = Path(__file__).parent / "fixtures"
HOSTILE = "[bold]x[/bold]\x1b[31m\u202e\n\x9b2J"


def run(*arguments, env=None, stdin=None):
    """Run a command in this process."""
    given = [str(a) for a in arguments]
    return CliRunner().invoke(main, given, env=env, input=stdin, prog_name="workbench")


def answer(*arguments, code=0):
    """Run a command with --json and return its result."""
    found = run(*arguments, "--json")
    assert (found.exit_code, found.stderr) == (code, "")
    return json.loads(found.stdout, parse_constant=pytest.fail)["result"]


def real(*arguments, **options):
    """Run a command as a process of its own."""
    command = [sys.executable, "-m", "workbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def fingerprint(folder):
    """Return the names, bytes and times of all files in a folder."""
    return {
        p: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


@pytest.fixture
def hostile(tmp_path):
    """Return a store whose texts try to steer a terminal."""
    state = state_of("2025-03-01T00:00:00+00:00", a=HOSTILE)
    row = Row(1, f"s{HOSTILE}", 1, f"m:T{HOSTILE}", state)
    return write_native(tmp_path / "hostile.db", [row])


@pytest.fixture
def flawed(tmp_path):
    """Return a store with an error, and problems of less severity."""
    rows = [*simple_rows(9), Row(20, "broken", 1, PLACED, b"\xff\xfe")]
    return write_native(tmp_path / "flawed.db", rows)


@pytest.fixture
def pages(monkeypatch):
    """Stand in for the pages: note what is served, and return at once."""
    noted = SimpleNamespace(calls=[])

    def serve(histories, *, projections, classes, port, show, on_ready, access=None, **_options):
        noted.calls.append((list(histories), port, show))
        noted.projections = list(projections or ())
        noted.access = access
        on_ready(f"http://127.0.0.1:{port}/")

    def serve_folder(folder, *, port, show, prefix, on_ready):
        noted.calls.append((folder, port, show, prefix))
        on_ready(f"http://127.0.0.1:{port}/")

    stand_in = SimpleNamespace(serve=serve, serve_folder=serve_folder)
    monkeypatch.setitem(sys.modules, "workbench.dashboards", stand_in)
    return noted


# The help


@pytest.mark.parametrize("name", main.commands)
def test_command_has_help(name):
    """Every command says in a sentence what it does, and has examples to type."""
    found = run(name, "--help").stdout
    assert len(main.commands[name].get_short_help_str(limit=64).rstrip(".")) > 20
    assert f"  workbench {name} " in found or f"  workbench {name}\n" in found


@pytest.mark.parametrize("name", main.commands)
def test_option_has_help(name):
    """Every option of every command says what it does."""
    options = [p for p in main.commands[name].params if isinstance(p, click.Option)]
    assert [o.name for o in options if not o.help] == []


@pytest.mark.parametrize("name", main.commands)
def test_short_help_fits(name):
    """The list of commands cuts no sentence off."""
    assert not main.commands[name].get_short_help_str(limit=64).endswith("...")


@pytest.mark.parametrize("name", main.commands)
def test_no_option_takes_a_key(name):
    """No key of a cipher can be typed where a list of processes shows it."""
    taken = [p.name for p in main.commands[name].params if "key" in p.name]
    assert taken == (
        {"compare": ["key"], "serve": ["keys", "tls_key"]}.get(name, [])
    )  # the columns that tell rows apart; the name of a file


def test_help_says_where_the_key_is_read():
    """The help names the environment variable of the key."""
    assert "CIPHER_KEY" in run("open", "--help").stdout


def test_version_is_printed():
    """`--version` prints the version alone."""
    assert run("--version").stdout.startswith("workbench 0")


def test_no_command_prints_the_help():
    """Without a command, the help goes to standard error, and the code is 2."""
    found = run()
    assert (found.exit_code, found.stdout) == (2, "")
    assert "Usage: workbench" in found.stderr


def test_start_imports_no_pages():
    """Nothing of the pages, and no rich display, is imported before a command runs."""
    code = "import sys, workbench.cli; print({'panel', 'plotly', 'rich.console'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_levels_are_the_severities():
    """`--check-level` knows exactly the severities that problems have."""
    assert LEVELS == SEVERITIES


# The envelope


def invocations(store, folder):
    """Return arguments for every command."""
    return {
        "open": [store],
        "types": [store],
        "streams": [store],
        "stream": [store, "stream-1"],
        "event": [store, 5],
        "problems": [store],
        "rate": [store],
        "schemas": [store],
        "export": [store, folder / "out.csv"],
        "copy": [store, folder / "out.delta"],
        "tail": [store, "--last", 1, "--no-follow"],
        "compare": [
            *(store, "--base", "counting:per_type", "--with", "counting:per_type"),
            *("--key", "type", "--accepted", folder / "accepted.toml"),
        ],
        "upcast": [store, "--classes", "shop", "--classes", "counting"],
        "serve": [store, "--no-open"],
        "start": [store.parent, "--no-open"],
        "password": [folder / "users", "ann"],
        "demo": [],
    }


@pytest.fixture
def module(tmp_path_factory):
    """Write a module with a projection, `counting:per_type`, and return its folder."""
    folder = tmp_path_factory.mktemp("module")
    (folder / "shop.py").write_text(
        "from eventsourcing.domain import DomainEvent\n\n\n"
        "class Text(DomainEvent):\n    originator_id: str\n\n\n"
        "class Order:\n    class Placed(Text):\n        n: int\n\n"
        "    class Shipped(Text):\n        n: int\n"
    )
    (folder / "counting.py").write_text(
        'import polars as pl\n\n\ndef per_type(events):\n    return events.group_by("type").len()\n'
    )
    return folder


@pytest.mark.parametrize("name", main.commands)
def test_every_command_answers_in_the_envelope(name, store, tmp_path, pages, module, monkeypatch):
    """With --json, standard output is one line: the envelope."""
    monkeypatch.chdir(module)
    arguments = invocations(store, tmp_path)[name]
    found = run(name, *arguments, "--json", stdin="correct horse\n")
    said = json.loads(found.stdout, parse_constant=pytest.fail)
    target = {"serve": [str(store)], "start": None, "demo": None, "password": None}.get(
        name, str(store)
    )
    assert list(said) == ["workbench", "command", "target", "ok", "result", "error"]
    assert (said["command"], said["target"], said["ok"]) == (name, target, True)
    assert (found.exit_code, found.stderr, found.stdout.count("\n")) == (0, "", 1)


@pytest.mark.parametrize("name", sorted({*main.commands} - {"demo", "serve", "start"}))
def test_store_stays_as_it_was(name, store, tmp_path_factory, module, monkeypatch):
    """No command changes the store, nor anything beside it."""
    monkeypatch.chdir(module)
    before = fingerprint(store.parent)
    run(name, *invocations(store, tmp_path_factory.mktemp("out"))[name])
    assert fingerprint(store.parent) == before


@pytest.mark.parametrize(
    ("name", "arguments", "table"),
    [
        ("types", [], TYPES),
        ("streams", [], STREAMS),
        ("stream", ["stream-1"], EVENTS),
        ("problems", [], PROBLEMS),
        ("rate", [], RATE),
    ],
)
def test_rows_have_the_columns_of_the_spec(name, arguments, table, flawed):
    """A table in the envelope has the columns that its spec names."""
    assert list(answer(name, flawed, *arguments)["rows"][0]) == list(table.names)


def test_rows_are_what_the_library_returns(store):
    """The rows are those of the function that the command calls, with times as text."""
    found = pl.DataFrame(answer("types", store)["rows"], schema_overrides={"count": pl.Int64})
    assert found["count"].to_list() == open_history(store).types()["count"].to_list()
    assert found["first_time"][0] == "2025-03-01T00:00:00+00:00"


def test_event_has_its_stored_bytes(flawed):
    """The answer of `event` holds the stored bytes, in base64, and the reason."""
    found = answer("event", flawed, 20)
    assert (found["state"], found["data"]) == ("//4=", None)
    assert "not UTF-8" in found["problem"]


def test_json_is_ascii(hostile):
    """The envelope is plain ASCII, so that it is safe on a terminal."""
    found = run("stream", hostile, f"s{HOSTILE}", "--json").stdout
    assert found.isascii()
    assert "\x1b" not in found


def test_error_comes_in_the_envelope(tmp_path):
    """With --json an error is an envelope on standard output too."""
    found = run("types", tmp_path / "none.db", "--json")
    said = json.loads(found.stdout)
    assert (found.exit_code, said["ok"], said["result"]) == (2, False, None)
    assert (said["command"], said["error"]["kind"]) == ("types", "StoreNotFoundError")
    assert said["error"]["message"] == found.stderr.removeprefix("workbench: ").rstrip("\n")


def test_usage_error_comes_in_the_envelope():
    """A usage that is wrong is an envelope as well."""
    said = json.loads(run("types", "--json").stdout)
    assert (said["command"], said["error"]["kind"]) == ("types", "UsageError")


# What is printed


def test_open_says_what_the_library_wrote(tmp_path):
    """A store that an eventsourcing application has just written is summed up."""

    class Dog(Aggregate):
        @event("Named")
        def __init__(self, name):
            self.name = name

        @event("Renamed")
        def rename(self, name):
            self.name = name

    path = tmp_path / "dogs.db"
    env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    app: Application[Any] = Application(env)
    dog = Dog("Fido")
    dog.rename("Rex")
    app.save(dog, Dog("Bello"))
    app.close()
    found = answer("open", path)
    assert (found["events"], found["streams"], found["types"]) == (3, 2, 2)
    assert (found["first_position"], found["last_position"]) == (1, 3)
    assert found["kind"] == "eventsourcing 9, SQLite"


def test_open_counts_problems_by_kind(flawed):
    """`open` has each kind of problem with its severity and count."""
    kinds = {p["kind"]: (p["severity"], p["count"]) for p in answer("open", flawed)["problems"]}
    assert kinds["undecodable"] == ("error", 1)
    assert kinds["position_hole"] == ("info", 1)


def test_open_says_that_there_are_more_problems_than_it_counts(tmp_path):
    """Where a kind has more problems than are listed, its count says so."""
    rows = [Row(i, "s", i, "m:T", b"\xff") for i in range(1, 1502)]
    path = write_native(tmp_path / "bad.db", rows)
    kind = next(p for p in answer("open", path)["problems"] if p["kind"] == "undecodable")
    assert (kind["count"], kind["is_capped"]) == (1_000, True)
    assert "over 1,000" in run("open", path).stdout


def test_open_lists_receivers(tmp_path):
    """`open` says who follows the store, and how far behind each is."""
    path = write_native(tmp_path / "f.db", simple_rows(9), tracking=[("Reports", 4)])
    (receiver,) = answer("open", path)["receivers"]
    assert (receiver["follows"], receiver["position"]) == ("Reports", 4)
    assert run("open", path).stdout.splitlines()[-1].split()[-2:] == ["4", "5"]


def test_empty_store_is_told(tmp_path):
    """A store without events is no error."""
    path = write_native(tmp_path / "empty.db", [])
    assert answer("open", path)["first_position"] is None
    assert "positions    none" in run("open", path).stdout
    assert run("types", path).stdout == "There are no types.\n"


def test_stream_shows_payloads_in_full(store):
    """Where standard output is no terminal, nothing is cut off."""
    found = run("stream", store, "stream-1").stdout
    data = open_history(store).of_streams("stream-1").scan().collect()["data"].to_list()
    assert [text for text in data if text not in found] == []


def test_stream_gives_the_reason_for_a_missing_payload(flawed):
    """Instead of a payload that cannot be decoded stands why."""
    assert "(not UTF-8" in run("stream", flawed, "broken").stdout


def test_event_prints_its_payload_over_lines(store):
    """The payload is indented, with its numbers as they are stored."""
    assert '\n  "n": 4,\n' in run("event", store, 5).stdout


def test_event_prints_the_bytes_of_what_cannot_be_decoded(flawed):
    """Where there is no payload, the first stored bytes stand."""
    assert run("event", flawed, 20).stdout.endswith("\nff fe\n")


def test_problems_print_their_meaning_once(flawed):
    """Below the list each kind is explained."""
    assert run("problems", flawed).stdout.count("\nundecodable: The payload cannot be read") == 1


def test_numbers_stand_to_the_right():
    """Numbers have thousands separators and end in the same column."""
    heading, first, *_, last = run("types", shop_path(), "--limit", 0).stdout.splitlines()
    end = heading.index("events") + len("events")
    assert (first[:end].split()[-1], last[:end].split()[-1]) == ("8,981", "11")


def test_ambiguous_short_names_are_printed_in_full(tmp_path):
    """Two types of one short name are told apart."""
    rows = [Row(1, "a", 1, "old:T", b"{}"), Row(2, "b", 1, "new:T", b"{}")]
    found = run("types", write_native(tmp_path / "two.db", rows)).stdout
    assert "old:T " in found
    assert "new:T " in found


def test_limit_says_how_many_more(store):
    """With a limit, the last line says how many rows there are besides."""
    lines = run("streams", store, "--limit", 2).stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "1 more streams of 3: --limit 0 lists all."


@pytest.mark.parametrize(("limit", "rows"), [(0, 30), (7, 7), (99, 30)])
def test_limit_holds_for_json(store, limit, rows):
    """The envelope has as many rows as asked for, and how many there are."""
    found = answer("rate", store, "--every", "1m", "--limit", limit)
    assert (len(found["rows"]), found["total"]) == (rows, 30)


@pytest.mark.parametrize(
    ("options", "narrow"),
    [
        (["--after", 5, "--upto", 9], lambda h: h.between(after=5, upto=9)),
        (["--since", "2025-03-01T00:10"], lambda h: h.since("2025-03-01T00:10")),
        (["--until", "2025-03-01T00:10Z"], lambda h: h.until("2025-03-01T00:10")),
        (["--type", "Order.Placed"], lambda h: h.of_types("Order.Placed")),
        (["--type", "Order.Placed", "--type", "Order.Shipped"], lambda h: h),
        (["--stream", "stream-1"], lambda h: h.of_streams("stream-1")),
    ],
)
def test_narrowing_is_that_of_the_library(store, small, options, narrow):
    """Each option selects what the history's method of that name selects."""
    assert answer("open", store, *options)["events"] == len(narrow(small))


@pytest.mark.parametrize("name", ["open", "types", "streams", "problems", "rate", "export"])
def test_reading_commands_can_be_narrowed(name):
    """Every command that reads the events has all narrowing options."""
    options = {o for p in main.commands[name].params for o in p.opts}
    assert {"--after", "--upto", "--since", "--until", "--type", "--stream"} <= options


def test_application_is_chosen():
    """Of several applications in one file, --application picks one."""
    found = answer("open", FIXTURES / "django.db", "--application", "Parcels")
    assert found["application"] == "Parcels"


def test_url_is_a_target(store):
    """A target may be a URL."""
    assert answer("open", f"sqlite:///{store}")["events"] == 30


@pytest.mark.parametrize("ending", FORMATS)
def test_export_writes_every_format(store, tmp_path, ending):
    """`export` writes each format, and says how many events."""
    out = tmp_path / f"out{ending}"
    found = answer("export", store, out)
    assert (found["events"], found["size_bytes"]) == (30, out.stat().st_size)


def test_export_replaces_only_where_asked(store, tmp_path):
    """A file that is there is replaced with --overwrite alone."""
    out = tmp_path / "out.csv"
    out.write_text("mine")
    assert run("export", store, out).exit_code == 2
    assert out.read_text() == "mine"
    assert run("export", store, out, "--overwrite").exit_code == 0


# Files, archives and logs


@pytest.fixture
def orders(tmp_path):
    """Return a CSV file with columns of its own."""
    path = tmp_path / "orders.csv"
    path.write_text("id,of,kind,note\n1,a,Placed,x\n2,a,Paid,\n")
    return path


def test_columns_of_a_file_are_mapped(orders):
    """`--column` says which column is which, and `data=...` makes the payload of the rest."""
    columns = [f"--column={c}" for c in ("position=id", "stream=of", "type=kind", "data=...")]
    rows = answer("stream", orders, "a", *columns)["rows"]
    assert [(row["type"], row["data"]) for row in rows] == [
        ("Placed", '{"note":"x"}'),
        ("Paid", '{"note":null}'),
    ]


def test_column_needs_both_names(orders):
    """What is not NAME=COLUMN is a usage that is wrong."""
    found = run("types", orders, "--column", "kind")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "NAME=COLUMN" in found.stderr


def test_objects_of_a_log_are_chosen(store, tmp_path):
    """`--object-type` says which objects of an object-centric log are the streams."""
    run("export", store, tmp_path / "log.ocel.json")
    chosen = answer("streams", tmp_path / "log.ocel.json", "--object-type", "Order")
    assert len(chosen["rows"]) == 3
    assert run("streams", store, "--object-type", "Order").exit_code == 2


def test_copy_says_what_it_copied(store, tmp_path):
    """`copy` copies what is new, checks it where asked, and the archive is a target."""
    out = tmp_path / "out.delta"
    assert "Copied 30 new events" in run("copy", store, out).stdout
    again = answer("copy", store, out, "--verify")
    assert (again["events"], again["position"], again["verified"]) == (0, 30, True)
    assert answer("open", out)["events"] == 30


# Text that would steer a terminal


@pytest.mark.parametrize("name", ["open", "types", "streams", "problems", "rate"])
def test_stored_text_steers_no_terminal(name, hostile):
    """Control characters of stored text are printed as escapes, markup as it is."""
    found = run(name, hostile).stdout
    assert [c for c in ("\x1b", "\u202e", "\x9b") if c in found] == []
    assert "[bold]x[/bold]\\x1b" in found


def test_payload_steers_no_terminal(hostile):
    """The same holds for payloads."""
    found = run("event", hostile, 1).stdout + run("stream", hostile, f"s{HOSTILE}").stdout
    assert [c for c in ("\x1b", "\u202e", "\x9b") if c in found] == []


def test_target_steers_no_terminal():
    """The same holds for what the user named, in an error."""
    assert "\x1b" not in run("open", "a\x1b[31mb.db").stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\x00", "a\\tb\\x00"),
        ("Zoë 🦆 משה", "Zoë 🦆 משה"),
        ("a\u2028b\ufeff", "a\\u2028b\\ufeff"),
    ],
)
def test_visible_text_keeps_what_is_harmless(text, shown):
    """Only characters that steer or hide become escapes."""
    assert visible(text) == shown


@pytest.mark.parametrize("text", ['{"a":{},"b":[1.10,"x,]\\"{",null]}', "[]", '"x"', "NaN", "{}"])
def test_indented_json_is_the_same_json(text):
    """Indenting adds white space between the parts, and changes none of them."""
    assert repr(json.loads(indented(text))) == repr(json.loads(text))


# A terminal


def on_terminal(*arguments, columns):
    """Run a command on a terminal of so many columns, and return what it shows."""
    import pty

    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "LINES": "20", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "workbench", *map(str, arguments)]
    shown = b""
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(theirs)
        while chunk := _chunk(ours):
            shown += chunk
        process.wait()
    os.close(ours)
    return click.unstyle(shown.decode()).replace("\r\n", "\n").splitlines()


def _chunk(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the other end is closed
        return b""


@pytest.mark.parametrize("name", ["streams", "problems"])
def test_terminal_is_not_overrun(name):
    """On a terminal every line fits, and a long table is a screenful."""
    shown = on_terminal(name, shop_path(), columns=80)
    assert max(map(len, shown)) <= 80
    assert len(shown) < 60


def test_terminal_shows_hostile_text_as_text(hostile):
    """On a terminal too, stored text is neither markup nor a command to it."""
    shown = "\n".join(on_terminal("streams", hostile, columns=100))
    assert "s[bold]x[/bold]\\x1b[31m" in shown
    assert "\x1b" not in shown


def test_columns_that_do_not_fit_are_left_out_from_the_right():
    """What is needed stays, and of the rest the first."""
    first, second = Column("a", ["1" * 10], is_needed=True), Column("b", ["2" * 10])
    third = Column("c", ["3" * 10], is_needed=True)
    fourth = Column("d", ["4" * 10])
    assert fitting([first, second, third, fourth], 34) == [first, second, third]
    assert fitting([first, second, third, fourth], 5) == [first, third]


def test_text_takes_what_is_left():
    """Long texts share the width that other columns leave."""
    name, text = Column("n", ["x" * 10]), Column("t", ["y" * 500], "text")
    assert shared([name, text, text], 74) == [10, 30, 30]


class Terminal:
    """A standard error that says it is a terminal."""

    encoding = "utf-8"

    def __init__(self, *, is_terminal):
        self.text, self.is_terminal = "", is_terminal

    def write(self, text):
        """Keep the text."""
        self.text += text
        return len(text)

    def flush(self):
        """Nothing is held back."""

    def isatty(self):
        """Return what was asked for."""
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "patience_s", "is_shown"),
    [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)],
)
def test_progress_is_shown_on_a_terminal_after_a_while(
    monkeypatch, small, is_terminal, patience_s, is_shown
):
    """The bar needs a terminal, and something that takes long enough."""
    terminal = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE_S", patience_s)
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress.Bar() as bar:
        watched = bar.watch(small, "counting")
        if is_shown:
            bar._timer.join(5)
        bar.report(Progress(500_000, 1_000_000, 0.5))
    assert ("counting" in terminal.text) is is_shown
    assert ("1,000,000 positions/s" in terminal.text) is is_shown
    assert (watched.on_progress is not None) is is_terminal


# Exit codes


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--check"], 1),
        (["--check-level", "error"], 1),
        (["--check-level", "info"], 1),
        (["--check", "--upto", 9], 0),
    ],
)
@pytest.mark.parametrize("name", ["open", "problems"])
def test_check_fails_on_problems(flawed, name, options, code):
    """With --check, and only then, problems make the exit code 1."""
    assert run(name, flawed, *options).exit_code == code


@pytest.mark.parametrize(("options", "code"), [(["--check"], 0), (["--check-level", "info"], 1)])
def test_check_level_counts_what_is_as_severe(tmp_path, options, code):
    """A hole is information: it fails only a check that asks for information."""
    path = write_native(tmp_path / "hole.db", simple_rows(4, step=2))
    assert run("problems", path, *options).exit_code == code


def test_check_is_in_the_envelope(flawed):
    """The answer says which level was checked, and whether it passed."""
    found = answer("problems", flawed, "--check", code=1)
    assert found["check"] == {"level": "warning", "passed": False}
    assert answer("problems", flawed)["check"] is None


def test_interrupt_is_quiet(store, monkeypatch):
    """Ctrl-C ends with 130 and no word."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.open_history", interrupted)
    found = run("types", store)
    assert (found.exit_code, found.output.strip()) == (130, "")


def test_bug_is_no_found_problem(store, monkeypatch):
    """An error that is not the project's own has a traceback, and a code of its own."""

    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("workbench.open_history", broken)
    found = run("types", store)
    assert found.exit_code == 70
    assert "ZeroDivisionError" in found.stderr


def test_closed_pipe_is_quiet():
    """A reader that has seen enough ends the command without a traceback."""
    command = [sys.executable, "-m", "workbench", "streams", str(shop_path())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_disk_is_one_line(store):
    """Standard output that cannot be written to is an error of one line."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "workbench", "types", str(store)]
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith("workbench: Cannot write the answer: ")


# Bad input


def encrypted(path):
    """Write an encrypted store, and return the path."""
    from eventsourcing.cryptography import AESCipher

    env = {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(path),
        "CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher",
        "CIPHER_KEY": AESCipher.create_key(32),
    }
    app: Application[Any] = Application(env)
    app.save(Aggregate())
    app.close()
    return path, env["CIPHER_KEY"]


def bad_files(folder):
    """Make every kind of file that is no store, by name."""
    (folder / "folder.db").mkdir()
    (folder / "empty.db").touch()
    (folder / "text.db").write_text("this is no database " * 10)
    whole = write_native(folder / "whole.db", simple_rows(3000)).read_bytes()
    (folder / "truncated.db").write_bytes(whole[: len(whole) // 2])
    with closing(sqlite3.connect(folder / "other.db")) as db, db:
        db.execute("CREATE TABLE t (a INTEGER)")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("none.db", "there is no such file"),
        ("folder.db", "is a directory"),
        ("empty.db", "is empty"),
        ("text.db", "not a SQLite file"),
        ("truncated.db", "is truncated"),
        ("other.db", ""),
    ],
)
def test_file_that_is_no_store_is_refused_in_one_line(tmp_path, target, said):
    """Whatever is no store ends in one line and 2, and nothing on disk is changed."""
    bad_files(tmp_path)
    before = fingerprint(tmp_path)
    found = run("open", tmp_path / target)
    assert_refused(found)
    assert said in found.stderr
    assert fingerprint(tmp_path) == before


def assert_refused(found):
    """Assert that a command ended with 2 and one line on standard error."""
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("workbench: ")
    assert found.stderr.count("\n") == 1
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["types", "redis://localhost/0"],
        ["types", ""],
        ["types", "STORE", "--type", "Order.Shiped"],
        ["types", "STORE", "--stream", "none"],
        ["types", "STORE", "--after", "9", "--upto", "3"],
        ["types", "STORE", "--since", "2025-03-02", "--until", "2025-03-01"],
        ["types", "STORE", "--since", "yesterday"],
        ["types", "STORE", "--after", "x"],
        ["types", "STORE", "--limit", "-1"],
        ["types", "STORE", "--compressor", "no.such:thing"],
        ["types", "STORE", "STORE"],
        ["types", "STORE", "--none"],
        ["types"],
        ["stream", "STORE", "none"],
        ["event", "STORE", "99"],
        ["event", "STORE", "x"],
        ["rate", "STORE", "--every", "often"],
        ["rate", "STORE", "--by", "colour"],
        ["export", "STORE", "out.xlsx"],
        ["export", "STORE", "nowhere/out.csv"],
        ["problems", "STORE", "--check-level", "fatal"],
        ["serve"],
        ["serve", "none.db"],
        ["serve", "STORE", "--port", "70000"],
        ["serve", "STORE", "--host", "0.0.0.0"],
        ["serve", "STORE", "--auth-file", "none"],
        ["serve", "STORE", "--oauth-provider", "github"],
        ["serve", "STORE", "--oauth-user", "ann"],
        ["serve", "STORE", "--auth-file", "a", "--oauth-provider", "github"],
        ["serve", "STORE", "--allow-origin", "*"],
        ["serve", "STORE", "--tls-cert", "none.pem"],
        ["password", "users", "ann"],
        ["password", "STORE", "ann"],
        ["opne", "STORE"],
    ],
    ids=" ".join,
)
def test_bad_use_is_refused_in_one_line(arguments, store, monkeypatch):
    """What cannot be done ends in one line and 2, and nothing on disk is changed."""
    monkeypatch.chdir(store.parent)
    before = fingerprint(store.parent)
    assert_refused(run(*(str(store) if a == "STORE" else a for a in arguments)))
    assert fingerprint(store.parent) == before


def test_ambiguous_type_is_refused(tmp_path):
    """A short name of two types is refused, and both are listed."""
    rows = [Row(1, "a", 1, "old:T", b"{}"), Row(2, "b", 1, "new:T", b"{}")]
    found = run("types", write_native(tmp_path / "two.db", rows), "--type", "T")
    assert_refused(found)
    assert "new:T, old:T" in found.stderr


@pytest.mark.parametrize("options", [[], ["--application", "Ships"]])
def test_application_is_not_guessed(options):
    """Of several applications none is guessed; the line says how to name one here."""
    found = run("types", FIXTURES / "django.db", *options)
    assert_refused(found)
    assert "--application NAME" in found.stderr


def test_locked_store_is_refused(store):
    """A store that another process holds locked is refused."""
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        found = run("types", store)
    assert_refused(found)
    assert "locked" in found.stderr


def test_wrong_key_is_refused(tmp_path):
    """A key that does not fit is refused; it is not shown, and its place is said."""
    path, _ = encrypted(tmp_path / "secret.db")
    wrong = "A" * 43 + "="
    found = run("types", path, env={"CIPHER_KEY": wrong})
    assert_refused(found)
    assert found.stderr.endswith("the environment variable CIPHER_KEY.\n")
    assert wrong not in found.stderr


def test_key_comes_from_the_environment(tmp_path, monkeypatch):
    """With the right key in the environment, an encrypted store is read."""
    path, key = encrypted(tmp_path / "secret.db")
    monkeypatch.setenv("CIPHER_KEY", key)
    monkeypatch.setenv("CIPHER_TOPIC", "eventsourcing.cryptography:AESCipher")
    assert answer("open", path)["undecodable"] == 0


def test_hints_are_about_the_projects_errors():
    """Each hint names an option or variable that the help knows."""
    text = run("open", "--help").stdout
    assert all(hint.split()[-1].rstrip(".") in text or "NAME" in hint for hint in HINTS.values())


def test_errors_are_one_line_in_a_real_process(tmp_path):
    """Also outside of the tests' own runner."""
    found = real("open", tmp_path / "none.db")
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (2, "", 1)


# Serving


def test_serve_is_given_every_history(store, flawed, pages):
    """`serve` hands on all histories by name, and prints the address."""
    found = run("serve", store, flawed, "--port", 1234, "--no-open")
    assert pages.calls == [(["store.db", "flawed.db"], 1234, False)]
    assert "http://127.0.0.1:1234/" in found.stdout


def test_histories_of_one_name_are_told_apart(store, pages, tmp_path):
    """Two files of the same name are served under their paths."""
    (tmp_path / "b").mkdir()
    other = write_native(tmp_path / "b" / "store.db", simple_rows(3))
    run("serve", store, other)
    assert pages.calls == [([str(store), str(other)], 5006, True)]


def test_serve_refuses_strangers_before_anything_is_read(tmp_path):
    """An address that others reach needs a login; the store is not even looked for."""
    found = run("serve", tmp_path / "none.db", "--host", "0.0.0.0")
    assert_refused(found)
    assert "without a login" in found.stderr


def test_serve_says_who_may_see_the_pages(store, pages, tmp_path):
    """The options say where the pages are served and who logs in; plain text is warned of."""
    run("password", tmp_path / "users", "ann", stdin="correct horse\n")
    found = run("serve", store, "--host", "0.0.0.0", "--auth-file", tmp_path / "users")
    assert (pages.access.host, pages.access.login.path) == ("0.0.0.0", tmp_path / "users")
    assert "unencrypted" in found.stderr
    found = run("serve", store, "--allow-origin", "https://a.example")
    assert (pages.access.origins, found.stderr) == (("https://a.example",), "")


def test_password_is_read_and_not_shown(tmp_path):
    """The password is the first line of standard input, and is in no output and no file."""
    path = tmp_path / "users"
    found = run("password", path, "ann", stdin="correct horse\nmore\n")
    assert found.stdout == f"ann can log in with --auth-file {path}\n"
    assert "correct" not in found.stdout + found.stderr + path.read_text()
    assert passwords.read(path)["ann"].fits("correct horse")


@pytest.mark.slow
def test_page_is_served_until_it_is_interrupted(store):
    """The real page answers at the address that was printed, and Ctrl-C ends it."""
    command = [sys.executable, "-m", "workbench", "serve", str(store), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        address = next((line for line in it.stdout if line.startswith("http")), None)
        assert address, it.stderr.read()
        with urllib.request.urlopen(address.strip()) as response:
            assert response.status == 200
        it.send_signal(signal.SIGINT)
        assert (it.wait(20), it.stderr.read().strip()) == (0, "")


@pytest.mark.slow
def test_taken_port_is_refused(store):
    """A port on which something listens is an error of one line."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = real("serve", store, "--port", taken.getsockname()[1], "--no-open")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("workbench: Cannot serve on port")


# The demo


@pytest.fixture(scope="module")
def told():
    """Return what the demo says as data."""
    return answer("demo")


@pytest.fixture(scope="module")
def true():
    """Return what is true of the sample, found without the workbench."""
    return facts.measure(shop_path())


def test_demo_counts_what_is_there(told, true):
    """The demo's counts are those of plain SQL."""
    opened = told["opened"]
    assert (opened["events"], opened["streams"]) == (true.events, true.streams)
    events = [release["events"] for release in told["counted"]["releases"]]
    assert events == [period.events for period in true.periods]


def test_demo_finds_the_double_charges(told, true):
    """Number, place and sums of the double charges are the true ones."""
    found, twice = told["found"], true.charged_twice
    assert found["charged_twice"] == twice.payments
    assert (found["first_position"], found["last_position"]) == (twice.first, twice.last)
    assert (found["too_much"], found["owed"]) == (str(twice.overcharged), str(twice.owed))
    assert found["paid_back_on"] == twice.refunded


def test_demo_finds_the_cause(told):
    """Every order that was charged twice had a coupon, and no other of that week had."""
    found = told["found"]
    assert found["with_coupon"] == found["charged_twice"]
    assert (found["others"] > 0, found["others_with_coupon"]) == (True, 0)


def test_demo_goes_back_in_time(told):
    """The table as of an earlier day has fewer double charges, by then none refunded."""
    then, end = told["travelled"]["then"], told["travelled"]["end"]
    assert 0 < then["charged_twice"] < end["charged_twice"]
    assert then["position"] < end["position"]


def test_demo_prints_what_it_found(told, pages):
    """In plain words, the demo prints the numbers that it computed, and stops."""
    found = run("demo", "--no-serve")
    assert (found.exit_code, found.stderr, pages.calls) == (0, "", [])
    assert f"Found {told['found']['charged_twice']} payments" in found.stdout
    assert told["found"]["owed"] in found.stdout


def test_demo_serves_its_page(pages):
    """Without --no-serve the demo ends in the address of its page."""
    found = run("demo", "--no-open", "--port", 4321)
    assert found.stdout.splitlines()[-1] == "http://127.0.0.1:4321/"
    assert pages.calls == [(["shop.db"], 4321, False)]
