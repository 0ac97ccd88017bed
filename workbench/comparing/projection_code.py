"""How a file of its own comes to have a projection: by importing it, or by its source.

What can be imported by module name is imported. What was written in a notebook, or
inside a function, is copied, with what it uses.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import symtable
import sys
import textwrap
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from workbench.errors import MinimalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class Code:
    """What a file has to begin with, to have some classes and functions."""

    imports: set[str] = field(default_factory=set)
    definitions: list[str] = field(default_factory=list)
    _bound: dict[str, object] = field(default_factory=dict)

    def add(self, thing: object, name: str) -> None:
        """Let the file have a class or function under a name.

        Raises
        ------
        MinimalError
            If it can neither be imported nor copied.
        """
        if place := _place_of(thing):
            self._import(*place, name)
            return
        self._copy(thing)
        self.definitions.append(f"{name} = {thing.__name__}")  # type: ignore[attr-defined]

    def _import(self, module: str, inside: str, name: str) -> None:
        if "." in inside:
            outer, rest = inside.split(".", 1)
            self.imports.add(f"import {module}")
            self.definitions.append(f"{name} = {module}.{outer}.{rest}")
        else:
            tail = "" if inside == name else f" as {name}"
            self.imports.add(f"from {module} import {inside}{tail}")
        self._bound[name] = None

    def _copy(self, thing: Any) -> None:  # noqa: ANN401, a class or function
        if self._bound.get(thing.__name__) is thing:
            return
        source = _source_of(thing)
        for name, value in _used(thing, source).items():
            self._bind(name, value, thing)
        self._bound[thing.__name__] = thing
        self.definitions.append(source)

    def _bind(self, name: str, value: Any, by: Any) -> None:  # noqa: ANN401, whatever code uses
        """Let the file have what a copied piece of code uses under a name."""
        if isinstance(value, ModuleType):
            last = value.__name__.rpartition(".")[2]
            is_plain = name == value.__name__
            tail = "" if is_plain else f" as {name}" if name != last else ""
            self.imports.add(
                f"import {value.__name__}{tail}"
                if is_plain or tail
                else f"from {value.__name__.rpartition('.')[0]} import {last}"
            )
        elif place := _place_of(value):
            self._import(*place, name)
        elif isinstance(value, (type, FunctionType)):
            self._copy(value)
            if value.__name__ != name:
                self.definitions.append(f"{name} = {value.__name__}")
        elif _is_literal(value):
            self.definitions.append(f"{name} = {value!r}")
        else:
            raise _cannot(by, f"it uses {name!r}, which is no class, function or plain value")


def _cannot(thing: Any, why: str) -> MinimalError:  # noqa: ANN401, a class or function
    return MinimalError(
        f"Cannot write a test of {getattr(thing, '__qualname__', thing)!s:.100}: it is not in a "
        f"module that can be imported, and {why}. Put it in a module of its own, and import it."
    )


def _place_of(thing: object) -> tuple[str, str] | None:
    """Return the module and the name by which a thing can be imported, None if by none."""
    module, inside = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(inside, str) or module == "__main__":
        return None
    found: object = sys.modules.get(module)
    for part in inside.split("."):
        found = getattr(found, part, None)
    return (module, inside) if found is thing else None


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError):
        return False


def _source_of(thing: Any) -> str:  # noqa: ANN401, a class or function
    """Return the source of a class or function, which may have been written in a cell.

    Raises
    ------
    MinimalError
        If it cannot be had.
    """
    codes = [
        code
        for value in (vars(thing).values() if isinstance(thing, type) else [thing])
        if (code := getattr(inspect.unwrap(value), "__code__", None)) is not None
    ]
    kinds = (ast.ClassDef,) if isinstance(thing, type) else (ast.FunctionDef,)
    for code in codes:
        lines = linecache.getlines(code.co_filename)
        for node in ast.walk(_parsed("".join(lines))):
            if not isinstance(node, kinds) or node.name != thing.__name__:
                continue
            first = min(node.lineno, *(d.lineno for d in node.decorator_list), node.lineno)
            if first <= code.co_firstlineno <= (node.end_lineno or 0):
                return textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip()
    raise _cannot(thing, "its source cannot be had")


def _parsed(source: str) -> ast.AST:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # a cell with a magic in it
        return ast.Module([], [])


def _used(thing: Any, source: str) -> Mapping[str, Any]:  # noqa: ANN401, a class or function
    """Return what a piece of code uses of what is around it, by name.

    Raises
    ------
    MinimalError
        If a name is not known outside of the function that it was written in.
    """
    around = _around(thing)
    scope = symtable.symtable(source, "<copied>", "exec")
    own = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_assigned()}
    used = dict.fromkeys(_from_outside(scope))
    found = {}
    for name in used:
        if name in around and around[name] is not thing:
            found[name] = around[name]
        elif name not in own and not hasattr(builtins, name):
            raise _cannot(thing, f"it uses {name!r}, which only its surroundings know")
    return found


def _around(thing: Any) -> Mapping[str, Any]:  # noqa: ANN401, a class or function
    """Return what the functions of a thing see: globals, and locals of functions around."""
    found: dict[str, Any] = {}
    bases = thing.__bases__ if isinstance(thing, type) else ()
    for value in vars(thing).values() if isinstance(thing, type) else [thing]:
        function = inspect.unwrap(value) if callable(value) else value
        if isinstance(function, FunctionType):
            seen = inspect.getclosurevars(function)
            found = {**function.__globals__, **found, **seen.nonlocals}
    found.pop("__class__", None)
    return found | {base.__name__: base for base in bases if base is not object}


def _from_outside(scope: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names that a piece of code looks for around it: not its own variables."""
    is_outermost = scope.get_type() == "module"
    for symbol in scope.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or is_outermost):
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _from_outside(inner)
