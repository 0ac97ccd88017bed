"""The frame around the pages: which history, which page, and the way from one to the next."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import panel as pn

from workbench.dashboards.address import Place, place_of, query_of
from workbench.dashboards.compare import Compare
from workbench.dashboards.lanes import LanesPage
from workbench.dashboards.log import Log
from workbench.dashboards.markup import escaped
from workbench.dashboards.mends import Mends
from workbench.dashboards.overview import Overview
from workbench.dashboards.own_work import OwnWork
from workbench.dashboards.parts import (
    at_a_touch,
    at_once,
    button,
    choice,
    column,
    failure,
    row,
    text,
)
from workbench.dashboards.present import Present
from workbench.dashboards.replay import Replay
from workbench.dashboards.schemas import SchemasPage
from workbench.dashboards.session import UTC_NAME, Session, show_for, zone_of
from workbench.dashboards.style import sheets
from workbench.dashboards.whatif import WhatIf
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from workbench.dashboards.answers import Answers

    Soon = Callable[[Callable[[], None]], object]
    """Runs a function in the loop of a session, from any thread."""

TITLES = {
    "overview": "Overview",
    "log": "Log",
    "lanes": "Lanes",
    "schemas": "Schemas",
    "replay": "Replay",
    "compare": "Compare",
    "whatif": "What if",
}
Pages = Overview | Log | LanesPage | SchemasPage | Replay | Compare | WhatIf
ZONE_LOOKS, ZONE_LOOK_S = 60, 0.05  # how often, and after how long each, for a browser's zone
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
    session
        Who looks at them.
    writes
        Whether projections may be written on the page: their code runs in this process.
    revisions
        Whether code of git revisions may be run from the page.
    alone
        Whether that page stands alone: the way to the others appears when a click leads there.
    """

    def __init__(
        self,
        answers: Mapping[str, Answers],
        place: Place | None = None,
        session: Session | None = None,
        *,
        writes: bool = False,
        revisions: bool = False,
        alone: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answers = answers
        self._own = OwnWork(writes=writes, revisions=revisions)
        self._place = place or Place()
        self._alone = self._place.page if alone else None
        self._soon: Soon | None = None
        self._session = session or Session()
        self._opened: tuple[str, str] | None = None
        """The history, and the zone of times, that the pages were made for."""
        self._pages: dict[str, Pages] = {}
        self._makers: dict[str, Callable[[], Pages]] = {}
        self._location = pn.state.location
        self._browser: Any = None
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
        self._zone = choice(
            "Times in",
            {"Times in UTC": "", "Local times": "local"},
            self._choose_zone,
            width=138,
            visible=self._location is not None,
        )
        self._made = text(visible=False, margin=(6, 0, 0, 0))
        """What was edited or masked in the history, which is so on every page."""
        self._failed = text(margin=(8, 0, 0, 0), visible=False)
        self._retry = button(
            "Try again", self._again, align="start", margin=(6, 0, 0, 0), visible=False
        )
        self._body = column()
        self._present = Present(self._renew, lambda: bool(self._view._models))  # noqa: SLF001
        for tab in self._tabs.values():  # their row stands as a bar, shown or not
            tab.visible = not alone
        tabs = row(*self._tabs.values(), sizing_mode=None)
        self._view = column(
            row(self._choice, tabs, self._present.view, self._zone, look="bar top"),
            self._made,
            self._present.trouble,
            self._failed,
            self._retry,
            self._body,
            stylesheets=sheets("root"),
        )
        if self._location is None:  # a page mends it from the beginning
            self._view.append(Mends())
        if self._location is not None:
            self._location.param.watch(self._follow, "search")
            at_a_touch(self._location)
            self._browser = pn.state.browser_info
            if self._browser is not None:
                self._browser.param.watch(self._learn_zone, "timezone")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return what Panel shows for it."""
        if self._soon is not None:  # a notebook shows it, perhaps once more
            self._present.begin(self._soon)
        return self._view

    @property
    def place(self) -> Place:
        """What is shown."""
        return self._place

    @property
    def is_shown(self) -> bool:
        """Whether nothing is wrong with what is shown."""
        return not self._failed.visible

    def prepare(self) -> None:
        """Make the page where to begin, so that it comes with the first answer of the server.

        What it shows of the history comes later, but for what is known already.
        """
        if not self._place.zone:  # else it is shown in a zone that only the browser knows
            show_for(self._session)
            page = self._page(self._place)
            if isinstance(page, Overview):
                page.greet()

    def begin_at(self, query: str) -> None:
        """Begin where a URL's query says, in place of where it was prepared for."""
        place = place_of(query)
        if place == self._place:
            return
        self._place = place
        if self._location is not None:
            self._location.search = query
        if place.zone:
            self._body.clear()
        self.prepare()

    async def start(self) -> None:
        """Show where to begin, in the zone of the browser where that is asked for."""
        for _ in range(ZONE_LOOKS if self._place.zone and self._browser is not None else 0):
            if self._browser.timezone:
                break
            await asyncio.sleep(ZONE_LOOK_S)
        await self.arrive(self._place)

    def follow_in(self, soon: Soon) -> None:
        """Stay current from when it is shown on; `soon` runs a function in the session's loop."""
        self._soon = soon
        if self._view._models:  # noqa: SLF001, it waited to be shown
            self._present.begin(soon)

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
        zone = zone_of(getattr(self._browser, "timezone", None)) if place.zone else UTC_NAME
        self._session = replace(self._session, zone=zone)
        show_for(self._session)
        try:
            with at_once():
                page = self._page(place)
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
            show_for(self._session)
            await page.renew()

    def _say(self, place: Place, failed: str) -> None:
        """Show that a place could not be shown, unless another one is shown by now."""
        if place is self._place:
            self._failed.object = failed
            self._failed.visible = self._retry.visible = bool(failed)

    def _page(self, place: Place) -> Pages:
        name = place.history or ""
        name = name if name in self._answers else next(iter(self._answers))
        if (name, self._session.zone) != self._opened:
            answers = self._answers[name]
            self._opened = (name, self._session.zone)
            self._pages = {}
            self._makers = {
                "overview": lambda: Overview(answers, self.go),
                "log": lambda: Log(answers, self.go),
                "lanes": lambda: LanesPage(answers, self.go),
                "replay": lambda: Replay(answers, self.go, self._own),
                "compare": lambda: Compare(answers, self.go, self._own, self._answers),
                "whatif": lambda: WhatIf(answers, self.go, self._own),
                "schemas": lambda: SchemasPage(answers, self.go),
            }
            self._choice.value = name
            self._zone.value = place.zone or ""
            made = answers.history.made
            self._made.object = f"<p class=muted>This history is {escaped(made)}.</p>"
            self._made.visible = bool(made)
            self._present.of(answers.live)
        for page_name, tab in self._tabs.items():
            tab.visible = tab.visible or place.page != self._alone
            tab.css_classes = ["wb-tab", "wb-here"] if page_name == place.page else ["wb-tab"]
        page = self._pages.get(place.page)
        if page is None:  # most people never open most pages, and each takes a while to make
            page = self._pages[place.page] = self._makers[place.page]()
        if isinstance(page, (Log, Replay, Compare, WhatIf)):
            page.fill(place)
        if list(self._body) != [page.view]:
            self._body[:] = [page.view]
        return page

    def _to_page(self, name: str) -> Callable[[Any], Awaitable[None]]:
        async def open_page(_event: object) -> None:
            await self.go(self._place.to(page=name))

        return open_page

    async def _choose(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._opened is None or event.new != self._opened[0]:
            here = self._place
            await self.go(Place(history=event.new, page=here.page, zone=here.zone))

    async def _choose_zone(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        zone = event.new or None
        if zone != self._place.zone:
            await self.go(self._place.to(zone=zone))

    async def _learn_zone(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        """Show times anew, once the browser has said which zone it is in."""
        if self._place.zone and self._opened is not None:
            await self.arrive(self._place)

    async def _again(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self.arrive(self._place)

    async def _follow(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        """Follow the browser's Back and Forward."""
        place = place_of(event.new)
        if place != self._place:
            await self.arrive(place)
