"""An edited history is the history as it would be, and nothing is ever written."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import polars as pl
import pytest
from contracts import DecodedSourceContract, EmptySourceContract, Made
from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    UUIDAsHex,
)
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import (
    BEGIN,
    PLACED,
    SHIPPED,
    Row,
    append,
    cut_parts,
    simple_rows,
    state_of,
    write_native,
)
from strategies import STREAMS, TYPES, histories, predicates, texts
from test_trial import Baskets

from workbench import NewEvent, open_history, replay
from workbench.errors import EditError, UnknownPositionError, UnknownTypeError
from workbench.export import export
from workbench.payload.native import fields_of
from workbench.payload.written import rewritten, written
from workbench.tables import EDITS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench import History
    from workbench.sources import Source

POSITION = pl.col("position")


def good_states() -> st.SearchStrategy[bytes]:
    """Return a strategy for payloads that are objects."""
    times = st.integers(0, 9).map(lambda minute: BEGIN + timedelta(minutes=minute))
    return st.builds(
        lambda time, version, n, text: state_of(time, version, n=n, text=text),
        st.none() | times,
        st.none() | st.integers(2, 3),
        st.integers(-5, 5),
        texts(),
    )


class Model:
    """A history as a list that is edited by hand, and numbered anew row by row."""

    def __init__(self, history: History) -> None:
        named = history.scan().collect().rows(named=True)
        self.rows = [dict(row) for row in named]

    def edit(self, drop, alter, move, insert) -> None:
        """Edit the list: leave out, change, put behind another, and add."""
        before = [dict(row) for row in self.rows]
        starts: dict[str, Any] = {}
        for row in self.rows:
            row["mark"] = "stays"
            starts.setdefault(row["stream"], row["version"])
        first = {}
        for row in self.rows:
            first.setdefault(row["position"], row)
        for position, fields in alter.items():
            row = first[position]
            row["data"] = json.dumps(
                json.loads(row["data"]) | fields, ensure_ascii=False, separators=(",", ":")
            )
        for position in drop:
            first[position]["mark"] = "gone"
        new = [
            dict(first[position], position=after, mark="new") for position, after in move.items()
        ]
        for position in move:
            first[position]["mark"] = "gone"
        new += [self._made(event, first) for event in insert]
        followers = [row for row in new if not row.get("owns")]
        owners = [row for row in new if row.pop("owns", False)]
        # Stable: whoever has the number, those behind it, and those put behind it now.
        self.rows = sorted([*owners, *self.rows, *followers], key=lambda row: row["position"])
        self._number(starts)
        self.rows = [row for row in self.rows if row.pop("mark") != "gone"]
        assert len(before) - len(drop) + len(insert) == len(self.rows)

    def _made(self, event: NewEvent, first: dict[int, dict[str, Any]]) -> dict[str, Any]:
        owns = event.after is None
        position = event.position if owns else event.after
        if owns:
            earlier = [row for row in self.rows if row["position"] < position]
            time = earlier[-1]["time"] if earlier else None
        else:
            time = first[position]["time"]
        time = event.time or time
        return dict.fromkeys(EVENTS.names) | {
            "position": position,
            "partition": 0,
            "stream": event.stream,
            "type": event.type,
            "schema_version": event.schema_version or 1,
            "time": time,
            "data": state_of(time, event.schema_version, **event.data).decode(),
            "tags": [],
            "mark": "new",
            **({"owns": True} if owns else {}),
        }

    def _number(self, starts: dict[str, Any]) -> None:
        shift: dict[str, int] = {}
        last = {stream: version - 1 for stream, version in starts.items()}
        for row in self.rows:
            stream = row["stream"]
            if row["mark"] == "gone":
                shift[stream] = shift.get(stream, 0) - 1
                continue
            if row["mark"] == "new":
                shift[stream] = shift.get(stream, 0) + 1
                row["version"] = last.get(stream, 0) + 1
            else:
                row["version"] += shift.get(stream, 0)
            last[stream] = row["version"]

    def frame(self) -> pl.DataFrame:
        """Return the list as the event table."""
        return EVENTS.frame([{name: row[name] for name in EVENTS.names} for row in self.rows])


@st.composite
def edits(draw, model: Model):
    """Return what to do to the events of a model, each to another, by their numbers."""
    numbers = sorted({row["position"] for row in model.rows})
    chosen = draw(st.lists(st.sampled_from(numbers), unique=True, max_size=8)) if numbers else []
    drop, alter, move = [], {}, {}
    for position in chosen:
        what = draw(st.sampled_from(["drop", "alter", "move"]))
        targets = [number for number in numbers if number != position]
        if what == "alter":
            alter[position] = {"n": draw(st.integers(10, 20)), "new": draw(texts())}
        elif what == "move" and targets:
            move[position] = draw(st.sampled_from(targets))
        else:
            drop.append(position)
    insert = draw(st.lists(new_events(numbers), max_size=3, unique_by=_place))
    return drop, alter, move, insert


def _place(event: NewEvent) -> object:
    return object() if event.position is None else event.position


@st.composite
def new_events(draw, numbers):
    """Return a new event behind one of these numbers, or at one that is free."""
    free = [n for n in range(max(numbers, default=0) + 5) if n not in numbers]
    after = draw(st.none() | st.sampled_from(numbers)) if numbers else None
    return NewEvent(
        type=draw(st.sampled_from(TYPES[:4])),
        stream=draw(st.sampled_from([*STREAMS[:3], "new-1"])),
        data=draw(st.dictionaries(st.sampled_from(["n", "text"]), st.integers(0, 9))),
        after=after,
        position=draw(st.sampled_from(free)) if after is None else None,
        time=draw(st.none() | st.just(BEGIN)),
        schema_version=draw(st.none() | st.just(3)),
    )


def asked(drop, alter, move, insert) -> dict[str, Any]:
    """Return the arguments of an edit, without those that ask for nothing."""
    given = {"drop": drop, "alter": alter, "move": move, "insert": insert}
    return {name: value for name, value in given.items() if value}


@st.composite
def edited(draw, history: History) -> tuple[History, Model]:
    """Return a history that was edited one to three times, and its model."""
    model = Model(history)
    for _ in range(draw(st.integers(1, 3))):
        wanted = draw(edits(model))
        if any(wanted):
            model.edit(*wanted)
            history = history.edit(**asked(*wanted))
    return history, model


class TestEdited(DecodedSourceContract):
    """A store of which events are gone, altered, moved and added, in two edits."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path: Callable[[], Path]) -> Made:
        """Return 40 events at every third position, edited, and the rows that come of it."""
        known = simple_rows(40, step=3, start=5)
        history = (
            open_history(write_native(new_path(), known))
            .edit(drop=[8, 122], alter={11: {"n": 99}}, move={5: 20})
            .edit(insert=NewEvent(type=PLACED, stream="new", after=14, time=BEGIN), drop=17)
            .edit(insert=NewEvent(type=SHIPPED, stream="stream-2", position=30, time=BEGIN))
        )
        rows = {row.position: row for row in known}
        for gone in (5, 8, 122, 17):
            del rows[gone]
        rows[11] = rows[11]._replace(state=rows[11].state.replace(b'"n":2', b'"n":99'))
        placed = [(position, 0, row) for position, row in rows.items()]
        moved = known[0]._replace(position=20)
        placed.append((20, 1, moved))
        placed.append((14, 1, Row(14, "new", 1, PLACED, state_of(BEGIN))))
        placed.append((30, 0, Row(30, "stream-2", 0, SHIPPED, state_of(BEGIN))))
        ordered = [row for *_, row in sorted(placed, key=lambda found: found[:2])]
        versions: dict[str, int] = {}
        numbered = []
        for row in ordered:
            versions[row.stream] = versions.get(row.stream, 0) + 1
            numbered.append(row._replace(version=versions[row.stream]))
        return Made(history.source, numbered)

    def test_returns_the_stored_bytes(self, made: Made) -> None:
        """The state of a position is that of the event that has the number."""
        first = {row.position: row.state for row in reversed(made.rows)}
        assert {position: made.source.state(position) for position in first} == first


class TestEditedInManyParts(TestEdited):
    """The same, where a part has few rows."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_rows_a_part(cls) -> Iterator[None]:
        """Cut parts at four rows."""
        with pytest.MonkeyPatch.context() as patch:
            cut_parts(patch, 4)
            yield

    @pytest.mark.parametrize("limit", [1, 5, 20, 39])
    def test_limit_larger_than_a_part(self, made: Made, limit: int) -> None:
        """Large limits, which are not answered in one part, find the first rows."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.edits.overlay.MOST_AT_ONCE", 0)
            history = open_edited(made)
            found = history.scan().head(limit).collect()["position"].to_list()
        assert found == [row.position for row in made.rows][:limit]

    def test_parts_may_be_called_in_any_order(self, made: Made) -> None:
        """A part that is called before those before it has the same rows."""
        from workbench.sources import Selection

        with made.source.parts(Selection(), {"position"}) as parts:
            listed = list(parts)
            frames = [part() for part in reversed(listed)]
        assert len(listed) > 5
        found = pl.concat(reversed(frames))["position"].to_list()
        assert found == [row.position for row in made.rows]


def open_edited(made: Made) -> History:
    """Return the history of a source that was made."""
    from workbench import History

    return History(made.source)


class TestEverythingDropped(EmptySourceContract):
    """A store of which every event is gone."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path: Callable[[], Path]) -> Source:
        """Return the source of no events."""
        history = open_history(write_native(new_path(), simple_rows(5)))
        return history.edit(drop=pl.lit(value=True)).source


class TestLaws:
    """What holds for every history and edit."""

    @given(histories(good_states()), st.data())
    def test_is_the_list_edited_by_hand(self, new_path, made, data):
        """An edited history has the rows of a list that is edited and sorted."""
        history, model = data.draw(edited(open_history(write_native(new_path(), made))))
        assert_frame_equal(history.scan().collect(), model.frame())
        assert len(history) == len(model.rows)

    @given(histories(good_states()), st.data(), st.integers(1, 4))
    def test_is_the_same_in_parts_of_any_size(self, new_path, made, data, rows):
        """How a store is cut into parts makes no difference."""
        with pytest.MonkeyPatch.context() as patch:
            cut_parts(patch, rows)
            history, model = data.draw(edited(open_history(write_native(new_path(), made))))
            assert_frame_equal(pl.concat([EVENTS.frame(), *history.batches()]), model.frame())

    @given(histories(good_states()), st.data(), predicates())
    def test_conditions_find_what_is_in_it(self, new_path, made, data, condition):
        """Every condition is answered as if the rows were stored so."""
        history, model = data.draw(edited(open_history(write_native(new_path(), made))))
        found = history.scan().filter(condition).collect()
        assert_frame_equal(found, model.frame().filter(condition))

    @given(histories(good_states()), st.data())
    def test_narrowing_finds_what_is_in_it(self, new_path, made, data):
        """Ranges, types, streams, times and heads are those of the edited rows."""
        history, model = data.draw(edited(open_history(write_native(new_path(), made))))
        rows = model.frame()
        low, high = sorted(data.draw(st.tuples(st.integers(0, 30), st.integers(0, 30))))
        checks = [
            (history.between(after=low, upto=high), POSITION.is_between(low, high, closed="right")),
            (history.since("2025-03-01T00:05"), pl.col("time") >= BEGIN + timedelta(minutes=5)),
            (history.until("2025-03-01T00:05"), pl.col("time") <= BEGIN + timedelta(minutes=5)),
        ]
        types, streams = (rows[name].unique().to_list() for name in ("type", "stream"))
        checks += [(history.of_types(name), pl.col("type") == name) for name in types]
        checks += [(history.of_streams(name), pl.col("stream") == name) for name in streams]
        for narrowed, condition in checks:
            expected = rows.filter(condition)
            assert_frame_equal(narrowed.scan().collect(), expected)
            assert (len(narrowed), narrowed.head) == (expected.height, expected["position"].max())
            assert_frame_equal(narrowed.scan().head(2).collect(), expected.head(2))

    @given(histories(good_states()), st.data())
    def test_is_a_store_of_the_edited_rows(self, new_path, made, data):
        """It reads as a store into which the edited rows were written, numbered anew."""
        history, _ = data.draw(edited(open_history(write_native(new_path(), made))))
        stored = open_history(write_edited(new_path(), history))
        columns = pl.exclude("position")
        assert_frame_equal(
            history.scan().select(columns).collect(), stored.scan().select(columns).collect()
        )
        typed, expected = history.events_by_type(), stored.events_by_type()
        assert list(typed) == list(expected)
        for name, frame in expected.items():
            assert_frame_equal(typed[name].drop("position"), frame.drop("position"))

    @given(histories(), st.data())
    def test_dropping_and_inserting_gives_the_base_back(self, new_path, made, data):
        """Whatever is dropped and inserted again stands where it was, as it was."""
        history = open_history(write_native(new_path(), made))
        base = history.scan().collect()
        if base.is_empty():
            return
        gone = data.draw(st.lists(st.sampled_from(base["position"].to_list()), min_size=1))
        dropped = history.edit(drop=gone)
        assert dropped.scan().filter(POSITION.is_in(gone)).collect().is_empty()
        back = dropped.edit(insert=base.filter(POSITION.is_in(gone)))
        assert_frame_equal(back.scan().collect(), base)
        assert (len(back), back.head) == (base.height, history.head)

    @given(histories(good_states()), st.data())
    def test_independent_edits_are_one_with_both(self, new_path, made, data):
        """Two edits of different events are one edit that asks for both, in any order."""
        history = open_history(write_native(new_path(), made))
        numbers = data.draw(st.permutations([row.position for row in made]))
        if len(numbers) < 3:
            return
        drop, alter = numbers[0], {numbers[1]: {"n": 12}}
        # What is numbered by its stream depends on what is dropped from it before.
        insert = NewEvent(type=PLACED, stream="new-1", after=numbers[2])
        one = history.edit(drop=drop, alter=alter, insert=insert).scan().collect()
        two = history.edit(drop=drop).edit(alter=alter).edit(insert=insert).scan().collect()
        three = history.edit(insert=insert).edit(alter=alter).edit(drop=drop).scan().collect()
        assert_frame_equal(one, two)
        assert_frame_equal(one, three)

    @given(histories(good_states()), st.data())
    def test_unbroken_streams_stay_unbroken(self, new_path, made, data):
        """Where versions ran without a gap, they do after any edit."""
        heads: dict[str, int] = {}
        for row in made:
            heads[row.stream] = heads.get(row.stream, 0) + 1
        seen: dict[str, int] = {}
        rows = []
        for row in made:
            seen[row.stream] = seen.get(row.stream, 0) + 1
            rows.append(row._replace(version=seen[row.stream]))
        history, _ = data.draw(edited(open_history(write_native(new_path(), rows))))
        versions = history.scan().select("stream", "version").collect()
        for _, found in versions.group_by("stream"):
            assert found["version"].to_list() == list(range(1, found.height + 1))

    @given(histories(good_states()), st.data())
    def test_in_memory_is_the_same(self, new_path, made, data):
        """An edited history in memory is it, and can be edited on like it."""
        history, model = data.draw(edited(open_history(write_native(new_path(), made))))
        held = history.in_memory()
        assert_frame_equal(held.scan().collect(), history.scan().collect())
        wanted = data.draw(edits(model))
        if any(wanted):
            assert_frame_equal(
                held.edit(**asked(*wanted)).scan().collect(),
                history.edit(**asked(*wanted)).scan().collect(),
            )

    @given(st.data())
    def test_replay_is_that_of_a_store_of_the_edited_rows(self, new_path, data):
        """A projection makes of an edited history what it makes of edited rows in a store."""
        types = ["shop:Basket.Set", "shop:Basket.Added", "shop:Basket.Dropped"]
        rows = [
            Row(n + 1, "abc"[n % 3], n // 3 + 1, types[n * 7 % 3], state_of(BEGIN, items=n))
            for n in range(18)
        ]
        history = open_history(write_native(new_path(), rows))
        drop, alter, move, _ = data.draw(edits(Model(history)))
        alter = {position: {"items": fields["n"]} for position, fields in alter.items()}
        new = NewEvent(type=types[0], stream="b", after=3, data={"items": 40})
        history = history.edit(**asked(drop, alter, move, [new]))
        stored = open_history(write_edited(new_path(), history))
        ours, theirs = (replay(h, Baskets, on_error="collect") for h in (history, stored))
        for name in ours.tables:
            assert_frame_equal(ours.table(name), theirs.table(name))
            assert_frame_equal(
                ours.changes(name).drop("position"), theirs.changes(name).drop("position")
            )


def write_edited(path: Path, history: History) -> Path:
    """Write the rows of a history into a new store, numbered anew, and return its path."""
    found = history.scan().select("stream", "version", "type", "data").collect().rows()
    rows = [
        Row(number, *known, data.encode()) for number, (*known, data) in enumerate(found, start=1)
    ]
    return write_native(path, rows, unique=False)


class TestChoosing:
    """The ways to say which events are meant."""

    @pytest.mark.parametrize(
        "which",
        [
            7,
            [7],
            (n for n in (7,)),
            range(7, 8),
            pl.Series([7]),
            POSITION == 7,
            (pl.col("stream") == "stream-0") & (pl.col("version") == 3),
            lambda event: event.position == 7,
            lambda event: event.data["n"] == 6,
            lambda event: event.time == BEGIN + timedelta(minutes=6),
        ],
    )
    def test_events_are_named_in_several_ways(self, small: History, which: Any) -> None:
        """A number, numbers, a condition and a function name the same event."""
        if hasattr(which, "send"):
            which = (n for n in (7,))
        left = small.edit(drop=which).scan().collect()["position"].to_list()
        assert left == [n for n in range(1, 31) if n != 7]

    def test_condition_may_look_at_all_events(self, small: History) -> None:
        """A condition with an aggregate is about the whole history."""
        left = small.edit(drop=pl.col("position") == POSITION.max())
        assert (left.head, len(left)) == (29, 29)

    def test_only_what_is_shown_is_chosen(self, small: History) -> None:
        """A condition on a narrowed history is about what that shows."""
        found = small.of_types("Order.Placed").edit(drop=pl.lit(value=True))
        assert len(found) == 0
        assert found.edited_events()["type"].unique().to_list() == [PLACED]
        assert "types Order.Placed" in repr(found)

    def test_position_names_whoever_has_the_number(self, small: History) -> None:
        """What was inserted behind an event is named by a condition or function."""
        twice = small.edit(insert=NewEvent(type=PLACED, stream="new", after=7))
        assert twice.edit(drop=7).between(after=6, upto=7).events()["stream"].to_list() == ["new"]
        without = twice.edit(drop=(POSITION == 7) & (pl.col("stream") == "new"))
        assert_frame_equal(without.scan().collect(), small.scan().collect())
        without = twice.edit(drop=lambda event: event.stream == "new")
        assert_frame_equal(without.scan().collect(), small.scan().collect())
        neither = twice.edit(drop=POSITION == 7)
        assert neither.between(after=6, upto=7).events().is_empty()

    def test_far_positions_are_read_apart(self, tmp_path: Path) -> None:
        """Events that stand far from each other, in any number, are all found."""
        history = open_history(write_native(tmp_path / "s.db", simple_rows(80, step=20_000)))
        every = history.scan().collect()["position"].to_list()
        assert len(history.edit(drop=[every[3], every[60]])) == 78
        assert len(history.edit(drop=every[:70])) == 10


class TestAltering:
    """What becomes of an event that is altered."""

    def test_values_are_stored_as_the_library_stores_them(self, small: History) -> None:
        """A native value is the text that the JSONTranscoder writes."""
        library = JSONTranscoder()
        for form in (DatetimeAsISO(), DecimalAsStr(), UUIDAsHex()):
            library.register(form)
        zone = timezone(timedelta(hours=2))
        value = {
            "at": datetime(2025, 1, 1, 12, 0, 0, 5, tzinfo=zone),
            "amount": Decimal("9.50"),
            "id": UUID(int=7),
            "list": [Decimal(1), {"é": None, "t": True, "f": 1.5}],
            "text": 'ü"\n',
        }
        data = small.edit(alter={7: {"new": value}}).state(7)
        assert library.encode(value) in data
        assert written(value) == library.encode(value)

    def test_typed_columns_have_the_new_values(self, small: History) -> None:
        """A field that is set for all events of a type is a native column."""
        found = small.edit(alter=(pl.col("type") == PLACED, {"amount": Decimal("1.50")}))
        amounts = found.events("Order.Placed")["amount"]
        assert amounts.dtype == pl.Decimal(38, 2)
        assert amounts.unique().to_list() == [Decimal("1.50")]

    def test_other_fields_keep_their_characters(self, tmp_path: Path) -> None:
        """What is not altered is not read and written again."""
        state = b'{"a":1.10,"b":1e400,"c":"\\u00e9","d":123456789012345678901234567890,"n":1}'
        history = open_history(write_native(tmp_path / "s.db", [Row(1, "s", 1, PLACED, state)]))
        found = history.edit(alter={1: {"n": 2}}).state(1)
        assert found == state.replace(b'"n":1', b'"n":2')

    def test_id_stays_an_id(self, tmp_path: Path) -> None:
        """A text that is an id, where there was one, is stored as one, at any depth."""
        one, two = UUID(int=1), UUID(int=2)
        wrapped = {"_type_": "uuid_hex", "_data_": one.hex}
        state = state_of(None, None, id=wrapped, ids=[wrapped, {"id": wrapped}])
        history = open_history(write_native(tmp_path / "s.db", [Row(1, "s", 1, PLACED, state)]))
        same = history.edit(alter={1: lambda event: event.data})
        assert same.state(1) == state
        change = {"id": two.hex, "ids": [two.hex, {"id": one.hex}]}
        found = history.edit(alter={1: change}).state(1)
        assert found == state.replace(one.hex.encode(), two.hex.encode(), 2)
        found = history.edit(alter={1: {"id": "none"}}).state(1)
        assert json.loads(found)["id"] == "none"

    def test_function_returns_fields(self, small: History) -> None:
        """A function of an event says what to set."""
        found = small.edit(alter=[(POSITION <= 2, lambda event: {"n": event.data["n"] + 100})])
        assert [row["n"] for row in payloads(found)[:3]] == [100, 101, 2]

    def test_function_returns_an_event(self, small: History) -> None:
        """A whole event may come back: with other fields, type, stream and time."""
        moment = datetime(2024, 1, 1, tzinfo=UTC)

        def other(event):
            data = {"n": event.data["n"], "more": Decimal(1)}
            return event.replace(
                type="Order.Shipped", stream="other", time=moment, schema_version=2, data=data
            )

        found = small.edit(alter={7: other})
        row = found.scan().filter(POSITION == 7).collect().row(0, named=True)
        assert (row["type"], row["stream"], row["version"]) == (SHIPPED, "other", 1)
        assert (row["time"], row["schema_version"]) == (moment, 2)
        more = {"_type_": "decimal_str", "_data_": "1"}
        assert row["data"].encode() == state_of(moment, 2, n=6, more=more)
        versions = found.of_streams("stream-0").scan().collect()["version"].to_list()
        assert versions == list(range(1, 10))

    def test_event_may_be_changed_in_place(self, small: History) -> None:
        """A function that changes the payload it was given, and returns the event, is heard."""

        def doubled(event):
            event.data["n"] *= 2
            return event

        assert [row["n"] for row in payloads(small.edit(alter=(POSITION > 0, doubled)))] == [
            n * 2 for n in range(30)
        ]

    def test_type_may_be_new(self, small: History) -> None:
        """A type that the history does not have is taken as it is."""
        found = small.edit(alter={7: lambda event: event.replace(type="shop:Order.Lost")})
        assert found.type_names() == {PLACED, SHIPPED, "shop:Order.Lost"}
        assert len(found.of_types("Order.Lost")) == 1

    def test_version_may_be_set(self, small: History) -> None:
        """A version that is set is a flaw that was asked for."""
        found = small.edit(alter={7: lambda event: event.replace(version=9)})
        assert found.scan().filter(POSITION == 7).collect()["version"].to_list() == [9]
        assert "version_duplicate" in found.problems()["kind"]

    def test_altered_twice_in_one_edit(self, small: History) -> None:
        """Changes of one event are made in turn."""
        pairs = [(7, {"n": 1}), (7, lambda event: {"n": event.data["n"] + 1})]
        assert payloads(small.edit(alter=pairs))[6]["n"] == 2

    def test_altered_and_moved(self, small: History) -> None:
        """An event may be altered and moved by one edit."""
        found = small.edit(alter={7: {"n": 70}}, move={7: 9}).between(after=6, upto=9)
        assert [row["n"] for row in payloads(found)] == [7, 8, 70]

    def test_time_without_a_place_in_the_payload(self, tmp_path: Path) -> None:
        """A time that is set stands first in the payload, as the library writes it."""
        history = open_history(
            write_native(tmp_path / "s.db", [Row(1, "s", 1, PLACED, state_of(None, None, a=1))])
        )
        found = history.edit(alter={1: lambda event: event.replace(time=datetime(2025, 3, 1))})
        assert found.state(1) == state_of(BEGIN, None, a=1)
        assert found.scan().collect()["time"].to_list() == [BEGIN]

    @pytest.mark.parametrize("field", ["correlation_id", "causation_id"])
    def test_causes_follow_the_payload(self, tmp_path: Path, field: str) -> None:
        """What the payload says of causes is said by the metadata, after it is altered too."""
        state = state_of(BEGIN, None, **{field: "a"})
        history = open_history(write_native(tmp_path / "s.db", [Row(1, "s", 1, PLACED, state)]))
        found = history.edit(alter={1: {field: "b"}}).scan().collect()["metadata"].to_list()
        assert found == [f'{{"{field}":"b"}}']


def payloads(history: History) -> list[dict[str, Any]]:
    """Return the fields of every event."""
    return [fields_of(text) for text in history.scan().collect()["data"]]


class TestInserting:
    """Where new events stand, and what they are."""

    def test_stands_behind_the_event_that_it_follows(self, small: History) -> None:
        """It shares the number, has the next version of its stream, and moves up the later."""
        new = NewEvent(type="Order.Shipped", stream="stream-0", after=5, data={"n": 9})
        found = small.edit(insert=[new, NewEvent(type=PLACED, stream="new", after=5)])
        rows = found.between(after=4, upto=7).scan().collect()
        assert rows["position"].to_list() == [5, 5, 5, 6, 7]
        assert rows["stream"].to_list() == ["stream-1", "stream-0", "new", "stream-2", "stream-0"]
        assert rows["version"].to_list() == [2, 3, 1, 2, 4]
        assert rows["type"].to_list()[1] == SHIPPED
        assert rows["time"].to_list()[:3] == [BEGIN + timedelta(minutes=4)] * 3
        assert found.problems()["kind"].to_list() == []

    def test_later_inserts_stand_behind_earlier_ones(self, small: History) -> None:
        """Events at one number stand in the order in which they came there."""
        found = small
        for stream in "abc":
            found = found.edit(insert=NewEvent(type=PLACED, stream=stream, after=5))
        found = found.edit(move={1: 5})
        rows = found.between(after=4, upto=5).scan().collect()["stream"].to_list()
        assert rows == ["stream-1", "a", "b", "c", "stream-0"]

    def test_has_a_number_of_its_own(self, tmp_path: Path) -> None:
        """A hole, a number that is freed, one before all and one beyond the head may be taken."""
        history = open_history(write_native(tmp_path / "s.db", simple_rows(5, step=2, start=1)))
        new = [NewEvent(type=PLACED, stream="n", position=p) for p in (0, 4, 5, 100)]
        found = history.edit(drop=5, insert=new)
        assert found.scan().collect()["position"].to_list() == [0, 1, 3, 4, 5, 7, 9, 100]
        assert (found.head, found.source.tail()) == (100, 0)
        times = found.of_streams("n").scan().collect()["time"].to_list()
        assert times == [None, *(BEGIN + timedelta(minutes=m) for m in (1, 1, 4))]

    def test_is_the_last_by_default(self, small: History) -> None:
        """Without a place, events get the next numbers after the head."""
        found = small.edit(insert=[NewEvent(type=PLACED, stream="n")] * 2)
        assert found.scan().collect()["position"].to_list()[-3:] == [30, 31, 32]
        assert found.source.state(32) == state_of(BEGIN + timedelta(minutes=29))

    def test_into_an_empty_history(self, tmp_path: Path) -> None:
        """The first event of all is number 1."""
        history = open_history(write_native(tmp_path / "s.db", []))
        found = history.edit(insert=NewEvent(type=PLACED, stream="n", data={"a": 1}))
        assert found.scan().collect()["position"].to_list() == [1]
        assert found.events("Order.Placed")["a"].to_list() == [1]

    def test_payload_may_be_text(self, small: History) -> None:
        """JSON text is taken as it is, with the time and the version that it has."""
        text = state_of(BEGIN, 4, a=1).decode()
        found = small.edit(insert=NewEvent(type=PLACED, stream="n", data=text))
        row = found.scan().tail(1).collect().row(0, named=True)
        assert (row["data"], row["time"], row["schema_version"]) == (text, BEGIN, 4)

    def test_stream_may_be_a_uuid(self, tmp_path: Path) -> None:
        """A UUID is the stream that the store has under its own form of it."""
        stream = UUID(int=5)
        rows = [Row(1, stream.hex, 1, PLACED, state_of(BEGIN))]
        history = open_history(write_native(tmp_path / "s.db", rows))
        found = history.edit(insert=NewEvent(type=PLACED, stream=stream, after=1))
        assert found.scan().collect()["stream"].to_list() == [stream.hex] * 2
        other = history.edit(insert=NewEvent(type=PLACED, stream=UUID(int=6), after=1))
        assert other.scan().collect()["stream"].to_list()[1] == str(UUID(int=6))

    def test_rows_of_another_history(self, small: History, tmp_path: Path) -> None:
        """Rows of the event table are inserted as they are, where their numbers are free."""
        other = open_history(write_native(tmp_path / "s.db", simple_rows(3, start=50)))
        found = small.edit(insert=other.of_streams("stream-0").scan().collect())
        assert found.head == 50


class TestMoving:
    """Where events that move stand."""

    def test_stands_behind_another(self, small: History) -> None:
        """The event leaves its place, its number and its version."""
        found = small.edit(move={1: 5}).between(upto=7).scan().collect()
        assert found["position"].to_list() == [2, 3, 4, 5, 5, 6, 7]
        assert found.filter(pl.col("stream") == "stream-0").rows()[1][:4] == (5, 0, "stream-0", 2)
        assert found["time"].to_list()[4] == BEGIN

    def test_moving_back_and_forth(self, small: History) -> None:
        """An event that moved can be moved on, by a number that is its own or by what it is."""
        there = small.edit(move={5: 9, 6: 9})
        assert there.between(after=8, upto=9).events()["stream"].to_list() == [
            "stream-2",
            "stream-1",
            "stream-2",
        ]
        assert_frame_equal(
            there.edit(move={9: 3}).edit(drop=3).between(upto=3).scan().select("stream").collect(),
            pl.DataFrame({"stream": ["stream-0", "stream-1", "stream-2"]}),
        )


class TestHistory:
    """An edited history is one like any other."""

    def test_names_and_lists_its_edits(self, small: History) -> None:
        """Edits have names, and say what they do, in words and as a frame."""
        found = small.edit(name="no 7", drop=7).edit(
            alter={8: {"n": 0, "m": Decimal("1.5")}},
            insert=NewEvent(type="Order.Placed", stream="new", after=9),
            move={1: 4},
        )
        assert [edit.name for edit in found.edits] == ["no 7", "edit 2"]
        assert [edit.does for edit in found.edits] == [
            "drops Order.Placed at 7",
            (
                "alters Order.Shipped at 8: n: 7 -> 0; m: not there -> 1.5; "
                "moves Order.Placed at 1 to after 4; inserts Order.Placed after 9"
            ),
        ]
        assert repr(found.edits[0]) == "<Edit 'no 7': drops Order.Placed at 7>"
        assert EDITS.misfits(found.edited_events()) == []
        assert found.edited_events().rows() == [
            ("no 7", "drop", 7, PLACED, "stream-0", "dropped"),
            ("edit 2", "alter", 8, SHIPPED, "stream-1", "n: 7 -> 0; m: not there -> 1.5"),
            ("edit 2", "move", 1, PLACED, "stream-0", "to after 4"),
            ("edit 2", "insert", 9, PLACED, "new", "inserted after 9"),
        ]
        assert EDITS.misfits(small.edited_events()) == []
        many = small.edit(drop=POSITION > 20)
        assert many.edits[0].does == "drops 10 events: 21, 22, 23, 24, 25 and 5 more"

    def test_shows_that_it_is_edited(self, small: History) -> None:
        """Its line and its table name the edits, escaped."""
        found = small.edit(name="<no 7>", drop=7).of_types("Order.Placed")
        assert repr(found) == (
            "<History 'store.db': eventsourcing 9, SQLite, edited by '<no 7>', types Order.Placed>"
        )
        assert "edited by &lt;no 7&gt;" in found._repr_html_()
        assert "drops Order.Placed at 7" in found._repr_html_()
        assert "&lt;no 7&gt;" in found.edits[0]._repr_html_()

    def test_base_stays_as_it_is(self, small: History) -> None:
        """Two edits of one history do not know of each other."""
        one, two = small.edit(drop=1), small.edit(drop=2)
        assert (len(small), len(one), len(two)) == (30, 29, 29)
        assert small.edits == ()
        assert one.scan().collect()["position"][0] == 2

    def test_nothing_is_written(self, store: Path) -> None:
        """The file and its folder are as they were."""
        before = store.read_bytes(), os.listdir(store.parent)
        history = open_history(store).edit(
            drop=1, alter={2: {"n": 1}}, insert=NewEvent(type=PLACED, stream="n"), move={3: 4}
        )
        history.scan().collect()
        history.problems()
        assert (store.read_bytes(), os.listdir(store.parent)) == before

    def test_ends_where_the_source_ended(self, store: Path) -> None:
        """Events that are stored after the edit are not in it."""
        history = open_history(store)
        found = history.edit(drop=1)
        empty = found.edit(drop=pl.lit(value=True))
        append(store, [Row(31, "stream-0", 11, "shop:Order.Lost", state_of())])
        assert (history.head, found.head, empty.head) == (31, 30, None)
        assert (len(history), len(found), len(empty)) == (31, 29, 0)
        assert found.scan().collect().height == 29
        with pytest.raises(UnknownPositionError):
            found.state(31)

    def test_bytes_of_payloads(self, small: History) -> None:
        """The bytes are those that are stored, or that an altered payload would have."""
        found = small.edit(drop=3, alter={4: {"n": 0}})
        assert found.state(5) == small.state(5)
        assert found.state(4) == small.state(4).replace(b'"n":3', b'"n":0')
        with pytest.raises(UnknownPositionError, match="Cannot find an event at position 3"):
            found.state(3)

    def test_whole_history_is_checked_whole(self, small: History) -> None:
        """An edited history that is not narrowed is whole: a number that is gone is a hole."""
        found = small.edit(drop=7).problems()
        assert found["kind"].to_list() == ["position_hole"]
        assert small.edit(drop=7).of_types("Order.Placed").problems().is_empty()

    def test_snapshots_and_receivers_stay(self, tmp_path: Path) -> None:
        """Edits leave what the store says of snapshots and followers."""
        path = write_native(
            tmp_path / "store.db",
            simple_rows(3),
            snapshots=[("stream-0", 1, "shop:Snapshot", b"{}")],
            tracking=[("follower", 2)],
        )
        history = open_history(path)
        found = history.edit(drop=1)
        assert_frame_equal(found.snapshots(), history.snapshots())
        assert_frame_equal(found.receivers(), history.receivers())
        assert "snapshot_ahead" in found.problems()["kind"]

    def test_reports_progress(self, small: History) -> None:
        """Reading it reports how far it has come; making it does not."""
        seen: list[Any] = []
        found = small.with_progress(seen.append).edit(drop=7)
        seen.clear()
        found.scan().collect()
        assert (seen[-1].done, seen[-1].total) == (30, 30)

    def test_exports(self, small: History, tmp_path: Path) -> None:
        """It is exported as it is shown."""
        found = small.edit(drop=7)
        assert export(found, tmp_path / "out.parquet") == 29
        assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), found.scan().collect())

    def test_keeps_in_memory_what_it_is(self, small: History) -> None:
        """In memory, it still says by what it is edited."""
        assert repr(small.edit(drop=7).in_memory()) == (
            "<History 'store.db': eventsourcing 9, SQLite, in memory, edited by 'edit 1'>"
        )

    def test_conditions_on_versions_look_at_the_new_ones(self, small: History) -> None:
        """A version is asked for as it is after the edit."""
        found = small.edit(drop=1)
        rows = found.scan().filter((pl.col("version") == 1) & (pl.col("stream") == "stream-0"))
        assert rows.collect()["position"].to_list() == [4]

    def test_positions_are_still_asked_of_the_source(self, small: History) -> None:
        """A condition on position reads no other part of the store."""
        with pytest.MonkeyPatch.context() as patch:
            cut_parts(patch, 3)
            seen: list[Any] = []
            found = small.edit(drop=7).with_progress(seen.append)
            found.scan().filter(POSITION > 27).collect()
        assert [progress.total for progress in seen] == [3]


@pytest.fixture
def odd(tmp_path: Path) -> History:
    """Return three events: one that nobody can decode, a list, and a good one."""
    rows = [
        Row(1, "s", 1, PLACED, b"{"),
        Row(2, "s", 2, PLACED, b"[1]"),
        Row(3, "s", 3, PLACED, state_of(BEGIN, n=1)),
    ]
    return open_history(write_native(tmp_path / "odd.db", rows))


def test_what_cannot_be_decoded_can_be_dropped_and_moved(odd: History) -> None:
    """Only altering needs the payload."""
    assert len(odd.edit(drop=pl.col("data").is_null())) == 2
    assert len(odd.edit(drop=lambda event: event.position == 1)) == 2
    moved = odd.edit(move={1: 3}).scan().collect()
    assert moved["data"].to_list()[-1] is None
    assert moved["problem"].to_list()[-1] is not None
    assert odd.edit(move={1: 3}).edit(move={2: 3}).state(3) == odd.state(3)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, r"Cannot edit 'odd.db' by nothing. Say what to drop"),
    "no position": ({"drop": []}, r"no position is named. Name one"),
    "unknown position": (
        {"drop": [3, 99]},
        r"Cannot drop the events at 3, 99 of 'odd.db': there is no event at 99 .* from 1 to 3",
    ),
    "huge position": ({"drop": 2**70}, r"there is no event at 1,180,591,620,717,411,303,424"),
    "no number": ({"drop": ["3"]}, r"Cannot drop the event at '3': a position is a whole number"),
    "a truth": ({"drop": True}, r"Cannot drop True: a bool names no events"),
    "a text": ({"drop": "Order.Placed"}, r"Cannot drop 'Order.Placed': a str names no events"),
    "a float": ({"drop": 1.5}, r"Cannot drop 1.5: a float names no events"),
    "mask": ({"drop": pl.Series([True])}, r"Cannot drop the event at True"),
    "condition on nothing": (
        {"drop": POSITION > 9},
        r"Cannot drop events of 'odd.db': none of those that the history shows fits .*position",
    ),
    "condition on a column that is not there": (
        {"drop": pl.col("amount") > 9},
        r"Cannot drop the events that fit .*amount.*Give a condition on the columns .*: position,",
    ),
    "no condition": ({"drop": POSITION + 1}, r"Cannot drop the events that fit"),
    "function of nothing": ({"drop": lambda _: False}, r"none of those that the history shows"),
    "function that raises": (
        {"drop": lambda event: event.data["n"]},
        r"Cannot drop by <lambda>: at position 1 \(shop:Order.Placed\) it raised KeyError: 'n'; .*",
    ),
    "alter nothing": ({"alter": {}}, r"Cannot alter nothing"),
    "alter no field": ({"alter": {3: {}}}, r"Cannot alter events by no fields"),
    "alter unknown": ({"alter": {9: {"a": 1}}}, r"Cannot alter the events at 9"),
    "alter undecodable": (
        {"alter": {1: {"a": 1}}},
        r"Cannot alter the event at 1: its payload cannot be decoded \(not JSON.*Drop it",
    ),
    "alter a list": ({"alter": {2: {"a": 1}}}, r"payload is \[1\], which is no JSON object"),
    "alter by no pair": ({"alter": [3]}, r"Cannot alter by 3: it is no pair"),
    "alter by no change": ({"alter": {3: 5}}, r"Cannot alter by \(3, 5\): it is no pair"),
    "alter by a number": ({"alter": 3}, r"Cannot alter by 3: it is no pair"),
    "alter to nothing": (
        {"alter": {3: lambda _: None}},
        r"Cannot alter the event at 3 by None: the function returned a NoneType",
    ),
    "alter by a function that raises": (
        {"alter": {3: lambda event: event.data["x"]}},
        r"Cannot alter by <lambda>: at position 3 \(shop:Order.Placed\) it raised KeyError: 'x'. ",
    ),
    "alter a field without a name": ({"alter": {3: {1: 1}}}, r"Cannot alter the field 1 of"),
    "alter the position": (
        {"alter": {3: lambda event: event.replace(position=4)}},
        r"Cannot alter the position of the event at 3 to 4: it stays where it is. Move it",
    ),
    "alter the type to none": (
        {"alter": {3: lambda event: event.replace(type=None)}},
        r"Cannot alter the type of the event at 3 to None. Give a str",
    ),
    "alter the time to text": (
        {"alter": {3: lambda event: event.replace(time="now")}},
        r"Cannot alter the time of the event at 3 to 'now'. Give a datetime",
    ),
    "insert nothing": ({"insert": []}, r"Cannot insert events: there is none. Give NewEvent"),
    "insert no event": ({"insert": [5]}, r"Cannot insert events: 5 is no new event"),
    "insert a dict": ({"insert": {"type": "a"}}, r"Cannot insert events: 'type' is no new event"),
    "insert after nothing": (
        {"insert": NewEvent(type="a", stream="b", after=9)},
        r"Cannot insert an event after the events at 9 of 'odd.db': there is no event at 9",
    ),
    "insert at a taken number": (
        {"insert": NewEvent(type="a", stream="b", position=3)},
        r"Cannot insert an event at 3 of 'odd.db': the number is taken. .*after=3",
    ),
    "insert two at one number": (
        {"insert": [NewEvent(type="a", stream="b", position=7)] * 2},
        r"Cannot insert an event at 7 of 'odd.db': the number is taken",
    ),
    "insert at a negative number": (
        {"insert": NewEvent(type="a", stream="b", position=-1)},
        r"Cannot insert an event at -1. A position is a number from 0 on",
    ),
    "insert no JSON": (
        {"insert": NewEvent(type="a", stream="b", data="{")},
        r"Cannot insert a at the end: its data is no JSON \(not JSON",
    ),
    "insert a value without a form": (
        {"insert": NewEvent(type="a", stream="b", data={"d": date(2025, 1, 1)})},
        r"Cannot write the payload of a at 4: a date has no form in JSON. The library's JSON has",
    ),
    "insert another frame": (
        {"insert": pl.DataFrame({"position": [9]})},
        r"Cannot insert the rows of a frame: partition is missing; .* Give rows of the event table",
    ),
    "insert an empty frame": (
        {"insert": EVENTS.frame()},
        r"Cannot insert the rows of a frame: it has no row",
    ),
    "move nothing": ({"move": {}}, r"Cannot move events of 'odd.db': no position is named"),
    "move unknown": ({"move": {9: 1}}, r"Cannot move the events at 9 of 'odd.db'"),
    "move after unknown": ({"move": {1: 9}}, r"Cannot move an event after the events at 9 of"),
    "move after itself": ({"move": {3: 3}}, r"Cannot move the event at 3 after itself"),
    "drop and alter": (
        {"drop": 3, "alter": {3: {"n": 1}}},
        r"Cannot edit the events at 3: they are to be dropped and altered at once",
    ),
    "drop and move": (
        {"drop": 3, "move": {3: 1}},
        r"Cannot edit the events at 3: they are to be dropped and moved at once",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(odd: History, name: str) -> None:
    """What cannot be done says what was asked, what was found and what to do."""
    wanted, message = REFUSED[name]
    with pytest.raises(EditError, match=message):
        odd.edit(**wanted)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (date(2025, 1, 1), "a date has no form in JSON"),
        ({1, 2}, "a set has no form in JSON"),
        ([b"a"], "a bytes has no form in JSON"),
        (float("nan"), "Out of range float values"),
        ("\ud800", "surrogates not allowed"),
        ({(1, 2): 1}, "keys must be"),
    ],
)
def test_value_without_a_form_is_refused(odd: History, value: Any, said: str) -> None:
    """A value that the library's transcoder cannot write is refused, with those that it can."""
    message = f"Cannot write .* into the field 'a' of the event at 3: .*{said}.*Decimal, datetime"
    with pytest.raises(EditError, match=message):
        odd.edit(alter={3: {"a": value}})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"type": "", "stream": "s"}, "Cannot make a new event with the type ''"),
        ({"type": "a", "stream": None}, "Cannot make a new event with the stream None"),
        (
            {"type": "a", "stream": "s", "after": 1, "position": 2},
            "Cannot insert an event both after=1 and at position=2",
        ),
    ],
)
def test_new_event_is_checked(wanted: dict[str, Any], message: str) -> None:
    """A new event says what it lacks when it is made."""
    with pytest.raises(EditError, match=message):
        NewEvent(**wanted)


def test_short_name_of_several_types_is_refused(tmp_path: Path) -> None:
    """A new event's type must say which of several is meant."""
    rows = [Row(1, "s", 1, "a:Order.Placed"), Row(2, "s", 2, "b:Order.Placed")]
    history = open_history(write_native(tmp_path / "s.db", rows))
    with pytest.raises(UnknownTypeError, match="Cannot tell which event type 'Order.Placed' is"):
        history.edit(insert=NewEvent(type="Order.Placed", stream="s"))


def test_partitioned_source_is_refused(small: History) -> None:
    """Where no one number orders the events, none can be put after another."""
    from dataclasses import replace

    class Partitioned:
        def __getattr__(self, name):
            return getattr(small.source, name)

        @property
        def capabilities(self):
            return replace(small.source.capabilities, total_order=False)

    with pytest.raises(EditError, match="it is a source of several partitions"):
        replace(small, source=Partitioned()).edit(drop=1)


@given(st.data())
def test_what_is_written_is_read_back(data):
    """A native value that is written is the same value when it is read."""
    value = data.draw(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**62), 2**62)
            | texts()
            | st.decimals(allow_nan=False, allow_infinity=False)
            | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0)),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(texts(4), inner, max_size=3)
            ),
            max_leaves=5,
        )
    )
    text = f'{{"a":{rewritten(value, None).decode()}}}'
    assert repr(fields_of(text)["a"]) == repr(value)
    assert rewritten(value, written(value)) == written(value)
