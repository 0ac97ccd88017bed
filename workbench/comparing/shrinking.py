"""Leaving out whatever is not needed: delta debugging over a list."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Shrunken:
    """What was left, whether any one of it could still go, and what it took."""

    left: tuple[int, ...]
    is_minimal: bool
    tries: int


@dataclass
class Shrinker:
    """Tries ever fewer numbers, until time is up.

    Notes
    -----
    Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, IEEE
    Transactions on Software Engineering 28 (2), 2002: the algorithm ddmin.
    """

    shows: Callable[[Sequence[int]], bool]
    until: float
    """When to stop, by `time.monotonic`."""
    tries: int = 0
    _known: dict[tuple[int, ...], bool] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self.until

    def shown_by(self, some: tuple[int, ...]) -> bool:
        """Return whether these still show it; they do not where time is up."""
        if some not in self._known:
            if self.is_over:
                return False
            self.tries += 1
            self._known[some] = self.shows(some)
        return self._known[some]

    def shrink(self, numbers: Sequence[int]) -> Shrunken:
        """Return what is left of numbers that show it."""
        left, parts = tuple(numbers), 2
        while len(left) > 1 and not self.is_over:
            smaller = self._smaller(left, parts)
            if smaller is not None:
                left, parts = smaller
            elif parts >= len(left):
                break
            else:
                parts = min(len(left), parts * 2)
        return Shrunken(left, is_minimal=not self.is_over, tries=self.tries)

    def _smaller(self, left: tuple[int, ...], parts: int) -> tuple[tuple[int, ...], int] | None:
        """Return one part, or all but one, that shows it, and in how many to cut it next."""
        cuts = [len(left) * n // parts for n in range(parts + 1)]
        spans = list(pairwise(cuts))
        for begin, end in spans:
            if self.shown_by(left[begin:end]):
                return left[begin:end], 2
        for begin, end in spans if parts > 2 else ():  # noqa: PLR2004, of two, each is the other's rest
            if self.shown_by(left[:begin] + left[end:]):
                return left[:begin] + left[end:], max(parts - 1, 2)
        return None
