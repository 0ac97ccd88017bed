"""Every source keeps the contract, and each does what is peculiar to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from contracts import EmptySourceContract, Made, SourceContract, expected, positions, raw
from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder
from hypothesis import given
from hypothesis import strategies as st
from known import FIXTURES, Fixture, fixture_id
from ledger import ENCODINGS, Ledger, known_by, make_app
from stores import PLACED, Row, cut_parts, plain, simple_rows, write_native, written
from strategies import STREAMS, TYPES, histories, plain_states

from workbench import open_history
from workbench.errors import (
    StoreUnreadableError,
    UnknownApplicationError,
    UnknownLayoutError,
)
from workbench.sources import Selection
from workbench.sources.recorder import RecorderSource
from workbench.sources.sqlite import open_sqlite
from workbench.targets import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.sources import Source


class TestNative(SourceContract):
    """The library's own SQLite tables, with holes in the positions."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path: Callable[[], Path]) -> Made:
        """Return a store of 40 events at every third position."""
        rows = simple_rows(40, step=3, start=5)
        return Made(open_sqlite(write_native(new_path(), rows)), rows)


class TestNativeInManyParts(TestNative):
    """The same, where a part has few rows, so that ranges are cut, widened and narrowed."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_rows_a_part(cls) -> Iterator[None]:
        """Cut parts at four rows."""
        with pytest.MonkeyPatch.context() as patch:
            cut_parts(patch, 4)
            yield


class TestNativeWithOddNames(SourceContract):
    """The library's own tables, with every odd name of streams and types."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path: Callable[[], Path]) -> Made:
        """Return a store with names that SQL could stumble over."""
        names = ["it's", 'say "x"', "a;--", "100%_", "Zoë 🦆", "x\x00y", "a\nb", "n" * 5_000, "�"]
        rows = [
            Row(position, names[position % 9], position // 9 + 1, names[-position % 9], b"{}")
            for position in range(1, 40)
        ]
        return Made(open_sqlite(write_native(new_path(), rows)), rows)


@pytest.mark.parametrize("fixture", FIXTURES, ids=fixture_id, scope="class")
class TestFixtures(SourceContract):
    """The layouts of SQLAlchemy, Django and eventsourcing 10."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, fixture: Fixture) -> Made:
        """Return one application of one fixture."""
        return Made(open_sqlite(fixture.path, fixture.application), fixture.rows)


class TestRecorderInMemory(SourceContract):
    """A recorder that keeps events in memory."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Made:
        """Return a recorder with 40 events; it numbers them itself."""
        rows = simple_rows(40)
        recorder = POPOApplicationRecorder()
        recorder.insert_events([StoredEvent(*row[1:]) for row in rows])
        return Made(open_source(recorder), rows)


class TestRecorderInPages(TestRecorderInMemory):
    """The same, where a page has few rows."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_rows_a_page(cls) -> Iterator[None]:
        """Cut pages at four rows."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.sources.recorder.PAGE", 4)
            yield


class TestLiveApplication(SourceContract):
    """A live application with SQLite persistence, read through its recorder."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path: Callable[[], Path]) -> Iterator[Made]:
        """Return the application and what its recorder says."""
        with make_app(new_path(), ENCODINGS[0]) as app:
            ENCODINGS[0].fill(app)
            rows = [
                Row(k.position, k.stream.hex, k.version, k.type, k.state) for k in known_by(app)
            ]
            yield Made(open_source(app), rows)


class TestEmptyNative(EmptySourceContract):
    """Native tables without rows."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path: Callable[[], Path]) -> Source:
        """Return the source."""
        return open_sqlite(write_native(new_path(), []))


class TestEmptyDjango(EmptySourceContract):
    """Django's tables before the first event: no application has a name yet."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path: Callable[[], Path]) -> Source:
        """Return the source."""
        path = new_path()
        with written(path, schema=DJANGO):
            pass
        return open_sqlite(path)


class TestEmptyRecorder(EmptySourceContract):
    """A recorder without events."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Source:
        """Return the source."""
        return open_source(POPOApplicationRecorder())


DJANGO = """CREATE TABLE stored_events (id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    application_name varchar(32) NOT NULL, originator_id char(32) NOT NULL,
    originator_version bigint NOT NULL, topic text NOT NULL, state BLOB NOT NULL);"""


def write_django(path: Path, *applications: str) -> Path:
    """Write one event for each application into Django's tables, and return the path."""
    with written(path, schema=DJANGO) as db:
        db.executemany(
            "INSERT INTO stored_events VALUES (?, ?, ?, 1, 'a:B', '{}')",
            [(n, name, f"{n:032x}") for n, name in enumerate(applications, 1)],
        )
    return path


def selections() -> st.SearchStrategy[Selection]:
    """Return a strategy for selections of what `histories` makes."""
    numbers = st.none() | st.integers(-2, 60)
    return st.builds(
        Selection,
        after=numbers,
        upto=numbers,
        types=st.none() | st.frozensets(st.sampled_from([*TYPES, "unknown"]), max_size=4),
        streams=st.none() | st.frozensets(st.sampled_from([*STREAMS, "unknown"]), max_size=3),
        after_version=st.none() | st.integers(-1, 6),
        upto_version=st.none() | st.integers(-1, 6),
    )


# Selections


@given(rows=histories(plain_states()), selection=selections())
def test_any_selection_of_any_history(
    new_path: Callable[[], Path], rows: list[Row], selection: Selection
) -> None:
    """What SQL leaves of a selection is what a look at each row leaves."""
    made = Made(open_sqlite(write_native(new_path(), rows)), rows)
    assert positions(made, selection) == expected(rows, selection)


@given(one=selections(), other=selections(), rows=histories(plain_states()))
def test_what_two_selections_have_in_common(
    one: Selection, other: Selection, rows: list[Row]
) -> None:
    """`meet` selects what both select."""
    both = set(expected(rows, one)) & set(expected(rows, other))
    assert set(expected(rows, one.meet(other))) == both


@given(one=selections(), other=selections())
def test_meeting_has_no_order(one: Selection, other: Selection) -> None:
    """`meet` is the same either way round."""
    assert one.meet(other) == other.meet(one)


@given(selection=selections())
def test_all_takes_nothing_from_a_selection(selection: Selection) -> None:
    """The selection of everything changes nothing when it is met."""
    assert selection.meet(Selection()) == selection


@given(selection=selections(), rows=histories(plain_states()))
def test_an_empty_selection_selects_nothing(selection: Selection, rows: list[Row]) -> None:
    """A selection that says it is empty leaves no row of any history."""
    assert not (selection.is_empty and expected(rows, selection))


# Ranges of positions


@pytest.mark.parametrize("rows_a_part", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(range(1, 60), id="dense"),
        pytest.param(range(1, 60_000, 1_000), id="sparse"),
        pytest.param([*range(1, 9), *range(10**6, 10**6 + 9), 2**62], id="far apart"),
        pytest.param([*range(-9, 3)], id="negative"),
    ],
)
def test_ranges_miss_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, numbers: range, rows_a_part: int
) -> None:
    """However the numbers lie, the ranges cover each event once."""
    cut_parts(monkeypatch, rows_a_part)
    rows = [Row(number, "s", version, PLACED) for version, number in enumerate(numbers, 1)]
    made = Made(open_sqlite(write_native(tmp_path / "store.db", rows)), rows)
    assert positions(made, Selection()) == list(numbers)


def test_metadata_that_begins_late_in_a_part(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A column that is NULL in the first rows of a query keeps its later values."""
    cut_parts(monkeypatch, 4)
    rows = [(n, "s", n, "a:B", b"{}", None, None if n < 20 else b"{}") for n in range(1, 30)]
    with written(tmp_path / "store.db", schema=V10) as db:
        db.executemany(INSERT_V10, rows)
    made = Made(open_sqlite(tmp_path / "store.db"), [])
    found = raw(made.source, Selection(streams=frozenset({"s"})), {"metadata"})
    assert found["metadata"].to_list() == [None] * 19 + ["{}"] * 10


V10 = """CREATE TABLE stored_events (originator_id TEXT, originator_version INTEGER, topic TEXT,
    state BLOB, event_id TEXT, metadata BLOB, PRIMARY KEY (originator_id, originator_version));"""
INSERT_V10 = (
    "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state, event_id, "
    "metadata) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


@pytest.mark.parametrize(
    ("event_id", "metadata", "found"),
    [
        ("e1", b"{}", '{"event_id":"e1"}'),
        ("e1", b'{"user": "x"}', '{"user":"x","event_id":"e1"}'),
        ('say "x"', b"{}", '{"event_id":"say \\"x\\""}'),
        (None, b'{"user":"x"}', '{"user":"x"}'),
        ("e1", None, None),
        ("e1", b"{broken", '"{broken"'),
        ("e1", b"[1]", "[1]"),
    ],
)
def test_the_id_of_an_event_is_part_of_its_metadata(
    tmp_path: Path, event_id: str | None, metadata: bytes | None, found: str | None
) -> None:
    """In a store of eventsourcing 10, metadata is JSON with `event_id`, whatever is stored."""
    with written(tmp_path / "store.db", schema=V10) as db:
        db.execute(INSERT_V10, (1, "s", 1, "a:B", b"{}", event_id, metadata))
    assert raw(open_sqlite(tmp_path / "store.db"), Selection(), {"metadata"}).item() == found


# What a file is recognised as


@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("sqlalchemy", "eventsourcing-sqlalchemy, SQLite"),
        ("sqlalchemy_nameless", "eventsourcing-sqlalchemy, SQLite"),
        ("v10", "eventsourcing 10, SQLite"),
        ("v10_msgpack", "eventsourcing 10, SQLite"),
    ],
)
def test_a_layout_is_told_from_its_columns(fixture: str, kind: str) -> None:
    """The kind of a source is recognised by tables and columns."""
    assert open_sqlite(Fixture(fixture, None).path).kind == kind


def test_a_native_layout_is_told_from_its_columns(store: Path) -> None:
    """The library's own tables are recognised."""
    assert open_sqlite(store).kind == "eventsourcing 9, SQLite"


def test_a_table_of_snapshots_is_no_application(tmp_path: Path) -> None:
    """A file with nothing but snapshots has no stored events."""
    with written(tmp_path / "store.db") as db:
        db.execute("DROP TABLE stored_events")
    with pytest.raises(UnknownLayoutError, match="stored_snapshots, tracking"):
        open_sqlite(tmp_path / "store.db")


def test_a_copy_of_the_table_beside_it_is_passed_over(store: Path) -> None:
    """A backup table of the same form, made by an operator, does not make a choice necessary."""
    with closing(sqlite3.connect(store)) as db:
        db.execute("CREATE TABLE before_cleanup AS SELECT * FROM stored_events LIMIT 1")
        db.commit()
    assert open_sqlite(store).count(Selection()) == 30


def test_a_native_table_of_another_name(tmp_path: Path) -> None:
    """A table of the library's form is found by its columns, whatever its name."""
    path = write_native(tmp_path / "store.db", simple_rows(4))
    with closing(sqlite3.connect(path)) as db:
        db.execute('ALTER TABLE stored_events RENAME TO "odd \'name"')
        db.commit()
    assert open_sqlite(path).count(Selection()) == 4


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_text_that_is_not_utf_8_is_refused(tmp_path: Path, encoding: str) -> None:
    """A database whose text is UTF-16 is refused, not read as something else."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        db.execute(f"PRAGMA encoding='{encoding}'")
        db.execute("CREATE TABLE stored_events (a)")
        db.commit()
    with pytest.raises(StoreUnreadableError, match=encoding):
        open_sqlite(tmp_path / "store.db")


# Applications


def test_the_choice_is_left_to_the_user() -> None:
    """Several applications without a choice are an error that lists them."""
    with pytest.raises(UnknownApplicationError, match=r"holds Invoices, Parcels\. Name one"):
        open_sqlite(Fixture("django", None).path)


def test_an_unknown_application_is_an_error() -> None:
    """A name that no application has is an error that lists near ones."""
    with pytest.raises(UnknownApplicationError, match=r"'Parcel' in .*Near it: Parcels"):
        open_sqlite(Fixture("django", None).path, "Parcel")


@pytest.mark.parametrize("name", ["parcels", "PARCELS"])
def test_an_application_is_found_in_any_case(name: str) -> None:
    """The case of an application's name does not matter where it is unambiguous."""
    assert open_sqlite(Fixture("django", None).path, name).application == "Parcels"


@pytest.mark.parametrize("name", ["Shop", "shop", "SHOP"])
def test_the_exact_name_goes_first(tmp_path: Path, name: str) -> None:
    """Of applications that differ in case only, the one of the exact name is taken."""
    path = write_django(tmp_path / "store.db", "SHOP", "Shop", "shop")
    assert open_sqlite(path, name).application == name


def test_an_application_without_a_name_can_be_named(tmp_path: Path) -> None:
    """Django's empty application name is chosen by the empty text."""
    path = write_django(tmp_path / "store.db", "", "Other")
    assert raw(open_sqlite(path, ""), Selection(), {"position"})["position"].to_list() == [1]


def test_the_only_application_needs_no_name(tmp_path: Path) -> None:
    """Where a table of Django's has one application, it is taken."""
    assert open_sqlite(write_django(tmp_path / "store.db", "Only")).application == "Only"


def test_a_file_that_names_no_application_takes_the_users_word(store: Path) -> None:
    """The library's own tables do not say whose they are: the user may."""
    assert open_sqlite(store, "Shop").application == "Shop"


def test_an_application_in_a_url(tmp_path: Path) -> None:
    """A URL may name the application."""
    path = write_django(tmp_path / "store.db", "A", "B")
    assert open_source(f"sqlite:///{path}?application=B").application == "B"


# Streams


@pytest.mark.parametrize("fixture", FIXTURES, ids=fixture_id)
def test_a_uuid_is_found_in_every_form(fixture: Fixture) -> None:
    """A stream that is a UUID is found as an object, with dashes and without."""
    source, uuid = open_sqlite(fixture.path, fixture.application), UUID(fixture.rows[0].stream)
    counts = {
        source.count(Selection(streams=source.stream_forms(f))) for f in (uuid, str(uuid), uuid.hex)
    }
    assert counts == {len([row for row in fixture.rows if UUID(row.stream) == uuid])}


# Receivers and snapshots


def test_receivers_of_a_native_store(tmp_path: Path) -> None:
    """Who has recorded a position is listed, without the library's sentinel row."""
    path = write_native(tmp_path / "store.db", [], tracking=[("Up", 7), ("Other", 3)])
    assert open_sqlite(path).receivers().rows() == [
        ("tracking", "Other", 3, None, None, None),
        ("tracking", "Up", 7, None, None, None),
    ]


def test_receivers_of_a_django_store() -> None:
    """Django keeps a row for each position: a receiver stands at the greatest."""
    path = Fixture("django", None).path
    ((greatest,),) = plain(path, "SELECT max(notification_id) FROM notification_tracking")
    found = open_sqlite(path, "Parcels").receivers()
    assert found.rows() == [("Invoices", "Parcels", greatest, None, None, None)]


def test_receivers_of_a_sqlalchemy_store() -> None:
    """Only those who follow the application that is open are listed."""
    path = Fixture("sqlalchemy_two_apps", None).path
    assert open_sqlite(path, "parcels").receivers().rows() == [
        ("deliverycounts", "Parcels", 10, None, None, None),
        ("invoices", "Parcels", 50, None, None, None),
    ]


@pytest.mark.parametrize("fixture", FIXTURES, ids=fixture_id)
def test_snapshots_belong_to_streams(fixture: Fixture) -> None:
    """Every snapshot is of a stream of the application, as its events show it."""
    snapshots = open_sqlite(fixture.path, fixture.application).snapshots()
    assert set(snapshots["stream"]) <= {row.stream for row in fixture.rows}


# Live applications and recorders


def test_an_application_in_memory_has_its_name() -> None:
    """The application of a live application is its name."""
    with Ledger() as app:
        assert open_source(app).application == "Ledger"


def test_a_live_application_is_not_renamed() -> None:
    """Another name than the live application's own is an error."""
    with Ledger() as app, pytest.raises(UnknownApplicationError, match="'Other'.*'Ledger'"):
        open_source(app, "Other")


def test_a_recorder_takes_the_users_word() -> None:
    """A recorder does not know whose events it keeps: the user may say it."""
    assert open_source(POPOApplicationRecorder(), "Shop").application == "Shop"


def test_new_events_of_a_live_application_are_seen() -> None:
    """A history of a live application shows what was saved after it was opened."""
    with make_app(None, ENCODINGS[0]) as app:
        history = open_history(app)
        ENCODINGS[0].fill(app)
        assert len(history) == 15


class Forgetful:
    """A recorder that has lost its first events, and whose ids have holes."""

    def max_notification_id(self) -> int:
        """Return the last id."""
        return 40

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Any = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Any]:
        """Return what is left."""
        low = (start or 0) + (not inclusive_of_start)
        ids = [i for i in (10, 20, 30, 40) if i >= low and (stop is None or i <= stop)]
        from eventsourcing.persistence import Notification

        return [Notification(UUID(int=i), 1, PLACED, b"{}", i) for i in ids][:limit]


def test_a_recorder_with_holes() -> None:
    """Ids of a recorder need not begin at 1, nor be without holes."""
    source = RecorderSource(Forgetful())
    assert (source.tail(), source.state(15), source.state(20)) == (10, None, b"{}")
