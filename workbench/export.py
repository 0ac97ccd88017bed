"""Writing a history's events to one file: Parquet, Arrow, CSV or NDJSON.

Events are read and written a frame at a time, so memory does not grow with the
history. They go to a file of another name beside the one that was asked for, which
gets its name when it is whole: an interrupt leaves no half file.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import polars as pl

from workbench.errors import ExportError, WorkbenchError
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.history import History

SQLITE_MAGIC = b"SQLite format 3\x00"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


class Writer(Protocol):
    """What writes frames of `workbench.tables.EVENTS` to an open file."""

    def write(self, frame: pl.DataFrame) -> None:
        """Append the rows of a frame."""

    def close(self) -> None:
        """Write what belongs at the end of the file, which stays open."""


class _Parquet:
    def __init__(self, file: BinaryIO) -> None:
        from pyarrow.parquet import ParquetWriter

        schema = EVENTS.frame().to_arrow().schema
        self._writer = ParquetWriter(file, schema, compression="zstd")

    def write(self, frame: pl.DataFrame) -> None:
        self._writer.write_table(frame.to_arrow())

    def close(self) -> None:
        self._writer.close()


class _Arrow:
    def __init__(self, file: BinaryIO) -> None:
        from pyarrow import ipc

        self._writer = ipc.new_file(file, EVENTS.frame().to_arrow().schema)

    def write(self, frame: pl.DataFrame) -> None:
        self._writer.write_table(frame.to_arrow())

    def close(self) -> None:
        self._writer.close()


class _Csv:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._flat(EVENTS.frame()).write_csv(file)

    def write(self, frame: pl.DataFrame) -> None:
        flat = self._flat(frame)
        flat.write_csv(self._file, include_header=False, datetime_format=TIME_FORMAT)

    def close(self) -> None:
        """Nothing belongs at the end."""

    @staticmethod
    def _flat(frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with its tags as JSON text: a CSV cell holds no list."""
        tags = pl.struct("tags").struct.json_encode().str.slice(len('{"tags":'))
        return frame.with_columns(tags.str.head(-len("}")).alias("tags"))


class _Ndjson:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, frame: pl.DataFrame) -> None:
        time = pl.col("time").dt.strftime(TIME_FORMAT)
        frame.with_columns(time).write_ndjson(self._file)

    def close(self) -> None:
        """Nothing belongs at the end."""


WRITERS: dict[str, Callable[[BinaryIO], Writer]] = {
    ".parquet": _Parquet,
    ".csv": _Csv,
    ".ndjson": _Ndjson,
    ".arrow": _Arrow,
}


def export(history: History, path: str | Path, *, overwrite: bool = False) -> int:
    """Return how many events were written to a file, whose ending says in which format.

    The columns are those of `workbench.tables.EVENTS`, in order of position; `data` stays
    JSON text. In a CSV file tags are JSON text too. In CSV and NDJSON, times are ISO 8601
    in UTC with microseconds.

    Parameters
    ----------
    history
        The events. Narrow it to export a part.
    path
        A file that ends in .parquet, .csv, .ndjson or .arrow (the IPC file format).
    overwrite
        Whether to replace a file that is there. A SQLite file, which may be a store, is
        never replaced.

    Raises
    ------
    ExportError
        If the ending is another one, something is there, or the file cannot be written.
    StoreUnreadableError
        If the source can no longer be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> with TemporaryDirectory() as folder:
    ...     export(open_history(shop_path()).of_types("Refund.Issued"), f"{folder}/refunds.csv")
    368
    """
    path = Path(path)
    make_writer = _writer_for(path)
    _check_free(path, overwrite=overwrite)
    with _part_file(path) as (part, file):
        with _translated(path):
            writer = make_writer(file)
        events = 0
        for frame in history.batches():
            with _translated(path):
                writer.write(frame)
            events += frame.height
        with _translated(path):
            writer.close()
            file.close()
            _check_free(path, overwrite=overwrite)
            part.replace(path)
    return events


def _writer_for(path: Path) -> Callable[[BinaryIO], Writer]:
    ending = path.suffix.lower()
    if ending not in WRITERS:
        found = f"it ends in {ending!r}" if ending else "it has no ending"
        msg = (
            f"Cannot export to {str(path)!r}: {found}, and the ending says in which format to "
            f"write. Choose one of {', '.join(WRITERS)}."
        )
        raise ExportError(msg)
    return WRITERS[ending]


def _check_free(path: Path, *, overwrite: bool) -> None:
    """Raise if something lies at `path` that the export must not replace."""
    asked = f"Cannot export to {str(path)!r}"
    try:
        if path.is_dir():
            msg = f"{asked}: it is a directory. Name a file in it."
            raise ExportError(msg)
        if not path.exists():
            return
        if not overwrite:
            msg = f"{asked}: there is a file already. Name another, or ask to overwrite it."
            raise ExportError(msg)
        with path.open("rb") as file:
            is_store = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except WorkbenchError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
    if is_store:
        msg = f"{asked}: it is a SQLite file, and may be a store. Name another file."
        raise ExportError(msg)


@contextmanager
def _part_file(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a new file beside `path`, which is gone at the end unless it was renamed."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with _translated(path):
        file = part.open("xb")
    try:
        yield part, file
    finally:
        file.close()
        part.unlink(missing_ok=True)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except WorkbenchError:
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> ExportError:
    said = getattr(error, "strerror", None) or (str(error).splitlines() or ["no reason given"])[0]
    hint = "Check the folder, who may write to it, and its free space."
    if isinstance(error, FileNotFoundError):
        said, hint = f"there is no folder {str(path.absolute().parent)!r}", "Make it first."
    return ExportError(f"Cannot export to {str(path)!r}: {said}. {hint}")
