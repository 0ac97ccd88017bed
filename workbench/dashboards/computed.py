"""The table of a Polars function as of one event, and what that event changed in it.

A function keeps no change log. Its table is computed as of the event and as of the one
before it, and what differs is what changed. Nothing of Panel is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.changelog.log import logged_key
from workbench.tables import CHANGES
from workbench.trials.tables import ComputedTables

if TYPE_CHECKING:
    from workbench.trials.trial import Trial

_THERE_BEFORE, _THERE_AFTER = "\x00before", "\x00after"


def is_computed(trial: Trial) -> bool:
    """Return whether a trial is of a Polars function that can be asked for any position."""
    return isinstance(trial.recorded, ComputedTables)


def positions(trial: Trial) -> pl.Series:
    """Return the positions of all events that a trial has read, each once, in order."""
    if trial.history is None:
        return pl.Series("position", [], dtype=pl.Int64)
    found = trial.history.scan().select("position").collect()["position"]
    return found.unique(maintain_order=True)


def state(
    trial: Trial, table: str, found: pl.Series, step: int
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any] | None]:
    """Return a table as of one of its steps, what that step changed, and the step's event.

    What changed is as `Trial.changes` has it; the event has the columns of `CHANGES` before
    `change`, and is None before the first step.

    Raises
    ------
    UnknownTableError, ProjectionError
        As `Trial.at` does.
    """
    before = trial.at(position=int(found[step - 1]) if step > 0 else -1).table(table)
    key = trial.key(table)
    if step < 0:
        return before, _changes(before, before, key), None
    after = trial.at(position=int(found[step])).table(table)
    event = _event(trial, int(found[step]))
    named = {name: pl.lit(event[name], CHANGES.schema[name]) for name in event}
    return after, _changes(_like(before, after), after, key).with_columns(**named), event


def _event(trial: Trial, position: int) -> dict[str, Any]:
    """Return the columns of `CHANGES` that name the event at a position."""
    names = [name for name in CHANGES.names if name != "change"]
    assert trial.history is not None  # noqa: S101, what is computed has its history
    one = trial.history.between(after=position - 1, upto=position).scan().select(names).first()
    return one.collect().row(0, named=True)


def _like(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return a table with the columns of another: a function may give it more later on."""
    there = before.columns
    return before.select(
        (pl.col(n).cast(dtype, strict=False) if n in there else pl.lit(None, dtype).alias(n))
        for n, dtype in after.schema.items()
    )


def _changes(before: pl.DataFrame, after: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows that differ between two states of a table: as `Trial.changes`."""
    values = [name for name in after.columns if name not in key]
    sides = [
        side.lazy().select(
            pl.struct(key).alias("\x00key"),
            *(pl.col(name).alias(f"{name}_{word}") for name in values),
            pl.lit(value=True).alias(there),
        )
        for side, word, there in (
            (before, "before", _THERE_BEFORE),
            (after, "after", _THERE_AFTER),
        )
    ]
    differs = pl.any_horizontal(
        pl.col(_THERE_BEFORE).is_null(),
        pl.col(_THERE_AFTER).is_null(),
        *(pl.col(f"{name}_before").ne_missing(pl.col(f"{name}_after")) for name in values),
    )
    word = (
        pl.when(pl.col(_THERE_BEFORE).is_null())
        .then(pl.lit("insert"))
        .when(pl.col(_THERE_AFTER).is_null())
        .then(pl.lit("delete"))
        .otherwise(pl.lit("update"))
    )
    lacking = {n: dtype for n, dtype in CHANGES.schema.items() if n != "change"}
    joined = sides[0].join(sides[1], on="\x00key", how="full", coalesce=True, nulls_equal=True)
    return (
        joined.filter(differs)
        .select(
            *(pl.lit(None, dtype).alias(name) for name, dtype in lacking.items()),
            word.alias("change"),
            *(pl.col("\x00key").struct.field(name).alias(logged_key(name)) for name in key),
            *(f"{name}_{side}" for name in values for side in ("before", "after")),
        )
        .sort([logged_key(name) for name in key])
        .collect()
    )
