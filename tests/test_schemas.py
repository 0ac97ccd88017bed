"""Schemas: what the stored payloads look like, by type and version."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, PLACED, Row, append, cut_parts, state_of, write_native
from strategies import histories, states

from workbench import open_history
from workbench.errors import UnknownSchemaError, UnknownTypeError
from workbench.samples import shop_path
from workbench.schemas import statistics
from workbench.tables import SCHEMA_FIELDS, SCHEMA_OVERLAPS, SCHEMA_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench import History
    from workbench.schemas import Schema, Schemas


def rows_of(*payloads: Any, type_: str = PLACED, start: int = 1) -> list[Row]:
    """Return an event for each payload, given as its fields or as bytes."""
    return [
        Row(
            start + i,
            f"stream-{start + i}",
            1,
            type_,
            payload
            if isinstance(payload, bytes)
            else state_of(BEGIN + timedelta(minutes=start + i), **payload),
        )
        for i, payload in enumerate(payloads)
    ]


@pytest.fixture
def inferred(new_path: Callable[[], Path]) -> Callable[..., Schemas]:
    """Return a function that gives the schemas of events with these payloads."""
    return lambda *payloads: open_history(write_native(new_path(), rows_of(*payloads))).schemas()


def only(schemas: Schemas) -> Schema:
    """Return the one schema."""
    (schema,) = schemas
    return schema


def field_of(schema: Schema, path: str) -> dict[str, Any]:
    """Return the row of a field."""
    (row,) = schema.fields.filter(path=path).to_dicts()
    return row


# The sample


@pytest.fixture(scope="module")
def shop_schemas() -> Schemas:
    """Return the schemas of the sample history."""
    return open_history(shop_path()).schemas()


VERSIONS = {
    "Order.Placed": [("1", 87, 13022), ("2", 13028, 33494), ("3", 33505, 54357)],
    "Order.Confirmed": [("1a", 92, 13025), ("1b", 13031, 54365)],
    "Payment.Requested": [("1", 93, 13026), ("2", 13032, 54366)],
    "Payment.Charged": [("1", 94, 13027), ("2", 13033, 54368)],
    "Refund.Issued": [("1", 838, 12850), ("2", 13062, 53635)],
    "Order.Shipped": [("1", 132, 33479)],
    "Order.Dispatched": [("1", 33595, 54381)],
    "Item.Reserved": [("1", 81, 13024)],
    "StockItem.Reserved": [("1", 13030, 54361)],
    "Order.Returned": [("1", 13570, 53634)],
}


@pytest.mark.parametrize("type_", VERSIONS)
def test_versions_of_the_sample(shop_schemas: Schemas, type_: str) -> None:
    """Each version of the sample's releases, declared or silent, is found where it is."""
    found = [(s.name, s.first_position, s.last_position) for s in shop_schemas.of(type_)]
    assert found == VERSIONS[type_]


def test_silent_version_of_the_sample(shop_schemas: Schemas) -> None:
    """The coupon, which release 2 added with no new version, is the only silent change."""
    silent = shop_schemas.versions.filter("is_silent")
    assert silent.select("short_name", "name", "began_with").rows() == [
        ("Order.Confirmed", "1b", ["coupon is there"])
    ]


def test_counts_of_the_sample(shop: History, shop_schemas: Schemas) -> None:
    """The schemas of a type have all its events, those that cannot be decoded among them."""
    counted = shop_schemas.versions.group_by("type").agg(pl.col("count").sum()).sort("type")
    assert counted.rows() == shop.types().sort("type").select("type", "count").rows()


DTYPES = [
    ("Payment.Charged", "1", "amount", "Float64", None),
    ("Payment.Charged", "2", "amount", "Decimal", "decimal_str"),
    ("Order.Placed", "1", "address", "List", None),
    ("Order.Placed", "1", "address[]", "String", None),
    ("Order.Placed", "3", "address", "Struct", "address"),
    ("Order.Placed", "3", "address._data_.city", "String", None),
]


@pytest.mark.parametrize(("type_", "name", "path", "dtype", "wrapper"), DTYPES)
def test_fields_of_the_sample(
    shop_schemas: Schemas, type_: str, name: str, path: str, dtype: str, wrapper: str | None
) -> None:
    """A field has the dtype and the wrapper with which its release wrote it."""
    row = field_of(shop_schemas[type_, name], path)
    assert (row["dtype"], row["wrapper"], row["presence"]) == (dtype, wrapper, "always")


def test_undecodable_events_of_the_sample(shop_schemas: Schemas) -> None:
    """Events that cannot be decoded have rows of their own."""
    rows = shop_schemas.versions.filter(name="undecodable")
    assert rows.select("short_name", "count", "first_position").rows() == [
        ("Order.Placed", 1, 16488),
        ("Payment.Charged", 1, 7184),
    ]


# Laws


def every_event_fits(history: History) -> None:
    """Assert that each decoded event satisfies the JSON Schema of its schema."""
    events = history.events().filter(pl.col("data").is_not_null())
    seen = 0
    for schema in history.schemas():
        validator = jsonschema.Draft202012Validator(schema.json_schema())
        mine = events.filter(
            pl.col("type") == schema.type,
            pl.col("schema_version").eq_missing(schema.schema_version),
            pl.col("position").is_between(schema.first_position, schema.last_position),
        )
        seen += mine.height
        for text in mine["data"].to_list():
            validator.validate(json.loads(text))
    assert seen == events.height


@settings(max_examples=50)
@given(rows=histories())
def test_every_event_satisfies_its_json_schema(
    new_path: Callable[[], Path], rows: list[Row]
) -> None:
    """The JSON Schema of a schema holds for every event that it was inferred from."""
    every_event_fits(open_history(write_native(new_path(), rows)))


def test_every_event_of_the_sample_satisfies_its_json_schema(shop: History) -> None:
    """The same, of the sample's first and last events of each release."""
    every_event_fits(shop.between(after=12_500, upto=13_500))


def assert_same(one: Schemas, other: Schemas) -> None:
    """Assert that all frames of two are the same."""
    assert_frame_equal(one.versions, other.versions)
    assert_frame_equal(one.fields, other.fields)
    assert_frame_equal(one.overlaps, other.overlaps)
    assert one.head == other.head


@settings(max_examples=40)
@given(rows=histories(max_size=40), share=st.floats(0, 1))
def test_going_on_is_inferring_at_once(
    new_path: Callable[[], Path], rows: list[Row], share: float
) -> None:
    """Schemas that go on over new events equal those that are inferred from all at once."""
    cut = int(len(rows) * share)
    path = write_native(new_path(), rows[:cut])
    first = open_history(path).schemas()
    append(path, rows[cut:])
    assert_same(first.advance(), open_history(path).schemas())


@settings(max_examples=25)
@given(rows=histories(states(), max_size=40), size=st.integers(1, 7))
def test_size_of_parts_does_not_matter(
    new_path: Callable[[], Path], rows: list[Row], size: int
) -> None:
    """However a store is cut into parts, its schemas are the same."""
    path = write_native(new_path(), rows)
    whole = open_history(path).schemas()
    with pytest.MonkeyPatch.context() as patch:
        cut_parts(patch, size)
        assert_same(open_history(path).schemas(), whole)


@settings(max_examples=25)
@given(rows=histories(max_size=30))
def test_frames_fit_their_specs(new_path: Callable[[], Path], rows: list[Row]) -> None:
    """The frames of any history's schemas are of their specs, and count every event."""
    schemas = open_history(write_native(new_path(), rows)).schemas()
    assert SCHEMA_VERSIONS.misfits(schemas.versions) == []
    assert SCHEMA_FIELDS.misfits(schemas.fields) == []
    assert SCHEMA_OVERLAPS.misfits(schemas.overlaps) == []
    assert schemas.versions["count"].sum() == len(rows)


# Silent versions


SILENT: dict[str, tuple[list[dict[str, Any]], list[tuple[str, int, list[str]]]]] = {
    "a field begins": (
        [{"a": 1}] * 10 + [{"a": 1, "b": "x"}] * 10,
        [("1a", 1, []), ("1b", 11, ["b is there"])],
    ),
    "a field begins, and is there at times": (
        [{"a": 1}] * 40 + [{"a": 1, "b": "x"}, {"a": 1}] * 20,
        [("1a", 1, []), ("1b", 41, ["b is there at times"])],
    ),
    "a field ends": (
        [{"a": 1, "b": "x"}] * 10 + [{"a": 1}] * 10,
        [("1a", 1, []), ("1b", 11, ["b is missing"])],
    ),
    "a kind changes": (
        [{"a": 1.5}] * 10 + [{"a": {"_type_": "decimal_str", "_data_": "1.50"}}] * 10,
        [("1a", 1, []), ("1b", 11, ["a is decimal_str"])],
    ),
    "null begins": (
        [{"a": "x"}] * 40 + [{"a": None}, {"a": "x"}] * 20,
        [("1a", 1, []), ("1b", 41, ["a is null at times"])],
    ),
    "a field in an object begins": (
        [{"o": {"a": 1}}] * 10 + [{"o": {"a": 1, "b": 2}}] * 10,
        [("1a", 1, []), ("1b", 11, ["o.b is there"])],
    ),
    "a field in a list begins": (
        [{"l": [{"a": 1}]}] * 10 + [{"l": [{"a": 1, "b": 2}]}] * 10,
        [("1a", 1, []), ("1b", 11, ["l[].b is there"])],
    ),
    "two changes": (
        [{}] * 10 + [{"a": 1}] * 10 + [{"a": 1, "b": 2}] * 20,
        [("1a", 1, []), ("1b", 11, ["a is there"]), ("1c", 21, ["b is there"])],
    ),
    "two releases write at once for a while": (
        [{}] * 30 + [{"a": 1}, {}] * 5 + [{"a": 1}] * 30,
        [("1a", 1, []), ("1b", 31, ["a is there at times"])],
    ),
    "optional fields come and go": (
        [{"a": 1} if i % 3 else {"a": 1, "b": None if i % 2 else 2.5} for i in range(90)],
        [("1", 1, [])],
    ),
    "whole numbers among fractions": (
        [{"a": 1.5 if i % 4 else 2} for i in range(80)],
        [("1", 1, [])],
    ),
    "one odd event": ([{"a": 1}] * 50 + [{"a": 1, "b": 2}] + [{"a": 1}] * 50, [("1", 1, [])]),
    "lists of any length": ([{"l": [1] * (i % 7)} for i in range(60)], [("1", 1, [])]),
    "too few events": ([{"a": 1}] * 4 + [{"b": 1}] * 4, [("1", 1, [])]),
}


@pytest.mark.parametrize("name", SILENT)
def test_silent_versions(inferred: Callable[..., Schemas], name: str) -> None:
    """A silent version begins at the event since which something is otherwise, if it is."""
    payloads, expected = SILENT[name]
    rows = inferred(*payloads).versions.select("name", "first_position", "began_with").rows()
    assert rows == expected


def test_silent_versions_of_a_declared_one(inferred: Callable[..., Schemas]) -> None:
    """Silent versions are named after the version that the events declare."""
    old = [state_of(BEGIN, 2, a=1)] * 10
    new = [state_of(BEGIN, 2, a=1, b=1)] * 10
    schemas = inferred(*old, *new, *[state_of(BEGIN, 3, a=1)] * 3)
    assert [s.name for s in schemas] == ["2a", "2b", "3"]
    assert schemas.versions["is_silent"].to_list() == [False, True, False]


def test_versions_that_overlap(inferred: Callable[..., Schemas]) -> None:
    """Two versions that are written at once are a row, with where."""
    payloads = [state_of(BEGIN, v, a=1) for v in (1, 1, 2, 1, 2, 2)]
    overlaps = inferred(*payloads).overlaps.drop("type")
    assert overlaps.rows() == [("1", "2", 3, 4)]


# Fields


def test_shares_of_null_and_missing(inferred: Callable[..., Schemas]) -> None:
    """Null and missing are told apart, and count by what holds the field."""
    schema = only(inferred({"a": None}, {"a": 1}, {}, {"a": 2}, {"l": [{"b": 1}, {}, {"b": None}]}))
    a, b = field_of(schema, "a"), field_of(schema, "l[].b")
    assert (a["null_share"], a["missing_share"], a["missing_events"]) == (1 / 3, 2 / 5, 2)
    assert (b["null_share"], b["missing_share"], b["missing_events"]) == (1 / 2, 1 / 3, 1)
    assert (a["presence"], b["presence"]) == ("optional", "optional")


ENDS = [
    ([3, -5, 12], "-5", "12"),
    ([1.5, -2.25, 1e3], "-2.25", "1000.0"),
    ([10**30, 5, -(10**25)], str(-(10**25)), str(10**30)),
    (["b", "é", "a"], "a", "é"),
    ([{"_type_": "decimal_str", "_data_": d} for d in ("9.5", "10.25", "-0.1")], "-0.1", "10.25"),
    (
        [
            {"_type_": "datetime_iso", "_data_": t}
            for t in ("2025-01-01T12:00:00+00:00", "2025-01-01T13:30:00+02:00")
        ],
        "2025-01-01T13:30:00+02:00",
        "2025-01-01T12:00:00+00:00",
    ),
    (["x" * 100, "y" * 100], "x" * 80, "y" * 80),
    ([True, False, True], "false", "true"),
]


@pytest.mark.parametrize(("values", "least", "greatest"), ENDS)
def test_least_and_greatest_value(
    inferred: Callable[..., Schemas], values: list[Any], least: str, greatest: str
) -> None:
    """The ends are those of the values, not of their texts, and are told as stored."""
    row = field_of(only(inferred(*({"v": value} for value in values))), "v")
    assert (row["min"], row["max"]) == (least, greatest)


@pytest.mark.parametrize(("count", "tolerance"), [(1, 0), (700, 0), (20_000, 0.1)])
def test_distinct_values(inferred: Callable[..., Schemas], count: int, tolerance: float) -> None:
    """Different values are counted exactly where they are few, else estimated."""
    row = field_of(only(inferred(*({"v": f"value {i}"} for i in range(count)))), "v")
    assert row["distinct"] == pytest.approx(count, rel=tolerance)


def test_values_and_examples(inferred: Callable[..., Schemas]) -> None:
    """Few values are all listed; examples are the first that differ."""
    row = field_of(only(inferred(*({"v": v} for v in ("c", "c", "a", "b", "d")))), "v")
    assert row["values"] == ["a", "b", "c", "d"]
    assert row["examples"] == ["c", "a", "b"]


def test_a_field_of_two_kinds(inferred: Callable[..., Schemas]) -> None:
    """A field that is a number in half of the events and a text in the others has both kinds."""
    row = field_of(only(inferred(*({"v": i if i % 2 else str(i)} for i in range(20)))), "v")
    assert sorted(row["kinds"]) == ["integer", "string"]
    assert (row["dtype"], row["presence"], row["distinct"]) == ("String", "always", 20)


def test_odd_names(inferred: Callable[..., Schemas]) -> None:
    """Names with dots, quotes or nothing in them cannot be misread in a path."""
    schema = only(inferred({"": 1, "a.b": 1, '"': 1, "a": {"b": 1}, "l[]": 1}))
    assert set(schema.fields["path"]) == {'[""]', '["a.b"]', '["\\""]', "a", "a.b", '["l[]"]'}


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":"x"}',
        b'{"\\u0061":{"_type_":"q","_data_":"\\u0041"}}',
        b'{"\\u005ftype_":"q","_data_":"w","z":"z"}',
        b' { "a" : [ 1 , 2.5e3 , "x\\\\" , "\\"" ] }\n',
        b'{"a":"{\\"b\\":[1,","c":-1e-7}',
        b'{"a":{"_type_":"string","_data_":"x"}}',
        b'{"a":{"_type_":5,"_data_":"x"},"b":{"_type_":"t","_data_":{"_type_":"u","_data_":[1]}}}',
        b'{"_type_":"t","_data_":{"a":1}}',
    ],
)
def test_odd_payloads_satisfy_their_schema(new_path: Callable[[], Path], text: bytes) -> None:
    """Doubled names, escapes, spaces and wrappers in wrappers are read as any JSON reader does."""
    every_event_fits(open_history(write_native(new_path(), rows_of(text, b'{"a":"x","z":1}'))))


# Hostile payloads


def test_a_map(inferred: Callable[..., Schemas]) -> None:
    """An object of very many names is a map; names that are always there stay fields."""
    payloads = [{"prices": {f"id-{i}": {"net": i}, "currency": "EUR"}} for i in range(600)]
    schema = only(inferred(*payloads))
    assert schema.fields["path"].to_list() == [
        "prices",
        "prices.currency",
        "prices.{*}",
        "prices.{*}.net",
    ]
    row = field_of(schema, "prices.{*}")
    assert row["events"] == 600
    assert row["note"] is not None
    validator = jsonschema.Draft202012Validator(schema.json_schema())
    assert validator.is_valid(payloads[3])
    assert not validator.is_valid({"prices": {"currency": "EUR", "other": 5}})


def test_a_map_that_grows(new_path: Callable[[], Path]) -> None:
    """An object that becomes a map only with later events is the same as one from the start."""
    rows = rows_of(*({"m": {f"id-{i}": i, "all": 1, "old": 2}} for i in range(200)))
    more = rows_of(*({"m": {f"id-{i}": i, "all": 1}} for i in range(200, 500)), start=201)
    path = write_native(new_path(), rows)
    first = open_history(path).schemas()
    append(path, more)
    assert_same(first.advance(), open_history(path).schemas())


def test_five_thousand_fields(inferred: Callable[..., Schemas]) -> None:
    """Five thousand different fields in one type are one row, besides those always there."""
    payloads = [{"a": 1, **{f"f{(7 * i + j) % 5000}": j for j in range(20)}} for i in range(1000)]
    assert only(inferred(*payloads)).fields["path"].to_list() == ["a", "{*}"]


@pytest.mark.parametrize("depth", [10, 200, 1500])
def test_deep_nesting(inferred: Callable[..., Schemas], depth: int) -> None:
    """Nesting is followed 64 levels deep; what is deeper takes nothing with it."""
    deep = b'{"a":' * depth + b'"x"' + b"}" * depth
    schemas = inferred(deep, {"b": 1})
    assert schemas.versions["count"].sum() == 2
    assert schemas.versions["fields"].max() <= 65
    # Of 1,500 levels nothing is known but that there is an object.
    assert schemas.fields["note"].drop_nulls().to_list() == (
        ["64 levels deep: what is inside is not looked into"] if depth == 200 else []
    )


def test_payloads_that_are_no_objects(inferred: Callable[..., Schemas]) -> None:
    """Lists and scalars count in a column of their own, and have the path `$`."""
    schemas = inferred(b"[1,2]", b'"x"', b"null", {"a": 1}, b"5")
    assert schemas.versions["not_objects"].to_list() == [4]
    assert set(only(schemas).fields["path"]) == {"$", "[]", "a"}


def test_undecodable_payloads(inferred: Callable[..., Schemas]) -> None:
    """What cannot be decoded is a row of its own."""
    versions = inferred({"a": 1}, b"\xff", b'{"a":').versions
    assert versions.select("name", "count").rows() == [("1", 1), ("undecodable", 2)]


# Asking


def test_a_schema_by_name(shop_schemas: Schemas) -> None:
    """A schema is had by full or short type, and by name or number."""
    assert shop_schemas["Order.Placed", 3] is shop_schemas["shop:Order.Placed", "3"]


def test_unknown_schema(shop_schemas: Schemas) -> None:
    """The error for a name that a type does not have lists those that it has."""
    with pytest.raises(UnknownSchemaError, match="1a, 1b"):
        shop_schemas["Order.Confirmed", "4"]


def test_unknown_type(shop_schemas: Schemas) -> None:
    """The error for an unknown type lists what is near."""
    with pytest.raises(UnknownTypeError, match=r"Order\.Placed"):
        shop_schemas.of("Order.Plased")


def test_empty_history(inferred: Callable[..., Schemas]) -> None:
    """An empty history has no schemas, and goes on."""
    schemas = inferred()
    assert (len(schemas), schemas.versions.height, schemas.head) == (0, 0, None)
    assert len(schemas.advance()) == 0


def test_a_narrowed_history(shop: History) -> None:
    """Schemas are those of the events that a history is narrowed to."""
    schemas = shop.between(after=13_027).of_types("Order.Placed", "Order.Confirmed").schemas()
    assert [(s.short_name, s.name) for s in schemas] == [
        ("Order.Confirmed", "1"),
        ("Order.Placed", "2"),
        ("Order.Placed", "3"),
    ]


def test_an_edited_history(shop: History) -> None:
    """Schemas are had of an edited history too."""
    edited = shop.between(upto=200).edit(
        name="no orders", drop=pl.col("type") == "shop:Order.Placed"
    )
    assert "Order.Placed" not in {s.short_name for s in edited.schemas()}


def test_shown(shop_schemas: Schemas) -> None:
    """Schemas and a schema are shown as tables, with what is stored escaped."""
    assert "Order.Confirmed 1b" in shop_schemas._repr_html_()
    assert "coupon" in shop_schemas["Order.Confirmed", "1b"]._repr_html_()
    assert repr(shop_schemas).startswith("<Schemas of 'shop.db': 29 of 23 types, 1 silent")


TEXTS = {
    "integer": st.one_of(st.integers(-5, 5), st.integers(-(2**70), 2**70)).map(str),
    "number": st.one_of(
        st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0])
    ).map(json.dumps),
    "decimal_str": st.one_of(
        st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
        st.sampled_from(["1.0", "1.00", "0", "-0", "NaN", "1_0", " 1", "1e3", "Infinity", "", "x"]),
    ),
    "datetime_iso": st.one_of(st.datetimes().map(lambda t: t.isoformat()), st.just("no time")),
    "string": st.one_of(st.text(max_size=3), st.text(min_size=70, max_size=90)),
    "boolean": st.sampled_from(["true", "false"]),
}


@pytest.mark.parametrize("kind", TEXTS)
@given(data=st.data())
def test_few_values_are_told_as_many_are(kind: str, data: st.DataObject) -> None:
    """What is known of a few values, found without Polars, is what Polars finds."""
    held = data.draw(st.lists(TEXTS[kind], min_size=1, max_size=12))
    texts, positions = pl.Series(held, dtype=pl.String), np.arange(1, len(held) + 1)
    few, many = (
        how(kind, texts, positions)
        for how in (statistics._spread_of_few, statistics._spread_of_many)
    )
    assert few._replace(hashes=None) == many._replace(hashes=None)
    assert list(map(repr, few[2:4])) == list(map(repr, many[2:4]))
    assert few.hashes.tolist() == many.hashes.tolist()
