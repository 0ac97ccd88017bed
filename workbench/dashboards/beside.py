"""What stands with an open event: what is new in it, what it made, and how to take it along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.dashboards.exporting import ExportBar, Exported
from workbench.dashboards.markup import code_block, escaped, notice, table
from workbench.dashboards.parts import button, column, failure, loading, row, text
from workbench.dashboards.session import present
from workbench.dashboards.ways import Ways
from workbench.errors import WorkbenchError
from workbench.writing import as_fixture, as_json, as_python

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from workbench.dashboards.answers import Answers

    Event = Mapping[str, Any]
    """A row of `workbench.tables.EVENTS`."""

FORMS = {"JSON": as_json, "Python": as_python, "pytest fixture": as_fixture}
LONGEST = 2_000  # characters of a value in a table
DIFFERENCE_TITLES = {"path": "Field", "before": "Before", "after": "Now"}
STATE_TITLES = {"attribute": "Attribute", "before": "Before", "after": "After"}
_NO_CLASSES = notice(
    "No classes were named.", "Serve with --classes MODULE to see what this event made."
)


class Taking:
    """Three ways to take an event along: as JSON, as Python, as a fixture of pytest."""

    def __init__(self) -> None:
        self._session = present()
        self._event: Event | None = None
        self._open: str | None = None
        self._told = text(visible=False)
        ways = [(form, f"Show the event as {form}, to copy") for form in FORMS]
        self.view = column(Ways("Copy as", ways, self._act), self._told)

    def show(self, event: Event) -> None:
        """Offer an event, in place of the one before."""
        self._event, self._open = event, None
        self._told.param.update(object="", visible=False)

    async def _act(self, form: str) -> None:
        if self._event is None:
            return
        self._open = None if self._open == form else form
        if self._open is None:
            self._told.visible = False
        else:
            self._told.param.update(object=self._made(self._event, form), visible=True)

    def _made(self, event: Event, form: str) -> str:
        try:
            code = FORMS[form](event)
            name = f"event {event['position']}"
            self._session.tell(Exported(name, form, 1, len(code.encode())))
        except (WorkbenchError, OSError) as error:
            return failure(error)
        return code_block(code)


class Difference:
    """What is different in an event's payload from the one before of its type."""

    def __init__(self, answers: Answers, on_position: Callable[[int], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_position = on_position
        self._previous: int | None = None
        self._title, self._note = text(), text()
        self._open = button("Open that one", self._open_previous, look="link", visible=False)
        self._exports = ExportBar()
        self.view = column(
            row(self._title, self._open, look="bar"),
            self._note,
            self._exports.view,
            margin=(12, 0, 0, 0),
        )

    def clear(self) -> None:
        """Show that it is being looked for."""
        self._title.object = "<h2>New in the payload</h2>"
        self._note.param.update(object=loading("Looking for the one before…"), visible=True)
        self._exports.view.visible = self._open.visible = False

    async def find(self, event: Event) -> tuple[int | None, pl.DataFrame]:
        """Return the position of the event before of the same type, and what differs from it."""
        return await self._answers.soon(lambda: self._answers.difference(event))

    def show(self, event: Event, previous: int | None, found: pl.DataFrame) -> None:
        """Show what differs from the event before of the same type."""
        self._previous = previous
        self._open.visible = previous is not None
        if previous is None:
            self._note.object = "<p class=note>It is the first of its type.</p>"
            return
        self._title.object = (
            f"<h2>New in the payload<span>since the one before of its type, at "
            f"{previous:,}</span></h2>"
        )
        if found.is_empty():
            self._note.object = "<p class=note>It holds the same, but for its time.</p>"
            return
        rows = found.select("path", _cut("before"), _cut("after")).rows()
        self._note.object = table(DIFFERENCE_TITLES, ((row, False) for row in rows))
        pair = f"{previous}, {event['position']}"
        code = (
            "import polars as pl\n\n"
            f'history.payload_differences({pair}).filter(pl.col("path") != "timestamp")'
        )
        name = f"difference {pair}"
        self._exports.show(self._answers.export(name, lambda: found, code))
        self._exports.view.visible = True

    async def _open_previous(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._previous is not None:
            await self._on_position(self._previous)


class State:
    """What an event made of its aggregate, once somebody asks."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._event: Event | None = None
        self._note = text()
        self._button = button("State before and after", self._asked, align="start")
        self._exports = ExportBar()
        self.view = column(self._button, self._note, self._exports.view, margin=(12, 0, 0, 0))

    def show(self, event: Event) -> None:
        """Offer the state of an event's aggregate, in place of the one before."""
        self._event = event
        self._exports.view.visible = False
        has_classes = bool(self._answers.classes)
        self._button.visible = has_classes and event["stream"] is not None
        self._note.param.update(object="" if has_classes else _NO_CLASSES, visible=not has_classes)

    async def _asked(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        event = self._event
        if event is None:
            return
        said = "Applying the events of the stream, in a process of its own…"
        self._note.param.update(object=loading(said), visible=True)
        try:
            change = await self._answers.in_turn(
                lambda: self._answers.state_change(event["position"])
            )
        except (WorkbenchError, OSError) as error:
            if event is self._event:
                self._note.object = failure(error)
            return
        if event is not self._event:
            return
        told = "" if change.failed is None else notice("It failed.", change.failed, kind="error")
        name = escaped(change.aggregate or "There is no aggregate")
        found = change.attributes
        rows = found.select("attribute", _cut("before"), _cut("after")).rows()
        made = table(STATE_TITLES, zip(rows, found["changed"].to_list(), strict=True))
        head = f"<h2>{name}<span>before and after this event</span></h2>"
        self._note.object = f"{head}{told}{'' if found.is_empty() else made}"
        code = (
            "from workbench import state_change\n\n"
            f"state_change(history, {event['position']}, {list(self._answers.classes)!r})"
            ".attributes"
        )
        export = self._answers.export(f"state {event['position']}", lambda: found, code)
        self._exports.show(export)
        self._exports.view.visible = True


def _cut(name: str) -> pl.Expr:
    """Return a column of values, long ones cut."""
    value = pl.col(name).fill_null("")
    cut = value.str.slice(0, LONGEST) + "…"
    return pl.when(value.str.len_chars() > LONGEST).then(cut).otherwise(value).alias(name)
