"""The columns of a file as those of the event table.

A column of the right dtype is taken as it is, so that conditions on it still reach the
file. Others are converted; a value that cannot be is null, and its row says so in
`problem`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import MappingError, near
from workbench.sources.texts import checked, tags_of, times_of
from workbench.tables import EVENTS, TIME

if TYPE_CHECKING:
    from collections.abc import Callable

Chosen = str | pl.Expr | Sequence[str] | EllipsisType
Columns = Mapping[str, Chosen]
"""Which column of a file is which of the event table."""

NEEDED = ("stream", "type")
"""What a file without a mapping must have, to be taken for one of events."""
STORED = "stored"
"""The column that holds the text of a payload as it lies in the file, JSON or not."""
_CHECKED = pl.Struct({"data": pl.String, "why": pl.String})


@dataclass(frozen=True)
class Taken:
    """One column of the event table, as it is taken from a file."""

    name: str
    value: pl.Expr
    """Its values, of the dtype of the event table; null where what is stored does not fit."""
    unread: pl.Expr | None = None
    """What is stored and does not fit, as text; null where it does."""

    @property
    def problem(self) -> pl.Expr | None:
        """What to say of a value that does not fit."""
        if self.unread is None:
            return None
        said = pl.format("{} is not read: {}", pl.lit(self.name), self.unread.str.head(60))
        return pl.when(self.unread.is_not_null()).then(said)


def _where_null(value: pl.Expr, stored: pl.Expr) -> pl.Expr:
    missing = stored.is_not_null() & value.is_null()
    return pl.when(missing).then(stored.cast(pl.String, strict=False).fill_null("?"))


def check_columns(columns: Columns, found: Sequence[str], name: str) -> None:
    """Raise if a mapping does not fit the columns of a file.

    Raises
    ------
    MappingError
        If it names a column that the event table, or the file, does not have.
    """
    for wanted, chosen in columns.items():
        if wanted not in EVENTS.names:
            msg = (
                f"Cannot map {wanted!r}: the event table has no such column. "
                f"Choose among {', '.join(EVENTS.names)}."
            )
            raise MappingError(msg)
        is_one = isinstance(chosen, (str, pl.Expr))
        if not is_one and wanted != "data":
            msg = (
                f"Cannot map {wanted!r} to {chosen!r}: only `data` is made of several columns. "
                "Name one column, or give a Polars expression."
            )
            raise MappingError(msg)
        for column in _roots(chosen):
            if column not in found:
                msg = (
                    f"Cannot find the column {column!r} in {name!r}, which {wanted!r} is mapped "
                    f"to. {near(column, found)}"
                )
                raise MappingError(msg)


def _roots(chosen: Chosen) -> Sequence[str]:
    match chosen:
        case str():
            return [chosen]
        case pl.Expr():
            return chosen.meta.root_names()
        case EllipsisType():
            return []
    return list(chosen)


def check_recognised(found: Sequence[str], name: str) -> None:
    """Raise if the columns of a file do not look like those of the event table.

    Raises
    ------
    MappingError
        If one that is needed is not there.
    """
    missing = [column for column in NEEDED if column not in found]
    if missing:
        listed = ", ".join(repr(column[:40]) for column in found[:20]) or "none"
        msg = (
            f"Cannot read {name!r} as events: it has no column {' and no '.join(missing)}. "
            f"Its columns are {listed}. Say which is which: "
            "open_history(path, columns={'stream': ..., 'type': ...})."
        )
        raise MappingError(msg)


def as_events(rows: pl.LazyFrame, columns: Columns | None, name: str) -> pl.LazyFrame:
    """Return the rows of a file as rows of `workbench.tables.EVENTS`.

    The position is left out if the file has none. The column `STORED` stands after these.

    Parameters
    ----------
    rows
        The file.
    columns
        Which of its columns is which; None if they are named as in the event table.
    name
        What the file is called, for messages.

    Raises
    ------
    MappingError
        If the columns do not fit.
    """
    schema = rows.collect_schema()
    if columns is None:
        check_recognised(schema.names(), name)
        columns = {column: column for column in EVENTS.names if column in schema}
        columns.setdefault("data", [])
    else:
        check_columns(columns, schema.names(), name)
        columns = {"data": [], **columns}
    taken = [_taken(rows, wanted, columns) for wanted in EVENTS.names if wanted != "problem"]
    made = rows.select(
        *(t.value.alias(t.name) for t in taken if t is not None),
        *_problems(rows, columns, [t for t in taken if t is not None]),
    )
    # One column first: a condition on others still reaches the file.
    data = pl.col("data").map_batches(checked, return_dtype=_CHECKED, is_elementwise=True)
    of = {
        "data": pl.col("data").struct.field("data"),
        "problem": pl.coalesce("problem", pl.col("data").struct.field("why")).alias("problem"),
    }
    names = made.collect_schema().names()
    return made.with_columns(data, pl.col("data").alias(STORED)).select(
        *(of.get(name, pl.col(name)) for name in names), STORED
    )


def _problems(rows: pl.LazyFrame, columns: Columns, taken: list[Taken]) -> list[pl.Expr]:
    stored = columns.get("problem")
    found = [] if stored is None else [_text(rows, _one(stored))]
    found += [t.problem for t in taken if t.problem is not None]
    if len(found) <= 1:
        return [(found[0] if found else pl.lit(None, pl.String)).alias("problem")]
    joined = pl.concat_str(found, separator="; ", ignore_nulls=True)
    return [pl.when(joined != "").then(joined).alias("problem")]


def _one(chosen: Chosen) -> pl.Expr:
    return chosen if isinstance(chosen, pl.Expr) else pl.col(str(chosen))


def _dtype(rows: pl.LazyFrame, expression: pl.Expr) -> pl.DataType:
    return rows.select(expression.alias("x")).collect_schema()["x"]


def _taken(rows: pl.LazyFrame, wanted: str, columns: Columns) -> Taken | None:
    """Return one column of the event table, None for a position that the file does not have."""
    chosen = columns.get(wanted)
    if wanted == "data":
        return Taken(wanted, _payload(rows, [] if chosen is None else chosen, columns))
    if chosen is None:
        default = {"partition": pl.lit(0, pl.Int32), "tags": pl.lit([], pl.List(pl.String))}
        nothing = pl.lit(None, EVENTS.schema[wanted])
        return None if wanted == "position" else Taken(wanted, default.get(wanted, nothing))
    stored = _one(chosen)
    dtype = _dtype(rows, stored)
    if dtype == EVENTS.schema[wanted]:
        filled = {"partition": stored.fill_null(0), "tags": stored.fill_null([])}
        return Taken(wanted, filled.get(wanted, stored))
    take: Callable[[str, pl.Expr, pl.DataType], Taken] = {
        "position": _whole,
        "version": _whole,
        "schema_version": _whole,
        "partition": _whole,
        "time": _time,
        "tags": _tags,
    }.get(wanted, lambda name, _stored, _dtype: Taken(name, _text(rows, stored)))
    return take(wanted, stored, dtype)


def _whole(name: str, stored: pl.Expr, dtype: pl.DataType) -> Taken:
    """Return whole numbers: what has a fraction does not fit."""
    target = EVENTS.schema[name]
    value = stored.str.strip_chars() if dtype == pl.String else stored
    if dtype.is_float() or dtype.is_decimal():
        value = pl.when(stored == stored.cast(pl.Float64).floor()).then(stored)
    value = value.cast(target, strict=False)
    unread = _where_null(value, stored)
    return Taken(name, value.fill_null(0) if name == "partition" else value, unread)


def _time(name: str, stored: pl.Expr, dtype: pl.DataType) -> Taken:
    match dtype:
        case pl.Datetime() if dtype.time_zone is None:
            return Taken(name, stored.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        case pl.Datetime():
            return Taken(name, stored.dt.convert_time_zone("UTC").cast(TIME))
        case pl.Date():
            return Taken(name, stored.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        case pl.String():
            read = stored.map_batches(times_of, return_dtype=TIME, is_elementwise=True)
            return Taken(name, read, _where_null(read, stored))
        case pl.Null():
            return Taken(name, pl.lit(None, TIME))
    msg = (
        f"Cannot take a column of {dtype} as the time: a number does not say its unit. Give an "
        "expression, such as columns={'time': pl.from_epoch('at', 'ms')}."
    )
    raise MappingError(msg)


def _tags(name: str, stored: pl.Expr, dtype: pl.DataType) -> Taken:
    if isinstance(dtype, pl.List):
        return Taken(name, stored.cast(pl.List(pl.String)).fill_null([]))
    texts = stored.cast(pl.String)
    read = texts.map_batches(tags_of, return_dtype=pl.List(pl.String), is_elementwise=True)
    return Taken(name, read.fill_null([]), _where_null(read, texts))


def _text(rows: pl.LazyFrame, stored: pl.Expr) -> pl.Expr:
    """Return a column as text; what has parts as JSON."""
    dtype = _dtype(rows, stored)
    if dtype.is_nested():
        return pl.when(stored.is_not_null()).then(_json(stored, dtype))
    return stored.cast(pl.String, strict=False)


def _json(stored: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Struct):
        return stored.struct.json_encode()
    wrapped = pl.struct(stored.alias("x")).struct.json_encode()
    return wrapped.str.slice(len('{"x":')).str.head(-len("}"))


def _payload(rows: pl.LazyFrame, chosen: Chosen, columns: Columns) -> pl.Expr:
    """Return the payload as text: a column of JSON, or several columns as an object."""
    if isinstance(chosen, (str, pl.Expr)):
        return _text(rows, _one(chosen))
    schema = rows.collect_schema()
    if isinstance(chosen, EllipsisType):
        used = {root for name, c in columns.items() if name != "data" for root in _roots(c)}
        chosen = [name for name in schema.names() if name not in used]
    if not chosen:
        return pl.lit("{}")
    return pl.struct(_field(name, schema[name]) for name in chosen).struct.json_encode()


def _field(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column as it is written into a payload: as the library writes its kind."""
    column = pl.col(name)
    match dtype:
        case pl.Datetime():
            zoned = column.dt.convert_time_zone if dtype.time_zone else column.dt.replace_time_zone
            return _wrapped(name, "datetime_iso", zoned("UTC").dt.strftime(ISO))
        case pl.Decimal():
            return _wrapped(name, "decimal_str", column.cast(pl.String))
        case pl.Binary():
            return column.bin.encode("base64").alias(name)
    return column.cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else column


ISO = "%Y-%m-%dT%H:%M:%S%.6f+00:00"


def _wrapped(name: str, kind: str, text: pl.Expr) -> pl.Expr:
    made = pl.struct(pl.lit(kind).alias("_type_"), text.alias("_data_"))
    return pl.when(pl.col(name).is_not_null()).then(made).alias(name)
