"""The pages in a real browser: what a person does, and what then is to be seen."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING
from urllib.parse import quote

import polars as pl
import pytest
from browser import PATIENCE_MS, Watched, serving, why_no_browser
from stores import BEGIN, Row, state_of, write_native

from workbench import open_history
from workbench.dashboards import queries, summary
from workbench.dashboards.neighbours import neighbours
from workbench.dashboards.queries import Filters
from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}
SHOP, EVIL, EMPTY, GONE = "shop.db", "<img src=x onerror=evil()>.db", "empty.db", "gone.db"

HOSTILE = [
    "<img src=x onerror=evil()>",
    "<script>evil()</script>",
    '{{7*7}} {{constructor.constructor("evil()")()}}',
    '"><svg onload=evil()>',
    '<a href="javascript-evil()">x</a>',
    "$\\href{javascript-evil()}{x}$",
    "</script><script>evil()</script>",
    "' onmouseover='evil()",
    "&lt;img src=x onerror=evil()&gt;",
    "<b>bold</b>",
]


def hostile_rows() -> list[Row]:
    """Return events whose types, streams, keys and values all try to be markup."""
    rows = [
        Row(i, f"s{text}", 1, f"m:{text}", state_of(BEGIN, **{text: [text, {text: text}]}))
        for i, text in enumerate(HOSTILE, 1)
    ]
    bad = HOSTILE[0].encode()
    return [
        *rows,
        Row(50, f"s{HOSTILE[1]}", 9, "m:x", bad),
        Row(51, "<i>", 1, "m:x", bad + b"\xff"),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    stores = {
        SHOP: shop_path(),
        EVIL: write_native(folder / "evil.db", hostile_rows()),
        EMPTY: write_native(folder / EMPTY, []),
        GONE: shutil.copyfile(shop_path(), folder / GONE),
    }
    with serving(stores) as found:
        yield found


@pytest.fixture(scope="module")
def session(browser: Browser, address: str) -> Iterator[Watched]:
    """Return one page for all tests: to load it anew takes a browser seconds."""
    page = browser.new_page(viewport=WIDE)
    page.set_default_timeout(PATIENCE_MS)
    found = Watched(page, address)
    page.expose_function("evil", lambda: found.errors.append("evil ran"))
    found.open()
    page.locator(".facts").wait_for()
    yield found
    page.close()


@pytest.fixture
def opened(session: Watched) -> Iterator[Callable[[str], Page]]:
    """Return a function that goes to an address; at the end nothing on the page has failed."""
    page = session.page
    session.errors.clear()
    session.go(f"?history={EMPTY}")  # other pages are made for each history
    page.get_by_text("No events yet.").wait_for()
    yield session.go
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    assert session.errors == []
    assert session.foreign == []


def see(locator: Locator, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(locator).to_have_text(text, timeout=PATIENCE_MS)


def see_status(page: Page, first: int, last: int, total: int) -> None:
    events = "event" if total == 1 else "events"
    see(page.locator(".wb-status p"), f"{first:,} to {last:,} of {total:,} {events}")


def cells(page: Page, name: str, where: str = ".wb-list") -> list[str]:
    return page.locator(f'{where} .tabulator-cell[tabulator-field="{name}"]').all_inner_texts()


def see_listing(page: Page, filters: Filters) -> None:
    """The first page of the log is what the query functions return."""
    history = open_history(shop_path())
    expected = queries.page_of(history, filters)
    see_status(page, 1, expected.height, queries.count(history, filters))
    assert cells(page, "position") == [str(p) for p in expected["position"]]
    assert cells(page, "stream") == expected["stream"].to_list()


def section(page: Page, title: str) -> Locator:
    return page.locator("h2").filter(has_text=re.compile(f"^{title}"))


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def fill(page: Page, label: str, value: str) -> None:
    page.get_by_label(label, exact=True).fill(value)
    page.get_by_label(label, exact=True).press("Enter")


# The overview


def test_overview_shows_the_numbers(opened):
    """The overview says how many events there are, from where to where, and when."""
    history = open_history(shop_path())
    page = opened("")
    facts = page.locator(".facts")
    see(facts, re.compile(f"{len(history):,} events.*1 to {history.head:,}.*2025-01-01 06:00 to"))
    see(section(page, "Types"), f"Types{history.types().height}")
    see(section(page, "Streams"), re.compile(f"of {history.streams().height:,}$"))


def test_overview_has_nothing_to_undo_without_a_range(opened):
    """What undoes a brushed range is hidden where there is none, and seen where there is one."""
    page = opened("")
    section(page, "Streams").wait_for()
    undo = page.get_by_role("button", name="Show all", exact=True)
    assert not undo.is_visible()
    opened("?since=2025-10-01T00:00&until=2025-10-31T00:00")
    undo.wait_for()


def test_overview_lists_the_types(opened):
    """The catalogue on the page is the one that a call returns."""
    types = open_history(shop_path()).types()
    page = opened("")
    section(page, "Streams").wait_for()
    assert cells(page, "count", "body")[: types.height] == [f"{n:,}" for n in types["count"]]


def test_overview_lists_the_problems(opened):
    """The problems on the page are those that a call returns."""
    problems = open_history(shop_path()).problems()
    page = opened("")
    see(section(page, "Problems"), re.compile(r"6 error, 8 warning"))
    first = cells(page, "kind", "body")
    assert first == problems["kind"].head(len(first)).to_list()


def test_type_leads_to_its_events(opened):
    """A click on a type of the catalogue opens the log of that type."""
    page = opened("")
    section(page, "Types").wait_for()
    page.get_by_text("Order.Returned", exact=True).first.click()
    see_listing(page, Filters(types=("Order.Returned",)))


def test_problem_leads_to_its_event(opened):
    """A click on a problem opens the event that it is about."""
    page = opened("")
    section(page, "Problems").wait_for()
    page.get_by_text("undecodable", exact=True).first.click()
    see(page.locator(".wb-event h2").first, "Payment.Chargedposition 7,184")
    see_listing(page, Filters(stream="payment-10672", first_position=7_184, last_position=7_184))


def test_stream_leads_to_its_events(opened):
    """A click on a stream opens the log of that stream."""
    page = opened("")
    section(page, "Streams").wait_for()
    page.get_by_text("item-mug-red", exact=True).click()
    see_listing(page, Filters(stream="item-mug-red"))


def test_plot_leads_to_the_events_of_a_day(opened):
    """A click into the plot opens the log of that day."""
    page = opened("")
    section(page, "Streams").wait_for()
    box = page.locator(".js-plotly-plot").bounding_box()
    page.mouse.move(box["x"] + 600, box["y"] + 120)
    page.locator(".hovertext").wait_for()
    page.mouse.click(box["x"] + 600, box["y"] + 120)
    page.locator(".wb-status p").wait_for()
    day = re.search(r"since=([\d-]+)&until=([\d-]+)", page.url)
    assert day is not None
    see_listing(page, Filters(since=day[1], until=day[2]))


def test_plot_can_be_by_week(opened):
    """Another length of windows is drawn, and kept in the address."""
    page = opened("")
    section(page, "Streams").wait_for()
    page.get_by_label("Length of time").select_option("week")
    page.wait_for_url("**/?every=week")


# The log


@pytest.mark.parametrize(
    ("label", "value", "filters"),
    [
        ("Stream", "order-12600", Filters(stream="order-12600")),
        ("Text in the payload", "lefèvre", Filters(text="lefèvre")),
        ("Condition", "amount > 200", Filters(where="amount > 200")),
        ("From (UTC)", "2026-06-30", Filters(since="2026-06-30")),
        ("To (UTC)", "2025-01-01T06:10", Filters(until="2025-01-01T06:10")),
        ("From position", "54,000", Filters(first_position=54_000)),
        ("To position", "100", Filters(last_position=100)),
    ],
)
def test_filter(opened, label, value, filters):
    """A field of the form narrows the log as the function does."""
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    fill(page, label, value)
    see_listing(page, filters)


def test_filter_by_types(opened):
    """Several types can be ticked, and taken back together."""
    page = opened("?page=log")
    page.get_by_role("checkbox", name="Item.Listed 39", exact=True).check()
    page.get_by_label("Order.Returned").check()
    see_listing(page, Filters(types=("shop:Order.Returned", "shop:Item.Listed")))
    press(page, "Clear filters")
    see_listing(page, Filters())


def test_filters_together(opened):
    """Filters narrow each other."""
    page = opened("?page=log&type=Payment.Charged&since=2026-06-01")
    page.locator(".wb-status p").wait_for()
    fill(page, "Text in the payload", "wallet")
    see_listing(page, Filters(types=("Payment.Charged",), since="2026-06-01", text="wallet"))


def test_stream_that_does_not_exist(opened):
    """A name that no stream has is answered with names near it."""
    page = opened("?page=log&stream=order-1260x")
    page.locator(".notice", has_text=re.compile("Nothing can match.*Near it: order-")).wait_for()


def test_stream_names_are_suggested(opened):
    """Streams like what is typed are offered, and one of them can be taken."""
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    page.get_by_label("Stream", exact=True).press_sequentially("order-126")
    page.locator(".wb-offers").get_by_text("order-12600", exact=True).click()
    see_listing(page, Filters(stream="order-12600"))


def test_time_that_cannot_be_read(opened):
    """A time that is none is said beside the field, and the log stays."""
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    fill(page, "From (UTC)", "yesterday")
    page.locator(".notice", has_text="Cannot read 'yesterday' as a time").wait_for()
    see_status(page, 1, 50, 54_375)


def test_condition_that_cannot_be_read(opened):
    """A condition that is none is said with its place, and the log stays."""
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    fill(page, "Condition", "amount >> 3")
    page.locator(".notice", has_text="at character 9: found '>'").wait_for()
    see_status(page, 1, 50, 54_375)
    page.get_by_label("Condition").fill("")


def test_nothing_matches(opened):
    """Filters that no event matches are said to be so."""
    page = opened("?page=log&text=nothing+has+this")
    page.locator(".notice", has_text="No event matches").wait_for()


def test_paging_reaches_the_last_event(opened):
    """Next, previous, last and first lead through the whole log."""
    page = opened("?page=log&size=100")
    see_status(page, 1, 100, 54_375)
    press(page, "Next →")
    see_status(page, 101, 200, 54_375)
    press(page, "← Previous")
    see_status(page, 1, 100, 54_375)
    press(page, "Last")
    see_status(page, 54_276, 54_375, 54_375)
    assert cells(page, "position")[-1] == "54385"
    assert page.get_by_role("button", name="Next →").is_disabled()
    press(page, "First")
    see_status(page, 1, 100, 54_375)


def test_paging_through_what_was_found(opened):
    """The pages of a search lead to its last event too."""
    history = open_history(shop_path())
    found = queries.find(history, Filters(text="wallet")).positions
    page = opened("?page=log&text=wallet")
    see_status(page, 1, 50, found.len())
    press(page, "Last")
    see_status(page, found.len() - 49, found.len(), found.len())
    assert cells(page, "position") == [str(p) for p in found.tail(50)]


def test_going_to_a_position(opened):
    """A page can begin at any position."""
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    page.get_by_placeholder("Go to position").fill("40,850")
    page.get_by_placeholder("Go to position").press("Enter")
    see_status(page, 40_840, 40_889, 54_375)
    assert cells(page, "position")[0] == "40850"


def test_page_size(opened):
    """A page has as many events as was chosen."""
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    page.get_by_label("Page size").select_option("25 a page")
    see_status(page, 1, 25, 54_375)


# One event


def test_event_opens(opened):
    """A click on a row opens the event: its envelope, payload, neighbours and bytes."""
    history = open_history(shop_path())
    page = opened("?page=log&start=40850")
    page.get_by_text("Order.Placed", exact=True).first.click()
    pane = page.locator(".wb-event")
    see(pane.locator("h2").first, "Order.Placedposition 40,850")
    see(pane.locator("dl"), re.compile("order-13855.*2026-03-11 13:12:54.665434 UTC"))
    see(pane.locator(".tree"), re.compile("cityKöln"))
    around = neighbours(history, "order-13855", 40_850)
    assert cells(page, "position", ".wb-event") == [str(p) for p in around.rows["position"]]
    dump = pane.locator(".hex").inner_text()
    stored = bytes.fromhex(" ".join(line[10:33] for line in dump.splitlines()))
    assert stored == history.state(40_850)


def test_event_steps_through_its_stream(opened):
    """The steps lead to the event before and after in the stream, and to the whole of it."""
    page = opened("?page=log&event=40850")
    title = page.locator(".wb-event h2").first
    see(title, "Order.Placedposition 40,850")
    press(page, "After →")
    see(title, "Order.LineAddedposition 40,851")
    press(page, "← Before")
    see(title, "Order.Placedposition 40,850")
    press(page, "The whole stream")
    see_listing(page, Filters(stream="order-13855"))


def test_event_that_cannot_be_decoded(opened):
    """An event that cannot be decoded says why, and shows its bytes."""
    page = opened("?page=log&event=16488")
    pane = page.locator(".wb-event")
    see(pane.locator(".problem"), re.compile("not JSON: Unterminated string"))
    assert pane.locator(".hex").inner_text().startswith("00000000  7b 22")


def test_event_says_what_is_wrong_with_it(opened):
    """An event that is part of a problem says so."""
    page = opened("?page=log&event=27634")
    see(page.locator(".wb-event .problem"), re.compile("version_gap: version 7 follows version 5"))


def test_event_that_is_missing(opened):
    """A position in a hole opens a message."""
    page = opened("?page=log&event=80")
    see(page.locator(".wb-event .notice"), re.compile("Cannot find an event at position 80"))


def test_event_tree_folds(opened):
    """A part of the payload can be folded away."""
    page = opened("?page=log&event=40850")
    page.locator(".tree summary").filter(has_text="address").click()
    page.get_by_text("Hauptstraße 62", exact=True).wait_for(state="hidden")


def test_event_closes(opened):
    """An event that is closed leaves the log, and the address."""
    page = opened("?page=log&event=40850")
    page.locator(".tree").wait_for()
    press(page, "Close")
    page.locator(".wb-event").wait_for(state="hidden")
    page.wait_for_url("**/?page=log")


# Everywhere


def test_back_and_forward(opened):
    """Back and Forward lead to what was shown before and after."""
    page = opened("?page=log")
    see_status(page, 1, 50, 54_375)
    press(page, "Next →")
    see_status(page, 51, 100, 54_375)
    page.go_back()
    see_status(page, 1, 50, 54_375)
    page.go_forward()
    see_status(page, 51, 100, 54_375)


def test_histories_can_be_chosen(opened):
    """Of several histories another can be chosen, and the address says which."""
    page = opened("")
    see(page.locator("h1"), SHOP)
    page.get_by_label("History").select_option(EMPTY)
    page.locator(".notice", has_text="No events yet").wait_for()
    page.wait_for_url(f"**/?history={EMPTY}")


def test_store_that_vanishes(opened, folder):
    """A store that is gone is said to be so; when it is back, the page goes on."""
    page = opened(f"?history={GONE}&page=log")
    see_status(page, 1, 50, 54_375)
    (folder / GONE).rename(folder / "elsewhere.db")
    press(page, "Next →")
    see(page.locator(".notice.error"), re.compile("This cannot be shown"))
    (folder / "elsewhere.db").rename(folder / GONE)
    press(page, "Try again")
    see_status(page, 51, 100, 54_375)


TOUR = ["?", "?page=log", *(f"?page=log&event={n}" for n in (1, 2, 3, 6, 50, 51))]


@pytest.mark.parametrize("query", TOUR)
def test_stored_text_never_runs(opened, query):
    """Whatever types, streams, keys and values hold, it is text on the page."""
    page = opened(f"{query}&history={quote(EVIL)}")
    ready = section(page, "Streams") if query == "?" else page.locator(".wb-status p")
    ready.wait_for()
    if "event" in query:
        page.locator(".hex").wait_for()
    if query == "?":
        box = page.locator(".js-plotly-plot").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
        page.locator(".hovertext").wait_for()
    made = "img, svg[onload], b:text-is('bold'), a[href*=evil], [onmouseover*=evil]"
    assert page.locator(made).count() == 0


def test_stored_text_is_shown_as_it_is(opened):
    """Types that look like markup are listed in full."""
    page = opened(f"?history={quote(EVIL)}&page=log")
    page.locator(".wb-status p").wait_for()
    assert cells(page, "stream")[: len(HOSTILE)] == [f"s{text}" for text in HOSTILE]


@pytest.mark.parametrize("query", ["", "?page=log", "?page=log&event=40850"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_telephone(opened, session, query, scheme):
    """At 400 pixels nothing makes the page wider than the screen, in light and in dark."""
    session.page.set_viewport_size(NARROW)
    session.page.emulate_media(color_scheme=scheme)
    page = opened(query)
    ready = section(page, "Streams") if not query else page.locator(".wb-status p")
    ready.wait_for(state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


def test_filters_fold_on_a_telephone(opened, session):
    """At 400 pixels the filters are behind a button."""
    session.page.set_viewport_size(NARROW)
    page = opened("?page=log")
    page.locator(".wb-status p").wait_for()
    field = page.get_by_label("Text in the payload")
    assert not field.is_visible()
    press(page, "Filters")
    field.wait_for()


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_light_and_dark(opened, session, scheme, is_dark):
    """The page follows the browser's choice of light or dark, and the button changes it."""
    session.page.emulate_media(color_scheme=scheme)
    page = opened("?page=log")
    row = page.locator(".tabulator-row").first
    row.wait_for()

    def looks_dark() -> bool:
        colour = row.evaluate("row => getComputedStyle(row).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) < 200

    assert looks_dark() is is_dark
    page.get_by_role("button", name="Switch between light and dark").click()
    changed = looks_dark()
    page.evaluate("localStorage.clear(); document.documentElement.style.colorScheme = ''")
    assert changed is not is_dark


def test_link_opens_what_it_names(browser, address):
    """An address that is opened in a new tab shows what it showed in the old."""
    page = browser.new_page(viewport=WIDE)
    watched = Watched(page, address)
    watched.open("?page=log&stream=order-13855&event=40850&size=25")
    see_listing(page, Filters(stream="order-13855"))
    see(page.locator(".wb-event h2").first, "Order.Placedposition 40,850")
    assert (watched.errors, watched.foreign) == ([], [])
    page.close()


def test_plot_and_table_agree(opened):
    """What the plot draws is what `activity` returns."""
    rate = summary.activity(open_history(shop_path()), "1d")
    page = opened("")
    section(page, "Streams").wait_for()
    drawn = page.locator(".js-plotly-plot").evaluate(
        "plot => JSON.stringify(plot.data.at(-1).y._inputArray ?? plot.data.at(-1).y)"
    )
    shown = json.loads(drawn)
    values = list(shown.values()) if isinstance(shown, dict) else shown
    daily = rate.group_by("time").agg(pl.col("count").sum()).sort("time")["count"].to_list()
    assert [value for value in values if isinstance(value, int)] == daily
