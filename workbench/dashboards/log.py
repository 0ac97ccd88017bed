"""The log: every event that matches some filters, a page at a time, and one of them open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.dashboards.event import EventPane
from workbench.dashboards.filters import FilterForm
from workbench.dashboards.grid import Cell, Grid, shown, shown_time
from workbench.dashboards.markup import notice
from workbench.dashboards.pager import Pager
from workbench.dashboards.parts import at_once, button, column, loading, text
from workbench.dashboards.queries import CancelledError, Filters
from workbench.errors import (
    ConditionError,
    RangeError,
    UnknownStreamError,
    UnknownTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from workbench import Progress
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers, Listing

CELLS = (
    Cell("position", "Position", 76, form="id"),
    Cell("time", "Time (UTC)", 150, look="wb-quiet"),
    Cell("name", "Type", 120, grow=3),
    Cell("stream", "Stream", 120, grow=2, look="wb-go wb-mono"),
    Cell("version", "Version", 62, form="id"),
    Cell("preview", "Payload", 160, grow=6, look="wb-mono wb-quiet"),
)
WATCH_S = 0.15  # between two looks at how far a search is
_STOPPED = notice("The search was stopped.", "Change a filter to search again.")


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
        self._listing: Listing | None = None
        self._listed: tuple[Filters, int | None, int, Hashable] | None = None
        self._turn = 0
        self._form = FilterForm(answers, self._filter)
        self._event = EventPane(answers, on_place)
        fold = button("Filters", self._fold_filters, look="narrow")
        self._news = button("", self._to_news, look="news", visible=False)
        self._pager = Pager(self._to_start, self._to_last, self._resize, self._news, fold)
        self._note = text(loading("Reading…"), margin=(0, 0, 6, 0))
        self._stop = button("Stop", self._stop_search, align="start", visible=False)
        self._grid = Grid(CELLS, self._click)
        keys = [
            button(name, self._stepped(step), look="unseen", key=key)
            for name, step, key in (
                ("Next event of the list", 1, "next-event"),
                ("Previous event of the list", -1, "previous-event"),
            )
        ]
        main = column(self._pager.view, self._note, self._stop, self._grid.view, *keys, look="list")
        self.view = column(
            self._form.view, main, self._event.view, look="log", margin=(10, 0, 0, 0)
        )

    async def show(self, place: Place) -> None:
        """Show the page of the log, and the event, that a place names.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        with at_once():
            self._mark_open(place)
            self.fill(place)
        await asyncio.gather(self._show_listing(place), self._event.show(place), self._form.load())

    def fill(self, place: Place) -> None:
        """Fill the fields with what a place says: first before they are drawn."""
        self._form.show(place.filters)
        self._pager.set_size(place.size)

    async def renew(self) -> None:
        """Show what has come: rows below a page with room, else only how many there are."""
        place, listing = self._place, self._listing
        if place is None or listing is None or self._listed is None:
            return
        if listing.next is None and listing.rows.height < place.size:
            await self._show_listing(place)
            return
        end = self._listed[-1]
        come = await self._answers.in_turn(
            lambda: self._answers.come(place.filters, end, listing.total)
        )
        if listing is self._listing:
            self._news.label = f"{come:,} new event{'s' if come > 1 else ''}"
            self._news.visible = come > 0

    def _mark_open(self, place: Place) -> None:
        is_open = place.event is not None
        self._event.view.visible = is_open
        classes = [name for name in self.view.css_classes if name != "wb-open"]
        self.view.css_classes = [*classes, "wb-open"] if is_open else classes
        # What an event holds stands beside the table then, which needs the room.
        self._grid.leave_out(*(("preview",) if is_open else ()))
        if self._listing is not None:
            self._grid.choose(_row_of(self._listing, place))

    async def _show_listing(self, place: Place) -> None:
        end = await self._answers.soon(self._answers.end)
        wanted = (place.filters, place.start, place.size, end)
        if wanted == self._listed:
            return
        self._turn += 1
        turn = self._turn
        try:
            if not await self._answers.soon(lambda: self._answers.has_found(place.filters)):
                await self._search(place.filters, turn)
            listing = await self._answers.soon(lambda: self._answers.listing(place))
        except CancelledError:
            return  # whoever cancelled it has said so, or shows something else
        except (UnknownStreamError, UnknownTypeError, RangeError, ConditionError) as error:
            if turn == self._turn:
                self._say(notice("Nothing can match.", str(error)))
            return
        if turn == self._turn:
            self._listed = wanted
            with at_once():
                self._render(place, listing)

    async def _search(self, filters: Filters, turn: int) -> None:
        """Read all payloads, and show meanwhile how far that is."""
        seen: list[Progress] = []
        self._say(loading("Searching…"))
        self._stop.visible = True
        search = asyncio.ensure_future(
            self._answers.in_turn(
                lambda: self._answers.found(filters, seen.append, lambda: turn != self._turn)
            )
        )
        while not search.done() and turn == self._turn:
            self._note.object = _searching(seen[-1] if seen else None)
            await asyncio.wait([search], timeout=WATCH_S)
        await search
        if turn == self._turn:
            self._stop.visible = False

    def _render(self, place: Place, listing: Listing) -> None:
        self._listing = listing
        self._news.visible = False
        if listing.rows.is_empty():
            self._say(_nothing(place, listing))
        else:
            self._note.visible = False
            self._grid.show(
                _rows(listing.rows),
                chosen=_row_of(listing, place),
                export=self._answers.events_export(place.filters),
            )
        self._pager.show(listing)

    def _say(self, html: str) -> None:
        self._listed = None
        self._news.visible = False
        self._grid.hide()
        self._pager.clear()
        self._stop.visible = False
        self._note.param.update(object=html, visible=True)

    # What a person does

    async def _go(self, **changes: object) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(**changes))

    async def _filter(self, filters: Filters) -> None:
        if self._place is not None and filters != self._place.filters:
            await self._on_place(self._place.filtered(filters))

    async def _click(self, row: int, name: str) -> None:
        if self._listing is None or self._place is None or row >= self._listing.rows.height:
            return
        clicked = self._listing.rows.row(row, named=True)
        if name == "stream" and clicked["stream"] is not None:
            await self._on_place(self._place.filtered(Filters(stream=clicked["stream"])))
        else:
            await self._go(event=clicked["position"])

    def _stepped(self, step: int) -> Callable[[Any], Awaitable[None]]:
        """Return what opens the event that stands so many rows from the open one."""

        async def act(_event: object) -> None:
            if self._listing is None or self._place is None or self._listing.rows.is_empty():
                return
            here = _row_of(self._listing, self._place)
            row = 0 if here is None else here + step
            if 0 <= row < self._listing.rows.height:
                await self._go(event=self._listing.rows["position"][row])

        return act

    async def _to_start(self, start: int | None) -> None:
        await self._go(start=start)

    async def _to_last(self) -> None:
        place = self._place
        if place is not None:
            await self._go(start=await self._answers.soon(lambda: self._answers.last_start(place)))

    async def _to_news(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._to_last()

    async def _resize(self, size: int) -> None:
        if self._place is not None and size != self._place.size:
            await self._go(size=size)

    async def _stop_search(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self._turn += 1
        self._say(_STOPPED)

    async def _fold_filters(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self.view.css_classes = sorted(set(self.view.css_classes) ^ {"wb-filtering"})


def _row_of(listing: Listing, place: Place) -> int | None:
    return None if place.event is None else listing.rows["position"].index_of(place.event)


def _rows(rows: pl.DataFrame) -> pl.DataFrame:
    problem = pl.format("⚠ {}", pl.col("problem"))
    return rows.select(
        shown("position"),
        shown_time("time"),
        pl.col("type").str.extract(r"([^:]*)$").fill_null("").alias("name"),
        shown("stream"),
        shown("version"),
        pl.coalesce("preview", problem).fill_null("").alias("preview"),
    )


def _searching(progress: Progress | None) -> str:
    if progress is None:
        return loading("Searching…")
    share = min(progress.done / progress.total, 1)
    left = f", about {progress.left_s:.0f} s left" if progress.left_s >= 1 else ""
    return (
        f'<div class="loading measured" role=status style="--done:{share:.1%}">'
        f"Searching all payloads: {share:.0%}{left}</div>"
    )


def _nothing(place: Place, listing: Listing) -> str:
    if listing.total:
        return notice(
            "No event that matches lies at or after this position.",
            f"{listing.total:,} lie before it: choose Previous, or First.",
        )
    if place.filters == Filters():
        return notice("No events yet.", "Nothing has been written to this store.")
    return notice("No event matches.", "Widen a filter, or clear them all.")
