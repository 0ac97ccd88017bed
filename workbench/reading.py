"""Reading a source: parts are read and used a few at a time in threads, and come out in order."""

from __future__ import annotations

import os
import time as clock
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Thread, local
from typing import TYPE_CHECKING, TypeVar

from workbench.errors import StoreUnreadableError
from workbench.sources import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future

    import polars as pl

    from workbench.sources import Part, Source

T = TypeVar("T")

THREADS = min(4, os.cpu_count() or 1)
AHEAD = 1  # parts that are read before they are asked for, for each thread


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reading has come: positions done of those there are, and since when."""

    done: int
    total: int
    elapsed_s: float
    events: int | None = None
    """Events that were replayed, None where nothing is."""

    @property
    def left_s(self) -> float:
        """Seconds that the rest will take at the rate so far."""
        return self.elapsed_s / self.done * (self.total - self.done) if self.done else 0.0


def read_parts(
    source: Source,
    selection: Selection,
    columns: set[str],
    use: Callable[[pl.DataFrame], T],
    on_progress: Callable[[Progress], None] | None = None,
) -> Generator[T, None, None]:
    """Yield `use` of each part of a source, in order of position.

    Parts are read and used in threads, as many at once as the machine has processors
    for. When the iterator is closed early, what is under way is finished and dropped,
    and no thread or connection is left. Where the source is lost, what it had handed out
    before is used first, and then the error is raised.

    Parameters
    ----------
    source
        What to read.
    selection
        Which of its events.
    columns
        Which raw columns; `position` is always among them.
    use
        Called with each raw frame, in a thread of its own.
    on_progress
        Called after each part with how far the reading has come.

    Raises
    ------
    StoreUnreadableError
        If the source is lost.
    """
    report = _reporter(source, selection, on_progress)

    def run(part: Part) -> tuple[int | None, T]:
        frame = part()
        last: int | None = frame["position"][-1] if frame.height else None
        return last, use(frame)

    under_way: deque[Future[tuple[int | None, T]]] = deque()
    lost: list[StoreUnreadableError] = []
    with ExitStack() as opened:
        parts = opened.enter_context(source.parts(selection, columns | {"position"}))
        pool = opened.enter_context(ThreadPoolExecutor(THREADS, "workbench", _mark_thread))
        try:
            for part in _until_lost(parts, lost):
                under_way.append(pool.submit(run, part))
                if len(under_way) > THREADS * AHEAD:
                    yield _done(under_way, report)
            while under_way:
                yield _done(under_way, report)
            if lost:
                raise lost[0]
        finally:
            for task in under_way:
                task.cancel()
            if getattr(_local, "is_ours", False):
                # The garbage collector came by in one of the threads, which cannot await itself.
                Thread(target=opened.pop_all().close).start()


def _until_lost(parts: Iterator[Part], lost: list[StoreUnreadableError]) -> Iterator[Part]:
    try:
        yield from parts
    except StoreUnreadableError as error:
        lost.append(error)


_local = local()


def _mark_thread() -> None:
    _local.is_ours = True


def _done(
    under_way: deque[Future[tuple[int | None, T]]], report: Callable[[int | None], None]
) -> T:
    last, found = under_way.popleft().result()
    report(last)
    return found


def _reporter(
    source: Source, selection: Selection, tell: Callable[[Progress], None] | None
) -> Callable[[int | None], None]:
    if tell is None:
        return lambda _: None
    begins = Selection(after=(source.tail() or 1) - 1, upto=source.head() or 0)
    span = begins.meet(Selection(after=selection.after, upto=selection.upto))
    low, high = span.after or 0, span.upto or 0
    begun = clock.monotonic()

    def report(last: int | None) -> None:
        if last is not None:
            tell(Progress(last - low, max(high - low, 1), clock.monotonic() - begun))

    return report
