"""Streams side by side, and the links between their events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from stores import BEGIN, PLACED, Row, state_of, write_native

from workbench import open_history
from workbench.dashboards.lanes import figure
from workbench.errors import RangeError, UnknownStreamError
from workbench.tables import LANES, LINKS, RELATED
from workbench.tracing import links

if TYPE_CHECKING:
    from pathlib import Path

    from workbench import History

DASHED = "00112233-4455-6677-8899-aabbccddeeff"


def history_of(path: Path, *events: tuple[str, dict[str, object]]) -> History:
    """Return a history of events, each a stream and a payload."""
    versions: dict[str, int] = {}
    rows = []
    for position, (stream, payload) in enumerate(events, 1):
        versions[stream] = versions.get(stream, 0) + 1
        state = state_of(BEGIN, **payload)
        rows.append(Row(position, stream, versions[stream], PLACED, state))
    return open_history(write_native(path / "a.db", rows))


def ends(found: pl.DataFrame) -> list[tuple[int, int]]:
    return found.select("from_position", "to_position").rows()


def test_a_field_that_names_a_stream_is_a_link(shop):
    """A payment's `order_id` links to the last event of that order before it."""
    lanes = shop.lanes("order-10001", "payment-10001")
    assert ends(lanes.links) == [(93, 92), (94, 92)]
    assert lanes.links["field"].unique().to_list() == ["order_id"]
    assert (LANES.misfits(lanes.events), LINKS.misfits(lanes.links)) == ([], [])


def test_lanes_are_the_events_of_the_streams(shop):
    """The events are those of the streams, in order, each with the number of its lane."""
    lanes = shop.lanes("payment-10001", "order-10001")
    expected = shop.of_streams("payment-10001", "order-10001").scan().collect()
    assert lanes.events["position"].to_list() == expected["position"].to_list()
    names = dict(enumerate(lanes.streams))
    assert [names[lane] for lane in lanes.events["lane"]] == expected["stream"].to_list()


def test_a_field_is_found_at_any_depth(tmp_path):
    """A name inside lists and objects links by its path."""
    inner = {"lines": [{"item": "x"}, {"item": "order-1"}]}
    history = history_of(tmp_path, ("order-1", {}), ("cart-1", inner))
    found = history.lanes("order-1", "cart-1").links
    assert found["field"].to_list() == ["lines[1].item"]


def test_a_stream_that_begins_later_is_named_by_its_first_event(tmp_path):
    """Where the named stream has no event yet, the link is to its first."""
    history = history_of(tmp_path, ("a", {"to": "b"}), ("c", {}), ("b", {}))
    assert ends(history.lanes("a", "b").links) == [(1, 3)]


def test_an_event_that_names_its_own_stream_is_no_link(tmp_path):
    """A stream's own name in its events links to nothing."""
    assert history_of(tmp_path, ("a", {"id": "a"})).lanes("a").links.is_empty()


def test_a_uuid_is_found_with_and_without_dashes(tmp_path):
    """The library stores an id without dashes, and a payload may have it with them."""
    stream = DASHED.replace("-", "")
    wrapped = {"_type_": "uuid_hex", "_data_": stream}
    history = history_of(tmp_path, (stream, {}), ("b", {"of": DASHED}), ("c", {"of": wrapped}))
    assert ends(history.lanes(stream, "b", "c").links) == [(2, 1), (3, 1)]
    assert set(history.related(stream)["stream"]) == {"b", "c"}


def test_a_picked_field_may_hold_the_end_of_a_name(tmp_path):
    """A field that is named by hand links by the part of a stream's name behind its last mark."""
    history = history_of(tmp_path, ("order-7", {}), ("order-17", {}), ("pay-1", {"number": 7}))
    names = ("order-7", "order-17", "pay-1")
    assert history.lanes(*names).links.is_empty()
    picked = history.lanes(*names, fields=["number"])
    assert picked.links.select("from_stream", "to_stream").rows() == [("pay-1", "order-7")]


def rows_with(*metadata: dict[str, object] | None) -> pl.DataFrame:
    """Return events of two streams in turn, with metadata."""
    return pl.DataFrame(
        {
            "position": range(1, len(metadata) + 1),
            "stream": [f"s{i % 2}" for i in range(len(metadata))],
            "version": [i // 2 + 1 for i in range(len(metadata))],
            "data": ["{}"] * len(metadata),
            "metadata": [None if m is None else json.dumps(m) for m in metadata],
        },
        schema_overrides={"metadata": pl.String},
    )


def test_events_of_one_correlation_are_a_chain():
    """Each event of a correlation is linked to the one before it."""
    found = links(rows_with(*[{"correlation_id": "x"}] * 3, {"correlation_id": "y"}))
    assert ends(found) == [(2, 1), (3, 2)]
    assert set(found["kind"]) == {"correlation"}


@pytest.mark.parametrize("cause", ["e1", "1", 1, "s0:1"])
def test_a_causation_links_to_its_cause(cause):
    """A cause is had by its id, its position, or its stream and version."""
    found = links(rows_with({"event_id": "e1"}, {"causation_id": cause}))
    assert found.select("kind", "from_position", "to_position").rows() == [("causation", 2, 1)]


@pytest.mark.parametrize("metadata", ["[1]", "no json", '"x"', '{"causation_id":{"a":1}}', None])
def test_odd_metadata_links_to_nothing(metadata):
    """Metadata that is no object, or holds no id, is passed over."""
    frame = rows_with(None, None).with_columns(pl.lit(metadata, pl.String).alias("metadata"))
    assert links(frame).is_empty()


def test_related_streams_are_those_named_and_those_that_name(shop):
    """Related are the streams that are named by a field, and those whose fields name these."""
    found = shop.related("order-10001")
    assert RELATED.misfits(found) == []
    assert ("payment-10001", "order_id", "named by", 2, 93) in found.rows()
    assert ("item-mug-blue", "item_id", "names", 1, 89) in found.rows()
    names = shop.scan().select("stream").collect()["stream"]
    assert found.equals(shop.related("order-10001", names=names))


def test_related_are_no_names_that_only_contain_it(tmp_path):
    """`order-1` is not related to what names `order-12`."""
    events = [
        ("order-1", {}),
        ("order-12", {}),
        ("a", {"of": "order-1"}),
        ("b", {"of": "order-12"}),
    ]
    history = history_of(tmp_path, *events)
    assert history.related("order-1")["stream"].to_list() == ["a"]


def test_streams_that_are_not_there(shop):
    """A stream that is not there, and none at all, are errors."""
    with pytest.raises(UnknownStreamError):
        shop.lanes("order-0")
    with pytest.raises(RangeError, match="at least one"):
        shop.lanes()
    with pytest.raises(RangeError, match="at most 40"):
        shop.lanes(*(f"order-{n}" for n in range(10_000, 10_050)))


def test_lanes_are_drawn_with_their_links(shop):
    """The figure has a point for every event and a line for every link, on either axis."""
    lanes = shop.lanes("order-10001", "payment-10001")
    for in_order in (False, True):
        drawn = figure(lanes, in_order=in_order).data
        points = [p for trace in drawn if trace.mode == "markers" for p in trace.customdata]
        assert sorted(points) == lanes.events["position"].to_list()
        (lines,) = [trace for trace in drawn if trace.mode == "lines"]
        assert len([y for y in lines.y if y is not None]) == 2 * lanes.links.height


def test_lanes_are_one_line(shop):
    """The value says how much there is, and shows each stream in a notebook, escaped."""
    lanes = shop.lanes("order-10001")
    assert repr(lanes) == "<Lanes: 1 streams, 7 events, 0 links>"
    assert "order-10001" in lanes._repr_html_()
