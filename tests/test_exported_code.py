"""The Python below a table of a page makes the table that is exported, whichever page it is."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import library_shop
import polars as pl
import pytest
from library_shop import write_orders
from polars.testing import assert_frame_equal
from repositories import git, make_repository, write_payments
from test_library_projection import STEPS

from workbench import Projection, handles, open_history, table
from workbench.dashboards.address import Place, Scene
from workbench.dashboards.answers import Answers
from workbench.dashboards.exporting import ExportBar
from workbench.dashboards.grid import Grid
from workbench.dashboards.named_edits import Drop, NamedEdit, Set
from workbench.dashboards.offering import offered
from workbench.dashboards.queries import Filters
from workbench.dashboards.shell import Workbench
from workbench.samples import overcharges, shop_path

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.dashboards.exporting import Export

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Bokeh's use of pandas
CLASSES = ("shop=workbench.samples.release_3",)
ROW = Scene("Overcharges", at=21_036, key=json.dumps(["payment-11975"]), column="charges")


def counted(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return how many events each stream has."""
    return events.group_by("stream").agg(pl.len().alias("n"))


class Charges(Projection):
    """How often each payment was charged."""

    charges = table(key={"payment": pl.String}, values={"n": pl.Int64})

    @handles("Payment.Charged")
    def charged(self, event):
        """Count it."""
        row = self.charges.get(event.stream) or {"n": 0}
        self.charges.set(event.stream, n=row["n"] + 1)


class OneMore(Charges):
    """The same, but for one payment."""

    @handles("Payment.Charged")
    def charged(self, event):
        """Count it, or twice."""
        super().charged(event)
        if event.stream == "payment-10002":
            super().charged(event)


def made_by(code: str) -> pl.DataFrame:
    """Return what a text of Python comes to: its last line is the table."""
    names: dict[str, Any] = {}
    *lines, last = code.splitlines()
    exec("\n".join(lines), names)
    found = eval(last, names)
    return found.collect() if isinstance(found, pl.LazyFrame) else found


def exports(answers: Answers, place: Place, *, revisions: bool = False) -> list[Export]:
    """Return what the tables that a page shows can be exported as."""
    gc.collect()
    before = {id(found) for found in gc.get_objects() if isinstance(found, ExportBar)}

    async def look() -> list[Export]:
        workbench = Workbench({"it": answers}, place, revisions=revisions)
        await workbench.start()
        there = gc.get_objects()
        grids = [found for found in there if isinstance(found, Grid)]
        passed_over = before | {id(grid._exports) for grid in grids if not grid.view.visible}
        bars = [found for found in there if isinstance(found, ExportBar)]
        shown = [bar for bar in bars if id(bar) not in passed_over and bar.view.visible]
        return [bar._export for bar in shown if bar._export is not None]

    return asyncio.run(look())


def assert_made(found: list[Export], *names: str) -> None:
    """Check that tables of these names are there, and that each is what its Python makes."""
    by_name = {export.name.split(" ", 1)[1]: export for export in found}
    for name in names:
        export = by_name[name]
        assert export.code is not None, name
        frame = export.frame()
        whole = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
        assert_frame_equal(made_by(export.code), whole)


@pytest.fixture(scope="module")
def shop() -> Answers:
    return Answers(open_history(shop_path()), offered([overcharges]), classes=CLASSES)


def test_schemas(shop: Answers) -> None:
    place = Place(page="schemas", schemas_of="shop:Order.Placed", level="FULL")
    assert_made(exports(shop, place), "schemas", "two schemas", "drift", "findings")


def test_dry_run(shop: Answers) -> None:
    """Its three tables."""

    async def look() -> list[Export]:
        workbench = Workbench({"it": shop}, Place(page="schemas"))
        await workbench.start()
        checks = workbench._pages["schemas"]._checks
        await checks._upcast(None)
        grids = (checks._paths, checks._fields, checks._failures)
        return [grid._exports._export for grid in grids]

    found = asyncio.run(look())
    for export, name in zip(found, ("paths", "fields", "failures"), strict=True):
        made, shown = made_by(export.code), export.frame()
        assert export.name.endswith(f"upcast {name}")
        # Seconds are those of the run.
        assert_frame_equal(*(frame.drop("seconds", strict=False) for frame in (made, shown)))


def test_replay(shop: Answers) -> None:
    """The whole table as of a step, not the rows that are seen; what changed, and why."""
    found = exports(shop, Place(page="replay", scene=ROW))
    assert_made(found, "payments", "payments changes", "payments explained")
    (table,) = (export for export in found if export.name.endswith("payments"))
    assert table.frame().height == 1_895


@pytest.mark.parametrize("part", ["failures", "coverage"])
def test_outcome(shop: Answers, part: str) -> None:
    found = exports(shop, Place(page="replay", scene=Scene("Overcharges", part=part)))
    assert_made(found, part)


def test_compare(shop: Answers) -> None:
    """Causes, what is behind one, tables, and the rows of one."""
    import test_exported_code

    answers = Answers(shop.history, offered([test_exported_code]))
    scene = Scene("Charges", other="OneMore", table="charges", upto=2_000)
    found = exports(answers, Place(page="compare", scene=scene))
    assert_made(found, "causes", "tables", "charges differences")
    cause = next(iter(found[0].frame()["cause"]))
    found = exports(answers, Place(page="compare", scene=scene.to(cause=cause)))
    assert_made(found, f"cause {cause}")


ONCE = (NamedEdit("once", (Drop(21_755), Set(21_036, "amount", "1"))),)


@pytest.mark.parametrize("part", [None, "failures", "coverage"])
def test_replay_of_an_edited_history(shop: Answers, part: str | None) -> None:
    """The Python edits the history as the page did."""
    scene = Scene("Overcharges", edited="once", part=part, upto=22_000)
    found = exports(shop, Place(page="replay", scene=scene, edits=ONCE))
    assert_made(found, part or "payments")
    assert "drop=[21755]" in found[-1].code


@pytest.mark.parametrize("sides", [("once", None), (None, "once"), ("once", "once")])
def test_compare_with_an_edited_history(shop: Answers, sides: tuple[str | None, ...]) -> None:
    """Each side with the edit that it has, and no other."""
    names = ("edited", "other_edited")
    scene = Scene("Overcharges", other="Overcharges", upto=22_000, table="payments")
    scene = scene.to(**dict(zip(names, sides, strict=True)))
    found = exports(shop, Place(page="compare", scene=scene, edits=ONCE))
    assert_made(found, "tables", *(["causes", "payments differences"] if None in sides else []))


def test_what_if(shop: Answers) -> None:
    """What would have to be put right, if the events had been others."""
    scene = Scene("Overcharges", edited="once", part="changes", upto=22_000)
    place = Place(page="whatif", filters=Filters(text="wallet"), scene=scene, edits=ONCE)
    found = exports(shop, place)
    assert_made(found, "problems", "events", "edited by once", "corrections")


def test_an_event(shop: Answers) -> None:
    """What is new in it, what it made of its aggregate, and its stream."""

    async def look() -> list[Export]:
        workbench = Workbench({"it": shop}, Place(page="log", event=40_851))
        await workbench.start()
        pane = workbench._pages["log"]._event
        await pane._state._asked(None)
        bars = [pane._difference._exports, pane._state._exports, pane._grid._exports]
        return [bar._export for bar in bars]

    found = asyncio.run(look())
    assert_made(found, "difference 40843, 40851", "state 40851", "stream order-13855")
    assert_made(exports(shop, Place(page="whatif", event=40_851)), "event 40851")


def test_what_is_narrowed_or_masked_is_told(shop: Answers) -> None:
    """What the Python cannot say is said beside it, in one line that runs nothing."""
    made = shop.history.masked("customer*").of_streams("order-12000").where("x = 'a\nimport os'")
    code = Answers(made).export("events", made.scan, "history.scan()").code
    assert code is not None
    (line,) = (line for line in code.splitlines() if line.startswith("#"))
    assert "masked: customer*" in line
    assert "order-12000" in line
    assert_frame_equal(made_by(code), shop.history.scan().collect())


def test_compare_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python names the commits, so that it says the same when a branch has moved on."""
    monkeypatch.chdir(make_repository(tmp_path / "shop"))
    monkeypatch.syspath_prepend(tmp_path / "shop")
    module = import_module("views.accounts")
    history = open_history(write_payments(tmp_path / "shop.db"))
    scene = Scene("Accounts", other="Accounts", revision="v1", other_revision="v2")
    answers = Answers(history, offered([module]))
    try:
        found = exports(answers, Place(page="compare", scene=scene), revisions=True)
        assert_made(found, "causes", "tables")
        commit = git(tmp_path / "shop", "rev-parse", "v2")
        assert all(f"views.accounts:Accounts@{commit}" in export.code for export in found)
    finally:
        for name in ("views.accounts", "views"):
            del sys.modules[name]


def test_polars_function(shop: Answers) -> None:
    import test_exported_code

    answers = Answers(shop.history, offered([test_exported_code], keys={"counted": ["stream"]}))
    place = Place(page="replay", scene=Scene("counted", upto=500, at=300))
    assert_made(exports(answers, place), "counted")


@pytest.mark.parametrize("name", ["Orders (MemoryView)", "Orders (SQLView)", "Order"])
def test_classes_of_the_library(tmp_path: Path, name: str) -> None:
    """An unmodified projection with its view, and aggregates."""
    path = write_orders(tmp_path / "a.db", STEPS)
    answers = Answers(open_history(path), offered([library_shop]))
    found = exports(answers, Place(page="replay", scene=Scene(name)))
    tables = [e for e in found if e.code is not None and e.code.endswith(")") and ".at(" in e.code]
    for export in tables:
        assert_frame_equal(made_by(export.code), export.frame())
    assert tables


def test_what_was_written_on_the_page_is_not_imported(shop: Answers) -> None:
    """There is no such line below a table of it; the files are there."""
    from workbench.dashboards.offering import Offer

    class Local(overcharges.Overcharges):
        """A class that no module has."""

    answers = Answers(shop.history, {"Local": Offer(Local)})
    found = exports(answers, Place(page="replay", scene=Scene("Local", upto=500)))
    assert found
    assert all(export.code is None for export in found)
