"""Below the schemas: which version breaks which, and what upcasters make of stored events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import polars as pl

from workbench.catalog import short_name
from workbench.compatibility.levels import Level
from workbench.dashboards.grid import Cell, Grid, shown
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, choice, column, loading, row, text
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench import UpcasterReport
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers

HEIGHT = 360  # pixels, from where on rows scroll
LEVELS = tuple(level for level in get_args(Level) if level != "NONE")
FINDING_CELLS = (
    Cell("pair", "Versions", 96),
    Cell("direction", "Who reads", 96),
    Cell("path", "Field", 120, grow=1, look="wb-mono"),
    Cell("rule", "Rule", 190, grow=2, look="wb-mono wb-wrap"),
    Cell("sentence", "Stored events", 190, grow=2, look="wb-wrap"),
    Cell("first", "First at", 84, form="id", look="wb-go"),
    Cell("last", "Last at", 84, form="id"),
)
UPCAST_CELLS = (
    Cell("name", "Type", 150, grow=2),
    Cell("stored", "Stored", 70, form="id"),
    Cell("code", "Code", 64, form="id"),
    Cell("events", "Events", 80, form="count"),
    Cell("succeeded", "Succeeded", 90, form="count"),
    Cell("failed", "Failed", 70, form="count"),
    Cell("newer", "Newer", 70, form="count"),
    Cell("lost", "Lost", 60, form="count"),
    Cell("filled", "Filled", 64, form="count"),
    Cell("changed_type", "Other type", 90, form="count"),
    Cell("missing", "Missing", 74, form="count"),
    Cell("extra", "Extra", 64, form="count"),
)
FAILURE_CELLS = (
    Cell("position", "Position", 80, form="id", look="wb-go"),
    Cell("name", "Type", 140, grow=1),
    Cell("step", "Step", 120, look="wb-mono"),
    Cell("error", "Error", 150, look="wb-mono"),
    Cell("message", "Message", 200, grow=3, look="wb-wrap"),
)
NO_CLASSES = (
    "<p class=muted>Name the modules of the event classes to upcast every stored event: "
    "<code>workbench serve TARGET --classes shop.orders</code>.</p>"
)


class Checks:
    """Compatibility of one type's versions, and the dry run of upcasters.

    Parameters
    ----------
    answers
        What is asked of the history, and which classes its events may become.
    on_place
        Called with the place to go to.
    """

    def __init__(self, answers: Answers, on_place: Callable[[Place], Awaitable[None]]) -> None:
        self._answers = answers
        self._on_place = on_place
        self._place: Place | None = None
        self._type: str | None = None
        self._found = pl.DataFrame()
        self._report: UpcasterReport | None = None
        title = text("<h2>Compatibility</h2>", width=112, sizing_mode="fixed")
        self._level = choice("Level", list(LEVELS), self._choose, width=210)
        self._note = text(visible=False)
        self._findings = Grid(FINDING_CELLS, self._open_finding, most_height=HEIGHT)
        self._dry = button("Upcast every stored event", self._run, align="start")
        self._said = text()
        self._paths = Grid(UPCAST_CELLS, self._stay, most_height=HEIGHT)
        self._failures = Grid(FAILURE_CELLS, self._open_failure, most_height=HEIGHT)
        has_classes = bool(answers.classes)
        self._dry.visible = has_classes
        heading = "<h2>Upcasters</h2>" + ("" if has_classes else NO_CLASSES)
        self.view = column(
            row(title, self._level, margin=(14, 0, 6, 0)),
            self._note,
            self._findings.view,
            text(heading, margin=(14, 0, 4, 0)),
            self._dry,
            self._said,
            self._paths.view,
            self._failures.view,
            visible=False,
        )

    async def show(self, place: Place, type_: str | None) -> None:
        """Show which versions of a type break which."""
        self._place, self._type = place, type_
        self.view.visible = type_ is not None
        if type_ is not None:
            await self._check(type_)

    async def _check(self, type_: str) -> None:
        level = self._level.value
        self._note.param.update(object=loading("Checking…"), visible=True)
        found = await self._answers.in_turn(lambda: self._answers.findings(level))
        if type_ != self._type or level != self._level.value:
            return  # something else is asked for by now
        self._found = found.filter(type=type_)
        self._note.visible = self._found.is_empty()
        if self._found.is_empty():
            self._note.object = notice("Nothing breaks.", f"{level} holds for all its versions.")
            self._findings.hide()
        else:
            self._findings.show(finding_rows(self._found))

    async def _choose(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._type is not None:
            await self._check(self._type)

    async def _open_finding(self, number: int, _name: str) -> None:
        if number < self._found.height:
            await self._open(self._found["first_position"][number])

    async def _run(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self._dry.disabled = True
        self._said.object = loading("Upcasting every stored event…")
        try:
            report = await self._answers.in_turn(self._answers.dry_run)
        except WorkbenchError as error:
            self._said.object = notice("This cannot be upcast.", str(error), kind="error")
            return
        finally:
            self._dry.disabled = False
        self._report = report
        self._said.object = f"<p>{escaped(report.verdict)}</p>"
        self._paths.show(path_rows(report))
        if report.failures.is_empty():
            self._failures.hide()
        else:
            self._failures.show(failure_rows(report))

    async def _open_failure(self, number: int, _name: str) -> None:
        if self._report is not None and number < self._report.failures.height:
            await self._open(self._report.failures["position"][number])

    async def _open(self, position: int | None) -> None:
        if position is not None and self._place is not None:
            await self._on_place(self._place.to(page="log", event=position))

    async def _stay(self, _row: int, _column: str) -> None:
        """A click on a path leads nowhere."""


def finding_rows(findings: pl.DataFrame) -> pl.DataFrame:
    """Return `workbench.tables.FINDINGS` as text, as the page shows them."""
    backward = pl.col("direction") == "backward"
    return findings.select(
        pl.format("{} and {}", "against", "version").alias("pair"),
        pl.when(backward)
        .then(pl.format("{} reads {}", "version", "against"))
        .otherwise(pl.format("{} reads {}", "against", "version"))
        .alias("direction"),
        "path",
        "rule",
        "sentence",
        shown("first_position").alias("first"),
        shown("last_position").alias("last"),
    )


def path_rows(report: UpcasterReport) -> pl.DataFrame:
    """Return `workbench.tables.UPCASTS` as the page shows them."""
    counts = ("events", "succeeded", "failed", "newer", "lost", "filled", "changed_type")
    return report.paths.select(
        _names(report.paths),
        shown("stored_version").alias("stored"),
        shown("code_version").alias("code"),
        *counts,
        "missing",
        "extra",
    )


def failure_rows(report: UpcasterReport) -> pl.DataFrame:
    """Return `workbench.tables.UPCAST_FAILURES` as the page shows them."""
    return report.failures.select(
        "position", _names(report.failures), shown("step"), shown("error"), shown("message")
    )


def _names(frame: pl.DataFrame) -> pl.Series:
    return pl.Series("name", [short_name(name) for name in frame["type"]], pl.String)
