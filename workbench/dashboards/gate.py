"""The gate before everything that is served: no request passes it that may not.

Panel and Bokeh ask for a login page by page, and give out their own files, and any module's
resources, to everybody. Here one rule stands before all of theirs: who is not logged in
gets the login page and nothing else; and what comes from another origin gets nothing.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from tornado.routing import Matcher, Rule
from tornado.web import OutputTransform, RequestHandler, decode_signed_value

from workbench.dashboards.access import OAuth, PasswordFile
from workbench.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tornado.httputil import HTTPHeaders, HTTPServerRequest
    from tornado.web import Application

LOGIN, LOGOUT = "/login", "/logout"
DAY_S: Final = 86_400
"""How long a login lasts."""
_OWN_RESOURCES = ("panel.", "bokeh.", "workbench.")
_LOG = logging.getLogger(__name__)
POLICY: Final = (
    # Bokeh builds its callbacks, and Tabulator its formats, from text at run time.
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' blob: data:; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Gate:
    """Who may pass, by the cookie of the login.

    Parameters
    ----------
    login
        How users log in; None where nobody has to.
    secret
        What the cookie is signed with.
    hosts
        The hosts that pages have which may open this server's.
    cookie
        The cookie's name.
    """

    login: PasswordFile | OAuth | None
    secret: str = field(repr=False)
    hosts: Sequence[str]
    cookie: str = "user"
    _ended: dict[bytes, float] = field(default_factory=dict, repr=False)

    def user(self, request: HTTPServerRequest) -> str | None:
        """Return who is logged in, whether or not they may see the pages; None if nobody is."""
        value = self._value(request)
        if value is None or _digest(value) in self._ended:
            return None
        held = _read(self.secret, self.cookie, value, 1.0)
        if held is None or not isinstance(self.login, PasswordFile):
            return held
        name = held.partition(" ")[2]
        try:
            entry = self.login.entries().get(name)
        except AccessError as error:
            _LOG.warning("Nobody is let in: %s", error)
            return None
        if entry is None:
            return None
        # A login from before the user's line was written is one with another password.
        days = min(1.0, max(time.time() - entry.since, 0) / DAY_S)
        return None if _read(self.secret, self.cookie, value, days) is None else name

    @staticmethod
    def held(user: str) -> str:
        """Return what the cookie of a login holds: the user, and what no other login has.

        Two logins of one user in the same second would else share their cookie, and end together.
        """
        return f"{secrets.token_urlsafe(9)} {user}"

    def end(self, request: HTTPServerRequest) -> str | None:
        """End the login of a request: its cookie opens nothing any more. Return the cookie."""
        value = self._value(request)
        now = time.time()
        self._ended = {digest: at for digest, at in self._ended.items() if at > now - DAY_S}
        if value is not None and _read(self.secret, self.cookie, value, 1) is not None:
            self._ended[_digest(value)] = now
        return value

    def refusal(self, request: HTTPServerRequest) -> str | None:
        """Return why a request is refused: 'origin', 'resource', 'login' or 'user'; None if not."""
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() not in self.hosts:
            return "origin"
        if _is_no_part_of_a_page(request.path):
            return "resource"
        if self.login is None:
            return None
        user = self.user(request)
        request.workbench_user = user  # type: ignore[attr-defined]  # for the audit line
        if request.path in (LOGIN, LOGOUT):
            return None
        if user is None:
            return "login"
        is_in = not isinstance(self.login, OAuth) or self.login.lets_in(user)
        return None if is_in else "user"

    def _value(self, request: HTTPServerRequest) -> str | None:
        found = request.cookies.get(self.cookie)
        return None if found is None else found.value


class Barred(Matcher):
    """Requests that a gate refuses."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return why a request is refused, as the path of `Refused`, None if it is not."""
        why = self._gate.refusal(request)
        return None if why is None else {"path_args": [why.encode()]}


class Refused(RequestHandler):
    """What a request gets that is refused: the way to the login, or a short no."""

    def check_xsrf_cookie(self) -> None:
        """Let every method come: what follows is a refusal."""

    def _refuse(self, why: str) -> None:
        request = self.request
        self.set_header("Cache-Control", "no-store")
        is_page = "text/html" in request.headers.get("Accept", "") and request.method == "GET"
        if why == "login" and is_page and "Upgrade" not in request.headers:
            self.redirect(f"{LOGIN}?next={quote(request.uri or '/', safe='')}")
            return
        if why == "user" and is_page:
            self.redirect(LOGOUT)
            return
        if why == "origin":
            _LOG.warning("Refused a request from the origin %r.", request.headers.get("Origin"))
        said = {
            "login": (401, "Log in first."),
            "user": (403, "This user may not see the pages."),
            "origin": (403, "Opened from another origin: serve with --allow-origin to allow it."),
            "resource": (404, "There is no such thing here."),
        }
        status, text = said[why]
        self.set_status(403 if "Upgrade" in request.headers else status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text + "\n")

    get = head = post = put = delete = patch = options = _refuse


class SafeHeaders(OutputTransform):
    """What every answer tells the browser: nothing from elsewhere, and in no one else's frame."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: ARG002, FBT001, Tornado's argument
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return an answer with these headers."""
        for name, value in HEADERS.items():
            headers[name] = value
        # Bokeh lets every page on the web read its scripts and its metadata.
        headers.pop("Access-Control-Allow-Origin", None)
        return status_code, headers, chunk


def guard(application: Application, gate: Gate) -> None:
    """Put a gate before everything that an application serves."""
    application.add_handlers(".*", [Rule(Barred(gate), Refused)])
    application.add_transform(SafeHeaders)


def hidden_from_page() -> Mapping[str, list[str]]:
    """Return what Bokeh is not to write into the page, where scripts would read the cookie."""
    return {"include_cookies": [], "exclude_headers": ["Cookie", "Authorization"]}


def _is_no_part_of_a_page(path: str) -> bool:
    """Return whether a path starts a page inside another, or imports a module that it names."""
    if path.endswith("/autoload.js"):
        return True
    is_component = path.startswith("/components/")
    return is_component and not path.removeprefix("/components/").startswith(_OWN_RESOURCES)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


def _read(secret: str, name: str, value: str, days: float) -> str | None:
    found = decode_signed_value(secret, name, value, max_age_days=days)
    return None if found is None else found.decode("utf-8", "replace")
