"""What a history shows equals what the library's own recorder and decoder return, event by event.

The fixtures were written by other libraries and other versions, the encodings are
written here by running an application of the installed one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import polars as pl
import pytest
from known import FIXTURES, Fixture, fixture_id
from ledger import ENCODINGS, Encoding, Known, as_read, fields_read, write_ledger
from stores import plain

from workbench import open_history
from workbench.payload.native import fields_of, native
from workbench.tables import EVENTS, SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench import History


@dataclass(frozen=True)
class Store:
    """A store that an application has written, and what the library reads from it."""

    path: Path
    known: list[Known]
    history: History


@pytest.fixture(scope="session")
def stores() -> dict[str, Store]:
    """Return the stores that have been written so far, by encoding."""
    return {}


@pytest.fixture(params=ENCODINGS, ids=lambda encoding: encoding.name)
def written_store(
    request: pytest.FixtureRequest, stores: dict[str, Store], new_path: Callable[[], Path]
) -> Store:
    """Return a store in each encoding."""
    encoding: Encoding = request.param
    if encoding.name not in stores:
        path = new_path()
        known = write_ledger(path, encoding)
        history = open_history(path, **encoding.opening)
        stores[encoding.name] = Store(path, known, history)
    return stores[encoding.name]


@pytest.fixture(params=FIXTURES, ids=fixture_id)
def fixture(request: pytest.FixtureRequest) -> Fixture:
    """Return each application of each fixture."""
    found: Fixture = request.param
    return found


def shown(stream: Any) -> str:
    """Return a stream's id as a history of a 9.x store shows it."""
    return stream.hex if isinstance(stream, UUID) else str(stream)


# Stores that the installed library has written, in every encoding


def test_every_event_is_there(written_store: Store) -> None:
    """Position, stream, version and type equal those of the library's recorder."""
    found = written_store.history.scan().select("position", "stream", "version", "type").collect()
    assert found.rows() == [
        (k.position, shown(k.stream), k.version, k.type) for k in written_store.known
    ]


def test_state_is_the_stored_bytes(written_store: Store) -> None:
    """The bytes of each event are those of the library's recorder."""
    states = [written_store.history.state(k.position) for k in written_store.known]
    assert states == [k.state for k in written_store.known]


def test_data_is_what_the_library_decodes(written_store: Store) -> None:
    """Every field has the value that the library's transcoder returns."""
    found = written_store.history.scan().select("data").collect()["data"]
    assert [fields_of(text) for text in found] == [fields_read(k) for k in written_store.known]


def test_data_is_strict_json(written_store: Store) -> None:
    """The payload is JSON text that any reader takes."""
    found = written_store.history.scan().select("data").collect()["data"]
    assert all(isinstance(json.loads(text, parse_constant=pytest.fail), dict) for text in found)


def test_nothing_is_a_problem(written_store: Store) -> None:
    """What the library has written can be decoded to the last byte."""
    problems = written_store.history.scan().select("problem").collect()["problem"]
    assert problems.null_count() == len(written_store.known)


def test_time_is_the_timestamp(written_store: Store) -> None:
    """The time is the timestamp that the library's mapper restores."""
    found = written_store.history.scan().select("time").collect()["time"]
    assert found.to_list() == [as_read(k.time) for k in written_store.known]


def test_schema_version_is_the_class_version(written_store: Store) -> None:
    """The schema version is the stored class_version, 1 where there is none."""
    found = written_store.history.scan().select("schema_version").collect()["schema_version"]
    assert found.to_list() == [k.schema_version for k in written_store.known]


def test_typed_columns_have_the_decoded_values(written_store: Store) -> None:
    """Typed columns hold what the library decodes, one row an event, null where absent."""
    typed = written_store.history.events_by_type()
    for type_, frame in typed.items():
        known = [k for k in written_store.known if k.type == type_]
        assert frame["position"].to_list() == [k.position for k in known]
        for name in frame.columns[len(ENVELOPE) :]:
            values = [as_column(fields_read(k).get(name.removeprefix("data."))) for k in known]
            assert [as_column(value) for value in frame[name].to_list()] == values, name


ENVELOPE = ("position", "partition", "stream", "version", "type", "schema_version", "time")


def as_column(value: Any) -> Any:
    """Return a value so that structs and dicts, with and without nulls, compare as equal.

    In a list of different things a struct has the fields of all, and wrappers stay.
    """
    match value:
        case dict():
            found = {name: as_column(inner) for name, inner in value.items()}
            return native({name: inner for name, inner in found.items() if inner is not None})
        case list():
            return [as_column(inner) for inner in value]
    return value


def test_types_of_typed_columns(written_store: Store) -> None:
    """Times, amounts and ids have native dtypes in the columns of a type."""
    typed = written_store.history.events_by_type().get("ledger:Account.Opened")
    if typed is not None:
        dtypes = typed.select("holder", "since").schema
        assert dtypes == {"holder": pl.String, "since": pl.Datetime("us", "UTC")}


def test_snapshots_are_those_of_the_store(written_store: Store) -> None:
    """Stream, version and type of each snapshot equal what plain SQL finds."""
    sql = "SELECT originator_id, originator_version, topic FROM stored_snapshots ORDER BY 1, 2"
    found = written_store.history.snapshots()
    assert SNAPSHOTS.misfits(found) == []
    assert found.rows() == plain(written_store.path, sql)


def test_wrappers_of_an_application_stay(new_path: Callable[[], Path]) -> None:
    """A value of a custom transcoding is a struct of its name and its data."""
    path = new_path()
    write_ledger(path, ENCODINGS[0])
    fee = open_history(path).events("Account.Credited")["fee"]
    assert fee[0] == {
        "_type_": "price",
        "_data_": {"amount": Decimal("0.99"), "currency": "EUR"},
    }


# Live applications


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_a_live_application_says_how_it_encodes(encoding: Encoding) -> None:
    """A live application needs no key and no compressor: it has them."""
    from ledger import known_by, make_app

    with make_app(None, encoding) as app:
        encoding.fill(app)
        found = open_history(app).scan().select("data", "time").collect()
        known = known_by(app)
    assert [fields_of(text) for text in found["data"]] == [fields_read(k) for k in known]


# Fixtures of other layouts


def test_every_event_of_a_fixture_is_there(fixture: Fixture) -> None:
    """Position, stream, version, type and state equal those of the library that wrote it."""
    history = open_history(fixture.path, **fixture.opening)
    found = history.scan().select("position", "stream", "version", "type").collect()
    states = [(history.state(position),) for position in found["position"]]
    rows = [row + state for row, state in zip(found.rows(), states, strict=True)]
    assert rows == [tuple(row) for row in fixture.rows]


def test_data_of_a_fixture_is_what_was_decoded(fixture: Fixture) -> None:
    """Every field has the value that the library which wrote it returns."""
    history = open_history(fixture.path, **fixture.opening)
    found = [as_noted(fields_of(t)) for t in history.scan().select("data").collect()["data"]]
    envelope = {"timestamp", "class_version"}
    assert found == [
        as_noted({n: v for n, v in line["decoded"].items() if n not in envelope})
        for line in fixture.lines
    ]


def as_noted(value: Any) -> Any:
    """Return a value in one form of the several in which libraries write it.

    Times are in UTC, ids without dashes, and amounts their text.
    """
    match value:
        case dict():
            return {name: as_noted(inner) for name, inner in value.items()}
        case list():
            return [as_noted(inner) for inner in value]
        case datetime():
            return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        case Decimal():
            return str(value)
        case str():
            return _of_text(value)
    return value


def _of_text(value: str) -> Any:
    try:
        return UUID(value).hex
    except ValueError:
        pass
    try:
        return as_noted(datetime.fromisoformat(value)) if value[4:5] == "-" else value
    except ValueError:
        return value


def test_nothing_in_a_fixture_is_a_problem(fixture: Fixture) -> None:
    """Every event of every fixture can be decoded."""
    found = open_history(fixture.path, **fixture.opening).scan().collect()
    assert EVENTS.misfits(found) == []
    assert found["problem"].null_count() == len(fixture.lines)


def test_time_of_a_fixture(fixture: Fixture) -> None:
    """The time is the timestamp of the state, and null in eventsourcing 10, which has none."""
    found = open_history(fixture.path, **fixture.opening).scan().select("time").collect()["time"]
    times = [line["decoded"].get("timestamp") for line in fixture.lines]
    assert found.to_list() == [None if t is None else as_noted(t) for t in times]


def test_schema_version_of_a_fixture(fixture: Fixture) -> None:
    """The schema version is the class_version, 1 without one, and unknown in eventsourcing 10."""
    history = open_history(fixture.path, **fixture.opening)
    found = history.scan().select("schema_version").collect()["schema_version"].to_list()
    first = None if fixture.is_v10 else 1
    assert found == [line["decoded"].get("class_version", first) for line in fixture.lines]


def test_metadata_of_a_fixture(fixture: Fixture) -> None:
    """Metadata is what eventsourcing 10 stores, with the event's id; the others have none."""
    history = open_history(fixture.path, **fixture.opening)
    found = history.scan().select("metadata").collect()["metadata"].to_list()
    if fixture.is_v10:
        wanted = [{**line["metadata"], "event_id": line["event_id"]} for line in fixture.lines]
        assert [json.loads(text) for text in found] == wanted
    else:
        assert found == [None] * len(fixture.lines)


def test_the_three_files_of_one_history_agree() -> None:
    """The same history in JSON, msgpack and pydantic's JSON has the same typed values."""
    plain_json, msgpack, pydantic = (
        [as_noted(fields_of(t)) for t in open_history(f.path).scan().collect()["data"]]
        for f in FIXTURES
        if f.is_v10
    )
    assert plain_json == msgpack == pydantic


def test_every_stored_event_is_counted(fixture: Fixture) -> None:
    """`len` is the number of expected events."""
    assert len(open_history(fixture.path, **fixture.opening)) == len(fixture.lines)
