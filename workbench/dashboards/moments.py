"""The tables of a trial as of each step: what a step changed, and what wrote a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.catalog import short_name
from workbench.dashboards import calls, computed, trials
from workbench.dashboards.forms import Choice
from workbench.dashboards.grid import Cell, Grid, shown, shown_time
from workbench.dashboards.keys import Keys
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import at_once, button, column, row, text
from workbench.dashboards.player import Player
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench import Trial
    from workbench.dashboards.address import Place, Scene
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.exporting import Export
    from workbench.dashboards.trials import Moment

WROTE_CELLS = (
    Cell("position", "Position", 80, form="id", look="wb-go"),
    Cell("time", "Time (UTC)", 150, look="wb-quiet"),
    Cell("name", "Type", 130, grow=2, look="wb-go"),
    Cell("before", "Before", 90, grow=2, look="wb-mono wb-quiet wb-wrap"),
    Cell("after", "After", 90, grow=2, look="wb-mono wb-wrap"),
)
CHANGE_CELLS = (
    Cell("change", "Change", 72, look="wb-go"),
    Cell("key", "Row", 120, grow=2, look="wb-mono"),
    Cell("column", "Column", 110, grow=1),
    Cell("before", "Before", 90, grow=2, look="wb-mono wb-quiet"),
    Cell("after", "After", 90, grow=2, look="wb-mono"),
)
_CLICK = "<p class=muted>Click a cell to see which events wrote it.</p>"


class Moments:
    """The tables of one trial, step by step.

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
        self._trial: Trial | None = None
        self._moment: Moment | None = None
        self._table_name = ""
        self._wrote_frame: pl.DataFrame | None = None
        self._first: int | None = None
        self._steps: dict[str, pl.Series] = {}
        self.tables = Choice("Table", 180, self._choose_table)
        self._player = Player(self._to_step)
        self._event = text(margin=(2, 0, 4, 0))
        self._in_log = button("In the log", self._open_event, look="link", visible=False)
        self._changes = Grid(CHANGE_CELLS, self._open_change, most_height=190)
        self._title = text(margin=(8, 0, 4, 0), css_classes=["wb-status"])
        self._up = button("← Rows", self._rows_up)
        self._down = button("Rows →", self._rows_down)
        self._state = column()
        self._grids: dict[tuple[str, ...], Grid] = {}
        self._wrote_title = text(margin=(12, 0, 4, 0))
        self._wrote = Grid(WROTE_CELLS, self._open_wrote, most_height=320)
        table = column(row(self._title, self._up, self._down, look="bar pager"), self._state)
        self._halves = column(
            table, column(self._wrote_title, self._wrote.view, look="why"), look="halves"
        )
        player = self._player
        keys = Keys(
            {
                "ArrowLeft": player.back,
                "ArrowRight": player.on,
                "p": player.toggle,
                "PageUp": lambda: self._move_rows(-trials.ROWS),
                "PageDown": lambda: self._move_rows(trials.ROWS),
            }
        )
        self.view = column(
            player.view,
            row(self._event, self._in_log, look="bar spread"),
            self._changes.view,
            self._halves,
            keys,
        )

    # What is shown

    def begin(self, trial: Trial) -> None:
        """Take another trial to show."""
        self.stop()
        self.renew(trial)

    def renew(self, trial: Trial) -> None:
        """Take the same trial, which goes on further; what plays goes on."""
        self._trial, self._steps = trial, {}

    def stop(self) -> None:
        """Stop to play."""
        self._player.stop()

    async def show(self, place: Place) -> None:
        """Show the table, the step and the cell of a place.

        Raises
        ------
        WorkbenchError
            As `trials.moment` does.
        """
        here = place.scene.to(key=None, column=None)
        if self._place is None or here != self._place.scene.to(key=None, column=None):
            self._first = None
        self._place = place
        await self._show_scene(place.scene)

    async def _show_scene(self, scene: Scene) -> None:
        trial = self._trial
        if trial is None:
            return
        names = trial.table_names
        name = scene.table if scene.table in names else names[0]
        self._table_name = name
        self.tables.offer({one: one for one in names}, name, least=2)
        first = self._first
        steps = await self._steps_of(trial, name)
        found = await self._answers.soon(
            lambda: trials.moment(trial, name, scene.at, first=first, within=steps)
        )
        if trial is not self._trial:
            return
        count = steps.len()
        self._moment = found
        with at_once():
            self._player.show(found.step, count)
            self._player.said.object = _step(found, count)
            self._show_moment(trial, found, name)
        await self._show_wrote(trial, scene, name)

    async def _steps_of(self, trial: Trial, name: str) -> pl.Series:
        """Return the steps of a table, which are read once a trial."""
        if name not in self._steps:
            self._steps[name] = await self._answers.soon(lambda: trials.steps(trial, name))
        return self._steps[name]

    def _show_moment(self, trial: Trial, found: Moment, name: str) -> None:
        at = found.position
        self._event.object = _made_by(found)
        self._in_log.visible = found.event is not None
        if found.changes.height:
            self._changes.show(
                trials.in_words(found.changes),
                export=self._export(
                    trial,
                    f"{name} changes",
                    lambda: found.changes,
                    None
                    if computed.is_computed(trial)
                    else f"trial.changes({name!r}).filter(position={at})",
                ),
            )
        else:
            self._changes.hide()
        last = found.first + found.rows.height
        span = f"{found.first + 1:,} to {last:,} of " if found.height > found.rows.height else ""
        self._title.object = f"<h2>{escaped(name)}<span>{span}{found.height:,} rows</span></h2>"
        self._up.visible = self._down.visible = found.height > found.rows.height
        self._up.disabled, self._down.disabled = found.first == 0, last >= found.height
        grid = self._grid(found.rows)
        if list(self._state) != [grid.view]:
            self._state[:] = [grid.view]
        columns = {column: f"c{i}" for i, column in enumerate(found.rows.columns)}
        lit = [(number, columns[column]) for number, column in found.lit]
        grid.show(
            trials.texts(found.rows),
            lit=lit,
            export=self._export(
                trial,
                name,
                lambda: trial.at(position=at).table(name),
                f"trial.at(position={at}).table({name!r})",
            ),
        )

    def _grid(self, rows: pl.DataFrame) -> Grid:
        """Return the grid for a table: its columns are those of the projection."""
        key = tuple(rows.columns)
        if key not in self._grids:
            cells = tuple(
                # Tabulator takes a title for HTML.
                Cell(
                    f"c{i}",
                    escaped(name),
                    90,
                    grow=1,
                    look="wb-mono" if i == 0 else "",
                    form="id" if dtype.is_numeric() else "text",
                )
                for i, (name, dtype) in enumerate(rows.schema.items())
            )
            self._grids[key] = Grid(cells, self._open_cell)
        return self._grids[key]

    async def _show_wrote(self, trial: Trial, scene: Scene, name: str) -> None:
        """Show which events wrote the chosen row or cell."""
        key = None if scene.key is None else trials.key_of(scene.key, trial, name)
        self._wrote_frame = None
        self._halves.css_classes = ["wb-halves"] if key is None else ["wb-halves", "wb-open"]
        if key is None:
            self._wrote.hide()
            self._wrote_title.object = _CLICK if self._moment and self._moment.height else ""
            return
        column = scene.column
        try:
            found = await self._answers.soon(lambda: trials.wrote(trial, name, key, column))
        except WorkbenchError as error:
            self._wrote.hide()
            self._wrote_title.object = notice("This cell cannot be explained.", str(error))
            return
        what = trials.shown_key(list(key.values()))
        of = f"{escaped(column)} of " if column is not None and column not in key else ""
        count = f"{found.height:,} event{'s' if found.height != 1 else ''} wrote it"
        self._wrote_title.object = f"<h2>{of}{escaped(what)}<span>{count}</span></h2>"
        self._wrote_frame = found
        of_cell = column if column is not None and column not in key else None
        self._wrote.show(
            found.select(
                shown("position"),
                shown_time("time"),
                pl.col("type").str.extract(r"([^:]*)$").fill_null("").alias("name"),
                "before",
                "after",
            ),
            export=self._export(
                trial,
                f"{name} explained",
                lambda: trial.explain(key, of_cell, table=name),
                f"trial.explain({key!r}, {of_cell!r}, table={name!r})",
            ),
        )

    def _export(
        self, trial: Trial, name: str, frame: Callable[[], pl.DataFrame], expression: str | None
    ) -> Export:
        """Return a table of the trial, all of it, with the Python that makes it."""
        edit = None if self._place is None else self._place.both_edits[0]
        call = None if expression is None else calls.of_trial(trial, expression, edit)
        return self._answers.export(name, frame, call)

    # What a person does

    async def _go(self, **changes: object) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(scene=self._place.scene.to(**changes)))

    async def _choose_table(self, event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._trial is not None and event.new and event.new != self._table_name:
            await self._go(table=event.new, key=None, column=None)

    async def _to_step(self, step: int, is_passing: bool) -> None:  # noqa: FBT001, of the player
        trial, place = self._trial, self._place
        if trial is None or place is None:
            return
        at = int((await self._steps_of(trial, self._table_name))[step])
        if not is_passing:
            await self._go(at=at)
            return
        # While it plays, the address stays: Back leads to where it began.
        self._first = None
        self._place = place.to(scene=place.scene.to(at=at))
        await self._show_scene(self._place.scene)

    async def _move_rows(self, by: int) -> None:
        if self._moment is not None and self._place is not None:
            self._first = max(self._moment.first + by, 0)
            await self._show_scene(self._place.scene)

    async def _rows_up(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._move_rows(-trials.ROWS)

    async def _rows_down(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._move_rows(trials.ROWS)

    async def _open_cell(self, number: int, name: str) -> None:
        found, trial = self._moment, self._trial
        if found is None or trial is None or number >= found.rows.height:
            return
        clicked = found.rows.row(number, named=True)
        key = trials.key_text({n: clicked[n] for n in trial.key(self._table_name)})
        await self._go(key=key, column=found.rows.columns[int(name[1:])])

    async def _open_change(self, _row: int, _name: str) -> None:
        await self._open_event(None)

    async def _open_event(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._moment is not None and self._place is not None:
            await self._on_place(self._place.to(page="log", event=self._moment.position))

    async def _open_wrote(self, number: int, name: str) -> None:
        if self._wrote_frame is None or number >= self._wrote_frame.height:
            return
        position = int(self._wrote_frame["position"][number])
        if name == "name" and self._place is not None:
            await self._on_place(self._place.to(page="log", event=position))
        else:
            await self._go(at=position)


def _step(found: Moment, count: int) -> str:
    if not count:
        return "<p class=muted>Nothing was changed.</p>"
    if found.step < 0:
        return f"<p>Before the first of <b>{count:,}</b> steps</p>"
    return f"<p>Step {found.step + 1:,} of <b>{count:,}</b></p>"


def _made_by(found: Moment) -> str:
    if found.event is None:
        return ""
    event = found.event
    time = "" if event["time"] is None else f"{event['time']:%Y-%m-%d %H:%M:%S} UTC"
    words = (f"position {event['position']:,}", time, str(event["stream"] or ""))
    beside = "".join(f"<span>{escaped(word)}</span>" for word in words if word)
    return f"<h2>{escaped(short_name(event['type'] or 'no type'))}{beside}</h2>"
