"""Slices of batches, after which a run can tell how far it is."""

import time
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from workbench.trials import stopping


@given(
    steps=st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=300), max_size=4),
    fewest=st.integers(1, 8),
)
def test_slices_are_the_batches_and_cut_no_position(steps: list[list[int]], fewest: int) -> None:
    last, batches = 0, []
    for part in steps:
        positions = []
        for step in part:
            last += step
            positions.append(last)
        batches.append(pl.DataFrame({"position": positions}, schema={"position": pl.Int64}))
        last += 1
    before = stopping._FEWEST
    stopping._FEWEST = fewest
    try:
        found = list(stopping.slices(iter(batches)))
    finally:
        stopping._FEWEST = before
    nothing = pl.DataFrame(schema={"position": pl.Int64})
    assert pl.concat([nothing, *found]).equals(pl.concat([nothing, *batches]))
    for one, other in pairwise(found):
        assert one["position"][-1] != other["position"][0]


def test_slices_are_small_for_slow_handlers_and_large_for_quick_ones(monkeypatch) -> None:
    batch = pl.DataFrame({"position": range(1_000)})
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    slow = []
    quick = [part.height for part in stopping.slices([batch])]
    assert quick == [64, 128, 256, 512, 40]
    for part in stopping.slices([batch]):
        slow.append(part.height)
        now += 0.001 * part.height
    assert max(slow) == 256
    assert slow[-2] < 256
