"""The schemas of a reading: its parts are examined in threads, and added in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.catalog import check_window
from workbench.compatibility.affected import COLUMNS as READ_COLUMNS
from workbench.schemas.census import Census
from workbench.schemas.drift import Drift
from workbench.schemas.gathering import gathered
from workbench.schemas.pieces import COLUMNS, Examiner
from workbench.schemas.schemas import Schemas
from workbench.schemas.shares import COLUMNS as TIMES
from workbench.sources import Selection

if TYPE_CHECKING:
    from collections.abc import Generator

    import polars as pl

    from workbench.scanning import Reading
from workbench.schemas.pieces import Part


def schemas_of(name: str, reading: Reading) -> Schemas:
    """Return the schemas of what a reading reads; `name` is what its source is called.

    Raises
    ------
    StoreUnreadableError
        If the source can no longer be read.
    """
    examiner = Examiner()

    def read(after: int | None) -> Generator[Part, None, None]:
        return reading.used(COLUMNS, examiner.part, Selection(after=after))

    def payloads(types: frozenset[str]) -> Generator[pl.DataFrame, None, None]:
        return reading.frames(READ_COLUMNS, Selection(types=types))

    def times(types: frozenset[str]) -> Generator[pl.DataFrame, None, None]:
        return reading.frames(TIMES, Selection(types=types))

    return Schemas(name, Census().add(read(None)), read, payloads, times)


def drift_of(reading: Reading, type_: str, every: str) -> Drift:
    """Return how the fields of one type drift; see `workbench.inferring.Inferring.drift`.

    Raises
    ------
    RangeError
        If `every` is no duration.
    StoreUnreadableError
        If the source can no longer be read.
    """
    check_window(every)
    examiner = Examiner(sums_up=False)
    parts = reading.used(COLUMNS, examiner.part, Selection(types=frozenset({type_})))
    return Drift(type_, every, gathered(piece for part in parts for piece in part.pieces))
