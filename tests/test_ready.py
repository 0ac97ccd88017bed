"""Sessions that are made ahead: each is one visitor's, and shows what a new one would show."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import time
import weakref
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import panel as pn
import pytest
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.server.contexts import ApplicationContext
from bokeh.util.token import generate_jwt_token
from panel.io.application import build_applications
from panel.io.document import hold
from panel.io.state import set_curdoc
from stores import simple_rows, write_native
from test_live import grow
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.ioloop import IOLoop

from workbench import open_history
from workbench.dashboards import ready as ready_module
from workbench.dashboards.access import Access
from workbench.dashboards.answers import Answers
from workbench.dashboards.exporting import Exported
from workbench.dashboards.ready import ReadySessions, WaitingDocument
from workbench.dashboards.shelf import Shelf
from workbench.dashboards.visits import Visits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from bokeh.server.session import ServerSession

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Bokeh's use of pandas
PATIENCE_S = 60
EVENTS = "&lt;b&gt;{}&lt;/b&gt; events"


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in a loop of its own."""

    @wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(PATIENCE_S * 100):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


class Served:
    """What a server has, without one that listens."""

    def __init__(self, store: Path, shelf: Shelf, most: int) -> None:
        pn.extension("tabulator", "plotly")
        self.store = store
        self.answers = Answers(open_history(store))
        access = Access(audit_log=store.with_name("audit"))
        self.visits = Visits({"store": self.answers}, access, shelf)
        application = build_applications({"/": self.visits.open})["/"]
        application.add(DocumentLifecycleHandler())  # as Bokeh's server does
        self.context = ApplicationContext(application, IOLoop.current(), url="/")
        self.ready = ReadySessions(self.context, self.visits, most)
        self._visitors = 0

    @property
    def waiting(self) -> int:
        """How many sessions wait."""
        return len(self.ready._waiting)

    async def filled(self, most: int = 1) -> None:
        """Wait until so many wait."""
        self.ready.fill()
        await until(lambda: self.waiting >= most)

    async def visit(self, query: str = "", user: str | None = None) -> ServerSession:
        """Return the session of one who comes."""
        self._visitors += 1
        request = asked(f"/{query}")
        request.workbench_user = user
        name = f"visitor-{self._visitors}"
        token = generate_jwt_token(name, extra_payload={"headers": {}, "cookies": {}})
        return await self.context.create_session_if_needed(name, request, token)

    async def loaded(self, session: ServerSession, said: str) -> str:
        """Return all that its browser is sent, once the page says something."""
        with set_curdoc(session.document):
            await self.visits._made[session.document].start()
        await until(lambda: said in text_of(session.document))
        return text_of(session.document)


def asked(uri: str) -> HTTPServerRequest:
    """Return a browser's request."""
    line, headers = RequestStartLine("GET", uri, "HTTP/1.1"), HTTPHeaders({"Host": "localhost"})
    return HTTPServerRequest(start_line=line, headers=headers)


def text_of(document: Document) -> str:
    """Return what a browser is sent of a document."""
    return serialize_json(document.to_json())


def alike(text: str) -> str:
    """Return a document without what numbers its models, and its tables' versions."""
    return re.sub(r'"(?:__ref:)?p[0-9]+"|"[0-9a-f]{32}"|"[A-Za-z]+[0-9]{5}"', "", text)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store."""
    return write_native(tmp_path / "store.db", simple_rows(20))


@asynccontextmanager
async def serving(store: Path, most: int = 1) -> AsyncIterator[Served]:
    """Make sessions ahead, as soon as may be."""
    with Shelf() as shelf:
        served = Served(store, shelf, most)
        try:
            yield served
        finally:
            if served.ready._filling is not None:
                served.ready._filling.cancel()
            for workbench in served.visits._made.values():
                workbench.end()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine be as busy as it is."""
    monkeypatch.setattr(ready_module, "LOOK_S", 0.0)
    monkeypatch.setattr(ready_module, "LITTLE", float("inf"))
    monkeypatch.setattr(ready_module, "ARRIVING_S", 0.0)


@in_a_loop
async def test_each_visitor_has_a_session_of_their_own(store):
    """Sessions that waited are handed out once; who comes when none is left gets a new one."""
    async with serving(store, 2) as served:
        await served.filled(2)
        served.ready._most = 0
        found = [await served.visit() for _ in range(3)]
        documents = [session.document for session in found]
        assert [isinstance(one, WaitingDocument) for one in documents] == [True, True, False]
        assert len({id(one) for one in documents}) == 3
        assert list(served.context.sessions) == found
        assert [session.document.session_context.id for session in found] == [
            session.id for session in found
        ]


@in_a_loop
async def test_a_session_is_found_again(store):
    """Who comes with the token of a session has that session, as over its websocket."""
    async with serving(store, 2) as served:
        await served.filled(2)
        found = await served.visit()
        again = await served.context.create_session_if_needed(found.id, asked("/ws"), found.token)
        assert again is found
        assert served.waiting == 1


@in_a_loop
async def test_those_that_were_taken_are_made_again(store):
    """One is made for each that was handed out."""
    async with serving(store) as served:
        await served.filled()
        await served.visit()
        assert served.waiting == 0
        await served.filled()


@in_a_loop
async def test_it_shows_what_a_new_session_shows(store):
    """Of each part of the page, what it says and how it looks is as in a session made anew."""
    async with serving(store) as served:
        await served.filled()
        served.ready._most = 0
        ready, new = await served.visit(), await served.visit()
        assert isinstance(ready.document, WaitingDocument)
        first = text_of(ready.document)
        assert EVENTS.format(20) in first
        assert '"head_version"' in first  # its last table is there before it is loaded
        found = [await served.loaded(one, '"head_version"') for one in (ready, new)]
        assert alike(found[0]) == alike(found[1])


@in_a_loop
async def test_it_is_written_as_it_is(store):
    """What was written ahead is what would be written now."""
    async with serving(store) as served:
        await served.filled()
        document, _ = served.ready._waiting[0]
        assert document._written is not None
        now = serialize_json(Document.to_json(document))
        assert alike(text_of(document)) == alike(now)
        assert document._written is None


@in_a_loop
async def test_what_changed_since_it_was_written_is_sent(store):
    """A change counts, also where it is held back until all has changed."""
    async with serving(store) as served:
        await served.filled()
        document, _ = served.ready._waiting[0]
        with hold(document):
            document.roots[0].name = "changed"
            assert '"changed"' in text_of(document)


@in_a_loop
async def test_a_link_opens_where_it_leads(store):
    """A session that waited at the overview begins where an address says."""
    async with serving(store) as served:
        await served.filled()
        session = await served.visit("?page=log&event=7")
        assert isinstance(session.document, WaitingDocument)
        workbench = served.visits._made[session.document]
        assert (workbench.place.page, workbench.place.event) == ("log", 7)
        assert '"head_version"' not in await served.loaded(session, "position 7")
        location = next(one for one in session.document.roots if one.name == "location")
        assert location.search == "?page=log&event=7"


@in_a_loop
async def test_it_is_the_visitor_who_exports(store):
    """A line in the audit log names who came, and not who was there when the page was made."""
    async with serving(store) as served:
        await served.filled()
        session = await served.visit(user="ann")
        assert session.document.template_variables["user"] == "ann"
        workbench = served.visits._made[session.document]
        workbench._session.tell(Exported("events", "CSV", 3, 40))
        line = json.loads(store.with_name("audit").read_text())
        assert (line["user"], line["rows"]) == ("ann", 3)


@in_a_loop
async def test_it_shows_what_came_while_it_waited(store):
    """Nobody follows for a session that waits; once it is opened it shows the history as it is."""
    async with serving(store) as served:
        await served.filled()
        served.ready._most = 0
        assert served.answers.live.sessions == 0
        grow(store, simple_rows(25)[20:])
        session = await served.visit()
        assert served.answers.live.sessions == 1
        await served.loaded(session, EVENTS.format(25))
        served.visits._made[session.document].end()
        assert served.answers.live.sessions == 0


@in_a_loop
async def test_no_news_are_lost_while_a_page_is_sent(store):
    """Panel drops what another thread asks of a document while it writes the page: not the news."""
    async with serving(store) as served:
        await served.filled()
        served.ready._most = 0
        session = await served.visit()
        await served.loaded(session, EVENTS.format(20))
        document = session.document
        present = served.visits._made[document]._present
        await until(lambda: not (present._is_asked or present._is_busy))
        held = list(document.callbacks._held_events)  # as `panel.io.resources.patch_model_css` does
        document.hold()
        grow(store, simple_rows(25)[20:])
        patience = time.monotonic() + PATIENCE_S
        while not present._is_asked:  # the loop is busy, and the follower tells its news
            assert time.monotonic() < patience
            time.sleep(0.01)  # noqa: ASYNC251, as above
        document.callbacks._held_events = held
        document.unhold()
        await until(lambda: EVENTS.format(25) in text_of(document))


@in_a_loop
async def test_none_waits_that_shows_an_error(store, caplog):
    """Where the store cannot be read, no session is kept that says so to somebody later."""
    async with serving(store) as served:
        there = store.rename(store.with_suffix(".away"))
        served.ready.fill()
        await until(lambda: "No session could be made ahead" in caplog.text)
        assert served.waiting == 0
        assert served.visits._made == {}
        there.rename(store)
        session = await served.visit()
        assert not isinstance(session.document, WaitingDocument)
        await served.loaded(session, EVENTS.format(20))


@in_a_loop
async def test_none_is_made_while_a_visitor_arrives(store, monkeypatch):
    """A browser that has just come asks for much: nothing is made meanwhile."""
    async with serving(store, 2) as served:
        await served.filled(2)
        monkeypatch.setattr(ready_module, "ARRIVING_S", 1e9)
        await served.visit()
        await asyncio.sleep(0.2)
        assert served.waiting == 1


@in_a_loop
async def test_bokeh_lets_it_wait(store):
    """Bokeh ends sessions that nobody uses: not these, until they were somebody's."""
    async with serving(store) as served:
        await served.filled()
        await served.context._cleanup_sessions(-1)
        served.ready._most = 0
        session = await served.visit()
        assert isinstance(session.document, WaitingDocument)
        await served.context._cleanup_sessions(-1)
        assert session.destroyed
        assert list(served.context.sessions) == []


@pytest.mark.parametrize("most", [0, 2])
@in_a_loop
async def test_nothing_is_left_of_who_has_gone(store, most):
    """Once its visitor has left, a document and all that was made for it go."""
    async with serving(store, most) as served:
        await served.filled(most)
        served.ready._most = 0
        documents = []
        for _ in range(2):
            # In tasks of their own, as on a server: whose page it is is known by what runs.
            session = await asyncio.create_task(served.visit())
            await asyncio.create_task(served.loaded(session, EVENTS.format(20)))
            documents.append(weakref.ref(session.document))
        await served.context._cleanup_sessions(-1)
        assert session.destroyed
        assert served.visits._made == {}
        del session

        def is_gone() -> bool:
            gc.collect()
            return documents[1]() is None  # the first is kept by a timer of Panel's, for good

        await until(is_gone)


@in_a_loop
async def test_none_is_made_where_none_is_wanted(store):
    """With `ready=0` all are made when they are asked for."""
    async with serving(store, 0) as served:
        served.ready.fill()
        assert served.ready._filling is None
        session = await served.visit()
        assert not isinstance(session.document, WaitingDocument)
