"""Below the schemas, what a page shows is what `Schemas.check` and `check_upcasters` answer."""

from __future__ import annotations

import asyncio

import panel as pn
import pytest

from workbench import check_upcasters, open_history
from workbench.dashboards import checks
from workbench.dashboards.address import Place
from workbench.dashboards.answers import Answers
from workbench.samples import shop_path

CLASSES = "shop=workbench.samples.release_3"
PLACED = "shop:Order.Placed"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Bokeh's use of pandas


async def nowhere(_place):
    """Go nowhere."""


@pytest.fixture(scope="module")
def answers():
    return Answers(open_history(shop_path()), classes=[CLASSES])


def shown(view):
    return "".join(str(pane.object) for pane in view.select() if hasattr(pane, "object"))


def tables(view):
    return [pane.value for pane in view.select() if isinstance(pane, pn.widgets.Tabulator)]


def test_findings_are_those_of_the_check(answers):
    """The page lists what the level's check finds for the type, in its order."""
    page = checks.Checks(answers, nowhere)
    asyncio.run(page.show(Place(page="schemas"), PLACED))
    (found,) = tables(page.view)
    expected = answers.schemas().check("BACKWARD").filter(type=PLACED)
    assert found["rule"].to_list() == expected["rule"].to_list()
    assert found["sentence"].to_list() == expected["sentence"].to_list()


def test_readers_are_named(answers):
    """Backward the newer version reads the older, forward the older the newer."""
    rows = checks.finding_rows(answers.findings("FULL").filter(type=PLACED))
    assert {"2 reads 1", "1 reads 2"} <= set(rows["direction"])


def test_type_in_which_nothing_breaks(answers):
    """Where a level holds, the page says so."""
    page = checks.Checks(answers, nowhere)
    asyncio.run(page.show(Place(page="schemas"), "shop:Order.Packed"))
    assert "Nothing breaks." in shown(page.view)


def test_dry_run_is_that_of_the_named_classes(answers):
    """The button upcasts every event; the tables are the report's."""
    page = checks.Checks(answers, nowhere)
    asyncio.run(page._upcast(None))
    report = check_upcasters(answers.history, CLASSES, progress=False)
    paths, fields, failures = tables(page.view)
    assert fields["path"].to_list() == report.fields["path"].to_list()
    assert paths["events"].to_list() == report.paths["events"].to_list()
    assert failures["position"].to_list() == [7184, 16488]
    assert report.verdict in shown(page.view)


def test_without_classes_the_page_says_how_to_name_them():
    """Where no classes were named, the page says how to name some."""
    page = checks.Checks(Answers(open_history(shop_path())), nowhere)
    assert "--classes" in shown(page.view)


def test_code_that_cannot_be_loaded_is_said():
    """Classes that are nowhere are an error on the page, which stays usable."""
    page = checks.Checks(Answers(open_history(shop_path()), classes=["no_such_module"]), nowhere)
    asyncio.run(page._upcast(None))
    assert "This cannot be upcast." in shown(page.view)
    assert not page._dry.disabled


def test_fields_lead_to_their_events(answers):
    """A click on what happens to a field opens the first event with it in the log."""
    gone = []

    async def go(place):
        gone.append(place)

    async def clicked():
        page = checks.Checks(answers, go)
        await page.show(Place(page="schemas"), PLACED)
        await page._upcast(None)
        await page._open_field(0, "first")
        return page

    page = asyncio.run(clicked())
    assert [place.event for place in gone] == page._report.fields["first_position"].to_list()[:1]


def test_a_dry_run_can_be_stopped():
    """Stopped, it says so, can be begun anew, and is kept for nobody."""
    page = checks.Checks(Answers(open_history(shop_path()), classes=[CLASSES]), nowhere)

    async def stopped():
        begun = asyncio.Event()
        page._run.stop.param.watch(lambda _: begun.set(), "visible")
        running = asyncio.ensure_future(page._upcast(None))
        await begun.wait()
        await page._run._stopped(None)
        await running

    asyncio.run(stopped())
    assert "Stopped." in shown(page.view)
    assert not page._dry.disabled
    assert tables(page.view) == []
