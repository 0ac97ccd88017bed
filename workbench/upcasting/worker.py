"""A process in which the user's code runs: it gets jobs, and answers that they are done.

It begins with a request on its standard input, and ends when that does. What the user's code
reads and prints is apart from it.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import polars as pl

from workbench.upcasting.loading import LoadingError, limit, loaded
from workbench.upcasting.wire import IDLE, LOADING, ROW, WATCHED, Answer, Job, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.upcasting.stepping import Stepper


def main() -> None:
    """Do what standard input says, job by job."""
    asked, answers = _pipes()
    request = msgspec.json.decode(asked.readline(), type=Request)
    with Path(request.watched).open("r+b") as file:
        watched = memoryview(mmap.mmap(file.fileno(), 8 * WATCHED)).cast("q")
    watched[ROW] = LOADING
    # Now, so that what loads late is not held against the user's memory.
    from workbench.upcasting.stepping import Stepper

    run = _runner(request)
    limit(request.memory_bytes)
    error = None
    try:
        stepper = Stepper(loaded(request), watched)
    except LoadingError as refused:
        error = str(refused)
    except BaseException as raised:  # noqa: BLE001, SystemExit too, of the user's
        said = (str(raised).splitlines() or [""])[0][:300]
        error = (
            f"Cannot load the named modules: {type(raised).__name__}: {said}. Mend what they do "
            "when they are imported."
        )
    watched[ROW] = IDLE
    # What is printed from now on is lost: a line an event would fill the disk.
    os.dup2(1, 2)
    _say(answers, Answer(-1, error))
    if error is None:
        for line in asked:
            job = msgspec.json.decode(line, type=Job)
            _work(job, stepper, run)
            _say(answers, Answer(job.number))
    # What the user's code has registered for the end, and its threads, are not waited for.
    os._exit(0)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes of this process, and give the user's code others in their place."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return asked, answers


def _say(answers: BinaryIO, answer: Answer) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()


def _work(job: Job, stepper: Stepper, run: Callable[[Job, pl.DataFrame, Stepper], Any]) -> None:
    found = run(job, pl.read_ipc_stream(job.file), stepper)
    unfinished = Path(f"{job.answer}.part")
    unfinished.write_bytes(msgspec.json.encode(found))
    unfinished.rename(job.answer)


def _runner(request: Request) -> Callable[[Job, pl.DataFrame, Stepper], Any]:
    """Return what is done to the events of a job."""
    if request.kind == "dry run":
        from workbench.upcasting.dry_run import DryRun

        return lambda job, frame, stepper: DryRun(stepper, job.once).of(frame)
    if request.kind == "forms":
        from workbench.upcasting.forms import forms_of

        return lambda _, frame, stepper: forms_of(frame, stepper)
    if request.kind == "state":
        from workbench.upcasting.standing import standing

        return lambda _, frame, stepper: standing(frame, stepper)
    from workbench.upcasting.rebuilding import rebuilt

    return lambda _, frame, stepper: rebuilt(frame, stepper)


if __name__ == "__main__":
    main()
