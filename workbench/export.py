"""Writing a history's events to one file: Parquet, CSV, NDJSON or Arrow.

Events are read and written a part at a time, so memory does not grow with the
history. They go to a file of another name beside the one that was asked for, which
gets its name when it is whole: an interrupt leaves no half file.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import ExportError, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.history import History

SQLITE_MAGIC = b"SQLite format 3\x00"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def _csv(events: pl.LazyFrame, path: Path) -> None:
    # A CSV cell holds no list: tags become the JSON of a struct, less what is around them.
    wrapped = pl.struct("tags").struct.json_encode()
    tags = wrapped.str.slice(len('{"tags":')).str.head(-len("}"))
    events.with_columns(tags.alias("tags")).sink_csv(path, datetime_format=TIME_FORMAT)


def _ndjson(events: pl.LazyFrame, path: Path) -> None:
    events.with_columns(pl.col("time").dt.strftime(TIME_FORMAT)).sink_ndjson(path)


def _xes(events: pl.LazyFrame, path: Path) -> None:
    from workbench.mining.xes import write_xes

    write_xes(events, path)


def _xes_gz(events: pl.LazyFrame, path: Path) -> None:
    from workbench.mining.xes import write_xes_gz

    write_xes_gz(events, path)


def _ocel_json(events: pl.LazyFrame, path: Path) -> None:
    from workbench.mining.ocel_files import write_ocel_json

    write_ocel_json(events, path)


def _ocel_sqlite(events: pl.LazyFrame, path: Path) -> None:
    from workbench.mining.ocel_files import write_ocel_sqlite

    write_ocel_sqlite(events, path)


FORMATS: dict[str, Callable[[pl.LazyFrame, Path], None]] = {
    ".parquet": lambda events, path: events.sink_parquet(path),
    ".csv": _csv,
    ".ndjson": _ndjson,
    ".arrow": lambda events, path: events.sink_ipc(path),
    ".xes": _xes,
    ".xes.gz": _xes_gz,
    ".ocel.json": _ocel_json,
    ".ocel.sqlite": _ocel_sqlite,
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
    write = _format_of(path)
    with _translated(path):
        _check_free(path, overwrite=overwrite)
        heights: list[int] = []

        def counted(frame: pl.DataFrame) -> pl.DataFrame:
            heights.append(frame.height)
            return frame

        with _part_of(path) as part:
            write(history.scan().map_batches(counted, streamable=True), part)
            _check_free(path, overwrite=overwrite)
            part.replace(path)
    return sum(heights)


def ending_of(path: Path) -> str | None:
    """Return the ending that says in which format to write a file, None if there is none."""
    return next((ending for ending in FORMATS if path.name.lower().endswith(ending)), None)


def _format_of(path: Path) -> Callable[[pl.LazyFrame, Path], None]:
    ending = ending_of(path)
    if ending is None:
        found = f"it ends in {path.suffix.lower()!r}" if path.suffix else "it has no ending"
        msg = (
            f"Cannot export to {str(path)!r}: {found}, and the ending says in which format to "
            f"write. Choose one of {', '.join(FORMATS)}."
        )
        raise ExportError(msg)
    return FORMATS[ending]


def _check_free(path: Path, *, overwrite: bool) -> None:
    """Raise if something lies at `path` that the export must not replace."""
    asked = f"Cannot export to {str(path)!r}"
    if path.is_dir():
        msg = f"{asked}: it is a directory. Name a file in it."
        raise ExportError(msg)
    if not path.exists():
        return
    if not overwrite:
        msg = (
            f"{asked}: there is a file already. "
            "Name another, or replace it: overwrite=True, on the command line --overwrite."
        )
        raise ExportError(msg)
    with path.open("rb") as file:
        is_store = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    if is_store:
        msg = f"{asked}: it is a SQLite file, and may be a store. Name another file."
        raise ExportError(msg)


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """Yield the path of a new file beside `path`, which is gone at the end unless renamed."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    part.open("xb").close()
    try:
        yield part
    finally:
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
    if not path.parent.is_dir():
        said, hint = f"there is no folder {str(path.absolute().parent)!r}", "Make it first."
    return ExportError(f"Cannot export to {str(path)!r}: {said}. {hint}")
