"""The tables of a projection: how they are declared, and their rows while a replay runs.

Rows remember every change with the event that caused it. Changes are Python objects
for a while, and then become columns of the change log, many at a time.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, overload

import polars as pl

from workbench.errors import ProjectionError, near
from workbench.tables import CHANGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.event import Event
    from workbench.tables import Dtype

BATCH = 65_536  # changes that are kept as Python objects before they become columns
Key = tuple[Any, ...]
Row = tuple[Any, ...]


class HasRows(Protocol):
    """A projection's object while it runs."""

    @property
    def rows(self) -> Mapping[TableDeclaration, Rows]:
        """The rows of each declared table."""


@dataclass(frozen=True)
class TableDeclaration:
    """The key and value columns of one table of a projection; made by `table`."""

    key: Mapping[str, Dtype]
    values: Mapping[str, Dtype]

    @overload
    def __get__(self, projection: None, owner: type) -> TableDeclaration: ...

    @overload
    def __get__(self, projection: HasRows, owner: type) -> Rows: ...

    def __get__(self, projection: HasRows | None, owner: type) -> TableDeclaration | Rows:
        """Return the declaration from the class, the rows of the running trial from an object."""
        if projection is None:
            return self
        return projection.rows[self]

    def __hash__(self) -> int:
        """By identity: two tables may be declared alike."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """By identity."""
        return self is other

    @property
    def logged_keys(self) -> dict[str, str]:
        """The key columns' names in the change log: a prefix where an event's column has it."""
        return {name: f"key.{name}" if name in CHANGES.names else name for name in self.key}

    @property
    def schema(self) -> pl.Schema:
        """All columns, keys first."""
        return pl.Schema({**self.key, **self.values})


def table(*, key: Mapping[str, Dtype], values: Mapping[str, Dtype]) -> TableDeclaration:
    """Return the declaration of a table, to be assigned in the body of a projection's class.

    Parameters
    ----------
    key
        The columns that tell rows apart, with Polars dtypes; at least one.
    values
        The other columns. A Decimal, List or Struct needs its parameters, such as
        `pl.Decimal(38, 2)`.

    Raises
    ------
    ProjectionError
        If there is no key column, a column is both key and value, or a dtype is none.
    """
    if not key:
        msg = "Cannot declare a table without a key. Name at least one key column with its dtype."
        raise ProjectionError(msg)
    if both := sorted(set(key) & set(values)):
        msg = (
            f"Cannot declare a table whose columns {', '.join(both)} are both key and value. "
            "Name each column once."
        )
        raise ProjectionError(msg)
    declared = TableDeclaration(_dtypes(key), _dtypes(values))
    logged = [*CHANGES.names, *declared.logged_keys.values(), *_logged_values(values)]
    if twice := sorted({name for name in logged if logged.count(name) > 1}):
        msg = (
            f"Cannot declare a table whose change log would have {', '.join(twice)} twice. "
            "Name the column otherwise: the log has <value>_before and <value>_after."
        )
        raise ProjectionError(msg)
    return declared


_NEED_PARAMETERS = (pl.Decimal, pl.List, pl.Struct, pl.Array, pl.Enum, pl.Null)


def _dtypes(columns: Mapping[str, Dtype]) -> dict[str, Dtype]:
    """Return the columns with whole dtypes: a class of dtypes would be another in each batch."""
    found: dict[str, Dtype] = {}
    for name, dtype in columns.items():
        try:
            (found[name],) = pl.DataFrame(schema={name: dtype}).dtypes
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            msg = (
                f"Cannot declare the column {name!r} as {dtype!r}: it is no dtype of Polars. "
                "Give one, such as pl.String or pl.Decimal(38, 2)."
            )
            raise ProjectionError(msg) from error
        if dtype is None or (isinstance(dtype, type) and isinstance(found[name], _NEED_PARAMETERS)):
            msg = (
                f"Cannot declare the column {name!r} as {dtype}: that is not a whole dtype. "
                "Give it with its parameters, such as pl.Decimal(38, 2) or pl.List(pl.String)."
            )
            raise ProjectionError(msg)
    return found


def _logged_values(values: Mapping[str, Dtype]) -> dict[str, Dtype]:
    """Return the columns of the change log for the value columns."""
    return {
        f"{name}{suffix}": dtype
        for name, dtype in values.items()
        for suffix in ("_before", "_after")
    }


class Rows:
    """The rows of one table while a replay runs: what a handler reads and changes.

    A key is one value, or a tuple where the table has several key columns.
    """

    def __init__(self, name: str, declared: TableDeclaration) -> None:
        self._name = name
        self._declared = declared
        self._columns = {column: i for i, column in enumerate(declared.values)}
        self._nothing: Row = (None,) * len(declared.values)
        self._rows: dict[Key, Row] = {}
        self._event: Event | None = None
        self._pending: list[tuple[Event, str, Key, Row, Row]] = []
        self._log: list[pl.DataFrame] = []

    def __contains__(self, key: object) -> bool:
        """Whether there is a row of that key."""
        return self._key(key) in self._rows

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def get(self, key: object, /) -> dict[str, Any] | None:
        """Return the values of a row by column, None if there is no such row."""
        row = self._rows.get(self._key(key))
        return None if row is None else dict(zip(self._columns, map(_own, row), strict=True))

    def set(self, key: object, /, **values: Any) -> None:
        """Make the row of that key have these values; columns that are not named are null.

        Raises
        ------
        ProjectionError
            If a column is not declared, or the key does not fit.
        """
        self._write(self._key(key), self._changed(self._nothing, values))

    def update(self, key: object, /, **values: Any) -> None:
        """Change these values of the row of that key; other columns stay as they are.

        Raises
        ------
        ProjectionError
            If there is no such row, a column is not declared, or the key does not fit.
        """
        found = self._key(key)
        if found not in self._rows:
            msg = (
                f"Cannot change the row {key!r} of {self._name!r}: there is none. "
                "Use set where the row may be new."
            )
            raise ProjectionError(msg)
        self._write(found, self._changed(self._rows[found], values))

    def delete(self, key: object, /) -> None:
        """Remove the row of that key; nothing happens if there is none."""
        found = self._key(key)
        before = self._rows.pop(found, None)
        if before is not None:
            self._note("delete", found, before, self._nothing)

    def _key(self, key: object) -> Key:
        found = key if isinstance(key, tuple) else (key,)
        if len(found) != len(self._declared.key) or None in found:
            wanted = ", ".join(self._declared.key)
            msg = (
                f"Cannot find a row of {self._name!r} by {key!r}. "
                f"Give a value that is not None for each key column: {wanted}."
            )
            raise ProjectionError(msg)
        return found

    def _changed(self, row: Row, values: Mapping[str, Any]) -> Row:
        changed = list(row)
        for column, value in values.items():
            if column not in self._columns:
                msg = (
                    f"Cannot set the column {column!r} of {self._name!r}: it is not declared. "
                    f"{near(column, self._columns)}"
                )
                raise ProjectionError(msg)
            changed[self._columns[column]] = _own(value)
        return tuple(changed)

    def _write(self, key: Key, row: Row) -> None:
        before = self._rows.get(key)
        if before == row:
            return
        self._rows[key] = row
        if before is None:
            self._note("insert", key, self._nothing, row)
        else:
            self._note("update", key, before, row)

    def _note(self, change: str, key: Key, before: Row, after: Row) -> None:
        if self._event is None:
            msg = f"Cannot change {self._name!r} outside of a handler."
            raise ProjectionError(msg)
        self._pending.append((self._event, change, key, before, after))

    # What the replay does with it

    def begin(self, event: Event) -> int:
        """Take `event` as the cause of what follows; return a mark to go back to."""
        self._event = event
        return len(self._pending)

    def undo(self, mark: int) -> None:
        """Take back the changes since `mark`: a handler that failed changes nothing."""
        while len(self._pending) > mark:
            _, change, key, before, _ = self._pending.pop()
            if change == "insert":
                del self._rows[key]
            else:
                self._rows[key] = before

    def settle(self, *, at_least: int = BATCH) -> None:
        """Turn pending changes into columns, if there are so many.

        Raises
        ------
        ProjectionError
            If a value is not of its column's dtype.
        """
        if not self._pending or len(self._pending) < at_least:
            return
        pending, self._pending = self._pending, []
        events, changes, keys, befores, afters = zip(*pending, strict=True)
        columns: list[pl.Series] = [
            pl.Series(name, [getattr(event, name) for event in events], dtype)
            for name, dtype in CHANGES.schema.items()
            if name != "change"
        ]
        columns.append(pl.Series("change", changes, pl.String))
        logged = self._declared.logged_keys
        key_columns = self._columns_of(self._declared.key, keys, "")
        columns += [column.alias(logged[column.name]) for column in key_columns]
        before = self._columns_of(self._declared.values, befores, "_before")
        after = self._columns_of(self._declared.values, afters, "_after")
        columns += [column for pair in zip(before, after, strict=True) for column in pair]
        self._log.append(pl.DataFrame(columns))

    def _columns_of(
        self, declared: Mapping[str, Any], rows: tuple[Row, ...], suffix: str
    ) -> list[pl.Series]:
        return [
            self._column(name, dtype, values, suffix)
            for (name, dtype), values in zip(declared.items(), zip(*rows, strict=True), strict=True)
        ]

    def _column(self, name: str, dtype: Any, values: tuple[Any, ...], suffix: str) -> pl.Series:
        try:
            column = pl.Series(f"{name}{suffix}", values, dtype, strict=True)
        except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError) as error:
            raise self._misfit(name, dtype, str(error).splitlines()[0]) from error
        if column.dtype != dtype:
            raise self._misfit(name, dtype, f"the values are {column.dtype}")
        if isinstance(dtype, pl.Decimal) and (rounded := _rounded(values, column)) is not None:
            raise self._misfit(name, dtype, f"{rounded} has more decimal places")
        return column

    def _misfit(self, name: str, dtype: Dtype, said: str) -> ProjectionError:
        return ProjectionError(
            f"Cannot keep the column {name!r} of {self._name!r} as {dtype}: {said}. "
            "Declare the dtype of what the handlers set, or convert it in the handler."
        )

    def log(self) -> pl.DataFrame:
        """Return the change log so far."""
        self.settle(at_least=1)
        if not self._log:
            return pl.DataFrame(schema=log_schema(self._declared))
        return pl.concat(self._log)


def _rounded(values: tuple[Any, ...], column: pl.Series) -> Decimal | None:
    """Return the first of the decimals that is another in its column."""
    pairs = zip(values, column.to_list(), strict=True)
    return next((v for v, kept in pairs if isinstance(v, Decimal) and v != kept), None)


def _own(value: Any) -> Any:
    """Return a value that nobody else changes: a list that a handler keeps would change the log."""
    return deepcopy(value) if isinstance(value, (list, dict)) else value


def log_schema(declared: TableDeclaration) -> pl.Schema:
    """Return the schema of a table's change log: `workbench.tables.CHANGES` and its own columns."""
    keys = {declared.logged_keys[name]: dtype for name, dtype in declared.key.items()}
    return pl.Schema({**CHANGES.schema, **keys, **_logged_values(declared.values)})
