"""Streams side by side, and the links between their events: who names whom.

An event names another by its metadata (correlation, causation), or the stream of another by a
field of its payload, as `order_id` of a payment names the order's stream.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.conditions import Condition, Field, Match, Or
from workbench.description import html_table
from workbench.errors import RangeError
from workbench.tables import LANES, LINKS, RELATED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Self

MOST_STREAMS = 40
MOST_EVENTS = 50_000
CORRELATION = ("correlation_id", "correlationId", "$correlationId")
CAUSATION = ("causation_id", "causationId", "$causationId")
_IDS = ("event_id", "eventId", "message_id", "messageId", "id")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_ENDS = "-_:/."
_READ = ("position", "stream", "version", "type", "time", "data", "metadata")


@dataclass(frozen=True)
class Lanes:
    """Some streams side by side, and what their events say of each other."""

    streams: tuple[str, ...]
    """The streams, in the order in which they were asked for."""
    events: pl.DataFrame = field(repr=False, compare=False)
    """Their events: `workbench.tables.LANES`."""
    links: pl.DataFrame = field(repr=False, compare=False)
    """The links between them: `workbench.tables.LINKS`."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that make links, most links first."""
        counts = self.links["field"].value_counts(sort=True)
        return tuple(counts["field"].to_list())

    def __repr__(self) -> str:
        """One line: how many streams, events and links."""
        told = f"{self.events.height:,} events, {self.links.height:,} links"
        return f"<Lanes: {len(self.streams):,} streams, {told}>"

    def _repr_html_(self) -> str:
        counts = dict(self.events.group_by("stream").len().iter_rows())
        rows = {name: f"{counts.get(name, 0):,} events" for name in self.streams}
        return html_table("Lanes", rows | {"links": f"{self.links.height:,}"})


class Traceable(ABC):
    """What links between streams are looked for in; `workbench.history.History` is it."""

    conditions: tuple[Condition, ...]

    @abstractmethod
    def of_streams(self, *streams: str) -> Self:
        """Return the events of these streams."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """Return the event table."""

    @abstractmethod
    def _with(self, more: Condition) -> Self:
        """Return the events for which a condition holds, too."""

    def lanes(self, *streams: str, fields: Collection[str] | None = None) -> Lanes:
        """Return some streams side by side, with the links between their events.

        Parameters
        ----------
        streams
            Their names.
        fields
            Which fields of a payload name streams, such as 'order_id' or 'lines[0].item'; what
            a stream's name ends with is then enough. By default any field that holds the
            whole name of one of the streams.

        Raises
        ------
        UnknownStreamError
            If the history has no such stream.
        RangeError
            If none is named, too many are, or they have too many events to be seen.

        Notes
        -----
        A field links to the last event before it in the stream that it names, or to its first.
        Events of one correlation are linked in order, each to the one before it; a causation
        links to the event that has that id, position, or `stream:version`.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> history = open_history(shop_path())
        >>> lanes = history.lanes("order-10001", "payment-10001")
        >>> lanes, lanes.fields
        (<Lanes: 2 streams, 9 events, 2 links>, ('order_id',))
        """
        chosen = tuple(dict.fromkeys(map(str, streams)))
        if not 0 < len(chosen) <= MOST_STREAMS:
            msg = (
                f"Cannot lay {len(chosen):,} streams beside each other. "
                f"Name at least one, and at most {MOST_STREAMS}."
            )
            raise RangeError(msg)
        rows = self._rows(chosen)
        order = pl.Enum(list(dict.fromkeys(chosen)))
        lane = pl.col("stream").cast(order, strict=False).to_physical().cast(pl.Int32)
        events = LANES.conform(rows.with_columns(lane.alias("lane"))).sort("position")
        return Lanes(chosen, events, links(rows, fields))

    def related(self, *streams: str, names: pl.Series | None = None) -> pl.DataFrame:
        """Return the streams that events of these name, and those whose events name these.

        Parameters
        ----------
        streams
            The streams to begin with.
        names
            The names of all streams, where they are known, to spare looking for them.

        Returns
        -------
        polars.DataFrame
            `workbench.tables.RELATED`, most events first.

        Raises
        ------
        UnknownStreamError
            If the history has no such stream.
        RangeError
            If none is named, or too many are.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> found = open_history(shop_path()).related("payment-10001")
        >>> found.select("stream", "field", "direction").rows()
        [('order-10001', 'order_id', 'names')]
        """
        chosen = self.lanes(*streams).streams
        if names is None:
            names = self.scan().select(pl.col("stream").unique()).collect()["stream"]
        known = {_folded(name): name for name in names.drop_nulls().to_list()}
        own = {_folded(name) for name in chosen}
        found = [
            {"stream": known[_folded(value)], "field": path, "direction": "names", "at": position}
            for position, _, path, value in _texts(self._rows(chosen))
            if _folded(value) in known and _folded(value) not in own
        ]
        for position, stream, path, value in _texts(self._naming(chosen)):
            if _folded(value) in own and stream is not None and _folded(stream) not in own:
                row = {"stream": stream, "field": path, "direction": "named by", "at": position}
                found.append(row)
        return _counted(found)

    def _rows(self, streams: Collection[str]) -> pl.DataFrame:
        rows = self.of_streams(*streams).scan().select(_READ).head(MOST_EVENTS + 1).collect()
        if rows.height > MOST_EVENTS:
            msg = (
                f"Cannot lay these {len(streams):,} streams beside each other: they have more than "
                f"{MOST_EVENTS:,} events. Narrow the history first, by position or time."
            )
            raise RangeError(msg)
        return rows

    def _naming(self, streams: Collection[str]) -> pl.DataFrame:
        """Return the events that have the name of one of the streams in their payload."""
        forms = {form for name in streams for form in (name, _dashed(name))}
        nodes = tuple(Match("contains", Field("data"), form) for form in sorted(forms))
        asked = Condition(f"payload names {', '.join(streams)}", Or(nodes))
        return self._with(asked).scan().select(_READ).head(MOST_EVENTS).collect()


def _counted(found: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {"stream": pl.String, "field": pl.String, "direction": pl.String, "at": pl.Int64}
    frame = pl.DataFrame(found, schema=schema).group_by("stream", "field", "direction").agg(
        pl.col("at").n_unique().cast(pl.Int64).alias("events"),
        pl.col("at").min().alias("first_position"),
    )  # fmt: skip
    order = ["events", "first_position", "stream", "field"]
    return RELATED.conform(frame).sort(order, descending=[True, False, False, False])


def links(rows: pl.DataFrame, fields: Collection[str] | None = None) -> pl.DataFrame:
    """Return the links between events: `workbench.tables.LINKS`.

    Parameters
    ----------
    rows
        The events: position, stream, version, data, metadata of `workbench.tables.EVENTS`.
    fields
        Which fields of a payload name streams; by default any.
    """
    found = [*_by_field(rows, fields), *_by_metadata(rows)]
    frame = pl.DataFrame(found, schema=LINKS.schema, orient="row").unique(maintain_order=True)
    return frame.sort("from_position", "to_position", "kind", "field")


def _by_field(rows: pl.DataFrame, fields: Collection[str] | None) -> Iterator[tuple[Any, ...]]:
    places: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for position, stream in rows.select("position", "stream").sort("position").iter_rows():
        if stream is not None:
            places.setdefault(stream, []).append(position)
            names[_folded(stream)] = stream
    for position, own, path, value in _texts(rows, numbers=fields is not None):
        if fields is not None and path not in fields:
            continue
        named = names.get(_folded(value))
        if named is None and fields is not None:
            ending = [n for n in places if n.endswith(value) and n[: -len(value)][-1:] in _ENDS]
            named = next((n for n in ending if n not in {own, value}), None)
        if named is None or named == own:
            continue
        before = bisect_right(places[named], position)
        target = places[named][max(before - 1, 0)]
        yield "field", path, value, position, own, target, named


def _by_metadata(rows: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    told = [
        (position, stream, version, _object(metadata))
        for position, stream, version, metadata in rows.sort("position")
        .select("position", "stream", "version", "metadata")
        .iter_rows()
    ]
    events: dict[str, tuple[int, str | None]] = {}
    for position, stream, version, metadata in told:
        keys = [metadata.get(name) for name in _IDS]
        for key in (*keys, position, f"{stream}:{version}"):
            if isinstance(key, str | int):
                events.setdefault(str(key), (position, stream))
    last: dict[str, tuple[int, str | None]] = {}
    for position, stream, _, metadata in told:
        for name, value in _named(metadata, CAUSATION):
            cause = events.get(value)
            if cause is not None and cause[0] != position:
                yield "causation", name, value, position, stream, *cause
        for name, value in _named(metadata, CORRELATION):
            if value in last:
                yield "correlation", name, value, position, stream, *last[value]
            last[value] = (position, stream)


def _named(metadata: Mapping[str, Any], names: Collection[str]) -> list[tuple[str, str]]:
    found = ((name, metadata.get(name)) for name in names)
    return [(name, str(value)) for name, value in found if isinstance(value, str | int)]


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _texts(
    rows: pl.DataFrame, *, numbers: bool = False
) -> Iterator[tuple[int, str | None, str, str]]:
    """Yield each text in each payload: position, stream, where it stands, and the text."""
    for position, stream, data in rows.select("position", "stream", "data").iter_rows():
        try:
            value = json.loads(data or "null")
            leaves = list(_leaves("", value, numbers=numbers))
        except (ValueError, RecursionError):
            continue
        for path, text in leaves:
            yield position, stream, path, text


def _leaves(path: str, value: object, *, numbers: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, int) and numbers and not isinstance(value, bool):
        yield path, str(value)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _leaves(f"{path}[{place}]", item, numbers=numbers)
    elif isinstance(value, dict):
        if value.keys() == {"_type_", "_data_"}:
            yield from _leaves(path, value["_data_"], numbers=numbers)
            return
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, inner, numbers=numbers)


def _folded(name: str) -> str:
    """Return a name in a form that is the same for a UUID with and without dashes."""
    lower = name.lower()
    return lower.replace("-", "") if _UUID.fullmatch(lower) else name


def _dashed(name: str) -> str:
    """Return the other form of a name that is a UUID; else the name."""
    if not _UUID.fullmatch(name.lower()):
        return name
    if "-" in name:
        return name.replace("-", "")
    return "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:]))
