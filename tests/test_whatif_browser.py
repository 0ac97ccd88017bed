"""The page What if in a real browser: a wrong event is found, dropped, and its effect is seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from browser import PATIENCE_MS, Watched, serving, watching, why_no_browser

from workbench import open_history, propose_correction, replay
from workbench.dashboards.address import Place, Scene, query_of
from workbench.dashboards.named_edits import Drop, NamedEdit
from workbench.samples import shop_path
from workbench.samples.overcharges import Overcharges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving({"shop.db": shop_path()}, "workbench.samples.overcharges") as found:
        yield found


@pytest.fixture
def watched(context: BrowserContext, address: str) -> Iterator[Watched]:
    with watching(context.new_page(), address, PATIENCE_MS) as found:
        yield found


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def cells(page: Page, name: str, text: str) -> None:
    page.locator(f'[tabulator-field="{name}"].tabulator-cell').filter(
        has_text=text
    ).first.wait_for()


def test_person_drops_a_wrong_event_and_sees_what_would_change(watched):
    """Search, choose, drop: the corrections are those proposed, nothing is written."""
    stored = hashlib.sha256(shop_path().read_bytes()).hexdigest()
    history = open_history(shop_path())
    trials = [
        replay(one, Overcharges, on_error="collect", progress=False)
        for one in (history, history.edit(drop=21_755))
    ]
    expected = propose_correction(*trials)
    page = watched.open()
    press(page, "What if")
    page.get_by_text("Nothing is ever written").wait_for()
    search = page.get_by_label("Text or position")
    search.fill("21755")
    search.press("Enter")
    press(page, "Search")
    cells(page, "position", "21755")
    page.locator('[tabulator-field="position"].tabulator-cell').filter(has_text="21755").click()
    page.get_by_text("position 21,755", exact=True).wait_for()
    press(page, "Drop this event")
    cells(page, "what", "left out")
    press(page, "What would change?")
    page.get_by_text(f"{expected.height:,} cells and rows would be others").wait_for()
    cells(page, "should_be", str(expected["should_be"][0]))
    again = page.context.browser.new_page()
    again.goto(page.url)
    again.get_by_text(f"{expected.height:,} cells and rows would be others").wait_for(
        timeout=PATIENCE_MS
    )
    again.close()
    assert hashlib.sha256(shop_path().read_bytes()).hexdigest() == stored


def test_person_sets_a_field_and_replays_the_edit(watched):
    """A field's new value is a step; the edit has its Python, and is replayed under its name."""
    page = watched.open(query_of(Place(page="whatif", event=21_675)))
    page.locator('[tabulator-field="field"].tabulator-cell').filter(has_text="amount").click()
    value = page.get_by_label("New value")
    page.wait_for_function("location.search.includes('21675')")
    value.fill("much")
    value.press("Tab")
    press(page, "Set the field")
    page.get_by_text("as an amount. Write it with a point").wait_for()
    value.fill("1.00")
    value.press("Tab")
    press(page, "Set the field")
    cells(page, "what", "amount = 1.00")
    page.get_by_text("As Python").click()
    page.get_by_text("alter={21675: {'amount': Decimal('1.00')}}").wait_for()
    press(page, "Replay it")
    page.get_by_text("alters Payment.Charged at 21,675").wait_for()
    page.get_by_label("Edit of the history").wait_for()


def test_step_is_taken_away(watched):
    """A step that was taken by mistake is taken away again."""
    edits = (NamedEdit("mine", (Drop(21_755), Drop(21_675))),)
    page = watched.open(query_of(Place(page="whatif", edits=edits)))
    cells(page, "position", "21755")
    page.get_by_text("Take away").first.click()
    page.wait_for_function("!location.search.includes('21755')")
    assert "21675" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_narrow_window(watched, scheme):
    """At 400 pixels nothing scrolls sideways."""
    page = watched.page
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme=scheme)
    edits = (NamedEdit("mine", (Drop(21_755),)),)
    scene = Scene("Overcharges", edited="mine", part="changes")
    watched.open(query_of(Place(page="whatif", scene=scene, edits=edits, event=21_675)))
    page.get_by_text("would be others").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 400
