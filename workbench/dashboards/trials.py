"""What the Replay page shows of a trial: its steps, its tables as of each, what made a cell.

A step is a position at which a table changes. Nothing of Panel is here: what the page
shows, these functions return.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.changelog.log import logged_key
from workbench.dashboards import computed
from workbench.tables import CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.trials.trial import Trial

ROWS = 25  # of a table that are shown at once


@dataclass(frozen=True, slots=True)
class Moment:
    """A table as of one step, a part of its rows, and what that step changed."""

    step: int
    """Which step it is, from 0; -1 is before the first."""
    position: int
    """Its position; that of the last event that was read, after the last step."""
    event: dict[str, Any] | None
    """The event that made it: the columns of `CHANGES` before `change`; None for no step."""
    changes: pl.DataFrame
    """What it changed: `Trial.changes` of that position."""
    rows: pl.DataFrame
    """At most `ROWS` rows of the table, those that changed among them."""
    first: int
    """Where the first of them stands in the table, from 0."""
    height: int
    """How many rows the table has."""
    lit: frozenset[tuple[int, str]]
    """The cells of `rows` that this step changed: row, from 0, and column."""


def steps(trial: Trial, table: str) -> pl.Series:
    """Return the positions at which a table changes, each once, in order.

    The table of a Polars function has no change log: its steps are all events.
    """
    if computed.is_computed(trial):
        return computed.positions(trial)
    return trial.recorded.log(table).entries["position"].unique().sort().alias("position")


def step_at(found: pl.Series, position: int | None) -> int:
    """Return the last step at or before a position, -1 if there is none; None is the end."""
    if position is None:
        return found.len() - 1
    return int(found.search_sorted(position, side="right")) - 1


def moment(
    trial: Trial,
    table: str,
    position: int | None,
    *,
    first: int | None = None,
    within: pl.Series | None = None,
) -> Moment:
    """Return a table as of a position.

    Parameters
    ----------
    trial
        Of a projection that keeps a change log.
    table
        Which of its tables.
    position
        As of which; None is the end.
    first
        The row from which on rows are shown; by default such that the first that changed
        is among them.
    within
        The table's `steps`, where they are at hand.

    Raises
    ------
    UnknownTableError
        If there is no such table.
    NoChangeLogError
        If it has no change log, and cannot be computed anew.
    """
    found = steps(trial, table) if within is None else within
    step = step_at(found, position)
    before = trial.last_position if position is None else position
    at = int(found[step]) if step >= 0 else before
    event: dict[str, Any] | None = None
    if computed.is_computed(trial):
        whole, changes, event = computed.state(trial, table, found, step)
    else:
        log = trial.recorded.log(table)
        entries = log.entries_at(at) if step >= 0 else pl.Series([], dtype=pl.UInt32)
        changes = log.changes(entries)
        whole = trial.at(position=at if step >= 0 else -1).table(table)
        event = changes.select(_EVENT).row(0, named=True) if changes.height else None
    places = _places(whole, changes, trial.key(table))
    if first is None:
        seen = [place for place in places if place is not None]
        first = min(seen) // ROWS * ROWS if seen else 0
    first = max(min(first, whole.height - ROWS), 0)
    rows = whole[first : first + ROWS]
    return Moment(
        step=step,
        position=at,
        event=event,
        changes=changes,
        rows=rows,
        first=first,
        height=whole.height,
        lit=frozenset(_lit(changes, places, first, rows)),
    )


_EVENT = CHANGES.names[: CHANGES.names.index("change")]


def _places(whole: pl.DataFrame, changes: pl.DataFrame, key: tuple[str, ...]) -> list[int | None]:
    """Return where the changed rows stand in the table, None for those that are gone."""
    numbered = whole.select(*key).with_row_index("\x00place")
    wanted = changes.select(pl.col(logged_key(name)).alias(name) for name in key)
    found = wanted.join(numbered, on=list(key), how="left", maintain_order="left")
    return found["\x00place"].to_list()


def _lit(
    changes: pl.DataFrame, places: list[int | None], first: int, rows: pl.DataFrame
) -> Iterable[tuple[int, str]]:
    for number, place in enumerate(places):
        if place is None or not first <= place < first + rows.height:
            continue
        change = changes.row(number, named=True)
        for name in rows.columns:
            before, after = f"{name}_before", f"{name}_after"
            is_key = after not in change
            if change["change"] == "insert" or (not is_key and change[before] != change[after]):
                yield place - first, name


def in_words(changes: pl.DataFrame) -> pl.DataFrame:
    """Return what a step changed, a row a cell: `key`, `change`, `column`, `before`, `after`.

    All are text; a row that was removed has one line, with what its cells were before.
    """
    key, values = _key_columns(changes), _value_columns(changes)
    lines = []
    for row in changes.iter_rows(named=True):
        named = shown_key([row[name] for name in key])
        for column in values:
            before, after = row[f"{column}_before"], row[f"{column}_after"]
            if before != after:
                lines.append((named, row["change"], column, shown(before), shown(after)))
        if not values:
            lines.append((named, row["change"], "", "", ""))
    names = ("key", "change", "column", "before", "after")
    return pl.DataFrame(lines, schema=dict.fromkeys(names, pl.String), orient="row")


def _value_columns(changes: pl.DataFrame) -> list[str]:
    suffix = "_before"
    names = changes.columns[len(CHANGES.names) :]
    return [
        name.removesuffix(suffix)
        for name in names
        if name.endswith(suffix) and f"{name.removesuffix(suffix)}_after" in names
    ]


def _key_columns(changes: pl.DataFrame) -> list[str]:
    values = {f"{n}_{side}" for n in _value_columns(changes) for side in ("before", "after")}
    return [name for name in changes.columns[len(CHANGES.names) :] if name not in values]


def key_text(key: Mapping[str, object]) -> str | None:
    """Return a row's key as text for an address; None where that would not give it back."""
    values = list(key.values())
    try:
        text = json.dumps(values)
    except (TypeError, ValueError):
        return None
    return text


def key_of(text: str, trial: Trial, table: str) -> dict[str, Any] | None:
    """Return the key that an address names; None if it is none of this table."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    names = trial.key(table)
    if not isinstance(values, list) or len(values) != len(names):
        return None
    return dict(zip(names, values, strict=True))


def wrote(trial: Trial, table: str, key: Mapping[str, object], column: str | None) -> pl.DataFrame:
    """Return the events that wrote a row or a cell, in order, as `Trial.explain` does.

    `before` and `after` are text. Of a row, they are what each event changed, together.
    """
    is_value = column is not None and column not in trial.key(table)
    found = trial.explain(dict(key), column if is_value else None, table=table)
    if is_value:
        before, after = ([shown(v) for v in found[side]] for side in ("before", "after"))
    else:
        before, after = _sides(found)
    return found.select(_EVENT).with_columns(
        before=pl.Series(before, dtype=pl.String), after=pl.Series(after, dtype=pl.String)
    )


def _sides(changes: pl.DataFrame) -> tuple[list[str], list[str]]:
    values = _value_columns(changes)
    before, after = list[str](), list[str]()
    for row in changes.iter_rows(named=True):
        differ = [name for name in values if row[f"{name}_before"] != row[f"{name}_after"]]
        for side, said in (("before", before), ("after", after)):
            there = ((n, row[f"{n}_{side}"]) for n in differ)
            said.append(", ".join(f"{n} {shown(v)}" for n, v in there if v is not None))
    return before, after


def shown_key(values: list[object]) -> str:
    """Return a key as one text."""
    return ", ".join(map(shown, values))


def shown(value: object) -> str:
    """Return a value of a table as text; null is empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a table as text, with columns `c0`, `c1` and on, as a page shows them."""
    return pl.DataFrame(
        {
            f"c{number}": pl.Series([shown(value) for value in column], dtype=pl.String)
            for number, column in enumerate(rows.iter_columns())
        }
    )
