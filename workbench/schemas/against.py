"""A declared schema held against what is stored: every mismatch, with its events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workbench.payload.typed import ENVELOPE
from workbench.schemas.alternatives import Declared
from workbench.schemas.regimes import there
from workbench.schemas.shapes import (
    ARRAY,
    JSON_KINDS,
    NULL,
    OBJECT,
    Mark,
    Path,
    path_text,
)
from workbench.schemas.statistics import NEVER, Count, Seen
from workbench.tables import SCHEMA_MISMATCHES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from workbench.schemas.cells import Cell
    from workbench.schemas.declared import Json

RULES = {
    "missing_required": "the declared schema requires a field that stored events lack",
    "undeclared_field": "stored events have a field that the declared schema does not have",
    "wrong_type": "stored events have a value of a type that the declared schema does not allow",
    "null_not_allowed": "stored events have null where the declared schema does not allow it",
    "not_in_enum": "stored events have a value that is not among the declared ones",
    "never_stored": "the declared schema has an optional field that no stored event has",
}
"""The rules, and what each says."""


def mismatches(cell: Cell, declared: Json) -> pl.DataFrame:
    """Return where stored payloads and a schema differ: `workbench.tables.SCHEMA_MISMATCHES`.

    Parameters
    ----------
    cell
        What is known of the stored payloads.
    declared
        JSON Schema of a payload as it is stored.
    """
    rows = list(_Comparison(cell).at((), Declared.of(declared)))
    return SCHEMA_MISMATCHES.frame(rows).sort("path", "rule")


class _Comparison:
    """Goes through the stored fields, with what is declared of each."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.inside: dict[Path, list[Path]] = {}
        for path in cell.fields:
            if path:
                self.inside.setdefault(path[:-1], []).append(path)

    def row(
        self, path: Path, rule: str, texts: tuple[str, str], seen: Seen | None
    ) -> dict[str, Any]:
        events = None if seen is None else seen.events
        some = seen is not None and seen.events > 0
        return {
            "path": path_text(path),
            "rule": rule,
            "declared": texts[0],
            "stored": texts[1],
            "events": events,
            "share": None if events is None else events / self.cell.extent.events,
            "first_position": seen.first if seen is not None and some else None,
            "last_position": seen.last if seen is not None and some else None,
        }

    def at(self, path: Path, declared: Declared) -> Iterator[dict[str, Any]]:
        if declared.is_anything:
            return
        for kind, known in self.cell.fields[path].kinds.items():
            fitting = declared.of_kind(kind)
            if fitting is None:
                rule = "null_not_allowed" if kind == NULL else "wrong_type"
                yield self.row(path, rule, (declared.text, kind), known.seen)
                continue
            if known.spread is not None and fitting.values is not None:
                yield from self.values(path, fitting, known.spread.values)
            if kind == OBJECT and fitting.says_members:
                yield from self.members(path, fitting)
            elif kind == ARRAY and (*path, Mark.ITEM) in self.cell.fields:
                yield from self.at((*path, Mark.ITEM), fitting.items)
            elif kind not in JSON_KINDS and (*path, Mark.DATA) in self.cell.fields:
                yield from self.at((*path, Mark.DATA), fitting.member("_data_"))

    def values(
        self,
        path: Path,
        declared: Declared,
        stored: Any,  # noqa: ANN401, Mapping or None
    ) -> Iterator[dict[str, Any]]:
        if stored is None:
            yield self.row(path, "not_in_enum", (declared.text, "more different values"), None)
            return
        other: dict[str, Count] = {
            value: count for value, count in stored.items() if not declared.has_value(value)
        }
        if other:
            named = ", ".join(json.dumps(v, ensure_ascii=False) for v in sorted(other)[:5])
            seen = Seen(
                sum(count.total for count in other.values()),
                min(count.first for count in other.values()),
                max(count.last for count in other.values()),
                0,
                0,
            )
            yield self.row(path, "not_in_enum", (declared.text, named), seen)

    def members(self, path: Path, declared: Declared) -> Iterator[dict[str, Any]]:
        steps = {member[-1]: member for member in self.inside.get(path, ())}
        # The same path may be a list, or wrapped, in other events.
        stored = {s: m for s, m in steps.items() if s is Mark.ANY or isinstance(s, str)}
        for name in declared.names:
            if not path and name in ENVELOPE:
                continue
            member = (*path, name)
            is_there = name in stored
            missing = self.cell.missing(member)
            text = declared.member(name).text
            if declared.requires(name):
                if missing.events:
                    yield self.row(member, "missing_required", (text, "missing"), missing)
            elif not is_there and Mark.ANY not in stored:
                yield self.row(member, "never_stored", (text, "never"), NEVER)
        for step, member in stored.items():
            if isinstance(step, str) and step in declared.names:
                yield from self.at(member, declared.member(step))
            elif declared.rest is None or declared.rest.is_nothing:
                yield self.undeclared(member, declared)
            else:
                yield from self.at(member, declared.rest)

    def undeclared(self, member: Path, declared: Declared) -> dict[str, Any]:
        kinds = ", ".join(self.cell.fields[member].kinds)
        text = "not allowed" if declared.rest is not None else "not declared"
        return self.row(member, "undeclared_field", (text, kinds), there(self.cell, member))
