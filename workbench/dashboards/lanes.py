"""Streams side by side on one axis, with lines between events that name each other."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.catalog import short_name
from workbench.dashboards import queries
from workbench.dashboards.event import EventPane
from workbench.dashboards.grid import Cell, Grid, shown
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import (
    button,
    choice,
    column,
    field,
    loading,
    offers,
    row,
    text,
)
from workbench.dashboards.session import present
from workbench.dashboards.style import OTHER_COLOUR, PALETTE, sheets
from workbench.errors import RangeError, UnknownStreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import plotly.graph_objects as go

    from workbench import Lanes
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers

CELLS = (
    Cell("stream", "Stream", 150, grow=3, look="wb-go wb-mono"),
    Cell("field", "By the field", 110, grow=2, look="wb-mono"),
    Cell("direction", "Which way", 84),
    Cell("events", "Events", 70, form="count"),
)
OFFERED_FROM, LANE_HEIGHT, MOST_NAMED = 2, 44, 10
ANY = "any field"
_LINES = {"field": "solid", "correlation": "dot", "causation": "dash"}
_EMPTY = notice(
    "No streams yet.", "Name one above: those that its events name, or that name it, are offered."
)


class LanesPage:
    """The page on which streams lie side by side.

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
        self._shown: tuple[tuple[str, ...], str | None, str | None] | None = None
        self._lanes: Lanes | None = None
        self._related = pl.DataFrame()
        self._name = field(
            "Add a stream", "its name in full", self._add, css_classes=["wb-key-search"]
        )
        self._name.param.watch(self._offer, "value_input")
        self._offers = offers(self._take)
        self._by = choice("Linked by", [ANY], self._choose_by, width=170)
        self._scale = choice(
            "Axis", {"by time": "time", "in order": "order"}, self._choose_scale, width=100
        )
        self._chips = row(look="bar")
        self._note = text(_EMPTY)
        self._plot = pn.pane.Plotly(  # type: ignore[no-untyped-call]
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=sheets("plot"),
            config={"displayModeBar": False, "responsive": True},
            visible=False,
        )
        self._plot.param.watch(self._click, "click_data")
        self._legend = text()
        self._title = text(margin=(14, 0, 4, 0))
        self._grid = Grid(CELLS, self._open_related, sortable=True, most_height=260)
        self._event = EventPane(answers, on_place)
        main = column(
            row(self._name, self._by, self._scale, look="bar naming"),
            self._offers,
            self._chips,
            self._note,
            self._plot,
            self._legend,
            self._title,
            self._grid.view,
            look="list",
        )
        self.view = column(main, self._event.view, look="halves", margin=(10, 0, 0, 0))

    async def show(self, place: Place) -> None:
        """Show the streams, and the event, that a place names.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        is_open = place.event is not None
        self._event.view.visible = is_open
        self.view.css_classes = ["wb-halves", "wb-open"] if is_open else ["wb-halves"]
        self._show_chips(place)
        await self._event.show(place)
        wanted = (place.lanes, place.by, place.scale)
        if wanted == self._shown or place is not self._place:
            return
        self._shown = wanted
        if place.lanes:
            await self._show_lanes(place)
        else:
            self._hide(_EMPTY)

    async def renew(self) -> None:
        """Show what has come in the streams that are shown."""
        place, shown_ = self._place, self._lanes
        if place is None or shown_ is None or not place.lanes:
            return
        fields = None if place.by is None else [place.by]
        history = self._answers.history
        lanes = await self._answers.in_turn(lambda: history.lanes(*place.lanes, fields=fields))
        if place is self._place and lanes.events.height != shown_.events.height:
            self._draw(lanes, place)

    def _hide(self, said: str) -> None:
        self._lanes = None
        self._note.param.update(object=said, visible=True)
        self._plot.visible = False
        self._legend.object = self._title.object = ""
        self._grid.hide()

    async def _show_lanes(self, place: Place) -> None:
        fields = None if place.by is None else [place.by]
        history = self._answers.history
        self._hide(loading("Reading the streams…"))
        try:
            lanes = await self._answers.in_turn(lambda: history.lanes(*place.lanes, fields=fields))
        except (UnknownStreamError, RangeError) as error:
            self._hide(notice("These cannot be shown.", str(error), kind="error"))
            return
        if place is not self._place:
            return
        self._by.param.update(options=_choices(lanes, place.by), value=place.by or ANY)
        self._scale.value = place.scale or "time"
        self._note.visible = False
        self._draw(lanes, place)
        self._title.object = f"<h2>Related streams</h2>{loading('Looking for them…')}"
        names = await self._answers.in_turn(self._answers.stream_names)
        related = await self._answers.in_turn(lambda: history.related(*place.lanes, names=names))
        if place is self._place:
            self._show_related(place, related)

    def _draw(self, lanes: Lanes, place: Place) -> None:
        self._lanes = lanes
        self._plot.param.update(
            object=figure(lanes, in_order=place.scale == "order"),
            height=70 + LANE_HEIGHT * len(lanes.streams),
            visible=True,
        )
        self._legend.object = _legend(lanes)

    def _show_related(self, place: Place, related: pl.DataFrame) -> None:
        self._related = related
        count = related["stream"].n_unique()
        self._title.object = f"<h2>Related streams<span>{count:,}</span></h2>"
        if related.is_empty():
            self._title.object += notice("No other stream is named by these, or names them.")
            return
        listed = ", ".join(map(repr, place.lanes))
        export = self._answers.export("related", lambda: related, f"history.related({listed})")
        rows = related.select(
            shown("stream"), pl.col("field"), pl.col("direction"), pl.col("events")
        )
        self._grid.show(rows, export=export)

    def _show_chips(self, place: Place) -> None:
        """Show a button for each stream that takes it away."""
        self._chips.objects = [
            button(f"{name[:60]} ✕", self._without(name), look="chip") for name in place.lanes
        ]

    # What a person does

    async def _go(self, **changes: object) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(**changes))

    def _without(self, name: str) -> Callable[[Any], Awaitable[None]]:
        async def act(_event: object) -> None:
            if self._place is not None:
                await self._go(lanes=tuple(lane for lane in self._place.lanes if lane != name))

        return act

    async def _added(self, name: str) -> None:
        if self._place is not None and name and name not in self._place.lanes:
            await self._go(lanes=(*self._place.lanes, name))

    async def _add(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        name = (event.new or "").strip()
        if name:
            self._name.value = ""
            self._offers.visible = False
            await self._added(name)

    async def _offer(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        typed = event.new.strip()
        found: list[str] = []
        if len(typed) >= OFFERED_FROM:
            names = await self._answers.in_turn(self._answers.stream_names)
            found = await self._answers.soon(lambda: queries.alike(names, typed))
        if (self._name.value_input or "").strip() == typed:
            self._offers.param.update(options=found, value=None, visible=bool(found))

    async def _take(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new is not None:
            self._offers.visible = False
            self._name.param.update(value="", value_input="")
            await self._added(event.new)

    async def _choose_by(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        by = None if event.new == ANY else event.new
        if self._place is not None and by != self._place.by:
            await self._go(by=by)

    async def _choose_scale(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        scale = None if event.new == "time" else event.new
        if self._place is not None and scale != self._place.scale:
            await self._go(scale=scale)

    async def _open_related(self, row: int, _column: str) -> None:
        await self._added(self._related["stream"][row])

    async def _click(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new:
            self._plot.click_data = None
            position = event.new["points"][0].get("customdata")
            if position is not None:
                found = position[0] if isinstance(position, list) else position
                await self._go(event=int(found))


def figure(lanes: Lanes, *, in_order: bool = False) -> go.Figure:
    """Return streams as lanes, their events as points, and links as lines between them.

    Parameters
    ----------
    lanes
        The streams, as `History.lanes` returns them.
    in_order
        Whether events stand one after the other, at equal distances; else where their time is.
        Events without a time are left out of a time axis.
    """
    import plotly.graph_objects as go

    events = _placed(lanes, in_order=in_order)
    at = {
        position: (x, lane) for position, x, lane in events.select("position", "x", "lane").rows()
    }
    chart = go.Figure(layout=_layout(lanes, in_order=in_order))
    for kind, dash in _LINES.items():
        ends = lanes.links.filter(pl.col("kind") == kind).select("from_position", "to_position")
        pairs = [(at[a], at[b]) for a, b in ends.rows() if a in at and b in at]
        if pairs:
            chart.add_scatter(
                x=[x for a, b in pairs for x in (a[0], b[0], None)],
                y=[y for a, b in pairs for y in (a[1], b[1], None)],
                mode="lines",
                line={"color": OTHER_COLOUR, "width": 1.2, "dash": dash},
                hoverinfo="skip",
            )
    for name, colour in _colours(lanes).items():
        own = events.filter(pl.col("colour") == name)
        chart.add_scatter(
            x=own["x"].to_list(),
            y=own["lane"].to_list(),
            mode="markers",
            marker={"size": 10, "color": colour, "line": {"width": 1, "color": "#ffffff"}},
            customdata=own["position"].to_list(),
            text=[_told(*told) for told in own.select("name", "position", "version", "at").rows()],
            hovertemplate="%{text}<extra></extra>",
        )
    return chart


def _placed(lanes: Lanes, *, in_order: bool) -> pl.DataFrame:
    """Return the events with where they stand, and which colour they have."""
    zone = present().zone
    local = pl.col("time").dt.convert_time_zone(zone)
    x = pl.int_range(pl.len()) if in_order else local.dt.strftime("%Y-%m-%d %H:%M:%S%.3f")
    name = pl.col("type").str.extract(r"([^:]*)$").fill_null("no type")
    named = list(_colours(lanes))
    return (
        lanes.events.with_columns(
            x.alias("x"),
            name.alias("name"),
            local.dt.strftime("%Y-%m-%d %H:%M:%S %Z").fill_null("no time").alias("at"),
        )
        .with_columns(
            pl.when(pl.col("name").is_in(named))
            .then("name")
            .otherwise(pl.lit("other types"))
            .alias("colour")
        )
        .filter(pl.col("x").is_not_null())
    )


def _colours(lanes: Lanes) -> dict[str, str]:
    counts = lanes.events["type"].fill_null("no type").value_counts(sort=True)
    names = list(dict.fromkeys(short_name(type_) for type_ in counts["type"].to_list()))
    colours = dict(zip(names[:MOST_NAMED], PALETTE, strict=False))
    return colours if len(names) <= MOST_NAMED else colours | {"other types": OTHER_COLOUR}


def _told(name: str, position: int, version: int | None, at: str) -> str:
    said = html.escape(name, quote=False).replace("$", "&#36;")
    number = "" if version is None else f", version {version}"
    return f"{said}<br>position {position:,}{number}<br>{at}"


def _layout(lanes: Lanes, *, in_order: bool) -> dict[str, Any]:
    labels = [
        html.escape(name if len(name) <= 24 else f"{name[:23]}…", quote=False).replace("$", "&#36;")  # noqa: PLR2004, what fits beside a plot
        for name in lanes.streams
    ]
    return {
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "zoom",
        "uirevision": "\n".join(lanes.streams),  # what somebody has zoomed into stays
        "margin": {"l": 8, "r": 14, "t": 8, "b": 30},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 11},
        "hoverlabel": {
            "bgcolor": "#2b3138",
            "bordercolor": "#2b3138",
            "font": {"color": "#f1f3f5", "size": 12},
            "align": "left",
        },
        "xaxis": {
            "type": "linear" if in_order else "date",
            "gridcolor": "rgba(128,128,128,0.18)",
            "zeroline": False,
            "showticklabels": not in_order,
        },
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": labels,
            "range": [len(labels) - 0.4, -0.6],
            "gridcolor": "rgba(128,128,128,0.35)",
            "zeroline": False,
            "fixedrange": True,
            "automargin": True,
        },
    }


def _choices(lanes: Lanes, by: str | None) -> list[str]:
    kinds = lanes.links.filter(pl.col("kind") == "field")["field"].unique().sort().to_list()
    return list(dict.fromkeys([ANY, *kinds, *([by] if by else [])]))


def _legend(lanes: Lanes) -> str:
    keys = "".join(
        f'<span class=key><i style="background:{colour}"></i>{escaped(name)}</span>'
        for name, colour in _colours(lanes).items()
    )
    links = "".join(
        f"<span>{count:,} links by {escaped(kind)} {escaped(name)}</span>"
        for kind, name, count in lanes.links.group_by("kind", "field", maintain_order=True)
        .len()
        .iter_rows()
    )
    untimed = lanes.events["time"].null_count()
    note = f"<span>{untimed:,} events have no time.</span>" if untimed else ""
    return f"<div class=legend>{keys}{links or '<span>no links</span>'}{note}</div>"
