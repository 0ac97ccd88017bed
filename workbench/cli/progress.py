"""A progress bar for whatever takes over a second, on standard error.

It appears after one second and is gone at the end. Where standard error is no terminal
there is none.
"""

from __future__ import annotations

import sys
from threading import Lock, Timer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from workbench import History, Progress

PATIENCE_S = 1.0


class Bar:
    """A progress bar that waits a second before it shows itself; a context manager."""

    def __init__(self, *, is_wanted: bool = True) -> None:
        self.is_wanted = is_wanted and sys.stderr.isatty()
        self._lock = Lock()
        self._timer = Timer(PATIENCE_S, self._appear)
        self._timer.daemon = True
        self._shown: tuple[RichProgress, TaskID] | None = None
        self._is_over = False
        self._doing = "opening"
        self._last: Progress | None = None

    def __enter__(self) -> Self:
        """Begin to wait."""
        if self.is_wanted:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._shown is not None:
                self._shown[0].stop()

    def watch(self, history: History, doing: str) -> History:
        """Return the history, whose readings move the bar; `doing` stands before it."""
        if not self.is_wanted:
            return history
        with self._lock:
            self._doing, self._last = doing, None
            self._refresh()
        return history.with_progress(self.report)

    def report(self, progress: Progress) -> None:
        """Take note of how far a reading has come; may be called in any thread."""
        with self._lock:
            self._last = progress
            self._refresh()

    def _appear(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        with self._lock:
            if self._is_over:
                return
            shown = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[said]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._shown = (shown, shown.add_task(self._doing, total=None, said=""))
            self._refresh()
            shown.start()

    def _refresh(self) -> None:
        if self._shown is None or self._is_over:
            return
        shown, task = self._shown
        if self._last is None:
            shown.update(task, description=self._doing, total=None, completed=0, said="")
            return
        done, total = self._last.done, self._last.total
        said = spoken(self._last)
        shown.update(task, description=self._doing, total=total, completed=done, said=said)


def spoken(progress: Progress) -> str:
    """Return how fast a reading is, and how long the rest will take, in words.

    Examples
    --------
    >>> from workbench import Progress
    >>> spoken(Progress(done=500_000, total=2_000_000, elapsed_s=1.0))
    '500,000 positions/s, 3 s left'
    """
    rate = progress.done / progress.elapsed_s if progress.elapsed_s else 0.0
    minutes, seconds = divmod(round(progress.left_s), 60)
    left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{rate:,.0f} positions/s, {left} left"
