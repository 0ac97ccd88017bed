"""A store made to do harm, or filled by hand, is read as data and nothing else."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import INSERT, PLACED, Row, simple_rows, state_of, write_native, written

from workbench import History, open_history
from workbench.errors import WorkbenchError
from workbench.tables import EVENTS, PROBLEMS, RATE, RECEIVERS, SNAPSHOTS, STREAMS, TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES: dict[str, Any] = {
    "quotes": 'it\'s "quoted" `x` [y]',
    "statement": "x'; DROP TABLE stored_events; --",
    "nul": "a\x00b",
    "lines": "a\r\nb\tc",
    "pattern": "100%_*?",
    "long": "n" * 200_000,
    "empty": "",
    "escape": "\x1b[31mred\x1b[0m",
    "direction": "\u202egpj.exe",
    "emoji": "👩‍👩‍👧",
    "mark": "�",
    "path": "../../etc/passwd",
    "format": "{0.__class__} %s %(x)s",
    "markup": "<script>alert(1)</script>",
    "not utf-8": b"\xff\xfe",
    "half utf-8": b"a\xc3",
    "bytes of text": b"shop:Order.Placed",
    "number": 5,
    "fraction": 2.5,
    "null": None,
}


def hostile_rows(name: Any) -> list[tuple[Any, ...]]:
    """Return rows among which one has a name for its stream, and one for its type."""
    return [
        (1, "order-1", 1, PLACED, state_of()),
        (2, name, 1, PLACED, state_of()),
        (3, "order-2", 1, name, state_of()),
        (4, "order-1", 2, PLACED, state_of()),
    ]


def with_name(path: Path, name: Any) -> History:
    """Return the history of a store with such a stream and such a type."""
    with written(path) as db:
        for row in hostile_rows(name):
            place = "CAST(? AS TEXT)" if isinstance(row[1], bytes) else "?"
            topic = "CAST(? AS TEXT)" if isinstance(row[3], bytes) else "?"
            sql = INSERT.replace("(?, ?, ?, ?, ?)", f"(?, {place}, ?, {topic}, ?)")
            db.execute(sql, row)
    return open_history(path)


def as_blob(path: Path, name: bytes) -> History:
    """Return the history of a store with a stream and a type that are no text, but bytes."""
    with written(path) as db:
        db.executemany(INSERT, hostile_rows(name))
    return open_history(path)


@pytest.fixture(params=NAMES, ids=str)
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    """Return a history for each of the names."""
    return with_name(tmp_path / "store.db", NAMES[request.param])


def test_every_row_is_there(hostile: History) -> None:
    """No name takes a row out of the event table."""
    found = hostile.scan().collect()
    assert EVENTS.misfits(found) == []
    assert found["position"].to_list() == [1, 2, 3, 4]
    assert len(hostile) == 4


@pytest.mark.parametrize("column", ["stream", "type"])
def test_a_name_selects_its_own_rows(hostile: History, column: str) -> None:
    """A name as it is shown selects, pushed down, the rows that it selects afterwards."""
    whole = hostile.scan().collect()
    for name in whole[column].drop_nulls().unique():
        predicate = pl.col(column) == name
        found = hostile.scan().filter(predicate).collect()
        assert_frame_equal(found, whole.filter(predicate))


def test_every_question_is_answered(hostile: History) -> None:
    """Every frame that can be asked for fits its spec."""
    for frame, spec in [
        (hostile.types(), TYPES),
        (hostile.streams(), STREAMS),
        (hostile.rate(), RATE),
        (hostile.problems(), PROBLEMS),
        (hostile.receivers(), RECEIVERS),
        (hostile.snapshots(), SNAPSHOTS),
    ]:
        assert spec.misfits(frame) == []
    assert hostile.types()["count"].sum() == 4
    assert hostile.streams()["events"].sum() == 4
    assert sum(map(len, hostile.events_by_type().values())) == 4


def test_the_html_has_no_markup_of_the_store(hostile: History) -> None:
    """What a notebook shows of a history has no element that the store brought along."""
    streams = hostile.scan().collect()["stream"].drop_nulls().to_list()
    shown = hostile.of_streams(*streams)._repr_html_()
    assert "<script" not in shown


@pytest.mark.parametrize("ask", ["of_types", "of_streams"])
def test_errors_stay_on_one_line(hostile: History, ask: str) -> None:
    """An error that lists names of the store has no line end and no control character."""
    with pytest.raises(WorkbenchError) as caught:
        getattr(hostile, ask)("no such thing")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", [b"\xff\xfe", b"shop:Order.Placed", b"", b"a\x00b"])
def test_names_that_are_bytes(tmp_path: Path, name: bytes) -> None:
    """Bytes where a text should be are shown as text, and are found as they are shown."""
    history = as_blob(tmp_path / "store.db", name)
    whole = history.scan().collect()
    for column in ("stream", "type"):
        for shown in whole[column].unique():
            predicate = pl.col(column) == shown
            found = history.scan().filter(predicate).collect()
            assert_frame_equal(found, whole.filter(predicate))


@pytest.mark.parametrize(
    "version", ["abc", 2.5, b"x", None, 2**62, -1, "7", "99999999999999999999"]
)
@pytest.mark.parametrize(
    "predicate",
    [pl.col("version") > 1, pl.col("version") <= 1, pl.col("version") == 2, pl.col("version") == 0],
    ids=str,
)
def test_versions_that_are_no_numbers(tmp_path: Path, version: Any, predicate: pl.Expr) -> None:
    """A version of any kind is shown as a number or null, and selected as it is shown."""
    rows = [
        (1, "s", 1, PLACED, b"{}"),
        (2, "t", version, PLACED, b"{}"),
        (3, "s", 2, PLACED, b"{}"),
    ]
    history = open_history(write_native(tmp_path / "store.db", rows))
    whole = history.scan().collect()
    assert_frame_equal(history.scan().filter(predicate).collect(), whole.filter(predicate))
    assert PROBLEMS.misfits(history.problems()) == []


def test_positions_of_any_size(tmp_path: Path) -> None:
    """Numbers below zero, and the largest that SQLite has, are positions like any other."""
    numbers = [-(2**62), -1, 0, 1, 2**63 - 1]
    rows = [Row(number, "s", version, PLACED) for version, number in enumerate(numbers, 1)]
    history = open_history(write_native(tmp_path / "store.db", rows))
    assert history.scan().collect()["position"].to_list() == numbers
    assert [history.between(after=n - 1, upto=n).head for n in numbers] == numbers
    assert PROBLEMS.misfits(history.problems()) == []


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param("id TEXT PRIMARY KEY", id="positions that are text"),
        pytest.param("id", id="positions of any kind"),
    ],
)
def test_positions_that_are_no_numbers(tmp_path: Path, schema: str) -> None:
    """A table whose positions need not be numbers is no table of events."""
    columns = "originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB"
    with written(
        tmp_path / "store.db", schema=f"CREATE TABLE a_events ({schema}, {columns});"
    ) as db:
        db.execute("INSERT INTO a_events VALUES ('x', 's', 1, 'a:B', '{}')")
    with pytest.raises(WorkbenchError, match="Cannot"):
        open_history(tmp_path / "store.db")


# What is stored is never run


def test_topics_are_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that names an importable module does not import it, whatever is asked."""
    (tmp_path / "trap.py").write_text("raise SystemExit('the module of a topic was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    state = state_of(None, 2, originator_topic="trap:Order", at={"_type_": "trap:X", "_data_": 1})
    rows = [Row(n, "s", n, "trap:Order.Placed", state) for n in range(1, 4)]
    snapshots = [("s", 2, "trap:Snapshot", state)]
    path = write_native(tmp_path / "store.db", rows, snapshots=snapshots, tracking=[("trap", 1)])
    history = open_history(path)
    history.events("Order.Placed")
    for ask in (history.types, history.streams, history.problems, history.snapshots):
        ask()
    assert "trap" not in sys.modules


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER INSERT ON stored_events BEGIN DELETE FROM stored_events; END",
        "CREATE VIEW another AS SELECT * FROM stored_events",
        "CREATE INDEX i ON stored_events (topic)",
        'CREATE TABLE "a\'b""c" (x); CREATE TABLE \'sqlite\' (y)',
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "ALTER TABLE tracking RENAME COLUMN notification_id TO something",
        "DROP TABLE tracking; CREATE VIEW tracking AS SELECT 'a' application_name, 9 AS n",
        "DROP TABLE stored_snapshots; CREATE VIEW stored_snapshots AS SELECT * FROM stored_events",
        "DROP TABLE stored_snapshots; CREATE TABLE stored_snapshots (a)",
        "INSERT INTO tracking VALUES ('', NULL)",
        "INSERT INTO tracking VALUES (CAST(x'ff' AS TEXT), 'many')",
        "INSERT INTO tracking VALUES (5, 1e300)",
        "INSERT INTO stored_snapshots VALUES (CAST(x'ff' AS TEXT), 'x', x'00', NULL)",
    ],
)
def test_other_things_in_the_file(tmp_path: Path, sql: str) -> None:
    """Whatever else is in the file, the events are read, and all frames fit their specs."""
    path = write_native(tmp_path / "store.db", simple_rows(5))
    with closing(sqlite3.connect(path)) as db:
        db.executescript(sql)
    history = open_history(path)
    assert len(history) == history.scan().collect().height == 5
    assert PROBLEMS.misfits(history.problems()) == []
    assert RECEIVERS.misfits(history.receivers()) == []
    assert SNAPSHOTS.misfits(history.snapshots()) == []


@given(
    places=st.lists(
        st.tuples(st.integers(0, 150) | st.integers(0, 16_383), st.integers(0, 255)),
        min_size=1,
        max_size=8,
    ),
    length=st.none() | st.integers(0, 16_384),
)
def test_a_damaged_file_is_read_or_refused(
    new_path: Callable[[], Path], places: list[tuple[int, int]], length: int | None
) -> None:
    """Whatever bytes of a store are changed or cut off: an answer, or an error of the tree."""
    path = write_native(new_path(), simple_rows(20), snapshots=[("s", 1, "t", b"{}")])
    content = bytearray(path.read_bytes())
    for place, byte in places:
        content[place % len(content)] = byte
    path.write_bytes(bytes(content[:length]))
    check_answers(path)


@given(junk=st.binary(max_size=300))
def test_a_header_with_junk_after_it_is_read_or_refused(
    new_path: Callable[[], Path], junk: bytes
) -> None:
    """Random bytes that begin as a SQLite file does are an error of the tree."""
    path = new_path()
    path.write_bytes(b"SQLite format 3\x00" + junk)
    with pytest.raises(WorkbenchError):
        open_history(path)


def check_answers(path: Path) -> None:
    """Ask everything of a store, and let only errors of the project's tree through."""
    asked = [
        len,
        lambda h: h.scan().collect(),
        lambda h: h.problems(),
        lambda h: h.types(),
        lambda h: h.events_by_type(),
        lambda h: h.snapshots(),
        lambda h: h.receivers(),
        lambda h: h.state(3),
        lambda h: h.of_streams("stream-1"),
    ]
    with said_in_one_line():
        history = open_history(path)
        for ask in asked:
            with said_in_one_line():
                ask(history)


@contextmanager
def said_in_one_line() -> Iterator[None]:
    """Let an error of the project's tree pass, if it is on one line."""
    try:
        yield
    except WorkbenchError as error:
        if not str(error).isprintable():
            raise
