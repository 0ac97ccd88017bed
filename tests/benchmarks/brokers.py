"""How fast JetStream and Kafka are read into frames, beside the client's own way."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition

sys.path.insert(0, str(Path(__file__).parents[1]))

import nats
from reading import best, say
from servers.kafka import KafkaBroker, kafka_broker
from servers.nats import NatsServer, nats_server

from workbench import open_history

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOAD = (
    b'{"timestamp":{"_type_":"datetime_iso","_data_":"2025-01-01T00:00:00.000000+00:00"},'
    b'"n":1,"text":"' + b"x" * 70 + b'"}'
)
HEADERS = {"type": "shop:Order.Placed", "release": "3"}
PARTITIONS = 4


def ordered_consumer(server: NatsServer, stream: str, count: int) -> None:
    """Read a stream as the client's documentation does: an ordered consumer with a callback."""

    async def read() -> None:
        client = await nats.connect(server.url)
        rows: list[tuple[int, bytes]] = []

        async def take(message: nats.aio.msg.Msg) -> None:
            rows.append((message.metadata.sequence.stream, message.data))

        await client.jetstream().subscribe(
            f"{stream}.>", ordered_consumer=True, cb=take, pending_msgs_limit=-1
        )
        while len(rows) < count:
            await nats.aio.client.asyncio.sleep(0.01)
        await client.close()

    server.run(read())


def consumed(broker: KafkaBroker, topic: str) -> None:
    """Read a topic as the client's documentation does, into tuples, with its default settings."""
    settings = {"bootstrap.servers": broker.address, "group.id": "x", "enable.partition.eof": True}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    rows, ends = [], 0
    while ends < PARTITIONS:
        for m in consumer.consume(1_000, 0.1):
            if m.error() is not None:
                ends += 1
            else:
                rows.append((m.partition(), m.offset(), m.timestamp(), m.key(), m.value()))
    consumer.close()


def measured(what: str, count: int, ours: Callable[[], object], client: Callable[[], object],
             target: int) -> None:  # fmt: skip
    """Print how many messages a second come into frames, beside the client's own way."""
    own, other = best(ours, client, rounds=3)
    rate = count / own.wall_s
    say(what, f"{rate:,.0f}/s, client {count / other.wall_s:,.0f}/s", f">= {target:,}/s",
        met=rate >= target)  # fmt: skip
    print(f"     in a second of processor: {count / own.cpu_s:,.0f}, client "
          f"{count / other.cpu_s:,.0f}")  # fmt: skip


def main() -> None:
    """Fill a server of each kind, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000)
    count = arguments.parse_args().events
    with tempfile.TemporaryDirectory() as folder, nats_server(Path(folder)) as server:
        for name, headers in (("PLAIN", None), ("HEADED", HEADERS)):
            url = server.make(name)
            server.publish((f"{name}.{n % 100}", PAYLOAD, headers) for n in range(count))
            measured(f"JetStream, {name.lower()}, scan(), all columns", count,
                     lambda url=url: open_history(url).scan().collect(),
                     lambda name=name: ordered_consumer(server, name, count), 150_000)  # fmt: skip
    with kafka_broker() as broker:
        for name, headers in (("plain", None), ("headed", list(HEADERS.items()))):
            topic = broker.make(PARTITIONS)
            keys = [f"key-{n}" for n in range(100)]
            broker.publish(
                topic, ((n % PARTITIONS, keys[n % 100], PAYLOAD, headers) for n in range(count))
            )
            measured(f"Kafka, {name}, scan(), all columns", count,
                     lambda topic=topic: open_history(broker.url(topic)).scan().collect(),
                     lambda topic=topic: consumed(broker, topic), 300_000)  # fmt: skip


if __name__ == "__main__":
    main()
