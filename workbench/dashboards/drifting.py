"""How the fields of one type change over time, as a table; each row leads to its event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.dashboards.grid import TO_THE_MINUTE, Cell, Grid, shown, shown_time
from workbench.dashboards.markup import notice
from workbench.dashboards.parts import column, loading, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers

HEIGHT = 360  # pixels, from where on rows scroll
TITLE = "<h2>Drift<span>since which event a field is otherwise</span></h2>"
CELLS = (
    Cell("position", "Since", 80, form="id", look="wb-go"),
    Cell("time", "Time (UTC)", 136, look="wb-quiet"),
    Cell("path", "Field", 110, grow=1, look="wb-mono"),
    Cell("before", "Before", 110, look="wb-wrap"),
    Cell("after", "Since then", 110, look="wb-wrap"),
    Cell("sentence", "In words", 240, grow=4, look="wb-wrap"),
)


class DriftPane:
    """The change points of one type.

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
        self._type: str | None = None
        self._changes = pl.DataFrame()
        self._note = text()
        self._grid = Grid(CELLS, self._open, most_height=HEIGHT)
        title = text(TITLE, margin=(14, 0, 4, 0))
        self.view = column(title, self._note, self._grid.view, visible=False)

    async def show(self, place: Place, type_: str | None) -> None:
        """Show the change points of a type, none where there is no type.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place, self._type = place, type_
        self.view.visible = type_ is not None
        if type_ is None:
            return
        self._note.param.update(object=loading("Reading its payloads…"), visible=True)
        changes = await self._answers.in_turn(lambda: self._answers.drift(type_))
        if type_ != self._type:
            return  # another type is asked for by now
        self._changes = changes
        self._note.visible = changes.is_empty()
        if changes.is_empty():
            self._note.object = notice("Nothing drifts.", "Its fields are as they always were.")
            self._grid.hide()
        else:
            call = f"history.drift({type_!r}).changes"
            export = self._answers.export("drift", lambda: changes, call)
            self._grid.show(change_rows(changes), export=export)

    async def _open(self, number: int, _name: str) -> None:
        if self._place is not None and number < self._changes.height:
            position = self._changes["position"][number]
            await self._on_place(self._place.to(page="log", event=position))


def change_rows(changes: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.CHANGE_POINTS` as text, as the page shows them."""
    return changes.select(
        shown("position"),
        shown_time("time", TO_THE_MINUTE).alias("time"),
        "path",
        "before",
        "after",
        "sentence",
    )
