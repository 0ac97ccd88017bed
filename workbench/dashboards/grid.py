"""Tables of rows that can be clicked.

Everything in them is shown as plain text: Tabulator's other formatters, and those of
Bokeh, partly take what they are given for HTML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import panel as pn
import polars as pl

from workbench.dashboards.exporting import ExportBar
from workbench.dashboards.parts import at_once, column
from workbench.dashboards.session import UTC_NAME, present
from workbench.dashboards.style import sheets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from workbench.dashboards.exporting import Export

    Lit = tuple[int, str]
    """A cell that shines: its row's number in the frame, and its column's name."""

PAGE = 100  # rows; a table of more than two of these is sent a page at a time
LINE = 23  # pixels that a row of one line is high, by `grid.css`
_BEFORE = 1  # column of Tabulator that nobody sees: the index
_LIT = [("background-color", "var(--wb-lit)")]
TO_THE_SECOND = "%Y-%m-%d %H:%M:%S"
TO_THE_MINUTE = "%Y-%m-%d %H:%M"

_RIGHT = {"hozAlign": "right", "headerHozAlign": "right", "sorter": "number"}
_COUNT = {"thousand": ",", "precision": False}
_PERCENT = {"thousand": ",", "precision": 1, "symbol": " %", "symbolAfter": True}
_FORMS: dict[str, dict[str, Any]] = {
    "text": {},
    "id": {"hozAlign": "right", "headerHozAlign": "right"},
    "count": _RIGHT | {"formatter": "money", "formatterParams": _COUNT},
    "percent": _RIGHT | {"formatter": "money", "formatterParams": _PERCENT},
}


@dataclass(frozen=True, slots=True)
class Cell:
    """How one column of a table is shown."""

    name: str
    title: str
    width: int
    """In pixels; the least width of a column that grows."""
    grow: int = 0
    """The share of the room that is left over."""
    look: str = ""
    """Classes of `grid.css`."""
    form: str = "text"
    """'text', 'id' (a number that is a name), 'count' (commas between thousands) or 'percent'."""


class _Table(pn.widgets.Tabulator):
    """Tabulator, in which cells are lit without the styles of pandas, which take long."""

    def __init__(self, value: Any, *, lit: Collection[Lit], **options: Any) -> None:  # noqa: ANN401
        self.lit = lit
        super().__init__(value, **options)  # type: ignore[no-untyped-call]

    def _get_style_data(self, recompute: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002, Panel's
        """Return the CSS of each cell that is lit, by its row, and its column behind the index."""
        first = (self.page - 1) * PAGE if self.pagination == "remote" else 0
        names = list(self.value.columns)
        found: dict[int, dict[int, list[tuple[str, str]]]] = {}
        for row, name in self.lit:
            if first <= row < first + (PAGE if self.pagination == "remote" else len(self.value)):
                found.setdefault(row - first, {})[names.index(name) + _BEFORE] = _LIT
        # Tabulator draws all anew for other styles, so that it must get none where there are none.
        return {"id": uuid4().hex, "data": found} if found else {}


class Grid:
    """A table of rows that can be clicked.

    Parameters
    ----------
    cells
        Its columns.
    on_click
        Called with the row's number in the frame, and the column's name.
    most_height
        In pixels, from where on rows scroll inside; by default it is as high as its rows.
    sortable
        Whether a click on a column's head sorts.
    """

    def __init__(
        self,
        cells: tuple[Cell, ...],
        on_click: Callable[[int, str], Awaitable[None]],
        *,
        most_height: int | None = None,
        sortable: bool = False,
    ) -> None:
        self.cells = cells
        self._on_click = on_click
        self._configuration: dict[str, Any] = {
            "columns": [_described(cell, sortable=sortable) for cell in cells],
            # Else each cell has a handle of its own to widen its column, and four listeners.
            "columnDefaults": {"resizable": "header"},
            # So few rows are drawn at once: the other way draws them twice, and measures each.
            "renderVertical": "basic",
        }
        if most_height:
            self._configuration["maxHeight"] = most_height
        if not any("wb-wrap" in cell.look for cell in cells):
            self._configuration["rowHeight"] = LINE  # else each row is measured
        self._left_out: list[str] = []
        self._table: _Table | None = None
        self._exports = ExportBar()
        self.view = column(visible=False)

    def show(
        self,
        frame: pl.DataFrame,
        *,
        chosen: int | None = None,
        lit: Collection[Lit] = (),
        export: Export,
    ) -> None:
        """Show the rows of a frame that has the columns; `chosen` is marked, `lit` cells shine."""
        selection = [] if chosen is None else [chosen]
        with at_once():
            self._exports.show(export)
            if self._table is None:
                self._table = self._made(frame, selection, lit)
            else:
                self._table.lit = lit
                self._table.param.update(value=self._pandas(frame), selection=selection)
            # A table that is made, or filled, while it is hidden stays blank.
            if not self.view.visible:
                self.view.param.update(objects=[self._table, self._exports.view], visible=True)

    def hide(self) -> None:
        """Take the table from the page."""
        self.view.param.update(objects=[], visible=False)

    def leave_out(self, *names: str) -> None:
        """Show all columns but these."""
        self._left_out = list(names)
        if self._table is not None:
            self._table.hidden_columns = self._left_out

    def choose(self, row: int | None) -> None:
        """Mark a row, or none."""
        if self._table is not None:
            self._table.selection = [] if row is None else [row]

    def _made(self, frame: pl.DataFrame, selection: list[int], lit: Collection[Lit]) -> _Table:
        table = _Table(
            self._pandas(frame),
            selection=selection,
            disabled=True,
            show_index=False,
            hidden_columns=self._left_out,
            selectable=False,
            theme="simple",
            layout="fit_columns",
            sizing_mode="stretch_width",
            stylesheets=sheets("grid"),
            configuration=self._configuration,
            margin=0,
            lit=lit,
            **({"pagination": "remote", "page_size": PAGE} if frame.height > PAGE * 2 else {}),
        )

        async def clicked(event: Any) -> None:  # noqa: ANN401, Panel's event
            await self._on_click(event.row, event.column)

        table.on_click(clicked)  # type: ignore[arg-type]
        return table

    def _pandas(self, frame: pl.DataFrame) -> Any:  # noqa: ANN401, pandas has no types here
        return frame.select(cell.name for cell in self.cells).to_pandas()


def _described(cell: Cell, *, sortable: bool) -> dict[str, Any]:
    return {
        "field": cell.name,
        "title": cell.title.replace("(UTC)", f"({present().zone})"),
        "formatter": "plaintext",
        "headerSort": sortable,
        "headerTooltip": False,
        "tooltip": False,
        "cssClass": cell.look,
        "minWidth" if cell.grow else "width": cell.width,
        "widthGrow": cell.grow,
    } | _FORMS[cell.form]


def shown_time(name: str, form: str = TO_THE_SECOND) -> pl.Expr:
    """Return a column of times as text, in the zone of who looks at them."""
    zone = present().zone
    time = pl.col(name) if zone == UTC_NAME else pl.col(name).dt.convert_time_zone(zone)
    return time.dt.strftime(form).fill_null("")


def shown(name: str) -> pl.Expr:
    """Return a column as text, empty where it is null."""
    return pl.col(name).cast(pl.String).fill_null("")
