"""What differs between two schemas: rows by path, renamings offered, and laws."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import diff
from workbench.compatibility.differences import MIRRORED
from workbench.errors import SchemaError
from workbench.tables import SCHEMA_DIFFERENCES

STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def obj(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def wrapped(name: str, data: Any = STRING) -> dict[str, Any]:
    return obj("_type_ _data_", _type_={"const": name}, _data_=data)


def rows(old: Any, new: Any) -> list[tuple[Any, ...]]:
    return diff(old, new).differences.drop("likeness").rows()


NULLABLE = {"type": ["string", "null"]}
MONEY = {"anyOf": [NUMBER, wrapped("decimal_str")]}
NESTED = obj(items=listed(obj("price", price=INTEGER)))
TREE = {"$ref": "#/$defs/n", "$defs": {"n": obj(a={"$ref": "#/$defs/n"}, v=INTEGER)}}
TREE_2 = {"$ref": "#/$defs/n", "$defs": {"n": obj(a={"$ref": "#/$defs/n"}, v=STRING)}}
DIFFERENT = [
    ("equal", obj(a=STRING), obj(a=dict(STRING)), []),
    ("added", obj(), obj(a=STRING), [("field_added", "a", None, "string")]),
    ("removed", obj(a=STRING), obj(), [("field_removed", "a", "string", None)]),
    (
        "kind changed",
        obj(a=INTEGER),
        obj(a=STRING),
        [("kind_changed", "a", "integer", "string")],
    ),
    (
        "nested in a list",
        NESTED,
        obj(items=listed(obj(price=NUMBER))),
        [
            ("became_optional", "items[].price", "required", "optional"),
            ("kind_changed", "items[].price", "integer", "number"),
        ],
    ),
    (
        "required",
        obj(a=STRING),
        obj("a", a=STRING),
        [("became_required", "a", "optional", "required")],
    ),
    (
        "nullable",
        obj(a=STRING),
        obj(a=NULLABLE),
        [("became_nullable", "a", "string", "null | string")],
    ),
    (
        "not null",
        obj(a={"anyOf": [STRING, {"type": "null"}]}),
        obj(a=STRING),
        [("became_not_null", "a", "null | string", "string")],
    ),
    (
        "wrapper",
        obj(a=NUMBER),
        obj(a=wrapped("decimal_str")),
        [("wrapper_changed", "a", "number", "decimal_str")],
    ),
    (
        "one of two kinds is a wrapper",
        obj(a=NUMBER),
        obj(a=MONEY),
        [("wrapper_changed", "a", "number", "decimal_str | number")],
    ),
    (
        "inside a wrapper",
        obj(a=wrapped("address", obj("zip", zip=STRING))),
        obj(a=wrapped("address", obj("zip", zip=INTEGER))),
        [("kind_changed", "a._data_.zip", "string", "integer")],
    ),
    (
        "enum values",
        obj(a={"enum": ["x", "y"]}),
        obj(a={"enum": ["y", "z"]}),
        [("enum_value_added", "a", None, '"z"'), ("enum_value_lost", "a", '"x"', None)],
    ),
    (
        "enum begins",
        obj(a=STRING),
        obj(a={**STRING, "enum": ["x"]}),
        [("enum_added", "a", None, '["x"]')],
    ),
    (
        "const",
        obj(a={"const": 1}),
        obj(a={"enum": [1.0, 2]}),
        [
            ("enum_value_added", "a", None, "2"),
            ("kind_changed", "a", "integer", "integer | number"),
        ],
    ),
    (
        "limit",
        obj(a={**INTEGER, "maximum": 3}),
        obj(a={**INTEGER, "maximum": 5}),
        [("constraint_changed", "a", "maximum 3", "maximum 5")],
    ),
    (
        "map of any names",
        {"type": "object", "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": STRING},
        [("kind_changed", "{*}", "integer", "string")],
    ),
    ("payload", listed(STRING), obj(), [
        ("kind_changed", "$", "array", "object"), ("field_removed", "[]", "string", None),
    ]),
    ("odd name", obj(), obj(**{"a.b": STRING}), [("field_added", '["a.b"]', None, "string")]),
    ("recursion", TREE, TREE_2, [("kind_changed", "v", "integer", "string")]),
    (
        "alternatives are laid over each other",
        obj("a", a=STRING),
        {"anyOf": [obj("a", a=STRING), obj("b", b=STRING)]},
        [("became_optional", "a", "required", "optional"), ("field_added", "b", None, "string")],
    ),
    (
        "parts of one whole",
        {"allOf": [obj("a", a=STRING), obj(b=INTEGER)]},
        obj("a", a=STRING, b=INTEGER),
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "expected"), [d[1:] for d in DIFFERENT], ids=[d[0] for d in DIFFERENT]
)
def test_each_difference_is_a_row_at_its_path(old, new, expected):
    """A difference is told once, at its path, by a stable rule, with before and after."""
    assert rows(old, new) == sorted(expected, key=lambda row: (row[1], row[0]))


def avro(*fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields)}


def test_avro_schemas_are_told_in_their_own_types():
    """Of Avro records: a promoted field, one with a default, symbols, a fixed of another size."""
    symbols = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    old = avro(
        {"name": "n", "type": "int"},
        {"name": "e", "type": symbols},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 4}},
        {"name": "l", "type": {"type": "array", "items": "int"}},
    )
    new = avro(
        {"name": "n", "type": ["null", "long"], "default": None},
        {"name": "e", "type": {**symbols, "symbols": ["A"]}},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 8}},
        {"name": "l", "type": {"type": "array", "items": "string"}},
    )
    assert rows(old, new) == [
        ("enum_value_lost", "e", '"B"', None),
        ("kind_changed", "f", "fixed(4)", "fixed(8)"),
        ("kind_changed", "l[]", "int", "string"),
        ("became_nullable", "n", "int", "long | null"),
        ("became_optional", "n", "required", "optional"),
        ("kind_changed", "n", "int", "long | null"),
    ]


def test_a_renaming_is_offered_and_both_fields_stay():
    """The field that is most like a lost one is offered, with its likeness, in a row of its own."""
    found = diff(obj(customer=STRING, size=INTEGER), obj(customer_id=STRING, note=STRING))
    assert [row for row in found.differences.rows() if row[0] == "field_renamed"] == [
        ("field_renamed", "$", "customer", "customer_id", 0.905)
    ]
    assert sorted(found.differences["rule"].to_list()) == [
        *["field_added"] * 2, *["field_removed"] * 2, "field_renamed",
    ]  # fmt: skip


def test_fields_of_other_kinds_and_names_are_not_offered():
    """Where neither the name nor the kind is alike, no renaming is offered."""
    assert "field_renamed" not in diff(obj(abc=STRING), obj(xyz=INTEGER)).differences["rule"]


def test_a_diff_is_one_value():
    """It says in a line what there is, how much, and whether it is nothing."""
    found = diff(obj(a=STRING), obj(a=INTEGER))
    assert (repr(found), len(found)) == ("<SchemaDiff: 1 kind_changed>", 1)
    assert diff({}, {}).is_empty
    assert not found.is_empty
    assert "<script>" not in diff(obj(), obj(**{"<script>": STRING}))._repr_html_()
    assert SCHEMA_DIFFERENCES.misfits(found.differences) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"type": "object"}, avro(), "Cannot compare a JSON Schema with an Avro schema"),
        ({}, 5, "Cannot read a schema from a int"),
        ({}, {"$ref": "other.json"}, "nothing is ever fetched"),
    ],
)
def test_what_cannot_be_compared_is_refused(old, new, message):
    """Two forms, no schema, or a reference that leads elsewhere: an error that says so."""
    with pytest.raises(SchemaError, match=message):
        diff(old, new)


def test_alternatives_that_multiply_are_refused():
    """Alternatives of alternatives come to too many combinations, and are refused."""
    many = {"allOf": [{"anyOf": [obj(**{f"{a}{b}": STRING}) for a in "abcd"]} for b in range(9)]}
    with pytest.raises(SchemaError, match="over 256 combinations"):
        diff(many, {})


LEAVES = st.sampled_from(
    [
        STRING, INTEGER, NUMBER, NULLABLE, MONEY, {"enum": ["x", 1]}, {"enum": ["x", "y"]},
        wrapped("uuid_hex"), {**STRING, "maxLength": 4}, True, {},
    ]
)  # fmt: skip


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "amount", "amounts", "total"])
    fields = st.dictionaries(names, inner, max_size=3)
    required = st.lists(names, max_size=2, unique=True)
    return st.one_of(
        st.builds(
            lambda f, r: {"type": "object", "properties": f, "required": r}, fields, required
        ),
        inner.map(listed),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts}),
    )


SCHEMAS = st.recursive(LEAVES, objects, max_leaves=6)


@given(SCHEMAS, SCHEMAS)
@settings(max_examples=100, deadline=None)
def test_the_other_way_round_is_the_mirror(old, new):
    """The diff from new to old has the mirrored rules, with before and after exchanged."""
    there, back = diff(old, new).differences.rows(), diff(new, old).differences.rows()
    mirrored = {(MIRRORED[rule], path, b, a, like) for rule, path, a, b, like in there}
    assert mirrored == set(back)


@given(SCHEMAS)
@settings(max_examples=50, deadline=None)
def test_a_schema_has_no_difference_from_itself(schema):
    """From a schema to itself there is nothing to tell."""
    assert diff(schema, schema).is_empty
