"""The README is true: its commands and code run, and its reference is complete."""

from __future__ import annotations

import inspect
import linecache
import re
import shlex
from pathlib import Path

import pytest
import readme_reference
from click.testing import CliRunner

import workbench
from workbench import Comparison, History, Trial
from workbench.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAME = "<python of the README>"
COMMANDS = re.findall(r"^\$ workbench (.+)$", README, re.MULTILINE)
HEADINGS = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
SERVES = ("serve", "demo")


def _public(of):
    return [n for n, m in inspect.getmembers(of) if not n.startswith("_") and not _is_field(of, n)]


def _is_field(of, name):
    return name in getattr(of, "__dataclass_fields__", {}) and of is History


def test_python_blocks_run(monkeypatch):
    """The README's Python, from top to bottom, runs in one namespace."""
    monkeypatch.chdir(ROOT)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE))
    # Under a name of its own: who looks for the source of a class must not find prose.
    lines = code.splitlines(keepends=True)
    monkeypatch.setitem(linecache.cache, NAME, (len(code), None, lines, NAME))
    exec(compile(code, NAME, "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[0] not in SERVES])
def test_command_runs(command, monkeypatch):
    """A command of the README runs, and says something."""
    monkeypatch.chdir(ROOT)
    found = CliRunner().invoke(main, shlex.split(command))
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[0] in SERVES])
def test_serving_command_is_known(command):
    """A command of the README that serves a page has the options that it is shown with."""
    found = CliRunner().invoke(main, [*shlex.split(command), "--help"])
    assert found.exit_code == 0


def test_quick_start_is_what_ci_runs():
    """The README's test command, word for word, is what `.ci/run` runs."""
    command = "python3 -m pip install uv && uv run pytest"
    assert f"$ {command}\n" in README
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", workbench.__all__)
def test_public_name_is_in_the_reference(name):
    """Every public name is in the README."""
    assert re.search(rf"`{name}\b", README)


@pytest.mark.parametrize("method", _public(History))
def test_history_method_is_in_the_reference(method):
    """Every public method of a history is in the README."""
    assert f"History.{method}" in README


@pytest.mark.parametrize("method", _public(Trial))
def test_trial_method_is_in_the_reference(method):
    """Every public method of a trial is in the README."""
    assert f"Trial.{method}" in README


@pytest.mark.parametrize("method", _public(Comparison))
def test_comparison_method_is_in_the_reference(method):
    """Every public method of a comparison is in the README."""
    assert f"Comparison.{method}" in README


@pytest.mark.parametrize("part", readme_reference.PARTS)
def test_reference_is_printed_from_the_code(part):
    """The README's tables of commands, problems and columns are those of the code.

    Write them again: python tests/readme_reference.py
    """
    assert readme_reference.marked(part, readme_reference.PARTS[part]()) in README


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!https?:)[^)]+)\)", README))
def test_link_leads_somewhere(link):
    """A link or picture of the README is in the checkout; an anchor is one of its headings."""
    path, _, anchor = link.partition("#")
    assert (ROOT / path).exists()
    assert not anchor or anchor in [
        re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in HEADINGS
    ]
