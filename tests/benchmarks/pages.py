"""How fast the pages are over an archive of many events, in real Chromium, and for how many.

Times are those of the page's own clock, until the frame that shows the answer is drawn: who
looks from outside looks now and then. Beside each stands how much processor the server took for
it: on a machine that does other things too, that says more. Sessions at once are driven over
websockets alone, since twenty browsers would be slower than what they measure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from big_store import TYPES, make_store
from reading import say
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from workbench import copy_history, open_history
from workbench.dashboards.access import READY

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import ARGUMENTS, GO, SERVE, chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

SESSIONS = 20
STEPS = 25
QUIET_S = 6.0
PATIENCE_S = 120
PATIENCE_MS = PATIENCE_S * 1_000
LOADED = {
    "events": [
        {
            "kind": "MessageSent",
            "msg_type": "bokeh_event",
            "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map"}},
        }
    ]
}
USABLE = [".facts", ".tabulator-row"]
STANDS = """sought => {
    const isSeen = (selector, root) => [...root.querySelectorAll("*")].some(element =>
        element.matches(selector) && element.checkVisibility({ visibilityProperty: true })
        && element.getBoundingClientRect().height > 0
        || element.shadowRoot && isSeen(selector, element.shadowRoot));
    const look = now => sought.every(one => isSeen(one, document))
        ? window.stands ??= now : requestAnimationFrame(look);
    requestAnimationFrame(look);
}"""
ANSWERED = """async (status, given) => {{
    const frame = () => new Promise(requestAnimationFrame);
    const home = status.getRootNode(), said = () => home.querySelector("p")?.textContent;
    const before = said(), begin = performance.now();
    ({act})(given);
    while (said() === before) await frame();
    await frame();
    return performance.now() - begin;
}}"""
WHOLE = '"head_version"'  # a column of the overview's last table, which fills last
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20


class Server:
    """A server of the pages, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        self.address = address

    def cpu_s(self) -> float:
        """Return the seconds of processor that it has taken."""
        told = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / TICKS

    def memory(self) -> int:
        """Return the bytes of memory that it holds."""
        told = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return int(told.split("Rss:")[1].split()[0]) * 1024


@contextmanager
def serving(archive: Path) -> Iterator[Server]:
    """Serve the archive's pages, with a projection to replay."""
    here = Path(__file__).parent
    paths = [str(here.parents[1]), str(here.parent), str(here)]
    targets, classes = json.dumps({"big": str(archive)}), json.dumps([])
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, targets, classes, str(READY), "projections_of_pages"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"},
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield Server(process, process.stdout.readline().strip())
        finally:
            process.kill()  # asked to end, it prints, and goes on where nobody reads that


def timed(server: Server, act: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds of an act by its own clock, and those of the server's processor."""
    cpu = server.cpu_s()
    return act(), server.cpu_s() - cpu


def told(times: list[tuple[float, float]]) -> tuple[float, float, str]:
    """Return median and 95th of the times, and all of it in words."""
    walls = sorted(wall for wall, _ in times)
    median, late = statistics.median(walls), walls[min(int(len(walls) * 0.95), len(walls) - 1)]
    cpu = statistics.mean(cpu for _, cpu in times)
    return median, late, f"{median * 1e3:.0f} ms, 95th {late * 1e3:.0f} ms ({cpu * 1e3:.0f} cpu)"


def first_page(server: Server, page: Page) -> tuple[float, float]:
    """Open the overview as somebody who comes for the first time, until it can be used.

    That is once the facts of the history and the rows of a table can be seen.
    """

    def opens() -> float:
        page.add_init_script(f"({STANDS})({json.dumps(USABLE)})")
        page.goto(server.address)
        page.wait_for_function("window.stands !== undefined")
        return float(page.evaluate("stands")) / 1e3

    return timed(server, opens)


def anew(server: Server, browser: Browser) -> tuple[float, float]:
    """Open the overview in a browser that has kept nothing; the page is closed once it is whole.

    Else what it still loads would be in the way of whoever comes next.
    """
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        found = first_page(server, page)
        page.locator("h2").filter(has_text="Streams").wait_for()
        page.locator(".main-svg").first.wait_for()
    return found


def filtering(server: Server, page: Page, events: int) -> list[tuple[float, float]]:
    """Go through filters that the archive answers itself: types and positions."""
    status = page.locator(".wb-status p")
    found = []
    for number in range(STEPS):
        type_ = TYPES[number % len(TYPES)]
        first = events // (STEPS + 1) * number + 1
        query = f"?page=log&type={type_}&first={first}"
        found.append(timed(server, lambda q=query: _answered(status, GO, q)))
    return found


def scrubbing(server: Server, page: Page, _events: int) -> list[tuple[float, float]]:
    """Go through the steps of a replay, each many steps from the one before."""
    page.evaluate(GO, "?page=replay&projection=Amounts")
    status = page.locator(".wb-player .wb-status p").filter(has_text="Step")
    status.wait_for()
    page.get_by_label("Stride").select_option("by 1,000")
    step = page.get_by_role("button", name="← Step").element_handle()
    page.evaluate("step => { window.step = step }", step)
    return [timed(server, lambda: _answered(status, "() => step.click()")) for _ in range(STEPS)]


def _answered(status: Locator, act: str, given: object = None) -> float:
    """Return the seconds from an act until the frame is drawn in which a status says other."""
    return float(status.evaluate(ANSWERED.format(act=act), given)) / 1e3


async def visit(address: str) -> tuple[float, WebSocketClientConnection]:
    """Open a session without a browser; return how long until its overview is whole.

    It asks for what a browser would ask for: the page, with the token of a session in it, then
    the document over a websocket. The overview is whole once the rows of its last table came.
    """
    begin = time.perf_counter()
    page = (await AsyncHTTPClient().fetch(address, request_timeout=PATIENCE_S)).body.decode()
    found = re.search(r'"token":"([^"]+)"', page)
    assert found is not None, page
    socket = await websocket_connect(
        f"{address.replace('http', 'ws', 1)}ws", subprotocols=["bokeh", found[1]]
    )
    await _frame(socket, "ACK")
    for kind, content in (("PULL-DOC-REQ", {}), ("PATCH-DOC", LOADED)):
        header = {"msgid": kind, "msgtype": kind}
        for part in (header, {}, content):
            await socket.write_message(json.dumps(part))
    await _frame(socket, "PULL-DOC-REPLY")
    while WHOLE not in await _frame(socket, ""):
        pass
    return time.perf_counter() - begin, socket


async def _frame(socket: WebSocketClientConnection, said: str) -> str:
    """Return the next frame of text that says something."""
    while True:
        frame = await asyncio.wait_for(socket.read_message(), PATIENCE_S)
        assert frame is not None, "The server closed the session."
        if isinstance(frame, str) and said in frame:
            return frame


async def at_once(server: Server) -> tuple[float, float, list[WebSocketClientConnection]]:
    """Return the 95th of how long each of many sessions takes, all the processor, and them."""
    cpu = server.cpu_s()
    found = await asyncio.gather(*(visit(server.address) for _ in range(SESSIONS)))
    walls = sorted(wall for wall, _ in found)
    return walls[int(SESSIONS * 0.95) - 1], server.cpu_s() - cpu, [socket for _, socket in found]


async def many(server: Server) -> None:
    """Print how long many wait who come at once: for sessions that are ready, and once none is."""
    AsyncHTTPClient.configure(None, max_clients=SESSIONS)
    late, cpu, sockets = await at_once(server)
    say(f"{SESSIONS} sessions at once", said(late, cpu), "< 2 s", met=late < 2)
    memory = server.memory()
    late, cpu, others = await at_once(server)
    each = (server.memory() - memory) / SESSIONS
    print(f"     {SESSIONS} more, for whom no session is ready: {said(late, cpu)}")
    say("memory of each", f"{each / MIB:.1f} MiB", "< 30 MiB", met=each < 30 * MIB)
    for socket in (*sockets, *others):
        socket.close()


def said(late: float, cpu: float) -> str:
    """Return it in words."""
    return f"95th {late:.2f} s ({cpu:.2f} cpu for all)"


def rest(server: Server) -> None:
    """Wait until the server has nothing left to do: until its sessions are ready."""
    since, last = time.monotonic(), server.cpu_s()
    while time.monotonic() - since < QUIET_S:
        time.sleep(0.2)
        if (cpu := server.cpu_s()) - last > 0.02:
            since = time.monotonic()
        last = cpu


def archived(events: int, folder: Path) -> Path:
    """Return an archive of so many events, made once."""
    path = folder / f"workbench-{events}.delta"
    if not path.exists():
        store = make_store(folder / f"workbench-{events}.db", events)
        copy_history(open_history(store), path, progress=False)
    return path


def in_a_browser(server: Server, events: int) -> None:
    """Print how long one person waits."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        cold = first_page(server, page)
        page.locator("h2").filter(has_text="Streams").wait_for()
        rest(server)
        warm = [anew(server, browser) for _ in range(5)]
        print(f"     {events:,} events; first of all, cold: {cold[0]:.2f} s")
        median, late, words = told(warm)
        say("first page, warm", words, "< 2 s", met=late < 2)
        page.evaluate(GO, "?page=log")
        page.locator(".wb-status p").wait_for()
        for what, steps in (("filter", filtering), ("scrub", scrubbing)):
            median, late, words = told(steps(server, page, events))
            met = median < 0.2 and late < 0.5
            say(f"{what} step", words, "< 200 ms, 95th < 500 ms", met=met)
        browser.close()


def main() -> None:
    """Print what was measured, and whether it is what was asked for."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    asked = arguments.parse_args()
    archive = archived(asked.events, asked.folder)
    with serving(archive) as server:
        in_a_browser(server, asked.events)
        rest(server)
        asyncio.run(many(server))


if __name__ == "__main__":
    main()
