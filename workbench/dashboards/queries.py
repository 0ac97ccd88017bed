"""What the log shows, as functions: a history and filters in, frames out; no Panel.

Filters that the source answers itself (type, stream, position) are paged by key: a
page reads a page, however long the log is. Time and payload are inside the stored
bytes, so filters on those read everything they may be in once (`find`), and keep the
positions that match; paging is then a slice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from workbench.dashboards.listing import LISTING, READ, listed, listed_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench import Progress
    from workbench.history import History

MOST_KEPT = 20_000  # rows of a search result that are kept besides their positions
_FAR = 10_000  # positions between events that are read apart from each other
_GROWTH = 8


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events of a history to look at; the default is all of them."""

    types: tuple[str, ...] = ()
    """Event types as stored, or short names; none means all."""
    stream: str | None = None
    """One stream, in full."""
    since: str | None = None
    """A time as ISO 8601, UTC where it names no zone: events of then or later."""
    until: str | None = None
    """The same: events of then or earlier; a date means the whole day."""
    first_position: int | None = None
    """The smallest position, inclusive."""
    last_position: int | None = None
    """The greatest position, inclusive."""
    text: str | None = None
    """What the payload contains, whether in upper or lower case."""
    where: str | None = None
    """A condition on the event and its payload, as `History.where` takes it."""

    @property
    def reads_payloads(self) -> bool:
        """Whether payloads have to be read to tell which events match."""
        return any((self.since, self.until, self.text, self.where))


@dataclass(frozen=True, slots=True)
class Found:
    """The events that match filters: their positions, and while they are few their rows."""

    positions: pl.Series
    """Int64, ascending."""
    rows: pl.DataFrame | None
    """`LISTING` of all of them, None if they are more than `MOST_KEPT`."""


class CancelledError(Exception):
    """A search was given up by whoever asked for it."""


def narrowed(history: History, filters: Filters) -> History:
    """Return the history narrowed by all filters.

    Raises
    ------
    UnknownTypeError, UnknownStreamError
        If the history has no such type or stream.
    RangeError
        If a range ends before it begins, or a time cannot be read.
    ConditionError
        If the condition cannot be read.
    """
    first = filters.first_position
    if first is not None or filters.last_position is not None:
        after = None if first is None else first - 1
        history = history.between(after=after, upto=filters.last_position)
    if filters.types:
        history = history.of_types(*filters.types)
    if filters.stream is not None:
        history = history.of_streams(filters.stream)
    if filters.since is not None:
        history = history.since(filters.since)
    if filters.until is not None:
        history = history.until(filters.until)
    if filters.where is not None:
        history = history.where(filters.where)
    return history if filters.text is None else history.containing(filters.text)


def code_of(filters: Filters) -> str:
    """Return the Python that narrows a `history` as `narrowed` does, all filters included.

    Examples
    --------
    >>> code_of(Filters(types=("Order.Placed",), first_position=10))
    "history.between(after=9).of_types('Order.Placed')"
    """
    ends = []
    if filters.first_position is not None:
        ends.append(f"after={filters.first_position - 1}")
    if filters.last_position is not None:
        ends.append(f"upto={filters.last_position}")
    steps = [
        f".between({', '.join(ends)})" if ends else "",
        f".of_types({', '.join(map(repr, filters.types))})" if filters.types else "",
        *(
            f".{name}({value!r})"
            for name, value in (
                ("of_streams", filters.stream),
                ("since", filters.since),
                ("until", filters.until),
                ("where", filters.where),
                ("containing", filters.text),
            )
            if value is not None
        ),
    ]
    return f"history{''.join(steps)}"


def matching(history: History, filters: Filters) -> pl.LazyFrame:
    """Return the events that match: `workbench.tables.EVENTS`, by position.

    Raises
    ------
    UnknownTypeError, UnknownStreamError, RangeError, ConditionError
        As `narrowed` does.
    """
    return narrowed(history, filters).scan()


def find(
    history: History,
    filters: Filters,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """Return all events that match, by reading once everything that may.

    Parameters
    ----------
    history, filters
        Which events.
    on_progress
        Called while events are being read.
    is_cancelled
        Asked while events are being read whether to give up.

    Raises
    ------
    UnknownTypeError, UnknownStreamError, RangeError, ConditionError
        As `narrowed` does.
    CancelledError
        If `is_cancelled` says so.
    """
    chosen = narrowed(history, filters).with_progress(on_progress)
    positions, rows, total = [pl.Series("position", [], pl.Int64)], [LISTING.frame()], 0
    for found in chosen.batches(READ):
        if is_cancelled():
            raise CancelledError
        positions.append(found["position"])
        total += found.height
        if total <= MOST_KEPT:
            rows.append(listed(found))
    return Found(pl.concat(positions), pl.concat(rows) if total <= MOST_KEPT else None)


def count(history: History, filters: Filters, *, found: Found | None = None) -> int:
    """Return how many events match; `found`, if there is one, spares the reading.

    Raises
    ------
    UnknownTypeError, UnknownStreamError, RangeError, ConditionError
        As `narrowed` does.
    """
    if filters.reads_payloads:
        return (found or find(history, filters)).positions.len()
    return len(narrowed(history, filters))


def rank(history: History, filters: Filters, position: int, *, found: Found | None = None) -> int:
    """Return how many events that match lie before `position`; raises as `count` does."""
    if filters.reads_payloads:
        return int((found or find(history, filters)).positions.search_sorted(position))
    return len(_between(narrowed(history, filters), upto=position - 1))


def page_of(
    history: History,
    filters: Filters,
    *,
    start: int | None = None,
    size: int = 50,
    found: Found | None = None,
) -> pl.DataFrame:
    """Return the first `size` events that match from position `start` on.

    Parameters
    ----------
    history, filters
        Which events.
    start
        Where the page begins, inclusive; None is at the beginning.
    size
        The most rows.
    found
        What `find` returned for the same filters, to spare reading everything again.

    Returns
    -------
    polars.DataFrame
        `workbench.dashboards.listing.LISTING`.

    Raises
    ------
    UnknownTypeError, UnknownStreamError, RangeError, ConditionError
        As `narrowed` does.
    """
    if filters.reads_payloads:
        found = found or find(history, filters)
        offset = 0 if start is None else int(found.positions.search_sorted(start))
        return _slice(history, filters, found, offset, size)
    chosen = narrowed(history, filters)
    if start is not None:
        chosen = _between(chosen, after=start - 1)
    return listed(chosen.scan().select(READ).head(size).collect())


def previous_start(
    history: History,
    filters: Filters,
    *,
    before: int | None = None,
    size: int = 50,
    found: Found | None = None,
) -> int | None:
    """Return where the page begins that ends before position `before`; None if nothing does.

    Without `before`, where the last page begins. The other parameters, and what is raised,
    are as in `page_of`.
    """
    if before is None:
        before = (history.source.head() or 0) + 1
    if filters.reads_payloads:
        positions = (found or find(history, filters)).positions
        last = int(positions.search_sorted(before))
        return int(positions[max(last - size, 0)]) if last else None
    # The source reads forwards only: widen a window that ends there until it holds a page.
    chosen, tail, width = narrowed(history, filters), history.source.tail() or 0, size
    while True:
        window = _between(chosen, after=before - 1 - width, upto=before - 1)
        positions = window.scan().select("position").collect()["position"]
        if positions.len() >= size or before - 1 - width < tail:
            return int(positions.tail(size)[0]) if positions.len() else None
        width *= _GROWTH


def _between(history: History, *, after: int | None = None, upto: int | None = None) -> History:
    """Narrow without complaint about a range with nothing in it."""
    if after is not None and upto is not None and upto < after:
        upto = after
    return history.between(after=after, upto=upto)


def _slice(
    history: History, filters: Filters, found: Found, offset: int, size: int
) -> pl.DataFrame:
    if found.rows is not None:
        return found.rows.slice(offset, size)
    chosen = found.positions.slice(offset, size)
    if chosen.is_empty():
        return LISTING.frame()
    # Which events match is known, so neither time nor payload is looked at again.
    around = narrowed(history, replace(filters, since=None, until=None, text=None, where=None))
    run = (pl.col("position").diff() > _FAR).fill_null(value=False).cum_sum().alias("run")
    runs = chosen.to_frame().group_by(run, maintain_order=True).agg("position")["position"]
    return pl.concat([listed_at(around, positions) for positions in runs])


def stream_names(history: History) -> pl.Series:
    """Return the names of all streams, in no order."""
    return history.scan().select(pl.col("stream").unique()).collect()["stream"].drop_nulls()


def alike(names: pl.Series, text: str, *, most: int = 8) -> list[str]:
    """Return up to `most` of `names` that begin with `text`, then those that contain it."""
    folded, wanted = names.str.to_lowercase(), text.lower()
    begins = folded.str.starts_with(wanted)
    holds = folded.str.contains(wanted, literal=True) & ~begins
    first = names.filter(begins).sort().head(most).to_list()
    return [*first, *names.filter(holds).sort().head(most - len(first)).to_list()]
