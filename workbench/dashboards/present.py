"""What one person has of the present: the switch "Live", and a page that stays current.

News come from `live`, in another thread and as often as they like. Here they are told to
the person's own loop, one at a time: what comes while a page is being renewed is seen by
the next renewal, so that nothing piles up behind a slow browser.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

import panel as pn

from workbench.dashboards.markup import notice
from workbench.dashboards.parts import row, text
from workbench.dashboards.style import sheets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.live import Live

REST = 3
"""How many times as long as it took to renew a page it is left alone: it has to be read too."""
LIVE = "Live"
_LOG = logging.getLogger(__name__)


class Present:
    """The part of one session in what is live.

    Parameters
    ----------
    renew
        Shows what is new on the page that is open.
    is_shown
        Whether anybody can still see the page.
    """

    def __init__(self, renew: Callable[[], Awaitable[None]], is_shown: Callable[[], bool]) -> None:
        self._renew = renew
        self._is_shown = is_shown
        self._live: Live | None = None
        self._leave: Callable[[], None] | None = None
        self._soon: Callable[[Callable[[], None]], object] | None = None
        self._is_asked = self._is_busy = self._was_shown = False
        # A group of one: the label of a lone box is not tied to it, for who cannot see them.
        self._switch = pn.widgets.CheckBoxGroup(  # type: ignore[no-untyped-call]
            options=[LIVE],
            value=[LIVE],
            margin=0,
            align="center",
            stylesheets=sheets("field"),
            css_classes=["wb-alone"],
        )
        self._switch.param.watch(self._switched, "value")
        self._why = text(sizing_mode=None, visible=False)
        self.view = row(
            self._switch, self._why, sizing_mode=None, margin=(0, 0, 0, 8), align="center"
        )
        self.trouble = text(margin=(8, 0, 0, 0), visible=False)

    def begin(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """Begin to follow, where that is wanted; `soon` runs a function in the session's loop."""
        self._soon = soon
        self._join()

    def of(self, live: Live) -> None:
        """Follow this history from now on, in place of the one before."""
        if live is self._live:
            return
        self.end()
        self._live = live
        self._switch.disabled = live.why_not is not None
        self._why.param.update(
            object="" if live.why_not is None else f"<p class=muted>{live.why_not}</p>",
            visible=live.why_not is not None,
        )
        self._join()

    def end(self) -> None:
        """Follow no longer."""
        if self._leave is not None:
            self._leave()
            self._leave = None

    def _join(self) -> None:
        live = self._live
        is_wanted = bool(self._switch.value) and live is not None and live.why_not is None
        if is_wanted and live is not None and self._soon is not None and self._leave is None:
            self._leave = live.join(self._told)

    def _told(self) -> None:
        """Take note of news, in the follower's thread."""
        if self._soon is not None and not self._is_asked:
            self._is_asked = True
            self._soon(self._ask)

    def _ask(self) -> None:
        """Begin to renew, in the session's loop."""
        if not self._is_busy:
            self._is_busy = True
            pn.state.execute(self._go_on)

    async def _go_on(self) -> None:
        """Renew until nothing has come meanwhile."""
        try:
            while self._is_asked and self._leave is not None:
                self._is_asked = False
                if self._is_gone():
                    self.end()
                    return
                begin = perf_counter()
                await self._show()
                await asyncio.sleep(REST * (perf_counter() - begin))
        finally:
            self._is_busy = False

    async def _show(self) -> None:
        trouble = None if self._live is None else self._live.trouble
        told = "" if trouble is None else notice("Nothing new can be seen now.", trouble)
        self.trouble.param.update(object=told, visible=bool(told))
        if trouble is None:
            try:
                await self._renew()
            except OSError as error:  # whoever follows will say so too, as soon as it looks
                _LOG.info("The page could not be renewed: %s", error)

    def _is_gone(self) -> bool:
        """Whether the page was shown, and is no longer: a cell whose output was cleared."""
        is_shown = self._is_shown()
        self._was_shown = self._was_shown or is_shown
        return self._was_shown and not is_shown

    async def _switched(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new:
            self._join()
            self._is_asked = True
            self._ask()
        else:
            self.end()
