"""What would change: a projection over the history as it is stored, and as it is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.comparing.comparison import propose_correction
from workbench.comparing.report import report_bytes
from workbench.dashboards import calls
from workbench.dashboards.candidates import corrected
from workbench.dashboards.exporting import Download
from workbench.dashboards.grid import Cell, Grid
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import column, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import polars as pl

    from workbench import Comparison
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.named_edits import NamedEdit

CELLS = (
    Cell("action", "Do", 64),
    Cell("table", "Table", 90, grow=1),
    Cell("key", "Row", 120, grow=2, look="wb-mono"),
    Cell("column", "Column", 90, grow=1),
    Cell("value", "It is", 90, grow=2, look="wb-mono wb-quiet wb-wrap"),
    Cell("should_be", "It would be", 90, grow=2, look="wb-mono wb-wrap"),
    Cell("difference", "Difference", 84, form="id"),
    Cell("position", "Since", 76, form="id", look="wb-go"),
    Cell("name", "By", 110, grow=1),
)
MOST_SHOWN = 500
_SAME = notice("Nothing would change.", "The edit leaves every table of this projection as it is.")


class Consequences:
    """The corrections that an edit comes to, and the events at which they begin.

    Parameters
    ----------
    answers
        What is asked of the history.
    on_log
        Called with the position of the event to show in the log.
    """

    def __init__(self, answers: Answers, on_log: Callable[[int], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_log = on_log
        self._comparison: Comparison | None = None
        self._frame: pl.DataFrame | None = None
        self._title = text(margin=(12, 0, 4, 0))
        self._note = text()
        self._grid = Grid(CELLS, self._open, most_height=420)
        self._report = Download("Download the report")
        self.view = column(
            self._title,
            self._note,
            self._grid.view,
            self._report.view,
            visible=False,
        )

    def hide(self) -> None:
        """Show nothing: what there was is of another edit by now."""
        self._comparison = None
        self.view.visible = False

    async def show(self, found: Comparison, edit: NamedEdit) -> None:
        """Show what a comparison of both trials comes to."""
        if found is self._comparison:
            self.view.visible = True
            return
        frame = await self._answers.soon(lambda: propose_correction(found))
        self._comparison, self._frame = found, frame
        healed = int(found.healed["count"].sum())
        words = [f"<b>{frame.height:,}</b> cells and rows would be others"]
        words += [f"<b>{healed:,}</b> differ for a while only"] if healed else []
        words += _first(found)
        listed = "".join(f"<span>{word}</span>" for word in words)
        self._title.object = (
            f"<h2>What {escaped(edit.name)} would change in {escaped(found.a.name)}</h2>"
            f"<div class=facts>{listed}</div>"
        )
        self._note.object = _SAME if frame.is_empty() else _more(frame.height)
        if frame.is_empty():
            self._grid.hide()
        else:
            asked = "propose_correction(found)"
            call = calls.of_comparison(found, asked, (None, edit), needs=["propose_correction"])
            export = self._answers.export("corrections", lambda: frame, call)
            self._grid.show(corrected(frame.head(MOST_SHOWN)), export=export)
        self._report.offer("report", "what-if.html", lambda: report_bytes(found))
        self.view.visible = True

    async def _open(self, number: int, _name: str) -> None:
        if self._frame is None or number >= self._frame.height:
            return
        position = self._frame["position"][number]
        if position is not None:
            await self._on_log(int(position))


def _first(found: Comparison) -> list[str]:
    first = found.first["position"]
    return [f"first at position <b>{first[0]:,}</b>"] if first.len() else []


def _more(height: int) -> str:
    return f"<p class=muted>The first {MOST_SHOWN:,} of {height:,}.</p>" * (height > MOST_SHOWN)
