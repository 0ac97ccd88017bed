"""Conditions on events, written as text: `amount > 100 and currency = 'EUR'`.

A condition is parsed here, by hand, into Polars expressions; nothing in it is ever run. The
README has the grammar.
"""

from workbench.conditions.condition import Condition, condition, containing
from workbench.conditions.nodes import Among, And, Compare, Field, IsNull, Literal, Match, Not, Or

__all__ = [
    "Among",
    "And",
    "Compare",
    "Condition",
    "Field",
    "IsNull",
    "Literal",
    "Match",
    "Not",
    "Or",
    "condition",
    "containing",
]
