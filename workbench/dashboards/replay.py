"""The Replay page: a projection over a range, its tables as of each step, and what made a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.dashboards.address import Scene
from workbench.dashboards.forms import Choice, RangeForm, asked_by, edit_options
from workbench.dashboards.markup import notice
from workbench.dashboards.moments import Moments
from workbench.dashboards.outcomes import Outcome
from workbench.dashboards.parts import button, column, row, text
from workbench.dashboards.running import NONE_OFFERED, Run
from workbench.dashboards.writing import Editor
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from threading import Event

    from workbench import Trial
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.making import Asked, Tell
    from workbench.dashboards.own_work import OwnWork

    Make = Callable[[Tell, Event], Trial]


class Replay:
    """Replays of one history.

    Parameters
    ----------
    answers
        What is asked of the history, and which projections may be replayed.
    on_place
        Called with the place to go to.
    own
        What belongs to the person alone, such as projections that were written here.
    """

    def __init__(
        self, answers: Answers, on_place: Callable[[Place], Awaitable[None]], own: OwnWork
    ) -> None:
        self._answers = answers
        self._on_place = on_place
        self._own = own
        self._place: Place | None = None
        self._trial: Trial | None = None
        self._asked: Asked | None = None
        self._projection = Choice("Projection", 200)
        self._edit = Choice("Edit of the history", 170)
        self._range = RangeForm()
        self._run = Run(self._say)
        self._editor = Editor(answers, own, self._wrote)
        self._form = row(
            self._projection.view,
            self._edit.view,
            self._range.view,
            button("Run", self._start),
            self._run.stop,
            self._editor.open,
            margin=(12, 0, 6, 0),
        )
        self._note = text()
        self._go_on = button("Go on", self._resume, align="start", visible=False)
        self._outcome = Outcome(answers, on_place)
        self._moments = Moments(answers, on_place)
        self._scene = column(
            row(self._outcome.facts, self._moments.tables.view, look="bar spread"),
            self._outcome.buttons,
            self._outcome.view,
            self._moments.view,
            visible=False,
        )
        self.view = column(self._form, self._editor.view, self._note, self._go_on, self._scene)

    # What is shown

    async def show(self, place: Place) -> None:
        """Show the scene of a place; a trial that nobody has made yet is made.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        self.fill(place)
        if place.scene.projection is None:
            return
        try:
            asked = asked_by(place, self._own.offers(self._answers))
        except WorkbenchError as error:
            self._say(notice(str(error)))
            return
        if self._trial is None or asked != self._asked:
            trials = self._answers.trials
            await self._make(asked, lambda tell, stop: trials.made(asked, tell, stop))
        if self._place is place:
            await self._show_trial(place)

    async def renew(self) -> None:
        """Advance the trial; the tables follow where their end is shown, else only the steps."""
        trial, asked, place = self._trial, self._asked, self._place
        trials = self._answers.trials
        if trial is None or asked is None or place is None:
            return
        if not (trial.is_complete and trials.can_grow(asked)):
            return
        grown = await self._answers.in_turn(lambda: trials.advanced(asked, trial))
        if grown is not trial and trial is self._trial and place is self._place:
            self._trial = grown
            self._moments.renew(grown)
            await self._show_trial(place)

    def fill(self, place: Place) -> None:
        """Fill the fields with what a place says: first before they are drawn."""
        names = list(self._own.offers(self._answers))
        self._form.visible = bool(names) or self._own.writes
        if not names and not self._own.writes:
            self._note.object = NONE_OFFERED
        chosen = place.scene.projection or self._projection.value
        self._projection.offer({name: name for name in names}, chosen)
        self._edit.offer(edit_options(place.edits), place.scene.edited, least=2)
        self._range.fill(place.scene)

    async def _make(self, asked: Asked, make: Make) -> None:
        """Make the trial, and show meanwhile how far that is."""
        self._trial, self._asked = None, asked
        self._moments.stop()
        try:
            trial = await self._run.watch("Replaying", self._answers, make)
        except WorkbenchError as error:
            self._say(notice("This cannot be replayed.", str(error), kind="error"))
            return
        if trial is None:
            return  # somebody asks for another one by now
        self._trial = trial
        self._moments.begin(trial)
        self._note.object = "" if trial.is_complete else _PARTIAL
        self._go_on.visible = not trial.is_complete
        self._scene.visible = True

    async def _show_trial(self, place: Place) -> None:
        if self._trial is not None:
            await self._outcome.show(self._trial, place)
            await self._moments.show(place)

    def _say(self, html: str) -> None:
        self._scene.visible = self._go_on.visible = False
        self._note.object = html

    # What a person does

    async def _start(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._replay(self._projection.value)

    async def _replay(self, projection: str | None) -> None:
        if self._place is None or projection is None:
            return
        self._asked = None
        after, upto = self._range.read()
        wanted = Scene(projection, after, upto, edited=self._edit.value)
        await self._on_place(self._place.to(scene=wanted))

    async def _resume(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        trial, asked, place = self._trial, self._asked, self._place
        if trial is None or asked is None or place is None:
            return
        trials = self._answers.trials
        await self._make(asked, lambda tell, stop: trials.resumed(asked, trial, tell, stop))
        if self._place is place:
            await self._show_trial(place)

    async def _wrote(self, name: str) -> None:
        """Replay what has just been written."""
        await self._replay(name)


_PARTIAL = notice(
    "The replay was stopped.",
    "The tables are those of the events before that. Go on to replay the rest.",
)
