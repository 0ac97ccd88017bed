"""Queries to a SQLite file that come out as frames, in any thread.

Rows leave the database as Arrow through ADBC, whose driver runs without the
interpreter lock. Each thread has a connection of its own. A file that a writer may
have open is read through Python's own SQLite; see `workbench.sources.sqlite_file`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.errors import StoreUnreadableError
from workbench.sources.base import RAW_SCHEMA, as_text
from workbench.sources.sqlite_file import BUSY_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from workbench.sources.base import Part
    from workbench.sources.sqlite_file import SQLiteFile

ROWS_A_PART = 65_536
BYTES_A_PART = 2**25
FIRST_RANGE = 2**12  # of positions: nothing is known yet of how large events are
WIDEST_RANGE = 2**20  # all of its numbers may be taken, and then it is one frame
GROWTH = 4  # times at most: what comes may be larger than what was
ONE_BATCH = 2**30  # rows: the driver takes a column's type from the first batch alone


class Width:
    """How many positions the next range spans, learnt from the ranges before.

    `rows` are wanted in a range, of which the first spans `first` positions.
    """

    def __init__(self, rows: int | None = None, first: int | None = None) -> None:
        self._rows = ROWS_A_PART if rows is None else rows
        self.positions = FIRST_RANGE if first is None else first

    def saw(self, positions: int, frame: pl.DataFrame) -> None:
        """Take note of how many rows a range of positions had, and how large they were.

        Several ranges are under way at once: what each says of the next is told by its own
        width, so that three small ones do not make the next three times as wide.
        """
        share = max(frame.height / self._rows, frame.estimated_size() / BYTES_A_PART)
        fitting = min(positions / share, WIDEST_RANGE) if share else WIDEST_RANGE
        self.positions = max(1, min(int(fitting), positions * GROWTH))


class Reader:
    """ADBC connections, one for each thread that reads; closed together."""

    def __init__(self, file: SQLiteFile) -> None:
        self._file = file
        self._local = threading.local()
        self._opened: list[Any] = []

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return what a query selects.

        Raises
        ------
        StoreUnreadableError
            If the database cannot be read.
        """
        return self._file.steadily(lambda: self._query(sql))

    def _query(self, sql: str) -> pl.DataFrame:
        before = self._file.state()
        if before.is_live:
            return self._plainly(sql)
        try:
            with self._file.translated():
                found = _selected(self._connection(), sql)
        except StoreUnreadableError:
            if before.is_immutable:
                raise
        else:
            if before.is_immutable or self._file.state() == before:
                return found
        # A writer in this process came in between, whose locks the driver does not see.
        return self._plainly(sql)

    def _plainly(self, sql: str) -> pl.DataFrame:
        """Return what a query selects, through Python's own SQLite."""
        with self._file.connect() as db:
            cursor = db.execute(sql)
            names = [column[0] for column in cursor.description]
            columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
        return pl.DataFrame(
            [
                pl.Series(name, values, pl.Int64 if RAW_SCHEMA[name].is_integer() else pl.Binary)
                for name, values in zip(names, columns, strict=True)
            ]
        )

    def _connection(self) -> Any:  # noqa: ANN401, the driver has no types
        state = self._file.state()
        connection, opened_at = getattr(self._local, "connection", (None, state))
        # An immutable connection never looks at the file's changes again.
        if connection is None or (opened_at.is_immutable and opened_at != state):
            connection = self._connected()
            self._local.connection = connection, state
        return connection

    def _connected(self) -> Any:  # noqa: ANN401, the driver has no types
        # The driver's own interface for Python would load pyarrow.dataset and pandas.
        import adbc_driver_manager as driver
        from adbc_driver_sqlite import _driver_path

        database = driver.AdbcDatabase(driver=_driver_path(), uri=self._file.uri())
        self._opened.append(database)
        connection = driver.AdbcConnection(database)
        self._opened.append(connection)
        _selected(connection, f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return connection

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._opened:
            self._opened.pop().close()


def _selected(connection: Any, sql: str) -> pl.DataFrame:  # noqa: ANN401, the driver has no types
    from adbc_driver_manager import AdbcStatement

    with AdbcStatement(connection) as statement:
        statement.set_options(**{"adbc.sqlite.query.batch_rows": str(ONE_BATCH)})
        statement.set_sql_query(sql)
        stream, _ = statement.execute_query()
        return pl.DataFrame(stream)


def part_of(
    reader: Reader, sql: str, columns: Collection[str], saw: Callable[[pl.DataFrame], object]
) -> Part:
    """Return the part that runs a query, and puts its columns into the form of raw rows.

    `saw` is told what was found.
    """

    def read() -> pl.DataFrame:
        frame = reader.fetch(sql)
        saw(frame)
        stored = [_conformed(series) for series in frame]
        absent = set(columns) - set(frame.columns)
        constant = [_CONSTANT[name] for name in absent]
        found = frame.with_columns(*stored, *constant)
        return found.select(name for name in RAW_SCHEMA if name in columns)

    return read


# What these layouts do not have.
_CONSTANT = {
    "partition": pl.lit(0, RAW_SCHEMA["partition"]).alias("partition"),
    "metadata": pl.lit(None, RAW_SCHEMA["metadata"]).alias("metadata"),
    "tags": pl.lit([], RAW_SCHEMA["tags"]).alias("tags"),
}


def _conformed(series: pl.Series) -> pl.Series:
    wanted = RAW_SCHEMA[series.name]
    if series.dtype == pl.Binary and wanted == pl.String:
        return as_text(series, "replace")
    if series.null_count() == series.len():  # then the driver knows no type
        return pl.repeat(None, series.len(), dtype=wanted, eager=True).alias(series.name)
    return series.cast(wanted)
