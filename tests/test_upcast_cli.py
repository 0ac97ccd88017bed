"""`workbench upcast`: one release or two, over every stored event."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from stores import BEGIN, Row, state_of, write_native

from workbench.cli import main
from workbench.tables import RELEASE_TYPES, UPCASTS

CODE = """
from eventsourcing.domain import DomainEvent


class Thing(DomainEvent):
    originator_id: str
    n: int
    class_version = 2

    @staticmethod
    def upcast_v1_v2(state):
        state["n"] = {value}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a store and three releases."""
    folder = tmp_path_factory.mktemp("upcast")
    rows = [Row(i, "s", i, "things:Thing", state_of(BEGIN, n=i)) for i in range(1, 6)]
    write_native(folder / "s.db", rows)
    for name, value in (("one", "1"), ("two", "state['n'] * 2"), ("bad", "1 / (state['n'] - 3)")):
        (folder / f"{name}.py").write_text(CODE.format(value=value))
    (folder / "things.py").write_text(CODE.format(value="0"))
    return folder


def run(folder, *arguments):
    """Run the command; return its code, output and errors."""
    words = ["upcast", str(folder / "s.db"), *map(str, arguments)]
    found = CliRunner().invoke(main, words, prog_name="workbench")
    return found.exit_code, found.stdout, found.stderr


def answer(folder, *arguments, code):
    """Run the command with --json, and return its result."""
    found, said, errors = run(folder, *arguments, "--json")
    assert (found, errors) == (code, "")
    assert said.count("\n") == 1
    return json.loads(said)["result"]


class TestOne:
    """With one release."""

    def test_all_is_well(self, folder):
        """The table has the columns of its spec, and the code is 0."""
        found = answer(folder, "--classes", f"things={folder}/one.py", code=0)
        assert list(found["paths"]["rows"][0]) == list(UPCASTS.names)
        assert (found["events"], found["failed"], found["is_complete"]) == (5, 0, True)

    def test_module_of_the_current_folder(self, folder, monkeypatch):
        """A module is found where Python finds it from here."""
        monkeypatch.chdir(folder)
        assert answer(folder, "--classes", "things", code=0)["failed"] == 0

    def test_event_that_fails(self, folder):
        """The code is 1, and what failed is printed with its position."""
        code, said, _ = run(folder, "--classes", f"things={folder}/bad.py")
        assert code == 1
        assert "ZeroDivisionError: division by zero" in said
        assert "Found: 1 of 5 events fail" in said

    def test_narrowed(self, folder):
        """Events are chosen as in the other commands."""
        found = answer(folder, "--classes", f"things={folder}/bad.py", "--upto", 2, code=0)
        assert found["events"] == 2

    def test_code_that_is_not_there(self, folder):
        """The code is 2, in one line."""
        code, _, errors = run(folder, "--classes", "no/such.py")
        assert (code, errors.count("\n")) == (2, 1)
        assert "nothing is there" in errors


class TestTwo:
    """With two releases."""

    def test_values_differ(self, folder):
        """Other values are told; they are no failure."""
        one, two = f"things={folder}/one.py", f"things={folder}/two.py"
        found = answer(folder, "--old", one, "--new", two, code=0)
        assert list(found["types"]["rows"][0]) == list(RELEASE_TYPES.names)
        assert [(row["path"], row["what"]) for row in found["fields"]["rows"]] == [
            ("n", "other value")
        ]

    def test_new_one_breaks(self, folder):
        """Where the new release fails and the old one does not, the code is 1."""
        one, bad = f"things={folder}/one.py", f"things={folder}/bad.py"
        code, said, _ = run(folder, "--old", one, "--new", bad, "--aggregates")
        assert code == 1
        assert "new reads 4 of 5 events" in said
        assert run(folder, "--old", bad, "--new", one)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--old", "a"],
        ["--classes", "a", "--new", "b"],
        ["--classes", "a", "--aggregates"],
        ["--classes", "a", "--time-limit", "0"],
    ],
)
def test_wrong_usage(folder, arguments):
    """What makes no sense together is refused."""
    code, _, errors = run(folder, *arguments)
    assert code == 2
    assert "Try 'workbench upcast --help'" in errors
