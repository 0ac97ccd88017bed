"""Sources whose rows are a Polars query already: files, archives, and logs in memory.

Nothing is decoded here, and every condition, also one on time, is Polars' own to answer:
it skips the row groups of a Parquet file in which nothing fits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import polars as pl

from workbench import tables
from workbench.errors import StoreUnreadableError, WorkbenchError
from workbench.sources.base import Capabilities, Selection
from workbench.sources.memory import fitting

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator

    from workbench.sources.base import Part

ROWS_A_PART = 50_000
LARGEST = 2**63
AS_FILE = Capabilities(
    total_order=True,
    time_index=True,
    live=False,
    receivers=False,
    own_numbers=False,
    decoded=True,
    grows=False,
)
"""What a file can do: it stays as it was when it was opened.

A missing number is no hole in it, since a part of a history may have been exported.
"""


@dataclass(frozen=True, eq=False)
class LazySource(ABC):
    """Events that are had by a Polars query; a subclass says by which."""

    name: str
    """What a person calls it: the file's name."""
    kind: str
    """What it was recognised as."""

    @abstractmethod
    def rows(self, selection: Selection) -> pl.LazyFrame:
        """Return rows of `workbench.tables.EVENTS`, in order: all of a selection, or more."""

    @property
    def application(self) -> str | None:
        """None: a file does not say."""
        return None

    @property
    def capabilities(self) -> Capabilities:
        """Those of a file."""
        return AS_FILE

    @property
    def first_schema_version(self) -> int | None:
        """None: what is known stands in the rows."""
        return None

    def lazy(self, selection: Selection) -> pl.LazyFrame:
        """Return the rows of a selection: `workbench.tables.EVENTS`, in order."""
        chosen = self.rows(selection).filter(*fitting(selection))
        return chosen if selection.limit is None else chosen.head(selection.limit)

    def head(self) -> int | None:
        """The greatest position."""
        return self._edge(pl.col("position").max())

    def tail(self) -> int | None:
        """The smallest position."""
        return self._edge(pl.col("position").min())

    def _edge(self, which: pl.Expr) -> int | None:
        edge: int | None = self.collected(self.rows(Selection()).select(which)).item()
        return edge

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`."""
        if selection.is_empty:
            return 0
        return int(self.collected(self.lazy(selection).select(pl.len())).item())

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected rows: `columns` of `workbench.tables.EVENTS`, in parts."""
        names = [name for name in tables.EVENTS.names if name in columns]
        yield self._parts(selection, names)

    def _parts(self, selection: Selection, names: list[str]) -> Iterator[Part]:
        if selection.is_empty:
            selection = Selection(after=LARGEST - 1)
        for frame in self.batches(self.lazy(selection).select(names)):
            yield frame.clone

    def batches(self, rows: pl.LazyFrame) -> Generator[pl.DataFrame, None, None]:
        """Yield what a query over `rows` finds, in order, a frame at a time.

        Raises
        ------
        StoreUnreadableError
            If it can no longer be read.
        """
        with self.translated():
            yield from rows.collect_batches(
                chunk_size=ROWS_A_PART, maintain_order=True, lazy=True, engine="streaming"
            )

    def collected(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Return what a query over `rows` finds.

        Raises
        ------
        StoreUnreadableError
            If it can no longer be read.
        """
        with self.translated():
            return rows.collect(engine="streaming")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of Polars and the disk into the project's own.

        Raises
        ------
        StoreUnreadableError
            In place of any of them.
        """
        with reading(self.name):
            yield

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself, and a UUID with and without dashes: a file may hold either."""
        value = str(stream)
        try:
            found = UUID(value)
        except ValueError:
            return frozenset({value})
        return frozenset({value, found.hex, str(found)})

    def state(self, position: int) -> bytes | None:
        """The payload's text in UTF-8, as it lies in the file; none is no bytes."""
        if not 0 <= position < LARGEST:
            return None
        found = self.collected(self._stored(Selection(after=position - 1, upto=position)))
        if not found.height:
            return None
        text: str | None = found["data"][0]
        return b"" if text is None else text.encode()

    def _stored(self, selection: Selection) -> pl.LazyFrame:
        """Return the payloads of a selection as they are stored."""
        return self.lazy(selection).select("data")

    def snapshots(self) -> pl.DataFrame:
        """None: a file of events has no snapshots."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """None: a file does not know who reads it."""
        return tables.RECEIVERS.frame()


@dataclass(frozen=True, eq=False)
class LogSource(LazySource):
    """Events that were read from a file once, and are in memory since."""

    events: pl.DataFrame
    """Rows of `workbench.tables.EVENTS`, in order."""

    def rows(self, _selection: Selection, /) -> pl.LazyFrame:
        """Return all rows."""
        return self.events.lazy()


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn errors of Polars, of Arrow and of the disk while a file is read into the project's own.

    Raises
    ------
    StoreUnreadableError
        In place of any of them.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        raise unreadable(name, error) from error
    except BaseException as error:
        # A file that is damaged in the middle can make Polars' own code stop this way.
        if type(error).__name__ != "PanicException":
            raise
        raise unreadable(name, error) from error


def unreadable(name: str, error: BaseException) -> StoreUnreadableError:
    """Return the error for a file that is there and cannot be read, with the reason."""
    lines = str(getattr(error, "strerror", None) or error).splitlines() or ["no reason given"]
    return StoreUnreadableError(
        f"Cannot read {name!r}: {lines[0].rstrip('.')[:300]}. "
        "It may be damaged, cut off, or of another kind than its ending says: get it again."
    )
