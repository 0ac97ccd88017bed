"""Which columns of a table people are shown, in which words and form.

A view is a tuple of fields; each takes one column of a frame. `--json` has every column
of the table's spec, whatever the view leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.cli.printing import Column, Kind, visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import polars as pl

NOTHING = "-"


def number(value: object) -> str:
    """Return a whole number with thousands separators, or a mean rounded to one."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """Return a part of one in percent."""
    return f"{value:.1%}"


def minute(value: datetime) -> str:
    """Return a time in UTC to the minute."""
    return f"{value:%Y-%m-%d %H:%M}"


def second(value: datetime) -> str:
    """Return a time in UTC to the second."""
    return f"{value:%Y-%m-%d %H:%M:%S}"


def millisecond(value: datetime) -> str:
    """Return a time in UTC to the millisecond, cut off."""
    return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3]


def text(value: object) -> str:
    """Return stored text so that it is safe to print."""
    return visible(str(value))


def several(values: list[object]) -> str:
    """Return a list in one cell."""
    return ", ".join(map(str, values))


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a view: which column of the frame, its heading, its form."""

    name: str
    heading: str
    form: Callable[..., str] = text
    kind: Kind = "name"
    is_needed: bool = False

    def column(self, frame: pl.DataFrame) -> Column:
        """Return the column as it is printed."""
        values = frame[self.name].to_list()
        cells = [NOTHING if value is None else self.form(value) or NOTHING for value in values]
        return Column(self.heading, cells, self.kind, self.is_needed)


def columns(view: tuple[Field, ...], frame: pl.DataFrame) -> list[Column]:
    """Return a frame as a view shows it."""
    return [field.column(frame) for field in view]


TYPES = (
    Field("shown", "type", is_needed=True),
    Field("count", "events", number, "number", is_needed=True),
    Field("share", "share", share, "number", is_needed=True),
    Field("schema_versions", "schema", several),
    Field("first_time", "first (UTC)", second),
    Field("last_time", "last (UTC)", second),
    Field("undecodable", "undecodable", number, "number"),
    Field("mean_size_bytes", "mean bytes", number, "number"),
    Field("largest_size_bytes", "largest", number, "number"),
    Field("first_position", "first position", number, "number"),
    Field("last_position", "last position", number, "number"),
)

STREAMS = (
    Field("stream", "stream", is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("head_version", "version", number, "number"),
    Field("aggregate", "aggregate"),
    Field("first_time", "first (UTC)", second),
    Field("last_time", "last (UTC)", second),
    Field("first_position", "first position", number, "number"),
    Field("last_position", "last position", number, "number"),
)

STREAM = (
    Field("version", "version", number, "number", is_needed=True),
    Field("time", "time (UTC)", millisecond, is_needed=True),
    Field("shown", "type", is_needed=True),
    Field("position", "position", number, "number"),
    Field("shown_data", "data", text, "text", is_needed=True),
)

PROBLEMS = (
    Field("severity", "severity", is_needed=True),
    Field("kind", "kind", is_needed=True),
    Field("positions", "positions", kind="number"),
    Field("stream", "stream"),
    Field("found", "found", text, "text", is_needed=True),
)

PROBLEM_KINDS = (
    Field("severity", "severity", is_needed=True),
    Field("kind", "problem", is_needed=True),
    Field("shown", "found", kind="number", is_needed=True),
)

RECEIVERS = (
    Field("receiver", "receiver", is_needed=True),
    Field("follows", "follows", is_needed=True),
    Field("position", "position", number, "number", is_needed=True),
    Field("behind", "behind", number, "number"),
)

RATE = (
    Field("time", "time (UTC)", second, is_needed=True),
    Field("by", "by", is_needed=True),
    Field("count", "events", number, "number", is_needed=True),
)

SCHEMA_VERSIONS = (
    Field("shown", "type", is_needed=True),
    Field("name", "version", is_needed=True),
    Field("count", "events", number, "number", is_needed=True),
    Field("share", "share", share, "number"),
    Field("fields", "fields", number, "number"),
    Field("first_position", "first position", number, "number"),
    Field("last_position", "last position", number, "number"),
    Field("first_time", "first (UTC)", second),
    Field("last_time", "last (UTC)", second),
)

SCHEMA_FIELDS = (
    Field("shown", "type"),
    Field("name", "version", is_needed=True),
    Field("path", "field", is_needed=True),
    Field("kinds", "kinds", several, is_needed=True),
    Field("presence", "presence"),
    Field("null_share", "null", share, "number"),
    Field("missing_share", "missing", share, "number"),
    Field("distinct", "different", number, "number"),
    Field("min", "least"),
    Field("max", "greatest"),
    Field("examples", "such as", several, "text"),
)

SCHEMA_OVERLAPS = (
    Field("shown", "type", is_needed=True),
    Field("older", "older", is_needed=True),
    Field("newer", "newer", is_needed=True),
    Field("first_position", "first position", number, "number"),
    Field("last_position", "last position", number, "number"),
)

SCHEMA_MATRIX = (
    Field("path", "field", is_needed=True),
    Field("change", "change", is_needed=True),
    Field("older", "older", is_needed=True),
    Field("newer", "newer", is_needed=True),
    Field("offered", "renamed?"),
    Field("rules", "rules", several, "text"),
    Field("older_null_share", "older null", share, "number"),
    Field("newer_null_share", "newer null", share, "number"),
)

SCHEMA_SHARES = (
    Field("time", "time (UTC)", minute, is_needed=True),
    Field("name", "version", is_needed=True),
    Field("count", "events", number, "number", is_needed=True),
    Field("share", "share", share, "number", is_needed=True),
)

CHANGE_POINTS = (
    Field("position", "position", number, "number", is_needed=True),
    Field("time", "time (UTC)", minute),
    Field("path", "field", is_needed=True),
    Field("kind", "kind"),
    Field("sentence", "what", text, "text", is_needed=True),
)

FINDINGS = (
    Field("shown", "type", is_needed=True),
    Field("readers", "reads", is_needed=True),
    Field("path", "field", is_needed=True),
    Field("rule", "rule", is_needed=True),
    Field("sentence", "breaks", is_needed=True),
    Field("first_position", "first position", number, "number"),
    Field("last_position", "last position", number, "number"),
)

CAUSES = (
    Field("cause", "id", is_needed=True),
    Field("count", "rows", number, "number", is_needed=True),
    Field("table", "table", is_needed=True),
    Field("column", "column", is_needed=True),
    Field("direction", "is", is_needed=True),
    Field("type", "since event", is_needed=True),
    Field("schema_version", "schema", number, "number"),
    Field("accepted", "accepted", text, "text"),
    Field("first_position", "first position", number, "number"),
    Field("last_position", "last position", number, "number"),
    Field("examples", "rows such as", several, "text"),
)

UPCASTS = (
    Field("shown", "type", is_needed=True),
    Field("stored_version", "stored", number, "number", is_needed=True),
    Field("code_version", "code", number, "number", is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("failed", "failed", number, "number", is_needed=True),
    Field("untried", "untried", number, "number"),
    Field("newer", "newer", number, "number"),
    Field("lost", "lost", number, "number"),
    Field("filled", "filled", number, "number"),
    Field("changed_type", "retyped", number, "number"),
    Field("missing", "missing", number, "number"),
    Field("extra", "extra", number, "number"),
)

UPCAST_FAILURES = (
    Field("shown", "type", is_needed=True),
    Field("stored_version", "stored", number, "number", is_needed=True),
    Field("step", "step", is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("first_position", "first position", number, "number"),
    Field("said", "such as", text, "text", is_needed=True),
)

RELEASES = (
    Field("shown", "type", is_needed=True),
    Field("stored_version", "stored", number, "number", is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("read_by_old", "old reads", number, "number", is_needed=True),
    Field("read_by_new", "new reads", number, "number", is_needed=True),
    Field("broken", "broken", number, "number"),
    Field("different", "differ", number, "number"),
)

RELEASE_FIELDS = (
    Field("shown", "type", is_needed=True),
    Field("stored_version", "stored", number, "number", is_needed=True),
    Field("path", "field", is_needed=True),
    Field("what", "is", is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("old", "old", text, "text"),
    Field("new", "new", text, "text"),
)

RELEASE_STOPS = (
    Field("release", "release", is_needed=True),
    Field("shown", "stops at", is_needed=True),
    Field("streams", "streams", number, "number", is_needed=True),
    Field("first_position", "first position", number, "number"),
    Field("error", "such as", text, "text", is_needed=True),
)
