"""What a trial can be asked of single rows and single events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.changelog.inferred import plain_of
from workbench.errors import (
    TrialError,
    UnknownPositionError,
    UnknownRowError,
    UnknownTableError,
    near,
)
from workbench.tables import CHANGES, IMPACT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.changelog.log import ChangeLog
    from workbench.trials.trial import Trial


def table_name(trial: Trial, name: str | None) -> str:
    """Return the name of a table, which may be left out where there is one.

    Raises
    ------
    UnknownTableError
        If there is no such table, or several and none is named.
    """
    names = trial.table_names
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        msg = f"Cannot tell which table of {trial.name} is meant. Name one: {', '.join(names)}."
        raise UnknownTableError(msg)
    if name not in names:
        msg = f"Cannot find the table {name!r} of {trial.name}. {near(name, names)}"
        raise UnknownTableError(msg)
    return name


def explain(
    trial: Trial, key: object, column: str | None, *, table: str | None, with_data: bool
) -> pl.DataFrame:
    """Return the changes that made a row or a cell; see `Trial.explain`.

    Raises
    ------
    UnknownRowError
        If the table never had such a row, or has no such column.
    """
    name = table_name(trial, table)
    log = trial.recorded.log(name)
    row = log.row_of(key_of(log, name, key))
    if row is None:
        known = log.keys.head(_MOST_NEAR).rows()
        msg = (
            f"Cannot explain the row {key!r} of {name!r}: it never had such a row. "
            f"{near(_key_text(key), [_key_text(k if len(k) > 1 else k[0]) for k in known])}"
        )
        raise UnknownRowError(msg)
    found = log.changes(log.entries_of(row))
    if column is not None:
        if column not in log.after.columns:
            msg = (
                f"Cannot explain the column {column!r} of {name!r}: there is none. "
                f"{near(column, log.after.columns)}"
            )
            raise UnknownRowError(msg)
        before, after = found[f"{column}_before"], found[f"{column}_after"]
        found = found.select(*CHANGES.names, before.alias("before"), after.alias("after")).filter(
            before.ne_missing(after)
        )
    return _with_data(trial, found) if with_data else found


_MOST_NEAR = 10_000


def key_of(log: ChangeLog, name: str, key: object) -> Mapping[str, Any]:
    """Return a key as a dictionary by column.

    Raises
    ------
    UnknownRowError
        If it has other columns than the table's key.
    """
    columns = log.keys.columns
    if isinstance(key, dict):
        found = dict(key)
    else:
        parts = key if isinstance(key, tuple) else (key,)
        found = dict(zip(columns, parts, strict=False)) if len(parts) == len(columns) else {}
    if set(found) != set(columns):
        msg = (
            f"Cannot find a row of {name!r} by {key!r:.100}. "
            f"Give a value for each key column: {', '.join(columns)}."
        )
        raise UnknownRowError(msg)
    return found


def _key_text(key: object) -> str:
    return key if isinstance(key, str) else repr(key)


def _with_data(trial: Trial, found: pl.DataFrame) -> pl.DataFrame:
    if trial.history is None:
        msg = (
            f"Cannot show the payloads: the trial of {trial.name} was loaded without its history. "
            "Load it with load_trial(folder, history=...)."
        )
        raise TrialError(msg)
    # Sources find streams quickly, and single positions among many not.
    wanted = [pl.col(name).is_in(found[name].unique().to_list()) for name in ("stream", "position")]
    payloads = trial.history.scan().filter(*wanted).select("position", "data").collect()
    return found.join(payloads, on="position", how="left", maintain_order="left")


def impact(trial: Trial, position: int) -> pl.DataFrame:
    """Return everything that one event changed; see `Trial.impact`.

    Raises
    ------
    UnknownPositionError
        If the position was not read by the trial.
    """
    if not 0 < position <= trial.last_position:
        msg = (
            f"Cannot tell what the event at position {position:,} changed: {trial.name} has read "
            f"up to position {trial.last_position:,}. Give one up to there."
        )
        raise UnknownPositionError(msg)
    rows = []
    for name in trial.table_names:
        log = trial.recorded.log(name)
        changes = log.changes(log.entries_at(position))
        key_columns = changes.columns[len(CHANGES.names) :][: log.keys.width]
        for change in changes.iter_rows(named=True):
            key = [change[column] for column in key_columns]
            shown = {"table": name, "change": change["change"], "key": _json(key)}
            if len(key) == 1:
                shown["key"] = _json(key[0])
            rows += [
                {**shown, "column": c, "before": _json(before), "after": _json(after)}
                for c in log.after.columns
                for before, after in [(change[f"{c}_before"], change[f"{c}_after"])]
                if before != after
            ] or [{**shown, "column": None, "before": None, "after": None}]
    return IMPACT.frame(rows)


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(plain_of(value), ensure_ascii=False)
