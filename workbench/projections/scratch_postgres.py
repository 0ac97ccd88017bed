"""The scratch schema of a trial: a PostgreSQL view of the user's runs in it, and is watched.

It is made in a database that the user named for it, under a name of its own, and is dropped
with the trial. A view gets it in the place of the library's datastore. Schemas of trials
that could not drop theirs, since they were killed, are dropped when the next one is made.
"""

from __future__ import annotations

import secrets
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from eventsourcing import persistence
from eventsourcing.postgres import PostgresDatastore
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from workbench.errors import ProjectionError
from workbench.projections.savepoints import Savepoints
from workbench.redaction import without
from workbench.sources.layouts import quoted
from workbench.sources.postgres_layouts import literal, recognise, tables_in
from workbench.sources.postgres_url import address_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.changelog.writer import Cursor

PREFIX = "workbench_trial_"
_MADE = "made by the event workbench for a trial; dropped with it"
_MOST_KNOWN = 1_000  # queries
_HELD = 0x776F726B  # the first half of the advisory lock that a schema's owner holds
PRESENT = "workbench.event"
"""The setting that tells triggers which event of the batch is being handled."""
_SETTINGS = (
    "-c synchronous_commit=off -c bytea_output=hex -c datestyle=ISO -c intervalstyle=postgres"
)
_WRITES = "'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', "
_WRITES += "'ExclusiveLock', 'AccessExclusiveLock'"


class ScratchPostgres(Savepoints):
    """The one connection to a schema that is private to a trial.

    Raises
    ------
    ProjectionError
        If the database cannot be used: it is out of reach, holds stored events, or lets
        the user make no schema.
    """

    def __init__(self, url: str, events: Cursor) -> None:
        super().__init__()
        address = address_of(url)
        self.shown = address.server.shown
        self._events = events
        self._pending: list[str] = []
        self.schema = f"{PREFIX}{secrets.token_hex(6)}"
        self.tracking = ""
        """The view's table of positions."""
        self._mentions: dict[int, tuple[Any, bool]] = {}
        """Queries by identity, since what psycopg composes has no hash."""
        self._deferred = ""
        with self._opening(address.server.conninfo):
            _refuse_events(address.server, self.shown)
            self.made = _Connection.connect(
                psycopg.conninfo.make_conninfo(address.server.conninfo, options=_SETTINGS),
                autocommit=True,
                row_factory=dict_row,
                cursor_factory=_Cursor,
            )
            self.made.scratch = weakref.proxy(self)
            self._closes = weakref.finalize(self, _drop, self.made, self.schema)
            self._make_schema()
        self.run = self._pending.append

    @contextmanager
    def _opening(self, conninfo: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            password = psycopg.conninfo.conninfo_to_dict(conninfo).get("password")
            said = without(" ".join(str(error).split()), str(password or ""))
            msg = (
                f"Cannot run a view in {self.shown!r}: {said.rstrip('.')}. Name a database in "
                "which you may make a schema: scratch='postgresql://user@host/scratch'."
            )
            raise ProjectionError(msg) from None

    def _make_schema(self) -> None:
        ask = self.ask
        for name in ask(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) "
            "AND obj_description(oid, 'pg_namespace') = %s AND pg_has_role(nspowner, 'USAGE') "
            "AND pg_try_advisory_xact_lock(%s, hashtext(nspname))",
            (PREFIX, _MADE, _HELD),
        ):
            ask(f"DROP SCHEMA IF EXISTS {quoted(name[0])} CASCADE")
        ask("SELECT pg_advisory_lock(%s, hashtext(%s))", (_HELD, self.schema))
        ask(f"CREATE SCHEMA {quoted(self.schema)}")
        ask(f"COMMENT ON SCHEMA {quoted(self.schema)} IS {literal(_MADE)}")
        # What other schemas have for all, such as functions of extensions, is found as well.
        ask(f"SET search_path = {quoted(self.schema)}, public")
        ask("BEGIN")

    def ask(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:  # noqa: ANN401, of psycopg
        """Return the rows of a query of the workbench's own, none if it has none."""
        self.flush()
        with psycopg.Cursor(self.made, row_factory=psycopg.rows.tuple_row) as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    # Savepoints

    def use(self) -> None:
        """Get ready for a statement: make the savepoints that are not there yet."""
        if not self._event.name and self._events.event >= 0:
            # Before the savepoint: what is taken back is still of this event.
            self.run(f"SELECT set_config('{PRESENT}', '{self._events.event}', false)")
        super().use()

    def flush(self) -> None:
        """Send what is to be run about savepoints: all of it in one journey."""
        if self._pending:
            statements = ";".join(self._pending)
            self._pending.clear()
            with psycopg.Cursor(self.made) as cursor:
                cursor.execute(statements.encode(), prepare=False)

    def end(self, *, keeps: bool) -> None:
        """End what was begun last, and keep it or take it back.

        What the view has put off to the end of its transaction is checked now.
        """
        try:
            if keeps and self._deferred and self._marks[-1].name:
                self.ask(
                    f"SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS {self._deferred} DEFERRED"
                )
        except BaseException:
            super().end(keeps=False)
            raise
        super().end(keeps=keeps)

    def end_event(self, *, keeps: bool) -> None:
        """End the present event, and keep what it has changed or take it back.

        Raises
        ------
        ProjectionError
            If the database went away.
        """
        if self.made.closed:
            self._marks.clear()
            raise self.lost()
        super().end_event(keeps=keeps)

    def settle(self) -> None:
        """Commit the events of a batch."""
        with self.present():
            super().settle()
            self.flush()

    def refuse_elsewhere(self) -> None:
        """Refuse what a view has written elsewhere: nothing of it is kept.

        Raises
        ------
        ProjectionError
            If there is any.
        """
        elsewhere = self.ask(
            "SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname) FROM pg_locks l "
            "JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE l.pid = pg_backend_pid() "
            f"AND l.locktype = 'relation' AND l.mode IN ({_WRITES}) AND c.relkind IN "
            "('r', 'p', 'm', 'S') AND n.nspname <> %s AND n.nspname NOT LIKE 'pg\\_%%' "
            "ORDER BY 1 LIMIT 5",
            (self.schema,),
        )
        if elsewhere:
            self.ask("ROLLBACK")
            self.ask("BEGIN")
            names = ", ".join(name for (name,) in elsewhere)
            msg = (
                f"Cannot run a view that writes to {names} of {self.shown!r}: a trial keeps to "
                "a schema of its own. Let its statements name self.datastore.schema, or none."
            )
            raise ProjectionError(msg)

    @contextmanager
    def present(self) -> Iterator[None]:
        """Tell of a database that goes away meanwhile.

        Raises
        ------
        ProjectionError
            If it does.
        """
        try:
            yield
        except psycopg.Error as error:
            if self.made.closed:
                raise self.lost() from error
            raise

    def lost(self) -> ProjectionError:
        """Return the error for a database that went away."""
        return ProjectionError(
            f"Cannot go on with the view in {self.shown!r}: the connection is lost, and what was "
            "not committed with it. Use trial.rerun() once the server is back."
        )

    def defer(self) -> None:
        """Take note of constraints that are checked at the end of a transaction."""
        found = self.ask(
            "SELECT DISTINCT format('%%I.%%I', n.nspname, c.conname) FROM pg_constraint c "
            "JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = %s AND c.condeferred",
            (self.schema,),
        )
        self._deferred = ", ".join(name for (name,) in found)

    # Positions

    def write_position(self, application: str, position: int | None) -> None:
        """Write the position of an application into the view's table of positions."""
        self.ask(
            f"INSERT INTO {quoted(self.schema)}.{quoted(self.tracking)} VALUES (%s, %s) "
            "ON CONFLICT (application_name) DO UPDATE "
            "SET notification_id = excluded.notification_id",
            (application, position),
        )

    def use_for(self, query: Any) -> None:  # noqa: ANN401, what psycopg takes
        """Get ready for a statement; one that looks at positions finds them written."""
        if self._tracked != self._written and self._looks_at_positions(query):
            self.use()
            self.write_tracking()
        self.flush()

    def _looks_at_positions(self, query: Any) -> bool:  # noqa: ANN401, what psycopg takes
        known = self._mentions.get(id(query))
        if known is not None and known[0] is query:
            return known[1]
        text = query.decode() if isinstance(query, bytes) else query
        text = text if isinstance(text, str) else text.as_string(self.made)
        if len(self._mentions) >= _MOST_KNOWN:
            self._mentions.clear()
        found = self.tracking in text
        self._mentions[id(query)] = query, found
        return found

    def close(self) -> None:
        """Drop the schema, and close the connection."""
        self._closes()


def _refuse_events(server: Any, shown: str) -> None:  # noqa: ANN401
    """Refuse a database in which somebody stores events."""
    with server.session() as session:
        schemas = session.ask(
            "SELECT nspname FROM pg_namespace WHERE nspname <> 'information_schema' "
            f"AND nspname NOT LIKE 'pg\\_%' AND NOT starts_with(nspname, {literal(PREFIX)})"
        )
        for (schema,) in schemas:
            for found in recognise(schema, tables_in(session, schema)):
                msg = (
                    f"Cannot run a view in {shown!r}: events are stored there, in {found.table}. "
                    "Name a database without any: CREATE DATABASE scratch, and "
                    "scratch='postgresql://user@host/scratch'."
                )
                raise ProjectionError(msg)


def _drop(made: psycopg.Connection[Any], schema: str) -> None:
    with suppress(psycopg.Error):
        if not made.closed:
            with psycopg.Cursor(made) as cursor:
                cursor.execute(b"ROLLBACK")
                cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
    psycopg.Connection.close(made)


class _Connection(psycopg.Connection[DictRow]):
    """What a view gets as a connection: it ends no transaction of the trial's."""

    scratch: ScratchPostgres

    def commit(self) -> None:
        """Keep what has been done; it is committed with the batch."""

    def rollback(self) -> None:
        """Take back what was done since the connection was given out."""
        self.scratch.rollback()
        self.scratch.flush()


class _Cursor(psycopg.Cursor[Any]):
    """What a view gets as a cursor."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run a statement."""
        self.connection.scratch.use_for(query)  # type: ignore[attr-defined]
        return super().execute(query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Run a statement for many parameters."""
        self.connection.scratch.use_for(query)  # type: ignore[attr-defined]
        super().executemany(query, *args, **kwargs)

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run a COPY statement."""
        self.connection.scratch.use_for(statement)  # type: ignore[attr-defined]
        return super().copy(statement, *args, **kwargs)


class ScratchDatastore(PostgresDatastore):
    """The library's datastore, with one connection that is ours.

    Parameters
    ----------
    like
        The datastore that the library's factory has made; its pool was never opened.
    scratch
        The connection.
    """

    def __init__(self, like: PostgresDatastore, scratch: ScratchPostgres) -> None:
        super().__init__(
            "",
            "",
            "",
            "",
            "",
            schema=scratch.schema,
            single_row_tracking=like.single_row_tracking,
            originator_id_type=like.originator_id_type,  # type: ignore[arg-type]
            enable_db_functions=like.enable_db_functions,
        )
        self.scratch = scratch

    @contextmanager
    def get_connection(self) -> Iterator[psycopg.Connection[DictRow]]:
        """Yield the connection; what failed is taken back, and is an error of the library."""
        with self._given(keeps=True):
            yield self.scratch.made

    @contextmanager
    def transaction(self, *, commit: bool = False) -> Iterator[psycopg.Cursor[DictRow]]:
        """Yield a cursor in a transaction that ends with its block."""
        with self._given(keeps=commit):
            yield self.scratch.made.cursor()

    @contextmanager
    def _given(self, *, keeps: bool) -> Iterator[None]:
        scratch, is_kept = self.scratch, False
        with _translated():
            scratch.begin()
            try:
                scratch.use()
                scratch.flush()
                yield
                is_kept = keeps
            finally:
                if not scratch.made.closed:
                    scratch.end(keeps=is_kept)

    def close(self) -> None:
        """Drop the schema, and close the connection."""
        super().close()
        if hasattr(self, "scratch"):
            self.scratch.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the library's errors for those of the client, as its own datastore does."""
    try:
        yield
    except psycopg.Error as error:
        names = (base.__name__ for base in type(error).__mro__)
        kinds = (getattr(persistence, name, None) for name in names)
        kind = next(filter(None, kinds), persistence.PersistenceError)
        raise kind(str(error)) from error
