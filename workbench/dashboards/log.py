"""The log: every event that matches some filters, a page at a time, and one of them open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.dashboards import queries, style
from workbench.dashboards.address import SIZES
from workbench.dashboards.event import EventPane
from workbench.dashboards.filters import FilterForm
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import Cell, Grid, button, loading, shown_time, text
from workbench.dashboards.queries import CancelledError, Filters
from workbench.errors import RangeError, UnknownStreamError, UnknownTypeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.history import Progress

CELLS = (
    Cell("position", "Position", 76, form="id"),
    Cell("time", "Time (UTC)", 150, css="wb-quiet"),
    Cell("name", "Type", 120, grow=3),
    Cell("stream", "Stream", 120, grow=2, css="wb-go wb-mono"),
    Cell("version", "Version", 62, form="id"),
    Cell("preview", "Payload", 160, grow=6, css="wb-mono wb-quiet"),
)
WATCH_S = 0.15  # between two looks at how far a search is


@dataclass(frozen=True, slots=True)
class _Listing:
    """One page of the log, and where it lies."""

    rows: pl.DataFrame
    total: int
    offset: int
    previous: int | None
    next: int | None
    last: int | None


class Log:
    """The log of one history.

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
        self._listing: _Listing | None = None
        self._listed: tuple[Filters, int | None, int, int | None] | None = None
        self._turn = 0
        self._form = FilterForm(answers, self._filter)
        self._event = EventPane(answers, on_place)
        self._status = text(css_classes=["wb-status"])
        self._first = button("« First", self._to_first)
        self._previous = button("‹ Previous", self._to_previous)
        self._next = button("Next ›", self._to_next)
        self._last = button("Last »", self._to_last)
        self._size = pn.widgets.Select(
            name="",
            options={f"{n} a page": n for n in SIZES},
            width=104,
            margin=0,
            stylesheets=[style.INPUT],
        )
        self._size.param.watch(self._resize, "value")
        self._jump = pn.widgets.TextInput(
            name="", placeholder="Go to position", width=116, margin=0, stylesheets=[style.INPUT]
        )
        self._jump.param.watch(self._to_position, "value")
        self._toggle = button("Filters", self._toggle_filters)
        self._toggle.stylesheets = [style.BUTTON, style.TOGGLE]
        self._stop = button("Stop", self._stop_search)
        self._stop.visible = False
        self._note = text(loading("Reading…"), margin=(0, 0, 6, 0))
        self._grid = Grid(CELLS, self._click)
        bar = pn.Row(
            self._status,
            self._toggle,
            self._first,
            self._previous,
            self._next,
            self._last,
            self._size,
            self._jump,
            stylesheets=[style.BAR, style.PAGER],
            margin=(0, 0, 6, 0),
            sizing_mode="stretch_width",
        )
        main = pn.Column(
            bar,
            self._note,
            self._stop,
            self._grid.view,
            css_classes=["wb-list"],
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.BOX],
        )
        self._event.view.visible = False
        self.view = pn.Column(
            self._form.view,
            main,
            self._event.view,
            sizing_mode="stretch_width",
            margin=(10, 0, 0, 0),
            stylesheets=[style.LOG],
        )

    async def show(self, place: Place) -> None:
        """Show the page of the log, and the event, that a place names.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        self._mark_open(place)
        self._form.show(place.filters)
        self._size.value = place.size
        await asyncio.gather(self._show_listing(place), self._event.show(place), self._form.load())

    def _mark_open(self, place: Place) -> None:
        self._event.view.visible = place.event is not None
        classes = [c for c in self.view.css_classes if c != "wb-open"]
        self.view.css_classes = [*classes, "wb-open"] if place.event is not None else classes
        # What an event holds stands beside the table then, which needs the room.
        self._grid.leave_out(*(() if place.event is None else ("preview",)))
        if self._listing is not None:
            self._grid.choose(_row_of(self._listing, place))

    async def _show_listing(self, place: Place) -> None:
        head = await self._answers.soon(self._answers.history.source.head)
        wanted = (place.filters, place.start, place.size, head)
        if wanted == self._listed:
            return
        self._turn += 1
        turn = self._turn
        try:
            if place.filters.reads_payloads and not self._answers.has_found(place.filters):
                await self._search(place.filters, turn)
            listing = await self._answers.soon(lambda: self._read(place))
        except CancelledError:
            if turn == self._turn:
                self._say(notice("The search was stopped.", "Change a filter to search again."))
            return
        except (UnknownStreamError, UnknownTypeError, RangeError) as error:
            if turn == self._turn:
                self._say(notice("Nothing can match.", str(error)))
            return
        if turn == self._turn:
            self._listed = wanted
            self._render(place, listing)

    def _read(self, place: Place) -> _Listing:
        history, filters, size = self._answers.history, place.filters, place.size
        found = self._answers.found(filters) if filters.reads_payloads else None
        total = self._answers.count(filters)
        rows = queries.page_of(history, filters, start=place.start, size=size, found=found)
        if rows.is_empty():
            last = queries.previous_start(history, filters, size=size, found=found)
            return _Listing(rows, total, total, last, None, last)
        first = rows["position"][0]
        offset = 0 if place.start is None else queries.rank(history, filters, first, found=found)
        is_end = offset + rows.height >= total
        return _Listing(
            rows,
            total,
            offset,
            queries.previous_start(history, filters, before=first, size=size, found=found)
            if offset
            else None,
            None if is_end else rows["position"][-1] + 1,
            None,
        )

    async def _search(self, filters: Filters, turn: int) -> None:
        """Read all payloads, and show meanwhile how far that is."""
        seen: list[Progress] = []
        self._stop.visible = True
        self._grid.hide()
        search = asyncio.ensure_future(
            self._answers.in_turn(
                lambda: self._answers.found(filters, seen.append, lambda: turn != self._turn)
            )
        )
        try:
            while not search.done() and turn == self._turn:
                self._note.param.update(object=_searching(seen[-1] if seen else None), visible=True)
                await asyncio.wait([search], timeout=WATCH_S)
            await search
        finally:
            if turn == self._turn:
                self._stop.visible = False

    def _render(self, place: Place, listing: _Listing) -> None:
        self._listing = listing
        if listing.rows.is_empty():
            self._say(_nothing(place, listing))
        else:
            self._note.visible = False
            self._grid.show(_rows(listing.rows), chosen=_row_of(listing, place))
        self._status.object = _status(listing)
        self._first.disabled = self._previous.disabled = listing.previous is None
        self._next.disabled = self._last.disabled = listing.next is None

    def _say(self, html: str) -> None:
        self._listed = None
        self._grid.hide()
        self._stop.visible = False
        self._note.param.update(object=html, visible=True)
        self._status.object = ""
        for pager in (self._first, self._previous, self._next, self._last):
            pager.disabled = True

    # What a person does

    async def _go(self, **changes: object) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(**changes))

    async def _filter(self, filters: Filters) -> None:
        if self._place is not None and filters != self._place.filters:
            await self._on_place(self._place.filtered(filters))

    async def _click(self, row: int, column: str) -> None:
        if self._listing is None or self._place is None or row >= self._listing.rows.height:
            return
        clicked = self._listing.rows.row(row, named=True)
        if column == "stream" and clicked["stream"] is not None:
            await self._on_place(self._place.filtered(Filters(stream=clicked["stream"])))
        else:
            await self._go(event=clicked["position"])

    async def _to_first(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._go(start=None)

    async def _to_previous(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._listing is not None and self._listing.previous is not None:
            await self._go(start=self._listing.previous)

    async def _to_next(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._listing is not None and self._listing.next is not None:
            await self._go(start=self._listing.next)

    async def _to_last(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None:
            start = await self._answers.soon(lambda: self._last_start(self._place))
            await self._go(start=start)

    def _last_start(self, place: Place) -> int | None:
        filters = place.filters
        found = self._answers.found(filters) if filters.reads_payloads else None
        return queries.previous_start(self._answers.history, filters, size=place.size, found=found)

    async def _to_position(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        digits = "".join(c for c in event.new if c.isdecimal())
        if digits:
            self._jump.value = ""
            await self._go(start=int(digits))

    async def _resize(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None and event.new != self._place.size:
            await self._go(size=event.new)

    def _stop_search(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self._turn += 1
        self._say(notice("The search was stopped.", "Change a filter to search again."))

    def _toggle_filters(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        classes = set(self.view.css_classes) ^ {"wb-filtering"}
        self.view.css_classes = sorted(classes)


def _row_of(listing: _Listing, place: Place) -> int | None:
    return None if place.event is None else listing.rows["position"].index_of(place.event)


def _rows(rows: pl.DataFrame) -> pl.DataFrame:
    problem = pl.format("⚠ {}", pl.col("problem"))
    return rows.select(
        pl.col("position").cast(pl.String),
        shown_time("time"),
        pl.col("type").str.extract(r"([^:]*)$").fill_null("").alias("name"),
        pl.col("stream").fill_null(""),
        pl.col("version").cast(pl.String).fill_null(""),
        pl.coalesce("preview", problem).fill_null("").alias("preview"),
    )


def _status(listing: _Listing) -> str:
    if not listing.total:
        return "<p class=muted>No events</p>"
    first, last = listing.offset + 1, listing.offset + listing.rows.height
    shown = f"{first:,}–{last:,} of " if listing.rows.height else "after the last of "
    return f"<p>{shown}<b>{listing.total:,}</b> event{'s' if listing.total > 1 else ''}</p>"


def _searching(progress: Progress | None) -> str:
    if progress is None:
        return loading("Searching…")
    share = min(progress.done / progress.total, 1)
    left = f", about {progress.left_s:.0f} s left" if progress.left_s >= 1 else ""
    return (
        f'<div class="loading measured" role=status style="--done:{share:.1%}">'
        f"Searching all payloads: {share:.0%}{left}</div>"
    )


def _nothing(place: Place, listing: _Listing) -> str:
    if listing.total:
        return notice(
            "No event that matches lies at or after this position.",
            f"{escaped(f'{listing.total:,}')} do before it: choose Previous, or First.",
        )
    if place.filters == Filters():
        return notice("No events yet.", "Nothing has been written to this store.")
    return notice("No event matches.", "Widen a filter, or clear them all.")
