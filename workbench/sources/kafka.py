"""Events in a topic of Kafka, read without a group, and without committing an offset.

A topic of one partition is in total order, and the position of an event is its offset and one:
positions begin at 1, since 0 stands before all events everywhere in the workbench. Several
partitions have no common order: then the position is `(offset + 1) * 100_000 + partition`, so
that it is unique, says where the event is (its last five digits are the partition), grows within
each partition, and does not change when partitions are added. Rows are in order of position. A
new event may get a smaller position than one that was read before, so that nobody may go on
"after the last position": `ends` and `within` are for those who follow. One partition of such a
topic, `?partition=3`, is in total order again, and its positions are offsets and one.

Offsets have holes where a transaction ends, or where a compacted topic has dropped records, so
that a missing number means nothing.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from operator import methodcaller
from os import environ
from typing import TYPE_CHECKING

import polars as pl
from confluent_kafka import KafkaException, TopicPartition

from workbench import tables
from workbench.errors import UnknownTargetError
from workbench.sources.addresses import TIMEOUT_S, address_of, checked_options, number_option
from workbench.sources.base import Capabilities, Selection, as_text
from workbench.sources.kafka_link import Cluster, linked, settings_of
from workbench.sources.kafka_reading import Reader
from workbench.sources.kafka_receivers import receivers_of
from workbench.sources.messages import (
    FIELD_OPTIONS,
    NOTHING,
    STATED,
    Batch,
    Fields,
    Framing,
    fields_of,
    shown_bytes,
    stated_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping
    from datetime import datetime

    from confluent_kafka import Message

    from workbench.sources.base import Part
    from workbench.sources.kafka_reading import Run
    from workbench.sources.messages import Stated

PORT = 9092
STRIDE = 100_000
LARGEST = 2**63 - 1
OPTIONS = (*FIELD_OPTIONS, "timeout", "partition", "config")
_WIDER = 100
_KEY, _VALUE, _TIME, _HEADERS = map(methodcaller, ("key", "value", "timestamp", "headers"))


@dataclass(frozen=True, slots=True)
class Numbering:
    """How positions are made of partitions and offsets."""

    partitions: tuple[int, ...]
    is_divided: bool

    def position(self, offset: int, partition: int) -> int:
        """The position of a record."""
        return (offset + 1) * STRIDE + partition if self.is_divided else offset + 1

    def offset(self, position: int, partition: int) -> int:
        """The last offset of a partition whose position is not greater than `position`."""
        return ((position - partition) // STRIDE if self.is_divided else position) - 1

    def positions(self, offsets: pl.Series, partitions: pl.Series) -> pl.Series:
        """The positions of records."""
        numbers = offsets + 1
        return numbers * STRIDE + partitions.cast(pl.Int64) if self.is_divided else numbers


@dataclass(frozen=True)
class KafkaSource:
    """A topic, or one partition of it."""

    cluster: Cluster
    numbering: Numbering
    fields: Fields = field(default_factory=Fields)
    application: str | None = None
    """Whose events these are, where the user said it."""
    is_one_of_several: bool = False
    """Whether one partition was asked for by its number."""
    bounds: Mapping[int, tuple[int, int | None]] | None = None
    """The offsets between which each partition is read, None for all of them."""

    @property
    def name(self) -> str:
        """The topic, with the partition if it is one of several."""
        topic, partitions = self.cluster.topic, self.numbering.partitions
        return f"{topic}[{partitions[0]}]" if self.is_one_of_several else topic

    @property
    def kind(self) -> str:
        """What it is."""
        count = len(self.numbering.partitions)
        return f"Kafka, {count} partitions" if self.numbering.is_divided else "Kafka, 1 partition"

    @property
    def capabilities(self) -> Capabilities:
        """Total order in a single partition only; holes in the numbers mean nothing."""
        return Capabilities(
            total_order=not self.numbering.is_divided,
            time_index=True,
            live=True,
            receivers=True,
            own_numbers=False,
            stated=STATED,
        )

    @property
    def first_schema_version(self) -> int | None:
        """Unknown."""
        return None

    def _ranges(self, selection: Selection) -> dict[int, tuple[int, int | None]]:
        """Return between which offsets each partition is read for a selection."""
        found = {}
        for number in self.numbering.partitions:
            first, last = (0, None) if self.bounds is None else self.bounds.get(number, (0, -1))
            if selection.after is not None:
                first = max(first, self.numbering.offset(selection.after, number) + 1)
            if selection.upto is not None:
                upto = self.numbering.offset(selection.upto, number)
                last = upto if last is None else min(last, upto)
            if first < LARGEST - 1:
                found[number] = (first, last)
        return found

    def head(self) -> int | None:
        """The last position at which a record is: found by reading, since ends may be markers."""
        found = [self._last_of(number, end) for number, end in self._ends().items()]
        return max((position for position in found if position is not None), default=None)

    def _last_of(self, partition: int, end: int) -> int | None:
        first = end
        while first > 0:
            first = max(0, end - _WIDER * max(end - first, 1))
            with closing(Reader(self.cluster, {partition: (first, None)}).batches()) as batches:
                offsets = [run.offsets[-1] for batch in batches for run in batch]
            if offsets:
                return self.numbering.position(max(offsets), partition)
        return None

    def tail(self) -> int | None:
        """The first position at which a record is."""
        with self.parts(Selection(limit=1), {"position"}) as parts:
            found = [part()["position"].min() for part in parts]
        return min(found, default=None)  # type: ignore[type-var, return-value]

    def _ends(self) -> dict[int, int]:
        """Return the offset after the last one of each partition.

        The end that a broker tells may be too small, but no record is missing from there to
        the mark of the end that reading comes upon.
        """
        told = {}
        with linked(self.cluster) as link:
            link.partitions()
            for number in self.numbering.partitions:
                told[number] = (link.edges(number)[1], None)
        reader = Reader(self.cluster, told)
        with closing(reader.batches()) as batches:
            for _ in batches:
                pass
        return reader.ends

    def ends(self) -> dict[int, int]:
        """The last position of each partition, of a record or of a marker."""
        ends = self._ends().items()
        return {number: self.numbering.position(end - 1, number) for number, end in ends if end}

    def within(self, after: Mapping[int, int], upto: Mapping[int, int]) -> KafkaSource:
        """The same topic, of which each partition begins after and ends with a position."""
        bounds = {
            number: (
                self.numbering.offset(after[number], number) + 1 if number in after else 0,
                self.numbering.offset(upto[number], number),
            )
            for number in upto
        }
        return replace(self, bounds=bounds)

    @contextmanager
    def waiting(self) -> Iterator[Callable[[float], object]]:
        """A function that returns when a record has come, or after some seconds."""
        with linked(self.cluster) as link:
            ends = self._ends().items()
            topic = self.cluster.topic
            link.consumer.assign([TopicPartition(topic, number, end) for number, end in ends])
            yield lambda seconds: _next_record(link.consumer.poll, seconds)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself."""
        return frozenset({str(stream)})

    def state(self, position: int) -> bytes | None:
        """The value of one record."""
        if not 0 < position <= LARGEST:
            return None
        here = self._ranges(Selection(after=position - 1, upto=position))
        ranges = {n: r for n, r in here.items() if r[1] is not None and r[0] <= r[1]}
        with closing(Reader(self.cluster, ranges).batches()) as batches:
            found = [message for batch in batches for run in batch for message in run.messages]
        return (found[0].value() or b"") if found else None

    def position_before(self, moment: datetime) -> int | None:
        """A position before the first record of `moment` or later: a lower bound.

        A broker's answer is the first record at all that is as late, also where times step back.

        Raises
        ------
        StoreUnreadableError
            If the cluster does not answer, or refuses.
        """
        at = int(moment.timestamp() * 1000)
        topic = self.cluster.topic
        asked = [TopicPartition(topic, number, max(at, 0)) for number in self.numbering.partitions]
        with linked(self.cluster) as link:
            link.partitions()
            try:
                found = link.consumer.offsets_for_times(asked, self.cluster.timeout_s)
            except KafkaException as error:
                raise self.cluster.translated(error.args[0]) from error
        # Where no record is as late, the partition is read from what the broker says is its end.
        firsts = [self.numbering.position(f.offset, f.partition) for f in found if f.offset >= 0]
        return min(firsts) - 1 if firsts and len(firsts) == len(found) else None

    def snapshots(self) -> pl.DataFrame:
        """None: a topic has no snapshots."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """The groups that read the topic: `workbench.tables.RECEIVERS`."""
        return receivers_of(self.cluster, self.numbering.position, self._ends(), self.name)

    def count(self, selection: Selection) -> int:
        """The number of records in `selection`, by reading them: offsets have holes."""
        with self.parts(selection, {"position"}) as parts:
            return sum(part().height for part in parts)

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows, some thousands a part."""
        framing = Framing(
            self.fields, self.cluster.topic, selection, frozenset(columns), reads_frames=True
        )
        ranges = {} if selection.is_empty else self._ranges(selection)
        with closing(Reader(self.cluster, ranges).batches()) as batches:
            found = (partial(_frame, batch, framing, self.numbering) for batch in batches)
            yield found if selection.limit is None else _limited(found, selection.limit)


def _next_record(poll: Callable[[float], Message | None], seconds: float) -> None:
    """Wait for a record; the mark of an end is none."""
    message = poll(seconds)
    if message is not None and message.error() is not None:
        poll(seconds)


def _limited(parts: Iterator[Part], limit: int) -> Generator[Part, None, None]:
    """Yield parts of at most `limit` rows: each has to be looked at before the next."""
    for part in parts:
        rows = part().head(limit)
        limit -= rows.height
        yield lambda rows=rows: rows  # type: ignore[misc]
        if not limit:
            return


def _frame(runs: list[Run], framing: Framing, numbering: Numbering) -> pl.DataFrame:
    """Return the raw rows of some messages, in order of position."""
    messages = [message for run in runs for message in run.messages]
    count, needed = len(messages), framing.needed
    offsets = pl.Series([o for run in runs for o in run.offsets], dtype=pl.Int64)
    numbers = [pl.repeat(r.partition, len(r.offsets), dtype=pl.Int32, eager=True) for r in runs]
    partitions = pl.concat(numbers)
    positions = numbering.positions(offsets, partitions)
    order = positions.arg_sort()
    keys = list(map(_KEY, messages)) if "stream" in needed else [None] * count
    times = [t if kind else None for kind, t in map(_TIME, messages)] if "time" in needed else []
    values = list(map(_VALUE, messages)) if framing.reads_payloads else [None] * count
    stated = _stated(messages, framing.fields) if framing.reads_headers else None
    moments = pl.Series(times or [None] * count, dtype=pl.Datetime("ms", "UTC"))
    return framing.frame(
        Batch(
            position=positions.gather(order),
            partition=partitions.gather(order),
            stream=_streams(keys).gather(order),
            time=moments.cast(tables.TIME).gather(order),
            stated=None if stated is None else [stated[index] for index in order],
            state=pl.Series(values, dtype=pl.Binary).gather(order),
        )
    )


def _streams(keys: list[bytes | None]) -> pl.Series:
    """Return keys as text; bytes that are not UTF-8 are shown as hexadecimal digits."""
    found = as_text(pl.Series(keys, dtype=pl.Binary), "null")
    if found.null_count() == keys.count(None):
        return found
    return pl.Series([None if key is None else shown_bytes(key) for key in keys], dtype=pl.String)


def _stated(messages: list[Message], fields: Fields) -> list[Stated] | None:
    """Return what the headers say, None if there are none; those of many messages are the same."""
    told = list(map(_HEADERS, messages))
    if not any(told):
        return None
    known: dict[tuple[tuple[str, bytes | None], ...], Stated] = {}
    found = []
    for headers in told:
        if not headers:
            found.append(NOTHING)
            continue
        key = tuple(headers)
        stated = known.get(key)
        if stated is None:
            shown = [(name, None if v is None else shown_bytes(v)) for name, v in headers]
            stated = known[key] = stated_by(shown, fields)
        found.append(stated)
    return found


def open_url(url: str, application: str | None = None, **given: object) -> KafkaSource:
    """Return the source for a topic of Kafka.

    Parameters
    ----------
    url
        `kafka://host:port,host:port/topic`. Parameters with a dot in their names are settings
        of librdkafka, such as `security.protocol=SASL_SSL`.
    application
        Whose events these are, where the user knows it.
    given
        Options beside those in the URL; see `OPTIONS`.

    Raises
    ------
    UnknownTargetError
        If the URL names no topic, or an option is not known, or a partition is not there.
    StoreNotFoundError
        If there is no such topic.
    StoreUnreadableError
        If nobody answers, or the cluster refuses.
    """
    address = address_of(url, PORT, "topic")
    plain = {name: value for name, value in address.options.items() if "." not in name}
    options = checked_options(replace(address, options=plain), given, OPTIONS)
    file = options.get("config") or environ.get("KCAT_CONFIG")
    settings = settings_of(address, None if file is None else str(file))
    timeout_s = number_option(address, options, "timeout", float) or TIMEOUT_S
    cluster = Cluster(address, timeout_s, settings)
    with linked(cluster) as link:
        partitions = link.partitions()
    only = number_option(address, options, "partition", int)
    if only is None:
        whole = Numbering(partitions, len(partitions) > 1)
        return KafkaSource(cluster, whole, fields_of(options), application)
    if only not in partitions:
        msg = (
            f"Cannot open the partition {only} of {address.shown!r}: the topic has "
            f"{len(partitions)}. Give one from 0 to {partitions[-1]}."
        )
        raise UnknownTargetError(msg)
    numbering = Numbering((int(only),), is_divided=False)
    return KafkaSource(cluster, numbering, fields_of(options), application, is_one_of_several=True)
