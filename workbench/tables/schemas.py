"""The specs of what the schemas of a history answer."""

from __future__ import annotations

import polars as pl

from workbench.tables.spec import TIME, Column, Table

SCHEMA_VERSIONS = Table(
    "schema_versions",
    "one schema: the payloads of one event type in one version, declared or silent",
    (
        Column("type", pl.String, "the event type as stored"),
        Column("short_name", pl.String, "the type without its module"),
        Column("schema_version", pl.Int32, "the version that the events declare, null if none"),
        Column(
            "name",
            pl.String,
            "'2' of version 2, '2a' and '2b' of its silent versions; 'none' where none is "
            "declared; 'undecodable' of events without a payload that can be read",
        ),
        Column("is_silent", pl.Boolean, "whether it began with no new declared version"),
        Column("began_with", pl.List(pl.String), "what is new in a silent version, in words"),
        Column("count", pl.Int64, "events"),
        Column("share", pl.Float64, "part of the type's events, 0 to 1"),
        Column("not_objects", pl.Int64, "events whose payload is a list or a scalar"),
        Column("first_position", pl.Int64, "the position of the first event"),
        Column("last_position", pl.Int64, "the position of the last event"),
        Column("first_time", TIME, "the earliest time"),
        Column("last_time", TIME, "the latest time"),
        Column("fields", pl.Int64, "paths of fields, those inside objects and lists included"),
    ),
    ("type", "first_position"),
)

SCHEMA_FIELDS = Table(
    "schema_fields",
    "one field of one schema; the time and the schema version, which the event table has, "
    "are left out",
    (
        Column("type", pl.String, "the event type as stored"),
        Column("name", pl.String, "the schema's name, as in `schema_versions`"),
        Column(
            "path",
            pl.String,
            "where it is: `items[].price`; `{*}` is any name of a map, `_data_` what a wrapper "
            "wraps, `$` a payload that is no object",
        ),
        Column("dtype", pl.String, "the dtype that fits all its values, null where it has none"),
        Column("kinds", pl.List(pl.String), "types of JSON and wrappers, most frequent first"),
        Column("wrapper", pl.String, "the wrapper's name, null where it has none or several"),
        Column("presence", pl.String, "'always' or 'optional'"),
        Column("events", pl.Int64, "events that have it"),
        Column("missing_events", pl.Int64, "events that have what holds it, and not it"),
        Column("null_share", pl.Float64, "nulls as part of its values, 0 to 1"),
        Column("missing_share", pl.Float64, "part of what holds it that lacks it, 0 to 1"),
        Column("distinct", pl.Int64, "different values as stored; above 1,023 estimated to 3 %"),
        Column(
            "min",
            pl.String,
            "the least value of the most frequent kind as stored, cut after 80 characters",
        ),
        Column("max", pl.String, "the greatest value, likewise"),
        Column("examples", pl.List(pl.String), "the first three different values, likewise"),
        Column("values", pl.List(pl.String), "all values, null where they are over 32 or long"),
        Column("first_position", pl.Int64, "the first event that has it"),
        Column("last_position", pl.Int64, "the last event that has it"),
        Column("note", pl.String, "what was left out of it, null if nothing"),
    ),
    ("type", "the order of `schema_versions`", "path"),
)

SCHEMA_OVERLAPS = Table(
    "schema_overlaps",
    "two schemas of one type that were written at the same time",
    (
        Column("type", pl.String, "the event type as stored"),
        Column("older", pl.String, "the name of the schema that begins first"),
        Column("newer", pl.String, "the name of the other"),
        Column("first_position", pl.Int64, "the first event of the newer one"),
        Column("last_position", pl.Int64, "the last event of the one that ends first"),
    ),
    ("type", "first_position", "older", "newer"),
)

SCHEMA_MATRIX = Table(
    "schema_matrix",
    "one field of two schemas side by side",
    (
        Column("path", pl.String, "where it is, as in `schema_fields`"),
        Column("change", pl.String, "'added', 'removed', 'changed' or 'same'"),
        Column(
            "rules",
            pl.List(pl.String),
            "what `diff` tells of the path, by its rules; of a value, with the value",
        ),
        Column(
            "offered",
            pl.String,
            "the field of the other schema that may be the same, renamed; null if none is",
        ),
        Column("older", pl.String, "what the older says of it: kinds, and whether it is optional"),
        Column("newer", pl.String, "what the newer says of it; null where it lacks it"),
        Column("older_null_share", pl.Float64, "nulls as part of its values in the older"),
        Column("newer_null_share", pl.Float64, "the same, in the newer"),
        Column("older_missing_share", pl.Float64, "part of what holds it that lacks it"),
        Column("newer_missing_share", pl.Float64, "the same, in the newer"),
    ),
    ("path",),
)

SCHEMA_SHARES = Table(
    "schema_shares",
    "one schema of one type in one window of time that has events of it",
    (
        Column("time", TIME, "where the window begins"),
        Column("name", pl.String, "the schema's name, as in `schema_versions`"),
        Column("count", pl.Int64, "its events in the window"),
        Column("share", pl.Float64, "those as part of the type's in the window, 0 to 1"),
    ),
    ("time", "the order of `schema_versions`"),
)

SCHEMA_MISMATCHES = Table(
    "schema_mismatches",
    "one way in which stored payloads and a declared schema differ",
    (
        Column("path", pl.String, "where, as in `schema_fields`"),
        Column("rule", pl.String, "a stable name, see workbench.schemas.against.RULES"),
        Column("declared", pl.String, "what the declared schema says, in words"),
        Column("stored", pl.String, "what the stored payloads have, in words"),
        Column("events", pl.Int64, "stored events that differ"),
        Column("share", pl.Float64, "those as part of all events of the schema, 0 to 1"),
        Column("first_position", pl.Int64, "the first of them, null where there is none"),
        Column("last_position", pl.Int64, "the last of them, null where there is none"),
    ),
    ("path", "rule"),
)

DRIFT = Table(
    "drift",
    "one field of one event type in one window of time",
    (
        Column("time", TIME, "where the window begins"),
        Column("path", pl.String, "the field, as in `schema_fields`"),
        Column("events", pl.Int64, "events of the window that have it"),
        Column("null_share", pl.Float64, "nulls as part of its values, null where it has none"),
        Column("missing_share", pl.Float64, "part of what holds it that lacks it, else null"),
        Column("distinct", pl.Int64, "different values, as stored"),
        Column("mean", pl.Float64, "mean of its numbers, null where it has none"),
        Column("median", pl.Float64, "median of its numbers, null where it has none"),
        Column(
            "new_values",
            pl.List(pl.String),
            "values that no window before has, of a field of at most 32; empty in its first",
        ),
    ),
    ("path", "time"),
)

CHANGE_POINTS = Table(
    "change_points",
    "one event since which a field is otherwise than before",
    (
        Column("path", pl.String, "the field, as in `schema_fields`"),
        Column("kind", pl.String, "a stable name, see workbench.schemas.change_points.KINDS"),
        Column("position", pl.Int64, "the first event that is otherwise"),
        Column("time", TIME, "that event's time"),
        Column("before", pl.String, "how it was before"),
        Column("after", pl.String, "how it is since"),
        Column("sentence", pl.String, "the same in one sentence"),
    ),
    ("position", "path", "kind"),
)
