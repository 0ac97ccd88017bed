"""What a condition is made of, once it is parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the event table, or a value inside its JSON."""

    column: str
    path: tuple[str | int, ...] = ()
    """The names and places that lead to the value in `data` or `metadata`; () is the column."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that was written: text, a number, true or false; of a time, from when to when."""

    value: str | float | bool | tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Compare:
    """`field op value`, where op is one of = != < <= > >=."""

    op: str
    field: Field
    value: Literal | Field


@dataclass(frozen=True, slots=True)
class Match:
    """`field op text`, where op is one of contains, starts, ends, matches."""

    op: str
    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class Among:
    """`field in (value, ...)`."""

    field: Field
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field is null`: the value is null, or not there."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """`not ...`."""

    node: Node


@dataclass(frozen=True, slots=True)
class And:
    """Conditions that must all hold."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Conditions of which one must hold."""

    nodes: tuple[Node, ...]


Node: TypeAlias = Compare | Match | Among | IsNull | Not | And | Or
