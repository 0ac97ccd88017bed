"""What keeps people from using a page: axe-core finds nothing serious on any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import ARGUMENTS, Watched, chromium, serving, why_no_browser

from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Iterator

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

PATIENCE_MS = 120_000
WIDTHS = (1280, 400)
GRAVE = {"serious", "critical"}
PAGES = {
    "?": "h2:has-text('Streams')",
    "?page=log": ".wb-status p",
    "?page=lanes": "main",
    "?page=log&event=40850": ".wb-event .hex",
    "?page=schemas": ".js-plotly-plot",
    "?page=replay&projection=Overcharges": ".wb-player .wb-status p",
    "?page=compare": "main",
}
"""Each page, and what is there once it is whole."""


@pytest.fixture(scope="module")
def opened() -> Iterator[Watched]:
    from playwright.sync_api import sync_playwright

    with (
        serving({"shop.db": shop_path()}, "workbench.samples.overcharges") as address,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        found = Watched(page, address)
        found.open()
        yield found
        browser.close()


@pytest.mark.parametrize("query", PAGES)
def test_nothing_serious(opened, query):
    """In light and in dark, wide and narrow: no label is missing, and all can be read."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened.page
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    opened.go(query)
    page.locator(PAGES[query]).first.wait_for()
    found = []
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function(f"innerWidth === {width}")
            violations = Axe().run(page).response["violations"]
            found += [
                (scheme, width, v["id"], node["target"], node["html"][:200])
                for v in violations
                if v["impact"] in GRAVE
                for node in v["nodes"]
            ]
    assert found == []


def test_keyboard_reaches_everything(opened):
    """By Tab alone one comes to the pages, the filters, and the rows, and sees where one is."""
    page = opened.page
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    opened.go("?page=log")
    page.locator(".wb-status p").wait_for()
    page.evaluate("document.activeElement?.blur()")
    wanted = {"Overview", "Log", "Schemas", "Replay", "Live", "Next →", "Stream"}
    seen, outlined = set(), 0
    for _ in range(300):  # parts that are drawn while one goes on are come to in the next round
        if wanted <= seen and outlined > MOST_TABS // 3:
            break
        page.keyboard.press("Tab")
        name, is_outlined = page.evaluate(FOCUSED)
        seen.add(name)
        outlined += is_outlined
    assert wanted <= seen
    assert outlined > MOST_TABS // 3


MOST_TABS = 60

FOCUSED = """() => {
  let here = document.activeElement;
  while (here?.shadowRoot?.activeElement) here = here.shadowRoot.activeElement;
  if (!here) return ["", false];
  const label = here.labels?.[0]?.textContent ?? here.ariaLabel ?? here.textContent;
  const style = getComputedStyle(here);
  return [label.trim(), style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""
