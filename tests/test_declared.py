"""Declared schemas held against what is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003, annotations are read
from decimal import Decimal  # noqa: TC003, the same
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import UUID  # noqa: TC003, the same

import pydantic
import pytest
from eventsourcing.domain import Aggregate
from hypothesis import given, settings
from stores import PLACED, Row, to_json, write_native
from strategies import histories

from workbench import open_history
from workbench.errors import SchemaError
from workbench.samples import release_1, release_2, release_3
from workbench.schemas.against import RULES
from workbench.schemas.declared import json_schema_of, wrapped
from workbench.tables import SCHEMA_MISMATCHES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench import History
    from workbench.schemas import Schemas


@pytest.fixture(scope="module")
def schemas(shop: History) -> Schemas:
    """Return the schemas of the sample history."""
    return shop.schemas()


PAYLOADS = [
    {"id": "a", "n": 1, "price": 2.5, "tags": ["x"], "state": "open"},
    {"id": "b", "n": None, "price": 3, "tags": [], "state": "shut"},
    {"id": "c", "price": 3.5, "tags": ["y", 5], "state": "open", "more": {"z": 1}},
]


@pytest.fixture(scope="module")
def stored(new_path: Callable[[], Path]) -> Any:
    """Return the schema of three events with fields of several kinds."""
    rows = [Row(10 * i, f"s{i}", 1, PLACED, to_json(p)) for i, p in enumerate(PAYLOADS, 1)]
    return open_history(write_native(new_path(), rows)).schemas()["Order.Placed", "1"]


FULL = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "n": {"type": ["integer", "null"]},
        "price": {"type": "number"},
        "tags": {"type": "array", "items": {"type": ["string", "integer"]}},
        "state": {"enum": ["open", "shut"]},
        "more": {"type": "object", "properties": {"z": {"type": "integer"}}},
    },
    "required": ["id", "price", "tags", "state"],
}


def changed(**properties: Any) -> dict[str, Any]:
    """Return the full schema with other properties."""
    return {**FULL, "properties": {**FULL["properties"], **properties}}


MISMATCHES: dict[str, tuple[dict[str, Any], list[tuple[str, str, int, int | None, int | None]]]] = {
    "agrees": (FULL, []),
    "anything": ({}, []),
    "required": (
        {**FULL, "required": ["id", "n"]},
        [("n", "missing_required", 1, 30, 30)],
    ),
    "null": (changed(n={"type": "integer"}), [("n", "null_not_allowed", 1, 20, 20)]),
    "type": (changed(price={"type": "integer"}), [("price", "wrong_type", 2, 10, 30)]),
    "item": (
        changed(tags={"type": "array", "items": {"type": "string"}}),
        [("tags[]", "wrong_type", 1, 30, 30)],
    ),
    "enum": (changed(state={"enum": ["open"]}), [("state", "not_in_enum", 1, 20, 20)]),
    "const": (changed(state={"const": "shut"}), [("state", "not_in_enum", 2, 10, 30)]),
    "nested": (
        changed(more={"type": "object", "properties": {}, "additionalProperties": False}),
        [("more.z", "undeclared_field", 1, 30, 30)],
    ),
    "optional and never there": (
        changed(gone={"type": "string"}),
        [("gone", "never_stored", 0, None, None)],
    ),
    "required and never there": (
        {**FULL, "required": ["gone"], "properties": {**FULL["properties"], "gone": {}}},
        [("gone", "missing_required", 3, 10, 30)],
    ),
    "reference": (
        {**changed(id={"$ref": "#/$defs/id"}), "$defs": {"id": {"type": "integer"}}},
        [("id", "wrong_type", 3, 10, 30)],
    ),
    "reference to itself": ({"$ref": "#"}, []),
    "any of": (
        changed(n={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        [("n", "wrong_type", 1, 10, 10)],
    ),
    "all of": (
        {"allOf": [FULL, {"required": ["n"]}]},
        [("n", "missing_required", 1, 30, 30)],
    ),
    "rest": (
        {
            "properties": {"id": {}},
            "additionalProperties": {"type": ["integer", "array", "string", "object"]},
        },
        [("n", "null_not_allowed", 1, 20, 20), ("price", "wrong_type", 2, 10, 30)],
    ),
    "nothing": (
        {**FULL, "properties": {**FULL["properties"], "id": False}},
        [("id", "wrong_type", 3, 10, 30)],
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_mismatches(stored: Any, name: str) -> None:
    """A mismatch is told with its rule, and with the events that it affects."""
    declared, expected = MISMATCHES[name]
    found = stored.against(declared)
    columns = ("path", "rule", "events", "first_position", "last_position")
    assert found.select(columns).rows() == expected
    assert SCHEMA_MISMATCHES.misfits(found) == []


def test_every_rule_is_told(stored: Any) -> None:
    """The cases above have every rule there is."""
    rules = {rule for _, expected in MISMATCHES.values() for _, rule, *_ in expected}
    assert rules == set(RULES)


@settings(max_examples=30)
@given(rows=histories(max_size=20))
def test_a_schema_agrees_with_its_own_json_schema(
    new_path: Callable[[], Path], rows: list[Row]
) -> None:
    """What was inferred, written as JSON Schema, has no mismatch with what is stored."""
    for schema in open_history(write_native(new_path(), rows)).schemas():
        assert schema.against(schema.json_schema()).rows() == []


RELEASES = {"1": release_1, "2": release_2, "3": release_3}
TYPES = [("Order", "Placed"), ("Payment", "Charged"), ("Refund", "Issued"), ("Order", "Cancelled")]


@pytest.mark.parametrize(("aggregate", "event"), TYPES)
def test_each_version_fits_the_release_that_wrote_it(
    schemas: Schemas, aggregate: str, event: str
) -> None:
    """The events of a version agree with the class of the release that declares it."""
    for schema in schemas.of(f"{aggregate}.{event}"):
        release = RELEASES[schema.name]
        assert schema.against(getattr(getattr(release, aggregate), event)).rows() == []


def test_old_events_against_the_newest_release(schemas: Schemas) -> None:
    """What the upcasters of release 3 have to do is what its class and version 1 differ in."""
    found = schemas["Order.Placed", "1"].against(release_3.Order.Placed)
    assert found.select("path", "rule", "events", "first_position").rows() == [
        ("address", "wrong_type", 1217, 87),
        ("customer_name", "undeclared_field", 1217, 87),
        ("first_name", "missing_required", 1217, 87),
        ("last_name", "missing_required", 1217, 87),
    ]


class Colour(Enum):
    """A kind of value."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    """A class inside another."""

    x: int
    next: Point | None = None


@dataclass
class Declared:
    """A dataclass with annotations of many kinds."""

    text: str
    amount: Decimal
    at: datetime
    id: UUID
    maybe: int | None
    names: list[str]
    counts: dict[str, int]
    colour: Colour
    word: Literal["a", "b"]
    unknown: NotThere  # noqa: F821, as a name that is there for type checkers only
    shared: ClassVar[int] = 1
    with_default: bool = True
    with_factory: tuple[float, ...] = field(default_factory=tuple)


PROPERTIES = {
    "text": {"type": "string"},
    "amount": wrapped("decimal_str"),
    "at": wrapped("datetime_iso"),
    "id": wrapped("uuid_hex"),
    "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "names": {"type": "array", "items": {"type": "string"}},
    "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    "colour": {"enum": ["red", "blue"]},
    "word": {"enum": ["a", "b"]},
    "unknown": {},
    "with_default": {"type": "boolean"},
    "with_factory": {"type": "array", "items": {"type": "number"}},
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_annotations(name: str) -> None:
    """An annotation of a dataclass is the JSON Schema of what the library stores for it."""
    assert json_schema_of(Declared)["properties"][name] == PROPERTIES[name]


def test_fields_with_a_default_are_optional() -> None:
    """A field with a default may be missing, as the library reads it then."""
    schema = json_schema_of(Declared)
    assert list(schema["properties"]) == list(PROPERTIES)
    assert schema["required"] == [n for n in PROPERTIES if not n.startswith("with_")]


def test_a_class_inside_itself() -> None:
    """A class that refers to itself is followed once."""
    inner = json_schema_of(Point)["properties"]["next"]["anyOf"][0]["anyOf"][0]
    assert inner == {"type": "object"}


class Dog(Aggregate):
    """An aggregate whose events are declared in the library's way."""

    class TrickAdded(Aggregate.Event):
        """An event."""

        trick: str


def test_an_event_class() -> None:
    """Of an event class, what the library keeps beside the payload is left out."""
    schema = json_schema_of(Dog.TrickAdded)
    assert schema["properties"] == {"trick": {"type": "string"}}
    assert schema["required"] == ["trick"]


class Model(pydantic.BaseModel):
    """A pydantic model."""

    at: datetime
    amount: Decimal
    name: str = ""


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_a_pydantic_model(new_path: Callable[[], Path], *, is_wrapped: bool) -> None:
    """Times and decimals of a pydantic model may be stored wrapped, or as pydantic writes them."""
    time, amount = "2025-01-01T12:00:00Z", "9.50"
    payload = {
        "at": {"_type_": "datetime_iso", "_data_": time} if is_wrapped else time,
        "amount": {"_type_": "decimal_str", "_data_": amount} if is_wrapped else amount,
    }
    path = write_native(new_path(), [Row(1, "s", 1, PLACED, to_json(payload))])
    (schema,) = open_history(path).schemas()
    assert schema.against(Model).select("path", "rule").rows() == [("name", "never_stored")]


@pytest.mark.parametrize("declared", [5, "schema", int, None, [{}]])
def test_what_is_no_schema(stored: Any, declared: object) -> None:
    """What is no schema is refused, with what can be given."""
    with pytest.raises(SchemaError, match="Give a JSON Schema"):
        stored.against(declared)


@pytest.mark.parametrize("reference", ["#/$defs/no", "other.json", "#/properties/id/type/x", "#/0"])
def test_a_reference_to_nothing(stored: Any, reference: str) -> None:
    """A reference that leads nowhere, or out of the schema, is an error."""
    with pytest.raises(SchemaError, match="Cannot follow the reference"):
        stored.against({**changed(n={"$ref": reference})})


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"properties": {"n": "integer"}}, "properties"),
        ({"properties": []}, "properties"),
        ({"anyOf": 3}, "anyOf"),
        ({"required": 3}, "required"),
        ({"type": "text"}, "type"),
        ({"properties": {"n": {"items": {"enum": 3}}}}, "enum"),
    ],
)
def test_a_malformed_schema(stored: Any, schema: Any, word: str) -> None:
    """A keyword whose value is of another kind is an error that names it, wherever it is."""
    with pytest.raises(SchemaError, match=f"Cannot read the schema: '{word}' is"):
        stored.against(schema)
