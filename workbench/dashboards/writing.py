"""The editor on the Replay page: a projection is written, run as Python, and offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from workbench.dashboards.forms import no_act
from workbench.dashboards.markup import notice
from workbench.dashboards.parts import button, column, field, loading, row, text
from workbench.dashboards.style import sheets
from workbench.dashboards.written import example, written
from workbench.errors import ProjectionError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.answers import Answers
    from workbench.dashboards.own_work import OwnWork

_SAID = (
    "<p class=muted>Python, which runs in the process of this page. It is kept until the page is "
    "closed, and never in the address: copy what you want to keep.</p>"
)


class Editor:
    """A field for Python, hidden until it is asked for; absent where writing is switched off.

    Parameters
    ----------
    answers
        What is asked of the history, for an example that fits.
    own
        Where what was written is kept.
    on_written
        Called with the name of the projection that was written.
    """

    def __init__(
        self, answers: Answers, own: OwnWork, on_written: Callable[[str], Awaitable[None]]
    ) -> None:
        self._answers = answers
        self._own = own
        self._on_written = on_written
        self.open = button("Write one…", self._toggle, visible=own.writes)
        self._code = pn.widgets.TextAreaInput(
            label="Projection, as Python",
            rows=18,
            max_length=200_000,
            sizing_mode="stretch_width",
            margin=0,
            css_classes=["wb-code"],
            stylesheets=sheets("field"),
        )
        options: dict[str, Any] = {"width": 260, "sizing_mode": None, "margin": 0}
        self._key = field("Key columns, of a Polars function", "order, line", no_act, **options)
        self._note = text()
        run = button("Run what is written", self._write, align="end")
        self.view = column(
            text(_SAID),
            self._code,
            row(self._key, run, margin=(4, 0, 4, 0)),
            self._note,
            visible=False,
        )

    async def _toggle(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self.view.visible = not self.view.visible
        if self.view.visible and not self._code.value:
            types = await self._answers.in_turn(self._answers.types)
            first = types["type"].drop_nulls().head(1).to_list()
            self._code.value = self._own.code or example(first[0] if first else None)

    async def _write(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if not self._own.writes:
            return  # a browser can say that a hidden button was pressed
        self._own.code = code = self._code.value or ""
        key = [name.strip() for name in (self._key.value or "").split(",") if name.strip()]
        self._note.object = loading("Running…")
        try:
            found = await self._answers.soon(lambda: written(code, key))
        except ProjectionError as error:
            self._note.object = notice("This cannot be run.", str(error), kind="error small")
            return
        self._note.object = ""
        self._own.written.update(found)
        await self._on_written(next(reversed(found)))
