"""An Avro schema as a tree, its names resolved, and the JSON Schema of what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.compatibility.documents import AVRO_PRIMITIVES, SchemaLike, plain, shown
from workbench.errors import SchemaError, near

NAMED = frozenset(["record", "error", "enum", "fixed"])
INT, LONG = 2**31, 2**63


@dataclass(slots=True, eq=False)
class AvroField:
    """A field of a record."""

    name: str
    type: AvroType
    aliases: frozenset[str]
    has_default: bool
    default: object


@dataclass(slots=True, eq=False)
class AvroType:
    """A type of Avro; a record may hold itself."""

    kind: str
    name: str = ""
    """The full name of a record, enum or fixed."""
    aliases: frozenset[str] = frozenset()
    """Its other full names."""
    fields: list[AvroField] = field(default_factory=list)
    symbols: tuple[str, ...] = ()
    default: str | None = None
    """The symbol that stands for those that an enum does not know."""
    size: int = 0
    contents: tuple[AvroType, ...] = ()
    """Of an array its items, of a map its values."""
    branches: tuple[AvroType, ...] = ()
    logical: tuple[object, ...] = ()
    """Of a decimal its precision and scale."""

    @property
    def short_name(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(".")[2]

    @property
    def content(self) -> AvroType:
        """What an array or a map holds."""
        return self.contents[0]


def avro_type(schema: SchemaLike) -> AvroType:
    """Return an Avro schema as a tree.

    Raises
    ------
    SchemaError
        If it is no Avro schema.

    Notes
    -----
    Apache Avro 1.12, Specification: "Schema Declaration" and "Names".
    """
    try:
        return _Reader().read(plain(schema), "")
    except RecursionError as error:
        msg = "Cannot read the Avro schema: it is nested too deeply. Name its inner records."
        raise SchemaError(msg) from error


class _Reader:
    """Reads a schema from outside in, and remembers the names that it has met."""

    def __init__(self) -> None:
        self.named: dict[str, AvroType] = {}

    def read(self, schema: Any, namespace: str) -> AvroType:  # noqa: ANN401, any JSON
        if isinstance(schema, str):
            return self.by_name(schema, namespace)
        if isinstance(schema, list):
            return AvroType("union", branches=tuple(self.read(s, namespace) for s in schema))
        if not isinstance(schema, dict) or "type" not in schema:
            msg = (
                f"Cannot read {shown(schema, 80)} as an Avro schema: it has no 'type'. Correct it."
            )
            raise SchemaError(msg)
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self.read(kind, namespace)
        if kind in NAMED:
            return self.of_name(schema, str(kind), namespace)
        if kind in ("array", "map"):
            word = "items" if kind == "array" else "values"
            return AvroType(kind, contents=(self.read(_needed(schema, word), namespace),))
        found = self.by_name(kind, namespace)
        logical = _decimal(schema)
        return AvroType(found.kind, logical=logical) if logical else found

    def by_name(self, name: Any, namespace: str) -> AvroType:  # noqa: ANN401, it is checked here
        if name in AVRO_PRIMITIVES:
            return AvroType(str(name))
        full = _full(str(name), namespace)
        found = self.named.get(full) or self.named.get(str(name))
        if found is None:
            hint = near(str(name), [*self.named, *AVRO_PRIMITIVES])
            msg = f"Cannot find the Avro type {name!r}, which is used before it is defined. {hint}"
            raise SchemaError(msg)
        return found

    def of_name(self, schema: dict[str, Any], kind: str, namespace: str) -> AvroType:
        name = _full(str(_needed(schema, "name")), str(schema.get("namespace", namespace)))
        inner = name.rpartition(".")[0]
        aliases = frozenset(_full(str(a), inner) for a in schema.get("aliases", ()))
        found = AvroType("record" if kind == "error" else kind, name, aliases)
        if name in self.named:
            msg = f"Cannot read the Avro schema: {name!r} is defined twice. Use its name instead."
            raise SchemaError(msg)
        self.named[name] = found
        found.logical = _decimal(schema)
        if kind == "enum":
            found.symbols = tuple(_needed(schema, "symbols"))
            found.default = schema.get("default")
        elif kind == "fixed":
            found.size = int(_needed(schema, "size"))
        else:
            found.fields = [self.field(part, inner) for part in _needed(schema, "fields")]
        return found

    def field(self, part: Any, namespace: str) -> AvroField:  # noqa: ANN401, any JSON
        if not isinstance(part, dict):
            msg = f"Cannot read the field {shown(part, 80)} of an Avro record: it is no object."
            raise SchemaError(msg)
        return AvroField(
            str(_needed(part, "name")),
            self.read(_needed(part, "type"), namespace),
            frozenset(part.get("aliases", ())),
            "default" in part,
            part.get("default"),
        )


def _needed(schema: dict[str, Any], word: str) -> Any:  # noqa: ANN401, any JSON
    if word not in schema:
        msg = f"Cannot read the Avro schema: {shown(schema, 80)} has no {word!r}. Add it."
        raise SchemaError(msg)
    return schema[word]


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _decimal(schema: dict[str, Any]) -> tuple[object, ...]:
    if schema.get("logicalType") != "decimal":
        return ()
    return schema.get("precision"), schema.get("scale", 0)


def json_of_avro(schema: AvroType) -> dict[str, Any]:
    """Return the JSON Schema of the payloads that a reader of an Avro schema takes.

    Of payloads as plain JSON: a value of a union stands there by itself, bytes are text, and
    a field with a default may be missing.
    """
    defs: dict[str, Any] = {}
    return {**_json(schema, defs), "$defs": defs}


_JSON_OF: dict[str, dict[str, Any]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "minimum": -INT, "maximum": INT - 1},
    "long": {"type": "integer", "minimum": -LONG, "maximum": LONG - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "bytes": {"type": "string"},
    "string": {"type": "string"},
}


def _json(schema: AvroType, defs: dict[str, Any]) -> dict[str, Any]:
    if schema.kind in _JSON_OF:
        return _JSON_OF[schema.kind]
    if schema.kind == "union":
        return {"anyOf": [_json(b, defs) for b in schema.branches]} if schema.branches else _NONE
    if schema.kind == "array":
        return {"type": "array", "items": _json(schema.content, defs)}
    if schema.kind == "map":
        return {"type": "object", "additionalProperties": _json(schema.content, defs)}
    if schema.name not in defs:
        defs[schema.name] = {}
        defs[schema.name] |= _of_named(schema, defs)
    escaped = schema.name.replace("~", "~0").replace("/", "~1")
    return {"$ref": f"#/$defs/{escaped}"}


_NONE: dict[str, Any] = {"not": {}}


def _of_named(schema: AvroType, defs: dict[str, Any]) -> dict[str, Any]:
    if schema.kind == "enum":
        is_open = schema.default in schema.symbols
        return {"type": "string"} if is_open else {"enum": list(schema.symbols)}
    if schema.kind == "fixed":
        return {"type": "string", "minLength": schema.size, "maxLength": schema.size}
    properties: dict[str, Any] = {}
    needs: list[dict[str, Any]] = []
    for part in schema.fields:
        names = [part.name, *sorted(part.aliases)]
        properties |= dict.fromkeys(names, _json(part.type, defs))
        if not part.has_default:
            needs.append({"anyOf": [{"required": [name]} for name in names]})
    found = {"type": "object", "properties": properties}
    return {**found, "allOf": needs} if needs else found
