"""The way through the pages of the log: which events are shown, and the steps to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.dashboards.address import SIZES
from workbench.dashboards.parts import button, choice, field, row, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from panel.viewable import Viewable

    from workbench.dashboards.answers import Listing


class Pager:
    """First, previous, next and last page; how many events a page has; a position to go to.

    Parameters
    ----------
    on_start
        Called with the position at which the page to go to begins.
    on_last
        Called to go to the last page, whose beginning takes a look to find.
    on_size
        Called with how many events a page is to have.
    beside
        What else stands in the same row.
    """

    def __init__(
        self,
        on_start: Callable[[int | None], Awaitable[None]],
        on_last: Callable[[], Awaitable[None]],
        on_size: Callable[[int], Awaitable[None]],
        *beside: Viewable,
    ) -> None:
        self._on_start = on_start
        self._on_last = on_last
        self._on_size = on_size
        self._listing: Listing | None = None
        self._status = text(css_classes=["wb-status"])
        self._first = button("First", self._to_first)
        self._previous = button("← Previous", self._to_previous, key="previous-page")
        self._next = button("Next →", self._to_next, key="next-page")
        self._last = button("Last", self._to_last)
        self._size = choice("Page size", {f"{n} a page": n for n in SIZES}, self._resize, width=124)
        options = {"width": 116, "sizing_mode": None, "margin": 0, "align": "center"}
        self._jump = field(
            "Go to position", "Go to position", self._jump_to, css_classes=["wb-bare"], **options
        )
        self.view = row(
            self._status,
            *beside,
            self._first,
            self._previous,
            self._next,
            self._last,
            self._size,
            self._jump,
            look="bar pager",
            margin=(0, 0, 6, 0),
        )

    def show(self, listing: Listing) -> None:
        """Show where a page lies."""
        self._listing = listing
        self._status.object = _status(listing)
        self._first.disabled = self._previous.disabled = listing.previous is None
        self._next.disabled = self._last.disabled = listing.next is None

    def clear(self) -> None:
        """Show that there is no page."""
        self._listing = None
        self._status.object = ""
        for step in (self._first, self._previous, self._next, self._last):
            step.disabled = True

    def set_size(self, size: int) -> None:
        """Show how many events a page has."""
        self._size.value = size

    async def _to_first(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._on_start(None)

    async def _to_previous(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._listing is not None and self._listing.previous is not None:
            await self._on_start(self._listing.previous)

    async def _to_next(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._listing is not None and self._listing.next is not None:
            await self._on_start(self._listing.next)

    async def _to_last(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._on_last()

    async def _resize(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._on_size(event.new)

    async def _jump_to(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        digits = "".join(c for c in event.new if c in "0123456789")
        if digits:
            self._jump.value = ""
            await self._on_start(int(digits))


def _status(listing: Listing) -> str:
    if not listing.total:
        return "<p class=muted>No events</p>"
    first, last = listing.offset + 1, listing.offset + listing.rows.height
    shown = f"{first:,} to {last:,} of " if listing.rows.height else "after the last of "
    return f"<p>{shown}<b>{listing.total:,}</b> event{'s' if listing.total > 1 else ''}</p>"
