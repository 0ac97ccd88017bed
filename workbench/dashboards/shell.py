"""The frame around the pages: which history, which page, and the way from one to the next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import panel as pn

from workbench.dashboards.address import Place, place_of, query_of
from workbench.dashboards.compare import Compare
from workbench.dashboards.log import Log
from workbench.dashboards.overview import Overview
from workbench.dashboards.parts import button, choice, column, failure, row, text
from workbench.dashboards.present import Present
from workbench.dashboards.replay import Replay
from workbench.dashboards.schemas import SchemasPage
from workbench.dashboards.session import Session
from workbench.dashboards.style import sheets
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from workbench.dashboards.answers import Answers

    Soon = Callable[[Callable[[], None]], object]
    """Runs a function in the loop of a session, from any thread."""

TITLES = {
    "overview": "Overview",
    "log": "Log",
    "schemas": "Schemas",
    "replay": "Replay",
    "compare": "Compare",
}
Pages = Overview | Log | SchemasPage | Replay | Compare
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Renewing(Protocol):
    """A page that can follow: it shows what is new, and moves nothing that is being read."""

    async def renew(self) -> None:
        """Show what has come since."""


class Workbench(pn.viewable.Viewer):
    """All pages over some histories, for one person.

    Parameters
    ----------
    answers
        What is asked of each history, by the name under which it is shown.
    place
        Where to begin.
    writes
        Whether projections may be written on the page: their code runs in this process.
    alone
        Whether that page stands alone: the way to the others appears when a click leads there.
    """

    def __init__(
        self,
        answers: Mapping[str, Answers],
        place: Place | None = None,
        *,
        writes: bool = False,
        alone: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answers = answers
        self._session = Session(writes=writes)
        self._place = place or Place()
        self._alone = self._place.page if alone else None
        self._soon: Soon | None = None
        self._opened: str | None = None
        self._pages: dict[str, Pages] = {}
        self._location = pn.state.location
        self._tabs = {
            name: button(title, self._to_page(name), look="tab") for name, title in TITLES.items()
        }
        self._choice = choice(
            "History",
            list(answers),
            self._choose,
            width=200,
            visible=len(answers) > 1,
            margin=(0, 16, 0, 0),
        )
        self._failed = text(margin=(8, 0, 0, 0), visible=False)
        self._retry = button(
            "Try again", self._again, align="start", margin=(6, 0, 0, 0), visible=False
        )
        self._body = column()
        self._present = Present(self._renew, lambda: bool(self._view._models))  # noqa: SLF001
        tabs = row(*self._tabs.values(), visible=not alone, sizing_mode="fixed")
        self._ways = tabs
        self._view = column(
            row(self._choice, tabs, self._present.view, look="bar top"),
            self._present.trouble,
            self._failed,
            self._retry,
            self._body,
            stylesheets=sheets("root"),
        )
        if self._location is not None:
            self._location.param.watch(self._follow, "search")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return what Panel shows for it."""
        if self._soon is not None:  # a notebook shows it, perhaps once more
            self._present.begin(self._soon)
        return self._view

    async def start(self) -> None:
        """Show where to begin."""
        await self.arrive(self._place)

    def follow_in(self, soon: Soon) -> None:
        """Stay current from when it is shown on; `soon` runs a function in the session's loop."""
        self._soon = soon

    def end(self) -> None:
        """Follow nothing any longer."""
        self._present.end()

    async def go(self, place: Place) -> None:
        """Go to a place: write it into the address, and show it."""
        self._place = place
        query = query_of(place)
        if self._location is not None and self._location.search != query:
            self._location.search = query
        await self.arrive(place)

    async def arrive(self, place: Place) -> None:
        """Show a place; what goes wrong is said on the page, which stays usable."""
        self._place = place
        page = self._page(place)
        try:
            await page.show(place)
        except Exception as error:  # noqa: BLE001, the last stop before a page that says nothing
            is_expected = isinstance(error, (WorkbenchError, OSError))
            _LOG.warning("%s: %s", query_of(place), error, exc_info=None if is_expected else error)
            self._say(place, failure(error))
        else:
            self._say(place, "")

    async def _renew(self) -> None:
        """Show what is new on the page that is open, where it can follow."""
        page = self._pages.get(self._place.page)
        if isinstance(page, Renewing):
            await page.renew()

    def _say(self, place: Place, failed: str) -> None:
        """Show that a place could not be shown, unless another one is shown by now."""
        if place is self._place:
            self._failed.object = failed
            self._failed.visible = self._retry.visible = bool(failed)

    def _page(self, place: Place) -> Pages:
        name = place.history or ""
        name = name if name in self._answers else next(iter(self._answers))
        if name != self._opened:
            self._opened = name
            answers = self._answers[name]
            self._pages = {
                "overview": Overview(answers, self.go),
                "log": Log(answers, self.go),
                "replay": Replay(answers, self.go, self._session),
                "compare": Compare(answers, self.go),
                "schemas": SchemasPage(answers, self.go),
            }
            self._choice.value = name
            self._present.of(answers.live)
        self._ways.visible = self._ways.visible or place.page != self._alone
        for page_name, tab in self._tabs.items():
            tab.css_classes = ["wb-tab", "wb-here"] if page_name == place.page else ["wb-tab"]
        page = self._pages[place.page]
        if list(self._body) != [page.view]:
            self._body[:] = [page.view]
        return page

    def _to_page(self, name: str) -> Callable[[Any], Awaitable[None]]:
        async def open_page(_event: object) -> None:
            await self.go(self._place.to(page=name))

        return open_page

    async def _choose(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new != self._opened:
            await self.go(Place(history=event.new, page=self._place.page))

    async def _again(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self.arrive(self._place)

    async def _follow(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        """Follow the browser's Back and Forward."""
        place = place_of(event.new)
        if place != self._place:
            await self.arrive(place)
