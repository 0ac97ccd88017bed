"""A PostgreSQL server that refuses, fails, restarts, or announces what is new."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
import traceback
from contextlib import closing, contextmanager, suppress

import polars as pl
import pytest
from postgres_stores import LAYOUTS, insert, write
from servers.postgres import PASSWORD
from servers.process import free_port
from shown import places_of
from stores import simple_rows, started_threads

from workbench import Projection, errors, handles, open_history, replay, table
from workbench.sources import postgres_server
from workbench.sources.postgres_sql import Statements

LAYOUT = LAYOUTS["native, text"]
SECRET = "wr0ng-s3cret/@:"
ESCAPED = "wr0ng-s3cret%2F%40%3A"


@pytest.fixture
def url(postgres):
    """Return the URL of a store of 30 events."""
    return write(postgres, LAYOUT, simple_rows(30))


@pytest.fixture
def _small_parts(monkeypatch):
    """Let a reading have several parts."""
    monkeypatch.setattr("workbench.sources.postgres.ROWS_A_PART", 4)
    monkeypatch.setattr("workbench.sources.postgres.FIRST_RANGE", 4)


def add(postgres, url, start, count):
    """Write more events, as the library announces them."""
    with closing(postgres.connect(url.rpartition("/")[2])) as db:
        insert(db, LAYOUT, simple_rows(start + count - 1)[start - 1 :])
        db.execute('NOTIFY "shop_events"')


def connections(postgres, url):
    """Return how many connections the workbench has to a database."""
    with closing(postgres.connect(url.rpartition("/")[2])) as db:
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'event-workbench' AND datname = current_database()"
        )
        return db.execute(query).fetchone()[0]


class TestRefused:
    """What cannot be opened says why, and what to do."""

    def test_server_that_is_down(self):
        """Nobody listens."""
        with pytest.raises(errors.ServerUnreachableError, match="Check that it runs"):
            open_history(f"postgresql://ann:{ESCAPED}@127.0.0.1:{free_port()}/db")

    def test_wrong_password(self, postgres):
        """The server refuses the password, which is not repeated."""
        wrong = postgres.url("postgres").replace(PASSWORD, ESCAPED)
        with pytest.raises(errors.AccessDeniedError, match="PGPASSWORD") as caught:
            open_history(wrong)
        said = "".join(traceback.format_exception(caught.value))
        assert "s3cret" not in said

    def test_no_such_database(self, postgres):
        """The database is not there."""
        with pytest.raises(errors.StoreNotFoundError, match="Check the database's name"):
            open_history(postgres.url("none_of_that_name"))

    def test_no_such_user(self, postgres):
        """A user that is not there is refused like a wrong password."""
        with pytest.raises(errors.AccessDeniedError):
            open_history(postgres.url("postgres", user="nobody_of_that_name"))

    def test_tls_that_is_not_offered(self, postgres, url):
        """TLS that is asked for, and that the server does not offer, is told."""
        with pytest.raises(errors.StoreUnreadableError, match="sslmode"):
            open_history(f"{url}?sslmode=require")

    def test_no_permission_on_a_table(self, postgres, url):
        """A table that may not be read is named."""
        with closing(postgres.connect()) as db:
            db.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        try:
            other = postgres.url(url.rpartition("/")[2], "stranger", "x")
            with pytest.raises(errors.AccessDeniedError, match=r"shop_events.*Grant SELECT"):
                len(open_history(other))
        finally:
            with closing(postgres.connect()) as db:
                db.execute("DROP ROLE stranger")

    @pytest.mark.parametrize(
        "wrong", [f"ann:{SECRET}x@host/db", f"ann:{SECRET}@host:port/db", f"{SECRET}?@host/db"]
    )
    def test_password_that_is_not_encoded(self, wrong):
        """A URL that cannot be understood is shown without what may be a password."""
        with pytest.raises(errors.WorkbenchError) as caught:
            open_history(f"postgresql://{wrong}")
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


class TestCredentials:
    """Where a password comes from, and where it does not go."""

    def test_environment(self, postgres, url, monkeypatch):
        """PGPASSWORD is used, as by any client."""
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        found = open_history(url.replace(f":{PASSWORD}", ""))
        assert found.scan().collect().height == 30

    def test_password_file(self, postgres, url, monkeypatch, tmp_path):
        """A .pgpass file is used."""
        path = tmp_path / ".pgpass"
        path.write_text(f"*:*:*:*:{PASSWORD}\n")
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        monkeypatch.setenv("PGPASSFILE", os.fspath(path))
        assert len(open_history(url.replace(f":{PASSWORD}", ""))) == 30

    def test_secret_is_in_nothing_that_is_shown_or_kept(self, postgres, url, tmp_path):
        """Representations, recipes, logs, errors, answers and files have no password."""
        gone = url.replace(f":{postgres.port}/", f":{free_port()}/")
        assert places_of(PASSWORD, url, gone, tmp_path) == []


@pytest.mark.usefixtures("_small_parts")
class TestInMidRead:
    """What happens while something is read."""

    def test_timeout_leaves_what_was_read(self, postgres, url, monkeypatch):
        """A statement that takes too long ends the reading; what came before it stays usable."""
        history = open_history(f"{url}?timeout=0.5")
        ask = Statements.rows

        def slow(statements, selection, columns):
            query = ask(statements, selection, columns)
            late = (selection.after or 0) >= 12
            return (
                query.replace(" WHERE ", " WHERE pg_sleep(9) IS NOT NULL AND ") if late else query
            )

        monkeypatch.setattr(Statements, "rows", slow)
        frames = []
        with pytest.raises(errors.StoreUnreadableError, match=r"timeout=2.*stays usable"):
            frames.extend(history.batches())
        assert pl.concat(frames)["position"].to_list()[:4] == [1, 2, 3, 4]

    def test_restart_in_mid_read_is_waited_for(self, postgres, url):
        """A server that restarts in the midst of a reading costs no event."""
        source = open_history(url).source
        with source.parts(source_all(), {"position"}) as parts:
            found = [next(parts)()]
            left = list(parts)
            postgres.stop()
            starting = threading.Timer(0.3, postgres.start)
            starting.start()
            found += [part() for part in left]
            starting.join()
        assert pl.concat(found)["position"].to_list() == [*range(1, 31)]

    def test_server_that_stays_away_is_told(self, postgres, url, monkeypatch):
        """After a while the reading ends with an error, and what was read stays usable."""
        monkeypatch.setattr(postgres_server, "RETURN_S", 0.2)
        source = open_history(url).source
        with source.parts(source_all(), {"position"}) as parts:
            first = next(parts)()
            left = list(parts)
            postgres.stop()
            try:
                with pytest.raises(errors.ServerUnreachableError):
                    left[0]()
            finally:
                postgres.start()
        assert first.height

    def test_server_that_stops_answering(self, postgres, url, monkeypatch):
        """A server that hangs ends the reading with an error; what was read stays usable."""
        monkeypatch.setattr(postgres_server, "SLACK_S", 0.5)
        source = open_history(f"{url}?timeout=1").source
        with source.parts(source_all(), {"position"}) as parts:
            first = next(parts)()
            left = list(parts)
            with (
                frozen(postgres),
                pytest.raises(errors.ServerUnreachableError, match=r"within 1\.5 s.*stays usable"),
            ):
                left[0]()
        assert first["position"].to_list() == [1, 2, 3, 4]
        # What was left alone ends now, and closes its connection.
        wait_until(lambda: not connections(postgres, url))
        wait_until(lambda: "workbench-waiting" not in {t.name for t in threading.enumerate()})

    def test_question_that_is_not_answered(self, postgres, url, monkeypatch):
        """A small question to a server that hangs ends too, and leaves no thread."""
        monkeypatch.setattr(postgres_server, "SLACK_S", 0.5)
        source = open_history(f"{url}?timeout=1").source
        with source.server.session() as session:
            assert session.ask("SELECT 1") == [(1,)]
            before = threading.active_count()
            with (
                frozen(postgres),
                pytest.raises(errors.ServerUnreachableError, match=r"within 1\.5 s"),
            ):
                session.ask("SELECT 1")
            assert threading.active_count() == before

    def test_server_that_says_nothing(self, postgres, url):
        """A server that takes a connection, and says nothing, is one that does not answer."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(errors.ServerUnreachableError):
                open_history(url.replace(f":{postgres.port}/", f":{port}/") + "?connect_timeout=2")

    def test_table_that_is_dropped_is_told(self, postgres, url):
        """A table that is gone is an error of the store."""
        history = open_history(url)
        with closing(postgres.connect(url.rpartition("/")[2])) as db:
            db.execute("DROP TABLE shop_events")
        with pytest.raises(errors.StoreUnreadableError, match="shop_events"):
            history.scan().collect()


def wait_until(is_so):
    """Wait for a state, which must come."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def frozen(postgres):
    """Let the server's processes that serve the workbench no longer answer."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'event-workbench'"
    with closing(postgres.connect()) as db:
        processes = [pid for (pid,) in db.execute(query).fetchall()]
    assert processes
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def source_all():
    """Return the selection of everything."""
    from workbench.sources import Selection

    return Selection()


class TestLive:
    """New events, as they come."""

    def test_announcement_is_waited_for(self, postgres, url):
        """NOTIFY ends the wait, which else would take its time."""
        source = open_history(url).source
        assert source.capabilities.live
        with source.waiting() as wait:
            assert source.head() == 30
            announcing = threading.Timer(0.1, add, (postgres, url, 31, 1))
            announcing.start()
            before = time.monotonic()
            wait(60.0)
            assert time.monotonic() - before < 30
            assert source.head() == 31
            announcing.join()

    def test_announcement_during_a_question_is_not_lost(self, postgres, url):
        """What is announced while something else is asked ends the next wait."""
        source = open_history(url).source
        with source.waiting() as wait:
            add(postgres, url, 31, 1)
            assert source.head() == 31
            before = time.monotonic()
            wait(60.0)
            assert time.monotonic() - before < 30

    def test_follower_survives_a_restart(self, postgres, url):
        """A server that restarts while it is followed loses and repeats nothing."""
        told, found = [], []
        frames = open_history(url).between(upto=36).follow(after=28, on_trouble=told.append)
        found += next(frames)["position"].to_list()
        postgres.stop()
        starting = threading.Timer(
            0.3, lambda: (postgres.start(), add(postgres, url, 31, 3), add(postgres, url, 34, 3))
        )
        starting.start()
        for frame in frames:
            found += frame["position"].to_list()
        starting.join()
        assert found == [*range(29, 37)]
        assert isinstance(told[0], errors.ServerUnreachableError)
        assert told[-1] is None

    def test_trial_is_kept_current(self, postgres, url):
        """A trial follows, over a restart too."""
        trial = replay(open_history(url), Orders, progress=False)
        with closing(trial.follow(on_trouble=lambda _: None)) as trials:
            add(postgres, url, 31, 2)
            assert next(trials).last_position == 32
            postgres.stop()
            postgres.start()
            add(postgres, url, 33, 2)
            current = next(trials)
        whole = replay(open_history(url), Orders, progress=False)
        assert current.recipe.result_hash == whole.recipe.result_hash

    def test_follower_leaves_nothing_behind(self, postgres, url):
        """One connection asks and listens, one reads; none is left, nor a thread."""
        before = started_threads()
        frames = open_history(url).follow(after=0)
        next(frames)
        assert 1 <= connections(postgres, url) <= 3
        frames.close()
        assert any(connections(postgres, url) == 0 for _ in range(500))
        assert started_threads() == before


class Orders(Projection):
    """Counts the events of each stream."""

    orders = table(key={"stream": pl.String}, values={"events": pl.Int64})

    @handles("Order.Placed")
    def placed(self, found):
        """Count the event."""
        row = self.orders.get(found.stream) or {"events": 0}
        self.orders.set(found.stream, events=row["events"] + 1)


def test_missing_extra_is_named(monkeypatch):
    """Without the client, the error has the feature, the extra and the line to install it."""
    monkeypatch.setattr("workbench.targets.find_spec", lambda _: None)
    with pytest.raises(errors.MissingExtraError, match=r"event-workbench\[postgres\]"):
        open_history("postgresql://host/db")
