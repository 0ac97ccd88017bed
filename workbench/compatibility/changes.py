"""A change from one schema to another, and where it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.compatibility.documents import shown
from workbench.compatibility.places import Field, path_text, pointer_text

if TYPE_CHECKING:
    from workbench.compatibility.documents import Raw
    from workbench.compatibility.places import Step, Steps
    from workbench.compatibility.rules import Rule


@dataclass(frozen=True, slots=True)
class Place:
    """Where a comparison stands: in a payload, in the schema, and how it came there."""

    steps: Steps = ()
    pointer: tuple[str, ...] = ()
    seen: frozenset[tuple[int, int]] = frozenset()
    """Pairs that are being compared further up; meeting one again is a recursion."""

    def at(self, *words: str) -> Place:
        """Return the place of a keyword, which looks at the same value."""
        return replace(self, pointer=(*self.pointer, *words))

    def into(self, step: Step, *words: str) -> Place:
        """Return the place of a value within."""
        return replace(self, steps=(*self.steps, step), pointer=(*self.pointer, *words))

    def after(self, pair: tuple[int, int]) -> Place:
        """Return the same place, from which a pair has been seen."""
        return replace(self, seen=self.seen | {pair})


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its rule, its place, before and after, and whom it affects."""

    rule: Rule
    steps: Steps
    pointer: tuple[str, ...]
    old: str | None
    new: str | None
    probe: Raw | None = None
    """What a value at `steps` must satisfy for the reader to take it, None if it takes all."""
    name: str | None = None
    """The field that it is about, where `steps` lead to what lacks it."""

    @property
    def path(self) -> str:
        """Where it is in a payload, such as `items[].price`."""
        named = () if self.name is None else (Field(self.name),)
        return path_text((*self.steps, *named))

    @property
    def schema_path(self) -> str:
        """Where it is in the schema, such as `#/properties/price`."""
        return pointer_text(self.pointer)


def is_compatible(changes: list[Change]) -> bool:
    """Return whether none of the changes breaks."""
    return not any(change.rule.breaks for change in changes)


def made(
    rule: Rule,
    place: Place,
    old: object,
    new: object,
    probe: Raw | None = None,
    name: str | None = None,
) -> Change:
    """Return a change; `old` and `new` are told as JSON, None where there is nothing."""
    before = None if old is None else shown(old)
    after = None if new is None else shown(new)
    return Change(rule, place.steps, place.pointer, before, after, probe, name)
