"""KurrentDB: a double of the server, or a real one if `WORKBENCH_TEST_KURRENTDB_URI` names it.

The double speaks the protocol on the client's own stubs. It is not the product: see
`servers.kurrent_double`. A real server is named as `kurrentdb://host:port?Tls=false`.
"""

from __future__ import annotations

import os
import re
import threading
import time
import traceback
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from contracts import EmptySourceContract, Made, SourceContract, expected, raw
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from hypothesis import given, settings
from hypothesis import strategies as st
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from servers.certificates import write_certificate
from servers.kurrent_double import CREATED, KurrentDouble
from servers.process import free_port
from shown import places_of
from stores import PLACED, SHIPPED, Row, started_threads

from workbench import open_history
from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    UnknownStreamError,
    UnknownTargetError,
)
from workbench.sources import Selection
from workbench.sources.kurrentdb import open_url as open_kurrentdb
from workbench.tables import EVENTS, RECEIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REAL = os.environ.get("WORKBENCH_TEST_KURRENTDB_URI")


def at(url: str, stream: str) -> str:
    """Return the URL of one stream."""
    return re.sub(r"(//[^/?]*)/?", rf"\1/{stream}", url, count=1)


def append(url: str, stream: str, *events: NewEvent) -> None:
    """Append events to a stream, as any writer would."""
    with KurrentDBClient(url) as client:
        client.append_events(stream, current_version=StreamState.ANY, events=events)


def written(url: str, rows: list[Row]) -> list[Row]:
    """Append rows, and return them with the positions and versions that they have got."""
    heads: dict[str, int] = {}
    found = []
    with KurrentDBClient(url) as client:
        for row in rows:
            position = client.append_events(
                row.stream,
                current_version=StreamState.ANY,
                events=[NewEvent(row.type, row.state, content_type="application/octet-stream")],
            )
            heads[row.stream] = heads.get(row.stream, 0) + 1
            found.append(row._replace(position=position, version=heads[row.stream]))
    return found


def rows_of(*streams: str) -> list[Row]:
    kinds = (PLACED, SHIPPED)
    return [Row(0, streams[i % len(streams)], 0, kinds[i % 2], b'{"n":%d}' % i) for i in range(40)]


def double() -> Iterator[KurrentDouble]:
    made = KurrentDouble()
    yield made
    made.stop()


@pytest.fixture
def server() -> Iterator[KurrentDouble]:
    """Return a double, empty."""
    yield from double()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the URL of the real server if there is one, else of a double that tests share."""
    if REAL is not None:
        yield REAL
    else:
        yield from (made.url for made in double())


@pytest.fixture
def stream() -> str:
    """Return a stream that no other test has."""
    return f"order-{uuid4().hex}"


# The contract


class TestAllOfADouble(SourceContract):
    """All streams, with events of the system and snapshots among them that are left out."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Iterator[Made]:
        """Return a double with 40 events."""
        for server in double():
            append(server.url, "$stats", NewEvent("$statsCollected", b"{}"))
            rows = written(server.url, rows_of("order-1", "it's", "a.b*"))
            append(server.url, "$settings", NewEvent("Config", b"{}"))
            append(server.url, "snapshot-$order-1", NewEvent("Snapshot", b"{}"))
            yield Made(open_kurrentdb(server.url), rows)


class TestAllOfADoubleInSmallParts(TestAllOfADouble):
    """The same, where parts are small and a filter has room for few names."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def small(cls) -> Iterator[None]:
        """Cut parts at seven rows, and filters at nothing."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.kurrentdb.ROWS_A_PART", 7)
            patch.setattr("workbench.sources.kurrentdb.LARGEST_FILTER", 0)
            yield


class TestOneStream(SourceContract):
    """One stream, of a real server if there is one."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, url: str) -> Made:
        """Return a stream of 40 events."""
        name = f"order-{uuid4().hex}"
        rows = written(url, rows_of(name))
        return Made(open_kurrentdb(at(url, name)), rows)


class TestEmptyDouble(EmptySourceContract):
    """A server with events of the system alone."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Iterator[Any]:
        """Return the source."""
        for server in double():
            append(server.url, "$stats", NewEvent("$statsCollected", b"{}"))
            yield open_kurrentdb(server.url)


@settings(max_examples=25)
@given(
    events=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["T", "T.U", "V+"]))),
    types=st.none() | st.frozensets(st.sampled_from(["T", "T.U", "V+", "x"]), max_size=2),
    streams=st.none() | st.frozensets(st.sampled_from("abcx"), max_size=2),
    ends=st.tuples(st.none() | st.integers(-1, 12), st.none() | st.integers(-1, 12)),
    versions=st.tuples(st.none() | st.integers(-1, 4), st.none() | st.integers(-1, 4)),
    limit=st.none() | st.integers(0, 6),
)
def test_any_selection_of_any_history(
    url: str,
    events: list[tuple[str, str]],
    types: frozenset[str] | None,
    streams: frozenset[str] | None,
    ends: tuple[int | None, int | None],
    versions: tuple[int | None, int | None],
    limit: int | None,
) -> None:
    """What the server and the source leave is what a look at each row leaves."""
    source, mark = open_kurrentdb(url), uuid4().hex
    base = source.head() or 0
    rows = written(url, [Row(0, f"{mark}-{name}", 0, type_, b"{}") for name, type_ in events])
    places = [base, *(row.position for row in rows)]
    selection = Selection(
        after=places[min(max(ends[0] or 0, 0), len(rows))],
        upto=None if ends[1] is None else places[min(max(ends[1], 0), len(rows))],
        types=types,
        streams=None if streams is None else frozenset(f"{mark}-{name}" for name in streams),
        after_version=versions[0],
        upto_version=versions[1],
        limit=limit,
    )
    found = raw(source, selection, {"position"})["position"].to_list()
    assert found == expected(rows, selection)


# The event table


class Dog(Aggregate):
    """An aggregate of the library, numbered as KurrentDB numbers."""

    INITIAL_VERSION = 0

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name

    @event("Renamed")
    def rename(self, name: str) -> None:
        self.name = name


def test_an_application_of_the_library(url: str) -> None:
    """Aggregates that `eventsourcing_kurrentdb` saves are streams, with topics and states."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_kurrentdb", "KURRENTDB_URI": url}
    with Application(env=env) as app:
        dog = Dog("Fido")
        dog.rename("Rex")
        app.save(dog)
    found = open_history(url).of_streams(dog.id).scan().collect()
    assert EVENTS.misfits(found) == []
    assert found["stream"].to_list() == [str(dog.id)] * 2
    assert found["version"].to_list() == [1, 2]
    assert found["type"].str.extract(r"([^.]*)$").to_list() == ["Registered", "Renamed"]
    assert found["data"].str.json_path_match("$.name").to_list() == ["Fido", "Rex"]
    assert found["problem"].null_count() == 2


def test_snapshots_of_the_library(url: str) -> None:
    """Snapshots of the library are listed as such, and are no events."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing_kurrentdb",
        "KURRENTDB_URI": url,
        "IS_SNAPSHOTTING_ENABLED": "y",
    }
    with Application(env=env) as app:
        dog = Dog("Fido")
        app.save(dog)
        app.take_snapshot(dog.id)
    history = open_history(url)
    (found,) = history.snapshots().filter(stream=str(dog.id)).to_dicts()
    assert (found["version"], found["type"]) == (1, "eventsourcing.domain:Snapshot")
    assert len(history.of_streams(dog.id)) == 1


def test_metadata_is_kept_with_the_events_id(url: str, stream: str) -> None:
    """What stands beside the payload is JSON with the event's id, whatever it is."""
    kept = [b'{"$correlationId":"c"}', b"", b"[1]", b"\xff"]
    events = [NewEvent("T", b"{}", metadata=bytes_) for bytes_ in kept]
    append(url, stream, *events)
    found = open_history(at(url, stream)).scan().select("metadata").collect()["metadata"].to_list()
    ids = [f'{{"event_id":"{one.id}"' for one in events]
    more = [',"$correlationId":"c"}', "}", ',"metadata":[1]}', ',"metadata":"�"}']
    assert found == [begin + rest for begin, rest in zip(ids, more, strict=True)]


def test_the_time_is_the_servers(server: KurrentDouble) -> None:
    """The time of an event is when the server recorded it, whatever the payload says."""
    said = b'{"timestamp":{"_type_":"datetime_iso","_data_":"2001-01-01T00:00:00+00:00"}}'
    append(server.url, "order-1", NewEvent("T", said))
    history = open_history(server.url)
    assert history.scan().collect()["time"].to_list() == [CREATED]
    assert len(history.since("2025-02-01")) == 1


def test_what_is_no_json(url: str, stream: str) -> None:
    """Bytes that nobody can decode are a row with a problem."""
    append(url, stream, NewEvent("T", b"\xff\x00", content_type="application/octet-stream"))
    (row,) = open_history(at(url, stream)).scan().collect().to_dicts()
    assert row["data"] is None
    assert row["problem"]


# Push-down


def test_types_are_selected_by_the_server(server: KurrentDouble) -> None:
    """The server is asked for the types alone, with their names taken literally."""
    written(server.url, rows_of("a", "b"))
    append(server.url, "c", NewEvent("V+", b"{}"))
    source = open_kurrentdb(server.url)
    server.log.asked.clear()
    assert raw(source, Selection(types=frozenset({"V+"})), {"type"})["type"].to_list() == ["V+"]
    assert any(r"V\\+" in asked for asked in server.log.asked)


@pytest.mark.parametrize("after", range(-1, 11))
def test_a_stream_is_read_from_where_it_goes_on(server: KurrentDouble, after: int) -> None:
    """A position in a stream is found by halving, and nothing before it is read."""
    rows = written(server.url, rows_of("a", "b", "c", "d"))
    own = [row.position for row in rows if row.stream == "b"]
    position = 0 if after < 0 else own[min(after, 9)] + after % 3
    found = raw(open_kurrentdb(at(server.url, "b")), Selection(after=position), {"position"})
    assert found["position"].to_list() == [p for p in own if p > position]


@pytest.mark.parametrize("after", [0, 1, 136, 137, 138, 1000])
def test_a_position_that_no_event_has(server: KurrentDouble, after: int) -> None:
    """A reading may begin anywhere, though older servers want the position of an event."""
    rows = written(server.url, rows_of("a", "b"))
    source = open_kurrentdb(server.url)
    server.log.is_strict = True
    found = raw(source, Selection(after=after), {"position"})["position"].to_list()
    assert found == [row.position for row in rows if row.position > after]
    assert source.state(rows[0].position + 1) is None
    assert source.state(rows[1].position) == rows[1].state


# Nothing is written


def test_reading_changes_nothing(server: KurrentDouble) -> None:
    """After all that a history does, the server was only asked to read and to list."""
    written(server.url, rows_of("a", "b"))
    threads, events = started_threads(), list(server.log.events)
    server.log.asked.clear()
    history = open_history(server.url)
    history.types()
    history.problems()
    history.of_streams("a").in_memory()
    history.state(history.head)
    assert {asked.split()[0] for asked in server.log.asked} == {"Read", "List"}
    assert server.log.events == events
    assert ended(threads)


OF_THE_DOUBLE = ("_serve)", *(f"_{number}" for number in range(10)))
"""How the names of its server's threads end: the one that serves, and its pool's."""


def ended(before: set[threading.Thread]) -> bool:
    """Return whether the threads that were started since have ended, at once or soon."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if not {t.name for t in started_threads() - before if not t.name.endswith(OF_THE_DOUBLE)}:
            return True
        time.sleep(0.01)
    return False


def test_a_reading_that_is_left_early(server: KurrentDouble) -> None:
    """An iterator that is closed after its first frame leaves no thread and no connection."""
    written(server.url, rows_of("a") * 10)
    threads = started_threads()
    batches = open_history(server.url).batches()
    assert next(batches).height > 0
    batches.close()
    assert ended(threads)


# Live


def test_waiting_for_what_is_new(url: str, stream: str) -> None:
    """Who waits is told of an event at once, and may wait for the next."""
    append(url, stream, NewEvent("T", b"{}"))
    source = open_kurrentdb(url)
    threads = started_threads()
    with source.waiting() as wait:
        writer = threading.Timer(0.1, append, (url, stream, NewEvent("T", b"{}")))
        head, begun = source.head(), time.monotonic()
        writer.start()
        while source.head() == head:
            wait(30)
        assert time.monotonic() - begun < 30
        writer.join()
    assert ended(threads)


def test_following_over_a_restart(server: KurrentDouble) -> None:
    """Who follows gets each new event once, also those of before and after a restart."""
    written(server.url, rows_of("a"))
    history, threads, stop = open_history(server.url), started_threads(), threading.Event()
    found: list[int] = []

    def write() -> None:
        written(server.url, rows_of("a", "b")[:5])
        server.stop()
        time.sleep(0.2)
        server.start()
        written(server.url, rows_of("b")[:5])

    writer = threading.Thread(target=write)
    frames = history.follow(stop=stop, on_trouble=lambda _: None)
    writer.start()
    for frame in frames:
        found += frame["position"].to_list()
        if len(found) >= 10:
            stop.set()
    writer.join()
    assert found == [event.commit for event in server.log.events][40:]
    assert ended(threads)


# Receivers


def test_receivers_are_persistent_subscriptions(server: KurrentDouble) -> None:
    """Subscriptions are listed with the commit position that each has come to."""
    rows = written(server.url, rows_of("a", "b"))
    server.subscription("mail", "$all", f"C:{rows[7].position}/P:{rows[7].position}")
    server.subscription("bills", "b", "3")
    server.subscription("new", "a", "")
    found = open_history(server.url).receivers()
    assert RECEIVERS.misfits(found) == []
    fourth = [row.position for row in rows if row.stream == "b"][3]
    assert found.select("receiver", "follows", "position").rows() == [
        ("bills", "b", fourth),
        ("mail", "$all", rows[7].position),
        ("new", "a", None),
    ]
    behind = [sum(r.position > fourth for r in rows if r.stream == "b"), len(rows) - 8, None]
    assert found["lag_events"].to_list() == behind
    assert [seconds is None for seconds in found["lag_s"]] == [False, False, True]
    of_stream = open_history(at(server.url, "b")).receivers()
    assert of_stream["receiver"].to_list() == ["bills"]


# Servers that are not there, go away, or refuse


def test_a_server_that_is_down() -> None:
    """Where nobody listens, opening says where it looked and what to check."""
    port = free_port()
    with pytest.raises(ServerUnreachableError, match=f"'kurrentdb://127.0.0.1:{port}': no Kurr"):
        open_history(f"kurrentdb://127.0.0.1:{port}?Tls=false")


def test_no_such_stream(url: str) -> None:
    """A stream that the server does not have is an error."""
    with pytest.raises(UnknownStreamError, match="has none of that name"):
        open_history(at(url, f"none-{uuid4().hex}"))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("kurrentdb://", "names no host"),
        ("kurrentdb://localhost:1?Tsl=false", "Near it: Tls"),
        ("kurrentdb://localhost:1", "Username and password are required"),
        ("kurrentdb://localhost:1?Tls=perhaps", "not one of: true, false"),
    ],
)
def test_a_url_that_is_none(target: str, said: str) -> None:
    """A URL without a host, with odd options, or with TLS and no user is refused."""
    with pytest.raises(UnknownTargetError, match=said):
        open_history(target)


def many(server: KurrentDouble) -> list[int]:
    """Append 4,000 events, and return their positions."""
    for _ in range(8):
        append(server.url, "a", *(NewEvent("T", b"x" * 3_000) for _ in range(500)))
    return [event.commit for event in server.log.events]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut parts at 50 rows."""
    monkeypatch.setattr("workbench.sources.kurrentdb.ROWS_A_PART", 50)


@pytest.mark.parametrize("one", [False, True], ids=["all", "one stream"])
def test_a_restart_in_mid_read(server: KurrentDouble, small_parts: None, *, one: bool) -> None:
    """A server that ends in mid-read and comes back loses no event and doubles none."""
    wanted = many(server)
    source = open_kurrentdb(at(server.url, "a") if one else server.url)
    found: list[int] = []
    with source.parts(Selection(), {"position"}) as parts:
        found += next(parts)()["position"].to_list()
        server.stop()
        back = threading.Timer(0.3, server.start)
        back.start()
        found += chain.from_iterable(part()["position"] for part in parts)
        back.join()
    assert found == wanted


@pytest.mark.parametrize("one", [False, True], ids=["all", "one stream"])
def test_answers_that_end_early(server: KurrentDouble, *, one: bool) -> None:
    """Answers that end as if there were no more events, as a shutdown ends them, go on."""
    rows = written(server.url, rows_of("a"))
    source = open_kurrentdb(at(server.url, "a") if one else server.url)
    server.log.ends_after = 7
    found = raw(source, Selection(), {"position"})["position"].to_list()
    assert found == [row.position for row in rows]


def test_a_server_that_does_not_come_back(
    server: KurrentDouble, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is lost for good is an error; what was read stays, and it says where."""
    monkeypatch.setattr("workbench.sources.servers.RETURN_S", 0.2)
    many(server)
    frames = open_history(server.url).batches(["position"])
    found = next(frames)["position"].to_list()
    server.stop()
    with pytest.raises(ServerUnreachableError, match="go on with history.between") as caught:
        found.extend(chain.from_iterable(frame["position"] for frame in frames))
    assert f"between(after={found[-1]})" in str(caught.value)
    assert found == [e.commit for e in server.log.events][: len(found)]


def test_a_server_that_stops_answering(
    server: KurrentDouble, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is silent in mid-read is given up; what was read stays."""
    monkeypatch.setattr("workbench.sources.servers.RETURN_S", 0.2)
    monkeypatch.setattr("workbench.sources.kurrentdb_link.STALLED_S", 0.4)
    wanted = many(server)
    server.log.hangs_after = 120
    found: list[int] = []
    with pytest.raises(ServerUnreachableError, match="go on with history.between"):
        found.extend(
            chain.from_iterable(
                f["position"] for f in open_history(server.url).batches(["position"])
            )
        )
    assert found == wanted[: len(found)]
    assert len(found) >= 100


# Credentials


LOGIN = "ann:sesame-7f3a9c"
WRONG = "wrong-one"  # a traceback shows the lines of a test too


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KurrentDouble, Path]]:
    """Return a double that wants TLS and a user, and its certificate."""
    paths = write_certificate(tmp_path_factory.mktemp("tls"))
    server = KurrentDouble(paths, LOGIN)
    uri = f"kurrentdb://{LOGIN}@127.0.0.1:{server.port}?TlsCaFile={paths[0]}"
    append(uri, "order-1", NewEvent("T", b"{}"))
    yield server, paths[0]
    server.stop()


def test_a_user_in_the_url(secured: tuple[KurrentDouble, Path]) -> None:
    """The user of the URL is used, over TLS."""
    server, certificate = secured
    history = open_history(f"kurrentdb://{LOGIN}@127.0.0.1:{server.port}?TlsCaFile={certificate}")
    assert len(history) == 1


def test_a_password_is_shown_nowhere(secured: tuple[KurrentDouble, Path], tmp_path: Path) -> None:
    """Representations, recipes, logs, errors, answers and files have no password."""
    server, certificate = secured
    url = f"kurrentdb://{LOGIN}@127.0.0.1:{server.port}?TlsCaFile={certificate}"
    gone = f"kurrentdb://{LOGIN}@127.0.0.1:{free_port()}?TlsCaFile={certificate}"
    assert places_of(LOGIN.partition(":")[2], url, gone, tmp_path) == []


def test_a_user_of_the_environment(
    secured: tuple[KurrentDouble, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a user in the URL, that of the environment is used."""
    server, certificate = secured
    user, password = LOGIN.split(":")
    monkeypatch.setenv("KURRENTDB_USERNAME", user)
    monkeypatch.setenv("KURRENTDB_PASSWORD", password)
    assert len(open_history(f"kurrentdb://127.0.0.1:{server.port}?TlsCaFile={certificate}")) == 1


def test_a_wrong_password(secured: tuple[KurrentDouble, Path]) -> None:
    """A user whom the server refuses is an error that does not tell the password."""
    server, certificate = secured
    with pytest.raises(AccessDeniedError, match="the server refuses this user") as caught:
        open_history(f"kurrentdb://ann:{WRONG}@127.0.0.1:{server.port}?TlsCaFile={certificate}")
    assert WRONG not in "".join(traceback.format_exception(caught.value))


def test_a_refused_option_does_not_tell_the_password() -> None:
    """An error of the client's about the URL is told without what is secret in it."""
    with pytest.raises(UnknownTargetError) as caught:
        open_history(f"kurrentdb://ann:{WRONG}@localhost:1?Tls=perhaps")
    assert WRONG not in "".join(traceback.format_exception(caught.value))


def test_a_certificate_that_nobody_knows(secured: tuple[KurrentDouble, Path]) -> None:
    """A server whose certificate is not known is an error."""
    server, _ = secured
    with pytest.raises(ServerUnreachableError, match="whether it wants TLS"):
        open_history(f"kurrentdb://{LOGIN}@127.0.0.1:{server.port}")
