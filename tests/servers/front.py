"""A front before a real server, a double of a bad network: it cuts connections, then passes on."""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RESETS = struct.pack("ii", 1, 0)  # closing sends a reset, and drops what was not read


class Front:
    """Listens at a port; the first `cuts` connections are reset at the client's first word.

    What the server says before that is passed on. Later connections are passed on whole.
    """

    def __init__(self, behind: int, cuts: int) -> None:
        self._behind, self._cuts = behind, cuts
        self.seen = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [Thread(target=self._accept, name="front")]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):  # of a listener that is closed
            while True:
                client, _ = self._listener.accept()
                self.seen += 1
                server = socket.create_connection(("127.0.0.1", self._behind))
                self._open += [client, server]
                words = self._cut if self.seen <= self._cuts else self._pass
                for task, ends in ((self._pass, (server, client)), (words, (client, server))):
                    thread = Thread(target=task, args=ends, name="front")
                    self._threads.append(thread)
                    thread.start()

    def _cut(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            client.recv(1, socket.MSG_PEEK)  # what is not read makes it a reset
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        _close(server)
        client.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        _close(target)

    def close(self) -> None:
        """End every connection and thread."""
        _close(self._listener)
        self._threads[0].join()
        for one in self._open:
            _close(one)
        for thread in self._threads:
            thread.join()
        for one in [*self._open, self._listener]:
            one.close()


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def front(behind: int, cuts: int) -> Iterator[Front]:
    """Yield a front before the server at a port."""
    made = Front(behind, cuts)
    try:
        yield made
    finally:
        made.close()
