"""Which events an edit is about: by position, by a condition, or by a function.

Each way gives the rows of the event table with the column `ROW`, which tells the
events of one position apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from workbench.edits.overlay import ROW
from workbench.edits.values import few
from workbench.errors import EditError
from workbench.event import Event
from workbench.payload.native import fields_of
from workbench.scanning import ENVELOPE
from workbench.sources import Selection
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from workbench.edits.values import Which
    from workbench.scanning import Reading

T = TypeVar("T")

KEY = ("position", ROW)
NEAR = 10_000  # positions that are so near each other are read in one go
MOST_RANGES = 64
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Chooser:
    """Finds events in what a history shows: `reading` is of an edited source, with `ROW`."""

    reading: Reading

    @property
    def name(self) -> str:
        """What the source is called."""
        return self.reading.source.name

    def chosen(self, which: Which, verb: str) -> pl.DataFrame:
        """Return the events that are named: `workbench.tables.EVENTS` and `ROW`, in order.

        Parameters
        ----------
        which
            A position or several, a condition, or a function.
        verb
            What is to be done with them, such as 'drop'.

        Raises
        ------
        EditError
            If it names no event, or is none of these.
        """
        if isinstance(which, pl.Expr):
            found = self._fitting(which, verb)
        elif isinstance(which, str | bytes | Mapping | bool) or not isinstance(
            which,
            int | Callable | Iterable,
        ):
            raise _no_choice(which, verb)
        elif callable(which):
            found = self._called(which, verb)
        else:
            return self.at([which] if isinstance(which, int) else which, verb)
        if found.is_empty():
            msg = (
                f"Cannot {verb} events of {self.name!r}: none of those that the history shows "
                f"fits {which!s:.200}. Look at what is there: history.scan()."
            )
            raise EditError(msg)
        return found

    def at(self, positions: Iterable[int], verb: str) -> pl.DataFrame:
        """Return the events at these positions, in order; the first at each.

        Raises
        ------
        EditError
            If there is none at one of them, or one is no number.
        """
        wanted = _numbers(positions, verb)
        if not wanted:
            msg = f"Cannot {verb} events of {self.name!r}: no position is named. Name one."
            raise EditError(msg)
        found = self.all_at(wanted).unique("position", keep="first", maintain_order=True)
        missing = sorted(set(wanted).difference(found["position"].to_list()))
        if missing:
            source = self.reading.source
            msg = (
                f"Cannot {verb} the events at {few(wanted)} of {self.name!r}: there is no event at "
                f"{few(missing)} in what the history shows. Positions go from "
                f"{source.tail() or 0:,} to {source.head() or 0:,} and may have holes."
            )
            raise EditError(msg)
        return found

    def all_at(self, positions: list[int]) -> pl.DataFrame:
        """Return all events at these positions, where there are any, in order."""
        wanted = sorted({p for p in positions if -_LARGEST < p < _LARGEST})
        member = pl.col("position").is_in(pl.Series(wanted, dtype=pl.Int64).implode())
        frames = [pl.DataFrame(schema=self.reading.schema)]
        for first, last in _ranges(wanted):
            read = self.reading.frames(self.reading.schema, Selection(after=first - 1, upto=last))
            frames += [frame.filter(member) for frame in read]
        return pl.concat(frames)

    def _fitting(self, condition: pl.Expr, verb: str) -> pl.DataFrame:
        try:
            return self.reading.lazy().filter(condition).collect()
        except pl.exceptions.PolarsError as error:
            said = (str(error).splitlines() or ["no reason given"])[0]
            msg = (
                f"Cannot {verb} the events that fit {condition!s:.200}: {said}. "
                f"Give a condition on the columns of the event table: {', '.join(EVENTS.names)}."
            )
            raise EditError(msg) from error

    def _called(self, fits: Callable[[Event], bool], verb: str) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=self.reading.schema)]
        for frame in self.reading.frames(self.reading.schema):
            columns = (frame[name].to_list() for name in (*ENVELOPE, "data"))
            rows = zip(*columns, strict=True)
            mask = [bool(called(fits, event_of(row), verb, row[-1])) for row in rows]
            frames.append(frame.filter(pl.Series(mask, dtype=pl.Boolean)))
        return pl.concat(frames)


def event_of(row: tuple[Any, ...]) -> Event:
    """Return the event for the values of the envelope and the payload's text.

    Where the payload cannot be decoded, it has no fields.
    """
    text = row[-1]
    return Event(*(*row[:-1], fields_of(text) if isinstance(text, str) else {}))


def called(function: Callable[[Event], T], event: Event, verb: str, text: object) -> T:
    """Return what a user's function makes of an event.

    Raises
    ------
    EditError
        If it raises.
    """
    try:
        return function(event)
    except Exception as error:
        unread = "" if text is not None else "; its payload cannot be decoded and has no fields"
        name = getattr(function, "__name__", repr(function))
        msg = (
            f"Cannot {verb} by {name}: at position {event.position:,} ({event.type}) it raised "
            f"{type(error).__name__}: {error}{unread}. Mend the function, or narrow the history."
        )
        raise EditError(msg) from error


def _no_choice(which: object, verb: str) -> EditError:
    return EditError(
        f"Cannot {verb} {which!r:.100}: a {type(which).__name__} names no events. Give a position, "
        "several, a Polars condition on the event table, or a function of an Event."
    )


def _numbers(positions: Iterable[int], verb: str) -> list[int]:
    listed = list(positions)
    wrong = [p for p in listed if not isinstance(p, int) or isinstance(p, bool)]
    if wrong:
        msg = (
            f"Cannot {verb} the event at {wrong[0]!r:.100}: a position is a whole number. "
            "Give the numbers that the column position shows."
        )
        raise EditError(msg)
    return listed


def _ranges(positions: list[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of positions that are near each other."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position - runs[-1][1] <= NEAR:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs if len(runs) <= MOST_RANGES else [(positions[0], positions[-1])]
