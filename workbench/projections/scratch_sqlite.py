"""The scratch database of a trial: a SQLite view of the user's runs in it, and is watched.

It is private to one trial, and gone with it; it is no source of events. A view gets it in
the place of the library's datastore.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from workbench.projections.savepoints import Savepoints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_PRAGMAS = (
    "page_size=1024",  # what an event changes is copied by page
    "cache_size=-65536",
    "journal_mode=MEMORY",
    "synchronous=OFF",
    "recursive_triggers=ON",  # else a row that is replaced goes without a word
)
WATCH = "workbench_note"
"""The SQL function that triggers call."""


class ScratchConnection(Savepoints, SQLiteConnection):
    """The one connection to a private database, which is gone when it is closed."""

    def __init__(self) -> None:
        # A database without a name: in memory, and on disk, without a name, where it grows.
        made = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        Savepoints.__init__(self)
        SQLiteConnection.__init__(self, sqlite_conn=made, max_age=None)
        made.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            made.execute(f"PRAGMA {pragma}")
        made.execute("BEGIN")
        self.execute = self.run = made.execute
        self.new_cursor = made.cursor
        notes = self.notes
        made.create_function(WATCH, -1, lambda *note: notes.append(note))

    def use_for(self, statement: str) -> None:
        """Get ready for a statement; one that looks at positions finds them written."""
        self.use()
        if "tracking" in statement:
            self.write_tracking()

    def write_position(self, application: str, position: int | None) -> None:
        """Write the position of an application into the view's table of positions."""
        self.execute(
            "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name) "
            "DO UPDATE SET notification_id = excluded.notification_id",
            (application, position),
        )

    # What a view may call

    def transaction(self, *, commit: bool) -> Transaction:  # type: ignore[override]
        """Return a transaction that ends with its block."""
        return Transaction(self, keeps=commit)

    def commit(self) -> None:
        """Keep what has been done; it is committed with the batch."""

    def cursor(self) -> ScratchCursor:
        """Return a cursor of the database."""
        return ScratchCursor(self)


class ScratchCursor(SQLiteCursor):
    """A cursor whose statements are inside of a savepoint."""

    def __init__(self, connection: ScratchConnection) -> None:
        self._connection = connection
        self._made: sqlite3.Cursor | None = None

    @property
    def sqlite_cursor(self) -> sqlite3.Cursor:  # type: ignore[override]
        """The cursor itself, made when it is used."""
        if self._made is None:
            self._made = self._connection.new_cursor()
        return self._made

    def __enter__(self) -> sqlite3.Cursor:
        """Return the cursor itself, of which nobody knows what it will be used for."""
        self._connection.use_for("tracking")
        return self.sqlite_cursor

    def __exit__(self, *error: object, **more: Any) -> None:  # noqa: ANN401
        self.close()

    def close(self) -> None:
        """Let go of what it reads."""
        if self._made is not None:
            self._made.close()

    def execute(self, statement: Any, *parameters: Any) -> None:  # noqa: ANN401, as the library's
        """Run a statement."""
        self._connection.use_for(statement)
        made = self._made or self.sqlite_cursor
        made.execute(statement, *parameters)

    def executemany(self, statement: Any, *parameters: Any) -> None:  # noqa: ANN401, the same
        """Run a statement for many parameters."""
        self._connection.use_for(statement)
        self.sqlite_cursor.executemany(statement, *parameters)


class Transaction:
    """What `SQLiteDatastore.transaction` gives to a view, as a savepoint."""

    __slots__ = ("_connection", "_cursor", "_keeps")

    def __init__(self, connection: ScratchConnection, *, keeps: bool) -> None:
        self._connection = connection
        self._keeps = keeps

    def __enter__(self) -> SQLiteCursor:
        """Begin, and return a cursor."""
        self._connection.begin()
        self._cursor = ScratchCursor(self._connection)
        return self._cursor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; errors of SQLite become the library's own, as in its transactions."""
        self._cursor.close()
        self._connection.end(keeps=self._keeps and kind is None)
        if isinstance(error, sqlite3.Error):
            SQLiteTransaction(_Nothing()).__exit__(kind, error, trace)  # type: ignore[arg-type]


class _Nothing:
    """What the library's transaction rolls back while it translates an error."""

    def rollback(self) -> None:
        """Do nothing: it has been done."""


class ScratchDatastore(SQLiteDatastore):
    """The library's datastore, with one connection that is ours.

    Parameters
    ----------
    like
        The datastore that the library's factory has made.
    """

    def __init__(self, like: SQLiteDatastore) -> None:
        super().__init__(
            ":memory:",
            single_row_tracking=like.single_row_tracking,
            originator_id_type=like.originator_id_type,
        )
        self.connection = ScratchConnection()

    def transaction(self, *, commit: bool) -> Transaction:  # type: ignore[override]
        """Return a transaction that ends with its block."""
        return Transaction(self.connection, keeps=commit)

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        """Yield the connection; without `commit`, what is done with it is taken back."""
        self.connection.begin()
        keeps = False
        try:
            yield self.connection
            keeps = commit
        finally:
            self.connection.end(keeps=keeps)

    def close(self) -> None:
        """Close the connection: the database is gone."""
        super().close()
        if hasattr(self, "connection"):
            self.connection.close()
