"""The specs of what upcasting every stored event answers."""

from __future__ import annotations

import polars as pl

from workbench.tables.spec import Column, Table

_TYPE = Column("type", pl.String, "the event type")
_STORED = Column("stored_version", pl.Int64, "the version as stored; null where it is no number")
_CODE = Column("code_version", pl.Int64, "the version of the class; null where there is no class")
_FIRST = Column("first_position", pl.Int64, "the first such event")
_LAST = Column("last_position", pl.Int64, "the last such event")

UPCASTS = Table(
    "upcasts",
    "the events of one type and stored version, upcast to the version of their class",
    (
        _TYPE,
        _STORED,
        _CODE,
        Column("steps", pl.Int64, "upcasters that each event runs through"),
        Column("events", pl.Int64, "events"),
        Column("succeeded", pl.Int64, "those that become events of the class"),
        Column("failed", pl.Int64, "those that do not"),
        Column("untried", pl.Int64, "those given up, after others like them ended a process"),
        Column("newer", pl.Int64, "events of a version that the code does not know yet"),
        Column("lost", pl.Int64, "fields that upcasters take away, of any event"),
        Column("filled", pl.Int64, "fields that upcasters add"),
        Column("changed_type", pl.Int64, "fields that upcasters make a value of another type"),
        Column("defaulted", pl.Int64, "declared fields with a default that an event lacks"),
        Column("missing", pl.Int64, "declared fields without one that an event lacks"),
        Column("extra", pl.Int64, "fields of an event that the class does not declare"),
        Column("idempotent", pl.Int64, "events that the same upcasters, run again, leave as is"),
        Column("unstable", pl.Int64, "events that come to something else when upcast once more"),
        Column("seconds", pl.Float64, "the time that it took, in seconds"),
        _FIRST,
        _LAST,
    ),
    ("type", "stored_version"),
)

UPCAST_FAILURES = Table(
    "upcast failures",
    "one event that does not become an event of its class",
    (
        Column("position", pl.Int64, "the event"),
        Column("stream", pl.String, "its stream"),
        Column("version", pl.Int64, "its version in its stream"),
        _TYPE,
        _STORED,
        Column("step", pl.String, "what failed: 'decode', 'upcast_v1_v2', 'find the class'..."),
        Column("error", pl.String, "the error's class, or 'Stopped' where it ended its process"),
        Column("message", pl.String, "what the error says"),
    ),
    ("position",),
)

UPCAST_FIELDS = Table(
    "upcast fields",
    "one field of one type and stored version with which something happens",
    (
        _TYPE,
        _STORED,
        _CODE,
        Column("path", pl.String, "the field; members of a list share `name[]`"),
        Column(
            "what",
            pl.String,
            "by upcasters: 'lost', 'filled', 'changed type'; against the class: 'defaulted', "
            "'missing', 'extra'",
        ),
        Column("events", pl.Int64, "events"),
        _FIRST,
        _LAST,
        Column("before", pl.String, "its value in the first of them, as JSON; null if absent"),
        Column("after", pl.String, "its value after the upcasters"),
        Column(
            "same_as",
            pl.List(pl.String),
            "fields that hold, in each of these events, what this one held, or had held it before",
        ),
    ),
    ("type", "stored_version", "what", "path"),
)

UNRESOLVED = Table(
    "unresolved",
    "one event type that no named class answers to",
    (
        _TYPE,
        Column("events", pl.Int64, "events"),
        Column("is_named", pl.Boolean, "whether its module was named: then its events fail"),
        Column("reason", pl.String, "why there is no class"),
        _FIRST,
        _LAST,
    ),
    ("type",),
)

RELEASE_TYPES = Table(
    "release types",
    "the events of one type and stored version, as two releases read them",
    (
        _TYPE,
        Column("stored_version", pl.Int64, "the schema version"),
        Column("events", pl.Int64, "events"),
        Column("read_by_old", pl.Int64, "those that the old release makes events of its classes"),
        Column("read_by_new", pl.Int64, "those that the new release makes events of its classes"),
        Column("failed_in_old", pl.Int64, "those that fail in the old release"),
        Column("failed_in_new", pl.Int64, "those that fail in the new release"),
        Column("broken", pl.Int64, "those that the old release reads, and the new one does not"),
        Column("mended", pl.Int64, "those that the new release reads, and the old one does not"),
        Column("different", pl.Int64, "those that both read, to different fields"),
        Column("old_error", pl.String, "the first failure of the old release"),
        Column("new_error", pl.String, "the first failure of the new release"),
        _FIRST,
        _LAST,
    ),
    ("type", "stored_version"),
)

RELEASE_FIELDS = Table(
    "release fields",
    "one field that two releases make something else of",
    (
        _TYPE,
        Column("stored_version", pl.Int64, "the schema version"),
        Column("path", pl.String, "the field; members of a list share `name[]`"),
        Column("what", pl.String, "'only in old', 'only in new', 'other type' or 'other value'"),
        Column("events", pl.Int64, "events"),
        _FIRST,
        _LAST,
        Column("old", pl.String, "its value by the old release in the first of them, as JSON"),
        Column("new", pl.String, "its value by the new release in the first of them, as JSON"),
    ),
    ("type", "stored_version", "path", "what"),
)


def _stop(release: str) -> tuple[Column, ...]:
    return (
        Column(f"{release}_rebuilds", pl.Boolean, f"whether the {release} release rebuilds it"),
        Column(f"{release}_position", pl.Int64, "the event at which it stops, else null"),
        Column(f"{release}_version", pl.Int64, "that event's version in the stream"),
        Column(f"{release}_type", pl.String, "that event's type"),
        Column(f"{release}_error", pl.String, "why it stops there"),
    )


RELEASE_STREAMS = Table(
    "release streams",
    "one stream, and how far two releases can rebuild its aggregate",
    (
        Column("stream", pl.String, "the stream"),
        Column("events", pl.Int64, "events that it has"),
        _FIRST,
        _LAST,
        *_stop("old"),
        *_stop("new"),
    ),
    ("first_position", "stream"),
)

STATES = Table(
    "states",
    "one attribute of an aggregate, before and after an event",
    (
        Column("attribute", pl.String, "its name"),
        Column(
            "before", pl.String, "its value before the event, as text; null where there is none"
        ),
        Column("after", pl.String, "its value after the event"),
        Column("changed", pl.Boolean, "whether the two differ"),
    ),
    ("as the class has them",),
)
