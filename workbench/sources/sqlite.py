"""Stored events in a SQLite file: read by column, in ranges of positions, never written.

A selection is cut into ranges of positions, and each range is a query of its own, so
that several are read at once; see `workbench.sources.sqlite_reader`.
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import polars as pl

from workbench import tables
from workbench.errors import (
    MOST_ALTERNATIVES,
    StoreUnreadableError,
    UnknownApplicationError,
    UnknownLayoutError,
    near,
    printable,
)
from workbench.sources.base import REPLACED, Capabilities, Selection
from workbench.sources.layouts import (
    SENTINEL,
    Layout,
    StoredTable,
    applications_in,
    blob,
    quoted,
    recognise,
    tables_in,
    text,
)
from workbench.sources.sqlite_file import SQLiteFile
from workbench.sources.sqlite_reader import ROWS_A_PART, Reader, Width, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from workbench.sources.base import Part

    _Saw = Callable[[pl.DataFrame], object]

# Of a membership that is written into SQL.
MOST_VALUES = 5_000
MOST_CHARACTERS = 50_000


@dataclass(frozen=True)
class SQLiteSource:
    """One application's events in a SQLite file."""

    file: SQLiteFile
    layout: Layout

    @property
    def name(self) -> str:
        """The file's name, with the application where the file holds several."""
        return self.file.path.name

    @property
    def kind(self) -> str:
        """The layout's name."""
        return self.layout.kind

    @property
    def application(self) -> str | None:
        """The application, where the file says it."""
        return self.layout.application

    @property
    def capabilities(self) -> Capabilities:
        """Total order and receivers; no time index and no announcement of new events."""
        return Capabilities(
            total_order=True,
            time_index=False,
            live=False,
            receivers=bool(self.layout.tracking),
            own_numbers=self.layout.application_column is None,
        )

    @property
    def first_schema_version(self) -> int | None:
        """1 in eventsourcing 9, unknown in 10."""
        return self.layout.first_schema_version

    def head(self) -> int | None:
        """The greatest position, one look into the index."""
        return self._edge("max")

    def tail(self) -> int | None:
        """The smallest position, one look into the index."""
        return self._edge("min")

    def _edge(self, which: str) -> int | None:
        where = _where(self._of_application())
        sql = f"SELECT {which}({self.layout.position}) FROM {quoted(self.layout.events)}{where}"
        edge: int | None = self.file.ask(sql)[0][0]
        return edge

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`, counted by the database."""
        if selection.is_empty:
            return 0
        asked, left_over = _split(selection)
        if left_over == Selection():
            sql = f"SELECT count(*) FROM {quoted(self.layout.events)}{self._filters(asked)}"
            counted: int = self.file.ask(sql)[0][0]
        else:
            with self.parts(selection, {"position"}) as parts:
                counted = sum(part().height for part in parts)
        return counted if selection.limit is None else min(counted, selection.limit)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself, and the form in which this file shows a UUID."""
        value = str(stream)
        try:
            uuid = stream if isinstance(stream, UUID) else UUID(value)
        except ValueError:
            return frozenset({value})
        shown = str(uuid) if self.layout.id_has_dashes else uuid.hex
        return frozenset({shown}) if self.layout.id_is_blob else frozenset({shown, value})

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event."""
        selection = Selection(after=position - 1, upto=position)
        sql = (
            f"SELECT CAST(state AS BLOB) FROM {quoted(self.layout.events)}"
            f"{self._filters(selection)}"
        )
        found = self.file.ask(sql)
        return (found[0][0] or b"") if found else None

    def snapshots(self) -> pl.DataFrame:
        """The stored snapshots: `workbench.tables.SNAPSHOTS`."""
        if self.layout.snapshots is None:
            return tables.SNAPSHOTS.frame()
        sql = (
            f"SELECT {self._stream()}, CAST(originator_version AS INTEGER), CAST(topic AS TEXT) "
            f"FROM {quoted(self.layout.snapshots)}{_where(self._of_application())} ORDER BY 1, 2"
        )
        return self._rows(sql, tables.SNAPSHOTS.schema)

    def receivers(self) -> pl.DataFrame:
        """Who follows this application: `workbench.tables.RECEIVERS`."""
        tracked = {n: tables.RECEIVERS.schema[n] for n in ("receiver", "follows", "position")}
        frames = [
            self._rows(
                f"SELECT {t.receiver}, CAST({t.follows} AS TEXT), "
                f"CAST(max(notification_id) AS INTEGER) FROM {quoted(t.table)} "
                f"WHERE {t.follows} <> '{SENTINEL}' GROUP BY 1, 2",
                tracked,
            )
            for t in self.layout.tracking
        ]
        found = tables.RECEIVERS.filled(pl.concat(frames)) if frames else tables.RECEIVERS.frame()
        if self.layout.names_follower:
            # Here the file says whose positions these are; others are not comparable.
            ours = (self.application or "").lower()
            found = found.filter(pl.col("follows").str.to_lowercase() == ours)
        return found.sort("receiver", "follows")

    def _rows(self, sql: str, schema: Mapping[str, tables.Dtype]) -> pl.DataFrame:
        return pl.DataFrame(self.file.ask(sql), schema=schema, orient="row")

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows in ranges of positions, each read when its part is called."""
        asked, left_over = _split(selection)
        needed = {*columns, *(name for name, _ in _memberships(left_over))}
        with closing(Reader(self.file)) as reader:
            found = (
                part_of(reader, self._sql(chosen, needed), needed, saw)
                for chosen, saw in self._ranges(asked)
            )
            if left_over == Selection():
                yield found
            else:
                yield (partial(_kept, part, left_over, columns) for part in found)

    def _ranges(self, selection: Selection) -> Iterator[tuple[Selection, _Saw]]:
        """Yield the selection cut into ranges of about `ROWS_A_PART` rows.

        Ranges get wider where the numbers are sparse, and stretches without any
        event are stepped over by one look into the index.
        """
        width = Width()
        if selection.is_empty:
            return
        if selection.streams is not None:
            yield selection, _not_told  # by the index of streams, in one query
            return
        head = self._edge("max")
        if head is None:
            return
        upto = head if selection.upto is None else min(head, selection.upto)
        if selection.limit is not None and selection.limit <= ROWS_A_PART:
            yield replace(selection, upto=upto), _not_told
            return
        after = selection.after
        while (first := self._next(after, upto)) is not None:
            after = min(first - 1 + width.positions, upto)
            chosen = replace(selection, after=first - 1, upto=after, limit=None)
            yield chosen, partial(width.saw, after - first + 1)

    def _next(self, after: int | None, upto: int) -> int | None:
        position, events = self.layout.position, quoted(self.layout.events)
        lower = "" if after is None else f"{position} > {after} AND "
        sql = f"SELECT min({position}) FROM {events} WHERE {lower}{position} <= {upto}"
        found: int | None = self.file.ask(sql)[0][0]
        return found

    def _sql(self, selection: Selection, columns: Collection[str]) -> str:
        expressions = {
            "position": self.layout.position,
            "stream": f"CAST({self._stream()} AS BLOB)",
            "version": "CAST(originator_version AS INTEGER)",
            # Bytes, so that text which is not UTF-8 is found here and not in the driver.
            "type": "CAST(topic AS BLOB)",
            "state": "CAST(state AS BLOB)",
        }
        if self.layout.metadata is not None:
            expressions["metadata"] = f"CAST({self.layout.metadata} AS BLOB)"
        chosen = [f"{expressions[c]} AS {c}" for c in expressions if c in columns]
        limit = "" if selection.limit is None else f" LIMIT {selection.limit}"
        return (
            f"SELECT {', '.join(chosen) or self.layout.position + ' AS position'} "
            f"FROM {quoted(self.layout.events)}"
            f"{self._filters(selection)} ORDER BY {self.layout.position}{limit}"
        )

    def _stream(self) -> str:
        if self.layout.id_is_blob:
            return "lower(hex(originator_id))"
        return "CAST(originator_id AS TEXT)"

    def _of_application(self) -> list[str]:
        column, application = self.layout.application_column, self.layout.application
        if column is None or application is None:
            return []
        return [f"{quoted(column)} = {text(application)}"]

    def _filters(self, selection: Selection) -> str:
        conditions = self._of_application()
        position = self.layout.position
        if selection.streams is not None:
            conditions.append(f"originator_id IN ({self._ids(selection.streams)})")
            position = f"+{position}"  # else SQLite may walk the positions, not the index
        if selection.types is not None:
            types = ", ".join(map(text, sorted(selection.types)))
            conditions.append(f"CAST(topic AS TEXT) IN ({types})")
        # As the column is shown: a version need not be a number in a file made by hand.
        version = "CAST(originator_version AS INTEGER)"
        for column, operator, value in (
            (position, ">", selection.after),
            (position, "<=", selection.upto),
            (version, ">", selection.after_version),
            (version, "<=", selection.upto_version),
        ):
            if value is not None:
                conditions.append(f"{column} {operator} {value}")
        return _where(conditions)

    def _ids(self, streams: frozenset[str]) -> str:
        if self.layout.id_is_blob:
            return ", ".join(f"x'{stream}'" for stream in sorted(streams) if _is_hex(stream))
        # A BLOB in a column of texts is shown as text, and is never equal to one.
        return ", ".join(f"{text(stream)}, {blob(stream)}" for stream in sorted(streams))


def _not_told(_: pl.DataFrame) -> None:
    """Nothing follows that could be cut by what was found."""


def _split(selection: Selection) -> tuple[Selection, Selection]:
    """Return what SQL is asked, and the memberships that are left to be looked at in the rows.

    Those are too long for a statement, or have a character that stands for bytes
    which are not UTF-8.
    """
    types, streams = selection.types, selection.streams
    if _is_written(types) and _is_written(streams):
        return selection, Selection()
    asked = replace(
        selection,
        types=types if _is_written(types) else None,
        streams=streams if _is_written(streams) else None,
        limit=None,
    )
    return asked, Selection(types=types, streams=streams)


def _memberships(selection: Selection) -> list[tuple[str, frozenset[str]]]:
    both = (("type", selection.types), ("stream", selection.streams))
    return [(name, values) for name, values in both if values is not None]


def _is_written(values: frozenset[str] | None) -> bool:
    if values is None:
        return True
    few = len(values) <= MOST_VALUES and sum(map(len, values)) <= MOST_CHARACTERS
    return few and not any(REPLACED in value for value in values)


def _kept(part: Part, selection: Selection, columns: Collection[str]) -> pl.DataFrame:
    frame = part()
    for name, values in _memberships(selection):
        frame = frame.filter(pl.col(name).is_in(sorted(values)))
    return frame.select(name for name in frame.columns if name in columns)


def _is_hex(value: str) -> bool:
    return re.fullmatch("([0-9a-f]{2})*", value) is not None


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def open_sqlite(path: Path, application: str | None = None) -> SQLiteSource:
    """Return the source for a SQLite file.

    Parameters
    ----------
    path
        The file.
    application
        Which application's events, where the file holds several.

    Raises
    ------
    StoreNotFoundError, StoreUnreadableError, StoreLockedError
        If the file cannot be read as SQLite.
    UnknownLayoutError
        If no table in it looks like stored events.
    UnknownApplicationError
        If it holds several applications and `application` names none of them.
    """
    file = SQLiteFile(path)
    stored, layouts = file.steadily(lambda: _looked_into(file))
    if not layouts:
        names = ", ".join(sorted(printable(t.name) for t in stored)[:MOST_ALTERNATIVES])
        msg = (
            f"Cannot open {str(path)!r}: no table in it has the columns of stored events "
            "(originator_id, originator_version, topic, state). "
            f"Its tables are: {names or 'none at all'}. "
            "Name a store that an eventsourcing application wrote."
        )
        raise UnknownLayoutError(msg)
    return SQLiteSource(file, _chosen(path, layouts, application))


def _looked_into(file: SQLiteFile) -> tuple[list[StoredTable], list[Layout]]:
    with file.connect() as db:
        encoding = db.execute("PRAGMA encoding").fetchone()[0]
        if encoding != "UTF-8":
            msg = (
                f"Cannot read {str(file.path)!r}: its text is {encoding}, and only UTF-8 is read. "
                "Copy its tables into a new file, which is UTF-8 unless asked otherwise."
            )
            raise StoreUnreadableError(msg)
        stored = list(tables_in(db))
        found = [one for layout in recognise(stored) for one in applications_in(db, layout)]
    return stored, found


def _chosen(path: Path, layouts: list[Layout], application: str | None) -> Layout:
    names = sorted(layout.application or "" for layout in layouts)
    if application is None:
        if len(layouts) == 1:
            return layouts[0]
        listed = ", ".join(printable(name) for name in names[:MOST_ALTERNATIVES])
        msg = (
            f"Cannot choose between the {len(names)} applications of {str(path)!r}: it holds "
            f"{listed}. Name one: application={names[0]!r}."
        )
        raise UnknownApplicationError(msg)
    for fold in (str, str.casefold):
        for layout in layouts:
            if fold(application) == fold(layout.application or ""):
                return layout
    if len(layouts) == 1 and layouts[0].application is None:
        return replace(layouts[0], application=application)  # the file does not say: the user does
    msg = (
        f"Cannot find the application {application!r} in {str(path)!r}. {near(application, names)}"
    )
    raise UnknownApplicationError(msg)
