"""What a projection is: code that turns events into tables.

A projection is a class with declared tables and handlers for event types::

    class Orders(Projection):
        orders = table(key={"order": pl.String}, values={"status": pl.String})

        @handles("Order.Placed")
        def placed(self, event):
            self.orders.set(event.stream, status="placed")

A handler gets one event, and sets, updates or deletes rows. What a table is, and
how a run of it remembers its changes, is in `workbench.trial`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import polars as pl

from workbench.errors import ProjectionError

if TYPE_CHECKING:
    from datetime import datetime

    from workbench.tables import Dtype
    from workbench.trial import Rows

Handler = TypeVar("Handler", bound=Callable[..., None])
_HANDLES = "_workbench_handles"


class Event(NamedTuple):
    """One event as a handler gets it.

    `data` has the fields that are stored, in native Python types: the library's
    wrappers are `datetime` in UTC, `Decimal`, and `str` for a UUID.
    """

    position: int
    partition: int
    stream: str
    version: int | None
    type: str
    schema_version: int | None
    time: datetime | None
    data: dict[str, Any]


@dataclass(frozen=True)
class TableDeclaration:
    """The key and value columns of one table of a projection; made by `table`."""

    key: Mapping[str, Dtype]
    values: Mapping[str, Dtype]

    @overload
    def __get__(self, projection: None, owner: type) -> TableDeclaration: ...

    @overload
    def __get__(self, projection: Projection, owner: type) -> Rows: ...

    def __get__(self, projection: Projection | None, owner: type) -> TableDeclaration | Rows:
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
        The other columns.

    Raises
    ------
    ProjectionError
        If there is no key column, or a column is both key and value.
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
    return TableDeclaration(dict(key), dict(values))


def handles(*types: str) -> Callable[[Handler], Handler]:
    """Return a decorator that makes a method the handler of these event types.

    Parameters
    ----------
    types
        Full names, or short ones such as 'Order.Placed'. A short name that several
        types have means all of them.

    Raises
    ------
    ProjectionError
        If no type is named.
    """
    if not types or not all(isinstance(name, str) for name in types):
        msg = "Cannot handle no event type. Name the types: @handles('Order.Placed')."
        raise ProjectionError(msg)

    def mark(handler: Handler) -> Handler:
        setattr(handler, _HANDLES, (*getattr(handler, _HANDLES, ()), *types))
        return handler

    return mark


class Projection:
    """The base of projections: declare tables with `table`, and handlers with `handles`.

    An object of the class lives for one run. Whatever it keeps on itself besides
    its tables is not part of the result.
    """

    rows: Mapping[TableDeclaration, Rows]

    @classmethod
    def declared(cls) -> dict[str, TableDeclaration]:
        """Return the declared tables by name, in order of declaration.

        Raises
        ------
        ProjectionError
            If there is none.
        """
        found = {
            name: value
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, TableDeclaration)
        }
        if not found:
            msg = (
                f"Cannot replay into {cls.__name__}: it declares no table. "
                "Declare one: orders = table(key={'order': pl.String}, values={...})."
            )
            raise ProjectionError(msg)
        return found

    @classmethod
    def handlers(cls) -> dict[str, str]:
        """Return the name of the method that handles each event type, by the name given.

        Raises
        ------
        ProjectionError
            If there is none, or two methods handle the same type.
        """
        found: dict[str, str] = {}
        for method in dir(cls):
            for type_ in getattr(getattr(cls, method, None), _HANDLES, ()):
                if found.setdefault(type_, method) != method:
                    msg = (
                        f"Cannot replay into {cls.__name__}: {found[type_]} and {method} both "
                        f"handle {type_!r}. Leave it to one of them."
                    )
                    raise ProjectionError(msg)
        if not found:
            msg = (
                f"Cannot replay into {cls.__name__}: it has no handlers. "
                "Mark a method with @handles('Order.Placed')."
            )
            raise ProjectionError(msg)
        return found
