"""Projections that were written on a page: text in, what it offers out.

The text is Python, and is run in this process: whoever may write here may do whatever the
process may. It is never in an address, so that no link runs code. Nothing of Panel is here.
"""

from __future__ import annotations

import ast
import linecache
import sys
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING

from workbench.cells.defining import projections_in
from workbench.dashboards.offering import Offer
from workbench.errors import ProjectionError
from workbench.projections.plan import FramePlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench import Projection

EXAMPLE = '''\
import polars as pl

from workbench import Projection, handles, table


class Written(Projection):
    """How many events of a type each stream has."""

    streams = table(key={"stream": pl.String}, values={"events": pl.Int64})

    @handles(__TYPE__)
    def counted(self, event):
        row = self.streams.get(event.stream) or {"events": 0}
        self.streams.set(event.stream, events=row["events"] + 1)
'''
_numbers = count(1)


def example(type_: str | None) -> str:
    """Return what an editor begins with: a projection of one event type."""
    return EXAMPLE.replace("__TYPE__", repr(type_ or "Order.Placed"))


def written(text: str, key: Sequence[str] = ()) -> dict[str, Offer]:
    """Run text as a module of its own, and return what it offers, by name.

    Parameters
    ----------
    text
        Python that defines one projection or several; or, where a key is given, functions,
        of which the last is a Polars function.
    key
        The columns that tell the rows of the function's table apart.

    Raises
    ------
    ProjectionError
        If it is no Python, raises, or defines no projection.
    """
    name = f"written_{next(_numbers)}"
    file = f"<{name}>"
    try:
        tree = ast.parse(text, file)
        code = compile(tree, file, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        msg = f"Cannot read this as Python: {line}{said}. Mend it, and run it again."
        raise ProjectionError(msg) from error
    # The recipe of a trial, and the test file of an example, ask for the source.
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = ModuleType(name)
    sys.modules[name] = module  # a dataclass looks there while it is made
    try:
        exec(code, vars(module))  # noqa: S102, what this page is for where it is switched on
    except BaseException as error:  # also sys.exit must not end the server
        msg = (
            f"Cannot run this: line {_line(error, file)} raised {type(error).__name__}: {error}. "
            "Mend it, and run it again."
        )
        raise ProjectionError(msg) from error
    finally:
        del sys.modules[name]
    return dict(map(_offer, _found(tree, module, key)))


def _found(
    tree: ast.Module, module: ModuleType, key: Sequence[str]
) -> list[type[Projection] | FramePlan]:
    try:
        return projections_in(tree, vars(module), key)
    except ProjectionError as error:
        msg = (
            "Cannot replay this: it defines nothing that can be. Define a class that derives from "
            "workbench.Projection; or a Polars function alone, and name its key columns."
        )
        raise ProjectionError(msg) from error


def _offer(one: type[Projection] | FramePlan) -> tuple[str, Offer]:
    if isinstance(one, FramePlan):
        return one.name, Offer(one.function, key=one.key)
    return one.__name__, Offer(one)


def _line(error: BaseException, file: str) -> str:
    """Return the line of the text in which an error arose."""
    found, trace = "unknown", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = str(trace.tb_lineno)
        trace = trace.tb_next
    return found
