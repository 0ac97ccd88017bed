"""Rules of Avro: facts of Avro's own checker and of the Schema Registry, our own, and laws."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import check_compatibility
from workbench.compatibility.avro_changes import changes_of_avro
from workbench.compatibility.avro_names import avro_type
from workbench.compatibility.changes import is_compatible
from workbench.errors import SchemaError

MISSING = object()


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any = "int", default: Any = MISSING, **more: Any) -> dict[str, Any]:
    found = {"name": name, "type": kind, **more}
    return found if default is MISSING else {**found, "default": default}


def enum(symbols: str, name: str = "E", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def map_of(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


def inner(namespace: str) -> dict[str, Any]:
    return record(field("f", ["null", array(record(field("a"), name="I", namespace=namespace))]))


A, B = field("a"), field("b")
A0, B0 = field("a", default=0), field("b", default=0)
TAKEN = [
    *((kind, kind) for kind in ("null", "boolean", "int", "long", "string", "bytes")),
    ("long", "int"), ("float", "int"), ("float", "long"), ("double", "int"), ("double", "long"),
    ("double", "float"), ("string", "bytes"), ("bytes", "string"),
    (array("long"), array("int")), (map_of("long"), map_of("int")),
    (array({"type": "string"}), array("string")),
    (enum("AB"), enum("AB")), (enum("ABC"), enum("AB")),
    (enum("AB", default="A"), enum("ABC", default="A")),
    ([], []), (["float"], []), (["float"], ["int"]), (["float"], ["long"]),
    (["float"], ["int", "long"]), (["int", "string"], ["string", "int"]),
    (["string"], ["bytes"]), (["bytes"], ["string"]), (["double"], ["int", "float"]),
    ("float", ["int", "float"]), ("long", ["int", "long"]),
    ("double", ["int", "long", "float", "double"]),
    ("float", ["float"]), (["int"], "int"), ("int", ["int"]),
    (fixed(4), fixed(4)),
    (record(), record()), (record(), record(A)), (record(A), record(A0)), (record(A0), record(A)),
    (record(field("a", "long")), record(A)), (record(A), record(A, B)), (record(A, B0), record(A)),
    (record(A0, B0), record()), (record(A, B), record(A0, B0)),
    (record(field("b")), record(A, B)),
    (inner("one"), inner("two")), (record(A), record(A, name="ns.R")),
    (record(field("x", aliases=["a"])), record(A)),
    (record(A, name="Other", aliases=["R"]), record(A)),
]  # fmt: skip

REFUSED = [
    *(
        (reader, writer, "type_mismatch #/")
        for reader, writer in [
            ("null", "int"), ("null", "long"), ("boolean", "int"), ("int", "null"),
            ("int", "boolean"), ("int", "long"), ("int", "float"), ("int", "double"),
            ("long", "float"), ("long", "double"), ("float", "double"), ("double", "string"),
            (fixed(4), "string"), ("string", "boolean"), ("string", "int"), ("bytes", "null"),
            ("bytes", "int"), (record(A), "int"), (map_of("int"), array("int")),
            (array("int"), map_of("int")), ("int", enum("AB")), (enum("AB"), "int"),
        ]
    ),
    (array("int"), array("long"), "type_mismatch #/items"),
    (map_of("int"), map_of("long"), "type_mismatch #/values"),
    ("float", ["int", "long", "float", "double"], "type_mismatch #/3"),
    ("long", ["int", "float"], "type_mismatch #/1"),
    ("int", ["int", "string"], "type_mismatch #/1"),
    (record(A0), record(field("a", ["null", "int"], None)), "type_mismatch #/fields/0/type/0"),
    (fixed(4), fixed(8), "fixed_size_mismatch #/size"),
    (record(field("b", fixed(8))), record(field("b", fixed(4))),
     "fixed_size_mismatch #/fields/0/type/size"),
    (enum("AB"), enum("ABC"), "missing_enum_symbols #/symbols"),
    (enum("BC"), enum("ABC"), "missing_enum_symbols #/symbols"),
    (record(field("e", enum("AB"))), record(field("e", enum("ABC"))),
     "missing_enum_symbols #/fields/0/type/symbols"),
    (["int"], ["int", "string"], "missing_union_branch #/1"),
    (["string"], ["int", "string"], "missing_union_branch #/0"),
    *(
        (["int"], ["int", other], "missing_union_branch #/1")
        for other in (
            record(A), enum("AB"), fixed(4), "boolean", array("int"), map_of("int"), "null",
        )
    ),
    *(
        (["int"], [other], "missing_union_branch #/0")
        for other in ("long", "float", "double", "bytes")
    ),
    (["int", record(A)], ["int", record(A, name="S")], "missing_union_branch #/1"),
    (record(field("b", ["int"], 0)), record(field("b", ["int", "string"], 0)),
     "missing_union_branch #/fields/0/type/1"),
    (enum("AB"), enum("AB", name="G"), "name_mismatch #/name"),
    (record(name="S"), record(), "name_mismatch #/name"),
    (fixed(4), fixed(4, name="G"), "name_mismatch #/name"),
    (record(field("e", enum("AB"))), record(field("e", enum("AB", name="G"))),
     "name_mismatch #/fields/0/type/name"),
    (record(A), record(), "reader_field_missing_default_value #/fields/0"),
    (record(A, B0), record(), "reader_field_missing_default_value #/fields/0"),
]  # fmt: skip


def found(reader: Any, writer: Any, *, breaks: bool = True) -> set[str]:
    changes = changes_of_avro(avro_type(writer), avro_type(reader))
    return {f"{c.rule.name} {c.schema_path}" for c in changes if c.rule.breaks == breaks}


@pytest.mark.parametrize(("reader", "writer"), TAKEN)
def test_each_reader_that_avro_finds_compatible_is(reader, writer):
    """Facts of apache/avro, lang/py/avro/test/test_compatibility.py: the pairs that resolve."""
    assert found(reader, writer) == set()


@pytest.mark.parametrize(("reader", "writer", "expected"), REFUSED)
def test_each_reader_that_avro_refuses_is_refused_there(reader, writer, expected):
    """Facts of the same tests: pairs that do not resolve, by which kind, and where."""
    assert found(reader, writer) == {expected}


S1 = record(field("f1", "string"), name="myrecord")
S2 = record(field("f1", "string"), field("f2", "string", "foo"), name="myrecord")
S3 = record(field("f1", "string"), field("f2", "string"), name="myrecord")
S4 = record(field("f1_new", "string", aliases=["f1"]), name="myrecord")
S6 = record(field("f1", ["null", "string"]), name="myrecord")
S7 = record(field("f1", ["null", "string", "int"]), name="myrecord")
S8 = record(
    field("f1", "string"), field("f2", "string", "foo"), field("f3", "string", "bar"),
    name="myrecord",
)  # fmt: skip


@pytest.mark.parametrize(
    ("level", "new", "old", "is_fine"),
    [
        ("BACKWARD", S2, [S1], True),
        ("BACKWARD", S3, [S1], False),
        ("BACKWARD", S4, [S1], True),
        ("BACKWARD", S6, [S1], True),
        ("BACKWARD", S1, [S6], False),
        ("BACKWARD", S7, [S6], True),
        ("BACKWARD", S6, [S7], False),
        ("BACKWARD", S3, [S1, S2], True),
        ("BACKWARD_TRANSITIVE", S8, [S1, S2], True),
        ("BACKWARD_TRANSITIVE", S2, [S1], True),
        ("BACKWARD_TRANSITIVE", S3, [S2], True),
        ("BACKWARD_TRANSITIVE", S3, [S2, S1], False),
        ("FORWARD", S2, [S1], True),
        ("FORWARD", S3, [S1], True),
        ("FORWARD", S3, [S2], True),
        ("FORWARD", S2, [S3], True),
        ("FORWARD", S1, [S3, S2], True),
        ("FORWARD_TRANSITIVE", S1, [S8, S2], True),
        ("FORWARD_TRANSITIVE", S2, [S3], True),
        ("FORWARD_TRANSITIVE", S1, [S2], True),
        ("FORWARD_TRANSITIVE", S1, [S2, S3], False),
        ("FULL", S2, [S1], True),
        ("FULL", S3, [S1, S2], True),
        ("FULL", S1, [S3, S2], True),
        ("FULL_TRANSITIVE", S8, [S1, S2], True),
        ("FULL_TRANSITIVE", S1, [S8, S2], True),
        ("FULL_TRANSITIVE", S2, [S3], True),
        ("FULL_TRANSITIVE", S1, [S2], True),
        ("FULL_TRANSITIVE", S2, [S1], True),
        ("FULL_TRANSITIVE", S3, [S2], True),
        ("FULL_TRANSITIVE", S3, [S2, S1], False),
        ("FULL_TRANSITIVE", S1, [S2, S3], False),
        ("NONE", S1, [S7], True),
    ],
)
def test_each_level_checks_the_versions_that_the_registry_checks(level, new, old, is_fine):
    """Facts of confluentinc/schema-registry, AvroCompatibilityTest: which level finds what."""
    findings = check_compatibility(new, old, level)
    assert findings["breaks"].any() is not is_fine


def test_harmless_changes_are_told():
    """What a reader fills in, ignores or promotes is in the list, and breaks nothing."""
    reader = record(field("a", "long"), B0, field("e", enum("A", default="A")))
    writer = record(A, field("c"), field("e", enum("AB")))
    assert found(reader, writer) == set()
    assert found(reader, writer, breaks=False) == {
        "type_promoted #/fields/0/type",
        "field_with_default_added #/fields/1",
        "enum_symbol_defaulted #/fields/2/type/symbols",
        "field_ignored #/fields/1",
    }


def test_decimals_of_another_scale_do_not_match():
    """Avro's specification: decimals match if precision and scale are the same."""

    def decimal(scale: int) -> dict[str, Any]:
        return {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale}

    assert found(decimal(2), decimal(2)) == set()
    assert found(decimal(2), decimal(3)) == {"decimal_mismatch #/logicalType"}


def test_a_recursive_record_is_compared_once_around():
    """A record that holds itself is compared, and a change in it is found where it is."""
    old = record(field("next", ["null", "R"]), A)
    new = record(field("next", ["null", "R"]), field("a", "string"))
    assert found(old, old) == set()
    assert "type_mismatch #/fields/1/type" in found(new, old)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("intt", "Near it: int"),
        ({"type": "record", "name": "R"}, "has no 'fields'"),
        ({"type": "array"}, "has no 'items'"),
        (record(A, record(A)), "has no 'type'|used before it is defined|is defined twice"),
        (record("a"), "it is no object"),
        ([5], "it has no 'type'"),
    ],
)
def test_what_is_no_avro_schema_is_refused(schema, message):
    """A schema that Avro would not parse is refused with what is wrong with it."""
    with pytest.raises(SchemaError, match=message):
        avro_type(schema)


def test_stored_events_that_a_reader_refuses_are_counted():
    """Of events as JSON: a missing field, a lost symbol, an int of too many bits."""
    old = record(field("n", "long"), field("e", enum("AB")))
    new = record(field("n", "int"), field("e", enum("A")), field("x", "string"))
    payloads = ['{"n": 1, "e": "A", "x": ""}', '{"n": 3000000000, "e": "B"}', '{"n": 1, "e": "B"}']
    events = pl.DataFrame({"position": [4, 7, 9], "data": payloads})
    rows = check_compatibility(new, old, events=events).filter("breaks")
    told = rows.select("rule", "path", "affected", "of", "first_position", "last_position")
    assert sorted(told.rows()) == [
        ("missing_enum_symbols", "e", 2, 3, 7, 9),
        ("reader_field_missing_default_value", "x", 2, 3, 7, 9),
        ("type_mismatch", "n", 1, 3, 7, 7),
    ]


def test_avro_and_json_schema_are_not_compared():
    """The rules of the two differ, so that a pair of both is refused."""
    with pytest.raises(SchemaError, match="Cannot compare a JSON Schema with an Avro"):
        check_compatibility(S1, {"type": "object"})


# Laws

PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string"])


def wrapped(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.lists(
        st.builds(field, st.sampled_from("abc"), inside),
        max_size=3,
        unique_by=lambda part: part["name"],
    )
    return st.one_of(
        st.builds(array, inside),
        st.builds(map_of, inside),
        st.builds(lambda parts: record(*parts), fields),
        st.lists(PRIMITIVES, min_size=1, max_size=3, unique=True),
    )


ENUMS = st.sampled_from(["A", "AB", "ABC"]).map(enum)
AVRO = st.recursive(PRIMITIVES | ENUMS, wrapped, max_leaves=3)
VALUES = {
    "null": st.none(), "boolean": st.booleans(), "int": st.integers(-9, 9),
    "long": st.integers(2**40, 2**41), "float": st.just(0.5), "double": st.just(0.25),
    "string": st.text("ab", max_size=2),
}  # fmt: skip


def values_of(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of([values_of(part) for part in schema])
    if isinstance(schema, str):
        return VALUES[schema]
    if schema["type"] == "enum":
        return st.sampled_from(schema["symbols"])
    if schema["type"] == "array":
        return st.lists(values_of(schema["items"]), max_size=2)
    if schema["type"] == "map":
        return st.dictionaries(st.text("ab", max_size=1), values_of(schema["values"]), max_size=2)
    return st.fixed_dictionaries({f["name"]: values_of(f["type"]) for f in schema["fields"]})


def is_named_once(schema: Any) -> bool:
    return str(schema).count("'name': 'R'") <= 1 and str(schema).count("'name': 'E'") <= 1


WIDER = {
    "int": ["int", "long", "double"], "long": ["long", "float"], "float": ["float", "double"],
    "string": ["string", "bytes"],
}  # fmt: skip


@st.composite
def related(draw: Any, schema: Any) -> Any:
    """A schema that a reader of another one might have."""
    if draw(st.integers(0, 9)) == 0:
        return draw(AVRO)
    if isinstance(schema, list):
        return draw(st.permutations(schema))
    if isinstance(schema, str):
        wider = draw(st.sampled_from(WIDER.get(schema, [schema])))
        return draw(st.sampled_from([wider, wider, [wider]]))
    if schema["type"] == "enum":
        return draw(ENUMS)
    for word in ("items", "values"):
        if word in schema:
            return {**schema, word: draw(related(schema[word]))}
    fields = [{**part, "type": draw(related(part["type"]))} for part in schema["fields"]]
    more = draw(st.sampled_from([[], [field("new", default=5)], [field("new")]]))
    return {**schema, "fields": fields[draw(st.integers(0, 1)) :] + more}


@given(st.data(), AVRO.filter(is_named_once))
@settings(max_examples=150, deadline=None)
def test_a_compatible_reader_reads_what_was_written(data, writer):
    """If nothing breaks, then fastavro reads with one schema what it wrote with the other."""
    reader = data.draw(related(writer).filter(is_named_once))
    if not is_compatible(changes_of_avro(avro_type(writer), avro_type(reader))):
        return
    parsed = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, parsed[0], data.draw(values_of(writer)))
    written.seek(0)
    fastavro.schemaless_reader(written, *parsed)


@given(AVRO.filter(is_named_once))
@settings(max_examples=40, deadline=None)
def test_a_schema_is_fully_compatible_with_itself(schema):
    """From a schema to itself nothing changes."""
    assert changes_of_avro(avro_type(schema), avro_type(schema)) == []
