"""The sample history is what its README says, and can be made again."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from workbench import samples
from workbench.errors import ExportError, StoreNotFoundError
from workbench.samples import RELEASES, load_release, shop_path
from workbench.samples.facts import Facts, measure
from workbench.samples.incidents import CHARGED_TWICE, SLOW_BY, SLOW_CLOCK
from workbench.samples.make import main, make_shop
from workbench.samples.readme import with_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[1] / "data" / "README.md"

ALL_COLUMNS = (
    "SELECT rowid, originator_id, originator_version, topic, state "
    "FROM stored_events ORDER BY rowid"
)

REBUILD = """
import json, sqlite3, sys
from workbench.samples import RELEASES, load_release
shop = load_release(RELEASES[-1])
env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": sys.argv[1]}
streams = sqlite3.connect(sys.argv[1]).execute(
    "SELECT originator_id, max(originator_version) FROM stored_events GROUP BY 1"
).fetchall()
failed = {}
with shop.Shop(env=env) as application:
    for stream, version in streams:
        try:
            assert application.repository.get(stream).version == version
        except Exception as error:
            failed[stream] = type(error).__name__
print(json.dumps(failed))
"""
"""Lets release 3 rebuild every stream, and prints those that it cannot."""


class Event(NamedTuple):
    """A decodable row of the store."""

    position: int
    stream: str
    version: int
    type: str
    data: dict[str, Any]
    time: datetime


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    """Yield a connection that can only read the committed file."""
    uri = f"{shop_path().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        yield connection


@pytest.fixture(scope="module")
def events(db: sqlite3.Connection) -> list[Event]:
    """Return the events that can be decoded, by position."""
    decoded = []
    for position, stream, version, topic, state in db.execute(ALL_COLUMNS):
        try:
            data = json.loads(state.decode())
        except ValueError:
            continue
        time = datetime.fromisoformat(data["timestamp"]["_data_"])
        decoded.append(Event(position, stream, version, topic, data, time))
    return decoded


@pytest.fixture(scope="module")
def facts() -> Facts:
    """Return what the README's table is made from."""
    return measure(shop_path())


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sample history that has just been made."""
    path = tmp_path_factory.mktemp("remade") / "shop.db"
    make_shop(path)
    return path


@pytest.fixture(scope="module")
def not_rebuilt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the streams that release 3 cannot rebuild, with the error's name."""
    # The library would turn the committed file into WAL mode.
    copy = tmp_path_factory.mktemp("rebuilt") / "shop.db"
    shutil.copyfile(shop_path(), copy)
    done = subprocess.run(
        [sys.executable, "-c", REBUILD, str(copy)],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    failed: dict[str, str] = json.loads(done.stdout)
    return failed


def queries() -> dict[str, str]:
    """Return the SQL in the README by its comment."""
    blocks = re.findall(r"```sql\n-- ([\w ]+): .*\n(.*)\n```", README.read_text("utf-8"))
    return dict(blocks)


# The file


def test_remaking_gives_the_same_rows(db: sqlite3.Connection, remade: Path) -> None:
    """Position, stream, version, type and state are those of the committed file."""
    with closing(sqlite3.connect(remade)) as other:
        assert other.execute(ALL_COLUMNS).fetchall() == db.execute(ALL_COLUMNS).fetchall()


def test_is_small() -> None:
    """The file has less than 12 MB."""
    assert shop_path().stat().st_size < 12_000_000


def test_has_the_promised_number_of_events(db: sqlite3.Connection) -> None:
    """There are 50,000 to 80,000 events."""
    ((count,),) = db.execute("SELECT count(*) FROM stored_events")
    assert 50_000 <= count <= 80_000


def test_has_at_least_twelve_types(db: sqlite3.Connection) -> None:
    """There are 12 types or more, renamed ones counted once."""
    topics = {topic for (topic,) in db.execute("SELECT topic FROM stored_events")}
    assert len({topic.replace("StockItem", "Item") for topic in topics}) >= 12


def test_lasts_eighteen_months(events: list[Event]) -> None:
    """The first event is of January 2025, the last of June 2026."""
    first, last = events[0].time, events[-1].time
    assert [(t.year, t.month) for t in (first, last)] == [(2025, 1), (2026, 6)]


def test_is_in_rollback_journal_mode() -> None:
    """Readers need no second file: the header's version bytes are those of no WAL."""
    assert shop_path().read_bytes()[18:20] == b"\x01\x01"


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_is_one_file(suffix: str) -> None:
    """Nothing lies beside the file."""
    path = shop_path()
    assert not path.with_name(path.name + suffix).exists()


def test_nothing_is_sold_that_is_not_there(events: list[Event]) -> None:
    """No item is ever reserved beyond what is on the shelf."""
    available: dict[str, int] = {}
    lowest = 0
    for event in events:
        if event.stream.startswith("item-"):
            quantity = event.data.get("quantity", 0)
            sign = -1 if event.type.endswith(".Reserved") else 1
            available[event.stream] = available.get(event.stream, 0) + sign * quantity
            lowest = min(lowest, available[event.stream])
    assert lowest == 0


# The README


def test_readme_says_what_the_maker_renders(remade: Path) -> None:
    """The facts in the README are those of a file that has just been made."""
    text = README.read_text("utf-8")
    assert with_facts(text, measure(remade)) == text


def test_a_readme_needs_the_markers(facts: Facts) -> None:
    """Without them there is no place for the facts."""
    with pytest.raises(ValueError, match="add the two lines"):
        with_facts("# The sample history", facts)


@pytest.mark.parametrize("name", queries())
def test_sql_in_the_readme_finds_what_the_table_says(
    name: str, db: sqlite3.Connection, facts: Facts
) -> None:
    """Each query returns as many rows as the README counts."""
    expected = {
        "charged twice": facts.charged_twice.payments,
        "refunds of no payment": len(facts.unknown_payments),
        "time runs backwards": facts.backwards.drops,
        "holes": len(facts.holes),
        "missing versions": len(facts.broken_streams),
        "undecodable": len(facts.undecodable),
    }
    assert len(db.execute(queries()[name]).fetchall()) == expected[name] > 0


# 1. Charged twice


def charges(events: list[Event]) -> dict[str, list[Event]]:
    """Return the charges of each payment."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.type == "shop:Payment.Charged":
            found.setdefault(event.stream, []).append(event)
    return found


def second_charges(events: list[Event]) -> list[Event]:
    """Return the charges that should not be."""
    return [pair[1] for pair in charges(events).values() if len(pair) > 1]


def test_second_charges_are_of_one_week(events: list[Event]) -> None:
    """All of them lie in the week on record, under release 2."""
    begin, end = CHARGED_TWICE
    assert end - begin == timedelta(weeks=1)
    assert all(begin <= event.time < end for event in second_charges(events))


def test_second_charges_follow_within_seconds(events: list[Event]) -> None:
    """They are of the same amount, less than ten seconds after the first."""
    for first, second, *more in (c for c in charges(events).values() if len(c) > 1):
        assert not more
        assert second.data["amount"] == first.data["amount"]
        assert timedelta() < second.time - first.time < timedelta(seconds=10)


def test_second_charges_are_of_orders_with_a_coupon(events: list[Event]) -> None:
    """They hit every order with a coupon of that week, and no other."""
    begin, end = CHARGED_TWICE
    with_coupon = {
        event.stream
        for event in events
        if event.type == "shop:Order.Confirmed" and event.data.get("coupon")
    }
    of_the_week = {
        first.data["order_id"]
        for first, *_ in charges(events).values()
        if begin <= first.time < end
    }
    charged_twice = {event.data["order_id"] for event in second_charges(events)}
    assert charged_twice == with_coupon & of_the_week


def test_overcharged_amount_is_on_record(events: list[Event], facts: Facts) -> None:
    """The second charges sum to what the README says."""
    amounts = [Decimal(e.data["amount"]["_data_"]) for e in second_charges(events)]
    assert sum(amounts) == facts.charged_twice.overcharged


def test_owed_amount_is_on_record(events: list[Event], facts: Facts) -> None:
    """What has not been refunded as charged twice is what the README says."""
    refunded = {e.data["payment_id"] for e in events if e.data.get("reason") == "charged twice"}
    amounts = [
        Decimal(event.data["amount"]["_data_"])
        for event in second_charges(events)
        if event.stream not in refunded
    ]
    assert sum(amounts) == facts.charged_twice.owed > 0


def test_second_charges_have_their_positions_on_record(events: list[Event], facts: Facts) -> None:
    """They lie between the two positions in the README."""
    positions = [event.position for event in second_charges(events)]
    recorded = (facts.charged_twice.first, facts.charged_twice.last)
    assert (min(positions), max(positions)) == recorded


# 2. Refunds of no payment


def test_refunds_of_no_payment_are_on_record(events: list[Event], facts: Facts) -> None:
    """Each has its position, stream and the payment that is not there."""
    streams = {event.stream for event in events}
    found = [
        (event.position, event.stream, event.data["payment_id"])
        for event in events
        if event.type == "shop:Refund.Issued" and event.data["payment_id"] not in streams
    ]
    assert found == list(facts.unknown_payments)


# 3. Time runs backwards


def test_time_runs_backwards_on_one_afternoon_only(events: list[Event]) -> None:
    """Every event that is earlier than the one before it is of that afternoon."""
    begin, end = SLOW_CLOCK
    drops = [b for a, b in pairwise(events) if b.time < a.time]
    assert drops
    assert all(begin - SLOW_BY <= event.time < end for event in drops)


def test_late_events_are_on_record(events: list[Event], facts: Facts) -> None:
    """So many events are earlier than some event before them."""
    latest = datetime.min.replace(tzinfo=UTC)
    late = []
    for event in events:
        if event.time < latest:
            late.append(event.position)
        latest = max(latest, event.time)
    assert (len(late), late[0], late[-1]) == (
        facts.backwards.late,
        facts.backwards.first,
        facts.backwards.last,
    )


def test_time_runs_backwards_within_streams_on_record(events: list[Event], facts: Facts) -> None:
    """In a few streams, of payments and of orders, time runs backwards too."""
    last: dict[str, datetime] = {}
    streams = set()
    for event in events:
        if event.time < last.get(event.stream, event.time):
            streams.add(event.stream)
        last[event.stream] = event.time
    assert sorted(streams) == list(facts.backwards.streams)
    assert {stream.partition("-")[0] for stream in streams} >= {"order", "payment"}


# 4. Holes


def test_holes_are_on_record(db: sqlite3.Connection, facts: Facts) -> None:
    """The positions that are missing are those in the README, and no others."""
    there = {position for (position,) in db.execute("SELECT rowid FROM stored_events")}
    missing = set(range(1, max(there) + 1)) - there
    assert missing == {p for a, b in facts.holes for p in range(a, b + 1)}


def test_missing_versions_are_on_record(db: sqlite3.Connection, facts: Facts) -> None:
    """In each stream on record one version is missing, between two others."""
    for stream, missing in facts.broken_streams:
        rows = db.execute(
            "SELECT originator_version FROM stored_events WHERE originator_id = ?",
            (stream,),
        )
        there = {version for (version,) in rows}
        assert set(range(1, max(there) + 1)) - there == {missing}


def test_test_order_is_gone(db: sqlite3.Connection) -> None:
    """Of the test order only what was reserved for it is left."""
    rows = db.execute(
        "SELECT DISTINCT originator_id FROM stored_events WHERE originator_id "
        "LIKE '%-10000' OR instr(CAST(state AS TEXT), 'order-10000')",
    )
    assert rows.fetchall() == [("item-mug-blue",)]


# 5. Undecodable rows


def state_at(db: sqlite3.Connection, facts: Facts, problem: str) -> bytes:
    """Return the state of the one row with a problem."""
    (row,) = (row for row in facts.undecodable if row.problem == problem)
    query = "SELECT state FROM stored_events WHERE rowid = ?"
    ((state,),) = db.execute(query, (row.position,))
    return bytes(state)


def test_one_row_is_truncated(db: sqlite3.Connection, facts: Facts) -> None:
    """Its state is text that begins as JSON and does not end as such."""
    text = state_at(db, facts, "truncated JSON").decode()
    assert text.startswith('{"timestamp":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_one_row_is_not_text(db: sqlite3.Connection, facts: Facts) -> None:
    """Its state is no UTF-8."""
    with pytest.raises(UnicodeDecodeError):
        state_at(db, facts, "not UTF-8").decode()


def test_two_rows_are_undecodable(
    db: sqlite3.Connection, events: list[Event], facts: Facts
) -> None:
    """All other rows can be decoded."""
    ((count,),) = db.execute("SELECT count(*) FROM stored_events")
    assert count - len(events) == len(facts.undecodable) == 2


# The releases


def test_release_3_rebuilds_every_other_stream(not_rebuilt: dict[str, str], facts: Facts) -> None:
    """It fails only where a version is missing or a state cannot be decoded."""
    missing = {stream: "OriginatorVersionError" for stream, _ in facts.broken_streams}
    broken = {row.stream: "MapperDeserialisationError" for row in facts.undecodable}
    assert not_rebuilt == missing | broken


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_releases_import_side_by_side(release: samples.Release) -> None:
    """Each is a module of its own, with a class Order of its own."""
    module = importlib.import_module(release.module)
    assert module.Order.__module__ == release.module


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, {"Order.Placed": 1, "Payment.Requested": 1, "Payment.Charged": 1}),
        (1, {"Order.Placed": 2, "Payment.Requested": 2, "Payment.Charged": 2}),
        (2, {"Order.Placed": 3, "Payment.Requested": 2, "Payment.Charged": 2}),
    ],
)
def test_schema_versions_of_each_release(
    number: int, expected: dict[str, int], events: list[Event], facts: Facts
) -> None:
    """Each release wrote one schema version of each type: the one in its code."""
    period = facts.periods[number]
    expected |= {"Refund.Issued": min(number + 1, 2)}
    found: dict[str, set[int]] = {}
    for event in events:
        if period.first <= event.position <= period.last:
            versions = found.setdefault(event.type.removeprefix("shop:"), set())
            versions.add(event.data.get("class_version", 1))
    assert found == {type_: {expected.get(type_, 1)} for type_ in found}


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [
        (0, "StockItem.Reserved", "Item.Reserved"),
        (1, "Item.Reserved", "StockItem.Reserved"),
        (1, "Order.Dispatched", "Order.Shipped"),
        (2, "Order.Shipped", "Order.Dispatched"),
    ],
)
def test_names_of_each_release(
    number: int, old: str, new: str, events: list[Event], facts: Facts
) -> None:
    """A release writes the names in its code, and no others."""
    period = facts.periods[number]
    topics = {e.type for e in events if period.first <= e.position <= period.last}
    assert f"shop:{new}" in topics
    assert f"shop:{old}" not in topics


@pytest.mark.parametrize(("number", "expected"), [(0, {False}), (1, {True}), (2, {True})])
def test_coupon_came_without_a_version(
    number: int, expected: set[bool], events: list[Event], facts: Facts
) -> None:
    """The field is in every Confirmed event from release 2 on, all of version 1."""
    period = facts.periods[number]
    confirmed = [
        event.data
        for event in events
        if event.type == "shop:Order.Confirmed" and period.first <= event.position <= period.last
    ]
    assert {"coupon" in data for data in confirmed} == expected


def test_addresses_of_release_3_have_a_transcoding(events: list[Event], facts: Facts) -> None:
    """They are stored under the application's own mark."""
    addresses = [
        event.data["address"]
        for event in events
        if event.type == "shop:Order.Placed" and event.position >= facts.periods[2].first
    ]
    assert {address["_type_"] for address in addresses} == {"address"}


def test_a_release_is_loaded_as_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its classes then have the topics that are stored."""
    monkeypatch.setitem(sys.modules, "shop", sys)
    monkeypatch.delitem(sys.modules, "shop")
    assert load_release(RELEASES[0]).Order.__module__ == "shop"


def test_one_release_is_loaded_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one is refused: topics would mean two things."""
    monkeypatch.setitem(sys.modules, "shop", sys)
    with pytest.raises(ImportError, match="use a process of its own"):
        load_release(RELEASES[1])


# The doors


def test_shop_path_is_the_committed_file() -> None:
    """In a checkout it is the file in data/."""
    assert shop_path() == README.with_name("shop.db")


def test_shop_path_prefers_the_installed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an installed wheel it is the file inside the package."""
    package = tmp_path / "workbench" / "samples"
    installed = package / "data" / "shop.db"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(samples, "__file__", str(package / "__init__.py"))
    assert shop_path() == installed


def test_shop_path_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no file, the error names the command that makes one."""
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "a" / "b" / "__init__.py"))
    with pytest.raises(StoreNotFoundError, match="make one with"):
        shop_path()


def test_maker_overwrites_nothing(tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    path = tmp_path / "mine.db"
    path.write_text("mine")
    with pytest.raises(ExportError, match="something there"):
        make_shop(path)
    assert path.read_text() == "mine"


def test_maker_needs_a_folder(tmp_path: Path) -> None:
    """It makes a file, not the folders above it."""
    with pytest.raises(ExportError, match="no folder"):
        make_shop(tmp_path / "nowhere" / "shop.db")


def test_maker_fails_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line the error is one line, and the exit code 2."""
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
