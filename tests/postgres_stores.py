"""Writing stores into PostgreSQL as the library and its extensions lay them out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from servers.postgres import PostgresServer
    from stores import Row

SPACE = UUID(int=7)
_FOUR = "originator_id {id} NOT NULL, originator_version bigint NOT NULL, topic text, state bytea"
_KEY = "PRIMARY KEY (originator_id, originator_version)"


@dataclass(frozen=True)
class Written:
    """How one layout is written: the table of events, its columns besides the four, its id."""

    table: str
    columns: str
    number: str
    id: str = "text"
    application: str | None = None
    dashed: bool = False

    @property
    def create(self) -> str:
        """The statement that makes the table of events."""
        return f"CREATE TABLE {self.table} ({self.columns.format(id=self.id)})"

    def shown(self, rows: Iterable[Row]) -> list[Row]:
        """Return rows as the workbench shows them: of a UUID the hex digits, or the dashed form."""
        if self.id != "uuid":
            return list(rows)
        form = str if self.dashed else UUID.hex.fget
        return [row._replace(stream=form(uuid5(SPACE, row.stream))) for row in rows]


NATIVE = f"{_FOUR}, notification_id bigserial UNIQUE, {_KEY}"
LAYOUTS = {
    "native, text": Written("shop_events", NATIVE, "notification_id", application="shop"),
    "native, uuid": Written("shop_events", NATIVE, "notification_id", "uuid", "shop"),
    "nameless": Written("stored_events", NATIVE, "notification_id"),
    "10": Written(
        "shop_events",
        f"{_FOUR}, event_id uuid, metadata jsonb, notification_id bigserial UNIQUE, {_KEY}",
        *("notification_id", "uuid", "shop"),
        dashed=True,
    ),
    "sqlalchemy": Written(
        "shop_events", f"id bigserial PRIMARY KEY, {_FOUR}", "id", "uuid", "shop"
    ),
    "django": Written(
        "stored_events",
        "id serial PRIMARY KEY, application_name varchar(32) NOT NULL DEFAULT 'Shop', "
        + _FOUR.replace("version bigint", "version integer"),
        *("id", "uuid", "Shop"),
    ),
}


def insert(db: psycopg.Connection, layout: Written, rows: Iterable[Row]) -> None:
    """Write rows with the numbers that they have."""
    query = (
        f"INSERT INTO {layout.table} ({layout.number}, originator_id, originator_version, topic, "
        "state) VALUES (%s, %s, %s, %s, %s)"
    )
    values = [
        (r.position, uuid5(SPACE, r.stream) if layout.id == "uuid" else r.stream, *r[2:])
        for r in rows
    ]
    with db.cursor() as cursor:
        if values:
            cursor.executemany(query, values)


def write(server: PostgresServer, layout: Written, rows: Iterable[Row]) -> str:
    """Write rows into a new database, and return its URL."""
    name = server.new_database()
    with closing(server.connect(name)) as db:
        db.execute(layout.create)
        insert(db, layout, rows)
    return server.url(name)


def plain(server: PostgresServer, url: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a plain query to the database of a URL."""
    with closing(server.connect(url.rpartition("/")[2])) as db:
        return db.execute(sql.SQL(query)).fetchall()
