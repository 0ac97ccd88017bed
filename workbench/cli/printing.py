"""Printing for people: tables and lines that fit, and that stored text cannot disturb.

On a terminal, tables fit its width; columns that do not are left out, and named below.
Anywhere else the same text comes plain and in full. Stored text is untrusted: it is
never read as markup, and characters that steer a terminal are printed as escapes.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Literal

import click
from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

GAP = 2  # spaces between two columns
LEAST_TEXT = 16  # the narrowest that a column of long text becomes
LEAST_ROWS = 10
FURNITURE = 8  # lines of a screen that are not rows: the prompt, headings, what follows
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}

Kind = Literal["number", "name", "text"]
Justify = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it is printed: its heading, its cells, and what it may lose.

    `kind`: a 'number' is set to the right, a 'name' is never cut, a 'text' may be.
    `is_needed`: whether it stays however narrow the terminal is.
    """

    heading: str
    cells: Sequence[str]
    kind: Kind = "name"
    is_needed: bool = False

    @property
    def width(self) -> int:
        """How many cells of a terminal it takes in full."""
        return max(cell_len(text) for text in (self.heading, *self.cells))

    @property
    def least(self) -> int:
        """How many it takes at least."""
        return min(self.width, LEAST_TEXT) if self.kind == "text" else self.width


def visible(text: str) -> str:
    r"""Return text with characters that steer a terminal, or hide, as escapes.

    Examples
    --------
    >>> visible("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    >>> visible("Zoë [bold]")
    'Zoë [bold]'
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def indented(text: str) -> str:
    """Return JSON text over several lines, its numbers and strings exactly as they are.

    Examples
    --------
    >>> print(indented('{"a":[1.10,{}],"b":"x"}'))
    {
      "a": [
        1.10,
        {}
      ],
      "b": "x"
    }
    """
    made: list[str] = []
    depth = 0
    for part in _PARTS.findall(text):
        opened = made[-1:] in (["{"], ["["])
        if part in "}]":
            depth -= 1
            made.append(part if opened else _line(depth) + part)
            continue
        if opened or made[-1:] == [","]:
            made.append(_line(depth))
        made.append(": " if part == ":" else part)
        depth += part in "{["
    return "".join(made)


def _line(depth: int) -> str:
    return "\n" + "  " * depth


class Screen:
    """Where a command prints its answer: standard output, as it is."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        size = shutil.get_terminal_size()
        self.width, self.most_rows = size.columns, max(LEAST_ROWS, size.lines - FURNITURE)

    def line(
        self, text: str = "", *, lead: str = "", bold: bool = False, dim: bool = False
    ) -> None:
        """Print a paragraph after a lead; a terminal wraps it between words."""
        text = visible(text)
        if self.is_terminal and text:
            under = " " * cell_len(lead)
            text = fill(text, self.width, initial_indent=lead, subsequent_indent=under)
            click.secho(text, bold=bold or None, dim=dim or None)
        else:
            click.echo(lead + text)

    def lines(self, text: str) -> None:
        """Print lines as they are, uncut."""
        for line in text.split("\n"):
            click.echo(visible(line))

    def pairs(self, values: Mapping[str, str]) -> None:
        """Print names and values, one pair a line."""
        width = max(map(cell_len, values)) + GAP
        for name, value in values.items():
            self.line(value, lead=_to_the_left(name, width))

    def table(self, columns: Sequence[Column], *, indent: int = 0) -> None:
        """Print columns beside each other."""
        if not self.is_terminal:
            for line in _plain(columns):
                click.echo(" " * indent + line)
            return
        kept = fitting(columns, self.width - indent)
        self._rich_table(kept, indent)
        if left_out := [column.heading for column in columns if column not in kept]:
            said = f"Left out, for the width: {', '.join(left_out)}. --json has all."
            self.line(said, lead=" " * indent, dim=True)

    def _rich_table(self, columns: Sequence[Column], indent: int) -> None:
        from rich.console import Console
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        widths = shared(columns, self.width - indent)
        for column, width in zip(columns, widths, strict=True):
            justify: Justify = "right" if column.kind == "number" else "left"
            table.add_column(Text(column.heading), justify=justify, no_wrap=True, width=width)
        for cells in zip(*(column.cells for column in columns), strict=True):
            # A payload may be long: what cannot be seen is not laid out.
            texts = (Text(cell[: self.width + 1], STYLES.get(cell, "")) for cell in cells)
            table.add_row(*texts)
        console = Console(width=self.width, highlight=False, markup=False, emoji=False)
        console.print(Padding(table, (0, 0, 0, indent)))


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit a width, leaving out from the right what is not needed."""
    kept = list(columns)
    spare = [column for column in columns if not column.is_needed]
    while spare and sum(column.least + GAP for column in kept) - GAP > width:
        kept.remove(spare.pop())
    return kept


def shared(columns: Sequence[Column], width: int) -> list[int]:
    """Return how wide each column becomes, so that together they fill at most a width.

    Each has its least; what is left goes in equal parts to those that want more.
    """
    widths = [column.least for column in columns]
    left = width - sum(widths) - GAP * (len(widths) - 1)
    while wanting := [i for i, column in enumerate(columns) if widths[i] < column.width]:
        part = left // len(wanting)
        if part <= 0:
            break
        for i in wanting:
            more = min(part, columns[i].width - widths[i])
            widths[i] += more
            left -= more
    return widths


def _plain(columns: Sequence[Column]) -> Iterable[str]:
    widths = [column.width for column in columns]
    pad: list[Callable[[str, int], str]] = [
        _to_the_right if column.kind == "number" else _to_the_left for column in columns
    ]
    lines = zip(*([column.heading, *column.cells] for column in columns), strict=True)
    for cells in lines:
        padded = (f(text, width) for f, text, width in zip(pad, cells, widths, strict=True))
        yield (" " * GAP).join(padded).rstrip()


def _to_the_left(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _to_the_right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text
