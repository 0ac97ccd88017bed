"""What is made for each visitor of the pages: the pages themselves, and the document around."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import panel as pn
from bokeh.io import curdoc
from bokeh.models import CustomJS
from panel.io.resources import LOCAL_DIST, parse_template
from panel.io.state import set_curdoc

from workbench.dashboards.address import place_of
from workbench.dashboards.audit import Person, audited
from workbench.dashboards.ready import WaitingDocument
from workbench.dashboards.session import Session
from workbench.dashboards.shell import Workbench
from workbench.dashboards.style import LOST, asset
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bokeh.document import Document

    from workbench.dashboards.access import Access
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.exporting import Exported
    from workbench.dashboards.shelf import Shelf


class Visits:
    """The pages over some histories, made anew for each visitor.

    Parameters
    ----------
    answers
        What is asked of each history, by the name under which it is shown.
    access
        Who may see the pages, and what may be done on them.
    shelf
        Where exported files wait to be fetched.
    """

    def __init__(self, answers: Mapping[str, Answers], access: Access, shelf: Shelf) -> None:
        self._answers = answers
        self._access = access
        self._shelf = shelf
        self._made: dict[Document, Workbench] = {}

    def open(self) -> Workbench:
        """Return the pages for the document that is being made."""
        location, document = pn.state.location, curdoc()
        # Panel says so when it renders the page, which a session that is made anew for an open
        # page never is: its sheets would be asked of Panel's own site.
        document.template_variables.setdefault("dist_url", LOCAL_DIST)
        access, first = self._access, next(iter(self._answers))

        def told(exported: Exported) -> None:
            person = Person.of(_request_of(document))
            audited(person, exported, workbench.place, first, access.audit_log)

        workbench = Workbench(
            self._answers,
            place_of(location.search if location else ""),
            Session(shelf=self._shelf, on_export=told),
            writes=access.writes,
            revisions=access.revisions,
        )
        self._made[document] = workbench
        workbench.prepare()
        pn.state.onload(workbench.start)
        document.on_session_destroyed(lambda _context: self._end(document))
        document.js_on_event("connection_lost", CustomJS(code=LOST))
        frame(document)
        if not isinstance(document, WaitingDocument):
            self.welcome(document)
        return workbench

    async def fill(self, document: Document) -> None:
        """Show in a document what its visitor will see first.

        Raises
        ------
        WorkbenchError
            If that cannot be shown.
        """
        await self._made[document].start()
        if not self._made[document].is_shown:
            raise WorkbenchError("The pages cannot be shown now: the line above says why.")

    def welcome(self, document: Document) -> None:
        """Have a document know its visitor, begin where the address says, and stay current."""
        request, workbench = _request_of(document), self._made[document]
        document.template_variables["user"] = Person.of(request).user
        query = urlsplit(getattr(request, "uri", None) or "").query
        workbench.begin_at(f"?{query}" if query else "")
        loop = asyncio.get_running_loop()

        def soon(act: Callable[[], None]) -> None:
            # Bokeh's own way loses what another thread asks for while events are held back.
            loop.call_soon_threadsafe(_do_in, document, act)

        workbench.follow_in(soon)

    def _end(self, document: Document) -> None:
        """Let go of a document whose visitor has left."""
        self._made.pop(document).end()


def _do_in(document: Document, act: Callable[[], None]) -> None:
    with set_curdoc(document):
        act()


def frame(document: Document) -> None:
    """Give a document the page around all, `assets/page.html`."""
    document.template = _template()
    document.template_variables["mends"] = asset("mends.js")


@cache
def _template() -> Any:  # noqa: ANN401, Jinja's
    return parse_template("{% extends base %}\n" + asset("page.html"))


def _request_of(document: Document) -> Any:  # noqa: ANN401, a stand-in of Bokeh's
    return getattr(document.session_context, "request", None)
