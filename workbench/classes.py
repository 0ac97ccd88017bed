"""The classes that stored types name: found in modules that the user named, and nowhere else.

A stored type names any module that can be imported, and importing runs code. So nothing
is imported for a stored type: its class is looked for in modules that the user named,
which are imported already, in the same way as the library does, renamed classes included.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workbench.errors import MOST_ALTERNATIVES, ProjectionError, UnknownClassError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

Named = ModuleType | type | str
"""A module, a class, which stands for its module, or the name of a module."""
_LIBRARY = "eventsourcing"


@dataclass(frozen=True)
class Classes:
    """The classes of some modules, by the types under which their events are stored."""

    modules: frozenset[str]
    """The names of the modules."""
    _found: dict[str, type | UnknownClassError] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def of(cls, *named: Named) -> Classes:
        """Return the classes of the modules that a user named.

        Raises
        ------
        ProjectionError
            If one is no module or class, or there is no such module.
        """
        return cls(frozenset(map(_module_name, named)))

    @property
    def code(self) -> tuple[ModuleType, ...]:
        """The modules, by name."""
        return tuple(sys.modules[name] for name in sorted(self.modules))

    def resolve(self, type_: str) -> type:
        """Return the class of a stored type.

        Raises
        ------
        UnknownClassError
            If there is none in the named modules. Nothing is imported to find out.
        """
        found = self._found.get(type_)
        if found is None:
            try:
                found = self._looked_up(type_)
            except UnknownClassError as error:
                found = error
            self._found[type_] = found
        if isinstance(found, UnknownClassError):
            raise found.with_traceback(None)
        return found

    def resolves(self, type_: str) -> bool:
        """Return whether a stored type has a class in the named modules."""
        try:
            self.resolve(type_)
        except UnknownClassError:
            return False
        return True

    def shared_with_library(self, type_: str) -> type:
        """Return the class of a type, and let the library find the same for it.

        The library remembers for good which class it once found, also after a notebook
        has made another of that name.

        Raises
        ------
        UnknownClassError
            If there is none in the named modules.
        """
        from eventsourcing import utils

        found = self.resolve(type_)
        utils._topic_cache[type_] = found  # noqa: SLF001, there is no other way to renew it
        return found

    def _looked_up(self, type_: str) -> type:
        from eventsourcing.utils import _topic_cache as known

        registered = known.get(type_)
        if registered is not None and not _names(type_, registered):
            return self._allowed(type_, registered)  # an old name, registered for a class
        thing, attributes = self._begin(type_, known)
        for attribute in attributes:
            try:
                thing = getattr(thing, attribute)
            except AttributeError:
                if registered is not None:
                    return self._allowed(type_, registered)
                raise self._unknown(type_, f"there is no {attribute!r} in it") from None
        return self._allowed(type_, thing)

    def _begin(self, type_: str, known: dict[str, Any]) -> tuple[object, list[str]]:
        """Return where to look, and what for: as `eventsourcing.utils.resolve_topic` does."""
        module_name, _, name = type_.partition(":")
        parts = name.split(".") if name else []
        for i in range(len(parts) - 1, 0, -1):
            prefix = f"{module_name}:{'.'.join(parts[:i])}"
            registered = known.get(prefix)
            if registered is not None and not _names(prefix, registered):
                return registered, parts[i:]
        if module_name in known:
            return known[module_name], parts
        if module_name not in self.modules:
            packages = module_name.split(".")
            for i in range(len(packages) - 1, 0, -1):
                registered = known.get(".".join(packages[:i]))
                if registered is not None:
                    moved = [getattr(registered, "__name__", ""), *packages[i:]]
                    module_name = ".".join(moved)
                    break
        if module_name not in self.modules:
            registered = known.get(type_)
            if registered is not None:
                return registered, []
            reason = f"the module {printable(module_name)} was not named"
            raise self._unknown(type_, reason)
        return sys.modules[module_name], parts

    def _allowed(self, type_: str, thing: object) -> type:
        if not isinstance(thing, type):
            raise self._unknown(type_, f"it is {type(thing).__name__}, not a class")
        if thing.__module__ in self.modules or thing.__module__.split(".")[0] == _LIBRARY:
            return thing
        reason = f"its class is of the module {thing.__module__}, which was not named"
        raise self._unknown(type_, reason)

    def _unknown(self, type_: str, reason: str) -> UnknownClassError:
        named = ", ".join(sorted(self.modules)[:MOST_ALTERNATIVES])
        return UnknownClassError(
            f"Cannot find the class of {printable(type_)}: {reason}. Named are: {named}. "
            "Name the module that has it, if you trust its code: classes=['shop.orders']."
        )


def modules_of(types: Iterable[str]) -> list[str]:
    """Return the modules that stored types name, at most five."""
    found = sorted({type_.partition(":")[0] for type_ in types if ":" in type_})
    return [printable(name) for name in found[:MOST_ALTERNATIVES]]


def _names(type_: str, thing: object) -> bool:
    """Return whether a type is a class's own name, not one that was registered for it.

    The class of that name may be another by now: a notebook's cell has been run again.
    """
    own = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"
    return own == type_


def _module_name(named: object) -> str:
    if isinstance(named, ModuleType):
        sys.modules.setdefault(named.__name__, named)
        return named.__name__
    if isinstance(named, type):
        return named.__module__
    if not isinstance(named, str):
        msg = (
            f"Cannot look for classes in {named!r:.100}. "
            "Name modules or classes: classes=[shop.orders, Order, 'shop.payments']."
        )
        raise ProjectionError(msg)
    try:
        import_module(named)
    except ImportError as error:
        msg = (
            f"Cannot look for classes in {named!r}: {error}. "
            "Name a module that can be imported from here."
        )
        raise ProjectionError(msg) from error
    return named
