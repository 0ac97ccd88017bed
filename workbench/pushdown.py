"""Which part of a Polars predicate a source can answer itself.

Polars hands a predicate to a source as an expression. The conditions joined by
`and` are looked at one by one; those on position, version, stream and type that a
source understands become a `Selection`. The others are not lost: the whole
predicate is always applied to the rows afterwards, so that a condition which is
not recognised costs time and never correctness.
"""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from typing import Any

import polars as pl

from workbench.sources import Selection

_FLIPPED = {"Lt": "Gt", "LtEq": "GtEq", "Gt": "Lt", "GtEq": "LtEq", "Eq": "Eq"}
_RANGES = {"position": ("after", "upto"), "version": ("after_version", "upto_version")}
_MEMBERS = {"type": "types", "stream": "streams"}
_LARGEST = 2**63 - 1


def selection_of(predicate: pl.Expr | None) -> Selection:
    """Return the selection that holds every row which fits `predicate`.

    Examples
    --------
    >>> found = selection_of((pl.col("position") > 10) & (pl.col("time").is_not_null()))
    >>> found == Selection(after=10)
    True
    """
    if predicate is None:
        return Selection()
    with warnings.catch_warnings():
        # The JSON form may change between releases of Polars: then nothing is recognised.
        warnings.simplefilter("ignore")
        try:
            tree = json.loads(predicate.meta.serialize(format="json"))
        except (pl.exceptions.PolarsError, ValueError):
            return Selection()
    found = Selection()
    for condition in _conjunction(tree):
        found = found.meet(_recognised(condition))
    return found


def _conjunction(tree: Any) -> list[Any]:  # noqa: ANN401, JSON
    match tree:
        case {"BinaryExpr": {"op": "And" | "LogicalAnd", "left": left, "right": right}}:
            return _conjunction(left) + _conjunction(right)
    return [tree]


def _recognised(condition: Any) -> Selection:  # noqa: ANN401, JSON
    try:
        match condition:
            case {"BinaryExpr": {"op": op, "left": {"Column": column}, "right": literal}}:
                return _compared(column, op, _value(literal))
            case {"BinaryExpr": {"op": op, "left": literal, "right": {"Column": column}}}:
                return _compared(column, _FLIPPED.get(op, ""), _value(literal))
            case {"Function": {"input": [{"Column": column}, *literals], "function": function}}:
                return _called(column, function, literals)
    except _NotUnderstoodError:
        pass
    return Selection()


class _NotUnderstoodError(Exception):
    """A literal in a form that is not known here."""


def _compared(column: str, op: str, value: Any) -> Selection:  # noqa: ANN401, any literal
    if op == "Eq" and column in _MEMBERS and isinstance(value, str):
        return _member(column, [value])
    if column not in _RANGES or isinstance(value, bool) or not isinstance(value, int):
        return Selection()
    if abs(value) >= _LARGEST:
        return Selection()
    return {
        "Gt": lambda: _range(column, value, None),
        "GtEq": lambda: _range(column, value - 1, None),
        "Lt": lambda: _range(column, None, value - 1),
        "LtEq": lambda: _range(column, None, value),
        "Eq": lambda: _range(column, value - 1, value),
    }.get(op, Selection)()


def _range(column: str, after: int | None, upto: int | None) -> Selection:
    lower, upper = _RANGES[column]
    return Selection(**{lower: after, upper: upto})  # type: ignore[arg-type]


def _member(column: str, values: list[str]) -> Selection:
    return Selection(**{_MEMBERS[column]: frozenset(values)})  # type: ignore[arg-type]


def _called(column: str, function: Any, literals: list[Any]) -> Selection:  # noqa: ANN401, JSON
    match function:
        case {"Boolean": {"IsIn": _}} if column in _MEMBERS:
            members = _value(literals[0])
            if isinstance(members, list) and all(isinstance(m, str) for m in members):
                return _member(column, members)
        case {"Boolean": {"IsIn": _}} if column in _RANGES:
            members = _value(literals[0])
            if isinstance(members, list) and members and all(type(m) is int for m in members):
                return _range(column, min(members) - 1, max(members))
        case {"Boolean": {"IsBetween": {"closed": closed}}}:
            lower = "GtEq" if closed in {"Both", "Left"} else "Gt"
            upper = "LtEq" if closed in {"Both", "Right"} else "Lt"
            low, high = map(_value, literals)
            return _compared(column, lower, low).meet(_compared(column, upper, high))
    return Selection()


def _value(literal: Any) -> Any:  # noqa: ANN401, any literal
    match literal:
        case {"Literal": {"Scalar": {"List": encoded}} | {"Series": encoded}}:
            return _list(encoded)
        case {"Literal": {"Scalar": {"Int64": value}} | {"Scalar": {"Int32": value}}}:
            return value
        case {"Literal": {"Scalar": {"String": value}}}:
            return value
        case {"Literal": {"Dyn": {"Int": value}}}:
            return value
        case {"Literal": {"Dyn": {"Str": value}}}:
            return value
    raise _NotUnderstoodError


def _list(encoded: Any) -> list[Any]:  # noqa: ANN401, JSON
    try:
        values: list[Any] = pl.read_ipc_stream(BytesIO(bytes(encoded))).to_series().to_list()
    except (pl.exceptions.PolarsError, ValueError, TypeError, OSError) as error:
        raise _NotUnderstoodError from error
    # A membership is one row that holds a list.
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values
