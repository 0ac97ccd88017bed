"""Comparing what the presence of one field asks of an object: dependencies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.compatibility.changes import Place
    from workbench.compatibility.documents import Raw
    from workbench.compatibility.json_changes import Comparison

_RULE = "dependency_array"


def compare_needs(run: Comparison, old: dict[str, Any], new: dict[str, Any], place: Place) -> None:
    """Note the changes between what two schemas of objects ask where a field is there."""
    lists = _lists(old), _lists(new)
    for name in sorted(lists[0].keys() | lists[1].keys()):
        _list(run, lists[0].get(name), lists[1].get(name), name, place)
    schemas = _schemas(old), _schemas(new)
    for name in sorted(schemas[0].keys() | schemas[1].keys()):
        _schema(run, schemas[0].get(name), schemas[1].get(name), name, place)


def _lists(words: dict[str, Any]) -> dict[str, frozenset[str]]:
    both = (*words.get("dependencies", {}).items(), *words.get("dependentRequired", {}).items())
    found: dict[str, frozenset[str]] = {}
    for name, needs in both:
        if isinstance(needs, list):
            found[name] = found.get(name, frozenset()) | frozenset(needs)
    return found


def _schemas(words: dict[str, Any]) -> dict[str, Raw]:
    older = {k: v for k, v in words.get("dependencies", {}).items() if not isinstance(v, list)}
    return {**older, **words.get("dependentSchemas", {})}


def _list(
    run: Comparison,
    old: frozenset[str] | None,
    new: frozenset[str] | None,
    name: str,
    place: Place,
) -> None:
    if old == new:
        return
    if old is None:
        how = "added"
    elif new is None:
        how = "removed"
    else:
        how = "extended" if new > old else "narrowed" if new < old else "changed"
    told = old and sorted(old), new and sorted(new)
    asks = {"dependentRequired": {name: sorted(new or ())}}
    run.add(f"{_RULE}_{how}", place.at("dependencies", name), *told, asks)


def _schema(run: Comparison, old: Raw | None, new: Raw | None, name: str, place: Place) -> None:
    within = place.at("dependencies", name)
    if new is None:
        run.add("dependency_schema_removed", within, old, new)
        return
    asks: Raw = {"dependentSchemas": {name: new}}
    if old is None:
        run.add("dependency_schema_added", within, old, new, asks)
        return
    for change in run.strictly(old, new, within):
        # Whom it affects also depends on whether the field is there.
        probe = asks if change.rule.breaks else None
        run.changes.append(replace(change, steps=place.steps, probe=probe))
