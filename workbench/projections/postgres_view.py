"""A view that is kept in PostgreSQL: triggers note which rows an event has changed."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
from eventsourcing.postgres import PostgresFactory, PostgresTrackingRecorder

from workbench.errors import ProjectionError
from workbench.projections.scratch_postgres import PRESENT, ScratchDatastore, ScratchPostgres
from workbench.projections.sql_view import (
    DELETED,
    EMPTIED,
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
    from collections.abc import Callable, Mapping

    from eventsourcing.utils import Environment

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import Cursor
    from workbench.tables import Dtype

    _Load = Callable[[str], Any]

NOTES = "workbench_notes"
_AS_TEXT = {"text", "varchar", "bpchar", "name", "json", "jsonb", "uuid"}
_DTYPES: dict[str, Dtype] = {
    **dict.fromkeys(("int2", "int4", "int8"), pl.Int64()),
    **dict.fromkeys(("float4", "float8"), pl.Float64()),
    **dict.fromkeys(_AS_TEXT, pl.String()),
    "bool": pl.Boolean(),
    "bytea": pl.Binary(),
}
_RESTORED = {*_DTYPES, "numeric", "timestamptz", "date"}
_TABLES = """
SELECT c.relname::text, a.attname::text, t.typname::text, t.oid::int8,
       array_position(i.indkey::int2[], a.attnum)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname NOT IN (%s, %s)
ORDER BY c.relname, a.attnum"""
_UNTOLD = """
SELECT 'its tables have triggers of their own' FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE c.relnamespace = to_regnamespace(%(of)s) AND NOT tgisinternal
  AND NOT starts_with(tgname, 'workbench_')
UNION ALL
SELECT 'its tables refer to each other' FROM pg_constraint
WHERE connamespace = to_regnamespace(%(of)s) AND contype = 'f'
UNION ALL
SELECT 'the database makes the values of ' || a.attname FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND adnum = attnum
WHERE c.relnamespace = to_regnamespace(%(of)s) AND c.relkind IN ('r', 'p') AND c.relname <> %(own)s
  AND (a.attidentity <> '' OR a.attgenerated <> ''
       OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%')"""


class PostgresView(SqlView):
    """The tables of a view with change logs.

    Parameters
    ----------
    view_class
        A subclass of the library's `PostgresTrackingRecorder`.
    env
        The environment of the view's factory.
    scratch
        The URL of the database in which it runs.
    application
        The name under which positions are tracked.
    cursor
        Which event is being handled.

    Raises
    ------
    ProjectionError
        If the database cannot be used, or a table of the view has no primary key.
    """

    def __init__(
        self,
        view_class: type[PostgresTrackingRecorder],
        env: Environment,
        scratch: str,
        application: str,
        cursor: Cursor,
    ) -> None:
        self._connection = ScratchPostgres(scratch, cursor)
        try:
            self._make(view_class, env, application, cursor)
        except BaseException:
            self._connection.close()
            raise

    def _make(
        self,
        view_class: type[PostgresTrackingRecorder],
        env: Environment,
        application: str,
        cursor: Cursor,
    ) -> None:
        connection = self._connection
        # Where the factory would connect to, which it never does.
        nowhere = dict.fromkeys(("DBNAME", "HOST", "USER", "PASSWORD"), "none")
        env = type(env)(env.name, dict(env))
        for name, value in (nowhere | {"PORT": "0", "SCHEMA": connection.schema}).items():
            env[f"{env.name.upper()}_POSTGRES_{name}"] = value
        env[f"{env.name.upper()}_CREATE_TABLE"] = "yes"
        factory = PostgresFactory(env)
        factory.datastore = ScratchDatastore(factory.datastore, connection)
        self.view = factory.tracking_recorder(view_class)
        connection.tracking = self.view.tracking_table_name
        connection.end_event(keeps=True)
        connection.refuse_elsewhere()
        connection.keep_positions(self.view, application, PostgresTrackingRecorder)
        self._columns = self._found()
        tables = [_table(name, columns) for name, columns in self._columns.items()]
        super().__init__(connection, tables, _DTYPES, cursor)
        self._loads = [
            [_loader(connection.made, *c[1:3]) for c in _keys_first(columns)]
            for columns in self._columns.values()
        ]
        connection.ask(
            f"CREATE UNLOGGED TABLE {self._of(NOTES)} (seq int8 GENERATED ALWAYS AS IDENTITY, "
            "event int4, number int4 NOT NULL, row_ text[])"
        )
        for number, table in enumerate(tables):
            connection.ask(_function(self._of(f"workbench_note_{number}"), self._of, table, number))
            for what in ("ROW", "STATEMENT"):
                when = "INSERT OR UPDATE OR DELETE" if what == "ROW" else "TRUNCATE"
                connection.ask(
                    f"CREATE TRIGGER workbench_{what.lower()} AFTER {when} ON "
                    f"{self._of(table.name)} FOR EACH {what} "
                    f"EXECUTE FUNCTION {self._of(f'workbench_note_{number}')}()"
                )
        connection.defer()
        connection.settle()

    def _of(self, name: str) -> str:
        return f"{quoted(self._connection.schema)}.{quoted(name)}"

    def _found(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the columns of each table: name, type, its number, and place in the key."""
        connection = self._connection
        names = connection.schema, connection.tracking, NOTES
        rows = connection.ask(_TABLES, names)
        return {
            table: [tuple(row[1:]) for row in columns]
            for table, columns in groupby(rows, key=itemgetter(0))
        }

    def gather(self) -> None:
        """Log what triggers have noted of the events of a batch.

        Raises
        ------
        ProjectionError
            If the view has written elsewhere, has changed its tables, or the database went
            away.
        """
        connection, cursor = self._connection, self._cursor
        if connection.made.closed:
            return  # which was told where it was noticed
        with connection.present():
            connection.refuse_elsewhere()
            if self._found() != self._columns:
                raise changed_tables(self.view, "sql_create_statements")
            notes = connection.ask(
                f"SELECT event, number, row_ FROM {self._of(NOTES)} ORDER BY seq"
            )
            if notes:
                connection.ask(f"TRUNCATE {self._of(NOTES)}")
        for event, of_event in groupby(notes, key=itemgetter(0)):
            cursor.event = event
            self._log([self._told(number, texts) for _, number, texts in of_event])
        cursor.event = -1

    def _told(self, number: int, texts: list[str | None]) -> tuple[Any, ...]:
        what, width, _ = self._kinds[number]
        loads = self._loads[number // len(KINDS)]
        if what == UPDATED:
            loads = [*loads[:width], *loads]
        return (
            number,
            *(
                None if text is None else load(text)
                for text, load in zip(texts, loads, strict=False)
            ),
        )

    def close(self) -> None:
        """Drop the view's schema, and close the connection."""
        self._connection.close()

    def restore(self, logs: Mapping[str, ChangeLog], application: str) -> None:
        """Fill the view's tables with what the logs end with.

        Raises
        ------
        TrialError
            If the logs do not tell all that the view needs.
        """
        connection = self._connection
        untold = connection.ask(_UNTOLD, {"of": connection.schema, "own": NOTES})
        if untold:
            raise cannot_restore(self.view, untold[0][0])
        for name, columns in self._columns.items():
            if others := sorted(c[0] for c in columns if c[1] not in _RESTORED):
                why = f"the column {others[0]!r} of {name!r} is logged as text"
                raise cannot_restore(self.view, why)
            ordered = _keys_first(columns)
            marks = ", ".join(f"%s::{of}" for _, of, *_ in ordered)
            into = f"{self._of(name)} ({', '.join(quoted(c[0]) for c in ordered)})"
            rows = logs[name].table()
            rows = rows.with_columns(
                pl.lit(None).alias(c[0]) for c in ordered if c[0] not in rows.columns
            ).select(c[0] for c in ordered)
            with psycopg.Cursor(connection.made) as cursor:
                cursor.executemany(f"INSERT INTO {into} VALUES ({marks})".encode(), rows.rows())
        connection.ask(f"TRUNCATE {self._of(NOTES)}")
        self._restored(logs, application)


def _keys_first(columns: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the columns in the order in which triggers tell them."""
    key = sorted((c for c in columns if c[3] is not None), key=itemgetter(3))
    return [*key, *(c for c in columns if c[3] is None)]


def _table(name: str, columns: list[tuple[Any, ...]]) -> ViewTable:
    ordered = _keys_first(columns)
    key = {c[0]: c[1] for c in ordered if c[3] is not None}
    if not key:
        msg = (
            f"Cannot watch the view's table {name!r}: it has no primary key, so that its rows "
            "cannot be told apart. Give it one."
        )
        raise ProjectionError(msg)
    return ViewTable(name, key, {c[0]: c[1] for c in ordered if c[3] is None})


def _function(name: str, of: Callable[[str], str], table: ViewTable, number: int) -> str:
    """Return the SQL that makes what triggers of a table call."""
    keys, values = [*map(quoted, table.key)], [*map(quoted, table.values)]
    old = [f"OLD.{column}::text" for column in keys]
    new = [f"NEW.{column}::text" for column in (*keys, *values)]
    told = {
        "INSERT": (INSERTED, new),
        "UPDATE": (UPDATED, [*old, *new]),
        "DELETE": (DELETED, old),
        "TRUNCATE": (EMPTIED, []),
    }
    branches = "".join(
        f"IF TG_OP = '{word}' THEN INSERT INTO {of(NOTES)} (event, number, row_) VALUES ("
        f"nullif(current_setting('{PRESENT}', true), '')::int4, {len(KINDS) * number + what}, "
        f"ARRAY[{', '.join(columns)}]::text[]); END IF; "
        for word, (what, columns) in told.items()
    )
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$workbench$ BEGIN {branches} RETURN NULL; END $workbench$"
    )


def _loader(made: psycopg.Connection[Any], kind: str, oid: int) -> _Load:
    """Return what makes Python's value of the text of one, as the view itself gets it."""
    if kind in _AS_TEXT:
        return str
    found = made.adapters.get_loader(oid, psycopg.pq.Format.TEXT)
    if found is None:
        return str
    load = found(oid, made).load

    def loaded(text: str) -> Any:  # noqa: ANN401, of any type
        try:
            value = load(text.encode())
            hash(value)
        except (psycopg.DataError, TypeError):
            return text  # what Python has no value for, such as infinity, or an array
        return value

    return loaded
