"""Exported histories: Parquet, CSV, NDJSON and Arrow files, one or a folder of them.

A file is looked at once, when it is opened: its columns, and whether its positions are
those of a history. Each query after that is a Polars scan, in which conditions reach the
file. A file that has changed since is refused, since what was found may hold no longer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from workbench.errors import MappingError, StoreNotFoundError, StoreUnreadableError
from workbench.sources.columns import STORED, as_events
from workbench.sources.lazy import AS_FILE, LazySource, reading
from workbench.sources.lines import BROKEN, REST, is_exported, read_lines
from workbench.sources.memory import fitting
from workbench.sources.sqlite_file import MAGIC
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from workbench.sources.base import Capabilities, Selection
    from workbench.sources.columns import Columns

FORMATS = {".parquet": "Parquet", ".csv": "CSV", ".ndjson": "NDJSON", ".arrow": "Arrow"}
ORDER = ("partition", "position")
_IN_TEXT = {**EVENTS.schema, "time": pl.String()}


class Stamp(NamedTuple):
    """What tells that a file has changed."""

    path: Path
    mtime_ns: int
    size_bytes: int


@dataclass(frozen=True, eq=False)
class FilesSource(LazySource):
    """The events of one file, or of all files of a folder."""

    events: pl.LazyFrame
    """Rows of `workbench.tables.EVENTS`, in order, and the column `STORED`."""
    is_one_order: bool
    """Whether there is one partition only."""
    stamps: tuple[Stamp, ...] = ()
    """The files as they were when they were opened."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of a file; several partitions have no order among each other."""
        return replace(AS_FILE, total_order=self.is_one_order)

    def rows(self, _selection: Selection, /) -> pl.LazyFrame:
        """Return all rows, if the files are what they were.

        Raises
        ------
        StoreNotFoundError, StoreUnreadableError
            If one has changed or is gone.
        """
        for stamp in self.stamps:
            if stamp_of(stamp.path) != stamp:
                msg = (
                    f"Cannot read {self.name!r}: {stamp.path.name!r} has changed since it was "
                    "opened. Open it again."
                )
                raise StoreUnreadableError(msg)
        return self.events.select(EVENTS.names)

    def _stored(self, selection: Selection) -> pl.LazyFrame:
        stored = self.events.filter(*fitting(selection))
        return stored.select(pl.col(STORED).alias("data"))


def stamp_of(path: Path) -> Stamp:
    """Return the present state of a file.

    Raises
    ------
    StoreNotFoundError, StoreUnreadableError
        If it is not there, or cannot be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        where = f"there is no folder {str(path.absolute().parent)!r}"
        said = "there is no such file" if path.absolute().parent.is_dir() else where
        msg = f"Cannot open {str(path)!r}: {said}. Check the path."
        raise StoreNotFoundError(msg) from error
    except OSError as error:
        msg = f"Cannot open {str(path)!r}: {error.strerror}. Check who may read it."
        raise StoreUnreadableError(msg) from error
    return Stamp(path, found.st_mtime_ns, found.st_size)


def is_file_of_events(path: Path) -> bool:
    """Return whether a path is one that `open_files` opens: by its ending, or as a folder.

    A SQLite store may have any name, also such a one.
    """
    if path.suffix.lower() not in FORMATS:
        return path.is_dir()
    if any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-journal")):
        return False  # a store in use, which must not be opened as a plain file
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) != MAGIC
    except OSError:
        return True


def open_files(path: Path, columns: Columns | None = None) -> FilesSource:
    """Return the events of a file, or of a folder of files of one kind, in order of names.

    Positions must be unique. Rows that are out of order are sorted. Where the files have no
    position, it is the number of the row, from 1.

    Parameters
    ----------
    path
        A file that ends in .parquet, .csv, .ndjson or .arrow, or a folder.
    columns
        Which of its columns is which of the event table; by default by their names.

    Raises
    ------
    StoreNotFoundError, StoreUnreadableError
        If there is nothing, or it cannot be read.
    MappingError
        If its columns do not make events, or two events have one position.
    """
    stamps = tuple(stamp_of(found) for found in _files(path))
    ending = stamps[0].path.suffix.lower()
    kind = f"{FORMATS[ending]} file"
    if path.is_dir():
        kind = f"{len(stamps)} {FORMATS[ending]} file{'s' * (len(stamps) > 1)}"
    with reading(path.name):
        rows = pl.concat([_events(stamp, ending, columns) for stamp in stamps])
        return FilesSource(path.name, kind, *numbered(rows, path.name), stamps)


def numbered(rows: pl.LazyFrame, name: str) -> tuple[pl.LazyFrame, bool]:
    """Return rows in order of position, which is the number of the row where there is none.

    Raises
    ------
    MappingError
        If a row has no position, or two rows have the same.
    """
    if "position" not in rows.collect_schema():
        rows = rows.with_row_index("position", offset=1)
    events = (pl.col(column.name).cast(column.dtype) for column in EVENTS.columns)
    return in_order(rows.select(*events, STORED), name)


def _files(path: Path) -> list[Path]:
    """Return the files that a path names, in order of names."""
    if not path.is_dir():
        return [path]
    asked = f"Cannot open {str(path)!r}: it is a directory"
    found = sorted(
        p
        for p in path.iterdir()
        if p.suffix.lower() in FORMATS and p.is_file() and not p.name.startswith((".", "_"))
    )
    kinds = Counter(p.suffix.lower() for p in found)
    if not kinds:
        msg = f"{asked} without files of events. Name a file, or a folder of {', '.join(FORMATS)}."
        raise StoreUnreadableError(msg)
    if len(kinds) > 1:
        listed = ", ".join(f"{n} {ending}" for ending, n in sorted(kinds.items()))
        msg = f"{asked} of files of several kinds: {listed}. Open one file, or one kind a folder."
        raise StoreUnreadableError(msg)
    return found


def _events(stamp: Stamp, ending: str, columns: Columns | None) -> pl.LazyFrame:
    """Return the rows of one file as those of the event table."""
    path = stamp.path
    if not stamp.size_bytes and ending != ".ndjson":
        msg = f"Cannot read {str(path)!r}: it is empty. Export it again, or name another file."
        raise StoreUnreadableError(msg)
    if not stamp.size_bytes:
        nothing = EVENTS.frame().with_columns(pl.col("data").alias(STORED))
        return nothing.lazy()  # NDJSON of no events is a file of no lines
    match ending:
        case ".ndjson":
            return _lines(path, columns)
        case ".csv":
            # Every column as text: the numbers of an identifier keep their zeros.
            rows = pl.scan_csv(path, infer_schema=False, glob=False)
        case ".arrow":
            rows = pl.scan_ipc(path, glob=False)
        case _:
            rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return as_events(rows, columns, path.name)


def _lines(path: Path, columns: Columns | None) -> pl.LazyFrame:
    if columns is None and is_exported(path):
        rows = pl.scan_ndjson(path, schema=_IN_TEXT)
        try:
            rows.select("position").collect(engine="streaming")
            return as_events(rows, None, path.name)
        except pl.exceptions.PolarsError:
            pass  # a line of it is another: it is read line by line
    read = read_lines(path, columns)
    mapping = dict(columns) if columns is not None else None
    if REST in read.columns and mapping is not None:
        mapping["data"] = REST
    broken = read[BROKEN]
    events = as_events(read.drop(BROKEN).lazy(), mapping, path.name)
    if broken.null_count() == broken.len():
        return events
    said = pl.coalesce(pl.lit(broken), pl.col("problem")).alias("problem")
    data = pl.when(pl.lit(broken).is_null()).then("data").alias("data")
    return events.collect().with_columns(said, data).lazy()


def in_order(rows: pl.LazyFrame, name: str) -> tuple[pl.LazyFrame, bool]:
    """Return rows of the event table in order of position, and whether that is one order.

    It is not where there are several partitions.

    Raises
    ------
    MappingError
        If a row has no position, or two rows have the same.
    """
    numbers = rows.select(ORDER).collect(engine="streaming")
    positions = numbers["position"]
    if positions.null_count():
        row = positions.is_null().arg_true()[0] + 1
        msg = (
            f"Cannot read {name!r} as events: row {row:,} has no whole number as its "
            "position. Map another column, or none: then rows are numbered."
        )
        raise MappingError(msg)
    is_one_order = numbers["partition"].n_unique() <= 1
    if _ascends(numbers):
        return rows, is_one_order
    _check_unique(numbers, name)
    return rows.sort(ORDER), is_one_order


def _ascends(numbers: pl.DataFrame) -> bool:
    """Return whether each row has a greater number than the one before."""
    partition, position = pl.col("partition").diff(), pl.col("position").diff()
    follows = (partition > 0) | ((partition == 0) & (position > 0))
    return bool(numbers.select(follows.all()).item())


def _check_unique(numbers: pl.DataFrame, name: str) -> None:
    same = pl.all_horizontal(pl.col(n) == pl.col(n).shift(1) for n in ORDER)
    twice = numbers.sort(ORDER).filter(same)
    if twice.is_empty():
        return
    position = twice["position"][0]
    first, second, *_ = (numbers["position"] == position).arg_true().to_list()
    msg = (
        f"Cannot read {name!r} as a history: position {position:,} occurs twice, in rows "
        f"{first + 1:,} and {second + 1:,}, as do {twice.height - 1:,} others. Map a column that "
        "tells events apart, or none as the position: then rows are numbered."
    )
    raise MappingError(msg)
