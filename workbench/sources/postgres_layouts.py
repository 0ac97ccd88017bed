"""How `eventsourcing` and its extensions lay out their tables in PostgreSQL.

A layout is recognised by tables and columns alone; table names begin with the name of an
application. What is asked is put together here from names that are always quoted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.sources.layouts import EVENT_COLUMNS, SENTINEL, Tracking, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.sources.postgres_server import Session

DCB_COLUMNS = {"id", "type", "data", "tags"}
DCB_SUFFIX = "_events_tt_main"
WITH_EVENT_ID = """(CASE
    WHEN jsonb_typeof(metadata) = 'object' AND {id} IS NOT NULL
    THEN metadata || jsonb_build_object('event_id', {id}) ELSE metadata END)::text"""
"""eventsourcing 10 keeps an event's id beside its metadata; here it is part of it."""


@dataclass(frozen=True, slots=True)
class PostgresLayout:
    """Where the events of one application lie in a database, and in what form.

    Columns are SQL expressions over the table of events.
    """

    kind: str
    schema: str
    events: str
    position: str
    stream: str | None
    """None where events belong to no stream: a DCB store has tags."""
    version: str | None
    type: str
    state: str
    application: str | None = None
    application_column: str | None = None
    id_is_uuid: bool = False
    id_has_dashes: bool = False
    metadata: str | None = None
    tags: str | None = None
    tags_table: str | None = None
    snapshots: str | None = None
    tracking: tuple[Tracking, ...] = ()
    first_schema_version: int | None = 1

    @property
    def table(self) -> str:
        """The table of events, as SQL names it."""
        return self.of(self.events)

    def of(self, table: str) -> str:
        """Another table of the same schema, as SQL names it."""
        return f"{quoted(self.schema)}.{quoted(table)}"

    @property
    def channel(self) -> str:
        """Where the library announces new events."""
        return self.events.replace(".", "_")


def literal(text: str) -> str:
    """Return an SQL literal, for a session in which strings conform to the standard.

    Examples
    --------
    >>> print(literal("it's"))
    'it''s'
    """
    return "'" + text.replace("'", "''") + "'"


def can_be_stored(text: str) -> bool:
    """Return whether PostgreSQL can hold a text: no NUL, and nothing that is not UTF-8."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


_TABLES = """
SELECT c.relname, array_agg(a.attname::text), array_agg(t.typname::text)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = {schema} AND c.relkind IN ('r', 'p', 'f') GROUP BY 1 ORDER BY 1"""


def tables_in(session: Session, schema: str) -> dict[str, dict[str, str]]:
    """Return the tables of a schema: the types of their columns by name."""
    rows = session.ask(_TABLES.format(schema=literal(schema)))
    return {name: dict(zip(names, types, strict=True)) for name, names, types in rows}


def recognise(schema: str, tables: Mapping[str, Mapping[str, str]]) -> list[PostgresLayout]:
    """Return the layouts found, one for each table of events; a Django one has no application yet.

    Notes
    -----
    The columns are those of `eventsourcing.postgres` 9.5.6 and 10.0.0a7,
    `eventsourcing.dcb.postgres_tt` of both, `eventsourcing_sqlalchemy.models` 1.0.1 and
    `eventsourcing_django.models` 0.6.
    """
    found = (_layout(schema, name, columns, tables) for name, columns in tables.items())
    return [layout for layout in found if layout is not None]


def _layout(
    schema: str, name: str, columns: Mapping[str, str], tables: Mapping[str, Mapping[str, str]]
) -> PostgresLayout | None:
    if set(columns) >= DCB_COLUMNS and name.endswith(DCB_SUFFIX):
        return _dcb(schema, name, columns, tables)
    numbered = {"notification_id", "id"} & set(columns)
    if not set(columns) >= EVENT_COLUMNS or not numbered or name.endswith("snapshots"):
        return None
    if "application_name" in columns:
        return _django(schema, name, columns, tables)
    prefix = name.removesuffix("events").removesuffix("_")
    is_library = "notification_id" in columns
    made = PostgresLayout(
        kind=f"{'eventsourcing 9' if is_library else 'eventsourcing-sqlalchemy'}, PostgreSQL",
        schema=schema,
        events=name,
        position="notification_id" if is_library else "id",
        stream="originator_id",
        version="originator_version::bigint",
        type="topic",
        state="state",
        application=None if prefix in {"", "stored"} else prefix,
        id_is_uuid=columns["originator_id"] == "uuid",
        snapshots=_snapshots(f"{prefix}_snapshots", tables),
        tracking=tuple(_tracking(tables)),
    )
    if is_library and {"event_id", "metadata"} <= set(columns):
        return replace(
            made,
            kind="eventsourcing 10, PostgreSQL",
            id_has_dashes=True,
            metadata=WITH_EVENT_ID.format(id="event_id"),
            first_schema_version=None,
        )
    return made


def _dcb(
    schema: str, name: str, columns: Mapping[str, str], tables: Mapping[str, Mapping[str, str]]
) -> PostgresLayout:
    prefix = name.removesuffix(DCB_SUFFIX)
    tags = f"{prefix}_events_tt_tag"
    is_10 = {"uuid", "metadata"} <= set(columns)
    return PostgresLayout(
        kind=f"eventsourcing {10 if is_10 else 9} DCB, PostgreSQL",
        schema=schema,
        events=name,
        position="id",
        stream=None,
        version=None,
        type="type",
        state="data",
        application=None if prefix in {"", "dcb"} else prefix,
        metadata=WITH_EVENT_ID.format(id="uuid") if is_10 else None,
        tags="tags",
        tags_table=tags if {"tag", "main_id"} <= set(tables.get(tags, ())) else None,
        tracking=tuple(_tracking(tables)),
        first_schema_version=None,
    )


def _django(
    schema: str, name: str, columns: Mapping[str, str], tables: Mapping[str, Mapping[str, str]]
) -> PostgresLayout:
    tracking = tables.get("notification_tracking", {})
    return PostgresLayout(
        kind="eventsourcing-django, PostgreSQL",
        schema=schema,
        events=name,
        position="id",
        stream="originator_id",
        version="originator_version::bigint",
        type="topic",
        state="state",
        application_column="application_name",
        id_is_uuid=columns["originator_id"] == "uuid",
        snapshots=_snapshots("snapshots", tables),
        tracking=(
            (Tracking("notification_tracking", "application_name", "upstream_application_name"),)
            if "upstream_application_name" in tracking
            else ()
        ),
    )


def _snapshots(name: str, tables: Mapping[str, Mapping[str, str]]) -> str | None:
    return name if set(tables.get(name, ())) >= EVENT_COLUMNS else None


def _tracking(tables: Mapping[str, Mapping[str, str]]) -> Iterable[Tracking]:
    """Yield the library's tables of positions: one for each receiver, by its name."""
    for name, columns in tables.items():
        followed = {"application_name", "context_name"} & set(columns)
        if name.endswith("_tracking") and set(columns) == {*followed, "notification_id"}:
            receiver = literal(name.removesuffix("_tracking"))
            yield Tracking(name, receiver, followed.pop())


def tracked(layout: PostgresLayout, tracking: Tracking) -> str:
    """Return the query for who follows: receiver, what it follows, and its position."""
    return (
        f"SELECT {tracking.receiver}::text, {tracking.follows}::text, max(notification_id)::bigint "
        f"FROM {layout.of(tracking.table)} WHERE {tracking.follows} <> {literal(SENTINEL)} "
        "GROUP BY 1, 2"
    )


def applications_in(session: Session, layout: PostgresLayout) -> Iterable[PostgresLayout]:
    """Yield the layout for each application whose events are in its table."""
    if layout.application_column is None:
        yield layout
        return
    column = quoted(layout.application_column)
    rows = session.ask(f"SELECT DISTINCT {column} FROM {layout.table} ORDER BY 1")
    if not rows:
        yield layout  # no events yet
    for (name,) in rows:
        yield replace(layout, application=name)
