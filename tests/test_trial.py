"""A trial remembers every change: its tables can be had as of any position or time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, Row, state_of, write_native

from workbench import Projection, errors, handles, open_history, replay, table
from workbench.tables import CHANGES, FAILURES

SET, ADD, DROP = "shop:Basket.Set", "shop:Basket.Added", "shop:Basket.Dropped"


class Baskets(Projection):
    """What is in each basket, with all that a handler can do to a row."""

    baskets = table(key={"basket": pl.String}, values={"items": pl.Int64, "note": pl.String})
    log = table(key={"basket": pl.String, "version": pl.Int64}, values={"type": pl.String})

    @handles("Basket.Set")
    def was_set(self, event):
        """Set the row anew."""
        self.baskets.set(event.stream, items=event.data["items"])
        self.log.set((event.stream, event.version), type=event.type)

    @handles("Basket.Added")
    def added(self, event):
        """Change a row; fails if there is none."""
        self.log.set((event.stream, event.version), type=event.type)
        row = self.baskets.get(event.stream)
        items = row["items"] if row else 0
        self.baskets.update(event.stream, items=items + event.data["items"], note="added")

    @handles("Basket.Dropped")
    def dropped(self, event):
        """Remove the row, if there is one."""
        self.baskets.delete(event.stream)


@st.composite
def rows(draw):
    """Return rows of baskets, with holes in the positions and steps back in time."""
    made, versions, position = [], {}, 0
    for _ in range(draw(st.integers(1, 25))):
        position += draw(st.integers(1, 3))
        stream = draw(st.sampled_from("abc"))
        versions[stream] = versions.get(stream, 0) + 1
        kind = draw(st.sampled_from([SET, ADD, DROP, "shop:Basket.Seen"]))
        moment = BEGIN + timedelta(minutes=position + draw(st.integers(-3, 3)))
        state = state_of(moment, items=draw(st.integers(0, 9)))
        made.append(Row(position, stream, versions[stream], kind, state))
    return made


def run(path, made, projection=Baskets, **options):
    """Return the trial of these rows."""
    history = open_history(write_native(path, made))
    return replay(history, projection, **({"on_error": "collect"} | options))


def one(kind, items=1, position=1):
    """Return one row of a basket."""
    return Row(position, "a", position, kind, state_of(items=items))


def handled(rows):
    """Return whether any row is of a type that Baskets handles."""
    return any(row.type in {SET, ADD, DROP} for row in rows)


class TestLaws:
    """What holds for every history."""

    @given(rows().filter(handled))
    def test_table_as_of_the_last_position_is_the_table(self, new_path, made):
        """Looking at the last position is looking at the end."""
        trial = run(new_path(), made)
        for name in trial.tables:
            assert_frame_equal(
                trial.at(position=trial.last_position).table(name), trial.table(name)
            )

    @given(rows().filter(handled), st.integers(0, 80))
    def test_table_as_of_a_position_is_that_of_a_shorter_history(self, new_path, made, position):
        """The table as of a position equals a replay that stops there."""
        history = open_history(write_native(new_path(), made))
        whole = replay(history, Baskets, on_error="collect")
        part = replay(history.between(upto=position), Baskets, on_error="collect")
        for name in whole.tables:
            assert_frame_equal(whole.at(position=position).table(name), part.table(name))

    @given(rows().filter(handled))
    def test_replay_is_repeatable(self, new_path, made):
        """Two replays of one history make the same changes."""
        path = new_path()
        first = run(path, made)
        second = replay(open_history(path), Baskets, on_error="collect")
        for name in first.tables:
            assert_frame_equal(first.changes(name), second.changes(name))

    @given(rows().filter(handled))
    def test_changes_of_a_key_are_a_chain(self, new_path, made):
        """What a row was before a change is what the change before made of it."""
        log = run(new_path(), made).changes("baskets")
        chained = log.with_columns(
            pl.col("items_after", "note_after").shift(1).over("basket").name.suffix("_of_last"),
            pl.col("change").shift(1).over("basket").alias("last"),
        )
        assert chained.filter(
            pl.col("items_before").ne_missing(pl.col("items_after_of_last"))
            | pl.col("note_before").ne_missing(pl.col("note_after_of_last"))
        ).is_empty()
        starts = chained.filter(pl.col("last").is_null() | (pl.col("last") == "delete"))
        assert set(starts["change"]) <= {"insert"}

    @given(rows().filter(handled))
    def test_every_event_is_a_change_or_a_failure_at_most_once(self, new_path, made):
        """A failure leaves no change behind."""
        trial = run(new_path(), made)
        failed = trial.failures["position"].implode()
        for name in trial.tables:
            assert trial.changes(name).filter(pl.col("position").is_in(failed)).is_empty()


class TestFrames:
    """What the frames of a trial look like."""

    def test_change_log_has_its_columns(self, tmp_path):
        """The change log has the columns of CHANGES, the key, and before and after."""
        log = run(tmp_path / "a.db", [one(SET)]).changes("baskets")
        assert log.columns == [
            *CHANGES.names,
            *("basket", "items_before", "items_after", "note_before", "note_after"),
        ]

    def test_empty_change_log_has_the_same_columns(self, tmp_path):
        """A table that nothing changed has a log of the same schema."""
        trial = run(tmp_path / "a.db", [one(DROP)])
        full = run(tmp_path / "b.db", [one(SET)])
        assert trial.changes("baskets").schema == full.changes("baskets").schema
        assert trial.table("baskets").schema == full.table("baskets").schema

    def test_failures_fit_their_spec(self, tmp_path):
        """Failures are rows of FAILURES."""
        failures = run(tmp_path / "a.db", [one(ADD)]).failures
        assert FAILURES.misfits(failures) == []
        assert failures.select("position", "handler").row(0) == (1, "added")

    def test_setting_the_same_values_is_no_change(self, tmp_path):
        """A row that is set to what it is leaves no trace."""
        assert len(run(tmp_path / "a.db", [one(SET), one(SET, position=2)]).changes("baskets")) == 1

    def test_repr_tells_what_was_run(self, tmp_path):
        """The repr names the projection, the events and the rows."""
        assert "Baskets" in repr(run(tmp_path / "a.db", [one(SET)]))

    def test_html_shows_hostile_text_as_text(self, tmp_path):
        """A stream's name does not become markup."""
        made = [Row(1, "<script>alert(1)</script>", 1, SET, state_of(items=1))]
        assert "<script>" not in run(tmp_path / "a.db", made)._repr_html_()

    def test_key_named_like_a_column_of_the_log(self, tmp_path):
        """A key column may be named as an event's; in the log it has a prefix."""

        class Streams(Projection):
            counts = table(key={"stream": pl.String, "type": pl.String}, values={"time": pl.Int64})

            @handles("Basket.Set")
            def was_set(self, event):
                self.counts.set((event.stream, event.type), time=1)

        trial = run(tmp_path / "a.db", [one(SET)], Streams)
        assert trial.table("counts").rows() == [("a", SET, 1)]
        assert {"key.stream", "key.type", "time_after"} <= set(trial.changes("counts").columns)

    def test_columns_that_the_log_cannot_tell_apart_are_refused(self):
        """A column that is named like a value's before or after is refused."""
        with pytest.raises(errors.ProjectionError, match="a_before twice"):
            table(key={"a_before": pl.Int64}, values={"a": pl.Int64})


class TestTime:
    """Looking at a time."""

    MADE = (
        Row(1, "a", 1, SET, state_of(datetime(2025, 3, 1, 12, tzinfo=UTC), items=1)),
        Row(2, "a", 2, SET, state_of(datetime(2025, 3, 3, 12, tzinfo=UTC), items=2)),
        Row(3, "a", 3, SET, state_of(datetime(2025, 3, 2, 12, tzinfo=UTC), items=3)),
    )

    @pytest.mark.parametrize(
        ("time", "items"),
        [
            ("2025-02-28", []),
            ("2025-03-01", [1]),
            ("2025-03-02", [1]),  # the third event's time, but the second stands before it
            ("2025-03-03", [3]),
            (datetime(2025, 3, 1, 11, 59, tzinfo=UTC), []),
            (datetime(2025, 3, 1, 12, 0, tzinfo=UTC), [1]),
        ],
    )
    def test_table_as_of_a_time(self, tmp_path, time, items):
        """Changes count up to the first one that is later."""
        trial = run(tmp_path / "a.db", self.MADE)
        assert trial.at(time=time).table("baskets")["items"].to_list() == items

    def test_position_and_time_at_once_are_refused(self, tmp_path):
        """One moment is asked for, not two."""
        with pytest.raises(errors.RangeError, match="a position, a time or a version"):
            run(tmp_path / "a.db", [one(SET)]).at(position=1, time="2025-03-01")

    def test_version_below_0_is_refused(self, tmp_path):
        """No stream has it; before the first position there is nothing."""
        trial = run(tmp_path / "a.db", [one(SET)])
        with pytest.raises(errors.RangeError, match="version -1: a stream begins at"):
            trial.at(version=-1)
        assert trial.at(position=-1).table("baskets").is_empty()

    def test_unknown_table_is_refused(self, tmp_path):
        """The error names the tables that there are."""
        with pytest.raises(errors.UnknownTableError, match="baskets"):
            run(tmp_path / "a.db", [one(SET)]).table("basket")


class TestErrors:
    """What a projection does wrong."""

    def test_first_failure_stops(self, tmp_path):
        """By default the first event that a handler cannot process raises, with its position."""
        with pytest.raises(errors.ProjectionError, match="position 1 "):
            run(tmp_path / "a.db", [one(ADD)], on_error="stop")

    def test_handler_that_raises_is_the_cause(self, tmp_path):
        """The handler's own error is chained."""

        class Raises(Baskets):
            @handles("Basket.Set")
            def was_set(self, event):
                raise LookupError(event.stream)

        with pytest.raises(errors.HandlerError) as caught:
            run(tmp_path / "a.db", [one(SET)], Raises, on_error="stop")
        assert isinstance(caught.value.__cause__, LookupError)

    def test_interrupt_is_not_a_failure(self, tmp_path):
        """An interrupt in a handler ends the replay before that event, whatever the policy is."""

        class Interrupted(Baskets):
            @handles("Basket.Set")
            def was_set(self, event):
                raise KeyboardInterrupt

        trial = run(tmp_path / "a.db", [one(ADD), one(SET, position=2)], Interrupted)
        assert not trial.is_complete
        assert trial.last_position == 1
        assert trial.failures["position"].to_list() == [1]

    def test_undecodable_event_is_a_failure(self, tmp_path):
        """An event of a handled type whose payload cannot be decoded is listed."""
        trial = run(tmp_path / "a.db", [one(SET), Row(2, "a", 2, SET, b"\xff\xfe")])
        assert trial.failures["position"].to_list() == [2]
        assert "cannot be decoded" in trial.failures["error"][0]

    @pytest.mark.parametrize(
        ("key", "values", "said"),
        [
            ("a", {"item": 1}, "Near it: items"),
            (None, {"items": 1}, "basket"),
            (("a", "b"), {"items": 1}, "each key column"),
        ],
    )
    def test_row_that_does_not_fit_is_refused(self, tmp_path, key, values, said):
        """An undeclared column, or a key that is None or too long, names what is declared."""

        class Sets(Baskets):
            @handles("Basket.Set")
            def was_set(self, event):
                self.baskets.set(key, **values)

        with pytest.raises(errors.ProjectionError, match=said):
            run(tmp_path / "a.db", [one(SET)], Sets, on_error="stop")

    @pytest.mark.parametrize("value", ["one", 1.5, 2**70, Decimal("1.5"), [1]])
    def test_value_of_another_dtype_is_refused(self, tmp_path, value):
        """A value that the column cannot hold is an error, and never becomes null."""

        class Sets(Baskets):
            @handles("Basket.Set")
            def was_set(self, event):
                self.baskets.set(event.stream, items=value)

        with pytest.raises(errors.ProjectionError, match="'items'"):
            run(tmp_path / "a.db", [one(SET)], Sets, on_error="stop")
        trial = run(tmp_path / "b.db", [one(SET)], Sets)
        assert "'items'" in trial.failures["error"][0]
        assert trial.table("baskets").is_empty()

    def test_projection_without_handlers_is_refused(self, tmp_path):
        """A projection that handles nothing is a slip."""

        class Nothing(Projection):
            rows_of_it = table(key={"a": pl.String}, values={})

        with pytest.raises(errors.ProjectionError, match="no handlers"):
            run(tmp_path / "a.db", [one(SET)], Nothing)

    def test_projection_without_tables_is_refused(self, tmp_path):
        """A projection that has nowhere to write is a slip."""

        class Nowhere(Projection):
            @handles("Basket.Set")
            def was_set(self, event):
                """Do nothing."""

        with pytest.raises(errors.ProjectionError, match="no table"):
            run(tmp_path / "a.db", [one(SET)], Nowhere)

    def test_types_that_the_history_lacks_are_refused(self, tmp_path):
        """A projection for types that do not occur would give empty tables."""
        with pytest.raises(errors.ProjectionError, match="none of them"):
            run(tmp_path / "a.db", [one("shop:Order.Placed")])

    @pytest.mark.parametrize("thing", [Baskets(), dict, "Baskets"])
    def test_what_is_no_projection_is_refused(self, small, thing):
        """Only a class that derives from Projection is run."""
        with pytest.raises(errors.ProjectionError, match="no projection"):
            replay(small, thing)

    def test_unknown_policy_is_refused(self, small):
        """The policies are two."""
        with pytest.raises(errors.ProjectionError, match="'stop' or 'collect'"):
            replay(small, Baskets, on_error="ignore")

    def test_type_that_two_methods_handle_is_refused(self, small):
        """Which of two handlers runs would be chance."""

        class Twice(Baskets):
            @handles("Basket.Set")
            def again(self, event):
                """Handle what another handles."""

        with pytest.raises(errors.ProjectionError, match="both"):
            replay(small, Twice)

    def test_table_without_a_key_is_refused(self):
        """Rows are told apart by a key."""
        with pytest.raises(errors.ProjectionError, match="key column"):
            table(key={}, values={"a": pl.Int64})

    def test_column_that_is_key_and_value_is_refused(self):
        """A column is one or the other."""
        with pytest.raises(errors.ProjectionError, match="both key and value"):
            table(key={"a": pl.Int64}, values={"a": pl.Int64})

    def test_change_outside_of_a_handler_is_refused(self, tmp_path):
        """A row is changed by an event, or not at all."""

        class Early(Baskets):
            def __init__(self):
                self.made = True

            @handles("Basket.Set")
            def was_set(self, event):
                """Do nothing."""

        assert run(tmp_path / "a.db", [one(SET)], Early).table("baskets").is_empty()


class TestHistories:
    """Which events a replay is given."""

    def test_narrowed_history_is_replayed_as_narrowed(self, tmp_path):
        """Only the selected events reach the handlers."""
        made = [one(SET, items=n, position=n) for n in range(1, 6)]
        history = open_history(write_native(tmp_path / "a.db", made))
        trial = replay(history.between(after=1, upto=3), Baskets)
        assert trial.changes("baskets")["position"].to_list() == [2, 3]

    def test_short_name_stands_for_all_types_that_have_it(self, tmp_path):
        """A handler of a short name gets the events of every module."""
        made = [one(SET), Row(2, "b", 1, "old.shop:Basket.Set", state_of(items=2))]
        assert run(tmp_path / "a.db", made).table("baskets")["items"].to_list() == [1, 2]

    def test_empty_history_has_no_type_to_handle(self, tmp_path):
        """An empty store is refused like one that lacks the types."""
        with pytest.raises(errors.ProjectionError, match="There are none"):
            run(tmp_path / "a.db", [])

    def test_progress_reaches_the_end(self, tmp_path):
        """The last report has all positions done."""
        seen = []
        made = [one(SET, items=n, position=n) for n in range(1, 6)]
        run(tmp_path / "a.db", made, progress=seen.append)
        assert seen[-1].done == seen[-1].total == 5

    def test_payload_values_are_native(self, tmp_path):
        """A handler gets a Decimal, a time in UTC, and text for a UUID."""
        got = {}

        class Looks(Baskets):
            @handles("Basket.Set")
            def was_set(self, event):
                got.update(event.data)

        wrapped = {
            "price": {"_type_": "decimal_str", "_data_": "9.50"},
            "at": {"_type_": "datetime_iso", "_data_": "2025-03-01T12:00:00+02:00"},
            "id": {"_type_": "uuid_hex", "_data_": "0" * 32},
            "other": {"_type_": "money", "_data_": ["EUR", 1]},
        }
        run(tmp_path / "a.db", [Row(1, "a", 1, SET, state_of(**wrapped))], Looks)
        assert got == {
            "price": Decimal("9.50"),
            "at": datetime(2025, 3, 1, 10, tzinfo=UTC),
            "id": "0" * 32,
            "other": {"_type_": "money", "_data_": ["EUR", 1]},
        }


class TestRows:
    """What a handler gets from a table and gives to it."""

    @staticmethod
    def replayed(path, change, events=2, **values):
        """Return the trial of a projection whose one handler calls `change`."""

        class Kept(Projection):
            kept = table(key={"stream": pl.String}, values=values)

            @handles("Basket.Set")
            def was_set(self, event):
                """Do what the test wants done."""
                change(self.kept, event)

        made = [one(SET, items=n, position=n) for n in range(1, events + 1)]
        return replay(open_history(write_native(path, made)), Kept)

    @pytest.mark.parametrize(
        ("empty", "dtype", "grow"),
        [
            ([], pl.List(pl.Int64), lambda kept, n: kept.append(n)),
            ({"n": 0}, pl.Struct({"n": pl.Int64}), lambda kept, n: kept.update(n=n)),
        ],
    )
    def test_value_that_a_handler_grows_is_a_change(self, tmp_path, empty, dtype, grow):
        """A list or dict that a handler takes out, changes and puts back is an update."""

        def change(kept, event):
            value = (kept.get(event.stream) or {"value": empty})["value"]
            grow(value, event.data["items"])
            kept.set(event.stream, value=value)

        log = self.replayed(tmp_path / "a.db", change, value=dtype).changes("kept")
        assert log["change"].to_list() == ["insert", "update"]
        assert log["value_before"].to_list()[1] == log["value_after"].to_list()[0]
        assert log["value_after"].to_list()[0] != log["value_after"].to_list()[1]

    def test_value_that_a_handler_changes_later_stays(self, tmp_path):
        """What a handler does to a list after it has set it is not part of the row."""
        shared = []

        def change(kept, event):
            shared.append(event.position)
            kept.set(f"{event.stream}-{event.position}", value=shared)

        found = self.replayed(tmp_path / "a.db", change, value=pl.List(pl.Int64)).table("kept")
        assert found["value"].to_list() == [[1], [1, 2]]

    @pytest.mark.parametrize("name", ["key", "self", "position", "time", "event"])
    def test_value_column_of_any_name(self, tmp_path, name):
        """A value column may be named like a parameter or a column of the log."""

        def change(kept, event):
            kept.set(event.stream, **{name: event.position})
            kept.update(event.stream, **{name: event.position + 1})

        found = self.replayed(tmp_path / "a.db", change, **{name: pl.Int64}).table("kept")
        assert found[name].to_list() == [3]

    @pytest.mark.parametrize("name", [*CHANGES.names, "key", "self"])
    def test_key_column_of_any_name(self, tmp_path, name):
        """A key column may be named like a column of the log."""

        class Kept(Projection):
            kept = table(key={name: pl.String}, values={"n": pl.Int64})

            @handles("Basket.Set")
            def was_set(self, event):
                self.kept.set(event.stream, n=1)

        trial = run(tmp_path / "a.db", [one(SET)], Kept)
        assert trial.table("kept").to_dicts() == [{name: "a", "n": 1}]

    @pytest.mark.parametrize("name", ["a_before", "ä b.c", "table", "_kept"])
    def test_table_of_any_name(self, tmp_path, name):
        """A table may have any name that a class can hold."""
        body = {
            name: table(key={"k": pl.String}, values={"n": pl.Int64}),
            "was_set": handles("Basket.Set")(lambda self, e: getattr(self, name).set(e.stream)),
        }
        made = type("Made", (Projection,), body)
        assert run(tmp_path / "a.db", [one(SET)], made).table(name).height == 1

    @pytest.mark.parametrize("name", ["rows", "declared", "handlers"])
    def test_table_named_like_a_part_of_projections_is_refused(self, name):
        """A table cannot take the place of what a projection is made of."""
        body = {name: table(key={"k": pl.String}, values={})}
        with pytest.raises(errors.ProjectionError, match=f"the table '{name}'"):
            type("Made", (Projection,), body)

    def test_decimal_is_not_rounded(self, tmp_path):
        """A decimal with more places than its column is an error, not another decimal."""

        def change(kept, event):
            kept.set(event.stream, value=Decimal("1.239"))

        with pytest.raises(
            errors.ProjectionError, match=r"1\.239.*Decimal\(precision=38, scale=2\)"
        ):
            self.replayed(tmp_path / "a.db", change, value=pl.Decimal(38, 2))

    @pytest.mark.parametrize(
        ("dtype", "value"),
        [
            (pl.Datetime("us"), datetime(2025, 1, 1, tzinfo=UTC)),
            (pl.Date, datetime(2025, 1, 1, tzinfo=UTC)),
            (pl.Int8, 300),
            (pl.String, 5),
            (pl.Boolean, 5),
        ],
    )
    def test_value_of_a_near_dtype_is_refused(self, tmp_path, dtype, value):
        """A value that Polars would keep as another dtype is an error that names the column."""

        def change(kept, event):
            kept.set(event.stream, value=value)

        with pytest.raises(errors.ProjectionError, match="'value' of 'kept'"):
            self.replayed(tmp_path / "a.db", change, value=dtype)

    @pytest.mark.parametrize("dtype", [pl.Float64, float, pl.Float64()])
    def test_dtype_may_be_a_class_or_a_type_of_python(self, tmp_path, dtype):
        """A dtype may be written as a class, an object, or a type of Python."""

        def change(kept, event):
            kept.set(event.stream, value=event.position)

        found = self.replayed(tmp_path / "a.db", change, value=dtype).table("kept")
        assert found["value"].to_list() == [2.0]
        assert found["value"].dtype == pl.Float64

    @pytest.mark.parametrize("dtype", [pl.Decimal, pl.List, pl.Struct, Decimal, "x", None, 5])
    def test_dtype_that_is_not_whole_is_refused(self, dtype):
        """A dtype that lacks its parameters, or is none, is refused where it is declared."""
        with pytest.raises(errors.ProjectionError, match="Cannot declare the column 'a'"):
            table(key={"k": pl.String}, values={"a": dtype})

    def test_table_in_the_constructor_is_refused(self, tmp_path):
        """A projection's own constructor can neither use tables nor want arguments."""

        class Early(Baskets):
            def __init__(self):
                self.baskets.set("a", items=1)

        with pytest.raises(errors.ProjectionError, match="use its tables in handlers only"):
            run(tmp_path / "a.db", [one(SET)], Early)

    def test_constructor_with_arguments_is_refused(self, tmp_path):
        """A projection is made without arguments."""

        class Wants(Baskets):
            def __init__(self, wanted):
                self.wanted = wanted

        with pytest.raises(errors.ProjectionError, match="made without arguments"):
            run(tmp_path / "a.db", [one(SET)], Wants)

    def test_deleted_row_can_come_back(self, tmp_path):
        """A row that was deleted and set again is there, with a null before it."""
        made = [one(SET), Row(2, "a", 2, DROP, b"{}"), Row(3, "a", 3, SET, state_of(items=7))]
        trial = run(tmp_path / "a.db", made)
        assert trial.changes("baskets")["change"].to_list() == ["insert", "delete", "insert"]
        assert [trial.at(position=n).table("baskets").height for n in range(4)] == [0, 1, 0, 1]

    def test_deeply_nested_payload_is_a_failure(self, tmp_path):
        """A payload that Python cannot walk through is a failure of its event alone."""
        deep = b'{"items":' + b"[" * 900 + b"]" * 900 + b"}"
        trial = run(tmp_path / "a.db", [one(SET), Row(2, "a", 2, SET, deep)])
        assert trial.failures["position"].to_list() == [2]
        assert "nested deeper" in trial.failures["error"][0]

    def test_number_beyond_all_floats_reaches_the_handler(self, tmp_path):
        """A payload with a number that does not fit 64 bits is given to the handler."""
        trial = run(tmp_path / "a.db", [Row(1, "a", 1, SET, b'{"items":1,"x":1e400}')])
        assert trial.failures.is_empty()

    def test_failing_handler_leaves_other_tables_too(self, tmp_path):
        """What a failing handler did to any table before it failed is taken back."""
        trial = run(tmp_path / "a.db", [one(ADD), one(SET, position=2)])
        assert trial.table("log")["version"].to_list() == [2]
