"""The overview: what a history is, how busy it was, what is wrong with it, what is in it.

A range of time that is brushed in the plot is followed by everything below it, and stands
in the address.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.dashboards import queries, sections, summary
from workbench.dashboards.activity import Activity
from workbench.dashboards.grid import TO_THE_MINUTE, Cell, Grid
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import button, column, failure, loading, row, text
from workbench.dashboards.queries import Filters
from workbench.dashboards.ranges import range_of
from workbench.dashboards.sections import Section
from workbench.dashboards.session import present
from workbench.dashboards.summary import EVERY
from workbench.errors import RangeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    import polars as pl

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.exporting import Export
    from workbench.dashboards.summary import Facts

_NO_RECEIVERS = notice("Nobody is known to follow this source.", "It keeps no positions of others.")
_VERSIONS_CODE = """(
    {}.scan()
    .group_by("type", "schema_version")
    .agg(pl.len().alias("count"), pl.col("position").min(), pl.col("time").min())
    .collect()
)"""


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
        self._shown: tuple[Facts, str | None, Filters] | None = None
        self._frames: dict[str, pl.DataFrame] = {}
        self._head = text(loading("Opening…"))
        self._activity = Activity(self._open_window, self._choose_every, self._brush)
        self._chosen = text(margin=(8, 0, 0, 0))
        self._brushed = row(
            self._chosen,
            button("Open these in the log", self._open_range, look="link"),
            button("Show all", self._unbrush, look="link", key="close"),
            visible=False,
        )
        tall, short = sections.TYPES_HEIGHT, sections.PROBLEMS_HEIGHT
        self._problems = self._section(sections.PROBLEM_CELLS, self._open_problem, short)
        self._types = self._section(sections.TYPE_CELLS, self._open_type, tall)
        self._versions = self._section(sections.VERSION_CELLS, self._open_version, short)
        self._receivers = self._section(sections.RECEIVER_CELLS, self._open_receiver, short)
        self._streams = self._section(sections.STREAM_CELLS, self._open_stream, None)
        self._sections = (
            *(self._problems, self._types, self._versions, self._receivers),
            self._streams,
        )
        self.view = column(
            self._head,
            self._activity.view,
            self._brushed,
            *(section.view for section in self._sections),
        )

    @staticmethod
    def _section(
        cells: tuple[Cell, ...],
        act: Callable[[int, str], Awaitable[None]],
        most_height: int | None,
    ) -> Section:
        return Section(Grid(cells, act, sortable=True, most_height=most_height))

    def greet(self) -> None:
        """Show what the history is, where that is known without reading it."""
        facts = self._answers.known_facts()
        if facts is not None:
            self._head.object = _head(facts)

    async def show(self, place: Place) -> None:
        """Show what there is, each part as soon as it is known.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        facts = await self._answers.soon(self._answers.facts)
        range_ = range_of(place.filters)
        if (facts, place.every, range_) == self._shown:
            return
        self._shown = (facts, place.every, range_)
        self._head.object = _head(facts)
        for section in self._sections:
            section.view.visible = bool(facts.events)
        if not facts.events:
            self._activity.say(
                "No events yet.",
                "The store is there and can be read; nothing has been written to it.",
            )
            return
        try:
            await asyncio.gather(self._show_contents(facts, place, range_), self._show_receivers())
        except RangeError as error:
            self._brushed.visible = True
            self._chosen.object = failure(error)
        except BaseException:
            self._shown = None
            raise

    async def renew(self) -> None:
        """Show what the history has grown to."""
        if self._place is not None:
            await self.show(self._place)

    async def _show_contents(self, facts: Facts, place: Place, range_: Filters) -> None:
        whole = await self._answers.in_turn(self._answers.types)
        self._head.object = _head(facts, summary.span(whole))
        is_all = range_ == Filters()
        ask = self._answers
        types = whole if is_all else await ask.in_turn(lambda: ask.types_in(range_))
        if place is not self._place:
            return
        self._say_range(range_, types)
        self._frames["types"] = types
        self._types.show(
            "Types", f"{types.height:,}", sections.type_rows(types), self._export("types", range_)
        )
        await self._show_activity(whole, place, range_)
        await self._show_problems(range_, types)
        versions = await ask.in_turn(lambda: ask.versions_in(range_))
        streams = await ask.in_turn(lambda: ask.streams_in(range_))
        if place is self._place:
            self._show_versions(versions, range_)
            self._show_streams(streams, range_)

    def _say_range(self, range_: Filters, types: pl.DataFrame) -> None:
        is_all = range_ == Filters()
        self._brushed.visible = not is_all
        if not is_all:
            ends = [f"since <b>{escaped(range_.since)}</b>" if range_.since else ""]
            ends.append(f"until <b>{escaped(range_.until)}</b>" if range_.until else "")
            told = " ".join(filter(None, ends))
            self._chosen.object = f"<p><b>{types['count'].sum():,}</b> events {told} (UTC)</p>"

    async def _show_activity(self, types: pl.DataFrame, place: Place, range_: Filters) -> None:
        span = summary.span(types)
        if span is None:
            self._activity.say("No event carries a time.")
            return
        windows = summary.windows_for(span[1] - span[0])
        every = place.every if place.every in windows else windows[0]
        rate = await self._answers.in_turn(lambda: self._answers.activity(EVERY[every]))
        self._activity.set_every(every, windows)
        self._activity.show(rate, types, range_)

    async def _show_problems(self, range_: Filters, types: pl.DataFrame) -> None:
        ask = self._answers
        found = await ask.in_turn(lambda: ask.problems_in(range_, types))
        self._frames["problems"] = found
        if found.is_empty():
            where = "this history" if range_ == Filters() else "these events"
            self._problems.say("Problems", "none", notice(f"Nothing is wrong with {where}."))
            return
        export = self._answers.export("problems", lambda: found, "history.problems()")
        rows = sections.problem_rows(found)
        self._problems.show("Problems", sections.severities(found), rows, export)

    def _show_versions(self, versions: pl.DataFrame, range_: Filters) -> None:
        self._frames["versions"] = versions
        code = "import polars as pl\n\n" + _VERSIONS_CODE.format(queries.code_of(range_))
        export = self._answers.export("schema versions", lambda: versions, code)
        rows = sections.version_rows(versions)
        several = versions.group_by("type").len().filter(sections.SEVERAL).height
        beside = f"{versions.height:,}; {several:,} types have several"
        self._versions.show("Schema versions", beside, rows, export)

    async def _show_receivers(self) -> None:
        found = await self._answers.in_turn(self._answers.history.receivers)
        self._frames["receivers"] = found
        if found.is_empty():
            self._receivers.say("Receivers", "none", _NO_RECEIVERS)
            return
        export = self._answers.export("receivers", lambda: found, "history.receivers()")
        rows = sections.receiver_rows(found)
        self._receivers.show("Receivers", f"{found.height:,}, as of now", rows, export)

    def _show_streams(self, streams: pl.DataFrame, range_: Filters) -> None:
        longest = summary.longest(streams)
        self._frames["streams"] = longest
        part = "" if longest.height == streams.height else f"the {longest.height} longest of "
        export = self._export("streams", range_)
        rows = sections.stream_rows(longest)
        self._streams.show("Streams", f"{part}{streams.height:,}", rows, export)

    def _export(self, name: str, range_: Filters) -> Export:
        """Return what a call of the history returns, named as the answer is."""
        ask = getattr(self._answers, f"{name}_in")
        return self._answers.export(
            name, lambda: ask(range_), f"{queries.code_of(range_)}.{name}()"
        )

    # What a person does

    async def _brush(self, first: datetime, last: datetime) -> None:
        """Follow a range that was brushed."""
        if self._place is not None:
            found = summary.behind_range(first, last, EVERY[self._activity.every])
            filters = replace(self._place.filters, since=found.since, until=found.until)
            await self._on_place(self._place.to(filters=filters))

    async def _unbrush(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._place is not None:
            filters = replace(self._place.filters, since=None, until=None)
            await self._on_place(self._place.to(filters=filters))

    async def _choose_every(self, every: str) -> None:
        if self._place is not None:
            await self._on_place(self._place.to(every=every))

    async def _open_window(self, moment: datetime) -> None:
        await self._open(summary.behind_window(moment, EVERY[self._activity.every]))

    async def _open_range(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        await self._open(self._range)

    @property
    def _range(self) -> Filters:
        return Filters() if self._place is None else range_of(self._place.filters)

    async def _open_type(self, row: int, _column: str) -> None:
        await self._open(replace(self._range, types=(self._frames["types"]["type"][row],)))

    async def _open_stream(self, row: int, _column: str) -> None:
        await self._open(replace(self._range, stream=self._frames["streams"]["stream"][row]))

    async def _open_version(self, row: int, _column: str) -> None:
        if self._place is not None:
            type_ = self._frames["versions"]["type"][row]
            await self._on_place(self._place.to(page="schemas", schemas_of=type_))

    async def _open_receiver(self, row: int, _column: str) -> None:
        position = self._frames["receivers"]["position"][row]
        await self._open(Filters(first_position=None if position is None else position + 1))

    async def _open_problem(self, row: int, _column: str) -> None:
        problem = self._frames["problems"].row(row, named=True)
        first, last = problem["first_position"], problem["last_position"]
        is_event = first == last and problem["kind"] != summary.HOLE
        await self._open(summary.behind_problem(problem), event=first if is_event else None)

    async def _open(self, filters: Filters, *, event: int | None = None) -> None:
        if self._place is not None:
            await self._on_place(self._place.filtered(filters, event=event))


def _head(facts: Facts, span: tuple[datetime, datetime] | None = None) -> str:
    words = [escaped(facts.kind)]
    if facts.application and facts.application != facts.name:
        words.append(f"application <b>{escaped(facts.application)}</b>")
    words.append(f"<b>{facts.events:,}</b> events")
    if facts.first_position is not None:
        words.append(f"positions <b>{facts.first_position:,}</b> to <b>{facts.last_position:,}</b>")
    if span is not None:
        session = present()
        first, last = (session.local(moment).strftime(TO_THE_MINUTE) for moment in span)
        words.append(f"<b>{first}</b> to <b>{last}</b> {escaped(session.zone)}")
    listed = "".join(f"<span>{word}</span>" for word in words)
    return f"<h1>{escaped(facts.name)}</h1><div class=facts>{listed}</div>"
