"""The tables of a projection: how they are declared, and their rows while a replay runs."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, overload

import polars as pl

from workbench.changelog.log import logged_key
from workbench.changelog.writer import LogWriter
from workbench.errors import ProjectionError
from workbench.projections.values import Values
from workbench.tables import CHANGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.changelog.writer import Cursor, RowState
    from workbench.tables import Dtype


class HasRows(Protocol):
    """A projection's object while it runs."""

    @property
    def rows(self) -> Mapping[str, Rows]:
        """The rows of each declared table, by name."""


@dataclass(frozen=True)
class TableDeclaration:
    """The key and value columns of one table of a projection; made by `table`."""

    key: Mapping[str, Dtype]
    values: Mapping[str, Dtype]
    name: str = field(default="", compare=False)

    @overload
    def __get__(self, projection: None, owner: type) -> TableDeclaration: ...

    @overload
    def __get__(self, projection: HasRows, owner: type) -> Rows: ...

    def __get__(self, projection: HasRows | None, owner: type) -> TableDeclaration | Rows:
        """Return the declaration from the class, the rows of the running trial from an object."""
        if projection is None:
            return self
        return projection.rows[self.name]

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name that the declaration is assigned to."""
        object.__setattr__(self, "name", name)

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
    pairs = [f"{name}{suffix}" for name in values for suffix in ("_before", "_after")]
    logged = [*CHANGES.names, *map(logged_key, key), *pairs]
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


class Rows:
    """The rows of one table while a replay runs: what a handler reads and changes.

    A key is one value, or a tuple where the table has several key columns.
    """

    def __init__(self, name: str, declared: TableDeclaration, cursor: Cursor) -> None:
        self.writer = LogWriter(name, declared.key, declared.values, cursor)
        values = Values(name, declared.values)
        self._names, self._of, self._changed = values.names, values.of, values.changed
        self._states = self.writer.states
        self._is_nested = any(dtype.is_nested() for dtype in declared.values.values())

    def __contains__(self, key: object) -> bool:
        """Whether there is a row of that key."""
        state = self._state(key)
        return state is not None and state.values is not None

    def __len__(self) -> int:
        """The number of rows."""
        return sum(state.values is not None for state in self._states.values())

    def get(self, key: object, /) -> dict[str, Any] | None:
        """Return the values of a row by column, None if there is no such row."""
        state = self._state(key)
        if state is None or state.values is None:
            return None
        values = deepcopy(state.values) if self._is_nested else state.values
        return dict(zip(self._names, values))  # noqa: B905, quicker

    def set(self, key: object, /, **values: Any) -> None:
        """Make the row of that key have these values; columns that are not named are null.

        Raises
        ------
        ProjectionError
            If a column is not declared, or the key or a value does not fit.
        """
        row = self._of(values)
        try:
            state = self._states.get(key)
        except TypeError as error:  # a key that has no hash
            raise self.writer.no_key(key) from error
        if state is None:
            state = self.writer.new_state(key)
        self._write(state, row)

    def update(self, key: object, /, **values: Any) -> None:
        """Change these values of the row of that key; other columns stay as they are.

        Raises
        ------
        ProjectionError
            If there is no such row, a column is not declared, or the key or a value does
            not fit.
        """
        state = self._state(key)
        if state is None or state.values is None:
            msg = (
                f"Cannot change the row {key!r} of {self.writer.name!r}: there is none. "
                "Use set where the row may be new."
            )
            raise ProjectionError(msg)
        self._write(state, self._changed(state.values, values))

    def delete(self, key: object, /) -> None:
        """Remove the row of that key; nothing happens if there is none."""
        state = self._state(key)
        if state is not None and state.values is not None:
            self.writer.write(state, None)

    def _state(self, key: Any) -> RowState | None:
        try:
            state = self._states.get(key)
        except TypeError as error:  # a key that has no hash
            raise self.writer.no_key(key) from error
        if state is None and (key is None or key.__class__ is tuple or len(self.writer.key) > 1):
            self.writer.check_key(key)
        return state

    def _write(self, state: RowState, row: tuple[Any, ...]) -> None:
        if state.values != row:
            # A list that a handler keeps and changes would change the log.
            self.writer.write(state, deepcopy(row) if self._is_nested else row)
