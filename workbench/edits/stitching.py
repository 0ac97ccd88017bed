"""Rows that are added to a source, put in order of position into the parts that it hands out.

A part does not know where the one before it ends, and parts run in any thread. So
each is a cell that is read once, by whoever comes first: its own reader, or the next
part, which asks it for its last position.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workbench.sources import Part


class _Cell:
    """A part that is read once, and the one before it."""

    def __init__(self, part: Part, before: _Cell | None) -> None:
        self.before = before
        self._part: Part | None = part
        self._frame: pl.DataFrame | None = None
        self._last: int | None = None
        self._lock = Lock()

    def last(self) -> int | None:
        """Return the last position in it, None if it is empty."""
        with self._lock:
            if self._part is not None:
                self._frame, self._part = self._part(), None
                self._last = self._frame["position"][-1] if self._frame.height else None
        return self._last

    def take(self) -> pl.DataFrame:
        """Return the rows, and keep them no longer."""
        self.last()
        frame, self._frame = self._frame, None
        if frame is None:
            msg = "a part was called twice"
            raise RuntimeError(msg)
        return frame

    def last_before(self) -> int | None:
        """Return the last position of the parts before it. Waits go backwards only."""
        cell = self.before
        while cell is not None:
            last = cell.last()
            if last is not None:
                return last
            cell = cell.before
        return None


def stitched(parts: Iterable[Part], extra: pl.DataFrame) -> Iterator[Part]:
    """Yield parts with the rows of `extra` among theirs; the last has what comes after all.

    Parameters
    ----------
    parts
        They hand out the columns of `extra`, by position.
    extra
        Rows by position. They stand after a row of a part that has the same one.
    """
    if extra.is_empty():
        yield from parts
        return
    cell: _Cell | None = None
    for part in parts:
        cell = _Cell(part, cell)
        yield partial(_with_extra, cell, extra)
    yield partial(_after_all, cell, extra)


def _with_extra(cell: _Cell, extra: pl.DataFrame) -> pl.DataFrame:
    last = cell.last()
    frame = cell.take()
    if last is None:
        return frame
    rows = within(extra, cell.last_before(), last)
    return merged(frame, rows)


def _after_all(cell: _Cell | None, extra: pl.DataFrame) -> pl.DataFrame:
    last = None
    if cell is not None:
        own = cell.last()
        last = cell.last_before() if own is None else own
    return within(extra, last, None)


def merged(frame: pl.DataFrame, extra: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of both by position, those of `frame` first where it is the same."""
    if extra.is_empty():
        return frame
    return pl.concat([frame, extra]).sort("position", maintain_order=True)


def within(rows: pl.DataFrame, after: int | None, upto: int | None) -> pl.DataFrame:
    """Return the rows at positions greater than `after`, up to and with `upto`.

    `rows` stand by position.
    """
    positions = rows["position"]
    first = 0 if after is None else int(positions.search_sorted(after, side="right"))
    end = rows.height if upto is None else int(positions.search_sorted(upto, side="right"))
    return rows.slice(first, max(end - first, 0))
