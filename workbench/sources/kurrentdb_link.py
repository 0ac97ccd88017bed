"""Connections to a KurrentDB server, what its client's errors mean, and how long is waited."""

from __future__ import annotations

import os
import threading
import time as clock
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreUnreadableError,
    UnknownStreamError,
    UnknownTargetError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.sources.servers import Place

PORT = 2113
STALLED_S = 15.0
"""How long a server may be silent when it is asked for the next event."""
_LOOK_S = 0.1


@dataclass(frozen=True)
class Link:
    """How a server is reached. A connection is opened for each question, and closed after it."""

    place: Place

    @property
    def timeout_s(self) -> float:
        """How long a short question may take, in seconds."""
        return STALLED_S

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A connection, closed at the end.

        Raises
        ------
        UnknownTargetError
            If the client refuses the options, or wants a user and a password.
        ServerUnreachableError
            If the server does not answer.
        """
        from kurrentdbclient import KurrentDBClient

        try:
            with self.translated():
                client = KurrentDBClient(self._uri())
        except (ValueError, FileNotFoundError) as error:
            said = str(error).partition(": kurrentdb")[0].partition(": esdb")[0]
            msg = (
                f"Cannot open {self.place.shown!r}: {self._hidden(said)[:200]}. Write "
                "kurrentdb://user:password@host:2113, with ?Tls=false for a server without TLS."
            )
            raise UnknownTargetError(msg) from None  # the client's error shows the whole URI
        with closing(client):
            yield client

    def _uri(self) -> str:
        place = self.place
        options = urlencode(
            [(name, value) for name, some in place.options.items() for value in some]
        )
        user, password = self._login()
        login = f"{user}:{password}@" if user and password else ""
        return f"{place.scheme}://{login}{place.hosts}?{options}"

    def _login(self) -> tuple[str | None, str | None]:
        named = os.environ.get("KURRENTDB_USERNAME"), os.environ.get("KURRENTDB_PASSWORD")
        return self.place.user or named[0], self.place.password or named[1]

    def _hidden(self, text: str) -> str:
        _, password = self._login()
        return self.place.hidden(text.replace(password, "***") if password else text)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the client's errors as those of the workbench, with nothing secret in them.

        Raises
        ------
        AccessDeniedError
            If the server refuses the user.
        UnknownStreamError
            If there is no such stream.
        ServerUnreachableError
            If it does not answer.
        StoreUnreadableError
            If it answers with an error.
        """
        from kurrentdbclient import exceptions as theirs

        try:
            yield
        except (theirs.AccessDeniedError, theirs.UnauthenticatedError) as error:
            msg = (
                f"Cannot read {self.place.shown!r}: the server refuses this user. Give one who "
                "may read, in the URL or in KURRENTDB_USERNAME and KURRENTDB_PASSWORD."
            )
            raise AccessDeniedError(msg) from error
        except (theirs.NotFoundError, theirs.StreamIsDeletedError) as error:
            msg = (
                f"Cannot find the stream of {self.place.shown!r}: the server has none of that "
                "name, or it was deleted. Check its name."
            )
            raise UnknownStreamError(msg) from error
        except (
            theirs.ServiceUnavailableError,
            theirs.DeadlineExceededError,
            theirs.DiscoveryFailedError,
            theirs.CancelledError,
        ) as error:
            msg = (
                f"Cannot read {self.place.shown!r}: no KurrentDB server answers there "
                f"({self._hidden(str(error))[:200]}). Check that it runs, its host and port, and "
                "whether it wants TLS: Tls=false is for a server without."
            )
            raise ServerUnreachableError(msg) from error
        except (theirs.KurrentDBClientError, theirs.ProgrammingError) as error:
            msg = (
                f"Cannot read {self.place.shown!r}: the server answers with an error "
                f"({type(error).__name__}: {self._hidden(str(error))[:200]}). Check its log."
            )
            raise StoreUnreadableError(msg) from error

    @contextmanager
    def guarded(self, answers: Any) -> Iterator[Iterator[Any]]:  # noqa: ANN401, the client's
        """The events of a stream of answers, which is ended if the server is silent for long.

        Raises
        ------
        ServerUnreachableError
            If the server was silent for too long.
        """
        guard = _Guard(answers)
        watcher = threading.Thread(target=guard.watch, name="workbench-kurrentdb")
        watcher.start()
        try:
            yield guard.events(self.place.shown)
        finally:
            guard.over.set()
            answers.stop()
            watcher.join()

    @contextmanager
    def listening(self, news: Any) -> Iterator[Callable[[float], object]]:  # noqa: ANN401, as above
        """A function that waits for the next event of a subscription, at most some seconds."""
        came = threading.Event()

        def listen() -> None:
            with suppress(Exception):  # lost, or ended below
                for _ in news:
                    came.set()

        def wait(seconds: float) -> None:
            came.wait(seconds)
            came.clear()

        listener = threading.Thread(target=listen, name="workbench-kurrentdb")
        listener.start()
        try:
            yield wait
        finally:
            news.stop()
            listener.join()


class _Guard:
    """Who looks at the clock while the server is waited for, not while its events are used."""

    def __init__(self, answers: Any) -> None:  # noqa: ANN401, the client's
        self._answers = answers
        self._since: float | None = None
        self._is_stalled = False
        self.over = threading.Event()

    def watch(self) -> None:
        """End the answers if the server is silent for too long."""
        while not self.over.wait(_LOOK_S):
            since = self._since
            if since is not None and clock.monotonic() - since > STALLED_S:
                self._is_stalled = True
                self._answers.stop()
                return

    def events(self, shown: str) -> Iterator[Any]:
        """Yield the events."""
        while True:
            self._since = clock.monotonic()
            event = next(self._answers, None)
            self._since = None
            if self._is_stalled:
                msg = (
                    f"Cannot read on in {shown!r}: the server was silent for {STALLED_S:.0f} s. "
                    "Check that it is well."
                )
                raise ServerUnreachableError(msg)
            if event is None:
                return
            yield event
