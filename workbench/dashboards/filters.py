"""The form of filters beside the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from workbench.conditions import condition
from workbench.dashboards import queries, summary
from workbench.dashboards.markup import notice
from workbench.dashboards.parts import button, checks, column, field, offers, row, text
from workbench.dashboards.queries import Filters
from workbench.errors import ConditionError, RangeError
from workbench.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.answers import Answers

OFFERED_FROM = 2  # characters
TAKE_S = 0.25  # after the field was left, before what was typed counts
PAUSE_S = 0.15  # without a key, before streams are offered


class FilterForm:
    """The fields that make `Filters`.

    Parameters
    ----------
    answers
        What is asked of the history, for the types and streams to choose from.
    on_filters
        Called with the filters when a field has changed.
    """

    def __init__(self, answers: Answers, on_filters: Callable[[Filters], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_filters = on_filters
        self._filters = Filters()
        self._names: dict[str, str] = {}
        self._is_showing = False
        self._typed = ""
        change = self._change
        self._text = field("Text in the payload", "any text", change, css_classes=["wb-key-search"])
        self._where = field("Condition", "amount > 100 and method = 'card'", change)
        self._stream = field("Stream", "its name in full", self._name)
        self._stream.param.watch(self._offer, "value_input")
        self._offers = offers(self._take)
        self._types = checks(change)
        self._since = field("From (UTC)", "2025-01-31", change)
        self._until = field("To (UTC)", "2025-01-31T12:00", change)
        self._first = field("From position", "", change)
        self._last = field("To position", "", change)
        self._message = text()
        self._clear = button("Clear filters", self._clear_all, align="start")
        self.view = column(
            self._text,
            self._where,
            self._stream,
            self._offers,
            text("<p class=muted>Types</p>"),
            self._types,
            self._since,
            self._until,
            row(self._first, self._last, look="pair"),
            self._message,
            self._clear,
            look="side",
        )

    def show(self, filters: Filters) -> None:
        """Show filters in the fields."""
        self._filters = filters
        self._is_showing = True
        try:
            self._text.value, self._where.value = filters.text or "", filters.where or ""
            self._stream.value = filters.stream or ""
            self._offers.visible = False
            self._types.value = self._chosen()
            self._since.value, self._until.value = filters.since or "", filters.until or ""
            self._first.value = _written(filters.first_position)
            self._last.value = _written(filters.last_position)
            self._message.object = ""
            self._clear.disabled = filters == Filters()
        finally:
            self._is_showing = False

    async def load(self) -> None:
        """Fill in the types to choose from, with how many events each has."""
        types = await self._answers.in_turn(self._answers.types)
        names = summary.short_names(types)
        options = {f"{names[type_]}  {n:,}": type_ for type_, n in summary.counts(types)}
        if options == self._types.options:
            return
        self._names = names
        self._is_showing = True
        try:
            self._types.param.update(options=options, value=self._chosen())
        finally:
            self._is_showing = False

    def _chosen(self) -> list[str]:
        """Return the types to be ticked; filters may say short names, from a link."""
        full = {name: type_ for type_, name in self._names.items()}
        named = (
            type_ if type_ in self._names else full.get(type_) for type_ in self._filters.types
        )
        return [type_ for type_ in named if type_ is not None]

    async def _change(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._is_showing:
            return
        try:
            filters = self._read()
        except (RangeError, ConditionError) as error:
            self._message.object = notice("", str(error), kind="error small")
            return
        await self._on_filters(filters)

    def _read(self) -> Filters:
        return Filters(
            # Until the types are known, none is ticked.
            types=tuple(self._types.value or ()) if self._names else self._filters.types,
            stream=_said(self._stream.value),
            since=_time(self._since.value),
            until=_time(self._until.value),
            first_position=_position(self._first.value),
            last_position=_position(self._last.value),
            text=self._text.value or None,
            where=_condition(self._where.value),
        )

    async def _offer(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        """Offer streams like what has been typed, once the typing pauses."""
        typed = event.new.strip()
        self._typed = typed
        await asyncio.sleep(PAUSE_S)
        if self._typed != typed or typed == (self._stream.value or ""):
            return
        found: list[str] = []
        if len(typed) >= OFFERED_FROM:
            names = await self._answers.in_turn(self._answers.stream_names)
            found = await self._answers.soon(lambda: queries.alike(names, typed))
        if self._typed == typed:
            self._offers.param.update(options=found, value=None, visible=bool(found))

    async def _name(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        """Filter by the stream that was typed, unless one that was offered is taken instead."""
        if self._offers.visible and not self._is_showing:
            await asyncio.sleep(TAKE_S)  # a click on an offer leaves the field first
            if self._stream.value != event.new:
                return
        await self._change(event)

    async def _take(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new is not None and not self._is_showing:
            self._offers.visible = False
            self._stream.value = event.new

    async def _clear_all(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._on_filters(Filters())


def _written(position: int | None) -> str:
    return "" if position is None else str(position)


def _said(value: str | None) -> str | None:
    return (value or "").strip() or None


def _time(value: str | None) -> str | None:
    said = _said(value)
    if said is not None:
        moment_of(said)
    return said


def _condition(value: str | None) -> str | None:
    said = _said(value)
    if said is not None:
        condition(said)
    return said


def _position(value: str | None) -> int | None:
    said = _said(value)
    if said is None:
        return None
    try:
        return int(said.replace(",", ""))
    except ValueError as error:
        msg = f"Cannot read {said!r} as a position. Write a whole number, such as 1200."
        raise RangeError(msg) from error
