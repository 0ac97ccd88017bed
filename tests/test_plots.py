"""Figures, and the frames that they show."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import Row, state_of, write_native

from workbench import open_history, replay
from workbench.catalog import STEPS_S, intervals
from workbench.dashboards.style import PALETTE
from workbench.errors import RangeError, UnknownRowError
from workbench.samples import shop_path
from workbench.samples.overcharges import Overcharges
from workbench.tables import EVENTS, INTERVALS

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
EVIL = "<img src=x onerror=evil()>"


@pytest.fixture(scope="module")
def history():
    return open_history(shop_path())


@pytest.fixture(scope="module")
def trial(history):
    return replay(history, Overcharges, on_error="collect", progress=False)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a history whose names are markup."""
    rows = [
        Row(n, f"s{EVIL}", n, f"m:{EVIL}", state_of((BEGIN + timedelta(hours=n)).isoformat()))
        for n in (1, 2, 3)
    ]
    return open_history(write_native(tmp_path_factory.mktemp("hostile") / "s.db", rows))


def events_of(rows):
    """Return an event table of (stream, type, seconds after the beginning or None)."""
    frame = pl.DataFrame(
        {
            "position": range(1, len(rows) + 1),
            "stream": [stream for stream, _, _ in rows],
            "type": [f"m:{type_}" for _, type_, _ in rows],
            "time": [None if s is None else BEGIN + timedelta(seconds=s) for _, _, s in rows],
        },
        schema={name: EVENTS.schema[name] for name in ("position", "stream", "type", "time")},
    )
    return frame.lazy()


ROWS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from("TU"),
        st.none() | st.integers(-1000, 10**9) | st.sampled_from([0.000001, 0.1, 1, 3, 60]),
    ),
    max_size=30,
)


@given(rows=ROWS, within=st.sampled_from(["stream", "type"]))
def test_intervals_are_those_of_a_plain_loop(rows, within):
    """Each event with one before it in its stream, or of its type, counts in one step."""
    last, expected = {}, {}
    for stream, type_, second in rows:
        group = stream if within == "stream" else type_
        if second is None:
            continue
        moment = BEGIN + timedelta(seconds=second)
        if group in last:
            length = (moment - last[group]) / timedelta(seconds=1)
            lower = max((s for s in STEPS_S if s <= length), default=None)
            expected[type_, lower] = expected.get((type_, lower), 0) + 1
        last[group] = moment
    found = intervals(events_of(rows), within)
    assert INTERVALS.misfits(found) == []
    assert {(by, low): n for by, low, _, n in found.iter_rows()} == expected
    for _, low, below, _ in found.iter_rows():
        assert low is None or below is None or low < below


def test_intervals_within_what_is_none(history):
    """Only streams and types have an event before."""
    with pytest.raises(RangeError, match="'stream' or 'type'"):
        history.intervals("colour")
    with pytest.raises(RangeError):
        history.plot.rate("often")


def test_rate_shows_every_event(history):
    """The bars add up to what the frame counts, in ten colours and one for the others."""
    figure, frame = history.plot.rate("1w"), history.rate("1w")
    assert sum(sum(bars.y) for bars in figure.data) == frame["count"].sum()
    assert [bars.name for bars in figure.data][-1] == "others"
    assert len({bars.marker.color for bars in figure.data}) == len(figure.data) == 11


@pytest.mark.parametrize("within", ["stream", "type"])
def test_intervals_shows_what_the_frame_counts(history, within):
    """The bars add up to the intervals that are not negative, shortest first."""
    figure, frame = history.plot.intervals(within), history.intervals(within)
    shown = sum(sum(bars.y) for bars in figure.data)
    assert shown == frame.filter(pl.col("below_s") > 0)["count"].sum() > 0
    order = figure.layout.xaxis.categoryarray
    assert order.index("under 1 h") < order.index("under 1 d")


def test_versions_shows_every_schema(history):
    """Each schema is one line from its first to its last event."""
    figure, frame = history.plot.versions(), history.schemas().versions
    timed = frame.filter(pl.col("first_time").is_not_null())
    assert [line.x[0] for line in figure.data] == timed["first_time"].to_list()
    assert [line.x[1] for line in figure.data] == timed["last_time"].to_list()


def test_lag_shows_every_receiver(history):
    """Each receiver is one bar as long as its lag."""
    figure, frame = history.plot.lag(), history.receivers()
    assert sorted(figure.data[0].x) == sorted(frame["lag_events"])


def test_cell_shows_each_change(trial):
    """A cell is a step at each change, held up to the last position of the trial."""
    table = trial.table().sort("charges", descending=True)
    key = table["payment"][0]
    line, frame = trial.plot.cell(key, "charges").data[0], trial.explain(key, "charges")
    assert list(line.x) == [*frame["position"], trial.last_position]
    assert list(line.y) == [*frame["after"], frame["after"][-1]]
    assert line.line.shape == "hv"


def test_cell_that_never_was(trial):
    """A row that the table never had is refused as `explain` refuses it."""
    with pytest.raises(UnknownRowError):
        trial.plot.cell("no such payment", "charges")


@pytest.mark.parametrize("name", ["rate", "intervals", "versions", "lag"])
def test_figure_suits_light_and_dark(history, name):
    """Grounds are transparent, and colours are those that can be told apart on both."""
    figure = getattr(history.plot, name)()
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert list(figure.layout.colorway) == list(PALETTE)
    figure.update_layout(template="plotly_dark", height=200)
    assert figure.layout.height == 200


@pytest.mark.parametrize("name", ["rate", "intervals", "versions", "lag"])
def test_figure_of_nothing(history, name):
    """A history without events has figures without marks."""
    figure = getattr(history.between(after=10**9).plot, name)()
    json.loads(figure.to_json())


@pytest.mark.parametrize("name", ["rate", "intervals", "versions"])
def test_names_are_no_markup(hostile, name):
    """Plotly takes some markup in texts: names of a store are not taken for it."""
    text = getattr(hostile.plot, name)().to_json()
    assert "img" in text
    assert "<img" not in text
    assert "\\u003cimg" not in text


def test_plotly_is_loaded_for_a_figure_alone():
    """Neither `import workbench` nor a history loads Plotly; a figure loads no Panel."""
    code = (
        "import sys, workbench\n"
        "from workbench.samples import shop_path\n"
        "history = workbench.open_history(shop_path())\n"
        "plots = type(history).plot\n"
        "before = 'plotly' in sys.modules\n"
        "history.plot.rate()\n"
        "print(before, 'plotly' in sys.modules, 'panel' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True", "False"]
