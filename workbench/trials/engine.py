"""What makes trials: running a plan over a history, stopping, and going on."""

from __future__ import annotations

import time as clock
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import HandlerError, ProjectionError, TrialError
from workbench.progress import shown
from workbench.projections.plan import FramePlan
from workbench.projections.running import Interrupt
from workbench.reading import Progress
from workbench.sources import Selection
from workbench.tables import FAILURES, HANDLED, PROFILE
from workbench.trials.files import TrialFolder
from workbench.trials.recipe import Recipe, digest_of, source_hash
from workbench.trials.stopping import slices, stopping
from workbench.trials.tables import ComputedTables, LoggedTables
from workbench.trials.trial import Trial

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from workbench.history import History
    from workbench.projections.plan import Plan
    from workbench.projections.running import Running
    from workbench.trials.apart import Apart

    Wanted = bool | Callable[[Progress], None]
    """Whether progress is shown, or who is told of it."""

CHECKPOINT_S = 10.0


class Live:
    """A projection as a trial left it; it can be taken once, since it goes on with who takes it."""

    def __init__(self, running: Running) -> None:
        self._running: Running | None = running
        self._keeps_own_state = False

    @property
    def keeps_own_state(self) -> bool:
        """Whether it holds, or held, more than its tables, which no change log tells."""
        if self._running is not None:
            return self._running.keeps_own_state
        return self._keeps_own_state

    @property
    def running(self) -> Running | None:
        """The projection, None once somebody has taken it."""
        return self._running

    def take(self) -> Running | None:
        """Return the projection, None if somebody has taken it."""
        running, self._keeps_own_state = self._running, self.keeps_own_state
        self._running = None
        return running


@dataclass(frozen=True)
class Engine:
    """What a trial needs to be made again, and to go on.

    `live` is the projection as the trial left it, for the first that goes on from there;
    whoever comes later starts from the change log.
    """

    plan: Plan | FramePlan | None
    history: History | None
    """As the user gave it: it grows with its source."""
    on_error: str
    folder: TrialFolder | None = None
    live: Live | None = None
    told: Recipe | None = None
    """The recipe of a trial that was loaded."""
    stale: str | None = None
    """Why a loaded trial cannot go on."""
    stop: threading.Event | None = None
    """Ends the run, once it is set."""
    apart: Apart | None = None
    """What has run in a process of its own, and is not here."""

    # Making trials

    def begin(self, upto: int, progress: Wanted) -> Trial:
        """Return the trial over the history up to a position."""
        history, plan = self._at_hand()
        if isinstance(plan, FramePlan):
            trial = self._computed(plan, history, upto)
            if self.folder is not None:
                self.folder.save(trial)
            return trial
        running = plan.start(history, stops=self.on_error == "stop")
        if self.folder is not None:
            self.folder.clear()
        return self._run(running, None, upto, progress)

    def _computed(self, plan: FramePlan, history: History, upto: int) -> Trial:
        begun = clock.perf_counter()
        pinned = _pinned(history, upto)
        tables = ComputedTables(plan, pinned)
        tables.table(plan.name, None)
        return Trial(
            name=plan.name,
            history=pinned,
            events=len(pinned),
            last_position=upto,
            elapsed_s=clock.perf_counter() - begun,
            is_complete=True,
            failures=FAILURES.frame(),
            handled=HANDLED.frame(),
            profile=PROFILE.frame(),
            handlers={},
            recorded=tables,
            engine=self,
        )

    def _run(self, running: Running, before: Trial | None, upto: int, progress: Wanted) -> Trial:
        history, _ = self._at_hand()
        pinned = _pinned(history, upto)
        begun, earlier = clock.perf_counter(), before.elapsed_s if before else 0.0
        interrupt, last = Interrupt(), before.last_position if before else None
        low = last or max(pinned.selection.after or 0, (history.source.tail() or 1) - 1)

        def made(*, is_complete: bool) -> Trial:
            return Trial(
                name=self._named(),
                history=pinned,
                events=running.events,
                last_position=upto if is_complete else last or 0,
                elapsed_s=earlier + clock.perf_counter() - begun,
                is_complete=is_complete,
                failures=running.failures(),
                handled=running.handled(),
                profile=running.profile(),
                handlers=dict(running.handlers),
                recorded=LoggedTables(self._named(), running.logs()),
                engine=replace(self, live=Live(running), told=None, stop=None),
            )

        def so_far(position: int) -> Progress:
            total, took = max(upto - low, 1), clock.perf_counter() - begun
            return Progress(min(position - low, total), total, took, running.events)

        chosen = Selection(after=last, types=running.types)
        unread = replace(pinned, selection=pinned.selection.meet(chosen))
        saved = clock.monotonic()
        with (
            stopping(interrupt, self.stop),
            shown(progress, f"replaying {self._named()}") as report,
            closing(unread.batches(running.columns)) as batches,
        ):
            try:
                for batch in slices(batches):
                    done = running.feed(batch, interrupt)
                    if done < batch.height:
                        done += _rest_of_position(running, batch, done)
                    last = int(batch["position"][done - 1]) if done else last
                    report(so_far(last or low))
                    if interrupt.asked or (self.stop is not None and self.stop.is_set()):
                        interrupt.asked = True  # whoever watches `stop` may be about to say so
                        break
                    if self.folder is not None and clock.monotonic() - saved > CHECKPOINT_S:
                        self.folder.keep(made(is_complete=False), running)
                        saved = clock.monotonic()
            except (HandlerError, ProjectionError) as error:
                last = _last_handled(running, batch, last)
                error.trial = made(is_complete=False)
                self._keep(error.trial, running)
                raise
            is_complete = not interrupt.asked or (last or 0) >= upto
            if is_complete:
                report(so_far(low + max(upto - low, 1)))
            trial = made(is_complete=is_complete)
        self._keep(trial, running)
        return trial

    def _keep(self, trial: Trial, running: Running) -> None:
        if self.folder is not None:
            self.folder.keep(trial, running)

    # Going on

    def rerun(self, trial: Trial, progress: Wanted) -> Trial:
        """Return the trial made anew; see `Trial.rerun`."""
        self._at_hand()
        upto = self._upto(trial)
        return replace(self, live=None, folder=None).begin(upto, progress)

    def resume(self, trial: Trial, progress: Wanted, stop: threading.Event | None = None) -> Trial:
        """Return the trial with what was left; see `Trial.resume`."""
        if trial.is_complete:
            return trial
        return replace(self, stop=stop)._go_on(trial, self._upto(trial), progress)  # noqa: SLF001

    def advance(self, trial: Trial, progress: Wanted) -> Trial:
        """Return the trial with what has come since; see `Trial.advance`.

        Raises
        ------
        TrialError
            If the history has lost its end.
        """
        history, plan = self._at_hand()
        if not history.source.capabilities.total_order:
            msg = (
                f"Cannot go on with the trial of {trial.name}: {history.name!r} has several "
                "partitions and no total order, so that new events need not come after position "
                f"{trial.last_position:,}. Replay it anew, or open one partition."
            )
            raise TrialError(msg)
        head = head_of(history)
        if head < trial.last_position:
            msg = (
                f"Cannot advance the trial of {trial.name} from position {trial.last_position:,}: "
                f"{history.name!r} now ends at {head:,}. Events that it has read are gone; "
                "replay the history as it is."
            )
            raise TrialError(msg)
        if isinstance(plan, FramePlan):
            return replace(self, folder=None).begin(head, progress)
        if head == trial.last_position and trial.is_complete:
            return trial
        return self._go_on(trial, head, progress)

    def followed(self) -> History:
        """Return the history that a trial goes on over."""
        return self._at_hand()[0]

    def _upto(self, trial: Trial) -> int:
        if trial.history is None or trial.history.selection.upto is None:
            return trial.last_position
        return trial.history.selection.upto

    def _go_on(self, trial: Trial, upto: int, progress: Wanted) -> Trial:
        history, plan = self._at_hand()
        if self.stale is not None:
            raise TrialError(self.stale)
        if isinstance(plan, FramePlan):
            return self.begin(upto, progress)
        running = self.live.take() if self.live is not None else None
        if running is None:
            if self.keeps_own_state:
                raise TrialError(own_state(trial.name))
            logs = {name: trial.recorded.log(name) for name in trial.table_names}
            running = plan.go_on(history, logs, stops=self.on_error == "stop")
            running.take_over(trial)
        running.renew(history)
        return self._run(running, trial, upto, progress)

    def _named(self) -> str:
        return self.plan.name if self.plan is not None else "a trial"

    def _at_hand(self) -> tuple[History, Plan | FramePlan]:
        if self.apart is not None:
            msg = (
                f"Cannot go on with the trial of {self.apart.place!r}: it ran in a process of its "
                "own, and its code is not here. Replay it again, with replay_revision."
            )
            raise TrialError(msg)
        if self.history is None or self.plan is None:
            missing = "its history" if self.history is None else "its projection"
            msg = (
                f"Cannot go on with the trial of {self.told.projection if self.told else '?'}: it "
                f"was loaded without {missing}. Load it with "
                "load_trial(folder, history=..., projection=...)."
            )
            raise TrialError(msg)
        return self.history, self.plan

    # What is known of a trial

    @property
    def keeps_own_state(self) -> bool:
        """Whether the projection holds more than its tables, which no change log tells."""
        return self.live is not None and self.live.keeps_own_state

    def coverage(self, trial: Trial) -> pl.DataFrame:
        """Return which events were seen, handled and ignored; see `Trial.coverage`."""
        if trial.history is None:
            self._at_hand()
        read = trial.history.between(upto=max(trial.last_position, 0))  # type: ignore[union-attr]
        seen = read.scan().group_by("type", "schema_version").agg(pl.len().alias("seen")).collect()
        failed = trial.failures.group_by("type", "schema_version").agg(pl.len().alias("failed"))
        which = ["type", "schema_version"]
        found = (
            seen.join(trial.handled, on=which, how="left", nulls_equal=True)
            .join(failed, on=which, how="left", nulls_equal=True)
            .with_columns(pl.col("events", "failed").fill_null(0))
            .with_columns(
                handled=pl.col("events") - pl.col("failed"),
                ignored=pl.col("seen") - pl.col("events"),
            )
        )
        named = pl.DataFrame(
            {"type": list(trial.handlers), "handler": list(trial.handlers.values())},
            schema={"type": pl.String, "handler": pl.String},
        )
        counts = ("seen", "handled", "failed", "ignored")
        return (
            found.join(named, on="type", how="full", coalesce=True)
            .with_columns(pl.col(counts).fill_null(0))
            .sort("type", "schema_version")
        )

    def recipe(self, trial: Trial) -> Recipe:
        """Return how the trial came to be; see `Trial.recipe`."""
        if self.told is not None:
            return self.told
        history, plan = self._at_hand()
        pinned = trial.history or history
        return Recipe(
            source=history.name,
            kind=history.source.kind,
            narrowed=history.narrowed,
            after=pinned.selection.after,
            upto=self._upto(trial),
            edits=edits_of(history),
            projection=plan.name,
            projection_hash=source_hash(*plan.code),
            on_error=self.on_error,
            result_hash=result_hash(trial),
        )

    def save(self, trial: Trial, folder: str | Path) -> Path:
        """Write the trial to a folder; see `Trial.save`."""
        return TrialFolder.at(folder).save(trial)


def own_state(projection: str) -> str:
    """Return why a trial cannot go on whose projection keeps more than its tables."""
    return (
        f"Cannot go on with the trial of {projection}: the projection keeps more than its tables, "
        "which is neither in the change log nor in a folder. Use trial.rerun(), or keep "
        "everything in tables."
    )


def result_hash(trial: Trial) -> str:
    """Return SHA-256 of every change and failure of a trial."""
    frames: dict[str, list[pl.DataFrame]] = {"failures": [trial.failures.drop("data")]}
    for name in trial.table_names:
        if isinstance(trial.recorded, LoggedTables):
            log = trial.recorded.log(name)
            frames[name] = [log.keys, log.entries, log.after]
        else:
            frames[name] = [trial.table(name)]
    return digest_of(frames)


def edits_of(history: History) -> tuple[str, ...]:
    """Return what was changed in a history, in words."""
    return tuple(f"{edit.name}: {edit.does}" for edit in history.edits)


def head_of(history: History) -> int:
    """Return the last position that a history may read as of now."""
    head, upto = history.source.head() or 0, history.selection.upto
    return head if upto is None else min(head, upto)


def _pinned(history: History, upto: int) -> History:
    return replace(history, selection=history.selection.meet(Selection(upto=upto)))


def _rest_of_position(running: Running, batch: pl.DataFrame, done: int) -> int:
    """Handle what is left of a position that was begun: to go on begins after a position."""
    if not done:
        return 0
    rest = batch[done:].filter(pl.col("position") == batch["position"][done - 1])
    return running.feed(rest, Interrupt()) if rest.height else 0


def _last_handled(running: Running, batch: pl.DataFrame, last: int | None) -> int | None:
    """Return the last position before the one that failed."""
    failed = running.failed_at
    before = batch["position"].filter(batch["position"] < failed) if failed is not None else None
    return int(before[-1]) if before is not None and before.len() else last
