"""Comparing the JSON Schemas of lists: their items by place, and all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.compatibility.accepting import first_items
from workbench.compatibility.changes import is_compatible
from workbench.compatibility.json_values import compare_limits
from workbench.compatibility.places import Item, Items

if TYPE_CHECKING:
    from workbench.compatibility.changes import Place
    from workbench.compatibility.documents import Raw
    from workbench.compatibility.json_changes import Comparison
    from workbench.compatibility.nodes import Node


def compare_arrays(run: Comparison, old: Node, new: Node, place: Place) -> None:
    """Note the changes between two schemas of lists."""
    before, after = old.words, new.words
    if _is_by_place(before) or _is_by_place(after):
        _by_place(run, before, after, place)
    else:
        _all_items(run, before, after, place)
        if "additionalItems" in before or "additionalItems" in after:
            # They assert nothing here, but the registry compares them.
            rest = before.get("additionalItems", True), after.get("additionalItems", True)
            _other_items(run, *rest, place.into(Items(), "additionalItems"))
    compare_limits(run, before, after, ("maxItems", "minItems"), place)
    if bool(before.get("uniqueItems")) != bool(after.get("uniqueItems")):
        how = "added" if after.get("uniqueItems") else "removed"
        told = bool(before.get("uniqueItems")), bool(after.get("uniqueItems"))
        run.add(f"unique_items_{how}", place.at("uniqueItems"), *told, {"uniqueItems": True})
    _contains(run, before, after, place)


def _is_by_place(words: dict[str, Any]) -> bool:
    return "prefixItems" in words or isinstance(words.get("items"), list)


def _all_items(run: Comparison, old: dict[str, Any], new: dict[str, Any], place: Place) -> None:
    within = place.into(Items(), "items")
    before, after = old.get("items"), new.get("items")
    if before is None and after is not None:
        if run.new.node(after).kind != "any":
            run.add("schema_added", within, None, after, after)
    elif before is not None and after is None:
        run.add("schema_removed", within, before, None)
    elif before is not None and after is not None:
        run.later(before, after, within)


def _by_place(run: Comparison, old: dict[str, Any], new: dict[str, Any], place: Place) -> None:
    before, old_rest = first_items(old)
    after, new_rest = first_items(new)
    word = "prefixItems" if "prefixItems" in old or "prefixItems" in new else "items"
    for index in range(max(len(before), len(after))):
        within = place.into(Item(index), word, str(index))
        if index >= len(after):
            _removed(run, before[index], new_rest, within)
        elif index >= len(before):
            _added(run, old_rest, after[index], within)
        else:
            run.later(before[index], after[index], within)
    rest = "items" if word == "prefixItems" else "additionalItems"
    start = max(len(before), len(after))
    _other_items(run, old_rest, new_rest, place.into(Items(start), rest))


def _removed(run: Comparison, old: Raw, rest: Raw, place: Place) -> None:
    kind = run.new.node(rest).kind
    if kind == "any":
        run.add("item_removed_from_open_content_model", place, old, None)
    elif kind == "never":
        if run.old.node(old).kind == "never":
            run.add("item_with_false_removed_from_closed_content_model", place, old, None)
        else:
            run.add("item_removed_from_closed_content_model", place, old, None, probe=False)
    else:
        _covered(run, old, rest, place, "removed")


def _added(run: Comparison, rest: Raw, new: Raw, place: Place) -> None:
    kind = run.old.node(rest).kind
    if kind == "any":
        if run.new.node(new).kind == "any":
            run.add("item_with_empty_schema_added_to_open_content_model", place, None, new)
        else:
            run.add("item_added_to_open_content_model", place, None, new, new)
    elif kind == "never":
        run.add("item_added_to_closed_content_model", place, None, new)
    else:
        _covered(run, rest, new, place, "added")


def _covered(run: Comparison, old: Raw, new: Raw, place: Place, how: str) -> None:
    changes = run.trial_of(old, new, place)
    run.changes.extend(changes)
    covered = "is" if is_compatible(changes) else "not"
    rule = f"item_{how}_{covered}_covered_by_partially_open_content_model"
    run.add(rule, place, None if how == "added" else old, new if how == "added" else None, new)


def _other_items(run: Comparison, old: Raw, new: Raw, place: Place) -> None:
    before, after = run.old.node(old).kind, run.new.node(new).kind
    if "never" in (before, after):
        if before != after:
            rule = "additional_items_added" if before == "never" else "additional_items_removed"
            run.add(rule, place, old, new, new)
    elif before == "any" and after != "any":
        run.add("additional_items_narrowed", place, old, new, new)
    elif before != "any" and after == "any":
        run.add("additional_items_extended", place, old, new)
    else:
        run.later(old, new, place)


def _contains(run: Comparison, old: dict[str, Any], new: dict[str, Any], place: Place) -> None:
    words = ("contains", "minContains", "maxContains")
    before = {word: old[word] for word in words if word in old} if "contains" in old else {}
    after = {word: new[word] for word in words if word in new} if "contains" in new else {}
    within = place.at("contains")
    if not before and after:
        run.add("contains_added", within, None, after, after)
    elif before and not after:
        run.add("contains_removed", within, before, None)
    elif before and not run.are_equal(before, after) and not _still_contains(run, before, after):
        run.add("contains_changed", within, before, after, after)


def _still_contains(run: Comparison, old: dict[str, Any], new: dict[str, Any]) -> bool:
    from workbench.compatibility.changes import Place

    if new.get("minContains", 1) > old.get("minContains", 1):
        return False
    most = new.get("maxContains")
    if most is not None:
        is_same = run.are_equal(old["contains"], new["contains"])
        return is_same and old.get("maxContains", float("inf")) <= most
    return is_compatible(run.strictly(old["contains"], new["contains"], Place()))
