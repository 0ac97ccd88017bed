"""Stored events in PostgreSQL: read by column, in ranges of positions, up to a safe head.

A selection is cut into ranges of positions, and each range is a query of its own, so
that several are read at once. No transaction stays open for longer than one range: what
lies below the safe head never changes; see `workbench.sources.postgres_head`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
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
from workbench.sources.base import RAW_SCHEMA, Capabilities, HeldBack, Selection
from workbench.sources.postgres_head import SafeHead
from workbench.sources.postgres_layouts import (
    PostgresLayout,
    applications_in,
    recognise,
    tables_in,
    tracked,
)
from workbench.sources.postgres_sql import Statements
from workbench.sources.postgres_url import Address, address_of
from workbench.sources.sqlite_reader import Width

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

    from workbench.sources.base import Part, Wait
    from workbench.sources.postgres_server import Reader, Server, Session

    _Saw = Callable[[pl.DataFrame], object]

LARGEST = 2**63
# More than of a file: a range has the cost of a journey to the server.
ROWS_A_PART = 2**17
FIRST_RANGE = 2**14


@dataclass(frozen=True, eq=False)
class PostgresSource:
    """One application's events in a PostgreSQL database."""

    server: Server
    layout: PostgresLayout
    database: str
    safe: SafeHead = field(repr=False)

    @property
    def _sql(self) -> Statements:
        return Statements(self.layout)

    @property
    def name(self) -> str:
        """The database's name, with the application."""
        application = self.layout.application
        return self.database if application is None else f"{self.database}/{application}"

    @property
    def kind(self) -> str:
        """The layout's name."""
        return self.layout.kind

    @property
    def application(self) -> str | None:
        """The application, as the table's name or a column of it says."""
        return self.layout.application

    @property
    def capabilities(self) -> Capabilities:
        """Total order, announcements, receivers, and tags in a DCB store; no time index."""
        return Capabilities(
            total_order=True,
            time_index=False,
            live=True,
            receivers=bool(self.layout.tracking),
            own_numbers=self.layout.application_column is None,
            tags=self.layout.tags is not None,
        )

    @property
    def first_schema_version(self) -> int | None:
        """1 in eventsourcing 9, unknown in 10 and in a DCB store."""
        return self.layout.first_schema_version

    def head(self) -> int | None:
        """The greatest position that is safe: none below it can still appear."""
        with self.server.session() as session:
            return self._head(session)

    def _head(self, session: Session) -> int | None:
        return self._edge(session, "max", Selection(upto=self.safe.bound(session)))

    def tail(self) -> int | None:
        """The smallest position, if it is safe."""
        with self.server.session() as session:
            return self._edge(session, "min", Selection(upto=self.safe.bound(session)))

    def _edge(self, session: Session, which: str, among: Selection) -> int | None:
        edge = f"{which}({self.layout.position})::bigint"
        ((found,),) = session.ask(f"SELECT {edge} FROM {self.layout.table}{self._sql.where(among)}")
        return None if found is None else int(found)

    def held_back(self) -> HeldBack | None:
        """Events that are there, and that open transactions may still precede."""
        mine = "".join(f" AND {condition}" for condition in self._sql.of_application())
        with self.server.session() as session:
            return self.safe.held_back(session, mine)

    def waiting(self) -> AbstractContextManager[Wait]:
        """What the library announces by NOTIFY; one connection listens, and asks meanwhile."""
        return self.server.listening(self.layout.channel)

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`, counted by the database."""
        if selection.is_empty:
            return 0
        limit = "" if selection.limit is None else f" LIMIT {selection.limit}"
        with self.server.session() as session:
            asked = selection.meet(Selection(upto=self.safe.bound(session)))
            rows = f"SELECT 1 FROM {self.layout.table}{self._sql.where(asked)}{limit}"
            ((counted,),) = session.ask(f"SELECT count(*) FROM ({rows}) AS found")
        return int(counted)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself, and the form in which this layout shows a UUID."""
        value = str(stream)
        try:
            uuid = stream if isinstance(stream, UUID) else UUID(value)
        except ValueError:
            return frozenset({value})
        return frozenset({str(uuid) if self.layout.id_has_dashes else uuid.hex, value})

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event."""
        if not -LARGEST <= position < LARGEST:
            return None
        with self.server.session() as session:
            asked = Selection(upto=min(position, self.safe.bound(session)))
            found = session.ask(
                f"SELECT {self.layout.state} FROM {self.layout.table}{self._sql.where(asked)} "
                f"AND {self.layout.position} = {position}"
            )
        return bytes(found[0][0] or b"") if found else None

    def snapshots(self) -> pl.DataFrame:
        """The stored snapshots: `workbench.tables.SNAPSHOTS`."""
        if self.layout.snapshots is None or self.layout.stream is None:
            return tables.SNAPSHOTS.frame()
        conditions = " AND ".join(self._sql.of_application())
        where = f" WHERE {conditions}" if conditions else ""
        with self.server.session() as session:
            rows = session.ask(
                f"SELECT {self._sql.stream_text()}, originator_version::bigint, topic "
                f"FROM {self.layout.of(self.layout.snapshots)}{where}"
            )
        found = pl.DataFrame(rows, schema=tables.SNAPSHOTS.schema, orient="row")
        return found.sort("stream", "version")

    def receivers(self) -> pl.DataFrame:
        """Who follows this application: `workbench.tables.RECEIVERS`.

        The lag is the number of its events after the receiver's position.
        """
        with self.server.session() as session:
            rows = [
                row for t in self.layout.tracking for row in session.ask(tracked(self.layout, t))
            ]
            ours = self.application
            known = [
                {"receiver": name, "follows": follows, "position": position}
                for name, follows, position in rows
                if ours is None or follows.lower() == ours.lower()
            ]
            bound = self.safe.bound(session) if known else 0
            for row in known:
                left = self._sql.where(Selection(after=row["position"], upto=bound))
                ((row["lag_events"],),) = session.ask(
                    f"SELECT count(*) FROM {self.layout.table}{left}"
                )
        schema = dict(list(tables.RECEIVERS.schema.items())[:4])
        found = pl.DataFrame(known, schema=schema)
        return tables.RECEIVERS.filled(found).sort("receiver", "follows")

    # Rows

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows in ranges of positions, each read when its part is called."""
        with ExitStack() as opened:
            yield self._parts(selection, columns, opened)

    def _parts(
        self, selection: Selection, columns: Collection[str], opened: ExitStack
    ) -> Iterator[Part]:
        if selection.is_empty:
            return
        reader = opened.enter_context(self.server.reader())
        session = opened.enter_context(self.server.session())
        for chosen, saw in self._ranges(session, selection):
            yield partial(self._read, reader, chosen, columns, saw)

    def _ranges(self, session: Session, selection: Selection) -> Iterator[tuple[Selection, _Saw]]:
        """Yield the selection cut into ranges of about `ROWS_A_PART` rows.

        Ranges get wider where the numbers are sparse, and stretches without any
        event are stepped over by one look into the index.
        """
        asked = selection.meet(Selection(upto=self.safe.bound(session)))
        is_small = asked.limit is not None and asked.limit <= ROWS_A_PART
        if asked.streams is not None or asked.tags or is_small:
            yield asked, _not_told  # by another index, in one query
            return
        upto, width, after = asked.upto or 0, Width(ROWS_A_PART, FIRST_RANGE), asked.after
        while (first := self._next(session, after, upto)) is not None:
            after = min(first - 1 + width.positions, upto)
            chosen = replace(asked, after=first - 1, upto=after, limit=None)
            yield chosen, partial(width.saw, after - first + 1)

    def _next(self, session: Session, after: int | None, upto: int) -> int | None:
        position = self.layout.position
        lower = "" if after is None else f"{position} > {after} AND "
        ((found,),) = session.ask(
            f"SELECT min({position})::bigint FROM {self.layout.table} "
            f"WHERE {lower}{position} <= {upto}"
        )
        return None if found is None else int(found)

    def _read(
        self, reader: Reader, selection: Selection, columns: Collection[str], saw: _Saw
    ) -> pl.DataFrame:
        frame = reader.fetch(self._sql.rows(selection, columns))
        saw(frame)
        names = [name for name in RAW_SCHEMA if name in columns]
        return frame.with_columns(_conformed(frame, name) for name in names).select(names)


# What a layout does not have.
_CONSTANT: dict[str, Any] = {"partition": 0, "tags": []}


def _conformed(frame: pl.DataFrame, name: str) -> pl.Expr:
    dtype = RAW_SCHEMA[name]
    if name not in frame.columns:
        return pl.lit(_CONSTANT.get(name), dtype).alias(name)
    column = pl.col(name)
    if name == "stream" and frame.schema[name] == pl.Binary:
        column = column.bin.encode("hex")
    return column.cast(dtype)


def _not_told(_: pl.DataFrame) -> None:
    """Nothing follows that could be cut by what was found."""


def open_url(url: str, application: str | None = None) -> PostgresSource:
    """Return the source for a PostgreSQL URL.

    Parameters
    ----------
    url
        `postgresql://user@host:port/database`, with any of libpq's own options, and
        `application`, `schema` and `timeout`, in seconds for one statement.
    application
        Which application's events, where the database holds several.

    Raises
    ------
    UnknownTargetError
        If the URL cannot be understood.
    ServerUnreachableError, AccessDeniedError, StoreNotFoundError, StoreUnreadableError
        If the server does not answer, refuses the user, or has no such database.
    UnknownLayoutError
        If no table of the schema looks like stored events.
    UnknownApplicationError
        If it holds several applications and none of them, or none that is there, is named.
    """
    address = address_of(url)
    named = address.application if application is None else application
    with address.server.session() as session:
        ((database, encoding),) = session.ask(
            "SELECT current_database(), current_setting('server_encoding')"
        )
        if encoding == "SQL_ASCII":
            msg = (
                f"Cannot read {address.server.shown!r}: its text has no encoding (SQL_ASCII). "
                "Copy it into a database whose encoding is UTF8."
            )
            raise StoreUnreadableError(msg)
        stored = tables_in(session, address.schema)
        layouts = [
            one
            for layout in recognise(address.schema, stored)
            for one in applications_in(session, layout)
        ]
    if not layouts:
        names = ", ".join(map(printable, list(stored)[:MOST_ALTERNATIVES]))
        msg = (
            f"Cannot open {address.server.shown!r}: no table of the schema {address.schema!r} has "
            "the columns of stored events (originator_id, originator_version, topic, state and "
            f"a number, or those of a DCB store). Its tables are: {names or 'none at all'}. "
            "Name another database, or another schema: schema=NAME in the URL."
        )
        raise UnknownLayoutError(msg)
    layout = _chosen(address, layouts, named)
    return PostgresSource(address.server, layout, database, SafeHead(layout))


def _chosen(
    address: Address, layouts: list[PostgresLayout], application: str | None
) -> PostgresLayout:
    names = sorted(layout.application or "stored" for layout in layouts)
    shown = address.server.shown
    if application is None:
        if len(layouts) == 1:
            return layouts[0]
        listed = ", ".join(printable(name) for name in names[:MOST_ALTERNATIVES])
        msg = (
            f"Cannot choose between the {len(names)} applications of {shown!r}: it holds "
            f"{listed}. Name one: application={names[0]!r}."
        )
        raise UnknownApplicationError(msg)
    for fold in (str, str.casefold):
        for layout in layouts:
            if fold(application) == fold(layout.application or "stored"):
                return layout
    if len(layouts) == 1 and layouts[0].application is None:
        return replace(layouts[0], application=application)  # the tables do not say: the user does
    msg = f"Cannot find the application {application!r} in {shown!r}. {near(application, names)}"
    raise UnknownApplicationError(msg)
