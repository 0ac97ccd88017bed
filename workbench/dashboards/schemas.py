"""The page of schemas: which versions there are since when, and two of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn
import polars as pl

from workbench.catalog import short_name
from workbench.dashboards import versions
from workbench.dashboards.checks import Checks
from workbench.dashboards.drafting import DraftPane
from workbench.dashboards.drifting import DriftPane
from workbench.dashboards.grid import TO_THE_MINUTE, Cell, Grid, shown_time
from workbench.dashboards.markup import escaped, notice
from workbench.dashboards.parts import choice, column, loading, row, text
from workbench.dashboards.style import sheets
from workbench.dashboards.timeline import ROW_HEIGHT, bars, shares_figure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.schemas import Schema, Schemas

MOST_BARS = 40
"""Types that the timeline has; a longer history shows those with several versions first."""
TABLE_HEIGHT = 420  # pixels, from where on rows scroll

VERSION_CELLS = (
    Cell("short_name", "Type", 150, grow=2, look="wb-go"),
    Cell("name", "Version", 100),
    Cell("count", "Events", 80, form="count"),
    Cell("share", "Share", 70, form="percent"),
    Cell("fields", "Fields", 64, form="count"),
    Cell("first_position", "First position", 104, form="id"),
    Cell("first", "First (UTC)", 136, look="wb-quiet"),
    Cell("last", "Last (UTC)", 136, look="wb-quiet"),
    Cell("new", "New, with no new version", 170, grow=2, look="wb-wrap"),
)
MATRIX_CELLS = (
    Cell("path", "Field", 130, grow=2, look="wb-mono"),
    Cell("change", "Change", 76),
    Cell("older", "Older", 110, grow=2, look="wb-wrap"),
    Cell("newer", "Newer", 110, grow=2, look="wb-wrap"),
    Cell("what", "What differs", 150, grow=3, look="wb-wrap"),
)
MOST_OVERLAPS = 5


class SchemasPage:
    """The schemas of one history.

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
        self._shown: tuple[Schemas, str | None] | None = None
        self._versions = pl.DataFrame()
        self._mine: dict[str, Schema] = {}
        self._head = text(loading("Reading all payloads…"))
        self._bars = _plot()
        self._grid = Grid(VERSION_CELLS, self._open, sortable=True, most_height=TABLE_HEIGHT)
        self._title = text(visible=False, margin=(14, 0, 4, 0))
        self._older = choice("Older version", [], self._choose, width=110)
        self._newer = choice("Newer version", [], self._choose, width=110)
        beside = text("beside", width=50, sizing_mode=None, margin=(0, 4, 0, 8))
        self._choices = row(self._older, beside, self._newer, visible=False, margin=(8, 0, 8, 0))
        self._shares = _plot()
        self._matrix = Grid(MATRIX_CELLS, self._stay, most_height=TABLE_HEIGHT)
        self._note = text(visible=False)
        self._drafts = DraftPane(answers)
        self._drift = DriftPane(answers, on_place)
        self._checks = Checks(answers, on_place)
        self.view = column(
            self._head,
            self._bars,
            self._grid.view,
            self._title,
            self._shares,
            self._choices,
            self._matrix.view,
            self._note,
            self._drafts.view,
            self._drift.view,
            self._checks.view,
        )

    async def show(self, place: Place) -> None:
        """Show which schemas there are, and those of the type that the place names.

        Raises
        ------
        StoreUnreadableError
            If the store cannot be read.
        """
        self._place = place
        schemas = await self._answers.in_turn(self._answers.schemas)
        versions = await self._answers.soon(lambda: schemas.versions)
        type_ = _type_of(place, versions)
        if self._shown == (schemas, type_):
            self._compare_chosen(place)
            await self._checks.show(place, type_)
            return
        self._versions = versions
        self._head.object = _head(schemas)
        if versions.is_empty():
            self._head.object += notice("No events yet.", "There is nothing to read schemas from.")
            return
        self._show_versions(versions)
        if type_ is not None:
            await self._show_type(schemas, type_, place)
        self._shown = (schemas, type_)
        await self._drift.show(place, type_)
        await self._checks.show(place, type_)

    async def renew(self) -> None:
        """Show what has come; drift and checks only where there is another schema."""
        place, shown_ = self._place, self._shown
        if place is None or shown_ is None:
            return
        schemas = await self._answers.in_turn(self._answers.schemas)
        if schemas.head == shown_[0].head or place is not self._place:
            return
        before, type_ = list(self._mine), shown_[1]
        self._versions = await self._answers.soon(lambda: schemas.versions)
        self._head.object = _head(schemas)
        self._show_versions(self._versions)
        if type_ is None:
            await self.show(place)
            return
        await self._show_type(schemas, type_, place)
        self._shown = (schemas, type_)
        if before != list(self._mine):
            await self._drift.show(place, type_)
            await self._checks.show(place, type_)

    def _show_versions(self, versions: pl.DataFrame) -> None:
        dated = versions.filter(pl.col("first_time").is_not_null())
        several = dated.group_by("type", maintain_order=True).len("several")
        first = several.sort("several", descending=True, maintain_order=True).head(MOST_BARS)
        shown_ = dated.filter(pl.col("type").is_in(first["type"].implode()))
        if shown_.height:
            height = 50 + ROW_HEIGHT * first.height
            self._bars.param.update(object=bars(shown_), height=height, visible=True)
        export = self._answers.export("schemas", lambda: versions, "history.schemas().versions")
        self._grid.show(_version_rows(versions), export=export)

    async def _show_type(self, schemas: Schemas, type_: str, place: Place) -> None:
        self._mine = {schema.name: schema for schema in schemas.of(type_)}
        names = list(self._mine)
        title = next((schema.short_name for schema in self._mine.values()), type_)
        self._title.param.update(
            object=f"<h2>{escaped(title)}<span>{len(names)} schemas</span></h2>", visible=True
        )
        shares = await self._answers.in_turn(lambda: self._answers.shares(type_))
        has_several = len(names) > 1
        self._shares.visible = has_several and not shares.is_empty()
        if self._shares.visible:
            self._shares.param.update(object=shares_figure(shares, names), height=150)
        self._choices.visible = has_several
        if names:
            # The options first: their change alone leads nowhere.
            self._shown = None
            self._older.param.update(options=names, value=names[-2:][0])
            self._newer.param.update(options=names, value=names[-1])
        self._compare_chosen(place)

    def _compare_chosen(self, place: Place) -> None:
        """Compare the versions that a place names, else the last two."""
        names = list(self._mine)
        if names:
            self._older.value = place.older if place.older in names else names[-2:][0]
            self._newer.value = place.newer if place.newer in names else names[-1]
        self._compare()

    def _compare(self) -> None:
        older, newer = self._mine.get(self._older.value), self._mine.get(self._newer.value)
        self._drafts.offer(older, newer)
        if older is None or newer is None:
            self._matrix.hide()
            return
        found = older.beside(newer)
        self._note.visible = found.is_empty()
        if found.is_empty():
            self._note.object = notice("No fields.", "These events have no payload but their time.")
            self._matrix.hide()
        else:
            is_one = older is newer
            self._matrix.leave_out(*(["newer", "change", "what"] if is_one else []))
            pair = [f"schemas[{one.type!r}, {one.name!r}]" for one in (older, newer)]
            call = f"schemas = history.schemas()\n{pair[0]}.beside({pair[1]})"
            export = self._answers.export("two schemas", lambda: found, call)
            self._matrix.show(versions.matrix_rows(found), export=export)

    async def _choose(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        if self._shown is None or self._place is None:
            return
        place, names = self._place, list(self._mine)
        older = None if self._older.value == names[-2:][0] else self._older.value
        newer = None if self._newer.value == names[-1] else self._newer.value
        if (older, newer) != (place.older, place.newer):
            await self._on_place(place.to(older=older, newer=newer))

    async def _open(self, row_: int, _column: str) -> None:
        if self._place is not None:
            await self._on_place(
                self._place.to(schemas_of=self._versions["type"][row_], older=None, newer=None)
            )

    async def _stay(self, _row: int, _column: str) -> None:
        """A click on a field leads nowhere."""


def _plot() -> pn.pane.Plotly:
    return pn.pane.Plotly(  # type: ignore[no-untyped-call]
        sizing_mode="stretch_width",
        margin=(8, 0, 8, 0),
        stylesheets=sheets("plot"),
        config={"displayModeBar": False, "responsive": True},
        visible=False,
    )


def _type_of(place: Place, versions: pl.DataFrame) -> str | None:
    """Return the type whose schemas are compared: that of the place, else one with several."""
    known = versions["type"].to_list()
    if place.schemas_of in known:
        return place.schemas_of
    readable = versions.filter(pl.col("name") != "undecodable")
    counted = readable.group_by("type", maintain_order=True).len("several")
    found = counted.sort("several", descending=True, maintain_order=True)["type"]
    return None if found.is_empty() else str(found[0])


def _head(schemas: Schemas) -> str:
    types = len({schema.type for schema in schemas})
    silent = sum(schema.is_silent for schema in schemas)
    words = [
        f"<b>{len(schemas):,}</b> schemas of <b>{types:,}</b> types",
        f"<b>{silent:,}</b> silent: the payload changed with no new version",
        f"<b>{schemas.overlaps.height:,}</b> pairs written at the same time",
    ]
    listed = "".join(f"<span>{word}</span>" for word in words)
    return f"<h1>Schemas</h1><div class=facts>{listed}</div>{_overlaps(schemas)}"


def _overlaps(schemas: Schemas) -> str:
    """Return which schemas were written at the same time, the first few."""
    rows = schemas.overlaps.head(MOST_OVERLAPS).to_dicts()
    said = [
        f"{escaped(short_name(row['type']))} {row['older']} and {row['newer']}, "
        f"positions {row['first_position']:,} to {row['last_position']:,}"
        for row in rows
    ]
    more = schemas.overlaps.height - len(rows)
    said += [f"and {more:,} more"] if more else []
    return f"<p class=note>At the same time: {'; '.join(said)}.</p>" if said else ""


def _version_rows(versions: pl.DataFrame) -> pl.DataFrame:
    return versions.select(
        "short_name",
        "name",
        "count",
        (pl.col("share") * 100).alias("share"),
        "fields",
        "first_position",
        shown_time("first_time", TO_THE_MINUTE).alias("first"),
        shown_time("last_time", TO_THE_MINUTE).alias("last"),
        pl.col("began_with").list.join("; ").alias("new"),
    )
