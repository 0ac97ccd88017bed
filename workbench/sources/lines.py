"""NDJSON as columns of text: each value as it is written, so that nothing is guessed.

Polars would unite the fields of all lines into one dtype. Here a payload keeps its own
fields and the digits of its numbers; lines may differ in everything.
"""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workbench.sources.columns import Chosen, Columns

REST = "\x00data"
"""The column that holds the payload, where it is made of several fields of a line."""
BROKEN = "\x00problem"
"""The column that says why a line cannot be read."""


def is_exported(path: Path) -> bool:
    """Return whether a file begins as `workbench export` writes it."""
    import msgspec

    with path.open("rb") as file:
        first = file.readline(2**20)
    try:
        found = msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except ValueError:
        return False
    is_text = bytes(found.get("data", b"null"))[:1] in (b'"', b"n")
    return tuple(found) == EVENTS.names and is_text


def read_lines(path: Path, columns: Columns | None) -> pl.DataFrame:
    """Return the fields of all lines as text, a line a row; null where a line has none.

    A text is without its quotes; any other value is the JSON that stands there.

    Parameters
    ----------
    path
        The file. Empty lines are passed over.
    columns
        The mapping: if it makes the payload of several fields, the column `REST` has it.
    """
    chosen: Chosen = [] if columns is None else columns.get("data", [])
    rest = None if isinstance(chosen, (str, pl.Expr)) or chosen == [] else _joiner(chosen, columns)
    found: dict[str, list[str | None]] = {BROKEN: []}
    if rest is not None:
        found[REST] = []
    with path.open("rb") as file:
        rows = 0
        for number, line in enumerate(file, 1):
            if line.strip():
                _add(found, rows, number, line, rest)
                rows += 1
    for values in found.values():
        values.extend([None] * (rows - len(values)))
    return pl.DataFrame(found, schema=dict.fromkeys(found, pl.String))


def _add(
    found: dict[str, list[str | None]],
    row: int,
    number: int,
    line: bytes,
    rest: Callable[[dict[str, Any]], str] | None,
) -> None:
    import msgspec

    try:
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        texts = {name: _text(bytes(value)) for name, value in fields.items()}
    except (ValueError, RecursionError) as error:
        found[BROKEN].extend([None] * (row - len(found[BROKEN])))
        found[BROKEN].append(f"line {number} is no JSON object: {error}")
        return
    if rest is not None:
        texts[REST] = rest(fields)
    for name, text in texts.items():
        values = found.setdefault(name, [])
        if len(values) < row:
            values.extend([None] * (row - len(values)))
        values.append(text)


def _text(value: bytes) -> str | None:
    import msgspec

    if value[:1] == b'"':
        return msgspec.json.decode(value, type=str)
    return None if value == b"null" else value.decode()


def _joiner(chosen: Chosen, columns: Columns | None) -> Callable[[dict[str, Any]], str]:
    """Return what makes a payload of the fields that are wanted for it, as they are written."""
    import msgspec

    used: set[str] = set()
    names: Sequence[str] | None = None
    if isinstance(chosen, EllipsisType):
        for name, one in (columns or {}).items():
            if name != "data":
                used |= set(one.meta.root_names() if isinstance(one, pl.Expr) else [str(one)])
    elif not isinstance(chosen, (str, pl.Expr)):
        names = list(chosen)

    def joined(fields: dict[str, Any]) -> str:
        wanted = [n for n in fields if n not in used] if names is None else names
        members = (
            f"{msgspec.json.encode(n).decode()}:{bytes(fields[n]).decode()}"
            for n in wanted
            if n in fields
        )
        return "{" + ",".join(members) + "}"

    return joined
