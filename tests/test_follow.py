"""The present reads like the past: each event once, in order, whatever happens to the source."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path

import polars as pl
import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import PLACED, SHIPPED, append, simple_rows, started_threads, write_native

from workbench import Projection, errors, handles, history, open_history, replay, table
from workbench.following import Follower
from workbench.sources import HeldBack, Selection
from workbench.tables import EVENTS


def more(start, count):
    """Return rows that go on from `simple_rows`."""
    return simple_rows(start + count - 1)[start - 1 :]


def numbers(frames):
    """Return the positions of frames."""
    return list(chain.from_iterable(frame["position"] for frame in frames))


def taken(frames, events):
    """Return the positions of so many events, then close the generator."""
    found = []
    with closing(frames):
        for frame in frames:
            found += frame["position"].to_list()
            if len(found) >= events:
                break
    return found


_WRITES = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stores import append
for row in pickle.load(sys.stdin.buffer):
    append(Path(sys.argv[2]), [row])
"""


@contextmanager
def writing(path, rows):
    """Write rows one by one in a process of its own: in one process, SQLite's locks are void."""
    folder = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", _WRITES, folder, path], stdin=subprocess.PIPE
    ) as process:
        process.stdin.write(pickle.dumps(rows))
        process.stdin.close()
        yield
        assert process.wait() == 0


@dataclass(frozen=True, eq=False)
class Double:
    """A double of a source: the rows of another, which fails as it is told to."""

    below: object
    fails: list = field(default_factory=list)
    looked: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.below, name)

    def _maybe(self):
        error = self.fails.pop() if self.fails else None
        if error is not None:
            raise error

    def head(self):
        self.looked.append(threading.get_ident())
        self._maybe()
        return self.below.head()

    @contextmanager
    def parts(self, selection, columns):
        with self.below.parts(selection, columns) as parts:
            yield (self._failing(part) for part in parts)

    def _failing(self, part):
        def read():
            self._maybe()
            return part()

        return read


class Announcer(Double):
    """A double of a source that announces what is new."""

    @contextmanager
    def waiting(self):
        self.looked.append("opened")
        try:
            yield self.looked.append
        finally:
            self.looked.append("closed")


class Withholder(Double):
    """A double of a source that holds something back."""

    def held_back(self):
        return HeldBack(3, 5, 2, "somebody writes")


@dataclass(frozen=True, eq=False)
class Logs(Double):
    """A double of a source of two partitions: the even and the odd positions of another."""

    after: dict = field(default_factory=dict)
    upto: dict | None = None

    def ends(self):
        self._maybe()
        head = self.below.head() or 0
        return {head % 2: head, (head + 1) % 2: head - 1} if head else {}

    def within(self, after, upto):
        return replace(self, after=after, upto=upto)

    @contextmanager
    def parts(self, selection, columns):
        with self.below.parts(selection, columns) as parts:
            yield (
                self._failing(lambda p=p, part=part: self._of(p, part))
                for part in [*parts]
                for p in self.upto
            )

    def _of(self, partition, part):
        low, high = self.after.get(partition, 0), self.upto[partition]
        kept = (pl.col("position") % 2 == partition) & pl.col("position").is_between(low + 1, high)
        found = part().filter(kept)
        if "partition" in found.columns:
            found = found.with_columns(partition=pl.lit(partition, pl.Int32))
        return found


def over(source, path):
    """Return the history of a store, read through a double."""
    return history.History(source(open_history(path).source))


def opened(store):
    """Return which files of a store this process has open."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    names = [os.readlink(link) for link in links if os.path.islink(link)]
    return [name for name in names if name.startswith(str(store))]


def down():
    """Return the error of a server that is away."""
    return errors.ServerUnreachableError("Cannot reach 'x': it is down. Wait.")


class TestEvents:
    """What comes."""

    def test_comes_while_it_is_written(self, tmp_path):
        """Every event comes once, in order, while another process writes."""
        rows = simple_rows(60)
        path = write_native(tmp_path / "a.db", rows[:20])
        frames = open_history(path).follow(after=0)
        with writing(path, rows[20:]):
            assert taken(frames, 60) == [row.position for row in rows]

    def test_frames_are_the_event_table(self, store):
        """A frame has the columns and dtypes of `EVENTS`, and the rows of `scan`."""
        small = open_history(store)
        frames = list(small.between(upto=30).follow(after=0))
        assert_frame_equal(pl.concat(frames), small.scan().collect())
        assert EVENTS.misfits(frames[0]) == []

    def test_begins_with_what_comes_after_the_call(self, store):
        """Without `after`, what is stored at the call is left out."""
        frames = open_history(store).follow()
        append(store, more(31, 2))
        assert taken(frames, 2) == [31, 32]

    def test_narrowed_history_begins_where_it_says(self, store):
        """A history that begins after a position is followed from there."""
        assert taken(open_history(store).between(after=27).follow(), 3) == [28, 29, 30]

    def test_ends_at_upto(self, store):
        """A history that ends at a position is followed to there."""
        assert numbers(open_history(store).between(upto=25).follow(after=20)) == [*range(21, 26)]

    def test_waits_for_upto(self, store):
        """It goes on until the last position is there, though it may never be an event."""
        frames = open_history(store).between(upto=34).follow(after=29)
        with writing(store, [*more(31, 2), *more(40, 1)]):
            assert numbers(frames) == [30, 31, 32]

    @pytest.mark.parametrize("name", ["of_types", "of_streams", "since"])
    def test_narrowed_history_yields_what_it_selects(self, store, name):
        """Types, streams and times are selected of new events as of old ones."""
        value = {"of_types": SHIPPED, "of_streams": "stream-1", "since": "2025-03-01T00:05"}[name]
        chosen = getattr(open_history(store), name)(value)
        append(store, more(31, 9))
        found = numbers(chosen.between(upto=39).follow(after=0))
        assert found == chosen.scan().collect()["position"].to_list()

    def test_recorder_is_followed(self):
        """An application in memory is followed too."""

        class Dog(Aggregate):
            @event("Named")
            def __init__(self, name):
                self.name = name

        app = Application()
        frames = open_history(app).follow()
        app.save(Dog("Fido"), Dog("Rex"))
        assert taken(frames, 2) == [1, 2]

    @pytest.mark.parametrize("made", ["in_memory", "edit"])
    def test_history_that_cannot_grow_ends(self, store, made):
        """A copy in memory, and an edited history, are followed to their end."""
        small = open_history(store)
        fixed = small.in_memory() if made == "in_memory" else small.edit(drop=3)
        append(store, more(31, 1))
        assert numbers(fixed.follow(after=28)) == [29, 30]

    def test_history_that_lost_its_end_is_refused(self, tmp_path):
        """Events that were there and are gone end it with an error."""
        path = write_native(tmp_path / "a.db", simple_rows(9))
        frames = open_history(path).follow(after=0)
        next(frames)
        path.unlink()
        write_native(path, simple_rows(3))
        with pytest.raises(errors.StoreUnreadableError, match="now ends at 3"):
            next(frames)

    def test_head_is_looked_for_at_the_call(self, tmp_path):
        """A source that is not available at the call raises there."""
        path = write_native(tmp_path / "a.db", simple_rows(3))
        broken = over(lambda source: Double(source, [down()]), path)
        with pytest.raises(errors.ServerUnreachableError):
            broken.follow()

    def test_nothing_is_held_back_by_a_file(self, store):
        """A SQLite file has one writer: nothing is held back."""
        assert open_history(store).held_back is None

    def test_source_says_what_it_holds_back(self, store):
        """What a source holds back is had from the history."""
        assert over(Withholder, store).held_back == HeldBack(3, 5, 2, "somebody writes")


class TestTrouble:
    """A source that is away for a while."""

    @given(
        st.lists(st.none() | st.builds(down), max_size=12),
        st.integers(0, 30),
        st.sampled_from([Double, Logs]),
    )
    def test_nothing_is_lost_or_doubled(self, new_path, fails, after, kind):
        """Wherever a reading fails, it goes on with what had not come."""
        path = write_native(new_path(), simple_rows(30))
        made = history.History(kind(open_history(path).source, list(fails)))
        chosen = made.between(upto=29)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workbench.following.FIRST_RETRY_S", 0.0)
            patch.setattr("workbench.following.LONGEST_RETRY_S", 0.0)
            try:
                frames = chosen.follow(after=after, on_trouble=lambda _: None)
            except errors.ServerUnreachableError:
                return
            found = pl.concat([EVENTS.frame(), *frames])
        assert sorted(found["position"]) == [*range(after + 1, 30)]
        assert (
            found.equals(found.sort("partition", "position", maintain_order=True)) or kind is Logs
        )
        for log in found.partition_by("partition"):
            assert log["position"].is_sorted()

    def test_callback_is_told(self, store):
        """`on_trouble` gets each error, then None when it is over."""
        told = []
        made = over(lambda source: Double(source, [down(), down(), None]), store)
        frames = made.between(upto=30).follow(on_trouble=told.append)
        assert numbers(frames) == []
        assert [type(error).__name__ for error in told] == [
            *("ServerUnreachableError", "ServerUnreachableError", "NoneType")
        ]

    def test_log_says_it_once(self, store, caplog):
        """Without a callback, the log says once that it is away, and once that it is back."""
        made = over(lambda source: Double(source, [down(), down(), down(), None]), store)
        with caplog.at_level(logging.WARNING, "workbench"):
            numbers(made.between(upto=30).follow())
        assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
            *("Cannot reach 'x'", "store.db is back.")
        ]

    def test_lasting_error_is_raised(self, store):
        """What does not pass by itself is raised."""
        gone = errors.StoreUnreadableError("Cannot read 'x': it is broken. Copy it again.")
        made = over(lambda source: Double(source, [gone, None]), store)
        with pytest.raises(errors.StoreUnreadableError, match="broken"):
            numbers(made.follow(after=0))


class TestEnd:
    """How it ends, and what is left."""

    def test_stop_ends_it(self, store):
        """An event that is set in another thread ends it."""
        stop = threading.Event()
        threading.Timer(0.05, stop.set).start()
        assert numbers(open_history(store).follow(stop=stop)) == []

    def test_interrupt_ends_it(self, store):
        """Ctrl-C while it waits is raised, as anywhere."""
        frames = open_history(store).follow()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            next(frames)

    @pytest.mark.parametrize("how", ["closed", "stopped", "dropped", "ended"])
    def test_leaves_nothing_behind(self, store, how):
        """No thread and no open file is left."""
        gc.collect()
        before = started_threads(), opened(store)
        stop = threading.Event()
        frames = open_history(store).between(upto=30).follow(after=0, stop=stop)
        next(frames)
        if how == "closed":
            frames.close()
        elif how == "stopped":
            stop.set()
            assert list(frames) == []
        elif how == "ended":
            assert numbers(frames) == []
        del frames
        gc.collect()
        assert (started_threads(), opened(store)) == before

    def test_waits_longer_the_longer_nothing_comes(self, store):
        """The pauses double, up to a quarter of a second."""
        announcer = Announcer(open_history(store).source)
        follower = Follower(announcer)
        steps = follower.each(lambda source, unread: iter([unread]))
        announcer.looked.clear()
        append(store, more(31, 1))
        assert next(steps) == Selection(after=30, upto=31)
        follower._stop = CountedStop(12)
        assert list(steps) == []
        pauses = [seen for seen in announcer.looked if isinstance(seen, float)]
        assert pauses == [0.02, 0.04, 0.08, 0.16, 0.25, *repeat(0.25, len(pauses) - 5)]

    def test_announcement_is_awaited_and_ended(self, store):
        """A source that announces is waited for by its own means, which are closed."""
        announcer = Announcer(open_history(store).source)
        stop = threading.Event()
        frames = history.History(announcer).follow(after=28, stop=stop)
        assert numbers([next(frames)]) == [29, 30]
        stop.set()
        assert list(frames) == []
        assert [announcer.looked[1], announcer.looked[-1]] == ["opened", "closed"]


class CountedStop:
    """A double of an event that is set after some looks at it."""

    def __init__(self, looks):
        self.looks = looks

    def is_set(self):
        self.looks -= 1
        return self.looks < 0


class Orders(Projection):
    """Counts the events of each stream."""

    orders = table(key={"stream": pl.String}, values={"events": pl.Int64})

    @handles(PLACED)
    def placed(self, found):
        """Count the event."""
        row = self.orders.get(found.stream) or {"events": 0}
        self.orders.set(found.stream, events=row["events"] + 1)


class Interrupting(Orders):
    """Presses Ctrl-C at the event after the 30th."""

    @handles(PLACED)
    def placed(self, found):
        """Count the event, and interrupt."""
        if found.position > 30:
            os.kill(os.getpid(), signal.SIGINT)
        self.orders.set(found.stream, events=1)


def by_type(events):
    """Count the events of each type."""
    return events.group_by("type").len()


class TestTrial:
    """A trial that is kept current."""

    @pytest.mark.parametrize(("projection", "key"), [(Orders, None), (by_type, "type")])
    def test_is_what_a_replay_would_be(self, store, projection, key):
        """The trial that comes is the one over all events there are."""
        small = open_history(store)
        trial = replay(small, projection, key=key, progress=False)
        with closing(trial.follow()) as trials:
            append(store, more(31, 9))
            current = next(trials)
            append(store, more(40, 9))
            current = next(trials)
        whole = replay(open_history(store), projection, key=key, progress=False)
        assert current.recipe.result_hash == whole.recipe.result_hash
        assert current.last_position == 48

    def test_what_came_before_comes_at_once(self, store):
        """What the trial has not read is there with the first."""
        trial = replay(open_history(store).between(upto=20), Orders, progress=False)
        late = replay(open_history(store), Orders, progress=False)
        append(store, more(31, 2))
        assert next(late.follow()).last_position == 32
        assert list(trial.follow()) == []

    def test_nothing_new_yields_nothing(self, store):
        """Where nothing comes, no trial does."""
        trial = replay(open_history(store), Orders, progress=False)
        stop = threading.Event()
        threading.Timer(0.05, stop.set).start()
        assert list(trial.follow(stop=stop)) == []

    def test_server_that_is_away_is_waited_for(self, store):
        """A failure between two looks is tried again."""
        double = Double(open_history(store).source)
        trial = replay(history.History(double), Orders, progress=False)
        append(store, more(31, 2))
        double.fails.extend([down(), None, down(), None])
        told = []
        with closing(trial.follow(on_trouble=told.append)) as trials:
            assert next(trials).last_position == 32
        assert [error is None for error in told] == [False, True, False, True]

    def test_interrupt_in_a_handler_ends_it(self, store):
        """A Ctrl-C while events are handled gives the trial as it is, and ends it."""
        trial = replay(open_history(store), Interrupting, progress=False)
        append(store, more(31, 8))
        found = list(trial.follow())
        assert [(made.is_complete, made.last_position) for made in found] == [(False, 31)]
