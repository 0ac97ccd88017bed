"""What the spec of a table is: its columns with dtypes, units and meaning, and its order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Dtype = pl.DataType | type[pl.DataType]

TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, dtype, and meaning with the unit."""

    name: str
    dtype: Dtype
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """The spec of a table: its name, what a row is, its columns and its order."""

    name: str
    row: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        """The columns as a Polars schema, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    def frame(self, data: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()) -> pl.DataFrame:
        """Return `data` as a frame of exactly this schema."""
        rows = data or {name: [] for name in self.names}
        return pl.DataFrame(rows, schema=self.schema)

    def filled(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `frame` as this table: columns that it does not have are null."""
        missing = [c for c in self.columns if c.name not in frame.columns]
        nulls = [pl.lit(None, c.dtype).alias(c.name) for c in missing]
        return self.conform(frame.with_columns(nulls))

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns of this table out of `frame`, with its dtypes."""
        return frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns)

    def misfits(self, frame: pl.DataFrame) -> list[str]:
        """Return in words where `frame` is not of this schema; empty if it is."""
        found, wanted = dict(frame.schema), dict(self.schema)
        missing = [f"{n} is missing" for n in wanted if n not in found]
        extra = [f"{n} is not in the spec" for n in found if n not in wanted]
        other = [
            f"{n} is {found[n]}, not {wanted[n]}"
            for n in wanted
            if n in found and found[n] != wanted[n]
        ]
        return missing + extra + other
