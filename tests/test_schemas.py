"""Schemas: what the stored payloads look like, by type and version."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, PLACED, Row, append, cut_parts, state_of, write_native
from strategies import histories, states

from workbench import open_history
from workbench.samples import shop_path
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
