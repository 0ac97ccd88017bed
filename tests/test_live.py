"""What is live: one follower of a history, for as long as somebody looks at it."""

from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from stores import BEGIN, PLACED, SHIPPED, simple_rows, state_of, write_native

from workbench import Projection, compare, errors, handles, open_history, replay, table
from workbench.dashboards import comparisons
from workbench.dashboards import live as live_module
from workbench.dashboards.address import Place, Scene
from workbench.dashboards.answers import Answers
from workbench.dashboards.live import Live
from workbench.dashboards.queries import Filters
from workbench.dashboards.shell import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Bokeh's use of pandas

PATIENCE_S = 60
WRITES = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stores import append
append(Path(sys.argv[2]), pickle.load(sys.stdin.buffer))
"""


def grow(store: Path, rows: list) -> None:
    """Append in a process of its own: in one process, SQLite's locks are void."""
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", WRITES, folder, str(store)]
    subprocess.run(command, input=pickle.dumps(rows), check=True)


class Seen(Projection):
    """The last event of each stream."""

    seen = table(key={"stream": pl.String}, values={"last": pl.Int64})

    @handles(PLACED, SHIPPED)
    def any(self, event):
        self.seen.set(event.stream, last=event.position)


def until(holds: Callable[[], object]) -> None:
    """Wait for a state, however long a loaded machine takes."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def followers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("workbench-live")]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(live_module, "PACE_S", 0.0)
    monkeypatch.setattr(live_module, "RETRY_S", 0.01)
    monkeypatch.setattr(live_module, "RECEIVERS_S", 0.01)


@pytest.fixture
def store(tmp_path):
    return write_native(tmp_path / "grows.db", simple_rows(10))


# The follower


def test_tells_what_has_come(store):
    """Who has joined is told when events have come, and its stamp is the history's end."""
    live = Live(open_history(store))
    told = threading.Event()
    leave = live.join(told.set)
    assert told.wait(PATIENCE_S)  # of the end as it is
    told.clear()
    grow(store, simple_rows(12)[10:])
    assert told.wait(PATIENCE_S)
    until(lambda: live.stamp() == 12)
    leave()


def test_one_follower_for_all(store):
    """However many join, one follows, and one looks at receivers; both end with the last."""
    live = Live(open_history(store))
    leaves = [live.join(lambda: None) for _ in range(20)]
    until(lambda: live.receivers is not None)
    names = ["workbench-live", "workbench-live-receivers"]
    assert sorted(thread.name for thread in followers()) == names
    assert live.sessions == 20
    for leave in leaves[1:]:
        leave()
    assert len(followers()) == 2
    leaves[0]()
    leaves[0]()  # once more changes nothing
    until(lambda: not followers())
    assert live.sessions == 0


def test_who_cannot_be_told_stops_nobody(store):
    """A page that ends while news are told does not keep them from the others."""
    live = Live(open_history(store))

    def gone():
        raise RuntimeError("the page is gone")

    told = threading.Event()
    leaves = [live.join(gone), live.join(told.set)]
    assert told.wait(PATIENCE_S)
    told.clear()
    grow(store, simple_rows(12)[10:])
    assert told.wait(PATIENCE_S)
    for leave in leaves:
        leave()


def test_can_be_joined_again(store):
    """After the last has left, another can begin anew."""
    live = Live(open_history(store))
    live.join(lambda: None)()
    told = threading.Event()
    leave = live.join(told.set)
    assert told.wait(PATIENCE_S)
    leave()
    until(lambda: not followers())


def test_store_that_goes_and_comes_back(store):
    """A store that disappears is said to be gone, and tried until it is back."""
    live = Live(open_history(store))
    leave = live.join(lambda: None)
    until(lambda: live.stamp() == 10)
    away = store.rename(store.with_suffix(".away"))
    until(lambda: live.trouble is not None)
    away.rename(store)
    until(lambda: live.trouble is None)
    leave()


def test_store_that_lost_events(store, tmp_path):
    """A store that is replaced by a shorter one is followed from its new end."""
    live = Live(open_history(store))
    leave = live.join(lambda: None)
    until(lambda: live.stamp() == 10)
    write_native(tmp_path / "other.db", simple_rows(3)).replace(store)
    until(lambda: live.stamp() == 3)
    leave()


def test_history_that_ends(store):
    """A history that is narrowed to an end says why it cannot be followed."""
    live = Live(open_history(store).between(upto=5))
    assert "narrowed to an end" in live.why_not
    with pytest.raises(errors.WorkbenchError, match="narrowed to an end"):
        live.join(lambda: None)


def test_archive_cannot_grow(tmp_path):
    """A source that nothing can be added to says so."""
    path = tmp_path / "events.xes"
    path.write_text("<log><trace><event/></trace></log>")
    live = Live(open_history(path))
    assert live.why_not == "Nothing can be added to this source any more."


# What is shown


class Session:
    """A double of a person at the pages, in a loop of its own."""

    def __init__(self, answers: Answers, place: Place) -> None:
        self.workbench = Workbench({"it": answers}, place)
        self.workbench.follow_in(asyncio.get_running_loop().call_soon_threadsafe)

    async def __aenter__(self) -> Workbench:
        await self.workbench.start()
        self.view = self.workbench.__panel__()
        self.root = self.view.get_root()
        return self.workbench

    async def __aexit__(self, *_error: object) -> None:
        self.workbench.end()
        self.view._cleanup(self.root)


async def comes(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.01)


def shown(workbench: Workbench) -> str:
    """Return all HTML that is visible on the pages."""
    found = []

    def visit(part) -> None:
        if getattr(part, "visible", True):
            if isinstance(getattr(part, "object", None), str):
                found.append(part.object)
            label = getattr(part, "label", None)
            if isinstance(label, str):
                found.append(label)
            for child in getattr(part, "objects", None) or []:
                visit(child)

    visit(workbench.__panel__())
    return "\n".join(found)


def test_overview_is_current(store):
    """The overview counts events that come."""

    async def looks() -> None:
        async with Session(Answers(open_history(store)), Place()) as workbench:
            assert "<b>10</b> events" in shown(workbench)
            grow(store, simple_rows(13)[10:])
            await comes(lambda: "<b>13</b> events" in shown(workbench))

    asyncio.run(looks())


def test_log_with_room_shows_new_rows(store):
    """Where the page of the log has room, what comes is appended."""

    async def looks() -> None:
        async with Session(Answers(open_history(store)), Place(page="log")) as workbench:
            grow(store, simple_rows(13)[10:])
            await comes(lambda: "1 to 13 of <b>13</b>" in shown(workbench))

    asyncio.run(looks())


def test_log_without_room_stays(store):
    """Where it has none, the rows stay, and how many have come is offered."""
    grow(store, simple_rows(60)[10:])

    async def looks() -> None:
        async with Session(Answers(open_history(store)), Place(page="log")) as workbench:
            grow(store, simple_rows(72)[60:])
            await comes(lambda: "12 new events" in shown(workbench))
            assert "1 to 50 of <b>60</b>" in shown(workbench)

    asyncio.run(looks())


def test_only_new_events_that_match_are_offered(store):
    """The offer counts those events that the filters let through."""
    answers = Answers(open_history(store))
    rows = simple_rows(30)
    grow(store, rows[10:])
    stream = rows[-1].stream
    expected = sum(row.stream == stream for row in rows[10:])
    assert answers.come(Filters(stream=stream), 10, 0) == expected
    assert answers.come(Filters(last_position=10), 10, 0) == 0


def test_trial_goes_on(store):
    """A replayed trial is advanced; the tables follow where their end is shown."""

    async def looks() -> None:
        answers = Answers(open_history(store), {"Seen": Seen})
        place = Place(page="replay", scene=Scene("Seen"))
        async with Session(answers, place) as workbench:
            assert "Step 10 of <b>10</b>" in shown(workbench)
            grow(store, simple_rows(14)[10:])
            await comes(lambda: "Step 14 of <b>14</b>" in shown(workbench))

    asyncio.run(looks())


def test_trial_stays_at_its_step(store):
    """Who looks at an earlier step stays there; there are more steps after it."""

    async def looks() -> None:
        answers = Answers(open_history(store), {"Seen": Seen})
        place = Place(page="replay", scene=Scene("Seen", at=4))
        async with Session(answers, place) as workbench:
            grow(store, simple_rows(14)[10:])
            await comes(lambda: "Step 4 of <b>14</b>" in shown(workbench))

    asyncio.run(looks())


def test_schemas_are_current(store):
    """A schema that comes is shown, and what is chosen stays; only new events are read."""

    async def looks() -> None:
        answers = Answers(open_history(store))
        async with Session(answers, Place(page="schemas")) as workbench:
            before = answers.schemas()
            assert "<b>2</b> schemas of <b>2</b> types" in shown(workbench)
            row = simple_rows(11)[10]
            grow(store, [row._replace(type=PLACED, state=state_of(BEGIN, 7, new="field"))])
            await comes(lambda: "<b>3</b> schemas of <b>2</b> types" in shown(workbench))
            assert answers.schemas().census.versions.keys() > before.census.versions.keys()
            page = workbench._pages["schemas"]
            await comes(lambda: (page._older.value, page._newer.value) == ("1", "7"))

    asyncio.run(looks())


def test_lanes_are_current(store):
    """Events of the streams that lie side by side appear as they come."""
    rows = simple_rows(13)
    lanes = tuple(dict.fromkeys(row.stream for row in rows))

    async def looks() -> None:
        place = Place(page="lanes", lanes=lanes)
        async with Session(Answers(open_history(store)), place) as workbench:
            page = workbench._pages["lanes"]
            assert page._lanes.events.height == 10
            related = page._related
            grow(store, rows[10:])
            await comes(lambda: page._lanes.events.height == 13)
            points = [trace.customdata for trace in page._plot.object.data if trace.customdata]
            assert sorted(position for of in points for position in of) == list(range(1, 14))
            assert page._related is related

    asyncio.run(looks())


def test_what_if_is_current(store):
    """What is searched for is found as it comes, and so are problems that name an event."""

    async def looks() -> None:
        place = Place(page="whatif", filters=Filters(text="new"))
        async with Session(Answers(open_history(store)), place) as workbench:
            assert "No event matches" in shown(workbench)
            rows = [row._replace(state=state_of(BEGIN, text="new")) for row in simple_rows(12)]
            grow(store, [rows[10], rows[11]._replace(state=b"\xff")])
            await comes(lambda: ">1 event<" in shown(workbench))
            finder = workbench._pages["whatif"]._finder
            await comes(lambda: 12 in finder._problem_rows["position"])

    asyncio.run(looks())


class Fewer(Seen):
    """The same, but for the events of one type."""

    @handles(PLACED)
    def any(self, event):
        super().any(event)


def test_comparison_goes_on(store):
    """Both trials are advanced, and what they differ in is shown; an end stands against it."""

    async def looks() -> None:
        answers = Answers(open_history(store), {"Seen": Seen, "Fewer": Fewer})
        scene = Scene("Seen", other="Fewer", table="seen")
        async with Session(answers, Place(page="compare", scene=scene)) as workbench:
            page = workbench._pages["compare"]
            before = page._found
            assert before.a.last_position == before.b.last_position == 10
            grow(store, simple_rows(14)[10:])
            await comes(lambda: page._found.a.last_position == 14)
            found = page._found
            whole = [replay(answers.history, one, progress=False) for one in (Seen, Fewer)]
            assert found.summary.equals(compare(*whole).summary)
            await comes(
                lambda: (
                    page._rows is not None
                    and page._rows.equals(comparisons.differing(found, "seen"))
                )
            )
            await workbench.go(Place(page="compare", scene=scene.to(upto=12)))
            ended = page._found
            grow(store, simple_rows(15)[14:])
            await comes(lambda: answers.live.stamp() == 15)
            await page.renew()
            assert page._found is ended

    asyncio.run(looks())


def test_switched_off(store):
    """Who switches it off is told nothing, and no thread is left; on again, it is current."""

    async def looks() -> None:
        answers = Answers(open_history(store))
        async with Session(answers, Place()) as workbench:
            workbench._present._switch.value = []
            await comes(lambda: not followers())
            grow(store, simple_rows(13)[10:])
            assert "<b>10</b> events" in shown(workbench)
            workbench._present._switch.value = ["Live"]
            await comes(lambda: "<b>13</b> events" in shown(workbench))

    asyncio.run(looks())


def test_store_that_is_gone_is_said(store):
    """While the store is away the page says so, and it stays."""

    async def looks() -> None:
        async with Session(Answers(open_history(store)), Place(page="log")) as workbench:
            away = store.rename(store.with_suffix(".away"))
            await comes(lambda: "Nothing new can be seen now." in shown(workbench))
            assert "1 to 10 of <b>10</b>" in shown(workbench)
            away.rename(store)
            await comes(lambda: "Nothing new can be seen now." not in shown(workbench))

    asyncio.run(looks())


def test_cell_that_is_cleared(store):
    """A page in a notebook ends to follow once it is shown nowhere any more."""

    async def looks() -> None:
        answers = Answers(open_history(store))
        session = Session(answers, Place())
        async with session as workbench:
            grow(store, simple_rows(11)[10:])
            await comes(lambda: "<b>11</b> events" in shown(workbench))
            session.view._cleanup(session.root)
            grow(store, simple_rows(12)[11:])
            await comes(lambda: not answers.live.sessions)

    asyncio.run(looks())
    until(lambda: not followers())


PAGES_OPEN = [
    *(("overview", 300), ("log", 3_000), ("replay", 300), ("schemas", 100)),
    *(("lanes", 100), ("compare", 300), ("whatif", 300)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "times"), PAGES_OPEN)
def test_does_not_grow(store, page, times, monkeypatch):
    """Thousands of updates leave models, callbacks, threads and memory as they were."""
    monkeypatch.setattr("workbench.dashboards.present.REST", 0)
    grow(store, simple_rows(80)[10:])
    lanes = ("stream-0", "stream-1")
    scene = Scene("Seen", other="Seen") if page == "compare" else Scene("Seen")
    place = Place(page=page, scene=scene, lanes=lanes if page == "lanes" else ())

    async def looks() -> None:
        answers = Answers(open_history(store), {"Seen": Seen})
        session = Session(answers, place)
        async with session as workbench:
            document = session.root.document

            def sizes() -> tuple[int, ...]:
                gc.collect()
                return (
                    len(session.root.references()),
                    len(document.session_callbacks) if document is not None else 0,
                    len(followers()),
                )

            for _ in range(20):
                await workbench._renew()
            before, objects = sizes(), len(gc.get_objects())
            for _ in range(times):
                answers.live._stamp = object()  # each time something new, for all who ask
                await workbench._renew()
            assert sizes() == before
            assert len(gc.get_objects()) - objects < 500

    asyncio.run(looks())
