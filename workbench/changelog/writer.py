"""Writing a change log while a replay runs.

Changes of one batch of events are Python objects for a while, and then become columns.
A writer keeps for every row its number, its last entry and its values, which is all
that a handler reads and all that going on later needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import polars as pl

from workbench.changelog.inferred import inferred, unified
from workbench.changelog.log import CAUSE, ENTRIES, ChangeLog
from workbench.changelog.values import check_of, plain_class, series_of
from workbench.errors import ProjectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workbench.tables import Dtype

Values = tuple[Any, ...]
Change = tuple[int, "RowState", int | None, Values | None, Values | None]
"""Which event of the batch, which row, its entry before, its values before and after."""


_SURE = frozenset({str, int, bytes, bool, UUID})
"""Classes whose objects are keys as they are, where no dtype is declared."""


class Cursor:
    """Which event of the batch is being handled; outside of a handler it is -1."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = -1


class RowState:
    """What is known of one row: its number, its last entry, and its values if it is there."""

    __slots__ = ("entry", "number", "values")

    def __init__(self, number: int, entry: int | None, values: Values | None) -> None:
        self.number = number
        self.entry = entry
        self.values = values


class LogWriter:
    """The change log of one table while it is written.

    A key is one value where the table has one key column, else a tuple.

    Parameters
    ----------
    name
        The table's name, for messages.
    key
        The key columns with their dtypes; None where a dtype is found out from the
        values that come.
    values
        The value columns with their dtypes; None where they are found out from the
        values that come, as in the views of others.
    cursor
        Which event is being handled.
    """

    def __init__(
        self,
        name: str,
        key: Mapping[str, Dtype | None],
        values: Mapping[str, Dtype] | None,
        cursor: Cursor,
    ) -> None:
        self.name = name
        self.key = dict(key)
        self.declared = None if values is None else dict(values)
        self.columns = {column: i for i, column in enumerate(self.declared or ())}
        self.states: dict[Any, RowState] = {}
        self.cursor = cursor
        self.changes: list[Change] = []
        self.begins = 0
        """The number of changes before those in `changes`."""
        self._keys: list[Any] = []
        self._fits_key = [None if d is None else check_of(d) for d in self.key.values()]
        self._plain_key = [None if d is None else plain_class(d) for d in self.key.values()]
        keys = {name: dtype or pl.Null for name, dtype in self.key.items()}
        self._entries = [pl.DataFrame(schema=ENTRIES)]
        self._values = [pl.DataFrame(schema=self.declared or {})]
        self._key_chunks = [pl.DataFrame(schema=keys)]

    def expect(self, key: Mapping[str, Dtype | None], values: Mapping[str, Dtype | None]) -> None:
        """Name the columns of a table whose dtypes are found out, before its first row.

        A dtype that is given here is that of a column without values, and is widened to
        what comes.
        """
        self.key = dict.fromkeys(key)
        self._fits_key = [None] * len(self.key)
        self._plain_key = [None] * len(self.key)
        self.columns = {column: i for i, column in enumerate(values)}
        schemas = ({n: dtype or pl.Null for n, dtype in c.items()} for c in (key, values))
        self._key_chunks, self._values = ([pl.DataFrame(schema=s)] for s in schemas)

    # What changes a row

    def new_state(self, key: Any) -> RowState:  # noqa: ANN401, a key of any dtype
        """Return the state of a row that never was there.

        Raises
        ------
        ProjectionError
            If the key does not fit the table's key columns.
        """
        kind, plain = key.__class__, self._plain_key[0]
        is_sure = kind is plain or (self._fits_key[0] is None and kind in _SURE)
        if len(self.key) != 1 or not is_sure:
            self.check_key(key)
        found = self.states[key] = RowState(len(self.states), None, None)
        self._keys.append(key)
        return found

    def write(self, state: RowState, values: Values | None) -> None:
        """Make a row have these values; None removes it.

        Raises
        ------
        ProjectionError
            If no event is being handled.
        """
        event = self.cursor.event
        if event < 0:
            raise self.outside()
        self.changes.append((event, state, state.entry, state.values, values))
        state.entry = self.begins + len(self.changes) - 1
        state.values = values

    def outside(self) -> ProjectionError:
        """Return the error for a change that no event makes."""
        return ProjectionError(f"Cannot change {self.name!r} outside of a handler.")

    def check_key(self, key: Any) -> None:  # noqa: ANN401, a key of any dtype
        """Hold a key against the table's key columns.

        Raises
        ------
        ProjectionError
            If it does not fit.
        """
        parts = key if len(self.key) > 1 or key.__class__ is tuple else (key,)
        if parts.__class__ is not tuple or len(parts) != len(self.key) or None in parts:
            raise self.no_key(key)
        for (name, dtype), fits, part in zip(self.key.items(), self._fits_key, parts, strict=True):
            if (fits is not None and not fits(part)) or part != part:  # noqa: PLR0124, NaN
                msg = (
                    f"Cannot keep {part!r:.100} in the key column {name!r} of {self.name!r}, "
                    f"which is {dtype}. Declare the dtype of the keys that the handlers use."
                )
                raise ProjectionError(msg)

    def no_key(self, key: object) -> ProjectionError:
        """Return the error for a key that is none."""
        return ProjectionError(
            f"Cannot find a row of {self.name!r} by {key!r:.100}. "
            f"Give a value that is not None for each key column: {', '.join(self.key)}."
        )

    # What the replay does with it

    def undo(self) -> None:
        """Take back what the present event has changed: a handler that failed changes nothing."""
        event = self.cursor.event
        while self.changes and self.changes[-1][0] == event:
            _, state, entry, values, _ = self.changes.pop()
            state.entry, state.values = entry, values
        while self._keys and self.states[self._keys[-1]].entry is None:
            del self.states[self._keys.pop()]

    def settle(self, batch: pl.DataFrame) -> None:
        """Turn the changes of a batch of events into columns."""
        if not self.changes:
            return
        events, states, previous, _, afters = zip(*self.changes, strict=True)
        causes = batch.select(CAUSE)[pl.Series(events, dtype=pl.UInt32)]
        links = pl.DataFrame(
            {
                "row": pl.Series([state.number for state in states], dtype=pl.UInt32),
                "previous": pl.Series(previous, dtype=pl.UInt32),
                "deleted": pl.Series([after is None for after in afters]),
            }
        )
        self._entries.append(pl.concat([causes, links], how="horizontal"))
        self._values.append(self._value_columns(afters))
        self.begins += len(self.changes)
        self.changes.clear()
        self._settle_keys()

    def _value_columns(self, afters: tuple[Values | None, ...]) -> pl.DataFrame:
        width = len(self.columns)
        nothing = (None,) * width
        if width == 1:
            columns: Iterable[Sequence[Any]] = [[row[0] if row else None for row in afters]]
        elif self.declared is None:
            columns = zip(
                *((*r, *nothing[len(r) :]) if r else nothing for r in afters), strict=True
            )
        else:
            columns = zip(*(nothing if row is None else row for row in afters), strict=True)
        if not width:
            columns = ()
        if self.declared is None:
            return pl.DataFrame(
                [inferred(name, values) for name, values in zip(self.columns, columns, strict=True)]
            )
        return pl.DataFrame(
            [
                series_of(name, values, dtype)
                for (name, dtype), values in zip(self.declared.items(), columns, strict=True)
            ]
        )

    def _settle_keys(self) -> None:
        if not self._keys:
            return
        parts = [self._keys] if len(self.key) == 1 else zip(*self._keys, strict=True)
        self._key_chunks.append(
            pl.DataFrame(
                [
                    inferred(name, part) if dtype is None else series_of(name, part, dtype)
                    for (name, dtype), part in zip(self.key.items(), parts, strict=True)
                ]
            )
        )
        self._keys.clear()

    def chunks(self) -> tuple[list[pl.DataFrame], list[pl.DataFrame], list[pl.DataFrame]]:
        """Return keys, entries and values so far, a frame a batch."""
        return self._key_chunks, self._entries, self._values

    def log(self) -> ChangeLog:
        """Return the change log so far."""
        return ChangeLog(unified(self._key_chunks), pl.concat(self._entries), unified(self._values))

    def go_on_from(self, log: ChangeLog) -> None:
        """Take up where a log ends: its rows are known, and its entries come first."""
        last = log.last()
        keys = log.keys.to_series().to_list() if log.keys.width == 1 else log.keys.rows()
        # A key that was looked at, and never written to, has a number and no entry.
        states = [RowState(number, None, None) for number in range(len(keys))]
        self.states.clear()  # the same object: tables hold it
        self.states.update(zip(keys, states, strict=True))
        values = log.after[last["entry"]].rows()
        for (entry, row, gone), value in zip(
            last.select("entry", "row", "deleted").iter_rows(), values, strict=True
        ):
            states[row].entry = entry
            states[row].values = None if gone else value
        self.columns = {name: i for i, name in enumerate(log.after.columns)}
        self.begins = len(log)
        self._entries, self._values, self._key_chunks = [log.entries], [log.after], [log.keys]
