"""Two schemas side by side: a row for each field, and values that only one of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.compatibility.differences import diff
from workbench.compatibility.documents import shown
from workbench.compatibility.places import within
from workbench.schemas.regimes import LEAST_EVIDENCE, evidence
from workbench.schemas.shapes import BOOLEAN, INTEGER, STRING, Mark, Path, path_text
from workbench.schemas.statistics import MOST_VALUES, Count
from workbench.tables import SCHEMA_MATRIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workbench.schemas.cells import Cell
    from workbench.schemas.schema import Schema

LISTED = (STRING, INTEGER, BOOLEAN)
"""The kinds whose values are listed, where a field has few."""


def lost_values(old: Cell, new: Cell) -> Iterator[tuple[str, str]]:
    """Yield path and value, as JSON, of each value that a field had, and has no more.

    Notes
    -----
    Of fields that both have, and that have at most 32 values in all. A value is lost if the
    likelihood ratio of a change against none is above 1,000,000, as for a silent version,
    see `workbench.schemas.regimes`: so that a rare value is not called lost by chance.
    """
    for path in old.fields.keys() & new.fields.keys():
        if path[-1:] == (Mark.ANY,):
            continue
        for kind in LISTED:
            before, after = _values(old, path, kind), _values(new, path, kind)
            if not before or not after or before.keys() == after.keys():
                continue
            if len(before.keys() | after.keys()) > MOST_VALUES:
                continue
            of, since = (sum(c.total for c in counts.values()) for counts in (before, after))
            for value in before.keys() - after.keys():
                if evidence(since, before[value].total, of) >= LEAST_EVIDENCE:
                    yield path_text(path), shown(value) if kind == STRING else value


def _values(cell: Cell, path: Path, kind: str) -> Mapping[str, Count] | None:
    known = cell.fields[path].kinds.get(kind)
    return known.spread.values if known is not None and known.spread is not None else None


def beside(older: Schema, newer: Schema) -> pl.DataFrame:
    """Return the fields of two schemas side by side: `workbench.tables.SCHEMA_MATRIX`."""
    sides = [
        schema.fields.select(
            "path",
            _said().alias(side),
            pl.col("null_share").alias(f"{side}_null_share"),
            pl.col("missing_share").alias(f"{side}_missing_share"),
        )
        for side, schema in (("older", older), ("newer", newer))
    ]
    differences = diff(older, newer).differences
    joined = (
        sides[0]
        .join(sides[1], on="path", how="full", coalesce=True)
        .join(_rules(differences), on="path", how="left")
        .join(_offered(differences), on="path", how="left")
        .with_columns(pl.col("rules").fill_null([]))
        .with_columns(_change().alias("change"))
    )
    return SCHEMA_MATRIX.conform(joined).sort("path")


def _said() -> pl.Expr:
    kinds = pl.col("kinds").list.sort().list.join(" or ")
    optional = pl.when(pl.col("presence") == "optional").then(pl.lit(", optional"))
    return kinds + optional.otherwise(pl.lit(""))


def _change() -> pl.Expr:
    old, new = pl.col("older"), pl.col("newer")
    return (
        pl.when(old.is_null())
        .then(pl.lit("added"))
        .when(new.is_null())
        .then(pl.lit("removed"))
        .when((old == new) & (pl.col("rules").list.len() == 0))
        .then(pl.lit("same"))
        .otherwise(pl.lit("changed"))
    )


def _rules(differences: pl.DataFrame) -> pl.DataFrame:
    """Return the rules at each path; of values, with the value."""
    is_value = pl.col("rule").str.starts_with("enum_value")
    value = pl.coalesce("new", "old")
    told = pl.when(is_value).then(pl.format("{} {}", "rule", value)).otherwise("rule")
    mine = differences.filter(pl.col("rule") != "field_renamed")
    return mine.group_by("path").agg(told.unique().sort().alias("rules"))


def _offered(differences: pl.DataFrame) -> pl.DataFrame:
    """Return for each field that was lost or is new, which one of the other side it may be."""
    found: dict[str, str] = {}
    for path, old, new in (
        differences.filter(rule="field_renamed").select("path", "old", "new").iter_rows()
    ):
        before, after = within(path, old), within(path, new)
        found |= {before: after, after: before}
    schema = {"path": pl.String, "offered": pl.String}
    return pl.DataFrame({"path": list(found), "offered": list(found.values())}, schema)
