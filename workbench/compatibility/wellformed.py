"""Whether each keyword of a JSON Schema has a value of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = "a schema: an object, true or false"
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


def _is_schema(value: object) -> bool:
    return isinstance(value, dict | bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_types(value: object) -> bool:
    names = [value] if isinstance(value, str) else value
    return isinstance(names, list) and bool(names) and all(name in TYPES for name in names)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_schemas(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_schema, value))


def _is_schema_map(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_schema, value.values()))


def _is_needs(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_need, value.values()))


def _is_need(value: object) -> bool:
    return _is_schema(value) or _is_names(value)


_EXPECTED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("$ref", lambda v: isinstance(v, str), "a text"),
    ("enum", lambda v: isinstance(v, list), "a list"),
    ("type", _is_types, f"one or a list of {', '.join(TYPES)}"),
    ("pattern", lambda v: isinstance(v, str), "a text"),
    ("uniqueItems", lambda v: isinstance(v, bool), "true or false"),
    ("required", _is_names, "a list of texts"),
    ("multipleOf", lambda v: _is_number(v) and v > 0, "a number above 0"),
    *((word, _is_number, "a number") for word in ("minimum", "maximum")),
    *(
        (word, lambda v: isinstance(v, bool) or _is_number(v), "a number")
        for word in ("exclusiveMinimum", "exclusiveMaximum")
    ),
    *(
        (f"{least}{what}", _is_count, "a number of 0 or more")
        for least in ("min", "max")
        for what in ("Length", "Items", "Properties", "Contains")
    ),
    *(
        (word, _is_schema_map, "an object of schemas")
        for word in ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
    ),
    ("dependencies", _is_needs, "an object of schemas or lists of texts"),
    (
        "dependentRequired",
        lambda v: isinstance(v, dict) and all(map(_is_names, v.values())),
        "an object of lists of texts",
    ),
    *((word, _is_schemas, "a list of schemas") for word in ("allOf", "anyOf", "oneOf")),
    ("prefixItems", lambda v: v == [] or _is_schemas(v), "a list of schemas"),
    ("items", lambda v: v == [] or _is_schema(v) or _is_schemas(v), SCHEMA),
    *(
        (word, _is_schema, SCHEMA)
        for word in (
            "not",
            "if",
            "then",
            "else",
            "additionalProperties",
            "additionalItems",
            "contains",
            "propertyNames",
        )
    ),
)


def refuse_malformed(raw: dict[str, Any]) -> None:
    """Refuse a schema with a keyword whose value is of another kind.

    Raises
    ------
    SchemaError
        If there is one.
    """
    for word, fits, expected in _EXPECTED:
        if word in raw and not fits(raw[word]):
            msg = (
                f"Cannot read the schema: {word!r} is {raw[word]!r:.80}, and must be {expected}. "
                "Correct it."
            )
            raise SchemaError(msg)
