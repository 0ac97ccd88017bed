"""A progress bar for whatever takes over a second: on standard error, or in a notebook.

It appears after one second and is gone at the end. Where standard error is no terminal,
and there is no notebook, there is none.
"""

from __future__ import annotations

import html
import sys
import time as clock
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from workbench.history import History
    from workbench.reading import Progress

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
        self.begin(doing)
        return history.with_progress(self.report)

    def begin(self, doing: str) -> None:
        """Show something else from now on."""
        with self._lock:
            self._doing, self._last = doing, None
            self._refresh()

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
    done = progress.done if progress.events is None else progress.events
    unit = "positions" if progress.events is None else "events"
    rate = done / progress.elapsed_s if progress.elapsed_s else 0.0
    minutes, seconds = divmod(round(progress.left_s), 60)
    left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    counted = "" if progress.events is None else f"{done:,} events, "
    return f"{counted}{rate:,.0f} {unit}/s, {left} left"


@contextmanager
def shown(
    progress: bool | Callable[[Progress], None],  # noqa: FBT001, the user's own word
    doing: str,
) -> Iterator[Callable[[Progress], None]]:
    """Yield whom to tell how far something has come: a bar, a function of the user, or nobody."""
    if callable(progress):
        yield progress
    elif progress and _in_notebook():
        with CellBar(doing) as cell:
            yield cell.report
    else:
        with Bar(is_wanted=progress) as bar:
            bar.begin(doing)
            yield bar.report


class CellBar:
    """A progress bar under a notebook's cell; a context manager."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._next = clock.monotonic() + PATIENCE_S
        self._handle: Any = None

    def __enter__(self) -> Self:
        """Begin to wait."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._handle is not None:
            self._show("")

    def report(self, progress: Progress) -> None:
        """Take note of how far it has come, and show it now and then."""
        if clock.monotonic() < self._next:
            return
        self._next = clock.monotonic() + _CELL_EVERY_S
        share = f"{progress.done / progress.total:.0%}" if progress.total else ""
        self._show(
            f"<div>{html.escape(self._doing)} <progress max='{progress.total}' "
            f"value='{progress.done}'></progress> {share}, {html.escape(spoken(progress))}</div>"
        )

    def _show(self, text: str) -> None:
        from IPython import display

        shown: Any = display
        if self._handle is None:
            self._handle = shown.display(shown.HTML(text), display_id=True)
        else:
            self._handle.update(shown.HTML(text))


_CELL_EVERY_S = 0.25


def _in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
