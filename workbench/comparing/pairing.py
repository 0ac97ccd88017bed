"""Which tables and columns of two trials are compared, and in which dtypes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from workbench.comparing.differences import TableDifferences
from workbench.comparing.steps import Compared, Steps, fixed_log
from workbench.comparing.values import common, is_number
from workbench.errors import ComparisonError, NoChangeLogError, UnknownTableError, near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.changelog.log import ChangeLog
    from workbench.comparing.differences import Odd
    from workbench.comparing.values import Tolerance
    from workbench.trials.trial import Trial

    Wanted = Mapping[str, str] | Sequence[str] | None


def pairs_of(a: Trial, b: Trial, wanted: Wanted) -> list[tuple[str | None, str | None]]:
    """Return which table of a is compared with which of b; None where the other has none.

    Raises
    ------
    UnknownTableError
        If a named table is in neither, or nothing is in both.
    """
    if wanted is not None and not isinstance(wanted, Mapping):
        names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        return [(_known(a, name), _known(b, name)) for name in names]
    given = {_known(a, name): _known(b, other) for name, other in (wanted or {}).items()}
    if len(a.table_names) == len(b.table_names) == 1:
        return [(a.table_names[0], b.table_names[0])]
    left = [name for name in b.table_names if name not in given.values()]
    pairs: list[tuple[str | None, str | None]] = [
        (name, given.get(name, name if name in left else None)) for name in a.table_names
    ]
    paired = {other for _, other in pairs}
    if paired <= {None}:
        msg = (
            f"Cannot compare {a.name} and {b.name}: no table is in both. "
            f"The one has {', '.join(a.table_names)}, the other {', '.join(b.table_names)}. "
            "Say which belong together: tables={'orders': 'orders_v2'}."
        )
        raise UnknownTableError(msg)
    return pairs + [(None, name) for name in left if name not in paired]


def _known(trial: Trial, name: str) -> str:
    if name not in trial.table_names:
        msg = (
            f"Cannot compare the table {name!r}: {trial.name} has none of that name. "
            f"{near(name, trial.table_names)}"
        )
        raise UnknownTableError(msg)
    return name


def tolerances(given: Mapping[str, Tolerance] | None) -> dict[str, Tolerance]:
    """Return the tolerances, checked.

    Raises
    ------
    ComparisonError
        If one is no number, or less than zero.
    """
    for column, tolerance in (given or {}).items():
        is_bad = isinstance(tolerance, bool) or not hasattr(tolerance, "__float__")
        if is_bad or not float(tolerance) >= 0 or math.isinf(float(tolerance)):
            msg = (
                f"Cannot compare {column!r} with the tolerance {tolerance!r:.100}. "
                "Give the greatest difference that counts as none: {'amount': 0.01}."
            )
            raise ComparisonError(msg)
    return dict(given or {})


def check_columns(found: Sequence[TableDifferences], tolerance: Mapping[str, Tolerance]) -> None:
    """Check that every tolerance is for a column that is compared.

    Raises
    ------
    ComparisonError
        If no table has such a column in both trials.
    """
    known = {column.name for one in found for column in one.steps.columns}
    for name in tolerance:
        if name not in known:
            msg = (
                f"Cannot compare the column {name!r} with a tolerance: no table has it in both "
                f"trials, with numbers. {near(name, known)}"
            )
            raise ComparisonError(msg)


def differences_of(
    a: Trial, b: Trial, names: tuple[str | None, str | None], tolerance: Mapping[str, Tolerance]
) -> TableDifferences:
    """Return how one pair of tables differs.

    Raises
    ------
    ComparisonError
        If the two have other key columns, or keys of dtypes that cannot be compared.
    """
    name_a, name_b = names
    if name_a is None or name_b is None:
        return _only_one(a, b, name_a, name_b)
    name = name_a if name_a == name_b else f"{name_a} -> {name_b}"
    log_a, log_b = _logs(a, name_a, b, name_b)
    keys_a, keys_b = _keys(name, log_a, log_b)
    keys, key_b = _numbered(keys_a, keys_b)
    columns, odd = _columns(log_a, log_b, tolerance)
    steps = Steps(
        log_a,
        log_b,
        keys,
        pl.int_range(keys_a.height, dtype=pl.UInt32, eager=True),
        key_b,
        tuple(columns),
    )
    return TableDifferences(name, name_a, name_b, steps, tuple(odd), log_a.height(), log_b.height())


def _only_one(a: Trial, b: Trial, name_a: str | None, name_b: str | None) -> TableDifferences:
    """Return a table that one of two trials has: nothing in it is compared."""
    trial, name = (a, name_a) if name_a is not None else (b, name_b)
    table = trial.table(name)
    nothing, none = fixed_log(table.clear(), trial.key(name)), pl.Series(dtype=pl.UInt32)
    steps = Steps(nothing, nothing, nothing.keys, none, none, ())
    side = "a" if name_a is not None else "b"
    odd: Odd = (None, f"only in {side}", table.height)
    rows = (table.height, None) if side == "a" else (None, table.height)
    return TableDifferences(name or "", name_a, name_b, steps, (odd,), *rows)


def _log(trial: Trial, name: str) -> ChangeLog | None:
    try:
        return trial.recorded.log(name)
    except NoChangeLogError:
        return None


def _logs(a: Trial, name_a: str, b: Trial, name_b: str) -> tuple[ChangeLog, ChangeLog]:
    """Return both change logs; where one is not known, both tables at the end."""
    log_a, log_b = _log(a, name_a), _log(b, name_b)
    if log_a is not None and log_b is not None:
        return log_a, log_b
    return (
        fixed_log(a.table(name_a), a.key(name_a)),
        fixed_log(b.table(name_b), b.key(name_b)),
    )


def _keys(name: str, a: ChangeLog, b: ChangeLog) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the keys of both in the same columns and dtypes."""
    if set(a.keys.columns) != set(b.keys.columns):
        msg = (
            f"Cannot compare {name!r}: the key is {', '.join(a.keys.columns)} in the one trial and "
            f"{', '.join(b.keys.columns)} in the other. Compare tables with the same key columns."
        )
        raise ComparisonError(msg)
    dtypes = {}
    for column in a.keys.columns:
        one, other = a.keys[column], b.keys[column]
        dtype = common(one, other, None)
        if dtype is None:
            msg = (
                f"Cannot compare {name!r}: the key column {column!r} is {one.dtype} in the one "
                f"trial and {other.dtype} in the other. Declare the same dtype in both."
            )
            raise ComparisonError(msg)
        dtypes[column] = dtype
    return (
        a.keys.select(pl.col(column).cast(dtype) for column, dtype in dtypes.items()),
        b.keys.select(pl.col(column).cast(dtype) for column, dtype in dtypes.items()),
    )


def _numbered(a: pl.DataFrame, b: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Return all keys, those of a first, and the number of each of b among them."""
    if a.equals(b):
        return a, pl.int_range(a.height, dtype=pl.UInt32, eager=True)
    # Values of a view's key may read the same as text: the first of them counts.
    known = a.with_row_index("number of a").unique(a.columns, keep="first")
    number = b.join(known, on=a.columns, how="left", maintain_order="left")["number of a"]
    is_new = number.is_null()
    new = pl.int_range(a.height, a.height + int(is_new.sum()), dtype=pl.UInt32, eager=True)
    return pl.concat([a, b.filter(is_new)]), number.scatter(is_new.arg_true(), new)


def _columns(
    a: ChangeLog, b: ChangeLog, tolerance: Mapping[str, Tolerance]
) -> tuple[list[Compared], list[Odd]]:
    """Return the columns that are compared by value, and what is said of the others."""
    compared: list[Compared] = []
    odd: list[Odd] = []
    for name in a.after.columns:
        if name not in b.after.columns:
            odd.append((name, "only in a", a.height()))
            continue
        one, other, near_by = a.after[name], b.after[name], tolerance.get(name)
        dtype = common(one, other, near_by)
        if dtype is None:
            odd.append((name, "other dtype", max(a.height(), b.height())))
            continue
        if near_by is not None and not is_number(dtype):
            msg = (
                f"Cannot compare {name!r} with the tolerance {near_by}: it is {dtype}, which has "
                "none. Give tolerances for columns of numbers."
            )
            raise ComparisonError(msg)
        compared.append(Compared(name, one.cast(dtype), other.cast(dtype), near_by))
    odd += [(name, "only in b", b.height()) for name in b.after.columns if name not in a.after]
    return compared, odd
