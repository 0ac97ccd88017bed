"""A projection while it runs: the one loop that gives events to handlers.

Each kind of projection says what is called for each event of a batch; what every run
keeps, whatever its kind, is kept here: the change logs, failures, coverage and timings.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from workbench.changelog.writer import Cursor
from workbench.errors import HandlerError, ProjectionError
from workbench.tables import FAILURES, HANDLED, PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import LogWriter
    from workbench.errors import WorkbenchError
    from workbench.history import History
    from workbench.trials.trial import Trial

AT_ONCE = 8192  # events whose changes are Python objects at the same time, few enough for a cache
Call = tuple["Spent", "Callable[[Any], object]", Any]
"""What an event comes to: what to book the time on, what to call, and with what."""

Processed = tuple["Callable[[Any, Any], object]", Any, Any]
"""What a projection of the library is given: its handler, an event, and the event's position."""


class Spent:
    """The time that a handler took, with what it takes to call it."""

    __slots__ = ("handler", "ns")

    def __init__(self, handler: str) -> None:
        self.handler = handler
        self.ns = 0


class Interrupt:
    """Whether the user asked to stop."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


class Running(ABC):
    """A projection while it runs over a history."""

    columns: ClassVar[tuple[str, ...]]
    """The columns of the event table that it is fed."""
    types: frozenset[str] | None = None
    """The event types that it handles, None for all."""

    def __init__(self, *, stops: bool) -> None:
        self.cursor = Cursor()
        self.stops = stops
        self.events = 0
        """How many events were given to handlers."""
        self.failed_at: int | None = None
        """The position of the event that ended the run, if one did."""
        self._spent: dict[str, Spent] = {}
        self._failed: list[tuple[int, str, str]] = []
        self._failures: list[pl.DataFrame] = []
        self._handled: list[pl.DataFrame] = []

    # What each kind says

    @property
    @abstractmethod
    def handlers(self) -> Mapping[str, str]:
        """The handler of each event type, by name; also of types that the history lacks."""

    @property
    @abstractmethod
    def writers(self) -> Mapping[str, LogWriter]:
        """The change log of each table while it is written."""

    @abstractmethod
    def calls(self, batch: pl.DataFrame) -> Iterator[list[Call]]:
        """Yield what each event of a batch comes to, in order, a list at a time."""

    @property
    def keeps_own_state(self) -> bool:
        """Whether the projection holds more than its tables, which no change log tells."""
        return False

    def undo(self) -> None:
        """Take back what the present event has changed."""
        for writer in self.writers.values():
            writer.undo()

    def renew(self, history: History) -> None:  # noqa: B027, most have none to learn
        """Take note of event types that the history has come to have."""

    def close(self) -> None:  # noqa: B027, most open nothing
        """Let go of what the run has opened."""

    # What they all do

    def feed(self, batch: pl.DataFrame, interrupt: Interrupt) -> int:
        """Handle the events of a batch; return how many: all, unless the user interrupts.

        Raises
        ------
        HandlerError, ProjectionError
            If an event cannot be processed and the run stops at failures. What came
            before it is kept.
        """
        collects = gc.isenabled()
        gc.disable()  # a batch makes many objects, and frees them without help
        try:
            done = 0
            for part in batch.iter_slices(AT_ONCE):
                done += self._feed(part, interrupt)
                if interrupt.asked:
                    break
            return done
        finally:
            if collects:
                gc.enable()

    def _feed(self, batch: pl.DataFrame, interrupt: Interrupt) -> int:
        cursor, clock, done = self.cursor, perf_counter_ns, 0
        try:
            for calls in self.calls(batch):
                before = clock()
                for spent, call, argument in calls:
                    if interrupt.asked:
                        return done
                    cursor.event = done
                    try:
                        call(argument)
                    except Exception as error:  # noqa: BLE001, what a user's code raises
                        self._fail(batch, done, spent.handler, error)
                    now = clock()
                    spent.ns += now - before
                    before = now
                    done += 1
        except KeyboardInterrupt:
            self.undo()
            interrupt.asked = True
        finally:
            cursor.event = -1
            self._settle(batch.head(done))
        return done

    def _fail(self, batch: pl.DataFrame, event: int, handler: str, error: Exception) -> None:
        """Take back what an event has changed, and note that it failed, or stop.

        Raises
        ------
        HandlerError, ProjectionError
            If the run stops at failures.
        """
        self.undo()
        if self.stops:
            self.failed_at = int(batch["position"][event])
            raise _stopped(batch.row(event, named=True), handler, error) from error
        self._failed.append((event, handler, f"{type(error).__name__}: {error}"))

    def _settle(self, batch: pl.DataFrame) -> None:
        self.events += batch.height
        for writer in self.writers.values():
            writer.settle(batch)
        if batch.height:
            counted = batch.group_by("type", "schema_version").len("events")
            self._handled.append(counted.cast({"events": pl.Int64}))
        if self._failed:
            events, handlers, errors = zip(*self._failed, strict=True)
            found = batch[pl.Series(events, dtype=pl.UInt32)].with_columns(
                handler=pl.Series(handlers, dtype=pl.String),
                error=pl.Series(errors, dtype=pl.String),
            )
            self._failures.append(FAILURES.conform(found))
            self._failed.clear()

    def spent(self, handler: str) -> Spent:
        """Return where to book the time of a handler."""
        return self._spent.setdefault(handler, Spent(handler))

    def take_over(self, trial: Trial) -> None:
        """Go on counting where a trial ended."""
        self.events = trial.events
        self._failures, self._handled = [trial.failures], [trial.handled]
        for handler, seconds in trial.profile.select("handler", "seconds").rows():
            self.spent(handler).ns = round(seconds * 1e9)

    def logs(self) -> dict[str, ChangeLog]:
        """Return the change logs so far."""
        return {name: writer.log() for name, writer in self.writers.items()}

    def failures(self) -> pl.DataFrame:
        """Return what could not be processed: `workbench.tables.FAILURES`."""
        return pl.concat([FAILURES.frame(), *self._failures])

    def handled(self) -> pl.DataFrame:
        """Return how many events were given to handlers: `workbench.tables.HANDLED`."""
        counted = pl.concat([HANDLED.frame(), *self._handled])
        found = counted.group_by("type", "schema_version").agg(pl.col("events").sum())
        self._handled = [HANDLED.conform(found.sort("type", "schema_version"))]
        return self._handled[0]

    def profile(self) -> pl.DataFrame:
        """Return the time that each handler took: `workbench.tables.PROFILE`."""
        events = dict.fromkeys(self._spent, 0)
        for type_, _, count in self.handled().rows():
            events[self.handlers[type_]] += count
        rows = [(s.handler, events[s.handler], s.ns / 1e9) for s in self._spent.values()]
        found = pl.DataFrame(
            rows, {"handler": pl.String, "events": pl.Int64, "seconds": pl.Float64}, orient="row"
        )
        mean = pl.when(pl.col("events") > 0).then(pl.col("seconds") / pl.col("events") * 1e6)
        return PROFILE.conform(
            found.with_columns(mean_us=mean).sort("seconds", descending=True, maintain_order=True)
        )


def _stopped(event: Mapping[str, Any], handler: str, error: Exception) -> WorkbenchError:
    kind = ProjectionError if isinstance(error, ProjectionError) else HandlerError
    said = f"{type(error).__name__}: {error}".rstrip(".")
    return kind(
        f"Cannot replay the event at position {event['position']:,} ({event['type']}): {handler} "
        f"raised {said}. Mend the handler, or replay with "
        "on_error='collect', which lists such events in trial.failures and goes on."
    )


def undecodable(problem: str | None) -> ValueError:
    """Return what is raised for an event whose payload cannot be decoded."""
    return ValueError(f"the payload cannot be decoded: {problem}")
