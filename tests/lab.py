"""A real JupyterLab, for the tests that open what stands in a notebook's cells."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nbformat
from browser import ROOT, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

START_S = 600
PATIENCE_S = 10
RUN_MS = 300_000
WIDE = {"width": 1500, "height": 1000}
OPTIONS = (
    "--no-browser",
    "--ip=127.0.0.1",
    "--allow-root",
    "--IdentityProvider.token=",
    "--ServerApp.disable_check_xsrf=True",
    # It would ask its maker's site for news and for newer versions.
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}


@contextmanager
def laboratory(folder: Path, *options: str) -> Iterator[str]:
    """Start JupyterLab in a folder, in a process of its own; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / ".lab" / "settings"
    for name, values in QUIET.items():
        plugin, schema = name.split(":")
        path = settings / plugin / f"{schema}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "PYTHONWARNINGS": "ignore",
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".lab" / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(folder / ".lab" / "runtime"),
        "IPYTHONDIR": str(folder / ".lab" / "ipython"),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
    }
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", *OPTIONS, *options]
    with (
        (folder / "lab.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            base = next((o.partition("=")[2] for o in options if "base_url" in o), "/")
            address = f"http://127.0.0.1:{port}{base}"
            _await(address + "api/status", server, folder / "lab.log")
            yield address
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    msg = f"JupyterLab does not answer: {log.read_text()[-2000:]}"
    raise AssertionError(msg)


class Notebook(Watched):
    """A notebook in JupyterLab, whose page is let ask no other host."""

    def __init__(self, browser: Browser, address: str) -> None:
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(RUN_MS)
        super().__init__(page, address)
        host = "/".join(address.split("/")[:3])
        own = re.compile(rf"^(?!{re.escape(host)}|ws://127\.0\.0\.1|data:|blob:)")
        page.route(own, lambda route: route.abort())

    def run(self, path: Path, *cells: str) -> Any:
        """Write a notebook, open it, and run its cells; return the page."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, path)
        page = self.open(f"lab/tree/{path.name}?reset")
        # A kernel that is asked before it is idle loses its connection.
        page.locator(".jp-StatusBar-Widget, #jp-bottom-panel, .lm-Widget").get_by_text(
            re.compile(r"\| Idle")
        ).first.wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        return page
