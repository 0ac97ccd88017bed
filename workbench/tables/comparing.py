"""The specs of what a comparison answers."""

from __future__ import annotations

import polars as pl

from workbench.tables.spec import TIME, Column, Table

COMPARED = Table(
    "compared",
    "one pair of tables of the two trials of a comparison",
    (
        Column("table", pl.String, "the table; `a -> b` where b has another name for it"),
        Column("rows_a", pl.Int64, "rows that it has in a at the end, null where a lacks it"),
        Column("rows_b", pl.Int64, "rows that it has in b at the end, null where b lacks it"),
        Column("added", pl.Int64, "rows that are in b only"),
        Column("removed", pl.Int64, "rows that are in a only"),
        Column("changed", pl.Int64, "rows that are in both and differ in a common column"),
        Column("healed", pl.Int64, "rows that differed for a while and are the same at the end"),
        Column("first_position", pl.Int64, "the first event at which the two differ, else null"),
    ),
    ("the order of a's tables", "tables that only b has"),
)

ROWS = Table(
    "rows",
    "one row that differs between two trials at the end; the key columns, and `<value>_a` and "
    "`<value>_b` for each value column that both have, stand after these",
    (
        Column("change", pl.String, "'added': in b only, 'removed': in a only, 'changed'"),
        Column("columns", pl.List(pl.String), "the value columns that differ, if both have it"),
    ),
    ("the key columns",),
)

DIVERGENCES = Table(
    "divergences",
    "one cell, or row, that differs at any event between two trials; the key columns stand "
    "after these",
    (
        Column("position", pl.Int64, "the first event at which it differs; null if not known"),
        Column("partition", pl.Int32, "that event's partition"),
        Column("time", TIME, "that event's time"),
        Column("stream", pl.String, "that event's stream"),
        Column("version", pl.Int64, "that event's version in its stream"),
        Column("type", pl.String, "that event's type, as b has it if b changed the row there"),
        Column("schema_version", pl.Int32, "that event's schema version"),
        Column("by", pl.String, "which side changed the row there: 'a', 'b' or 'both'"),
        Column("column", pl.String, "the value column; null where the row is on one side only"),
        Column("direction", pl.String, "see `causes`; at the end, or where it began if it healed"),
        Column("a_before", pl.String, "a's value before that event, as text; of a row, as JSON"),
        Column("a_after", pl.String, "a's value after it"),
        Column("b_before", pl.String, "b's value before it"),
        Column("b_after", pl.String, "b's value after it"),
        Column("healed_at", pl.Int64, "the event since which it is the same; null if it differs"),
    ),
    ("position", "the key columns", "the row, then columns in the table's order"),
)

CAUSES = Table(
    "causes",
    "the differences of one column that began with one type of event, in one direction",
    (
        Column("cause", pl.String, "a stable name for this row, for `accept`"),
        Column("table", pl.String, "the table; `a -> b` where b has another name for it"),
        Column("type", pl.String, "the type of the first event that differs; null if not known"),
        Column("schema_version", pl.Int32, "that event's schema version"),
        Column("column", pl.String, "the value column; null where rows are on one side only"),
        Column(
            "direction",
            pl.String,
            "of b against a: 'missing', 'extra', 'higher', 'lower', 'null', 'set', 'other', "
            "'only in a', 'only in b', 'other dtype'",
        ),
        Column("count", pl.Int64, "rows"),
        Column("first_position", pl.Int64, "the first event at which one of them began to differ"),
        Column("last_position", pl.Int64, "the last event at which one of them began to differ"),
        Column("examples", pl.List(pl.String), "the keys of the first of them, as JSON"),
        Column("accepted", pl.String, "why it is intended, null where it is not"),
    ),
    ("count descending", "cause"),
)

CORRECTIONS = Table(
    "corrections",
    "one cell to be put right, so that a base becomes what an edited history makes of it",
    (
        Column("table", pl.String, "the table"),
        Column("key", pl.String, "the row's key as JSON, a list where it has several columns"),
        Column("action", pl.String, "'add' or 'remove' the row, or 'change' this cell"),
        Column("column", pl.String, "the value column; null where the table has none"),
        Column("value", pl.String, "what it is, as text; null for a row that is to be added"),
        Column("should_be", pl.String, "what it should be; null for a row that is to be removed"),
        Column("difference", pl.String, "`should_be` less `value`, for numbers: exact, as text"),
        Column("position", pl.Int64, "the first event at which it differs; null if not known"),
        Column("time", TIME, "that event's time"),
        Column("stream", pl.String, "that event's stream"),
        Column("type", pl.String, "that event's type"),
        Column("schema_version", pl.Int32, "that event's schema version"),
    ),
    ("table", "position", "the key columns", "the table's columns"),
)
