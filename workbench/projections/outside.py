"""What functions and values are, in words that are the same as long as they are.

A function is told by its compiled code, its defaults and what it closes over. What it
finds by a global name is told apart, under that name, so that it can be said what has
changed. What cannot be told, or may give something else each time, is said to be so:
nothing is taken for the same that may not be.
"""

from __future__ import annotations

import builtins
import dis
import functools
import re
import sys
from dataclasses import Field, fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import polars as pl

from workbench.projections.functions import OF_HANDLER
from workbench.projections.rows import TableDeclaration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_VALUES = 100_000
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_BY_REPR = (Decimal, Fraction, date, time, timedelta, UUID, PurePath, ZoneInfo, range)
_OF_A_CLASS = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__"),
    *("__firstlineno__", "__static_attributes__", "__annotate_func__", "__annotations_cache__"),
    *("__orig_bases__", "__parameters__", "__abstractmethods__", "_abc_impl"),
}
"""Attributes of a class that Python makes, and that change nothing."""
_OPAQUE = frozenset(
    {
        *("globals", "locals", "vars", "exec", "eval", "compile", "__import__", "open", "input"),
        *("id", "getattr", "setattr", "delattr", "breakpoint"),
    }
)
"""Builtins by which code reaches what its names do not tell."""
_INNER = frozenset({"__globals__", "__dict__", "__builtins__", "__subclasses__", "writer"})
_EACH_TIME = "which may give something else each time"
_UNSTEADY = frozenset(
    {
        *("random", "secrets", "time", "os", "posix", "nt", "socket", "threading", "thread"),
        *("urllib", "http", "requests", "httpx", "tempfile", "io", "sqlite3", "importlib"),
        *("subprocess", "gc", "sys", "inspect"),
    }
)
"""Packages whose functions give something else each time, or tell of the world outside."""
_CLOCKS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "uuid6", "uuid7"})


class Reader:
    """Reads functions, and everything that they refer to.

    Parameters
    ----------
    itself
        The classes of the projection that is read, which may refer to themselves.
    """

    def __init__(self, itself: tuple[type, ...]) -> None:
        self.outside: dict[str, str] = {}
        """What is found by global names: each told by itself."""
        self.refers: dict[str, set[str]] = {}
        """Which of these, and which attributes, each thing refers to, by its name."""
        self.unproven: str | None = None
        """The first thing that cannot be told, in words."""
        self._itself = itself
        self._at = ""
        self._inside: set[int] = set()
        self._left = MOST_VALUES

    def member(self, name: str, value: object) -> str:
        """Return what a member of the class is."""
        before, self._at = self._at, name
        self.refers.setdefault(name, set())
        try:
            return self.value(value)
        finally:
            self._at = before

    def cannot_tell(self, what: str) -> str:
        """Take note of something that cannot be told."""
        self.unproven = self.unproven or f"{self._at} {what}"
        return "?"

    def value(self, value: Any) -> str:  # noqa: C901, PLR0911, a case a kind
        """Return what a value is."""
        kind = type(value)
        self._left -= 1
        if self._left < 0:
            return self.cannot_tell("refers to more values than can be held against each other")
        if kind in _PLAIN:
            return f"{kind.__name__} {value!r}"
        if isinstance(value, type) and value in self._itself:
            return "the projection"
        if id(value) in self._inside:
            return "itself"
        if isinstance(value, Enum):
            return f"{self.value(kind)}.{value.name}"
        if kind is not staticmethod and (isinstance(value, ModuleType) or callable(value)):
            return self._code(value)
        if isinstance(value, pl.DataType):
            return repr(value)
        if isinstance(value, TableDeclaration):
            return f"table {value.key!r} {value.values!r}"
        if isinstance(value, re.Pattern):
            return f"pattern {value.pattern!r} {value.flags}"
        if kind in _BY_REPR or (kind.__module__ == "datetime" and isinstance(value, date)):
            return f"{kind.__qualname__} {value!r}"
        self._inside.add(id(value))
        try:
            return self._parts(kind, value)
        finally:
            self._inside.discard(id(value))

    def _parts(self, kind: type, value: Any) -> str:  # noqa: PLR0911, a case a kind
        if kind in {list, tuple}:
            return f"{kind.__name__} [{', '.join(map(self.value, value))}]"
        if kind in {set, frozenset}:
            return f"{kind.__name__} [{', '.join(sorted(map(self.value, value)))}]"
        if kind is dict:
            pairs = (f"{self.value(k)}: {self.value(v)}" for k, v in value.items())
            return f"dict {{{', '.join(pairs)}}}"
        if kind in {staticmethod, classmethod}:
            return f"{kind.__name__} {self.value(value.__func__)}"
        if kind is property:
            return f"property {[self.value(f) for f in (value.fget, value.fset, value.fdel)]}"
        if is_dataclass(value) and not is_library(kind.__module__):
            told = [self.value(getattr(value, each.name)) for each in fields(value)]
            return f"{self.value(kind)} {told}"
        if kind in {GetSetDescriptorType, MemberDescriptorType}:
            return f"descriptor {value!r}"
        if isinstance(value, Field):
            return f"field {self.value((value.name, value.default, value.default_factory))}"
        if kind.__module__ == "dataclasses":  # what it keeps in the place of a value
            return repr(value) if kind.__name__ == "_DataclassParams" else kind.__qualname__
        return self.cannot_tell(f"refers to a value of {kind.__qualname__}, which cannot be told")

    # Code

    def _code(self, value: Any) -> str:  # noqa: PLR0911, a case a kind
        if isinstance(value, ModuleType):
            return self._library(value.__name__) if is_library(value.__name__) else value.__name__
        if isinstance(value, functools.partial):
            return f"partial {self.value((value.func, value.args, value.keywords))}"
        if isinstance(value, MethodType):
            return f"method {self.value(value.__func__)} of {self.value(value.__self__)}"
        module = getattr(value, "__module__", None)
        named = isinstance(value, (FunctionType, BuiltinFunctionType, type))
        if named and isinstance(module, str) and is_library(module):
            if value.__name__ in _CLOCKS:
                return self.cannot_tell(f"uses {value.__name__}, {_EACH_TIME}")
            return f"{self._library(module)} {value.__qualname__}"
        self._inside.add(id(value))
        try:
            if isinstance(value, FunctionType):
                return self._function(value)
            return (
                self._class(value) if isinstance(value, type) else self._parts(type(value), value)
            )
        finally:
            self._inside.discard(id(value))

    def _library(self, module: str) -> str:
        if module.split(".", maxsplit=1)[0].lstrip("_") in _UNSTEADY:
            return self.cannot_tell(f"uses {module}, {_EACH_TIME}")
        return module

    def _class(self, found: type) -> str:
        bases = [self.value(base) for base in found.__bases__]
        if issubclass(found, Enum):
            names = [f"{member.name} {self.value(member.value)}" for member in found]
            made = [f for f in vars(found).values() if isinstance(f, FunctionType)]
            return f"enum {found.__qualname__} {bases} {names} {[self.value(f) for f in made]}"
        members = [
            f"{name} {self.value(value)}"
            for name, value in members_of(found)
            if not (is_dataclass(found) and name.startswith("__") and _is_generated(value))
        ]
        return f"class {found.__qualname__} {bases} {members}"

    def _function(self, function: FunctionType) -> str:
        names = set[str]()
        for code in _codes(function.__code__):
            names.update(code.co_names)
            self._globals(code, function.__globals__)
        self.refers.setdefault(self._at, set()).update(names)
        if inner := names & _INNER:
            self.cannot_tell(f"uses {min(inner)}, by which anything can be reached")
        cells = [self._cell(cell) for cell in function.__closure__ or ()]
        marks = {k: v for k, v in vars(function).items() if k not in {OF_HANDLER, "__wrapped__"}}
        rest = (function.__defaults__, function.__kwdefaults__, marks)
        return f"function {told_code(function.__code__)} {cells} {self.value(rest)}"

    def _cell(self, cell: Any) -> str:
        try:
            return self.value(cell.cell_contents)
        except ValueError:
            return "nothing yet"

    def _globals(self, code: CodeType, known: Mapping[str, Any]) -> None:
        """Read what a code finds by global names."""
        modules: list[tuple[str, Any]] = []
        for line in dis.get_instructions(code):
            name = line.argval
            if line.opname in {"STORE_GLOBAL", "DELETE_GLOBAL"}:
                self.cannot_tell(f"changes the global {name!r}, which is no table")
            elif line.opname == "IMPORT_NAME":
                if name not in sys.modules:
                    self.cannot_tell(f"imports {name}, which nobody has imported so far")
                    continue
                modules.append((name, sys.modules[name]))
                self._refer(name, sys.modules[name])
            elif line.opname in {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}:
                if name in known:
                    modules.append((name, known[name]))
                    self._refer(_labelled(known, name), known[name])
                elif name in _OPAQUE:
                    self.cannot_tell(f"uses {name}, by which anything can be reached")
                elif not hasattr(builtins, name):
                    self.outside[_labelled(known, name)] = "nothing"
        self._attributes(code, modules)

    def _attributes(self, code: CodeType, found: list[tuple[str, Any]]) -> None:
        """Read what a code takes from modules, and whether it looks at a clock."""
        seen = set[int]()
        while found:
            name, value = found.pop()
            if not isinstance(value, (ModuleType, type)) or id(value) in seen:
                continue
            seen.add(id(value))
            module = value.__name__ if isinstance(value, ModuleType) else value.__module__
            if isinstance(value, ModuleType) and module.rsplit(".", maxsplit=1)[-1] in _UNSTEADY:
                self.cannot_tell(f"uses {module}, {_EACH_TIME}")
            if module in {"datetime", "uuid"} and (clocks := _CLOCKS & set(code.co_names)):
                self.cannot_tell(f"uses {min(clocks)} of {name}, {_EACH_TIME}")
            if not isinstance(value, ModuleType):
                continue
            taken = [n for n in code.co_names if n in vars(value)]
            found += [(n, vars(value)[n]) for n in taken]
            if not is_library(module):
                for attribute in taken:
                    self._refer(f"{module}.{attribute}", vars(value)[attribute])

    def _refer(self, label: str, value: object) -> None:
        """Read what stands under a global name, once."""
        self.refers.setdefault(self._at, set()).add(label)
        if label in self.outside:
            return
        self.outside[label] = "itself"
        before, self._at = self._at, label
        self.refers.setdefault(label, set())
        try:
            self.outside[label] = self.value(value)
        finally:
            self._at = before


def members_of(found: type) -> Iterator[tuple[str, object]]:
    """Yield the attributes of a class, without those that Python makes."""
    for name, value in vars(found).items():
        if name not in _OF_A_CLASS:
            yield name, value


def is_library(module: str) -> bool:
    """Return whether a module is Python's own, or installed: its code does not change."""
    root = module.split(".", maxsplit=1)[0]
    if root == "__main__":  # the notebook, whatever file began the process
        return False
    if root in sys.stdlib_module_names or root == "workbench":
        return True
    path = str(getattr(sys.modules.get(root), "__file__", None) or "")
    return not {"site-packages", "dist-packages"}.isdisjoint(PurePath(path).parts)


def _is_generated(value: object) -> bool:
    """Return whether `dataclass` has made this: it follows from the fields."""
    if type(value).__module__ == "dataclasses" and not isinstance(value, Field):
        return type(value).__name__ != "_DataclassParams"
    code = getattr(value, "__code__", None)
    return code is not None and PurePath(code.co_filename).name in {"<string>", "dataclasses.py"}


def _labelled(known: Mapping[str, Any], name: str) -> str:
    module = known.get("__name__", "__main__")
    return name if module == "__main__" else f"{module}.{name}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code and those of the functions inside it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def told_code(code: CodeType) -> str:
    """Return what a compiled code does, whatever lines it stands on."""
    parts = (
        *(code.co_name, code.co_flags, code.co_code, code.co_exceptiontable, code.co_names),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        *(code.co_varnames, code.co_freevars, code.co_cellvars),
    )
    return f"{parts!r} {[_told_const(const) for const in code.co_consts]}"


def _told_const(const: object) -> str:
    if isinstance(const, CodeType):
        return told_code(const)
    if isinstance(const, tuple):
        return f"tuple {[_told_const(part) for part in const]}"
    if isinstance(const, frozenset):
        return f"frozenset {sorted(_told_const(part) for part in const)}"
    return f"{type(const).__name__} {const!r}"
