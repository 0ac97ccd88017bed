"""The Replay page: a projection over a range, its tables as of each step, and what made a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.catalog import short_name
from workbench.dashboards import trials
from workbench.dashboards.grid import Cell, Grid, shown, shown_time
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, choice, column, field, row, text
from workbench.dashboards.player import Player
from workbench.dashboards.running import NONE_OFFERED, Run, position_of
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench import Trial
    from workbench.dashboards.address import Place, Scene
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.trials import Moment

WROTE_CELLS = (
    Cell("position", "Position", 80, form="id", look="wb-go"),
    Cell("time", "Time (UTC)", 150, look="wb-quiet"),
    Cell("name", "Type", 130, grow=2),
    Cell("before", "Before", 90, grow=2, look="wb-mono wb-quiet wb-wrap"),
    Cell("after", "After", 90, grow=2, look="wb-mono wb-wrap"),
)
CHANGE_CELLS = (
    Cell("change", "Change", 72),
    Cell("key", "Row", 120, grow=2, look="wb-mono"),
    Cell("column", "Column", 110, grow=1),
    Cell("before", "Before", 90, grow=2, look="wb-mono wb-quiet"),
    Cell("after", "After", 90, grow=2, look="wb-mono"),
)


class Replay:
    """Replays of one history.

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
        self._trial: Trial | None = None
        self._ran: tuple[str | None, int | None, int | None] | None = None
        self._moment: Moment | None = None
        self._table_name = ""
        self._wrote_frame: pl.DataFrame | None = None
        self._first: int | None = None
        names = list(answers.projections)
        self._projection = choice("Projection", names, self._no_act, width=200)
        options = {"width": 130, "sizing_mode": "fixed", "margin": 0, "align": "center"}
        self._after = field(
            "After position", "After position", self._no_act, css_classes=["wb-bare"], **options
        )
        self._upto = field(
            "Up to position", "Up to position", self._no_act, css_classes=["wb-bare"], **options
        )
        self._run = Run(self._say)
        self._form = row(
            self._projection,
            self._after,
            self._upto,
            button("Run", self._start),
            self._run.stop,
            margin=(12, 0, 6, 0),
            visible=bool(names),
        )
        self._note = text("" if names else NONE_OFFERED)
        self._facts = text()
        self._tables = choice("Table", [], self._choose_table, width=180, visible=False)
        self._player = Player(self._to_step)
        self._event = text(margin=(2, 0, 4, 0))
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
        self._scene = column(
            row(self._facts, self._tables, look="bar spread"),
            self._player.view,
            self._event,
            self._changes.view,
            self._halves,
            visible=False,
        )
        self.view = column(self._form, self._note, self._scene)

    # What is shown

    async def show(self, place: Place) -> None:
        """Show the scene of a place; a trial that nobody has made yet is made.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        is_other = self._place is None or place.scene.to(key=None, column=None) != (
            self._place.scene.to(key=None, column=None)
        )
        self._place = place
        scene = place.scene
        if scene.projection is None:
            return
        if scene.projection not in self._answers.projections:
            self._say(notice(f"There is no projection {scene.projection!r} here."))
            return
        self._fill(scene)
        wanted = (scene.projection, scene.after, scene.upto)
        if self._trial is None or wanted != self._ran:
            await self._replay(scene)
        if self._trial is None or self._place is not place:
            return
        if is_other:
            self._first = None
        await self._show_scene(scene)

    async def renew(self) -> None:
        """Advance the trial; the tables follow where their end is shown, else only the steps."""
        place = self._place
        if self._trial is None or place is None or place.scene.upto is not None:
            return
        scene = place.scene
        trial = await self._answers.in_turn(lambda: self._answers.advanced(scene))
        if trial is not None and trial is not self._trial and place is self._place:
            self._trial = trial
            self._facts.object = _facts(trial)
            await self._show_scene(scene)

    def _fill(self, scene: Scene) -> None:
        self._projection.value = scene.projection
        self._after.value = "" if scene.after is None else str(scene.after)
        self._upto.value = "" if scene.upto is None else str(scene.upto)

    async def _replay(self, scene: Scene) -> None:
        """Make the trial, and show meanwhile how far that is."""
        self._trial, self._ran = None, (scene.projection, scene.after, scene.upto)
        self._player.stop()
        try:
            trial = await self._run.watch(
                "Replaying",
                self._answers,
                lambda tell, stop: self._answers.trial(scene, tell, stop),
            )
        except WorkbenchError as error:
            self._say(notice("This cannot be replayed.", str(error), kind="error"))
            return
        if trial is None:
            return  # somebody asks for another one by now
        self._trial = trial
        names = list(trial.table_names)
        self._tables.param.update(options=names, visible=len(names) > 1)
        self._facts.object = _facts(trial)
        self._note.object = "" if trial.is_complete else _PARTIAL
        self._scene.visible = True

    async def _show_scene(self, scene: Scene) -> None:
        trial = self._trial
        if trial is None:
            return
        names = trial.table_names
        name = scene.table if scene.table in names else names[0]
        self._table_name = self._tables.value = name
        first = self._first
        found, count = await self._answers.soon(lambda: _read(trial, name, scene.at, first))
        self._moment = found
        self._player.show(found.step, count)
        self._player.said.object = _step(found, count)
        self._show_moment(found, name)
        await self._show_wrote(trial, scene, name)

    def _show_moment(self, found: Moment, name: str) -> None:
        self._event.object = _made_by(found)
        if found.changes.height:
            self._changes.show(trials.in_words(found.changes))
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
        grid.show(trials.texts(found.rows), lit=lit)

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
            self._grids[key] = Grid(cells, self._open_cell, has_lit=True)
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
        self._wrote.show(
            found.select(
                shown("position"),
                shown_time("time"),
                pl.col("type").str.extract(r"([^:]*)$").fill_null("").alias("name"),
                "before",
                "after",
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
        after, upto = (position_of(found.value) for found in (self._after, self._upto))
        self._ran = None
        scene = type(self._place.scene)(self._projection.value, after, upto)
        await self._on_place(self._place.to(scene=scene))

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
        at = int(trials.steps(trial, self._table_name)[step])
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
        if self._moment is not None and self._place is not None:
            await self._on_place(self._place.to(page="log", event=self._moment.position))

    async def _open_wrote(self, number: int, _name: str) -> None:
        if self._wrote_frame is not None and number < self._wrote_frame.height:
            await self._go(at=int(self._wrote_frame["position"][number]))


_PARTIAL = notice("The replay was stopped.", "The tables are those of the events before that.")
_CLICK = "<p class=muted>Click a cell to see which events wrote it.</p>"


def _read(trial: Trial, name: str, at: int | None, first: int | None) -> tuple[Moment, int]:
    return trials.moment(trial, name, at, first=first), trials.steps(trial, name).len()


def _facts(trial: Trial) -> str:
    words = [
        f"<b>{trial.events:,}</b> events",
        f"up to position <b>{trial.last_position:,}</b>",
        f"<b>{trial.rate:,.0f}</b> events/s",
    ]
    if trial.failures.height:
        words.append(f"<b>{trial.failures.height:,}</b> failed")
    listed = "".join(f"<span>{word}</span>" for word in words)
    return f"<h1>{escaped(trial.name)}</h1><div class=facts>{listed}</div>"


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
