"""What a projection is: code that turns events into tables.

A projection is a class with declared tables and handlers for event types::

    class Orders(Projection):
        orders = table(key={"order": pl.String}, values={"status": pl.String})

        @handles("Order.Placed")
        def placed(self, event):
            self.orders.set(event.stream, status="placed")

A handler gets one event, and sets, updates or deletes rows of the tables. What has no
need of a class is written as functions: `Projection.of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from workbench.errors import ProjectionError
from workbench.projections.functions import OF_HANDLER, projection_of
from workbench.projections.rows import Rows, TableDeclaration

Handler = TypeVar("Handler", bound=Callable[..., None])
_OWN_NAMES = {"rows", "of", "declared", "handlers"}


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
        setattr(handler, OF_HANDLER, (*getattr(handler, OF_HANDLER, ()), *types))
        return handler

    return mark


class Projection:
    """The base of projections: declare tables with `table`, and handlers with `handles`.

    An object of the class lives for one run. Whatever it keeps on itself besides
    its tables is not part of the result.
    """

    rows: Mapping[str, Rows]

    def __init_subclass__(cls) -> None:
        """Check that no table takes the name of what a projection is made of."""
        super().__init_subclass__()
        for name, value in vars(cls).items():
            if isinstance(value, TableDeclaration) and name in _OWN_NAMES:
                msg = (
                    f"Cannot declare the table {name!r} of {cls.__name__}: a projection has "
                    "something of that name. Name the table otherwise."
                )
                raise ProjectionError(msg)

    @classmethod
    def of(
        cls,
        name: str,
        *,
        tables: Mapping[str, TableDeclaration],
        handlers: Mapping[str | tuple[str, ...], Callable[[Any, Any], None]],
    ) -> type[Projection]:
        """Return a projection out of functions.

        Parameters
        ----------
        name
            What the projection is called.
        tables
            The tables by name, each made by `table`.
        handlers
            For an event type, or a tuple of several, the function that is called with the
            tables and the event: `tables.orders.set(event.stream, status="placed")`.

        Raises
        ------
        ProjectionError
            If there is no table or no handler, one of them is none, or a type has two.

        Examples
        --------
        >>> import polars as pl
        >>> from workbench import Projection, table
        >>> def placed(tables, event):
        ...     tables.orders.set(event.stream, status="placed")
        >>> orders = table(key={"order": pl.String}, values={"status": pl.String})
        >>> made = Projection.of(
        ...     "Orders", tables={"orders": orders}, handlers={"Order.Placed": placed}
        ... )
        >>> made.handlers()
        {'Order.Placed': 'placed'}
        """
        made = projection_of(cls, name, tables, handlers)
        made.declared()
        made.handlers()
        return made

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
            for type_ in getattr(getattr(cls, method, None), OF_HANDLER, ()):
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
