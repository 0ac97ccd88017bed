"""The present of a history: frames of new events as they come, and what is still held back.

A source is asked for its end now and then, sooner where it announces what is new, and
what lies between its end and the one before is read like any other range. So nothing is
missed and nothing comes twice, also where the source was away for a while.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from workbench.errors import ServerUnreachableError, StoreLockedError, StoreUnreadableError
from workbench.receivers import receivers_of
from workbench.sources import Announcing, HeldBack, Partitioned, Selection, Source, Withholding
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from workbench.errors import WorkbenchError
    from workbench.scanning import Reading
    from workbench.sources import Wait

    OnTrouble = Callable[[WorkbenchError | None], object]

T = TypeVar("T")

SHORTEST_S, LONGEST_S = 0.02, 0.25
"""How long to wait for something new; the longer nothing comes, the longer."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.05, 1.0
"""How long to leave a source alone that is not available."""
TRANSIENT = (ServerUnreachableError, StoreLockedError)
"""What passes by itself."""


class Follower:
    """What has come to a source since the last look, again and again until told to stop.

    Parameters
    ----------
    source
        What to follow.
    after
        Where to begin: a position, or one for each partition; None for the source's end.
    upto
        Where to end; None for never.
    stop
        Ends it, once it is set from another thread.
    on_trouble
        Told of each attempt that failed, and with None that the source is back; by default
        both are logged.
    """

    def __init__(
        self,
        source: Source,
        after: int | Mapping[int, int] | None = None,
        *,
        upto: int | None = None,
        stop: threading.Event | None = None,
        on_trouble: OnTrouble | None = None,
    ) -> None:
        self.source = source
        self._upto = upto
        self._stop = threading.Event() if stop is None else stop
        self._tell = Log(source.name) if on_trouble is None else on_trouble
        self._seen: Mapping[int, int] = {}
        ends = self._ends() if after is None or isinstance(after, int) else after
        self.last = dict.fromkeys(ends, after) if isinstance(after, int) else dict(ends)

    def _ends(self) -> Mapping[int, int]:
        """Return the last position of each partition.

        Raises
        ------
        StoreUnreadableError
            If the source ends before it did.
        """
        if isinstance(self.source, Partitioned):
            ends = self.source.ends()
        else:
            ends = {0: self.source.head() or 0}
        for partition, before in self._seen.items():
            now = ends.get(partition, 0)
            if now < before:
                msg = (
                    f"Cannot follow {self.source.name!r} on from position {before:,}: it now ends "
                    f"at {now:,}. Events that were there are gone; open it again."
                )
                raise StoreUnreadableError(msg)
        self._seen = ends
        return ends

    def each(self, use: Callable[[Source, Selection], Iterator[T]]) -> Generator[T, None, None]:
        """Yield what `use` makes of each range of new events, in order.

        Where it fails since the source is not available, it is given what is left once more:
        `last` says for each partition how far it came.
        """
        retry, is_back = FIRST_RETRY_S, True
        while not self._stop.is_set():
            try:
                with waiting(self.source, self._stop) as wait:
                    pause = SHORTEST_S
                    while not self._stop.is_set():
                        ends = self._ends()
                        if not is_back:
                            retry, is_back = FIRST_RETRY_S, True
                            self._tell(None)
                        if any(end > self.last.get(part, 0) for part, end in ends.items()):
                            yield from use(*self._between(ends))
                            self.last |= {p: max(e, self.last.get(p, 0)) for p, e in ends.items()}
                            pause = SHORTEST_S
                        if self._is_over(ends):
                            return
                        wait(pause)
                        pause = min(2 * pause, LONGEST_S)
            except TRANSIENT as error:
                is_back = False
                self._tell(error)
                self._stop.wait(retry)
                retry = min(2 * retry, LONGEST_RETRY_S)

    def _between(self, ends: Mapping[int, int]) -> tuple[Source, Selection]:
        if isinstance(self.source, Partitioned):
            return self.source.within(self.last, ends), Selection()
        return self.source, Selection(after=self.last[0], upto=ends[0])

    def _is_over(self, ends: Mapping[int, int]) -> bool:
        if not self.source.capabilities.grows:
            return True
        return self._upto is not None and all(end >= self._upto for end in ends.values())

    def has_come(self, frame: pl.DataFrame) -> None:
        """Take note of events that were handed out, the last of each partition last."""
        if isinstance(self.source, Partitioned):
            last = frame.group_by("partition").agg(pl.col("position").max())
            self.last |= dict(last.iter_rows())
        else:
            self.last[0] = frame["position"][-1]


@contextmanager
def waiting(source: Source, stop: threading.Event) -> Iterator[Wait]:
    """Yield a function that waits for something new in a source, or for `stop`."""
    if isinstance(source, Announcing):
        with source.waiting() as wait:
            yield wait
    else:
        yield stop.wait


class Log:
    """Who is told of trouble by default: the log `workbench`, once when it begins and ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._log = logging.getLogger("workbench")
        self._is_down = False

    def __call__(self, error: WorkbenchError | None) -> None:
        """Log that the source is not available, or that it is again."""
        if error is None:
            self._log.warning("%s is back.", self._name)
        elif not self._is_down:
            self._log.warning("%s It is tried again until it is back.", error)
        self._is_down = error is not None


def follow(
    reading: Reading,
    after: int | Mapping[int, int] | None,
    stop: threading.Event | None,
    on_trouble: OnTrouble | None,
) -> Generator[pl.DataFrame, None, None]:
    """Yield the events of a reading that come after a position; see `Followable.follow`."""
    chosen = reading.selection
    if after is None and chosen.after is not None:
        after = chosen.after
    follower = Follower(reading.source, after, upto=chosen.upto, stop=stop, on_trouble=on_trouble)

    def frames(source: Source, unread: Selection) -> Iterator[pl.DataFrame]:
        new = replace(reading, source=source, on_progress=None)
        for frame in new.frames(EVENTS.names, unread):
            if frame.height:
                yield frame
                follower.has_come(frame)

    return follower.each(frames)


class Followable(ABC):
    """What can be followed; `workbench.history.History` is it."""

    source: Source

    @property
    @abstractmethod
    def _reading(self) -> Reading:
        """What is read, and how."""

    def follow(
        self,
        after: int | Mapping[int, int] | None = None,
        *,
        stop: threading.Event | None = None,
        on_trouble: OnTrouble | None = None,
    ) -> Generator[pl.DataFrame, None, None]:
        """Yield the events that come from now on: frames of `workbench.tables.EVENTS`.

        History and the present read the same way: each event comes once, in order, within
        half a second of when the source shows it. It goes on until the generator is closed,
        Ctrl-C, `stop`, or the position that the history is narrowed to; at the source's end,
        where nothing can come any more. No thread and no connection is left then.

        Parameters
        ----------
        after
            Begin with the events after this position, which may be stored long since: 0 is
            the beginning. In a source of several partitions, `{partition: position}`. By
            default, what the history is narrowed to, else the end as it is at the call.
        stop
            Ends it, once it is set from another thread.
        on_trouble
            A server that restarts, or a file that is locked, is tried until it is back: this
            is called with each error, and with None when it is over. By default both are
            logged, by the logger `workbench`.

        Raises
        ------
        ServerUnreachableError
            If the source is not available at the call.
        StoreUnreadableError
            If the source can no longer be read, or has lost its end.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> history = open_history(shop_path()).between(upto=54_375)
        >>> sum(events.height for events in history.follow(after=54_000))
        375
        """
        return follow(self._reading, after, stop, on_trouble)

    def receivers(self, *elsewhere: str | Path) -> pl.DataFrame:
        """Return who follows the source, and how far: `workbench.tables.RECEIVERS`.

        Parameters
        ----------
        elsewhere
            Databases of views, whose tracking tables are looked into besides the source's own:
            SQLite files, or `postgresql://` URLs. Whom they follow is told by the name of the
            application; where the source does not know its own, give it to `open_history`.

        Raises
        ------
        UnknownTargetError, UnknownLayoutError
            If `elsewhere` names no such database, or one without a tracking table.
        StoreUnreadableError
            If the source, or that database, cannot be read.
        """
        return receivers_of(self._reading, elsewhere)

    @property
    def held_back(self) -> HeldBack | None:
        """What the source has and does not hand out yet, since others may come before it."""
        return self.source.held_back() if isinstance(self.source, Withholding) else None
