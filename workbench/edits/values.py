"""The values of an edit: what is asked for, an event that is new, and an edit that was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import polars as pl

from workbench.description import html_table
from workbench.errors import MOST_ALTERNATIVES, EditError
from workbench.event import Event

if TYPE_CHECKING:
    from datetime import datetime

Which: TypeAlias = int | Iterable[int] | pl.Expr | Callable[[Event], bool]
"""Which events: by position, by a condition on the event table, or by a function."""
Change: TypeAlias = Mapping[str, object] | Callable[[Event], Event | Mapping[str, object]]
"""What becomes of an event: payload fields to set, or a function that returns such, or an event."""
Alter: TypeAlias = Mapping[int, Change] | tuple[Which, Change] | Iterable[tuple[Which, Change]]


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event to be inserted into a history by `History.edit`.

    With neither `after` nor `position`, it is the last event: its number is the next one.

    Raises
    ------
    EditError
        If it has no type or stream, or both `after` and `position`.

    Examples
    --------
    >>> NewEvent(type="Order.Cancelled", stream="order-12000", after=7184).position is None
    True
    """

    type: str
    """The event type, in full or by the short name of one that the history has."""
    stream: str | UUID
    """The stream, which may be a new one."""
    data: Mapping[str, object] | str = field(default_factory=dict)
    """The payload's fields as native Python values, or JSON text that is taken as it is."""
    after: int | None = None
    """The position of the event that it follows, and whose number it shares."""
    position: int | None = None
    """A number of its own, which no event has."""
    time: datetime | None = None
    """When it happens; by default, when the event happened that it follows."""
    schema_version: int | None = None
    """The version of the payload's shape; by default, the source's first."""

    def __post_init__(self) -> None:
        for name in ("type", "stream"):
            if not isinstance(getattr(self, name), str | UUID) or not str(getattr(self, name)):
                msg = (
                    f"Cannot make a new event with the {name} {getattr(self, name)!r}. "
                    f"Give the name of a {name}: {name}='...'."
                )
                raise EditError(msg)
        if self.after is not None and self.position is not None:
            msg = (
                f"Cannot insert an event both after={self.after} and at position={self.position}. "
                "Give one of the two."
            )
            raise EditError(msg)

    @property
    def place(self) -> str:
        """Where it is to stand, in words."""
        if self.after is not None:
            return f"after {self.after:,}"
        return "at the end" if self.position is None else f"at {self.position:,}"

    def _repr_html_(self) -> str:
        return html_table(
            "New event",
            {
                "type": self.type,
                "stream": str(self.stream),
                "where": self.place,
                "time": "that of the event before" if self.time is None else str(self.time),
                "data": self.data if isinstance(self.data, str) else repr(dict(self.data)),
            },
        )


Insert: TypeAlias = NewEvent | Iterable[NewEvent] | pl.DataFrame


@dataclass(frozen=True)
class Asked:
    """What one call of `History.edit` asks for."""

    drop: Which | None = None
    alter: Alter | None = None
    insert: Insert | None = None
    move: Mapping[int, int] | None = None


@dataclass(frozen=True)
class Edit:
    """An edit that was made: its name, and what it does to the history."""

    name: str
    does: str
    """What it does, in words."""
    events: pl.DataFrame = field(repr=False, compare=False)
    """What it did to each event: `workbench.tables.EDITS`."""

    def masked(self, hidden: Callable[[pl.DataFrame], pl.DataFrame]) -> Edit:
        """Return the edit as a masked history tells of it: without what it wrote."""
        events = hidden(self.events.with_columns(what=pl.lit("masked")))
        return replace(self, does="what it does is masked", events=events)

    def __repr__(self) -> str:
        """One line: the name, and what it does."""
        return f"<Edit {self.name!r}: {self.does}>"

    def _repr_html_(self) -> str:
        return html_table("Edit", {"name": self.name, "what it does": self.does})


def few(numbers: Iterable[int]) -> str:
    """Return at most five numbers in words, and how many more there are.

    Examples
    --------
    >>> few(range(1, 8))
    '1, 2, 3, 4, 5 and 2 more'
    """
    listed = list(numbers)
    more = len(listed) - MOST_ALTERNATIVES
    tail = f" and {more:,} more" if more > 0 else ""
    return ", ".join(f"{n:,}" for n in listed[:MOST_ALTERNATIVES]) + tail
