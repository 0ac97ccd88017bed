"""What a JSON Schema says of a payload's fields, as an upcaster meets them: decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import UpcasterError

WRAPPED = {"datetime_iso": "datetime", "decimal_str": "Decimal", "uuid_hex": "UUID"}
_KINDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}
_ENVELOPE = {"class_version", "originator_id", "originator_version"}
MOST_REFERENCES = 20


@dataclass(frozen=True)
class Shape:
    """One value: its kinds, and what is inside."""

    kinds: frozenset[str]
    """Names of Python types, or of wrappers that are not known; empty if anything may be."""
    fields: Mapping[str, Shape]
    """The fields of an object."""
    required: frozenset[str]
    """Those that are always there."""
    items: Shape | None
    """What a list holds."""
    values: tuple[Any, ...]
    """All values that are allowed; empty if they are not counted."""
    default: Any = None
    """The value that the schema itself gives."""
    nullable: bool = True

    @property
    def kind(self) -> str | None:
        """The one kind that it has besides null, None if several or unknown."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else None


def shape_of(schema: object) -> Shape:
    """Return what a JSON Schema says, of the fields of a payload.

    Parameters
    ----------
    schema
        A JSON Schema as a dict, or an object with a method `json_schema`.

    Raises
    ------
    UpcasterError
        If it is neither, or no schema of an object.
    """
    found = schema.json_schema() if hasattr(schema, "json_schema") else schema
    if not isinstance(found, Mapping) or not isinstance(found.get("properties", {}), Mapping):
        msg = (
            f"Cannot draft from {found!r:.100}: it is no JSON Schema of a payload. Give a dict "
            'such as {"type": "object", "properties": {...}}, or an object with json_schema().'
        )
        raise UpcasterError(msg)
    return _shape(found, found, 0)


def _shape(schema: Any, root: Mapping[str, Any], depth: int) -> Shape:  # noqa: ANN401, JSON
    schema = _resolved(schema, root)
    if depth > MOST_REFERENCES or not isinstance(schema, Mapping):
        return Shape(frozenset(), {}, frozenset(), None, ())
    several = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(several, list):
        return _union([_shape(one, root, depth + 1) for one in several])
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    wrapper = properties.get("_type_")
    if isinstance(wrapper, Mapping) and isinstance(wrapper.get("const"), str):
        name = str(wrapper["const"])
        kinds = frozenset({str(WRAPPED.get(name, name))})
        return Shape(kinds, {}, frozenset(), None, (), nullable=False)
    told = schema.get("type", [])
    types = [told] if isinstance(told, str) else [t for t in told if isinstance(t, str)]
    if not types and properties:
        types = ["object"]
    items = schema.get("items")
    required = schema.get("required")
    return Shape(
        frozenset(_KINDS[t] for t in types if t in _KINDS),
        {str(n): _shape(s, root, depth + 1) for n, s in properties.items() if n not in _ENVELOPE},
        frozenset(map(str, required)) if isinstance(required, list) else frozenset(),
        None if items is None else _shape(items, root, depth + 1),
        tuple(schema["enum"]) if isinstance(schema.get("enum"), list) else (),
        schema.get("default"),
        nullable="null" in types or not types,
    )


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:  # noqa: ANN401, JSON
    """Follow references within the schema; what leads elsewhere, or round, is anything."""
    for _ in range(MOST_REFERENCES):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            return schema
        target: Any = root
        for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if name and isinstance(target, Mapping):
                target = target.get(name)
        schema = target
    return None


def _union(shapes: list[Shape]) -> Shape:
    """Return what any of several shapes allows."""
    own = [shape for shape in shapes if shape.kinds]
    fields = {name: inner for shape in own for name, inner in shape.fields.items()}
    required = [shape.required for shape in own if "dict" in shape.kinds]
    return Shape(
        frozenset().union(*(shape.kinds for shape in own)),
        fields,
        frozenset.intersection(*required) if required else frozenset(),
        next((shape.items for shape in own if shape.items is not None), None),
        tuple(value for shape in own for value in shape.values),
        nullable=any(shape.nullable for shape in shapes),
    )
