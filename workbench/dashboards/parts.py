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
    from collections.abc import Callable

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
        on_click: Callable[[int, str], Any],
        *,
        most_height: int | None = None,
        sortable: bool = False,
    ) -> None:
        self.cells = cells
        self._on_click = on_click
        configuration: dict[str, Any] = {
            "columns": [_column(cell, sortable=sortable) for cell in cells]
        }
        if most_height:
            configuration["maxHeight"] = most_height
        self.view = pn.widgets.Tabulator(
            self._pandas(pl.DataFrame(schema={cell.name: pl.String for cell in cells})),
            disabled=True,
            show_index=False,
            selectable=False,
            theme="simple",
            layout="fit_columns",
            sizing_mode="stretch_width",
            stylesheets=[style.GRID],
            configuration=configuration,
            margin=0,
        )
        self.view.on_click(self._clicked)

    def show(self, frame: pl.DataFrame, *, chosen: int | None = None) -> None:
        """Show the rows of a frame that has the columns; `chosen` is marked."""
        self.view.param.update(
            value=self._pandas(frame), selection=[] if chosen is None else [chosen]
        )

    def choose(self, row: int | None) -> None:
        """Mark a row, or none."""
        self.view.selection = [] if row is None else [row]

    def _pandas(self, frame: pl.DataFrame) -> Any:  # noqa: ANN401, pandas has no types here
        return frame.select(cell.name for cell in self.cells).to_pandas()

    def _clicked(self, event: Any) -> Any:  # noqa: ANN401, Panel's event
        return self._on_click(event.row, event.column)


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


def shown_time(column: str) -> pl.Expr:
    """Return a time as text, UTC to the second."""
    return pl.col(column).dt.strftime(TIME_FORMAT).fill_null("")


def text(html: str = "", *, sheet: str = style.TEXT, **options: Any) -> pn.pane.HTML:  # noqa: ANN401
    """Return a place for HTML, which has to be escaped where it comes from a store."""
    options = {"sizing_mode": "stretch_width", "margin": 0, **options}
    return pn.pane.HTML(html, stylesheets=[sheet], **options)


def button(name: str, on_click: Callable[[Any], Any], *, look: str = "", **options: Any) -> pn.widgets.Button:  # noqa: ANN401
    """Return a button; `look` is 'link' or 'tab', by default that of a button."""
    options = {"margin": 0, "sizing_mode": "fixed", **options}
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
