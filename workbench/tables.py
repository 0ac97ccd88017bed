"""The spec of every table that a public function returns.

A spec names the columns with their dtypes, units and meaning, and the order of
the rows. It lives here once: the code builds frames from it, the tests hold
frames against it, and the README's reference is printed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Dtype = pl.DataType | type[pl.DataType]

TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, dtype, and meaning with the unit."""

    name: str
    dtype: Dtype
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """The spec of a table: its name, what a row is, its columns and its order."""

    name: str
    row: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        """The columns as a Polars schema, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    def frame(self, data: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()) -> pl.DataFrame:
        """Return `data` as a frame of exactly this schema."""
        rows = data or {name: [] for name in self.names}
        return pl.DataFrame(rows, schema=self.schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns of this table out of `frame`, with its dtypes."""
        return frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns)

    def misfits(self, frame: pl.DataFrame) -> list[str]:
        """Return in words where `frame` is not of this schema; empty if it is."""
        found, wanted = dict(frame.schema), dict(self.schema)
        missing = [f"{n} is missing" for n in wanted if n not in found]
        extra = [f"{n} is not in the spec" for n in found if n not in wanted]
        other = [
            f"{n} is {found[n]}, not {wanted[n]}"
            for n in wanted
            if n in found and found[n] != wanted[n]
        ]
        return missing + extra + other


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
    ),
    ("receiver", "follows"),
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

ALL = (
    EVENTS,
    TYPES,
    STREAMS,
    RATE,
    PROBLEMS,
    RECEIVERS,
    SNAPSHOTS,
    CHANGES,
    FAILURES,
    HANDLED,
    COVERAGE,
    PROFILE,
    IMPACT,
    EDITS,
    COMPARED,
    ROWS,
    DIVERGENCES,
    CAUSES,
    CORRECTIONS,
)
