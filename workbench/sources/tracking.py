"""Tracking tables in another place than the events: whom the views of a database follow.

The library keeps a view's position beside the view, so that the two change in one
transaction. A view may lie in a database of its own, in which there are no events.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import UnknownLayoutError, UnknownTargetError, missing_extra
from workbench.redaction import redacted
from workbench.sources.layouts import SENTINEL, quoted, tables_in
from workbench.sources.sqlite_file import SQLiteFile
from workbench.tables import RECEIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

POSTGRES = ("postgresql://", "postgres://")
SQLITE = "sqlite:///"
NUMBER = "notification_id"
FOLLOWED = ("upstream_application_name", "context_name", "application_name")
OWN_NAME = "tracking"
"""What the library calls the table in SQLite, whatever the view is."""
_NAMES = ("receiver", "follows", "position")


def tracked_in(target: str | Path) -> pl.DataFrame:
    """Return what the tracking tables of a database say: `workbench.tables.RECEIVERS`.

    Parameters
    ----------
    target
        A SQLite file, or a `postgresql://` URL. A receiver is named by it and by its table.

    Raises
    ------
    UnknownTargetError
        If it is neither.
    StoreNotFoundError, StoreUnreadableError, StoreLockedError
        If it cannot be read.
    UnknownLayoutError
        If it has no tracking table.
    MissingExtraError
        If the client of PostgreSQL is not installed.
    """
    text = str(target)
    if text.startswith(POSTGRES):
        rows = _in_postgres(text)
    elif "://" in text and not text.startswith(SQLITE):
        msg = (
            f"Cannot look for receivers in {redacted(text)!r}: tracking tables lie in a SQLite "
            "file or in a PostgreSQL database. Name one of these."
        )
        raise UnknownTargetError(msg)
    else:
        rows = _in_sqlite(Path(text.removeprefix(SQLITE).partition("?")[0]))
    if rows is None:
        msg = (
            f"Cannot find receivers in {redacted(text)!r}: no table in it has the columns of a "
            f"tracking table (application_name and {NUMBER}). Name the database of a view."
        )
        raise UnknownLayoutError(msg)
    schema = {name: RECEIVERS.schema[name] for name in _NAMES}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    return RECEIVERS.filled(found).sort("receiver", "follows")


def _in_sqlite(path: Path) -> list[tuple[str, str, int]] | None:
    file = SQLiteFile(path)
    with file.connect() as db:
        queries = list(_queries(path.name, {t.name: t.columns for t in tables_in(db)}, quoted))
    return [row for query in queries for row in file.ask(query)] if queries else None


def _in_postgres(url: str) -> list[tuple[str, str, int]] | None:
    try:
        from workbench.sources.postgres_layouts import tables_in as tables_of
        from workbench.sources.postgres_url import address_of
    except ImportError as error:
        raise missing_extra("PostgreSQL sources", "postgres") from error
    address = address_of(url)

    def of(table: str) -> str:
        return f"{quoted(address.schema)}.{quoted(table)}"

    with address.server.session() as session:
        ((database,),) = session.ask("SELECT current_database()")
        queries = list(_queries(database, tables_of(session, address.schema), of))
        return [row for query in queries for row in session.ask(query)] if queries else None


def _queries(place: str, tables: Mapping[str, Mapping[str, str]], of: _Named) -> Iterator[str]:
    """Yield for each tracking table what asks for its receivers, what they follow, how far."""
    for table, columns in tables.items():
        follows = next((name for name in FOLLOWED if name in columns), None)
        if follows is None or NUMBER not in columns or {"topic", "state"} & set(columns):
            continue
        name = place if table == OWN_NAME else f"{place}/{table.removesuffix('_tracking')}"
        receiver = _literal(name)
        if follows == FOLLOWED[0]:  # Django keeps those of several receivers in one table
            receiver = f"{_literal(place + '/')} || {quoted('application_name')}"
        yield (
            f"SELECT {receiver}, CAST({quoted(follows)} AS TEXT), "
            f"CAST(max({quoted(NUMBER)}) AS BIGINT) FROM {of(table)} "
            f"WHERE {quoted(follows)} <> {_literal(SENTINEL)} GROUP BY 1, 2"
        )


def _literal(text: str) -> str:
    return "'" + text.replace("\0", "").replace("'", "''") + "'"


if TYPE_CHECKING:
    from collections.abc import Callable

    _Named = Callable[[str], str]
