"""The page What if: wrong events are dropped or altered in a named edit, which is replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.dashboards.consequences import Consequences
from workbench.dashboards.event_steps import EventSteps
from workbench.dashboards.finding import Finder
from workbench.dashboards.forms import Choice, RangeForm, asked_for
from workbench.dashboards.grid import Cell, Grid
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.named_edits import NamedEdit, edit_named, steps_in_words, with_edit
from workbench.dashboards.parts import button, column, field, row, text
from workbench.dashboards.running import NONE_OFFERED, Run
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from threading import Event

    from workbench import Comparison
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.making import Asked, Tell
    from workbench.dashboards.named_edits import Step
    from workbench.dashboards.own_work import OwnWork
    from workbench.dashboards.queries import Filters

STEP_CELLS = (
    Cell("kind", "Do", 60),
    Cell("position", "Position", 76, form="id", look="wb-go"),
    Cell("what", "What", 160, grow=3, look="wb-mono wb-wrap"),
    Cell("away", "", 96, look="wb-go"),
)
FIRST_NAME = "edit 1"
NEW = "\x00new"
_AWAY = pl.lit("Take away").alias("away")
_EMPTY = notice("This edit does nothing yet.", "Choose an event, and say what is to become of it.")
_SAFE = (
    "<p class=muted>An edit exists here alone, in the address of this page. Nothing is ever "
    "written to the store.</p>"
)


class WhatIf:
    """Edits of one history, and what would change by them.

    Parameters
    ----------
    answers
        What is asked of the history, and which projections may be replayed.
    on_place
        Called with the place to go to.
    own
        What belongs to the person alone.
    """

    def __init__(
        self, answers: Answers, on_place: Callable[[Place], Awaitable[None]], own: OwnWork
    ) -> None:
        self._answers = answers
        self._on_place = on_place
        self._own = own
        self._place: Place | None = None
        self._ran: tuple[Asked, Asked] | None = None
        self._found: Comparison | None = None
        self._finder = Finder(answers, self._open_event, self._search)
        self._draft = EventSteps(answers, self._add, self._open_log)
        self._edits = Choice("Edit", 180, self._choose_edit)
        self._name = field("Name of the edit", "", self._rename, width=180, sizing_mode=None)
        self._steps_note = text()
        self._steps = Grid(STEP_CELLS, self._click_step, most_height=260)
        self._python = text()
        self._projection = Choice("Projection", 200)
        self._range = RangeForm()
        self._run = Run(self._say)
        self._form = row(
            self._projection.view,
            self._range.view,
            button("What would change?", self._start),
            self._run.stop,
            button("Replay it", self._open_replay, look="link"),
            margin=(8, 0, 6, 0),
        )
        self._note = text()
        self._consequences = Consequences(answers, self._open_log)
        chosen = column(
            row(self._edits.view, self._name, look="fields"),
            self._steps_note,
            self._steps.view,
            self._python,
        )
        self.view = column(
            text(f"<h1>What if?</h1>{_SAFE}", margin=(10, 0, 0, 0)),
            row(self._finder.view, column(self._draft.view, chosen), look="twins"),
            self._form,
            self._note,
            self._consequences.view,
        )

    # What is shown

    async def show(self, place: Place) -> None:
        """Show the edit of a place, the event that is chosen, and what would change.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        self.fill(place)
        await self._draft.show(place.event)
        await self._finder.show(place.filters)
        if self._place is place:
            await self._show_consequences(place)

    async def renew(self) -> None:
        """Show problems and what is found as they come; an edited history stays as it was."""
        await self._finder.renew()

    def fill(self, place: Place) -> None:
        """Fill the fields with what a place says: first before they are drawn."""
        edit = _edit_of(place)
        self._finder.fill(place.filters)
        names = [one.name for one in place.edits] or [edit.name]
        self._edits.offer({**{name: name for name in names}, "a new edit…": NEW}, edit.name)
        if self._name.value != edit.name:
            self._name.value = edit.name
        rows = steps_in_words(edit)
        self._steps_note.object = "" if rows.height else _EMPTY
        if rows.height:
            history = self._answers.history
            imports, call = edit.call()
            export = self._answers.export(
                f"edited by {edit.name}",
                lambda: edit.applied(history).edited_events(),
                "\n".join([*imports, f"edited = {call}", "edited.edited_events()"]),
            )
            self._steps.show(rows.select("*", _AWAY), export=export)
        else:
            self._steps.hide()
        code = escaped(edit.python(self._answers.history.name))
        self._python.object = (
            f"<details><summary>As Python</summary><pre class=wrap>{code}</pre></details>"
            * bool(edit.steps)
        )
        offers = self._own.offers(self._answers)
        self._projection.offer({name: name for name in offers}, place.scene.projection)
        self._range.fill(place.scene)
        self._form.visible = bool(offers)
        if not offers:
            self._note.object = NONE_OFFERED

    async def _show_consequences(self, place: Place) -> None:
        scene, edit = place.scene, _edit_of(place)
        if scene.projection is None or not edit.steps or not scene.part:
            self._consequences.hide()
            return
        offers, between = self._own.offers(self._answers), (scene.after, scene.upto)
        try:
            a = asked_for(offers, (), scene.projection, None, between)
            wanted = a, replace(a, edit=edit)
        except WorkbenchError as error:
            self._say(notice(str(error)))
            return
        if self._found is None or wanted != self._ran:
            await self._compare(wanted)
        if self._found is not None and self._place is place:
            await self._consequences.show(self._found, edit)

    async def _compare(self, wanted: tuple[Asked, Asked]) -> None:
        self._found, self._ran = None, wanted
        trials = self._answers.trials

        def both(tell: Tell, stop: Event) -> Comparison | None:
            return trials.compared_as(wanted, tell, stop)

        try:
            found = await self._run.watch("Replaying", self._answers, both)
        except WorkbenchError as error:
            self._say(notice("This cannot be replayed.", str(error), kind="error"))
            return
        if found is None:
            self._say(notice("It was stopped.", "Ask What would change? to begin anew."))
            return
        self._found = found
        self._note.object = ""

    def _say(self, html: str) -> None:
        self._consequences.hide()
        self._note.object = html

    # What a person does

    async def _go(self, **changes: object) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(**changes))

    async def _with(self, edit: NamedEdit) -> None:
        """Go on with an edit as it is now; what it would change is not known then."""
        place = self._place
        if place is not None:
            scene = place.scene.to(edited=edit.name, part=None)
            await self._go(edits=with_edit(place.edits, edit), scene=scene)

    async def _add(self, step: Step) -> None:
        if self._place is None:
            return
        edit = _edit_of(self._place).with_step(step)
        # What cannot be done is said at once, and not when it is replayed.
        await self._answers.soon(lambda: self._answers.trials.over(edit))
        await self._with(edit)

    async def _click_step(self, number: int, name: str) -> None:
        if self._place is None:
            return
        edit = _edit_of(self._place)
        if number >= len(edit.steps):
            return
        if name == "away":
            await self._with(edit.without(number))
            return
        position = steps_in_words(edit)["position"][number]
        if position:
            await self._open_event(int(position))

    async def _choose_edit(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        place = self._place
        if place is None or event.new is None or event.new == _edit_of(place).name:
            return
        if event.new != NEW:
            await self._with(edit_named(place.edits, event.new) or NamedEdit(event.new))
            return
        taken = {edit.name for edit in place.edits}
        number = next(n for n in range(1, len(taken) + 2) if f"edit {n}" not in taken)
        await self._with(NamedEdit(f"edit {number}"))

    async def _rename(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        place, name = self._place, (event.new or "").strip()
        if place is None:
            return
        edit = _edit_of(place)
        if not name or name == edit.name:
            return
        if edit_named(place.edits, name) is not None:
            self._steps_note.object = notice("", f"There is an edit {name!r}.", kind="error small")
            return
        rest = tuple(one for one in place.edits if one.name != edit.name)
        scene = place.scene.to(edited=name, part=None)
        await self._go(edits=(*rest, replace(edit, name=name)), scene=scene)

    async def _start(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        place = self._place
        if place is None or self._projection.value is None:
            return
        edit = _edit_of(place)
        if not edit.steps:
            self._say(_EMPTY)
            return
        after, upto = self._range.read()
        self._ran = None
        scene = place.scene.to(
            projection=self._projection.value,
            after=after,
            upto=upto,
            edited=edit.name,
            part="changes",
        )
        await self._go(scene=scene, edits=with_edit(place.edits, edit))

    async def _open_replay(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        place = self._place
        if place is None or self._projection.value is None:
            return
        edit, (after, upto) = _edit_of(place), self._range.read()
        scene = type(place.scene)(self._projection.value, after, upto, edited=edit.name)
        await self._go(page="replay", scene=scene, edits=with_edit(place.edits, edit))

    async def _open_event(self, position: int) -> None:
        await self._go(event=position)

    async def _open_log(self, position: int) -> None:
        await self._go(page="log", event=position)

    async def _search(self, filters: Filters) -> None:
        await self._go(filters=filters)


def _edit_of(place: Place) -> NamedEdit:
    """Return the edit that a place is about: the one it names, the first, or a new one."""
    named = edit_named(place.edits, place.scene.edited)
    return named or next(iter(place.edits), NamedEdit(FIRST_NAME))
