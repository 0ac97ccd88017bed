"""A schema as it was handed in: which form it is of, and where its references lead.

JSON Schema of draft 4 to 2020-12 and Avro are told apart by their form. References within
a document are followed; a document is never fetched, and what cannot be followed is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import unquote

from workbench.compatibility.wellformed import refuse_malformed
from workbench.errors import SchemaError

Raw = dict[str, Any] | bool
"""A JSON Schema, or a part of one."""
Form = Literal["json", "avro"]

AVRO_ONLY = frozenset(["record", "error", "enum", "fixed", "map", "bytes", "int", "long"])
AVRO_ONLY |= {"float", "double"}
AVRO_PRIMITIVES = frozenset(
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
)
DIALECTS = {
    "draft-04": 4,
    "draft-06": 6,
    "draft-07": 7,
    "2019-09": 2019,
    "2020-12": 2020,
}
_LAST_WITH_LONE_REFERENCES = 7
REFUSED = {
    "$dynamicRef": "what it refers to depends on who reads it. Use '$ref' instead.",
    "$recursiveRef": "what it refers to depends on who reads it. Use '$ref' instead.",
    "unevaluatedProperties": "what it looks at depends on all other parts of the schema. "
    "Use 'additionalProperties' instead.",
    "unevaluatedItems": "what it looks at depends on all other parts of the schema. "
    "Use 'items' instead.",
}
IN_PLACE = ("allOf", "anyOf", "oneOf")
MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
SINGLE = (
    "not",
    "if",
    "then",
    "else",
    "additionalProperties",
    "items",
    "additionalItems",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)


@runtime_checkable
class HasJsonSchema(Protocol):
    """Whatever can say its JSON Schema, as a `Schema` of a history does."""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema as data."""


SchemaLike = HasJsonSchema | Mapping[str, object] | list[object] | str | bool
"""A schema as it may be handed in: JSON Schema or Avro as data, or what has `json_schema`."""


def plain(schema: SchemaLike) -> Any:  # noqa: ANN401, a document may be anything
    """Return a schema as data of JSON.

    Raises
    ------
    SchemaError
        If it is no schema.
    """
    found: Any = schema.json_schema() if isinstance(schema, HasJsonSchema) else schema
    if isinstance(found, Mapping | list | str | bool):
        return dict(found) if isinstance(found, Mapping) else found
    msg = (
        f"Cannot read a schema from a {type(schema).__name__}: a schema is a dict of JSON Schema "
        "or Avro, or a value with a method json_schema(). Read a file with json.load first."
    )
    raise SchemaError(msg)


def form_of(schema: Any) -> Form:  # noqa: ANN401, as above
    """Return whether data is JSON Schema or Avro.

    Avro is a union (a list), a name (a text), or a dict whose `type` only Avro knows, or
    is itself a dict. Where both would do, as for `{"type": "string"}`, it is JSON Schema.

    Examples
    --------
    >>> form_of({"type": "record", "name": "Placed", "fields": []})
    'avro'
    >>> form_of({"type": "object"})
    'json'
    """
    if isinstance(schema, list | str):
        return "avro"
    if isinstance(schema, dict):
        kind = schema.get("type")
        is_avro = isinstance(kind, dict) or (isinstance(kind, str) and kind in AVRO_ONLY)
        if is_avro or (kind == "array" and isinstance(schema.get("items"), str)):
            return "avro"
    return "json"


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A JSON Schema with all that its references lead to."""

    root: Raw
    draft: int = 2020
    places: dict[str, Raw] = field(default_factory=dict)
    """Parts that bear an identifier or an anchor of their own."""

    def resolve(self, reference: str) -> Raw:
        """Return the part of the document to which a reference leads.

        Raises
        ------
        SchemaError
            If it leads out of the document, or nowhere.
        """
        found = self.places.get(reference)
        if found is not None:
            return found
        base, _, fragment = reference.partition("#")
        start = self.places.get(base) if base else self.root
        if start is None:
            msg = (
                f"Cannot follow the reference {reference!r}: it leads out of the schema, and "
                "nothing is ever fetched. Put what it refers to under '$defs', and refer to "
                "it as '#/$defs/NAME'."
            )
            raise SchemaError(msg)
        return _pointed(start, fragment, reference)

    def target(self, raw: dict[str, Any]) -> Raw:
        """Return what a part with `$ref` refers to, past references to references.

        Raises
        ------
        SchemaError
            If it leads out of the document, nowhere, or back to itself.
        """
        reference: str = raw["$ref"]
        return self.resolve(reference)

    @property
    def are_references_alone(self) -> bool:
        """Whether what stands beside a `$ref` is ignored, as it was up to draft 7."""
        return self.draft <= _LAST_WITH_LONE_REFERENCES


def document(schema: SchemaLike) -> Document:
    """Return a JSON Schema with its references, checked.

    Raises
    ------
    SchemaError
        If it is no JSON Schema, of an unknown dialect, refers out of itself, or to itself
        without going into a field.
    """
    root = plain(schema)
    if not isinstance(root, dict | bool):
        msg = f"Cannot read a JSON Schema: found {_short(root)}. Give a dict, True or False."
        raise SchemaError(msg)
    found = Document(root, _draft(root))
    _walk(found)
    return found


def _draft(root: Raw) -> int:
    named = root.get("$schema") if isinstance(root, dict) else None
    if named is None:
        return 2020
    for part, draft in DIALECTS.items():
        if part in str(named):
            return draft
    if str(named).rstrip("#") == "http://json-schema.org/schema":
        return _LAST_WITH_LONE_REFERENCES
    msg = (
        f"Cannot read a JSON Schema of the dialect {named!r}. There are: "
        f"{', '.join(DIALECTS)}. Correct '$schema', or leave it out for 2020-12."
    )
    raise SchemaError(msg)


def _walk(found: Document) -> None:
    """Note the identifiers, and refuse what cannot be followed."""
    seen: set[int] = set()
    parts: list[dict[str, Any]] = []
    todo: list[Any] = [found.root]
    followed = 0
    while todo:
        while todo:
            raw = todo.pop()
            if isinstance(raw, dict) and id(raw) not in seen:
                seen.add(id(raw))
                parts.append(raw)
                _note(found, raw)
                todo.extend(children(raw))
        # A reference may lead to what is no schema by itself, such as an unknown keyword's value.
        todo = [found.target(raw) for raw in parts[followed:] if "$ref" in raw]
        followed = len(parts)
    _refuse_circles(found, parts)


def _note(found: Document, raw: dict[str, Any]) -> None:
    refuse_malformed(raw)
    for word, reason in REFUSED.items():
        if raw.get(word, True) is not True:
            msg = f"Cannot compare a schema with {word!r}: {reason}"
            raise SchemaError(msg)
    for word in ("$id", "id"):
        name = raw.get(word)
        if isinstance(name, str):
            found.places.setdefault(name.rstrip("#"), raw)
            found.places.setdefault(name, raw)
    if isinstance(raw.get("$anchor"), str):
        found.places.setdefault(f"#{raw['$anchor']}", raw)


def children(raw: dict[str, Any]) -> Iterable[Raw]:
    """Return the schemas right within a schema."""
    for word in MAPS:
        if isinstance(raw.get(word), dict):
            yield from raw[word].values()
    if isinstance(raw.get("dependencies"), dict):
        yield from (s for s in raw["dependencies"].values() if not isinstance(s, list))
    for word in (*IN_PLACE, "prefixItems", "items"):
        if isinstance(raw.get(word), list):
            yield from raw[word]
    yield from (raw[word] for word in SINGLE if isinstance(raw.get(word), dict | bool))


def refuse_malformed_parts(root: Raw) -> None:
    """Refuse a schema of which any part has a keyword whose value is of another kind.

    Raises
    ------
    SchemaError
        If there is one.
    """
    todo = [root]
    while todo:
        raw = todo.pop()
        if isinstance(raw, dict):
            refuse_malformed(raw)
            todo.extend(children(raw))


def _in_place(found: Document, raw: dict[str, Any]) -> Iterable[Raw]:
    """Return the schemas that look at the same value as this one."""
    if "$ref" in raw:
        yield found.target(raw)
        if found.are_references_alone:
            return
    for word in IN_PLACE:
        yield from raw.get(word, ())
    yield from (raw[word] for word in ("not", "if", "then", "else") if word in raw)
    for word in ("dependentSchemas", "dependencies"):
        yield from (s for s in raw.get(word, {}).values() if not isinstance(s, list))


def _refuse_circles(found: Document, parts: list[dict[str, Any]]) -> None:
    """Refuse a schema that comes back to itself at the same value: it says nothing."""
    state: dict[int, bool] = {}  # False while it is open, True once it is known to end
    for part in parts:
        stack: list[tuple[dict[str, Any], Any]] = []
        if id(part) not in state:
            stack.append((part, iter(_in_place(found, part))))
            state[id(part)] = False
        while stack:
            raw, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[id(raw)] = True
                stack.pop()
            elif isinstance(following, dict):
                known = state.get(id(following))
                if known is False:
                    msg = (
                        f"Cannot read the schema at {_short(following)}: it refers to itself "
                        "without going into a field or an item, so that it says nothing. "
                        "Correct the reference."
                    )
                    raise SchemaError(msg)
                if known is None:
                    state[id(following)] = False
                    stack.append((following, iter(_in_place(found, following))))


def _pointed(start: Raw, fragment: str, reference: str) -> Raw:
    at: Any = start
    for step in unquote(fragment).split("/")[1:] if fragment else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict) and name in at:
            at = at[name]
        elif isinstance(at, list) and name.isdecimal() and int(name) < len(at):
            at = at[int(name)]
        else:
            at = None
            break
    if isinstance(at, dict | bool) and (not fragment or fragment.startswith("/")):
        return at
    msg = (
        f"Cannot follow the reference {reference!r}: the schema has no such part. "
        "Correct the reference, or add the part."
    )
    raise SchemaError(msg)


MOST_SHOWN = 80


def _short(value: object) -> str:
    return shown(value, MOST_SHOWN)


def shown(value: object, most: int = 200) -> str:
    """Return a value as JSON text, cut after so many characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def text_of(value: Any) -> str:  # noqa: ANN401, any JSON
    """Return JSON as text that is the same for the same value, in whatever order it is."""
    return json.dumps(value, sort_keys=True, default=str)
