"""DCB recorders and applications of the library, in memory and in UmaDB: events with tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from contracts import EmptySourceContract, Made, SourceContract, raw
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.domain import Tagged
from eventsourcing.dcb.msgpack import Decision, InitialDecision
from eventsourcing.dcb.popo import InMemoryDCBRecorder
from eventsourcing_umadb.recorders import UmaDBDCBRecorder
from hypothesis import given
from hypothesis import strategies as st
from servers.umadb_server import UmaServer
from stores import PLACED, SHIPPED, Row
from umadb import Client

from workbench import Projection, handles, open_history, replay, table
from workbench.errors import UnknownApplicationError, UnknownTagError
from workbench.sources import Selection
from workbench.tables import EVENTS
from workbench.targets import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.sources import Source

KINDS = [(PLACED, SHIPPED)[i % 2] for i in range(40)]
ROWS = [Row(i, None, None, kind, b"\x81\xa1n\x01") for i, kind in enumerate(KINDS, 1)]


def filled(recorder: Any) -> Any:
    recorder.append([DCBEvent(row.type, row.state, [f"n:{row.position % 3}"]) for row in ROWS])
    return recorder


class TestInMemory(SourceContract):
    """The library's DCB recorder that keeps events in memory."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Made:
        """Return a recorder with 40 events."""
        return Made(open_source(filled(InMemoryDCBRecorder())), ROWS)


class TestInPages(TestInMemory):
    """The same, where a page has few rows."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_rows_a_page(cls) -> Iterator[None]:
        """Cut pages at four rows."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.dcb.PAGE", 4)
            yield


class TestInUmaDB(SourceContract):
    """The DCB recorder of `eventsourcing_umadb`, on a real server."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
        """Return a recorder with 40 events."""
        server = UmaServer(tmp_path_factory.mktemp("uma"))
        yield Made(open_source(filled(UmaDBDCBRecorder(Client(server.uri)))), ROWS)
        server.close()


class TestEmpty(EmptySourceContract):
    """A recorder without events."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Source:
        """Return the source."""
        return open_source(InMemoryDCBRecorder())


@given(
    events=st.lists(
        st.tuples(st.sampled_from("ABC"), st.frozensets(st.sampled_from("xyz"), max_size=3)),
        min_size=1,
        max_size=10,
    ),
    tags=st.frozensets(st.sampled_from("xyz"), max_size=3),
    types=st.none() | st.frozensets(st.sampled_from("ABC"), max_size=3),
)
def test_tags_and_types_select(
    events: list[tuple[str, frozenset[str]]], tags: frozenset[str], types: frozenset[str] | None
) -> None:
    """An event is selected that is of one of the types, and has all of the tags."""
    recorder = InMemoryDCBRecorder()
    recorder.append([DCBEvent(type_, b"{}", sorted(own)) for type_, own in events])
    selection = Selection(tags=tags, types=types)
    found = raw(open_source(recorder), selection, {"position"})["position"].to_list()
    assert found == [
        position
        for position, (type_, own) in enumerate(events, 1)
        if tags <= own and (types is None or type_ in types)
    ]


# An application


class Registered(InitialDecision):
    """A student was registered."""

    name: str


class Renamed(Decision):
    """A student has another name."""

    name: str


class School(DCBApplication):
    """An application of the library, in memory."""

    env = {  # noqa: RUF012, as the library has it
        "PERSISTENCE_MODULE": "eventsourcing.dcb.popo",
        "MAPPER_TOPIC": "eventsourcing.dcb.msgpack:MessagePackMapper",
    }


@pytest.fixture(scope="module")
def school() -> Iterator[School]:
    """Return an application with two students, of which one was renamed."""
    with School() as app:
        for number, name in enumerate(("Ann", "Zoë")):
            recorder: Any = app.recorder
            tags = [f"student-{number}"]
            for decision in (Registered("a:B", name), Renamed(name.upper()))[: number + 1]:
                tagged: Any = Tagged(tags=tags, decision=decision)
                recorder.append([app.mapper.to_dcb_event(tagged)])
        yield app


def test_an_application(school: School) -> None:
    """The decisions of a DCB application are the event table: msgpack as JSON, and tags."""
    history = open_history(school)
    found = history.scan().collect()
    assert EVENTS.misfits(found) == []
    assert (history.application, history.head, len(history)) == ("School", 3, 3)
    assert found["type"].str.extract("([^:]*)$").to_list() == [
        "Registered",
        "Registered",
        "Renamed",
    ]
    assert found["data"].to_list() == [
        '{"originator_topic":"a:B","name":"Ann"}',
        '{"originator_topic":"a:B","name":"Zoë"}',
        '{"name":"ZOË"}',
    ]
    assert found["tags"].to_list() == [["student-0"], ["student-1"], ["student-1"]]
    assert found["stream"].null_count() == found["version"].null_count() == 3


def test_typed_columns(school: School) -> None:
    """The fields of a decision are columns."""
    assert open_history(school).events("Renamed")["name"].to_list() == ["ZOË"]


def test_an_enduring_object_is_a_tag(school: School) -> None:
    """The events of an enduring object are those with its id as a tag."""
    assert len(open_history(school).of_tags("student-1")) == 2


def test_a_tag_that_nothing_has(school: School) -> None:
    """A tag that no event has is an error that lists near ones."""
    with pytest.raises(UnknownTagError, match="Near it: student-"):
        open_history(school).of_tags("student-9")


def test_tags_that_never_meet(school: School) -> None:
    """Tags that both occur, but at no event together, are an error that says so."""
    with pytest.raises(UnknownTagError, match="Each of them occurs, but not together"):
        open_history(school).of_tags("student-0", "student-1")


def test_tags_where_there_are_none(shop: Any) -> None:
    """A store of aggregates has no tags, and says what to use."""
    with pytest.raises(UnknownTagError, match="its events have no tags. Use of_streams"):
        shop.of_tags("order:7")


def test_another_application(school: School) -> None:
    """The name of another application is refused."""
    with pytest.raises(UnknownApplicationError, match="the one that was given is 'School'"):
        open_history(school, application="Shop")


def test_problems_of_events_in_no_stream(school: School) -> None:
    """Events in no stream are no problem by themselves."""
    assert "error" not in open_history(school).problems()["severity"].to_list()


def test_a_projection_by_tags(school: School) -> None:
    """A handler is given the tags of an event, which is in no stream."""

    class Names(Projection):
        names = table(key={"student": pl.String}, values={"name": pl.String})

        @handles("Registered", "Renamed")
        def named(self, event: Any) -> None:
            for tag in event.tags:
                self.names.set(tag, name=event.data["name"])

    names = replay(open_history(school), Names).table("names").sort("student")
    assert names.rows() == [("student-0", "Ann"), ("student-1", "ZOË")]


def test_reading_appends_nothing(school: School) -> None:
    """After all questions a recorder has the events that it had."""
    recorder: Any = school.recorder
    before = [(e.position, e.event) for e in recorder.events]
    history = open_history(school)
    history.types()
    history.in_memory()
    history.of_tags("student-1").scan().collect()
    assert [(e.position, e.event) for e in recorder.events] == before


def test_what_comes_while_it_is_read(school: School) -> None:
    """Events that are stored while a history is read belong to the next reading."""
    recorder = filled(InMemoryDCBRecorder())
    with open_source(recorder).parts(Selection(), {"position"}) as parts:
        first = next(iter(parts))
        filled(recorder)
        assert sum(part().height for part in (first, *parts)) == 40
