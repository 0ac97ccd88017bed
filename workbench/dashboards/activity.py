"""The plot of how many events there are in which time, by type."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.dashboards import summary
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import choice, column, loading, row, text
from workbench.dashboards.style import OTHER_COLOUR, PALETTE, sheets
from workbench.dashboards.summary import EVERY, OTHER
from workbench.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import plotly.graph_objects as go

    from workbench.dashboards.queries import Filters

HEIGHT = 230
_FORMAT = "%Y-%m-%d %H:%M:%S"
_LAYOUT = {
    "showlegend": False,
    "hovermode": "x",
    "dragmode": "select",
    "selectdirection": "h",
    "newselection": {"line": {"color": "#8a94a0", "width": 1}},
    "height": HEIGHT,
    "margin": {"l": 46, "r": 10, "t": 10, "b": 26},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"size": 11},
    "hoverlabel": {
        "bgcolor": "#2b3138",
        "bordercolor": "#2b3138",
        "font": {"color": "#f1f3f5", "size": 12},
        "align": "left",
    },
    "xaxis": {"showgrid": False, "type": "date", "fixedrange": True},
    "yaxis": {
        "gridcolor": "rgba(128,128,128,0.18)",
        "zeroline": False,
        "fixedrange": True,
        "nticks": 5,
        "rangemode": "tozero",
    },
}


class Activity:
    """The plot, a choice of how long its windows are, and what its colours mean.

    Parameters
    ----------
    on_window
        Called with a moment in the window that was clicked.
    on_every
        Called with the length that was chosen: hour, day, week or month.
    on_range
        Called with the first and the last moment of a range that was brushed.
    """

    def __init__(
        self,
        on_window: Callable[[datetime], Awaitable[None]],
        on_every: Callable[[str], Awaitable[None]],
        on_range: Callable[[datetime, datetime], Awaitable[None]],
    ) -> None:
        self._on_window = on_window
        self._on_range = on_range
        self._on_every = on_every
        self.every = "day"
        self._title = text("<h2>Events per</h2>", width=84, sizing_mode=None)
        self._choice = choice("Length of time", ["day"], self._choose, width=90)
        self._head = row(self._title, self._choice, margin=(12, 0, 6, 0), visible=False)
        self._plot = pn.pane.Plotly(  # type: ignore[no-untyped-call]
            height=HEIGHT,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=sheets("plot"),
            config={"displayModeBar": False, "responsive": True},
            visible=False,
        )
        self._plot.param.watch(self._click, "click_data")
        self._plot.param.watch(self._select, "selected_data")
        self._note = text(loading("Counting…", tall=True))
        self.view = column(self._head, self._plot, self._note)

    def set_every(self, every: str, windows: list[str]) -> None:
        """Say how long the windows are, and how long they could be."""
        self.every = every
        self._choice.param.update(options=[name for name in EVERY if name in windows], value=every)

    def show(self, rate: pl.DataFrame, types: pl.DataFrame, range_: Filters) -> None:
        """Show `workbench.tables.RATE`, beside the `workbench.tables.TYPES` that it is of.

        What lies outside of `range_` is dimmed.
        """
        self._plot.object = figure(rate, EVERY[self.every], range_)
        self._head.visible = self._plot.visible = True
        self._note.object = _legend(rate, types)

    def say(self, title: str, words: str = "") -> None:
        """Show a message in place of the plot."""
        self._head.visible = self._plot.visible = False
        self._note.object = notice(title, words)

    async def _choose(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new != self.every:
            await self._on_every(event.new)

    async def _select(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        ends = ((event.new or {}).get("range") or {}).get("x")
        if ends:
            self._plot.selected_data = None
            first, last = sorted(datetime.fromisoformat(str(end)[:26]) for end in ends)
            await self._on_range(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))

    async def _click(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new:
            self._plot.click_data = None  # so that the same window can be clicked again
            moment = datetime.fromisoformat(str(event.new["points"][0]["x"]))
            await self._on_window(moment.replace(tzinfo=UTC))


def figure(rate: pl.DataFrame, every: str, range_: Filters | None = None) -> go.Figure:
    """Return activity as stacked steps, one for each type, most frequent first.

    Parameters
    ----------
    rate
        `workbench.tables.RATE`, as `summary.activity` returns it.
    every
        The window's length, one of the values of `summary.EVERY`.
    range_
        The range of time that is chosen; what lies outside is dimmed.

    Notes
    -----
    Thousands of bars take a browser seconds; eleven steps look the same and take none.
    """
    import plotly.graph_objects as go

    steps, said = summary.steps(rate, every), summary.said(rate, every)
    middles = steps["time"].dt.strftime(_FORMAT).to_list()
    chart = go.Figure(layout=_LAYOUT)
    for name, colour in _coloured(rate).items():
        chart.add_scatter(
            x=middles,
            y=steps[name].to_list(),
            mode="lines",
            line={"shape": "hvh", "width": 0},
            fillcolor=colour,
            stackgroup="events",
            hoverinfo="skip",
        )
    chart.add_scatter(
        x=said["time"].dt.strftime(_FORMAT).to_list(),
        y=said["count"].to_list(),
        mode="markers",
        marker={"opacity": 0},
        customdata=[_lines(words) for words in said["said"]],
        hovertemplate="%{customdata}<extra></extra>",
    )
    if len(middles) > 1:
        chart.update_xaxes(range=[middles[0], middles[-1]])
    for first, last in _outside(steps["time"], range_):
        chart.add_vrect(
            x0=first, x1=last, fillcolor="rgba(128,128,128,0.4)", line_width=0, layer="above"
        )
    return chart


def _outside(times: pl.Series, range_: Filters | None) -> list[tuple[str, str]]:
    """Return from when to when lies outside of a range, of the times that are drawn."""
    begin, end = times.min(), times.max()
    found: list[tuple[datetime, datetime]] = []
    if not isinstance(begin, datetime) or not isinstance(end, datetime) or range_ is None:
        return []
    if range_.since is not None:
        found.append((begin, min(max(moment_of(range_.since), begin), end)))
    if range_.until is not None:
        found.append((max(min(moment_of(range_.until, end_of_day=True), end), begin), end))
    return [(a.strftime(_FORMAT), b.strftime(_FORMAT)) for a, b in found if a < b]


def _lines(words: str) -> str:
    """Return text that Plotly shows as it is: it takes some tags for markup, and $ for maths."""
    return html.escape(words, quote=False).replace("$", "&#36;").replace("\n", "<br>")


def _coloured(rate: pl.DataFrame) -> dict[str, str]:
    named = rate.filter(pl.col("by") != OTHER)
    names = summary.frequent(named, most=named["by"].n_unique())
    colours = dict(zip(names, PALETTE, strict=False))
    return colours | {OTHER: OTHER_COLOUR} if OTHER in rate["by"] else colours


def _legend(rate: pl.DataFrame, types: pl.DataFrame) -> str:
    keys = "".join(
        f'<span class=key><i style="background:{colour}"></i>{escaped(name)}</span>'
        for name, colour in _coloured(rate).items()
    )
    untimed = int(types["count"].sum()) - int(rate["count"].sum())
    note = f"<span>{untimed:,} events without a time are not shown.</span>" if untimed else ""
    return f"<div class=legend>{keys}{note}</div>"
