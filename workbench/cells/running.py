"""Running the projection of a cell, and after an edit no more of it than has to be.

Where only handlers differ from the last run, and streams are independent in both (see
`workbench.projections.independence`), the streams that have events of those handlers are
replayed, and take the place of what they had written before. Whenever that cannot be
proven, or would not be worth it, everything is run, and the reason is said.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from workbench.cells.part import Part
from workbench.errors import ReplayError
from workbench.projections.independence import Watch, WatchedPlan
from workbench.projections.plan import FramePlan
from workbench.projections.versions import Version, edit_between, version_of
from workbench.sources import Selection
from workbench.trials.engine import Engine, head_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.history import History
    from workbench.projections.declared import Projection
    from workbench.reading import Progress
    from workbench.trials.trial import Trial

    Wanted = bool | Callable[[Progress], None]

MOST_SHARE = 0.25
"""The share of all streams from which on replaying everything is as quick."""
MOST_STREAMS = 5_000
MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Ran:
    """One run of the projection of a cell, with what the next run has to know."""

    history: History
    on_error: str
    trial: Trial
    how: str
    """What was replayed, and why, in words."""
    events: int
    """How many events handlers were given in this run."""
    took_s: float
    """How many seconds this run took."""
    tables: dict[str, pl.DataFrame] = field(repr=False)
    """The tables at the end of this run."""
    watch: Watch = field(repr=False)
    version: Version | None = field(repr=False, default=None)


def run(
    history: History,
    projection: type[Projection] | FramePlan,
    *,
    before: Ran | None = None,
    on_error: str = "stop",
    everything: bool = False,
    progress: Wanted = True,
) -> Ran:
    """Return the run of a projection over a history.

    Parameters
    ----------
    history
        The events. They are read up to the head as it is now.
    projection
        A class, or a Polars function with its key.
    before
        The last run of the projection of that name, if there is one to go on from.
    on_error, progress
        As in `workbench.replay`.
    everything
        Whether all events are replayed in any case.

    Raises
    ------
    ReplayError
        If the projection cannot be run, or a handler raised and `on_error` is 'stop'.
    KeyboardInterrupt
        If the user interrupts a replay of some streams, which is nothing by itself.
    """
    begun = clock.perf_counter()

    def ran(trial: Trial, how: str, events: int, watch: Watch, version: Version | None) -> Ran:
        took_s = clock.perf_counter() - begun
        return Ran(history, on_error, trial, how, events, took_s, trial.tables, watch, version)

    if isinstance(projection, FramePlan):
        trial = Engine(projection, history, on_error).begin(head_of(history), progress)
        how = "replayed everything: a Polars function is computed as a whole"
        return ran(trial, how, trial.events, Watch(), None)
    version = version_of(projection)
    cell = _Cell(history, projection, version, on_error, progress)
    why = "as asked" if everything else _not_comparable(before, cell)
    if before is not None and why is None:
        found = cell.go_on(before)
        if not isinstance(found, str):
            return ran(*found)
        why = found
    plan = WatchedPlan(projection)
    trial = Engine(plan, history, on_error).begin(head_of(history), progress)
    version = _after(version, version_of(projection))
    return ran(trial, f"replayed everything: {why}", trial.events, plan.watch, version)


def are_alike(one: History, other: History) -> bool:
    """Return whether two histories are called the same and narrowed in the same way.

    That is enough to hold the tables of two runs against each other.
    """
    return _called(one) == _called(other)


def _called(history: History) -> tuple[object, ...]:
    edits = getattr(history, "edits_in_words", ())
    return history.name, history.source.kind, history.application, history.narrowed, edits


def _is_same(one: History, other: History) -> bool:
    """Return whether two histories select the same events of one opened source.

    A store that was opened again may be another by now, of the same name.
    """
    try:
        return one is other or bool(one == other)
    except TypeError:  # what they hold cannot be held against each other
        return False


def _not_comparable(before: Ran | None, cell: _Cell) -> str | None:  # noqa: PLR0911, a reason each
    """Return why there is nothing to go on from, None if there is."""
    if before is None or before.version is None:
        return "this is the first run over this history"
    if not _is_same(before.history, cell.history):
        return "the history was opened anew since the last run"
    if before.on_error != cell.on_error:
        return f"errors were met with {before.on_error!r} in the last run"
    if not before.trial.is_complete:
        return "the last run was interrupted"
    if head_of(cell.history) < before.trial.last_position:
        return "the history ends before the last run did"
    if unproven := before.version.unproven or cell.version.unproven:
        return unproven
    if before.trial.engine.keeps_own_state:
        return "the projection keeps more than its tables"
    return None


def _after(before: Version, after: Version) -> Version:
    """Return the version after a run, which must have changed nothing of it."""
    if before == after or before.unproven:
        return before
    things = [*before.outside.items(), *((name, v) for (_, name), v in before.members.items())]
    now = {**after.outside, **{name: v for (_, name), v in after.members.items()}}
    changed = next((name for name, told in things if now.get(name) != told), "something")
    return replace(before, unproven=f"the run has changed {changed}, which is no table")


Found = tuple["Trial", str, int, Watch, Version]
"""A trial, how it was made, events that were handled, the watch, and the version."""


@dataclass(frozen=True)
class _Cell:
    """A projection that is to be run, and in what way."""

    history: History
    projection: type[Projection]
    version: Version
    on_error: str
    progress: Wanted

    def go_on(self, before: Ran) -> Found | str:
        """Return the run as it follows from the last one, or why it does not follow."""
        edit = edit_between(before.version or self.version, self.version)
        if edit.too_much:
            return edit.too_much
        plan = WatchedPlan(self.projection, before.watch.going_on())
        handlers = plan.start(self.history, stops=True).handlers
        earlier = before.trial.handlers
        affected = edit.methods | edit.callers
        types = {
            type_
            for type_ in earlier.keys() | handlers.keys()
            if earlier.get(type_) != handlers.get(type_)
            or not affected.isdisjoint((earlier.get(type_), handlers.get(type_)))
        }
        if not types:
            return self._advanced(before.trial, before.watch, 0, "")
        methods = {m for t in types for m in (earlier.get(t), handlers.get(t)) if m}
        said = f"{_listed(methods - edit.callers)} changed"
        if called := methods & edit.callers:
            said += f", which {_listed(called)} may call"
        found = self._part(before, plan, frozenset(types))
        if isinstance(found, str):
            return f"{said}, and {found}"
        trial, events, how = found
        return self._advanced(trial, plan.watch, events, f"replayed {how}: {said}")

    def _part(  # noqa: PLR0911, a reason each
        self, before: Ran, plan: WatchedPlan, types: frozenset[str]
    ) -> tuple[Trial, int, str] | str:
        """Return the trial with these types' streams made anew, or why it cannot be had."""
        if plan.watch.breach:
            return f"streams are not independent: {plan.watch.breach}"
        upto = before.trial.last_position
        streams, count = _streams(self.history, upto, types)
        said = f"{len(streams):,} of {count:,} streams"
        if None in streams:
            return "some events are of no stream"
        if len(streams) > MOST_STREAMS or len(streams) > count * MOST_SHARE:
            return f"{said} have such events, which is most of the work"
        chosen = frozenset(stream for stream in streams if stream is not None)
        made = self._replayed(plan, upto, chosen)
        if not made.is_complete:
            raise KeyboardInterrupt
        if plan.watch.breach:
            return f"streams are independent no more: {plan.watch.breach}"
        if made.engine.keeps_own_state:
            return "the projection keeps more than its tables"
        if unproven := _after(self.version, version_of(self.projection)).unproven:
            return unproven
        part = Part(before.trial, made, chosen)
        if part.has_common_positions:
            return "several events have the same position"
        engine = Engine(plan, self.history, self.on_error)
        return part.merged(engine), made.events, said

    def _replayed(self, plan: WatchedPlan, upto: int, streams: frozenset[str]) -> Trial:
        selection = self.history.selection.meet(Selection(streams=streams))
        narrowed = replace(self.history, selection=selection)
        try:
            return Engine(plan, narrowed, self.on_error).begin(upto, self.progress)
        except ReplayError as error:
            error.trial = None  # of some streams alone
            raise

    def _advanced(self, trial: Trial, watch: Watch, events: int, how: str) -> Found:
        """Return the run with what the history has come to have since."""
        if head_of(self.history) > trial.last_position:
            advanced = trial.advance(progress=self.progress)
            new, trial = advanced.events - trial.events, advanced
            said = f"{new:,} events that have come since"
            how = f"{how}; then {said}" if how else f"replayed {said}: no handler has changed"
            events += new
        how = how or "replayed nothing: neither the projection nor the history has changed"
        return trial, how, events, watch, _after(self.version, version_of(self.projection))


def _listed(names: set[str]) -> str:
    first = sorted(names)[:MOST_NAMED]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def _streams(
    history: History, upto: int, types: frozenset[str]
) -> tuple[frozenset[str | None], int]:
    """Return the streams that have events of these types, and how many streams there are."""
    read = replace(history, selection=history.selection.meet(Selection(upto=upto)))
    some = replace(history, selection=read.selection.meet(Selection(types=types)))
    streams = some.scan().select(pl.col("stream").unique()).collect()["stream"]
    count = read.scan().select(pl.col("stream").n_unique()).collect().item()
    return frozenset(streams.to_list()), int(count)
