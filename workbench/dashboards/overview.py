"""The overview: what a history is, how busy it was, what is wrong with it, what is in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import polars as pl

from workbench.dashboards import summary
from workbench.dashboards.activity import Activity
from workbench.dashboards.grid import TO_THE_MINUTE, Cell, Grid, shown, shown_time
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import column, loading, text
from workbench.dashboards.queries import Filters
from workbench.dashboards.summary import EVERY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.exporting import Export
    from workbench.dashboards.summary import Facts

PROBLEMS_HEIGHT, TYPES_HEIGHT = 320, 640  # pixels, from where on rows scroll

TYPE_CELLS = (
    Cell("name", "Type", 150, grow=3, look="wb-go"),
    Cell("count", "Events", 80, form="count"),
    Cell("share", "Share", 70, form="percent"),
    Cell("versions", "Schema versions", 120),
    Cell("first", "First (UTC)", 136, look="wb-quiet"),
    Cell("last", "Last (UTC)", 136, look="wb-quiet"),
    Cell("mean", "Mean size, B", 100, form="count"),
    Cell("largest", "Largest, B", 90, form="count"),
    Cell("undecodable", "Undecodable", 100, form="count"),
)
PROBLEM_CELLS = (
    Cell("severity", "Severity", 72),
    Cell("kind", "Kind", 168, look="wb-go"),
    Cell("found", "Found", 170, grow=2, look="wb-wrap"),
    Cell("stream", "Stream", 130, look="wb-mono"),
    Cell("positions", "Positions", 116, form="id"),
    Cell("meaning", "Meaning", 220, grow=3, look="wb-wrap wb-quiet"),
)
STREAM_CELLS = (
    Cell("stream", "Stream", 150, grow=3, look="wb-go wb-mono"),
    Cell("aggregate", "Aggregate", 110, grow=1),
    Cell("events", "Events", 80, form="count"),
    Cell("head_version", "Head version", 100, form="id"),
    Cell("first", "First (UTC)", 136, look="wb-quiet"),
    Cell("last", "Last (UTC)", 136, look="wb-quiet"),
)


class Overview:
    """The overview of one history.

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
        self._shown: tuple[Facts, str | None] | None = None
        self._frames: dict[str, pl.DataFrame] = {}
        self._head = text(loading("Opening…"))
        self._activity = Activity(self._open_window, self._choose_every)
        self._problems = _Section(
            Grid(PROBLEM_CELLS, self._open_problem, sortable=True, most_height=PROBLEMS_HEIGHT)
        )
        self._types = _Section(
            Grid(TYPE_CELLS, self._open_type, sortable=True, most_height=TYPES_HEIGHT)
        )
        self._streams = _Section(Grid(STREAM_CELLS, self._open_stream, sortable=True))
        self._sections = (self._problems, self._types, self._streams)
        self.view = column(
            self._head, self._activity.view, *(section.view for section in self._sections)
        )

    async def show(self, place: Place) -> None:
        """Show what there is, each part as soon as it is known.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        facts = await self._answers.soon(self._answers.facts)
        if (facts, place.every) == self._shown:
            return
        self._head.object = _head(facts)
        for section in self._sections:
            section.view.visible = bool(facts.events)
        if facts.events:
            await asyncio.gather(self._show_contents(facts, place), self._show_problems())
        else:
            self._activity.say(
                "No events yet.",
                "The store is there and can be read; nothing has been written to it.",
            )
        self._shown = (facts, place.every)

    async def _show_contents(self, facts: Facts, place: Place) -> None:
        types = await self._answers.in_turn(self._answers.types)
        self._frames["types"] = types
        self._head.object = _head(facts, summary.span(types))
        self._types.show("Types", f"{types.height:,}", _type_rows(types), self._export("types"))
        await self._show_activity(types, place)
        streams = await self._answers.in_turn(self._answers.streams)
        longest = summary.longest(streams)
        self._frames["streams"] = longest
        part = "" if longest.height == streams.height else f"the {longest.height} longest of "
        self._streams.show(
            "Streams", f"{part}{streams.height:,}", _stream_rows(longest), self._export("streams")
        )

    async def _show_activity(self, types: pl.DataFrame, place: Place) -> None:
        span = summary.span(types)
        if span is None:
            self._activity.say("No event carries a time.")
            return
        windows = summary.windows_for(span[1] - span[0])
        every = place.every if place.every in windows else windows[0]
        self._activity.set_every(every, windows)
        rate = await self._answers.in_turn(lambda: self._answers.activity(EVERY[every]))
        self._activity.show(rate, types)

    async def _show_problems(self) -> None:
        problems = await self._answers.in_turn(self._answers.problems)
        self._frames["problems"] = problems
        if problems.is_empty():
            self._problems.say("Problems", "none", notice("Nothing is wrong with this history."))
        else:
            self._problems.show(
                "Problems", _severities(problems), _problem_rows(problems), self._export("problems")
            )

    def _export(self, name: str) -> Export:
        """Return what a call of the history returns, named as the answer is."""
        return self._answers.export(name, getattr(self._answers, name), f"history.{name}()")

    # What a click leads to

    async def _choose_every(self, every: str) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(every=every))

    async def _open_window(self, moment: datetime) -> None:
        await self._open(summary.behind_window(moment, EVERY[self._activity.every]))

    async def _open_type(self, row: int, _column: str) -> None:
        await self._open(Filters(types=(self._frames["types"]["type"][row],)))

    async def _open_stream(self, row: int, _column: str) -> None:
        await self._open(Filters(stream=self._frames["streams"]["stream"][row]))

    async def _open_problem(self, row: int, _column: str) -> None:
        problem = self._frames["problems"].row(row, named=True)
        first, last = problem["first_position"], problem["last_position"]
        is_event = first == last and problem["kind"] != summary.HOLE
        await self._open(summary.behind_problem(problem), event=first if is_event else None)

    async def _open(self, filters: Filters, *, event: int | None = None) -> None:
        if self._place is not None:
            await self._on_place(self._place.filtered(filters, event=event))


class _Section:
    """A titled table, or what stands in its place."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._title, self._note = text(margin=(14, 0, 4, 0)), text(loading("Reading…"))
        self.view = column(self._title, grid.view, self._note)

    def show(self, title: str, beside: str, rows: pl.DataFrame, export: Export) -> None:
        """Show rows under a title, of a table that can be exported."""
        self._title.object = f"<h2>{escaped(title)}<span>{escaped(beside)}</span></h2>"
        self._note.visible = False
        self._grid.show(rows, export=export)

    def say(self, title: str, beside: str, html: str) -> None:
        """Show HTML in place of rows."""
        self._title.object = f"<h2>{escaped(title)}<span>{escaped(beside)}</span></h2>"
        self._grid.hide()
        self._note.param.update(object=html, visible=True)


def _head(facts: Facts, span: tuple[datetime, datetime] | None = None) -> str:
    words = [escaped(facts.kind)]
    if facts.application and facts.application != facts.name:
        words.append(f"application <b>{escaped(facts.application)}</b>")
    words.append(f"<b>{facts.events:,}</b> events")
    if facts.first_position is not None:
        words.append(f"positions <b>{facts.first_position:,}</b> to <b>{facts.last_position:,}</b>")
    if span is not None:
        first, last = (moment.strftime(TO_THE_MINUTE) for moment in span)
        words.append(f"<b>{first}</b> to <b>{last}</b> UTC")
    listed = "".join(f"<span>{word}</span>" for word in words)
    return f"<h1>{escaped(facts.name)}</h1><div class=facts>{listed}</div>"


def _severities(problems: pl.DataFrame) -> str:
    counts = problems.group_by("severity", maintain_order=True).len()
    return ", ".join(f"{n:,} {severity}" for severity, n in counts.iter_rows())


def _type_rows(types: pl.DataFrame) -> pl.DataFrame:
    names = summary.short_names(types)
    return types.select(
        pl.col("type").replace_strict(names, return_dtype=pl.String).alias("name"),
        "count",
        (pl.col("share") * 100).alias("share"),
        pl.col("schema_versions").cast(pl.List(pl.String)).list.join(", ").alias("versions"),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
        pl.col("mean_size_bytes").round(0).alias("mean"),
        pl.col("largest_size_bytes").alias("largest"),
        "undecodable",
    )


def _problem_rows(problems: pl.DataFrame) -> pl.DataFrame:
    first, last = pl.col("first_position"), pl.col("last_position")
    one = first.cast(pl.String)
    span = pl.when(first == last).then(one).otherwise(pl.format("{} to {}", first, last))
    return problems.select(
        "severity", "kind", "found", shown("stream"), span.fill_null("").alias("positions"),
        "meaning",
    )  # fmt: skip


def _stream_rows(streams: pl.DataFrame) -> pl.DataFrame:
    return streams.select(
        "stream",
        shown("aggregate"),
        "events",
        shown("head_version"),
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
    )
