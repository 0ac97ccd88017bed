"""Two schemas side by side, values that one of them lost, and shares over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from stores import BEGIN, PLACED, Row, state_of, write_native

from workbench import diff, open_history
from workbench.errors import RangeError, UnknownTypeError
from workbench.tables import SCHEMA_MATRIX, SCHEMA_SHARES

if TYPE_CHECKING:
    from pathlib import Path

    from workbench import History
    from workbench.schemas import Schemas


@pytest.fixture(scope="module")
def schemas(shop: History) -> Schemas:
    """Return the schemas of the sample history."""
    return shop.schemas()


def test_two_versions_of_the_sample(schemas: Schemas) -> None:
    """Two versions side by side tell which fields came, went, changed and stayed."""
    found = schemas["Order.Placed", "1"].beside(schemas["Order.Placed", "2"])
    assert SCHEMA_MATRIX.misfits(found) == []
    assert found.select("path", "older", "newer", "change", "offered").rows() == [
        ("address", "array", "array", "same", None),
        ("address[]", "string", "string", "same", None),
        ("customer_name", "string", None, "removed", "last_name"),
        ("first_name", None, "string", "added", None),
        ("last_name", None, "string", "added", "customer_name"),
        ("number", "integer", "integer", "same", None),
        ("originator_topic", "string", "string", "same", None),
    ]


def test_another_wrapper_is_told_by_its_rule(schemas: Schemas) -> None:
    """What changed is told by the rules of `diff`."""
    found = schemas["Payment.Charged", "1"].beside(schemas["Payment.Charged", "2"])
    (amount,) = found.filter(change="changed").rows(named=True)
    assert (amount["path"], amount["rules"]) == ("amount", ["wrapper_changed"])
    assert (amount["older"], amount["newer"]) == ("number", "decimal_str")


def test_a_version_beside_itself(schemas: Schemas) -> None:
    """A version beside itself has no change."""
    schema = schemas["Order.Placed", "3"]
    assert set(schema.beside(schema)["change"]) == {"same"}


def two(tmp_path: Path, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Any:
    """Return the schemas of version 1 and version 2 with these payloads."""
    states = [*old, *({**state, "class_version": 2} for state in new)]
    rows = [Row(i, "s", i, PLACED, state_of(BEGIN, **s)) for i, s in enumerate(states, 1)]
    schemas = open_history(write_native(tmp_path / "store.db", rows)).schemas()
    return schemas["Order.Placed", 1], schemas["Order.Placed", 2]


def test_values_that_come_and_go(tmp_path: Path) -> None:
    """A value of few is lost, or added, if that cannot be by chance; also in lists and numbers."""
    old = [
        {"state": "open", "tags": ["a", "b"], "level": i % 2, "a.b": {"c": "x"}} for i in range(50)
    ]
    new = [{"state": "shut", "tags": ["b"], "level": 1, "a.b": {"c": "x"}} for _ in range(50)]
    older, newer = two(tmp_path, old, new)
    found = diff(older, newer).differences.select("rule", "path", "old", "new").rows()
    assert found == [
        ("enum_value_lost", "level", "0", None),
        ("enum_value_added", "state", None, '"shut"'),
        ("enum_value_lost", "state", '"open"', None),
        ("enum_value_lost", "tags[]", '"a"', None),
    ]
    matrix = older.beside(newer)
    assert matrix.filter(path="state")["rules"].to_list() == [
        ['enum_value_added "shut"', 'enum_value_lost "open"']
    ]
    assert matrix.filter(path="state")["change"].to_list() == ["changed"]
    assert matrix.filter(path='["a.b"].c')["change"].to_list() == ["same"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a"] * 49 + ["rare"], ["a"] * 50),
        ([f"v{i}" for i in range(40)] * 2, ["a"] * 80),
        (["a"] * 5, ["b"] * 5),
    ],
    ids=["rare", "many", "few events"],
)
def test_values_that_may_be_by_chance(tmp_path: Path, old: list[str], new: list[str]) -> None:
    """A rare value, one of many different ones, and one of a few events are not lost."""
    older, newer = two(tmp_path, [{"v": v} for v in old], [{"v": v} for v in new])
    assert diff(older, newer).is_empty


def test_shares_of_nulls_and_missing(tmp_path: Path) -> None:
    """How often a field is null, or missing, is beside each other too."""
    older, newer = two(tmp_path, [{"v": None}, {"v": 1}], [{"v": 1}, {"w": 1}])
    (row,) = older.beside(newer).filter(path="v").rows(named=True)
    assert (row["older_null_share"], row["newer_null_share"]) == (0.5, 0.0)
    assert (row["older_missing_share"], row["newer_missing_share"]) == (0.0, 0.5)
    assert row["rules"] == ["became_not_null", "became_optional"]


def test_only_null_is_no_enum(tmp_path: Path) -> None:
    """A field that is only null has no values: it is no enum of none."""
    older, newer = two(tmp_path, [{"v": 1}], [{"v": None}])
    assert diff(older, newer).differences["rule"].to_list() == ["became_nullable", "kind_changed"]


@pytest.mark.parametrize("type_", ["Order.Placed", "Order.Confirmed", "Item.Listed"])
def test_shares_count_every_event(schemas: Schemas, type_: str) -> None:
    """The windows of a schema have all its events; the shares of a window sum to one."""
    found = schemas.shares(type_, "1w")
    assert SCHEMA_SHARES.misfits(found) == []
    counts = dict(found.group_by("name").agg(pl.col("count").sum()).iter_rows())
    assert counts == {schema.name: schema.count for schema in schemas.of(type_)}
    sums = found.group_by("time").agg(pl.col("share").sum())["share"]
    assert sums.to_list() == pytest.approx([1.0] * sums.len())


def test_shares_of_the_sample(schemas: Schemas) -> None:
    """Since July 2025 every order is of version 2, since January 2026 all but the first of 3."""
    found = schemas.shares("Order.Placed")
    shared = found.filter(pl.col("share") < 1)
    assert [f"{t:%Y-%m} {n}" for t, n in shared.select("time", "name").rows()] == [
        "2026-01 2",
        "2026-01 3",
    ]


def test_shares_of_events_without_times(tmp_path: Path) -> None:
    """Events without a time are in no window."""
    rows = [Row(1, "s", 1, PLACED, state_of(a=1))]
    found = open_history(write_native(tmp_path / "store.db", rows)).schemas().shares(PLACED)
    assert (found.height, found.schema) == (0, SCHEMA_SHARES.schema)


def test_shares_refuse_what_is_no_type_and_no_window(schemas: Schemas) -> None:
    """An unknown type, and what is no duration, are refused."""
    with pytest.raises(UnknownTypeError):
        schemas.shares("Nothing")
    with pytest.raises(RangeError):
        schemas.shares("Order.Placed", "often")
