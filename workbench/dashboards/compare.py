"""The Compare page: projections, edits or histories, and what differences come down to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.comparing.report import report_bytes
from workbench.dashboards import calls, comparisons
from workbench.dashboards.candidates import corrected
from workbench.dashboards.compare_form import CompareForm
from workbench.dashboards.exporting import Download
from workbench.dashboards.forms import asked_for
from workbench.dashboards.grid import Cell, Grid, shown, shown_time
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import column, field, row, text
from workbench.dashboards.running import NONE_OFFERED, Run
from workbench.errors import ReplayError, RevisionError, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from threading import Event

    import polars as pl

    from workbench import Comparison
    from workbench.dashboards.address import Place, Scene
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.exporting import Export
    from workbench.dashboards.making import Asked, Tell
    from workbench.dashboards.own_work import OwnWork

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


TABLE_CELLS = (
    Cell("table", "Table", 120, grow=2, look="wb-go"),
    Cell("rows_a", "Rows of a", 80, form="id"),
    Cell("rows_b", "Rows of b", 80, form="id"),
    Cell("added", "In b only", 80, form="id"),
    Cell("removed", "In a only", 80, form="id"),
    Cell("changed", "Changed", 80, form="id"),
    Cell("healed", "Healed", 80, form="id"),
    Cell("first", "First at", 80, form="id"),
)
ROW_CELLS = (
    Cell("key", "Row", 120, grow=2, look="wb-mono"),
    Cell("column", "Column", 100, grow=1),
    Cell("value", "a", 90, grow=2, look="wb-mono wb-wrap"),
    Cell("should_be", "b", 90, grow=2, look="wb-mono wb-wrap"),
    Cell("difference", "b less a", 84, form="id"),
    Cell("position", "Since", 76, form="id", look="wb-go"),
    Cell("name", "By", 130, grow=1),
)
NO_REVISIONS = (
    "Cannot compare git revisions here: code of any revision could be run by whoever opens the "
    "address. Serve on 127.0.0.1 with --revisions; in a notebook, browse(history, revisions=True)."
)


class Compare:
    """Comparisons over one history, or over two.

    Parameters
    ----------
    answers
        What is asked of the history, and which projections may be replayed.
    on_place
        Called with the place to go to.
    own
        What belongs to the person alone: what was written, and which causes are accepted.
    others
        What is asked of each history that is served, by its name.
    """

    def __init__(
        self,
        answers: Answers,
        on_place: Callable[[Place], Awaitable[None]],
        own: OwnWork,
        others: Mapping[str, Answers],
    ) -> None:
        self._answers = answers
        self._on_place = on_place
        self._own = own
        self._others = others
        self._place: Place | None = None
        self._found: Comparison | None = None
        self._ran: tuple[Answers, tuple[Asked, Asked]] | None = None
        self._causes: pl.DataFrame | None = None
        self._behind: pl.DataFrame | None = None
        self._rows: pl.DataFrame | None = None
        self._run = Run(self._say)
        self._form = CompareForm(own.revisions, self._start, self._run.stop)
        self._note = text()
        self._verdict = text()
        self._report = Download("Download the report")
        self._accepted = Download("Download the accepted causes")
        self._causes_grid = Grid(CAUSE_CELLS, self._open_cause, most_height=360)
        self._title = text(margin=(12, 0, 4, 0), css_classes=["wb-title"])
        self._reason = field("Accept this cause, because", "", self._accept)
        self._behind_grid = Grid(BEHIND_CELLS, self._open_event, most_height=420)
        self._cause = column(self._title, self._reason, self._behind_grid.view, visible=False)
        self._tables_grid = Grid(TABLE_CELLS, self._open_table, most_height=240)
        self._rows_title = text(margin=(12, 0, 4, 0))
        self._rows_grid = Grid(ROW_CELLS, self._open_row, most_height=420)
        self._scene = column(
            self._verdict,
            self._causes_grid.view,
            row(self._report.view, self._accepted.view),
            self._cause,
            text("<h2>Tables</h2>", margin=(12, 0, 4, 0)),
            self._tables_grid.view,
            self._rows_title,
            self._rows_grid.view,
            visible=False,
        )
        self.view = column(self._form.view, self._note, self._scene)

    def fill(self, place: Place) -> None:
        """Fill the fields with what a place says: first before they are drawn."""
        names = list(self._own.offers(self._answers))
        if not names:
            self._note.object = NONE_OFFERED
        others = [n for n, a in self._others.items() if a is not self._answers]
        self._form.fill(place, names, others)

    async def show(self, place: Place) -> None:
        """Show the comparison of a place; one that nobody has made yet is made.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        self.fill(place)
        scene = place.scene
        if scene.projection is None or scene.other is None:
            return
        try:
            other, wanted = self._wanted(place)
        except WorkbenchError as error:
            self._say(notice(str(error)))
            return
        if self._found is None or (other, wanted) != self._ran:
            await self._compare(other, wanted)
        if self._found is not None and self._place is place:
            await self._show_found(self._found, scene)

    async def renew(self) -> None:
        """Compare what both come to by now, where neither is edited or ends; what is open stays."""
        place, found, ran = self._place, self._found, self._ran
        if place is None or found is None or ran is None or ran[0] is not self._answers:
            return
        wanted, mine = ran[1], self._answers.trials
        if not all(mine.can_grow(one) for one in wanted):
            return
        grown = await self._answers.in_turn(lambda: mine.compared_anew(wanted, found))
        if grown is not found and found is self._found and place is self._place:
            self._found = grown
            await self._show_found(grown, place.scene)

    def _wanted(self, place: Place) -> tuple[Answers, tuple[Asked, Asked]]:
        """Return over which history b is, and the two trials.

        Raises
        ------
        ProjectionError, EditError
            If nothing of a name is here.
        RevisionError
            If revisions are asked for, and may not be run from here.
        """
        scene, offers = place.scene, self._own.offers(self._answers)
        if (scene.revision or scene.other_revision) and not self._own.revisions:
            raise RevisionError(NO_REVISIONS)
        between = (scene.after, scene.upto)
        a = asked_for(offers, place.edits, scene.projection, scene.edited, between, scene.revision)
        b = asked_for(
            offers, place.edits, scene.other, scene.other_edited, between, scene.other_revision
        )
        return self._others.get(scene.other_history or "", self._answers), (a, b)

    async def _compare(self, other: Answers, wanted: tuple[Asked, Asked]) -> None:
        self._found, self._ran = None, (other, wanted)
        mine = self._answers.trials

        def both(tell: Tell, stop: Event) -> Comparison | None:
            try:
                if other is self._answers:
                    return mine.compared_as(wanted, tell, stop)
                a, b = mine.made(wanted[0], tell, stop), other.trials.made(wanted[1], tell, stop)
            except ReplayError:
                if stop.is_set():  # before there was anything of a trial
                    return None
                raise
            return mine.compared(a, b) if a.is_complete and b.is_complete else None

        try:
            found = await self._run.watch("Replaying", self._answers, both)
        except WorkbenchError as error:
            self._say(notice("These cannot be compared.", str(error), kind="error"))
            return
        if found is None:
            self._say(notice("The comparison was stopped.", "Choose Compare them to begin anew."))
            return
        self._found = found
        self._note.object = ""

    async def _show_found(self, found: Comparison, scene: Scene) -> None:
        chosen, known = found, set(found.causes["cause"])
        for cause, reason in self._own.accepted.items():
            if cause in known:
                chosen = chosen.accept(cause, reason)
        self._verdict.object = _verdict(chosen)
        self._causes = comparisons.causes(chosen)
        self._scene.visible = True
        if self._causes.is_empty():
            self._causes_grid.hide()
        else:
            at = self._causes["cause"].index_of(scene.cause) if scene.cause else None
            export = self._export(chosen, "causes", lambda: chosen.causes, "found.causes")
            self._causes_grid.show(self._causes, chosen=at, export=export)
        file = f"{chosen.a.name}-{chosen.b.name}.html"
        self._report.offer("report", file, lambda: report_bytes(chosen))
        self._accepted.view.visible = chosen.causes["accepted"].null_count() < chosen.causes.height
        self._accepted.offer(
            "accepted causes",
            "workbench-accepted.toml",
            lambda: comparisons.accepted_file(chosen).encode(),
        )
        await self._show_behind(chosen, scene.cause)
        await self._show_rows(chosen, scene.table)

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
        self._reason.value = self._own.accepted.get(cause, "")
        self._behind_grid.show(
            told.select(
                shown("position"),
                shown_time("time"),
                "key",
                "by",
                *(shown(name) for name in ("a_before", "a_after", "b_before", "b_after")),
            ),
            export=self._export(
                found,
                f"cause {cause}",
                lambda: found.behind(cause),
                f"found.behind({cause!r})",
            ),
        )

    async def _show_rows(self, found: Comparison, table: str | None) -> None:
        """Show how each table differs, and every row and cell of one of them that does."""
        told = comparisons.tables(found)
        export = self._export(found, "tables", lambda: found.summary, "found.summary")
        at = told["table"].index_of(table) if table else None
        self._tables_grid.show(told, chosen=at, export=export)
        self._rows = None
        self._rows_title.object = "<p class=muted>Click a table to see every row that differs.</p>"
        if table is None or table not in told["table"]:
            self._rows_grid.hide()
            return
        rows = await self._answers.soon(lambda: comparisons.differing(found, table))
        self._rows = rows
        most = comparisons.MOST_ROWS
        first = f"the first {most:,} of " if rows.height > most else ""
        self._rows_title.object = (
            f"<h2>{escaped(table)}<span>{first}{rows.height:,} rows and cells that differ at the "
            "end</span></h2>"
        )
        if rows.is_empty():
            self._rows_grid.hide()
        else:
            call = f"found.of({table!r}).corrections()"
            export = self._export(found, f"{table} differences", lambda: rows, call)
            self._rows_grid.show(corrected(rows.head(most)), export=export)

    def _export(
        self, found: Comparison, name: str, frame: Callable[[], pl.DataFrame], expression: str
    ) -> Export:
        edits = (None, None) if self._place is None else self._place.both_edits
        call = calls.of_comparison(found, expression, edits)
        return self._answers.export(name, frame, call)

    def _say(self, html: str) -> None:
        self._scene.visible = False
        self._note.object = html

    # What a person does

    async def _start(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is None:
            return
        self._ran = None
        await self._on_place(self._place.to(scene=self._form.read()))

    async def _open_cause(self, number: int, _name: str) -> None:
        if self._causes is not None and self._place is not None and number < self._causes.height:
            cause = self._causes["cause"][number]
            await self._on_place(self._place.to(scene=self._place.scene.to(cause=cause)))

    async def _accept(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        place, found = self._place, self._found
        if place is None or found is None or place.scene.cause is None:
            return
        reason, cause = event.new.strip(), place.scene.cause
        if reason == self._own.accepted.get(cause, ""):
            return
        self._own.accepted.pop(cause, None)
        if reason:
            self._own.accepted[cause] = reason
        await self._show_found(found, place.scene)

    async def _open_table(self, number: int, _name: str) -> None:
        place, found = self._place, self._found
        if place is not None and found is not None and number < found.summary.height:
            table = found.summary["table"][number]
            await self._on_place(place.to(scene=place.scene.to(table=table)))

    async def _open_row(self, number: int, _name: str) -> None:
        await self._open_position(self._rows, number)

    async def _open_position(self, rows: pl.DataFrame | None, number: int) -> None:
        if rows is None or self._place is None or number >= rows.height:
            return
        position = rows["position"][number]
        if position is not None:
            await self._on_place(self._place.to(page="log", event=position))

    async def _open_event(self, number: int, _name: str) -> None:
        await self._open_position(self._behind, number)


def _verdict(found: Comparison) -> str:
    kind = "good" if found.equal else "bad"
    words = [f"<b class={kind}>{escaped(found.verdict)}</b>"]
    listed = "".join(f"<span>{word}</span>" for word in words)
    names = f"{escaped(found.a.name)} (a) and {escaped(found.b.name)} (b)"
    return f"<h1>{names}</h1><div class=facts>{listed}</div>"
