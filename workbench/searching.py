"""What a history is narrowed to by what its events hold: a time, a condition, or a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.conditions import Among, And, Compare, Condition, Field, Literal, condition
from workbench.conditions import containing as contains
from workbench.errors import ConditionError, RangeError
from workbench.moments import moment_of
from workbench.sources import Selection

if TYPE_CHECKING:
    from datetime import date, datetime
    from typing import Self
    from uuid import UUID

    from workbench.conditions.nodes import Node

_TYPE = Field("type")


class Searchable(ABC):
    """What can be searched; `workbench.history.History` is it."""

    selection: Selection
    first_time: datetime | None
    last_time: datetime | None
    conditions: tuple[Condition, ...]

    @abstractmethod
    def of_types(self, *types: str) -> Self:
        """Return the events of these types."""

    @abstractmethod
    def of_streams(self, *streams: str | UUID) -> Self:
        """Return the events of these streams."""

    def since(self, moment: datetime | date | str) -> Self:
        """Return the events of `moment` or later, by the time that they carry.

        A time without a zone is UTC. Text is ISO 8601, such as '2025-03-01' or
        '2025-03-01T12:00+02:00'. Events without a time are left out.

        Raises
        ------
        RangeError
            If the text is no time, or the history ends before it.
        """
        first = moment_of(moment)
        if self.first_time is not None:
            first = max(first, self.first_time)
        return self._timed(first, self.last_time)

    def until(self, moment: datetime | date | str) -> Self:
        """Return the events of `moment` or earlier; see `since`.

        A date without a time of day means the whole of that day.

        Raises
        ------
        RangeError
            If the text is no time, or the history begins after it.
        """
        last = moment_of(moment, end_of_day=True)
        if self.last_time is not None:
            last = min(last, self.last_time)
        return self._timed(self.first_time, last)

    def _timed(self, first: datetime | None, last: datetime | None) -> Self:
        if first is not None and last is not None and last < first:
            msg = (
                f"Cannot select events since {first.isoformat()} until {last.isoformat()}: the "
                "range ends before it begins. Give an earlier since, or a later until."
            )
            raise RangeError(msg)
        return replace(self, first_time=first, last_time=last)  # type: ignore[type-var]

    def where(self, text: str) -> Self:
        """Return the events for which a condition holds, such as `amount > 100`.

        A name is a field of the payload (`amount`, `address.city`, `lines[0].price`,
        `` `odd name` ``) or a column of the event table (`type`, `stream`, `position`, `time`,
        ...); `$.type` is the payload's. Values are compared with `= != < <= > >=`, `in (...)`,
        `between ... and ...`, `contains`, `starts with`, `ends with`, `matches` (a regular
        expression) and `is null`, and conditions are joined by `and`, `or`, `not`.

        What a source can answer itself, as `position > 1000 and type = 'Order.Placed'`, is
        left to it.

        Parameters
        ----------
        text
            The condition. It is parsed and never run.

        Raises
        ------
        ConditionError
            If it cannot be read; the message names the place.
        UnknownTypeError, UnknownStreamError
            If it wants a type or stream that the source does not have.

        Notes
        -----
        Text in a payload that is a number is compared as one, since a Decimal is often stored
        so. `contains`, `starts with` and `ends with` ignore case; `=` does not. A field that
        is not there is null, and as in SQL a comparison with null neither holds nor fails.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> history = open_history(shop_path())
        >>> len(history.where("amount > 300 and method = 'card'"))
        2
        """
        whole = condition(text)
        found, left = self, []
        for part in whole.parts:
            narrowed = found._narrowed(part)
            if narrowed is None:
                left.append(part)
            else:
                found = narrowed
        if not left:
            return found
        rest = whole if len(left) == len(whole.parts) else Condition(text, And(tuple(left)))
        return found._with(rest)  # noqa: SLF001, of the same class

    def containing(self, text: str) -> Self:
        r"""Return the events whose payload contains a text, whether in upper or lower case.

        It is found as it is, and as JSON writes it: `Zoë` also where `Zo\u00eb` is stored.

        Raises
        ------
        ConditionError
            If the text is empty.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> len(open_history(shop_path()).containing("lefèvre"))
        191
        """
        if not text:
            msg = "Cannot search for an empty text, which every payload contains. Write one."
            raise ConditionError(msg)
        return self._with(contains(text))

    def _with(self, more: Condition) -> Self:
        if more in self.conditions:
            return self
        return replace(self, conditions=(*self.conditions, more))  # type: ignore[type-var]

    def _narrowed(self, part: Node) -> Self | None:
        """Return the history narrowed by a condition that a source answers; None for others."""
        match part:
            case Compare(op, Field("position", ()), Literal(int() as value)) if abs(value) < 2**62:
                return self._between(op, value)
            case Compare(">=", Field("time", ()), Literal((first, _))):
                return self.since(first)
            case Compare("<=", Field("time", ()), Literal((_, last))):
                return self.until(last)
            case Compare("=", Field("type" | "stream", ()) as field, Literal(str() as value)):
                return self._named_by(field, value)
            case Among(Field("type" | "stream", ()) as field, values):
                return self._named_by(field, *(str(each.value) for each in values))
        return None

    def _named_by(self, field: Field, *values: str) -> Self:
        return self.of_types(*values) if field == _TYPE else self.of_streams(*values)

    def _between(self, op: str, value: int) -> Self | None:
        ends = {
            "=": (value - 1, value),
            ">": (value, None),
            ">=": (value - 1, None),
            "<": (None, value - 1),
            "<=": (None, value),
        }.get(op)
        if ends is None:
            return None
        chosen = self.selection.meet(Selection(after=ends[0], upto=ends[1]))
        return replace(self, selection=chosen)  # type: ignore[type-var]
