"""The values of one row as a handler names them, held against the declared columns.

This runs for every change that every handler makes. As `dataclasses` does, it writes the
two functions out for the columns of a table, so that Python itself sorts the arguments,
and a value of its column's own class costs one comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.changelog.values import check_of, plain_class
from workbench.errors import ProjectionError, near

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench.tables import Dtype

Row = tuple[Any, ...]


class Values:
    """What makes rows of a table out of named values.

    `of` returns a row with null where a column is not named; `changed` returns a row with
    some values in the place of others. Both raise ProjectionError for a column that is not
    declared, and for a value that its column would not keep as it is.
    """

    of: Callable[[dict[str, Any]], Row]
    changed: Callable[[Row, dict[str, Any]], Row]

    def __init__(self, table: str, columns: Mapping[str, Dtype]) -> None:
        self.names = tuple(columns)
        self._table = table
        self._columns = columns
        self._checks = [check_of(dtype) for dtype in columns.values()]
        places = range(len(columns))
        known: dict[str, Any] = {"absent": object(), "us": self, "names": self.names}
        known |= {f"fits_{i}": check for i, check in enumerate(self._checks)}
        known |= {f"class_{i}": plain_class(dtype) for i, dtype in enumerate(columns.values())}
        # The columns' own names are not in what is written: v0, v1, ... are their values.
        take = "".join(f"    v{i} = values.pop(names[{i}], absent)\n" for i in places)
        keep = "".join(f"    if v{i} is absent: v{i} = row[{i}]\n" for i in places)
        tests = " or ".join(
            f"(v{i}.__class__ is not class_{i} and v{i} is not None and not fits_{i}(v{i}))"
            for i in places
        )
        row = f"({''.join(f'v{i}, ' for i in places)})"
        give = (
            f"    if values: raise us.undeclared(values)\n"
            f"    if {tests or 'False'}: raise us.misfit({row})\n"
            f"    return {row}\n"
        )
        code = (
            f"def of(values):\n{take.replace('absent', 'None')}{give}"
            f"def changed(row, values):\n{take}{keep}{give}"
        )
        exec(code, known)  # noqa: S102, nothing of a user's is in it
        self.of, self.changed = known["of"], known["changed"]

    def undeclared(self, others: Mapping[str, Any]) -> ProjectionError:
        """Return the error for a column that is not declared."""
        column = next(iter(others))
        return ProjectionError(
            f"Cannot set the column {column!r} of {self._table!r}: it is not declared. "
            f"{near(column, self.names)}"
        )

    def misfit(self, row: Row) -> ProjectionError:
        """Return the error for a value that its column would not keep."""
        name, value = next(
            (name, value)
            for name, value, fits in zip(self.names, row, self._checks, strict=True)
            if value is not None and not fits(value)
        )
        return ProjectionError(
            f"Cannot keep {value!r:.100} in the column {name!r} of {self._table!r}, which is "
            f"{self._columns[name]}. Declare the dtype of what the handlers set, or convert it "
            "there."
        )
