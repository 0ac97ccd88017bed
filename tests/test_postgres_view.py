"""Unmodified projections whose view is in PostgreSQL: in a schema of the trial's own."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from typing import TYPE_CHECKING, Any

import library_shop
import polars as pl
import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import ProjectionRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_shop import MemoryView, Orders, SQLView, write_orders
from polars.testing import assert_frame_equal
from psycopg.sql import SQL, Identifier
from servers.postgres import PASSWORD
from test_library_projection import STEPS, assert_same, more, steps

from workbench import errors, load_trial, open_history, replay

if TYPE_CHECKING:
    from uuid import UUID

    from eventsourcing.persistence import Tracking

TABLES = ("log", "orders", "pairs")


class PgView(PostgresTrackingRecorder):
    """The same questions as `SQLView` answers, and a column of each kind."""

    tables = (
        (
            "CREATE TABLE IF NOT EXISTS {0}.orders (id uuid PRIMARY KEY, amount numeric NOT NULL, "
            "lines int NOT NULL, note text, tags text[], about jsonb, at timestamptz)"
        ),
        "CREATE TABLE IF NOT EXISTS {0}.pairs (id uuid, sku text, n int8, PRIMARY KEY (id, sku))",
        (
            "CREATE TABLE IF NOT EXISTS {0}.log "
            "(number int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, n float8)"
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schema = Identifier(self.datastore.schema)
        self.sql_create_statements += [SQL(text).format(self.schema) for text in self.tables]

    def run(self, cursor: Any, text: str, *values: Any) -> None:
        cursor.execute(SQL(text).format(self.schema), values)

    def place(self, order: UUID, amount: Any, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as c:
            self.run(
                c,
                "INSERT INTO {0}.orders VALUES (%s, %s, 0, NULL, %s, %s, to_timestamp(%s)) "
                "ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, lines = 0",
                *(order, amount, ["a", "b c"], '{"n": 1.50, "deep": [null]}', int(amount)),
            )
            self._insert_tracking(c, tracking)

    def add(self, order: UUID, sku: str, quantity: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as c:
            self.run(c, "UPDATE {0}.orders SET lines = lines + 1 WHERE id = %s", order)
            self.run(
                c,
                "INSERT INTO {0}.pairs AS p VALUES (%s, %s, %s) "
                "ON CONFLICT (id, sku) DO UPDATE SET n = p.n + excluded.n",
                *(order, sku, quantity),
            )
            self.run(c, "INSERT INTO {0}.log (what, n) VALUES (%s, %s)", sku, quantity / 2)
            self._insert_tracking(c, tracking)
            if quantity == 13:
                msg = "thirteen"
                raise ValueError(msg)

    def empty(self, order: UUID, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as c:
            self.run(c, "DELETE FROM {0}.orders WHERE id = %s", order)
            self.run(c, "UPDATE {0}.pairs SET sku = sku || '!' WHERE id = %s AND n > 5", order)
            self.run(c, "TRUNCATE {0}.log")
            self._insert_tracking(c, tracking)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return all rows as text, for tests."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(
                SQL("SELECT * FROM {0}.{1} ORDER BY 1, 2").format(self.schema, Identifier(table))
            )
            return [tuple(row.values()) for row in c.fetchall()]


@pytest.fixture
def database(postgres):
    """The name of an empty database, in which nothing is left afterwards."""
    return postgres.new_database()


@pytest.fixture
def scratch(postgres, database):
    """The URL of an empty database."""
    return postgres.url(database)


def run(path, scratch, view=PgView, projection=Orders, **options):
    """Return the trial of a store."""
    history = open_history(path)
    return replay(history, projection, view=view, scratch=scratch, progress=False, **options)


def again(folder, path, scratch, view):
    """Return a trial that was saved, to go on with."""
    return load_trial(
        folder, history=open_history(path), projection=Orders, view=view, scratch=scratch
    )


def schemas(postgres, database):
    """Return the schemas of trials in a database."""
    with closing(postgres.connect(database)) as db:
        query = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'workbench%'"
        return [name for (name,) in db.execute(query).fetchall()]


class TestConformance:
    """The same as the library's own runner."""

    def test_view_ends_as_under_the_runner(self, postgres, scratch, tmp_path):
        path = write_orders(tmp_path / "a.db", STEPS)
        trial = run(path, scratch)
        own = postgres.new_database()
        env = {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(path),
            "APPLICATION_RECORDER_TOPIC": "library_shop:PollingRecorder",
            "ORDERS_PERSISTENCE_MODULE": "eventsourcing.postgres",
            "ORDERS_POSTGRES_DBNAME": own,
            "ORDERS_POSTGRES_HOST": "127.0.0.1",
            "ORDERS_POSTGRES_PORT": str(postgres.port),
            "ORDERS_POSTGRES_USER": "postgres",
            "ORDERS_POSTGRES_PASSWORD": PASSWORD,
        }
        with ProjectionRunner(
            application_class=library_shop.Shop,
            projection_class=Orders,
            view_class=PgView,
            env=env,
        ) as runner:
            runner.wait(runner.app.recorder.max_notification_id(), timeout=20)
            view = trial.engine.live.running._view.view
            for name in TABLES:
                assert view.rows(name) == runner.view.rows(name)
            tracked = runner.view.max_tracking_id("Shop")
        assert view.max_tracking_id(trial.engine.live.running.application) == tracked

    def test_tables_have_the_values_of_the_view(self, scratch, tmp_path):
        """Each column is of the dtype that keeps its values."""
        trial = run(write_orders(tmp_path / "a.db", STEPS), scratch)
        orders = trial.table("orders")
        assert orders.schema == {
            "id": pl.String,
            "amount": pl.Decimal(38, 2),
            "lines": pl.Int64,
            "note": pl.String,
            "tags": pl.String,
            "about": pl.String,
            "at": pl.Datetime("us", "UTC"),
        }
        assert orders["tags"][0] == '{a,"b c"}'
        assert orders["about"][0] == '{"n": 1.50, "deep": [null]}'
        assert trial.table("log").schema == {
            "number": pl.Int64,
            "what": pl.String,
            "n": pl.Float64,
        }

    def test_explain_and_impact(self, scratch, tmp_path):
        """The change log is told as that of any projection."""
        trial = run(write_orders(tmp_path / "a.db", [(1, 4), (1, 2), (1, 5)]), scratch)
        (key,) = trial.table("orders")["id"]
        assert trial.explain(key, "lines", table="orders")["after"].to_list() == [0, 1, 2]
        assert set(trial.impact(2)["table"]) == {"orders", "pairs", "log"}


class TestLaws:
    """What holds for every history."""

    @given(made=steps)
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_log_ends_with_the_view_and_with_that_of_sqlite(self, new_path, scratch, made):
        """Replaying the change log gives the view's tables, also where events fail."""
        path = write_orders(new_path(), made)
        trial = run(path, scratch, on_error="collect")
        view = trial.engine.live.running._view.view
        for name in TABLES:
            table = trial.table(name)
            for row, expected in zip(table.rows(), view.rows(name), strict=True):
                assert row[1:3] == expected[1:3]
                assert str(row[0]) == str(expected[0])
        lite = replay(open_history(path), Orders, view=SQLView, progress=False, on_error="collect")
        ids = [(str(id_).replace("-", ""), *row) for id_, *row in trial.table("pairs").rows()]
        assert ids == lite.table("pairs").rows()
        assert_frame_equal(trial.failures, lite.failures)
        causes = ["position", "stream", "type"]
        assert_frame_equal(
            trial.changes("pairs").select(causes), lite.changes("pairs").select(causes)
        )

    @given(made=steps, upto=st.integers(1, 22))
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_table_as_of_a_position_is_that_of_a_shorter_history(
        self, new_path, scratch, made, upto
    ):
        """The tables as of a position are the view run up to there."""
        path = write_orders(new_path(), made)
        whole = run(path, scratch, on_error="collect")
        part = replay(
            open_history(path).between(upto=upto),
            Orders,
            view=PgView,
            scratch=scratch,
            on_error="collect",
            progress=False,
        )
        for name in ("orders", "pairs"):
            expected, found = part.table(name), whole.at(position=upto).table(name)
            assert found.height == expected.height
            if found.height:
                assert found.select(expected.columns).rows() == expected.rows()


class TestGoingOn:
    """Advancing, saving, stopping."""

    def test_advance_is_the_whole(self, scratch, tmp_path):
        path = write_orders(tmp_path / "a.db", STEPS[:5])
        trial = run(path, scratch)
        more(path, STEPS)
        assert_same(trial.advance(progress=False), run(path, scratch))

    def test_trial_that_was_saved_goes_on(self, scratch, tmp_path):
        """The view's tables are filled from the log, if that tells all of them."""
        path = write_orders(tmp_path / "a.db", STEPS[:7])
        run(path, scratch, Plain).save(tmp_path / "trial")
        more(path, STEPS)
        loaded = again(tmp_path / "trial", path, scratch, Plain)
        assert_same(loaded.advance(progress=False), run(path, scratch, Plain))

    def test_numbers_of_the_database_are_not_in_the_log(self, scratch, tmp_path):
        path = write_orders(tmp_path / "a.db", STEPS[:7])
        run(path, scratch).save(tmp_path / "trial")
        more(path, STEPS)
        loaded = again(tmp_path / "trial", path, scratch, PgView)
        with pytest.raises(errors.TrialError, match="makes the values of number"):
            loaded.advance(progress=False)

    def test_event_that_failed_leaves_no_trace(self, scratch, tmp_path):
        path = write_orders(tmp_path / "a.db", [(1, 1), (1, 2), (1, 13), (1, 3)])
        with pytest.raises(errors.HandlerError, match="thirteen") as caught:
            run(path, scratch)
        stopped = caught.value.trial
        assert stopped.table("pairs")["n"].to_list() == [2]
        with pytest.raises(errors.HandlerError, match="thirteen"):
            stopped.resume(progress=False)


class Plain(PgView):
    """A view of which the log tells all."""

    tables = (
        PgView.tables[0].replace("tags text[]", "tags text"),
        PgView.tables[1],
        "CREATE TABLE IF NOT EXISTS {0}.log (what text PRIMARY KEY, n float8)",
    )

    def place(self, order, amount, tracking):
        with self.datastore.transaction(commit=True) as c:
            self.run(c, "INSERT INTO {0}.orders VALUES (%s, %s, 0, NULL)", order, amount)
            self._insert_tracking(c, tracking)

    def run(self, cursor, text, *values):
        if "INTO {0}.log" in text:
            text += " ON CONFLICT (what) DO UPDATE SET n = excluded.n"
        super().run(cursor, text, *values)


class TestLeavesNothing:
    """The database is as it was."""

    def test_schema_goes_with_the_trial(self, postgres, database, scratch, tmp_path):
        path = write_orders(tmp_path / "a.db", STEPS)
        trial = run(path, scratch)
        assert len(schemas(postgres, database)) == 1
        del trial
        gc.collect()
        assert schemas(postgres, database) == []

    def test_schema_of_a_trial_that_was_killed_goes_with_the_next(
        self, postgres, database, scratch, tmp_path
    ):
        path = write_orders(tmp_path / "a.db", STEPS)
        kept = run(path, scratch)
        code = f"""
            import os, sys
            sys.path.insert(0, {os.path.dirname(__file__)!r})
            from test_postgres_view import *
            trial = run({str(path)!r}, {scratch!r})
            print("made", flush=True)
            os.kill(os.getpid(), {int(signal.SIGKILL)})
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False
        )
        assert done.stdout.strip() == b"made", done.stderr.decode()
        assert len(schemas(postgres, database)) == 2
        again = run(path, scratch)
        assert len(schemas(postgres, database)) == 2  # of the two that live
        assert_same(kept, again)
        del kept, again
        gc.collect()
        assert schemas(postgres, database) == []

    def test_password_is_in_no_message_and_no_recipe(self, postgres, tmp_path):
        path = write_orders(tmp_path / "a.db", STEPS)
        with pytest.raises(errors.WorkbenchError) as caught:
            run(path, postgres.url("no_such_database"))
        assert PASSWORD not in str(caught.value)
        trial = run(path, postgres.url(postgres.new_database()))
        assert PASSWORD not in str(trial.recipe.to_dict())
        trial.save(tmp_path / "trial")
        assert not any(
            PASSWORD.encode() in file.read_bytes() for file in (tmp_path / "trial").iterdir()
        )


class TestRefused:
    """What would write elsewhere, or cannot be told."""

    @pytest.fixture
    def path(self, tmp_path):
        return write_orders(tmp_path / "a.db", STEPS)

    def test_without_a_database(self, path):
        with pytest.raises(errors.ProjectionError, match="scratch='postgresql://"):
            run(path, None)

    def test_with_a_view_that_needs_none(self, path, scratch):
        for view in (SQLView, MemoryView):
            with pytest.raises(errors.ProjectionError, match="Leave scratch out"):
                run(path, scratch, view)

    def test_database_with_events(self, postgres, database, scratch, path):
        """A store is never written to, whatever the user named."""
        env = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": database,
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(postgres.port),
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": PASSWORD,
        }
        with library_shop.Shop(env):
            pass
        with pytest.raises(errors.ProjectionError, match="events are stored there"):
            run(path, scratch)
        assert schemas(postgres, database) == []

    def test_view_that_makes_a_table_elsewhere(self, postgres, database, scratch, path):
        class Elsewhere(PgView):
            tables = (*PgView.tables, "CREATE TABLE public.mine (n int)")

        with pytest.raises(errors.ProjectionError, match=r"writes to public\.mine"):
            run(path, scratch, Elsewhere)
        with closing(postgres.connect(database)) as db:
            assert db.execute("SELECT to_regclass('public.mine')").fetchone() == (None,)
        assert schemas(postgres, database) == []

    def test_view_that_writes_elsewhere(self, postgres, database, scratch, path):
        class Elsewhere(PgView):
            def empty(self, order, tracking):
                with self.datastore.transaction(commit=True) as c:
                    c.execute("INSERT INTO mine VALUES (1)")
                super().empty(order, tracking)

        with closing(postgres.connect(database)) as db:
            db.execute("CREATE TABLE mine (n int)")
            with pytest.raises(errors.ProjectionError, match=r"writes to public\.mine"):
                run(path, scratch, Elsewhere)
            assert db.execute("SELECT count(*) FROM mine").fetchone() == (0,)

    def test_table_without_a_key(self, scratch, path):
        class Keyless(PgView):
            tables = (*PgView.tables, "CREATE TABLE {0}.mine (n int)")

        with pytest.raises(errors.ProjectionError, match="'mine': it has no primary key"):
            run(path, scratch, Keyless)

    def test_tables_that_change(self, scratch, path):
        class Changing(PgView):
            def empty(self, order, tracking):
                with self.datastore.transaction(commit=True) as c:
                    self.run(c, "ALTER TABLE {0}.pairs ADD COLUMN more int")
                super().empty(order, tracking)

        with pytest.raises(errors.ProjectionError, match="has changed them while"):
            run(path, scratch, Changing)

    def test_user_who_may_make_no_schema(self, postgres, database, path):
        with closing(postgres.connect(database)) as db:
            db.execute("CREATE ROLE reader LOGIN PASSWORD 'r34der'")
        with pytest.raises(errors.ProjectionError, match="may make a schema") as caught:
            run(path, postgres.url(database, "reader", "r34der"))
        assert "r34der" not in str(caught.value)

    def test_no_url(self, path):
        with pytest.raises(errors.WorkbenchError, match="Cannot"):
            run(path, "no url at all")


class TestTransactions:
    """What a view may do with the library's datastore."""

    def test_what_a_view_takes_back_is_not_told(self, scratch, tmp_path):
        """Savepoints of its own, errors that it expects, and exceptions in functions."""

        class Careful(PgView):
            def empty(self, order, tracking):
                with self.datastore.transaction(commit=False) as c:
                    self.run(c, "DELETE FROM {0}.pairs")
                with self.datastore.get_connection() as conn:
                    try:
                        with conn.transaction():
                            c = conn.cursor()
                            self.run(c, "DELETE FROM {0}.pairs")
                            self.run(c, "INSERT INTO {0}.pairs VALUES (NULL, 'a', 1)")
                    except psycopg.errors.NotNullViolation:
                        pass
                try:
                    with self.datastore.transaction(commit=True) as c:
                        self.run(c, "DELETE FROM {0}.pairs")
                        self.run(c, "INSERT INTO {0}.nowhere VALUES (1)")
                except ProgrammingError:
                    pass
                with self.datastore.transaction(commit=True) as c:
                    c.execute(
                        "DO $$ BEGIN DELETE FROM pairs; RAISE 'no'; EXCEPTION "
                        "WHEN raise_exception THEN NULL; END $$"
                    )
                super().empty(order, tracking)

        path = write_orders(tmp_path / "a.db", STEPS)
        assert_same(run(path, scratch, Careful), run(path, scratch))
        assert_frame_equal(
            run(path, scratch, Careful).changes("pairs"), run(path, scratch).changes("pairs")
        )

    def test_positions_are_there_for_who_looks(self, scratch, tmp_path):
        """A view that asks for its position gets it; one that comes twice is refused."""
        seen = []

        class Asking(PgView):
            def place(self, order, amount, tracking):
                super().place(order, amount, tracking)
                seen.append(
                    (tracking.notification_id, self.max_tracking_id(tracking.application_name))
                )
                assert self.has_tracking_id(tracking.application_name, tracking.notification_id)
                with pytest.raises(IntegrityError):
                    self.insert_tracking(tracking)
                raised.append(1)

        raised = []
        run(write_orders(tmp_path / "a.db", STEPS), scratch, Asking)
        assert [one for one, _ in seen] == [other for _, other in seen]
        assert len(raised) == len(seen) == 3

    def test_constraints_that_are_put_off_fail_with_their_event(self, scratch, tmp_path):
        """A deferred constraint is checked at the end of the view's transaction."""

        class Deferred(PgView):
            tables = (
                *PgView.tables,
                (
                    "CREATE TABLE {0}.sums (n int, what text PRIMARY KEY, "
                    "CONSTRAINT once UNIQUE (n) DEFERRABLE INITIALLY DEFERRED)"
                ),
            )

            def place(self, order, amount, tracking):
                with self.datastore.transaction(commit=True) as c:
                    self.run(c, "INSERT INTO {0}.sums VALUES (1, %s)", f"{order}")
                    self.run(c, "INSERT INTO {0}.sums VALUES (1, %s)", f"{order}!")
                    n = tracking.notification_id
                    if n > 1:
                        self.run(c, "UPDATE {0}.sums SET n = %s WHERE what = %s", -n, f"{order}")
                        self.run(c, "UPDATE {0}.sums SET n = %s WHERE what = %s", n, f"{order}!")
                super().place(order, amount, tracking)

        trial = run(write_orders(tmp_path / "a.db", STEPS), scratch, Deferred, on_error="collect")
        assert trial.failures["position"].to_list()[0] == 1
        assert "once" in trial.failures["error"][0]
        assert trial.table("sums").height == 4

    def test_database_that_goes_away(self, postgres, scratch, tmp_path):
        """The trial ends with a clear error, and can be made again."""

        class Cut(PgView):
            def empty(self, order, tracking):
                with closing(postgres.connect()) as db:
                    db.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname <> 'postgres'"
                    )
                super().empty(order, tracking)

        path = write_orders(tmp_path / "a.db", STEPS)
        with pytest.raises(errors.ProjectionError, match="connection is lost"):
            run(path, scratch, Cut, on_error="collect")
        assert run(path, scratch).is_complete
