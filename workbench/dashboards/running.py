"""What pages share that replay: how far it is, how it is stopped, and what is offered."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, loading
from workbench.progress import spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench import Progress
    from workbench.dashboards.answers import Answers

    Tell = Callable[[Progress], None]

T = TypeVar("T")

WATCH_S = 0.15  # between two looks at how far a replay is
NONE_OFFERED = notice(
    "No projection is offered here.",
    "Name the modules whose projections may be replayed: workbench serve TARGET --projections "
    "shop.views; or in a notebook: replay_page(history, Orders).",
)


class Run:
    """Something long under way, of which there is one at a time on a page.

    Parameters
    ----------
    say
        Called with HTML that says how far it is.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stop = Event()
        self.stop = button("Stop", self._stopped, visible=False)

    async def watch(
        self, doing: str, answers: Answers, work: Callable[[Tell, Event], T]
    ) -> T | None:
        """Return what `work` returns, in a thread; None if another was begun meanwhile."""
        seen: list[Progress] = []
        self._stop.set()
        stop = self._stop = Event()
        self._say(loading(f"{doing}…"))
        self.stop.visible = True
        running = asyncio.ensure_future(answers.in_turn(lambda: work(seen.append, stop)))
        while not running.done():
            if stop is self._stop:
                self._say(_so_far(doing, seen[-1] if seen else None))
            await asyncio.wait([running], timeout=WATCH_S)
        if stop is not self._stop:
            return None
        self.stop.visible = False
        return await running

    async def _stopped(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self._stop.set()
        self.stop.visible = False


def _so_far(doing: str, progress: Progress | None) -> str:
    if progress is None:
        return loading(f"{doing}…")
    share = min(progress.done / progress.total, 1)
    return (
        f'<div class="loading measured" role=status style="--done:{share:.1%}">'
        f"{doing}: {share:.0%}, {escaped(spoken(progress))}</div>"
    )
