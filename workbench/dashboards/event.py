"""One event: its envelope, its payload, its neighbours in its stream, and its stored bytes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.dashboards import queries, style, summary
from workbench.dashboards.markup import escaped, notice, pairs, raw, tree
from workbench.dashboards.parts import Cell, Grid, button, failure, shown_time, text
from workbench.dashboards.queries import Filters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.queries import Neighbours

CELLS = (
    Cell("version", "Version", 62, form="id"),
    Cell("name", "Type", 110, grow=2),
    Cell("time", "Time (UTC)", 150, css="wb-quiet"),
    Cell("position", "Position", 76, form="id"),
)
_SAID_BY_PAYLOAD = ("undecodable", "odd_payload")


class EventPane:
    """One event of a history.

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
        self._around: Neighbours | None = None
        self._stream: str | None = None
        self._title = text(css_classes=["wb-title"])
        self._problems = text(sheet=style.PAYLOAD, margin=(6, 0, 0, 0))
        self._before = button("‹ Before", self._step_back)
        self._behind = button("After ›", self._step_on)
        self._whole = button("The whole stream", self._open_stream, look="link")
        self._envelope = text(sheet=style.PAYLOAD, margin=(8, 0, 0, 0))
        self._payload = text(sheet=style.PAYLOAD, margin=(10, 0, 0, 0))
        self._stream_title = text(margin=(12, 0, 4, 0))
        self._grid = Grid(CELLS, self._open_neighbour)
        self._bytes = text(sheet=style.PAYLOAD, margin=(12, 0, 0, 0))
        self._download = pn.widgets.FileDownload(
            label="Download the bytes",
            button_type="default",
            margin=(4, 0, 0, 0),
            stylesheets=[style.BUTTON],
        )
        close = button("Close", self._close)
        steps = pn.Row(
            self._before, self._behind, self._whole, stylesheets=[style.BAR], margin=(8, 0, 0, 0)
        )
        self._parts = pn.Column(
            self._problems,
            steps,
            self._envelope,
            self._payload,
            self._stream_title,
            self._grid.view,
            self._bytes,
            self._download,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.BOX],
        )
        self.view = pn.Column(
            pn.Row(self._title, close, stylesheets=[style.BAR, style.SPREAD], margin=0),
            self._parts,
            css_classes=["wb-event"],
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.CARD],
        )

    async def show(self, place: Place) -> None:
        """Show the event that is open at a place; what goes wrong is shown in its stead."""
        self._place = place
        position = place.event
        if position is None:
            return
        try:
            row, state, around = await self._answers.soon(lambda: self._read(position))
        except (queries.UnknownPositionError, queries.UnknownStreamError) as error:
            self._title.object = f"<h2>Position {position:,}</h2>{failure(error)}"
            self._parts.visible = False
            return
        if self._place is place:
            self._show(row, state, around)
            await self._show_problems(row)

    def _read(self, position: int) -> tuple[dict[str, Any], bytes, Neighbours | None]:
        history = self._answers.history
        row = queries.event(history, position).row(0, named=True)
        state = history.state(position)
        around = (
            None if row["stream"] is None else queries.neighbours(history, row["stream"], position)
        )
        return row, state, around

    def _show(self, row: Mapping[str, Any], state: bytes, around: Neighbours | None) -> None:
        self._title.object = _title(row)
        self._problems.object = ""
        self._envelope.object = _envelope(row)
        self._payload.object = _payload(row)
        self._show_neighbours(row, around)
        self._bytes.object = f"<h2>Stored bytes<span>{len(state):,} B</span></h2>{raw(state)}"
        self._download.param.update(
            callback=lambda: BytesIO(state), filename=f"event-{row['position']}.bin"
        )
        self._parts.visible = True

    def _show_neighbours(self, row: Mapping[str, Any], around: Neighbours | None) -> None:
        self._around, self._stream = around, row["stream"]
        self._before.disabled = around is None or around.before is None
        self._behind.disabled = around is None or around.behind is None
        self._whole.visible = around is not None
        if around is None:
            self._grid.hide()
            self._stream_title.object = notice("This event belongs to no stream.")
            return
        self._stream_title.object = (
            f"<h2>In its stream<span>{around.place:,} of {around.total:,}</span></h2>"
        )
        chosen = around.rows["position"].index_of(row["position"])
        self._grid.show(_neighbour_rows(around.rows), chosen=chosen)

    async def _show_problems(self, row: Mapping[str, Any]) -> None:
        place = self._place
        problems = await self._answers.in_turn(self._answers.problems)
        if self._place is place:
            here = summary.problems_at(problems, row["position"], row["stream"])
            self._problems.object = _problems(here)

    async def _step_back(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._open(self._around and self._around.before)

    async def _step_on(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._open(self._around and self._around.behind)

    async def _open_neighbour(self, row: int, _column: str) -> None:
        await self._open(self._around and self._around.rows["position"][row])

    async def _close(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None:
            await self._on_place(self._place.to(event=None))

    async def _open_stream(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None:
            filters = Filters(stream=self._stream)
            await self._on_place(self._place.filtered(filters, event=self._place.event))

    async def _open(self, position: int | None) -> None:
        if self._place is not None and position is not None:
            await self._on_place(self._place.to(event=position))


def _title(row: Mapping[str, Any]) -> str:
    name = escaped(summary.short_name(row["type"] or "no type"))
    return f"<h2>{name}<span>position {row['position']:,}</span></h2>"


def _envelope(row: Mapping[str, Any]) -> str:
    time = row["time"]
    known: list[tuple[str, object]] = [
        ("Type", row["type"]),
        ("Stream", row["stream"]),
        ("Version", row["version"]),
        ("Time", None if time is None else f"{time:%Y-%m-%d %H:%M:%S.%f} UTC"),
        ("Schema version", row["schema_version"]),
        ("Tags", ", ".join(row["tags"] or ()) or None),
    ]
    shown = [
        (name, "<span class=muted>unknown</span>" if v is None else escaped(v))
        for name, v in known
        if v is not None or name != "Tags"
    ]
    if row["partition"]:
        shown.append(("Partition", escaped(row["partition"])))
    return pairs(shown)


def _payload(row: Mapping[str, Any]) -> str:
    parts = ["<h2>Payload</h2>"]
    if row["problem"] is not None:
        kind = "warning" if row["data"] is not None else "error"
        parts.append(f'<div class="problem {kind}">{escaped(row["problem"])}</div>')
    if row["data"] is not None:
        parts.append(tree(row["data"]))
    elif row["problem"] is None:
        parts.append("<p class=note>This event has no payload.</p>")
    if row["metadata"] is not None:
        parts += ["<h2>Metadata</h2>", tree(row["metadata"])]
    return "".join(parts)


def _problems(problems: pl.DataFrame) -> str:
    return "".join(
        f'<div class="problem {escaped(p["severity"])}">{escaped(p["kind"])}: '
        f"{escaped(p['found'])}<p>{escaped(p['meaning'])}</p></div>"
        for p in problems.iter_rows(named=True)
        if p["kind"] not in _SAID_BY_PAYLOAD
    )


def _neighbour_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.col("version").cast(pl.String).fill_null(""),
        pl.col("type").str.extract(r"([^:]*)$").fill_null("").alias("name"),
        shown_time("time"),
        pl.col("position").cast(pl.String),
    )
