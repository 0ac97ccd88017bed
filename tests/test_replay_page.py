"""The Replay page: what it shows is what a trial answers."""

from __future__ import annotations

import asyncio
import threading

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, Row, append, state_of, write_native

from workbench import Projection, browse, handles, open_history, replay, replay_page, table
from workbench.dashboards import trials
from workbench.dashboards.address import Place
from workbench.dashboards.answers import Answers
from workbench.dashboards.making import Asked
from workbench.errors import ProjectionError
from workbench.samples import shop_path
from workbench.samples.overcharges import Overcharges


class Counts(Projection):
    """How often each stream was written to; every fifth event takes its row away."""

    counts = table(key={"id": pl.String}, values={"n": pl.Int64, "last": pl.Int64})

    @handles("Known")
    def known(self, event):
        if event.position % 5 == 0:
            self.counts.delete(event.stream)
            return
        row = self.counts.get(event.stream) or {"n": 0}
        self.counts.set(event.stream, n=row["n"] + 1, last=event.position)


def counts_of(path, streams):
    """Replay a store with an event a stream in the list."""
    rows = [Row(i, f"s{s}", i, "m:Known", state_of(BEGIN, x=i)) for i, s in enumerate(streams, 1)]
    return replay(open_history(write_native(path, rows)), Counts, progress=False)


@pytest.fixture(scope="module")
def shop():
    return replay(open_history(shop_path()), Overcharges, on_error="collect", progress=False)


# What the page shows


@given(streams=st.lists(st.integers(0, 6), min_size=1, max_size=80), data=st.data())
def test_moment_is_the_table_as_of_its_position(tmp_path_factory, streams, data):
    """At each step the rows are those of the table as of then, and what is lit has changed."""
    trial = counts_of(tmp_path_factory.mktemp("s") / "s.db", streams)
    found = trials.steps(trial, "counts")
    assert found.to_list() == sorted(set(trial.changes("counts")["position"]))
    step = data.draw(st.integers(0, found.len() - 1))
    at = int(found[step])
    moment = trials.moment(trial, "counts", at)
    assert (moment.step, moment.position) == (step, at)
    whole = trial.at(position=at).table()
    assert_frame_equal(moment.rows, whole[moment.first : moment.first + trials.ROWS])
    before = trial.at(position=at - 1).table()
    for row, column in moment.lit:
        key, value = moment.rows["id"][row], moment.rows[column][row]
        assert before.filter(id=key)[column].to_list() != [value]


def test_position_between_two_steps_is_the_step_before(shop):
    """A position at which nothing changes shows what was there."""
    first, second = trials.steps(shop, "payments")[:2]
    assert trials.moment(shop, "payments", second - 1).position == first


def test_before_the_first_step_there_is_nothing(shop):
    """Before the first change the table is empty, and no event made it."""
    moment = trials.moment(shop, "payments", 1)
    assert (moment.step, moment.height, moment.event) == (-1, 0, None)


def test_changed_row_is_among_the_rows(shop):
    """Whatever part of the table is shown, what has changed is in it."""
    for position in trials.steps(shop, "payments")[::500]:
        moment = trials.moment(shop, "payments", position)
        assert {moment.rows["payment"][row] for row, _ in moment.lit} == set(
            moment.changes["payment"]
        )


def test_rows_can_be_gone_through(shop):
    """From a row on, the next rows are shown."""
    moment = trials.moment(shop, "payments", None, first=100)
    assert_frame_equal(moment.rows, shop.table()[100 : 100 + trials.ROWS])


def test_row_that_is_taken_away_is_told(tmp_path):
    """A deleted row is no longer in the table, and its last values are told."""
    trial = counts_of(tmp_path / "s.db", [1, 1, 1, 1, 1])
    moment = trials.moment(trial, "counts", 5)
    assert (moment.height, moment.lit) == (0, frozenset())
    told = trials.in_words(moment.changes)
    assert told.rows() == [("s1", "delete", "n", "4", ""), ("s1", "delete", "last", "4", "")]


@pytest.mark.parametrize("column", ["too_much", "charges", "payment", None])
def test_what_wrote_a_cell_is_what_explain_says(shop, column):
    """The events behind a cell are those of `Trial.explain`; behind a key, those of its row."""
    key = {"payment": shop.table().filter(pl.col("charges") > 1)["payment"][0]}
    value = None if column == "payment" else column
    expected = shop.explain(key, value)["position"].to_list()
    assert trials.wrote(shop, "payments", key, column)["position"].to_list() == expected


@given(st.lists(st.text() | st.integers(-(2**62), 2**62), min_size=1, max_size=1))
def test_key_in_an_address_gives_the_key_back(shop, values):
    """The key that an address names is the one that it was made from."""
    key = {"payment": values[0]}
    assert trials.key_of(trials.key_text(key), shop, "payments") == key


@pytest.mark.parametrize("text", ["", "{", "[]", "[1, 2]", '{"payment": 1}', "[" * 100_000])
def test_key_that_an_address_says_wrongly(shop, text):
    """What is no key of the table is none."""
    assert trials.key_of(text, shop, "payments") is None


def asked(answers, **values):
    return Asked(answers.projections["Overcharges"], **values)


def test_trial_is_made_once_for_all():
    """Two sessions that look at one trial share it."""
    answers = Answers(open_history(shop_path()), {"Overcharges": Overcharges})
    wanted = asked(answers, upto=20_000)
    made = answers.trials.made(wanted, lambda _: None, threading.Event())
    assert answers.trials.made(wanted, lambda _: None, threading.Event()) is made
    assert answers.trials.kept(wanted) is made


def test_trial_that_was_stopped_is_not_kept_until_it_is_whole(shop):
    """A replay that is stopped gives what there is, and is shared once it was gone on with."""
    answers = Answers(open_history(shop_path()), {"Overcharges": Overcharges})
    stop, wanted = threading.Event(), asked(answers)
    stop.set()
    made = answers.trials.made(wanted, lambda _: None, stop)
    assert not made.is_complete
    assert answers.trials.kept(wanted) is None
    still = answers.trials.resumed(wanted, made, lambda _: None, stop)
    assert not still.is_complete
    whole = answers.trials.resumed(wanted, still, lambda _: None, threading.Event())
    assert_frame_equal(whole.table(), shop.table())
    assert answers.trials.kept(wanted) is whole


def test_trial_of_a_log_that_has_grown_is_another(tmp_path):
    """A trial up to the end is made anew once the log has grown."""
    path = write_native(tmp_path / "s.db", [Row(1, "s", 1, "m:Known", state_of(BEGIN, x=1))])
    answers = Answers(open_history(path), {"Overcharges": Counts})
    first = answers.trials.made(asked(answers), lambda _: None, threading.Event())
    append(path, [Row(2, "s", 2, "m:Known", state_of(BEGIN, x=2))])
    second = answers.trials.made(asked(answers), lambda _: None, threading.Event())
    assert (first.events, second.events) == (1, 2)


def test_stopped_trial_goes_on_to_the_whole(shop):
    """A replay that was stopped from outside is resumed to the same tables."""
    stop = threading.Event()
    history = open_history(shop_path())
    part = replay(
        history, Overcharges, on_error="collect", progress=lambda _: stop.set(), stop=stop
    )
    assert_frame_equal(part.resume(progress=False).table(), shop.table())


# In a notebook


def html_of(shown):
    return "".join(str(pane.object) for pane in shown.select() if hasattr(pane, "object"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Bokeh's use of pandas
def test_page_of_a_replay_in_a_notebook():
    """The page for a cell replays at once, and shows the end."""
    shown = html_of(replay_page(open_history(shop_path()), Overcharges).__panel__())
    assert "<b>5,305</b> events" in shown
    assert "Step 4,954 of <b>4,954</b>" in shown


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Bokeh's use of pandas
def test_browsing_without_projections_says_how_to_offer_some():
    """Where nothing can be replayed, the page says how."""
    shown = browse(open_history(shop_path()))
    asyncio.run(shown.go(Place(page="replay")))
    assert "No projection is offered here." in html_of(shown.__panel__())


@pytest.mark.parametrize("thing", [object, 3, "Overcharges", Overcharges()])
def test_only_projections_are_offered(thing):
    """What is no projection class is refused, with what to do."""
    with pytest.raises(ProjectionError, match="Give such a class"):
        replay_page(open_history(shop_path()), thing)
