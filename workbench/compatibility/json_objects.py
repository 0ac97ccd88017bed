"""Comparing the JSON Schemas of objects: fields, required ones, and those of no name.

An object is open where a field without a schema may be anything, closed where it may not
be at all, partially open where a schema of other names or of a pattern speaks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.compatibility.accepting import pattern_of
from workbench.compatibility.changes import is_compatible
from workbench.compatibility.json_values import compare_limits
from workbench.compatibility.needs import compare_needs
from workbench.compatibility.places import Field, Matching, Others

if TYPE_CHECKING:
    from workbench.compatibility.changes import Place
    from workbench.compatibility.documents import Raw
    from workbench.compatibility.json_changes import Comparison
    from workbench.compatibility.nodes import Node, Tree

PARTIALLY = "covered_by_partially_open_content_model"


@dataclass(frozen=True, slots=True)
class Model:
    """The fields that a schema of objects speaks of."""

    words: dict[str, Any]
    tree: Tree

    @property
    def named(self) -> dict[str, Raw]:
        """The schemas of fields by name."""
        found: dict[str, Raw] = self.words.get("properties", {})
        return found

    @property
    def patterns(self) -> dict[str, Raw]:
        """The schemas of fields by pattern."""
        found: dict[str, Raw] = self.words.get("patternProperties", {})
        return found

    @property
    def required(self) -> frozenset[str]:
        """The fields that must be there."""
        return frozenset(self.words.get("required", ()))

    @property
    def others(self) -> Raw:
        """The schema of all other fields."""
        found: Raw = self.words.get("additionalProperties", True)
        return found

    def matched(self, name: str) -> list[str]:
        """Return the patterns that a name matches."""
        return [p for p in self.patterns if pattern_of(p).search(name)]

    def unnamed(self, name: str) -> Raw:
        """Return the schema of a field as if it was not named."""
        found = [self.patterns[pattern] for pattern in self.matched(name)]
        return self.tree.joined(found) if found else self.others

    def effective(self, name: str) -> Raw:
        """Return the schema of a field that is named, with what patterns say of it."""
        found = [self.named[name], *(self.patterns[p] for p in self.matched(name))]
        return self.tree.joined(found)

    def has_default(self, name: str) -> bool:
        """Return whether a reader can put a default where a field is missing."""
        raw = self.named.get(name, True)
        while isinstance(raw, dict) and "$ref" in raw and "default" not in raw:
            raw = self.tree.document.target(raw)
        return isinstance(raw, dict) and "default" in raw and self.tree.accepts(raw, raw["default"])


def compare_objects(run: Comparison, old: Node, new: Node, place: Place) -> None:
    """Note the changes between two schemas of objects."""
    before, after = Model(old.words, run.old), Model(new.words, run.new)
    _required(run, before, after, place)
    for name in {**before.named, **after.named}:
        _property(run, before, after, name, place)
    _patterns(run, before, after, place)
    compare_needs(run, old.words, new.words, place)
    _others(run, before, after, place)
    words = ("maxProperties", "minProperties")
    compare_limits(run, old.words, new.words, words, place)
    _names(run, old.words.get("propertyNames"), new.words.get("propertyNames"), place)


def _required(run: Comparison, old: Model, new: Model, place: Place) -> None:
    for name in sorted(old.required - new.required):
        if name in old.named and name in new.named:
            run.add("required_attribute_removed", place.at("required", name), name, None, name=name)
    for name in sorted(new.required - old.required):
        is_added = name in new.named and name not in old.named
        if is_added and run.old.node(old.unnamed(name)).kind != "any":
            continue  # told with the field
        rule = "required_attribute_added"
        if run.fills_defaults and new.has_default(name):
            rule = "required_attribute_with_default_added"
        run.add(rule, place.at("required", name), None, name, {"required": [name]}, name)


def _property(run: Comparison, old: Model, new: Model, name: str, place: Place) -> None:
    within = place.into(Field(name), "properties", name)
    if name not in new.named:
        _removed(run, old.effective(name), new.unnamed(name), within)
        return
    if name not in old.named:
        _added(run, old.unnamed(name), new.named[name], within)
        if run.old.node(old.unnamed(name)).kind != "any":
            _required_added(run, new, name, within, place)
    else:
        run.later(old.named[name], new.named[name], within)
    _also_matched(run, old, new, name, within)


def _removed(run: Comparison, old: Raw, rest: Raw, place: Place) -> None:
    kind = run.new.node(rest).kind
    if kind == "any":
        run.add("property_removed_from_open_content_model", place, old, None)
    elif kind == "never":
        if run.old.node(old).kind == "never":
            run.add("property_with_false_removed_from_closed_content_model", place, old, None)
        else:
            run.add("property_removed_from_closed_content_model", place, old, None, probe=False)
    else:
        changes = run.trial_of(old, rest, place)
        run.changes.extend(changes)
        covered = "is" if is_compatible(changes) else "not"
        run.add(f"property_removed_{covered}_{PARTIALLY}", place, old, None, rest)


def _added(run: Comparison, rest: Raw, new: Raw, place: Place) -> None:
    kind = run.old.node(rest).kind
    if kind == "any":
        if run.new.node(new).kind == "any":
            run.add("property_with_empty_schema_added_to_open_content_model", place, None, new)
        else:
            run.add("property_added_to_open_content_model", place, None, new, new)
    elif kind != "never":
        changes = run.trial_of(rest, new, place)
        run.changes.extend(changes)
        covered = "is" if is_compatible(changes) else "not"
        run.add(f"property_added_{covered}_{PARTIALLY}", place, None, new, new)


def _required_added(run: Comparison, new: Model, name: str, within: Place, place: Place) -> None:
    how = "optional_property"
    if name in new.required:
        has_default = run.fills_defaults and new.has_default(name)
        how = "required_property_with_default" if has_default else "required_property"
    # What is missing is missing from the object, not from the field.
    at = place.at(*within.pointer[len(place.pointer) :])
    rule = f"{how}_added_to_unopen_content_model"
    asks = {"required": [name]}
    if how == "required_property":
        run.add(rule, at, None, new.named[name], asks, name)
    else:
        run.add(rule, within, None, new.named[name], asks)


def _also_matched(run: Comparison, old: Model, new: Model, name: str, place: Place) -> None:
    """Note where a pattern that is new speaks for a named field too, and refuses values of it."""
    for pattern in new.matched(name):
        if pattern in old.patterns:
            continue
        before = old.effective(name) if name in old.named else old.unnamed(name)
        if not is_compatible(run.trial_of(before, new.patterns[pattern], place)):
            run.add("property_also_matched", place, None, pattern, new.patterns[pattern])


def _patterns(run: Comparison, old: Model, new: Model, place: Place) -> None:
    for pattern in {**old.patterns, **new.patterns}:
        within = place.into(Matching(pattern), "patternProperties", pattern)
        if pattern in old.patterns and pattern in new.patterns:
            run.later(old.patterns[pattern], new.patterns[pattern], within)
        elif pattern in new.patterns:
            _pattern_added(run, old, new.patterns[pattern], within)
        else:
            _pattern_removed(run, old.patterns[pattern], new.others, within)


def _pattern_added(run: Comparison, old: Model, new: Raw, place: Place) -> None:
    if run.old.node(old.others).kind == "any":
        if run.new.node(new).kind != "any":
            run.add("pattern_property_added", place, None, new, new)
        return
    for before in (old.others, *old.patterns.values()):
        if not is_compatible(run.trial_of(before, new, place)):
            run.add("pattern_property_not_covered", place, before, new, new)
            return


def _pattern_removed(run: Comparison, old: Raw, rest: Raw, place: Place) -> None:
    if is_compatible(run.trial_of(old, rest, place)):
        run.add("pattern_property_removed", place, old, None)
    else:
        run.add("pattern_property_not_covered", place, old, rest, rest)


def _others(run: Comparison, old: Model, new: Model, place: Place) -> None:
    step = Others(frozenset(new.named), tuple(new.patterns))
    within = place.into(step, "additionalProperties")
    before, after = run.old.node(old.others).kind, run.new.node(new.others).kind
    if "never" in (before, after):
        if before != after:
            how = "added" if before == "never" else "removed"
            run.add(f"additional_properties_{how}", within, old.others, new.others, new.others)
    elif before == "any" and after != "any":
        run.add("additional_properties_narrowed", within, old.others, new.others, new.others)
    elif before != "any" and after == "any":
        run.add("additional_properties_extended", within, old.others, new.others)
    else:
        run.later(old.others, new.others, within)


def _names(run: Comparison, old: Raw | None, new: Raw | None, place: Place) -> None:
    within = place.at("propertyNames")
    if old is None and new is not None:
        if run.new.node(new).kind != "any":
            run.add("property_names_added", within, old, new, {"propertyNames": new})
    elif old is not None and new is None:
        run.add("property_names_removed", within, old, new)
    elif old is not None and new is not None and not is_compatible(run.strictly(old, new, within)):
        run.add("property_names_changed", within, old, new, {"propertyNames": new})
