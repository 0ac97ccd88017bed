"""A version of a projection, and what differs between two of them.

A version is everything that the result depends on besides the history: the tables, the
handlers, the other members of the class, and what these refer to outside. Between two
versions in which only handlers differ, it can be told which.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.projections.outside import Reader, is_library, members_of
from workbench.projections.rows import TableDeclaration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.projections.declared import Projection

Member = tuple[int, str]
"""A member of a class: how far up the class that has it stands, and its name."""


@dataclass(frozen=True)
class Version:
    """A projection as it was at one moment: everything is a hash of what it was."""

    tables: str
    bases: tuple[str, ...]
    members: Mapping[Member, str]
    outside: Mapping[str, str]
    """What the members refer to by global names, directly or not."""
    handlers: frozenset[str]
    """The names of the methods that handle events."""
    refers: Mapping[str, frozenset[str]] = field(compare=False, repr=False)
    """The global names and attributes in each member, and in each thing outside."""
    unproven: str | None = None
    """Why nobody can say what the projection depends on; None if that is known."""

    @property
    def changeable(self) -> frozenset[Member]:
        """The members that are the handlers, where a class further up does not matter."""
        found: dict[str, Member] = {}
        for member in sorted(self.members):
            if member[1] in self.handlers:
                found.setdefault(member[1], member)
        return frozenset(found.values())


def version_of(projection: type[Projection]) -> Version:
    """Return a projection as it is now."""
    classes = [c for c in projection.__mro__ if not is_library(c.__module__)]
    reader = Reader(tuple(classes))
    members = {
        (level, name): _hash(reader.member(name, value))
        for level, class_ in enumerate(classes)
        for name, value in members_of(class_)
        if not isinstance(value, TableDeclaration)
    }
    if not is_library(type(projection).__module__):
        reader.cannot_tell(f"{projection.__name__} has a metaclass of its own")
    declared = {name: (t.key, t.values) for name, t in projection.declared().items()}
    return Version(
        tables=_hash(repr(declared)),
        bases=tuple(f"{c.__module__}.{c.__qualname__}" for c in projection.__mro__[1:]),
        members=members,
        outside={name: _hash(told) for name, told in reader.outside.items()},
        handlers=frozenset(projection.handlers().values()),
        refers={name: frozenset(found) for name, found in reader.refers.items()},
        unproven=reader.unproven,
    )


def _hash(told: str) -> str:
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Edit:
    """What differs between two versions: some handlers alone, or too much to tell."""

    methods: frozenset[str] = frozenset()
    """The handlers that do something else, are new, or are gone."""
    callers: frozenset[str] = frozenset()
    """The other handlers that may call one of these."""
    too_much: str | None = None
    """What else differs, in words."""


def edit_between(before: Version, after: Version) -> Edit:
    """Return what differs between two versions of a projection."""
    if before.tables != after.tables:
        return Edit(too_much="its tables are declared otherwise")
    if before.bases != after.bases:
        return Edit(too_much="its base classes are others")
    for name in before.outside.keys() & after.outside.keys():
        if before.outside[name] != after.outside[name]:
            return Edit(too_much=f"{name}, which it refers to, is another")
    differing = {
        member
        for member in before.members.keys() | after.members.keys()
        if before.members.get(member) != after.members.get(member)
    }
    if others := sorted(differing - before.changeable - after.changeable):
        return Edit(too_much=f"{others[0][1]}, which is no handler, is another")
    changed = frozenset(name for _, name in differing)
    callers = {
        name
        for version in (before, after)
        for name in version.handlers
        if not changed.isdisjoint(_reached(version, name))
    }
    return Edit(changed, frozenset(callers - changed))


def _reached(version: Version, name: str) -> set[str]:
    """Return every name that a member refers to, directly or by way of others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for new in version.refers.get(waiting.pop(), frozenset()) - found:
            found.add(new)
            waiting.append(new)
    return found
