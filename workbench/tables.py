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
        Column("type", pl.String, "that event's type"),
        Column("change", pl.String, "'insert', 'update' or 'delete'"),
    ),
    ("the order in which they were made",),
)

FAILURES = Table(
    "failures",
    "one event that a handler could not process",
    (
        Column("position", pl.Int64, "the event"),
        Column("type", pl.String, "its type"),
        Column("handler", pl.String, "the handler's name"),
        Column("error", pl.String, "the error's class and message"),
    ),
    ("position",),
)

ALL = (EVENTS, TYPES, STREAMS, RATE, PROBLEMS, RECEIVERS, SNAPSHOTS, CHANGES, FAILURES)
