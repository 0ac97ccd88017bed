"""Rules of JSON Schema: the Schema Registry's published facts, our own, and laws."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.compatibility.accepting import Acceptor
from workbench.compatibility.affected import refuses
from workbench.compatibility.changes import is_compatible
from workbench.compatibility.documents import document
from workbench.compatibility.json_changes import changes_of_json
from workbench.compatibility.rules import RULES
from workbench.errors import SchemaError

STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
NULL, BOOLEAN = {"type": "null"}, {"type": "boolean"}
ANYTHING, NOTHING = True, False
MAYBE = {"oneOf": [NULL, STRING]}
COVERED = "is_covered_by_partially_open_content_model"
NOT_COVERED = "not_covered_by_partially_open_content_model"
OPTIONAL = "optional_property_added_to_unopen_content_model"


def foo(more: Any = None, **words: Any) -> dict[str, Any]:
    """A schema with a field `foo` of text, and more fields and keywords."""
    return {"properties": {"foo": STRING, **(more or {})}, **words}


def both(rule: str, old: Any, new: Any, at: str = "#/") -> tuple[Any, Any, str]:
    """A fact: the change from one schema to the other is by one rule, at one place."""
    return old, new, f"{rule} {at}" if rule else ""


def limit(word: str, kind: str, rule: str) -> list[tuple[Any, Any, str]]:
    """The four facts of a keyword that is an upper or a lower limit."""

    def of(*value: int) -> dict[str, Any]:
        return {"type": kind, **dict.fromkeys([word] * len(value), *value)}

    at = f"#/{word}"
    return [
        both(f"{rule}_increased", of(10), of(11), at),
        both(f"{rule}_decreased", of(11), of(10), at),
        both(f"{rule}_removed", of(10), of(), at),
        both(f"{rule}_added", of(), of(10), at),
    ]


def prop(kind: str, *parts: Any) -> dict[str, Any]:
    """An object whose field `p` is combined of parts."""
    return {"type": "object", "properties": {"p": {kind: list(parts)}}}


def array(*items: Any, rest: Any = None) -> dict[str, Any]:
    """A list whose first items have schemas of their own."""
    found: dict[str, Any] = {"type": "array", "items": list(items)}
    return found if rest is None else {**found, "additionalItems": rest}


P = "#/properties/p"
ONE_TWO = {"enum": ["one", "two", "three"]}

VALUES = [
    ({"properties": {}}, {}, ""),
    both("id_changed", {"id": "a"}, {"id": "b"}),
    both("title_changed", {"title": "a"}, {"title": "b"}),
    both("description_changed", {"description": "a"}, {"description": "b"}),
    both("type_changed", {"type": "object"}, {"type": "array"}),
    *limit("minLength", "string", "min_length"),
    *limit("maxLength", "string", "max_length"),
    *limit("maximum", "number", "maximum"),
    *limit("minimum", "number", "minimum"),
    *limit("exclusiveMaximum", "number", "exclusive_maximum"),
    *limit("exclusiveMinimum", "number", "exclusive_minimum"),
    *limit("maxProperties", "object", "max_properties"),
    *limit("minProperties", "object", "min_properties"),
    *limit("maxItems", "array", "max_items"),
    *limit("minItems", "array", "min_items"),
    both("pattern_removed", {**STRING, "pattern": "a"}, STRING, "#/pattern"),
    both("pattern_added", STRING, {**STRING, "pattern": "a"}, "#/pattern"),
    both("pattern_changed", {**STRING, "pattern": "a"}, {**STRING, "pattern": "b"}, "#/pattern"),
    ({**STRING, "pattern": "a"}, {**STRING, "pattern": "a"}, ""),
    both("multiple_of_removed", {**NUMBER, "multipleOf": 10}, NUMBER, "#/multipleOf"),
    both(
        "multiple_of_reduced",
        {**NUMBER, "multipleOf": 10},
        {**NUMBER, "multipleOf": 2},
        "#/multipleOf",
    ),
    both(
        "multiple_of_expanded",
        {**NUMBER, "multipleOf": 2},
        {**NUMBER, "multipleOf": 10},
        "#/multipleOf",
    ),
    both(
        "multiple_of_changed",
        {**NUMBER, "multipleOf": 10},
        {**NUMBER, "multipleOf": 11},
        "#/multipleOf",
    ),
    both("multiple_of_added", NUMBER, {**NUMBER, "multipleOf": 2}, "#/multipleOf"),
    both("enum_array_narrowed", {"enum": ["a", "b"]}, {"enum": ["a"]}, "#/enum"),
    both("enum_array_changed", {"enum": ["a", "b"]}, {"enum": ["a", "c"]}, "#/enum"),
    both(
        "additional_properties_extended",
        {"additionalProperties": NUMBER},
        {"additionalProperties": True},
        "#/additionalProperties",
    ),
    both(
        "additional_items_narrowed",
        array(STRING, rest=True),
        array(STRING, rest=NUMBER),
        "#/additionalItems",
    ),
    both("type_narrowed", NUMBER, INTEGER),
    both("type_extended", INTEGER, NUMBER),
    both("not_type_narrowed", {"not": NUMBER}, {"not": INTEGER}, "#/not"),
    both("not_type_extended", {"not": INTEGER}, {"not": NUMBER}, "#/not"),
    both("product_type_narrowed", {**STRING, "enum": ["red"]}, STRING),
    both(
        "combined_type_subschemas_changed",
        {"allOf": [STRING, {"enum": ["red"]}]},
        {"allOf": [STRING, {"enum": ["blue"]}]},
    ),
    both(
        "enum_array_extended",
        {"allOf": [STRING, {"enum": ["red"]}]},
        {"allOf": [{"enum": ["red", "blue"]}, STRING]},
        "#/allOf/1/enum",
    ),
    both("sum_type_extended", {"type": ["object"]}, {"type": ["object", "array"]}),
]

COMBINED = [
    both("combined_type_subschemas_changed", {"oneOf": [STRING]}, {"oneOf": [NUMBER]}),
    both("sum_type_extended", {"oneOf": [STRING]}, {"oneOf": [NUMBER, STRING]}),
    both(
        "combined_type_subschemas_changed",
        {"oneOf": [foo()]},
        {"oneOf": [{"properties": {"foo": NUMBER}}]},
    ),
    both("combined_type_changed", {"oneOf": [STRING]}, {"allOf": [NUMBER, STRING]}),
    both("sum_type_extended", STRING, {"oneOf": [NUMBER, STRING]}),
    both("sum_type_extended", NULL, {"oneOf": [NUMBER, NULL]}),
    (
        {**STRING, "maxLength": 3},
        {"oneOf": [NUMBER, STRING]},
        "max_length_removed #/maxLength, sum_type_extended #/",
    ),
    both(
        "",
        prop("allOf", ONE_TWO, STRING, {"maxLength": 5}),
        prop("allOf", {"maxLength": 5}, ONE_TWO, STRING),
    ),
    both(
        "combined_type_subschemas_changed",
        prop("allOf", ONE_TWO, STRING, {"maxLength": 5}),
        prop("allOf", {"maxLength": 5}, ONE_TWO, NUMBER),
        P,
    ),
    both("", prop("allOf", STRING, dict(STRING)), prop("allOf", STRING)),
    both("", prop("allOf", STRING), prop("allOf", STRING, dict(STRING))),
    both("sum_type_extended", prop("oneOf", STRING), prop("oneOf", BOOLEAN, NUMBER, STRING), P),
    (
        prop("oneOf", {**STRING, "maxLength": 5}),
        prop("oneOf", BOOLEAN, NUMBER, {"title": "t", **STRING, "maxLength": 8}),
        (
            f"sum_type_extended {P}, title_changed {P}/oneOf/0, "
            f"max_length_increased {P}/oneOf/0/maxLength"
        ),
    ),
    both("sum_type_narrowed", prop("oneOf", NUMBER, STRING), prop("oneOf", STRING), P),
    both("product_type_narrowed", prop("allOf", ONE_TWO, STRING), prop("allOf", STRING), P),
    both("product_type_extended", prop("allOf", STRING), prop("allOf", ONE_TWO, STRING), P),
    both("combined_type_extended", prop("oneOf", STRING), prop("anyOf", STRING), P),
    (
        prop("oneOf", STRING),
        prop("anyOf", NUMBER, STRING),
        f"combined_type_extended {P}, sum_type_extended {P}",
    ),
    both("combined_type_extended", prop("allOf", STRING), prop("anyOf", STRING), P),
    (
        prop("allOf", STRING),
        prop("anyOf", NUMBER, STRING),
        f"combined_type_extended {P}, sum_type_extended {P}",
    ),
    (
        prop("anyOf", STRING),
        prop("oneOf", NUMBER, STRING),
        f"combined_type_extended {P}, sum_type_extended {P}",
    ),
    both("combined_type_changed", prop("anyOf", NUMBER, STRING), prop("oneOf", STRING), P),
    (
        prop("allOf", NUMBER),
        prop("oneOf", NUMBER, STRING),
        f"combined_type_extended {P}, sum_type_extended {P}",
    ),
    both("combined_type_extended", prop("anyOf", STRING), prop("allOf", STRING), P),
    both("combined_type_extended", prop("oneOf", STRING), prop("allOf", STRING), P),
    both("combined_type_changed", prop("anyOf", STRING), prop("allOf", NUMBER, STRING), P),
    both("combined_type_changed", prop("oneOf", STRING), prop("allOf", NUMBER, STRING), P),
    both("sum_type_extended", {"properties": {"p": STRING}}, prop("anyOf", NUMBER, STRING), P),
    both("", {"type": "object", "properties": {"p": STRING}}, prop("allOf", STRING), P),
    both(
        "type_changed",
        {"type": "object", "properties": {"p": STRING}},
        prop("allOf", NUMBER, STRING),
        P,
    ),
]
COMBINED[-3] = both(
    "sum_type_extended",
    {"type": "object", "properties": {"p": STRING}},
    prop("anyOf", NUMBER, STRING),
    P,
)

PATTERNS = {"^S_": STRING, "^I_": INTEGER}
FIELDS = [
    (
        foo(),
        {"properties": {"bar": STRING}},
        (
            "property_added_to_open_content_model #/properties/bar, "
            "property_removed_from_open_content_model #/properties/foo"
        ),
    ),
    both("type_changed", foo(), {"properties": {"foo": NUMBER}}, "#/properties/foo"),
    both(
        OPTIONAL,
        foo(additionalProperties=False),
        foo({"bar": NUMBER}, additionalProperties=False),
        "#/properties/bar",
    ),
    (
        foo(additionalProperties=False, patternProperties=PATTERNS),
        foo({"I_1": NUMBER}, additionalProperties=False, patternProperties=PATTERNS),
        (
            f"type_extended #/properties/I_1, property_added_{COVERED} #/properties/I_1, "
            f"{OPTIONAL} #/properties/I_1"
        ),
    ),
    (
        foo(additionalProperties=STRING),
        foo({"bar": STRING}, additionalProperties=STRING),
        f"property_added_{COVERED} #/properties/bar, {OPTIONAL} #/properties/bar",
    ),
    (
        foo(additionalProperties=STRING),
        foo({"bar": NUMBER}, additionalProperties=STRING),
        (
            f"type_changed #/properties/bar, property_added_{NOT_COVERED} #/properties/bar, "
            f"{OPTIONAL} #/properties/bar"
        ),
    ),
    (
        foo(additionalProperties=STRING),
        foo({"bar": STRING}, additionalProperties=STRING, required=["bar"]),
        (
            f"property_added_{COVERED} #/properties/bar, "
            "required_property_added_to_unopen_content_model #/properties/bar"
        ),
    ),
    (
        foo({"bar": STRING}, additionalProperties=False),
        foo(additionalProperties=STRING),
        (
            f"property_removed_{COVERED} #/properties/bar, "
            "additional_properties_added #/additionalProperties"
        ),
    ),
    (
        foo({"bar": NUMBER}, additionalProperties=False),
        foo(additionalProperties=STRING),
        (
            f"type_changed #/properties/bar, property_removed_{NOT_COVERED} #/properties/bar, "
            "additional_properties_added #/additionalProperties"
        ),
    ),
    (
        foo({"bar": MAYBE}, additionalProperties=False),
        foo(additionalProperties=MAYBE),
        (
            f"property_removed_{COVERED} #/properties/bar, "
            "additional_properties_added #/additionalProperties"
        ),
    ),
    (
        foo({"bar": STRING}, additionalProperties=False),
        foo(additionalProperties=MAYBE),
        (
            f"sum_type_extended #/properties/bar, property_removed_{COVERED} #/properties/bar, "
            "additional_properties_added #/additionalProperties"
        ),
    ),
    both("property_added_to_open_content_model", foo(), foo({"bar": NUMBER}), "#/properties/bar"),
    both("required_attribute_removed", foo(required=["foo"]), foo(), "#/required/foo"),
    both("required_attribute_added", foo(), foo(required=["foo"]), "#/required/foo"),
    both(
        "additional_properties_added",
        {"properties": {}, "additionalProperties": False},
        {"properties": {}},
        "#/additionalProperties",
    ),
    both(
        "additional_properties_removed",
        {"additionalProperties": True},
        {"additionalProperties": False},
        "#/additionalProperties",
    ),
    both(
        "additional_properties_narrowed",
        {"additionalProperties": True},
        {"additionalProperties": NUMBER},
        "#/additionalProperties",
    ),
    both(
        "property_with_empty_schema_added_to_open_content_model",
        {"additionalProperties": True},
        {"additionalProperties": True, "properties": {"foo": True}},
        "#/properties/foo",
    ),
    both(
        "property_removed_from_open_content_model",
        {"additionalProperties": True, "properties": {"foo": True}},
        {"additionalProperties": True},
        "#/properties/foo",
    ),
    both(
        OPTIONAL,
        {"additionalProperties": False},
        {"additionalProperties": False, "properties": {"foo": False}},
        "#/properties/foo",
    ),
    both(
        "property_with_false_removed_from_closed_content_model",
        {"additionalProperties": False, "properties": {"foo": False}},
        {"additionalProperties": False},
        "#/properties/foo",
    ),
    both(
        "property_removed_from_closed_content_model",
        foo(additionalProperties=False),
        {"properties": {}, "additionalProperties": False},
        "#/properties/foo",
    ),
    both(
        "type_changed",
        {"additionalProperties": STRING},
        {"additionalProperties": NUMBER},
        "#/additionalProperties",
    ),
    (
        foo(additionalProperties=False),
        foo({"bar": {**STRING, "default": ""}}, additionalProperties=False, required=["bar"]),
        "required_property_with_default_added_to_unopen_content_model #/properties/bar",
    ),
    (
        foo({"bar": STRING}),
        foo({"bar": {**STRING, "default": ""}}, required=["bar"]),
        "required_attribute_with_default_added #/required/bar, default_changed #/properties/bar",
    ),
]

NEEDS = [
    (
        foo(dependencies={"foo": ["bar"]}),
        foo(dependencies={"bar": ["foo"]}),
        "dependency_array_added #/dependencies/bar, dependency_array_removed #/dependencies/foo",
    ),
    both(
        "dependency_array_extended",
        {"dependencies": {"foo": ["a"]}},
        {"dependencies": {"foo": ["a", "b"]}},
        "#/dependencies/foo",
    ),
    both(
        "dependency_array_narrowed",
        {"dependencies": {"foo": ["a", "b"]}},
        {"dependencies": {"foo": ["a"]}},
        "#/dependencies/foo",
    ),
    both(
        "dependency_array_changed",
        {"dependencies": {"foo": ["a"]}},
        {"dependencies": {"foo": ["b"]}},
        "#/dependencies/foo",
    ),
    both(
        "dependency_schema_removed",
        {"dependencies": {"foo": STRING, "bar": STRING}},
        {"dependencies": {"foo": STRING}},
        "#/dependencies/bar",
    ),
    both(
        "dependency_schema_removed",
        {"dependencies": {"foo": STRING}},
        {"dependencies": {}},
        "#/dependencies/foo",
    ),
    both(
        "type_changed",
        {"dependencies": {"foo": STRING}},
        {"dependencies": {"foo": NUMBER}},
        "#/dependencies/foo",
    ),
    (
        {"dependencies": {"foo": STRING}},
        {"dependencies": {"bar": STRING}},
        "dependency_schema_added #/dependencies/bar, dependency_schema_removed #/dependencies/foo",
    ),
]

LISTS = [
    both("schema_added", {"type": "array"}, {"type": "array", "items": STRING}, "#/items"),
    both("schema_removed", {"type": "array", "items": STRING}, {"type": "array"}, "#/items"),
    (
        array(STRING, NUMBER),
        {"type": "array"},
        (
            "item_removed_from_open_content_model #/items/0, "
            "item_removed_from_open_content_model #/items/1"
        ),
    ),
    both(
        f"item_added_{COVERED}",
        array(STRING, NUMBER, rest=STRING),
        array(STRING, NUMBER, STRING, rest=STRING),
        "#/items/2",
    ),
    (
        array(STRING, NUMBER, rest=STRING),
        array(STRING, NUMBER, NUMBER, rest=STRING),
        f"type_changed #/items/2, item_added_{NOT_COVERED} #/items/2",
    ),
    both(
        f"item_removed_{COVERED}",
        array(STRING, NUMBER, STRING, rest=STRING),
        array(STRING, NUMBER, rest=STRING),
        "#/items/2",
    ),
    both(
        f"item_removed_{COVERED}",
        array(STRING, NUMBER, MAYBE, rest=MAYBE),
        array(STRING, NUMBER, rest=MAYBE),
        "#/items/2",
    ),
    (
        array(STRING, NUMBER, NUMBER, rest=STRING),
        array(STRING, NUMBER, rest=STRING),
        f"type_changed #/items/2, item_removed_{NOT_COVERED} #/items/2",
    ),
    both("type_changed", array(STRING), array(NUMBER), "#/items/0"),
    both(
        "unique_items_removed",
        {"type": "array", "uniqueItems": True},
        {"type": "array"},
        "#/uniqueItems",
    ),
    both(
        "unique_items_added",
        {"type": "array"},
        {"type": "array", "uniqueItems": True},
        "#/uniqueItems",
    ),
    both(
        "additional_items_removed",
        {"additionalItems": True},
        {"additionalItems": False},
        "#/additionalItems",
    ),
    both(
        "type_changed",
        {"additionalItems": STRING},
        {"additionalItems": NUMBER},
        "#/additionalItems",
    ),
    both(
        "item_with_empty_schema_added_to_open_content_model",
        array(NUMBER, rest=True),
        array(NUMBER, ANYTHING, rest=True),
        "#/items/1",
    ),
    both(
        "item_removed_from_open_content_model",
        array(NUMBER, ANYTHING, rest=True),
        array(NUMBER, rest=True),
        "#/items/1",
    ),
    both(
        "item_added_to_closed_content_model",
        array(NUMBER, rest=False),
        array(NUMBER, NOTHING, rest=False),
        "#/items/1",
    ),
    both(
        "item_with_false_removed_from_closed_content_model",
        array(NUMBER, NOTHING, rest=False),
        array(NUMBER, rest=False),
        "#/items/1",
    ),
    (
        array(STRING, NUMBER, rest=False),
        array(STRING, NUMBER, BOOLEAN, rest=True),
        "item_added_to_closed_content_model #/items/2, additional_items_added #/additionalItems",
    ),
    (
        array(STRING, NUMBER, BOOLEAN, rest=False),
        array(STRING, NUMBER, rest=True),
        "item_removed_from_open_content_model #/items/2, additional_items_added #/additionalItems",
    ),
    both(
        "item_removed_from_open_content_model",
        array(STRING, NUMBER, rest=True),
        array(STRING, rest=True),
        "#/items/1",
    ),
    both(
        "item_added_to_closed_content_model",
        array(STRING, rest=False),
        array(STRING, NUMBER, rest=False),
        "#/items/1",
    ),
    both(
        "item_removed_from_closed_content_model",
        array(STRING, NUMBER, rest=False),
        array(STRING, rest=False),
        "#/items/1",
    ),
    both(
        "item_added_to_open_content_model",
        array(STRING, rest=True),
        array(STRING, NUMBER, rest=True),
        "#/items/1",
    ),
    (
        array(STRING, NUMBER, rest=False),
        array(STRING, rest=NUMBER),
        f"item_removed_{COVERED} #/items/1, additional_items_added #/additionalItems",
    ),
    (
        array(STRING, rest=NUMBER),
        array(STRING, NUMBER, rest=True),
        f"item_added_{COVERED} #/items/1, additional_items_extended #/additionalItems",
    ),
]

SOME = {"$ref": "#/definitions/some"}
REFERENCES = [
    both(
        "type_changed",
        {"type": "array", "items": SOME, "definitions": {"some": STRING}},
        {"type": "array", "items": SOME, "definitions": {"some": NUMBER}},
        "#/items",
    ),
    both("", STRING, {**SOME, "definitions": {"some": STRING}}),
    both("", {**SOME, "definitions": {"some": STRING}}, STRING),
]

REGISTRY = [*VALUES, *COMBINED, *FIELDS, *NEEDS, *LISTS, *REFERENCES]


def found(old: Any, new: Any) -> set[str]:
    changes = changes_of_json(document(old), document(new))
    return {f"{change.rule.name} {change.schema_path}" for change in changes}


@pytest.mark.parametrize(("old", "new", "expected"), REGISTRY)
def test_each_fact_of_the_schema_registry_holds(old, new, expected):
    """Rules and places are those of the Schema Registry's own test vectors.

    Facts of confluentinc/schema-registry, json-schema-provider, src/test/resources:
    diff-schema-examples.json and diff-combined-schema-examples.json, and for the limits that
    these leave out the classes of its package json.diff.
    """
    assert found(old, new) == set(filter(None, expected.split(", ")))


def test_each_rule_of_the_registry_has_a_fact():
    """No rule is in the table of rules without a fact that shows it."""
    shown = {text.split()[0] for *_, facts in REGISTRY for text in facts.split(", ") if text}
    assert {name for name, rule in RULES.items() if rule.origin == "registry"} == shown


def in_2020(schema: Any) -> Any:
    """The same schema of a list in the words of 2020-12."""
    if not isinstance(schema.get("items"), list):
        return schema
    rest = {"items": schema["additionalItems"]} if "additionalItems" in schema else {}
    return {"type": "array", "prefixItems": schema["items"], **rest}


@pytest.mark.parametrize(("old", "new", "expected"), [f for f in LISTS if "items" in f[0]])
def test_each_fact_of_lists_holds_in_the_words_of_2020(old, new, expected):
    """The same facts with `prefixItems` and `items`.

    Facts of confluentinc/schema-registry: diff-schema-examples-2020-12.json.
    """
    rules = sorted(text.split()[0] for text in expected.split(", "))
    assert sorted(text.split()[0] for text in found(in_2020(old), in_2020(new))) == rules


SEVEN = {"$schema": "http://json-schema.org/draft-07/schema#"}
SINCE_2019 = {"$schema": "https://json-schema.org/draft/2019-09/schema"}
SINCE_2020 = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {**SEVEN, "$ref": "#/definitions/a", "definitions": {"a": STRING}},
            {**SINCE_2020, "$ref": "#/$defs/a", "$defs": {"a": STRING}},
        ),
        (
            {**SEVEN, **array(INTEGER)},
            {**SINCE_2020, "type": "array", "prefixItems": [INTEGER]},
        ),
        (
            {**SEVEN, **array(INTEGER, rest=False)},
            {**SINCE_2020, "type": "array", "prefixItems": [INTEGER], "items": False},
        ),
        (
            {**SEVEN, "type": "object", "dependencies": {"a": ["b"]}},
            {**SINCE_2019, "type": "object", "dependentRequired": {"a": ["b"]}},
        ),
        ({**SEVEN, **foo(type="object")}, {**SINCE_2020, **foo(type="object")}),
        *(
            ({**SINCE_2020, **part}, {**SINCE_2020, **part, "title": "other"})
            for part in (
                {"properties": {"unevaluatedItems": STRING}},
                {"properties": {"$ref": STRING, "$id": STRING}},
                {"$defs": {"unevaluatedProperties": STRING}},
                {"enum": ["$dynamicRef", {"$ref": "x"}]},
                {"const": {"$dynamicRef": True}},
            )
        ),
    ],
)
def test_the_words_of_another_draft_make_no_difference(old, new):
    """A schema said in the keywords of two drafts is one schema, and names are no keywords.

    Facts of Aiven-Open/karapace, tests/unit/compatibility/jsonschema,
    test_draft_2019_2020_compatibility.py.
    """
    assert is_compatible(changes_of_json(document(old), document(new)))
    assert is_compatible(changes_of_json(document(new), document(old)))


def valid(schema: Any, value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


STRICTER = [
    ("required_attribute_added", foo(required=["foo"]), foo(required=["bar"]), {"foo": "a"}),
    ("required_attribute_added", {"type": "object"}, {"type": "object", "required": ["a"]}, {}),
    ("one_of_overlaps", INTEGER, {"oneOf": [INTEGER, NUMBER]}, 1),
    (
        "one_of_overlaps",
        {"oneOf": [{**NUMBER, "maximum": 1}, {**NUMBER, "minimum": 2}]},
        {"oneOf": [{**NUMBER, "maximum": 3}, {**NUMBER, "minimum": 2}]},
        2,
    ),
    ("enum_array_changed", {"const": "a"}, {"const": "b"}, "a"),
    ("type_added", {"minLength": 1}, {**STRING, "minLength": 1}, 5),
    (
        "pattern_property_added",
        {"type": "object"},
        {"type": "object", "patternProperties": {"^n": NUMBER}},
        {"n": "a"},
    ),
    (
        "pattern_property_not_covered",
        {"type": "object", "patternProperties": {"n": STRING}, "additionalProperties": False},
        {
            "type": "object",
            "patternProperties": {"n": STRING, "^m": NUMBER},
            "additionalProperties": False,
        },
        {"mn": "a"},
    ),
    (
        "pattern_property_not_covered",
        {"type": "object", "patternProperties": {"n": STRING}, "additionalProperties": False},
        {"type": "object", "additionalProperties": False},
        {"n": "a"},
    ),
    (
        "property_also_matched",
        foo(additionalProperties=False),
        foo(patternProperties={"^f": NUMBER}, additionalProperties=False),
        {"foo": "a"},
    ),
    ("contains_added", {"type": "array"}, {"type": "array", "contains": NUMBER}, []),
    (
        "contains_changed",
        {"type": "array", "contains": NUMBER},
        {"type": "array", "contains": INTEGER},
        [1.5],
    ),
    (
        "property_names_added",
        {"type": "object"},
        {"type": "object", "propertyNames": {"maxLength": 1}},
        {"ab": 1},
    ),
    (
        "property_names_changed",
        {"type": "object", "propertyNames": {"maxLength": 2}},
        {"type": "object", "propertyNames": {"maxLength": 1}},
        {"ab": 1},
    ),
    (
        "conditional_changed",
        {"if": STRING, "then": {"minLength": 1}},
        {"if": STRING, "then": {"minLength": 2}},
        "a",
    ),
]


@pytest.mark.parametrize(("rule", "old", "new", "value"), STRICTER)
def test_a_rule_of_our_own_has_a_value_that_shows_why(rule, old, new, value):
    """Where the Schema Registry finds no harm, the old schema takes a value, the new one not."""
    assert rule in {text.split()[0] for text in found(old, new)}
    assert RULES[rule].breaks
    assert valid(old, value)
    assert not valid(new, value)


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("format_changed", {**STRING, "format": "date"}, {**STRING, "format": "time"}),
        ("keyword_unknown", {"type": "object"}, {"type": "object", "requird": ["a"]}),
        ("keyword_unknown", {}, {"requird": ["a"]}),
        ("type_removed", {**STRING, "minLength": 1}, {"minLength": 1}),
        ("contains_removed", {"type": "array", "contains": NUMBER}, {"type": "array"}),
        (
            "property_names_removed",
            {"type": "object", "propertyNames": {"maxLength": 1}},
            {"type": "object"},
        ),
        (
            "pattern_property_removed",
            {"type": "object", "patternProperties": {"a": NUMBER}},
            {"type": "object"},
        ),
    ],
)
def test_a_harmless_change_is_told_and_breaks_nothing(rule, old, new):
    """A change that no reader minds is in the list all the same."""
    assert rule in {text.split()[0] for text in found(old, new)}
    assert is_compatible(changes_of_json(document(old), document(new)))


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "value": INTEGER}}
LIST = {"$ref": "#/$defs/node", "$defs": {"node": NODE}}


def test_a_recursive_schema_is_compared_once_around():
    """A schema that refers to itself is compared, and a change in it is found where it is."""
    other = {**NODE, "properties": {**NODE["properties"], "value": STRING}}
    assert found(LIST, LIST) == set()
    assert found(LIST, {"$ref": "#/$defs/node", "$defs": {"node": other}}) == {
        "type_changed #/properties/value"
    }


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "https://example.com/a.json"}, "leads out of the schema"),
        ({"properties": {"a": {"$ref": "other.json#/a"}}}, "nothing is ever fetched"),
        ({"$ref": "#/$defs/none"}, "has no such part"),
        ({"$ref": "#"}, "refers to itself without"),
        ({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "refers to itself without"),
        ({"$dynamicRef": "#a"}, "'$dynamicRef'"),
        ({"unevaluatedProperties": False}, "'unevaluatedProperties'"),
        ({"$schema": "https://example.com/mine"}, "of the dialect"),
        ({"type": "text"}, "'type' is 'text', and must be one or a list of null, boolean"),
        ({"type": "string", "pattern": "("}, "Cannot use the pattern"),
        ({"properties": {"a": 5}}, "'properties' is {'a': 5}, and must be an object of schemas"),
        ({"$ref": 5}, "'$ref' is 5, and must be a text"),
        ({"allOf": []}, "and must be a list of schemas"),
        ({"required": "a"}, "and must be a list of texts"),
        ({"maxLength": -1}, "and must be a number of 0 or more"),
        (5, "Cannot read a schema from a int"),
    ],
)
def test_what_cannot_be_compared_is_refused(schema, message):
    """A schema that leads elsewhere, or cannot be read, is refused and never called compatible."""
    with pytest.raises(SchemaError, match=re.escape(message)):
        judged(schema)


def judged(schema: Any) -> None:
    """Compare a schema with itself, and check a value against it."""
    read = document(schema)
    Acceptor(read).check(read.root)({"a": 1, "x": "y"})
    changes_of_json(read, document(schema))


def test_references_that_multiply_are_refused():
    """Definitions that each use the next one twice are refused when they come to too many."""
    defs = {
        f"d{i}": {
            "type": "object",
            "properties": {name: {"$ref": f"#/$defs/d{i + 1}"} for name in ("a", "b")},
        }
        for i in range(40)
    }
    old, new = ({"$ref": "#/$defs/d0", "$defs": {**defs, "d40": kind}} for kind in (STRING, NUMBER))
    with pytest.raises(SchemaError, match="references multiply"):
        found(old, new)


def test_a_schema_of_two_hundred_levels_is_compared():
    """Depth costs no recursion: a change at the bottom of 200 levels is found."""

    def deep(bottom: Any) -> Any:
        schema = bottom
        for _ in range(200):
            schema = {"type": "object", "properties": {"a": schema}}
        return schema

    (rule,) = found(deep(STRING), deep(NUMBER))
    assert rule == "type_changed #/" + "/".join(["properties", "a"] * 200)


def test_what_stands_beside_a_reference_counts_since_2019():
    """Up to draft 7 the keywords beside a `$ref` are ignored, since then they are not."""
    old = {"properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": STRING}}
    new = {
        "properties": {"a": {"$ref": "#/definitions/a", "minLength": 5}},
        "definitions": {"a": STRING},
    }
    seven = {"$schema": "http://json-schema.org/draft-07/schema#"}
    assert found({**seven, **old}, {**seven, **new}) == set()
    assert found(old, new) == {"product_type_extended #/properties/a"}


# Laws

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 4),
    st.sampled_from([0.5, 2.0]),
    st.text("ab", max_size=3),
)
NAMES = st.sampled_from(["a", "b", "ab"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
LIMITS = st.integers(0, 3)


def words(**optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


def schemas_within(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas of every keyword that is compared, around others."""
    some = st.lists(inner, min_size=1, max_size=2)
    fields = st.dictionaries(NAMES, inner, max_size=2)
    objects = words(
        type=st.just("object"),
        properties=fields,
        patternProperties=st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
        additionalProperties=inner,
        required=st.lists(NAMES, max_size=2, unique=True),
        minProperties=LIMITS,
        maxProperties=LIMITS,
        propertyNames=words(maxLength=LIMITS, pattern=st.sampled_from(["a", "b"])),
        dependentRequired=st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True)),
        dependentSchemas=st.dictionaries(NAMES, inner, max_size=1),
    )
    arrays = words(
        type=st.just("array"),
        items=inner,
        prefixItems=st.lists(inner, max_size=2),
        minItems=LIMITS,
        maxItems=LIMITS,
        uniqueItems=st.booleans(),
        contains=inner,
        minContains=LIMITS,
        maxContains=LIMITS,
    )
    others = st.one_of(
        st.builds(lambda parts: {"anyOf": parts}, some),
        st.builds(lambda parts: {"oneOf": parts}, some),
        st.builds(lambda parts: {"allOf": parts}, some),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda a, b: {"if": a, "then": b}, inner, inner),
    )
    return st.one_of(objects, arrays, others)


KINDS = st.sampled_from(["null", "boolean", "integer", "number", "string", "object", "array"])
LEAVES = st.one_of(
    st.booleans(),
    words(type=KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True)),
    words(
        type=st.sampled_from(["integer", "number"]),
        minimum=LIMITS,
        maximum=LIMITS,
        exclusiveMinimum=LIMITS,
        exclusiveMaximum=LIMITS,
        multipleOf=st.integers(1, 4),
    ),
    words(
        type=st.just("string"),
        minLength=LIMITS,
        maxLength=LIMITS,
        pattern=st.sampled_from(["a", "^b"]),
    ),
    words(enum=st.lists(SCALARS, min_size=1, max_size=3), type=KINDS),
    st.builds(lambda value: {"const": value}, SCALARS),
)
SCHEMAS = st.recursive(LEAVES, schemas_within, max_leaves=5)


@st.composite
def altered(draw: Any, schema: Any) -> Any:
    """A schema that is like another one but for a few places."""
    if draw(st.integers(0, 5)) == 0:
        return draw(SCHEMAS)
    if isinstance(schema, list):
        return [draw(altered(part)) if isinstance(part, dict) else part for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for word, value in schema.items():
        do = draw(st.integers(0, 9))
        if do == 0:
            continue
        if word in {"properties", "patternProperties", "dependentSchemas"}:
            found[word] = {name: draw(altered(part)) for name, part in value.items()}
        elif word in {"anyOf", "oneOf", "allOf", "prefixItems"}:
            found[word] = [draw(altered(part)) for part in value]
        elif isinstance(value, dict | bool) and word not in {"const", "dependentRequired"}:
            found[word] = draw(altered(value)) if word != "uniqueItems" else value
        elif do == 1 and isinstance(value, int) and word != "const":
            found[word] = max(1, value + draw(st.integers(-1, 1)))
        else:
            found[word] = value
    return found


@st.composite
def pairs(draw: Any) -> tuple[Any, Any]:
    old = draw(SCHEMAS)
    return old, draw(altered(old))


@given(SCHEMAS, st.lists(JSON, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_value_is_taken_exactly_where_jsonschema_takes_it(schema, values):
    """The compiled check of a schema answers as the library jsonschema does."""
    check = Acceptor(document(schema)).check(schema)
    assert [check(value) for value in values] == [valid(schema, value) for value in values]


PLAIN = [None, True, False, 0, 1, 2, 3, -1, 0.5, 2.0, 4, "", "a", "b", "ab", "ba", "aaa"]
INNER = [[], {}, {"a": 1}, {"a": "a"}, [1]]
UNIVERSE = [
    *PLAIN, *INNER, [[]], [{}], [[1]], [1, 1, 1], ["a", "a", "b"],
    *([one] for one in PLAIN), *([one, other] for one in PLAIN[::3] for other in PLAIN),
    *({name: one} for name in ("a", "b", "ab") for one in PLAIN + INNER),
    *({"a": one, "b": other} for one in PLAIN[::3] + INNER for other in PLAIN[::4] + INNER),
    {"a": 1, "b": 1, "ab": 1}, {"a": "a", "ab": "ab"}, {"a": None, "b": "b", "ab": 2},
]  # fmt: skip
"""Small values of every kind: a schema that takes too little refuses one of them."""


@given(pairs())
@settings(max_examples=300, deadline=None)
def test_a_compatible_schema_takes_every_value_of_the_old_one(pair):
    """If nothing breaks, then whatever satisfies the old schema satisfies the new one."""
    old, new = pair
    changes = changes_of_json(document(old), document(new))
    if changes and is_compatible(changes):
        takes, still = jsonschema.Draft202012Validator(old), jsonschema.Draft202012Validator(new)
        taken = [value for value in UNIVERSE if takes.is_valid(value)]
        assert [value for value in taken if not still.is_valid(value)] == []


@given(pairs())
@settings(max_examples=200, deadline=None)
def test_an_event_is_affected_exactly_where_the_reader_refuses_it(pair):
    """Of what the writer takes, the probes together refuse what the reader refuses, no more."""
    old, new = pair
    writer, reader = document(old), document(new)
    acceptor = Acceptor(reader)
    refused = [
        refuses(change.steps, acceptor.check(change.probe))
        for change in changes_of_json(writer, reader)
        if change.probe is not None
    ]
    takes, still = Acceptor(writer).check(writer.root), acceptor.check(reader.root)
    for value in filter(takes, UNIVERSE):
        assert any(probe(value) for probe in refused) is not still(value)


@given(st.lists(SCHEMAS, min_size=1, max_size=2))
@settings(max_examples=40, deadline=None)
def test_a_default_makes_up_for_what_is_missing(schemas):
    """A required field with a default breaks nothing: filled in, old values satisfy the new."""
    old = {"type": "object", "properties": dict(zip("ab", schemas, strict=False))}
    filled = {"type": "string", "default": "x"}
    new = {**old, "properties": {**old["properties"], "ab": filled}, "required": ["ab"]}
    closed = {"additionalProperties": False}
    assert is_compatible(changes_of_json(document({**old, **closed}), document({**new, **closed})))
    for value in UNIVERSE:
        if valid({**old, **closed}, value):
            assert valid({**new, **closed}, {"ab": "x", **value})


@given(SCHEMAS)
@settings(max_examples=50, deadline=None)
def test_a_schema_does_not_differ_from_itself(schema):
    """From a schema to itself nothing changes, whatever is in it."""
    import copy

    assert found(schema, copy.deepcopy(schema)) == set()


@given(st.dictionaries(NAMES, SCHEMAS, max_size=2), SCHEMAS.filter(bool))
@settings(max_examples=30, deadline=None)
def test_an_optional_field_may_be_added_where_the_model_is_closed(fields, added):
    """To a closed model an optional field is added in peace, to an open one it breaks."""
    old = {"type": "object", "properties": fields}
    new = {"type": "object", "properties": {**fields, "new": added}}
    closed = {"additionalProperties": False}
    to_closed = changes_of_json(document({**old, **closed}), document({**new, **closed}))
    assert is_compatible(to_closed)
    rules = {text.split()[0] for text in found(old, new)}
    is_any = "property_with_empty_schema_added_to_open_content_model" in rules
    assert is_any or "property_added_to_open_content_model" in rules
