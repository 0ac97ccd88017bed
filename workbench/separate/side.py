"""A replay in a process of its own, as seen from here: begun, watched, stopped, and its trial."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from workbench import errors
from workbench.export import export
from workbench.processes import end, last_said, started
from workbench.reading import Progress
from workbench.replaying import load_trial
from workbench.revisions import Place, code_folder, commit_of
from workbench.separate.child import FAILED, SAVING, SO_FAR, TRIAL, Request
from workbench.trials.engine import edits_of, head_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from workbench.history import History
    from workbench.trials.apart import Apart
    from workbench.trials.trial import Trial

LOOK_EVERY_S = 0.05
GRACE_S = 5.0  # for a handler to return, after a stop
MOST_OF_COMMIT = 10  # digits of a commit in a trial's name


@dataclass(frozen=True)
class Handed:
    """A history as it was at one moment, and the file that has its events."""

    given: History
    pinned: History
    """The history up to its head as it was."""
    types: frozenset[str] | None
    """The names of all types of its source, None if every one is in the file."""
    file: Path


@contextmanager
def handed_over(history: History) -> Iterator[Handed]:
    """Yield a history as it is now, for other processes to read; its file is gone at the end.

    Raises
    ------
    ExportError
        If the events cannot be written.
    StoreUnreadableError
        If the source cannot be read.
    """
    pinned = history.between(upto=head_of(history))
    with tempfile.TemporaryDirectory(prefix="workbench-events-") as folder:
        file = Path(folder) / "events.parquet"
        export(pinned, file)
        # A handler of a type that the source has, and the selection has none of, is no mistake.
        types = history.type_names() if history.narrowed else None
        yield Handed(history, pinned.with_progress(None), types, file)


def check(apart: Apart, root: Path) -> None:
    """Raise what would be wrong before anything is read.

    Raises
    ------
    RevisionError
        If the places are none, or there is no such repository or revision.
    """
    revision = Place.of(apart.place).revision
    if apart.view is not None and Place.of(apart.view).revision is not None:
        msg = (
            f"Cannot take the view {apart.view!r} from a revision of its own: it is taken from "
            "that of the projection. Leave out its @REVISION."
        )
        raise errors.RevisionError(msg)
    if revision is not None:
        commit_of(revision, root)


class Side:
    """A replay in a process of its own; a context manager, with which the process ends.

    Parameters
    ----------
    apart
        What runs, and how.
    handed
        What it reads.
    root
        The folder from which modules are imported.
    """

    def __init__(self, apart: Apart, handed: Handed, root: Path) -> None:
        self._apart = apart
        self._place = Place.of(apart.place)
        self._handed = handed
        self._root = root
        self._stack = ExitStack()
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._told = ""

    def __enter__(self) -> Self:
        """Check out the revision, and start the process.

        Raises
        ------
        RevisionError
            If there is no such revision.
        """
        with ExitStack() as stack:
            paths, tree = stack.enter_context(code_folder(self._place.revision, self._root))
            named = tempfile.TemporaryDirectory(prefix="workbench-replay-")
            self._folder = Path(stack.enter_context(named))
            request = Request(
                apart=self._apart,
                module=self._place.module,
                name=self._place.name,
                paths=paths,
                tree=None if tree is None else str(tree),
                events=str(self._handed.file),
                source=self._handed.given.name,
                types=self._handed.types,
                folder=str(self._folder),
                parent=os.getpid(),
            )
            process = self._process = started("workbench.separate.child", self._folder)
            stack.callback(end, process)
            if process.stdin is not None:
                with suppress(BrokenPipeError), process.stdin as pipe:
                    pipe.write(msgspec.json.encode(request))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and take away its folders."""
        self._stack.close()

    def trial(
        self, report: Callable[[Progress], None], is_stopped: Callable[[], bool] = lambda: False
    ) -> Trial:
        """Return the trial, once the process has ended; what there is of it, if it is stopped.

        Parameters
        ----------
        report
            Told how far the replay is, now and then.
        is_stopped
            Asked now and then whether to end it.

        Raises
        ------
        WorkbenchError
            Of the class that was raised there, with its text.
        """
        # Not `wait`: once a database driver was in use, an interrupt would not end it.
        ends: float | None = None
        process = self._process
        while process is not None and process.poll() is None:
            if ends is None and is_stopped():
                process.send_signal(signal.SIGINT)
                ends = time.monotonic() + GRACE_S
            elif ends is not None and time.monotonic() > ends and not self._has(SAVING):
                end(process)
            self._pass_on(report)
            time.sleep(LOOK_EVERY_S)
        self._check(0 if process is None else process.returncode, stopped=ends is not None)
        return self._loaded()

    def _has(self, name: str) -> bool:
        """Return whether the process has written a file of this name."""
        return (self._folder / name).exists()

    def _pass_on(self, report: Callable[[Progress], None]) -> None:
        try:
            told = (self._folder / SO_FAR).read_text()
        except FileNotFoundError:
            return
        if told != self._told:
            self._told = told
            report(Progress(**json.loads(told)))

    def _check(self, code: int, *, stopped: bool) -> None:
        if code == 0:
            return
        if self._has(FAILED):
            told = json.loads((self._folder / FAILED).read_text(encoding="utf-8"))
            raise getattr(errors, told["kind"], errors.ReplayError)(told["message"])
        if stopped:
            why = "a handler did not return" if code == -signal.SIGKILL else "it had not begun"
            msg = (
                f"Stopped replaying into {self._apart.place!r} before there was a trial: {why}. "
                "Replay it again."
            )
            raise errors.ReplayError(msg)
        msg = (
            f"Cannot replay into {self._apart.place!r}: its process ended with {code}: "
            f"{last_said(self._folder)}. "
            "Run the projection in a notebook, where the whole error shows."
        )
        raise errors.ReplayError(msg)

    def _loaded(self) -> Trial:
        """Return the trial as one over the history, which it is, and not over its file."""
        given, pinned = self._handed.given, self._handed.pinned
        found = load_trial(self._folder / TRIAL, history=pinned)
        upto = pinned.selection.upto or 0
        recipe = replace(
            found.recipe,
            source=given.name,
            kind=given.source.kind,
            narrowed=given.narrowed,
            after=pinned.selection.after,
            upto=upto,
            edits=edits_of(given),
        )
        revision = self._place.revision
        return replace(
            found,
            name=found.name if revision is None else f"{found.name}@{_short(revision)}",
            history=pinned,
            last_position=upto if found.is_complete else found.last_position,
            engine=replace(found.engine, told=recipe, apart=self._apart),
        )


def _short(revision: str) -> str:
    """Return a revision as it is said: the first digits of a whole commit.

    Examples
    --------
    >>> _short("main~2"), _short("0123456789" * 4)
    ('main~2', '0123456789')
    """
    is_commit = len(revision) in {40, 64} and set(revision) <= set("0123456789abcdef")
    return revision[:MOST_OF_COMMIT] if is_commit else revision
