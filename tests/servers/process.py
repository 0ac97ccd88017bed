"""A server's process: started on a free port, stopped at the end whatever happens."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

START_S = 60
PORTS = range(12_000, 32_000)
"""Below those that the system gives to outgoing connections, which come and go."""
_numbers = count()


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that is not returned again.

    Each process begins elsewhere, so that two that run side by side do not get the same one.
    """
    while True:
        port = PORTS[(os.getpid() * 97 + next(_numbers)) % len(PORTS)]
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class ServerProcess:
    """A process that listens on a port; it can be stopped, paused, and started again there."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.port = port
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.stop()
        msg = f"{self._command[0]} does not answer"
        raise RuntimeError(msg)

    def stop(self) -> None:
        """Kill it; nothing happens if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again, on the same port and with what it has stored."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it no longer answer, without an end of its connections."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        """Let it answer again."""
        os.kill(self._process.pid, signal.SIGCONT)
