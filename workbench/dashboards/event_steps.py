"""What is to become of one event: dropped, a field set, moved, or another put behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.catalog import short_name
from workbench.dashboards import candidates
from workbench.dashboards.candidates import field_rows
from workbench.dashboards.forms import no_act, position_of
from workbench.dashboards.grid import Cell, Grid
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.named_edits import Drop, Move, Put, Set, typed, typed_fields
from workbench.dashboards.parts import button, column, failure, field, row, text
from workbench.errors import EditError, UnknownPositionError, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import polars as pl

    from workbench.dashboards.answers import Answers
    from workbench.dashboards.named_edits import Step

FIELD_CELLS = (
    Cell("field", "Field", 110, grow=1, look="wb-go"),
    Cell("value", "Value", 140, grow=2, look="wb-mono wb-wrap"),
)
_UNREAD = notice(
    "This payload cannot be read, or has no fields.",
    "The event can be dropped, and another be inserted behind it.",
)


class EventSteps:
    """One event, and the steps that can be taken with it.

    Parameters
    ----------
    answers
        What is asked of the history.
    on_step
        Called with the step to add to the edit; raises `EditError` if it cannot be added.
    on_log
        Called with the position of the event to show in the log.
    """

    def __init__(
        self,
        answers: Answers,
        on_step: Callable[[Step], Awaitable[None]],
        on_log: Callable[[int], Awaitable[None]],
    ) -> None:
        self._answers = answers
        self._on_step = on_step
        self._on_log = on_log
        self._event: dict[str, Any] | None = None
        self._names: list[str] = []
        self._title = text(css_classes=["wb-title"])
        self._fields = Grid(FIELD_CELLS, self._choose_field, most_height=260)
        self._unread = text()
        self._field = field("Field", "a field's name", no_act)
        self._value = field("New value", "as it is listed, or JSON", no_act)
        self._after = field("Move behind position", "a position", no_act)
        self._type = field("Type of a new event", "Order.Cancelled", no_act)
        self._stream = field("Its stream", "the same stream", no_act)
        self._data = field("Its fields, as JSON", '{"reason": "mistake"}', no_act)
        self._note = text()
        look: Any = {"margin": 0, "align": "end"}
        self._parts = column(
            row(
                button("Drop this event", self._drop),
                button("In the log", self._open_log, look="link"),
                margin=(6, 0, 6, 0),
            ),
            self._fields.view,
            self._unread,
            row(
                self._field, self._value, button("Set the field", self._set, **look), look="fields"
            ),
            row(self._after, button("Move it", self._move, **look), look="fields"),
            row(
                self._type,
                self._stream,
                self._data,
                button("Insert behind it", self._insert, **look),
                look="fields",
            ),
        )
        self.view = column(self._title, self._note, self._parts, look="event", visible=False)

    async def show(self, position: int | None) -> None:
        """Show the event at a position; without one, nothing.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self.view.visible = position is not None
        if position is None or (self._event is not None and self._event["position"] == position):
            return
        self._event = None
        history = self._answers.history
        try:
            found = await self._answers.soon(lambda: history.event(position))
        except UnknownPositionError as error:
            self._title.object = f"<h2>Position {position:,}</h2>{failure(error)}"
            self._parts.visible = False
            return
        self._show(found)

    def _show(self, found: pl.DataFrame) -> None:
        event = found.row(0, named=True)
        self._event = event
        name = escaped(short_name(event["type"] or "no type"))
        beside = (f"position {event['position']:,}", str(event["stream"] or "no stream"))
        words = "".join(f"<span>{escaped(word)}</span>" for word in beside)
        self._title.object = f"<h2>{name}{words}</h2>"
        self._note.object = ""
        rows = field_rows(event)
        self._names = rows["field"].to_list()
        self._unread.object = "" if self._names else _UNREAD
        if self._names:
            position = event["position"]
            code = f"history.event({position})"
            export = self._answers.export(f"event {position}", lambda: found, code)
            self._fields.show(rows, export=export)
        else:
            self._fields.hide()
        for one in (self._field, self._value, self._after, self._type, self._stream, self._data):
            if one.value:
                one.value = ""
        self._parts.visible = True

    # What a person does

    async def _choose_field(self, number: int, _name: str) -> None:
        if self._event is None or number >= len(self._names):
            return
        name = self._names[number]
        self._field.value = name
        self._value.value = candidates.plain(candidates.fields(self._event)[name])

    async def _step(self, made: Callable[[dict[str, Any]], Step]) -> None:
        """Add the step that is made of the event; what is wrong with it is said."""
        if self._event is None:
            return
        try:
            await self._on_step(made(self._event))
        except WorkbenchError as error:
            self._note.object = notice("", str(error), kind="error small")
        else:
            self._note.object = ""

    async def _drop(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._step(lambda event: Drop(event["position"]))

    async def _set(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        name, value = (self._field.value or "").strip(), self._value.value or ""

        def made(event: dict[str, Any]) -> Step:
            if not name:
                msg = "Cannot set a field without its name. Click a field, or write a new one."
                raise EditError(msg)
            return Set(event["position"], name, typed(value, candidates.fields(event).get(name)))

        await self._step(made)

    async def _move(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        after = position_of(self._after.value)

        def made(event: dict[str, Any]) -> Step:
            if after is None:
                msg = (
                    "Cannot move the event without knowing where to. Write the position of another."
                )
                raise EditError(msg)
            return Move(event["position"], after)

        await self._step(made)

    async def _insert(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        type_, stream = (self._type.value or "").strip(), (self._stream.value or "").strip()
        data = self._data.value or ""

        def made(event: dict[str, Any]) -> Step:
            within = stream or event["stream"]
            if not type_ or not within:
                msg = "Cannot insert an event without its type and its stream. Write both."
                raise EditError(msg)
            return Put(event["position"], type_, within, typed_fields(data))

        await self._step(made)

    async def _open_log(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._event is not None:
            await self._on_log(self._event["position"])
