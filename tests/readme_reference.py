"""The parts of the README that are printed from the code.

Run as a script, it writes them into the README; the tests check that they are there.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from workbench import tables
from workbench.cli import main
from workbench.quality import KINDS

README = Path(__file__).parents[1] / "README.md"


def commands() -> str:
    """Return a table of all commands with their arguments and first sentence."""
    rows = ["| command | what it does |", "| --- | --- |"]
    for name, command in sorted(main.commands.items()):
        arguments = " ".join(
            parameter.make_metavar(click.Context(command))
            for parameter in command.params
            if isinstance(parameter, click.Argument)
        )
        said = (command.help or "").split("\n\n")[0].replace("\n", " ")
        rows.append(f"| `workbench {name} {arguments}".rstrip() + f"` | {said} |")
    return "\n".join(rows)


def kinds() -> str:
    """Return a table of the kinds of problems."""
    rows = ["| kind | severity | what it means |", "| --- | --- | --- |"]
    return "\n".join(rows + [f"| `{k.name}` | {k.severity} | {k.meaning} |" for k in KINDS])


def specs() -> str:
    """Return a table of columns for each table that a public function returns."""
    parts = []
    for table in tables.ALL:
        parts += [f"**{table.name}**: {table.row}. Order: {', '.join(table.order)}.", ""]
        parts += ["| column | dtype | what it is |", "| --- | --- | --- |"]
        for column in table.columns:
            dtype = str(table.schema[column.name]).replace("|", "\\|")
            parts.append(f"| `{column.name}` | {_short(dtype)} | {column.meaning} |")
        parts.append("")
    return "\n".join(parts).strip()


def _short(dtype: str) -> str:
    return "Datetime(us, UTC)" if dtype.startswith("Datetime") else dtype


PARTS = {"commands": commands, "kinds": kinds, "tables": specs}


def marked(name: str, text: str) -> str:
    """Return a part between its markers."""
    return f"<!-- {name}: printed from the code -->\n{text}\n<!-- end of {name} -->"


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a part with its markers."""
    return re.compile(rf"<!-- {name}: .*?<!-- end of {name} -->", re.DOTALL)


if __name__ == "__main__":
    readme = README.read_text(encoding="utf-8")
    for part, render in PARTS.items():
        text = marked(part, render())
        readme = pattern(part).sub(lambda _, text=text: text, readme)
    README.write_text(readme, encoding="utf-8")
