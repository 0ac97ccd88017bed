"""Since which value a series of numbers has another level."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LARGEST_CHANCE = 1e-6
"""The greatest probability at which a shift may be by chance."""
FEWEST = 20
"""Values on each side of a shift."""
MOST_SHIFTS = 8
"""Shifts of one series."""


def shifts(values: NDArray[np.float64], least: float) -> list[int]:
    """Return the places at which a series gets another level, in order.

    Parameters
    ----------
    values
        Numbers in the order of events, none of them NaN.
    least
        By how much the two sides must differ: Cliff's delta, 0 to 1. Of zeros and ones it
        is the difference of their shares.

    Notes
    -----
    A. N. Pettitt, "A non-parametric approach to the change-point problem" (1979), with
    its bound for the probability; the size of an effect is Cliff's delta (1993), which
    Pettitt's statistic is a multiple of. Each side is looked at again, as in binary
    segmentation, and then each place once more between its neighbours. What a straight
    line through the ranks tells better than a step is a trend, not a shift: so with
    numbers that are counted up.

    Examples
    --------
    >>> shifts(np.array([1.0, 2.0, 3.0] * 20 + [7.0, 8.0, 9.0] * 20), 0.33)
    [60]
    >>> shifts(np.arange(1000.0), 0.33)
    []
    """
    edges = [0, *sorted(_shifts(values, least))[:MOST_SHIFTS], values.size]
    for i in range(1, len(edges) - 1):
        before, after = edges[i - 1], edges[i + 1]
        better = _shift(values[before:after], least)
        edges[i] = edges[i] if better is None else before + better
    return edges[1:-1]


def _shifts(values: NDArray[np.float64], least: float) -> Iterator[int]:
    waiting = [(0, values.size)]
    while waiting:
        begin, end = waiting.pop()
        at = _shift(values[begin:end], least)
        if at is not None:
            yield begin + at
            waiting += [(begin, begin + at), (begin + at, end)]


def _shift(values: NDArray[np.float64], least: float) -> int | None:
    """Return where the level of a series changes most, None if it does not."""
    n = values.size
    if n < 2 * FEWEST:
        return None
    ranks = pl.Series(values).rank("average").to_numpy()
    before = np.arange(1, n)
    pettitt = 2 * np.cumsum(ranks)[:-1] - before * (n + 1.0)
    at = FEWEST - 1 + int(np.argmax(np.abs(pettitt[FEWEST - 1 : n - FEWEST])))
    most, size = abs(float(pettitt[at])), at + 1
    chance = 2 * exp(-6 * most**2 / (float(n) ** 3 + float(n) ** 2))
    if chance > LARGEST_CHANCE or most / (size * (n - size)) < least:
        return None
    return size if _is_step(ranks, size) else None


def _is_step(ranks: NDArray[np.float64], size: int) -> bool:
    """Return whether a step there explains more of the ranks than a straight line does."""
    n = ranks.size
    gap = ranks[:size].mean() - ranks[size:].mean()
    step = size * (n - size) / n**2 * gap**2
    line = np.mean((np.arange(n) - (n - 1) / 2) * ranks) ** 2 / ((n**2 - 1) / 12)
    return bool(step > line)
