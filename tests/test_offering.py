"""What may be replayed on the pages: what named modules offer, and what is written there."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import click
import hostile_views
import library_shop
import offered_functions
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from workbench import open_history, replay
from workbench.cli.offers import offers_of
from workbench.dashboards import trials
from workbench.dashboards.access import Access, PasswordFile
from workbench.dashboards.answers import Answers
from workbench.dashboards.making import Asked
from workbench.dashboards.offering import offered
from workbench.dashboards.own_work import OwnWork
from workbench.dashboards.writing import Editor
from workbench.dashboards.written import example, written
from workbench.errors import AccessError, ProjectionError
from workbench.samples import overcharges, shop_path
from workbench.samples.overcharges import ChargedOnce, Overcharges


def made(history, offer):
    return offer.replay(history, progress=lambda _: None, stop=threading.Event())


# What modules offer


def test_projections_of_a_module():
    """Projections that a module defines are offered, and none that it imports."""
    found = offered([overcharges])
    expected = {"Overcharges": Overcharges, "ChargedOnce": ChargedOnce}
    assert {name: offer.projection for name, offer in found.items()} == expected
    assert found["Overcharges"].place == "workbench.samples.overcharges:Overcharges"
    assert list(offered([hostile_views])) == ["Hostile", "Refusing"]


def test_two_of_one_name():
    """Of two projections of one name, the second is offered with its module."""
    other = ModuleType("other")
    other.Overcharges = type("Overcharges", (Overcharges,), {"__module__": "other"})
    assert list(offered([overcharges, other])) == [
        "Overcharges",
        "ChargedOnce",
        "other.Overcharges",
    ]


def test_projections_of_the_library_with_their_views():
    """A projection of the library is offered with each view that fits it, and aggregates too."""
    found = offered([library_shop])
    assert found["Order"].projection is library_shop.Order
    views = {name: offer.view for name, offer in found.items() if name.startswith("Orders (")}
    assert library_shop.MemoryView in views.values()
    assert library_shop.AbstractView not in views.values()
    assert "Orders (MemoryView)" in views


def test_projection_of_the_library_is_replayed(tmp_path):
    """What is offered of the library gives the trial that `replay` makes of it."""
    history = open_history(
        library_shop.write_orders(tmp_path / "s.db", [(1, 2), (1, 3), (2, 4), (1, 0)])
    )
    found = offered([library_shop])
    expected = replay(
        history,
        library_shop.Orders,
        view=library_shop.MemoryView,
        classes=[library_shop],
        progress=False,
    )
    trial = made(history, found["Orders (MemoryView)"])
    assert_frame_equal(trial.table("amounts"), expected.table("amounts"))
    assert made(history, found["Order"]).table().height == 2


def test_function_is_offered_with_its_key():
    """A Polars function is offered where its key was named, and under no other name."""
    found = offered([offered_functions], keys={"by_stream": ["stream"]})
    assert list(found) == ["by_stream"]
    with pytest.raises(ProjectionError, match="Near it: by_stream"):
        offered([offered_functions], keys={"by_streem": ["stream"]})


def test_command_reads_keys(monkeypatch):
    """The command takes keys as FUNCTION=COLUMN, and says so of what is none."""
    found = offers_of(["offered_functions"], ["by_stream=stream"])
    assert found["by_stream"].key == ("stream",)
    with pytest.raises(click.BadParameter, match="FUNCTION=COLUMN"):
        offers_of(["offered_functions"], ["by_stream"])


@pytest.mark.parametrize(
    ("module", "said"), [("offered_functions", "it defines none"), ("not.there", "Cannot import")]
)
def test_module_without_projections_is_refused(module, said):
    """A module that offers nothing, or is not there, is refused with what to do."""
    with pytest.raises(ProjectionError, match=said):
        offers_of([module])


# The table of a function, step by step


def test_steps_of_a_function_are_all_events(tmp_path):
    """As of each event the table is the function's, and what is lit has changed at it."""
    history = open_history(shop_path()).between(upto=60)
    trial = made(history, offered([offered_functions], keys={"by_stream": ["stream"]})["by_stream"])
    steps = trials.steps(trial, "by_stream")
    assert steps.to_list() == history.scan().select("position").collect()["position"].to_list()
    before = trial.at(position=-1).table()
    for position in steps:
        moment = trials.moment(trial, "by_stream", position, within=steps)
        whole = trial.at(position=position).table()
        assert_frame_equal(moment.rows, whole[moment.first : moment.first + trials.ROWS])
        assert moment.event["position"] == position
        changed = whole.join(before, on=whole.columns, how="anti", nulls_equal=True)
        assert sorted(moment.changes["key.stream"]) == sorted(changed["stream"])
        before = whole


def test_function_that_loses_rows_and_gains_columns():
    """A row that goes is a deletion; a column that comes later was null before."""

    def odd(events: pl.LazyFrame) -> pl.LazyFrame:
        found = events.select("position").collect()
        kept = found.filter(pl.col("position") % 2 == found.height % 2)
        more = {"late": pl.lit("x")} if found.height > 2 else {}
        return kept.with_columns(n=pl.lit(1), **more).lazy()

    trial = replay(open_history(shop_path()).between(upto=4), odd, key="position", progress=False)
    moment = trials.moment(trial, "odd", 3)
    assert moment.changes.select("key.position", "change").rows() == [
        (1, "insert"),
        (2, "delete"),
        (3, "insert"),
    ]
    assert trials.moment(trial, "odd", 0).height == 0


# What is written on a page


def test_example_runs():
    """What the editor begins with can be replayed, whatever the type is called."""
    history = open_history(shop_path())
    offer = written(example("shop:Order.Placed"))["Written"]
    assert made(history, offer).table().height > 100
    assert list(written(example('a"b\\'))) == ["Written"]


def test_written_function():
    """A Polars function is offered with its key; the last one, where there are several."""
    found = written(
        "def a(events):\n    return events\ndef b(events):\n    return a(events)", ["position"]
    )
    assert (list(found), found["b"].key) == (["b"], ("position",))


def test_recipe_tells_what_was_written():
    """Two texts that differ have trials of different recipes."""
    history = open_history(shop_path()).between(upto=500)
    texts = [example("Item.Listed"), example("Item.Listed").replace("+ 1", "+ 2")]
    hashes = {made(history, written(text)["Written"]).recipe.projection_hash for text in texts}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class X(:\n", "line 1: "),
        ("\n\n1/0", "line 3 raised ZeroDivisionError"),
        ("import sys\nsys.exit()", "line 2 raised SystemExit"),
        ("x = 1", "defines nothing"),
        ("def f(events): return events", "name its key columns"),
        ("x = '\0'", "as Python"),
    ],
)
def test_text_that_offers_nothing(text, said):
    """What is no Python, raises, or defines no projection is said with its line."""
    with pytest.raises(ProjectionError, match=said):
        written(text)


# Trials that are shared


def test_trial_of_an_edit_is_another(tmp_path):
    """The same projection over an edited history is a trial of its own, and kept as well."""
    from workbench.dashboards.named_edits import Drop, NamedEdit

    answers = Answers(open_history(shop_path()), {"A": Overcharges})
    offer, stop = answers.projections["A"], threading.Event()
    plain = Asked(offer, upto=21_760)
    edited = Asked(offer, NamedEdit("e", (Drop(21_755),)), upto=21_760)
    trials_ = [answers.trials.made(asked, lambda _: None, stop) for asked in (plain, edited)]
    assert trials_[0].events == trials_[1].events + 1
    assert [answers.trials.kept(asked) for asked in (plain, edited)] == trials_
    assert answers.trials.kept(Asked(offer, NamedEdit("e"), upto=21_760)) is trials_[0]


# Where writing is switched on


@pytest.mark.parametrize(
    "access",
    [
        Access(host="192.0.2.1", login=PasswordFile(Path("users")), writes=True),
        Access(origins=("https://events.example.com",), writes=True),
    ],
)
def test_code_is_written_on_this_machine_alone(access):
    """Where others could open the pages, writing code on them is refused."""
    with pytest.raises(AccessError, match="leave out --edit-code|Leave out --edit-code"):
        access.check()
    replace(access, host="127.0.0.1", login=None, origins=()).check()


def test_editor_is_there_only_where_it_is_switched_on():
    """Without the flag, what a browser says of the editor's button does nothing."""
    answers, drafts = Answers(open_history(shop_path())), OwnWork()

    async def never(_name):
        raise AssertionError

    editor = Editor(answers, drafts, never)
    assert not editor.open.visible
    asyncio.run(editor._write(None))
    assert drafts.written == {}
