"""The specs of what a history answers."""

from __future__ import annotations

import polars as pl

from workbench.tables.spec import TIME, Column, Table

EVENTS = Table(
    "events",
    "one stored event",
    (
        Column("position", pl.Int64, "the event's number in its source's total order"),
        Column("partition", pl.Int32, "the part of the source that numbers it; 0 where undivided"),
        Column("stream", pl.String, "the sequence of events that it belongs to"),
        Column("version", pl.Int64, "its number within the stream"),
        Column("type", pl.String, "the kind of event, as stored (a topic)"),
        Column("schema_version", pl.Int32, "the version of the payload's shape, where known"),
        Column("time", TIME, "when it happened, as the event says, UTC"),
        Column("data", pl.String, "the payload as JSON; null where it cannot be decoded"),
        Column("metadata", pl.String, "correlation, causation and the like as JSON, else null"),
        Column("tags", pl.List(pl.String), "the tags of an event of a DCB store, else empty"),
        Column("problem", pl.String, "why `data` is null or not what was stored, else null"),
    ),
    ("partition", "position"),
)

TYPES = Table(
    "types",
    "one event type",
    (
        Column("type", pl.String, "the event type as stored"),
        Column("short_name", pl.String, "the type without its module"),
        Column("aggregate", pl.String, "the short name up to its last dot, else null"),
        Column("schema_versions", pl.List(pl.Int32), "the schema versions seen, ascending"),
        Column("count", pl.Int64, "events"),
        Column("share", pl.Float64, "part of all events, 0 to 1"),
        Column("first_position", pl.Int64, "the position of the first event"),
        Column("last_position", pl.Int64, "the position of the last event"),
        Column("first_time", TIME, "the earliest time"),
        Column("last_time", TIME, "the latest time"),
        Column("mean_size_bytes", pl.Float64, "mean length of `data` in bytes of UTF-8"),
        Column("largest_size_bytes", pl.Int64, "greatest length of `data` in bytes of UTF-8"),
        Column("undecodable", pl.Int64, "events whose `data` is null"),
    ),
    ("count descending", "type"),
)

STREAMS = Table(
    "streams",
    "one stream",
    (
        Column("stream", pl.String, "the stream"),
        Column("aggregate", pl.String, "the aggregate of its first event's type, else null"),
        Column("events", pl.Int64, "events"),
        Column("first_position", pl.Int64, "the position of the first event"),
        Column("last_position", pl.Int64, "the position of the last event"),
        Column("first_time", TIME, "the earliest time"),
        Column("last_time", TIME, "the latest time"),
        Column("head_version", pl.Int64, "the greatest version"),
    ),
    ("first_position",),
)

RATE = Table(
    "rate",
    "one window of time and one type, stream or aggregate",
    (
        Column("time", TIME, "where the window begins"),
        Column("by", pl.String, "the short name of the type, the stream, or the aggregate"),
        Column("count", pl.Int64, "events in the window; windows without events have no row"),
    ),
    ("time", "by"),
)

PROBLEMS = Table(
    "problems",
    "one thing that is wrong, or odd, with a history",
    (
        Column("kind", pl.String, "a stable name, see workbench.quality.KINDS"),
        Column("severity", pl.String, "'error', 'warning' or 'info'"),
        Column("first_position", pl.Int64, "where it begins, null where it has no position"),
        Column("last_position", pl.Int64, "where it ends, inclusive"),
        Column("stream", pl.String, "the stream that it is in, null where in none or many"),
        Column("found", pl.String, "what was found"),
        Column("meaning", pl.String, "what that means, in one sentence"),
    ),
    ("severity: error, warning, info", "kind", "first_position", "stream"),
)

RECEIVERS = Table(
    "receivers",
    "one receiver of a source",
    (
        Column("receiver", pl.String, "who follows, or the table that keeps its position"),
        Column("follows", pl.String, "the application that it follows, as it names it"),
        Column("position", pl.Int64, "the last position that it has processed"),
        Column("lag_events", pl.Int64, "events that it has not processed, null where unknown"),
        Column("lag_s", pl.Float64, "seconds that the oldest of these has waited, null if unknown"),
        Column("moved_at", TIME, "when it moved last, null where nobody says"),
    ),
    ("receiver", "follows"),
)

LANES = Table(
    "lanes",
    "one event of streams that lie side by side",
    (
        Column(
            "lane", pl.Int32, "the number of its stream among those that were asked for, from 0"
        ),
        Column("stream", pl.String, "the stream"),
        Column("position", pl.Int64, "the event's position"),
        Column("version", pl.Int64, "its number within the stream"),
        Column("type", pl.String, "the event type as stored"),
        Column("time", TIME, "when it happened, UTC"),
    ),
    ("position",),
)

LINKS = Table(
    "links",
    "one event that names another, or the stream of another",
    (
        Column("kind", pl.String, "'field', 'correlation' or 'causation'"),
        Column("field", pl.String, "the field that names it, in the payload or in the metadata"),
        Column("value", pl.String, "what the field holds"),
        Column("from_position", pl.Int64, "the position of the event that names"),
        Column("from_stream", pl.String, "its stream"),
        Column("to_position", pl.Int64, "the position of the event that is named"),
        Column("to_stream", pl.String, "its stream"),
    ),
    ("from_position", "to_position", "kind", "field"),
)

RELATED = Table(
    "related",
    "one stream that is related to others by a field",
    (
        Column("stream", pl.String, "the related stream"),
        Column("field", pl.String, "the field of a payload that names a stream"),
        Column("direction", pl.String, "'names': they name it; 'named by': it names them"),
        Column("events", pl.Int64, "events that do"),
        Column("first_position", pl.Int64, "the position of the first of them"),
    ),
    ("events descending", "first_position", "stream", "field"),
)

SNAPSHOTS = Table(
    "snapshots",
    "one stored snapshot",
    (
        Column("stream", pl.String, "the stream that it sums up"),
        Column("version", pl.Int64, "the version up to which it does"),
        Column("type", pl.String, "the kind of snapshot, as stored"),
    ),
    ("stream", "version"),
)
