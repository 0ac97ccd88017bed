"""PostgreSQL as a source, on a real server: every layout, beside the library itself."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from contracts import Made, SourceContract
from eventsourcing.application import Application
from eventsourcing.dcb.api import DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.persistence import DCBInfrastructureFactory
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from eventsourcing.utils import Environment
from hypothesis import given
from postgres_stores import LAYOUTS, insert, plain, write
from stores import PLACED, SHIPPED, Row, simple_rows
from strategies import histories, plain_states

from workbench import errors, open_history
from workbench.sources import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def _small_parts() -> Iterator[None]:
    """Let a part of a reading begin at a few rows, so that there are several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.sources.postgres.ROWS_A_PART", 4)
        patch.setattr("workbench.sources.postgres.FIRST_RANGE", 4)
        yield


@pytest.mark.parametrize("layout", LAYOUTS, scope="class")
class TestContract(SourceContract):
    """What every source must do, over every layout."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, postgres, layout):
        """Write rows with holes, and open them."""
        rows = simple_rows(25)
        rows[13:] = [row._replace(position=row.position + 40) for row in rows[13:]]
        source = open_history(write(postgres, LAYOUTS[layout], rows)).source
        with source.waiting():  # so that not each question has a connection of its own
            yield Made(source, LAYOUTS[layout].shown(rows))


@pytest.fixture(scope="module")
def emptied(postgres):
    """Return a way to put rows into one database, in place of what was there."""
    layout = LAYOUTS["native, text"]
    url = write(postgres, layout, [])
    source = open_history(url).source
    with closing(postgres.connect(url.rpartition("/")[2])) as db, source.waiting():

        def put(rows):
            db.execute("TRUNCATE shop_events")
            insert(db, layout, rows)
            return open_history(url)

        yield put


@given(rows=histories(plain_states()))
def test_any_history_is_handed_out(emptied, rows):
    """Whatever is stored, all of it comes, in order, by whatever it is selected."""
    source = emptied(rows).source
    for chosen in (
        Selection(),
        Selection(types=frozenset({r.type for r in rows[::2]})),
        Selection(streams=frozenset({r.stream for r in rows[::3]})),
    ):
        with source.parts(chosen, {"position", "stream", "version", "type", "state"}) as parts:
            found = [row for part in parts for row in part().rows()]
        assert found == [
            (r.position, r.stream, r.version, r.type, r.state)
            for r in rows
            if (chosen.types is None or r.type in chosen.types)
            and (chosen.streams is None or r.stream in chosen.streams)
        ]


# Beside the library


def settings(server, database, **more):
    """Return the library's settings for a database."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": database,
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(server.port),
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": server.url("").split(":")[2].partition("@")[0],
        **more,
    }


class Dog(Aggregate):
    """An aggregate."""

    @event("Named")
    def __init__(self, name):
        self.name = name

    @event("Renamed")
    def rename(self, name):
        """Take another name."""
        self.name = name


class Dogs(Application):
    """An application with snapshots."""

    is_snapshotting_enabled = True


@contextmanager
def dogs(server, database, **more):
    """Yield the application on a database."""
    app = Dogs(env=settings(server, database, **more))
    try:
        yield app
    finally:
        app.close()


@pytest.fixture(scope="module")
def kennel(postgres):
    """Return a database that the library has written: events, a snapshot, two receivers."""
    database = postgres.new_database()
    with dogs(postgres, database) as app:
        for number in range(5):
            dog = Dog(f"Fido {number}")
            dog.rename("Rex")
            app.save(dog)
        app.take_snapshot(dog.id)
        tracker = PostgresFactory(Environment("counts", settings(postgres, database)))
        recorder = tracker.tracking_recorder()
        recorder.insert_tracking(Tracking("Dogs", 4))
        recorder.insert_tracking(Tracking("Cats", 9))
        tracker.close()
    return database


def test_is_what_the_library_reads(postgres, kennel):
    """`scan` has what the library's recorder and mapper return."""
    found = open_history(postgres.url(kennel))
    rows = found.scan().select("position", "stream", "version", "type", "time").collect().rows()
    with dogs(postgres, kennel) as app:
        notifications = app.recorder.select_notifications(None, 100)
        events = [app.mapper.to_domain_event(n) for n in notifications]
    assert rows == [
        (n.id, n.originator_id.hex, n.originator_version, n.topic, e.timestamp)
        for n, e in zip(notifications, events, strict=True)
    ]
    assert [found.state(n.id) for n in notifications] == [n.state for n in notifications]
    renamed = found.events("Dog.Renamed")
    assert renamed["name"].to_list() == [e.name for e in events if type(e) is Dog.Renamed]


def test_says_what_it_is(postgres, kennel):
    """A source has the database's and the application's name, and what it was recognised as."""
    found = open_history(postgres.url(kennel))
    assert (found.name, found.application) == (f"{kennel}/dogs", "dogs")
    assert found.source.kind == "eventsourcing 9, PostgreSQL"


def test_snapshots_are_listed(postgres, kennel):
    """The library's snapshots are there."""
    (snapshot,) = open_history(postgres.url(kennel)).snapshots().to_dicts()
    assert (snapshot["version"], len(snapshot["stream"])) == (2, 32)
    assert snapshot["type"] == "eventsourcing.domain:Snapshot"


def test_receivers_have_their_lag(postgres, kennel):
    """A tracking table says who follows, and the lag is counted; others are left out."""
    (found,) = open_history(postgres.url(kennel)).receivers().to_dicts()
    assert (found["receiver"], found["follows"]) == ("counts", "Dogs")
    assert (found["position"], found["lag_events"], found["moved_at"]) == (4, 6, None)
    assert 0 < found["lag_s"] < 24 * 3600


def test_a_payload_of_ten_megabytes(postgres):
    """A state of 10 MB is read like any other."""
    rows, large = simple_rows(3), b'{"text":"%s"}' % (b"x" * 10_000_000)
    rows[1] = rows[1]._replace(state=large)
    url = write(postgres, LAYOUTS["native, text"], rows)
    found = open_history(url).scan().select("position", "data").collect()
    assert found["data"].str.len_bytes()[1] == len(large)


def test_text_ids_are_streams(postgres):
    """Where the library keeps ids as text, they are shown as they are."""
    database = postgres.new_database()
    datastore = PostgresDatastore(
        database,
        "127.0.0.1",
        str(postgres.port),
        "postgres",
        settings(postgres, database)["POSTGRES_PASSWORD"],
        originator_id_type="text",
    )
    with closing(datastore):
        recorder = PostgresApplicationRecorder(datastore, events_table_name="pets_events")
        recorder.create_table()
        recorder.insert_events([StoredEvent("dog-1", 1, "pets:Dog", b"{}")])
    found = open_history(postgres.url(database))
    assert found.of_streams("dog-1").scan().collect()["stream"].to_list() == ["dog-1"]


def test_stream_is_found_by_its_uuid(postgres, kennel):
    """A UUID finds its stream, with and without dashes."""
    found = open_history(postgres.url(kennel))
    stream = found.streams()["stream"][2]
    assert len(found.of_streams(UUID(stream))) == len(found.of_streams(stream)) == 2
    with pytest.raises(errors.UnknownStreamError):
        found.of_streams(uuid4())


@pytest.fixture(scope="module")
def courses(postgres):
    """Return a DCB store that the library has written, and its recorder."""
    database = postgres.new_database()
    env = settings(postgres, database) | {"PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt"}
    factory = DCBInfrastructureFactory.construct(Environment("Courses", env))
    recorder = factory.dcb_recorder()
    for number in range(9):
        tags = [f"course-{number % 2}", f"student-{number % 3}", "it's"]
        recorder.append([DCBEvent(f"school:T{number % 2}", b'{"n":%d}' % number, tags)])
    yield postgres.url(database), recorder
    factory.close()


def test_dcb_store_is_what_the_library_reads(courses):
    """A DCB store has types, data and tags, and no streams."""
    url, recorder = courses
    found = open_history(url)
    rows = found.scan().select("position", "type", "data", "tags", "stream", "version").collect()
    assert rows.rows() == [
        (e.position, e.event.type, e.event.data.decode(), e.event.tags, None, None)
        for e in recorder.read()
    ]
    assert (found.application, found.source.kind) == ("courses", "eventsourcing 9 DCB, PostgreSQL")


@pytest.mark.parametrize(
    "tags", [["course-1"], ["course-1", "student-2"], ["it's"], ["unknown"], ["a\0"]]
)
def test_dcb_store_is_selected_by_tags(courses, tags):
    """Tags are answered by the database: events that have all of them."""
    url, recorder = courses
    source = open_history(url).source
    assert source.capabilities.tags
    chosen = Selection(tags=frozenset(tags))
    with source.parts(chosen, {"position"}) as parts:
        found = [n for part in parts for n in part()["position"]]
    expected = [] if "\0" in tags[0] else recorder.read(DCBQuery([DCBQueryItem([], tags)]))
    assert found == [e.position for e in expected]
    assert source.count(chosen) == len(found)


def test_dcb_store_of_release_10(postgres):
    """The tables of eventsourcing 10, as its statements make them, have ids and metadata."""
    database = postgres.new_database()
    with closing(postgres.connect(database)) as db:
        db.execute(
            "CREATE TABLE a_events_tt_main (id bigserial, uuid uuid, type text NOT NULL, "
            "data bytea, tags text[] NOT NULL, metadata jsonb)"
        )
        db.execute(
            "INSERT INTO a_events_tt_main (uuid, type, data, tags, metadata) VALUES "
            "('00000000-0000-0000-0000-000000000007', 't', '{}', '{a,b}', '{\"user\": \"ann\"}')"
        )
    found = open_history(postgres.url(database))
    (row,) = found.scan().collect().to_dicts()
    assert row["tags"] == ["a", "b"]
    assert '"user": "ann"' in row["metadata"]
    assert "000000000007" in row["metadata"]
    source = found.source
    assert [source.count(Selection(tags=frozenset(t))) for t in ("a", "ab", "ac")] == [1, 1, 0]


# Several applications, schemas, and what is refused


@pytest.fixture(scope="module")
def several(postgres):
    """Return the URL of a database with two applications, and one in another schema."""
    first = LAYOUTS["native, text"]
    url = write(postgres, first, simple_rows(3))
    with closing(postgres.connect(url.rpartition("/")[2])) as db:
        db.execute(first.create.replace("shop_events", "bank_events"))
        db.execute('CREATE SCHEMA "odd ""schema"')
        db.execute(first.create.replace("shop_events", '"odd ""schema"."it\'s_events"'))
        db.execute("INSERT INTO \"odd \"\"schema\".\"it's_events\" VALUES ('s', 1, 't', '{}', 5)")
        db.execute("CREATE TABLE public.other (a int)")
    return url


def test_one_of_several_is_picked(several):
    """`application=` picks one, as an argument or in the URL, whatever its case."""
    assert len(open_history(several, application="Shop")) == 3
    assert len(open_history(f"{several}?application=shop")) == 3
    assert len(open_history(f"{several}?application=bank")) == 0


def test_several_are_listed(several):
    """Without a choice, or with a wrong one, the error lists them."""
    with pytest.raises(errors.UnknownApplicationError, match=r"holds bank, shop\. Name one"):
        open_history(several)
    with pytest.raises(errors.UnknownApplicationError, match="Near it: shop"):
        open_history(several, application="shopp")


def test_schema_is_chosen(several):
    """`schema=` reads another schema; names are quoted wherever they go."""
    found = open_history(f"{several}?schema=odd%20%22schema")
    assert (found.application, found.head, len(found)) == ("it's", 5, 1)
    assert found.scan().collect()["stream"].to_list() == ["s"]


def test_schema_without_events_is_refused(several):
    """A schema without stored events is refused with what it has."""
    with pytest.raises(errors.UnknownLayoutError, match="none at all"):
        open_history(f"{several}?schema=none")


def test_django_applications_share_a_table(postgres):
    """The applications of one table are told apart by a column."""
    layout = LAYOUTS["django"]
    url = write(postgres, layout, simple_rows(4))
    with closing(postgres.connect(url.rpartition("/")[2])) as db:
        db.execute("UPDATE stored_events SET application_name = 'it''s' WHERE id > 3")
    assert [open_history(url, application=a).head for a in ("Shop", "it's")] == [3, 4]


def test_metadata_of_release_10_has_the_id(postgres):
    """What eventsourcing 10 keeps beside an event is its metadata."""
    layout = LAYOUTS["10"]
    url = write(postgres, layout, simple_rows(2))
    with closing(postgres.connect(url.rpartition("/")[2])) as db:
        event_id = "00000000-0000-0000-0000-000000000009"
        db.execute(f"UPDATE shop_events SET event_id = '{event_id}', metadata = '{{\"a\": 1}}'")
    row = open_history(url).scan().collect().to_dicts()[0]
    assert row["metadata"] == f'{{"a": 1, "event_id": "{event_id}"}}'
    assert len(row["stream"]) == 36


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("?sslmoed=require", "Near it: sslmode"),
        ("?timeout=soon", "timeout='soon'"),
        ("?timeout=0", "Give seconds"),
    ],
)
def test_wrong_option_is_refused(postgres, options, said):
    """An option that there is not, or that is no number, is refused before anything is asked."""
    with pytest.raises(errors.UnknownTargetError, match=said):
        open_history(f"{postgres.url('postgres')}{options}")


# Read-only


@pytest.fixture(scope="module")
def reader_url(postgres, kennel):
    """Return the URL of the kennel for a role that may only SELECT from its tables."""
    with closing(postgres.connect(kennel)) as db:
        db.execute("DROP ROLE IF EXISTS reader")
        db.execute("CREATE ROLE reader LOGIN PASSWORD 'r'")
        for table in ("dogs_events", "dogs_snapshots", "counts_tracking"):
            db.execute(f"GRANT SELECT ON {table} TO reader")
    yield postgres.url(kennel, "reader", "r")
    with closing(postgres.connect(kennel)) as db:
        db.execute("DROP OWNED BY reader")
        db.execute("DROP ROLE reader")


def test_role_that_may_only_select_is_enough(reader_url):
    """Everything can be asked by a role that has no right but to read these tables."""
    found = open_history(reader_url)
    assert len(found.scan().collect()) == len(found) == 10
    assert (found.types().height, found.snapshots().height) == (2, 1)
    assert (found.receivers().height, found.held_back) == (1, None)
    frames = list(found.between(upto=10).follow(after=6))
    assert sum(frame.height for frame in frames) == 4


def test_sessions_can_only_read(postgres, kennel):
    """Whoever asks, the server refuses to write, and a transaction sees one state."""
    with open_history(postgres.url(kennel)).source.server.session() as session:
        assert session.ask("SHOW transaction_read_only") == [("on",)]
        assert session.ask("SHOW transaction_isolation") == [("repeatable read",)]
        assert session.ask("SHOW statement_timeout") == [("1min",)]
        with pytest.raises(errors.StoreUnreadableError, match="read-only transaction"):
            session.ask("DELETE FROM dogs_events RETURNING 1")


def test_reading_leaves_nothing_behind(postgres, kennel):
    """No connection is left when an answer is there."""
    url = postgres.url(kennel)
    found = open_history(url)
    found.scan().collect()
    list(found.between(upto=10).follow(after=0))
    found.problems()
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'event-workbench' "
        "AND datname = current_database()"
    )
    # A backend leaves the list a moment after its client has.
    assert any(plain(postgres, url, left) == [(0,)] for _ in range(500))


def test_positions_of_types_are_selected_by_the_database(postgres, kennel):
    """A condition on types is in the statement, so that no other rows travel."""
    source = open_history(postgres.url(kennel)).source
    asked = source._sql.rows(Selection(types=frozenset({"a'b"}), after=3, upto_version=1), {"type"})
    assert "topic = ANY(ARRAY['a''b']::text[])" in asked
    assert "notification_id > 3" in asked
    assert "originator_version::bigint <= 1" in asked
    rows = [Row(1, "s", 1, PLACED, b"{}"), Row(2, "s", 2, SHIPPED, b"{}")]
    url = write(postgres, LAYOUTS["native, text"], rows)
    assert open_history(url).of_types(SHIPPED).scan().collect()["position"].to_list() == [2]
