"""The present of a history, for all who look at it: one follower, shared.

It begins with the first session that wants it and ends with the last; then no thread and
no connection is left. What it tells is only that something is new: who is told reads what
is on its page, from answers that all share.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.following import Follower
from workbench.sources import Partitioned

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    import polars as pl

    from workbench.history import History
    from workbench.sources import Selection, Source

PACE_S = 0.5
"""The shortest time between two news: what came meanwhile is told together."""
RECEIVERS_S = 2.0
"""The time between two looks at how far the receivers are."""
RETRY_S = 1.0
"""The time after which a store that cannot be read is tried again."""
_UNKNOWN = object()
_LOG = logging.getLogger(__name__)


class Live:
    """One follower of a history, for as long as somebody wants it.

    Parameters
    ----------
    history
        What to follow.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._told: dict[object, Callable[[], object]] = {}
        self._stop = threading.Event()
        self._stamp: Hashable = _UNKNOWN
        self.trouble: str | None = None
        """Why nothing new can be seen now, None while all is well."""
        self.receivers: pl.DataFrame | None = None
        """`workbench.tables.RECEIVERS` as of the last look, None where there are none."""

    @property
    def why_not(self) -> str | None:
        """Why this history cannot be followed, None if it can."""
        if not self._history.source.capabilities.grows:
            return "Nothing can be added to this source any more."
        if self._history.selection.upto is not None or self._history.last_time is not None:
            return "This history is narrowed to an end, so that nothing can come after it."
        return None

    def stamp(self) -> Hashable:
        """Return what changes with the history's end: as of the last look, if anybody follows.

        Raises
        ------
        StoreUnreadableError
            If nobody follows, and the store cannot be read.
        """
        with self._lock:
            if self._stamp is not _UNKNOWN:
                return self._stamp
        return _end_of(self._history.source)

    @property
    def sessions(self) -> int:
        """How many want it now."""
        with self._lock:
            return len(self._told)

    def join(self, tell: Callable[[], object]) -> Callable[[], None]:
        """Begin to be told of news, in another thread; return what ends that.

        Raises
        ------
        WorkbenchError
            If the history cannot be followed.
        """
        if self.why_not is not None:
            msg = f"Cannot follow {self._history.name!r}: {self.why_not} Look at it as it is."
            raise WorkbenchError(msg)
        who = object()
        with self._lock:
            self._told[who] = tell
            if len(self._told) == 1:
                self._stop = threading.Event()
                threading.Thread(
                    target=self._run, args=(self._stop,), name="workbench-live", daemon=True
                ).start()

        def leave() -> None:
            with self._lock:
                was_there = self._told.pop(who, None) is not None
                if was_there and not self._told:
                    self._stop.set()
                    self._stamp, self.trouble, self.receivers = _UNKNOWN, None, None

        return leave

    # In the thread

    def _run(self, stop: threading.Event) -> None:
        looks = None
        if self._history.source.capabilities.receivers:
            looks = threading.Thread(
                target=self._look, args=(stop,), name="workbench-live-receivers", daemon=True
            )
            looks.start()
        while not stop.is_set():
            try:
                self._follow(stop)
            except (WorkbenchError, OSError) as error:
                self._say(stop, str(error))
                stop.wait(RETRY_S)
        if looks is not None:
            looks.join()

    def _follow(self, stop: threading.Event) -> None:
        """Follow from the end as it is now; events that were lost are no reason to end."""
        follower = Follower(
            self._history.source,
            stop=stop,
            on_trouble=lambda error: self._say(stop, None if error is None else str(error)),
        )
        self._came(stop)

        def looked(_source: Source, _unread: Selection) -> Iterator[None]:
            yield None

        for _ in follower.each(looked):
            self._came(stop)
            stop.wait(PACE_S)

    def _look(self, stop: threading.Event) -> None:
        """Look now and then how far the receivers are, and tell where that has changed."""
        while not stop.is_set():
            with suppress(WorkbenchError, OSError):  # whoever follows says so
                self._found(stop, self._history.source.receivers())
            stop.wait(RECEIVERS_S)

    def _found(self, stop: threading.Event, receivers: pl.DataFrame) -> None:
        with self._lock:
            is_other = self.receivers is None or not self.receivers.equals(receivers)
            if not stop.is_set():
                self.receivers = receivers
        if is_other:
            self._tell(stop)

    def _came(self, stop: threading.Event) -> None:
        stamp = _end_of(self._history.source)
        with self._lock:
            is_news = (self._stamp, self.trouble) != (stamp, None)
            if not stop.is_set():
                self._stamp, self.trouble = stamp, None
        if is_news:
            self._tell(stop)

    def _say(self, stop: threading.Event, trouble: str | None) -> None:
        with self._lock:
            is_other = self.trouble != trouble
            if not stop.is_set():
                self.trouble = trouble
        if is_other:
            self._tell(stop)

    def _tell(self, stop: threading.Event) -> None:
        with self._lock:
            told = [] if stop.is_set() else list(self._told.values())
        for tell in told:
            try:
                tell()
            except Exception:  # noqa: BLE001, whose page ends at this moment is no loss to others
                _LOG.info("One who follows could not be told of news.", exc_info=True)


def _end_of(source: Source) -> Hashable:
    if isinstance(source, Partitioned):
        return tuple(sorted(source.ends().items()))
    return source.head()
