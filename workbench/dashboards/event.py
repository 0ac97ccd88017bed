"""One event: its envelope, its payload, its neighbours in its stream, and its stored bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.catalog import short_name
from workbench.dashboards import queries, summary
from workbench.dashboards.beside import Difference, State, Taking
from workbench.dashboards.exporting import Download
from workbench.dashboards.grid import Cell, Grid, shown, shown_time
from workbench.dashboards.markup import escaped, is_cut, notice, pairs, raw, tree
from workbench.dashboards.parts import button, column, failure, row, text
from workbench.dashboards.queries import Filters
from workbench.dashboards.session import present
from workbench.errors import UnknownPositionError, UnknownStreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.neighbours import Neighbours

CELLS = (
    Cell("version", "Version", 62, form="id"),
    Cell("name", "Type", 110, grow=2),
    Cell("time", "Time (UTC)", 150, look="wb-quiet"),
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
        self._problems = text(margin=(6, 0, 0, 0))
        self._before = button("← Before", self._step_back)
        self._behind = button("After →", self._step_on)
        self._whole = button("The whole stream", self._open_stream, look="link")
        self._lanes = button("Beside related streams", self._open_lanes, look="link")
        self._envelope = text(margin=(8, 0, 0, 0))
        self._payload = text(margin=(10, 0, 0, 0))
        self._event: Mapping[str, Any] | None = None
        self._all = button("Load all of it", self._load_all, look="link", align="start")
        self._taking = Taking()
        self._difference = Difference(answers, self._open)
        self._state = State(answers)
        self._stream_title = text(margin=(12, 0, 4, 0))
        self._grid = Grid(CELLS, self._open_neighbour)
        self._bytes = text(margin=(12, 0, 0, 0))
        self._download = Download("Download the bytes")
        self._parts = column(
            self._problems,
            row(self._before, self._behind, self._whole, self._lanes, margin=(8, 0, 0, 0)),
            self._envelope,
            self._payload,
            self._all,
            self._taking.view,
            self._difference.view,
            self._state.view,
            self._stream_title,
            self._grid.view,
            self._bytes,
            self._download.view,
        )
        self.view = column(
            row(self._title, button("Close", self._close, key="close"), look="bar spread"),
            self._parts,
            look="event",
            visible=False,
        )

    async def show(self, place: Place) -> None:
        """Show the event that is open at a place; if there is none, that is said in its stead.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        position = place.event
        if position is None:
            return
        try:
            found, state, around = await self._answers.soon(lambda: self._read(position))
        except (UnknownPositionError, UnknownStreamError) as error:
            self._title.object = f"<h2>Position {position:,}</h2>{failure(error)}"
            self._parts.visible = False
            return
        if self._place is place:
            self._show(found, state, around)
            await asyncio.gather(self._show_problems(found), self._show_difference(found))

    def _read(self, position: int) -> tuple[dict[str, Any], bytes, Neighbours | None]:
        history = self._answers.history
        found = history.event(position).row(0, named=True)
        stream = found["stream"]
        around = None if stream is None else self._answers.neighbours(stream, position)
        return found, history.state(position), around

    def _show(self, event: Mapping[str, Any], state: bytes, around: Neighbours | None) -> None:
        name = escaped(short_name(event["type"] or "no type"))
        self._title.object = f"<h2>{name}<span>position {event['position']:,}</span></h2>"
        self._problems.object = ""
        self._envelope.object = _envelope(event)
        self._event = event
        self._payload.object = _payload(event)
        self._all.visible = any(is_cut(event[name] or "") for name in ("data", "metadata"))
        self._taking.show(event)
        self._difference.clear()
        self._state.show(event)
        self._show_neighbours(event, around)
        self._bytes.object = f"<h2>Stored bytes<span>{len(state):,} B</span></h2>{raw(state)}"
        number = event["position"]
        self._download.offer(f"bytes of event {number}", f"event-{number}.bin", lambda: state)
        self._parts.visible = True

    def _show_neighbours(self, event: Mapping[str, Any], around: Neighbours | None) -> None:
        self._around, self._stream = around, event["stream"]
        self._before.disabled = around is None or around.before is None
        self._behind.disabled = around is None or around.behind is None
        self._whole.visible = self._lanes.visible = around is not None
        if around is None:
            self._grid.hide()
            self._stream_title.object = notice("This event belongs to no stream.")
            return
        self._stream_title.object = (
            f"<h2>In its stream<span>{around.place:,} of {around.total:,}</span></h2>"
        )
        chosen = around.rows["position"].index_of(event["position"])
        stream = event["stream"]
        whole = Filters(stream=stream)
        export = self._answers.export(
            f"stream {stream}",
            lambda: queries.matching(self._answers.history, whole),
            f"{queries.code_of(whole)}.scan().collect()",
        )
        self._grid.show(_neighbour_rows(around.rows), chosen=chosen, export=export)

    async def _show_difference(self, event: Mapping[str, Any]) -> None:
        place = self._place
        previous, differences = await self._difference.find(event)
        if self._place is place:
            self._difference.show(event, previous, differences)

    async def _show_problems(self, event: Mapping[str, Any]) -> None:
        place = self._place
        problems = await self._answers.in_turn(self._answers.problems)
        if self._place is place:
            here = summary.problems_at(problems, event["position"], event["stream"])
            self._problems.object = _problems(here)

    # What a person does

    async def _step_back(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._around is not None:
            await self._open(self._around.before)

    async def _step_on(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._around is not None:
            await self._open(self._around.behind)

    async def _open_neighbour(self, row: int, _column: str) -> None:
        if self._around is not None and row < self._around.rows.height:
            await self._open(self._around.rows["position"][row])

    async def _open(self, position: int | None) -> None:
        if self._place is not None and position is not None:
            await self._on_place(self._place.to(event=position))

    async def _open_stream(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None:
            filters = Filters(stream=self._stream)
            await self._on_place(self._place.filtered(filters, event=self._place.event))

    async def _open_lanes(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None and self._stream is not None:
            lanes = dict.fromkeys((*self._place.lanes, self._stream))
            await self._on_place(self._place.to(page="lanes", lanes=tuple(lanes)))

    async def _load_all(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        event = self._event
        if event is not None:
            made = await self._answers.soon(lambda: _payload(event, whole=True))
            if event is self._event:
                self._payload.object, self._all.visible = made, False

    async def _close(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None:
            await self._on_place(self._place.to(event=None))


def _envelope(event: Mapping[str, Any]) -> str:
    time, tags = event["time"], ", ".join(event["tags"] or ())
    known: dict[str, object] = {
        "Type": event["type"],
        "Stream": event["stream"],
        "Version": event["version"],
        "Time": None if time is None else _both(time),
        "Schema version": event["schema_version"],
    }
    known |= {"Tags": tags} if tags else {}
    known |= {"Partition": event["partition"]} if event["partition"] else {}
    return pairs(
        (name, "<span class=muted>unknown</span>" if value is None else escaped(value))
        for name, value in known.items()
    )


def _both(time: datetime) -> str:
    """Return a time in UTC, and as a clock shows it where the one who looks is."""
    session, told = present(), f"{time:%Y-%m-%d %H:%M:%S.%f} UTC"
    if not session.is_local:
        return told
    return f"{told}\n{session.local(time):%Y-%m-%d %H:%M:%S.%f %Z} ({session.zone})"


def _payload(event: Mapping[str, Any], *, whole: bool = False) -> str:
    parts = ["<h2>Payload</h2>"]
    if event["problem"] is not None:
        kind = "warning" if event["data"] is not None else "error"
        parts.append(f'<div class="problem {kind}">{escaped(event["problem"])}</div>')
    if event["data"] is not None:
        parts.append(tree(event["data"], whole=whole))
    elif event["problem"] is None:
        parts.append("<p class=note>This event has no payload.</p>")
    if event["metadata"] is not None:
        parts += ["<h2>Metadata</h2>", tree(event["metadata"], whole=whole)]
    return "".join(parts)


def _problems(problems: pl.DataFrame) -> str:
    return "".join(
        f'<div class="problem {escaped(problem["severity"])}">{escaped(problem["kind"])}: '
        f"{escaped(problem['found'])}<p>{escaped(problem['meaning'])}</p></div>"
        for problem in problems.iter_rows(named=True)
        if problem["kind"] not in _SAID_BY_PAYLOAD
    )


def _neighbour_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        shown("version"),
        pl.col("type").str.extract(r"([^:]*)$").fill_null("").alias("name"),
        shown_time("time"),
        shown("position"),
    )
