"""`workbench tail`: a line for each event, as it comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from stores import PLACED, Row, append, simple_rows, write_native

from workbench.cli import main
from workbench.errors import ServerUnreachableError
from workbench.sources.sqlite import SQLiteSource


def run(*arguments):
    """Run `workbench tail` in this process."""
    return CliRunner().invoke(main, ["tail", *map(str, arguments)], prog_name="workbench")


def positions(*arguments):
    """Return the positions of the lines that are printed."""
    found = run(*arguments, "--no-follow")
    assert (found.exit_code, found.stderr) == (0, "")
    return [int(line.split()[0]) for line in found.stdout.splitlines()]


@pytest.fixture
def sparse(tmp_path):
    """Return a store in which numbers are far apart."""
    return write_native(tmp_path / "sparse.db", simple_rows(30, step=100_000))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], range(21, 31)),
        (["--last", 3], range(28, 31)),
        (["--last", 0], []),
        (["--last", 99], range(1, 31)),
        (["--after", 25], range(26, 31)),
        (["--after", 25, "--last", 2], range(29, 31)),
        (["--after", 25, "--upto", 27], range(26, 28)),
        (["--after", 99], []),
        (["--since", "2025-03-01T00:26"], range(27, 31)),
        (["--type", "Order.Shipped", "--last", 2], [28, 30]),
        (["--stream", "stream-1", "--last", 2], [26, 29]),
    ],
)
def test_prints_what_was_asked(store, arguments, expected):
    """The last ten, or as many as are asked for, or all that come after."""
    assert positions(store, *arguments) == list(expected)


def test_finds_the_last_among_holes(sparse):
    """The last events are found, however far apart their numbers are."""
    assert positions(sparse, "--last", 2) == [2_800_001, 2_900_001]


def test_empty_store_prints_nothing(tmp_path):
    """A store without events is none to fail at."""
    assert positions(write_native(tmp_path / "a.db", [])) == []


def test_line_says_what_an_event_is(store):
    """A line has the position, the time, the short type, the stream and the payload."""
    (line,) = run(store, "--last", 1, "--no-follow").stdout.splitlines()
    assert line.split()[:5] == ["30", "2025-03-01", "00:29:00.000", "Order.Shipped", "stream-2"]
    assert line.endswith('"text":"é29"}')


def test_event_without_payload_says_why(tmp_path):
    """Where nothing can be decoded, the reason stands in its place, on one line."""
    row = Row(1, "s\n\x1b[31m", 1, f"{PLACED}\n", b"\xff")
    found = run(write_native(tmp_path / "a.db", [row]), "--no-follow").stdout
    assert "not UTF-8" in found
    assert (found.count("\n"), "\x1b" in found) == (1, False)


def test_json_is_an_envelope_a_line(store):
    """With --json each event is the result of an envelope."""
    lines = run(store, "--last", 2, "--no-follow", "--json").stdout.splitlines()
    said = [json.loads(line) for line in lines]
    assert [one["result"]["position"] for one in said] == [29, 30]
    assert {one["command"] for one in said} == {"tail"}


def test_ends_after_seconds(store):
    """`--for` ends it."""
    found = run(store, "--last", 1, "--for", 0.05)
    assert (found.exit_code, found.stdout.count("\n")) == (0, 1)


def test_trouble_is_told_on_standard_error(store, monkeypatch):
    """A server that is away is told of once, and once that it is back."""
    head, fails = SQLiteSource.head, [None, *[ServerUnreachableError("It is\naway.")] * 2]

    def failing(source):
        if fails and (error := fails.pop(0)):
            raise error
        return head(source)

    monkeypatch.setattr(SQLiteSource, "head", failing)
    found = run(store, "--after", 28, "--upto", 30)
    assert found.stderr.splitlines() == [
        *("workbench: It is away. Waiting for it.", "workbench: store.db is back.")
    ]
    assert (found.exit_code, found.stdout.count("\n")) == (0, 2)


def test_interrupt_ends_it_with_zero(store):
    """Ctrl-C is how it ends: events until then are printed, and the code is 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "workbench", "tail", store, "--last", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = process.stdout.readline()
        append(store, simple_rows(31)[30:])
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate()
    assert [int(line.split()[0]) for line in (first, second)] == [30, 31]
    assert (process.returncode, rest, said) == (0, "", "")


def test_reader_that_has_gone_ends_it(store):
    """Where nobody reads the output, it ends without a word, as other commands do."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "workbench", "tail", store]
    found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (found.returncode, found.stderr) == (141, b"")
