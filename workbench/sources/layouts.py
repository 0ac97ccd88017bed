"""How `eventsourcing` and its extensions lay out their tables in SQLite.

A layout is recognised by tables and columns alone. Nothing in such a file says
which version of which package wrote it, and table names are the user's to choose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

EVENT_COLUMNS = {"originator_id", "originator_version", "topic", "state"}
SENTINEL = "__migration__"  # a row that the library keeps in tables named `tracking`


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as the database describes it: column names with declared types."""

    name: str
    columns: Mapping[str, str]
    has_rowid: bool


@dataclass(frozen=True, slots=True)
class Tracking:
    """A tracking table: who follows whom. `receiver` and `follows` are SQL expressions."""

    table: str
    receiver: str
    follows: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the events of one application lie in a SQLite file, and in what form."""

    kind: str
    events: str
    position: str
    application: str | None = None
    application_column: str | None = None
    id_is_blob: bool = False
    id_has_dashes: bool = False
    metadata: str | None = None
    snapshots: str | None = None
    tracking: tuple[Tracking, ...] = ()
    names_follower: bool = False
    first_schema_version: int | None = 1


def quoted(name: str) -> str:
    """Return an SQL identifier.

    Examples
    --------
    >>> quoted('odd"name')
    '"odd""name"'
    """
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return an SQL expression for a text, whatever is in it."""
    return f"CAST({blob(value)} AS TEXT)"


def blob(value: str) -> str:
    """Return an SQL literal for the bytes of a text."""
    return f"x'{value.encode('utf-8', 'surrogatepass').hex()}'"


def recognise(tables: Iterable[StoredTable]) -> list[Layout]:
    """Return the layouts found, one for each table of events; a Django one has no application yet.

    Notes
    -----
    The columns are those of `eventsourcing.sqlite` 9.5.6 and 10.0.0a7,
    `eventsourcing_sqlalchemy.models` 1.0.1 and `eventsourcing_django.models` 0.6.
    """
    by_name = {table.name: table for table in tables}
    found = [
        layout
        for table in by_name.values()
        if set(table.columns) >= EVENT_COLUMNS
        if (layout := _layout(table, by_name)) is not None
    ]
    # The library's own table has one name: others of that form are copies of it.
    own = [layout for layout in found if layout.position == "rowid"]
    named = [layout for layout in own if layout.events == "stored_events"]
    return [layout for layout in found if not named or layout not in own or layout in named]


def _layout(table: StoredTable, tables: Mapping[str, StoredTable]) -> Layout | None:
    columns = set(table.columns)
    if not table.has_rowid or "uid" in columns or table.name.endswith("snapshots"):
        return None
    if "id" in columns:
        if "INT" not in table.columns["id"].upper():
            return None  # positions are numbers
        return (
            _django(table, tables) if "application_name" in columns else _sqlalchemy(table, tables)
        )
    if columns == EVENT_COLUMNS:
        return _native(table, tables, "eventsourcing 9, SQLite")
    if columns == EVENT_COLUMNS | {"event_id", "metadata"}:
        return replace(
            _native(table, tables, "eventsourcing 10, SQLite"),
            id_has_dashes=True,
            metadata=_WITH_EVENT_ID,
            first_schema_version=None,
        )
    return None


# eventsourcing 10 keeps an event's id beside its metadata; here it is part of it.
# What is not JSON, in a file made by hand, becomes a JSON string.
_WITH_EVENT_ID = """CASE
    WHEN metadata IS NULL THEN NULL
    WHEN NOT json_valid(CAST(metadata AS TEXT)) THEN json_quote(CAST(metadata AS TEXT))
    WHEN json_type(CAST(metadata AS TEXT)) = 'object' AND event_id IS NOT NULL
    THEN json_set(CAST(metadata AS TEXT), '$.event_id', CAST(event_id AS TEXT))
    ELSE CAST(metadata AS TEXT) END"""


def _native(table: StoredTable, tables: Mapping[str, StoredTable], kind: str) -> Layout:
    tracking = tables.get("tracking")
    found: tuple[Tracking, ...] = ()
    if tracking is not None and "notification_id" in tracking.columns:
        followed = "context_name" if "context_name" in tracking.columns else "application_name"
        found = (Tracking("tracking", "'tracking'", followed),)
    snapshots = _snapshots("stored_snapshots", tables)
    return Layout(kind, table.name, "rowid", snapshots=snapshots, tracking=found)


def _snapshots(name: str, tables: Mapping[str, StoredTable]) -> str | None:
    found = tables.get(name)
    return name if found is not None and set(found.columns) >= EVENT_COLUMNS else None


def _sqlalchemy(table: StoredTable, tables: Mapping[str, StoredTable]) -> Layout:
    prefix = table.name.removesuffix("events").removesuffix("_")
    nameless = prefix == "stored"
    tracking = tuple(
        Tracking(name, text(name.removesuffix("_tracking")), "application_name")
        for name, found in tables.items()
        if name.endswith("_tracking")
        if {"application_name", "notification_id"} == set(found.columns)
    )
    return Layout(
        "eventsourcing-sqlalchemy, SQLite",
        table.name,
        "id",
        application=None if nameless else prefix,
        id_is_blob="BINARY" in table.columns["originator_id"].upper(),
        snapshots=_snapshots(f"{prefix}_snapshots", tables),
        tracking=tracking,
        names_follower=not nameless,
    )


def _django(table: StoredTable, tables: Mapping[str, StoredTable]) -> Layout:
    tracking = tables.get("notification_tracking")
    found = (
        (Tracking("notification_tracking", "application_name", "upstream_application_name"),)
        if tracking is not None and "upstream_application_name" in tracking.columns
        else ()
    )
    return Layout(
        "eventsourcing-django, SQLite",
        table.name,
        "id",
        application_column="application_name",
        snapshots=_snapshots("snapshots", tables),
        tracking=found,
        names_follower=True,
    )


def tables_in(db: sqlite3.Connection) -> Iterator[StoredTable]:
    """Yield the tables of a database, without SQLite's own."""
    rows = db.execute("PRAGMA table_list").fetchall()
    for schema, name, kind, _, without_rowid, _ in rows:
        if schema == "main" and kind == "table" and not name.startswith("sqlite_"):
            columns = db.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
            yield StoredTable(name, {c[1]: c[2] for c in columns}, not without_rowid)


def applications_in(db: sqlite3.Connection, layout: Layout) -> Iterator[Layout]:
    """Yield the layout for each application whose events are in its table."""
    column, events = layout.application_column, quoted(layout.events)
    if column is None:
        yield layout
        return
    # One step down the index for each name, not a walk over all rows.
    least = f"SELECT min({quoted(column)}) FROM {events}"
    name = db.execute(least).fetchone()[0]
    if name is None:
        yield layout  # no events yet
    while name is not None:
        yield replace(layout, application=name)
        name = db.execute(f"{least} WHERE {quoted(column)} > ?", (name,)).fetchone()[0]
