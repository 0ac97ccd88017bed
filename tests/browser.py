"""A real browser, and a server of the pages, for the tests that open them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
]
PATIENCE_S = 10
PATIENCE_MS = 90_000
"""How long something may take to be seen, on a machine that does other things too."""
SERVE = """
import importlib, json, sys
from workbench import open_history
from workbench.dashboards import serve
from workbench.dashboards.access import Access
from workbench.dashboards.offering import offered
histories = {name: open_history(path) for name, path in json.loads(sys.argv[1]).items()}
classes = json.loads(sys.argv[2])
access = Access(ready=int(sys.argv[3]))
projections = offered(map(importlib.import_module, sys.argv[4:]))
tell = lambda address: print(address, flush=True)
serve(
    histories, projections=projections, classes=classes, port=0, on_ready=tell, access=access
)
"""
READY = "2"  # sessions made ahead: some visitors of a test get one, and some do not
GO = """query => {
    history.pushState({}, "", query);
    dispatchEvent(new PopStateEvent("popstate"));
}"""
# Plotly, and Tabulator, say so when their element goes while it is being drawn; nothing is lost.
HARMLESS = ("_guiEditing", "reading 'offsetWidth'")


def why_no_browser() -> str | None:
    """Return why no page can be opened here, None if one can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: install the dependency group 'dev'"
    if chromium() is None:
        return f"no Chromium is installed: none of {', '.join(NAMES)} is on the path"
    return None


def chromium() -> str | None:
    """Return where Chromium is, None if it is nowhere."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def serving(
    stores: Mapping[str, Path], *modules: str, classes: Sequence[str] = ()
) -> Iterator[str]:
    """Serve stores from a process of its own, with projections of modules; yield the address."""
    targets = json.dumps({name: str(path) for name, path in stores.items()})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, targets, json.dumps(list(classes)), READY, *modules],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            # Bokeh prints when it is asked to stop, and goes on if nobody reads that.
            server.terminate()
            try:
                server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()


@dataclass
class Watched:
    """A page, and what happened on it: errors, and requests to other hosts."""

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._failed(str(error)))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self._failed(message.text)

    def _failed(self, error: str) -> None:
        if not any(said in error for said in HARMLESS):
            self.errors.append(error)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(request.url)

    def open(self, query: str = "") -> Page:
        """Open an address of the server."""
        self.page.goto(self.address + query)
        return self.page

    def go(self, query: str = "") -> Page:
        """Go to an address as Forward would, without loading the page again."""
        self.page.evaluate(GO, query or "?")
        return self.page


@contextmanager
def watching(page: Page, address: str, patience_ms: int) -> Iterator[Watched]:
    """Yield a page of its own for one test, on which nothing may go wrong; close it after that."""
    page.set_default_timeout(patience_ms)
    found = Watched(page, address)
    yield found
    page.close()
    assert found.errors == []
    assert found.foreign == []
