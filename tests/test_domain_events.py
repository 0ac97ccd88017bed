"""Domain events are what the library's own mapper makes of the same stored events."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import polars as pl
import pytest
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    UUIDAsHex,
)
from eventsourcing.utils import register_topic
from hypothesis import given
from hypothesis import strategies as st
from stores import Row, state_of, write_native

from workbench import open_history
from workbench.classes import Classes
from workbench.errors import ProjectionError
from workbench.event import NEEDED
from workbench.projections.domain import DomainEvents, Unmade
from workbench.samples import RELEASES

HERE = __name__


class Seen(DomainEvent):
    """An event whose stream is a UUID."""


class Named(DomainEvent):
    """An event whose stream is a text, in its third version."""

    originator_id: str  # type: ignore[assignment]
    class_version = 3

    @staticmethod
    def upcast_v1_v2(state):
        state["first"] = state.pop("name", "nobody")

    @staticmethod
    def upcast_v2_v3(state):
        state["second"] = state["first"]


register_topic("old:Seen", Seen)
TYPES = [f"{HERE}:Seen", f"{HERE}:Named", "old:Seen", f"{HERE}:Missing"]


def transcoder():
    """Return the library's transcoder with its standard transcodings."""
    made = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        made.register(transcoding)
    return made


def wrapped(name, data):
    """Return a wrapper as the library writes it."""
    return {"_type_": name, "_data_": data}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63 - 2, 2**64 + 2)
    | st.floats()
    | st.text(max_size=5)
    | st.decimals().map(lambda d: wrapped("decimal_str", str(d)))
    | st.uuids().map(lambda u: wrapped("uuid_hex", u.hex))
    | st.datetimes(timezones=st.sampled_from([UTC, None])).map(
        lambda t: wrapped("datetime_iso", t.isoformat())
    )
    | st.builds(wrapped, st.sampled_from(["leg", "decimal_str"]), st.text(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "_type_", "_data_", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(["name", "class_version", "_type_", "_data_", "timestamp", "x"]),
    values,
    max_size=4,
)
times = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@st.composite
def rows(draw):
    """Return rows as an application may have written them, and odd ones."""
    with_times = draw(st.booleans())
    made = []
    for position in range(1, draw(st.integers(2, 8))):
        state = draw(fields)
        if draw(st.booleans()):
            state["class_version"] = draw(st.integers(1, 4))
        if with_times:
            moment = draw(times).isoformat()
            state = {"timestamp": wrapped("datetime_iso", moment)} | state
        stream = draw(st.uuids()).hex
        text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8", "surrogatepass")
        made.append(Row(position, stream, position, draw(st.sampled_from(TYPES)), data))
    return made


def by_mapper(row):
    """Return what the library makes of a row, or that it fails."""
    stored = StoredEvent(row.stream, row.version, row.type, row.state)
    try:
        return Mapper(transcoder()).to_domain_event(stored)
    except Exception:  # noqa: BLE001, of any kind
        return None


def by_workbench(path, **options):
    """Return what the workbench makes of a store's events; None for one that fails."""
    history = open_history(path)
    made = DomainEvents(Classes.of(sys.modules[HERE]), history.state, **options)
    batch = pl.concat(history.batches(NEEDED))
    return [None if type(e) is Unmade else e for events in made.of(batch) for e in events]


def told(event):
    """Return an event's class and all it holds, in order and with the values' classes."""
    return None if event is None else (type(event), repr(list(vars(event).items())))


class TestMapper:
    """Event by event."""

    @given(rows())
    def test_event_is_that_of_the_mapper(self, new_path, made):
        """Class, fields, their order and classes are the same, and the same events fail."""
        found = by_workbench(write_native(new_path(), made))
        assert [told(event) for event in found] == [told(by_mapper(row)) for row in made]

    @given(rows())
    def test_own_transcoder_is_used(self, new_path, made):
        """With a transcoder of the user's, the library's mapper does it."""
        found = by_workbench(write_native(new_path(), made), transcoder=transcoder())
        assert [told(event) for event in found] == [told(by_mapper(row)) for row in made]

    def test_payload_with_two_problems(self, tmp_path):
        """A number that is too large does not hide that something else was changed."""
        state = b'{"n":[9223372036854775808],"x":Infinity}'
        made = [Row(1, UUID(int=1).hex, 1, TYPES[0], state)]
        found = by_workbench(write_native(tmp_path / "a.db", made))
        assert [told(event) for event in found] == [told(by_mapper(row)) for row in made]
        assert found[0].x == float("inf")

    def test_version_that_cannot_be_compared(self, tmp_path):
        """A signaling NaN is no version, and fails as it does in the library."""
        state = b'{"class_version":{"_type_":"decimal_str","_data_":"sNaN"}}'
        made = [Row(i, UUID(int=i).hex, 1, TYPES[0], [state, b"{}"][i % 2]) for i in (1, 2)]
        found = by_workbench(write_native(tmp_path / "a.db", made))
        assert [told(event) for event in found] == [told(by_mapper(row)) for row in made]

    def test_own_mapper_is_used(self, tmp_path):
        """A mapper of the user's gets the payload and the class's own name."""

        class Upper(Mapper):
            def to_domain_event(self, stored_event):
                event = super().to_domain_event(stored_event)
                vars(event)["note"] = "mine"
                return event

        made = [Row(1, UUID(int=1).hex, 1, TYPES[0], state_of(datetime(2025, 1, 1, tzinfo=UTC)))]
        (event,) = by_workbench(write_native(tmp_path / "a.db", made), mapper=Upper(transcoder()))
        assert (event.note, event.originator_id) == ("mine", UUID(int=1))

    def test_long_batches_are_one_list_after_another(self, tmp_path):
        """Lists follow in order, with what is odd in between."""
        made = [
            Row(
                i,
                UUID(int=i).hex,
                i,
                TYPES[0],
                state_of(datetime(2025, 1, 1, 0, 0, 0, i, UTC), n=i),
            )
            for i in range(1, 3000)
        ]
        made[1500] = made[1500]._replace(state=b'{"x":NaN}')
        made[2500] = made[2500]._replace(state=b"\x00")
        found = by_workbench(write_native(tmp_path / "a.db", made))
        assert [told(event) for event in found] == [told(by_mapper(row)) for row in made]
        assert found[2500] is None

    def test_what_is_no_mapper(self):
        """Something without the method is refused."""
        with pytest.raises(ProjectionError, match="to_domain_event"):
            DomainEvents(Classes.of(HERE), bytes, mapper=5)


SAMPLE = """
import sys
from workbench import open_history
from workbench.classes import Classes
from workbench.event import NEEDED
from workbench.projections.domain import DomainEvents, Unmade
from workbench.samples import RELEASES, load_release, shop_path
from eventsourcing.persistence import StoredEvent
number = int(sys.argv[1])
shop = load_release(RELEASES[number])
mapper = shop.Shop().mapper
history = open_history(shop_path())
own = {"transcoder": mapper.transcoder} if number == 2 else {}
made = DomainEvents(Classes.of(shop), history.state, **own)
import sqlite3
db = sqlite3.connect(f"file:{shop_path()}?mode=ro&immutable=1", uri=True)
stored = {r[0]: StoredEvent(*r[1:]) for r in db.execute("SELECT rowid, * FROM stored_events")}
same = failed = 0
for batch in history.batches(NEEDED):
    events = [event for part in made.of(batch) for event in part]
    for position, event in zip(batch["position"], events, strict=True):
        try:
            theirs = mapper.to_domain_event(stored[position])
        except Exception as error:
            assert type(event) is Unmade, (position, event, error)
            failed += 1
            continue
        assert type(event) is type(theirs), (position, event)
        assert repr(list(vars(event).items())) == repr(list(vars(theirs).items())), position
        same += 1
print(same, failed)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(RELEASES)))
def test_every_event_of_the_sample(number):
    """With each release's code, every event of the sample history is that of its own mapper."""
    found = subprocess.run(
        [sys.executable, "-c", SAMPLE, str(number)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    same, _ = map(int, found.stdout.split())
    assert same > 10_000 if number else same > 1_000


def test_decimal_and_time_are_exact(tmp_path):
    """Wrappers at the first level and within lists become what they wrap."""
    moment = datetime(2025, 1, 1, 1, 2, 3, 4, tzinfo=UTC)
    state = state_of(
        moment, price=wrapped("decimal_str", "1.50"), ids=[wrapped("uuid_hex", UUID(int=3).hex)]
    )
    made = [Row(1, UUID(int=1).hex, 1, TYPES[0], state)]
    (event,) = by_workbench(write_native(tmp_path / "a.db", made))
    assert (event.price, event.ids, event.timestamp) == (Decimal("1.50"), [UUID(int=3)], moment)
    assert list(vars(event)) == ["timestamp", "price", "ids", "originator_id", "originator_version"]
