"""The parts that pages are made of: tables, texts, fields and buttons, in one look.

Everything in a table is shown as plain text: Tabulator's own formatters, and those of
Bokeh, partly take what they are given for HTML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.dashboards import style
from workbench.dashboards.markup import notice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_RIGHT = {"hozAlign": "right", "headerHozAlign": "right", "sorter": "number"}
_PERCENT = {"thousand": ",", "precision": 1, "symbol": " %", "symbolAfter": True}
_FORMS: dict[str, dict[str, Any]] = {
    "text": {},
    "id": {"hozAlign": "right", "headerHozAlign": "right"},
    "count": _RIGHT
    | {"formatter": "money", "formatterParams": {"thousand": ",", "precision": False}},
    "percent": _RIGHT | {"formatter": "money", "formatterParams": _PERCENT},
}
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
TO_THE_MINUTE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Cell:
    """How one column of a table is shown."""

    name: str
    title: str
    width: int | None = None
    grow: int = 0
    """The share of the room that is left over; 0 keeps the width."""
    css: str = ""
    form: str = "text"
    """'text', 'id' (a number that is a name), 'count' (commas between thousands) or 'percent'."""


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
            "columns": [_column(cell, sortable=sortable) for cell in cells]
        }
        if most_height:
            self._configuration["maxHeight"] = most_height
        self._left_out: list[str] = []
        self._table: pn.widgets.Tabulator | None = None
        self.view = pn.Column(
            sizing_mode="stretch_width", margin=0, stylesheets=[style.BOX], visible=False
        )

    def show(self, frame: pl.DataFrame, *, chosen: int | None = None) -> None:
        """Show the rows of a frame that has the columns; `chosen` is marked."""
        selection = [] if chosen is None else [chosen]
        if self._table is None:
            self._table = self._made(frame, selection)
        else:
            self._table.param.update(value=self._pandas(frame), selection=selection)
        # A table that is made, or filled, while it is hidden stays blank.
        if not self.view.visible:
            self.view.param.update(objects=[self._table], visible=True)

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

    def _made(self, frame: pl.DataFrame, selection: list[int]) -> pn.widgets.Tabulator:
        table = pn.widgets.Tabulator(
            self._pandas(frame),
            selection=selection,
            disabled=True,
            show_index=False,
            hidden_columns=self._left_out,
            selectable=False,
            theme="simple",
            layout="fit_columns",
            sizing_mode="stretch_width",
            stylesheets=[style.GRID],
            configuration=self._configuration,
            margin=0,
        )
        table.on_click(self._clicked)
        return table

    def _pandas(self, frame: pl.DataFrame) -> Any:  # noqa: ANN401, pandas has no types here
        return frame.select(cell.name for cell in self.cells).to_pandas()

    async def _clicked(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._on_click(event.row, event.column)


def _column(cell: Cell, *, sortable: bool) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": cell.name,
        "title": cell.title,
        "formatter": "plaintext",
        "headerSort": sortable,
        "headerTooltip": False,
        "tooltip": False,
        "cssClass": cell.css,
    } | _FORMS[cell.form]
    if cell.width is not None:
        column["width" if not cell.grow else "minWidth"] = cell.width
    column["widthGrow"] = cell.grow
    return column


def shown_time(column: str, form: str = TIME_FORMAT) -> pl.Expr:
    """Return a time as text, UTC, by default to the second."""
    return pl.col(column).dt.strftime(form).fill_null("")


def text(html: str = "", *, sheet: str = style.TEXT, **options: Any) -> pn.pane.HTML:  # noqa: ANN401
    """Return a place for HTML, which has to be escaped where it comes from a store."""
    options = {"sizing_mode": "stretch_width", "margin": 0, "align": "center", **options}
    return pn.pane.HTML(html, stylesheets=[sheet], **options)


def button(
    name: str, on_click: Callable[[Any], Any], *, look: str = "", **options: Any
) -> pn.widgets.Button:  # noqa: ANN401
    """Return a button; `look` is 'link' or 'tab', by default that of a button."""
    options = {"margin": 0, "align": "center", **options}
    found = pn.widgets.Button(
        name=name,
        css_classes=[f"wb-{look}"] if look else [],
        stylesheets=[style.BUTTON],
        **options,
    )
    found.on_click(on_click)
    return found


def loading(what: str, *, tall: bool = False) -> str:
    """Return the HTML that stands where something is still being read."""
    return f'<div class="loading{" tall" if tall else ""}" role=status>{what}</div>'


def failure(error: BaseException) -> str:
    """Return the HTML that says what went wrong."""
    return notice("This cannot be shown.", str(error), kind="error")
