"""What a trial can be asked: why a cell is what it is, what an event changed, what was handled."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, Row, state_of, write_native
from test_trial import ADD, DROP, SET, Baskets, handled, one, rows, run

from workbench import Projection, errors, handles, load_trial, open_history, replay, table
from workbench.tables import CHANGES, COVERAGE, EVENTS, IMPACT, PROFILE


def cells(trial, name):
    """Yield every cell that a table ever had: key, column."""
    log = trial.changes(name)
    keys = trial.key(name)
    values = [c for c in trial.table(name).columns if c not in keys]
    logged = [c for c in log.columns[len(CHANGES.names) :] if not c.endswith(("_before", "_after"))]
    for key in log.select(logged).unique().rows():
        for column in values:
            yield key, column


class TestExplain:
    """The events that made a row or a cell."""

    @given(made=rows().filter(handled))
    def test_it_replays_to_the_cell(self, new_path, made):
        """The changes of a cell, one after the other, end at its value."""
        trial = run(new_path(), made)
        for name in trial.table_names:
            now = {row[: len(trial.key(name))]: row for row in trial.table(name).iter_rows()}
            columns = trial.table(name).columns
            for key, column in cells(trial, name):
                why = trial.explain(key, column, table=name)
                befores, afters = why["before"].to_list(), why["after"].to_list()
                assert befores[1:] == afters[:-1]
                assert not befores or befores[0] is None
                assert all(b != a for b, a in zip(befores, afters, strict=True))
                value = now[key][columns.index(column)] if key in now else None
                assert (afters[-1] if afters else None) == value

    @given(made=rows().filter(handled))
    def test_every_change_of_the_row_is_there(self, new_path, made):
        """A row's explanation is the change log of its key."""
        trial = run(new_path(), made)
        log = trial.changes("baskets")
        for (basket,) in log.select("basket").unique().rows():
            expected = log.filter(pl.col("basket") == basket)
            assert_frame_equal(trial.explain(basket, table="baskets"), expected)
            assert_frame_equal(trial.explain({"basket": basket}, table="baskets"), expected)

    def test_payloads_stand_beside(self, tmp_path):
        """With the payloads, the event that made a change can be read."""
        trial = run(tmp_path / "a.db", [one(SET, items=4), one(ADD, items=3, position=2)])
        why = trial.explain("a", "items", table="baskets", with_data=True)
        assert why["after"].to_list() == [4, 7]
        assert [json.loads(text)["items"] for text in why["data"]] == [4, 3]
        assert why.columns == [*CHANGES.names, "before", "after", "data"]

    @pytest.mark.parametrize(
        ("key", "column", "name", "said"),
        [
            ("b", None, "baskets", "never had such a row"),
            ("a", "item", "baskets", "Near it: items"),
            (("a", "b"), None, "baskets", "each key column: basket"),
            ({"bask": "a"}, None, "baskets", "each key column: basket"),
            ("a", None, "log", "each key column: basket, version"),
        ],
    )
    def test_what_is_not_there_is_refused(self, tmp_path, key, column, name, said):
        """The error says what there is."""
        trial = run(tmp_path / "a.db", [one(SET)])
        with pytest.raises(errors.UnknownRowError, match=said):
            trial.explain(key, column, table=name)

    def test_table_may_be_left_out_where_there_is_one(self, tmp_path):
        """With several, one has to be named."""
        trial = run(tmp_path / "a.db", [one(SET)])
        with pytest.raises(errors.UnknownTableError, match="baskets, log"):
            trial.explain("a")
        with pytest.raises(errors.UnknownTableError, match="baskets, log"):
            trial.table()


class TestImpact:
    """Everything that one event changed."""

    @given(made=rows().filter(handled))
    def test_impacts_are_the_change_logs(self, new_path, made):
        """All impacts together are all changed cells, and none is there twice."""
        trial = run(new_path(), made)
        for row in made:
            found = trial.impact(row.position) if row.position <= trial.last_position else None
            expected = set()
            for name in trial.table_names:
                log = trial.changes(name).filter(pl.col("position") == row.position)
                for change in log.iter_rows(named=True):
                    for column in trial.table(name).columns[len(trial.key(name)) :]:
                        if change[f"{column}_before"] != change[f"{column}_after"]:
                            expected.add((name, column, json.dumps(change[f"{column}_after"])))
            assert IMPACT.misfits(found) == []
            told = found.filter(pl.col("column").is_not_null())
            assert {
                (t, c, "null" if a is None else a)
                for t, c, a in told.select("table", "column", "after").rows()
            } == expected

    def test_in_words(self, tmp_path):
        """An event that changes two tables tells of both."""
        trial = run(tmp_path / "a.db", [one(SET, items=4)])
        assert trial.impact(1).rows() == [
            ("baskets", "insert", '"a"', "items", None, "4"),
            ("log", "insert", '["a", 1]', "type", None, '"shop:Basket.Set"'),
        ]

    @pytest.mark.parametrize("position", [-1, 2])
    def test_position_that_was_not_read(self, tmp_path, position):
        """It is not known what an event would change."""
        with pytest.raises(errors.UnknownPositionError, match="up to position 1"):
            run(tmp_path / "a.db", [one(SET)]).impact(position)


class TestCoverage:
    """Which events were seen, handled and ignored."""

    @given(made=rows().filter(handled))
    def test_all_events_are_counted_once(self, new_path, made):
        """Seen is handled and failed and ignored, and what the history has."""
        path = new_path()
        trial = run(path, made)
        found = trial.coverage
        assert COVERAGE.misfits(found) == []
        assert found["seen"].sum() == len(made)
        sums = found.select(pl.sum_horizontal("handled", "failed", "ignored") == pl.col("seen"))
        assert sums.to_series().all()
        assert found["failed"].sum() == trial.failures.height
        by_type = dict(found.group_by("type").agg(pl.col("ignored").sum()).rows())
        for type_ in {row.type for row in made}:
            count = sum(row.type == type_ for row in made)
            assert by_type[type_] == (0 if type_ in {SET, ADD, DROP} else count)

    def test_schema_versions_are_apart(self, tmp_path):
        """Each version of a type is a row."""
        made = [one(SET), Row(2, "a", 2, SET, state_of(items=1, class_version=2))]
        found = run(tmp_path / "a.db", made).coverage
        assert found.filter(type=SET).select("schema_version", "handled").rows() == [(1, 1), (2, 1)]

    def test_handler_that_never_ran(self, tmp_path):
        """It is listed under the name that it was given, with nothing seen."""
        found = run(tmp_path / "a.db", [one(SET)]).coverage
        never = found.filter(pl.col("seen") == 0)
        assert set(never["handler"]) == {"added", "dropped"}
        assert set(never["type"]) == {"Basket.Added", "Basket.Dropped"}

    def test_profile_counts_events(self, tmp_path):
        """Each handler with its events and its time; one that never ran has none."""
        trial = run(tmp_path / "a.db", [one(SET), one(SET, position=2), one(ADD, position=3)])
        assert PROFILE.misfits(trial.profile) == []
        counts = dict(trial.profile.select("handler", "events").rows())
        assert counts == {"was_set": 2, "added": 1}
        assert (trial.profile["seconds"] > 0).all()


class TestVersions:
    """The tables as of a version of each stream."""

    @given(made=rows().filter(handled), version=st.integers(0, 8))
    def test_rows_of_one_stream(self, new_path, made, version):
        """Each row is as the events of its stream up to the version left it."""
        trial = run(new_path(), made)
        early = [row for row in made if row.version <= version]
        found = trial.at(version=version).table("baskets")
        if not handled(early):
            assert found.is_empty()
            return
        assert_frame_equal(found, run(new_path(), early).table("baskets"))

    def test_rows_of_several_streams_are_refused(self, tmp_path):
        """A row that two streams change has no version."""

        class Sums(Projection):
            sums = table(key={"what": pl.String}, values={"items": pl.Int64})

            @handles("Basket.Set")
            def was_set(self, event):
                row = self.sums.get("all") or {"items": 0}
                self.sums.set("all", items=row["items"] + event.data["items"])

        made = [one(SET), Row(2, "b", 1, SET, state_of(items=1))]
        trial = run(tmp_path / "a.db", made, Sums)
        with pytest.raises(errors.RangeError, match="changed by several streams"):
            trial.at(version=1).table()


def totals(events):
    """Return how many events each basket has, and of which version the last is."""
    return (
        events.filter(pl.col("type").is_in([SET, ADD, DROP]))
        .group_by("stream")
        .agg(pl.len().alias("events"), pl.col("version").max())
    )


class Totals(Projection):
    """The same, event by event."""

    totals = table(key={"stream": pl.String}, values={"events": pl.UInt32, "version": pl.Int64})

    @handles("Basket.Set", "Basket.Added", "Basket.Dropped")
    def counted(self, event):
        """Count."""
        row = self.totals.get(event.stream) or {"events": 0, "version": 0}
        version = max(row["version"], event.version)
        self.totals.set(event.stream, events=row["events"] + 1, version=version)


class TestPolarsFunctions:
    """A function from the event table to a table."""

    @given(made=rows().filter(handled), position=st.integers(0, 80))
    def test_it_equals_a_cell_projection(self, new_path, made, position):
        """The same question in both ways has the same answer, as of any position."""
        history = open_history(write_native(new_path(), made))
        by_frame = replay(history, totals, key="stream", progress=False)
        by_event = replay(history, Totals, progress=False)
        assert by_frame.table().equals(by_event.table())
        at = [trial.at(position=position).table() for trial in (by_frame, by_event)]
        assert at[0].equals(at[1])
        assert by_frame.key() == ("stream",)
        assert by_frame.events == len(made)

    def test_as_of_a_time(self, tmp_path):
        """The function is computed over the events before the first later one."""
        made = [Row(n, "a", n, SET, state_of(BEGIN + timedelta(days=n))) for n in (1, 2)]
        history = open_history(write_native(tmp_path / "a.db", made))
        trial = replay(history, totals, key="stream")
        assert trial.at(time=BEGIN).table().is_empty()
        assert trial.at(time=BEGIN + timedelta(days=1)).table()["events"].to_list() == [1]
        assert trial.at(time="2030-01-01").table()["events"].to_list() == [2]

    def test_advance_and_folders(self, tmp_path):
        """It is computed again where the history has grown; a folder keeps the end."""
        path = write_native(tmp_path / "a.db", [one(SET)])
        history = open_history(path)
        trial = replay(history, totals, key="stream", folder=tmp_path / "t")
        loaded = load_trial(tmp_path / "t")
        assert_frame_equal(loaded.table(), trial.table())
        assert loaded.key() == ("stream",)
        with pytest.raises(errors.NoChangeLogError, match="computes its table as a whole"):
            loaded.at(position=1).table()
        assert trial.rerun().recipe.result_hash == trial.recipe.result_hash

    def test_it_has_no_change_log(self, tmp_path):
        """What it cannot tell, it does not make up."""
        history = open_history(write_native(tmp_path / "a.db", [one(SET)]))
        trial = replay(history, totals, key="stream")
        for ask in (trial.changes, lambda: trial.explain("a"), lambda: trial.impact(1)):
            with pytest.raises(errors.NoChangeLogError, match="no event changes a row"):
                ask()

    @pytest.mark.parametrize(
        ("function", "key", "said"),
        [
            (totals, None, "without its key"),
            (totals, "basket", "no column 'basket'"),
            (totals, "version", "stands there twice"),
            (lambda e: e.select(pl.lit(None).alias("k")).head(1), "k", "is null"),
            (lambda e: e.collect(), "position", "returned DataFrame"),
            (lambda e: e.select("nothing"), "nothing", "see workbench.tables.EVENTS"),
        ],
    )
    def test_bad_functions_are_refused(self, tmp_path, function, key, said):
        """The error says what the function did."""
        made = [one(SET), Row(2, "b", 1, SET, state_of(items=1))]
        history = open_history(write_native(tmp_path / "a.db", made))
        with pytest.raises(errors.ProjectionError, match=said):
            replay(history, function, key=key)

    def test_it_gets_the_event_table(self, tmp_path):
        """The frame is the history's own."""
        history = open_history(write_native(tmp_path / "a.db", [one(SET)]))
        trial = replay(history, lambda events: events, key="position")
        assert dict(trial.table().schema) == dict(EVENTS.schema)


class TestRecipe:
    """How a trial came to be."""

    def test_it_says_what_was_run(self, tmp_path):
        """Source, range, projection, policy and versions are kept."""
        history = open_history(write_native(tmp_path / "a.db", [one(SET), one(SET, position=3)]))
        recipe = replay(history.between(after=1), Baskets, progress=False).recipe
        assert (recipe.source, recipe.after, recipe.upto) == ("a.db", 1, 3)
        assert recipe.projection == "Baskets"
        assert recipe.on_error == "stop"
        assert {"python", "polars", "eventsourcing"} <= set(recipe.versions)
        assert "Baskets" in recipe._repr_html_()

    def test_other_code_is_another_hash(self, tmp_path):
        """A handler, a table, or a base that changes is another projection."""

        class Other(Baskets):
            @handles("Basket.Dropped")
            def dropped(self, event):
                """Keep the row."""

        class Wider(Baskets):
            more = table(key={"a": pl.String}, values={})

        history = open_history(write_native(tmp_path / "a.db", [one(SET)]))
        hashes = {
            replay(history, p, progress=False).recipe.projection_hash
            for p in (Baskets, Other, Wider)
        }
        assert len(hashes) == 3

    @given(made=rows().filter(handled))
    def test_other_results_are_another_hash(self, new_path, made):
        """One more event that changes something changes the hash."""
        more = [*made, Row(1000, "z", 1, SET, state_of(items=1))]
        few, many = run(new_path(), made), run(new_path(), more)
        assert few.recipe.result_hash != many.recipe.result_hash


class TestMoney:
    """Decimals are kept exactly."""

    @given(
        amounts=st.lists(st.decimals(-(10**12), 10**12, places=4, allow_nan=False), min_size=1),
    )
    def test_decimals_are_exact(self, new_path, amounts):
        """What a handler sets is what the table and the log have."""

        class Prices(Projection):
            prices = table(key={"n": pl.Int64}, values={"price": pl.Decimal(38, 4)})

            @handles("Basket.Set")
            def was_set(self, event):
                self.prices.set(event.position, price=amounts[event.position - 1])

        made = [one(SET, position=n) for n in range(1, len(amounts) + 1)]
        assert run(new_path(), made, Prices).table()["price"].to_list() == amounts

    @pytest.mark.parametrize(
        "value",
        [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+40"), Decimal("0.00001"), True, 1.5, "1"],
    )
    def test_what_does_not_fit_is_refused(self, tmp_path, value):
        """It is a failure, and never another number."""

        class Prices(Projection):
            prices = table(key={"n": pl.Int64}, values={"price": pl.Decimal(38, 4)})

            @handles("Basket.Set")
            def was_set(self, event):
                self.prices.set(event.position, price=value)

        trial = run(tmp_path / "a.db", [one(SET)], Prices)
        assert trial.table().is_empty()
        assert "'price'" in trial.failures["error"][0]
