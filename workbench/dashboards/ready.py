"""Sessions that are made before anybody asks for them, so that whoever comes does not wait.

Most of a second of processor goes into a session: some two hundred models, and the tables of
the overview. While a server has nothing else to do it makes some ahead, and hands each out to
one who opens the pages. A session that waits follows nothing: what has come since is shown as
soon as it is opened, as on a page that was left alone.

Bokeh has no way in for that, so what keeps its sessions is asked for them through here.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any, Final, Protocol

from bokeh.core.types import ID
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.server import contexts
from bokeh.server.session import ServerSession
from bokeh.util.token import get_token_payload
from panel.io.resources import LOCAL_DIST, patch_model_css
from panel.io.state import set_curdoc
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from bokeh.core.serialization import Serialized
    from bokeh.document.events import DocumentChangedEvent

LOOK_S: Final = 0.5
"""How long a server has to have had little to do before it makes another session."""
LITTLE: Final = 0.1
"""That is this share of one processor."""
ARRIVING_S: Final = 5.0
"""How long nothing is made for others after a visitor came, whose browser asks for much."""
AGAIN_S: Final = 60.0
"""After how long it is tried again, where a session could not be made."""
_NOBODY = ID("nobody")
_LOG = logging.getLogger(__name__)


def _opens() -> HTTPServerRequest:
    """Return a request like that of a visitor, of whom nothing is known."""
    line, headers = RequestStartLine("GET", "/", "HTTP/1.1"), HTTPHeaders({"Host": "localhost"})
    return HTTPServerRequest(start_line=line, headers=headers)


class Visits(Protocol):
    """What is shown in a session, and to whom."""

    async def fill(self, document: Document) -> None:
        """Show in a document what its visitor will see first."""

    def welcome(self, document: Document) -> None:
        """Take note of whose document it is, before it is sent."""


class WaitingDocument(Document):
    """A document that is written out ahead, which holds until something in it changes."""

    def __init__(self) -> None:
        super().__init__()
        self._written: Serialized[Any] | None = None
        tell = self.callbacks.trigger_on_change

        def changed(event: DocumentChangedEvent) -> None:
            if isinstance(event, DocumentPatchedEvent):
                self._written = None
            tell(event)

        # Who asks Bokeh to be told of changes is not, while these are held back.
        self.callbacks.trigger_on_change = changed  # type: ignore[method-assign]

    def write(self) -> None:
        """Write it out."""
        self._written = super().to_json()

    def to_json(self, *, deferred: bool = True) -> Any:  # noqa: ANN401, as Bokeh's
        """Return it as it was written out, for the first who asks; else as it is now."""
        written, self._written = self._written, None
        if deferred and written is not None:
            return written
        return super().to_json() if deferred else super().to_json(deferred=False)


class ReadySessions:
    """Sessions of one application that wait for their visitors.

    Parameters
    ----------
    context
        What keeps the sessions of the application.
    visits
        What is shown in them.
    most
        How many wait at most.
    """

    def __init__(self, context: contexts.ApplicationContext, visits: Visits, most: int) -> None:
        self._context = context
        self._visits = visits
        self._most = most
        self._waiting: deque[tuple[WaitingDocument, contexts.BokehSessionContext]] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._came_at = -ARRIVING_S
        self._make_now = context.create_session_if_needed
        context.create_session_if_needed = self.session  # type: ignore[method-assign]

    def fill(self) -> None:
        """Begin to make those that are missing, in the loop that runs."""
        if self._most and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def session(
        self, session_id: ID, request: HTTPServerRequest | None = None, token: str | None = None
    ) -> ServerSession:
        """Return the session of an id: the one that is there, one that waits, or a new one."""
        context = self._context
        known = (context._sessions, context._pending_sessions)  # noqa: SLF001
        is_there = any(session_id in sessions for sessions in known)
        if is_there or request is None or token is None or not self._waiting:
            return await self._make_now(session_id, request, token)
        document, _ = self._waiting.popleft()
        self._came_at = monotonic()
        self.fill()
        found = self._context_of(document, session_id, request, token)
        context.application._set_session_prefix(document)  # type: ignore[attr-defined]  # noqa: SLF001, Panel's
        with set_curdoc(document):
            self._visits.welcome(document)
        session = ServerSession(session_id, document, io_loop=context.io_loop, token=token)
        found._set_session(session)  # noqa: SLF001
        context._sessions[session_id] = session  # noqa: SLF001
        context._session_contexts[session_id] = found  # noqa: SLF001
        return session

    def _context_of(
        self,
        document: Document,
        session_id: ID,
        request: HTTPServerRequest,
        token: str | None = None,
    ) -> contexts.BokehSessionContext:
        """Make a document one of a session, as Bokeh does it."""
        context, payload = self._context, {} if token is None else get_token_payload(token)
        found = contexts.BokehSessionContext(
            session_id,
            context.server_context,
            document,
            logout_url=context._logout_url,  # noqa: SLF001
        )
        found._request = contexts._RequestProxy(  # noqa: SLF001
            request, **{name: payload.get(name) for name in ("arguments", "cookies", "headers")}
        )
        found._token = token  # noqa: SLF001
        document._session_context = weakref.ref(found)  # noqa: SLF001
        return found

    async def _fill(self) -> None:
        while len(self._waiting) < self._most:
            before = process_time()
            await asyncio.sleep(LOOK_S)
            is_arriving = monotonic() < self._came_at + ARRIVING_S
            if is_arriving or process_time() - before > LITTLE * LOOK_S:
                continue
            try:
                # A task of its own, since much is known by what runs: whose page it is.
                await asyncio.create_task(self._make_one())
            except Exception as error:  # noqa: BLE001, a visitor is told what is wrong
                said = None if isinstance(error, WorkbenchError) else error
                _LOG.warning("No session could be made ahead: %s", error, exc_info=said)
                await asyncio.sleep(AGAIN_S)

    async def _make_one(self) -> None:
        document, application = WaitingDocument(), self._context.application
        nobody = self._context_of(document, _NOBODY, _opens())
        await application.on_session_created(nobody)
        try:
            application.initialize_document(document)
            with set_curdoc(document):
                await self._visits.fill(document)
                for root in document.roots:  # as Panel does when it sends a page
                    patch_model_css(root, LOCAL_DIST)
                document.write()
        except BaseException:
            document.destroy(None)
            await application.on_session_destroyed(nobody)
            raise
        self._waiting.append((document, nobody))
