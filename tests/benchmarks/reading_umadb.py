"""How fast a UmaDB server is read into frames, beside its client and the library's recorder."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from eventsourcing_umadb.recorders import UmaDBApplicationRecorder
from reading import PAGE, best, say
from umadb import Client, Event

from workbench import open_history

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.umadb_server import UmaServer, append, event_of
from stores import Row, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = 300_000  # events a second
STREAMS = [str(uuid4()) for _ in range(2_000)]


def aggregates(count: int) -> Iterator[Event]:
    """Yield events as the recorder writes them, with a state of about 170 bytes."""
    for i in range(count):
        text = "a text of some length, as payloads have it, with " + "x" * 30
        state = state_of("2025-03-01T12:00:00.000000+00:00", number=i, text=text)
        version = i // len(STREAMS) + 1
        yield event_of(Row(0, STREAMS[i % len(STREAMS)], version, f"shop:Event{i % 9}", state))


def client(uri: str) -> int:
    """Take the batches as the client hands them out, with nothing looked at: the floor."""
    opened, count = Client(uri), 0
    response = opened.read()
    while batch := response.next_batch():
        count += len(batch)
    opened.close()
    return count


def library(uri: str) -> int:
    """Page through `select_notifications`."""
    recorder, last, count = UmaDBApplicationRecorder(Client(uri)), None, 0
    while page := recorder.select_notifications(last, PAGE, inclusive_of_start=last is None):
        last, count = page[-1].id, count + len(page)
    return count


def main() -> None:
    """Start a server, fill it, and print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=500_000)
    count = arguments.parse_args().events
    with tempfile.TemporaryDirectory() as folder:
        server = UmaServer(Path(folder))
        try:
            append(server, list(aggregates(count)))
            speed(server, count)
        finally:
            server.close()


def speed(server: UmaServer, count: int) -> None:
    """Print how fast the server is read, in one run with the other ways."""
    history = open_history(server.url)
    raw = ["position", "stream", "version", "type", "tags"]
    floor, scan, envelope = best(
        lambda: client(server.uri),
        lambda: history.scan().collect(),
        lambda: history.scan().select(raw).collect(),
    )
    (base,) = best(lambda: library(server.uri), rounds=1)
    print(f"{count:,} events")
    print(f"     floor, batches of the client: {count / floor.wall_s:,.0f}/s")
    print(f"     the library's recorder, nothing decoded: {count / base.wall_s:,.0f}/s")
    for what, timed in (("scan(), all columns", scan), ("without the payload", envelope)):
        rate = count / timed.wall_s
        say(what, f"{rate:,.0f}/s", f">= {TARGET:,}/s", met=rate >= TARGET)
        print(f"     in a second of processor: {count / timed.cpu_s:,.0f}")
    stream = STREAMS[7]
    (one,) = best(lambda: history.of_streams(stream).scan().collect(), rounds=3)
    print(f"     one stream of {len(STREAMS):,}: {one.wall_s * 1000:.0f} ms")


if __name__ == "__main__":
    main()
