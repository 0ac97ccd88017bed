"""What became of the events of a trial: how many there were, which failed, which were handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.catalog import SHORT_NAME
from workbench.dashboards import calls
from workbench.dashboards.grid import Cell, Grid, shown
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, column, loading, row, text
from workbench.dashboards.queries import Filters
from workbench.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench import Trial
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers

FAILURE_CELLS = (
    Cell("position", "Position", 80, form="id", look="wb-go"),
    Cell("type", "Type", 130, grow=1),
    Cell("stream", "Stream", 120, grow=1, look="wb-mono"),
    Cell("handler", "Handler", 100, grow=1),
    Cell("error", "Error", 200, grow=4, look="wb-mono wb-wrap"),
)
COVERAGE_CELLS = (
    Cell("type", "Type", 150, grow=3, look="wb-go"),
    Cell("version", "Schema", 70, form="id"),
    Cell("seen", "Seen", 80, form="count"),
    Cell("handled", "Handled", 80, form="count"),
    Cell("failed", "Failed", 70, form="count"),
    Cell("ignored", "Ignored", 80, form="count"),
    Cell("handler", "Handler", 120, grow=2),
)
MOST_SHOWN = 1_000
_NO_FAILURE = notice("Nothing failed.", "Every event that a handler was given was processed.")
_NO_COVERAGE = notice(
    "A Polars function has no handlers.", "It is given the event table as a whole."
)


def failures(trial: Trial) -> pl.DataFrame:
    """Return the first failures of a trial as text: `FAILURES` without payloads."""
    return trial.failures.head(MOST_SHOWN).select(
        shown("position"),
        SHORT_NAME.fill_null("no type").alias("type"),
        shown("stream"),
        shown("handler"),
        shown("error"),
    )


def coverage(trial: Trial) -> pl.DataFrame:
    """Return the coverage of a trial for a page: `COVERAGE`, most frequent first.

    Raises
    ------
    TrialError
        If the trial was loaded without its history.
    """
    found = trial.coverage.sort("seen", descending=True, maintain_order=True)
    return found.select(
        SHORT_NAME.fill_null("no type").alias("type"),
        shown("schema_version").alias("version"),
        "seen",
        "handled",
        "failed",
        "ignored",
        pl.col("handler").fill_null("none"),
        pl.col("type").alias("stored"),
    )


class Outcome:
    """The facts of one trial, and its failures and its coverage where they are asked for.

    Parameters
    ----------
    answers
        What is asked of the history.
    on_place
        Called with the place to go to.
    """

    def __init__(self, answers: Answers, on_place: Callable[[Place], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_place = on_place
        self._place: Place | None = None
        self._frame: pl.DataFrame | None = None
        self._shown: tuple[Trial, str] | None = None
        self.facts = text()
        self._failed = button("Failures", self._open_part("failures"))
        self._covered = button("Coverage", self._open_part("coverage"))
        self.buttons = row(self._failed, self._covered, margin=(2, 0, 0, 0))
        self._note = text()
        self._failures = Grid(FAILURE_CELLS, self._open_failure, most_height=300)
        self._coverage = Grid(COVERAGE_CELLS, self._open_type, sortable=True, most_height=300)
        self.view = column(
            self._note, self._failures.view, self._coverage.view, margin=(4, 0, 6, 0)
        )

    async def show(self, trial: Trial, place: Place) -> None:
        """Show what became of the events of a trial.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        part = place.scene.part
        self.facts.object = _facts(trial)
        count = trial.failures.height
        self._failed.name = self._failed.label = f"Failures {count:,}" if count else "No failures"
        for found, name in ((self._failed, "failures"), (self._covered, "coverage")):
            found.css_classes = ["wb-on"] if part == name else []
        if self._shown == (trial, part):
            return
        self._failures.hide()
        self._coverage.hide()
        self._note.object, self._shown = "", None
        if part == "failures":
            self._show_failures(trial, place)
        elif part == "coverage":
            await self._show_coverage(trial, place)
        if part is not None:
            self._shown = (trial, part)

    def _show_failures(self, trial: Trial, place: Place) -> None:
        self._frame = trial.failures
        if trial.failures.is_empty():
            self._note.object = _NO_FAILURE
            return
        more = trial.failures.height - MOST_SHOWN
        self._note.object = f"<p class=muted>The first {MOST_SHOWN:,} of them.</p>" * (more > 0)
        call = calls.of_trial(trial, "trial.failures", place.both_edits[0])
        export = self._answers.export("failures", lambda: trial.failures, call)
        self._failures.show(failures(trial), export=export)

    async def _show_coverage(self, trial: Trial, place: Place) -> None:
        self._note.object = loading("Counting events…")
        try:
            found = await self._answers.in_turn(lambda: coverage(trial))
        except TrialError as error:
            self._note.object = notice("This is not known.", str(error))
            return
        self._frame = found
        if not trial.handlers:
            self._note.object = _NO_COVERAGE
            return
        self._note.object = ""
        call = calls.of_trial(trial, "trial.coverage", place.both_edits[0])
        export = self._answers.export("coverage", lambda: trial.coverage, call)
        self._coverage.show(found, export=export)

    # What a person does

    def _open_part(self, part: str) -> Callable[[Any], Awaitable[None]]:
        async def open_part(_event: object) -> None:
            place = self._place
            if place is not None:
                wanted = None if place.scene.part == part else part
                await self._on_place(place.to(scene=place.scene.to(part=wanted)))

        return open_part

    async def _open_failure(self, number: int, _name: str) -> None:
        if self._frame is not None and self._place is not None and number < self._frame.height:
            position = int(self._frame["position"][number])
            await self._on_place(self._place.to(page="log", event=position))

    async def _open_type(self, number: int, _name: str) -> None:
        if self._frame is None or self._place is None or number >= self._frame.height:
            return
        stored = self._frame["stored"][number]
        if stored is not None and self._frame["seen"][number]:
            await self._on_place(self._place.filtered(Filters(types=(stored,))))


def _facts(trial: Trial) -> str:
    words = [
        f"<b>{trial.events:,}</b> events",
        f"up to position <b>{trial.last_position:,}</b>",
        f"<b>{trial.rate:,.0f}</b> events/s",
    ]
    edits = trial.history.edits if trial.history is not None else ()
    words += [f"edited: <b>{escaped(edit.name)}</b>, {escaped(edit.does)}" for edit in edits]
    listed = "".join(f"<span>{word}</span>" for word in words)
    return f"<h1>{escaped(trial.name)}</h1><div class=facts>{listed}</div>"
