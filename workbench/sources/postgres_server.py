"""A database on a PostgreSQL server: sessions that can only read, and rows by column.

Every session is read-only and repeatable-read by the server's own setting, from its first
statement on, and has a statement timeout. What the client says of a failure is translated
here, without the password.
"""

from __future__ import annotations

import os
import socket
import threading
import time as clock
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl
import psycopg

from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreNotFoundError,
    StoreUnreadableError,
    WorkbenchError,
)
from workbench.redaction import without
from workbench.sources.layouts import quoted
from workbench.sources.servers import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.sources.base import Wait

SETTINGS = (
    "-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read "
    "-c standard_conforming_strings=on -c client_encoding=UTF8 -c statement_timeout={ms}"
)
RETURN_S = 10.0
"""How long a server that is lost in mid-read may stay away."""
_PAUSE_S = 0.1
SLACK_S = 5.0
"""How much longer than a statement may take its answer is waited for.

The server itself ends a statement in time. One that does not has stopped, or is cut off.
"""

# What a failed connection says comes as text alone, in English unless the server is told other.
_CONNECTING: tuple[tuple[type[WorkbenchError], tuple[str, ...], str], ...] = (
    (
        AccessDeniedError,
        ("authentication failed", "no password supplied", "pg_hba.conf", "is not permitted"),
        "Check the user, and the password in the URL, PGPASSWORD or .pgpass.",
    ),
    (AccessDeniedError, ("role ", "permission denied"), "Check the user and its rights."),
    (StoreNotFoundError, ("database ",), "Check the database's name in the URL."),
    (
        StoreUnreadableError,
        ("SSL", "certificate", "TLS"),
        "Check the URL's sslmode and sslrootcert against what the server offers.",
    ),
)
_PASSING = (
    "starting up",
    "shutting down",
    "recovery mode",
    "too many",
    "not yet accepting",
    "closed",
)


class Session:
    """One connection for small questions, to be used in one thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        with server.translated():
            self._connection = psycopg.connect(
                server.conninfo, autocommit=True, prepare_threshold=None
            )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises
        ------
        StoreUnreadableError
            If the server does not answer it.
        """
        with self._server.translated(), self._watched():
            # Names are quoted where they are put in, so the text is as good as literal.
            return self._connection.execute(query.encode()).fetchall()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Cut the connection if no answer comes: the client itself would wait for ever."""
        is_cut = threading.Event()

        def cut() -> None:
            is_cut.set()
            with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._server.patience_s, cut)
        timer.start()
        try:
            yield
        except psycopg.OperationalError as error:
            if is_cut.is_set():
                raise self._server.silent() from error
            raise
        finally:
            timer.cancel()
            timer.join()

    def listen(self, channel: str) -> Wait:
        """Return a function that waits for what is announced on a channel.

        A server in recovery announces nothing: there it waits for the time to pass.
        """
        try:
            with self._watched():
                self._connection.execute(f"LISTEN {quoted(channel)}".encode())
        except psycopg.errors.ReadOnlySqlTransaction:
            return clock.sleep
        return self._wait

    def _wait(self, seconds: float) -> None:
        # What came during another question has been kept, and ends this at once.
        with self._server.translated():
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True)
class Server:
    """A database on a server, and who asks; the latter is in no representation."""

    shown: str
    """The URL without what is secret in it."""
    conninfo: str = field(repr=False)
    timeout_s: float = field(repr=False)
    _kept: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session: the one that this thread keeps, else a new one that is closed."""
        kept: Session | None = getattr(self._kept, "session", None)
        if kept is not None:
            yield kept
            return
        session = Session(self)
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Yield a reader: the one that this thread keeps, else a new one that is closed."""
        kept: Reader | None = getattr(self._kept, "reader", None)
        if kept is not None:
            yield kept
            return
        reader = Reader(self)
        try:
            yield reader
        finally:
            reader.close()

    @contextmanager
    def listening(self, channel: str) -> Iterator[Wait]:
        """Keep a session and a reader for this thread, and yield what waits for a channel."""
        with self.session() as session, self.reader() as reader:
            self._kept.session, self._kept.reader = session, reader
            try:
                yield session.listen(channel)
            finally:
                del self._kept.session, self._kept.reader

    @property
    def patience_s(self) -> float:
        """For how many seconds an answer is waited for."""
        return self.timeout_s + SLACK_S

    def silent(self) -> ServerUnreachableError:
        """Return the error for a server that has stopped answering."""
        return _SilentError(
            f"Cannot read {self.shown!r}: no answer within {self.patience_s:g} s, though a "
            f"statement may take {self.timeout_s:g} s. Check that the server is well. What was "
            "read stays usable."
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the workbench's errors for those of the client."""
        try:
            yield
        except psycopg.Error as error:
            self.fail(error, error.sqlstate)

    def fail(self, error: Exception, sqlstate: str | None) -> NoReturn:
        """Raise the workbench's error for one of a client.

        Raises
        ------
        StoreUnreadableError
            Or what is derived from it.
        """
        said = " ".join(str(error).split()) or type(error).__name__
        password = psycopg.conninfo.conninfo_to_dict(self.conninfo).get("password")
        said = without(said, None if password is None else str(password))
        raise self._error(said, sqlstate) from None

    def _error(self, said: str, sqlstate: str | None) -> WorkbenchError:
        begins = f"Cannot read {self.shown!r}: {said.rstrip('.')}. "
        if sqlstate == "57014" or "statement timeout" in said:
            return StoreUnreadableError(
                f"{begins}A statement may take {self.timeout_s:g} s: give more time in the URL, "
                f"timeout={4 * self.timeout_s:g}. What was read stays usable."
            )
        if sqlstate == "42501":
            return AccessDeniedError(f"{begins}Grant SELECT on it to this user.")
        if sqlstate is None or sqlstate[:2] in {"28", "3D"}:
            if not any(words in said for words in _PASSING):
                for kind, signs, hint in _CONNECTING:
                    if any(sign in said for sign in signs):
                        return kind(begins + hint)
            return ServerUnreachableError(f"{begins}Check that it runs, and its address.")
        if sqlstate[:2] in {"08", "53", "57"}:
            return ServerUnreachableError(f"{begins}Check that it runs.")
        return StoreUnreadableError(f"{begins}Open it again.")


class _SilentError(ServerUnreachableError):
    """Nobody answers, which took long enough to find out: it is not tried again at once."""


class Reader:
    """Connections that read by column, each used by one thread at a time; closed together."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._free: list[tuple[Any, Any]] = []
        self._has_answered = False
        self._is_closed = False
        self._lock = threading.Lock()

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return what a query selects; a server that went away is waited for.

        Raises
        ------
        StoreUnreadableError
            If the server does not answer it, or stops answering.
        """
        until: float | None = None
        while True:
            try:
                return within(self._server.patience_s, lambda: self._fetched(sql))
            except TimeoutError as error:
                raise self._server.silent() from error
            except ServerUnreachableError:
                until = clock.monotonic() + RETURN_S if until is None else until
                if not self._has_answered or clock.monotonic() > until:
                    raise
                clock.sleep(_PAUSE_S)

    def _fetched(self, sql: str) -> pl.DataFrame:
        import adbc_driver_manager as driver

        taken: tuple[Any, Any] | None = None
        try:
            with self._lock:
                taken = self._free.pop() if self._free else None
            taken = taken or self._connected()
            with driver.AdbcStatement(taken[1]) as statement:
                statement.set_sql_query(sql)
                stream, _ = statement.execute_query()
                frame = pl.DataFrame(stream)
        except (driver.Error, pl.exceptions.PolarsError) as error:
            # Of Polars, where something happens in the midst of the rows.
            if taken is not None:
                _close(taken)
            self._server.fail(error, getattr(error, "sqlstate", None))
        except BaseException:
            if taken is not None:
                _close(taken)
            raise
        self._has_answered = True
        with self._lock:
            if not self._is_closed:
                self._free.append(taken)
                return frame
        _close(taken)  # the answer came after all, when nobody waited for it any more
        return frame

    def _connected(self) -> tuple[Any, Any]:
        # The driver's own interface for Python would load pyarrow.dataset and pandas.
        import adbc_driver_manager as driver
        from adbc_driver_postgresql import _driver_path

        database = driver.AdbcDatabase(driver=_driver_path(), uri=self._server.conninfo)
        try:
            return database, driver.AdbcConnection(database)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._is_closed, free, self._free = True, self._free, []
        for one in free:
            _close(one)


def _close(opened: tuple[Any, Any]) -> None:
    database, connection = opened
    connection.close()
    database.close()
