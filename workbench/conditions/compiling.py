"""From the tree of a condition to Polars expressions.

Values inside JSON are taken out as text, each once, into columns of their own; the condition
is then one on these columns. What an event must have for it to hold, as far as a plain search
of its text can tell, is looked for before: most events are left out by that, at the speed of
memory, and only the others' JSON is read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import polars as pl

from workbench.conditions.nodes import Among, And, Compare, Field, IsNull, Literal, Match, Not, Or
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workbench.conditions.nodes import Node

PREFIX = "\0value "
"""How a column begins that holds what was taken out of JSON: no other name does."""
_LARGEST = 1.7976931348623157e308
_PLAIN = re.compile(r"[A-Za-z0-9 _.:@/-]*")
_NUMBER = re.compile(r"[-+0-9.eE]*")
_ESCAPED = r"\\u"  # any character of JSON may be written so
_SHORT = pl.col("type").str.extract(r"([^:]*)$")
_BETWEEN: dict[str, Callable[[pl.Expr, float], pl.Expr]] = {
    "<": lambda number, value: number.is_between(-_LARGEST, value, closed="left"),
    "<=": lambda number, value: number.is_between(-_LARGEST, value),
    ">": lambda number, value: number.is_between(value, _LARGEST, closed="right"),
    ">=": lambda number, value: number.is_between(value, _LARGEST),
}
"""Bounded on both sides: the texts 'inf' and 'NaN' are no numbers."""


def fields_of(node: Node) -> list[Field]:
    """Return the fields that a condition looks at, each once."""
    match node:
        case And(nodes) | Or(nodes):
            found = [field for inner in nodes for field in fields_of(inner)]
        case Not(inner):
            found = fields_of(inner)
        case Compare(_, field, Field() as other):
            found = [field, other]
        case _:
            found = [node.field]
    return list(dict.fromkeys(found))


def taken(field: Field) -> pl.Expr:
    """Return the value that a path leads to, as text."""
    steps = "".join(f"[{_step(step)}]" for step in field.path)
    return pl.col(field.column).str.json_path_match(f"${steps}").alias(name_of(field))


def unwrapped(field: Field) -> pl.Expr:
    """Return a value that was taken out: a wrapper's is what it wraps.

    The usual wrapper is told by its text, and only another one is read as JSON again.
    """
    value = pl.col(name_of(field))
    usual = value.str.extract(r'^\{"_type_":"[^"\\]*","_data_":"([^"\\]*)"\}$')
    is_other = value.str.contains(r'^\{"_(?:type|data)_":') & usual.is_null()
    other = pl.when(is_other).then(value).str.json_path_match("$._data_")
    return pl.coalesce(usual, other, value).alias(name_of(field))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return str(step)
    return f'"{step}"' if "'" in step else f"'{step}'"


def name_of(field: Field) -> str:
    """Return the column in which the value of a field stands."""
    return f"{PREFIX}{field!r}" if field.path else field.column


def compiled(node: Node) -> pl.Expr:
    """Return whether a condition holds, over the event table and the values taken out of it.

    As in SQL, a comparison with what is not there is neither true nor false.
    """
    match node:
        case And(nodes) | Or(nodes):
            join = pl.all_horizontal if isinstance(node, And) else pl.any_horizontal
            found = join([compiled(inner) for inner in nodes])
        case Not(inner):
            found = ~compiled(inner)
        case IsNull(field):
            found = pl.col(name_of(field)).is_null()
        case Match(op, field, text):
            found = _matched(op, field, text)
        case Among(field, values):
            found = pl.any_horizontal([_compared("=", field, value) for value in values])
        case Compare(op, field, Field() as other):
            found = _fields(op, field, other)
        case Compare(op, field, Literal() as literal):
            found = _compared(op, field, literal)
    return found


def _compared(op: str, field: Field, literal: Literal) -> pl.Expr:
    value, column = literal.value, pl.col(name_of(field))
    if isinstance(value, tuple):
        return _timed(op, column, *value)
    if EVENTS.schema.get(name_of(field), pl.String).is_integer():
        number = value if isinstance(value, int) and abs(value) < 2**63 else float(value)
        return _plain(op, column, pl.lit(number))
    if isinstance(value, str):
        if field == Field("type") and op in {"=", "!="}:
            is_it = column.eq(value) | _SHORT.eq(value)
            return is_it if op == "=" else ~is_it
        return _plain(op, column, pl.lit(value))
    if isinstance(value, bool):
        return _plain(op, column, pl.lit(json.dumps(value)))
    return _number(op, column, value)


def _number(op: str, column: pl.Expr, value: float) -> pl.Expr:
    """Return a comparison with what is a number, or text that is one, as decimals often are."""
    number = column.cast(pl.Float64, strict=False)
    if op in _BETWEEN:
        return _BETWEEN[op](number, float(value))
    is_it = number.eq_missing(pl.lit(float(value)))
    if isinstance(value, int) and abs(value) > 2**53:
        is_it = column.eq_missing(pl.lit(str(value)))  # where a float tells neighbours not apart
    return pl.when(column.is_not_null()).then(is_it if op == "=" else ~is_it)


def _fields(op: str, field: Field, other: Field) -> pl.Expr:
    a, b = pl.col(name_of(field)), pl.col(name_of(other))
    x, y = (each.cast(pl.String).cast(pl.Float64, strict=False) for each in (a, b))
    are_numbers = x.is_finite() & y.is_finite()
    texts = _plain(op, a.cast(pl.String), b.cast(pl.String))
    return pl.when(are_numbers).then(_plain(op, x, y)).otherwise(texts)


def _plain(op: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    return {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[op]


def _timed(op: str, time: pl.Expr, first: object, last: object) -> pl.Expr:
    """Return a comparison with a time, or with all of a day."""
    return {
        "=": time.is_between(pl.lit(first), pl.lit(last)),
        "!=": ~time.is_between(pl.lit(first), pl.lit(last)),
        "<": time < pl.lit(first),
        "<=": time <= pl.lit(last),
        ">": time > pl.lit(last),
        ">=": time >= pl.lit(first),
    }[op]


def _matched(op: str, field: Field, text: str) -> pl.Expr:
    column = pl.col(name_of(field))
    if field == Field("tags"):
        return column.list.contains(pl.lit(text))
    if op == "matches":
        return column.str.contains(text)
    if op == "contains" and not field.path and field.column in {"data", "metadata"}:
        return column.str.contains(contained(text))
    pattern = pl.escape_regex(text)
    form = {"contains": "(?i){}", "starts": r"(?i)\A(?:{})", "ends": r"(?i)(?:{})\z"}[op]
    return column.str.contains(form.format(pattern))


def contained(text: str) -> str:
    """Return the pattern that finds text in JSON, as it is or as JSON writes it, in any case."""
    forms = {text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]}
    return f"(?i){'|'.join(pl.escape_regex(form) for form in sorted(forms))}"


# What an event must have


def needed(node: Node) -> pl.Expr | None:
    """Return what must hold for a condition to hold, at little cost; None for nothing."""
    match node:
        case And(nodes):
            return _joined(map(needed, nodes), pl.all_horizontal)
        case Or(nodes):
            found = [needed(inner) for inner in nodes]
            return (
                None if any(part is None for part in found) else _joined(found, pl.any_horizontal)
            )
        case Not(Compare() | Match() | Among() as inner):
            return _joined(map(_named, fields_of(inner)), pl.all_horizontal)
        case Not() | IsNull():
            return None
        case Compare("=", field, Literal(value)) if isinstance(value, str):
            return _joined((_named(field), _valued(field, value)), pl.all_horizontal)
        case _:
            return _joined(map(_named, fields_of(node)), pl.all_horizontal)


def _joined(
    found: Iterable[pl.Expr | None], join: Callable[[list[pl.Expr]], pl.Expr]
) -> pl.Expr | None:
    parts = [part for part in found if part is not None]
    return join(parts) if parts else None


def _named(field: Field) -> pl.Expr | None:
    """Return whether the text has the names of a path, as far as these can be looked for."""
    names = [step for step in field.path if isinstance(step, str) and _PLAIN.fullmatch(step)]
    column = pl.col(field.column)
    return _joined(
        (column.str.contains(f'"{pl.escape_regex(name)}"|{_ESCAPED}') for name in names),
        pl.all_horizontal,
    )


def _valued(field: Field, value: str) -> pl.Expr | None:
    """Return whether the text has a value; a number may be written in other ways."""
    if not field.path or not _PLAIN.fullmatch(value) or _NUMBER.fullmatch(value):
        return None
    escaped = pl.escape_regex(value).replace("/", r"\\?/")
    return pl.col(field.column).str.contains(f"{escaped}|{_ESCAPED}")
