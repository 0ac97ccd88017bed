"""Comparing the JSON Schemas of strings, numbers and enums."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workbench.compatibility.accepting import exact, key_of, limits

if TYPE_CHECKING:
    from workbench.compatibility.changes import Place
    from workbench.compatibility.json_changes import Comparison
    from workbench.compatibility.nodes import Node

_CAPITAL = re.compile(r"(?=[A-Z])")


def compare_limits(
    run: Comparison, old: dict[str, Any], new: dict[str, Any], words: tuple[str, ...], place: Place
) -> None:
    """Note changes of keywords that set a limit, such as `maxItems`.

    The rules are the keyword in small letters with `_added`, `_removed`, `_increased` or
    `_decreased`.
    """
    for word in words:
        before, after = old.get(word), new.get(word)
        if before == after:
            continue
        if before is None or after is None:
            how = "added" if before is None else "removed"
        else:
            how = "increased" if before < after else "decreased"
        name = "_".join(_CAPITAL.split(word)).lower()
        run.add(f"{name}_{how}", place.at(word), before, after, {word: after})


def compare_strings(run: Comparison, old: Node, new: Node, place: Place) -> None:
    """Note the changes between two schemas of strings."""
    compare_limits(run, old.words, new.words, ("maxLength", "minLength"), place)
    before, after = old.words.get("pattern"), new.words.get("pattern")
    if before != after:
        how = "added" if before is None else "removed" if after is None else "changed"
        run.add(f"pattern_{how}", place.at("pattern"), before, after, {"pattern": after})


def compare_numbers(run: Comparison, old: Node, new: Node, place: Place) -> None:
    """Note the changes between two schemas of numbers."""
    before, after = limits(old.words), limits(new.words)
    words = ("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum")
    compare_limits(run, before, after, words, place)
    _multiples(run, before.get("multipleOf"), after.get("multipleOf"), place.at("multipleOf"))
    if old.is_integer != new.is_integer:
        rule = "type_extended" if old.is_integer else "type_narrowed"
        kinds = ("integer", "number") if old.is_integer else ("number", "integer")
        run.add(rule, place, *kinds, {"type": "integer"})


def _multiples(run: Comparison, old: float | None, new: float | None, place: Place) -> None:
    if old == new:
        return
    if old is None:
        how = "added"
    elif new is None:
        how = "removed"
    elif exact(new) % exact(old) == 0:
        how = "expanded"
    else:
        how = "reduced" if exact(old) % exact(new) == 0 else "changed"
    run.add(f"multiple_of_{how}", place, old, new, {"multipleOf": new})


def compare_enums(run: Comparison, old: Node, new: Node, place: Place) -> None:
    """Note that values were added to an enum, or lost; a `const` is an enum of one."""
    before, after = set(map(key_of, old.values)), set(map(key_of, new.values))
    if before == after:
        return
    how = "extended" if before < after else "narrowed" if after < before else "changed"
    word = "enum" if "enum" in new.words else "const"
    told = list(old.values), list(new.values)
    run.add(f"enum_array_{how}", place.at(word), *told, {"enum": list(new.values)})
