"""Reading partitions of a Kafka topic up to their ends, in one order, each record once.

Records of several partitions come in order of (offset, partition). Those of a partition that
is ahead wait, and the partition is paused, until all others have come as far.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, TopicPartition

from workbench.sources.kafka_link import Cluster, Link

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from confluent_kafka import Message

AT_ONCE = 2_000
ROWS_A_PART = 20_000
MOST_AHEAD = 200_000
"""How many records of a partition wait for others before it is paused."""
MOST_AHEAD_BYTES = 64 * 2**20
_WAIT_S = 0.01
_OFFSET, _PARTITION, _ERROR = map(methodcaller, ("offset", "partition", "error"))


class Run(NamedTuple):
    """Messages of one partition, in order."""

    partition: int
    offsets: list[int]
    messages: list[Message]


@dataclass(slots=True)
class Lane:
    """One partition on its way from where reading begins to where it ends."""

    partition: int
    next: int
    """The offset that is read next."""
    upto: int | None
    """The last offset that is wanted, None for all up to the end."""
    is_done: bool = False
    is_paused: bool = False
    offsets: list[int] = field(default_factory=list)
    waiting: list[Message] = field(default_factory=list)
    size: int = 0

    def take(self, messages: list[Message]) -> None:
        """Put aside what is wanted of some messages."""
        if self.is_done:
            return
        offsets = list(map(_OFFSET, messages))
        if offsets[0] < self.next or (self.upto is not None and offsets[-1] > self.upto):
            begin = bisect_left(offsets, self.next)
            end = len(offsets) if self.upto is None else bisect_left(offsets, self.upto + 1)
            self.is_done = end < len(offsets)
            offsets, messages = offsets[begin:end], messages[begin:end]
        if offsets:
            self.offsets += offsets
            self.waiting += messages
            self.size += len(messages) * len(messages[-1])  # about: to look at each takes time
            self.next = offsets[-1] + 1
        self.is_done = self.is_done or (self.upto is not None and self.next > self.upto)

    def given(self, before: int | None) -> Run:
        """Return the messages at offsets less than `before`, all if None."""
        count = len(self.offsets) if before is None else bisect_left(self.offsets, before)
        found = Run(self.partition, self.offsets[:count], self.waiting[:count])
        del self.offsets[:count], self.waiting[:count]
        self.size = len(self.waiting) * len(self.waiting[-1]) if self.waiting else 0
        return found


class Reader:
    """Reads partitions, each between two offsets, up to its end as it is when that is met.

    Parameters
    ----------
    cluster
        Where the topic is.
    ranges
        For each partition, the offset to begin at, and the last one, None for the end.
    """

    def __init__(self, cluster: Cluster, ranges: Mapping[int, tuple[int, int | None]]) -> None:
        self._cluster = cluster
        self._lanes = {
            partition: Lane(partition, max(first, 0), last)
            for partition, (first, last) in ranges.items()
            if last is None or last >= max(first, 0)
        }
        self._has_read = False

    @property
    def ends(self) -> dict[int, int]:
        """The offset after the last one of each partition, once all is read."""
        return {partition: lane.next for partition, lane in self._lanes.items()}

    def batches(self) -> Generator[list[Run], None, None]:
        """Yield the messages: each batch comes before the next by (offset, partition).

        Raises
        ------
        StoreNotFoundError
            If the topic is not there, or no longer.
        StoreUnreadableError
            If the cluster does not answer, or refuses.
        """
        if not self._lanes:
            return
        with closing(Link(self._cluster)) as link:
            self._assign(link, list(self._lanes.values()))
            last_heard = time.monotonic()
            while not all(lane.is_done for lane in self._lanes.values()):
                found = link.messages(AT_ONCE, _WAIT_S)
                if found:
                    last_heard = time.monotonic()
                    self._sort_in(link, found)
                elif time.monotonic() - last_heard > self._cluster.timeout_s:
                    raise self._cluster.silent(f" after {self._where()}")
                if sum(len(lane.offsets) for lane in self._lanes.values()) >= ROWS_A_PART:
                    yield from self._in_order()
                self._balance(link)
            yield from self._in_order()

    def _assign(self, link: Link, lanes: list[Lane]) -> None:
        topic = self._cluster.topic
        starts = []
        for lane in lanes:
            low, high = link.edges(lane.partition)
            lane.next = max(lane.next, low)
            # A broker may keep silent on an offset that is not there yet: what comes before
            # the one that is wanted is passed over.
            starts.append(TopicPartition(topic, lane.partition, min(lane.next, high)))
        link.consumer.assign(starts)

    def _sort_in(self, link: Link, found: list[Message]) -> None:
        """Give each partition its messages, and look at the marks among them."""
        errors = [message for message in found if message.error() is not None]
        if errors:
            found = [message for message in found if message.error() is None]
        for partition, messages in groupby(found, _PARTITION):
            self._lanes[partition].take(list(messages))
            self._has_read = True
        for message in errors:
            self._told(link, message, message.error())

    def _told(self, link: Link, message: Message, error: KafkaError | None) -> None:
        if error is None:
            return
        lane = self._lanes.get(_PARTITION(message))
        if error.code() == KafkaError._PARTITION_EOF and lane is not None:
            lane.next = max(lane.next, _OFFSET(message))
            lane.is_done = True
        elif error.code() in _OUT_OF_RANGE and lane is not None:
            self._out_of_range(link, lane)
        else:
            raise self._cluster.translated(error)

    def _out_of_range(self, link: Link, lane: Lane) -> None:
        """Go on where the records begin now, if the broker has just removed some."""
        low, _ = link.edges(lane.partition)
        if low > lane.next:
            lane.next = low
            link.consumer.seek(TopicPartition(self._cluster.topic, lane.partition, low))
        elif self._has_read and lane.waiting:
            raise self._cluster.error(
                f"the topic ends before {self._where()}, which was read: it was made anew",
                "Open it again.",
            )
        else:
            lane.is_done = True  # to begin after the end is to read nothing

    def _where(self) -> str:
        lanes = ", ".join(f"{lane.partition}: {lane.next}" for lane in self._lanes.values())
        return f"partition and offset {lanes}"

    def _in_order(self) -> Generator[list[Run], None, None]:
        """Yield what no other record can come before."""
        lanes = self._lanes.values()
        behind = [(lane.next, lane.partition) for lane in lanes if not lane.is_done]
        if len(lanes) == 1 or not behind:
            found = [lane.given(None) for lane in lanes]
        else:
            first, partition = min(behind)
            found = [lane.given(first + (lane.partition < partition)) for lane in lanes]
        found = [run for run in found if run.offsets]
        if found:
            yield found

    def _balance(self, link: Link) -> None:
        """Pause the partitions that are far ahead, and those that are done; let others go on."""
        if len(self._lanes) == 1:
            return
        for lane in self._lanes.values():
            ahead = len(lane.offsets) > MOST_AHEAD or lane.size > MOST_AHEAD_BYTES
            wanted = lane.is_done or (ahead and not self._is_behind(lane))
            if wanted != lane.is_paused:
                where = [TopicPartition(self._cluster.topic, lane.partition)]
                (link.consumer.pause if wanted else link.consumer.resume)(where)
                lane.is_paused = wanted

    def _is_behind(self, lane: Lane) -> bool:
        return all(lane.next <= other.next for other in self._lanes.values() if not other.is_done)


_OUT_OF_RANGE = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}
