"""Below the schemas: which version breaks which, and what upcasters make of stored events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import polars as pl

from workbench.catalog import short_name
from workbench.compatibility.levels import Level
from workbench.dashboards.grid import Cell, Grid, shown
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, choice, column, loading, row, text
from workbench.dashboards.queries import CancelledError
from workbench.dashboards.running import Run
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench import UpcasterReport
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.exporting import Export

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
    Cell("defaulted", "Default", 74, form="count"),
    Cell("missing", "Missing", 74, form="count"),
    Cell("extra", "Extra", 64, form="count"),
    Cell("idempotent", "Idempotent", 90, form="id"),
    Cell("seconds", "Seconds", 74, form="id"),
)
FIELD_CELLS = (
    Cell("first", "First at", 80, form="id", look="wb-go"),
    Cell("name", "Type", 130, grow=1),
    Cell("stored", "Stored", 64, form="id"),
    Cell("path", "Field", 110, grow=1, look="wb-mono"),
    Cell("what", "What", 112),
    Cell("events", "Events", 76, form="count"),
    Cell("before", "Before", 120, grow=2, look="wb-mono wb-wrap"),
    Cell("after", "After", 120, grow=2, look="wb-mono wb-wrap"),
)
FAILURE_CELLS = (
    Cell("position", "Position", 80, form="id", look="wb-go"),
    Cell("name", "Type", 140, grow=1),
    Cell("step", "Step", 120, look="wb-mono"),
    Cell("error", "Error", 200, look="wb-mono wb-wrap"),
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
        title = text("<h2>Compatibility</h2>", width=112, sizing_mode=None)
        self._level = choice("Level", list(LEVELS), self._choose, width=210)
        self._note = text(visible=False)
        self._findings = Grid(FINDING_CELLS, self._open_finding, most_height=HEIGHT)
        self._dry = button("Upcast every stored event", self._upcast, align="start")
        self._said = text()
        self._run = Run(self._say)
        self._paths = Grid(UPCAST_CELLS, self._stay, most_height=HEIGHT)
        self._fields_title = text("<h2>Fields</h2>", visible=False, margin=(12, 0, 4, 0))
        self._fields = Grid(FIELD_CELLS, self._open_field, most_height=HEIGHT)
        self._failures_title = text("<h2>Failures</h2>", visible=False, margin=(12, 0, 4, 0))
        self._failures = Grid(FAILURE_CELLS, self._open_failure, most_height=HEIGHT)
        has_classes = bool(answers.classes)
        self._dry.visible = has_classes
        heading = "<h2>Upcasters</h2>" + ("" if has_classes else NO_CLASSES)
        self.view = column(
            row(title, self._level, margin=(14, 0, 6, 0)),
            self._note,
            self._findings.view,
            text(heading, margin=(14, 0, 4, 0)),
            row(self._dry, self._run.stop),
            self._said,
            self._paths.view,
            self._fields_title,
            self._fields.view,
            self._failures_title,
            self._failures.view,
            visible=False,
        )

    async def show(self, place: Place, type_: str | None) -> None:
        """Show which versions of a type break which."""
        self._place, self._type = place, type_
        self._level.value = place.level if place.level in LEVELS else LEVELS[0]
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
            mine = self._found
            call = f"history.schemas().check({level!r}).filter(type={type_!r})"
            export = self._answers.export("findings", lambda: mine, call)
            self._findings.show(finding_rows(mine), export=export)

    async def _choose(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        level = None if self._level.value == LEVELS[0] else self._level.value
        if self._place is not None and level != self._place.level:
            await self._on_place(self._place.to(level=level))

    async def _open_finding(self, number: int, _name: str) -> None:
        if number < self._found.height:
            await self._open(self._found["first_position"][number])

    async def _upcast(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        self._dry.disabled = True
        try:
            report = await self._run.watch(
                "Upcasting every stored event", self._answers, self._answers.dry_run
            )
        except CancelledError:
            self._say("<p>Stopped.</p>")
            return
        except WorkbenchError as error:
            self._say(notice("This cannot be upcast.", str(error), kind="error"))
            return
        finally:
            self._dry.disabled = False
        if report is not None:
            self._show(report)

    def _say(self, html: str) -> None:
        self._said.object = html

    def _show(self, report: UpcasterReport) -> None:
        self._report = report
        self._say(f"<p>{escaped(report.verdict)}; {report.rate:,.0f} events/s.</p>")
        self._paths.show(path_rows(report), export=self._export("paths", report.paths))
        for title, grid, rows, export in (
            (
                self._fields_title,
                self._fields,
                field_rows(report),
                self._export("fields", report.fields),
            ),
            (
                self._failures_title,
                self._failures,
                failure_rows(report),
                self._export("failures", report.failures),
            ),
        ):
            title.visible = not rows.is_empty()
            if rows.is_empty():
                grid.hide()
            else:
                grid.show(rows, export=export)

    def _export(self, name: str, frame: pl.DataFrame) -> Export:
        """Return a table of the dry run, with the Python that makes it."""
        classes = list(self._answers.classes)
        call = (
            "from workbench import check_upcasters\n\n"
            f"report = check_upcasters(history, {classes!r})\nreport.{name}"
        )
        return self._answers.export(f"upcast {name}", lambda: frame, call)

    async def _open_field(self, number: int, _name: str) -> None:
        if self._report is not None and number < self._report.fields.height:
            await self._open(self._report.fields["first_position"][number])

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
    idempotent = pl.when(pl.col("steps") > 0).then(pl.format("{} of {}", "idempotent", "succeeded"))
    return report.paths.select(
        _names(report.paths),
        shown("stored_version").alias("stored"),
        shown("code_version").alias("code"),
        *counts,
        "defaulted",
        "missing",
        "extra",
        idempotent.fill_null("").alias("idempotent"),
        pl.col("seconds").round(2).cast(pl.String),
    )


def field_rows(report: UpcasterReport) -> pl.DataFrame:
    """Return `workbench.tables.UPCAST_FIELDS` as the page shows them."""
    return report.fields.select(
        shown("first_position").alias("first"),
        _names(report.fields),
        shown("stored_version").alias("stored"),
        "path",
        "what",
        "events",
        shown("before"),
        shown("after"),
    )


def failure_rows(report: UpcasterReport) -> pl.DataFrame:
    """Return `workbench.tables.UPCAST_FAILURES` as the page shows them."""
    return report.failures.select(
        "position", _names(report.failures), shown("step"), shown("error"), shown("message")
    )


def _names(frame: pl.DataFrame) -> pl.Series:
    return pl.Series("name", [short_name(name) for name in frame["type"]], pl.String)
