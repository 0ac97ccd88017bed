"""The player: a slider over the steps of a trial, with buttons that step and play."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import panel as pn

from workbench.dashboards.parts import button, choice, column, row, text
from workbench.dashboards.style import sheets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STRIDES = (1, 10, 100, 1_000)
SETTLE_S = 0.06  # for which the slider has to rest
PACE_S = 0.35  # between two steps while it plays


class Player:
    """Goes through numbered steps.

    Parameters
    ----------
    on_step
        Called with the step to show, from 0, and whether it will be left again at once.
    """

    def __init__(self, on_step: Callable[[int, bool], Awaitable[None]]) -> None:
        self._on_step = on_step
        self._count = 0
        self._at = -1
        self._playing = 0
        """Which playing this is, counted; 0 is none."""
        self._turn = 0
        self._wanted = -1
        self.said = text(css_classes=["wb-status"])
        self._slider: pn.widgets.IntSlider | None = None
        self._first = button("First", self._to_first)
        self._back = button("← Step", self._step_back)
        self._play = button("Play", self._toggle)
        self._on = button("Step →", self._step_on)
        self._last = button("Last", self._to_last)
        self._stride = choice(
            "Stride", {f"by {n:,}": n for n in STRIDES}, self._chose_stride, width=92
        )
        buttons = (self._first, self._back, self._play, self._on, self._last, self._stride)
        self.view = column(row(self.said, *buttons, look="bar player", margin=(8, 0, 2, 0)))

    def show(self, step: int, count: int) -> None:
        """Show which step this is, of how many; -1 is before the first."""
        self._count, self._at = count, step
        # A slider needs two places at least.
        state: dict[str, Any] = {"end": max(count - 1, 1), "value": max(step, 0)}
        state["disabled"] = self._play.disabled = count < 2  # noqa: PLR2004, nowhere to go
        if self._slider is None:  # a browser that has not drawn it takes no change of it
            self._slider = self._made(state)
            self.view.append(self._slider)
        self._slider.param.update(**state)
        self._first.disabled = self._back.disabled = step <= 0
        self._last.disabled = self._on.disabled = step >= count - 1

    def _made(self, state: dict[str, Any]) -> pn.widgets.IntSlider:
        slider = pn.widgets.IntSlider(  # type: ignore[no-untyped-call]
            label="Step",
            start=0,
            show_value=False,
            sizing_mode="stretch_width",
            margin=(0, 10, 4, 10),
            css_classes=["wb-bare"],
            stylesheets=sheets("field"),
            **state,
        )
        slider.param.watch(self._slide, "value")
        return slider

    def stop(self) -> None:
        """Stop to play."""
        self._playing = 0
        self._play.name = self._play.label = "Play"

    async def _slide(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if event.new is None or event.new == max(self._at, 0):
            return
        self.stop()
        self._wanted = event.new
        await asyncio.sleep(SETTLE_S)
        if self._wanted == event.new:  # it was not drawn on meanwhile
            await self._go(int(event.new))

    async def _to_first(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self.stop()
        await self._go(0)

    async def _to_last(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self.stop()
        await self._go(self._count - 1)

    async def back(self) -> None:
        """Go a step back, as wide as is chosen."""
        self.stop()
        await self._go(self._at - self._stride.value)

    async def on(self) -> None:
        """Go a step on, as wide as is chosen."""
        self.stop()
        await self._go(self._at + self._stride.value)

    async def _step_back(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self.back()

    async def _step_on(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self.on()

    async def _chose_stride(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        """The next step is as wide."""

    async def _toggle(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self.toggle()

    async def toggle(self) -> None:
        """Play, or pause."""
        if self._playing:
            self.stop()
            await self._go(self._at)
            return
        self._turn += 1
        turn = self._playing = self._turn
        self._play.name = self._play.label = "Pause"
        if self._at >= self._count - 1:
            await self._go(0, is_passing=True)
        while self._playing == turn and self._at < self._count - 1:
            await asyncio.sleep(PACE_S)
            if self._playing == turn:
                await self._go(self._at + self._stride.value, is_passing=True)
        if self._playing == turn:
            self.stop()
            await self._go(self._at)

    async def _go(self, step: int, *, is_passing: bool = False) -> None:
        if self._count:
            await self._on_step(min(max(step, 0), self._count - 1), is_passing)
