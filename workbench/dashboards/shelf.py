"""Where files wait until a browser fetches them, each under a name that cannot be guessed.

A file is written to a temporary folder, so that memory does not grow with it, and handed
out by the server in pieces. It is there for some minutes, and for whoever knows its name:
only the session that asked for it.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time as clock
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tornado.web import HTTPError, RequestHandler

if TYPE_CHECKING:
    from typing import Self

KEPT_S = 600.0
MOST_KEPT = 50
PIECE_BYTES = 1 << 20
ROUTE = "/exported/([A-Za-z0-9_-]{20,64})"


@dataclass(frozen=True, slots=True)
class Held:
    """A file that waits."""

    path: Path
    name: str
    """What it is called where it is saved."""
    since: float


class Shelf:
    """Files that wait to be fetched; a context manager that takes them away at its end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="workbench-exports-"))
        self._held: dict[str, Held] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Return the shelf itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take all files away."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def place(self) -> Path:
        """Return a path in the folder to which a new file can be written."""
        return self._folder / secrets.token_hex(16)

    def put(self, path: Path, name: str) -> str:
        """Return the address, relative to the pages', under which a file can be fetched."""
        token = secrets.token_urlsafe(24)
        now = clock.monotonic()
        with self._lock:
            self._held[token] = Held(path, name, now)
            old = [t for t, held in self._held.items() if now - held.since > KEPT_S]
            for gone in old or list(self._held)[:-MOST_KEPT]:
                self._held.pop(gone).path.unlink(missing_ok=True)
        return f"exported/{token}"

    def held(self, token: str) -> Held | None:
        """Return the file of that name, None if there is none any more."""
        with self._lock:
            found = self._held.get(token)
        is_there = found is not None and clock.monotonic() - found.since <= KEPT_S
        return found if is_there else None


class Fetch(RequestHandler):
    """Hands out a file of the shelf."""

    def initialize(self, shelf: Shelf) -> None:
        """Say of which shelf."""
        self._shelf = shelf

    async def get(self, token: str) -> None:
        """Send the file, to be saved and never to be shown.

        Raises
        ------
        HTTPError
            404 if it is not there any more.
        """
        held = self._shelf.held(token)
        if held is None or not held.path.is_file():
            raise HTTPError(404, "This export is gone. Export the table again.")
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Disposition", f'attachment; filename="{held.name}"')
        self.set_header("Content-Length", str(held.path.stat().st_size))
        with held.path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                self.write(piece)
                await self.flush()
