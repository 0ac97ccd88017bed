"""A JSON Schema as a tree of nodes that can be compared: one node asserts one kind of thing.

A schema that asserts several kinds at once, as a type beside an enum, is a node `allOf` of
those; a list of types is a node `anyOf` of the types. That is how the Schema Registry reads
schemas, so that its rules can be applied to the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from workbench.compatibility.accepting import Acceptor
from workbench.errors import SchemaError

if TYPE_CHECKING:
    from workbench.compatibility.documents import Document, Raw

Kind = Literal[
    "any",
    "never",
    "string",
    "number",
    "boolean",
    "null",
    "object",
    "array",
    "enum",
    "not",
    "if",
    "allOf",
    "anyOf",
    "oneOf",
]
COMBINED: tuple[Kind, ...] = ("allOf", "anyOf", "oneOf")

GROUPS: dict[Kind, frozenset[str]] = {
    "string": frozenset(["minLength", "maxLength", "pattern"]),
    "number": frozenset(
        ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
    ),
    "object": frozenset(
        [
            "properties",
            "patternProperties",
            "additionalProperties",
            "required",
            "minProperties",
            "maxProperties",
            "propertyNames",
            "dependencies",
            "dependentRequired",
            "dependentSchemas",
        ]
    ),
    "array": frozenset(
        [
            "items",
            "prefixItems",
            "additionalItems",
            "minItems",
            "maxItems",
            "uniqueItems",
            "contains",
            "minContains",
            "maxContains",
        ]
    ),
}
"""The keywords that assert something of values of one kind."""

ANNOTATIONS = frozenset(
    """
    $schema $id id $anchor $dynamicAnchor $recursiveAnchor $vocabulary $comment $defs definitions
    title description default examples deprecated readOnly writeOnly format contentEncoding
    contentMediaType contentSchema unevaluatedItems unevaluatedProperties
    $dynamicRef $recursiveRef
    """.split()  # noqa: SIM905, a table
)
"""Keywords that assert nothing, or that are refused before."""
KNOWN = (
    ANNOTATIONS
    | frozenset(["type", "enum", "const", "not", "if", "then", "else", "$ref", *COMBINED])
    | frozenset().union(*GROUPS.values())
)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One kind of assertion, with the keywords that it is made of."""

    kind: Kind
    raw: Raw
    """The schema that it is, or is a part of."""
    is_explicit: bool = False
    """Whether a `type` says so, and not only keywords that are of this kind."""
    is_integer: bool = False
    parts: tuple[Node, ...] = ()
    """Of a combined node."""
    is_made: bool = False
    """Whether it is combined only to hold several kinds of assertions of one schema."""
    values: tuple[Any, ...] = ()
    """Of an enum."""

    @property
    def is_own(self) -> bool:
        """Whether it is combined of kinds of its own schema, as a list of types is."""
        return any(part.raw is self.raw for part in self.parts)

    @property
    def words(self) -> dict[str, Any]:
        """The keywords of the schema."""
        return self.raw if isinstance(self.raw, dict) else {}


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A document as nodes, each made once."""

    document: Document
    acceptor: Acceptor
    _nodes: dict[int, tuple[Raw, Node]] = field(default_factory=dict)
    _joined: dict[tuple[int, ...], Raw] = field(default_factory=dict)

    @property
    def root(self) -> Node:
        """The node of the whole document."""
        return self.node(self.document.root)

    def node(self, raw: Raw) -> Node:
        """Return the node of a schema.

        Raises
        ------
        SchemaError
            If it is no schema.
        """
        if isinstance(raw, bool):
            return Node("any" if raw else "never", raw)
        known = self._nodes.get(id(raw))
        if known is None:
            if not isinstance(raw, dict):
                msg = (
                    f"Cannot read {raw!r} as a JSON Schema: a schema is an object, true or "
                    "false. Correct it."
                )
                raise SchemaError(msg)
            known = self._nodes[id(raw)] = raw, self._made(raw)
        return known[1]

    def joined(self, raws: list[Raw]) -> Raw:
        """Return one schema that asserts all of these; the same one for the same parts."""
        if len(raws) == 1:
            return raws[0]
        return self._joined.setdefault(tuple(map(id, raws)), {"allOf": raws})

    def accepts(self, raw: Raw, value: object) -> bool:
        """Return whether a value satisfies a part of the document."""
        return self.acceptor.check(raw)(value)

    def _made(self, raw: dict[str, Any]) -> Node:
        parts: list[Node] = []
        if "$ref" in raw:
            parts.append(self.node(self.document.target(raw)))
            if self.document.are_references_alone:
                return parts[0]
        parts += self._typed(raw)
        if "enum" in raw:
            parts.append(Node("enum", raw, values=tuple(raw["enum"])))
        if "const" in raw:
            parts.append(Node("enum", raw, values=(raw["const"],)))
        for word in COMBINED:
            if word in raw:
                nodes = tuple(self.node(part) for part in raw[word])
                parts.append(Node(word, raw, parts=nodes))
        if "not" in raw:
            parts.append(Node("not", raw))
        if "if" in raw and ("then" in raw or "else" in raw):
            parts.append(Node("if", raw))
        parts = [part for part in parts if part.kind != "any"]
        if len(parts) == 1:
            return parts[0]
        return Node("allOf", raw, parts=tuple(parts), is_made=True) if parts else Node("any", raw)

    def _typed(self, raw: dict[str, Any]) -> list[Node]:
        kinds = raw.get("type")
        if isinstance(kinds, list):
            nodes = tuple(_of_type(raw, kind) for kind in kinds)
            return [Node("anyOf", raw, parts=nodes)]
        if kinds is not None:
            return [_of_type(raw, kinds)]
        return [Node(kind, raw) for kind, words in GROUPS.items() if words & raw.keys()]


def _of_type(raw: dict[str, Any], kind: Any) -> Node:  # noqa: ANN401, it is being checked
    if kind in ("integer", "number"):
        return Node("number", raw, is_explicit=True, is_integer=kind == "integer")
    return Node(kind, raw, is_explicit=True)


def tree(schema: Document) -> Tree:
    """Return a document as nodes."""
    return Tree(schema, Acceptor(schema))
