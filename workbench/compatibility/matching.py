"""A largest matching between two sides of which only some pairs go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def largest_matching(partners: Mapping[int, list[int]]) -> dict[int, int]:
    """Return a largest choice of pairs in which no number occurs twice on its side.

    Parameters
    ----------
    partners
        For each number on the left, the numbers on the right with which it may go.

    Notes
    -----
    Augmenting paths, one for each number on the left: H. W. Kuhn, The Hungarian method for
    the assignment problem, 1955; without weights.

    Examples
    --------
    >>> largest_matching({0: [0, 1], 1: [0]})
    {0: 1, 1: 0}
    """
    of_right: dict[int, int] = {}
    for left in partners:
        _place(left, partners, of_right, set())
    return dict(sorted((left, right) for right, left in of_right.items()))


def _place(
    left: int, partners: Mapping[int, list[int]], of_right: dict[int, int], tried: set[int]
) -> bool:
    for right in partners[left]:
        if right in tried:
            continue
        tried.add(right)
        if right not in of_right or _place(of_right[right], partners, of_right, tried):
            of_right[right] = left
            return True
    return False
