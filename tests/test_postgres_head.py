"""Nothing missed, nothing twice: PostgreSQL numbers that commit in any order, or never."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import psycopg
import pytest
from postgres_stores import LAYOUTS, insert, write
from stores import PLACED, Row, simple_rows

from workbench import open_history
from workbench.sources import Selection, postgres_head

RUNS = 200
INSERT = (
    "INSERT INTO shop_events (originator_id, originator_version, topic, state) "
    "VALUES (%s, %s, %s, %s) RETURNING notification_id"
)
STREAMS = iter(range(10**9))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Let nothing wait for writers that a test leaves open."""
    monkeypatch.setattr(postgres_head, "FIRST_GRACE_S", 0.0)
    monkeypatch.setattr(postgres_head, "GRACE_S", 0.0)


@pytest.fixture(scope="module")
def database(postgres):
    """Return the URL of a database with an empty table of events."""
    return write(postgres, LAYOUTS["native, text"], [])


@contextmanager
def table(postgres, url):
    """Yield a way to begin writers on an empty table, all of which are ended at last."""
    name = url.rpartition("/")[2]
    with ExitStack() as opened:
        empty(opened.enter_context(closing(postgres.connect(name))))
        yield lambda: Writer(opened.enter_context(closing(psycopg.connect(postgres.url(name)))))


def empty(db):
    """Take all events out of the table, and begin its numbers anew."""
    db.execute("TRUNCATE shop_events RESTART IDENTITY")


class Writer:
    """A transaction that writes events, and has its numbers from the sequence."""

    def __init__(self, db):
        self.db, self.numbers = db, []

    def write(self, events=1):
        """Insert events, without a commit."""
        for _ in range(events):
            row = (f"s{next(STREAMS)}", 1, PLACED, b"{}")
            self.numbers += self.db.execute(INSERT, row).fetchone()
        return self

    def end(self, *, commits=True):
        """End the transaction, and return the numbers that it has left."""
        (self.db.commit if commits else self.db.rollback)()
        done, self.numbers = self.numbers if commits else [], []
        return done


def positions(history, after=0):
    """Return the positions that are handed out now."""
    return history.between(after=after).scan().select("position").collect()["position"].to_list()


class Reader:
    """Somebody who opens a source, and reads what is new now and then."""

    def __init__(self, opened):
        # Its own head, and connections that are there already.
        self.source = replace(opened, safe=postgres_head.SafeHead(opened.layout))
        self.found = []

    def look(self):
        """Read on from the last that was seen."""
        head, last = self.source.head() or 0, self.found[-1] if self.found else 0
        with self.source.parts(Selection(after=last, upto=head), {"position"}) as parts:
            for part in parts:
                self.found += part()["position"].to_list()
        assert self.found[-1:] in ([], [head])


def run(chance, writers, opened):
    """Let writers and readers do what chance says; return the readers."""
    readers = [Reader(opened)]
    for _ in range(chance.randrange(6, 18)):
        writer = chance.choice(writers)
        match chance.randrange(7):
            case 0 | 1 | 2:
                writer.write(chance.randrange(1, 3))
            case 3:
                writer.end()
            case 4:
                writer.end(commits=False)
            case 5:
                chance.choice(readers).look()
            case _:
                readers.append(Reader(opened))
                readers[-1].look()
    for writer in writers:
        writer.end(commits=chance.random() < 0.7)
    for reader in readers:
        reader.look()
    return readers


def test_writers_in_any_order_lose_and_repeat_nothing(postgres, database):
    """Transactions that commit in any order, stay open, or are rolled back: each event once.

    200 runs; in each, readers begin at any time.
    """
    opened = open_history(database).source
    with (
        table(postgres, database) as new_writer,
        closing(postgres.connect(database.rpartition("/")[2])) as db,
        opened.waiting(),
    ):
        writers = [new_writer() for _ in range(4)]
        seen = 0
        for seed in range(RUNS):
            empty(db)
            readers = run(random.Random(seed), writers, opened)
            stored = numbers(db)
            assert [reader.found for reader in readers] == [stored] * len(readers)
            seen += len(stored)
        assert seen > RUNS


def numbers(db):
    """Return the numbers that are in the table."""
    query = "SELECT notification_id FROM shop_events ORDER BY 1"
    return [number for (number,) in db.execute(query).fetchall()]


def test_follower_of_busy_writers_gets_each_event_once(postgres, database):
    """Several writers at once, some of whom roll back: a follower gets what they commit."""
    with table(postgres, database) as new_writer, ThreadPoolExecutor(4) as pool:

        def work(writer, seed):
            chance = random.Random(seed)
            for _ in range(40):
                writer.write(chance.randrange(1, 4)).end(commits=chance.random() < 0.8)
            # So that there is a last number, which everybody has come to.
            writer.write().end()

        work_left = [pool.submit(work, new_writer(), seed) for seed in range(4)]
        stop, found = threading.Event(), []
        for frame in open_history(database).follow(after=0, stop=stop):
            found += frame["position"].to_list()
            if all(task.done() for task in work_left):
                break
        for task in work_left:
            task.result()
        with closing(postgres.connect(database.rpartition("/")[2])) as db:
            stored = numbers(db)
        rest = open_history(database).between(upto=stored[-1]).follow(after=found[-1])
        found += [number for frame in rest for number in frame["position"]]
        assert found == stored


class TestHeldBack:
    """What is there, and may still be preceded."""

    def test_event_after_an_open_transaction_is_held_back(self, postgres, database):
        """It is said how many, up to where, and who is in the way; it comes when that one ends."""
        with table(postgres, database) as new_writer:
            new_writer().write(2).end()
            history = open_history(database)
            assert (history.head, history.held_back) == (2, None)
            slow = new_writer().write()
            new_writer().write(2).end()
            held = history.held_back
            assert (held.after, held.upto, held.events) == (2, 5, 2)
            assert f"process {slow.db.info.backend_pid} since 20" in held.reason
            assert (history.head, len(history), positions(history)) == (2, 2, [1, 2])
            assert (history.source.state(4), history.source.tail()) == (None, 1)
            slow.end()
            assert (history.head, history.held_back, len(history)) == (5, None, 5)

    def test_rollback_lets_go(self, postgres, database):
        """What was held back for a transaction that is rolled back comes then."""
        with table(postgres, database) as new_writer:
            history = open_history(database)
            slow = new_writer().write()
            new_writer().write().end()
            assert history.head is None
            slow.end(commits=False)
            assert positions(history) == [2]

    def test_transaction_that_only_reads_holds_nothing_back(self, postgres, database):
        """Readers, and writers of other tables, are not in the way."""
        with table(postgres, database) as new_writer:
            new_writer().write().end()
            reader = new_writer()
            reader.db.execute("SELECT * FROM shop_events")
            reader.db.execute("CREATE TEMPORARY TABLE other (a int)")
            assert open_history(database).head == 1

    def test_later_transactions_are_told_from_earlier_ones(self, postgres, database):
        """A new writer does not hold back what others waited for."""
        with table(postgres, database) as new_writer:
            history = open_history(database)
            first, second = new_writer().write(), new_writer()
            new_writer().write().end()
            assert history.head is None
            second.write()
            first.end()
            assert history.head == 2
            second.end()
            assert history.head == 3

    def test_old_holes_are_dead_to_a_new_reader(self, postgres, database, monkeypatch):
        """Who opens while a writer is open gets what is older than the writer."""
        monkeypatch.setattr(postgres_head, "MARGIN", 0)
        with table(postgres, database) as new_writer:
            for commits in (True, False, True, False, True):
                new_writer().write().end(commits=commits)
            slow = new_writer().write()
            new_writer().write().end()
            assert positions(open_history(database)) == [1, 3, 5]
            slow.end(commits=False)
            assert positions(open_history(database)) == [1, 3, 5, 7]

    def test_every_hole_counts_near_a_writer(self, postgres, database):
        """Among transactions that are about as old as the writer, any hole may be its own."""
        with table(postgres, database) as new_writer:
            for commits in (True, True, False, True):
                new_writer().write().end(commits=commits)
            new_writer().write()
            assert positions(open_history(database)) == [1, 2]

    def test_writer_without_a_number_of_its_own_holds_back_all_after_a_hole(
        self, postgres, database, monkeypatch
    ):
        """A transaction that has a lock and has written nothing yet tells no age."""
        monkeypatch.setattr(postgres_head, "MARGIN", 0)
        with table(postgres, database) as new_writer:
            for commits in (True, False, True):
                new_writer().write().end(commits=commits)
            new_writer().db.execute("DELETE FROM shop_events WHERE false")
            assert positions(open_history(database)) == [1]

    def test_nothing_is_held_back_where_no_number_is_missing(self, postgres, database):
        """A writer that may write holds back nothing of an unbroken row of numbers."""
        with table(postgres, database) as new_writer:
            new_writer().write().end()
            idle = new_writer()
            idle.db.execute("LOCK TABLE shop_events IN ROW EXCLUSIVE MODE")
            new_writer().write().end()
            history = open_history(database)
            assert positions(history) == [1, 2]


def test_django_numbers_are_shared(postgres):
    """Applications that share a table share its numbers: who writes holds back all."""
    layout = LAYOUTS["django"]
    url = write(postgres, layout, simple_rows(3))
    name = url.rpartition("/")[2]
    with (
        closing(postgres.connect(name)) as db,
        closing(psycopg.connect(postgres.url(name))) as slow,
    ):
        history = open_history(f"{url}?application=Shop")
        assert history.head == 3
        slow.execute("UPDATE stored_events SET topic = topic WHERE false")
        insert(db, layout, [Row(9, "late", 1, PLACED, b"{}")])
        assert (history.head, history.held_back.events) == (3, 1)
        slow.rollback()
        assert history.head == 9
