"""Delta tables: archives that `workbench.archive` wrote, and tables of anybody else.

An archive is in order by construction: its files hold ranges of positions, which the
table's log states. So nothing is read to open one, files in which nothing can fit are not
looked at, and each query sees the table as of its newest version. Another table is read
like a folder of Parquet files, as of the version that it had when it was opened.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from workbench.errors import StoreUnreadableError, missing_extra
from workbench.sources.columns import as_events
from workbench.sources.files import FilesSource, numbered
from workbench.sources.lazy import AS_FILE, LazySource, reading
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from deltalake import DeltaTable

    from workbench.sources.base import Capabilities, Selection
    from workbench.sources.columns import Columns

MARK = "workbench.archive"
"""The table property that marks an archive, and says of what."""
RECEIVER = "workbench.archive"
"""The name under which each commit records the last position that it holds."""
_COMMIT = re.compile(r"[0-9]{20}\.json")
FILE_NAME = re.compile(r"events-[0-9]+-[0-9]+-[0-9a-f]+\.parquet")


def is_delta(path: Path) -> bool:
    """Return whether a folder is a Delta table."""
    return (path / "_delta_log").is_dir()


def open_delta(path: Path, columns: Columns | None = None) -> LazySource:
    """Return the events of a Delta table.

    Parameters
    ----------
    path
        Its folder.
    columns
        Which of its columns is which of the event table; by default by their names.

    Raises
    ------
    MissingExtraError
        If the package `deltalake` is not installed.
    StoreUnreadableError
        If it cannot be read.
    MappingError
        If its columns do not make events, or two events have one position.
    """
    table = delta_table(path)
    origin = origin_of(table)
    if origin is not None and columns is None:
        return ArchiveSource(path.name, f"{origin['kind']}, archived", path, origin, Log(path))
    with reading(path.name):
        rows = as_events(pl.scan_delta(table), columns, path.name)
        kind = f"Delta table, version {table.version()}"
        return FilesSource(path.name, kind, *numbered(rows, path.name))


def delta_table(path: Path) -> DeltaTable:
    """Return a Delta table as of its newest version.

    Raises
    ------
    MissingExtraError
        If the package `deltalake` is not installed.
    StoreUnreadableError
        If it cannot be read.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        raise missing_extra("Delta tables", "delta") from error
    try:
        return DeltaTable(path)
    except (DeltaError, OSError) as error:
        said = (str(error).splitlines() or ["no reason given"])[0][:300].rstrip(".")
        msg = f"Cannot read {str(path)!r} as a Delta table: {said}. Check the folder `_delta_log`."
        raise StoreUnreadableError(msg) from error


def origin_of(table: DeltaTable) -> dict[str, Any] | None:
    """Return what an archive says of the history that it holds; None of any other table."""
    marked = table.metadata().configuration.get(MARK)
    try:
        found = json.loads(marked or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) and "kind" in found else None


class File(NamedTuple):
    """One file of an archive, with the ranges that the table's log states."""

    path: str
    first: int
    last: int
    first_time: datetime | None
    last_time: datetime | None
    rows: int

    def may_have(self, selection: Selection) -> bool:
        """Return whether an event of a selection may be in it."""
        return (
            (selection.after is None or self.last > selection.after)
            and (selection.upto is None or self.first <= selection.upto)
            and (_later(selection.first_time, self.last_time))
            and (_later(self.first_time, selection.last_time))
        )


def _later(first: datetime | None, last: datetime | None) -> bool:
    return first is None or last is None or first <= last


def files_of(table: DeltaTable) -> list[File]:
    """Return the files of an archive, in order of position."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    times = [
        pl.col(name) if name in actions.columns else pl.lit(None).alias(name)
        for name in ("min.time", "max.time")
    ]
    if actions.is_empty():
        return []
    known = actions.select("path", "min.position", "max.position", *times, "num_records")
    return sorted((File(*row) for row in known.iter_rows()), key=lambda file: file.first)


class Log:
    """The files of an archive as of its newest version; its log is read again once that changed.

    Parameters
    ----------
    path
        The folder of the table.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[object, list[File]] | None = None

    def files(self) -> list[File]:
        """Return them, in order of position.

        Raises
        ------
        StoreUnreadableError
            If the table cannot be read.
        """
        state, known = self._state(), self._known
        if known is None or state is None or known[0] != state:
            known = self._known = state, files_of(delta_table(self._path))
        return known[1]

    def _state(self) -> object:
        """Return what another commit changes: each is a file of its own, by its number."""
        folder = self._path / "_delta_log"
        try:
            found = folder.stat()
            with os.scandir(folder) as entries:
                commits = [entry.name for entry in entries if _COMMIT.fullmatch(entry.name)]
        except OSError:
            return None  # whoever reads it says why
        return found.st_ino, found.st_mtime_ns, max(commits, default=None)


@dataclass(frozen=True, eq=False)
class ArchiveSource(LazySource):
    """The events of an archive, as of its newest version whenever they are asked for."""

    path: Path
    origin: dict[str, Any] = field(repr=False)
    """What the archive says of the source that was copied."""
    log: Log = field(repr=False)

    @property
    def application(self) -> str | None:
        """The application, where the source that was copied said so."""
        found: str | None = self.origin.get("application")
        return found

    @property
    def capabilities(self) -> Capabilities:
        """Those of a file; a hole is one where it was one in the source."""
        return replace(AS_FILE, own_numbers=bool(self.origin.get("own_numbers")), grows=True)

    def rows(self, selection: Selection) -> pl.LazyFrame:
        """Return the rows of all files that may have some of a selection."""
        files = self.log.files()
        chosen = [file for file in files if file.may_have(selection)]
        if not chosen:
            return EVENTS.frame().lazy()
        rows = pl.scan_parquet([self.path / file.path for file in chosen], glob=False)
        rows = rows.select(pl.col(c.name).cast(c.dtype) for c in EVENTS.columns)
        return rows if _in_order(chosen) else rows.sort("position")

    def head(self) -> int | None:
        """The last position, as the table's log states it."""
        return max((file.last for file in self.log.files()), default=None)

    def tail(self) -> int | None:
        """The first position, as the table's log states it."""
        return min((file.first for file in self.log.files()), default=None)


def _in_order(files: list[File]) -> bool:
    """Return whether files were written by an archive, one after the other.

    Another tool may have rewritten them, such as one that sorts by another column.
    """
    follow = all(a.last < b.first for a, b in pairwise(files))
    return follow and all(FILE_NAME.fullmatch(file.path) for file in files)
