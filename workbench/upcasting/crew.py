"""The processes in which the user's code runs, as this one sees them.

Each gets a job at a time, with one more waiting. One that ends by itself, or does not come
to an end with an event, is replaced, and that event is left out: all others are still done.
"""

from __future__ import annotations

import mmap
import queue
import time as clock
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
import polars as pl

from workbench.errors import UpcasterError
from workbench.processes import end, last_said, started
from workbench.upcasting.wire import (
    AGAIN,
    IDLE,
    LOADING,
    ROW,
    TICK,
    WATCHED,
    Answer,
    Job,
    Request,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MOST_DEATHS = 3
"""So often may events of one type and version end a process, before the others are left out."""
LOOK_EVERY_S = 0.05
WAITING = 2
LOADING_LIMIT_S = 60.0
STILL_LIMIT_S = 60.0
"""Seconds without a sign between two events, such as in a comparison of the user's values."""
_ENV = {"POLARS_MAX_THREADS": "1"}


class OutOfTimeError(Exception):
    """The whole has taken as long as it may."""


class Death(NamedTuple):
    """An event that ended a process, or was not done with in time."""

    row: dict[str, Any]
    reason: str


@dataclass
class Task:
    """Some events, and what has happened with them."""

    number: int
    frame: pl.DataFrame
    left: pl.DataFrame
    """What is to be done of them."""
    deaths: list[Death] = field(default_factory=list)
    once: list[int] = field(default_factory=list)
    untried: list[tuple[pl.DataFrame, str]] = field(default_factory=list)
    """Events that were given up, and why."""
    answer: bytes | None = None
    tries: int = 0


class _Worker:
    """One process, and the tasks that it has."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.folder = folder / f"process-{number}"
        self.folder.mkdir()
        self.tasks: deque[Task] = deque()
        self.process: subprocess.Popen[bytes] | None = None
        self.turn = 0
        """How often it was started."""
        self.reader: Thread | None = None
        file = self.folder / "watched"
        file.write_bytes(bytes(8 * WATCHED))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 8 * WATCHED)
        self.watched = memoryview(self._memory).cast("q")
        self.seen: tuple[int, int] = (0, 0)
        self.since = clock.monotonic()

    def release(self) -> None:
        self.watched.release()
        self._memory.close()


class Crew:
    """Processes for one kind of work with one version of the user's code; a context manager.

    Parameters
    ----------
    request
        What they are for; the watched file is set here.
    folder
        An empty folder for what goes between them.
    size
        How many.
    event_limit_s
        Seconds that the user's code may take for one event.
    ends
        When everything has to be done, by `time.monotonic`.
    drop
        What is left of a task without an event that ended a process.
    """

    def __init__(
        self,
        request: Request,
        folder: Path,
        *,
        size: int,
        event_limit_s: float,
        ends: float | None,
        drop: Callable[[pl.DataFrame, dict[str, Any]], pl.DataFrame],
    ) -> None:
        self._request = request
        self._folder = folder
        self._event_limit_s = event_limit_s
        self._ends = ends
        self._drop = drop
        self._said: queue.Queue[tuple[_Worker, int, bytes | None]] = queue.Queue()
        self._workers = [_Worker(number, folder) for number in range(size)]
        self._done: dict[int, Task] = {}
        self._deaths: Counter[tuple[Any, Any]] = Counter()
        self._again: Counter[tuple[Any, Any]] = Counter()
        self._looked = clock.monotonic()

    def __enter__(self) -> Self:
        """Start the processes."""
        try:
            for worker in self._workers:
                self._start(worker)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        for worker in self._workers:
            self._stop(worker)
            worker.release()

    # Processes

    def _start(self, worker: _Worker) -> None:
        worker.turn += 1
        worker.watched[ROW], worker.watched[AGAIN] = LOADING, 0
        worker.since = clock.monotonic()
        process = started("workbench.upcasting.worker", worker.folder, answers=True, env=_ENV)
        worker.process = process
        request = msgspec.structs.replace(self._request, watched=str(worker.folder / "watched"))
        self._tell(worker, request)
        worker.reader = Thread(
            target=self._listen, args=(worker, worker.turn, process.stdout), daemon=True
        )
        worker.reader.start()

    def _stop(self, worker: _Worker) -> None:
        process, reader = worker.process, worker.reader
        if process is None or reader is None:
            return
        out, process.stdout = process.stdout, None
        end(process)
        # What it has started in a session of its own may hold the pipe open.
        reader.join(timeout=1.0)
        if out is not None and not reader.is_alive():
            out.close()
        worker.process = worker.reader = None

    def _tell(self, worker: _Worker, what: Request | Job) -> None:
        if worker.process is not None and worker.process.stdin is not None:
            # That it is gone is seen where it answers.
            with suppress(OSError):
                worker.process.stdin.write(msgspec.json.encode(what) + b"\n")
                worker.process.stdin.flush()

    def _listen(self, worker: _Worker, turn: int, pipe: Any) -> None:  # noqa: ANN401, a binary file
        for line in pipe:
            self._said.put((worker, turn, line))
        self._said.put((worker, turn, None))

    # Tasks

    def run(self, frames: Iterable[pl.DataFrame]) -> Iterator[Task]:
        """Yield what becomes of frames, in their order.

        Raises
        ------
        UpcasterError
            If the user's code cannot be loaded.
        OutOfTimeError
            If the time is over.
        """
        waiting, number, is_over = iter(frames), 0, False
        following = 0
        while True:
            while not is_over and (worker := self._idle()) is not None:
                frame = next(waiting, None)
                if frame is None:
                    is_over = True
                    break
                indexed = frame.with_row_index("row")
                self._give(worker, Task(number, indexed, indexed))
                number += 1
            while following in self._done:
                yield self._done.pop(following)
                following += 1
            if is_over and following == number:
                return
            if following not in self._done:
                self._wait()

    def _idle(self) -> _Worker | None:
        """Return the process that has least to do, None if all have enough."""
        worker = min(self._workers, key=lambda w: len(w.tasks))
        ahead = len(self._done) + sum(len(w.tasks) for w in self._workers)
        most = 4 * WAITING * len(self._workers)
        return worker if len(worker.tasks) < WAITING and ahead < most else None

    def _give(self, worker: _Worker, task: Task) -> None:
        """Write a task's events to a file, and tell the process."""
        self._leave_out(task)
        task.tries += 1
        worker.tasks.append(task)
        if len(worker.tasks) == 1:
            worker.since = clock.monotonic()
        file = self._file(task, "arrow")
        task.left.write_ipc_stream(file)
        job = Job(task.number, str(file), str(self._file(task, "json")), tuple(task.once))
        self._tell(worker, job)

    def _file(self, task: Task, kind: str) -> Path:
        return self._folder / f"{task.number}-{task.tries}.{kind}"

    def _leave_out(self, task: Task) -> None:
        """Take out events like those that have ended processes too often."""
        for path, deaths in self._again.items():
            if deaths >= MOST_DEATHS:
                task.once += task.left.filter(_of(path))["row"].to_list()
        for path, deaths in self._deaths.items():
            if deaths >= MOST_DEATHS:
                given_up = _of(path)
                gone = task.left.filter(given_up)
                if gone.height:
                    reason = f"{deaths} events of this type and version ended a process"
                    task.untried.append((gone, reason))
                    task.left = task.left.filter(~given_up)

    # Waiting

    def _wait(self) -> None:
        """Take in what has been answered, and see to processes that do not answer."""
        try:
            worker, turn, line = self._said.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            self._look()
            return
        if clock.monotonic() - self._looked > 1.0 and self._said.empty():
            self._look()  # one process may answer so often that the other is never looked at
        if turn != worker.turn:
            return
        if line is None:
            self._died(worker, self._ending(worker))
        else:
            self._answered(worker, line)
        if self._ends is not None and clock.monotonic() > self._ends:
            raise OutOfTimeError

    def _answered(self, worker: _Worker, line: bytes) -> None:
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except msgspec.DecodeError:
            self._died(worker, "it answered with something else")
            return
        if answer.number < 0:
            if answer.error is not None:
                raise UpcasterError(answer.error)
            return
        if not worker.tasks or worker.tasks[0].number != answer.number:
            self._died(worker, "it answered with something else")
            return
        task = worker.tasks.popleft()
        worker.since = clock.monotonic()
        found = self._file(task, "json")
        task.answer = found.read_bytes() if found.exists() else None
        for file in (found, self._file(task, "arrow")):
            file.unlink(missing_ok=True)
        self._done[task.number] = task

    def _look(self) -> None:
        """End processes whose user's code takes too long.

        Raises
        ------
        OutOfTimeError
            If the time is over.
        """
        now = self._looked = clock.monotonic()
        if self._ends is not None and now > self._ends:
            raise OutOfTimeError
        for worker in self._workers:
            seen = (worker.watched[ROW], worker.watched[TICK])
            if seen != worker.seen:
                worker.seen, worker.since = seen, now
            if seen[0] == LOADING and now - worker.since > LOADING_LIMIT_S:
                self._died(worker, f"importing the modules took over {LOADING_LIMIT_S:.0f} s")
            elif seen[0] >= 0 and now - worker.since > self._event_limit_s:
                self._died(worker, f"no end after {self._event_limit_s:g} s")
            elif seen[0] == IDLE and worker.tasks and now - worker.since > STILL_LIMIT_S:
                self._died(worker, f"gave no sign for {STILL_LIMIT_S:g} s")

    def _ending(self, worker: _Worker) -> str:
        code = None if worker.process is None else worker.process.wait()
        return f"ended with signal {-code}" if code and code < 0 else f"ended with code {code}"

    def _died(self, worker: _Worker, reason: str) -> None:
        """Replace a process, and leave out the event at which it ended.

        Raises
        ------
        UpcasterError
            If it has not come to its first event.
        """
        row, again = worker.watched[ROW], worker.watched[AGAIN]
        self._stop(worker)
        if row == LOADING:
            msg = (
                "Cannot load the named modules: the process that imports them "
                f"{reason}: {last_said(worker.folder)}. Mend what they do when they are imported."
            )
            raise UpcasterError(msg)
        tasks = list(worker.tasks)
        worker.tasks.clear()
        if tasks:
            self._survive(tasks[0], row, reason, again=bool(again))
        self._start(worker)
        for task in tasks:
            if task.number not in self._done:
                self._file(task, "arrow").unlink(missing_ok=True)
                self._give(worker, task)

    def _survive(self, task: Task, row: int, reason: str, *, again: bool) -> None:
        """Take out of a task what ended its process."""
        culprit = task.left.filter(pl.col("row") == row)
        # Its first end may be the machine's, so it is tried once more.
        if row == IDLE or not culprit.height:
            if task.tries > 1:
                task.untried.append((task.left, f"its process {reason}"))
                self._done[task.number] = task
            return
        found = culprit.row(0, named=True)
        path = (found["type"], found["schema_version"])
        if again:
            task.once.append(row)
            self._again[path] += 1
            return
        task.deaths.append(Death(found, reason))
        self._deaths[path] += 1
        task.left = self._drop(task.left, found)


def _of(path: tuple[Any, Any]) -> pl.Expr:
    """Return the condition on events to be of a type and stored version."""
    type_, version = path
    of_type: pl.Expr = pl.col("type") == type_
    if version is None:
        return of_type & pl.col("schema_version").is_null()
    return of_type & pl.col("schema_version").eq_missing(pl.lit(version))
