"""A minimal example as a test file: the events as literals, both projections, one assertion."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalog import short_name
from workbench.comparing.projection_code import Code
from workbench.errors import ExportError, MinimalError
from workbench.projections.plan import CellPlan, FramePlan

if TYPE_CHECKING:
    import polars as pl

    from workbench.comparing.minimal import MinimalExample
    from workbench.trials.trial import Trial

_LIBRARY = ("workbench", "polars", "eventsourcing")


def write_test(example: MinimalExample, path: str | Path, *, overwrite: bool) -> Path:
    """Write the test; see `MinimalExample.to_pytest`.

    Raises
    ------
    ExportError
        If the file is there, or cannot be written.
    """
    found = Path(path)
    if found.exists() and not overwrite:
        msg = (
            f"Cannot write the test to {str(path)!r}: it is there already. "
            "Name a new file, or say overwrite=True."
        )
        raise ExportError(msg)
    text = text_of(example)
    try:
        found.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = (
            f"Cannot write the test to {str(path)!r}: {error.strerror or error}. "
            "Name a file in a folder that can be written to."
        )
        raise ExportError(msg) from error
    return found


def text_of(example: MinimalExample) -> str:
    """Return the test file's text.

    Raises
    ------
    MinimalError
        If a projection can neither be imported nor written into the file.
    """
    code = Code(
        {
            "from workbench import compare, replay",
            "from workbench.comparing.events import history_of",
        }
    )
    runs = [_run(code, side, *of) for side, of in _sides(example)]
    names = {"A": example.events_a, "B": example.events}
    is_one = example.events_a.equals(example.events)
    lists = {"EVENTS": example.events} if is_one else {f"EVENTS_{n}": f for n, f in names.items()}
    tolerance = _tolerance(code, example)
    blocks = [
        f'"""{_docstring(example)}"""',
        "# ruff: noqa: E501",
        _imports(code),
        *code.definitions,
        *(f"{name} = {_rows(frame)}" for name, frame in lists.items()),
        _test(example, runs, tolerance, is_one=is_one),
    ]
    return _joined(blocks)


def _sides(example: MinimalExample) -> list[tuple[str, tuple[Trial, pl.DataFrame]]]:
    return [("A", (example.a, example.events_a)), ("B", (example.b, example.events))]


def _run(code: Code, side: str, trial: Trial, events: pl.DataFrame) -> str:
    """Return how a side is replayed, and let the file have what that needs."""
    plan = trial.engine.plan
    history = f"history_of({{events}}{_history(trial, events)})"
    options = f"on_error={_literal(trial.engine.on_error)}, progress=False"
    if isinstance(plan, CellPlan):
        code.add(plan.projection, f"Projection{side}")
        return f"replay({history}, Projection{side}, {options})"
    if isinstance(plan, FramePlan):
        name, key = f"function_{side.lower()}", ", ".join(map(_literal, plan.key))
        code.add(plan.function, name)
        return f"replay({history}, {name}, key=[{key}], {options})"
    msg = (
        f"Cannot write a test of {trial.name}: tests are written of classes that derive from "
        "workbench.Projection, and of Polars functions. Use the example's events in your own."
    )
    raise MinimalError(msg)


def _history(trial: Trial, events: pl.DataFrame) -> str:
    """Return what a history needs besides the events: a type that the projection handles."""
    said = ""
    first = trial.history.source.first_schema_version if trial.history is not None else 1
    if first != 1:
        said = f", first_schema_version={first}"
    known = trial.history.type_names() if trial.history is not None else frozenset()
    handled = [t for t in sorted(known) if t in trial.handlers or short_name(t) in trial.handlers]
    if handled and not set(handled) & set(events["type"].to_list()):
        said += f", types=[{_literal(handled[0])}]"
    return said


def _tolerance(code: Code, example: MinimalExample) -> str:
    columns = {*example.a.table(example.shown.tables[0]).columns}
    given = {c: t for c, t in example.shown.tolerance.items() if c in columns}
    if any(isinstance(most, Decimal) for most in given.values()):
        code.imports.add("from decimal import Decimal")
    told = ", ".join(f"{_literal(column)}: {most!r}" for column, most in given.items())
    return f", tolerance={{{told}}}" if told else ""


def _test(example: MinimalExample, runs: list[str], tolerance: str, *, is_one: bool) -> str:
    name_a, name_b = example.shown.tables
    tables = f"[{_literal(name_a)}]"
    if name_a != name_b:
        tables = f"{{{_literal(name_a)}: {_literal(name_b)}}}"
    events = ("EVENTS", "EVENTS") if is_one else ("EVENTS_A", "EVENTS_B")
    a, b = (run.replace("{events}", of) for run, of in zip(runs, events, strict=True))
    return "\n".join(
        (
            "def test_both_give_the_same_rows():",
            '    """Both projections make the same rows of these events."""',
            f"    a = {a}",
            f"    b = {b}",
            f"    found = compare(a, b, tables={tables}{tolerance})",
            f"    assert found.rows({_literal(name_a)}).to_dicts() == []",
        )
    )


def _docstring(example: MinimalExample) -> str:
    key = ", ".join(f"{name} {value}" for name, value in example.key.items())
    sure = "none of them can be left out" if example.is_minimal else "some may be left out"
    count = len(example.positions)
    events = "One event shows" if count == 1 else f"{count:,} events show"
    told = (
        f"{events} how {example.a.name} and {example.b.name} differ.\n\n"
        f"Found by the event workbench in the table {example.table}, row {key}; {sure}.\n"
        "The test fails as long as the two differ.\n"
    )
    # Keys are untrusted text: nothing in them may end the docstring.
    return told.encode("ascii", "backslashreplace").decode().replace("\\", "/").replace('"', "'")


def _imports(code: Code) -> str:
    """Return the imports in the order that linters ask for: standard, other, one's own."""

    def module(line: str) -> str:
        return line.split()[1]

    def order(line: str) -> tuple[bool, str]:
        return line.startswith("from"), module(line)

    import sys

    groups: list[list[str]] = [[], [], []]
    for line in sorted(code.imports, key=order):
        top = module(line).split(".")[0]
        group = 0 if top in sys.stdlib_module_names else 1 if top in _LIBRARY else 2
        groups[group].append(line)
    return "\n\n".join("\n".join(lines) for lines in groups if lines)


def _rows(events: pl.DataFrame) -> str:
    rows = [_row(row) for row in events.to_dicts()]
    return "[\n" + "".join(rows) + "]" if rows else "[]"


def _row(row: dict[str, Any]) -> str:
    told = {name: row[name] for name in ("position", "stream", "version", "type", "data")}
    told |= {name: row[name] for name in ("partition", "metadata", "tags") if row[name]}
    cells = "".join(f"        {_literal(k)}: {_literal(v)},\n" for k, v in told.items())
    return f"    {{\n{cells}    }},\n"


def _literal(value: object) -> str:
    """Return a value as Python has it, with double quotes where that needs no escape."""
    if isinstance(value, str) and value.isascii() and value.isprintable() and '"' not in value:
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


def _joined(blocks: list[str]) -> str:
    """Return blocks with the blank lines that formatters ask for."""
    text = blocks[0]
    before = ""
    for block in blocks[1:]:
        is_spaced = block.startswith(("def ", "class ", "@")) or before.startswith(
            ("def ", "class ", "@")
        )
        text += ("\n\n\n" if is_spaced else "\n\n") + block
        before = block
    return text + "\n"
