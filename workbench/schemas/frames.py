"""What a census knows, as rows: of versions, of fields, and of versions that overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.catalog import short_name
from workbench.schemas.regimes import MISSING, PRESENT, there
from workbench.schemas.shapes import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    JSON_KINDS,
    MOST_NESTED,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Mark,
    Path,
    path_text,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from workbench.schemas.cells import Cell, Extent
    from workbench.schemas.regimes import Beginning
    from workbench.schemas.statistics import Spread

UNDECODABLE = "undecodable"

_DTYPES = {
    NULL: "Null",
    BOOLEAN: "Boolean",
    INTEGER: "Int64",
    NUMBER: "Float64",
    STRING: "String",
    OBJECT: "Struct",
    ARRAY: "List",
    "datetime_iso": "Datetime",
    "decimal_str": "Decimal",
    "uuid_hex": "String",
}


def dtype_of(kinds: Iterable[str]) -> str | None:
    """Return the dtype in which all values of these kinds have room; None of no values.

    Examples
    --------
    >>> dtype_of(["integer", "number", "null"])
    'Float64'
    >>> dtype_of(["integer", "string"])
    'String'
    """
    dtypes = {_DTYPES.get(kind, "Struct") for kind in kinds if kind != NULL}
    if dtypes == {"Int64", "Float64"}:
        return "Float64"
    if len(dtypes) > 1:
        return "String"
    return next(iter(dtypes), None)


def version_row(
    names: tuple[str, int | None, str], extent: Extent, of: int, began: Iterable[Beginning] | None
) -> dict[str, Any]:
    """Return a row of `workbench.tables.SCHEMA_VERSIONS`, without its counts of fields."""
    type_, version, name = names
    return {
        "type": type_,
        "short_name": short_name(type_),
        "schema_version": version,
        "name": name,
        "is_silent": bool(began),
        "began_with": [said(b) for b in began or ()],
        "count": extent.events,
        "share": extent.events / of,
        "not_objects": 0,
        "first_position": extent.first,
        "last_position": extent.last,
        "first_time": extent.first_time,
        "last_time": extent.last_time,
        "fields": 0,
    }


def said(beginning: Beginning) -> str:
    """Return in words what is new since an event."""
    path = path_text(beginning.path)
    how = "" if beginning.seen.events == beginning.after else " at times"
    if beginning.kind == MISSING:
        return f"{path} is missing{how}"
    if beginning.kind == PRESENT:
        return f"{path} is there{how}"
    return f"{path} is {beginning.kind}{how}"


def not_objects(cell: Cell) -> int:
    """Return how many payloads are no objects."""
    kinds = cell.fields[()].kinds
    return sum(kind.seen.events for name, kind in kinds.items() if name != OBJECT)


def shown(cell: Cell) -> list[Path]:
    """Return the paths that are fields: all but that of a payload which is an object."""
    only_objects = not not_objects(cell)
    return [path for path in cell.fields if path or not only_objects]


def field_row(type_: str, name: str, cell: Cell, path: Path) -> dict[str, Any]:
    """Return a row of `workbench.tables.SCHEMA_FIELDS`."""
    known = cell.fields[path]
    kinds = sorted(known.kinds.items(), key=lambda pair: -pair[1].total)
    wrappers = [kind for kind, _ in kinds if kind not in JSON_KINDS]
    seen = there(cell, path)
    lacking = missing_count(cell, path)
    return {
        "type": type_,
        "name": name,
        "path": path_text(path),
        "dtype": dtype_of(known.kinds),
        "kinds": [kind for kind, _ in kinds],
        "wrapper": wrappers[0] if len(wrappers) == 1 else None,
        "presence": "optional" if known.missing.events or path[-1:] == (Mark.ANY,) else "always",
        "events": seen.events,
        "missing_events": known.missing.events,
        "null_share": known.kinds[NULL].total / known.total if NULL in known.kinds else 0.0,
        "missing_share": lacking / (known.total + lacking) if lacking else 0.0,
        **_values([kind.spread for _, kind in kinds if kind.spread is not None]),
        "first_position": seen.first,
        "last_position": seen.last,
        "note": _note(path, known.kinds),
    }


def missing_count(cell: Cell, path: Path) -> int:
    """Return how many objects lack a field that they might have."""
    if not path or not isinstance(path[-1], str):
        return 0
    parent = cell.fields[path[:-1]].kinds.get(OBJECT)
    return parent.total - cell.fields[path].total if parent is not None else 0


def _values(spreads: list[Spread]) -> dict[str, Any]:
    """Return the columns that tell of values; of several kinds, least and greatest of each."""
    if not spreads:
        return dict.fromkeys(("distinct", "min", "max", "examples", "values"))
    first = spreads[0]
    values = None
    if all(s.values is not None for s in spreads):
        values = sorted({v for s in spreads for v in s.values or ()})
    return {
        "distinct": sum(s.distinct for s in spreads),
        "min": first.low.text if first.low is not None else None,
        "max": first.high.text if first.high is not None else None,
        "examples": [e for s in spreads for e in s.examples][:3],
        "values": values,
    }


def _note(path: Path, kinds: Collection[str]) -> str | None:
    if len(path) >= MOST_NESTED and {OBJECT, ARRAY}.intersection(kinds):
        return f"{MOST_NESTED} levels deep: what is inside is not looked into"
    if path[-1:] == (Mark.ANY,):
        return "an object of more than 256 names, taken for a map: any name is this field"
    return None
