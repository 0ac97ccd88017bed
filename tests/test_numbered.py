"""Single events by their numbers."""

from __future__ import annotations

import pytest
from polars.testing import assert_frame_equal
from stores import BEGIN, PLACED, Row, state_of, write_native

from workbench import open_history
from workbench.errors import UnknownPositionError
from workbench.tables import EVENTS, PAYLOAD_DIFFERENCES


def test_event_is_its_row_of_the_event_table(small):
    """Every event of a history is found by its number, and is what the event table has."""
    whole = small.scan().collect()
    for position in whole["position"]:
        found = small.event(position)
        assert EVENTS.misfits(found) == []
        assert_frame_equal(found, whole.filter(position=position))


def test_event_in_a_hole(shop):
    """A position in a hole is an error that points to holes."""
    with pytest.raises(UnknownPositionError, match=r"position 80 in .*, which goes from 1.*holes"):
        shop.event(80)


@pytest.mark.parametrize("position", [-1, 0, 31, 2**63, -(2**70)])
def test_event_beyond_the_ends(small, position):
    """A number that no event can have is the same error."""
    for asked in (small.event, small.state):
        with pytest.raises(UnknownPositionError, match="goes from 1 to 30"):
            asked(position)


def test_event_that_is_narrowed_away(small):
    """An event is looked for among those of the history, which says what it is narrowed to."""
    narrowed = small.between(upto=5)
    assert narrowed.event(5)["position"].item() == 5
    with pytest.raises(UnknownPositionError, match="narrowed to"):
        narrowed.event(6)


def test_differences_of_two_payloads(tmp_path):
    """Each value that differs is a row, between any two events."""
    states = [state_of(BEGIN, a=1, b="x"), state_of(BEGIN, a=2, c="x")]
    rows = [Row(at, "s", at, PLACED, state) for at, state in enumerate(states, 1)]
    history = open_history(write_native(tmp_path / "a.db", rows))
    found = history.payload_differences(1, 2)
    assert PAYLOAD_DIFFERENCES.misfits(found) == []
    assert found.rows() == [
        ("a", "changed", "1", "2"),
        ("b", "removed", '"x"', None),
        ("c", "added", None, '"x"'),
    ]
    assert history.payload_differences(2, 2).is_empty()
    with pytest.raises(UnknownPositionError, match="position 3"):
        history.payload_differences(1, 3)
