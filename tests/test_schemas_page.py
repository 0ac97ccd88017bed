"""The page of schemas: its frames and plots, and what it shows."""

from __future__ import annotations

import asyncio
import html
from typing import TYPE_CHECKING

import polars as pl
import pytest
from stores import BEGIN, PLACED, Row, state_of, write_native

from workbench import open_history
from workbench.dashboards import timeline, versions
from workbench.dashboards.address import Place, place_of, query_of
from workbench.dashboards.answers import Answers
from workbench.dashboards.schemas import SchemasPage

if TYPE_CHECKING:
    from pathlib import Path

    from workbench import History
    from workbench.schemas import Schemas

# Bokeh calls pandas in a way that pandas is going to give up.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


@pytest.fixture(scope="module")
def schemas(shop: History) -> Schemas:
    """Return the schemas of the sample history."""
    return shop.schemas()


@pytest.fixture(scope="module")
def answers(shop: History) -> Answers:
    """Return answers of the sample history."""
    return Answers(shop)


def test_bars_are_the_versions(schemas: Schemas) -> None:
    """There is a bar for each schema, with its name on it."""
    versions = schemas.versions.filter(pl.col("first_time").is_not_null())
    bars = timeline.bars(versions).data
    labels = [label for trace in bars for label in trace.text]
    assert sorted(labels) == sorted(versions["name"])


def test_names_in_plots_are_text(tmp_path: Path) -> None:
    """A name of a type that looks like markup is shown as it is."""
    rows = [Row(1, "s", 1, "shop:<b>$x$</b>", state_of(BEGIN, a=1))]
    history = open_history(write_native(tmp_path / "store.db", rows))
    chart = timeline.bars(history.schemas().versions)
    assert list(chart.layout.yaxis.ticktext) == ["&lt;b&gt;&#36;x&#36;&lt;/b&gt;"]


def test_address_of_a_type() -> None:
    """The type whose schemas are compared is in the address, and which two, and how strictly."""
    place = Place(page="schemas", schemas_of=PLACED)
    assert place_of(query_of(place)) == place
    chosen = place.to(older="1", newer="2", level="FULL")
    assert place_of(query_of(chosen)) == chosen


def shown(answers: Answers, place: Place, older: str | None = None) -> SchemasPage:
    """Return the page, showing a place, with another version chosen."""
    return asyncio.run(showing(answers, place, older, []))


async def showing(
    answers: Answers, place: Place, older: str | None, gone: list[Place]
) -> SchemasPage:
    async def go(place: Place) -> None:
        gone.append(place)
        if place.page == "schemas" and place.schemas_of == page._place.schemas_of:
            await page.show(place)

    page = SchemasPage(answers, go)
    await page.show(place)
    if older is not None:
        page._older.value = older
    await asyncio.sleep(0.05)  # what a change of value does runs by itself
    await page._open(0, "short_name")
    return page


def test_page_shows_the_type_of_the_address(answers: Answers) -> None:
    """The page compares the last two versions of the type that the address names."""
    page = shown(answers, Place(page="schemas", schemas_of="shop:Order.Confirmed"))
    assert "Order.Confirmed" in page._title.object
    assert (page._older.value, page._newer.value) == ("1a", "1b")
    assert page._matrix._table.value["path"].to_list() == ["coupon"]


def test_page_begins_with_the_type_of_most_versions(answers: Answers) -> None:
    """Where the address names no type, that with most versions is compared."""
    page = shown(answers, Place(page="schemas"))
    assert "Order.Placed" in page._title.object
    assert "<b>29</b> schemas of <b>23</b> types" in page._head.object


def test_choosing_other_versions(answers: Answers) -> None:
    """Choosing another version compares it."""
    page = shown(answers, Place(page="schemas"), older="1")
    changes = dict(page._matrix._table.value[["path", "change"]].itertuples(index=False))
    assert (changes["customer_name"], changes["address"]) == ("removed", "changed")


def test_what_is_chosen_is_in_the_address(answers: Answers) -> None:
    """Versions and the level that somebody chooses are places to come back to."""
    gone: list[Place] = []

    async def chosen() -> SchemasPage:
        place = Place(page="schemas", schemas_of=PLACED)
        page = await showing(answers, place, "1", gone)
        page._checks._level.value = "FULL_TRANSITIVE"
        await asyncio.sleep(0.05)
        return page

    asyncio.run(chosen())
    told = [(place.older, place.newer, place.level) for place in gone if place.older]
    assert told == [("1", None, None), ("1", None, "FULL_TRANSITIVE")]


def test_address_names_the_versions(answers: Answers) -> None:
    """Two versions of an address are compared; names that the type lacks are passed over."""

    async def two() -> list[tuple[str, str, str]]:
        page = SchemasPage(answers, lambda _: asyncio.sleep(0))
        place = Place(page="schemas", schemas_of=PLACED)
        seen = []
        for at in (place.to(older="1", newer="2", level="FULL"), place.to(older="99"), place):
            await page.show(at)
            chosen = page._older.value, page._newer.value, page._checks._level.value
            seen.append((*chosen, page._drafts._button.label))
        return seen

    assert asyncio.run(two()) == [
        ("1", "2", "FULL", "Draft an upcaster from 1 to 2"),
        ("2", "3", "BACKWARD", "Draft an upcaster from 2 to 3"),
        ("2", "3", "BACKWARD", "Draft an upcaster from 2 to 3"),
    ]


def test_a_click_on_a_version_opens_its_type(answers: Answers) -> None:
    """A click on a row leads to the schemas of its type."""
    gone: list[Place] = []
    asyncio.run(showing(answers, Place(page="schemas"), None, gone))
    assert [place.schemas_of for place in gone] == ["shop:Item.Adjusted"]


def test_matrix_is_told_in_words(schemas: Schemas) -> None:
    """A field says what differs by rule, what it may have been, and how often it is null."""
    matrix = schemas["Order.Placed", "1"].beside(schemas["Order.Placed", "2"])
    rows = {row["path"]: row for row in versions.matrix_rows(matrix).to_dicts()}
    assert rows["customer_name"]["what"] == "field_removed, perhaps renamed to last_name"
    assert rows["last_name"]["what"] == "field_added, perhaps renamed from customer_name"
    assert (rows["number"]["older"], rows["number"]["what"]) == ("integer", "")
    coupon = schemas["Order.Confirmed", "1a"].beside(schemas["Order.Confirmed", "1b"])
    (row,) = versions.matrix_rows(coupon).to_dicts()
    assert (row["older"], row["newer"]) == ("", "null or string, 88.1 % null")


def test_a_draft_is_made_when_asked(answers: Answers) -> None:
    """The button shows the upcaster and its test of the two versions, as text to copy."""

    async def drafted() -> SchemasPage:
        page = await showing(answers, Place(page="schemas", schemas_of=PLACED), "1", [])
        assert page._drafts._button.label == "Draft an upcaster from 1 to 3"
        assert page._drafts._said.object == ""
        await page._drafts._draft(None)
        return page

    page = asyncio.run(drafted())
    said = html.unescape(page._drafts._said.object)
    expected = answers.drafts(page._mine["1"], page._mine["3"])
    assert expected.test is not None
    for part in (expected.upcaster, expected.test, *expected.notes):
        assert part in said


def test_one_version_is_drafted_nothing_of(answers: Answers) -> None:
    """Where there are no two versions, there is no button."""
    page = shown(answers, Place(page="schemas", schemas_of="shop:Order.Packed"))
    assert not page._drafts.view.visible


def test_drift_leads_to_its_events(answers: Answers) -> None:
    """The change points of the type are a table; a click on one opens its event in the log."""
    gone: list[Place] = []

    async def clicked() -> SchemasPage:
        place = Place(page="schemas", schemas_of="shop:Order.Confirmed")
        page = await showing(answers, place, None, gone)
        gone.clear()
        await page._drift._open(1, "position")
        return page

    page = asyncio.run(clicked())
    table = page._drift._grid._table.value
    expected = answers.history.drift("Order.Confirmed").changes
    assert table["sentence"].to_list() == expected["sentence"].to_list()
    assert [(place.page, place.event) for place in gone] == [("log", 20_163)]


def test_a_type_that_does_not_drift_says_so(answers: Answers) -> None:
    """Where no field has changed, the page says so."""
    page = shown(answers, Place(page="schemas", schemas_of="shop:Order.Packed"))
    assert "Nothing drifts." in page._drift._note.object


def test_versions_written_at_the_same_time_are_named(tmp_path: Path) -> None:
    """Which versions were written at the same time, and where, stands below the title."""
    rows = [Row(n, "s", n, PLACED, state_of(BEGIN, 2 if n % 2 else None, a=1)) for n in range(1, 9)]
    page = shown(
        Answers(open_history(write_native(tmp_path / "store.db", rows))), Place(page="schemas")
    )
    assert "Order.Placed 2 and 1, positions 2 to 7" in page._head.object


def test_page_of_an_empty_history(tmp_path: Path) -> None:
    """An empty history is said to be empty."""
    history = open_history(write_native(tmp_path / "store.db", []))
    page = SchemasPage(Answers(history), None)
    asyncio.run(page.show(Place(page="schemas")))
    assert "No events yet." in page._head.object
