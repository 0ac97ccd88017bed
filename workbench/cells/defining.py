"""The projections that the code of a cell defines, found by the names that it binds."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING

from workbench.errors import ProjectionError
from workbench.projections.declared import Projection
from workbench.projections.plan import FramePlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_INSIDE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def names_bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that code binds where it stands, in order, and not inside of functions."""
    for node in nodes:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif not isinstance(node, _INSIDE):
            yield from names_bound(ast.iter_child_nodes(node))


def projections_in(
    code: ast.Module, known: Mapping[str, object], key: Sequence[str]
) -> list[type[Projection] | FramePlan]:
    """Return what a cell has defined to be replayed.

    That is each projection class, but for those that others of the cell derive from; or,
    where a key is given, the last function.

    Parameters
    ----------
    code
        The cell's code, which has been run.
    known
        What stands under each name after it was run.
    key
        The key columns, if a Polars function is meant.

    Raises
    ------
    ProjectionError
        If there is none.
    """
    values = [known[name] for name in dict.fromkeys(names_bound(code.body)) if name in known]
    found = [
        value
        for value in dict.fromkeys(v for v in values if isinstance(v, type))
        if issubclass(value, Projection) and value is not Projection
    ]
    functions = [value for value in values if isinstance(value, FunctionType)]
    if key and not found and functions:
        return [FramePlan(functions[-1], tuple(key))]
    if found and not key:
        return [p for p in found if not any(p in other.__mro__[1:] for other in found)]
    raise ProjectionError(_none(found, functions, key))


def _none(found: Sequence[type], functions: Sequence[FunctionType], key: Sequence[str]) -> str:
    if key and found:
        return (
            f"Cannot replay {found[0].__name__} with --key: its tables have their keys. "
            "Leave --key away, or define a Polars function alone."
        )
    if functions and not key:
        return (
            f"Cannot replay this cell: it defines the function {functions[-1].__name__}, and no "
            "projection. Name the key columns of a Polars function: --key order."
        )
    return (
        "Cannot replay this cell: it defines no projection. Define a class that derives from "
        "workbench.Projection, or a Polars function, and name its key columns: --key order."
    )
