"""The specs of what comparing schemas answers."""

from __future__ import annotations

import polars as pl

from workbench.tables.spec import Column, Table

SCHEMA_DIFFERENCES = Table(
    "schema_differences",
    "one difference between two schemas, as `diff` tells it",
    (
        Column("rule", pl.String, "what kind of difference it is, a stable name"),
        Column("path", pl.String, "where in a payload: `items[].price`; `$` is the payload itself"),
        Column("old", pl.String, "what it was, null if it was not there"),
        Column("new", pl.String, "what it is, null if it is not there"),
        Column("likeness", pl.Float64, "of an offered renaming, how alike the two are, 0 to 1"),
    ),
    ("path", "rule", "old", "new"),
)

FINDINGS = Table(
    "findings",
    "one change that a reader of one version meets in payloads of another",
    (
        Column("type", pl.String, "the event type as stored, null where none was given"),
        Column("version", pl.String, "the newer version"),
        Column("against", pl.String, "the older version"),
        Column("direction", pl.String, "'backward': the newer reads the older; or 'forward'"),
        Column("rule", pl.String, "what changed, a stable name"),
        Column("path", pl.String, "where in a payload: `items[].price`"),
        Column("schema_path", pl.String, "where in the schema, a pointer"),
        Column("old", pl.String, "what the writer's schema says there, as JSON, cut"),
        Column("new", pl.String, "what the reader's schema says there, as JSON, cut"),
        Column("breaks", pl.Boolean, "whether it breaks the reader by definition"),
        Column(
            "affected", pl.Int64, "stored events that the reader refuses for it; null: not known"
        ),
        Column("of", pl.Int64, "stored events that the writer's version has; null: not known"),
        Column("share", pl.Float64, "affected as part of them, 0 to 1, null where there are none"),
        Column("first_position", pl.Int64, "the first affected event"),
        Column("last_position", pl.Int64, "the last affected event"),
        Column("sentence", pl.String, "the same in words"),
    ),
    ("type", "version", "against", "direction", "breaks first", "schema_path", "rule"),
)
