"""Following a busy server for a minute while it is restarted three times: nothing may be lost.

PostgreSQL, NATS JetStream and UmaDB are restarted. Tansu, the broker that stands for Kafka,
keeps records in memory only, so that a restart loses them all: it is followed without one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import polars as pl
import psycopg
import umadb
from reading import say

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.kafka import KafkaBroker, kafka_broker
from servers.nats import NatsServer, nats_server
from servers.postgres import PostgresServer, postgres_server
from servers.umadb_server import UmaServer

from workbench import open_history

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHES_A_SECOND = 20
AWAY_S = 0.5
RESTARTS = 3
PATIENCE_S = 120.0
STREAM = "00000000-0000-4000-8000-000000000001"


class System(ABC):
    """A server that is written to, and restarted where it can be."""

    name: str
    url: str
    restarts = RESTARTS

    @abstractmethod
    def write(self, numbers: range) -> None:
        """Store an event for each number, or fail as the client does when the server is away."""

    @abstractmethod
    def restart(self) -> None:
        """Stop the server, and start it again after a moment."""

    @abstractmethod
    def stored(self) -> list[int]:
        """Return the number of each event that the server has at the end, in order, as it says."""


def payload(number: int) -> bytes:
    """Return the payload of an event: its number, and when it was written."""
    return json.dumps({"n": number, "at": time.time()}).encode()


class Postgres(System):
    """A PostgreSQL server with the library's table."""

    name = "PostgreSQL"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.database = server.new_database()
        with closing(server.connect(self.database)) as db:
            db.execute(
                "CREATE TABLE soak_events (originator_id uuid NOT NULL, originator_version bigint "
                "NOT NULL, topic text, state bytea, notification_id bigserial, "
                "PRIMARY KEY (originator_id, originator_version))"
            )
            db.execute("CREATE UNIQUE INDEX ON soak_events (notification_id)")
        self.url = server.url(self.database)

    def write(self, numbers: range) -> None:
        """Insert in one transaction, and announce it, as the library does."""
        rows = [(STREAM, number, "soak:Ticked", payload(number)) for number in numbers]
        into = "soak_events (originator_id, originator_version, topic, state)"
        with psycopg.connect(self.url) as db, db.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {into} VALUES (%s, %s, %s, %s)", rows)
            cursor.execute("NOTIFY soak_events")

    def restart(self) -> None:
        """Throw out everybody, and come back."""
        self.server.stop()
        time.sleep(AWAY_S)
        self.server.start()

    def stored(self) -> list[int]:
        """Ask the database."""
        with closing(self.server.connect(self.database)) as db:
            query = "SELECT originator_version FROM soak_events ORDER BY notification_id"
            return [number for (number,) in db.execute(query).fetchall()]


class JetStream(System):
    """A stream of a NATS server."""

    name = "NATS JetStream"

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.url = server.make("SOAK")
        self._runner = asyncio.Runner()
        self._client: nats.aio.client.Client | None = None

    def write(self, numbers: range) -> None:
        """Publish without a wait for each acknowledgement: what gets lost was never stored."""

        async def published() -> None:
            if self._client is None:
                self._client = await nats.connect(
                    self.server.url, allow_reconnect=False, connect_timeout=2, error_cb=_quiet
                )
            for number in numbers:
                await self._client.publish("SOAK.ticks", payload(number))
            await self._client.flush(2)

        try:
            self._runner.run(published())
        except BaseException:
            self._client = None
            raise

    def restart(self) -> None:
        """Kill it, and come back with what it has stored."""
        self.server.process.stop()
        time.sleep(AWAY_S)
        self.server.process.start()

    def stored(self) -> list[int]:
        """Ask for each message by its number, with the client's own pull consumer."""

        async def read() -> list[int]:
            if self._client is not None:
                await self._client.close()
            client = await nats.connect(self.server.url)
            info = await client.jetstream().stream_info("SOAK")
            found: list[int] = []
            reader = await client.jetstream().pull_subscribe("SOAK.>")
            while len(found) < info.state.messages:
                for message in await reader.fetch(1_000, timeout=10):
                    found.append(json.loads(message.data)["n"])
                    await message.ack()
            await client.close()
            return found

        with self._runner:
            return self._runner.run(read())


async def _quiet(_: Exception) -> None:
    """Say nothing of a server that is away, which is what is asked for here."""


class Uma(System):
    """A UmaDB server."""

    name = "UmaDB"

    def __init__(self, server: UmaServer) -> None:
        self.server, self.url = server, server.url

    def write(self, numbers: range) -> None:
        """Append in one transaction."""
        with closing(umadb.Client(self.server.uri)) as client:
            client.append([umadb.Event("soak:Ticked", payload(n), ["soak"]) for n in numbers])

    def restart(self) -> None:
        """End it in order, and come back."""
        self.server.stop()
        time.sleep(AWAY_S)
        self.server.start()

    def stored(self) -> list[int]:
        """Ask the client."""
        with closing(umadb.Client(self.server.uri)) as client:
            return [json.loads(found.event.data)["n"] for found in client.read()]


class Tansu(System):
    """A topic of a broker that keeps records in memory: it cannot be restarted."""

    name = "Kafka (Tansu)"
    restarts = 0

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker
        self.topic = broker.make()
        self.url = broker.url(self.topic)
        self._written: list[int] = []

    def write(self, numbers: range) -> None:
        """Produce, and wait for all acknowledgements."""
        self.broker.publish(self.topic, [(0, "soak", payload(n), None) for n in numbers])
        self._written += numbers

    def restart(self) -> None:
        """Never called."""
        raise NotImplementedError

    def stored(self) -> list[int]:
        """Return what was acknowledged: nothing is ever lost without a restart."""
        return self._written


def soak(system: System, seconds: float, rate: int) -> None:
    """Follow a system that is written to and restarted, and compare with what it has stored."""
    stop, ends = threading.Event(), time.monotonic() + seconds
    found: list[int] = []
    delays: list[float] = []

    def write() -> None:
        size, at = rate // BATCHES_A_SECOND, 0
        while time.monotonic() < ends:
            begun = time.monotonic()
            # What fails may be stored or not: the server's own word counts, at the end.
            with suppress(Exception):
                system.write(range(at, at + size))
            at += size
            time.sleep(max(0.0, 1 / BATCHES_A_SECOND - (time.monotonic() - begun)))

    def restart() -> None:
        for _ in range(system.restarts):
            time.sleep(seconds / (system.restarts + 1))
            system.restart()

    def follow() -> None:
        frames = open_history(system.url).follow(after=0, stop=stop, on_trouble=lambda _: None)
        for frame in frames:
            now = time.time()
            said = frame["data"].str.json_decode(pl.Struct({"n": pl.Int64, "at": pl.Float64}))
            found.extend(said.struct.field("n"))
            delays.extend(now - at for at in said.struct.field("at"))

    follower = threading.Thread(target=follow)
    others = [threading.Thread(target=write), threading.Thread(target=restart)]
    for thread in (follower, *others):
        thread.start()
    for thread in others:
        thread.join()
    stored, until = system.stored(), time.monotonic() + PATIENCE_S
    while len(found) < len(stored) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1.0)  # whatever comes twice has come by now
    stop.set()
    follower.join()
    say(
        f"{system.name}, {seconds:.0f} s, {system.restarts} restarts",
        f"{len(found):,} of {len(stored):,} events",
        "all, once, in order",
        met=found == stored,
    )
    late = pl.Series(delays)
    print(f"     from writing to the frame: median {late.median():.2f} s, 90 % within "
          f"{late.quantile(0.9):.2f} s")  # fmt: skip


def systems(chosen: set[str], servers: ExitStack, folder: Path) -> Iterator[System]:
    """Start one server after the other."""
    made: dict[str, Any] = {
        "postgres": lambda: Postgres(servers.enter_context(postgres_server(folder / "postgres"))),
        "nats": lambda: JetStream(servers.enter_context(nats_server(folder / "nats"))),
        "umadb": lambda: Uma(servers.enter_context(closing(UmaServer(folder / "umadb")))),
        "kafka": lambda: Tansu(servers.enter_context(kafka_broker(own=True))),
    }
    for name, make in made.items():
        if not chosen or name in chosen:
            (folder / name).mkdir()
            yield make()


def main() -> None:
    """Follow each system."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("systems", nargs="*", help="postgres, nats, umadb, kafka; default: all")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--rate", type=int, default=2_000, help="events a second")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        Path(folder).chmod(0o755)
        for system in systems(set(chosen.systems), servers, Path(folder)):
            soak(system, chosen.seconds, chosen.rate)


if __name__ == "__main__":
    main()
