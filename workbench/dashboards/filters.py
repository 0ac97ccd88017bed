"""The form of filters beside the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from workbench.dashboards import queries, style, summary
from workbench.dashboards.markup import notice
from workbench.dashboards.parts import button, text
from workbench.dashboards.queries import Filters
from workbench.errors import RangeError
from workbench.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.answers import Answers

SUGGESTED_FROM = 2  # characters


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
        self._text = _field("Text in the payload", "any text")
        self._stream = pn.widgets.AutocompleteInput(
            name="Stream",
            placeholder="its name in full",
            restrict=False,
            case_sensitive=False,
            search_strategy="includes",
            min_characters=SUGGESTED_FROM,
            sizing_mode="stretch_width",
            margin=(0, 0, 6, 0),
            stylesheets=[style.INPUT],
        )
        self._types_title = text("<p class=muted>Types</p>")
        self._types = pn.widgets.CheckBoxGroup(
            options={}, sizing_mode="stretch_width", margin=(0, 0, 6, 0), stylesheets=[style.CHECKS]
        )
        self._since = _field("From (UTC)", "2025-01-31")
        self._until = _field("To (UTC)", "2025-01-31")
        self._first = _field("From position", "1")
        self._last = _field("To position", "")
        self._message = text()
        self._clear = button("Clear filters", self._clear_all, align="start")
        for field in (
            self._text,
            self._stream,
            self._types,
            self._since,
            self._until,
            self._first,
            self._last,
        ):
            field.param.watch(self._changed, "value")
        self._stream.param.watch(self._suggest, "value_input")
        self.view = pn.Column(
            self._text,
            self._stream,
            self._types_title,
            self._types,
            self._since,
            self._until,
            _pair(self._first, self._last),
            self._message,
            self._clear,
            css_classes=["wb-side"],
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[style.BOX],
        )

    def show(self, filters: Filters) -> None:
        """Show filters in the fields."""
        self._filters = filters
        self._is_showing = True
        try:
            self._text.value = filters.text or ""
            self._stream.value = filters.stream or ""
            self._types.value = [t for t in filters.types if t in self._names]
            self._since.value, self._until.value = filters.since or "", filters.until or ""
            self._first.value = _digits(filters.first_position)
            self._last.value = _digits(filters.last_position)
            self._message.object = ""
            self._clear.disabled = filters == Filters()
        finally:
            self._is_showing = False

    async def load(self) -> None:
        """Fill in the types to choose from, with how many events each has."""
        types = await self._answers.in_turn(self._answers.types)
        names = summary.short_names(types)
        if names == self._names:
            return
        self._names = names
        counts = dict(types.select("type", "count").iter_rows())
        self._is_showing = True
        try:
            self._types.param.update(
                options={f"{name}  {counts[full]:,}": full for full, name in names.items()},
                value=[t for t in self._filters.types if t in names],
            )
        finally:
            self._is_showing = False

    async def _changed(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._is_showing:
            return
        try:
            filters = self._read()
        except RangeError as error:
            self._message.object = notice("", str(error), kind="error small")
            return
        await self._on_filters(filters)

    def _read(self) -> Filters:
        for field in (self._since, self._until):
            if field.value.strip():
                moment_of(field.value.strip())
        return Filters(
            types=tuple(self._types.value),
            stream=self._stream.value.strip() or None,
            since=self._since.value.strip() or None,
            until=self._until.value.strip() or None,
            first_position=_position(self._first.value),
            last_position=_position(self._last.value),
            text=self._text.value or None,
        )

    async def _suggest(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if len(event.new) >= SUGGESTED_FROM:
            names = await self._answers.in_turn(self._answers.stream_names)
            self._stream.options = queries.alike(names, event.new)

    async def _clear_all(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._on_filters(Filters())


def _field(name: str, placeholder: str) -> pn.widgets.TextInput:
    return pn.widgets.TextInput(
        name=name,
        placeholder=placeholder,
        sizing_mode="stretch_width",
        margin=(0, 0, 6, 0),
        stylesheets=[style.INPUT],
    )


def _pair(left: pn.viewable.Viewable, right: pn.viewable.Viewable) -> pn.Row:
    return pn.Row(left, right, sizing_mode="stretch_width", margin=0, stylesheets=[style.PAIR])


def _digits(position: int | None) -> str:
    return "" if position is None else str(position)


def _position(written: str) -> int | None:
    plain = written.strip().replace(",", "").replace("_", "")
    if not plain:
        return None
    try:
        return int(plain)
    except ValueError as error:
        msg = f"Cannot read {written!r} as a position. Write a whole number, such as 1200."
        raise RangeError(msg) from error
