"""The page of schemas in a real browser: two versions, drafts, what breaks, and the dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import PATIENCE_MS, Watched, serving, watching, why_no_browser
from playwright.sync_api import expect

from workbench import check_upcasters, open_history
from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Locator, Page

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]
CLASSES = "shop=workbench.samples.release_3"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving({"shop.db": shop_path()}, classes=[CLASSES]) as found:
        yield found


@pytest.fixture
def watched(context: BrowserContext, address: str) -> Iterator[Watched]:
    with watching(context.new_page(), address, PATIENCE_MS) as found:
        yield found


def cell(page: Page, field: str, text: str) -> Locator:
    """Return the cells of a column that hold a text."""
    return page.locator(f'[tabulator-field="{field}"].tabulator-cell').filter(has_text=text)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def test_two_versions_are_chosen_and_come_back_by_their_address(watched: Watched) -> None:
    """What is chosen is in the address: the same stands there when it is opened anew."""
    page = watched.open("?page=schemas")
    button(page, "Draft an upcaster from 2 to 3").wait_for()
    page.get_by_label("Older version").select_option("1")
    button(page, "Draft an upcaster from 1 to 3").wait_for()
    schemas = open_history(shop_path()).schemas()
    matrix = schemas["Order.Placed", "1"].beside(schemas["Order.Placed", "3"])
    removed = matrix.filter(change="removed").height
    assert removed > 0
    expect(cell(page, "change", "removed")).to_have_count(removed)
    page.get_by_label("Level").select_option("FULL_TRANSITIVE")
    page.wait_for_url("**older=1*level=FULL_TRANSITIVE*")
    watched.open(page.url.removeprefix(watched.address))
    button(page, "Draft an upcaster from 1 to 3").wait_for()
    expect(page.get_by_label("Older version")).to_have_value("1")
    expect(page.get_by_label("Level")).to_have_value("FULL_TRANSITIVE")
    cell(page, "rule", "removed").first.wait_for()
    page.go_back()
    expect(page.get_by_label("Level")).to_have_value("BACKWARD")


def test_a_draft_is_made(watched: Watched) -> None:
    """The upcaster and its test stand there, to be copied."""
    page = watched.open("?page=schemas&older=1&newer=2")
    button(page, "Draft an upcaster from 1 to 2").click()
    page.get_by_text("def upcast_v1_v2").first.wait_for()
    page.get_by_text("def test_upcast_v1_v2").first.wait_for()


def test_every_stored_event_is_upcast(watched: Watched) -> None:
    """The dry run tells what `check_upcasters` tells; a failure leads to its event."""
    report = check_upcasters(open_history(shop_path()), CLASSES, progress=False)
    page = watched.open("?page=schemas")
    button(page, "Upcast every stored event").click()
    page.get_by_text(report.verdict).wait_for()
    failed = f"{report.failures['position'][0]}"
    cell(page, "position", failed).click()
    page.wait_for_url(f"**page=log*event={failed}*")


def test_drift_leads_to_the_event_it_began_with(watched: Watched) -> None:
    """Since which event a field is null now and then is a row, and a link."""
    page = watched.open("?page=schemas&of=shop%3AOrder.Confirmed")
    changes = open_history(shop_path()).drift("Order.Confirmed").changes
    cell(page, "sentence", changes["sentence"][0]).wait_for()
    first = page.locator('[tabulator-field="position"].tabulator-cell.wb-go')
    first.filter(has_text=f"{changes['position'][0]}").click()
    page.wait_for_url(f"**page=log*event={changes['position'][0]}*")
