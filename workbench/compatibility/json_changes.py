"""What changed from one JSON Schema to another, by the rules of the Schema Registry.

Two nodes are compared at a time. What lies within them is put on a list and compared later,
so that depth costs no recursion; only where several schemas may stand for one another, as in
`anyOf`, is a pair compared at once, to find out whether it fits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.compatibility.changes import Change, Place, is_compatible, made
from workbench.compatibility.combined import combined, compare_with_combined
from workbench.compatibility.disjoint import own
from workbench.compatibility.documents import Document, Raw, shown, text_of
from workbench.compatibility.json_arrays import compare_arrays
from workbench.compatibility.json_objects import compare_objects
from workbench.compatibility.json_values import compare_enums, compare_numbers, compare_strings
from workbench.compatibility.nodes import COMBINED, KNOWN, Node, Tree, tree
from workbench.compatibility.rules import RULES
from workbench.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_PAIRS = 50_000
"""Pairs that are compared before a schema is refused as too large."""
_TOLD = {"$id": "id", "id": "id", "title": "title", "description": "description"}
_TOLD |= {"default": "default", "format": "format"}


@dataclass(slots=True)
class Comparison:
    """A comparison under way, of a part of two documents."""

    old: Tree
    new: Tree
    fills_defaults: bool = True
    """Whether a reader puts a default where a required field is missing."""
    count: list[int] = field(default_factory=lambda: [0])
    changes: list[Change] = field(default_factory=list)
    _todo: deque[tuple[Node, Node, Place]] = field(default_factory=deque)

    def run(self, old: Node, new: Node, place: Place) -> list[Change]:
        """Return the changes between two nodes and all that is in them."""
        self._todo.append((old, new, place))
        while self._todo:
            self._compare(*self._todo.popleft())
        return self.changes

    def add(
        self,
        rule: str,
        place: Place,
        old: object,
        new: object,
        probe: Raw | None = None,
        name: str | None = None,
    ) -> None:
        """Note a change."""
        found = RULES[rule]
        asks = probe if found.breaks else None
        self.changes.append(made(found, place, old, new, asks, name))

    def later(self, old: Raw, new: Raw, place: Place) -> None:
        """Compare two schemas after this."""
        self._todo.append((self.old.node(old), self.new.node(new), place))

    def trial(self, old: Node, new: Node, place: Place) -> list[Change]:
        """Return the changes between two nodes without noting them."""
        return Comparison(self.old, self.new, self.fills_defaults, self.count).run(old, new, place)

    def trial_of(self, old: Raw, new: Raw, place: Place) -> list[Change]:
        """Return the changes between two schemas without noting them."""
        return self.trial(self.old.node(old), self.new.node(new), place)

    def strictly(self, old: Raw, new: Raw, place: Place) -> list[Change]:
        """Return the same where no reader fills in defaults, as in a condition."""
        strict = Comparison(self.old, self.new, fills_defaults=False, count=self.count)
        return strict.run(self.old.node(old), self.new.node(new), place)

    def reversed(self, old: Raw, new: Raw, place: Place) -> list[Change]:
        """Return the changes from the new to the old, as within `not`."""
        other = Comparison(self.new, self.old, fills_defaults=False, count=self.count)
        return other.run(self.new.node(new), self.old.node(old), place)

    def are_equal(self, old: Raw, new: Raw) -> bool:
        """Return whether two schemas are written the same, with all that they refer to."""
        before, after = text_of(old), text_of(new)
        if before != after:
            return False
        roots = self.old.document.root, self.new.document.root
        return '"$ref"' not in before or text_of(roots[0]) == text_of(roots[1])

    def _compare(self, old: Node, new: Node, place: Place) -> None:
        self.count[0] += 1
        if self.count[0] > MOST_PAIRS:
            msg = (
                f"Cannot compare the schemas: after {MOST_PAIRS:,} pairs of their parts there are "
                "still more, because references multiply. Compare parts of them."
            )
            raise SchemaError(msg)
        if isinstance(old.raw, dict) and isinstance(new.raw, dict):
            pair = id(old), id(new)
            if pair in place.seen:
                return
            place = place.after(pair)
            if self.old.node(old.raw) is old and self.new.node(new.raw) is new:
                self._annotations(old, new, place)
        if old.kind == "never" or new.kind == "any" or self._is_same_choice(old, new):
            return
        if compare_with_combined(self, old, new, place):
            return
        if old.kind != new.kind:
            self.add("type_changed", place, told(old), told(new), own(new))
            return
        self._same_kind(old, new, place)

    def _is_same_choice(self, old: Node, new: Node) -> bool:
        """Return whether two nodes are combined of the same parts: nothing is to be matched."""
        if old.kind not in COMBINED or (old.kind, old.is_own) != (new.kind, new.is_own):
            return False
        return old.is_made == new.is_made and self.are_equal(old.raw, new.raw)

    def _same_kind(self, old: Node, new: Node, place: Place) -> None:
        if old.kind in COMBINED:
            combined(self, old, new, place)
            return
        if not old.is_explicit and new.is_explicit:
            self.add("type_added", place, None, new.kind, {"type": new.kind})
        elif old.is_explicit and not new.is_explicit:
            self.add("type_removed", place, old.kind, None)
        if old.kind in _OF_KIND:
            _OF_KIND[old.kind](self, old, new, place)

    def _annotations(self, old: Node, new: Node, place: Place) -> None:
        before, after = old.words, new.words
        for word, name in _TOLD.items():
            if before.get(word) != after.get(word):
                self.add(f"{name}_changed", place, before.get(word), after.get(word))
        for word in sorted((before.keys() | after.keys()) - KNOWN):
            if before.get(word) != after.get(word):
                at = place.at(word)
                self.add("keyword_unknown", at, before.get(word), after.get(word))


def _compare_not(run: Comparison, old: Node, new: Node, place: Place) -> None:
    before, after = old.words["not"], new.words["not"]
    if run.are_equal(before, after):
        return
    within = place.at("not")
    is_narrower = is_compatible(run.reversed(before, after, within))
    rule = "not_type_narrowed" if is_narrower else "not_type_extended"
    run.add(rule, within, before, after, {"not": after})


def _compare_conditions(run: Comparison, old: Node, new: Node, place: Place) -> None:
    before, after = own(old), own(new)
    if not run.are_equal(before, after):
        run.add("conditional_changed", place.at("if"), before, after, after)


_OF_KIND: dict[str, Callable[[Comparison, Node, Node, Place], None]] = {
    "string": compare_strings,
    "number": compare_numbers,
    "enum": compare_enums,
    "array": compare_arrays,
    "object": compare_objects,
    "not": _compare_not,
    "if": _compare_conditions,
}


def told(node: Node) -> object:
    """Return what a node asserts, as people are told."""
    if node.kind in COMBINED:
        return {node.kind: [told(part) for part in node.parts]}
    if node.kind == "enum":
        return {"enum": list(node.values)}
    if node.kind == "number":
        return "integer" if node.is_integer else "number"
    return node.kind


def changes_of_json(old: Document, new: Document) -> list[Change]:
    """Return what a reader of the new schema finds changed in payloads of the old one.

    Raises
    ------
    SchemaError
        If one of the schemas cannot be read, or they are too large to compare.

    Notes
    -----
    The rules are those by which the Schema Registry compares JSON Schemas; see
    `workbench.compatibility.rules`.
    """
    before, after = tree(old), tree(new)
    try:
        if text_of(old.root) == text_of(new.root) and old.draft == new.draft:
            before.acceptor.check(old.root)  # refuses what cannot be read
            return []
        return Comparison(before, after).run(before.root, after.root, Place())
    except RecursionError as error:
        msg = (
            f"Cannot compare the schemas: alternatives are nested too deeply in "
            f"{shown(new.root, 60)}. Compare parts of them."
        )
        raise SchemaError(msg) from error
