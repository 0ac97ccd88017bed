"""The names of event types: in full as stored, and short without their module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.catalog import short_name
from workbench.errors import MOST_ALTERNATIVES, UnknownTypeError, near, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


@dataclass(slots=True)
class TypeNames:
    """The type names of a source, read once, and then only from what has been added."""

    head: int | None = None
    names: frozenset[str] = frozenset()

    def upto(self, head: int | None, scan: Callable[[int | None], pl.LazyFrame]) -> frozenset[str]:
        """Return the names up to `head`; `scan` gives the events after a position."""
        if head != self.head:
            after = self.head if head is not None and (self.head or 0) < head else None
            found = scan(after).select("type").unique().collect(engine="streaming")
            known = self.names if after is not None else frozenset()
            self.names = known | frozenset(found["type"].drop_nulls().to_list())
            self.head = head
        return self.names


def has_type(name: str, known: frozenset[str]) -> bool:
    """Return whether `name` is a full or short name of one of the types `known`."""
    return name in known or any(short_name(type_) == name for type_ in known)


def full_type(name: str, known: frozenset[str], source: str) -> str:
    """Return the type of `known`, as stored, for a full or short name.

    Raises
    ------
    UnknownTypeError
        If there is no such type, or several of that short name.
    """
    if name in known:
        return name
    found = sorted(k for k in known if short_name(k) == name)
    if len(found) == 1:
        return found[0]
    if found:
        msg = (
            f"Cannot tell which event type {name!r} is in {source!r}: "
            f"{', '.join(map(printable, found[:MOST_ALTERNATIVES]))} have that short name. "
            "Give one of these in full."
        )
        raise UnknownTypeError(msg)
    msg = f"Cannot find the event type {name!r} in {source!r}. {near(name, map(short_name, known))}"
    raise UnknownTypeError(msg)
