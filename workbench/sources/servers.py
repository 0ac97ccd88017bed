"""Servers: where one is, who asks, what of that may be shown, and how long one may be away."""

from __future__ import annotations

import threading
import time as clock
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from workbench.errors import (
    ServerUnreachableError,
    StoreUnreadableError,
    UnknownTargetError,
    near,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

T = TypeVar("T")

HIDDEN = "***"
RETURN_S = 10.0
"""How long a server that is lost in mid-read may stay away."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True)
class Place:
    """The parts of a server's URL; who asks is in no representation of it."""

    scheme: str
    hosts: str
    """One or several `host:port`, as the URL has them."""
    path: str
    options: Mapping[str, tuple[str, ...]] = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The URL without what is secret in it."""
        return f"{self.scheme}://{self.hosts}" + (f"/{self.path}" if self.path else "")

    def hidden(self, text: str) -> str:
        """Return a text, such as a client's message, without what is secret."""
        for secret in (self.password, self.user):
            if secret:
                text = text.replace(secret, HIDDEN)
        return text

    def option(self, name: str) -> str | None:
        """The last value of an option, None where it is not given."""
        return self.options.get(name, (None,))[-1]


def place_of(url: str, known: Collection[str], *, port: int) -> Place:
    """Return the parts of a server's URL.

    Parameters
    ----------
    url
        `scheme://user:password@host:port/path?option=value`.
    known
        The options there are; their names are compared without regard to case.
    port
        What to name in the message if no host is given.

    Raises
    ------
    UnknownTargetError
        If no host is named, a port is no number, or an option is not known.

    Examples
    --------
    >>> place_of("umadb://:secret@localhost:50051?tls=true", {"tls"}, port=50051)
    Place(scheme='umadb', hosts='localhost:50051', path='')
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options: dict[str, tuple[str, ...]] = {}
    names = {name.lower(): name for name in known}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name.lower() not in names:
            msg = f"Cannot open {parts.scheme}://{hosts} with {name!r}. {near(name, known)}"
            raise UnknownTargetError(msg)
        options[names[name.lower()]] = (*options.get(names[name.lower()], ()), value)
    place = Place(
        parts.scheme.lower(),
        hosts,
        unquote(parts.path.removeprefix("/")),
        options,
        unquote(user) or None,
        unquote(password) or None,
    )
    if not hosts or not all(_is_host(host) for host in hosts.split(",")):
        msg = (
            f"Cannot open {place.shown!r}: it names no host, or a port that is no number. "
            f"Write {place.scheme}://localhost:{port}."
        )
        raise UnknownTargetError(msg)
    return place


def _is_host(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return bool(host)
    return bool(name) and port.isdigit() and 0 < int(port) < 2**16


def within(seconds: float, task: Callable[[], T]) -> T:
    """Return what a task comes to, which runs in a thread of its own.

    A call into a client that is not Python cannot be ended from outside. One that takes too
    long is left alone, and ends when its server or its connection does.

    Raises
    ------
    TimeoutError
        If it takes longer than so many seconds.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(task())
        except BaseException as error:  # noqa: BLE001, it is raised where it is waited for
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="workbench-waiting", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        msg = f"no answer within {seconds:g} s"
        raise TimeoutError(msg)
    return outcome.result()


def in_lots(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items some at a time; where the server is lost, those it had sent come before that.

    Raises
    ------
    StoreUnreadableError
        If the server is lost.
    """
    lot: list[T] = []
    try:
        for item in items:
            lot.append(item)
            if len(lot) == size:
                yield lot
                lot = []
    except StoreUnreadableError:
        if lot:
            yield lot
        raise
    if lot:
        yield lot


class Patience:
    """How a reading waits for a server that it has lost, so that a restart does not end it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._answered: float | None = None
        self._pause = _FIRST_PAUSE_S

    def renew(self) -> None:
        """Take note that the server has answered."""
        self._answered = clock.monotonic()
        self._pause = _FIRST_PAUSE_S

    def wait(self, error: Exception, last: int | None) -> None:
        """Wait a little before the next attempt.

        Raises
        ------
        ServerUnreachableError
            If the server has been away for too long; `error`, if it never was there.
        """
        if self._answered is None:
            raise error
        away = clock.monotonic() - self._answered
        if away > RETURN_S:
            msg = (
                f"Cannot read on in {self._place.shown!r}: the server has not answered for "
                f"{away:.0f} s, after position {last or 0:,} ({error.__cause__ or error}). What "
                f"was read stays usable; go on with history.between(after={last or 0})."
            )
            raise ServerUnreachableError(self._place.hidden(msg)) from error
        clock.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
