"""A real UmaDB server, started from the wheel of its client."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import umadb

from servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stores import Row

PROGRAM = Path(sys.executable).parent / "umadb"
STARTS_IN_S = 60


class UmaServer:
    """A server with a folder of its own, which holds a file of 256 MiB from the start."""

    def __init__(self, folder: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self._options, self._env = options, env
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What the workbench opens."""
        return f"umadb://127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        """What the server's client and `eventsourcing_umadb` call it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(
            [
                PROGRAM,
                "--listen",
                f"127.0.0.1:{self.port}",
                "--db-path",
                str(self.folder),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(self._env or {})},
        )
        wait_for(self.port, self.process)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: in order, or with SIGKILL."""
        self.process.send_signal(how)
        self.process.wait(60)

    def restart(self, how: int = signal.SIGTERM) -> None:
        """End it, and start it again a little later."""
        self.stop(how)
        time.sleep(0.2)
        self.start()

    def wait_until_gone(self, process: int) -> None:
        """Wait until a process takes no more connections, or another has taken its place."""
        while self.process.pid == process:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return
            time.sleep(0.01)

    def close(self) -> None:
        """End it if it runs, and remove what it has written."""
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        for path in self.folder.iterdir():
            path.unlink()

    def connections(self) -> int:
        """Return how many connections to it this machine has."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        found = [line.split() for line in lines]
        return sum(f[3] == "01" and f[1].endswith(f":{self.port:04X}") for f in found)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens at a port."""
    until = time.monotonic() + STARTS_IN_S
    while time.monotonic() < until:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    msg = f"nobody listens at port {port}"
    raise TimeoutError(msg)


def event_of(row: Row, **more: Any) -> umadb.Event:
    """Return a row as the recorder of `eventsourcing_umadb` would write it."""
    tags = [f"originator:{row.stream}", f"originator-{row.stream}-version:{row.version}"]
    return umadb.Event(row.type, row.state or b"", tags, **more)


def append(server: UmaServer, events: Sequence[umadb.Event], at_once: int = 1_000) -> int:
    """Append events, and return the position of the last."""
    client, last = umadb.Client(server.uri), 0
    for first in range(0, len(events), at_once):
        last = client.append(events[first : first + at_once])
    client.close()
    return last


def append_rows(server: UmaServer, rows: Iterable[Row]) -> list[Row]:
    """Append rows, and return them with the positions that they have got."""
    events = [event_of(row) for row in rows]
    if not events:
        return []
    first = append(server, events) - len(events) + 1
    return [row._replace(position=first + i, state=row.state or b"") for i, row in enumerate(rows)]
