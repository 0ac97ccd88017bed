"""Two releases of a domain model, run over the same stored events, each in its own process."""

from __future__ import annotations

import tempfile
import time as clock
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from workbench.catalog import SHORT_NAME
from workbench.description import html_table
from workbench.progress import shown
from workbench.tables import RELEASE_STREAMS
from workbench.upcasting.checking import EVENT_LIMIT_S
from workbench.upcasting.code import code_of
from workbench.upcasting.comparing import Differ, side_of
from workbench.upcasting.crew import Crew, OutOfTimeError
from workbench.upcasting.feeding import (
    Span,
    buckets,
    feed,
    limited,
    without_event,
    without_stream,
)
from workbench.upcasting.report import table
from workbench.upcasting.wire import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from workbench.classes import Named
    from workbench.history import History
    from workbench.reading import Progress
    from workbench.upcasting.code import Code
    from workbench.upcasting.crew import Task
    from workbench.upcasting.wire import Kind


@dataclass(frozen=True, repr=False)
class ReleaseComparison:
    """What two releases make of the same stored events. Made by `compare_releases`."""

    types: pl.DataFrame
    """By type and stored version: `workbench.tables.RELEASE_TYPES`."""
    fields: pl.DataFrame
    """Where the same event gives different fields: `workbench.tables.RELEASE_FIELDS`."""
    streams: pl.DataFrame
    """Which streams each can rebuild: `workbench.tables.RELEASE_STREAMS`; empty if not asked."""
    events: int
    """Events that both were given."""
    last_position: int | None
    """The last of them."""
    seconds: float
    """How long it took."""
    stopped: str | None
    """Why it ended early, None if it did not."""
    old: str
    """The old release, as it was named."""
    new: str
    """The new release, as it was named."""

    @property
    def is_complete(self) -> bool:
        """Whether every event, and where asked every stream, was given to both."""
        return self.stopped is None

    @property
    def broken(self) -> int:
        """Events and streams that the old release can do with, and the new one cannot."""
        streams = self.streams.filter(pl.col("old_rebuilds") & ~pl.col("new_rebuilds"))
        return int(self.types["broken"].sum()) + streams.height

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        said = []
        for name in ("old", "new"):
            told = f"{self.types[f'read_by_{name}'].sum():,} of {self.events:,} events"
            if self.streams.height:
                rebuilt = self.streams[f"{name}_rebuilds"].sum()
                told += f" and {rebuilt:,} of {self.streams.height:,} streams"
            said.append(f"{name} reads {told}")
        said.append(f"{self.types['different'].sum():,} events differ")
        if self.stopped is not None:
            said.append(f"stopped at position {self.last_position or 0:,}: {self.stopped}")
        return "; ".join(said)

    def __repr__(self) -> str:
        """One line."""
        return f"<ReleaseComparison of {self.old} and {self.new}: {self.verdict}>"

    def _repr_html_(self) -> str:
        told = {"old": self.old, "new": self.new, "found": self.verdict}
        odd = self.streams.filter(~(pl.col("old_rebuilds") & pl.col("new_rebuilds")))
        short = SHORT_NAME.alias("type")
        return (
            html_table("Two releases over the same events", told)
            + table(self.types.drop("old_error", "new_error").with_columns(short))
            + (table(self.fields.with_columns(short)) if self.fields.height else "")
            + (table(odd) if odd.height else "")
        )


def compare_releases(
    history: History,
    old: Named | Sequence[Named],
    new: Named | Sequence[Named],
    *,
    aggregates: bool = False,
    time_limit_s: float | None = None,
    event_limit_s: float = EVENT_LIMIT_S,
    progress: bool | Callable[[Progress], None] = True,
) -> ReleaseComparison:
    """Return which stored events two releases can read, and what they make of them.

    Parameters
    ----------
    history
        The events.
    old, new
        The code of each, as in `check_upcasters`: 'shop', 'shop@v1.2', 'releases/shop.py',
        'shop=releases/shop_1.py', a folder, or modules and classes.
    aggregates
        Whether to rebuild each stream with each release, too.
    time_limit_s, event_limit_s, progress
        As in `check_upcasters`.

    Raises
    ------
    UpcasterError
        If the code of one cannot be loaded.
    RevisionError
        If there is no such git revision.
    RangeError
        If a limit is not above zero.

    Notes
    -----
    An event is read if the library's mapper makes an object of it; see `check_upcasters`. What
    two releases make of it is the same if all attributes are, besides the ids: of the same
    class by its name, and equal. A stream is rebuilt as by the library's repository, from
    all its events in the history, and without snapshots.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> history = open_history(shop_path()).between(upto=1_000)
    >>> release = "shop=workbench.samples.release_{}"
    >>> found = compare_releases(history, release.format(1), release.format(2))
    >>> found.fields["path"].unique().sort().to_list()
    ['amount', 'customer_name', 'first_name', 'last_name']
    """
    limit = limited("time_limit_s", time_limit_s)
    limited("event_limit_s", event_limit_s)
    types = history.type_names()
    run = _Run(
        history,
        (code_of(old, types), code_of(new, types)),
        event_limit_s,
        None if limit is None else clock.monotonic() + limit,
    )
    begun, stopped = clock.monotonic(), None
    differ, streams = Differ(), list[dict[str, Any]]()
    with shown(progress, "comparing releases") as tell:
        span = Span(history, tell)
        try:
            for frame, a, b in run.both("forms"):
                differ.add(frame, side_of(a), side_of(b))
                run.last = frame["position"][-1]
                span.done(frame)
            if aggregates:
                for frame, a, b in run.both("rebuild"):
                    streams += _streams(frame, a, b)
        except OutOfTimeError:
            stopped = f"the time limit of {time_limit_s:g} s was reached"
    return ReleaseComparison(
        types=differ.types_frame(),
        fields=differ.fields_frame(),
        streams=RELEASE_STREAMS.frame(streams).sort("first_position", "stream"),
        events=span.events,
        last_position=run.last,
        seconds=clock.monotonic() - begun,
        stopped=stopped,
        old=run.codes[0].told,
        new=run.codes[1].told,
    )


@dataclass
class _Run:
    """The processes of two releases."""

    history: History
    codes: tuple[Code, Code]
    event_limit_s: float
    ends: float | None
    last: int | None = None

    def both(self, kind: Kind) -> Iterator[tuple[pl.DataFrame, Task, Task]]:
        """Yield events, and what became of them in each release."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-")))
            crews = []
            for number, code in enumerate(self.codes):
                own = folder / str(number)
                own.mkdir()
                request = stack.enter_context(code.request(kind))
                crew = Crew(
                    request,
                    own,
                    size=1,
                    event_limit_s=self.event_limit_s,
                    ends=self.ends,
                    drop=without_event if kind == "forms" else without_stream,
                )
                crews.append(stack.enter_context(crew))
            frames: Iterable[pl.DataFrame] = (
                feed(self.history) if kind == "forms" else buckets(self.history, folder)
            )
            one, other = tee(frames)
            for a, b in zip(crews[0].run(one), crews[1].run(other), strict=True):
                yield a.frame, a, b


def _streams(frame: pl.DataFrame, old: Task, new: Task) -> list[dict[str, Any]]:
    """Return the rows of the streams of a task: `workbench.tables.RELEASE_STREAMS`."""
    whole = frame.group_by("stream", maintain_order=True).agg(
        pl.len().alias("events"),
        pl.col("position").min().alias("first_position"),
        pl.col("position").max().alias("last_position"),
    )
    sides = {"old": _ends(frame, old), "new": _ends(frame, new)}
    rows = []
    for row in whole.iter_rows(named=True):
        told = dict(row)
        for name, ends in sides.items():
            told |= {f"{name}_{what}": v for what, v in ends.get(row["stream"], {}).items()}
        rows.append(dict.fromkeys(RELEASE_STREAMS.names) | told)
    return rows


def _ends(frame: pl.DataFrame, task: Task) -> dict[str, dict[str, Any]]:
    """Return how far each stream comes in one release; those given up are not there."""
    found: dict[str, dict[str, Any]] = {}
    if task.answer is not None:
        try:
            streams = msgspec.json.decode(task.answer, type=Streams).streams
        except msgspec.DecodeError:
            streams = []
        for one in streams:
            found[one.stream] = {"rebuilds": one.row is None and one.is_aggregate}
            if one.row is not None and 0 <= one.row < frame.height:
                found[one.stream] |= _stop(frame.row(one.row, named=True), one.error)
            elif not one.is_aggregate:
                found[one.stream]["error"] = "its events have no method mutate"
    for row, reason in task.deaths:
        found[row["stream"]] = {"rebuilds": False} | _stop(row, f"Stopped: {reason}")
    return found


def _stop(row: dict[str, Any], error: str | None) -> dict[str, Any]:
    return {
        "position": row["position"],
        "version": row["version"],
        "type": row["type"],
        "error": error,
    }
