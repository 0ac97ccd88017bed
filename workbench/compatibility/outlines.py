"""A schema in outline: kinds, fields, items and values at each path, whatever its form.

An outline is what people see in a schema. Alternatives are laid over each other: a field
that only some of them require is optional. The library's wrappers are kinds of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workbench.compatibility.accepting import first_items
from workbench.compatibility.nodes import ANNOTATIONS, GROUPS
from workbench.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from workbench.compatibility.avro_names import AvroType
    from workbench.compatibility.documents import Document, Raw

MOST_ALTERNATIVES = 256
ANY = "any"
_REFERRING = ANNOTATIONS | {"$ref"}
_LIMITS = (GROUPS["string"] | GROUPS["number"]) | frozenset(
    ["minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format"]
)


class Member(NamedTuple):
    """A field in outline."""

    is_required: bool
    outline: Outline


class Outline(Protocol):
    """What is at one path of a schema."""

    @property
    def key(self) -> Hashable:
        """What is the same for the same part of a schema."""

    @property
    def kinds(self) -> frozenset[str]:
        """Types of JSON or Avro, and names of wrappers."""

    @property
    def wrappers(self) -> frozenset[str]:
        """Those of the kinds that are wrappers."""

    @property
    def values(self) -> tuple[object, ...] | None:
        """The only values there are, None where any may be."""

    @property
    def limits(self) -> Mapping[str, object]:
        """What else is asked of values, by keyword."""

    def fields(self) -> dict[str, Member]:
        """Return what is in it by name."""

    def items(self) -> Outline | None:
        """Return what its items are."""

    def others(self) -> Outline | None:
        """Return what its fields of any name are."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way in which a value may satisfy a schema."""

    kinds: frozenset[str] = frozenset()
    wrapper: str | None = None
    properties: tuple[tuple[str, Raw], ...] = ()
    required: frozenset[str] = frozenset()
    items: tuple[tuple[Raw, ...], ...] = ()
    others: tuple[Raw, ...] = ()
    values: tuple[object, ...] | None = None
    limits: tuple[tuple[str, object], ...] = ()

    def met(self, other: _Way) -> _Way:
        """Return the way that satisfies both."""
        values = self.values if other.values is None else other.values
        return _Way(
            _met_kinds(self.kinds, other.kinds),
            self.wrapper or other.wrapper,
            self.properties + other.properties,
            self.required | other.required,
            _both(self.items, other.items),
            self.others + other.others,
            values,
            self.limits + other.limits,
        )


def _both(
    one: tuple[tuple[Raw, ...], ...], other: tuple[tuple[Raw, ...], ...]
) -> tuple[tuple[Raw, ...], ...]:
    """Return the alternatives that are one of each side's."""
    if not one or not other:
        return one or other
    return tuple((*a, *b) for a in one for b in other)


def _met_kinds(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if not one or not other:
        return one | other
    both = one & other
    if "integer" in one ^ other and "number" in one ^ other:
        both |= {"integer"}
    return both


@dataclass(frozen=True, eq=False)
class JsonOutline:
    """What is at one path of a JSON Schema: all of one of these groups of schemas."""

    document: Document
    groups: tuple[tuple[Raw, ...], ...]
    ways: tuple[_Way, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = [way for group in self.groups for way in self._of_all(group)]
        object.__setattr__(self, "ways", tuple(found))

    @property
    def key(self) -> Hashable:
        """What is the same for the same part of a schema."""
        return frozenset(tuple(id(self._meant(raw)) for raw in group) for group in self.groups)

    def _meant(self, raw: Raw) -> Raw:
        """Return a schema, or what it refers to if it says nothing else."""
        while isinstance(raw, dict) and "$ref" in raw and not raw.keys() - _REFERRING:
            raw = self.document.target(raw)
        return raw

    @property
    def kinds(self) -> frozenset[str]:
        """Types of JSON and names of wrappers; `any` where nothing is said."""
        return frozenset().union(*(self._kinds(way) for way in self.ways))

    @staticmethod
    def _kinds(way: _Way) -> frozenset[str]:
        if way.wrapper is not None:
            return frozenset({way.wrapper})
        return way.kinds or frozenset({ANY})

    @property
    def wrappers(self) -> frozenset[str]:
        """Those of the kinds that are wrappers."""
        return frozenset(way.wrapper for way in self.ways if way.wrapper is not None)

    @property
    def values(self) -> tuple[object, ...] | None:
        """The only values there are; null is a kind, and no value."""
        found: list[object] = []
        for way in self.ways:
            if way.kinds == {"null"}:
                continue
            if way.values is None:
                return None
            found += [value for value in way.values if value is not None]
        return tuple(found) if any(way.kinds != {"null"} for way in self.ways) else None

    @property
    def limits(self) -> Mapping[str, object]:
        """What else is asked of values, where all ways ask the same."""
        found = [dict(way.limits) for way in self.ways if way.limits]
        return {w: v for each in found for w, v in each.items()}

    def fields(self) -> dict[str, Member]:
        """Return what is in it by name; of a wrapper, what it wraps if that has an inside."""
        found: dict[str, list[tuple[Raw, ...]]] = {}
        ways = [way for way in self.ways if way.kinds & {"object"} or way.properties]
        for way in ways:
            of_way: dict[str, tuple[Raw, ...]] = {}
            for name, raw in way.properties:
                of_way[name] = (*of_way.get(name, ()), raw)
            for name, raws in of_way.items():
                found.setdefault(name, []).append(raws)
        return {
            name: Member(
                all(name in way.required for way in ways),
                JsonOutline(self.document, tuple(groups)),
            )
            for name, groups in found.items()
        }

    def items(self) -> Outline | None:
        """Return what its items are."""
        groups = tuple(group for way in self.ways for group in way.items)
        return JsonOutline(self.document, groups) if groups else None

    def others(self) -> Outline | None:
        """Return what its fields of any name are."""
        groups = tuple(way.others for way in self.ways if way.others)
        return JsonOutline(self.document, groups) if groups else None

    def _of_all(self, group: Iterable[Raw]) -> list[_Way]:
        found = [_Way()]
        for raw in group:
            found = _crossed(found, self._of(raw))
        return found

    def _of(self, raw: Raw) -> list[_Way]:
        if isinstance(raw, bool):
            return [_Way()] if raw else []
        found = [_Way()]
        if "$ref" in raw:
            found = self._of(self.document.target(raw))
            if self.document.are_references_alone:
                return found
        found = _crossed(found, _own_ways(raw))
        for part in raw.get("allOf", ()):
            found = _crossed(found, self._of(part))
        for word in ("anyOf", "oneOf"):
            if word in raw:
                found = _crossed(found, [way for part in raw[word] for way in self._of(part)])
        return found


def _crossed(one: list[_Way], other: list[_Way]) -> list[_Way]:
    if len(one) * len(other) > MOST_ALTERNATIVES:
        msg = (
            f"Cannot outline the schema: its alternatives come to over {MOST_ALTERNATIVES} "
            "combinations. Compare parts of it."
        )
        raise SchemaError(msg)
    return [a.met(b) for a in one for b in other]


def _own_ways(raw: dict[str, Any]) -> list[_Way]:
    values = raw.get("enum", [raw["const"]] if "const" in raw else None)
    kinds = raw.get("type")
    named = frozenset(kinds if isinstance(kinds, list) else [kinds] if kinds else ())
    if not named and values is not None:
        named = frozenset(map(_kind_of, values))
    if not named:
        named = frozenset(kind for kind, words in GROUPS.items() if words & raw.keys())
    wrapper = _wrapper(raw)
    properties = tuple(raw.get("properties", {}).items())
    if wrapper is not None:
        inner = raw["properties"]["_data_"]
        # What is wrapped is told by the wrapper's name, unless it has an inside of its own.
        properties = (("_data_", inner),) if _has_inside(inner) else ()
    first, rest = first_items(raw)
    items = first if rest is True else [*first, rest]
    limits = tuple((word, raw[word]) for word in sorted(_LIMITS & raw.keys()))
    others = raw.get("additionalProperties", True)
    way = _Way(
        named,
        wrapper,
        properties,
        frozenset(raw.get("required", ())),
        tuple((item,) for item in items),
        () if isinstance(others, bool) else (others,),
        None if values is None else tuple(values),
        limits,
    )
    return [way]


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    of_python = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return of_python.get(type(value), "object")


def _wrapper(raw: dict[str, Any]) -> str | None:
    inside = raw.get("properties", {})
    if not {"_type_", "_data_"} <= inside.keys() or not isinstance(inside["_type_"], dict):
        return None
    name = inside["_type_"].get("const")
    return name if isinstance(name, str) else None


def _has_inside(raw: Raw) -> bool:
    words = raw if isinstance(raw, dict) else {}
    return bool({"properties", "items", "anyOf", "$ref", "additionalProperties"} & words.keys())


@dataclass(frozen=True, eq=False, slots=True)
class AvroOutline:
    """What is at one path of an Avro schema."""

    types: tuple[AvroType, ...]
    default: object = None

    @property
    def key(self) -> Hashable:
        """What is the same for the same part of a schema."""
        return frozenset(map(id, self._branches))

    @property
    def _branches(self) -> tuple[AvroType, ...]:
        found: list[AvroType] = []
        for one in self.types:
            found += one.branches if one.kind == "union" else (one,)
        return tuple(found)

    @property
    def kinds(self) -> frozenset[str]:
        """Types of Avro; a fixed with its size."""
        return frozenset(
            f"fixed({one.size})" if one.kind == "fixed" else one.kind for one in self._branches
        )

    @property
    def wrappers(self) -> frozenset[str]:
        """None: Avro has its own types of times and decimals."""
        return frozenset()

    @property
    def values(self) -> tuple[object, ...] | None:
        """The symbols, where there is nothing but enums."""
        found = [one for one in self._branches if one.kind != "null"]
        if not found or any(one.kind != "enum" for one in found):
            return None
        return tuple(symbol for one in found for symbol in one.symbols)

    @property
    def limits(self) -> Mapping[str, object]:
        """The precision and scale of decimals."""
        found = [list(one.logical) for one in self._branches if one.logical]
        return {"decimal": found} if found else {}

    def fields(self) -> dict[str, Member]:
        """Return the fields of its records."""
        return {
            part.name: Member(not part.has_default, AvroOutline((part.type,)))
            for one in self._branches
            for part in one.fields
        }

    def items(self) -> Outline | None:
        """Return what its items are."""
        found = tuple(one.content for one in self._branches if one.kind == "array")
        return AvroOutline(found) if found else None

    def others(self) -> Outline | None:
        """Return what the values of its maps are."""
        found = tuple(one.content for one in self._branches if one.kind == "map")
        return AvroOutline(found) if found else None
