"""The pages on which users log in and out.

Passwords are checked here, against hashes; Panel's own page for it compares plain text. Who
is known to a provider of OAuth logs in by Panel's handlers, whose tokens are not kept: all
that a browser gets is who it is.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bokeh.server.auth_provider import AuthProvider
from jinja2 import Environment
from panel.auth import AUTH_PROVIDERS, CODE_COOKIE_NAME, STATE_COOKIE_NAME, OAuthProvider
from tornado.web import RequestHandler

from workbench import passwords
from workbench.dashboards.access import OAuth, PasswordFile
from workbench.dashboards.attempts import WINDOW_S, Attempts
from workbench.dashboards.gate import LOGIN, LOGOUT
from workbench.dashboards.style import asset

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Template

    from workbench.dashboards.gate import Gate

WRONG = "The name or the password is wrong."
BUSY = "Too many wrong passwords. Wait a minute, and try again."
MOST_WAITING = 16
"""How many passwords may wait to be checked: each takes a processor and 32 MiB for a while."""
_OAUTH_COOKIES = ("user", STATE_COOKIE_NAME, CODE_COOKIE_NAME)


@dataclass
class Desk:
    """What the handlers of logging in and out share."""

    gate: Gate
    is_secret: bool
    attempts: Attempts = field(default_factory=Attempts)
    nobody: passwords.Entry = field(default_factory=lambda: passwords.hashed("nobody's password"))
    """What an unknown user's password is compared with, so that both take as long."""
    waiting: int = 0
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))

    async def fits(self, user: str, password: str) -> bool:
        """Return whether this is the user's password."""
        login = self.gate.login
        entries = login.entries() if isinstance(login, PasswordFile) else {}
        known = entries.get(user)
        entry = known or self.nobody
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            is_right = await loop.run_in_executor(self.pool, entry.fits, password)
        finally:
            self.waiting -= 1
        return is_right and known is not None


class Page(RequestHandler):
    """A page of the login's look, whose form cannot be sent by another site."""

    def initialize(self, desk: Desk) -> None:
        """Take what the pages share."""
        self.desk = desk

    def show(self, **values: object) -> None:
        """Write the page."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        # The same token as in the form; it comes with a cookie of its own.
        self.finish(_template().render(xsrf=self.xsrf_token.decode("ascii"), **values))

    def write_error(self, status_code: int, **_others: Any) -> None:  # noqa: ANN401, Tornado's
        """Write what went wrong, in words."""
        said = "This form is too old. Reload the page, and try again."
        self.show(error=said if status_code == 403 else "This did not work.", heading="Not done")  # noqa: PLR2004


class Login(Page):
    """The page with the fields for a name and a password."""

    def get(self) -> None:
        """Show the form."""
        self.show(next=_inside(self.get_argument("next", "/")), is_login=True)

    async def post(self) -> None:
        """Let the user in if the password is right, and if it was not tried too often."""
        desk, user = self.desk, self.get_body_argument("user", "")[:128]
        password = self.get_body_argument("password", "", strip=False)
        onward = _inside(self.get_body_argument("next", "/"))
        address = self.request.remote_ip or ""
        if desk.waiting >= MOST_WAITING or not desk.attempts.begin(address, user):
            self.set_status(429)
            self.set_header("Retry-After", f"{WINDOW_S:.0f}")
            self.show(next=onward, is_login=True, error=BUSY)
        elif await desk.fits(user, password):
            desk.attempts.passed(address, user)
            self.set_signed_cookie(
                *(desk.gate.cookie, desk.gate.held(user)),
                expires_days=1,
                httponly=True,
                samesite="Lax",
                secure=desk.is_secret,
            )
            self.redirect(onward, status=303)
        else:
            self.set_status(401)
            self.show(next=onward, is_login=True, error=WRONG)


class Logout(Page):
    """The page that asks whether to log out, and does it."""

    def get(self) -> None:
        """Ask."""
        gate, user = self.desk.gate, self.desk.gate.user(self.request)
        is_let_in = not isinstance(gate.login, OAuth) or gate.login.lets_in(user or "")
        error = "" if user is None or is_let_in else f"{user} may not see these pages."
        self.show(user=user, heading="Log out" if user else "Logged out", error=error)

    def post(self) -> None:
        """End the login, and close the pages that are open with it."""
        ended = self.desk.gate.end(self.request)
        self.clear_cookie(self.desk.gate.cookie, path="/")
        # Bokeh has no public way to a user's connections.
        for connection in list(self.application._clients):  # type: ignore[attr-defined]  # noqa: SLF001
            found = connection._socket.request.cookies.get(self.desk.gate.cookie)  # noqa: SLF001
            if ended is not None and found is not None and found.value == ended:
                connection._socket.close()  # noqa: SLF001
        self.redirect(LOGOUT, status=303)


class Provided(OAuthProvider):
    """Panel's OAuth, whose pages look like the others, and which keeps no token."""

    def __init__(self, desk: Desk, oauth: OAuth) -> None:
        self._desk, self._oauth = desk, oauth
        super().__init__(login_endpoint=LOGIN, logout_endpoint=LOGOUT)  # type: ignore[no-untyped-call]

    @property
    def get_user_async(self) -> Callable[[Any], Any]:
        """Return what says who makes a request: the gate knows."""

        async def user(handler: RequestHandler) -> str | None:
            return _user(handler)

        return user

    @property
    def login_handler(self) -> type[RequestHandler]:
        """Return Panel's handler of this provider, with safe cookies."""
        desk, base = self._desk, AUTH_PROVIDERS[self._oauth.provider]

        class Handler(base):  # type: ignore[misc, valid-type]  # Panel has no types
            _error_template = _Failed()
            _login_endpoint = LOGIN

            def set_cookie(self, name: str, value: str, **options: object) -> None:
                if name in _OAUTH_COOKIES:
                    safe = {"httponly": True, "samesite": "Lax", "secure": desk.is_secret}
                    super().set_cookie(name, value, **{**options, **safe})

        return Handler

    @property
    def logout_handler(self) -> type[RequestHandler]:
        """Return the page that logs out."""
        return _with_desk(Logout, self._desk)


class Known(AuthProvider):
    """Users that are in a file of passwords."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        super().__init__()

    @property
    def get_user(self) -> Callable[[Any], Any]:
        """Return what says who makes a request: the gate knows."""
        return _user

    @property
    def get_user_async(self) -> None:
        """Nothing: `get_user` says it."""

    @property
    def login_url(self) -> str:
        """Return where the login is."""
        return LOGIN

    @property
    def get_login_url(self) -> None:
        """Nothing: `login_url` says it."""

    @property
    def login_handler(self) -> type[RequestHandler]:
        """Return the page that logs in."""
        return _with_desk(Login, self._desk)

    @property
    def logout_url(self) -> str:
        """Return where to log out."""
        return LOGOUT

    @property
    def logout_handler(self) -> type[RequestHandler]:
        """Return the page that logs out."""
        return _with_desk(Logout, self._desk)


def login_options(desk: Desk) -> dict[str, Any]:
    """Return what Panel's server is told of a login; nothing where nobody has to log in."""
    login = desk.gate.login
    if login is None:
        return {}
    options = {
        "xsrf_cookies": True,
        # Not the usual name: servers of one host share their cookies, JupyterLab's among them.
        "xsrf_cookie_name": f"{desk.gate.cookie}-xsrf",
        "xsrf_cookie_kwargs": {"httponly": True, "samesite": "Lax", "secure": desk.is_secret},
    }
    if isinstance(login, OAuth):
        keys = {"oauth_key": login.key, "oauth_secret": login.secret}
        return {**options, **keys, "auth_provider": Provided(desk, login)}
    return {**options, "auth_provider": Known(desk)}


class _Failed:
    """What Panel renders where a provider lets somebody not in; it takes Panel's arguments."""

    def render(self, error: object = "", error_msg: object = "", **_others: object) -> str:
        said = f"{error}. {error_msg}".strip(". ")
        return _template().render(heading="Not logged in", error=said)


@cache
def _template() -> Template:
    return Environment(autoescape=True).from_string(asset("login.html"))


def _user(handler: RequestHandler) -> str | None:
    found: str | None = getattr(handler.request, "workbench_user", None)
    return found


def _with_desk(page: type[Page], desk: Desk) -> type[RequestHandler]:
    """Return a handler that needs no arguments, as Bokeh makes them."""

    class Handler(page):  # type: ignore[misc, valid-type]  # a class that is chosen at run time
        def initialize(self) -> None:
            super().initialize(desk)

    return Handler


def _inside(target: str) -> str:
    r"""Return where to go on after the login, if that is a place on this server, else the start.

    Examples
    --------
    >>> [_inside(t) for t in ("/?page=log", "//evil.example", "https://evil.example", "/\\evil")]
    ['/?page=log', '/', '/', '/']
    """
    parts = urlsplit(target)
    is_inside = target.startswith("/") and not (parts.scheme or parts.netloc)
    is_plain = target.isprintable() and "\\" not in target and not target.startswith("//")
    return target if is_inside and is_plain else "/"
