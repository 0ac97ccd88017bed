"""What every page has, in a real browser: exports, local times, and keys."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import polars as pl
import pytest
from browser import ARGUMENTS, Watched, chromium, serving, watching, why_no_browser
from polars.testing import assert_frame_equal
from stores import append, simple_rows, write_native

from workbench import open_history
from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Locator, Page

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]
PATIENCE_MS = 60_000
RELEASE = "shop=workbench.samples.release_3"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving({"shop.db": shop_path()}, classes=[RELEASE]) as found:
        yield found


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser.new_context(
            viewport={"width": 1280, "height": 900}, timezone_id="America/New_York"
        )
        browser.close()


@pytest.fixture
def session(context: BrowserContext, address: str) -> Iterator[Watched]:
    with watching(context.new_page(), address, PATIENCE_MS) as found:
        yield found


@pytest.fixture
def page(session: Watched) -> Page:
    return session.page


def see_first(page: Page, name: str, value: str) -> None:
    see(page, f'.wb-list .tabulator-cell[tabulator-field="{name}"]', value)


def see(page: Page, selector: str, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector).first).to_have_text(text, timeout=PATIENCE_MS)


def test_a_table_is_saved_whole(page, session, tmp_path):
    """A table is saved as the frame that a call returns: all that matches, not one page of it."""
    session.open("?page=log&type=Order.Returned")
    see(page, ".wb-status p", "1 to 50 of 162 events")
    with page.expect_download() as download:
        page.locator(".wb-list").get_by_role("button", name="Parquet", exact=True).click()
    download.value.save_as(tmp_path / "events.parquet")
    expected = open_history(shop_path()).events("Order.Returned")
    found = pl.read_parquet(tmp_path / "events.parquet")
    assert download.value.suggested_filename == "shop.db-events.parquet"
    assert_frame_equal(found.select("position", "stream"), expected.select("position", "stream"))


def test_a_table_says_how_it_is_made(page, session):
    """The Python below a table makes it."""
    session.open("?page=log&type=Order.Returned")
    see(page, ".wb-status p", "1 to 50 of 162 events")
    page.locator(".wb-list").get_by_role("button", name="Python", exact=True).click()
    see(
        page,
        ".wb-list .code pre",
        re.compile(r"history\.of_types\('(shop:)?Order\.Returned'\)\.scan"),
    )


def test_times_are_local_where_it_is_asked(page, session):
    """Times are in the browser's zone once that is chosen, and the address says so."""
    session.open("?page=log")
    see(page, ".wb-status p", re.compile("^1 to 50 of 54,375"))
    see_first(page, "time", "2025-01-01 06:00:30")
    page.get_by_label("Times in").select_option("Local times")
    page.wait_for_url("**/?page=log&zone=local")
    see(page, '.wb-list .tabulator-cell[tabulator-field="time"]', "2025-01-01 01:00:30")
    page.get_by_text("Time (America/New_York)").wait_for()


def test_keys_lead_through_the_log(page, session):
    """Keys open the next event and the one before, turn pages, close, and go to the search."""
    session.open("?page=log")
    see(page, ".wb-status p", re.compile("^1 to 50 of 54,375"))
    page.locator("body").click(position={"x": 640, "y": 5})
    page.keyboard.press("j")
    see(page, ".wb-event h2", "Item.Listedposition 1")
    page.keyboard.press("j")
    see(page, ".wb-event h2", "Item.Listedposition 2")
    page.keyboard.press("k")
    see(page, ".wb-event h2", "Item.Listedposition 1")
    page.keyboard.press("Escape")
    page.locator(".wb-event").wait_for(state="hidden")
    page.keyboard.press("]")
    see(page, ".wb-status p", re.compile("^51 to 100"))
    page.keyboard.press("/")
    page.keyboard.type("wallet")
    field = page.get_by_label("Text in the payload")
    assert field.input_value() == "wallet"
    field.fill("")  # or it would be searched for when the field is left


def test_keys_are_listed(page, session):
    """A question mark shows what the keys do, and Escape takes that away."""
    session.open("?page=log")
    see(page, ".wb-status p", re.compile("^1 to 50 of 54,375"))
    page.locator("body").click(position={"x": 640, "y": 5})
    page.keyboard.press("?")
    page.get_by_text("next and previous page").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("next and previous page").wait_for(state="hidden")


# The overview


def test_a_range_is_brushed_and_everything_follows(page, session):
    """A drag over the plot narrows types, problems, versions and streams; a link opens the same."""
    session.open()
    page.locator("h2", has_text=re.compile("^Streams")).wait_for()
    page.locator(".js-plotly-plot .trace").first.wait_for(state="attached")
    box = page.locator(".js-plotly-plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 105, steps=4)
    page.mouse.move(box["x"] + 600, box["y"] + 110, steps=4)
    page.mouse.up()
    page.wait_for_url("**since=*")
    found = re.search(r"since=([\d-]+)&until=([\d-]+)", page.url)
    assert found is not None
    narrowed = open_history(shop_path()).since(found[1]).until(found[2])
    page.get_by_text(f"{len(narrowed):,} events since {found[1]}").wait_for()
    heading = page.locator("h2").filter(has_text=re.compile("^Types"))
    types = narrowed.types()
    see_text(heading, f"Types{types.height}")
    section = page.locator("h2").filter(has_text=re.compile("^Streams"))
    see_text(section, re.compile(f"of {narrowed.streams().height:,}$"))
    page.get_by_role("button", name="Show all").click()
    page.wait_for_url(lambda url: "since" not in url)
    see_text(heading, "Types23")


def test_overview_shows_versions_and_receivers(page, session):
    """Schema versions and receivers have their places, also where nobody follows."""
    session.open()
    versions = page.locator("h2").filter(has_text=re.compile("^Schema versions"))
    see_text(versions, re.compile("several$"))
    see_text(page.locator("h2").filter(has_text=re.compile("^Receivers")), "Receiversnone")


def click(page: Page, points: Locator, address: str) -> None:
    """Click the first point of a plot, which says what it is, until that leads to an address.

    What Plotly listens with lies over the point, and is there a moment after each drawing.
    """
    from playwright.sync_api import Error

    for _ in range(PATIENCE_MS // 2_000):
        page.mouse.move(0, 0)
        with suppress(Error):
            points.first.hover(force=True, timeout=2_000)
            page.locator(".hovertext").wait_for(timeout=2_000)
            page.mouse.down()
            page.mouse.up()
            page.wait_for_url(address, timeout=5_000)
            return
    pytest.fail("a click on a point leads nowhere")


def see_count(locator, count: int) -> None:
    from playwright.sync_api import expect

    expect(locator).to_have_count(count, timeout=PATIENCE_MS)


def see_text(locator, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(locator.first).to_have_text(text, timeout=PATIENCE_MS)


# One event


def test_an_event_says_what_is_new_in_it(page, session):
    """An open event shows what differs from the one before of its type, and leads to that."""
    session.open("?page=log&event=40851")
    page.get_by_text("since the one before of its type, at 40,843").wait_for()
    shown = page.locator(".wb-event td.path")
    shown.first.wait_for()
    assert shown.all_inner_texts() == ["item_id", "quantity", "price"]
    page.get_by_role("button", name="Open that one").click()
    see(page, ".wb-event h2", "Order.LineAddedposition 40,843")


def test_an_event_says_what_it_made(page, session):
    """The state of the aggregate before and after is shown where classes were named."""
    session.open("?page=log&event=88")
    see(page, ".wb-event h2", "Order.LineAddedposition 88")
    page.get_by_role("button", name="State before and after").click()
    page.locator("h2", has_text="Orderbefore and after this event").wait_for()
    names = page.locator(".wb-event td.attribute")
    names.first.wait_for()
    assert "version" in names.all_inner_texts()


def test_an_event_is_copied(page, session):
    """An event is shown as JSON, as Python and as a fixture, and copied from there."""
    session.open("?page=log&event=94")
    see(page, ".wb-event h2", "Payment.Chargedposition 94")
    pane = page.locator(".wb-event")
    pane.get_by_role("button", name="pytest fixture").click()
    see(page, ".wb-event .code pre", re.compile("def payment_charged_94"))
    pane.get_by_role("button", name="JSON").click()
    see(page, ".wb-event .code pre", re.compile('"position": 94'))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pane.get_by_role("button", name="Copy", exact=True).click()
    pane.get_by_role("button", name="Copied", exact=True).wait_for()
    assert '"position": 94' in page.evaluate("navigator.clipboard.readText()")


# Lanes


def test_streams_lie_side_by_side(page, session):
    """Streams are added by name or out of those related, and a click opens an event."""
    session.open("?page=lanes")
    page.get_by_label("Add a stream").fill("order-10050")
    page.get_by_label("Add a stream").press("Enter")
    related = page.locator('.tabulator-cell[tabulator-field="stream"]')
    related.get_by_text("payment-10050", exact=True).click()
    page.wait_for_url("**/?page=lanes&lane=order-10050&lane=payment-10050")
    page.get_by_text("2 links by field order_id").wait_for()
    page.get_by_label("Axis").select_option("in order")
    page.wait_for_url("**scale=order")
    points = page.locator(".js-plotly-plot .points path")
    found = open_history(shop_path()).lanes("order-10050", "payment-10050")
    see_count(points, found.events.height)
    click(page, points, "**event=*")
    page.locator(".wb-event .tree").wait_for()
    page.get_by_role("button", name="payment-10050").click()
    page.wait_for_url(lambda url: "payment-10050" not in url)


def test_lanes_of_a_stream_that_is_not_there(page, session):
    """A stream that is not there is said, and can be taken away."""
    session.open("?page=lanes&lane=order-0")
    page.locator(".notice.error", has_text="Cannot find the stream").wait_for()
    page.get_by_role("button", name="order-0").click()
    page.get_by_text("No streams yet.").wait_for()


def test_a_page_that_is_busy_lets_go_of_parts(page, session):
    """What was taken away goes too where news come more often than Bokeh waits for a rest.

    The news are imitated: their call comes all the time, and the wait of Bokeh is a second.
    """
    session.open("?page=log")
    see(page, ".wb-status p", "1 to 50 of 54,375 events")
    page.evaluate("""() => {
        const document = window.Bokeh.documents[0];
        document._recompute_timeout = 1_000;
        setInterval(() => document._schedule_recompute_all_models(), 50);
    }""")
    there = "window.Bokeh.documents[0]._all_models"
    for name in ("Schemas", "Log"):
        page.evaluate(f"window.before = [...{there}.keys()]")
        page.get_by_role("button", name=name, exact=True).click()
        kept = f"window.before.filter((id) => {there}.has(id)).length"
        page.wait_for_function(f"{kept} < window.before.length / 2")


def test_a_table_is_drawn_once(page, session):
    """Of new rows each is drawn once, and without handles: a column is widened at its head."""
    session.open("?page=log&type=Order.Returned")
    see(page, ".wb-status p", "1 to 50 of 162 events")
    table = page.locator(".wb-list .tabulator-table")
    assert table.locator(".tabulator-row").count() == 50
    assert table.locator(".tabulator-col-resize-handle").count() == 0
    assert page.locator(".wb-list .tabulator-header .tabulator-col-resize-handle").count() > 0
    table.evaluate("""async table => {
        const frame = () => new Promise(requestAnimationFrame);
        for (const link of table.getRootNode().querySelectorAll("link"))
            while (!link.sheet) await frame();  // else all is laid out anew once it came
        await frame();
        await frame();
        window.drawn = 0;
        const look = (changes) => changes.forEach(({ addedNodes }) => window.drawn +=
            [...addedNodes].filter((node) => node.classList?.contains("tabulator-row")).length);
        new MutationObserver(look).observe(table, { childList: true });
    }""")
    page.get_by_role("button", name="Next →").click()
    see(page, ".wb-status p", "51 to 100 of 162 events")
    page.wait_for_function("window.drawn >= 50")
    page.get_by_role("button", name="Last", exact=True).click()
    see(page, ".wb-status p", "113 to 162 of 162 events")
    page.wait_for_function("window.drawn >= 100")
    assert page.evaluate("window.drawn") == 100


def test_a_button_listens_once(context, tmp_path):
    """A button whose label changes while events come has as many listeners as before."""
    store = write_native(tmp_path / "store.db", simple_rows(100), wal=True)
    with (
        serving({"it": store}) as address,
        watching(context.new_page(), address, PATIENCE_MS) as session,
    ):
        page = session.page
        session.open("?page=log")
        see(page, ".wb-status p", "1 to 50 of 100 events")
        page.evaluate("""() => {
            window.listening = 0;
            for (const [name, more] of [["addEventListener", 1], ["removeEventListener", -1]]) {
                const act = EventTarget.prototype[name];
                EventTarget.prototype[name] = function (...options) {
                    if (this.classList?.contains("wb-news")) window.listening += more;
                    return act.apply(this, options);
                };
            }
        }""")
        for count in (101, 102, 103, 104):
            append(store, simple_rows(count)[-1:])
            news = f"{count - 100} new event{'s' if count > 101 else ''}"
            page.get_by_role("button", name=news, exact=True).wait_for()
        assert page.evaluate("window.listening") <= 2
