"""A UmaDB server, a real one: as an application's recorder, and as a DCB store."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import umadb
from contracts import EmptySourceContract, Made, SourceContract, expected, raw
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent
from eventsourcing_umadb.recorders import UmaDBApplicationRecorder
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.certificates import write_certificate
from servers.process import free_port
from servers.umadb_server import UmaServer, append, append_rows, event_of
from shown import places_of
from stores import PLACED, SHIPPED, Row, simple_rows, started_threads
from strategies import TYPES, histories, plain_states

from workbench import open_history
from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreUnreadableError,
    UnknownTagError,
    UnknownTargetError,
)
from workbench.sources import Selection
from workbench.sources.umadb import UmaSource
from workbench.sources.umadb import open_url as open_umadb
from workbench.tables import EVENTS, RECEIVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def served(folder: Path, *options: str) -> Iterator[UmaServer]:
    server = UmaServer(folder, *options)
    yield server
    server.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UmaServer]:
    """Return the server that most tests share, each with its own tags."""
    yield from served(tmp_path_factory.mktemp("uma"))


@pytest.fixture
def tag() -> str:
    """Return a tag that no other test has."""
    return f"tag-{uuid4().hex}"


# The contract


class TestUmaDB(SourceContract):
    """Events that the recorder of `eventsourcing_umadb` has written."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
        """Return a server with 40 events."""
        rows = simple_rows(40)
        for server in served(tmp_path_factory.mktemp("uma")):
            recorder = UmaDBApplicationRecorder(umadb.Client(server.uri))
            recorder.insert_events([StoredEvent(*row[1:]) for row in rows])
            yield Made(open_umadb(server.url), rows)


class TestUmaDBInSmallParts(TestUmaDB):
    """The same, where a query has room for few names, so that more is selected here."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def small_queries(cls) -> Iterator[None]:
        """Let nothing fit a query."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.umadb_query.LARGEST_QUERY", 30)
            patch.setattr("workbench.sources.umadb.BATCHES_A_PART", 1)
            yield


class TestDCB(SourceContract):
    """Events with tags, in no stream."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
        """Return a server with 40 events."""
        rows = [
            Row(i, None, None, (PLACED, SHIPPED)[i % 2], b"\x81\xa1n\x01") for i in range(1, 41)
        ]
        for server in served(tmp_path_factory.mktemp("uma")):
            append(server, [umadb.Event(r.type, r.state, [f"n:{r.position % 3}"]) for r in rows])
            yield Made(open_umadb(server.url), rows)


class TestEmpty(EmptySourceContract):
    """A server without events."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
        """Return the source."""
        for server in served(tmp_path_factory.mktemp("uma")):
            yield open_umadb(server.url)


STREAMS = ["order-1", "it's; DROP--", "", "00112233445566778899aabbccddeeff", "a:b-version:3"]


@settings(max_examples=25)
@given(
    rows=histories(plain_states(), max_size=12),
    types=st.none() | st.frozensets(st.sampled_from(TYPES), max_size=3),
    streams=st.none() | st.frozensets(st.sampled_from(STREAMS), max_size=2),
    versions=st.tuples(st.none() | st.integers(-1, 6), st.none() | st.integers(-1, 6)),
    ends=st.tuples(st.integers(-2, 14), st.none() | st.integers(-2, 14)),
    limit=st.none() | st.integers(0, 8),
)
def test_any_selection_of_any_history(
    server: UmaServer,
    rows: list[Row],
    types: frozenset[str] | None,
    streams: frozenset[str] | None,
    versions: tuple[int | None, int | None],
    ends: tuple[int, int | None],
    limit: int | None,
) -> None:
    """What the server and the source leave is what a look at each row leaves."""
    source = open_umadb(server.url)
    base = source.head() or 0
    written = append_rows(server, rows)
    selection = Selection(
        after=base + max(ends[0], 0),
        upto=base + (20 if ends[1] is None else ends[1]),
        types=types,
        streams=streams,
        after_version=versions[0],
        upto_version=versions[1],
        limit=limit,
    )
    found = raw(source, selection, {"position", "stream", "version", "type", "state"})
    chosen = set(expected(written, selection))
    assert found.rows() == [tuple(row) for row in written if row.position in chosen]


@settings(max_examples=25)
@given(
    events=st.lists(st.frozensets(st.sampled_from("abc"), max_size=3), min_size=1, max_size=8),
    asked=st.frozensets(st.sampled_from("abc"), min_size=1, max_size=3),
)
def test_tags_select_events_that_have_them_all(
    server: UmaServer, events: list[frozenset[str]], asked: frozenset[str]
) -> None:
    """An event is selected by tags if each of them is one of its own."""
    source = open_umadb(server.url)
    base = source.head() or 0
    append(server, [umadb.Event("t", b"{}", sorted(tags)) for tags in events])
    found = raw(source, Selection(after=base, tags=asked), {"position"})["position"].to_list()
    assert found == [base + i for i, tags in enumerate(events, 1) if asked <= tags]


# The event table


class Dog(Aggregate):
    """An aggregate of the library."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


def test_an_application_of_the_library(server: UmaServer) -> None:
    """Aggregates that an application saves in UmaDB are streams, with times, versions and data."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_umadb:Factory", "UMADB_URI": server.uri}
    app = Application(env=env)
    dog = Dog("Fido")
    dog.add_trick("roll over")
    app.save(dog)
    history = open_history(server.url).of_streams(dog.id)
    found = history.scan().collect()
    assert EVENTS.misfits(found) == []
    assert found["stream"].to_list() == [dog.id.hex] * 2
    assert found["version"].to_list() == [1, 2]
    assert found["type"].str.extract(r"([^.]*)$").to_list() == ["Registered", "TrickAdded"]
    assert found["time"].to_list() == [dog.created_on, dog.modified_on]
    assert found["data"].str.json_path_match("$.trick").to_list() == [None, "roll over"]
    assert found["tags"].list.len().to_list() == [0, 0]


def test_the_recorder_hands_out_the_same(server: UmaServer) -> None:
    """A history of the server is that of the library's recorder for it."""
    base = open_umadb(server.url).head() or 0
    ids = [uuid4(), uuid4()]
    recorder = UmaDBApplicationRecorder(umadb.Client(server.uri))
    recorder.insert_events([StoredEvent(i, 1, PLACED, b'{"n":1}') for i in ids])
    direct = open_history(server.url).between(after=base).scan().collect()
    by_recorder = open_history(recorder).between(after=base).scan().collect()
    assert direct.equals(by_recorder)


def test_a_uuid_is_found_in_any_form(server: UmaServer) -> None:
    """A stream with a UUID is found as UUID, with dashes and without."""
    stream = uuid4()
    append(server, [event_of(Row(0, str(stream), 1, PLACED, b"{}"))])
    history = open_history(server.url)
    forms: list[str | UUID] = [stream, str(stream), stream.hex]
    assert [len(history.of_streams(form)) for form in forms] == [1, 1, 1]


def test_events_of_a_dcb_store_have_tags_and_no_stream(server: UmaServer, tag: str) -> None:
    """Stream and version of an event with tags are null, and msgpack is read as JSON."""
    append(server, [umadb.Event("shop:Paid", b"\x81\xa6amount\x07", [tag, "order:7"])])
    (row,) = open_history(server.url).of_tags(tag).scan().collect().to_dicts()
    assert (row["stream"], row["version"], row["tags"]) == (None, None, [tag, "order:7"])
    assert (row["data"], row["problem"]) == ('{"amount":7}', None)


@pytest.mark.parametrize(
    "tags",
    [
        ["originator:a"],
        ["originator:a", "originator-b-version:1"],
        ["originator:a", "originator-a-version:x"],
        ["originator-a-version:1", "originator:a"],
        ["originator:a", "originator-a-version:1", "more"],
        [],
    ],
)
def test_tags_that_are_like_the_recorders(server: UmaServer, tags: list[str]) -> None:
    """Only the recorder's two tags, in its order and of one id, make a stream."""
    at = append(server, [umadb.Event("t", b"{}", tags)])
    found = open_history(server.url).between(after=at - 1, upto=at).scan().collect()
    assert found.select("stream", "version", "tags").row(0) == (None, None, tags)


def test_metadata_is_kept_with_the_events_id(server: UmaServer) -> None:
    """What stands beside the payload is JSON with the event's id; nothing beside it is null."""
    name = uuid4()
    events = [
        umadb.Event("t", b"{}", [], uuid=name, metadata={"user": "é"}),
        umadb.Event("t", b"{}", [], uuid=uuid4()),
    ]
    last = append(server, events)
    found = open_history(server.url).between(after=last - 2).scan().select("metadata").collect()
    assert found["metadata"].to_list() == [f'{{"event_id":"{name}","user":"é"}}', None]


# Tags


def test_of_tags_takes_all_of_several(server: UmaServer, tag: str) -> None:
    """Tags in one call and in two are all wanted."""
    append(server, [umadb.Event("t", b"{}", tags) for tags in ([tag], ["x", tag], ["x"])])
    history = open_history(server.url)
    both = history.of_tags(tag, "x")
    assert len(history.of_tags(tag)) == 2
    assert both.scan().collect().equals(history.of_tags("x").of_tags(tag).scan().collect())
    assert len(both) == 1


def test_of_tags_says_itself(server: UmaServer, tag: str) -> None:
    """A history of tags names them."""
    append(server, [umadb.Event("t", b"{}", [tag])])
    assert open_history(server.url).of_tags(tag).narrowed == f"tags {tag}"


def test_of_unknown_tags(server: UmaServer, tag: str) -> None:
    """Tags that no event has are an error that lists near ones."""
    with pytest.raises(UnknownTagError, match=f"Cannot find events with the tags .'{tag}'"):
        open_history(server.url).of_tags(tag)


def test_of_tags_that_never_meet(server: UmaServer, tag: str) -> None:
    """Tags of different events are an error that says so."""
    append(server, [umadb.Event("t", b"{}", [tag]), umadb.Event("t", b"{}", [f"{tag}-2"])])
    history = open_history(server.url)
    with pytest.raises(UnknownTagError, match="(not together|Near it|There are)"):
        history.of_tags(tag, f"{tag}-2")


def test_tags_are_selected_in_memory_and_in_edits(server: UmaServer, tag: str) -> None:
    """A history of tags can be kept in memory, and edited."""
    last = append(server, [umadb.Event("t", b"{}", [tag]), umadb.Event("t", b"{}", [tag])])
    history = open_history(server.url).between(after=last - 2).of_tags(tag)
    assert history.in_memory().scan().collect().equals(history.scan().collect())
    assert len(history.in_memory().of_tags(tag)) == 2
    assert history.edit(drop=last).scan().collect()["position"].to_list() == [last - 1]


def test_the_catalogue_of_a_dcb_store(server: UmaServer, tag: str) -> None:
    """Types, streams and problems of events without a stream can be asked for."""
    append(server, [umadb.Event("shop:A", b"{}", [tag]), umadb.Event("shop:B", b"{}", [tag])])
    history = open_history(server.url).of_tags(tag)
    assert history.types()["count"].to_list() == [1, 1]
    assert history.streams()["events"].to_list() == [2]
    assert history.problems()["severity"].to_list().count("error") == 0


# Nothing is written


def test_reading_changes_nothing(server: UmaServer, tag: str) -> None:
    """After all that a history does, the server has the same head, and no connection is left."""
    append(server, [umadb.Event("t", b"{}", [tag])])
    client = umadb.Client(server.uri)
    before, tracked = client.head(), client.get_tracking_info("shop")
    client.close()
    del client
    history = open_history(server.url)
    history.types()
    history.receivers()
    history.snapshots()
    history.of_tags(tag).scan().collect()
    history.in_memory()
    until = time.monotonic() + 5  # the server notices a moment later
    while server.connections() and time.monotonic() < until:
        time.sleep(0.02)
    assert server.connections() == 0
    client = umadb.Client(server.uri)
    assert (client.head(), client.get_tracking_info("shop")) == (before, tracked)


def test_a_reading_that_is_left_early(server: UmaServer, tag: str) -> None:
    """An iterator that is closed after its first frame leaves no connection and no thread."""
    last = append(server, [umadb.Event("t", b"x" * 500, [tag])] * 20_000)
    threads = started_threads()
    batches = open_history(server.url).between(after=last - 20_000).batches()
    assert next(batches).height > 0
    batches.close()
    assert (server.connections(), started_threads()) == (0, threads)


# Receivers


def test_receivers_are_whom_the_store_tracks(server: UmaServer) -> None:
    """Sources whose positions the last events have recorded are listed with them."""
    followed = f"shop-{uuid4().hex}"
    client = umadb.Client(server.uri)
    for position in (17, 18):
        tracked = umadb.TrackingInfo(followed, position)
        client.append([umadb.Event("t", b"{}", [])], tracking_info=tracked)
    client.close()
    found = open_history(server.url).receivers()
    assert RECEIVERS.misfits(found) == []
    name = f"127.0.0.1:{server.port}"
    assert (name, followed, 18) in found.select("receiver", "follows", "position").rows()


def test_receivers_that_are_named(server: UmaServer) -> None:
    """A source that is named in the URL is asked for though its events are long ago."""
    followed = f"shop-{uuid4().hex}"
    client = umadb.Client(server.uri)
    tracked = umadb.TrackingInfo(followed, 5)
    client.append([umadb.Event("t", b"{}", [])], tracking_info=tracked)
    append(server, [umadb.Event("t", b"{}", [])] * 5_000)
    assert followed not in open_history(server.url).receivers()["follows"].to_list()
    named = open_history(f"{server.url}?tracking=nobody&tracking={followed}").receivers()
    assert named.filter(follows=followed)["position"].to_list() == [5]
    assert "nobody" not in named["follows"].to_list()


# Servers that are not there, go away, or refuse


def test_a_server_that_is_down() -> None:
    """Where nobody listens, opening says where it looked and what to check."""
    port = free_port()
    with pytest.raises(ServerUnreachableError, match=f"Cannot read 'umadb://127.0.0.1:{port}'"):
        open_history(f"umadb://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("umadb://", "names no host"),
        ("umadb://localhost:port", "a port that is no number"),
        ("umadb://localhost:1?tlss=true", "Near it: tls"),
    ],
)
def test_a_url_that_is_none(url: str, said: str) -> None:
    """A URL without a host, with an odd port or an unknown option is refused."""
    with pytest.raises(UnknownTargetError, match=said):
        open_history(url)


MANY = 10_000


@pytest.fixture(scope="module")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UmaServer]:
    """Return a server with more events than are under way at once."""
    for server in served(tmp_path_factory.mktemp("uma")):
        tags = [[f"order:{i % 2}"] for i in range(MANY)]
        append(server, [umadb.Event("t", b"x" * 4_000, one) for one in tags], at_once=500)
        yield server


@pytest.fixture
def own(stoppable: UmaServer, monkeypatch: pytest.MonkeyPatch) -> UmaServer:
    """Return that server, up again if a test has stopped it; it is read in small parts."""
    monkeypatch.setattr("workbench.sources.umadb.BATCHES_A_PART", 2)
    if stoppable.process.poll() is not None:
        stoppable.start()
    return stoppable


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("tags", [frozenset[str](), frozenset({"order:1"})], ids=["all", "tagged"])
def test_a_restart_in_mid_read(own: UmaServer, how: int, tags: frozenset[str]) -> None:
    """A server that ends in mid-read and comes back loses no event and doubles none."""
    source = open_umadb(own.url)
    wanted = list(range(2, MANY + 1, 2) if tags else range(1, MANY + 1))
    found: list[int] = []
    with source.parts(Selection(tags=tags, upto=MANY), {"position"}) as parts:
        found += next(parts)()["position"].to_list()
        first = own.process.pid
        restart = threading.Thread(target=own.restart, args=(how,))
        restart.start()
        own.wait_until_gone(first)
        for part in parts:
            found += part()["position"].to_list()
    restart.join()
    assert found == wanted


@pytest.mark.parametrize("tags", [frozenset[str](), frozenset({"order:1"})], ids=["all", "tagged"])
def test_answers_that_end_early(
    own: UmaServer, monkeypatch: pytest.MonkeyPatch, tags: frozenset[str]
) -> None:
    """Answers that end as if there were no more events, as a shutdown ends them, go on."""
    answers = UmaSource._answers
    monkeypatch.setattr(UmaSource, "_answers", lambda *asked: islice(answers(*asked), 1))
    found = raw(open_umadb(own.url), Selection(tags=tags, upto=MANY), {"position"})
    wanted = range(2, MANY + 1, 2) if tags else range(1, MANY + 1)
    assert found["position"].to_list() == list(wanted)


def test_a_server_that_does_not_come_back(own: UmaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is lost for good is an error; what was read stays, and it says where."""
    monkeypatch.setattr("workbench.sources.servers.RETURN_S", 0.2)
    frames = open_history(own.url).batches(["position"])
    found = next(frames)["position"].to_list()
    own.stop(signal.SIGKILL)
    with pytest.raises(ServerUnreachableError, match="go on with history.between") as caught:
        found.extend(chain.from_iterable(frame["position"] for frame in frames))
    assert found == list(range(1, len(found) + 1))
    assert f"between(after={found[-1]})" in str(caught.value)


def test_a_server_that_stops_answering(own: UmaServer) -> None:
    """A server that hangs in mid-read is given up when its client's pings go unanswered."""
    frames = open_history(own.url).batches(["position"])
    assert next(frames).height
    os.kill(own.process.pid, signal.SIGSTOP)
    with pytest.raises(ServerUnreachableError, match="has not answered for"):
        list(frames)
    os.kill(own.process.pid, signal.SIGCONT)


# Live


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_following_over_a_restart(own: UmaServer, how: int) -> None:
    """Who follows gets each new event once, also those of before and after a restart."""
    history, threads, stop = open_history(own.url), started_threads(), threading.Event()
    base, found = history.head, list[int]()

    def write() -> None:
        append(own, [umadb.Event("t", b"{}", [])] * 5)
        own.restart(how)
        append(own, [umadb.Event("t", b"{}", [])] * 5)

    writer = threading.Thread(target=write)
    frames = history.follow(stop=stop, on_trouble=lambda _: None)
    writer.start()
    for frame in frames:
        found += frame["position"].to_list()
        if len(found) >= 10:
            stop.set()
    writer.join()
    assert found == list(range(base + 1, base + 11))
    assert (own.connections(), started_threads()) == (0, threads)


def test_following_tags(server: UmaServer, tag: str) -> None:
    """A history of tags is followed as it is narrowed."""
    last = append(server, [umadb.Event("t", b"{}", [tag])])
    history, stop = open_history(server.url).of_tags(tag), threading.Event()
    append(server, [umadb.Event("t", b"{}", tags) for tags in ([], [tag], [tag, "x"])])
    frames = history.follow(after=last - 1, stop=stop)
    found = list[int]()
    for frame in frames:
        found += frame["position"].to_list()
        if len(found) >= 3:
            stop.set()
    assert found == [last, last + 2, last + 3]


# Credentials


KEY = "sesame-7f3a9c"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[UmaServer, Path]]:
    """Return a server that wants TLS and a key, and its certificate."""
    folder = tmp_path_factory.mktemp("uma")
    certificate, key = write_certificate(tmp_path_factory.mktemp("tls"))
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--api-key", KEY)
    for server in served(folder, *options):
        client = umadb.Client(f"https://127.0.0.1:{server.port}", str(certificate), api_key=KEY)
        client.append([umadb.Event("t", b"{}", [])])
        client.close()
        yield server, certificate


def test_a_key_in_the_url(secured: tuple[UmaServer, Path]) -> None:
    """The key of the URL is used, over TLS."""
    server, certificate = secured
    history = open_history(f"umadb://:{KEY}@127.0.0.1:{server.port}?ca={certificate}")
    assert len(history) == 1


def test_a_key_is_shown_nowhere(secured: tuple[UmaServer, Path], tmp_path: Path) -> None:
    """Representations, recipes, logs, errors, answers and files have no key."""
    server, certificate = secured
    url = f"umadb://:{KEY}@127.0.0.1:{server.port}?ca={certificate}"
    gone = f"umadb://:{KEY}@127.0.0.1:{free_port()}?ca={certificate}"
    assert places_of(KEY, url, gone, tmp_path) == []


def test_a_key_of_the_environment(
    secured: tuple[UmaServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key and the certificate of the environment are used where TLS is."""
    server, certificate = secured
    monkeypatch.setenv("UMADB_API_KEY", KEY)
    monkeypatch.setenv("UMADB_CA_PATH", str(certificate))
    assert len(open_history(f"umadb://127.0.0.1:{server.port}?tls=true")) == 1


@pytest.mark.parametrize("login", ["", ":wrong-secret@", "wrong-secret@"])
def test_a_wrong_key(secured: tuple[UmaServer, Path], login: str) -> None:
    """Without the key, or with another, opening says so, and does not tell the key."""
    server, certificate = secured
    with pytest.raises(AccessDeniedError, match="the server refuses the API key") as caught:
        open_history(f"umadb://{login}127.0.0.1:{server.port}?ca={certificate}")
    assert "wrong-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("query", ["", "?tls=true"], ids=["no TLS", "unknown certificate"])
def test_tls_that_does_not_fit(secured: tuple[UmaServer, Path], query: str) -> None:
    """A server with TLS that is asked without, or whose certificate nobody knows, is an error."""
    server, _ = secured
    with pytest.raises(StoreUnreadableError, match="tls=true and a certificate"):
        open_history(f"umadb://127.0.0.1:{server.port}{query}")


def test_tls_where_there_is_none(server: UmaServer) -> None:
    """A server without TLS that is asked with it is an error."""
    with pytest.raises(ServerUnreachableError, match="tls=true"):
        open_history(f"{server.url}?tls=true")


def test_something_else_listens(closed_at_once: Callable[[], int]) -> None:
    """What is no UmaDB server is an error."""
    with pytest.raises(StoreUnreadableError, match="no UmaDB server answers there"):
        open_history(f"umadb://127.0.0.1:{closed_at_once()}")


@pytest.fixture
def closed_at_once() -> Iterator[Callable[[], int]]:
    """Return a function that gives a port at which each connection is closed at once."""
    import socket

    listening = socket.create_server(("127.0.0.1", 0))

    def close_all() -> None:
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=close_all)
    thread.start()
    yield lambda: listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()
