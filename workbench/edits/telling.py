"""What an edit does, in words and as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import SHORT_NAME
from workbench.edits.values import Edit, few
from workbench.tables import EDITS

if TYPE_CHECKING:
    from workbench.edits.changes import Changes


def told(name: str, changes: Changes) -> Edit:
    """Return the edit that these changes are, with a row for each event."""
    rows = [
        _rows(changes.dropped, "drop", ["dropped"] * changes.dropped.height),
        _rows(changes.before, "alter", [one.what for one in changes.altered]),
        _rows(changes.moved, "move", [f"to after {after:,}" for after in changes.targets]),
        _rows(changes.inserted.rows, "insert", [f"inserted {p}" for p in changes.inserted.places]),
    ]
    events = pl.concat(rows).with_columns(pl.lit(name).alias("edit"))
    return Edit(name, "; ".join(filter(None, map(_said, rows))), EDITS.conform(events))


def _rows(events: pl.DataFrame, kind: str, what: list[str]) -> pl.DataFrame:
    return events.select("position", "type", "stream").with_columns(
        pl.lit(kind).alias("kind"), pl.Series("what", what, dtype=pl.String)
    )


def _said(rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return ""
    kind, count = rows["kind"][0], rows.height
    if count == 1:
        short, what = rows.select(SHORT_NAME.fill_null("no type"))["type"][0], rows["what"][0]
        at = "" if kind == "insert" else f" at {rows['position'][0]:,}"
        detail = {"drop": "", "alter": f": {what}"}.get(kind, f" {what.removeprefix('inserted ')}")
        return f"{kind}s {short}{at}{detail}"
    return f"{kind}s {count:,} events: {few(rows['position'].to_list())}"
