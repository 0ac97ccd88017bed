"""Two trials are compared: where they differ, since which event, and for which causes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, Row, state_of, write_native

from workbench import (
    Projection,
    compare,
    errors,
    handles,
    load_trial,
    open_history,
    propose_correction,
    replay,
    table,
)
from workbench.comparing.causes import causes as causes_of
from workbench.comparing.values import DIRECTIONS, MIRRORED
from workbench.tables import CAUSES, COMPARED, CORRECTIONS, DIVERGENCES, ROWS

SET, ADD, DROP, TWICE = (f"shop:Basket.{name}" for name in ("Set", "Added", "Dropped", "Twice"))
BACK = {**MIRRORED, **{b: a for a, b in MIRRORED.items()}}


class Baskets(Projection):
    """What is in each basket: rows come, change, go, and come again."""

    baskets = table(
        key={"basket": pl.String},
        values={"items": pl.Int64, "ratio": pl.Float64, "note": pl.String},
    )

    @handles("Basket.Set")
    def was_set(self, event):
        items = event.data["items"]
        self.baskets.set(event.data["key"], items=items, ratio=items / 2)

    @handles("Basket.Added")
    def added(self, event):
        row = self.baskets.get(event.data["key"]) or {"items": 0, "note": None}
        items = row["items"] + event.data["items"]
        ratio = float("nan") if items > 12 else items / 2
        self.baskets.set(event.data["key"], items=items, ratio=ratio, note=row["note"])

    @handles("Basket.Dropped")
    def dropped(self, event):
        self.baskets.delete(event.data["key"])

    @handles("Basket.Twice")
    def twice(self, event):
        """Change two rows, and one of them three times."""
        self.baskets.delete(event.data["key"])
        self.baskets.set("a", items=-1)
        self.baskets.set(event.data["key"], items=event.data["items"], note="twice")


class Others(Baskets):
    """The same with three differences: a limit, a drop that is forgotten, another note."""

    @handles("Basket.Added")
    def added(self, event):
        super().added(event)
        row = self.baskets.get(event.data["key"])
        if row["items"] > 8:
            self.baskets.update(event.data["key"], items=8)

    @handles("Basket.Dropped")
    def dropped(self, event):
        if event.data["items"] != 3:
            self.baskets.delete(event.data["key"])

    @handles("Basket.Twice")
    def twice(self, event):
        self.baskets.set(event.data["key"], items=event.data["items"], note="again")


@st.composite
def rows(draw):
    """Return rows of baskets, with holes in the positions."""
    made, versions, position = [], {}, 0
    for _ in range(draw(st.integers(1, 30))):
        position += draw(st.integers(1, 3))
        stream = draw(st.sampled_from("abc"))
        versions[stream] = versions.get(stream, 0) + 1
        kind = draw(st.sampled_from([SET, ADD, DROP, TWICE]))
        state = state_of(
            BEGIN + timedelta(minutes=position),
            draw(st.sampled_from([None, 2])),
            items=draw(st.integers(0, 9)),
            key=draw(st.sampled_from("abc")),
        )
        made.append(Row(position, stream, versions[stream], kind, state))
    return made


def event(position, kind, items=1, key="a"):
    """Return one row of a basket."""
    return Row(position, "s", position, kind, state_of(BEGIN, items=items, key=key))


def run(path, made, projection=Baskets):
    """Return the trial of these rows."""
    return replay(open_history(write_native(path, made)), projection, progress=False)


def both(path, made, a=Baskets, b=Others, **options):
    """Return the comparison of two projections over these rows."""
    history = open_history(write_native(path, made))
    return compare(
        replay(history, a, progress=False), replay(history, b, progress=False), **options
    )


def as_dict(frame):
    """Return the rows of a table by key."""
    return {row[0]: row[1:] for row in frame.rows()}


def same(a, b):
    """Return whether two values are the same: NaN is NaN."""
    return a == b or (a != a and b != b and a is not None and b is not None)  # noqa: PLR0124


def states_differ(a, b, key):
    """Return whether a row differs between two tables, in the plainest way."""
    one, other = a.get(key), b.get(key)
    if one is None or other is None:
        return one is not other
    return not all(map(same, one, other))


class TestLaws:
    """What holds for every history."""

    @given(rows())
    def test_trial_equals_itself(self, new_path, made):
        """Comparing a trial with itself finds nothing."""
        trial = run(new_path(), made, Others)
        found = compare(trial, trial)
        assert found.equal
        assert found.divergences().is_empty()
        assert found.rows().is_empty()
        assert found.first.is_empty()
        assert found.healed.is_empty()

    @given(rows())
    def test_rows_are_those_of_a_plain_comparison(self, new_path, made):
        """Rows added, removed and changed are those of two dictionaries."""
        found = both(new_path(), made)
        a, b = as_dict(found.a.table()), as_dict(found.b.table())
        expected = {}
        for key in sorted({*a, *b}):
            if states_differ(a, b, key):
                change = "added" if key not in a else "removed" if key not in b else "changed"
                columns = []
                if change == "changed":
                    pairs = zip(("items", "ratio", "note"), a[key], b[key], strict=True)
                    columns = [name for name, one, other in pairs if not same(one, other)]
                expected[key] = (change, columns)
        told = {row["basket"]: row for row in found.rows().to_dicts()}
        assert {k: (row["change"], row["columns"]) for k, row in told.items()} == expected
        assert list(told) == sorted(expected)
        for key, row in told.items():
            for number, name in enumerate(("items", "ratio", "note")):
                assert same(row[f"{name}_a"], a.get(key, (None,) * 3)[number])
                assert same(row[f"{name}_b"], b.get(key, (None,) * 3)[number])

    @given(rows())
    def test_first_divergence_is_that_of_a_loop_over_all_positions(self, new_path, made):
        """A key differs first where a loop over all positions finds it first."""
        found = both(new_path(), made)
        expected = {}
        for position in sorted({row.position for row in made}):
            a, b = (as_dict(t.at(position=position).table()) for t in (found.a, found.b))
            for key in {*a, *b}:
                if states_differ(a, b, key):
                    expected.setdefault(key, position)
        divergences = found.divergences()
        firsts = divergences.group_by("basket", maintain_order=True).first()
        assert dict(firsts.select("basket", "position").rows()) == expected
        assert divergences["position"].is_sorted()
        if expected:
            assert found.first["position"].to_list() == [min(expected.values())]
            event_of = {row.position: row for row in made}[min(expected.values())]
            assert found.first["type"].to_list() == [event_of.type]
            assert found.first["stream"].to_list() == [event_of.stream]

    @given(rows())
    def test_each_cell_differs_first_and_heals_where_a_loop_says(self, new_path, made):
        """Cell by cell: where it begins to differ, and since when it is the same again."""
        found = both(new_path(), made)
        spans, last = {}, {}
        positions = sorted({row.position for row in made})
        for position in positions:
            a, b = (as_dict(t.at(position=position).table()) for t in (found.a, found.b))
            for key in "abc":
                cells = {None: (key in a) != (key in b)}
                for number, name in enumerate(("items", "ratio", "note")):
                    cells[name] = key in a and key in b and not same(a[key][number], b[key][number])
                for name, differs in cells.items():
                    if differs:
                        spans.setdefault((key, name), position)
                        last[key, name] = position
        told = found.divergences().rows(named=True)
        assert {(row["basket"], row["column"]): row["position"] for row in told} == spans
        for row in told:
            later = [p for p in positions if p > last[row["basket"], row["column"]]]
            assert row["healed_at"] is None or row["healed_at"] in later
            if not later:
                assert row["healed_at"] is None

    @given(rows())
    def test_comparing_is_symmetric(self, new_path, made):
        """The other way round, every difference points the other way."""
        path = new_path()
        there = both(path, made)
        back = compare(there.b, there.a)
        assert there.equal == back.equal
        assert_frame_equal(
            there.divergences().with_columns(
                pl.col("direction").replace(BACK), pl.col("by").replace({"a": "b", "b": "a"})
            ),
            back.divergences()
            .rename({f"{s}_{w}": f"{o}_{w}" for s, o in ("ab", "ba") for w in ("before", "after")})
            .select(there.divergences().columns),
        )
        counts = there.causes.with_columns(pl.col("direction").replace(BACK)).drop("cause")
        assert_frame_equal(counts, back.causes.drop("cause"), check_row_order=False)

    @given(rows())
    def test_loaded_trials_compare_equal(self, new_path, made):
        """Saved and loaded trials compare as those that were saved."""
        found = both(new_path(), made)
        loaded = [load_trial(trial.save(new_path())) for trial in (found.a, found.b)]
        again = compare(*loaded)
        assert_frame_equal(again.causes, found.causes)
        assert_frame_equal(again.divergences(), found.divergences())
        assert compare(loaded[0], found.a).equal

    @given(rows())
    def test_corrections_make_the_one_the_other(self, new_path, made):
        """Doing what is proposed gives the table that should be."""
        found = both(new_path(), made)
        should = {row["basket"]: row for row in found.b.table().to_dicts()}
        made_right = {row["basket"]: row for row in found.a.table().to_dicts()}
        for row in propose_correction(found.a, found.b).rows(named=True):
            key, value = row["key"].strip('"'), row["should_be"]
            if row["action"] == "remove":
                made_right.pop(key, None)
                continue
            number = {"items": int, "ratio": float}.get(row["column"], str)
            cells = made_right.setdefault(key, {"basket": key})
            cells[row["column"]] = None if value is None else number(value)
        assert set(made_right) == set(should)
        for key, cells in should.items():
            assert all(same(made_right[key][name], value) for name, value in cells.items())

    @given(rows())
    def test_causes_are_the_differences_counted(self, new_path, made):
        """Every difference is in one cause, and what has healed in one of its own."""
        found = both(new_path(), made)
        told = found.divergences()
        ended = told["healed_at"].is_null()
        assert found.causes["count"].sum() == ended.sum()
        assert found.healed["count"].sum() == (~ended).sum()
        by_hand = (
            told.filter(ended)
            .group_by("type", "schema_version", "column", "direction")
            .agg(
                count=pl.len().cast(pl.Int64),
                first_position=pl.col("position").min(),
                last_position=pl.col("position").max(),
            )
        )
        assert_frame_equal(found.causes.select(by_hand.columns), by_hand, check_row_order=False)


class TestFrames:
    """What the frames look like."""

    MADE = (event(1, SET, 4), event(2, SET, 3, "b"), event(3, ADD, 6), event(4, DROP, 3, "b"))

    def test_frames_fit_their_specs(self, tmp_path):
        """Each frame begins with the columns of its spec."""
        found = both(tmp_path / "a.db", self.MADE)
        assert CAUSES.misfits(found.causes) == []
        assert CAUSES.misfits(found.healed) == []
        assert COMPARED.misfits(found.summary) == []
        assert CORRECTIONS.misfits(propose_correction(found)) == []
        assert ROWS.misfits(found.rows().select(ROWS.names)) == []
        assert DIVERGENCES.misfits(found.divergences().select(DIVERGENCES.names)) == []
        assert found.rows().columns == [
            *ROWS.names,
            *("basket", "items_a", "items_b", "ratio_a", "ratio_b", "note_a", "note_b"),
        ]

    def test_frames_of_equal_trials_have_the_same_columns(self, tmp_path):
        """Where nothing differs, the frames are empty, and of the same schema."""
        found = both(tmp_path / "a.db", self.MADE)
        nothing = compare(found.a, found.a)
        assert nothing.rows().schema == found.rows().schema
        assert nothing.divergences().schema == found.divergences().schema
        assert nothing.first.schema == found.first.schema
        assert propose_correction(nothing).schema == propose_correction(found).schema

    def test_divergence_tells_both_sides(self, tmp_path):
        """A row of the divergences has both sides' values before and after the event."""
        (first, second) = both(tmp_path / "a.db", self.MADE).divergences().to_dicts()
        assert (first["position"], first["type"], first["by"]) == (3, ADD, "both")
        assert (first["column"], first["direction"]) == ("items", "lower")
        told = [first[f"{s}_{w}"] for s in "ab" for w in ("before", "after")]
        assert told == ["4", "10", "4", "8"]
        assert (second["position"], second["by"], second["direction"]) == (4, "a", "extra")
        assert second["a_after"] is None
        assert second["b_after"] == '{"items":"3","ratio":"1.5","note":null}'

    def test_difference_that_comes_and_goes_has_healed(self, tmp_path):
        """A row that differs for a while is a divergence, and no difference."""
        found = both(tmp_path / "a.db", [*self.MADE[:3], event(5, SET, 1)])
        assert found.equal
        assert found.rows().is_empty()
        assert found.divergences().select("position", "healed_at").rows() == [(3, 5)]
        assert found.healed.select("type", "column", "count").rows() == [(ADD, "items", 1)]
        assert found.summary.select("changed", "healed", "first_position").rows() == [(0, 1, 3)]
        assert "1 more healed" in repr(found)

    def test_summary_counts_rows(self, tmp_path):
        """The summary has the rows of both sides, and how many differ."""
        found = both(tmp_path / "a.db", self.MADE).summary.row(0, named=True)
        assert (found["rows_a"], found["rows_b"]) == (1, 2)
        assert (found["added"], found["removed"], found["changed"]) == (1, 0, 1)

    def test_correction_of_numbers_has_the_difference(self, tmp_path):
        """A correction says what it is, what it should be, and the difference."""
        changed, *added = propose_correction(both(tmp_path / "a.db", self.MADE)).to_dicts()
        assert (changed["action"], changed["column"]) == ("change", "items")
        assert (changed["value"], changed["should_be"], changed["difference"]) == ("10", "8", "-2")
        assert [row["action"] for row in added] == ["add"] * 3
        assert [row["should_be"] for row in added] == ["3", "1.5", None]
        assert (added[0]["key"], added[0]["position"]) == ('"b"', 4)

    def test_hostile_text_stays_text(self, tmp_path):
        """Keys do not become markup."""
        made = [event(1, ADD, 9, "<script>x</script>")]
        found = both(tmp_path / "a.db", made)
        assert "<script>" not in found._repr_html_()
        assert "<script>" not in found.report(tmp_path / "report.html").read_text()

    def test_key_named_like_a_column_of_the_frame(self, tmp_path):
        """A key column that is named like another column gets a prefix."""

        class Named(Projection):
            counts = table(key={"change": pl.String, "by": pl.Int64}, values={"n": pl.Int64})

            @handles("Basket.Set")
            def was_set(self, event):
                self.counts.set((event.stream, 1), n=self.number)

            number = 1

        class Other(Named):
            number = 2

        found = both(tmp_path / "a.db", [event(1, SET)], Named, Other)
        assert found.rows().select("change", "key.change", "by").rows() == [("changed", "s", 1)]
        assert found.divergences().select("by", "change", "key.by").rows() == [("both", "s", 1)]
        assert found.causes["examples"].to_list() == [['["s", 1]']]


def one_value(dtype, *values, name="value"):
    """Return a projection whose one row takes these values, one an event."""

    class One(Projection):
        rows_ = table(key={"key": pl.String}, values={name: dtype})

        @handles("Basket.Set")
        def was_set(self, event):
            """Set the next value."""
            self.rows_.set("k", **{name: values[event.position - 1]})

    return One


class TestValues:
    """When values are the same."""

    @pytest.mark.parametrize(
        ("a", "b", "direction"),
        [
            ((pl.Float64, float("nan")), (pl.Float64, float("nan")), None),
            ((pl.Float64, float("nan")), (pl.Float64, 1.0), "other"),
            ((pl.Float64, -0.0), (pl.Float64, 0.0), None),
            ((pl.Int64, None), (pl.Int64, None), None),
            ((pl.Int64, None), (pl.Int64, 1), "set"),
            ((pl.Int64, 1), (pl.Int64, None), "null"),
            ((pl.Int64, 2), (pl.Int32, 2), None),
            ((pl.Int64, 2), (pl.Int32, 3), "higher"),
            ((pl.UInt64, 2**64 - 1), (pl.Int64, -1), "lower"),
            ((pl.Int64, 2), (pl.Float64, 2.0), None),
            ((pl.Int64, 2), (pl.Float64, 2.5), "higher"),
            ((pl.Int64, 2**60), (pl.Float64, 2.0), "other dtype"),
            ((pl.Decimal(38, 2), Decimal("1.50")), (pl.Decimal(38, 1), Decimal("1.5")), None),
            ((pl.Decimal(38, 2), Decimal("2.00")), (pl.Int64, 2), None),
            ((pl.Decimal(38, 2), Decimal("2.00")), (pl.Float64, 2.0), "other dtype"),
            ((pl.String, "2"), (pl.Int64, 2), "other dtype"),
            ((pl.String, "a"), (pl.String, "b"), "other"),
            ((pl.Boolean, True), (pl.Boolean, False), "other"),
            ((pl.Datetime("us", "UTC"), BEGIN), (pl.Datetime("ms", "UTC"), BEGIN), None),
            ((pl.Datetime("us", "UTC"), BEGIN), (pl.Datetime("ns", "UTC"), BEGIN), None),
            (
                (pl.Datetime("us", "UTC"), BEGIN),
                (pl.Datetime("us"), BEGIN.replace(tzinfo=None)),
                "other dtype",
            ),
            ((pl.Duration("us"), timedelta(1)), (pl.Duration("ms"), timedelta(2)), "higher"),
            ((pl.List(pl.Int64), [1, None]), (pl.List(pl.Int64), [1, None]), None),
            ((pl.List(pl.Int64), [1]), (pl.List(pl.Int64), [1, 2]), "other"),
            ((pl.Binary, b"a"), (pl.Binary, b"b"), "other"),
            ((pl.Enum(["x"]), "x"), (pl.String, "x"), None),
        ],
    )
    def test_direction(self, tmp_path, a, b, direction):
        """Null is a value, NaN is NaN, and other dtypes compare where nothing is lost."""
        found = both(tmp_path / "a.db", [event(1, SET)], one_value(*a), one_value(*b))
        assert found.causes["direction"].to_list() == ([] if direction is None else [direction])
        assert direction is None or direction in DIRECTIONS
        assert found.divergences().height == (direction not in {None, "other dtype"})
        assert propose_correction(found).height == found.rows().height

    @pytest.mark.parametrize(
        ("dtype", "a", "b", "tolerance", "equal"),
        [
            (pl.Float64, 1.0, 1.01, 0.02, True),
            (pl.Float64, 1.0, 1.03, 0.02, False),
            (pl.Float64, float("inf"), float("inf"), 0.1, True),
            (pl.Float64, float("nan"), 1.0, 0.1, False),
            (pl.Decimal(38, 2), Decimal("1.00"), Decimal("1.01"), 0.01, True),
            (pl.Decimal(38, 2), Decimal("1.00"), Decimal("1.02"), Decimal("0.01"), False),
            (pl.Int64, -(2**63), 2**63 - 1, 5, False),
            (pl.Int64, 5, 7, 2, True),
            (pl.Float64, None, 0.0, 1, False),
        ],
    )
    def test_tolerance(self, tmp_path, dtype, a, b, tolerance, equal):
        """Numbers that differ by at most the tolerance are the same."""
        sides = one_value(dtype, a), one_value(dtype, b)
        found = both(tmp_path / "a.db", [event(1, SET)], *sides, tolerance={"value": tolerance})
        assert found.equal is equal

    def test_tolerance_compares_decimals_with_floats(self, tmp_path):
        """With a tolerance, any two dtypes of numbers are compared."""
        sides = one_value(pl.Decimal(38, 2), Decimal("0.10")), one_value(pl.Float64, 0.1)
        found = both(tmp_path / "a.db", [event(1, SET)], *sides, tolerance={"value": 1e-9})
        assert found.equal

    @pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), "x", None, True])
    def test_tolerance_that_is_none(self, tmp_path, tolerance):
        """A tolerance is a number from zero on."""
        with pytest.raises(errors.ComparisonError, match="greatest difference"):
            both(tmp_path / "a.db", [event(1, SET)], tolerance={"items": tolerance})

    @pytest.mark.parametrize(("column", "said"), [("itens", "Near it: items"), ("note", "none")])
    def test_tolerance_for_no_number(self, tmp_path, column, said):
        """A tolerance is for a column of numbers that both have."""
        with pytest.raises(errors.ComparisonError, match=said):
            both(tmp_path / "a.db", [event(1, SET)], tolerance={column: 1})


class TestTables:
    """Which tables and columns are compared."""

    def test_two_single_tables_pair(self, tmp_path):
        """One table each belong together, whatever their names."""

        class Renamed(Projection):
            orders_v2 = table(key={"basket": pl.String}, values={"items": pl.Int64})

            @handles("Basket.Set")
            def was_set(self, event):
                self.orders_v2.set(event.data["key"], items=event.data["items"])

        found = both(tmp_path / "a.db", [event(1, SET)], b=Renamed)
        assert found.summary["table"].to_list() == ["baskets -> orders_v2"]
        assert found.rows("orders_v2").equals(found.rows("baskets"))
        told = found.causes.sort("column").select("column", "direction", "count")
        assert told.rows() == [("note", "only in a", 1), ("ratio", "only in a", 1)]
        assert not found.equal

    class Two(Projection):
        """Two tables."""

        x = table(key={"k": pl.String}, values={"v": pl.Int64})
        y = table(key={"k": pl.String}, values={"v": pl.Int64})

        @handles("Basket.Set")
        def was_set(self, event):
            self.x.set("k", v=1)
            self.y.set("k", v=event.position)

    class Three(Two):
        """The same, and one more."""

        z = table(key={"k": pl.String}, values={"v": pl.Int64})

        @handles("Basket.Set")
        def was_set(self, event):
            self.x.set("k", v=2)
            self.z.set("k", v=event.position)

    def test_table_of_one_side_is_a_cause(self, tmp_path):
        """A table that only one side has is told, not left out."""
        found = both(tmp_path / "a.db", [event(1, SET)], self.Two, self.Three)
        told = {(c["table"], c["direction"]) for c in found.causes.to_dicts()}
        assert told == {("x", "higher"), ("y", "missing"), ("z", "only in b")}
        assert found.summary.row(2) == ("z", None, 1, None, None, None, None, None)
        assert found.rows("z").is_empty()

    def test_tables_are_paired_by_name_or_as_given(self, tmp_path):
        """A mapping pairs two names; a list says which to compare."""
        sides = (self.Two, self.Three)
        made = [event(1, SET)]
        found = both(tmp_path / "a.db", made, *sides, tables={"y": "z"})
        assert found.summary["table"].to_list() == ["x", "y -> z", "y"]
        assert found.of("y -> z").items.is_empty()
        assert both(tmp_path / "b.db", made, *sides, tables=["y"]).summary.height == 1

    def test_which_of_several_tables(self, tmp_path):
        """Where several tables were compared, one has to be named."""
        found = both(tmp_path / "a.db", [event(1, SET)], self.Two, self.Three)
        with pytest.raises(errors.UnknownTableError, match="Name one: x, y, z"):
            found.rows()
        with pytest.raises(errors.UnknownTableError, match="'w'"):
            found.divergences("w")

    @pytest.mark.parametrize("tables", [{"w": "x"}, {"x": "w"}, ["w"], "w"])
    def test_unknown_table(self, tmp_path, tables):
        """A table that is named has to be there."""
        with pytest.raises(errors.UnknownTableError, match="'w'"):
            both(tmp_path / "a.db", [event(1, SET)], self.Two, self.Three, tables=tables)

    def test_no_table_in_common(self, tmp_path):
        """Without a table in common there is nothing to compare."""

        class Elsewhere(Projection):
            p = table(key={"k": pl.String}, values={})
            q = table(key={"k": pl.String}, values={})

            @handles("Basket.Set")
            def was_set(self, event):
                self.p.set("k")

        with pytest.raises(errors.UnknownTableError, match="x, y, the other p, q"):
            both(tmp_path / "a.db", [event(1, SET)], self.Two, Elsewhere)

    def test_other_keys_are_refused(self, tmp_path):
        """Tables with other key columns cannot be compared; the error says both."""

        class Elsewhere(Projection):
            baskets = table(key={"basket": pl.String, "day": pl.Date}, values={})

            @handles("Basket.Set")
            def was_set(self, event):
                self.baskets.set((event.stream, event.time.date()))

        with pytest.raises(errors.ComparisonError, match="is basket in .* and basket, day in"):
            both(tmp_path / "a.db", [event(1, SET)], b=Elsewhere)

    @pytest.mark.parametrize(("dtype", "key"), [(pl.Int32, 1), (pl.String, "1")])
    def test_keys_of_two_dtypes(self, tmp_path, dtype, key):
        """Keys compare by value where they can; else the error says both dtypes."""

        def keyed(dtype, key):
            class Keyed(Projection):
                t = table(key={"k": dtype}, values={"v": pl.Int64})

                @handles("Basket.Set")
                def was_set(self, event):
                    self.t.set(key, v=1)

            return Keyed

        sides = keyed(pl.Int64, 1), keyed(dtype, key)
        if dtype == pl.Int32:
            assert both(tmp_path / "a.db", [event(1, SET)], *sides).equal
        else:
            with pytest.raises(errors.ComparisonError, match="is Int64 in .* and String in"):
                both(tmp_path / "a.db", [event(1, SET)], *sides)

    def test_rows_without_values(self, tmp_path):
        """A table of keys alone differs by rows."""

        class Keys(Projection):
            seen = table(key={"k": pl.String}, values={})
            wanted: ClassVar = ("a", "b")

            @handles("Basket.Set")
            def was_set(self, event):
                if event.data["key"] in self.wanted:
                    self.seen.set(event.data["key"])

        class Fewer(Keys):
            wanted: ClassVar = ("b", "c")

        made = [event(n, SET, key=key) for n, key in enumerate("abc", 1)]
        found = both(tmp_path / "a.db", made, Keys, Fewer)
        assert found.rows().select("change", "k").rows() == [("removed", "a"), ("added", "c")]
        assert found.divergences().select("a_after", "b_after").rows() == [
            ("{}", None),
            (None, "{}"),
        ]
        told = propose_correction(found).select("action", "column", "key").rows()
        assert told == [("remove", None, '"a"'), ("add", None, '"c"')]

    def test_what_is_no_trial(self, tmp_path):
        """Only trials are compared."""
        trial = run(tmp_path / "a.db", [event(1, SET)])
        with pytest.raises(errors.ComparisonError, match="no trial"):
            compare(trial, trial.table())
        with pytest.raises(errors.ComparisonError, match="one trial"):
            propose_correction(trial)


class TestOtherHistories:
    """Trials that did not read the same events."""

    def test_two_stores(self, tmp_path):
        """One projection over two stores: events that one lacks are the first that differ."""
        made = [event(1, SET, 4), event(2, ADD, 1), event(3, ADD, 1)]
        a = run(tmp_path / "a.db", made)
        b = run(tmp_path / "b.db", [made[0], made[2]])
        found = compare(a, b)
        assert found.first.select("position", "by", "a_after", "b_after").row(0) == (
            *(2, "a"),
            *("5", "4"),
        )
        assert found.rows().select("items_a", "items_b").rows() == [(6, 5)]

    def test_edited_history(self, tmp_path):
        """What an edit changes is found at the edited event, and proposed as a correction."""
        history = open_history(
            write_native(tmp_path / "a.db", [event(1, SET, 4), event(2, ADD, 3), event(3, ADD, 2)])
        )
        edited = history.edit(name="no double", drop=pl.col("position") == 2)
        a, b = (replay(h, Baskets, progress=False) for h in (history, edited))
        found = compare(a, b)
        assert found.first.select("position", "by").row(0) == (2, "a")
        correction = propose_correction(a, b).filter(pl.col("column") == "items")
        told = correction.select("value", "should_be", "difference", "position")
        assert told.rows() == [("9", "6", "-3", 2)]
        assert "no double" in found.report(tmp_path / "report.html").read_text()

    @given(rows(), st.integers(0, 9))
    def test_dropping_an_event_differs_first_there(self, new_path, made, number):
        """Without an event, nothing before it differs."""
        history = open_history(write_native(new_path(), made))
        dropped = made[number % len(made)].position
        edited = history.edit(drop=pl.col("position") == dropped)
        sides = (replay(h, Others, progress=False) for h in (history, edited) if len(h))
        found = compare(*sides) if len(edited) else None
        if found is not None and found.first.height:
            assert found.first["position"][0] == dropped

    def test_polars_functions_compare_at_the_end(self, tmp_path):
        """Functions have no change log: the differences are known, the first event is not."""

        def counted(events):
            return events.group_by("type").agg(pl.len().alias("n"))

        def doubled(events):
            return counted(events).with_columns(pl.col("n") * 2).filter(pl.col("type") != ADD)

        made = [event(1, SET), event(2, ADD)]
        history = open_history(write_native(tmp_path / "a.db", made))
        a, b = (replay(history, f, key="type", progress=False) for f in (counted, doubled))
        found = compare(a, b)
        assert found.causes.select("table", "type", "direction", "first_position").sort(
            "direction"
        ).rows() == [
            ("counted -> doubled", None, "higher", None),
            ("counted -> doubled", None, "missing", None),
        ]
        assert found.rows()["change"].to_list() == ["removed", "changed"]
        assert found.divergences().select("position", "by", "healed_at").null_count().row(0) == (
            *(2, 2),
            2,
        )
        assert found.first.is_empty()
        assert compare(a, load_trial(a.save(tmp_path / "saved"))).equal
        assert "not known" in found.report(tmp_path / "r.html").read_text()

    def test_function_against_a_projection(self, tmp_path):
        """A function and a projection for one question compare at the end."""

        def baskets(events):
            return events.select(
                pl.lit("a").alias("basket"),
                pl.lit(1).cast(pl.Int64).alias("items"),
                pl.lit(0.5).alias("ratio"),
                pl.lit(None, pl.String).alias("note"),
            )

        history = open_history(write_native(tmp_path / "a.db", [event(1, SET)]))
        a = replay(history, Baskets, progress=False)
        assert compare(a, replay(history, baskets, key="basket", progress=False)).equal


class TestAccepting:
    """What is intended."""

    def test_accepted_causes_do_not_count(self, tmp_path):
        """A comparison of which all causes are accepted is equal; the one before is not."""
        found = both(tmp_path / "a.db", TestFrames.MADE)
        accepted = found
        for cause in found.causes["cause"]:
            assert not accepted.equal
            accepted = accepted.accept(cause, "as agreed")
        assert accepted.equal
        assert not found.equal
        assert accepted.causes["accepted"].to_list() == ["as agreed"] * 2
        assert "2 of them accepted" in repr(accepted)

    def test_cause_has_the_same_name_elsewhere(self, tmp_path):
        """The name of a cause does not depend on how many rows it has."""
        few = both(tmp_path / "a.db", TestFrames.MADE)
        many = both(tmp_path / "b.db", [*TestFrames.MADE, event(9, ADD, 9, "c")])
        assert set(few.causes["cause"]) == set(many.causes["cause"])

    def test_behind_causes_is_every_difference(self, tmp_path):
        """Each difference has one cause, which counts it."""
        found = both(tmp_path / "a.db", TestFrames.MADE)
        behind = [found.behind(cause) for cause in found.causes["cause"]]
        assert [rows.height for rows in behind] == found.causes["count"].to_list()
        lasting = found.of().divergences(lasts=True)
        assert_frame_equal(pl.concat(behind), lasting, check_row_order=False)

    def test_behind_no_cause(self, tmp_path):
        """A cause that is not there is an error that names those that are."""
        found = both(tmp_path / "a.db", TestFrames.MADE)
        with pytest.raises(errors.UnknownCauseError, match=found.causes["cause"][0]):
            found.behind("nothing")

    @pytest.mark.parametrize(
        ("cause", "reason", "error"),
        [("nothing", "x", errors.UnknownCauseError), (None, " ", errors.ComparisonError)],
    )
    def test_what_cannot_be_accepted(self, tmp_path, cause, reason, error):
        """A cause that is not there, or no reason."""
        found = both(tmp_path / "a.db", TestFrames.MADE)
        with pytest.raises(error):
            found.accept(cause or found.causes["cause"][0], reason)

    def test_many_differences_are_few_causes(self, tmp_path):
        """Differences of one kind are one cause, with counts, positions and examples."""
        made = [event(n, ADD, 9, f"k{n:03}") for n in range(1, 201)]
        (cause,) = both(tmp_path / "a.db", made).causes.to_dicts()
        assert (cause["count"], cause["first_position"], cause["last_position"]) == (200, 1, 200)
        assert cause["examples"][:2] == ['"k001"', '"k002"']
        assert len(cause["examples"]) == 5
        assert causes_of((), {}).schema == CAUSES.schema


class TestReport:
    """The report as one HTML file."""

    def test_report_stands_alone(self, tmp_path):
        """No script, nothing from elsewhere, both recipes, the causes and their reasons."""
        found = both(tmp_path / "a.db", TestFrames.MADE)
        found = found.accept(found.causes["cause"][0], "agreed & done")
        path = found.report(tmp_path / "report.html")
        text = path.read_text(encoding="utf-8")
        assert path == tmp_path / "report.html"
        for absent in ("<script", "http://", "https://", "src=", "@import", "url("):
            assert absent not in text
        for present in ("Baskets", "Others", "prefers-color-scheme: dark", "agreed &amp; done"):
            assert present in text
        for recipe in (found.a.recipe, found.b.recipe):
            assert recipe.projection_hash in text
            assert recipe.result_hash in text

    def test_report_that_cannot_be_written(self, tmp_path):
        """A folder that is not there is told."""
        found = both(tmp_path / "a.db", TestFrames.MADE)
        with pytest.raises(errors.ExportError, match="Name a file"):
            found.report(tmp_path / "nowhere" / "report.html")

    def test_report_of_equal_trials(self, tmp_path):
        """Where nothing differs, the report says so."""
        trial = run(tmp_path / "a.db", TestFrames.MADE)
        text = compare(trial, trial).report(tmp_path / "report.html").read_text()
        assert "no differences" in text
