"""The specs of what a trial answers, and of what edits did."""

from __future__ import annotations

import polars as pl

from workbench.tables.spec import TIME, Column, Table

CHANGES = Table(
    "changes",
    "one change that a trial made to one row of one of its tables; "
    "the table's key columns, and `<value>_before` and `<value>_after` for each of its "
    "value columns, stand after these",
    (
        Column("position", pl.Int64, "the event at which it was made"),
        Column("partition", pl.Int32, "that event's partition"),
        Column("time", TIME, "that event's time"),
        Column("stream", pl.String, "that event's stream"),
        Column("version", pl.Int64, "that event's version in its stream"),
        Column("type", pl.String, "that event's type"),
        Column("schema_version", pl.Int32, "that event's schema version"),
        Column("change", pl.String, "'insert', 'update' or 'delete'"),
    ),
    ("the order in which they were made",),
)

FAILURES = Table(
    "failures",
    "one event that a handler could not process",
    (
        Column("position", pl.Int64, "the event"),
        Column("stream", pl.String, "its stream"),
        Column("version", pl.Int64, "its version in its stream"),
        Column("type", pl.String, "its type"),
        Column("schema_version", pl.Int32, "its schema version"),
        Column("data", pl.String, "its payload as JSON, null where it cannot be decoded"),
        Column("handler", pl.String, "the handler's name"),
        Column("error", pl.String, "the error's class and message"),
    ),
    ("position",),
)

HANDLED = Table(
    "handled",
    "the events of one type and schema version that a trial gave to handlers",
    (
        Column("type", pl.String, "the event type"),
        Column("schema_version", pl.Int32, "the schema version"),
        Column("events", pl.Int64, "events"),
    ),
    ("type", "schema_version"),
)

COVERAGE = Table(
    "coverage",
    "one event type and schema version, or one handler that never ran",
    (
        Column("type", pl.String, "the event type; as the handler names it, where there is none"),
        Column("schema_version", pl.Int32, "the schema version, null where there is none"),
        Column("seen", pl.Int64, "events that the history has of it"),
        Column("handled", pl.Int64, "those that a handler processed"),
        Column("failed", pl.Int64, "those that a handler could not process"),
        Column("ignored", pl.Int64, "those that no handler was given"),
        Column("handler", pl.String, "the handler, null where there is none"),
    ),
    ("type", "schema_version"),
)

PROFILE = Table(
    "profile",
    "one handler",
    (
        Column("handler", pl.String, "the handler's name"),
        Column("events", pl.Int64, "events that it was given"),
        Column("seconds", pl.Float64, "the time that it took, in seconds"),
        Column("mean_us", pl.Float64, "microseconds an event, null where it never ran"),
    ),
    ("seconds descending",),
)

IMPACT = Table(
    "impact",
    "one column of one row that an event changed",
    (
        Column("table", pl.String, "the trial's table"),
        Column("change", pl.String, "'insert', 'update' or 'delete'"),
        Column("key", pl.String, "the row's key as JSON, a list where it has several columns"),
        Column("column", pl.String, "the value column"),
        Column("before", pl.String, "its value before, as JSON"),
        Column("after", pl.String, "its value after, as JSON"),
    ),
    ("the order in which they were made", "the order of the columns"),
)


EDITS = Table(
    "edits",
    "what one edit did to one event",
    (
        Column("edit", pl.String, "the edit's name"),
        Column("kind", pl.String, "'drop', 'alter', 'move' or 'insert'"),
        Column("position", pl.Int64, "the event; of an inserted one, the number that it has"),
        Column("type", pl.String, "its type before the edit; of an inserted one, its type"),
        Column("stream", pl.String, "its stream before the edit; of an inserted one, its stream"),
        Column("what", pl.String, "what was done, in words"),
    ),
    ("the order of the edits", "kind: drop, alter, move, insert", "the order as given"),
)
