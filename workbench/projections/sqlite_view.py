"""A view that is kept in SQLite: triggers tell at once which rows an event has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from eventsourcing.sqlite import SQLiteFactory, SQLiteTrackingRecorder

from workbench.errors import ProjectionError
from workbench.projections.scratch_sqlite import WATCH, ScratchDatastore
from workbench.projections.sql_view import (
    DELETED,
    INSERTED,
    KINDS,
    UPDATED,
    SqlView,
    ViewTable,
    cannot_restore,
    changed_tables,
)
from workbench.sources.layouts import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventsourcing.utils import Environment

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import Cursor
    from workbench.projections.scratch_sqlite import ScratchConnection
    from workbench.tables import Dtype

_INTERNAL = {"tracking", "old1_tracking", "stored_events", "stored_snapshots"}
_MOST_ARGUMENTS = 100  # of a function in SQLite
_ROWIDS = ("rowid", "_rowid_", "oid")
_STORED = {pl.Int64, pl.Float64, pl.String, pl.Binary, pl.Null}


class SqliteView(SqlView):
    """The tables of a view with change logs.

    Parameters
    ----------
    view_class
        A subclass of the library's `SQLiteTrackingRecorder`.
    env
        The environment of the view's factory.
    application
        The name under which positions are tracked.
    cursor
        Which event is being handled.
    """

    def __init__(
        self,
        view_class: type[SQLiteTrackingRecorder],
        env: Environment,
        application: str,
        cursor: Cursor,
    ) -> None:
        factory = SQLiteFactory(env)
        factory.datastore.close()
        self._store = factory.datastore = ScratchDatastore(factory.datastore)
        self._connection = self._store.connection
        self.view = factory.tracking_recorder(view_class)
        self._connection.end_event(keeps=True)
        self._connection.keep_positions(self.view, application, SQLiteTrackingRecorder)
        self._tables = _found(self._connection)
        declared = {of for t in self._tables for c in (t.key, t.values) for of in c.values()}
        super().__init__(
            self._connection, self._tables, {of: d for of in declared if (d := _dtype(of))}, cursor
        )
        self._watch()

    def settled(self) -> None:
        """Commit the events of a batch.

        Raises
        ------
        ProjectionError
            If the view has made, altered or dropped tables.
        """
        super().settled()
        if self._schema_version() != self._version:
            raise changed_tables(self.view, "construct_create_table_statements")

    def close(self) -> None:
        """Close the database, which is gone with it."""
        self._store.close()

    def restore(self, logs: Mapping[str, ChangeLog], application: str) -> None:
        """Fill the view's tables with what the logs end with.

        Raises
        ------
        TrialError
            If the logs do not tell all that the view needs.
        """
        own = "SELECT name FROM main.sqlite_master WHERE type = 'trigger'"
        if self._connection.execute(own).fetchone():
            raise cannot_restore(self.view, "its tables have triggers of their own")
        for table in self._tables:
            self._fill(table, logs[table.name])
        self._restored(logs, application)

    def _fill(self, table: ViewTable, log: ChangeLog) -> None:
        rows = log.table()
        for name, of in {**table.key, **table.values}.items():
            dtype = rows.schema.get(name, pl.Null)
            if dtype not in _STORED or (dtype == pl.String and not of):
                raise cannot_restore(self.view, f"the column {name!r} has values of several kinds")
        columns = [*_key_of(table), *(quoted(name) for name in table.values)]
        into = f"main.{quoted(table.name)} ({', '.join(columns)})"
        marks = ", ".join("?" * len(columns))
        cursor = self._connection.new_cursor()
        cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", rows.rows())  # noqa: S608
        cursor.close()

    def _watch(self) -> None:
        for number, table in enumerate(self._tables):
            for trigger in _triggers(table, number):
                self._connection.execute(trigger)
        self._connection.settle()
        self._version = self._schema_version()

    def _schema_version(self) -> int:
        found: int = self._connection.execute("PRAGMA main.schema_version").fetchone()[0]
        return found


class _Numbered(ViewTable):
    """A table without a key of its own: its rows have numbers."""


def _found(connection: ScratchConnection) -> Sequence[ViewTable]:
    query = (
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    tables = connection.execute(query).fetchall()
    return [_table(connection, name) for name, _ in tables if name.lower() not in _INTERNAL]


def _table(connection: ScratchConnection, name: str) -> ViewTable:
    found = connection.execute(
        "SELECT name, type, pk FROM pragma_table_info(?)", (name,)
    ).fetchall()
    key = {c: of for c, of, place in sorted(found, key=lambda row: row[2]) if place}
    values = {c: of for c, of, place in found if not place}
    if key:
        return ViewTable(name, key, values)
    free = [n for n in _ROWIDS if n not in {c.lower() for c in values}]
    if not free:
        msg = (
            f"Cannot watch the view's table {name!r}: it has no primary key, and its columns "
            "hide the number of its rows. Give it a primary key."
        )
        raise ProjectionError(msg)
    return _Numbered(name, {free[0]: "INTEGER"}, values)


def _key_of(table: ViewTable) -> list[str]:
    """Return the key as SQL has it: the number of a row is no column, and has no quotes."""
    return list(table.key) if isinstance(table, _Numbered) else [quoted(name) for name in table.key]


def _triggers(table: ViewTable, number: int) -> list[str]:
    """Return the SQL that makes every change of a row call `WATCH`.

    Raises
    ------
    ProjectionError
        If the table has more columns than can be told.
    """
    keys = _key_of(table)
    old = [f"OLD.{name}" for name in keys]
    new = [f"NEW.{name}" for name in (*keys, *map(quoted, table.values))]
    if len(old) + len(new) >= _MOST_ARGUMENTS:
        msg = (
            f"Cannot watch the view's table {table.name!r}: it has {len(new)} columns, and "
            f"{_MOST_ARGUMENTS - len(old)} are the most. Split it."
        )
        raise ProjectionError(msg)
    told = {("INSERT", INSERTED): new, ("UPDATE", UPDATED): [*old, *new], ("DELETE", DELETED): old}
    return [
        f"CREATE TEMP TRIGGER workbench_{number}_{what} AFTER {word} "
        f"ON main.{quoted(table.name)} BEGIN "
        f"SELECT {WATCH}({len(KINDS) * number + what}, {', '.join(columns)}); END"
        for (word, what), columns in told.items()
    ]


def _dtype(declared: str) -> Dtype | None:
    """Return the dtype that a declared type means, by SQLite's own rules; None if none.

    Notes
    -----
    "Determination Of Column Affinity", https://www.sqlite.org/datatype3.html
    """
    name = declared.upper()
    if "INT" in name:
        return pl.Int64()
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return pl.String()
    if "BLOB" in name:
        return pl.Binary()
    return pl.Float64() if any(part in name for part in ("REAL", "FLOA", "DOUB")) else None
