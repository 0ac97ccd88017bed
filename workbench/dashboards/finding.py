"""The events to choose from: problems that name one, and a search of the whole history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.dashboards.address import Place
from workbench.dashboards.candidates import (
    MOST_LISTED,
    listed,
    problem_events,
    search_filters,
    searched,
)
from workbench.dashboards.grid import Cell, Grid, shown
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, column, field, loading, row, text
from workbench.dashboards.queries import Filters
from workbench.errors import RangeError, UnknownStreamError, UnknownTypeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import polars as pl

    from workbench.dashboards.answers import Answers

PROBLEM_CELLS = (
    Cell("severity", "Severity", 66),
    Cell("kind", "Kind", 130, grow=1),
    Cell("found", "Found", 150, grow=3, look="wb-wrap"),
    Cell("position", "Position", 76, form="id", look="wb-go"),
)
EVENT_CELLS = (
    Cell("position", "Position", 76, form="id", look="wb-go"),
    Cell("name", "Type", 110, grow=2),
    Cell("stream", "Stream", 110, grow=2, look="wb-mono"),
    Cell("preview", "Payload", 140, grow=4, look="wb-mono wb-quiet"),
)
HEIGHT = 260  # pixels, from where on rows scroll
_NO_PROBLEM = notice("No problem names an event.", "Search for the events that you mean.")


class Finder:
    """Problems and a search, from which an event is chosen.

    Parameters
    ----------
    answers
        What is asked of the history.
    on_event
        Called with the position of the event that is chosen.
    on_filters
        Called with what is searched for.
    """

    def __init__(
        self,
        answers: Answers,
        on_event: Callable[[int], Awaitable[None]],
        on_filters: Callable[[Filters], Awaitable[None]],
    ) -> None:
        self._answers = answers
        self._on_event = on_event
        self._on_filters = on_filters
        self._filters: Filters | None = None
        self._problem_rows: pl.DataFrame | None = None
        self._event_rows: pl.DataFrame | None = None
        self._problems_note = text(loading("Looking for problems…"))
        self._problems = Grid(PROBLEM_CELLS, self._open_problem, most_height=HEIGHT)
        self._text = field("Text or position", "any text, or 7184", self._act)
        self._stream = field("Stream", "its name in full", self._act)
        self._type = field("Type", "Order.Placed", self._act)
        self._note = text()
        self._events = Grid(EVENT_CELLS, self._open_event, most_height=HEIGHT)
        search = button("Search", self._search, margin=0, align="end")
        self.view = column(
            text("<h2>Problems that name an event</h2>", margin=(10, 0, 4, 0)),
            self._problems_note,
            self._problems.view,
            text("<h2>Or search</h2>", margin=(12, 0, 4, 0)),
            row(self._text, self._stream, self._type, search, look="fields"),
            self._note,
            self._events.view,
        )

    async def show(self, filters: Filters) -> None:
        """Show the problems, and the events that filters find.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        if self._problem_rows is None:
            await self._show_problems()
        if filters != self._filters:
            await self._show_events(filters)

    async def renew(self) -> None:
        """Show the problems, and what is found, as the history has them by now."""
        if self._problem_rows is None or self._filters is None:
            return
        await self._show_problems()
        if self._filters != Filters() and self._event_rows is not None:
            await self._list(self._filters)

    async def _show_problems(self) -> None:
        problems = await self._answers.in_turn(self._answers.problems)
        found = problem_events(problems)
        if self._problem_rows is not None and found.equals(self._problem_rows):
            return
        self._problem_rows = found
        self._problems_note.object = _NO_PROBLEM if self._problem_rows.is_empty() else ""
        if self._problem_rows.height:
            export = self._answers.export("problems", lambda: problems, "history.problems()")
            self._problems.show(self._problem_rows.with_columns(shown("position")), export=export)

    def fill(self, filters: Filters) -> None:
        """Show in the fields what is searched for."""
        said = (searched(filters), filters.stream or "", next(iter(filters.types), ""))
        for one, value in zip((self._text, self._stream, self._type), said, strict=True):
            if (one.value or "") != value:
                one.value = value

    async def _show_events(self, filters: Filters) -> None:
        self._filters = filters
        self._events.hide()
        if filters == Filters():
            self._note.object = ""
            return
        self._note.object = loading("Searching…")
        self._event_rows = None
        await self._list(filters)

    async def _list(self, filters: Filters) -> None:
        place = Place(page="log", filters=filters, size=MOST_LISTED)
        try:
            found = await self._answers.in_turn(lambda: self._answers.listing(place))
        except (UnknownStreamError, UnknownTypeError, RangeError) as error:
            self._note.object = notice("Nothing can match.", str(error))
            return
        if filters is not self._filters:
            return
        self._event_rows = found.rows
        if found.rows.is_empty():
            self._note.object = notice("No event matches.")
            return
        first = f"the first {found.rows.height:,} of " if found.total > found.rows.height else ""
        events = "event" if found.total == 1 else "events"
        self._note.object = f"<p class=muted>{escaped(first)}{found.total:,} {events}</p>"
        export = self._answers.events_export(filters)
        self._events.show(listed(found.rows).with_columns(shown("position")), export=export)

    # What a person does

    async def _act(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        """What is in the fields counts once it is searched for."""

    async def _search(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        values = (one.value or "" for one in (self._text, self._stream, self._type))
        await self._on_filters(search_filters(*values))

    async def _open_problem(self, number: int, _name: str) -> None:
        await self._open(self._problem_rows, number)

    async def _open_event(self, number: int, _name: str) -> None:
        await self._open(self._event_rows, number)

    async def _open(self, rows: pl.DataFrame | None, number: int) -> None:
        if rows is not None and number < rows.height:
            await self._on_event(int(rows["position"][number]))
