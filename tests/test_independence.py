"""What is replayed after an edit comes to what a replay of everything comes to."""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import re
import sys
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import Row, append, state_of, write_native
from test_going_on import same
from test_trial import ADD, DROP, SET, Baskets, handled, run

from workbench import Projection, errors, handles, open_history, replay, table
from workbench.cells import running
from workbench.cells.difference import differences
from workbench.changelog.merging import have_common_positions, merged, without_streams
from workbench.projections.independence import Watch
from workbench.projections.versions import edit_between, version_of

TYPES = [SET, ADD, DROP, "shop:Basket.Seen"]
STREAMS = "abcdef"


@st.composite
def rows(draw, first=1):
    """Return rows of baskets in six streams, a few of which cannot be decoded."""
    made, versions, position = [], {}, first
    for _ in range(draw(st.integers(1, 30))):
        position += draw(st.integers(1, 3))
        stream = draw(st.sampled_from(STREAMS))
        versions[stream] = versions.get(stream, 100 * first) + 1
        state = state_of(None, draw(st.integers(1, 2)), items=draw(st.integers(0, 3)))
        kind = draw(st.sampled_from(TYPES))
        state = draw(st.sampled_from([state] * 9 + [b"{"]))
        made.append(Row(position, stream, versions[stream], kind, state))
    return made


# What a handler may do: most by the event's own stream, some across streams.


def sets(tables, event):
    """Set a row."""
    tables.one.set(event.stream, n=event.data["items"])


def sets_twice(tables, event):
    """Set a row to other values, in two tables."""
    tables.one.set(event.stream, n=event.data["items"] + 1)
    tables.two.set((event.data["items"], event.stream), n=event.version)


def adds(tables, event):
    """Read and change; fails where there is no row."""
    row = tables.one.get(event.stream)
    tables.two.set((0, event.stream), n=1)
    tables.one.update(event.stream, n=row["n"] + event.data["items"])


def deletes(tables, event):
    """Remove rows."""
    tables.one.delete(event.stream)
    if (1, event.stream) in tables.two:
        tables.two.delete((1, event.stream))


def raises(tables, event):
    """Fail for some events, after a change."""
    tables.one.set(event.stream, n=-1)
    if event.data["items"] > 1:
        raise ValueError(event.position)


def counts(tables, event):
    """Look at all rows."""
    tables.one.set(event.stream, n=len(tables.one))


def crosses(tables, event):
    """Change a row of another stream."""
    tables.one.set("a", n=event.position)


def swaps(tables, event):
    """Have the stream in another column now and then."""
    tables.both.set((event.stream, "a"), n=event.position)


HANDLERS = [sets, sets, sets_twice, adds, adds, deletes, raises, counts, crosses, swaps]
TABLES = {
    "one": table(key={"stream": pl.String}, values={"n": pl.Int64}),
    "two": table(key={"items": pl.Int64, "stream": pl.String}, values={"n": pl.Int64}),
    "both": table(key={"first": pl.String, "second": pl.String}, values={"n": pl.Int64}),
}


@st.composite
def versions(draw):
    """Return a few versions of a projection, most of which are edits of one handler."""
    chosen = {type_: draw(st.sampled_from(HANDLERS)) for type_ in TYPES[:3]}
    found = [dict(chosen)]
    for _ in range(draw(st.integers(1, 4))):
        type_, handler = draw(st.sampled_from(TYPES)), draw(st.sampled_from([*HANDLERS, None]))
        if handler is not None:
            chosen[type_] = handler
        elif len(chosen) > 1:
            chosen.pop(type_, None)
        found.append(dict(chosen))
    return found


def projection(handlers):
    """Return the projection of these handlers, its method for a type named after the type."""
    body = {}
    for type_, function in handlers.items():
        name = type_.split(".")[1].lower()
        body[name] = handles(type_)(lambda self, event, function=function: function(self, event))
    return type("Tried", (Projection,), {**TABLES, **body, "__module__": __name__})


def tried(monkeypatch):
    """Let any share of streams be replayed by itself."""
    monkeypatch.setattr(running, "MOST_SHARE", 1.0)


class TestLaws:
    """Whatever the history, the handlers and the edits."""

    @pytest.mark.slow
    @given(made=rows(), later=rows(first=200), edits=versions(), grows=st.booleans())
    def test_a_run_after_an_edit_is_a_replay_of_everything(
        self, new_path, made, later, edits, grows
    ):
        """Every change, table, failure and count is the same, whatever was replayed."""
        path = write_native(new_path(), made)
        history = open_history(path)
        before = None
        with pytest.MonkeyPatch.context() as patch:
            tried(patch)
            for handlers in edits:
                try:
                    full = replay(history, projection(handlers), on_error="collect", progress=False)
                except errors.ProjectionError:
                    continue  # the history has none of its types
                found = running.run(
                    history,
                    projection(handlers),
                    before=before,
                    on_error="collect",
                    progress=False,
                )
                event(found.how.split(":")[0].split(" of ")[0])
                same(found.trial, full)
                counted = [
                    t.profile.sort("handler")["handler", "events"] for t in (found.trial, full)
                ]
                assert_frame_equal(*counted)
                assert_frame_equal(found.trial.coverage, full.coverage)
                before = found
                if grows and later:
                    append(path, later)
                    later = []

    @given(made=rows().filter(handled), streams=st.sets(st.sampled_from(STREAMS)))
    def test_log_is_the_sum_of_its_streams(self, new_path, made, streams):
        """What is taken apart by stream is put together as it was."""
        log_of = run(new_path(), made, on_error="collect").recorded.log
        for name in ("baskets", "log"):
            log = log_of(name)
            rest = without_streams(log, streams)
            part = without_streams(log, set(STREAMS) - streams)
            assert not set(rest.entries["stream"]) & streams
            assert not have_common_positions(rest, part)
            for whole in (merged(rest, part), merged(part, rest)):
                for frame in ("keys", "entries", "after"):
                    assert_frame_equal(getattr(whole, frame), getattr(log, frame))

    @given(made=rows().filter(handled), other=rows().filter(handled))
    def test_differences_of_tables(self, new_path, made, other):
        """Nothing differs from itself, and both sides have the same counts the other way round."""
        a, b = (run(new_path(), each, on_error="collect") for each in (made, other))
        keys = ({n: t.key(n) for n in t.table_names} for t in (a, b))
        first, second = keys
        assert all(d.is_empty for d in differences(a.tables, a.tables, (first, first)))
        there = differences(a.tables, b.tables, (first, second))
        back = differences(b.tables, a.tables, (second, first))
        for one, two in zip(there, back, strict=True):
            assert_frame_equal(one.added, two.removed)
            assert_frame_equal(one.removed, two.added)
            assert one.changed.height == two.changed.height
            assert a.table(one.table).height + one.added.height - one.removed.height == (
                b.table(one.table).height
            )


def between(before, after, key=("k",), key_after=None):
    """Return what differs in one table."""
    keys = ({"t": tuple(key)}, {"t": tuple(key_after or key)})
    (found,) = differences({"t": pl.DataFrame(before)}, {"t": pl.DataFrame(after)}, keys)
    return found


class TestDifferences:
    """What is told of two tables that are declared in different ways."""

    def test_before_stands_beside_after(self):
        """Only columns that differ somewhere are shown, and null is a value."""
        found = between(
            {"k": [1, 2, 3], "a": [1, None, 3], "b": [1, 1, 1], "c": ["x", "x", "x"]},
            {"k": [1, 2, 4], "a": [1, 2, 3], "b": [1, 1, 1], "c": ["y", "x", "x"]},
        )
        assert found.changed.columns == ["k", "a_before", "a_after", "c_before", "c_after"]
        assert found.changed.rows() == [(1, 1, 1, "x", "y"), (2, None, 2, "x", "x")]
        assert found.in_words() == "rows 1 added, 1 removed, 2 changed"

    def test_values_of_any_dtype(self):
        """Lists, structs, decimals and NaN are held against each other by value."""
        first = {
            "k": [1, 2],
            "list": [[1], [2]],
            "struct": [{"a": 1}, {"a": 2}],
            "decimal": [Decimal("1.0"), Decimal(2)],
            "float": [float("nan"), 1.0],
        }
        assert between(first, first).is_empty
        second = first | {"list": [[1], [3]], "struct": [{"a": 1}, {"a": 3}]}
        assert between(first, second).changed.columns == [
            *("k", "list_before", "list_after", "struct_before", "struct_after"),
        ]

    def test_columns_that_are_new_gone_or_other(self):
        """What is declared otherwise is said, and the other columns are compared."""
        found = between({"k": [1], "a": [1], "b": [1]}, {"k": [1], "b": ["1"], "c": [1]})
        assert found.in_words() == (
            "the column c is new; the column a is gone; the column b is now String, and was Int64"
        )
        assert not found.is_empty

    def test_other_key(self):
        """Rows of other keys cannot be held against each other."""
        found = between({"k": [1]}, {"j": [1]}, key_after=("j",))
        assert found.in_words() == "its key is now j, and was k"
        found = between({"k": [1]}, {"k": ["1"]})
        assert found.in_words() == "the column k is now String, and was Int64"

    def test_tables_that_are_new_or_gone(self):
        """A table that one of the two runs has alone is said."""
        one = pl.DataFrame({"k": [1]})
        found = differences({"a": one}, {"b": one}, ({"a": ("k",)}, {"b": ("k",)}))
        assert [(d.table, d.in_words()) for d in found] == [
            ("b", "the table is new"),
            ("a", "the table is gone"),
        ]

    def test_columns_called_as_the_shown_ones(self):
        """A key may be called as a value is shown."""
        found = between({"n_before": [1], "n": [1]}, {"n_before": [1], "n": [2]}, key=("n_before",))
        assert found.changed.rows() == [(1, 1, 2)]


class TestHowMuchIsReplayed:
    """The laws hold if everything is replayed each time: here is what is not."""

    MADE = (
        *(Row(i, s, 1, SET, state_of(items=i)) for i, s in enumerate(STREAMS, 1)),
        Row(10, "b", 2, ADD, state_of(items=5)),
        Row(11, "e", 2, DROP, state_of(items=0)),
    )

    def runs(self, path, monkeypatch, *edits):
        """Return the runs of edits over one history."""
        tried(monkeypatch)
        history, before, found = open_history(write_native(path, self.MADE)), None, []
        for handlers in edits:
            before = running.run(history, projection(handlers), before=before, progress=False)
            found.append(before)
        return found

    @pytest.mark.parametrize(
        ("edit", "how", "events"),
        [
            ({ADD: sets}, "replayed 1 of 6 streams: added changed", 2),
            ({ADD: sets, DROP: sets}, "replayed 2 of 6 streams: added, dropped changed", 4),
            ({SET: sets_twice}, "replayed 6 of 6 streams: set changed, which added may call", 8),
            ({}, "replayed nothing: neither the projection nor the history has changed", 0),
            ({"shop:Basket.Seen": adds}, "replayed 0 of 6 streams: seen changed", 0),
        ],
    )
    def test_streams_of_the_edited_handlers(self, tmp_path, monkeypatch, edit, how, events):
        """No more is replayed than the streams with events of handlers that changed."""
        first = {SET: sets, ADD: adds, DROP: deletes}
        found = self.runs(tmp_path / "a.db", monkeypatch, first, first | edit)[1]
        assert (found.how, found.events) == (how, events)

    def test_column_of_the_stream_is_always_the_same(self, tmp_path, monkeypatch):
        """A stream that stands in another column of a key now and then tells no row."""
        first = {SET: sets, ADD: swaps, DROP: deletes}
        history = {SET: sets, ADD: adds}
        found = self.runs(tmp_path / "a.db", monkeypatch, first, first | history)[1]
        assert found.how == "replayed 1 of 6 streams: added changed"

    def test_most_streams(self, tmp_path, monkeypatch):
        """More streams than are worth it are replayed with all others."""
        monkeypatch.setattr(running, "MOST_STREAMS", 0)
        first = {SET: sets, ADD: adds}
        found = self.runs(tmp_path / "a.db", monkeypatch, first, {SET: sets, ADD: sets})[1]
        assert "1 of 6 streams have such events, which is most of the work" in found.how

    def test_interrupted_part_is_no_trial(self, tmp_path, monkeypatch):
        """A replay of some streams alone is nothing by itself."""
        path = tmp_path / "a.db"
        first = {SET: sets, ADD: adds}
        before = self.runs(path, monkeypatch, first)[0]

        def stops(tables, event):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            running.run(
                before.history, projection({SET: sets, ADD: stops}), before=before, progress=False
            )

    def test_error_of_a_part_has_no_trial(self, tmp_path, monkeypatch):
        """What some streams came to before an error is not told as a trial."""
        before = self.runs(tmp_path / "a.db", monkeypatch, {SET: sets, ADD: adds})[0]
        edited = projection({SET: sets, ADD: raises})
        with pytest.raises(errors.HandlerError, match="position 10") as raised:
            running.run(before.history, edited, before=before, progress=False)
        assert raised.value.trial is None

    def test_watched_rows_do_what_rows_do(self, tmp_path):
        """Being watched changes nothing."""
        path = write_native(tmp_path / "a.db", self.MADE)
        found = running.run(open_history(path), Baskets, on_error="collect", progress=False)
        same(found.trial, replay(open_history(path), Baskets, on_error="collect", progress=False))
        assert found.watch.places == {"baskets": {0}, "log": {0}}


class TestWatch:
    """What tells that streams are independent."""

    @pytest.mark.parametrize(
        ("keys", "places"),
        [
            (["s", "s"], {0}),
            ([("s", 1), ("s", 2)], {0}),
            ([(1, "s"), (2, "s")], {1}),
            ([("s", "s"), ("x", "s")], {1}),
            ([("s", "x"), ("x", "s")], set()),
            (["x"], set()),
            ([None], set()),
            ([("x", 1)], set()),
            ([("s",)], {0}),
        ],
    )
    def test_places_of_the_stream(self, keys, places):
        """The columns in which every key has the stream."""
        watch = Watch(streams=["s"])
        cursor = type("Cursor", (), {"event": 0})()
        for key in keys:
            watch.note("t", key, cursor)
        assert watch.places == {"t": places}
        assert (watch.breach is None) == bool(places)

    def test_a_watch_that_goes_on_leaves_the_first_as_it_is(self):
        """What a later run does is not held against an earlier."""
        watch = Watch({"t": frozenset({0})})
        later = watch.going_on()
        later.streams = ["s"]
        later.note("t", "x", type("Cursor", (), {"event": 0})())
        assert later.breach is not None
        assert watch.breach is None


def made(source, **known):
    """Return the class P that a text of a cell defines."""
    names = {"Projection": Projection, "handles": handles, "table": table, "pl": pl}
    names |= {"__name__": "__main__", **known}
    exec(source, names)
    return names["P"]


CLASS = """
class P(Projection):
    t = table(key={"k": pl.String}, values={"n": pl.Int64})

    @handles("A")
    def a(self, event):
        self.t.set(event.stream, n=1)

    @handles("B")
    def b(self, event):
        BODY
"""


def body(text, **known):
    """Return a projection of which one handler has this body."""
    return made(CLASS.replace("BODY", text), **known)


class TestVersions:
    """What differs between two versions of a projection."""

    def test_same_source_is_the_same(self):
        """Where the lines stand, and what comments say, does not matter."""
        first, second = body("pass"), body("pass  # nothing\n\n    x = 1")
        other = made("\n\n\n# more\n" + CLASS.replace("BODY", "pass"))
        assert version_of(first) == version_of(other)
        assert version_of(first) != version_of(second)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("return 1", "return 1.0"),
            ("return 1", "return True"),
            ("return 0.0", "return -0.0"),
            ("return 'a'", "return b'a'"),
            ("return (1, 2)", "return (1, 2.0)"),
            ("return event.a", "return event.b"),
            ("return [x for x in event.a]", "return [x for x in event.b]"),
            ("return lambda: 1", "return lambda: 2"),
            ("return event.x in {1, 2}", "return event.x in {1, 3}"),
        ],
    )
    def test_a_body_that_does_something_else(self, before, after):
        """Every edit that may matter is one."""
        edit = edit_between(version_of(body(before)), version_of(body(after)))
        assert edit.methods == {"b"}

    def test_callers_of_an_edited_handler_are_edited(self):
        """Who calls a handler that changed does something else too."""
        source = CLASS + "\n    def helper(self, event):\n        self.a(event)\n"
        before = made(source.replace("BODY", "self.helper(event)"))
        after = made(source.replace("BODY", "self.helper(event)").replace("n=1", "n=2"))
        edit = edit_between(version_of(before), version_of(after))
        assert (edit.methods, edit.callers) == ({"a"}, {"b"})

    def test_callers_by_way_of_the_outside_are_edited(self):
        """A function of the notebook may call a handler."""

        def call(tables, event):
            tables.a(event)

        texts = [CLASS.replace("BODY", "call(self, event)")] * 2
        before, after = (made(t, call=call) for t in (texts[0], texts[1].replace("n=1", "n=2")))
        assert edit_between(version_of(before), version_of(after)).callers == {"b"}

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (1, 2),
            ([1], [1, 2]),
            ({"a": 1}, {"a": 2}),
            ({1, 2}, {1, 3}),
            (("a",), ("b",)),
            (pl.Int64(), pl.Int32()),
            (lambda: 1, lambda: 2),
            (lambda x=1: x, lambda x=2: x),
            (type("C", (), {"x": 1}), type("C", (), {"x": 2})),
        ],
    )
    def test_values_outside(self, before, after):
        """A value that is another is told by its name."""
        edits = [version_of(body("return rate", rate=value)) for value in (before, before, after)]
        assert edit_between(edits[0], edits[1]).too_much is None
        assert edit_between(edits[1], edits[2]).too_much == "rate, which it refers to, is another"
        assert not any(version.unproven for version in edits)

    def test_helper_of_a_helper(self):
        """What helpers refer to counts as well, in as many steps as it takes."""
        found = []
        for rate in (1, 2):
            names = {"__name__": "__main__", "rate": rate}
            exec("def one():\n    return two()\ndef two():\n    return rate", names)
            found.append(version_of(body("return one()", one=names["one"])))
        assert edit_between(*found).too_much == "rate, which it refers to, is another"

    def test_base_classes(self):
        """A handler of a base class is a handler; its other members are not."""
        names = {"Projection": Projection, "handles": handles, "table": table, "pl": pl}
        names["__name__"] = "__main__"
        base = CLASS.replace("class P", "class Base").replace("BODY", "pass")
        found = []
        for text in (base, base.replace("n=1", "n=2"), base + "\n    x = 1\n"):
            exec(text + "\nclass P(Base):\n    pass\n", names)
            found.append(version_of(names["P"]))
        assert edit_between(found[0], found[1]).methods == {"a"}
        assert edit_between(found[0], found[2]).too_much == "x, which is no handler, is another"


class Kind(Enum):
    """What a notebook may define."""

    A = 1
    B = 2

    def half(self):
        return self.value / 2


@dataclass(frozen=True)
class Price:
    """The same."""

    amount: int
    parts: list[int] = field(default_factory=list)

    def both(self):
        return self.amount * 2


class TestWhatCannotBeTold:
    """Where nobody can say what a handler depends on, nothing is taken for the same."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("import random\n        return random.random()", "random"),
            ("import time\n        return time.time()", "time"),
            ("import numpy\n        return numpy.random.rand()", "numpy.random"),
            ("import datetime\n        return datetime.datetime.now()", "now"),
            ("import uuid\n        return uuid.uuid4()", "uuid4"),
            ("return getattr(self, 'x')", "getattr"),
            ("return open('x')", "open"),
            ("return eval('x')", "eval"),
            ("global rate\n        rate = 1", "changes the global 'rate'"),
            ("self.__dict__['x'] = 1", "__dict__"),
            ("return self.t.writer", "writer"),
            ("import module_that_is_not_there", "nobody has imported"),
        ],
    )
    def test_code(self, text, said):
        """Chance, clocks, files, and what reaches anything by its name."""
        assert said in version_of(body(text)).unproven

    @pytest.mark.parametrize("value", [object(), iter([]), pl.DataFrame(), [object()], print])
    def test_values(self, value):
        """Values whose state nobody sees; a builtin function is no such."""
        found = version_of(body("return rate", rate=value)).unproven
        assert (found is None) == (value is print)

    def test_values_of_any_size(self):
        """A value that is too large to look at each time cannot be told."""
        found = version_of(body("return rate", rate=list(range(200_000))))
        assert "more values than can be held against each other" in found.unproven

    @pytest.mark.parametrize(
        ("text", "known"),
        [
            ("import math\n        return math.floor(1.5)", {}),
            ("return datetime.date(2025, 1, 1) + step", {"step": dt.timedelta(1)}),
            ("return UUID(event.stream)", {"UUID": uuid.UUID}),
            ("return Kind.A, Kind.A.half()", {"Kind": Kind}),
            ("return Price(1), price.both()", {"Price": Price, "price": Price(2)}),
            ("return found.match(event.stream)", {"found": re.compile("a")}),
            ("return less(event)", {"less": functools.partial(sorted, key=len)}),
            ("return super().declared(), __class__", {}),
        ],
    )
    def test_what_can_be_told(self, text, known):
        """What handlers commonly use stands in no way, and is the same each time."""
        known |= {"datetime": dt}
        first, second = (version_of(body(text, **known)) for _ in range(2))
        assert first.unproven is None
        assert first == second

    def test_module_of_the_user(self, tmp_path, monkeypatch):
        """What a handler takes from a module that is edited and loaded again counts."""
        path = tmp_path / "prices_of_mine.py"
        path.write_text(
            "import math\ndef rate():\n    return math.floor(1)\ndef other():\n    pass"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        module = importlib.import_module("prices_of_mine")
        text = "return prices.rate()"
        found = [version_of(body(text, prices=module))]
        for edit in ("    pass", "    return 1"), ("floor(1)", "floor(2)"):
            path.write_text(path.read_text().replace(*edit))
            importlib.invalidate_caches()
            module = importlib.reload(module)
            found.append(version_of(body(text, prices=module)))
        monkeypatch.delitem(sys.modules, "prices_of_mine")
        assert found[0].unproven is None
        assert edit_between(found[0], found[1]).too_much is None
        said = "prices_of_mine.rate, which it refers to, is another"
        assert edit_between(found[1], found[2]).too_much == said

    def test_values_that_hold_themselves(self):
        """A list in itself is read once."""
        rate = [1]
        rate.append(rate)
        assert version_of(body("return rate", rate=rate)).unproven is None
