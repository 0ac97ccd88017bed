"""Opening a SQLite file so that nothing on disk changes.

A file in WAL mode with no `-wal` beside it is opened `immutable`: plain read-only
access would leave `-wal` and `-shm` files behind. With a `-wal`, a writer may be
live, and `immutable` would not see its events, so access is plain read-only. An
immutable read is checked afterwards: if a writer came in between, it is read again.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from workbench.errors import StoreLockedError, StoreNotFoundError, StoreUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_BYTES = 100
MAGIC = b"SQLite format 3\x00"
BUSY_TIMEOUT_MS = 2000
_WAL = 2


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
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        header = _header(path)
        self._check_length(header)
        if header[18] == _WAL and self._has("-wal") and not self._has("-shm"):
            self._read_from_copy()

    def _check_length(self, header: bytes) -> None:
        page = int.from_bytes(header[16:18], "big")
        page = 65536 if page == 1 else page
        pages = int.from_bytes(header[28:32], "big")
        # The page count in the header holds only if these two counters agree.
        holds = header[24:28] == header[92:96]
        size = self.path.stat().st_size
        if holds and size < page * pages and not self._has("-wal"):
            msg = (
                f"Cannot read {str(self.path)!r}: it is truncated, {size:,} bytes where its header "
                f"says {page * pages:,}. Copy the store again, from a place where it is whole."
            )
            raise StoreUnreadableError(msg)

    def _read_from_copy(self) -> None:
        # A `-wal` without its `-shm`: SQLite would make one, beside the store.
        self._copy = tempfile.TemporaryDirectory(prefix="workbench-")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{self.path}{suffix}", Path(self._copy.name) / f"copy.db{suffix}")

    def _has(self, suffix: str) -> bool:
        return Path(f"{self.path}{suffix}").exists()

    def _is_immutable(self) -> bool:
        if self._copy is not None or self._has("-wal"):
            return False
        with self.path.open("rb") as file:
            return file.read(20)[18] == _WAL

    def uri(self) -> str:
        """Return the URI to open right now, which depends on whether a writer is there."""
        path = Path(self._copy.name) / "copy.db" if self._copy else self.path.absolute()
        mode = "&immutable=1" if self._is_immutable() else ""
        return f"file:{quote(str(path))}?mode=ro{mode}"

    def state(self) -> tuple[bool, int, int]:
        """Return what changes when a writer has been at work."""
        stat = self.path.stat()
        return self._has("-wal"), stat.st_mtime_ns, stat.st_size

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
        """Turn the database's errors into the project's own."""
        from adbc_driver_manager import Error as ADBCError

        try:
            yield
        except (sqlite3.Error, ADBCError) as error:
            raise self.error(str(error)) from error

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
        return StoreUnreadableError(
            f"{asked}: SQLite says {said!r}. Check it with "
            "'PRAGMA integrity_check' on a copy, or fetch the store again."
        )


def _header(path: Path) -> bytes:
    try:
        if path.is_dir():
            msg = f"Cannot open {str(path)!r}: it is a directory. Name the store file in it."
            raise StoreUnreadableError(msg)
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except FileNotFoundError as error:
        raise StoreNotFoundError(_not_found(path)) from error
    except OSError as error:
        if isinstance(error, StoreUnreadableError):
            raise
        msg = f"Cannot open {str(path)!r}: {error.strerror}. Check who may read it."
        raise StoreUnreadableError(msg) from error
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


def _not_found(path: Path) -> str:
    parent = path.absolute().parent
    if not parent.is_dir():
        return (
            f"Cannot open {str(path)!r}: there is no folder {str(parent)!r}. "
            "Check the path; it is taken from the folder that you are in."
        )
    names = sorted(p.name for p in parent.iterdir() if p.suffix in {".db", ".sqlite", ".sqlite3"})
    there = f"In {str(parent)!r} there are: {', '.join(names[:5])}." if names else ""
    return f"Cannot open {str(path)!r}: there is no such file. {there or 'Check the path.'}"
