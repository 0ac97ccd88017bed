"""The frame around the pages: which history, which page, and the way from one to the next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import panel as pn

from workbench.dashboards import style
from workbench.dashboards.address import Place, place_of, query_of
from workbench.dashboards.log import Log
from workbench.dashboards.overview import Overview
from workbench.dashboards.parts import button, failure, text
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.dashboards.answers import Answers

TITLES = {"overview": "Overview", "log": "Log"}
_LOG = logging.getLogger(__name__)


class Workbench(pn.viewable.Viewer):  # type: ignore[misc]
    """All pages over some histories, for one person.

    Parameters
    ----------
    answers
        What is asked of each history, by the name under which it is shown.
    place
        Where to begin.
    """

    def __init__(self, answers: Mapping[str, Answers], place: Place | None = None) -> None:
        super().__init__()
        self._answers = answers
        self._place = place or Place()
        self._opened: str | None = None
        self._pages: dict[str, Overview | Log] = {}
        self._location = pn.state.location
        self._tabs = {
            name: button(title, self._tab(name), look="tab") for name, title in TITLES.items()
        }
        self._choice = pn.widgets.Select(
            name="",
            options=list(answers),
            visible=len(answers) > 1,
            width=200,
            margin=(0, 16, 0, 0),
            stylesheets=[style.INPUT],
        )
        self._choice.param.watch(self._choose, "value")
        self._failed = text(margin=(8, 0, 0, 0), visible=False)
        self._retry = button("Try again", self._again, margin=(6, 0, 0, 0), visible=False)
        self._body = pn.Column(sizing_mode="stretch_width", margin=0, stylesheets=[style.BOX])
        bar = pn.Row(
            self._choice,
            *self._tabs.values(),
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.BAR, style.TOP],
        )
        self._view = pn.Column(
            bar,
            self._failed,
            self._retry,
            self._body,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.ROOT],
        )
        if self._location is not None:
            self._location.param.watch(self._moved, "search")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return what Panel shows for it."""
        return self._view

    async def start(self) -> None:
        """Show where to begin."""
        await self.show(self._place)

    async def go(self, place: Place) -> None:
        """Go to a place: write it into the address, and show it."""
        self._place = place
        if self._location is not None and self._location.search != query_of(place):
            self._location.search = query_of(place)
        await self.show(place)

    async def show(self, place: Place) -> None:
        """Show a place; what goes wrong is said on the page, which stays usable."""
        self._place = place
        page = self._page(place)
        try:
            await page.show(place)
        except Exception as error:  # noqa: BLE001, the last stop before a page that says nothing
            expected = isinstance(error, (WorkbenchError, OSError))
            _LOG.warning("%s: %s", query_of(place), error, exc_info=None if expected else error)
            self._failed.object = failure(error)
            self._failed.visible = self._retry.visible = True
            return
        self._failed.visible = self._retry.visible = False

    def _page(self, place: Place) -> Overview | Log:
        name = place.history if place.history in self._answers else next(iter(self._answers))
        if name != self._opened:
            self._opened = name
            answers = self._answers[name]
            self._pages = {"overview": Overview(answers, self.go), "log": Log(answers, self.go)}
            self._choice.value = name
        for title, tab in self._tabs.items():
            tab.css_classes = ["wb-tab", "wb-here"] if title == place.page else ["wb-tab"]
        page = self._pages[place.page]
        if list(self._body) != [page.view]:
            self._body[:] = [page.view]
        return page

    def _tab(self, name: str) -> Any:  # noqa: ANN401, Panel's callback
        async def open_page(_event: object) -> None:
            await self.go(self._place.to(page=name))

        return open_page

    async def _choose(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new != self._opened:
            await self.go(Place(history=event.new, page=self._place.page))

    async def _again(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self.show(self._place)

    async def _moved(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        place = place_of(event.new)
        if place != self._place:
            await self.show(place)
