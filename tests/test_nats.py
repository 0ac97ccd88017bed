"""A stream of a real NATS JetStream: the contract, and what is peculiar to it."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import nats
import nkeys
import polars as pl
import pytest
from contracts import EmptySourceContract, Made, SourceContract, expected, positions
from hypothesis import given
from nats.js.api import AckPolicy, ConsumerConfig
from polars.testing import assert_frame_equal
from servers.certificates import write_certificate
from servers.front import front
from servers.nats import NatsServer, nats_server
from servers.nats_accounts import Accounts
from servers.process import free_port
from shown import places_of
from stores import Row, simple_rows, started_threads, state_of
from strategies import histories, plain_states, selections

from workbench import open_history
from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreNotFoundError,
    StoreUnreadableError,
    UnknownTargetError,
)
from workbench.sources import Selection
from workbench.tables import EVENTS, RECEIVERS
from workbench.targets import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.sources import Source

IN_HEADERS = {"version_header": "version", "stream_header": "stream"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server."""
    config = "max_payload: 16MB"
    with nats_server(tmp_path_factory.mktemp("nats"), config) as running:
        yield running


@pytest.fixture(scope="module")
def new_name() -> Callable[[], str]:
    """Return a function that gives names of streams that are not there."""
    numbers = count()
    return lambda: f"S{next(numbers)}"


@pytest.fixture
def name(new_name: Callable[[], str]) -> str:
    """Return a name of a stream that is not there."""
    return new_name()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch have a few messages."""
    monkeypatch.setattr("workbench.sources.nats.MESSAGES_A_BATCH", 4)


def of_subjects(name: str, rows: list[Row]) -> list[Row]:
    """Return rows whose streams are subjects of a stream of JetStream."""
    return [row._replace(stream=f"{name}.{row.stream}") for row in rows]


def plain_rows(name: str, number: int) -> list[tuple[str, bytes, None]]:
    """Return messages without headers."""
    return [(f"{name}.a", b'{"n":%d}' % n, None) for n in range(number)]


# The contract


class TestSubjects(SourceContract):
    """Streams are subjects, with holes where messages were deleted."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, server: NatsServer, new_name: Callable[[], str]) -> Made:
        """Return a stream of 40 messages at every third sequence."""
        name = new_name()
        rows = of_subjects(name, simple_rows(40, step=3, start=5))
        return Made(open_source(server.write(name, rows), version_header="version"), rows)


class TestSubjectsInManyBatches(TestSubjects):
    """The same, where a batch has few messages."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_messages(cls) -> Iterator[None]:
        """Ask for four messages at once."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.nats.MESSAGES_A_BATCH", 4)
            yield


class TestHeaders(SourceContract):
    """Streams are named by a header, and may have any name."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, server: NatsServer, new_name: Callable[[], str]) -> Made:
        """Return a stream of messages with odd names."""
        names = ["it's", 'say "x"', "a;--", "100%_", "Zoë 🦆", "n" * 500, "a: b"]
        rows = [Row(n, names[n % 7], n // 7 + 1, names[-n % 7], b"{}") for n in range(1, 40)]
        return Made(open_source(server.write(new_name(), rows), **IN_HEADERS), rows)


class TestEmpty(EmptySourceContract):
    """A stream without messages."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, server: NatsServer, new_name: Callable[[], str]) -> Source:
        """Return the source."""
        return open_source(server.make(new_name()))


class TestPurged(EmptySourceContract):
    """A stream whose messages were all removed: its numbers do not begin anew."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, server: NatsServer, new_name: Callable[[], str]) -> Source:
        """Return the source."""
        name = new_name()
        url = server.write(name, simple_rows(3))
        server.ask(f"STREAM.PURGE.{name}")
        return open_source(url)


@given(rows=histories(plain_states(), max_size=12), selection=selections())
def test_any_selection_of_any_history(
    server: NatsServer, new_name: Callable[[], str], rows: list[Row], selection: Selection
) -> None:
    """What is left of a selection is what a look at each row leaves."""
    few_holes = [row._replace(position=n + n // 3) for n, row in enumerate(rows, 1)]
    made = Made(open_source(server.write(new_name(), few_holes), **IN_HEADERS), few_holes)
    assert positions(made, selection) == expected(few_holes, selection)
    assert made.source.count(selection) == len(expected(few_holes, selection))


# What a message says


def test_a_message_becomes_an_event(server: NatsServer, name: str) -> None:
    """Subject, headers, time and payload stand where the event table has them."""
    headers = {"ce-type": "Order.Placed", "v": "3", "shape": "2", "user": "ann"}
    url = server.make(name)
    before = datetime.now(UTC) - timedelta(seconds=1)
    server.publish([(f"{name}.order.1", b'{"a":1}', headers)])
    history = open_history(url, version_header="v", schema_version_header="shape")
    (event,) = history.scan().collect().to_dicts()
    assert before < event.pop("time") < datetime.now(UTC) + timedelta(seconds=1)
    assert event == {
        "position": 1,
        "partition": 0,
        "stream": f"{name}.order.1",
        "version": 3,
        "type": "Order.Placed",
        "schema_version": 2,
        "data": '{"a":1}',
        "metadata": '{"ce-type":"Order.Placed","v":"3","shape":"2","user":"ann"}',
        "tags": [],
        "problem": None,
    }


def test_a_message_without_anything(server: NatsServer, name: str) -> None:
    """Of a message that states nothing, the type is the stream's name, and the rest is null."""
    url = server.make(name)
    server.publish([(f"{name}.a", b"", None)])
    columns = ["version", "type", "schema_version", "data", "metadata", "problem"]
    found = open_history(url).scan().select(columns).collect().row(0)
    assert found == (None, name, None, None, None, "no payload is stored")


def test_type_and_stream_in_the_payload(server: NatsServer, name: str) -> None:
    """Fields of a JSON payload may hold type and stream; one that has none is as usual."""
    url = server.make(name)
    payloads = [b'{"t":"A","of":"x"}', b'{"t":1}', b"no JSON"]
    server.publish((f"{name}.s", payload, None) for payload in payloads)
    history = open_history(f"{url}?type_field=t", stream_field="of")
    found = history.scan().select("type", "stream").collect().rows()
    assert found == [("A", "x"), (name, f"{name}.s"), (name, f"{name}.s")]


def test_a_header_that_occurs_twice(server: NatsServer, name: str) -> None:
    """All values of a header are in the metadata, and the first one counts."""
    url = server.make(name)

    async def published() -> None:
        client = await nats.connect(server.url)
        block = b"NATS/1.0\r\ntype: A\r\nx: 1\r\nx: 2\r\n\r\n"
        size = b"%d %d" % (len(block), len(block) + 2)
        await client._send_command(b"HPUB %s.a %s\r\n%s{}\r\n" % (name.encode(), size, block))
        await client.flush()
        await client.close()

    server.run(published())
    found = open_history(url).scan().select("type", "metadata").collect().row(0)
    assert found == ("A", '{"type":"A","x":["1","2"]}')


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"Obj\x01" + bytes(20), "an Avro file"),
        (b"\xc3\x01" + bytes(range(8)), "fingerprint 0706050403020100"),
        (b"\x00\x00\x00\x00\x07\x02\x08", "schema registry, schema 7"),
        (b"\x0a\x05hello\x10\x01", "perhaps Protobuf"),
        (b"hello", "not JSON"),
        (b"\xff\xff\xff", "not UTF-8"),
    ],
)
def test_other_formats_are_kept_and_named(
    server: NatsServer, name: str, payload: bytes, problem: str
) -> None:
    """A payload that is no JSON is a row that says what it is, and its bytes can be had."""
    url = server.make(name)
    server.publish([(f"{name}.a", payload, None)])
    history = open_history(url)
    data, said = history.scan().select("data", "problem").collect().row(0)
    assert data is None
    assert problem in said
    assert history.state(1) == payload


def test_a_function_of_the_user_decodes(server: NatsServer, name: str) -> None:
    """`decode` gets bytes and type; what it raises is the event's problem."""
    url = server.make(name)
    server.publish((f"{name}.a", p, {"type": "T"}) for p in (b"\x01\x02", b"\x00"))
    history = open_history(url, decode=lambda state, type_: {type_: 6 // state[0]})
    found = history.scan().select("data", "problem").collect().rows()
    refused = "not decoded by the function that was given: integer division or modulo by zero"
    assert found == [('{"T":6}', None), (None, refused)]


# What is asked of the server


def test_a_start_time_is_asked_of_the_server(server: NatsServer, name: str) -> None:
    """`since` begins where the server says that the time does, and leaves no earlier event out."""
    url = server.make(name)
    server.publish(plain_rows(name, 20))
    history = open_history(url)
    times = history.scan().select("time").collect()["time"]
    moment = times[10]
    assert history.source.position_before(moment) <= 10
    assert history.since(moment).scan().collect().height == (times >= moment).sum()


def test_no_event_is_as_late(server: NatsServer, name: str) -> None:
    """A start time after the last message leaves nothing."""
    url = server.make(name)
    server.publish(plain_rows(name, 3))
    later = datetime.now(UTC) + timedelta(days=1)
    assert open_history(url).since(later).scan().collect().height == 0


def test_subjects_are_asked_of_the_server(
    server: NatsServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A selection of subjects is not found by reading all."""
    url = server.write(name, of_subjects(name, simple_rows(9)))
    history = open_history(url).of_streams(f"{name}.stream-1")
    seen = []
    monkeypatch.setattr(
        "workbench.sources.nats.partial", lambda _, batch, *more: seen.append(batch) or pl.DataFrame
    )
    with history.source.parts(history.selection, {"position"}) as parts:
        list(parts)
    assert [len(batch.replies) for batch in seen] == [3]


def test_payloads_are_not_sent_for_other_columns(server: NatsServer, name: str) -> None:
    """Where no payload is needed, none is read, and the headers are as they were."""
    url = server.write(name, simple_rows(5))
    history = open_history(url)
    assert_frame_equal(
        history.scan().select("type", "metadata").collect(),
        history.scan().collect().select("type", "metadata"),
    )


def test_a_hundred_thousand_subjects(server: NatsServer, name: str) -> None:
    """A stream of 100,000 subjects is read, listed and narrowed like any other."""
    url = server.make(name)
    server.publish((f"{name}.{n}", b"{}", None) for n in range(100_000))
    history = open_history(url)
    assert history.streams().height == 100_000
    assert history.of_streams(f"{name}.77777").scan().collect()["position"].to_list() == [77_778]


def test_a_message_of_ten_megabytes(server: NatsServer, name: str) -> None:
    """A message far larger than others is read, and its bytes can be had."""
    url = server.make(name)
    large = b'{"a":"' + b"x" * 10_000_000 + b'"}'
    server.publish([*plain_rows(name, 2), (f"{name}.b", large, None), *plain_rows(name, 2)])
    history = open_history(url)
    sizes = history.scan().select(pl.col("data").str.len_bytes()).collect()["data"].to_list()
    assert sizes == [7, 7, len(large), 7, 7]
    assert history.state(3) == large


# Nothing missed, nothing twice


def test_what_a_limit_ate_lies_before_the_tail(server: NatsServer, name: str) -> None:
    """A stream that keeps 10 messages begins at the tenth from its end."""
    url = server.make(name, max_msgs=10)
    server.publish(plain_rows(name, 25))
    history = open_history(url)
    assert (history.source.tail(), history.head, len(history)) == (16, 25, 10)
    assert history.scan().collect()["position"].to_list() == list(range(16, 26))


@pytest.mark.parametrize("gone", [[1], [10], [9, 10], [1, 5, 10], list(range(2, 11))])
def test_edges_that_were_deleted(server: NatsServer, name: str, gone: list[int]) -> None:
    """Head and tail are messages that are there, wherever others were deleted."""
    url = server.make(name)
    server.publish(plain_rows(name, 10))
    server.delete(name, gone)
    left = [number for number in range(1, 11) if number not in gone]
    source = open_source(url)
    assert (source.tail(), source.head(), source.count(Selection())) == (
        left[0],
        left[-1],
        len(left),
    )


def test_messages_that_come_while_reading_are_left_for_later(
    server: NatsServer, name: str, small_batches: None
) -> None:
    """A reading ends with what was there when it began."""
    url = server.make(name)
    server.publish(plain_rows(name, 20))
    with open_source(url).parts(Selection(), {"position"}) as parts:
        found = [next(parts)()]
        server.publish(plain_rows(name, 20))
        found += [part() for part in parts]
    assert pl.concat(found)["position"].to_list() == list(range(1, 21))


def test_messages_that_are_deleted_while_reading(
    server: NatsServer, name: str, small_batches: None
) -> None:
    """A reading ends, and misses nothing else, if messages before it are deleted."""
    url = server.make(name)
    server.publish(plain_rows(name, 20))
    with open_source(url).parts(Selection(), {"position"}) as parts:
        found = [next(parts)()]
        server.delete(name, [15, 16, 19, 20])
        found += [part() for part in parts]
    assert pl.concat(found)["position"].to_list() == [*range(1, 15), 17, 18]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    """Return a server that a test may stop."""
    with nats_server(tmp_path) as running:
        yield running


def test_a_restart_in_mid_read(own_server: NatsServer, name: str, small_batches: None) -> None:
    """When the server is killed and comes back, no message is lost or doubled."""
    url = own_server.make(name)
    own_server.publish(plain_rows(name, 50))
    with open_source(url).parts(Selection(), {"position"}) as parts:
        found = [next(parts)()]
        own_server.process.restart()
        found += [next(parts)(), next(parts)()]
        own_server.process.restart()
        found += [part() for part in parts]
    assert pl.concat(found)["position"].to_list() == list(range(1, 51))


def test_a_stream_that_is_made_anew_in_mid_read(
    own_server: NatsServer, name: str, small_batches: None
) -> None:
    """Another stream of the same name is not taken for the one that was read."""
    url = own_server.make(name)
    own_server.publish(plain_rows(name, 50))
    with open_source(url).parts(Selection(), {"position"}) as parts:
        next(parts)()
        own_server.ask(f"STREAM.DELETE.{name}")
        own_server.make(name)
        own_server.publish(plain_rows(name, 50))
        with pytest.raises(StoreUnreadableError, match="made anew"):
            [part() for part in parts]


def test_a_server_that_does_not_come_back(
    own_server: NatsServer, name: str, small_batches: None
) -> None:
    """What was read can be used, and the error says where to go on."""
    url = own_server.make(name)
    own_server.publish(plain_rows(name, 50))
    frames = []
    with open_source(url, timeout=0.5).parts(Selection(), {"position"}) as parts:
        frames.append(next(parts)())
        own_server.process.stop()
        with pytest.raises(StoreUnreadableError, match=r"go on with between\(after=\d+\)"):
            frames.extend(part() for part in parts)
    found = pl.concat(frames)["position"].to_list()
    assert found == list(range(1, len(found) + 1))


def test_a_server_that_stops_answering(
    own_server: NatsServer, name: str, small_batches: None
) -> None:
    """A server that hangs is an error after the timeout, and the thread ends."""
    url = own_server.make(name)
    own_server.publish(plain_rows(name, 2_000))
    before = started_threads()
    with open_source(url, timeout=0.5).parts(Selection(), {"position"}) as parts:
        next(parts)()
        own_server.process.pause()
        with pytest.raises(StoreUnreadableError, match=r"within 0\.5 s"):
            [part() for part in parts]
    own_server.process.go_on()
    assert started_threads() == before


# Nothing left behind


def test_nothing_is_left_at_the_server(server: NatsServer, name: str) -> None:
    """After every kind of question the stream has no consumer, and is as it was."""
    url = server.write(name, simple_rows(20))
    before = server.ask(f"STREAM.INFO.{name}")
    history = open_history(url)
    history.scan().collect()
    history.scan().head(1).collect()
    history.since("2020-01-01").types()
    history.between(after=3, upto=9).problems()
    history.receivers()
    len(history.between(after=3, upto=9))
    history.state(3)
    after = server.ask(f"STREAM.INFO.{name}")
    assert (after["state"], after["config"]) == (before["state"], before["config"])
    assert server.consumers(name) == 0


def test_nothing_is_left_of_a_reading_that_ends_early(
    server: NatsServer, name: str, small_batches: None
) -> None:
    """A reading that is given up deletes its consumer, and ends its thread."""
    url = server.write(name, simple_rows(20))
    before = started_threads()
    with open_source(url).parts(Selection(), {"position"}) as parts:
        next(parts)()
        assert server.consumers(name) == 1
    assert (server.consumers(name), started_threads()) == (0, before)


def test_nothing_is_left_after_an_interrupt(
    server: NatsServer, name: str, small_batches: None
) -> None:
    """Ctrl-C in mid-read deletes the consumer."""
    url = server.write(name, simple_rows(20))
    source, before = open_source(url), started_threads()

    def interrupted() -> None:
        with source.parts(Selection(), {"position"}) as parts:
            next(parts)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (server.consumers(name), started_threads()) == (0, before)


def test_a_consumer_is_forgotten_by_the_server(
    server: NatsServer, name: str, small_batches: None
) -> None:
    """If the reader is killed, the server deletes its consumer by itself."""
    url = server.write(name, simple_rows(20))
    with open_source(url).parts(Selection(), {"position"}) as parts:
        next(parts)()
        (found,) = server.ask(f"CONSUMER.LIST.{name}")["consumers"]
    assert found["config"]["inactive_threshold"] == 10_000_000_000
    assert found["config"]["ack_policy"] == "none"


def test_reading_where_a_loop_runs(server: NatsServer, name: str) -> None:
    """A history is read in a notebook, whose thread runs an event loop already."""
    url = server.write(name, simple_rows(5))

    async def cell() -> int:
        return open_history(url).scan().collect().height

    assert asyncio.run(cell()) == 5


# Following


def followed(
    url: str, count: int, act: Callable[[], None], **given: Any
) -> tuple[list[int], set[threading.Thread]]:
    """Follow a stream until `count` events have come, and return their positions."""
    found: list[int] = []
    acting = threading.Thread(target=act)
    with closing(open_history(url).follow(on_trouble=lambda _: None, **given)) as frames:
        acting.start()
        while len(found) < count:
            found += next(frames)["position"].to_list()
    acting.join()
    return found, started_threads()


def test_new_events_are_followed(server: NatsServer, name: str) -> None:
    """What comes while a stream is followed is yielded once, and nothing is left behind."""
    url = server.make(name)
    server.publish(plain_rows(name, 5))
    before = started_threads()
    found, after = followed(url, 30, lambda: server.publish(plain_rows(name, 30)))
    assert (found, after, server.consumers(name)) == (list(range(6, 36)), before, 0)


def test_a_restart_while_following(own_server: NatsServer, name: str) -> None:
    """When the server is killed while it is followed, no event is lost or doubled."""
    url = own_server.make(name)

    def act() -> None:
        for _ in range(3):
            own_server.publish(plain_rows(name, 10))
            own_server.restart()
        own_server.publish(plain_rows(name, 10))

    found, _ = followed(url, 40, act, after=0)
    assert found == list(range(1, 41))


def test_a_queue_is_followed_though_its_messages_go(server: NatsServer, name: str) -> None:
    """The end of a stream does not step back when its last messages are gone."""
    url = server.make(name)
    server.publish(plain_rows(name, 5))
    source = open_source(url)
    before = source.ends()
    server.delete(name, [4, 5])
    server.publish(plain_rows(name, 2))
    new = source.within(before, source.ends())
    assert (before, positions(Made(new, []), Selection())) == ({0: 5}, [6, 7])


# Receivers


def test_receivers_are_the_consumers(server: NatsServer, name: str) -> None:
    """A consumer's position is what it has acknowledged, and its lag all that it has not."""
    url = server.make(name)
    server.publish(plain_rows(name, 10))

    async def follow() -> None:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_consumer(
            name, ConsumerConfig(durable_name="billing", ack_policy=AckPolicy.EXPLICIT)
        )
        pulled = await stream.pull_subscribe_bind("billing", name)
        first, second, _ = await pulled.fetch(3)
        await first.ack_sync()
        await second.ack_sync()
        await client.close()

    server.run(follow())
    found = open_history(url).receivers()
    assert RECEIVERS.misfits(found) == []
    (row,) = found.to_dicts()
    assert row["lag_s"] > 0
    assert row["moved_at"] > datetime.now(UTC) - timedelta(minutes=5)
    assert (row["receiver"], row["follows"], row["position"], row["lag_events"]) == (
        "billing",
        name,
        2,
        8,
    )


def test_a_receiver_that_has_not_begun(server: NatsServer, name: str) -> None:
    """A consumer that has read nothing stands at 0, and never moved."""
    url = server.make(name)
    server.publish(plain_rows(name, 3))

    async def made() -> None:
        client = await nats.connect(server.url)
        await client.jetstream().add_consumer(name, ConsumerConfig(durable_name="late"))
        await client.close()

    server.run(made())
    (row,) = open_history(url).receivers().to_dicts()
    assert (row["position"], row["lag_events"], row["moved_at"]) == (0, 3, None)


# What is wrong


@pytest.mark.parametrize(
    "url", ["nats://127.0.0.1", "nats:///S", "nats://127.0.0.1:x/S", "nats://127.0.0.1:99999/S"]
)
def test_a_url_that_names_too_little(url: str) -> None:
    """A URL without a host, a port or a stream is an error that shows how to write it."""
    with pytest.raises(UnknownTargetError, match=r"Write nats://host:4222/STREAM"):
        open_source(url)


def test_an_option_that_is_not_known(server: NatsServer) -> None:
    """An option that does not exist is an error that names near ones."""
    with pytest.raises(UnknownTargetError, match=r"'type_heder'.*Near it: type_header"):
        open_source(f"{server.url}/S?type_heder=x")


def test_options_go_with_brokers(store: Path) -> None:
    """A file takes no option of messages."""
    with pytest.raises(UnknownTargetError, match="type_field="):
        open_source(store, type_field="x")


def test_no_such_stream(server: NatsServer) -> None:
    """A stream that the server does not have is an error that says so."""
    with pytest.raises(StoreNotFoundError, match=r"Cannot find the stream 'NONE'"):
        open_source(f"{server.url}/NONE")


def test_nobody_answers() -> None:
    """A server that does not run is an error that names host and port."""
    port = free_port()
    with pytest.raises(StoreUnreadableError, match=f"127.0.0.1:{port}.*nobody answers"):
        open_source(f"nats://127.0.0.1:{port}/S")


def test_a_server_without_jetstream(tmp_path: Path) -> None:
    """A server that keeps nothing is told from one that lacks the stream."""
    with nats_server(tmp_path) as running:
        config = tmp_path / "server.conf"
        config.write_text(f'listen: "127.0.0.1:{running.process.port}"\n')
        running.process.restart()
        with pytest.raises(StoreUnreadableError, match="JetStream is not enabled"):
            open_source(f"{running.url}/S")


# Credentials

SECRET = "s3cr3t-w0rd"
USERS = f'authorization {{ user: ann, password: "{SECRET}" }}'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a server that wants a password, with a stream."""
    url = f"nats://ann:{SECRET}@127.0.0.1"
    with nats_server(tmp_path_factory.mktemp("guarded"), USERS, url=url) as running:
        running.make("S")
        running.publish(plain_rows("S", 3))
        yield running


def test_a_password_in_the_url(guarded: NatsServer) -> None:
    """Name and password of the URL are shown to the server."""
    assert len(open_history(f"{guarded.url}/S")) == 3


def test_a_password_in_the_environment(
    guarded: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name and password may stand in the environment, as the command `nats` has them."""
    monkeypatch.setenv("NATS_USER", "ann")
    monkeypatch.setenv("NATS_PASSWORD", SECRET)
    assert len(open_history(f"nats://127.0.0.1:{guarded.process.port}/S")) == 3


@pytest.mark.parametrize("login", ["", "ann:wr0ng-w0rd@", "s0me-t0ken@"])
def test_a_wrong_login(guarded: NatsServer, login: str) -> None:
    """A login that the server refuses is an error, in which it does not stand."""
    with pytest.raises(StoreUnreadableError, match="refuses the login") as refused:
        open_source(f"nats://{login}127.0.0.1:{guarded.process.port}/S")
    assert not {"wr0ng-w0rd", "s0me-t0ken"} & set(str(refused.value).replace("@", ":").split(":"))


def test_a_login_that_is_cut_off(guarded: NatsServer) -> None:
    """A server that wants a login, and resets the connection instead of an answer, refuses it."""
    with (
        front(guarded.process.port, cuts=99) as double,
        pytest.raises(AccessDeniedError, match="refuses the login.*closes the connection"),
    ):
        open_source(f"nats://ann:wr0ng-w0rd@127.0.0.1:{double.port}/S")
    assert double.seen == 3


def test_a_connection_that_is_cut_off(server: NatsServer) -> None:
    """A server that wants no login, and resets each connection, is one that does not answer."""
    with (
        front(server.process.port, cuts=99) as double,
        pytest.raises(ServerUnreachableError, match="Check that the server runs"),
    ):
        open_source(f"nats://127.0.0.1:{double.port}/S")


@pytest.mark.parametrize("cuts", [1, 2])
def test_a_connection_that_is_cut_once(guarded: NatsServer, cuts: int) -> None:
    """A connection that is reset before it is used is tried again."""
    with front(guarded.process.port, cuts) as double:
        url = f"nats://ann:{SECRET}@127.0.0.1:{double.port}/S"
        assert open_source(url).count(Selection()) == 3
    assert double.seen > cuts


def test_the_login_is_answered_before_more_is_sent(guarded: NatsServer) -> None:
    """Each of many refusals is told by the server's own word, never by a lost connection."""
    for _ in range(20):
        with pytest.raises(AccessDeniedError, match="'Authorization Violation'"):
            open_source(f"nats://ann:wr0ng-w0rd@127.0.0.1:{guarded.process.port}/S")


def test_a_secret_is_shown_nowhere(guarded: NatsServer, tmp_path: Path) -> None:
    """Representations, recipes, logs, errors, answers and files have no password."""
    gone = f"nats://ann:{SECRET}@127.0.0.1:{free_port()}/S"
    assert places_of(SECRET, f"{guarded.url}/S", gone, tmp_path) == []


def test_a_credentials_file_that_is_not_there(guarded: NatsServer) -> None:
    """A file that cannot be opened is an error that names it."""
    with pytest.raises(StoreUnreadableError, match=r"'/nowhere/x\.creds' cannot be opened"):
        open_source(f"nats://127.0.0.1:{guarded.process.port}/S?creds=/nowhere/x.creds")


def test_tls_that_the_server_does_not_have(guarded: NatsServer) -> None:
    """Credentials are not sent in the clear where TLS was asked for."""
    with pytest.raises(StoreUnreadableError, match="TLS failed"):
        open_source(f"{guarded.url}/S?tls=true")


# TLS and keys that are accepted


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NatsServer, Path]]:
    """Return a server that wants TLS and a password, with a stream, and its certificate."""
    certificate, key = write_certificate(tmp_path_factory.mktemp("tls"))
    config = f'tls {{ cert_file: "{certificate}", key_file: "{key}", timeout: 30 }}\n{USERS}'
    trusted = ssl.create_default_context(cafile=certificate)
    url = f"tls://ann:{SECRET}@127.0.0.1"
    with nats_server(tmp_path_factory.mktemp("encrypted"), config, url=url) as running:
        running.tls = trusted
        running.make("S")
        running.publish(plain_rows("S", 3))
        yield running, certificate


@pytest.mark.parametrize("scheme", ["nats", "tls"])
def test_a_certificate_that_is_trusted(encrypted: tuple[NatsServer, Path], scheme: str) -> None:
    """A server whose certificate is that of the URL is read over TLS."""
    server, certificate = encrypted
    url = f"{scheme}://ann:{SECRET}@127.0.0.1:{server.process.port}/S?tls=true&tls_ca={certificate}"
    history = open_history(url)
    assert history.scan().collect()["position"].to_list() == [1, 2, 3]
    assert SECRET not in repr(history) + str(history.source.name)


def test_a_certificate_of_the_environment(
    encrypted: tuple[NatsServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate may be named by the environment, as the command `nats` has it."""
    server, certificate = encrypted
    monkeypatch.setenv("NATS_CA", str(certificate))
    assert len(open_history(f"{server.url}/S")) == 3


@pytest.mark.parametrize("query", ["", "?tls=true"])
def test_a_certificate_that_nobody_knows(encrypted: tuple[NatsServer, Path], query: str) -> None:
    """A certificate that nobody vouches for is refused, and no password is sent."""
    server, _ = encrypted
    url = f"nats://ann:{SECRET}@127.0.0.1:{server.process.port}/S{query}"
    with pytest.raises(StoreUnreadableError, match="TLS failed") as refused:
        open_source(url)
    assert SECRET not in str(refused.value)


def test_a_wrong_login_over_tls(encrypted: tuple[NatsServer, Path]) -> None:
    """A login that is refused over TLS is told as one."""
    server, certificate = encrypted
    url = f"tls://ann:wr0ng-w0rd@127.0.0.1:{server.process.port}/S?tls_ca={certificate}"
    with pytest.raises(AccessDeniedError, match="refuses the login"):
        open_source(url)


def test_a_key_of_a_user(tmp_path: Path) -> None:
    """A user may be a key (nkey), whose seed stands in a file; another key is refused."""
    seeds = [nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER) for _ in range(2)]
    files = [tmp_path / "known.nk", tmp_path / "other.nk"]
    for seed, file in zip(seeds, files, strict=True):
        file.write_bytes(seed)
    public = nkeys.from_seed(seeds[0]).public_key.decode()
    users = (
        f'authorization {{ users: [{{nkey: "{public}"}}, {{user: ann, password: "{SECRET}"}}] }}'
    )
    (tmp_path / "js").mkdir()
    with nats_server(tmp_path, users, url=f"nats://ann:{SECRET}@127.0.0.1") as running:
        running.make("S")
        running.publish(plain_rows("S", 3))
        url = f"nats://127.0.0.1:{running.process.port}/S"
        assert len(open_history(f"{url}?nkey={files[0]}")) == 3
        with pytest.raises(AccessDeniedError, match="refuses the login"):
            open_source(f"{url}?nkey={files[1]}")


def test_a_file_of_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user may be a file that an account has signed; that of another account is refused."""
    accounts = Accounts()
    known = accounts.credentials(tmp_path / "known.creds")
    other = Accounts().credentials(tmp_path / "other.creds")
    (tmp_path / "js").mkdir()
    with nats_server(tmp_path, accounts.config) as running:

        async def written() -> None:
            client = await nats.connect(running.url, user_credentials=str(known))
            stream = client.jetstream()
            await stream.add_stream(name="S", subjects=["S.>"])
            for subject, payload, headers in plain_rows("S", 3):
                await stream.publish(subject, payload, headers=headers)
            await client.close()

        running.run(written())
        history = open_history(f"{running.url}/S?creds={known}")
        assert len(history) == 3
        seed = known.read_text().splitlines()[5]
        assert seed.startswith("SU")
        assert seed not in f"{history!r} {history.source!r} {history.target}"
        with pytest.raises(AccessDeniedError, match="credentials file"):
            open_source(f"{running.url}/S?creds={other}")
        with pytest.raises(AccessDeniedError):
            open_source(f"{running.url}/S")
        monkeypatch.setenv("NATS_CREDS", str(known))
        assert len(open_history(f"{running.url}/S")) == 3


def test_every_row_is_of_the_event_table(server: NatsServer, name: str) -> None:
    """A scan has the columns and dtypes of the event table."""
    url = server.write(name, simple_rows(3))
    assert EVENTS.misfits(open_history(url).scan().collect()) == []


def test_typed_columns(server: NatsServer, name: str) -> None:
    """The events of one type have typed columns, with the time of the message."""
    url = server.make(name)
    payload = state_of("2025-01-01T00:00:00+00:00", None, n=7)
    server.publish([(f"{name}.a", payload, {"type": "shop:Order.Placed"})])
    found = open_history(url).events("Order.Placed")
    assert found["n"].to_list() == [7]
    assert found["time"][0] > datetime(2026, 1, 1, tzinfo=UTC)
