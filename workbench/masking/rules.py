"""Which values of a payload are masked: patterns of paths, and what they come to for one type.

A pattern is a path as the schemas write it, `customer.name`, `lines[].sku`; `*` in it stands
for any text, and what it finds is masked with all that is inside. `Type:path` is for one event
type, by its full or short name, which may have a `*` too. `@stream` and `@tags` are the columns
of that name, `@metadata` is all of the metadata; paths look into the metadata as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache, partial
from secrets import token_bytes

from workbench.errors import MaskError

STREAM, TAGS, METADATA = "@stream", "@tags", "@metadata"
_COLUMNS = (STREAM, TAGS, METADATA)
_MOST_REMEMBERED = 20_000
"""Paths whose fate is remembered; where names are made up by the data, there is no end of them."""


class Fate(Enum):
    """What becomes of a value at a path."""

    KEPT = 0
    ENTERED = 1
    """Something inside may be masked."""
    HIDDEN = 2


@dataclass(frozen=True)
class Rule:
    """One pattern, taken apart.

    Examples
    --------
    >>> Rule.of("Order.Placed:customer.*").type_, Rule.of("customer.*").type_
    ('Order.Placed', None)
    """

    type_: str | None
    path: str

    @classmethod
    def of(cls, text: str) -> Rule:
        """Return the rule that a pattern is.

        Raises
        ------
        MaskError
            If it names nothing.
        """
        type_, colon, path = text.rpartition(":")
        is_column = path.startswith("@")
        if not path.strip() or (colon and not type_) or (is_column and text not in _COLUMNS):
            msg = (
                f"Cannot mask {text!r}: it names no value. Write a path such as 'customer.*', "
                f"'Order.Placed:customer.name', or one of {', '.join(_COLUMNS)}."
            )
            raise MaskError(msg)
        return cls(type_ or None, path)

    def is_for(self, type_: str) -> bool:
        """Return whether it is a rule for an event type, as stored."""
        if self.type_ is None:
            return True
        wanted = _expression(self.type_)
        return bool(wanted.fullmatch(type_) or wanted.fullmatch(type_.rpartition(":")[2]))

    @cached_property
    def lead(self) -> str:
        """What stands before the first `*`."""
        return self.path.partition("*")[0]

    @cached_property
    def needle(self) -> str:
        """The longest text that a payload has in which the path occurs."""
        return max(re.split(r"[*.\[\]\"\\]", self.path), key=len)

    def finds(self, path: str) -> bool:
        """Return whether a path is one that it names."""
        return _expression(self.path).fullmatch(path) is not None

    def may_find_inside(self, path: str) -> bool:
        """Return whether it may name a path that goes on from this one."""
        is_on_the_way = self.lead.startswith(path) and len(self.lead) > len(path)
        return is_on_the_way or ("*" in self.path and path.startswith(self.lead)) or not path


@dataclass(frozen=True)
class Rules:
    """The rules for payloads of one event type."""

    rules: tuple[Rule, ...]
    _fates: dict[tuple[str, str], Fate] = field(default_factory=dict, repr=False, compare=False)

    def fate(self, path: str, quoted: str) -> Fate:
        """Return what becomes of a value, by its path and by the path as schemas write it.

        Both differ where a name has a dot or a bracket; either is enough to mask it.
        """
        key = (path, quoted)
        found = self._fates.get(key)
        if found is None:
            paths = {path, quoted}
            found = Fate.KEPT
            if any(rule.finds(p) for rule in self.rules for p in paths):
                found = Fate.HIDDEN
            elif any(rule.may_find_inside(p) for rule in self.rules for p in paths):
                found = Fate.ENTERED
            if len(self._fates) >= _MOST_REMEMBERED:
                self._fates.clear()
            self._fates[key] = found
        return found


@dataclass(frozen=True)
class Masks:
    """What is masked in a history, and what becomes of it.

    Parameters
    ----------
    patterns
        As the module describes them.
    key
        With a key, a text becomes a pseudonym, the same for the same text; without, `***`.
    names_key
        What the pseudonyms of streams and tags are made with, which have to stay apart.

    Raises
    ------
    MaskError
        If there is no pattern, or one names nothing.
    """

    patterns: tuple[str, ...]
    key: bytes | None = field(default=None, repr=False)
    names_key: bytes = field(default_factory=partial(token_bytes, 16), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.patterns:
            raise MaskError("Cannot mask nothing. Name a path, such as 'customer.*'.")
        for pattern in self.patterns:
            Rule.of(pattern)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The patterns, taken apart, without those of whole columns."""
        return tuple(Rule.of(text) for text in self.patterns if text not in _COLUMNS)

    def hides(self, column: str) -> bool:
        """Return whether a column is masked as a whole."""
        return column in self.patterns

    @cached_property
    def _by_type(self) -> dict[str, Rules | None]:
        return {}

    def of_type(self, type_: str) -> Rules | None:
        """Return the rules for payloads of a type, None if nothing in them is masked."""
        if type_ not in self._by_type:
            found = tuple(rule for rule in self.rules if rule.is_for(type_))
            self._by_type[type_] = Rules(found) if found else None
        return self._by_type[type_]


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("(?s)" + ".*".join(map(re.escape, pattern.split("*"))))
