"""A declared schema, in whatever form, as JSON Schema of the payload as it is stored.

A JSON Schema is taken as it is. A class is read by its annotations: what the library
wraps (times, decimals, ids) is wrapped. No class is imported, and none is called.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Union, get_args, get_origin
from uuid import UUID

from workbench.compatibility.documents import refuse_malformed_parts
from workbench.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = Mapping[str, Any]

NOT_STORED = frozenset(
    ("originator_id", "originator_version", "timestamp", "class_version", "INITIAL_VERSION")
)
"""What an event class has, and a payload has not, or the event table has instead."""

_SIMPLE: dict[object, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}
_WRAPPED: dict[object, str] = {
    datetime: "datetime_iso",
    Decimal: "decimal_str",
    UUID: "uuid_hex",
}


def wrapped(name: str) -> Json:
    """Return the JSON Schema of one of the library's wrappers of a text."""
    return {
        "type": "object",
        "properties": {"_type_": {"const": name}, "_data_": {"type": "string"}},
        "required": ["_type_", "_data_"],
    }


def json_schema_of(declared: object) -> Json:
    """Return a declared schema as JSON Schema of the stored payload.

    Parameters
    ----------
    declared
        A JSON Schema, a pydantic model, a dataclass, or an event class.

    Raises
    ------
    SchemaError
        If it is none of these, or a keyword of it has a value of another kind.
    """
    if isinstance(declared, Mapping):
        refuse_malformed_parts(dict(declared))
        return declared
    if isinstance(declared, type):
        if hasattr(declared, "model_json_schema"):
            return _of_pydantic(declared)
        if dataclasses.is_dataclass(declared) or inspect.get_annotations(declared):
            return _of_class(declared, frozenset())
    msg = (
        f"Cannot read {declared!r} as a schema. Give a JSON Schema as a dict, a pydantic model, "
        "a dataclass, or an event class."
    )
    raise SchemaError(msg)


def _of_pydantic(model: Any) -> Json:  # noqa: ANN401, pydantic need not be there
    try:
        schema = model.model_json_schema()
    except Exception as error:  # what a user's model raises may be anything
        msg = (
            f"Cannot get a JSON Schema from {model.__name__}: {type(error).__name__}: {error}. "
            "Give one as a dict."
        )
        raise SchemaError(msg) from error
    found: Json = _with_wrappers(schema)
    properties = {n: s for n, s in found.get("properties", {}).items() if n not in NOT_STORED}
    required = [name for name in found.get("required", ()) if name not in NOT_STORED]
    return {**found, "properties": properties, "required": required}


def _with_wrappers(schema: Any) -> Any:  # noqa: ANN401, JSON
    """Return a schema of pydantic's in which what the library wraps may be wrapped."""
    if isinstance(schema, list):
        return [_with_wrappers(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    formats = {"date-time": "datetime_iso", "uuid": "uuid_hex"}
    name = formats.get(str(schema.get("format"))) if schema.get("type") == "string" else None
    if name is not None:
        return {"anyOf": [schema, wrapped(name)]}
    found = {key: _with_wrappers(value) for key, value in schema.items()}
    kinds = [s.get("type") for s in schema.get("anyOf", ()) if isinstance(s, dict)]
    if "number" in kinds and "string" in kinds:  # a Decimal
        found["anyOf"] = [*found["anyOf"], wrapped("decimal_str")]
    return found


def _of_class(cls: type, inside: frozenset[type]) -> Json:
    """Return the JSON Schema of a class with annotations; fields with a default are optional."""
    properties, required = {}, []
    for name, annotation, has_default in _annotated(cls):
        properties[name] = _of_annotation(annotation, inside | {cls})
        if not has_default:
            required.append(name)
    return {"type": "object", "title": cls.__qualname__, "properties": properties} | (
        {"required": required} if required else {}
    )


def _annotated(cls: type) -> Iterator[tuple[str, object, bool]]:
    """Yield the name, annotation and whether it has a default, of each field."""
    hints: dict[str, tuple[object, bool]] = {}
    for base in reversed(cls.__mro__):
        names = vars(sys.modules.get(base.__module__, types.ModuleType(""))) | {base.__name__: base}
        for name, annotation in inspect.get_annotations(base).items():
            hints[name] = (_evaluated(annotation, names), name in vars(base))
    fields = getattr(cls, "__dataclass_fields__", {})
    for name, (annotation, has_default) in hints.items():
        if name in NOT_STORED or name.startswith("__") or get_origin(annotation) is ClassVar:
            continue
        field = fields.get(name)
        factory = field is not None and field.default_factory is not dataclasses.MISSING
        default = field.default is not dataclasses.MISSING if field is not None else has_default
        yield name, annotation, bool(default or factory)


def _evaluated(annotation: object, names: dict[str, Any]) -> object:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, names)  # noqa: S307, as typing.get_type_hints does, one by one
    except Exception:  # noqa: BLE001, a name that is there for type checkers only: anything fits
        return Any


def _of_annotation(annotation: Any, inside: frozenset[type]) -> Json:  # noqa: ANN401, a type
    if isinstance(annotation, str):
        return {}
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if annotation in _WRAPPED:
        return wrapped(_WRAPPED[annotation])
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return _of_type(annotation, inside)
    return _of_generic(get_origin(annotation), get_args(annotation), inside)


def _of_type(cls: type, inside: frozenset[type]) -> Json:
    if issubclass(cls, Enum):
        return {"enum": [member.value for member in cls]}
    if dataclasses.is_dataclass(cls):
        found = {"type": "object"} if cls in inside else _of_class(cls, inside)
        # An application's own transcoding wraps it, under a name that the class does not say.
        named = {"_type_": {"type": "string"}, "_data_": {}}
        return {"anyOf": [found, {"type": "object", "properties": named, "required": [*named]}]}
    if issubclass(cls, AbstractSet | Sequence):
        return {"type": "string"} if issubclass(cls, str) else {"type": "array"}
    if issubclass(cls, Mapping):
        return {"type": "object"}
    return {}


def _of_generic(origin: Any, arguments: tuple[Any, ...], inside: frozenset[type]) -> Json:  # noqa: ANN401, a type
    if origin is Literal:
        return {"enum": list(arguments)}
    inner = [_of_annotation(a, inside) for a in arguments if a is not Ellipsis]
    if origin in (Union, types.UnionType):
        return {"anyOf": inner}
    if origin is typing.Annotated or origin is typing.Final:
        return inner[0]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": inner[-1]}
    if isinstance(origin, type) and issubclass(origin, AbstractSet | Sequence):
        return {"type": "array", "items": inner[0] if len(inner) == 1 else {"anyOf": inner}}
    return {}
