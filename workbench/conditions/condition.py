"""A condition as a value: what it says, and the events of a frame for which it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.conditions.compiling import (
    compiled,
    fields_of,
    name_of,
    needed,
    taken,
    unwrapped,
)
from workbench.conditions.nodes import And, Field, Match
from workbench.conditions.parsing import parsed

if TYPE_CHECKING:
    import polars as pl

    from workbench.conditions.nodes import Node


@dataclass(frozen=True)
class Condition:
    """A condition on events; two are equal that say the same."""

    text: str
    """What it is called where a history says to what it is narrowed."""
    node: Node = field(repr=False)

    @property
    def parts(self) -> tuple[Node, ...]:
        """The conditions that are joined by `and`."""
        return self.node.nodes if isinstance(self.node, And) else (self.node,)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of the event table that it looks at."""
        return frozenset(field.column for field in fields_of(self.node))

    def kept(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the events for which it holds, in their order.

        Parameters
        ----------
        events
            Rows of `workbench.tables.EVENTS`, with the columns that it looks at.
        """
        if self._needed is not None:
            events = events.filter(self._needed)
        inside = [each for each in fields_of(self.node) if each.path]
        # In two steps, so that no JSON is read twice.
        values = events.with_columns(map(taken, inside)).with_columns(map(unwrapped, inside))
        return values.filter(compiled(self.node)).drop(map(name_of, inside))

    @cached_property
    def _needed(self) -> pl.Expr | None:
        return needed(self.node)


def condition(text: str) -> Condition:
    """Return the condition that a text says.

    Raises
    ------
    ConditionError
        If it cannot be read; the message names the place.

    Examples
    --------
    >>> import polars as pl
    >>> events = pl.DataFrame({"position": [1, 2], "data": ['{"amount":5}', '{"amount":"150"}']})
    >>> condition("amount > 100").kept(events)["position"].to_list()
    [2]
    """
    return Condition(text, parsed(text))


def containing(text: str) -> Condition:
    """Return the condition that the payload contains a text, whether in upper or lower case."""
    return Condition(f"payload contains {text!r}", Match("contains", Field("data"), text))
