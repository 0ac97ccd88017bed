"""Every frame that a public function returns is what its spec says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from stores import simple_rows, write_native
from strategies import histories, plain_states

from workbench import open_history, replay
from workbench.samples.overcharges import Overcharges
from workbench.tables import (
    ALL,
    CHANGES,
    EVENTS,
    FAILURES,
    PROBLEMS,
    RATE,
    RECEIVERS,
    SNAPSHOTS,
    STREAMS,
    TYPES,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stores import Row

    from workbench import History

ASKED: dict[str, tuple[Callable[[History], pl.DataFrame], Table]] = {
    "scan": (lambda h: h.scan().collect(), EVENTS),
    "streamed scan": (lambda h: h.scan().collect(engine="streaming"), EVENTS),
    "empty scan": (lambda h: h.scan().filter(pl.col("position") < 0).collect(), EVENTS),
    "head of scan": (lambda h: h.scan().head(0).collect(), EVENTS),
    "events": (lambda h: h.events(), EVENTS),
    "batches": (lambda h: pl.concat([EVENTS.frame(), *h.batches()]), EVENTS),
    "types": (lambda h: h.types(), TYPES),
    "streams": (lambda h: h.streams(), STREAMS),
    "rate by type": (lambda h: h.rate(), RATE),
    "rate by stream": (lambda h: h.rate("1h", "stream"), RATE),
    "rate by aggregate": (lambda h: h.rate("1w", "aggregate"), RATE),
    "problems": (lambda h: h.problems(), PROBLEMS),
    "problems of a part": (lambda h: h.between(upto=3).problems(), PROBLEMS),
    "receivers": (lambda h: h.receivers(), RECEIVERS),
    "snapshots": (lambda h: h.snapshots(), SNAPSHOTS),
}


@pytest.mark.parametrize("name", ASKED)
def test_sample_fits(shop: History, name: str) -> None:
    """What is asked of the sample is a frame of the spec."""
    ask, spec = ASKED[name]
    assert spec.misfits(ask(shop)) == []


@pytest.mark.parametrize("name", ASKED)
def test_empty_history_fits(tmp_path: Path, name: str) -> None:
    """What is asked of an empty store is an empty frame of the spec."""
    ask, spec = ASKED[name]
    found = ask(open_history(write_native(tmp_path / "store.db", [])))
    assert spec.misfits(found) == []
    assert found.is_empty()


@settings(max_examples=15)
@given(rows=histories(plain_states()))
def test_any_history_fits(new_path: Callable[[], Path], rows: list[Row]) -> None:
    """What is asked of any history is a frame of the spec."""
    history = open_history(write_native(new_path(), rows))
    misfits = {name: spec.misfits(ask(history)) for name, (ask, spec) in ASKED.items()}
    assert set(map(len, misfits.values())) == {0}, misfits


def test_trial_fits(shop: History) -> None:
    """Failures are of their spec, and the change log begins with the columns of its own."""
    trial = replay(shop, Overcharges, on_error="collect")
    assert FAILURES.misfits(trial.failures) == []
    log = trial.changes("payments")
    assert CHANGES.misfits(log.select(log.columns[: len(CHANGES.names)])) == []


ORDERS: dict[str, tuple[list[str], list[bool]]] = {
    "types": (["count", "type"], [True, False]),
    "streams": (["first_position"], [False]),
    "rate by type": (["time", "by"], [False, False]),
    "scan": (["partition", "position"], [False, False]),
    "snapshots": (["stream", "version"], [False, False]),
    "receivers": (["receiver", "follows"], [False, False]),
}


@pytest.mark.parametrize("name", ORDERS)
def test_rows_are_in_the_order_of_the_spec(shop: History, name: str) -> None:
    """The rows of a frame are in the order that its spec states."""
    found = ASKED[name][0](shop)
    by, descending = ORDERS[name]
    assert found.select(by).equals(found.sort(by, descending=descending).select(by))


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_every_column_says_what_it_means(spec: Table) -> None:
    """A spec has a sentence for what a row is, and one for each column."""
    assert spec.row
    assert all(column.meaning for column in spec.columns)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_names_of_a_spec_are_unique(spec: Table) -> None:
    """No column of a spec occurs twice."""
    assert len(set(spec.names)) == len(spec.names) == len(spec.schema)


def test_misfits_are_said_in_words() -> None:
    """A missing column, one too many, and one of another dtype are each named."""
    frame = pl.DataFrame({"stream": ["s"], "version": ["1"], "more": [1]})
    assert SNAPSHOTS.misfits(frame) == [
        "type is missing",
        "more is not in the spec",
        "version is String, not Int64",
    ]


def test_conforming_frames_have_no_misfits() -> None:
    """A frame with the columns in another order and other dtypes is brought into form."""
    frame = pl.DataFrame({"type": ["t"], "more": [1], "version": ["1"], "stream": ["s"]})
    found = SNAPSHOTS.conform(frame)
    assert SNAPSHOTS.misfits(found) == []
    assert found.rows() == [("s", 1, "t")]


def test_the_small_store_is_what_the_tests_say(small: History) -> None:
    """The store that most tests use has the rows that it is made of."""
    assert small.scan().collect()["position"].to_list() == [row.position for row in simple_rows(30)]
