"""How fast PostgreSQL is read, beside the library's own way, in the same run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from big_store import _rows, transcoder
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from reading import best, say

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.postgres import PASSWORD, PostgresServer, postgres_server

from workbench import open_history

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 5_000
COLUMNS = "notification_id, originator_id, originator_version, topic, state"


def recorder_of(server: PostgresServer, database: str) -> PostgresApplicationRecorder:
    """Return the library's own recorder."""
    datastore = PostgresDatastore(database, "127.0.0.1", str(server.port), "postgres", PASSWORD)
    return PostgresApplicationRecorder(datastore, events_table_name="shop_events")


def filled(server: PostgresServer, events: int) -> str:
    """Return a database with so many events, in the tables that the library makes."""
    database = server.new_database()
    recorder = recorder_of(server, database)
    recorder.create_table()
    recorder.datastore.close()
    into = "COPY shop_events (originator_id, originator_version, topic, state) FROM STDIN"
    with closing(server.connect(database)) as db:
        with db.cursor() as cursor, cursor.copy(into) as copy:
            for row in _rows(events):
                copy.write_row(row)
        db.execute("ANALYZE shop_events")
    return database


def library(recorder: PostgresApplicationRecorder) -> int:
    """Page through `select_notifications`, and decode each state: what a user does today."""
    decode, last, count = transcoder().decode, None, 0
    while page := recorder.select_notifications(last, PAGE, inclusive_of_start=last is None):
        for notification in page:
            decode(notification.state)
        last, count = page[-1].id, count + len(page)
    return count


def copied(url: str) -> int:
    """Receive the rows of a binary COPY, with nothing made of them: the other way to read."""
    query = f"COPY (SELECT {COLUMNS} FROM shop_events ORDER BY 1) TO STDOUT (FORMAT BINARY)"
    with psycopg.connect(url) as db, db.cursor() as cursor, cursor.copy(query) as copy:
        return sum(len(row) for row in copy)


def reading(server: PostgresServer, events: int) -> None:
    """Print the figures of reading."""
    database = filled(server, events)
    url = server.url(database)
    history = open_history(url)
    recorder = recorder_of(server, database)
    (base,) = best(lambda: library(recorder), rounds=2)
    recorder.datastore.close()
    print(f"     library, paging and decoding: {base.wall_s:.2f} s = {events / base.wall_s:,.0f}/s")
    calls: dict[str, Callable[[], object]] = {
        "scan(), all columns": lambda: history.scan().collect(),
        "events_by_type(), typed columns of 9 types": history.events_by_type,
    }
    copy, *found = best(lambda: copied(url), *calls.values(), rounds=3)
    print(f"     bare binary COPY, nothing made of it: {copy.wall_s:.2f} s")
    for (what, timed), least in zip(zip(calls, found, strict=True), (8, 6), strict=True):
        times = base.wall_s / timed.wall_s
        figure = f"{timed.wall_s:.2f} s = {events / timed.wall_s:,.0f}/s, {times:.1f} x"
        say(what, figure, f">= {least} x the library", met=times >= least)
        print(f"     in processor time of this process: {base.cpu_s / timed.cpu_s:.1f} x")
    (opened,) = best(lambda: open_history(url), rounds=7)
    say("open_history", f"{opened.wall_s * 1000:.0f} ms", "< 100 ms", met=opened.wall_s < 0.1)


def main() -> None:
    """Start the server, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder)) as server:
        print(f"PostgreSQL, {chosen.events:,} events")
        reading(server, chosen.events)


if __name__ == "__main__":
    main()
