"""Connections to a UmaDB server, and what its client's errors mean."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreUnreadableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.sources.servers import Place

PORT = 50051


@dataclass(frozen=True)
class Link:
    """How a server is reached. A connection is opened for each question, and closed after it."""

    place: Place

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A connection, closed at the end.

        Raises
        ------
        ServerUnreachableError
            If no UmaDB server answers.
        """
        import umadb

        place, certificate = self.place, self.place.option("ca") or os.environ.get("UMADB_CA_PATH")
        key = place.password or place.user
        is_secure = (place.option("tls") or "").lower() in {"true", "1", "yes"}
        is_secure = is_secure or key is not None or place.option("ca") is not None
        if is_secure:
            key = key or os.environ.get("UMADB_API_KEY")
        with self.translated():
            client = umadb.Client(
                f"{'https' if is_secure else 'http'}://{_with_port(place.hosts)}",
                ca_path=certificate if is_secure else None,
                api_key=key,
            )
        with closing(client):
            yield client

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the client's errors as those of the workbench, with nothing secret in them.

        Raises
        ------
        AccessDeniedError
            If the server refuses the key.
        ServerUnreachableError
            If it does not answer.
        StoreUnreadableError
            If it answers with an error.
        """
        import umadb

        try:
            yield
        except umadb.AuthenticationError as error:
            msg = (
                f"Cannot read {self.place.shown!r}: the server refuses the API key, or wants one. "
                "Give it in UMADB_API_KEY, or as umadb://:KEY@host:port; it is sent by TLS alone."
            )
            raise AccessDeniedError(msg) from error
        except umadb.TransportError as error:
            raise ServerUnreachableError(self._said(error)) from error
        except Exception as error:
            # The client raises its other errors as `Exception` itself, also some of a lost
            # connection, whose text names the layer that has lost it.
            if type(error) is Exception and "transport" in str(error):
                raise ServerUnreachableError(self._said(error)) from error
            if type(error) is Exception or isinstance(error, umadb.CorruptionError):
                raise StoreUnreadableError(self._said(error)) from error
            raise

    def _said(self, error: Exception) -> str:
        words = self.place.hidden(str(error))[:300]
        return (
            f"Cannot read {self.place.shown!r}: no UmaDB server answers there ({words}). Check "
            "that it runs, its host and port, and whether it wants tls=true and a certificate ca."
        )


def _with_port(host: str) -> str:
    return host if host.rpartition(":")[2].isdigit() else f"{host}:{PORT}"
