"""A trial: one run of a projection over a history, which remembers every change it made.

The change log is the trial: the table as of any position is the last change of each
key up to it. `replay` runs a projection and returns its trial.
"""

from __future__ import annotations

import html
import time as clock
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from workbench.catalog import short_name
from workbench.errors import (
    HandlerError,
    ProjectionError,
    RangeError,
    UnknownTableError,
    WorkbenchError,
    near,
)
from workbench.history import ENVELOPE
from workbench.moments import moment_of
from workbench.payload.native import fields_of
from workbench.projection import Event, Projection, TableDeclaration
from workbench.sources import Selection
from workbench.tables import CHANGES, FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from workbench.history import History, Progress

BATCH = 65_536  # changes that are kept as Python objects before they become columns
MOST_SHOWN = 10
Key = tuple[Any, ...]
Row = tuple[Any, ...]


class Rows:
    """The rows of one table while a replay runs: what a handler reads and changes.

    A key is one value, or a tuple where the table has several key columns.
    """

    def __init__(self, name: str, declared: TableDeclaration) -> None:
        self._name = name
        self._declared = declared
        self._columns = {column: i for i, column in enumerate(declared.values)}
        self._nothing: Row = (None,) * len(declared.values)
        self._rows: dict[Key, Row] = {}
        self._event: Event | None = None
        self._pending: list[tuple[Event, str, Key, Row, Row]] = []
        self._log: list[pl.DataFrame] = []

    def __contains__(self, key: object) -> bool:
        """Whether there is a row of that key."""
        return self._key(key) in self._rows

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def get(self, key: object) -> dict[str, Any] | None:
        """Return the values of a row by column, None if there is no such row."""
        row = self._rows.get(self._key(key))
        return None if row is None else dict(zip(self._columns, row, strict=True))

    def set(self, key: object, **values: Any) -> None:
        """Make the row of that key have these values; columns that are not named are null.

        Raises
        ------
        ProjectionError
            If a column is not declared, or the key does not fit.
        """
        self._write(self._key(key), self._changed(self._nothing, values))

    def update(self, key: object, **values: Any) -> None:
        """Change these values of the row of that key; other columns stay as they are.

        Raises
        ------
        ProjectionError
            If there is no such row, a column is not declared, or the key does not fit.
        """
        found = self._key(key)
        if found not in self._rows:
            msg = (
                f"Cannot update the row {key!r} of {self._name!r}: there is none. "
                "Use set where the row may be new."
            )
            raise ProjectionError(msg)
        self._write(found, self._changed(self._rows[found], values))

    def delete(self, key: object) -> None:
        """Remove the row of that key; nothing happens if there is none."""
        found = self._key(key)
        before = self._rows.pop(found, None)
        if before is not None:
            self._note("delete", found, before, self._nothing)

    def _key(self, key: object) -> Key:
        found = key if isinstance(key, tuple) else (key,)
        if len(found) != len(self._declared.key) or None in found:
            wanted = ", ".join(self._declared.key)
            msg = (
                f"Cannot find a row of {self._name!r} by {key!r}. "
                f"Give a value that is not None for each key column: {wanted}."
            )
            raise ProjectionError(msg)
        return found

    def _changed(self, row: Row, values: Mapping[str, Any]) -> Row:
        changed = list(row)
        for column, value in values.items():
            if column not in self._columns:
                msg = (
                    f"Cannot set the column {column!r} of {self._name!r}: it is not declared. "
                    f"{near(column, self._columns)}"
                )
                raise ProjectionError(msg)
            changed[self._columns[column]] = value
        return tuple(changed)

    def _write(self, key: Key, row: Row) -> None:
        before = self._rows.get(key)
        if before == row:
            return
        self._rows[key] = row
        if before is None:
            self._note("insert", key, self._nothing, row)
        else:
            self._note("update", key, before, row)

    def _note(self, change: str, key: Key, before: Row, after: Row) -> None:
        if self._event is None:
            msg = f"Cannot change {self._name!r} outside of a handler."
            raise ProjectionError(msg)
        self._pending.append((self._event, change, key, before, after))

    # What the replay does with it

    def begin(self, event: Event) -> int:
        """Take `event` as the cause of what follows; return a mark to go back to."""
        self._event = event
        return len(self._pending)

    def undo(self, mark: int) -> None:
        """Take back the changes since `mark`: a handler that failed changes nothing."""
        while len(self._pending) > mark:
            _, change, key, before, _ = self._pending.pop()
            if change == "insert":
                del self._rows[key]
            else:
                self._rows[key] = before

    def settle(self, *, at_least: int = BATCH) -> None:
        """Turn pending changes into columns, if there are so many.

        Raises
        ------
        ProjectionError
            If a value is not of its column's dtype.
        """
        if not self._pending or len(self._pending) < at_least:
            return
        pending, self._pending = self._pending, []
        events, changes, keys, befores, afters = zip(*pending, strict=True)
        columns: list[pl.Series] = [
            pl.Series(name, [getattr(event, name) for event in events], dtype)
            for name, dtype in CHANGES.schema.items()
            if name != "change"
        ]
        columns.append(pl.Series("change", changes, pl.String))
        columns += self._columns_of(self._declared.key, keys, "")
        before = self._columns_of(self._declared.values, befores, "_before")
        after = self._columns_of(self._declared.values, afters, "_after")
        columns += [column for pair in zip(before, after, strict=True) for column in pair]
        self._log.append(pl.DataFrame(columns))

    def _columns_of(
        self, declared: Mapping[str, Any], rows: tuple[Row, ...], suffix: str
    ) -> list[pl.Series]:
        return [
            self._column(name, dtype, values, suffix)
            for (name, dtype), values in zip(
                declared.items(), zip(*rows, strict=True), strict=True
            )
        ]

    def _column(
        self, name: str, dtype: Any, values: tuple[Any, ...], suffix: str  # noqa: ANN401
    ) -> pl.Series:
        try:
            return pl.Series(f"{name}{suffix}", values, dtype, strict=True)
        except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError) as error:
            said = str(error).splitlines()[0]
            msg = (
                f"Cannot keep the column {name!r} of {self._name!r} as {dtype}: {said}. "
                "Declare the dtype of what the handlers set, or convert it in the handler."
            )
            raise ProjectionError(msg) from error

    def log(self) -> pl.DataFrame:
        """Return the change log so far."""
        self.settle(at_least=1)
        return pl.concat(self._log) if self._log else pl.DataFrame(schema=log_schema(self._declared))


def log_schema(declared: TableDeclaration) -> pl.Schema:
    """Return the schema of a table's change log: `workbench.tables.CHANGES` and its own columns."""
    values = {
        f"{name}{suffix}": dtype
        for name, dtype in declared.values.items()
        for suffix in ("_before", "_after")
    }
    return pl.Schema({**CHANGES.schema, **declared.key, **values})


@dataclass(frozen=True)
class Trial:
    """One run of a projection over a history, with its tables and its change log."""

    projection: type[Projection]
    history: History = field(repr=False)
    events: int
    """How many events the handlers were given."""
    last_position: int | None
    """The last position that was read."""
    elapsed_s: float
    failures: pl.DataFrame = field(repr=False)
    """What handlers could not process: `workbench.tables.FAILURES`."""
    _logs: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def rate(self) -> float:
        """Events a second, from the source to the change log."""
        return self.events / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table as of the end, by name."""
        return self.at().tables

    def table(self, name: str) -> pl.DataFrame:
        """Return a table as of the end: its key and value columns, sorted by key.

        Raises
        ------
        UnknownTableError
            If the projection declares no such table.
        """
        return self.at().table(name)

    def changes(self, name: str) -> pl.DataFrame:
        """Return the change log of a table: `workbench.tables.CHANGES` and its own columns.

        After the columns of `CHANGES` come the key columns, and `<value>_before` and
        `<value>_after` for each value column; rows are in the order in which they
        were made. Before an insert and after a delete, values are null.

        Raises
        ------
        UnknownTableError
            If the projection declares no such table.
        """
        if name not in self._logs:
            msg = (
                f"Cannot find the table {name!r} of {self.projection.__name__}. "
                f"{near(name, self._logs)}"
            )
            raise UnknownTableError(msg)
        return self._logs[name]

    def at(
        self,
        *,
        position: int | None = None,
        time: datetime | date | str | None = None,
    ) -> TrialAt:
        """Return the tables as of a position, or of a time; without either, as of the end.

        Parameters
        ----------
        position
            Up to and with the event at this position.
        time
            Up to and with the last event before which none is later than `time`: where
            times run backwards over the log, the log's order decides. A time without a
            zone is UTC; a date means the end of that day.

        Raises
        ------
        RangeError
            If both are given, or `time` is no time.
        """
        if position is not None and time is not None:
            msg = "Cannot look at a position and a time at once. Give one of the two."
            raise RangeError(msg)
        if time is not None:
            position = self._position_at(moment_of(time, end_of_day=True))
        return TrialAt(self, position)

    def _position_at(self, moment: datetime) -> int:
        later = (
            self.history.between(upto=self.last_position)
            .scan()
            .filter(pl.col("time") > moment)
            .select(pl.col("position").min())
            .collect()
            .item()
        )
        return (self.last_position or 0) if later is None else int(later) - 1

    def __repr__(self) -> str:
        """One line: what was run, over how much, with what result."""
        sizes = ", ".join(f"{name} {len(self.table(name)):,}" for name in self._logs)
        failed = f", {self.failures.height:,} failures" if self.failures.height else ""
        return (
            f"<Trial {self.projection.__name__}: {self.events:,} events up to position "
            f"{self.last_position or 0:,}{failed}; rows: {sizes}>"
        )

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(repr(self))}</p>"]
        for name, table in self.tables.items():
            shown = table.head(MOST_SHOWN)._repr_html_()  # noqa: SLF001, as notebooks do
            parts.append(f"<p><b>{html.escape(name)}</b>, {len(table):,} rows</p>{shown}")
        return "".join(parts)


@dataclass(frozen=True)
class TrialAt:
    """The tables of a trial as of one position; made by `Trial.at`."""

    trial: Trial
    position: int | None

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table as of the position, by name."""
        return {name: self.table(name) for name in self.trial.projection.declared()}

    def table(self, name: str) -> pl.DataFrame:
        """Return a table as of the position: its key and value columns, sorted by key.

        Raises
        ------
        UnknownTableError
            If the projection declares no such table.
        """
        log = self.trial.changes(name)
        declared = self.trial.projection.declared()[name]
        if self.position is not None:
            log = log.filter(pl.col("position") <= self.position)
        keys, values = list(declared.key), list(declared.values)
        return (
            log.unique(subset=keys, keep="last", maintain_order=False)
            .filter(pl.col("change") != "delete")
            .select(*keys, *(pl.col(f"{value}_after").alias(value) for value in values))
            .sort(keys)
        )


def replay(
    history: History,
    projection: type[Projection],
    *,
    on_error: Literal["stop", "collect"] = "stop",
    on_progress: Callable[[Progress], None] | None = None,
) -> Trial:
    """Return the trial of a projection over a history.

    Events come in order of position; those whose payload cannot be decoded, and are
    of a type that is handled, are failures.

    Parameters
    ----------
    history
        The events. They are read up to the head as it is when the replay begins.
    projection
        The class. It is made anew, so that nothing is left from a run before.
    on_error
        'stop': the first event that a handler cannot process raises. 'collect': it is
        listed in `failures`, its changes are taken back, and the replay goes on.
    on_progress
        Called now and then with how far the reading has come.

    Raises
    ------
    HandlerError
        If a handler raised, and `on_error` is 'stop'.
    ProjectionError
        If the projection has no tables or handlers, handles no type that the history
        has, or sets what its tables do not declare.
    """
    if on_error not in {"stop", "collect"}:
        msg = f"Cannot replay with on_error={on_error!r}. Choose 'stop' or 'collect'."
        raise ProjectionError(msg)
    begun = clock.perf_counter()
    head = history.source.head() or 0
    run = _Run(history.type_names(), history.name, projection, stops=on_error == "stop")
    pinned = replace(history, selection=history.selection.meet(Selection(upto=head)))
    run.over(pinned.with_progress(on_progress) if on_progress else pinned)
    return Trial(
        projection=projection,
        history=pinned,
        events=run.events,
        last_position=min(head, pinned.selection.upto or 0),
        elapsed_s=clock.perf_counter() - begun,
        failures=FAILURES.frame(run.failures),
        _logs={name: rows.log() for name, rows in run.rows.items()},
    )


class _Run:
    """The state of a replay: the projection's object, its rows, and what failed."""

    def __init__(
        self, types: frozenset[str], name: str, projection: type[Projection], *, stops: bool
    ) -> None:
        if not isinstance(projection, type) or not issubclass(projection, Projection):
            msg = (
                f"Cannot replay into {projection!r:.100}: it is no projection. "
                "Give a class that derives from workbench.Projection."
            )
            raise ProjectionError(msg)
        declared = projection.declared()
        self.rows = {table: Rows(table, found) for table, found in declared.items()}
        handlers = _handlers(projection, types, name)
        running = projection()
        running.rows = {found: self.rows[table] for table, found in declared.items()}
        self._handlers = {type_: getattr(running, method) for type_, method in handlers.items()}
        self._stops = stops
        self.failures: list[dict[str, Any]] = []
        self.events = 0

    def over(self, history: History) -> None:
        """Give every event that is handled to its handler, in order."""
        handled = Selection(types=frozenset(self._handlers))
        chosen = replace(history, selection=history.selection.meet(handled))
        for frame in chosen.batches((*ENVELOPE, "data", "problem")):
            *envelope, data, problem = (frame[name].to_list() for name in frame.columns)
            for *known, text, wrong in zip(*envelope, data, problem, strict=True):
                self._process(known, text, wrong)
            for rows in self.rows.values():
                rows.settle()

    def _process(self, known: list[Any], text: str | None, wrong: str | None) -> None:
        event = Event(*known, {} if text is None else fields_of(text))
        self.events += 1
        handler = self._handlers[event.type]
        marks = [rows.begin(event) for rows in self.rows.values()]
        try:
            if text is None:
                raise _undecodable(wrong)
            handler(event)
        except Exception as error:
            for rows, mark in zip(self.rows.values(), marks, strict=True):
                rows.undo(mark)
            if self._stops:
                raise _stopped(event, handler.__name__, error) from error
            said = f"{type(error).__name__}: {error}"
            self.failures.append(
                {
                    "position": event.position,
                    "type": event.type,
                    "handler": handler.__name__,
                    "error": said,
                }
            )


def _handlers(projection: type[Projection], types: frozenset[str], name: str) -> dict[str, str]:
    """Return the method for each stored type: a short name stands for all that have it."""
    named = projection.handlers()
    shorts = {type_: short_name(type_) for type_ in types}
    found = {type_: named[short] for type_, short in shorts.items() if short in named}
    found |= {type_: method for type_, method in named.items() if type_ in types}
    if not found:
        msg = (
            f"Cannot replay {name!r} into {projection.__name__}: it handles "
            f"{', '.join(sorted(named)[:5])}, and the history has none of them. "
            f"{near(next(iter(named)), shorts.values())}"
        )
        raise ProjectionError(msg)
    return found


def _undecodable(wrong: str | None) -> ValueError:
    return ValueError(f"the payload cannot be decoded: {wrong}")


def _stopped(event: Event, handler: str, error: Exception) -> WorkbenchError:
    kind = ProjectionError if isinstance(error, ProjectionError) else HandlerError
    return kind(
        f"Cannot replay the event at position {event.position:,} ({event.type}): {handler} raised "
        f"{type(error).__name__}: {error}. Mend the handler, or replay with on_error='collect', "
        "which lists such events in trial.failures and goes on."
    )
