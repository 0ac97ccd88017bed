"""What a JSON Schema says of one place: alternatives, with references followed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import SchemaError
from workbench.schemas.shapes import INTEGER, JSON_KINDS, NUMBER, OBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workbench.schemas.declared import Json

_KEYWORDS = ("type", "properties", "items", "enum", "const", "required", "additionalProperties")


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared of one place: any of these alternatives, which have no references.

    Notes
    -----
    The keywords that are looked at are `type`, `properties`, `required`,
    `additionalProperties`, `items`, `enum`, `const`, `anyOf`, `oneOf`, `allOf` and local
    `$ref`. Others do not count: ranges, patterns and conditions narrow values only.
    """

    root: Mapping[str, Any]
    options: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, schema: Json) -> Declared:
        """Return what a whole JSON Schema says of a payload."""
        return cls(schema, tuple(_options(schema, schema, ())))

    def _below(self, schemas: list[Any]) -> Declared:
        found = [option for s in schemas for option in _options(s, self.root, ())]
        return Declared(self.root, tuple(found))

    @property
    def is_anything(self) -> bool:
        """Whether any value fits."""
        return any(not any(key in option for key in _KEYWORDS) for option in self.options)

    @property
    def is_nothing(self) -> bool:
        """Whether no value fits."""
        return not self.options

    @property
    def text(self) -> str:
        """What fits, in words."""
        return " or ".join(dict.fromkeys(map(_text, self.options))) or "nothing"

    def of_kind(self, kind: str) -> Declared | None:
        """Return the alternatives that a kind of value fits, None if it fits none."""
        found = tuple(option for option in self.options if _fits(option, kind, self.root))
        if kind == OBJECT:  # rather a plain one than what is said of a wrapper
            found = tuple(o for o in found if not _is_wrapper(o)) or found
        return Declared(self.root, found) if found else None

    @property
    def values(self) -> list[Any] | None:
        """The values that fit, None where any does."""
        found: list[Any] = []
        for option in self.options:
            if "const" in option:
                found.append(option["const"])
            elif "enum" in option:
                found += option["enum"]
            else:
                return None
        return found

    def has_value(self, text: str) -> bool:
        """Return whether a value, given as text as it is stored, is among `values`."""
        return text in {v if isinstance(v, str) else json.dumps(v) for v in self.values or ()}

    @property
    def names(self) -> list[str]:
        """The names of the fields of an object."""
        return list(dict.fromkeys(n for o in self.options for n in o.get("properties", ())))

    def member(self, name: str) -> Declared:
        """Return what is declared of a field."""
        return self._below(
            [o["properties"][name] for o in self.options if name in o.get("properties", ())]
        )

    def requires(self, name: str) -> bool:
        """Return whether every alternative requires a field."""
        return all(name in option.get("required", ()) for option in self.options)

    @property
    def says_members(self) -> bool:
        """Whether anything is said of the fields of an object."""
        said = ("properties", "required", "additionalProperties")
        return any(key in option for option in self.options for key in said)

    @property
    def rest(self) -> Declared | None:
        """What is declared of other fields, None if nothing is said of them."""
        said = [o["additionalProperties"] for o in self.options if "additionalProperties" in o]
        return self._below(said) if len(said) == len(self.options) else None

    @property
    def items(self) -> Declared:
        """What is declared of the items of a list."""
        return self._below([option.get("items", True) for option in self.options])


def _fits(option: Mapping[str, Any], kind: str, root: Mapping[str, Any]) -> bool:
    types = option.get("type")
    types = [types] if isinstance(types, str) else types
    if kind in JSON_KINDS:
        if types is None:
            return True
        return kind in types or (kind == INTEGER and NUMBER in types)
    if types is not None and OBJECT not in types:
        return False
    named = option.get("properties", {}).get("_type_")
    if named is None:  # a plain object: a wrapper is one, if it may have these two fields
        required = set(option.get("required", ()))
        return not required - {"_type_", "_data_"} and "properties" not in option
    names = Declared(root, tuple(_options(named, root, ()))).values
    return names is None or kind in names


def _is_wrapper(option: Mapping[str, Any]) -> bool:
    named = option.get("properties", {}).get("_type_")
    return isinstance(named, dict) and ("const" in named or named.get("type") == "string")


def _text(option: Mapping[str, Any]) -> str:
    if "const" in option:
        return json.dumps(option["const"], ensure_ascii=False)
    if "enum" in option:
        return f"one of {json.dumps(option['enum'], ensure_ascii=False, default=str)}"
    name = option.get("properties", {}).get("_type_")
    if isinstance(name, dict) and "const" in name:
        return str(name["const"])
    types = option.get("type", "anything")
    return types if isinstance(types, str) else " or ".join(types)


def _options(
    schema: Any,  # noqa: ANN401, JSON
    root: Mapping[str, Any],
    followed: tuple[str, ...],
) -> Iterator[Mapping[str, Any]]:
    """Yield the alternatives of a schema, without references, none of them nested."""
    if schema is True:
        yield {}
        return
    if schema is False:
        return
    if not isinstance(schema, dict):
        msg = f"Cannot read {schema!r} as JSON Schema. A schema is an object, true or false."
        raise SchemaError(msg)
    own = {key: value for key, value in schema.items() if key in _KEYWORDS}
    found = [own]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            inner = [o for s in schema[several] for o in _options(s, root, followed)]
            found = [_both(a, b) for a in found for b in inner]
    for part in schema.get("allOf", ()):
        found = [_both(a, b) for a in found for b in _options(part, root, followed)]
    if "$ref" in schema and schema["$ref"] not in followed:
        target = _target(schema["$ref"], root)
        inner = list(_options(target, root, (*followed, schema["$ref"])))
        found = [_both(a, b) for a in found for b in inner]
    yield from found


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two schemas say that must both hold."""
    found = {**one, **other}
    if "properties" in one and "properties" in other:
        found["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        found["required"] = [*one["required"], *other["required"]]
    return found


def _target(reference: str, root: Mapping[str, Any]) -> Any:  # noqa: ANN401, JSON
    """Return what a local reference points to.

    Raises
    ------
    SchemaError
        If it points to another document, or to nothing.
    """
    found: Any = root
    try:
        # Another document begins with its address, which is no name in this one.
        for step in filter(None, reference.removeprefix("#").split("/")):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        msg = (
            f"Cannot follow the reference {reference!r}: the schema has nothing there. "
            "Only references inside the schema, such as '#/$defs/Address', are followed."
        )
        raise SchemaError(msg) from error
    return found
