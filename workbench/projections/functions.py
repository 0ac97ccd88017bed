"""A projection out of functions: the class that `Projection.of` returns.

Each function becomes a method of the class, so that it runs, and is told in a recipe, as
a handler that was written in a class is.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import FunctionType, new_class
from typing import TYPE_CHECKING, Any, TypeVar, cast

from workbench.errors import ProjectionError
from workbench.projections.rows import TableDeclaration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Made = TypeVar("Made")
OF_HANDLER = "_workbench_handles"
"""The attribute of a function that names the event types which it handles."""


def projection_of(
    base: type[Made],
    name: str,
    tables: Mapping[str, TableDeclaration],
    handlers: Mapping[str | tuple[str, ...], Callable[[Any, Any], None]],
) -> type[Made]:
    """Return the class of a projection out of functions; see `Projection.of`.

    Raises
    ------
    ProjectionError
        If a table is none, a handler is no function of two arguments, or a type has two.
    """
    if not isinstance(name, str) or not name:
        msg = f"Cannot name a projection {name!r:.100}. Give text: Projection.of('Orders', ...)."
        raise ProjectionError(msg)
    body: dict[str, Any] = {}
    for table, declared in tables.items():
        _check_table(base, name, table, declared)
        body[table] = replace(declared)  # it takes the name that it has here
    for function, types in _by_function(name, handlers):
        body["__module__"] = function.__module__
        body[_method(function, types, {*body, *dir(base)})] = _marked(function, types)
    return cast("type[Made]", new_class(name, (base,), exec_body=lambda made: made.update(body)))


def _check_table(base: type, name: str, table: str, declared: object) -> None:
    if not isinstance(declared, TableDeclaration):
        msg = (
            f"Cannot use {declared!r:.100} as the table {table!r} of {name}. "
            "Declare it: tables={'orders': table(key={'order': pl.String}, values={...})}."
        )
        raise ProjectionError(msg)
    if not isinstance(table, str) or not table.isidentifier() or hasattr(base, table):
        msg = (
            f"Cannot name a table of {name} {table!r:.100}: handlers write tables.<name>, and a "
            "projection must not have something of that name. Name it as a variable, such as "
            "'orders'."
        )
        raise ProjectionError(msg)


def _by_function(
    name: str, handlers: Mapping[str | tuple[str, ...], Callable[[Any, Any], None]]
) -> list[tuple[FunctionType, list[str]]]:
    """Return each function with the types that it handles."""
    found: dict[int, tuple[FunctionType, list[str]]] = {}
    taken: set[str] = set()
    for named, function in handlers.items():
        types = (named,) if isinstance(named, str) else named
        if not isinstance(types, tuple) or not types or not all(isinstance(t, str) for t in types):
            msg = (
                f"Cannot handle {named!r:.100} in {name}: that names no event types. "
                "Give a type or a tuple of types: handlers={'Order.Placed': placed}."
            )
            raise ProjectionError(msg)
        if twice := sorted({type_ for type_ in types if type_ in taken or types.count(type_) > 1}):
            msg = f"Cannot make {name}: {twice[0]!r} is handled twice. Leave it to one function."
            raise ProjectionError(msg)
        taken.update(types)
        checked = _function(name, types[0], function)
        found.setdefault(id(checked), (checked, []))[1].extend(types)
    return list(found.values())


def _function(name: str, type_: str, function: object) -> FunctionType:
    begins = f"Cannot handle {type_!r} in {name} with {function!r:.100}: "
    if not isinstance(function, FunctionType):
        raise ProjectionError(begins + "it is no function. Write one: def placed(tables, event).")
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if is_async or inspect.isgeneratorfunction(function):
        raise ProjectionError(begins + "calling it runs nothing. Write it without async and yield.")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        msg = f"{begins}{error}. It is called with two arguments: def placed(tables, event)."
        raise ProjectionError(msg) from error
    return function


def _method(function: FunctionType, types: list[str], taken: set[str]) -> str:
    """Return what to call a function in the class: its own name, where it has one to itself."""
    name = function.__name__
    return name if name.isidentifier() and name not in taken else f"on {types[0]}"


def _marked(function: FunctionType, types: list[str]) -> FunctionType:
    """Return the function as a handler; the user's own stays as it is."""
    made = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__doc__, made.__module__ = function.__doc__, function.__module__
    vars(made).update({**vars(function), OF_HANDLER: tuple(types)})
    return made
