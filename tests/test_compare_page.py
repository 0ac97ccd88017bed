"""The Compare page: what it shows is what a comparison answers."""

from __future__ import annotations

import asyncio
import html
import threading

import polars as pl
import pytest
from repositories import git, make_repository, write_payments

from workbench import compare, open_history, replay
from workbench.dashboards import comparisons
from workbench.dashboards.address import Place, Scene
from workbench.dashboards.answers import Answers
from workbench.dashboards.making import Asked
from workbench.dashboards.offering import Offer
from workbench.dashboards.shell import Workbench
from workbench.errors import RevisionError
from workbench.samples import shop_path
from workbench.samples.overcharges import ChargedOnce, Overcharges


@pytest.fixture(scope="module")
def found():
    history = open_history(shop_path())
    trials = [
        replay(history, kind, on_error="collect", progress=False)
        for kind in (Overcharges, ChargedOnce)
    ]
    return compare(*trials)


def test_causes_are_those_of_the_comparison(found):
    """The page lists the causes in their order, with how many rows each has."""
    shown = comparisons.causes(found)
    assert shown.select("cause", "count").equals(found.causes.select("cause", "count"))


def test_behind_every_cause_are_its_rows(found):
    """Behind a cause stand as many rows as it counts, each with its first differing event."""
    for cause in found.causes.to_dicts():
        rows = comparisons.behind(found, cause["cause"])
        assert rows.height == min(cause["count"], comparisons.MOST)
        assert rows["position"][0] == cause["first_position"]
        assert set(rows["type"]) == {cause["type"]}
        assert set(rows["column"]) == {cause["column"]}


def test_behind_no_cause_is_nothing(found):
    """A cause that is not there has no rows, and the same columns."""
    nothing = comparisons.behind(found, "gone")
    one = comparisons.behind(found, found.causes["cause"][0])
    assert (nothing.height, nothing.schema) == (0, one.schema)


def test_comparison_is_made_once_for_all():
    """Two sessions share a comparison, and its trials with the Replay page."""
    answers = Answers(open_history(shop_path()), {"A": Overcharges, "B": ChargedOnce})
    asked = [Asked(offer, upto=21_500) for offer in answers.projections.values()]
    made = [answers.trials.made(one, lambda _: None, threading.Event()) for one in asked]
    first = answers.trials.compared(*made)
    assert answers.trials.compared(*made) is first
    assert answers.trials.kept(asked[1]) is first.b


def test_only_a_few_large_things_are_kept():
    """However many trials are made, few are kept."""
    answers = Answers(open_history(shop_path()), {"A": Overcharges})
    asked = [Asked(answers.projections["A"], upto=upto) for upto in range(100, 2_000, 100)]
    for one in asked:
        answers.trials.made(one, lambda _: None, threading.Event())
    kept = pl.Series([answers.trials.kept(one) is not None for one in asked])
    assert (kept.sum(), kept[-1]) == (6, True)


def test_revisions_are_refused_where_nobody_allowed_them():
    """An address runs no code of a revision, unless whoever serves has said so."""
    scene = Scene("A", other="A", revision="HEAD", upto=100)
    answers = Answers(open_history(shop_path()), {"A": Overcharges})

    async def look():
        workbench = Workbench({"it": answers}, Place(page="compare", scene=scene))
        await workbench.start()
        return workbench._pages["compare"]

    page = asyncio.run(look())
    assert "Serve on 127.0.0.1 with --revisions" in html.unescape(page._note.object)
    assert not any(field.view.visible for field in page._form._revisions)
    assert page._found is None


def test_what_was_written_on_the_page_has_no_revision():
    """There is no module to look for."""
    asked = Asked(Offer(Overcharges), upto=100, revision="HEAD")
    answers = Answers(open_history(shop_path()), {})
    with pytest.raises(RevisionError, match="Leave out the revision"):
        answers.trials.made(asked, lambda _: None, threading.Event())


def test_a_branch_that_moves_is_replayed_again(tmp_path, monkeypatch):
    """What is kept belongs to a commit, not to the name that it had."""
    folder = make_repository(tmp_path / "shop")
    monkeypatch.chdir(folder)
    offer = Offer(None, place="views.accounts:Accounts")
    answers = Answers(open_history(write_payments(tmp_path / "shop.db")), {"A": offer})
    git(folder, "branch", "here", "v1")
    made = []
    for commit in ("v1", "v1", "v2"):
        git(folder, "branch", "-f", "here", commit)
        asked = Asked(offer, revision="here")
        made.append(answers.trials.made(asked, lambda _: None, threading.Event()))
    assert made[0] is made[1]
    assert made[2].table()["paid"].to_list() != made[0].table()["paid"].to_list()
