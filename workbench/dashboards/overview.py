"""The overview: what a history is, how busy it was, what is wrong with it, what is in it."""

from __future__ import annotations

import asyncio
import html
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.dashboards import style, summary
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import Cell, Grid, TO_THE_MINUTE, loading, shown_time, text
from workbench.dashboards.queries import Filters
from workbench.dashboards.summary import EVERY, OTHER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import plotly.graph_objects as go

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.summary import Facts

CHART_HEIGHT = 230
TABLE_HEIGHT = 320

_LAYOUT = {
    "showlegend": False,
    "hovermode": "x",
    "height": CHART_HEIGHT,
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

TYPE_CELLS = (
    Cell("name", "Type", 150, grow=3, css="wb-go"),
    Cell("count", "Events", 80, form="count"),
    Cell("share", "Share", 70, form="percent"),
    Cell("versions", "Schema versions", 120),
    Cell("first", "First (UTC)", 136, css="wb-quiet"),
    Cell("last", "Last (UTC)", 136, css="wb-quiet"),
    Cell("mean", "Mean size, B", 100, form="count"),
    Cell("largest", "Largest, B", 90, form="count"),
    Cell("undecodable", "Undecodable", 100, form="count"),
)
PROBLEM_CELLS = (
    Cell("severity", "Severity", 72),
    Cell("kind", "Kind", 168, css="wb-go"),
    Cell("found", "Found", 170, grow=2, css="wb-wrap"),
    Cell("stream", "Stream", 130, css="wb-mono"),
    Cell("positions", "Positions", 110, form="id"),
    Cell("meaning", "Meaning", 220, grow=3, css="wb-wrap wb-quiet"),
)
STREAM_CELLS = (
    Cell("stream", "Stream", 150, grow=3, css="wb-go wb-mono"),
    Cell("aggregate", "Aggregate", 110, grow=1),
    Cell("events", "Events", 80, form="count"),
    Cell("head_version", "Head version", 100, form="id"),
    Cell("first", "First (UTC)", 136, css="wb-quiet"),
    Cell("last", "Last (UTC)", 136, css="wb-quiet"),
)


class Overview:
    """The overview of one history.

    Parameters
    ----------
    answers
        What is asked of the history.
    on_place
        Called with the place to go to.
    """

    def __init__(self, answers: Answers, on_place: Callable[[Place], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_place = on_place
        self._place: Place | None = None
        self._shown: tuple[Facts, str | None] | None = None
        self._every = "day"
        self._frames: dict[str, pl.DataFrame] = {}
        self._head = text(loading("Opening…"))
        self._window = pn.widgets.Select(
            name="", options=["day"], width=90, margin=0, stylesheets=[style.INPUT]
        )
        self._window.param.watch(self._choose_window, "value")
        self._chart = pn.pane.Plotly(
            height=CHART_HEIGHT,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.PLOT],
            config={"displayModeBar": False, "responsive": True},
            visible=False,
        )
        self._chart.param.watch(self._open_window, "click_data")
        self._chart_title = text(width=84, sizing_mode="fixed")
        self._chart_note = text(loading("Counting…", tall=True))
        self._window.visible = False
        self._types = _Section(Grid(TYPE_CELLS, self._open_type, sortable=True))
        self._problems = _Section(
            Grid(PROBLEM_CELLS, self._open_problem, sortable=True, most_height=TABLE_HEIGHT)
        )
        self._streams = _Section(Grid(STREAM_CELLS, self._open_stream, sortable=True))
        title = pn.Row(
            self._chart_title, self._window, stylesheets=[style.BAR], margin=(12, 0, 6, 0)
        )
        self.view = pn.Column(
            self._head,
            title,
            self._chart,
            self._chart_note,
            self._problems.view,
            self._types.view,
            self._streams.view,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.BOX],
        )

    async def show(self, place: Place) -> None:
        """Show what there is, each part as soon as it is known.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        facts = await self._answers.soon(self._answers.facts)
        if (facts, place.every) == self._shown:
            return
        self._head.object = _head(facts)
        if not facts.events:
            self._show_empty()
            return
        await asyncio.gather(self._show_types(facts, place), self._show_problems())
        self._shown = (facts, place.every)

    def _show_empty(self) -> None:
        self._window.visible = self._chart.visible = False
        self._chart_title.object = ""
        self._chart_note.object = notice(
            "No events yet.", "The store is there and can be read; nothing has been written to it."
        )
        for section in (self._problems, self._types, self._streams):
            section.view.visible = False

    # Activity

    async def _show_types(self, facts: Facts, place: Place) -> None:
        types = await self._answers.in_turn(self._answers.types)
        self._frames["types"] = types
        self._types.show("Types", f"{types.height:,}", _type_rows(types))
        self._head.object = _head(facts, summary.span(types))
        await self._show_activity(types, place)
        streams = await self._answers.in_turn(self._answers.streams)
        longest = summary.longest(streams)
        self._frames["streams"] = longest
        shown = "" if longest.height == streams.height else f"the {longest.height} longest of "
        self._streams.show("Streams", f"{shown}{streams.height:,}", _stream_rows(longest))

    async def _show_activity(self, types: pl.DataFrame, place: Place) -> None:
        span = summary.span(types)
        if span is None:
            self._window.visible = self._chart.visible = False
            self._chart_note.object = notice("No event carries a time.")
            return
        windows = summary.windows_for(span[1] - span[0])
        self._every = place.every if place.every in windows else windows[0]
        self._window.param.update(
            options=[name for name in EVERY if name in windows], value=self._every
        )
        every = EVERY[self._every]
        rate = await self._answers.in_turn(lambda: self._answers.activity(every))
        self._frames["rate"] = rate
        self._chart.object = figure(rate, every)
        self._chart.visible = True
        self._chart_title.object = "<h2>Events per</h2>"
        self._window.visible = True
        self._chart_note.object = _legend(rate, types)

    async def _choose_window(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None and event.new != self._every:
            await self._on_place(self._place.to(every=event.new))

    async def _open_window(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if not event.new or self._place is None:
            return
        self._chart.click_data = None  # so that the same window can be clicked again
        moment = datetime.fromisoformat(str(event.new["points"][0]["x"])).replace(tzinfo=UTC)
        await self._on_place(
            self._place.filtered(summary.behind_window(moment, EVERY[self._every]))
        )

    # Tables

    async def _show_problems(self) -> None:
        problems = await self._answers.in_turn(self._answers.problems)
        self._frames["problems"] = problems
        if problems.is_empty():
            self._problems.say("Problems", "none", notice("Nothing is wrong with this history."))
        else:
            self._problems.show("Problems", _severities(problems), _problem_rows(problems))

    async def _open_type(self, row: int, _column: str) -> None:
        if self._place is not None:
            type_ = self._frames["types"]["type"][row]
            await self._on_place(self._place.filtered(Filters(types=(type_,))))

    async def _open_stream(self, row: int, _column: str) -> None:
        if self._place is not None:
            stream = self._frames["streams"]["stream"][row]
            await self._on_place(self._place.filtered(Filters(stream=stream)))

    async def _open_problem(self, row: int, _column: str) -> None:
        if self._place is not None:
            problem = self._frames["problems"].row(row, named=True)
            first, last = problem["first_position"], problem["last_position"]
            event = first if first == last and problem["kind"] != "position_hole" else None
            filters = summary.behind_problem(problem)
            await self._on_place(self._place.filtered(filters, event=event))


class _Section:
    """A titled table, or what stands in its place."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._title, self._note = text(margin=(14, 0, 4, 0)), text(loading("Reading…"))
        self.view = pn.Column(
            self._title,
            grid.view,
            self._note,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.BOX],
        )

    def show(self, title: str, beside: str, rows: pl.DataFrame) -> None:
        """Show rows under a title."""
        self._title.object = f"<h2>{escaped(title)}<span>{escaped(beside)}</span></h2>"
        self._note.visible = False
        self._grid.show(rows)

    def say(self, title: str, beside: str, html: str) -> None:
        """Show HTML in place of rows."""
        self._title.object = f"<h2>{escaped(title)}<span>{escaped(beside)}</span></h2>"
        self._grid.hide()
        self._note.param.update(object=html, visible=True)


def figure(rate: pl.DataFrame, every: str) -> go.Figure:
    """Return activity as stacked steps, one for each type in the order of `frequent`.

    Parameters
    ----------
    rate
        `workbench.tables.RATE`, as `summary.activity` returns it.
    every
        The window's length, one of the values of `summary.EVERY`.

    Notes
    -----
    Thousands of bars take a browser seconds; eleven steps look the same and take none.
    """
    import plotly.graph_objects as go

    steps = summary.steps(rate, every)
    middles = steps["time"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list()
    chart = go.Figure()
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
    said = summary.said(rate, every)
    chart.add_scatter(
        x=said["time"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list(),
        y=said["count"].to_list(),
        mode="markers",
        marker={"opacity": 0},
        customdata=[_lines(text) for text in said["said"]],
        hovertemplate="%{customdata}<extra></extra>",
    )
    chart.update_layout(_LAYOUT)
    if len(middles) > 1:
        chart.update_xaxes(range=[middles[0], middles[-1]])
    return chart


def _lines(text: str) -> str:
    """Return text that Plotly shows as it is: it takes some tags for markup, and $ for maths."""
    return html.escape(text, quote=False).replace("$", "&#36;").replace("\n", "<br>")


def _order(rate: pl.DataFrame) -> list[str]:
    names = summary.frequent(rate.filter(pl.col("by") != OTHER), most=rate["by"].n_unique())
    return [*names, OTHER] if OTHER in rate["by"] else names


def _coloured(rate: pl.DataFrame) -> dict[str, str]:
    names = _order(rate)
    colours = [
        style.OTHER_COLOUR if n == OTHER else c
        for n, c in zip(names, (*style.PALETTE, ""), strict=False)
    ]
    return dict(zip(names, colours, strict=True))


def _legend(rate: pl.DataFrame, types: pl.DataFrame) -> str:
    keys = "".join(
        f'<span class=key><i style="background:{colour}"></i>{escaped(name)}</span>'
        for name, colour in _coloured(rate).items()
    )
    untimed = int(types["count"].sum()) - int(rate["count"].sum())
    note = f"<span>{untimed:,} events without a time are not shown.</span>" if untimed else ""
    return f"<div class=legend>{keys}{note}</div>"


def _head(facts: Facts, span: tuple[datetime, datetime] | None = None) -> str:
    words = [escaped(facts.kind)]
    if facts.application and facts.application != facts.name:
        words.append(f"application <b>{escaped(facts.application)}</b>")
    words.append(f"<b>{facts.events:,}</b> events")
    if facts.first_position is not None:
        words.append(f"positions <b>{facts.first_position:,}</b> to <b>{facts.last_position:,}</b>")
    if span is not None:
        first, last = (moment.strftime("%Y-%m-%d %H:%M") for moment in span)
        words.append(f"<b>{first}</b> to <b>{last}</b> UTC")
    listed = "".join(f"<span>{word}</span>" for word in words)
    return f"<h1>{escaped(facts.name)}</h1><div class=facts>{listed}</div>"


def _severities(problems: pl.DataFrame) -> str:
    counts = problems.group_by("severity", maintain_order=True).len()
    return ", ".join(f"{n:,} {severity}" for severity, n in counts.iter_rows())


def _type_rows(types: pl.DataFrame) -> pl.DataFrame:
    versions = pl.col("schema_versions").cast(pl.List(pl.String)).list.join(", ")
    names = summary.short_names(types)
    return types.select(
        pl.col("type").replace_strict(names, return_dtype=pl.String).alias("name"),
        "count",
        (pl.col("share") * 100).alias("share"),
        versions.alias("versions"),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
        pl.col("mean_size_bytes").round(0).alias("mean"),
        pl.col("largest_size_bytes").alias("largest"),
        "undecodable",
    )


def _problem_rows(problems: pl.DataFrame) -> pl.DataFrame:
    first, last = pl.col("first_position"), pl.col("last_position")
    span = (
        pl.when(first == last)
        .then(first.cast(pl.String))
        .otherwise(pl.format("{}–{}", first, last))
    )
    return problems.select(
        "severity",
        "kind",
        span.fill_null("").alias("positions"),
        pl.col("stream").fill_null(""),
        "found",
        "meaning",
    )


def _stream_rows(streams: pl.DataFrame) -> pl.DataFrame:
    return streams.select(
        "stream",
        pl.col("aggregate").fill_null(""),
        "events",
        pl.col("head_version").cast(pl.String).fill_null(""),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
    )
