"""A few events that still show how one row differs.

The events that wrote the row on either side come first; where they do not show it, all
events of their streams; and then the whole history, where it is not too long. Both
projections run over ever fewer of them, in memory, until no single one can be left out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.comparing.events import history_of
from workbench.comparing.pairing import differences_of
from workbench.comparing.shrinking import Shrinker
from workbench.errors import MinimalError, TrialError, UnknownRowError, WorkbenchError
from workbench.trials.engine import Engine
from workbench.trials.questions import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from workbench.comparing.comparison import Comparison
    from workbench.comparing.differences import TableDifferences
    from workbench.comparing.values import Tolerance
    from workbench.history import History
    from workbench.projections.plan import FramePlan, Plan
    from workbench.trials.trial import Trial

MOST_EVENTS = 50_000


@dataclass(frozen=True)
class Side:
    """One side's projection, with the events that it may run over."""

    trial: Trial
    plan: Plan | FramePlan
    history: History

    @classmethod
    def of(cls, trial: Trial) -> Side:
        """Return a trial as what can be run again.

        Raises
        ------
        TrialError
            If it was loaded without its history or its projection.
        """
        plan, history = trial.engine.plan, trial.history
        if plan is None or history is None:
            msg = (
                f"Cannot run {trial.name} over fewer events: the trial was loaded without its "
                f"{'projection' if plan is None else 'history'}. Load it with "
                "load_trial(folder, history=..., projection=...)."
            )
            raise TrialError(msg)
        return cls(trial, plan, history)

    def events(self, chosen: pl.Expr, upto: int | None) -> pl.DataFrame:
        """Return the events that meet a condition, up to a position."""
        found = self.history if upto is None else self.history.between(upto=upto)
        return found.scan().filter(chosen).collect()

    def rerun(self, events: pl.DataFrame) -> Trial:
        """Return the trial over these events alone."""
        history = history_of(
            events.to_dicts(),
            types=self.history.type_names(),
            first_schema_version=self.history.source.first_schema_version,
        )
        engine = Engine(self.plan, history, self.trial.engine.on_error)
        return engine.begin(history.source.head() or 0, progress=False)


@dataclass(frozen=True)
class Shown:
    """What has to be seen: a row that differs in one of these columns (None: the row itself)."""

    tables: tuple[str, str]
    key: Mapping[str, Any]
    columns: frozenset[str | None]
    tolerance: Mapping[str, Tolerance]

    def by(self, a: Trial, b: Trial) -> bool:
        """Return whether two trials show it at their end."""
        found = differences_of(a, b, self.tables, self.tolerance)
        items = found.items.filter("lasts")
        keys = found.steps.keys[items["key"]]
        is_key = [keys[name] == pl.lit(value) for name, value in self.key.items()]
        seen = items.filter(pl.select(pl.all_horizontal(is_key)).to_series())["column"]
        return not self.columns.isdisjoint(seen.to_list())


@dataclass(frozen=True, eq=False)
class MinimalExample:
    """A few events that show how one row differs; made by `Comparison.minimal`."""

    table: str
    """The table."""
    key: Mapping[str, Any]
    """The row, by key column."""
    positions: tuple[int, ...]
    """The events, by position."""
    is_minimal: bool
    """Whether no single event can be left out; if not, time was up."""
    tries: int
    """How many times both projections were run."""
    elapsed_s: float
    """How long that took."""
    events: pl.DataFrame = field(repr=False)
    """The events: `workbench.tables.EVENTS`; as b has them where the histories differ."""
    events_a: pl.DataFrame = field(repr=False)
    """The same events as a has them."""
    a: Trial = field(repr=False)
    """The trial of a's projection over these events."""
    b: Trial = field(repr=False)
    """The trial of b's projection over these events."""
    shown: Shown = field(repr=False)

    def to_pytest(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a test that fails as long as the two differ over these events; return its path.

        The test needs the workbench and the modules of both projections. A projection of
        a notebook is written into the file.

        Parameters
        ----------
        path
            The file.
        overwrite
            Whether a file that is there is replaced.

        Raises
        ------
        MinimalError
            If a projection can neither be imported nor written into the file.
        ExportError
            If the file is there, or cannot be written.
        """
        from workbench.comparing.pytest_file import write_test

        return write_test(self, path, overwrite=overwrite)

    def __repr__(self) -> str:
        """One line: how many events show what, and what it took."""
        sure = "none can be left out" if self.is_minimal else "time was up"
        noun = "event shows" if len(self.positions) == 1 else "events show"
        return (
            f"<MinimalExample: {len(self.positions):,} {noun} how {self.table!r} differs for "
            f"{dict(self.key)!r}; {sure}; {self.tries:,} tries in {self.elapsed_s:.1f} s>"
        )

    def _repr_html_(self) -> str:
        import html

        return f"<p>{html.escape(repr(self))}</p>{self.events._repr_html_()}"


def minimal(
    comparison: Comparison, key: object, table: str | None, seconds: float
) -> MinimalExample:
    """Return a few events that still show how a row differs; see `Comparison.minimal`.

    Raises
    ------
    UnknownRowError
        If there is no such row that differs.
    MinimalError
        If no events of the streams involved show the difference.
    """
    begun = time.monotonic()
    one = comparison.of(table)
    found, number = _row(one, key)
    items = one.items.filter(pl.col("key") == number)
    lasting = items.filter("lasts")
    if not items.height or one.table_a is None or one.table_b is None:
        msg = (
            f"Cannot show how the row {key!r} of {one.name!r} differs: it is the same in both. "
            "comparison.divergences() lists the rows that differ."
        )
        raise UnknownRowError(msg)
    # What has healed is seen only up to where it had not.
    upto = None if lasting.height else items["position"][0]
    seen = lasting if lasting.height else items.filter(pl.col("position") == upto)
    names = (one.table_a, one.table_b)
    shown = Shown(names, found, frozenset(seen["column"].to_list()), comparison.tolerance)
    sides = Side.of(comparison.a), Side.of(comparison.b)
    shrinker: Shrinker | None = None
    for a, b in _candidates(one, number, sides, upto):
        positions = sorted({*a["position"].to_list(), *b["position"].to_list()})
        shrinker = Shrinker(_shows(sides, (a, b), shown), begun + seconds)
        if positions and shrinker.shown_by(tuple(positions)):
            left = shrinker.shrink(positions)
            chosen = pl.col("position").is_in(left.left)
            events = a.filter(chosen), b.filter(chosen)
            return MinimalExample(
                one.name,
                found,
                left.left,
                left.is_minimal,
                left.tries,
                time.monotonic() - begun,
                events[1],
                events[0],
                sides[0].rerun(events[0]),
                sides[1].rerun(events[1]),
                shown,
            )
    why = "time was up" if shrinker and shrinker.is_over else "no events by themselves show it"
    msg = (
        f"Cannot show how the row {key!r} of {one.name!r} differs with few events: {why}, of those "
        f"that wrote it, of their streams, or of a history of up to {MOST_EVENTS:,}. "
        "Give more seconds, or narrow the history."
    )
    raise MinimalError(msg)


def _row(one: TableDifferences, key: object) -> tuple[Mapping[str, Any], int]:
    """Return a key by column, and its number.

    Raises
    ------
    UnknownRowError
        If neither side ever had such a row.
    """
    found = key_of(one.steps.a, one.name, key)
    keys = one.steps.keys
    matches = [pl.col(name) == pl.lit(value, keys.schema[name]) for name, value in found.items()]
    numbers = keys.select(pl.all_horizontal(matches).arg_true()).to_series()
    if not numbers.len():
        msg = (
            f"Cannot show how the row {key!r} of {one.name!r} differs: neither side ever had it. "
            "comparison.divergences() lists the rows that differ."
        )
        raise UnknownRowError(msg)
    return found, int(numbers[0])


def _candidates(
    one: TableDifferences, number: int, sides: tuple[Side, Side], upto: int | None
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield ever more events of both sides, of which some may show the difference."""
    logs = ((one.steps.a, one.steps.key_a), (one.steps.b, one.steps.key_b))
    wrote = pl.concat(
        [
            log.entries.filter(keys.gather(log.entries["row"]) == number).select(
                "position", "stream"
            )
            for log, keys in logs
        ]
    ).drop_nulls()
    if upto is not None:
        wrote = wrote.filter(pl.col("position") <= upto)
    if wrote.height:
        # A store finds streams by an index, and positions far apart by reading all between.
        streams = pl.col("stream").is_in(wrote["stream"].unique().to_list())
        positions = pl.col("position").is_in(wrote["position"].unique().to_list())
        for chosen in (streams & positions, streams):
            yield sides[0].events(chosen, upto), sides[1].events(chosen, upto)
    if max(side.trial.last_position for side in sides) and all(
        len(side.history) <= MOST_EVENTS for side in sides
    ):
        everything = pl.lit(value=True)
        yield sides[0].events(everything, upto), sides[1].events(everything, upto)


def _shows(
    sides: tuple[Side, Side], events: tuple[pl.DataFrame, pl.DataFrame], shown: Shown
) -> Callable[[Sequence[int]], bool]:
    def shows(positions: Sequence[int]) -> bool:
        chosen = pl.col("position").is_in(positions)
        try:
            a, b = (side.rerun(of.filter(chosen)) for side, of in zip(sides, events, strict=True))
            return shown.by(a, b)
        except WorkbenchError:
            # Without some events, a handler may find nothing to work on.
            return False

    return shows
