"""Opening a SQLite file so that nothing on disk changes.

A file in WAL mode with no `-wal` beside it is opened `immutable`: plain read-only
access would leave `-wal` and `-shm` files behind. With a `-wal`, a writer may be
live, and `immutable` would not see its events, so access is plain read-only. An
immutable read is checked afterwards: if a writer came in between, it is read again.
Where a `-wal` lies without its `-shm`, SQLite would make one: a copy is read.

The writer may be an application in this very process. A second SQLite library in a
process, such as the one in ADBC's driver, does not see the locks of the first: it
would cut off the shared memory under its feet. So a live file is read through Python's
own SQLite alone, and is not opened as a plain file: closing that would drop the locks.
The same holds while there is a `-journal`, which is there as long as a transaction.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import weakref
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

from workbench.errors import (
    MOST_ALTERNATIVES,
    StoreLockedError,
    StoreNotFoundError,
    StoreUnreadableError,
    WorkbenchError,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

HEADER_BYTES = 100
MAGIC = b"SQLite format 3\x00"
BUSY_TIMEOUT_MS = 2000
MOST_TRIES = 5
_WAL = b"\x02"


class State(NamedTuple):
    """How the file is to be opened right now, and what changes when a writer is at work."""

    is_immutable: bool
    is_live: bool
    mtime_ns: int
    size_bytes: int


class SQLiteFile:
    """A SQLite file that is only ever read.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    StoreNotFoundError
        If nothing is at `path`.
    StoreUnreadableError
        If it is a directory, empty, truncated, or not SQLite.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._copy: Path | None = None
        _check_kind(path)
        if self._has_wal() and not self._has("-shm"):
            self._read_from_copy()
        elif not self._is_in_use():
            self._check_length(_header(path))

    def _check_length(self, header: bytes) -> None:
        page = int.from_bytes(header[16:18], "big")
        page = 65536 if page == 1 else page
        pages = int.from_bytes(header[28:32], "big")
        # The page count in the header holds only if these two counters agree.
        holds = header[24:28] == header[92:96]
        size = self.path.stat().st_size
        if holds and size < page * pages:
            msg = (
                f"Cannot read {str(self.path)!r}: it is truncated, {size:,} bytes where its header "
                f"says {page * pages:,}. Copy the store again, from a place where it is whole."
            )
            raise StoreUnreadableError(msg)

    def _read_from_copy(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="workbench-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._copy = folder / "copy.db"
        with self.translated():
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{self.path}{suffix}", f"{self._copy}{suffix}")
            with closing(sqlite3.connect(self._copy)) as db:
                db.execute("PRAGMA journal_mode=DELETE")

    def _has(self, suffix: str) -> bool:
        return Path(f"{self.path}{suffix}").exists()

    def _is_in_use(self) -> bool:
        """Whether a connection may be at work, in this process or another."""
        return self._has("-journal") or (self._has("-wal") and self._has("-shm"))

    def _has_wal(self) -> bool:
        """Whether there is a `-wal` that may hold events; an empty one nobody uses holds none."""
        wal = Path(f"{self.path}-wal")
        return wal.exists() and (self._has("-shm") or wal.stat().st_size > 0)

    def uri(self) -> str:
        """Return the URI to open right now, which depends on whether a writer is there."""
        path = self._copy or self.path.absolute()
        mode = "&immutable=1" if self.state().is_immutable else ""
        return f"file:{quote(os.fsencode(path))}?mode=ro{mode}"

    def state(self) -> State:
        """Return how to open the file, and what changes when a writer is at work.

        Raises
        ------
        StoreNotFoundError, StoreUnreadableError
            If the file is no longer there, or can no longer be read.
        """
        with self.translated():
            found = self.path.stat()
            is_live = self._copy is None and (self._has_wal() or self._has("-journal"))
            is_immutable = self._copy is None and not is_live and self._is_wal_mode()
            return State(is_immutable, is_live, found.st_mtime_ns, found.st_size)

    def _is_wal_mode(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(20)[18:19] == _WAL

    def steadily(self, read: Callable[[], T]) -> T:
        """Return what `read` returns; read again if a writer came in during an immutable read.

        Raises
        ------
        StoreUnreadableError
            If the database cannot be read.
        """
        for _ in range(MOST_TRIES):
            before = self.state()
            try:
                found = read()
            except StoreUnreadableError:
                if not before.is_immutable or self.state() == before:
                    raise
                continue
            if not before.is_immutable or self.state() == before:
                return found
        return read()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a small query; text that is not UTF-8 is marked.

        Raises
        ------
        StoreUnreadableError
            If the database cannot be read.
        """

        def asked() -> list[tuple[Any, ...]]:
            with self.connect() as db:
                db.text_factory = lambda text: text.decode("utf-8", "replace")
                return db.execute(sql).fetchall()

        return self.steadily(asked)

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for a few small questions.

        Raises
        ------
        StoreUnreadableError
            If the database cannot be read.
        """
        with self.translated():
            timeout_s = BUSY_TIMEOUT_MS / 1000
            connection = sqlite3.connect(
                self.uri(), uri=True, timeout=timeout_s, check_same_thread=False
            )
            try:
                yield connection
            finally:
                connection.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's errors into the project's own.

        Raises
        ------
        StoreNotFoundError, StoreUnreadableError, StoreLockedError
            For an error of the database, or of the file.
        """
        from adbc_driver_manager import Error as ADBCError

        try:
            yield
        except WorkbenchError:
            raise
        except (sqlite3.Error, ADBCError, UnicodeDecodeError) as error:
            # What a database says may quote what is stored, and that need not be UTF-8.
            raise self.error(str(error)) from error
        except OSError as error:
            # While rows come in, the driver's errors are of this kind, without a number.
            no_number = error.errno is None
            raise (
                self.error(str(error)) if no_number else _unreadable(self.path, error)
            ) from error

    def error(self, found: str) -> StoreUnreadableError:
        """Return the error for what the database said."""
        said = found.splitlines()[0] if found else "no reason given"
        asked = f"Cannot read {str(self.path)!r}"
        if "locked" in said or "busy" in said:
            msg = (
                f"{asked}: another process holds it locked ({said}). "
                "Wait until that process has committed, or open a copy."
            )
            return StoreLockedError(msg)
        if "readonly" in said and self._has("-journal"):
            msg = (
                f"{asked}: its last write was cut short, and SQLite would have to undo it "
                f"({said}). Let its application open it once, or open a copy that it has opened."
            )
            return StoreUnreadableError(msg)
        return StoreUnreadableError(
            f"{asked}: SQLite says {said!r}. Check it with "
            "'PRAGMA integrity_check' on a copy, or fetch the store again."
        )


def _check_kind(path: Path) -> None:
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        msg = f"Cannot open {str(path)!r}: no file can have that name ({error}). Check the path."
        raise StoreNotFoundError(msg) from error
    if stat.S_ISDIR(kind):
        msg = f"Cannot open {str(path)!r}: it is a directory. Name the store file in it."
        raise StoreUnreadableError(msg)
    if not stat.S_ISREG(kind):
        msg = f"Cannot open {str(path)!r}: it is no regular file. Name a store file."
        raise StoreUnreadableError(msg)


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not header:
        msg = (
            f"Cannot open {str(path)!r}: the file is empty. Name a store that has been written to."
        )
        raise StoreUnreadableError(msg)
    if not header.startswith(MAGIC):
        msg = (
            f"Cannot open {str(path)!r}: it is not a SQLite file, it begins with {header[:16]!r}. "
            "Name the store file of an eventsourcing application."
        )
        raise StoreUnreadableError(msg)
    if len(header) < HEADER_BYTES:
        msg = (
            f"Cannot open {str(path)!r}: it is truncated, {len(header)} bytes where a header "
            f"takes {HEADER_BYTES}. Copy the store again, from a place where it is whole."
        )
        raise StoreUnreadableError(msg)
    return header


def _unreadable(path: Path, error: OSError) -> WorkbenchError:
    if isinstance(error, FileNotFoundError):
        return StoreNotFoundError(_not_found(path))
    msg = f"Cannot open {str(path)!r}: {error.strerror}. Check the path, and who may read it."
    return StoreUnreadableError(msg)


def _not_found(path: Path) -> str:
    parent = path.absolute().parent
    if not parent.is_dir():
        return (
            f"Cannot open {str(path)!r}: there is no folder {str(parent)!r}. "
            "Check the path; it is taken from the folder that you are in."
        )
    return f"Cannot open {str(path)!r}: there is no such file. {_stores_in(parent)}"


def _stores_in(folder: Path) -> str:
    try:
        names = sorted(p.name for p in folder.iterdir() if p.suffix in _SUFFIXES)
    except OSError:
        names = []
    if not names:
        return "Check the path."
    return f"In {str(folder)!r} there are: {', '.join(map(printable, names[:MOST_ALTERNATIVES]))}."


_SUFFIXES = {".db", ".sqlite", ".sqlite3"}
