"""The pages in a real JupyterLab: in cells, and behind the tile of the launcher; no network."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from browser import why_no_browser
from lab import Notebook, laboratory

from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

REASON = why_no_browser()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]

BEGIN = """
from workbench import browse, open_history, replay_page
from workbench.samples import shop_path
from workbench.samples.overcharges import Overcharges
history = open_history(shop_path())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    shutil.copyfile(shop_path(), folder / "mine.db")
    with laboratory(folder, "--ServerApp.base_url=/user/me/") as found:
        yield found


@pytest.fixture
def notebook(browser: Browser, address: str) -> Iterator[Notebook]:
    """Return a notebook; at its end nothing was asked of another host."""
    found = Notebook(browser, address)
    yield found
    foreign = list(found.foreign)
    found.page.close()
    assert foreign == []


def test_pages_in_a_cell(notebook, folder):
    """All pages work in one cell, and ask no other host when they change."""
    page = notebook.run(folder / "all.ipynb", BEGIN, "browse(history, projections=[Overcharges])")
    page.locator("h2").filter(has_text="Streams").wait_for()
    page.get_by_role("button", name="Log", exact=True).click()
    page.locator(".wb-status p").wait_for()
    page.get_by_role("button", name="Next →").click()
    page.locator(".wb-status p").filter(has_text="51 to 100").wait_for()
    page.locator('.tabulator-cell[tabulator-field="position"]').first.click()
    page.locator(".wb-event .hex").wait_for()
    page.get_by_role("button", name="Schemas", exact=True).click()
    page.locator("h1").filter(has_text="Schemas").wait_for()
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator(".wb-status p").filter(has_text=re.compile("^Step")).wait_for()
    page.get_by_role("button", name="← Step").click()
    # What is mended on a page is mended here.
    page.get_by_role("slider", name="Step").wait_for()
    page.locator(".tabulator-tableholder[role=rowgroup]").first.wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    assert page.locator("a, button").filter(has_text="Compare").count()


def test_one_page_alone(notebook, folder):
    """A page alone has no tabs, works, and shows them once a click leads elsewhere."""
    page = notebook.run(
        folder / "alone.ipynb",
        BEGIN,
        "browse(history, page='log')",
        "replay_page(history, Overcharges)",
    )
    page.locator(".wb-status p").filter(has_text="1 to 50 of").wait_for()
    page.locator(".wb-status p").filter(has_text=re.compile("^Step")).wait_for()
    assert page.get_by_role("button", name="Overview", exact=True).count() == 0
    page.get_by_role("button", name="Next →").first.click()
    page.locator(".wb-status p").filter(has_text="51 to 100").wait_for()


def test_tile(browser, address, folder):
    """The tile opens the list of the folder's stores, and a store from it, behind a prefix."""
    found = Notebook(browser, address)
    page = found.open("lab?reset")
    page.get_by_title(re.compile("Event workbench")).first.click()
    frame = page.frame_locator("iframe[src*=event-workbench]")
    frame.get_by_role("link", name="mine.db").click()
    frame.locator(".facts").filter(has_text="54,375").wait_for()
    frame.get_by_role("button", name="Log", exact=True).click()
    frame.locator(".wb-status p").filter(has_text="1 to 50 of").wait_for()
    foreign = list(found.foreign)
    page.close()
    assert foreign == []
