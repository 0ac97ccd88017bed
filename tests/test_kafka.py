"""A topic of a broker that speaks Kafka: the contract, and what is peculiar to it.

The broker is Tansu unless WORKBENCH_TEST_KAFKA names another. Compaction, retention and the
isolation of transactions are not tested here: Tansu has none of them.
"""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from contracts import EmptySourceContract, Made, SourceContract, expected, positions
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.kafka import KafkaBroker, kafka_broker
from servers.process import free_port
from shown import places_of
from stores import Row, simple_rows, started_threads
from strategies import histories, plain_states, selections

from workbench import Projection, handles, open_history, replay, table
from workbench.errors import (
    EditError,
    ServerUnreachableError,
    StoreNotFoundError,
    StoreUnreadableError,
    TrialError,
    UnknownTargetError,
)
from workbench.sources import Selection
from workbench.sources.kafka_link import READ_ONLY
from workbench.tables import EVENTS, RECEIVERS
from workbench.targets import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workbench.sources import Source

VERSION = {"version_header": "version"}


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """Return a running broker."""
    with kafka_broker() as running:
        yield running


def plain_messages(number: int, partition: int = 0) -> list[tuple[int, str, bytes, None]]:
    """Return records without headers."""
    return [(partition, "a", b'{"n":%d}' % n, None) for n in range(number)]


# The contract


class TestOnePartition(SourceContract):
    """A topic of one partition: positions are offsets and one."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, broker: KafkaBroker) -> Made:
        """Return a topic of 40 records."""
        topic, rows = broker.write(simple_rows(40))
        return Made(open_source(broker.url(topic), **VERSION), rows)


class TestSeveralPartitions(SourceContract):
    """A topic of four partitions, of which one is empty."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, broker: KafkaBroker) -> Made:
        """Return a topic of 40 records, unevenly spread."""
        topic, rows = broker.write(simple_rows(40), 4, lambda row: (0, 1, 0, 3)[row.position % 4])
        return Made(open_source(broker.url(topic), **VERSION), rows)

    def test_is_one_part_of_one_log(self, made: Made) -> None:
        """The partition stands in its own column, and at the end of the position."""
        found = open_history(made.source.cluster.address.shown).scan().collect()
        assert (found["position"] % 100_000 == found["partition"]).all()
        assert set(found["partition"]) == {0, 1, 3}


class TestSeveralPartitionsInSmallParts(TestSeveralPartitions):
    """The same, where few records are read at once, so that partitions wait for others."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_records(cls) -> Iterator[None]:
        """Let parts have three records."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.kafka_reading.AT_ONCE", 2)
            patch.setattr("workbench.sources.kafka_reading.ROWS_A_PART", 3)
            patch.setattr("workbench.sources.kafka_reading.MOST_AHEAD", 4)
            yield


class TestEmpty(EmptySourceContract):
    """A topic without records."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, broker: KafkaBroker) -> Source:
        """Return the source."""
        return open_source(broker.url(broker.make(3)))


@settings(max_examples=20)
@given(rows=histories(plain_states(), max_size=15), asked=selections(), count=st.integers(1, 4))
def test_any_selection_of_any_history(
    broker: KafkaBroker, rows: list[Row], asked: Selection, count: int
) -> None:
    """What is left of a selection is what a look at each row leaves."""
    topic, placed = broker.write(rows, count, lambda row: row.position % count)
    made = Made(open_source(broker.url(topic), **VERSION), placed)
    assert positions(made, asked) == expected(placed, asked)


# What a record says


def test_a_record_becomes_an_event(broker: KafkaBroker) -> None:
    """Key, headers, time and value stand where the event table has them."""
    topic = broker.make()
    headers = [("ce_type", b"Order.Placed"), ("v", b"3"), ("shape", b"2"), ("raw", b"\xff")]
    producer = Producer({"bootstrap.servers": broker.address})
    at = datetime(2025, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    producer.produce(
        topic, b'{"a":1}', "order-1", headers=headers, timestamp=int(at.timestamp() * 1000)
    )
    producer.flush(30)
    history = open_history(broker.url(topic), version_header="v", schema_version_header="shape")
    (event,) = history.scan().collect().to_dicts()
    assert event == {
        "position": 1,
        "partition": 0,
        "stream": "order-1",
        "version": 3,
        "type": "Order.Placed",
        "schema_version": 2,
        "time": at,
        "data": '{"a":1}',
        "metadata": '{"ce_type":"Order.Placed","v":"3","shape":"2","raw":"0xff"}',
        "tags": [],
        "problem": None,
    }


def test_a_record_without_anything(broker: KafkaBroker) -> None:
    """A record without key and value is an event too; its type is the topic."""
    topic = broker.make()
    broker.publish(topic, [(0, None, None, None)])
    columns = ["stream", "type", "data", "problem"]
    found = open_history(broker.url(topic)).scan().select(columns).collect().row(0)
    assert found == (None, topic, None, "no payload is stored")


def test_a_key_that_is_no_text(broker: KafkaBroker) -> None:
    """A key of bytes is shown as hexadecimal digits, and is found by them."""
    topic = broker.make()
    broker.publish(topic, [(0, b"\xff\x00", b"{}", None), (0, "é", b"{}", None)])
    history = open_history(broker.url(topic))
    assert history.scan().collect()["stream"].to_list() == ["0xff00", "é"]
    assert len(history.of_streams("0xff00")) == 1


def test_the_number_of_a_registry_is_the_schema_version(broker: KafkaBroker) -> None:
    """A schema's number before the value is the schema version; JSON after it is read."""
    topic = broker.make()
    framed = [b"\x00\x00\x00\x00\x07\x02\x08", b'\x00\x00\x00\x00\x09{"t":"A"}', b"{}"]
    broker.publish(topic, [(0, "a", value, None) for value in framed])
    found = open_history(f"{broker.url(topic)}?type_field=t").scan().collect()
    assert found["schema_version"].to_list() == [7, 9, None]
    assert found["data"].to_list() == [None, '{"t":"A"}', "{}"]
    assert found["type"].to_list() == [topic, "A", topic]
    assert "schema registry, schema 7" in found["problem"][0]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_batches_that_are_compressed(broker: KafkaBroker, codec: str) -> None:
    """However the producer compresses, the values are the same."""
    topic = broker.make()
    broker.publish(topic, plain_messages(50), **{"compression.type": codec})
    found = open_history(broker.url(topic)).scan().collect()
    assert found["data"].to_list() == [f'{{"n":{n}}}' for n in range(50)]


# What is asked of the broker


def test_a_message_of_ten_megabytes(broker: KafkaBroker) -> None:
    """A record that is larger than what is fetched at once is read whole."""
    topic, large = broker.make(), b'{"text":"%s"}' % (b"x" * 10_000_000)
    messages = [(0, "k", large, None), (0, "k", b"{}", None)]
    broker.publish(topic, messages, **{"message.max.bytes": 20_000_000})
    found = open_history(broker.url(topic)).scan().select("position", "data").collect()
    assert found["data"].str.len_bytes().to_list() == [len(large), 2]


def test_one_partition_is_in_total_order(broker: KafkaBroker) -> None:
    """One partition of several can be opened alone: its positions are offsets and one."""
    topic, _ = broker.write(simple_rows(12), 3, lambda row: row.position % 3)
    history = open_history(f"{broker.url(topic)}?partition=2")
    assert history.source.capabilities.total_order
    assert history.scan().collect()["position"].to_list() == [1, 2, 3, 4]
    assert history.name == f"{topic}[2]"


def test_several_partitions_have_no_total_order(broker: KafkaBroker) -> None:
    """Nobody edits, or goes on after the last position, where there is no one order."""
    topic, _ = broker.write(simple_rows(6), 2, lambda row: row.position % 2)
    history = open_history(broker.url(topic))
    assert not history.source.capabilities.total_order
    with pytest.raises(EditError, match="several partitions"):
        history.edit(drop=[100_000])
    trial = replay(history, Counts)
    broker.publish(topic, plain_messages(1, 1))
    with pytest.raises(TrialError, match="no total order"):
        trial.advance()


class Counts(Projection):
    """Counts the events of each stream."""

    counts = table(key={"stream": pl.String}, values={"count": pl.Int64})

    @handles("Order.Placed")
    def placed(self, event):
        before = self.counts.get(event.stream) or {"count": 0}
        self.counts.set(event.stream, count=before["count"] + 1)


def test_a_trial_goes_on_over_one_partition(broker: KafkaBroker) -> None:
    """A trial over a topic of one partition advances like any other."""
    topic, rows = broker.write(simple_rows(6))
    trial = replay(open_history(broker.url(topic)), Counts)
    row = rows[0]
    broker.publish(topic, [(0, row.stream, row.state, [("type", row.type.encode())])])
    assert trial.advance().table()["count"].sum() == trial.table()["count"].sum() + 1


def test_a_start_time_leaves_nothing_out(broker: KafkaBroker) -> None:
    """`since` finds every record of that time or later, also where times step back."""
    topic = broker.make(2)
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    minutes = [0, 5, 3, 9, 1, 7]
    producer = Producer({"bootstrap.servers": broker.address})
    for n, minute in enumerate(minutes):
        at = int((begin + timedelta(minutes=minute)).timestamp() * 1000)
        producer.produce(topic, b"{}", partition=n % 2, timestamp=at)
    producer.flush(30)
    found = open_history(broker.url(topic)).since(begin + timedelta(minutes=5)).scan().collect()
    assert found.height == 3


# Nothing missed, nothing twice


def test_the_head_is_the_last_record_though_the_broker_says_less(broker: KafkaBroker) -> None:
    """The end that a broker tells may be that of the last batch but one: reading finds more."""
    topic = broker.make()
    broker.publish(topic, plain_messages(7))
    broker.publish(topic, plain_messages(500), **{"linger.ms": 200})
    history = open_history(broker.url(topic))
    assert (history.head, len(history)) == (507, 507)


def test_markers_of_transactions_are_holes(broker: KafkaBroker) -> None:
    """The end of a transaction takes an offset, and is no event."""
    topic = broker.make()
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": topic})
    producer.init_transactions(30)
    for _ in range(3):
        producer.begin_transaction()
        for n in range(4):
            producer.produce(topic, b'{"n":%d}' % n)
        producer.commit_transaction(30)
    history = open_history(broker.url(topic))
    found = history.scan().collect()
    assert found["data"].to_list() == [f'{{"n":{n}}}' for n in range(4)] * 3
    assert found["position"].to_list() == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14]
    assert (history.head, history.source.tail()) == (14, 1)
    assert "position_hole" not in history.problems()["kind"].to_list()


def test_partitions_that_are_far_apart(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partition that is far ahead waits, and nothing is lost of either."""
    monkeypatch.setattr("workbench.sources.kafka_reading.MOST_AHEAD", 50)
    monkeypatch.setattr("workbench.sources.kafka_reading.ROWS_A_PART", 100)
    topic = broker.make(3)
    broker.publish(topic, [*plain_messages(5_000, 0), *plain_messages(900, 1)])
    found = open_history(broker.url(topic)).scan().collect()
    assert found["position"].is_sorted()
    assert found.group_by("partition").len().sort("partition").rows() == [(0, 5_000), (1, 900)]


@pytest.fixture
def own_broker() -> Iterator[KafkaBroker]:
    """Return a broker that a test may stop."""
    with kafka_broker(own=True) as running:
        yield running


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few records be fetched and handed out at once."""
    monkeypatch.setattr("workbench.sources.kafka_reading.AT_ONCE", 4)
    monkeypatch.setattr("workbench.sources.kafka_reading.ROWS_A_PART", 4)
    fewer = {"queued.max.messages.kbytes": 1, "queued.min.messages": 1, "message.max.bytes": 1_000}
    fewer |= {"fetch.max.bytes": 2_000, "fetch.message.max.bytes": 1_000}
    monkeypatch.setattr("workbench.sources.kafka_link.READ_ONLY", READ_ONLY | fewer)


def many(number: int) -> list[tuple[int, str, bytes, None]]:
    """Return records in batches of their own, so that they are fetched in turn."""
    return [(0, "a", b'{"n":%d,"x":"%s"}' % (n, b"x" * 500), None) for n in range(number)]


def test_a_broker_that_forgets_in_mid_read(own_broker: KafkaBroker, small_parts: None) -> None:
    """A broker that comes back without the topic is an error, and what was read can be used."""
    topic = own_broker.make()
    own_broker.publish(topic, many(2_000), **{"batch.num.messages": 2, "linger.ms": 0})
    source, frames = open_source(own_broker.url(topic), timeout=3), []
    with source.parts(Selection(), {"position"}) as parts:
        frames.append(next(parts)())
        own_broker.process.restart()
        with pytest.raises((StoreNotFoundError, StoreUnreadableError)):
            frames.extend(part() for part in parts)
    found = pl.concat(frames)["position"].to_list()
    assert found == list(range(1, len(found) + 1))


def test_a_broker_that_stops_answering(own_broker: KafkaBroker, small_parts: None) -> None:
    """A broker that hangs is an error after the timeout, and no thread is left."""
    topic = own_broker.make()
    own_broker.publish(topic, many(2_000), **{"batch.num.messages": 2, "linger.ms": 0})
    source, before = open_source(own_broker.url(topic), timeout=0.5), started_threads()
    with source.parts(Selection(), {"position"}) as parts:
        next(parts)()
        own_broker.process.pause()
        with pytest.raises(ServerUnreachableError, match=r"within 0\.5 s"):
            [part() for part in parts]
    own_broker.process.go_on()
    assert started_threads() == before


# Nothing left behind


def test_nothing_is_left_at_the_broker(broker: KafkaBroker) -> None:
    """After every kind of question there is no new group, no new topic and no offset."""
    topic, _ = broker.write(simple_rows(20), 2, lambda row: row.position % 2)
    before = broker.groups(), broker.topics()
    history = open_history(broker.url(topic))
    history.scan().collect()
    history.scan().head(1).collect()
    history.since("2020-01-01").types()
    history.receivers()
    history.state(history.head)
    history.problems()
    assert (broker.groups(), broker.topics()) == before


def test_an_unknown_topic_is_not_made(broker: KafkaBroker) -> None:
    """To ask for a topic that is not there does not make it."""
    with pytest.raises(StoreNotFoundError, match="Cannot find the topic 'never-made'"):
        open_source(broker.url("never-made"))
    assert "never-made" not in broker.topics()


# Following


def test_each_partition_can_be_gone_on_with(broker: KafkaBroker) -> None:
    """What lies between the ends of partitions at two moments is what has come in between."""
    topic, _ = broker.write(simple_rows(20), 3, lambda row: row.position % 2)
    source = open_source(broker.url(topic))
    before = source.ends()
    broker.publish(topic, [*plain_messages(3, 1), *plain_messages(2, 2)])
    new = source.within(before, source.ends())
    made = Made(new, [])
    assert positions(made, Selection()) == [100_002, 200_002, 1_100_001, 1_200_001, 1_300_001]
    assert before == {0: 1_000_000, 1: 1_000_001}


def test_waiting_ends_when_a_record_comes(broker: KafkaBroker) -> None:
    """Who waits is told, and nothing is left when the waiting is over."""
    topic = broker.make()
    source, before = open_source(broker.url(topic)), started_threads()
    with source.waiting() as wait:
        broker.publish(topic, plain_messages(1))
        wait(20)
    assert source.head() == 1
    assert started_threads() == before


def test_new_records_of_all_partitions_are_followed(broker: KafkaBroker) -> None:
    """What comes to any partition while a topic is followed is yielded once, to its end."""
    topic, _ = broker.write(simple_rows(20), 3, lambda row: row.position % 2)
    new = [*plain_messages(7, 1), *plain_messages(5, 2), *plain_messages(3, 0)]
    groups, before = broker.groups(), started_threads()
    acting = threading.Thread(target=broker.publish, args=(topic, new))
    found: list[tuple[int, int]] = []
    with closing(open_history(broker.url(topic)).follow()) as frames:
        acting.start()
        while len(found) < len(new):
            found += next(frames).select("partition", "position").rows()
    acting.join()
    expected = [(p, (n + 1) * 100_000 + p) for p, low, high in _NEW for n in range(low, high)]
    assert sorted(found) == expected
    assert (broker.groups(), started_threads()) == (groups, before)


_NEW = [(0, 10, 13), (1, 10, 17), (2, 0, 5)]


# Receivers


def test_receivers_are_the_groups(broker: KafkaBroker) -> None:
    """A group stands behind the last offset that it has committed, in each partition."""
    topic, _ = broker.write(simple_rows(10), 2, lambda row: row.position % 2)
    group = f"billing-{topic}"
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": group})
    consumer.commit(
        offsets=[TopicPartition(topic, 0, 5), TopicPartition(topic, 1, 2)], asynchronous=False
    )
    consumer.close()
    found = open_history(broker.url(topic)).receivers()
    assert RECEIVERS.misfits(found) == []
    columns = ["receiver", "follows", "position", "lag_events"]
    assert found.select(columns).rows() == [
        (group, f"{topic}[0]", 500_000, 0),
        (group, f"{topic}[1]", 200_001, 3),
    ]
    assert found["lag_s"][0] == 0
    assert found["lag_s"][1] > 0


# What is wrong


@pytest.mark.parametrize("url", ["kafka://127.0.0.1", "kafka:///t", "kafka://127.0.0.1:x/t"])
def test_a_url_that_names_too_little(url: str) -> None:
    """A URL without a host, a port or a topic is an error that shows how to write it."""
    with pytest.raises(UnknownTargetError, match=r"Write kafka://host:9092/topic"):
        open_source(url)


def test_nobody_answers() -> None:
    """A broker that does not run is an error that names host and port."""
    port = free_port()
    with pytest.raises(ServerUnreachableError, match=f"127.0.0.1:{port}.*nobody answers"):
        open_source(f"kafka://127.0.0.1:{port}/t")


def test_a_partition_that_is_not_there(broker: KafkaBroker) -> None:
    """A partition that the topic does not have is an error that says how many it has."""
    topic = broker.make(2)
    with pytest.raises(UnknownTargetError, match=r"the topic has 2\. Give one from 0 to 1"):
        open_source(f"{broker.url(topic)}?partition=7")


@pytest.mark.parametrize(
    "setting", ["group.id=x", "enable.auto.commit=true", "plugin.library.paths=x"]
)
def test_a_setting_that_a_reader_is_not_given(broker: KafkaBroker, setting: str) -> None:
    """No setting of a URL makes the reader write, or runs code."""
    with pytest.raises(UnknownTargetError, match=setting.partition("=")[0]):
        open_source(f"{broker.url('t')}?{setting}")


SECRET = "s3cr3t-w0rd"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_login_that_the_broker_does_not_take(broker: KafkaBroker, mechanism: str) -> None:
    """A login that fails is an error, in which the password does not stand."""
    settings = f"security.protocol=SASL_PLAINTEXT&sasl.mechanism={mechanism}&timeout=2"
    with pytest.raises(StoreUnreadableError) as refused:
        open_source(f"kafka://ann:{SECRET}@{broker.address}/t?{settings}")
    assert SECRET not in str(refused.value)


def test_tls_that_the_broker_does_not_have(broker: KafkaBroker) -> None:
    """TLS to a broker without it is an error that names the setting."""
    with pytest.raises(StoreUnreadableError, match="speak SSL"):
        open_source(f"{broker.url('t')}?security.protocol=SSL&timeout=1")


def test_settings_in_a_file(
    broker: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings may stand in a file of properties, which `kcat` uses too."""
    topic, _ = broker.write(simple_rows(3))
    file = tmp_path / "client.properties"
    file.write_text("# mine\nbootstrap.servers=ignored:1\nclient.id = me\n")
    monkeypatch.setenv("KCAT_CONFIG", str(file))
    source = open_source(broker.url(topic))
    assert source.cluster.settings == {"client.id": "me"}
    assert source.count(Selection()) == 3


def test_a_file_of_settings_that_is_not_there(broker: KafkaBroker) -> None:
    """A file that cannot be read is an error that names it."""
    with pytest.raises(StoreUnreadableError, match="'/nowhere/x.properties'"):
        open_source(f"{broker.url('t')}?config=/nowhere/x.properties")


def test_a_secret_is_shown_nowhere(broker: KafkaBroker, tmp_path: Path) -> None:
    """Representations, recipes, logs, errors, answers and files have no password."""
    topic, _ = broker.write(simple_rows(3))
    settings = "security.protocol=PLAINTEXT&timeout=2"
    plain = f"{broker.url(topic)}?{settings}".replace("//", f"//ann:{SECRET}@")
    gone = f"kafka://ann:{SECRET}@127.0.0.1:{free_port()}/{topic}?{settings}"
    assert places_of(SECRET, plain, gone, tmp_path) == []


def test_every_row_is_of_the_event_table(broker: KafkaBroker) -> None:
    """A scan has the columns and dtypes of the event table."""
    topic, _ = broker.write(simple_rows(3), 2, lambda row: row.position % 2)
    assert EVENTS.misfits(open_history(broker.url(topic)).scan().collect()) == []
