"""Replay and Compare in a real browser: what a person does, and what is then to be seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import hostile_views
import pytest
from browser import PATIENCE_MS, Watched, serving, watching, why_no_browser
from stores import BEGIN, Row, state_of, write_native

from workbench import compare, open_history, replay
from workbench.comparing.accepted import read_accepted
from workbench.comparing.report import report_of
from workbench.dashboards import trials
from workbench.dashboards.address import Place, Scene, query_of
from workbench.dashboards.named_edits import Drop, NamedEdit
from workbench.samples import shop_path
from workbench.samples.overcharges import ChargedOnce, Overcharges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]
PLAYED = r"2,(00[1-9]|0[1-9]\d|[1-9]\d\d)"  # each step is there for a third of a second


@pytest.fixture(scope="module")
def shop():
    return replay(open_history(shop_path()), Overcharges, on_error="collect", progress=False)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    evil = [
        Row(n, f"{hostile_views.EVIL}{n}", 1, "m:T", state_of(BEGIN, a="<b>x</b>"))
        for n in (1, 2, 3)
    ]
    path = write_native(tmp_path_factory.mktemp("pages") / "evil.db", evil)
    stores = {"shop.db": shop_path(), "evil.db": path}
    with serving(stores, "workbench.samples.overcharges", "hostile_views", "slow_views") as found:
        yield found


@pytest.fixture
def watched(context: BrowserContext, address: str) -> Iterator[Watched]:
    with watching(context.new_page(), address, PATIENCE_MS) as found:
        found.page.expose_function("evil", lambda: found.errors.append("evil ran"))
        yield found


def see_step(page: Page, step: str) -> None:
    page.locator(".wb-status p").filter(has_text=re.compile(f"^Step {step} of")).wait_for()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def see_cells(page: Page, name: str, values: list[str]) -> None:
    from playwright.sync_api import expect

    found = page.locator(f'.wb-halves .tabulator-cell[tabulator-field="{name}"]')
    expect(found).to_have_text(values, timeout=PATIENCE_MS)


def scene(**values: object) -> str:
    return query_of(Place(page="replay", scene=Scene("Overcharges", **values)))


def test_person_replays_steps_and_asks_why(watched, browser, shop):
    """Run, step back, click a cell: the events that wrote it; the address leads to the same."""
    page = watched.open()
    press(page, "Replay")
    press(page, "Run")
    see_step(page, "4,954")
    press(page, "← Step")
    see_step(page, "4,953")
    position = int(trials.steps(shop, "payments")[-2])
    row = trials.moment(shop, "payments", position).rows.row(3, named=True)
    page.locator(".tabulator-cell").filter(has_text=row["order"]).click()
    page.get_by_text("wrote it").wait_for()
    expected = [str(p) for p in shop.explain(row["payment"], "order")["position"]]
    page.wait_for_function("location.search.includes('column=order')")
    see_cells(page, "position", expected)
    again = browser.new_page()
    again.goto(page.url)
    see_step(again, "4,953")
    again.get_by_text("wrote it").wait_for()
    see_cells(again, "position", expected)
    again.close()


def test_steps_by_keyboard_and_back(watched):
    """The arrow keys move the slider, and Back takes the step back."""
    page = watched.open(scene(at=21_755))
    see_step(page, "1,999")
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    see_step(page, "2,000")
    page.go_back()
    see_step(page, "1,999")


def test_plays_and_pauses(watched):
    """Play goes on by itself; Pause stays, and the address is where it stopped."""
    page = watched.open(scene(at=21_755))
    see_step(page, "1,999")
    press(page, "Play")
    see_step(page, PLAYED)
    press(page, "Pause")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    page.wait_for_function("!location.search.includes('at=21755')")


def test_columns_and_values_are_text(watched):
    """What comes from a store, and what a table is called, is shown as text."""
    page = watched.open("?history=evil.db&page=replay&projection=Hostile")
    see_step(page, "3")
    page.locator('.wb-halves [tabulator-field="c0"].tabulator-cell').first.click()
    titles = page.locator(".wb-halves .tabulator-col-title").all_inner_texts()
    assert hostile_views.EVIL in titles
    page.get_by_text("wrote it").wait_for()


def test_projection_that_is_not_there_is_said(watched):
    """A link to a projection that is not offered says so, and the page stays usable."""
    page = watched.open("?page=replay&projection=%3Cb%3ENo")
    page.get_by_text("There is no projection").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_narrow_window(watched, scheme):
    """At 400 pixels nothing scrolls sideways."""
    page = watched.page
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme=scheme)
    watched.open(scene(at=21_755, key='["payment-12035"]', column="charges"))
    page.get_by_text("wrote it").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 400


# Compare


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_comparison_fits_a_narrow_window(watched, compared, scheme):
    """At 400 pixels nothing of a comparison scrolls sideways."""
    page = watched.page
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme=scheme)
    watched.open(versus(cause=compared.causes["cause"][0]))
    page.get_by_label("Accept this cause, because").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 400


@pytest.fixture(scope="module")
def compared(shop):
    other = replay(open_history(shop_path()), ChargedOnce, on_error="collect", progress=False)
    return compare(shop, other)


def versus(**values: object) -> str:
    both = Scene("Overcharges", other="ChargedOnce", **values)
    return query_of(Place(page="compare", scene=both))


def test_person_compares_accepts_and_takes_the_report(watched, compared):
    """Two projections: causes, the events behind one, a reason, and the report with it."""
    page = watched.open()
    press(page, "Compare")
    page.get_by_label("Projection b").select_option("ChargedOnce")
    press(page, "Compare them")
    page.get_by_text(compared.verdict).wait_for()
    cause = compared.causes["cause"][0]
    page.locator('[tabulator-field="type"].tabulator-cell').first.click()
    reason = page.get_by_label("Accept this cause, because")
    reason.fill("<b>meant</b>")
    reason.press("Enter")
    accepted = compared.accept(cause, "<b>meant</b>")
    page.get_by_text(accepted.verdict).wait_for()
    assert f"cause={cause}" in page.url
    with page.expect_download() as download:
        page.get_by_text("Download the report").click()
    assert download.value.path().read_text() == report_of(accepted)
    with page.expect_download() as download:
        page.get_by_text("Download the accepted causes").click()
    assert read_accepted(download.value.path()) == {cause: "<b>meant</b>"}


def test_event_behind_a_difference_is_opened(watched, compared):
    """A click on a position leads to that event in the log."""
    page = watched.open(versus(cause=compared.causes["cause"][0]))
    position = compared.first["position"][0]
    cells = page.locator('.tabulator-cell[tabulator-field="position"]')
    cells.filter(has_text=str(position)).first.click()
    page.get_by_text(f"position {position:,}", exact=True).wait_for()


def test_projection_compared_with_itself(watched):
    """Nothing differs from itself."""
    same = Scene("Overcharges", other="Overcharges")
    page = watched.open(query_of(Place(page="compare", scene=same)))
    page.get_by_text("no differences").wait_for()


def test_person_compares_a_history_with_an_edited_one(watched):
    """One projection over the history and over an edit of it: its tables, and every row."""
    edits = (NamedEdit("once", (Drop(21_755),)),)
    page = watched.open(query_of(Place(page="compare", edits=edits)))
    page.get_by_label("Projection b").select_option("Overcharges")
    page.get_by_label("History of b").select_option("edited: once")
    press(page, "Compare them")
    page.get_by_text("2 differences of 2 causes").wait_for()
    page.locator('.wb-go[tabulator-field="table"]').filter(has_text="payments").click()
    page.get_by_text("2 rows and cells that differ at the end").wait_for()
    page.locator('[tabulator-field="position"].tabulator-cell').filter(
        has_text="21755"
    ).first.click()
    page.get_by_text("position 21,755", exact=True).wait_for()


def test_failures_and_edits_of_a_replay(watched):
    """A replay under an edit says what the edit does; a failure leads to its event."""
    edits = (NamedEdit("once", (Drop(21_755),)),)
    there = Scene("Overcharges", edited="once", part="failures")
    page = watched.open(query_of(Place(page="replay", scene=there, edits=edits)))
    page.get_by_text("drops Payment.Charged at 21,755").wait_for()
    page.locator('[tabulator-field="position"].tabulator-cell').filter(has_text="7184").click()
    page.get_by_text("position 7,184", exact=True).wait_for()


def test_keys_step_and_play(watched):
    """The arrow keys step, and p plays and pauses, wherever the focus is."""
    page = watched.open(scene(at=21_755))
    see_step(page, "1,999")
    page.locator(".wb-listens").wait_for(state="attached")
    page.keyboard.press("ArrowRight")
    see_step(page, "2,000")
    page.keyboard.press("ArrowLeft")
    see_step(page, "1,999")
    page.keyboard.press("p")
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    page.keyboard.press("p")
    page.get_by_role("button", name="Play", exact=True).wait_for()


def test_person_stops_a_replay_and_goes_on(watched):
    """A replay that is stopped shows what there is; Go on replays the rest."""
    page = watched.open("?page=replay&projection=Slow")
    page.get_by_text(re.compile(r"Replaying: [1-9]")).wait_for()
    press(page, "Stop")
    page.get_by_text("The replay was stopped.").wait_for()
    page.locator(".wb-halves .tabulator-row").first.wait_for()
    press(page, "Go on")
    see_step(page, "600")
    assert page.get_by_text("The replay was stopped.").count() == 0
