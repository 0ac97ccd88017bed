"""The dry run: what becomes of every stored event is what the library's mapper makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from textwrap import dedent

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
from hypothesis import given
from hypothesis import strategies as st
from stores import BEGIN, Row, state_of, write_native
from strategies import payloads, times

from workbench import check_upcasters, open_history
from workbench.classes import Classes
from workbench.errors import RangeError, RevisionError, UpcasterError
from workbench.samples import shop_path
from workbench.tables import UNRESOLVED, UPCAST_FAILURES, UPCAST_FIELDS, UPCASTS
from workbench.upcasting import crew, feeding
from workbench.upcasting.dry_run import DryRun
from workbench.upcasting.feeding import feed
from workbench.upcasting.loading import Loaded
from workbench.upcasting.rebuilding import events_of
from workbench.upcasting.stepping import Broken, Stepper
from workbench.upcasting.values import differences, read, same, written
from workbench.upcasting.wire import WATCHED

HERE = __name__
NAMED = "shop=workbench.samples.release_"


class Seen(DomainEvent):
    """An event whose stream is a UUID."""


class Named(DomainEvent):
    """An event whose stream is a text, in its third version."""

    originator_id: str  # type: ignore[assignment]
    class_version = 3

    @staticmethod
    def upcast_v1_v2(state):
        state["first"] = state.pop("a")

    @staticmethod
    def upcast_v2_v3(state):
        state["second"] = state["first"][0]


class Odd(DomainEvent):
    """An event whose version is no number."""

    class_version = "2"


class Plain:
    """No event at all."""


TYPES = [f"{HERE}:{name}" for name in ("Seen", "Named", "Odd", "Plain", "Missing", "Seen.x")]


def transcoder():
    """Return the library's transcoder with its standard transcodings."""
    made = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        made.register(transcoding)
    return made


def stepper():
    """Return what makes events, in this process."""
    loaded = Loaded(Classes.of(sys.modules[HERE]), transcoder(), is_standard=True)
    return Stepper(loaded, memoryview(bytearray(8 * WATCHED)).cast("q"))


def frame_of(path):
    """Return a store's events as a job has them."""
    return pl.concat(feed(open_history(path))).with_row_index("row")


def by_mapper(row):
    """Return what the library makes of a row, or the error that it raises."""
    stored = StoredEvent(row.stream, row.version, row.type, row.state)
    try:
        return Mapper(transcoder()).to_domain_event(stored)
    except Exception as error:  # noqa: BLE001, of any kind
        return error


def told(event):
    """Return an event's class and all it holds; of a failure, that it is one."""
    if isinstance(event, (Exception, Broken)):
        return "failed"
    return type(event), sorted((name, repr(value)) for name, value in vars(event).items())


odd_states = st.sampled_from(
    [b"[1,2]", b"5", b'"text"', b"null", b"{}", b'{"a":NaN}', b"{", b"\xff", b'{"a":1e999}']
    + [b'{"timestamp":{"_type_":"datetime_iso","_data_":"2025-99-01T00:00:00.000000+00:00"}}']
    + [b'{"class_version":%s}' % v for v in (b"0", b"-1", b'"2"', b"null", b"true", b"9", b"1.5")]
    + [b'{"a":{"_type_":"%s","_data_":"x"}}' % n for n in (b"decimal_str", b"uuid_hex", b"leg")]
)


@st.composite
def rows(draw):
    """Return rows as an application may have written them, and odd ones."""
    made = []
    for position in range(1, draw(st.integers(2, 8))):
        state = draw(
            odd_states
            | st.builds(
                lambda time, version, fields: state_of(time, version, **fields),
                st.none() | times(),
                st.none() | st.integers(1, 4),
                payloads().map(lambda fields: {f"{k}": v for k, v in fields.items() if k != "/"}),
            )
        )
        stream = draw(st.uuids().map(lambda u: u.hex) | st.just("order-1"))
        made.append(Row(position, stream, position, draw(st.sampled_from(TYPES)), state))
    return made


class TestMapper:
    """Event by event, on histories of any kind."""

    @given(rows())
    def test_events_are_those_of_the_mapper(self, new_path, made):
        """The same events fail, and the others have the same class and hold the same."""
        frame = frame_of(write_native(new_path(), made))
        found = events_of(frame, stepper())
        broken = dict.fromkeys(frame["row"], "failed")
        mine = broken | {row: told(event) for row, event in found.items()}
        assert mine == {i: told(by_mapper(row)) for i, row in enumerate(made)}

    @given(rows())
    def test_failures_are_those_of_the_mapper(self, new_path, made):
        """A dry run lists the events of which the mapper makes nothing, with its error."""
        census = DryRun(stepper()).of(frame_of(write_native(new_path(), made)))
        wanted = {row.position: by_mapper(row) for row in made}
        errors = {p: type(e).__name__ for p, e in wanted.items() if isinstance(e, Exception)}
        ours = {"TopicError": "UnknownClassError"}
        found = {failure.position: failure.error for failure in census.failures}
        # Which module a type names is told apart from whether it has a class.
        assert set(found) == set(errors)
        assert [
            (found[p], name)
            for p, name in errors.items()
            if found[p] != ours.get(name, name) and found[p] != "UnknownClassError"
        ] == []

    @given(rows())
    def test_counts_add_up(self, new_path, made):
        """Of each path, events are those that succeeded, failed, or were not tried."""
        census = DryRun(stepper()).of(frame_of(write_native(new_path(), made)))
        wrong = [
            path
            for path in census.paths
            if path.events != path.succeeded + path.failed + path.untried
        ]
        assert wrong == []
        assert sum(path.events for path in census.paths) == len(made)


PLAIN = """
import json, sqlite3, sys
from collections import Counter
from eventsourcing.persistence import StoredEvent
from workbench.samples import RELEASES, load_release, shop_path
shop = load_release(RELEASES[int(sys.argv[1])])
mapper = shop.Shop().mapper
db = sqlite3.connect(f"file:{shop_path()}?mode=ro&immutable=1", uri=True)
good, bad = Counter(), {}
for position, *row in db.execute("SELECT rowid, * FROM stored_events ORDER BY rowid"):
    stored = StoredEvent(*row)
    try:
        version = json.loads(stored.state).get("class_version", 1)
    except ValueError:
        version = None
    try:
        mapper.to_domain_event(stored)
    except Exception as error:
        bad[position] = type(error).__name__
    else:
        good[f"{stored.topic} {version}"] += 1
print(json.dumps([good, bad]))
"""


@pytest.fixture(scope="module", params=[1, 2, 3])
def release(request):
    """Return a release's number, its dry run, and what its own mapper makes of each event."""
    number = request.param
    report = check_upcasters(open_history(shop_path()), f"{NAMED}{number}", progress=False)
    code = [sys.executable, "-c", PLAIN, str(number - 1)]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    return number, report, *json.loads(done.stdout)


class TestSample:
    """The sample history, with each of the releases that wrote it."""

    def test_succeeded_as_in_plain_replay(self, release):
        """Of each type and version, as many events succeed as the release's mapper makes."""
        _, report, good, _ = release
        found = report.paths.filter(pl.col("succeeded") > 0)
        counts = found.select("type", "stored_version", "succeeded").iter_rows()
        assert {f"{type_} {version}": n for type_, version, n in counts} == good

    def test_failed_as_in_plain_replay(self, release):
        """The events that fail are those at which the release's mapper raises."""
        _, report, _, bad = release
        assert report.failures["position"].to_list() == sorted(map(int, bad))
        assert report.failed == len(bad)

    def test_frames_have_their_specs(self, release):
        """Every frame has the columns of its spec."""
        _, report, _, _ = release
        frames = (report.paths, report.failures, report.fields, report.unresolved)
        specs = (UPCASTS, UPCAST_FAILURES, UPCAST_FIELDS, UNRESOLVED)
        assert [spec.misfits(f) for spec, f in zip(specs, frames, strict=True)] == [[]] * 4

    def test_it_is_complete(self, release):
        """Every event was looked at."""
        _, report, _, _ = release
        assert (report.events, report.is_complete, report.last_position) == (54_375, True, 54_385)


@pytest.fixture(scope="module")
def third():
    """Return the dry run of the third release over the first half year."""
    history = open_history(shop_path()).between(upto=20_000)
    return check_upcasters(history, f"{NAMED}3", progress=False)


class TestFields:
    """What becomes of fields."""

    def test_lost_and_filled(self, third):
        """The split of the name is a field lost and two filled, in every event of version 1."""
        placed = third.fields.filter(pl.col("type") == "shop:Order.Placed", stored_version=1)
        found = placed.select("what", "path", "events").rows()
        assert found == [
            ("changed type", "address", 1217),
            ("filled", "first_name", 1217),
            ("filled", "last_name", 1217),
            ("lost", "customer_name", 1217),
        ]

    def test_examples_are_of_the_first_event(self, third):
        """The value before and after is that of the first event."""
        (row,) = third.fields.filter(path="amount", type="shop:Payment.Charged").to_dicts()
        assert (row["before"], row["after"]) == ("27.3", '{"Decimal": "27.30"}')
        assert (row["first_position"], row["what"]) == (94, "changed type")

    def test_default_of_the_method_is_found(self, third):
        """A field that only the method's default fills is told."""
        (row,) = third.fields.filter(what="defaulted").to_dicts()
        assert (row["type"], row["path"], row["events"]) == ("shop:Order.Confirmed", "coupon", 1183)

    def test_idempotence_is_counted(self, third):
        """Rounding twice changes nothing; splitting a name that is gone raises."""
        upcast = third.paths.filter(pl.col("steps") > 0, pl.col("idempotent") > 0)
        found = {row["type"]: (row["idempotent"], row["events"]) for row in upcast.to_dicts()}
        assert found["shop:Payment.Charged"] == (1173, 1173)
        assert "shop:Order.Placed" not in found

    def test_counts_of_the_paths_are_rows_of_fields(self, third):
        """The columns `lost`, `filled` and so on count the rows of `fields`."""
        wanted = third.fields.group_by("type", "stored_version", "what").len()
        names = ["lost", "filled", "changed_type", "defaulted", "missing", "extra"]
        total = third.paths.select(names).sum().sum_horizontal().item()
        assert total == wanted["len"].sum()


BAD = """
import os, sys, time
from eventsourcing.domain import DomainEvent

print("imported")


class Text(DomainEvent):
    originator_id: str
    name: str
    class_version = 2


class Good(Text):
    @staticmethod
    def upcast_v1_v2(state):
        print("one more")
        state["name"] = "good"


class Raises(Text):
    @staticmethod
    def upcast_v1_v2(state):
        raise ZeroDivisionError("on purpose")


class Loops(Text):
    @staticmethod
    def upcast_v1_v2(state):
        while True:
            pass


class LoopsAgain(Text):
    @staticmethod
    def upcast_v1_v2(state):
        while state.get("name"):
            pass
        state["name"] = "once"


class Exits(Text):
    @staticmethod
    def upcast_v1_v2(state):
        os._exit(7)


class Leaves(Text):
    @staticmethod
    def upcast_v1_v2(state):
        sys.exit("bye")


class Deletes(Text):
    @staticmethod
    def upcast_v1_v2(state):
        state.clear()


class Hungry(Text):
    @staticmethod
    def upcast_v1_v2(state):
        state["name"] = bytearray(2**36)


class Reads(Text):
    @staticmethod
    def upcast_v1_v2(state):
        state["name"] = sys.stdin.read()


class Drifts(Text):
    seen = 0

    @staticmethod
    def upcast_v1_v2(state):
        Drifts.seen += 1
        state["name"] = str(Drifts.seen)


class Lacks(Text):
    pass


class Moves(Text):
    @staticmethod
    def upcast_v1_v2(state):
        state["name"] = state.pop("title")
        state["a.b"] = state.pop("")
        state["deep"] = state["deep"]["d"]
        state["lines"][0]["n"] = str(state["lines"][0]["n"])
"""
DEEP = "x"
for _ in range(200):
    DEEP = {"d": DEEP}
ODD = {"title": "t", "": 5, "deep": DEEP, "lines": [{"n": 1}, {"n": "2"}]}
MANY = {f"field {i}": i for i in range(5_000)}


def event(position, name, state=None, **fields):
    """Return a row of an event of the module `bad`."""
    text = state_of(BEGIN, **fields) if state is None else state
    return Row(position, "s", position, f"bad:{name}", text)


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """Return the dry run of a module in which everything goes wrong."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad.py").write_text(BAD)
    names = ("Good", "Raises", "Loops", "LoopsAgain", "Leaves", "Deletes", "Hungry", "Reads")
    made = [event(i, name, title="t") for i, name in enumerate(names, 1)]
    made += [event(i, "Exits") for i in range(20, 25)]
    made += [event(i, "Drifts") for i in range(30, 33)]
    made += [event(40, "Lacks"), event(41, "Moves", **ODD)]
    made += [event(50, "Good", b"[1,2]"), event(51, "Good", b"7"), event(52, "Good", **MANY)]
    made += [event(60, "Good", value=1), event(61, "Good", value="1")]
    made += [event(70, "Good", state_of(BEGIN, 3, name="new"))]
    path = write_native(folder / "store.db", made)
    return check_upcasters(
        open_history(path), str(folder / "bad.py"), event_limit_s=1.0, progress=False
    )


def failed(report, position):
    """Return how an event failed."""
    (row,) = report.failures.filter(position=position).to_dicts()
    return row["step"], row["error"], row["message"]


def path_of(report, name):
    """Return the counts of version 1 of a type."""
    (row,) = report.paths.filter(type=f"bad:{name}", stored_version=1).to_dicts()
    return row


class TestBad:
    """Code and payloads of every bad kind, in one run."""

    def test_upcaster_that_raises(self, bad):
        """The step, the error and its message are told."""
        assert failed(bad, 2) == ("upcast_v1_v2", "ZeroDivisionError", "on purpose")

    def test_upcaster_that_loops(self, bad):
        """An event that comes to no end is a failure, at its position."""
        assert failed(bad, 3) == ("upcast_v1_v2", "Stopped", "no end after 1 s")

    def test_second_run_that_loops(self, bad):
        """An event that loops only when it is upcast once more succeeds, as in the library."""
        found = path_of(bad, "LoopsAgain")
        assert (found["succeeded"], found["idempotent"]) == (1, 0)

    def test_upcaster_that_leaves(self, bad):
        """`sys.exit` ends the event, not the process."""
        assert failed(bad, 5)[:2] == ("upcast_v1_v2", "SystemExit")

    def test_upcaster_that_deletes_its_input(self, bad):
        """Every field is lost, those of the event itself too, and nothing else suffers."""
        lost = bad.fields.filter(type="bad:Deletes", what="lost")["path"].to_list()
        assert lost == ["originator_id", "originator_version", "timestamp", "title"]

    def test_upcaster_that_takes_all_memory(self, bad):
        """Memory is limited."""
        assert failed(bad, 7)[:2] == ("upcast_v1_v2", "MemoryError")

    def test_upcaster_that_reads_input(self, bad):
        """There is nothing to read."""
        assert path_of(bad, "Reads")["succeeded"] == 1

    def test_process_that_ends(self, bad):
        """Three events may end the process; the others of their kind are given up, and counted."""
        found = path_of(bad, "Exits")
        assert (found["events"], found["failed"], found["untried"]) == (5, 3, 2)
        assert failed(bad, 20) == ("upcast_v1_v2", "Stopped", "ended with code 7")

    def test_what_is_given_up_is_told(self, bad):
        """A report with events that were not tried is not complete."""
        assert (bad.is_complete, bad.untried) == (False, 2)
        assert "2 were given up" in bad.verdict

    def test_drift_is_found(self, bad):
        """An upcaster whose result depends on more than the event is unstable."""
        assert path_of(bad, "Drifts")["unstable"] == 3

    def test_upcaster_that_is_not_there(self, bad):
        """A step that the class lacks is named."""
        assert failed(bad, 40)[:2] == ("upcast_v1_v2", "AttributeError")

    def test_odd_names_and_depths(self, bad):
        """Names with dots, empty ones, and 200 levels are paths like others."""
        moved = bad.fields.filter(type="bad:Moves").select("path", "what").rows()
        assert set(moved) == {
            ('"a.b"', "filled"),
            ('"a.b"', "extra"),
            ('""', "lost"),
            ("deep.d", "changed type"),
            ("deep", "extra"),
            ("lines", "extra"),
            ("lines[].n", "changed type"),
            ("name", "filled"),
            ("title", "lost"),
        } - {("deep.d", "changed type")} | {path for path in moved if path[0].startswith("deep.")}

    def test_move_is_offered(self, bad):
        """A field that is gone, and one that has its value, are told of each other."""
        found = bad.fields.filter(type="bad:Moves", path="title")["same_as"].to_list()
        assert found == [["name"]]

    @pytest.mark.parametrize("position", [50, 51])
    def test_payload_that_is_no_object(self, bad, position):
        """A list or a number fails as in the library, and is told."""
        assert failed(bad, position)[1] in {"TypeError", "AttributeError"}

    def test_five_thousand_fields(self, bad):
        """Each is a row: none of them is the class's own."""
        extra = bad.fields.filter(type="bad:Good", stored_version=1, what="extra")
        assert extra.filter(pl.col("path").str.starts_with("field ")).height == 5_000

    def test_newer_than_the_code(self, bad):
        """A version that the code does not know passes, and is counted."""
        (row,) = bad.paths.filter(type="bad:Good", stored_version=3).to_dicts()
        assert (row["succeeded"], row["newer"], row["steps"]) == (1, 1, 0)

    def test_report_is_shown(self, bad):
        """In a notebook it is a static table; nothing of it is markup of the store's."""
        shown = bad._repr_html_()
        assert "on purpose" in shown
        assert "<script" not in shown

    def test_report_in_one_line(self, bad):
        """The report says in one line what it found."""
        assert repr(bad).startswith("<UpcasterReport of ")


class TestCode:
    """How code is named, and what is refused."""

    def store(self, folder, type_="things:Thing"):
        return write_native(folder / "s.db", [Row(1, "s", 1, type_, state_of(BEGIN, n=1))])

    def module(self, folder, text="", name="things.py"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(
            "from eventsourcing.domain import DomainEvent\n\n\n"
            f"class Thing(DomainEvent):\n    originator_id: str\n    n: int\n{dedent(text)}"
        )
        return folder / name

    def run(self, store, named, **options):
        return check_upcasters(open_history(store), named, progress=False, **options)

    def test_file(self, tmp_path):
        """A file is the module that its name says."""
        report = self.run(self.store(tmp_path), str(self.module(tmp_path)))
        assert report.paths["succeeded"].to_list() == [1]

    def test_file_under_another_name(self, tmp_path):
        """With NAME= a file is the module that stored types name."""
        file = self.module(tmp_path, name="release_2.py")
        report = self.run(self.store(tmp_path), f"things={file}")
        assert report.paths["succeeded"].to_list() == [1]

    def test_folder(self, tmp_path):
        """Of a folder, the modules are loaded that stored types name, and no other."""
        folder = tmp_path / "code"
        self.module(folder)
        (folder / "other.py").write_text("raise SystemExit(9)")
        report = self.run(self.store(tmp_path), str(folder))
        assert report.paths["succeeded"].to_list() == [1]

    def test_module_and_class(self):
        """A module, and a class of it, that are imported here are loaded there."""
        import library_shop

        history = open_history(shop_path())
        with pytest.raises(UpcasterError, match="of a module that was named") as raised:
            check_upcasters(history, [library_shop, library_shop.Order], progress=False)
        assert "shop" in str(raised.value)

    def test_registered_names_are_known_there(self, tmp_path):
        """Old names that are registered here for a named module are known in the process."""
        import library_shop
        from eventsourcing.utils import register_topic

        register_topic("once:Thing", library_shop.Order.Emptied)
        row = Row(1, "0" * 32, 1, "once:Thing", state_of(BEGIN))
        report = self.run(write_native(tmp_path / "s.db", [row]), library_shop)
        assert report.paths["succeeded"].to_list() == [1]

    def test_nothing_else_is_imported(self, tmp_path):
        """A type of a module that was not named is listed, and neither fails nor runs."""
        (tmp_path / "evil.py").write_text("raise SystemExit(9)")
        rows = [Row(1, "s", 1, "things:Thing", state_of(BEGIN, n=1))]
        rows.append(Row(2, "s", 2, "evil:Thing", state_of(BEGIN)))
        store = write_native(tmp_path / "s.db", rows)
        report = self.run(store, str(self.module(tmp_path)))
        found = report.unresolved.select("type", "events", "is_named").rows()
        assert (found, report.failed) == ([("evil:Thing", 1, False)], 0)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("raise SystemExit(3)", "SystemExit"),
            ("import os; os._exit(3)", "ended with code 3"),
            ("1 / 0", "ZeroDivisionError"),
            ("import surely_not_there", "surely_not_there"),
        ],
    )
    def test_module_that_does_harm_on_import(self, tmp_path, text, said):
        """What it does is told, and does nothing to this process."""
        file = tmp_path / "things.py"
        file.write_text(text)
        with pytest.raises(UpcasterError, match="Cannot load") as raised:
            self.run(self.store(tmp_path), str(file))
        assert said in str(raised.value)

    def test_transcodings_of_the_application(self, tmp_path):
        """What an application in the module registers is used, and no application is made."""
        text = """
        from eventsourcing.application import Application
        from eventsourcing.persistence import Transcoding

        class Money(Transcoding):
            type = complex
            name = "money"
            def encode(self, obj):
                return str(obj)
            def decode(self, data):
                return complex(data)

        class App(Application):
            def __init__(self):
                raise SystemExit(4)
            def register_transcodings(self, transcoder):
                super().register_transcodings(transcoder)
                transcoder.register(Money())
        """
        state = state_of(BEGIN, n={"_type_": "money", "_data_": "1j"})
        store = write_native(tmp_path / "s.db", [Row(1, "s", 1, "things:Thing", state)])
        report = self.run(store, str(self.module(tmp_path, text)))
        assert report.paths["succeeded"].to_list() == [1]

    def test_application_with_a_mapper_of_its_own(self, tmp_path):
        """It is refused: what it makes is not what the library's mapper makes."""
        text = """
        from eventsourcing.application import Application

        class App(Application):
            def construct_mapper(self):
                return None
        """
        with pytest.raises(UpcasterError, match="construct_mapper of its own"):
            self.run(self.store(tmp_path), str(self.module(tmp_path, text)))

    @pytest.mark.parametrize(
        ("named", "said"),
        [
            ([], "nothing was named"),
            (5, "Cannot look for classes in 5"),
            ([5], "Cannot look for classes in 5"),
            ("not a module", "nothing is there"),
            ("a-b=shop", "Cannot find code by"),
            ("shop@", "Cannot find code by"),
            ("no/such/file.py", "nothing is there"),
            ("surely_not_there", "there is no module"),
        ],
    )
    def test_what_is_no_code(self, tmp_path, named, said):
        """It is refused with what to write instead."""
        with pytest.raises(UpcasterError, match=said):
            self.run(self.store(tmp_path), named)

    def test_what_was_defined_at_the_prompt(self, tmp_path):
        """Classes of a notebook's cell are refused with what to do."""
        import types

        with pytest.raises(UpcasterError, match="%%writefile"):
            self.run(self.store(tmp_path), types.ModuleType("__main__"))

    def test_unknown_revision(self, tmp_path, monkeypatch):
        """A revision outside a repository is refused."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        with pytest.raises(RevisionError):
            self.run(self.store(tmp_path), "things@v1")

    @pytest.mark.parametrize("limit", ["time_limit_s", "event_limit_s"])
    def test_limit_of_nothing(self, tmp_path, limit):
        """A limit is above zero."""
        with pytest.raises(RangeError, match=limit):
            self.run(self.store(tmp_path), "things", **{limit: 0})

    def test_time_limit(self, tmp_path, monkeypatch):
        """What is found until the time is over is whole up to a position, and says so."""
        text = """
            class_version = 2

            @staticmethod
            def upcast_v1_v2(state):
                import time
                time.sleep(0.05)
        """
        file = self.module(tmp_path)
        file.write_text(file.read_text() + text.replace("\n        ", "\n"))
        monkeypatch.setattr(feeding, "EVENTS_A_JOB", 5)
        rows = [Row(i, "s", i, "things:Thing", state_of(BEGIN, n=i)) for i in range(1, 301)]
        store = write_native(tmp_path / "s.db", rows)
        report = self.run(store, str(file), time_limit_s=3)
        assert report.stopped == "the time limit of 3 s was reached"
        assert not report.is_complete
        assert report.events == report.paths["events"].sum() == (report.last_position or 0)
        assert report.events < 300

    def test_values_that_hang_when_they_are_compared(self, tmp_path):
        """The event is named, and tried once only; the others are not given up with it."""
        text = """
        class Never:
            def __eq__(self, other):
                while True:
                    pass
            __hash__ = None

        class Stuck(Thing):
            class_version = 2

            @staticmethod
            def upcast_v1_v2(state):
                state["n"] = Never()
        """
        store = self.store(tmp_path, "things:Stuck")
        report = self.run(store, str(self.module(tmp_path, text)), event_limit_s=1)
        assert (report.untried, report.events, report.is_complete) == (0, 1, True)
        (row,) = report.paths.to_dicts()
        assert (row["succeeded"], row["failed"], row["idempotent"]) == (1, 0, 0)

    def test_code_that_hangs_between_events(self, tmp_path, monkeypatch):
        """Where a class hangs when it is looked at, the events are given up."""
        text = """
        class Meta(type(Thing)):
            def __getattr__(cls, name):
                while name == "n":
                    pass
                raise AttributeError(name)

        class Stuck(Thing, metaclass=Meta):
            pass
        """
        monkeypatch.setattr(crew, "STILL_LIMIT_S", 1.0)
        store = self.store(tmp_path, "things:Stuck")
        report = self.run(store, str(self.module(tmp_path, text)))
        assert (report.untried, report.events, report.is_complete) == (1, 1, False)

    def test_progress_is_told(self, tmp_path):
        """A function is told how many events are done, and of how many positions."""
        seen = []
        check_upcasters(
            open_history(self.store(tmp_path)), str(self.module(tmp_path)), progress=seen.append
        )
        assert [(p.done, p.total, p.events) for p in seen] == [(1, 1, 1)]

    def test_empty_history(self, tmp_path):
        """Of no events nothing fails."""
        store = write_native(tmp_path / "s.db", [])
        report = self.run(store, str(self.module(tmp_path)))
        assert (report.events, report.paths.height, report.is_complete) == (0, 0, True)

    def test_edited_history(self, tmp_path):
        """An edited history is upcast as edited."""
        history = open_history(self.store(tmp_path)).edit(alter={1: {"more": 5}})
        report = check_upcasters(history, str(self.module(tmp_path)), progress=False)
        assert report.fields.filter(what="extra")["path"].to_list() == ["more"]

    def test_no_process_is_left(self, tmp_path):
        """When it is over, the processes are gone."""
        text = "import os, pathlib\npathlib.Path(__file__ + '.pid').write_text(str(os.getpid()))\n"
        file = self.module(tmp_path)
        file.write_text(f"{file.read_text()}\n{text}")
        self.run(self.store(tmp_path), str(file))
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "things.py.pid").read_text()), 0)


json_values = payloads()


class TestValues:
    """How values are written and held against each other."""

    @given(json_values)
    def test_what_was_written_is_read_again(self, value):
        """A value of JSON survives."""
        assert read(written(value)) == value

    @given(json_values)
    def test_nothing_differs_from_itself(self, value):
        """A value and its copy have no differences, and are the same."""
        copied = json.loads(json.dumps(value))
        assert list(differences(value, copied)) == []
        assert same(value, copied)

    @given(json_values, json_values)
    def test_what_differs_is_told(self, one, other):
        """Two values are the same if, and only if, they have no differences."""
        assert same(one, other) == (not list(differences(one, other)))

    def test_number_and_text_differ(self):
        """Values of two types differ also where they are equal."""
        assert [d.what for d in differences({"a": 1}, {"a": True})] == ["changed type"]

    def test_time_is_written_with_its_class(self):
        """What JSON has not has its class's name."""
        assert written(datetime(2025, 1, 1, tzinfo=UTC), tag="") == (
            '{"datetime": "2025-01-01T00:00:00+00:00"}'
        )
