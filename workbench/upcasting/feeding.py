"""What the processes of the user's code are given: stored events, as frames, in order."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.errors import RangeError
from workbench.event import NEEDED
from workbench.reading import THREADS, Progress
from workbench.sources import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.history import History

EVENTS_A_JOB = 16_384
EVENTS_A_BUCKET = 50_000
FEW = 20_000
"""Events for which one process is enough."""
_KEPT_WHOLE = "integer beyond 64 bits"  # the one problem that leaves a text as it was


def feed(history: History) -> Iterator[pl.DataFrame]:
    """Yield a history's events: the columns of an event, and `raw` where those are not enough.

    Payloads are not checked: whoever decodes them finds out. One with a NaN, which Python
    writes and strict JSON has not, is given as it is stored, if it is stored as text.
    """
    columns = [name for name in NEEDED if name != "partition"]
    for batch in history.batches(columns, checks=False):
        for part in batch.iter_slices(EVENTS_A_JOB):
            yield part.with_columns(_raw(part, history))


def _raw(part: pl.DataFrame, history: History) -> pl.Series:
    found: list[bytes | None] = [None] * part.height
    if part["problem"].null_count() < part.height:
        is_odd = pl.col("problem").is_not_null() & pl.col("data").is_not_null()
        problems = pl.col("problem").str.split("; ")
        is_whole = problems.list.eval(pl.element().str.starts_with(_KEPT_WHOLE)).list.all()
        odd = part.with_row_index("row").filter(is_odd & ~is_whole)
        for row, position in odd.select("row", "position").iter_rows():
            state = history.state(position)
            found[row] = state if state.startswith(b"{") else None
    return pl.Series("raw", found, pl.Binary)


def buckets(history: History, folder: Path) -> Iterator[pl.DataFrame]:
    """Yield a history's events so that each stream's are beside each other, in order.

    Parameters
    ----------
    history
        What is read, once.
    folder
        Where events are put while they are sorted out.
    """
    count = max(1, -(-len(history) // EVENTS_A_BUCKET))
    files: list[list[Path]] = [[] for _ in range(count)]
    for number, frame in enumerate(feed(history)):
        own = frame.filter(pl.col("stream").is_not_null())
        bucket = own["stream"].hash(0) % count
        for i, among in enumerate(files):
            part = own.filter(bucket == i)
            if part.height:
                among.append(folder / f"events-{number}-{i}.arrow")
                part.write_ipc_stream(among[-1])
    for among in files:
        if among:
            whole = pl.concat([pl.read_ipc_stream(file) for file in among])
            for file in among:
                file.unlink()
            yield whole.sort("stream", maintain_order=True)


def without_event(frame: pl.DataFrame, row: dict[str, Any]) -> pl.DataFrame:
    """Return a job's frame without one event."""
    return frame.filter(pl.col("row") != row["row"])


def without_stream(frame: pl.DataFrame, row: dict[str, Any]) -> pl.DataFrame:
    """Return a job's frame without the stream of one event."""
    return frame.filter(pl.col("stream").ne_missing(pl.lit(row["stream"])))


def processes(history: History) -> int:
    """Return how many processes are worth starting."""
    return 1 if len(history) <= FEW else THREADS


@dataclass
class Span:
    """How far a run over a history has come; see `Progress`."""

    history: History
    tell: Callable[[Progress], None]
    events: int = 0
    begun: float = field(default_factory=clock.monotonic)
    low: int = 0
    high: int = 0

    def __post_init__(self) -> None:
        source, chosen = self.history.source, self.history.selection
        whole = Selection(after=(source.tail() or 1) - 1, upto=source.head() or 0)
        span = whole.meet(Selection(after=chosen.after, upto=chosen.upto))
        self.low, self.high = span.after or 0, span.upto or 0

    def done(self, frame: pl.DataFrame) -> None:
        """Take note of events that are done, and tell it."""
        self.events += frame.height
        last = frame["position"][-1] if frame.height else self.low
        total = max(self.high - self.low, 1)
        self.tell(
            Progress(
                min(last - self.low, total), total, clock.monotonic() - self.begun, self.events
            )
        )


def limited(name: str, value: float | None) -> float | None:
    """Return a limit in seconds.

    Raises
    ------
    RangeError
        If it is not above zero.
    """
    if value is not None and not value > 0:
        msg = f"Cannot stop after {name}={value!r}: it is not above zero. Give seconds, such as 60."
        raise RangeError(msg)
    return value
