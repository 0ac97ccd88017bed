"""Copying a history into a Delta table: only what is new, each event exactly once.

Events are written in files of a range of positions each, compressed with Zstandard, and a
file is put into the table together with the position that it ends at, in one commit. So
whenever the copy is killed, the table holds whole files, and the next run goes on behind
them. While it grows it can be read. The archive is opened by `open_history` like any
history.

Notes
-----
The position stands in the transaction identifier (`txn`) of the Delta protocol, which is
made for this: "Transaction Identifiers", in the protocol's specification. Two copies at
the same time are told apart by it, and one of the two is refused.
"""

from __future__ import annotations

import json
import secrets
import time as clock
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.description import html_table
from workbench.errors import ArchiveError, ExportError, missing_extra
from workbench.history import History
from workbench.progress import shown
from workbench.sources import Selection
from workbench.sources.delta import (
    MARK,
    RECEIVER,
    ArchiveSource,
    Log,
    delta_table,
    is_delta,
    origin_of,
)
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from deltalake import DeltaTable

    from workbench.reading import Progress

ROWS_A_FILE = 250_000
ROWS_A_GROUP = 125_000
MOST_SECONDS = 10.0
"""After how many seconds a file is written, however few events have come."""


@dataclass(frozen=True)
class Copied:
    """What one run of `copy_history` did."""

    path: Path
    events: int
    """Events that were copied by this run."""
    position: int | None
    """The last position that the archive holds, None where it is empty."""
    version: int
    """The version of the Delta table."""
    seconds: float

    def __repr__(self) -> str:
        """One line."""
        rate = self.events / self.seconds if self.seconds else 0.0
        return (
            f"<Copied {str(self.path)!r}: {self.events:,} new events, up to "
            f"{self.position or 0:,}, version {self.version}, {rate:,.0f} events/s>"
        )

    def _repr_html_(self) -> str:
        return html_table(
            "Copied",
            {
                "archive": str(self.path),
                "new events": f"{self.events:,}",
                "up to position": f"{self.position or 0:,}",
                "version": f"{self.version}",
                "seconds": f"{self.seconds:,.1f}",
            },
        )


def copy_history(
    history: History,
    path: str | Path,
    *,
    progress: bool | Callable[[Progress], None] = True,
    verify: bool = False,
) -> Copied:
    """Copy what is new of a history into a Delta table, and return what was done.

    Parameters
    ----------
    history
        A whole history; it may be narrowed by `between`, by nothing else.
    path
        The folder of the table, which is made if there is none.
    progress
        Whether to show a bar, or whom to tell how far it has come.
    verify
        Whether to compare the whole archive with the history afterwards, event by event.

    Raises
    ------
    ArchiveError
        If the archive is of another history, or the history has no total order or is
        narrowed otherwise; if another process copies at the same time; or if the two are
        found to differ.
    ExportError
        If it cannot be written.
    StoreUnreadableError
        If the source, or the archive, cannot be read.
    MissingExtraError
        If the package `deltalake` is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> with TemporaryDirectory() as folder:
    ...     done = copy_history(open_history(shop_path()), f"{folder}/shop.delta")
    ...     len(open_history(f"{folder}/shop.delta"))
    54375
    """
    path, begun = Path(path), clock.monotonic()
    _check_whole(history)
    table = _table(history, path)
    last = table.transaction_version(RECEIVER)
    if last is not None:
        _check_goes_on(history, path, last)
    copied = 0
    with shown(progress, f"copying {history.name}") as report:
        for frame in _written(history.between(after=last).with_progress(report), path, table):
            copied, last = copied + frame.height, frame["position"][-1]
    if verify:
        _verify(history, path, last)
    return Copied(path, copied, last, table.version(), clock.monotonic() - begun)


def _check_whole(history: History) -> None:
    """Raise if events are left out that a later run could not tell from new ones."""
    left = replace(history.selection, after=None, upto=None)
    is_timed = history.first_time is not None or history.last_time is not None
    narrowed = left != Selection() or is_timed or history.conditions
    if narrowed or history.edits:
        found = f"is narrowed to {history.narrowed}" if narrowed else "is edited"
        msg = (
            f"Cannot copy {history.name!r}: it {found}, and an archive goes on by position. "
            "Copy the whole history, and narrow the archive; or use export."
        )
        raise ArchiveError(msg)
    if not history.source.capabilities.total_order:
        msg = (
            f"Cannot copy {history.name!r}: its partitions have no order among each other, so "
            "no one position says how far a copy has come. Use export."
        )
        raise ArchiveError(msg)


def _table(history: History, path: Path) -> DeltaTable:
    """Return the archive's table, made if there is nothing."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        raise missing_extra("Archives", "delta") from error
    if is_delta(path):
        return _known(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        msg = (
            f"Cannot copy to {str(path)!r}: something else is there. Name a new folder, or an "
            "archive."
        )
        raise ArchiveError(msg)
    source = history.source
    origin = {
        "name": source.name,
        "kind": source.kind,
        "application": source.application,
        "own_numbers": source.capabilities.own_numbers,
    }
    schema = EVENTS.frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    try:
        return DeltaTable.create(
            path,
            schema,
            description=f"events of {source.name}",
            configuration={MARK: json.dumps(origin)},
            raise_if_key_not_exists=False,
        )
    except (DeltaError, OSError) as error:
        raise _unwritable(path, error) from error


def _known(path: Path) -> DeltaTable:
    table = delta_table(path)
    if origin_of(table) is None:
        msg = (
            f"Cannot copy to {str(path)!r}: it is a Delta table that the workbench has not "
            "made. Name a new folder, or an archive."
        )
        raise ArchiveError(msg)
    return table


def _archived(path: Path) -> History:
    """Return the archive as a history."""
    origin = origin_of(delta_table(path)) or {}
    return History(ArchiveSource(path.name, "archive", path, origin, Log(path)), target=str(path))


def _check_goes_on(history: History, path: Path, last: int) -> None:
    """Raise unless the last event of the archive is in the history, and is the same."""
    columns = ["position", "stream", "version", "type", "data"]

    def found_in(which: History) -> pl.DataFrame:
        chosen = which.between(after=last - 1, upto=last)
        return chosen.scan().select(columns).collect()

    whole = replace(history, selection=Selection(), on_progress=None)
    there = found_in(whole)
    if not there.equals(found_in(_archived(path))):
        said = "is another one" if there.height else "is not there"
        msg = (
            f"Cannot go on with the archive {str(path)!r}: it ends at position {last:,}, and in "
            f"{history.name!r} that event {said}. Name the history that was archived, or a new "
            "folder."
        )
        raise ArchiveError(msg)


def _written(history: History, path: Path, table: DeltaTable) -> Iterator[pl.DataFrame]:
    """Yield the events that were written, a commit at a time; writing goes on beside reading."""
    with ThreadPoolExecutor(1, "workbench-copy") as pool:
        under_way: Future[pl.DataFrame] | None = None
        for frame in _by_file(history):
            if under_way is not None:
                yield under_way.result()
            under_way = pool.submit(_commit, frame, path, table)
        if under_way is not None:
            yield under_way.result()


def _by_file(history: History) -> Iterator[pl.DataFrame]:
    """Yield the events, as many at once as make a file."""
    frames: list[pl.DataFrame] = []
    begun, rows = clock.monotonic(), 0
    for frame in history.batches():
        if frame.height:
            frames.append(frame)
            rows += frame.height
        if rows >= ROWS_A_FILE or (rows and clock.monotonic() - begun > MOST_SECONDS):
            yield pl.concat(frames)
            begun, rows, frames = clock.monotonic(), 0, []
    if frames:
        yield pl.concat(frames)


def _commit(frame: pl.DataFrame, path: Path, table: DeltaTable) -> pl.DataFrame:
    """Write one file, put it into the table with the position it ends at, and return its rows."""
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError
    from deltalake.transaction import AddAction

    first, last = frame["position"][0], frame["position"][-1]
    file = path / f"events-{first}-{last}-{secrets.token_hex(4)}.parquet"
    try:
        frame.write_parquet(
            file, compression="zstd", compression_level=1, row_group_size=ROWS_A_GROUP
        )
        size, now_ms = file.stat().st_size, int(clock.time() * 1000)
        table.create_write_transaction(
            [AddAction(file.name, size, {}, now_ms, data_change=True, stats=_stats(frame))],
            "append",
            table.schema(),
            commit_properties=CommitProperties(
                app_transactions=[Transaction(RECEIVER, last, None)],
            ),
        )
    except BaseException as error:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        if isinstance(error, CommitFailedError):
            msg = (
                f"Cannot copy to {str(path)!r}: another process has copied to it since. "
                "Nothing is lost or doubled: run it again."
            )
            raise ArchiveError(msg) from error
        if isinstance(error, (DeltaError, OSError, pl.exceptions.PolarsError)):
            raise _unwritable(path, error) from error
        raise
    table.update_incremental()
    return frame


def _stats(frame: pl.DataFrame) -> str:
    """Return what the table's log says of a file, so that it need not be opened in vain.

    Notes
    -----
    The form is that of "Per-file Statistics" in the Delta protocol.
    """
    text = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    kept = frame.select("position", text.alias("time"))
    ends: dict[str, dict[str, Any]] = {
        "minValues": kept.min().row(0, named=True),
        "maxValues": kept.max().row(0, named=True),
    }
    known = {name: {k: v for k, v in row.items() if v is not None} for name, row in ends.items()}
    nulls = {name: frame[name].null_count() for name in ("position", "time")}
    return json.dumps({"numRecords": frame.height, **known, "nullCount": nulls})


def _verify(history: History, path: Path, last: int | None) -> None:
    """Raise if the archive does not hold exactly the events of the history up to a position."""
    if last is None:
        return
    archived = _archived(path)
    read = (archived.source.tail() or 0) - 1
    whole = replace(history, on_progress=None).between(after=read, upto=last)
    for frame in whole.batches():
        if frame.is_empty():
            continue
        upto = frame["position"][-1]
        found = archived.between(after=read, upto=upto).scan().collect()
        if not frame.equals(found):
            _differs(frame, found, path)
        read = upto


def _differs(frame: pl.DataFrame, found: pl.DataFrame, path: Path) -> None:
    own = frame.hash_rows() if frame.height else pl.Series([], dtype=pl.UInt64)
    sides = frame.select("position").with_columns(own.alias("a"))
    others = found.select("position").with_columns(found.hash_rows().alias("b"))
    both = sides.join(others, on="position", how="full", coalesce=True)
    odd: int | None = both.filter(~pl.col("a").eq_missing(pl.col("b")))["position"].sort().item(0)
    msg = (
        f"The archive {str(path)!r} differs from the history at position {odd}. The source has "
        "been changed since, or the archive has: copy it again, into a new folder."
    )
    raise ArchiveError(msg)


def _unwritable(path: Path, error: BaseException) -> ExportError:
    lines = str(getattr(error, "strerror", None) or error).splitlines() or ["no reason given"]
    return ExportError(
        f"Cannot copy to {str(path)!r}: {lines[0][:300]}. Check the folder, who may write to "
        "it, and its free space."
    )
