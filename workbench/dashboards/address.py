"""Where somebody is on the pages, as a value and as the query of a URL."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from workbench.dashboards.named_edits import MOST_EDITS, NamedEdit, edit_named
from workbench.dashboards.queries import Filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SIZES = (25, 50, 100)
PAGES = ("overview", "log", "lanes", "schemas", "replay", "compare", "whatif")
PARTS = ("failures", "coverage", "changes")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Scene:
    """What the pages that replay show: which trial, or two of them, and what of it."""

    projection: str | None = None
    """The name under which the projection is offered; None is none yet."""
    after: int | None = None
    upto: int | None = None
    """The positions that are replayed: after the one, up to and with the other."""
    table: str | None = None
    """The table that is shown; None is the first."""
    at: int | None = None
    """The position as of which it is shown; None is the end."""
    key: str | None = None
    """The row that is explained: its key columns as a list in JSON."""
    column: str | None = None
    """The cell of that row."""
    other: str | None = None
    """The projection that it is compared with."""
    cause: str | None = None
    """The cause of differences that is open, by its stable name."""
    edited: str | None = None
    """The name of the edit under which the history is replayed; None is as it is stored."""
    part: str | None = None
    """What is open of a trial besides its tables: one of `PARTS`."""
    other_edited: str | None = None
    """The same of what it is compared with."""
    other_history: str | None = None
    """The history of what it is compared with, by its name; None is the same history."""
    revision: str | None = None
    other_revision: str | None = None
    """The git revisions whose code is compared; None is the code that is loaded."""

    def to(self, **changes: object) -> Scene:
        """Return this scene with other values in some fields."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Place:
    """What a page shows: which history, which page of the application, and what of it."""

    history: str | None = None
    """The name under which the history is served; None is the first."""
    page: str = "overview"
    """One of `PAGES`."""
    every: str | None = None
    """The window of the activity: hour, day, week or month; None is as long as fits."""
    filters: Filters = field(default_factory=Filters)
    """Which events the log lists."""
    start: int | None = None
    """The position at which the log's page begins; None is at its beginning."""
    size: int = 50
    """How many events a page of the log has."""
    event: int | None = None
    """The position of the event that is open."""
    scene: Scene = field(default_factory=Scene)
    """What the pages that replay show."""
    edits: tuple[NamedEdit, ...] = ()
    """The named edits that have been drafted here."""
    lanes: tuple[str, ...] = ()
    """The streams that lie side by side."""
    by: str | None = None
    """The field by which they are linked; None is any."""
    scale: str | None = None
    """'order' for events at equal distances; None for a time axis."""
    schemas_of: str | None = None
    """The event type whose schemas are compared."""
    older: str | None = None
    newer: str | None = None
    """The names of the two that are compared; None for the last two."""
    level: str | None = None
    """The level of compatibility that is checked; None for the first."""
    zone: str | None = None
    """'local' for times in the zone of whoever looks; None for UTC."""

    @property
    def both_edits(self) -> tuple[NamedEdit | None, NamedEdit | None]:
        """The edits under which the history is replayed: of the scene, and of its other side."""
        scene = self.scene
        return edit_named(self.edits, scene.edited), edit_named(self.edits, scene.other_edited)

    def to(self, **changes: object) -> Place:
        """Return this place with other values in some fields."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def filtered(self, filters: Filters, *, event: int | None = None) -> Place:
        """Return the beginning of the log, with these filters."""
        return self.to(page="log", filters=filters, start=None, event=event)


def query_of(place: Place) -> str:
    """Return a place as the query of a URL, with its question mark; '' if it is the default.

    Examples
    --------
    >>> query_of(Place(page="log", filters=Filters(types=("shop:Order.Placed",)), event=87))
    '?page=log&type=shop%3AOrder.Placed&event=87'
    """
    chosen, default = place.filters, Place()
    pairs: list[tuple[str, object]] = [
        ("history", place.history),
        ("page", place.page if place.page != default.page else None),
        ("every", place.every),
        *(("type", type_) for type_ in chosen.types),
        ("stream", chosen.stream),
        ("since", chosen.since),
        ("until", chosen.until),
        ("first", chosen.first_position),
        ("last", chosen.last_position),
        ("text", chosen.text),
        ("where", chosen.where),
        ("start", place.start),
        ("size", place.size if place.size != default.size else None),
        ("event", place.event),
        *((name, getattr(place.scene, name)) for name in Scene.__slots__),
        *(("lane", name) for name in place.lanes),
        ("by", place.by),
        ("scale", place.scale),
        *(("edit", edit.text()) for edit in place.edits),
        ("of", place.schemas_of),
        ("older", place.older),
        ("newer", place.newer),
        ("level", place.level),
        ("zone", place.zone),
    ]
    query = urlencode([(name, str(value)) for name, value in pairs if value is not None])
    return f"?{query}" if query else ""


def place_of(query: str) -> Place:
    """Return the place that a URL's query names; what it says wrongly is left out.

    Examples
    --------
    >>> place_of("?page=log&stream=order-1&event=x").filters.stream
    'order-1'
    """
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    values: Mapping[str, str] = dict(pairs)
    size = _number(values.get("size"))
    page, every = values.get("page"), values.get("every")
    return Place(
        history=values.get("history"),
        page=page if page in PAGES else PAGES[0],
        every=every if every in {"hour", "day", "week", "month"} else None,
        filters=Filters(
            types=tuple(dict.fromkeys(value for name, value in pairs if name == "type")),
            stream=values.get("stream"),
            since=values.get("since") or None,
            until=values.get("until") or None,
            first_position=_number(values.get("first")),
            last_position=_number(values.get("last")),
            text=values.get("text") or None,
            where=values.get("where") or None,
        ),
        start=_number(values.get("start")),
        size=size if size in SIZES else Place().size,
        event=_number(values.get("event")),
        scene=Scene(
            projection=values.get("projection"),
            after=_number(values.get("after")),
            upto=_number(values.get("upto")),
            table=values.get("table"),
            at=_number(values.get("at")),
            key=values.get("key"),
            column=values.get("column"),
            other=values.get("other"),
            cause=values.get("cause"),
            edited=values.get("edited"),
            part=values.get("part") if values.get("part") in PARTS else None,
            other_edited=values.get("other_edited"),
            other_history=values.get("other_history"),
            revision=values.get("revision") or None,
            other_revision=values.get("other_revision") or None,
        ),
        lanes=tuple(dict.fromkeys(value for name, value in pairs if name == "lane" and value)),
        by=values.get("by") or None,
        scale="order" if values.get("scale") == "order" else None,
        edits=_edits(value for name, value in pairs if name == "edit"),
        schemas_of=values.get("of"),
        older=values.get("older") or None,
        newer=values.get("newer") or None,
        level=values.get("level") or None,
        zone="local" if values.get("zone") == "local" else None,
    )


def _edits(texts: Iterable[str]) -> tuple[NamedEdit, ...]:
    """Return the edits that an address names; of two of one name the last."""
    found = {edit.name: edit for edit in map(NamedEdit.of, texts) if edit is not None}
    return tuple(found.values())[:MOST_EDITS]


def _number(text: str | None) -> int | None:
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if abs(number) < _LARGEST else None
