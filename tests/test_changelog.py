"""The change log itself: what is written comes back, by column, whatever the values are."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.changelog.inferred import as_text, inferred, plain_of, unified
from workbench.changelog.log import CAUSE
from workbench.changelog.values import check_of, plain_class, series_of
from workbench.changelog.writer import Cursor, LogWriter
from workbench.errors import ProjectionError
from workbench.tables import EVENTS


class Colour(Enum):
    """A value that no column has."""

    RED = 1


class Point:
    """An object with attributes."""

    def __init__(self, x):
        self.x = x


def is_nan(value):
    """Return whether a value is the float that equals nothing."""
    return isinstance(value, float) and math.isnan(value)


def batch_of(positions):
    """Return events at these positions, with nothing else to them."""
    rows = {"position": positions, "stream": [f"s{p}" for p in positions]}
    return pl.DataFrame(rows, schema_overrides=EVENTS.schema).select(
        pl.col(name) if name in rows else pl.lit(None, EVENTS.schema[name]).alias(name)
        for name in CAUSE
    )


keys = st.sampled_from(["a", "b", "c"])
writes = st.lists(
    st.lists(st.tuples(keys, st.none() | st.tuples(st.integers(0, 3), st.text(max_size=2)))),
    max_size=12,
)


class TestLog:
    """Writing in any batches, with failures, gives the log of a plain dictionary."""

    @given(
        events=writes,
        sizes=st.lists(st.integers(1, 4), min_size=12),
        failing=st.sets(st.integers(0, 11)),
    )
    def test_it_is_what_a_dictionary_would_be(self, events, sizes, failing):
        """The table as of every position is the dictionary as of then."""
        cursor = Cursor()
        columns = {"n": pl.Int64, "t": pl.String}
        writer = LogWriter("t", {"k": pl.String}, columns, cursor)
        model, states, changes, at = {}, [], 0, 0
        sizes = iter(sizes)
        while at < len(events):
            size = next(sizes)
            part = events[at : at + size]
            for i, ops in enumerate(part):
                cursor.event = i
                before = dict(model)
                made = 0
                for key, values in ops:
                    state = writer.states.get(key) or writer.new_state(key)
                    if state.values != values:
                        writer.write(state, values)
                        made += 1
                        if values is None:
                            del model[key]
                        else:
                            model[key] = values
                if at + i in failing:
                    writer.undo()
                    model = before
                else:
                    changes += made
                states.append(dict(model))
            cursor.event = -1
            writer.settle(batch_of(list(range(at + 1, at + 1 + len(part)))))
            if at % 2:  # go on from what is written so far, as a loaded trial does
                log = writer.log()
                writer = LogWriter("t", {"k": pl.String}, columns, cursor)
                writer.go_on_from(log)
            at += size
        log = writer.log()
        assert len(log) == changes
        for position, expected in enumerate(states, start=1):
            found = {k: (n, t) for k, n, t in log.table(position).rows()}
            assert found == expected
            assert list(found) == sorted(found)
            assert log.height(position) == len(expected)
        told = log.changes()
        shadow = {}
        for row in told.iter_rows(named=True):
            before = shadow.get(row["k"], (None, None))
            assert (row["n_before"], row["t_before"]) == before
            after = (row["n_after"], row["t_after"])
            if row["change"] == "delete":
                del shadow[row["k"]]
                continue
            assert row["change"] == ("update" if row["k"] in shadow else "insert")
            shadow[row["k"]] = after
        assert shadow == model

    def test_outside_of_an_event_nothing_is_written(self):
        """A change has a cause."""
        writer = LogWriter("t", {"k": pl.String}, {"n": pl.Int64}, Cursor())
        with pytest.raises(ProjectionError, match="outside of a handler"):
            writer.write(writer.new_state("a"), (1,))


kept = {
    pl.String: st.text(),
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.UInt8: st.integers(0, 255),
    pl.Float64: st.floats(allow_nan=False),
    pl.Boolean: st.booleans(),
    pl.Date: st.dates(),
    pl.Binary: st.binary(),
    pl.Duration("us"): st.timedeltas(timedelta(-1000), timedelta(1000)),
    pl.Datetime("us"): st.datetimes(),
    pl.Datetime("us", "UTC"): st.datetimes(timezones=st.just(UTC)),
    pl.Decimal(10, 2): st.decimals(-99_999_999, 99_999_999, places=2),
    pl.List(pl.Int64): st.lists(st.integers(-(2**63), 2**63 - 1)),
    pl.Struct({"a": pl.Int64}): st.fixed_dictionaries({"a": st.integers(0, 9)}),
}


class TestValues:
    """A checked value is kept exactly; what would not be is refused."""

    @given(data=st.data(), dtype=st.sampled_from(list(kept)))
    def test_checked_values_come_back(self, data, dtype):
        """What passes the check is what the column has."""
        (dtype,) = pl.DataFrame(schema={"x": dtype}).dtypes
        strategy = next(s for d, s in kept.items() if d == dtype)
        values = data.draw(st.lists(st.none() | strategy))
        check = check_of(dtype)
        assert all(value is None or check(value) for value in values)
        column = series_of("x", values, dtype)
        assert column.dtype == dtype
        assert column.to_list() == values

    @given(
        dtype=st.sampled_from(list(kept)),
        value=st.one_of(*kept.values(), st.decimals(), st.floats(), st.just(Colour.RED)),
    )
    def test_whatever_passes_is_kept(self, dtype, value):
        """No value passes that would come back as another."""
        (dtype,) = pl.DataFrame(schema={"x": dtype}).dtypes
        if check_of(dtype)(value):
            kept_as = series_of("x", [value], dtype).to_list()[0]
            assert kept_as == value or value != value  # noqa: PLR0124, NaN
        plain = plain_class(dtype)
        assert plain is None or value.__class__ is not plain or check_of(dtype)(value)


any_value = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.binary(max_size=3),
    st.lists(st.integers(0, 3), max_size=2),
)


class TestInferred:
    """Columns whose dtype nobody declared."""

    @given(values=st.lists(any_value))
    def test_every_value_is_there(self, values):
        """A column of any values has as many, null where they are None."""
        column = inferred("x", values)
        assert column.len() == len(values)
        assert column.is_null().to_list() == [value is None for value in values]
        if column.dtype != pl.String:
            expected = [v for v in values if v is not None]
            found = [v for v in column.to_list() if v is not None]
            assert found == expected or any(map(is_nan, expected))

    @given(parts=st.lists(st.lists(any_value, min_size=1), min_size=1, max_size=4))
    def test_batches_agree(self, parts):
        """Whatever the batches were, the column is one, and nothing becomes null."""
        frames = [inferred("x", part).to_frame() for part in parts]
        column = unified(frames)["x"]
        assert column.is_null().to_list() == [v is None for part in parts for v in part]

    @pytest.mark.parametrize(
        ("values", "dtype", "found"),
        [
            ([1, None], pl.Int64, [1, None]),
            ([1, 1.5], pl.Float64, [1.0, 1.5]),
            ([2**53 + 1, 1.5], pl.String, ["9007199254740993", "1.5"]),
            ([2**70], pl.String, [str(2**70)]),
            ([Decimal("1.50"), Decimal(2)], pl.Decimal(38, 2), [Decimal("1.50"), Decimal("2.00")]),
            (["a", 1], pl.String, ["a", "1"]),
            ([Colour.RED], pl.String, ["RED"]),
            ([Point(Decimal("1.5"))], pl.String, ['{"x": "1.5"}']),
            ([{"b": {1, 2}}], pl.String, ['{"b": [1, 2]}']),
            ([UUID(int=0)], pl.String, ["00000000-0000-0000-0000-000000000000"]),
            ([datetime(2025, 1, 1)], pl.Datetime("us", "UTC"), [datetime(2025, 1, 1, tzinfo=UTC)]),
            ([date(2025, 1, 1)], pl.Date, [date(2025, 1, 1)]),
        ],
    )
    def test_in_words(self, values, dtype, found):
        """The narrowest dtype that keeps all; else text."""
        column = inferred("x", values)
        assert column.dtype == dtype
        assert column.to_list() == found

    def test_numbers_of_two_batches_are_floats(self):
        """Whole numbers and floats are Float64 together."""
        frames = [pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [1.5]})]
        assert unified(frames)["x"].to_list() == [1.0, 1.5]
        frames = [pl.DataFrame({"x": [2**53 + 1]}), pl.DataFrame({"x": [1.5]})]
        assert unified(frames)["x"].to_list() == ["9007199254740993", "1.5"]

    @given(value=st.recursive(any_value, lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
    def test_anything_is_told_in_json(self, value):
        """Whatever a value is, JSON can say it."""
        text = as_text(value)
        assert text is None or isinstance(text, str)
        json.dumps(plain_of(value))

    def test_a_value_that_holds_itself(self):
        """A value without an end is cut."""
        value = []
        value.append(value)
        assert len(as_text(value)) < 1000
