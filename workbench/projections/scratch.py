"""The scratch database of a trial: a SQLite view of the user's runs in it, and is watched.

It is private to one trial, and gone with it; it is no source of events. A view gets it in
the place of the library's datastore: what is a transaction for the view is a savepoint
inside of a larger one, so that the changes of one event can be taken back, and those of
thousands of events are one commit.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import IntegrityError
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTrackingRecorder,
    SQLiteTransaction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from eventsourcing.persistence import Tracking

    Note = tuple[Any, ...]
    """What a trigger tells: a number, and values of a row."""

_PRAGMAS = (
    "page_size=1024",  # what an event changes is copied by page
    "cache_size=-65536",
    "journal_mode=MEMORY",
    "synchronous=OFF",
    "recursive_triggers=ON",  # else a row that is replaced goes without a word
)
_INSERT = "_insert_tracking"
"""The method by which the library's views insert a position."""
WATCH = "workbench_note"
"""The SQL function that triggers call."""


class ScratchConnection(SQLiteConnection):
    """The one connection to a private database, which is gone when it is closed."""

    def __init__(self) -> None:
        # A database without a name: in memory, and on disk, without a name, where it grows.
        made = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        super().__init__(sqlite_conn=made, max_age=None)
        made.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            made.execute(f"PRAGMA {pragma}")
        made.execute("BEGIN")
        self.execute = made.execute
        self.new_cursor = made.cursor
        self.notes: list[Note] = []
        """What triggers have told since the present event began."""
        self._application = ""
        self._tracked: int | None = None
        self._written: int | None = None
        self._marks: list[_Mark] = []
        self._event = _Mark(0, None, None)
        """What to go back to if the present event fails."""
        notes = self.notes
        made.create_function(WATCH, -1, lambda *note: notes.append(note))

    # Savepoints

    def begin(self) -> None:
        """Begin what can be taken back."""
        self._marks.append(_Mark(len(self.notes), self._tracked, self._written))

    def use(self, statement: str) -> None:
        """Get ready for a statement, and make the savepoints that are not there yet."""
        marks = self._marks
        if not self._event.name:
            self._event.name = "workbench_event"
            self.execute("SAVEPOINT workbench_event")
            if marks:
                marks[0].name = "workbench_event"  # nothing lies between the two
        if marks and not marks[-1].name:
            for i, mark in enumerate(marks):
                if not mark.name:
                    mark.name = f"workbench_{i}"
                    self.execute(f"SAVEPOINT {mark.name}")
        if self._tracked != self._written and "tracking" in statement:
            self._write_tracking()

    def end(self, *, keeps: bool) -> None:
        """End what was begun last, and keep it or take it back."""
        mark = self._marks.pop()
        if not keeps:
            self._back_to(mark)
        if mark.name and mark.name != self._event.name:
            self.execute(f"RELEASE {mark.name}")

    def end_event(self, *, keeps: bool) -> None:
        """End the present event, and keep what it has changed or take it back."""
        if not keeps:
            self._back_to(self._event)
        if self._event.name:
            self.execute("RELEASE workbench_event")
        if self._marks:
            self._marks.clear()
        if self.notes:
            self.notes.clear()
        event = self._event
        event.name, event.tracked, event.written = "", self._tracked, self._written

    def _back_to(self, mark: _Mark) -> None:
        if mark.name:
            self.execute(f"ROLLBACK TO {mark.name}")
        del self.notes[mark.noted :]
        self._tracked, self._written = mark.tracked, mark.written

    def settle(self) -> None:
        """Commit the events of a batch."""
        self._write_tracking()
        self._event = _Mark(0, self._tracked, self._written)
        self.execute("COMMIT")
        self.execute("BEGIN")

    # Positions

    def keep_positions(self, view: SQLiteTrackingRecorder, application: str) -> None:
        """Keep an application's positions in memory until somebody looks, or a batch ends.

        A view with a way of its own to insert them keeps it.
        """
        plain = getattr(type(view), _INSERT) is getattr(SQLiteTrackingRecorder, _INSERT)
        if not plain or not view.datastore.single_row_tracking:
            return
        insert = getattr(view, _INSERT)

        def keep(cursor: SQLiteCursor, tracking: Tracking) -> None:
            if tracking.application_name != application:
                insert(cursor, tracking)
                return
            position = tracking.notification_id
            if self._tracked is not None and self._tracked >= position:
                # In the library's words.
                msg = f"Failed to record tracking for {application} {position}"
                raise IntegrityError(msg)
            self._tracked = position

        self._application = application
        vars(view)[_INSERT] = keep
        if type(view).insert_tracking is SQLiteTrackingRecorder.insert_tracking:
            vars(view)["insert_tracking"] = partial(keep, ScratchCursor(self))

    def _write_tracking(self) -> None:
        if self._tracked != self._written:
            self.execute(
                "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name) "
                "DO UPDATE SET notification_id = excluded.notification_id",
                (self._application, self._tracked),
            )
            self._written = self._tracked

    # What a view may call

    def transaction(self, *, commit: bool) -> Transaction:  # type: ignore[override]
        """Return a transaction that ends with its block."""
        return Transaction(self, keeps=commit)

    def commit(self) -> None:
        """Keep what has been done; it is committed with the batch."""

    def rollback(self) -> None:
        """Take back what was done since the connection was given out."""
        if self._marks:
            self._back_to(self._marks[-1])

    def cursor(self) -> ScratchCursor:
        """Return a cursor of the database."""
        return ScratchCursor(self)


class _Mark:
    """What to go back to: the savepoint, if it had to be made, and what was known then."""

    __slots__ = ("name", "noted", "tracked", "written")

    def __init__(self, noted: int, tracked: int | None, written: int | None) -> None:
        self.name = ""
        self.noted = noted
        self.tracked = tracked
        self.written = written


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
        self._connection.use("tracking")
        return self.sqlite_cursor

    def __exit__(self, *error: object, **more: Any) -> None:  # noqa: ANN401
        self.close()

    def close(self) -> None:
        """Let go of what it reads."""
        if self._made is not None:
            self._made.close()

    def execute(self, statement: Any, *parameters: Any) -> None:  # noqa: ANN401, as the library's
        """Run a statement."""
        self._connection.use(statement)
        self.sqlite_cursor.execute(statement, *parameters)

    def executemany(self, statement: Any, *parameters: Any) -> None:  # noqa: ANN401, the same
        """Run a statement for many parameters."""
        self._connection.use(statement)
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
