"""Who reads a topic of Kafka: its groups, and how far each is in each partition."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from workbench.sources.kafka_link import QUIET, Cluster
from workbench.sources.kafka_reading import Reader
from workbench.tables import RECEIVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl


def receivers_of(
    cluster: Cluster,
    position: Callable[[int, int], int],
    ends: Mapping[int, int],
    name: str,
) -> pl.DataFrame:
    """Return the groups of a topic: `workbench.tables.RECEIVERS`, a row a partition.

    Parameters
    ----------
    cluster
        Where the topic is.
    position
        Makes a position of an offset and a partition.
    ends
        The offset after the last one of each partition.
    name
        What the source is called.

    Raises
    ------
    StoreUnreadableError
        If the cluster does not tell.
    """
    now = datetime.now(UTC)
    rows = []
    for group, committed in _committed(cluster).items():
        for partition, offset in sorted(committed.items()):
            if partition not in ends:
                continue
            behind = max(ends[partition] - offset, 0)
            rows.append(
                {
                    "receiver": group,
                    "follows": name if len(ends) == 1 else f"{name}[{partition}]",
                    "position": position(offset - 1, partition),
                    "lag_events": behind,
                    "lag_s": _waited(cluster, partition, offset, now) if behind else 0.0,
                    "moved_at": None,
                }
            )
    return RECEIVERS.frame(rows).sort("receiver", "follows")


def _committed(cluster: Cluster) -> dict[str, dict[int, int]]:
    """Return for each group the offset to be read next of each partition of the topic."""
    settings: dict[str, Any] = {**cluster.configured(), "logger": QUIET}
    admin = AdminClient(settings)
    found: dict[str, dict[int, int]] = {}
    wait: Any = {"request_timeout": cluster.timeout_s}
    try:
        groups = admin.list_consumer_groups(**wait).result().valid
        for group in groups:
            asked = [ConsumerGroupTopicPartitions(group.group_id)]
            told = admin.list_consumer_group_offsets(asked, **wait)[group.group_id].result()
            offsets = {
                where.partition: where.offset
                for where in told.topic_partitions
                if where.topic == cluster.topic and where.offset >= 0
            }
            if offsets:
                found[group.group_id] = offsets
    except KafkaException as error:
        raise cluster.translated(error.args[0]) from error
    return found


def _waited(cluster: Cluster, partition: int, offset: int, now: datetime) -> float | None:
    """Return for how many seconds the first record has waited that a group has not read."""
    with closing(Reader(cluster, {partition: (offset, None)}).batches()) as batches:
        first = next(batches, None)
    if first is None:
        return None
    kind, time_ms = first[0].messages[0].timestamp()
    return max(0.0, now.timestamp() - time_ms / 1000) if kind else None
