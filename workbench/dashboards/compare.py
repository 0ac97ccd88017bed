"""The Compare page: two projections over one range, and what their differences come down to."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from workbench.comparing.report import report_of
from workbench.dashboards import comparisons
from workbench.dashboards.forms import asked_for, position_of
from workbench.dashboards.grid import Cell, Grid, shown, shown_time
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, choice, column, download, field, row, text
from workbench.dashboards.running import NONE_OFFERED, Run
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from threading import Event

    import polars as pl

    from workbench import Comparison
    from workbench.dashboards.address import Place, Scene
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.making import Tell

CAUSE_CELLS = (
    Cell("count", "Differences", 92, form="count"),
    Cell("type", "First differing event", 150, grow=2, look="wb-go"),
    Cell("version", "Schema", 76, form="id"),
    Cell("table", "Table", 100, grow=1),
    Cell("column", "Column", 100, grow=1),
    Cell("direction", "b is", 90),
    Cell("meaning", "Meaning", 160, grow=2, look="wb-quiet wb-wrap"),
    Cell("first", "First at", 80, form="id"),
    Cell("accepted", "Accepted, because", 120, grow=2, look="wb-wrap"),
)
BEHIND_CELLS = (
    Cell("position", "Position", 80, form="id", look="wb-go"),
    Cell("time", "Time (UTC)", 150, look="wb-quiet"),
    Cell("key", "Row", 120, grow=2, look="wb-mono"),
    Cell("by", "Changed by", 98),
    Cell("a_before", "a before", 80, grow=2, look="wb-mono wb-quiet wb-wrap"),
    Cell("a_after", "a after", 80, grow=2, look="wb-mono wb-wrap"),
    Cell("b_before", "b before", 80, grow=2, look="wb-mono wb-quiet wb-wrap"),
    Cell("b_after", "b after", 80, grow=2, look="wb-mono wb-wrap"),
)


class Compare:
    """Comparisons over one history.

    Parameters
    ----------
    answers
        What is asked of the history, and which projections may be replayed.
    on_place
        Called with the place to go to.
    """

    def __init__(self, answers: Answers, on_place: Callable[[Place], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_place = on_place
        self._place: Place | None = None
        self._found: Comparison | None = None
        self._ran: tuple[object, ...] = ()
        self._accepted: dict[str, str] = {}
        self._causes: pl.DataFrame | None = None
        self._behind: pl.DataFrame | None = None
        self._run = Run(self._say)
        names = list(answers.projections)
        self._a = choice("Projection a", names, self._no_act, width=180)
        self._b = choice("Projection b", names, self._no_act, width=180)
        if names:
            self._b.value = names[-1]
        options = {"width": 130, "sizing_mode": "fixed", "margin": 0, "align": "center"}
        self._after = field(
            "After position", "After position", self._no_act, css_classes=["wb-bare"], **options
        )
        self._upto = field(
            "Up to position", "Up to position", self._no_act, css_classes=["wb-bare"], **options
        )
        against = text("<p class=muted>against</p>", width=54, sizing_mode="fixed")
        self._form = row(
            self._a,
            against,
            self._b,
            self._after,
            self._upto,
            button("Compare them", self._start),
            self._run.stop,
            margin=(12, 0, 6, 0),
            visible=bool(names),
        )
        self._note = text("" if names else NONE_OFFERED)
        self._verdict = text()
        self._report = download("Download the report")
        self._causes_grid = Grid(CAUSE_CELLS, self._open_cause, most_height=360)
        self._title = text(margin=(12, 0, 4, 0), css_classes=["wb-title"])
        self._reason = field("Accept this cause, because", "", self._accept)
        self._behind_grid = Grid(BEHIND_CELLS, self._open_event, most_height=420)
        self._cause = column(self._title, self._reason, self._behind_grid.view, visible=False)
        self._scene = column(
            self._verdict, self._causes_grid.view, self._report, self._cause, visible=False
        )
        self.view = column(self._form, self._note, self._scene)

    async def show(self, place: Place) -> None:
        """Show the comparison of a place; one that nobody has made yet is made.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        scene = place.scene
        if scene.projection is None or scene.other is None:
            return
        for name in (scene.projection, scene.other):
            if name not in self._answers.projections:
                self._say(notice(f"There is no projection {name!r} here."))
                return
        self._a.value, self._b.value = scene.projection, scene.other
        self._after.value = "" if scene.after is None else str(scene.after)
        self._upto.value = "" if scene.upto is None else str(scene.upto)
        wanted = (scene.projection, scene.other, scene.after, scene.upto)
        if self._found is None or wanted != self._ran:
            await self._compare(scene, wanted)
        if self._found is not None and self._place is place:
            await self._show_found(self._found, scene)

    async def _compare(self, scene: Scene, wanted: tuple[object, ...]) -> None:
        self._found, self._ran, self._accepted = None, wanted, {}
        try:
            found = await self._run.watch(
                "Replaying", self._answers, lambda tell, stop: self._both(scene, tell, stop)
            )
        except WorkbenchError as error:
            self._say(notice("These cannot be compared.", str(error), kind="error"))
            return
        if found is None:
            self._say(notice("The comparison was stopped.", "Choose Compare them to begin anew."))
            return
        self._found = found
        self._note.object = ""

    def _both(self, scene: Scene, tell: Tell, stop: Event) -> Comparison | None:
        """Return how two trials differ; None if they were stopped."""
        offers, trials = self._answers.projections, self._answers.trials
        made = []
        for name in (scene.projection, scene.other):
            asked = asked_for(offers, (), name, None, (scene.after, scene.upto))
            made.append(trials.made(asked, tell, stop))
        return trials.compared(*made) if all(trial.is_complete for trial in made) else None

    async def _show_found(self, found: Comparison, scene: Scene) -> None:
        chosen = found
        for cause, reason in self._accepted.items():
            chosen = chosen.accept(cause, reason)
        self._verdict.object = _verdict(chosen)
        self._causes = comparisons.causes(chosen)
        self._scene.visible = True
        if self._causes.is_empty():
            self._causes_grid.hide()
        else:
            at = self._causes["cause"].index_of(scene.cause) if scene.cause else None
            self._causes_grid.show(self._causes, chosen=at)
        name = f"{chosen.a.name}-{chosen.b.name}.html"
        self._report.param.update(
            callback=lambda: BytesIO(report_of(chosen).encode("utf-8", "replace")), filename=name
        )
        await self._show_behind(chosen, scene.cause)

    async def _show_behind(self, found: Comparison, cause: str | None) -> None:
        self._cause.visible = cause is not None
        if cause is None:
            return
        told = await self._answers.soon(lambda: comparisons.behind(found, cause))
        self._behind = told
        if told.is_empty():
            self._title.object = notice("No difference has this cause.")
            self._reason.visible = False
            self._behind_grid.hide()
            return
        first = told.row(0, named=True)
        where = escaped(first["column"] or "the row")
        self._title.object = (
            f"<h2>{where}: {escaped(first['direction'])}"
            f"<span>the first {told.height:,} rows, and the event at which each began to differ"
            "</span></h2>"
        )
        self._reason.visible = True
        self._reason.value = self._accepted.get(cause, "")
        self._behind_grid.show(
            told.select(
                shown("position"),
                shown_time("time"),
                "key",
                "by",
                *(shown(name) for name in ("a_before", "a_after", "b_before", "b_after")),
            )
        )

    def _say(self, html: str) -> None:
        self._scene.visible = False
        self._note.object = html

    # What a person does

    async def _no_act(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        """What is in the form counts once it is run."""

    async def _start(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is None:
            return
        scene = type(self._place.scene)(
            self._a.value,
            position_of(self._after.value),
            position_of(self._upto.value),
            other=self._b.value,
        )
        self._ran = ()
        await self._on_place(self._place.to(scene=scene))

    async def _open_cause(self, number: int, _name: str) -> None:
        if self._causes is not None and self._place is not None and number < self._causes.height:
            cause = self._causes["cause"][number]
            await self._on_place(self._place.to(scene=self._place.scene.to(cause=cause)))

    async def _accept(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        place, found = self._place, self._found
        if place is None or found is None or place.scene.cause is None:
            return
        reason, cause = event.new.strip(), place.scene.cause
        if reason == self._accepted.get(cause, ""):
            return
        self._accepted.pop(cause, None)
        if reason:
            self._accepted[cause] = reason
        await self._show_found(found, place.scene)

    async def _open_event(self, number: int, _name: str) -> None:
        if self._behind is None or self._place is None or number >= self._behind.height:
            return
        position = self._behind["position"][number]
        if position is not None:
            await self._on_place(self._place.to(page="log", event=position))


def _verdict(found: Comparison) -> str:
    kind = "good" if found.equal else "bad"
    words = [f"<b class={kind}>{escaped(found.verdict)}</b>"]
    listed = "".join(f"<span>{word}</span>" for word in words)
    names = f"{escaped(found.a.name)} (a) and {escaped(found.b.name)} (b)"
    return f"<h1>{names}</h1><div class=facts>{listed}</div>"
