"""A view that is kept in SQLite: triggers tell which rows an event has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.changelog.writer import LogWriter
from workbench.errors import ProjectionError, TrialError
from workbench.projections.scratch import WATCH, ScratchDatastore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventsourcing.sqlite import SQLiteTrackingRecorder
    from eventsourcing.utils import Environment

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import Cursor
    from workbench.projections.running import Processed
    from workbench.tables import Dtype

_INTERNAL = {"tracking", "old1_tracking", "stored_events", "stored_snapshots"}
_MOST_ARGUMENTS = 100  # of a function in SQLite
_INSERTED, _UPDATED, _DELETED = range(3)


@dataclass(frozen=True)
class ViewTable:
    """A table of a view: its key and its other columns, with what SQLite says of their types."""

    name: str
    key: Mapping[str, str]
    values: Mapping[str, str]
    rowid: str | None
    """By what SQL calls the row's number, where that is the key."""

    def triggers(self, number: int) -> list[str]:
        """Return the SQL that makes every change of a row call `WATCH`.

        Raises
        ------
        ProjectionError
            If the table has more columns than can be told.
        """
        keys = [self.rowid] if self.rowid else [_quoted(name) for name in self.key]
        values = [_quoted(name) for name in self.values]
        old = [f"OLD.{name}" for name in keys]
        new = [f"NEW.{name}" for name in (*keys, *values)]
        if len(old) + len(new) >= _MOST_ARGUMENTS:
            msg = (
                f"Cannot watch the view's table {self.name!r}: it has {len(new)} columns, and "
                f"{_MOST_ARGUMENTS - len(old)} are the most. Split it."
            )
            raise ProjectionError(msg)
        told = {
            ("INSERT", _INSERTED): new,
            ("UPDATE", _UPDATED): [*old, *new],
            ("DELETE", _DELETED): old,
        }
        return [
            f"CREATE TEMP TRIGGER workbench_{number}_{what} AFTER {word} "
            f"ON main.{_quoted(self.name)} BEGIN "
            f"SELECT {WATCH}({3 * number + what}, {', '.join(columns)}); END"
            for (word, what), columns in told.items()
        ]


class SqlView:
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
        from eventsourcing.sqlite import SQLiteFactory

        factory = SQLiteFactory(env)
        factory.datastore.close()
        self._store = factory.datastore = ScratchDatastore(factory.datastore)
        self._connection = self._store.connection
        self.view = factory.tracking_recorder(view_class)
        self._connection.end_event(keeps=True)
        self._connection.keep_positions(self.view, application)
        self._tables = self._found()
        self.writers = {
            t.name: LogWriter(t.name, dict.fromkeys(t.key), None, cursor) for t in self._tables
        }
        for table in self._tables:
            hints = ({n: _dtype(of) for n, of in c.items()} for c in (table.key, table.values))
            self.writers[table.name].expect(*hints)
        self._by_number = [(self.writers[t.name], len(t.key)) for t in self._tables]
        self._watch()

    def process(self, call: Processed) -> None:
        """Let a handler process an event, log what that has changed, and keep it."""
        handler, event, tracking = call
        handler(event, tracking)
        connection = self._connection
        notes = connection.notes
        if notes:
            net: dict[tuple[int, Any], tuple[Any, ...] | None] = {}
            for number, *row in notes:
                at, what = divmod(number, 3)
                width = self._by_number[at][1]
                if what != _INSERTED:
                    net[at, row[0] if width == 1 else tuple(row[:width])] = None
                if what == _UPDATED:
                    del row[:width]
                if what != _DELETED:
                    net[at, row[0] if width == 1 else tuple(row[:width])] = tuple(row[width:])
            for (at, key), values in net.items():
                writer = self._by_number[at][0]
                state = writer.states.get(key)
                if state is None:
                    if values is None:
                        continue
                    state = writer.new_state(key)
                if state.values != values:
                    writer.write(state, values)
        connection.end_event(keeps=True)

    def undo(self) -> None:
        """Take back what the present event has changed."""
        self._connection.end_event(keeps=False)
        for writer in self.writers.values():
            writer.undo()

    def settled(self) -> None:
        """Commit the events of a batch.

        Raises
        ------
        ProjectionError
            If the view has made, altered or dropped tables.
        """
        self._connection.settle()
        if self._schema_version() != self._version:
            msg = (
                f"Cannot watch the tables of {type(self.view).__name__}: it has changed them while "
                "events were processed. Make them in construct_create_table_statements."
            )
            raise ProjectionError(msg)

    def check(self) -> None:
        """Do nothing: SQLite notes every change."""

    def close(self) -> None:
        """Close the database, which is gone with it."""
        self._store.close()

    # Going on

    def restore(self, logs: Mapping[str, ChangeLog], application: str) -> None:
        """Fill the view's tables with what the logs end with.

        Raises
        ------
        TrialError
            If the logs do not tell all that the view needs.
        """
        own = "SELECT name FROM main.sqlite_master WHERE type = 'trigger'"
        if self._connection.execute(own).fetchone():
            raise _cannot_restore(self.view, "its tables have triggers of their own")
        for table in self._tables:
            self._fill(table, logs[table.name])
            self.writers[table.name].go_on_from(logs[table.name])
        last = [log.entries["position"].max() for log in logs.values() if len(log)]
        self._connection.notes.clear()
        if last:
            from eventsourcing.persistence import Tracking

            self.view.insert_tracking(Tracking(application, int(max(last))))  # type: ignore[type-var,arg-type]
        self._connection.end_event(keeps=True)

    def _fill(self, table: ViewTable, log: ChangeLog) -> None:
        rows = log.table()
        for name, of in {**table.key, **table.values}.items():
            dtype = rows.schema.get(name, pl.Null)
            if dtype not in _STORED or (dtype == pl.String and not of):
                raise _cannot_restore(self.view, f"the column {name!r} has values of several kinds")
        first = [table.rowid] if table.rowid else [_quoted(name) for name in table.key]
        columns = [*first, *(_quoted(name) for name in table.values)]
        into = f"main.{_quoted(table.name)} ({', '.join(columns)})"
        marks = ", ".join("?" * len(columns))
        cursor = self._connection.new_cursor()
        cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", rows.rows())  # noqa: S608
        cursor.close()

    # The tables

    def _found(self) -> list[ViewTable]:
        query = (
            "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
        tables = self._connection.execute(query).fetchall()
        return [self._table(name) for name, _ in tables if name.lower() not in _INTERNAL]

    def _table(self, name: str) -> ViewTable:
        found = self._connection.execute(
            "SELECT name, type, pk FROM pragma_table_info(?)", (name,)
        ).fetchall()
        key = {c: of for c, of, place in sorted(found, key=lambda row: row[2]) if place}
        values = {c: of for c, of, place in found if not place}
        if key:
            return ViewTable(name, key, values, None)
        free = [n for n in ("rowid", "_rowid_", "oid") if n not in {c.lower() for c in values}]
        if not free:
            msg = (
                f"Cannot watch the view's table {name!r}: it has no primary key, and its columns "
                "hide the number of its rows. Give it a primary key."
            )
            raise ProjectionError(msg)
        return ViewTable(name, {free[0]: "INTEGER"}, values, free[0])

    def _watch(self) -> None:
        for number, table in enumerate(self._tables):
            for trigger in table.triggers(number):
                self._connection.execute(trigger)
        self._connection.settle()
        self._version = self._schema_version()

    def _schema_version(self) -> int:
        found: int = self._connection.execute("PRAGMA main.schema_version").fetchone()[0]
        return found


_STORED = {pl.Int64, pl.Float64, pl.String, pl.Binary, pl.Null}


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cannot_restore(view: object, why: str) -> TrialError:
    return TrialError(
        f"Cannot go on with a trial of {type(view).__name__} from its change log: {why}. "
        "Use trial.rerun()."
    )
