"""Whether two schemas surely have no value in common: what `oneOf` depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.compatibility.nodes import Node, Tree

MOST_NESTED = 8
"""Levels of fields that are looked at; deeper down nothing is proven."""
_TYPED = ("string", "number", "boolean", "null", "object", "array")


def are_disjoint(one: Node, other: Node, tree: Tree, depth: int = 0) -> bool:
    """Return whether it can be proven that no value satisfies both nodes of a tree."""
    if one.kind == "never" or other.kind == "never":
        return True
    if depth > MOST_NESTED:
        return False
    for first, second in ((one, other), (other, one)):
        if first.kind == "allOf":
            return any(are_disjoint(part, second, tree, depth) for part in first.parts)
        if first.kind in ("anyOf", "oneOf"):
            return all(are_disjoint(part, second, tree, depth) for part in first.parts)
        if first.kind == "enum":
            accepts = tree.acceptor.check(own(second))
            return not any(map(accepts, first.values))
    return _are_typed_apart(one, other, tree, depth)


def _are_typed_apart(one: Node, other: Node, tree: Tree, depth: int) -> bool:
    if not (one.is_explicit and other.is_explicit):
        return False
    if one.kind != other.kind:
        return True
    if one.kind != "object":
        return False
    return any(
        _is_field_apart(name, one.words, other.words, tree, depth)
        for name in {*one.words.get("required", ()), *other.words.get("required", ())}
    )


def _is_field_apart(
    name: str, one: dict[str, Any], other: dict[str, Any], tree: Tree, depth: int
) -> bool:
    """Return whether a field that one of two objects must have cannot be as both want it."""
    first = one.get("properties", {}).get(name, True)
    second = other.get("properties", {}).get(name, True)
    return are_disjoint(tree.node(first), tree.node(second), tree, depth + 1)


def own(node: Node) -> dict[str, Any] | bool:
    """Return the schema of what a node itself asserts, without its schema's other kinds."""
    from workbench.compatibility.nodes import GROUPS

    words, kind = node.words, node.kind
    if isinstance(node.raw, bool) or node.is_made or kind == "any":
        return node.raw
    if kind == "enum":
        return {"enum": list(node.values)}
    if kind == "if":
        return {word: words[word] for word in ("if", "then", "else") if word in words}
    if kind in words:
        return {kind: words[kind]}
    kinds = frozenset(part.kind for part in node.parts) or {kind}
    found = {word: words[word] for k in kinds for word in GROUPS.get(k, ()) if word in words}
    if node.parts:
        return {"type": words["type"], **found}
    return {"type": "integer" if node.is_integer else kind, **found} if node.is_explicit else found
