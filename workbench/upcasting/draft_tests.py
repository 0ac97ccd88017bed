"""Drafts of tests for upcasters: stored events as they are, values masked where asked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import polars as pl

from workbench.errors import UpcasterError, near, printable
from workbench.projections.domain import decoded_lines
from workbench.upcasting.drafting import quoted
from workbench.upcasting.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.history import History

MOST_LOOKED_AT = 5_000
"""Events among which examples are looked for."""
_IMPORTS = {
    r"datetime\.": "import datetime",
    r"Decimal\b": "from decimal import Decimal",
    r"UUID\b": "from uuid import UUID",
}
_CHECKED: Final = {"str", "int", "float", "bool", "Decimal", "UUID", "list", "dict"}


def draft_test(  # noqa: PLR0913, most are keyword-only options
    history: History,
    type_: str,
    old_schema: object,
    new_schema: object,
    *,
    old_version: int = 1,
    upcaster: str | None = None,
    mask: Sequence[str] = (),
    examples: int = 3,
) -> str:
    """Return the text of a test for an upcaster, with stored events as examples.

    Parameters
    ----------
    history
        Where the examples are taken from: events of different shapes first.
    type_
        The event type, by full or short name.
    old_schema, new_schema
        As in `draft_upcaster`.
    old_version
        The version that the examples have.
    upcaster
        The class that has the upcaster, as 'module:Class'; by default the stored type.
    mask
        Which values to hide, as in `History.masked`: 'customer.*', '*name'.
    examples
        How many events.

    Raises
    ------
    UnknownTypeError
        If the history has no such type, or several of that short name.
    UpcasterError
        If no event of that version can be decoded, or the class is not 'module:Class'.
    MaskError
        If a mask names nothing.
    """
    full = history.full_type(type_)
    module, colon, name = (upcaster or full).partition(":")
    if not (colon and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))):
        msg = (
            f"Cannot draft a test of {upcaster or full!r}: it names no class. "
            "Name the one that has the upcaster: upcaster='shop:Order.Placed'."
        )
        raise UpcasterError(msg)
    hidden = history.masked(*mask) if mask else history
    states = dict(_examples(hidden, full, old_version, examples))
    body = _body(name, states, old_schema, new_schema, old_version)
    imports = [line for sign, line in _IMPORTS.items() if re.search(rf"\b{sign}", body)]
    head = "\n".join(["import copy", *imports])
    masked = ", values masked" if mask else ""
    short = printable(full.rpartition(":")[2])
    return (
        f'"""Upcasting {short} from version {old_version}: stored events{masked}, by position."""'
        f"\n\n{head}\n\nimport pytest\n\nfrom {module} import {name.split('.')[0]}\n\n{body}"
    )


def _body(
    name: str, states: dict[int, Any], old_schema: object, new_schema: object, version: int
) -> str:
    old, new = shape_of(old_schema), shape_of(new_schema)
    rows = "".join(f"    {position}: {_literal(state)},\n" for position, state in states.items())
    lines = [f"    {name}.upcast_v{version}_v{version + 1}(state)"]
    wanted = sorted(new.required & new.fields.keys())
    gone = sorted(old.fields.keys() - new.fields.keys())
    if wanted:
        lines.append(f"    assert not {_set(wanted)} - set(state)")
    if gone:
        lines.append(f"    assert not {_set(gone)} & set(state)")
    for field in wanted:
        kind = new.fields[field].kind
        if kind in _CHECKED and not new.fields[field].nullable:
            lines.append(f"    assert isinstance(state[{quoted(field)}], {_tested(str(kind))})")
    checks = "\n".join(lines)
    return (
        f"STORED = {{\n{rows}}}\n\n\n"
        '@pytest.mark.parametrize("position", STORED)\n'
        f"def test_upcast_v{version}_v{version + 1}(position):\n"
        f'    """It has the fields of version {version + 1}."""\n'
        "    state = copy.deepcopy(STORED[position])\n"
        f"{checks}\n"
    )


def _tested(kind: str) -> str:
    return "(int, float)" if kind == "float" else kind


def _set(names: list[str]) -> str:
    return f"{{{', '.join(map(quoted, names))}}}"


def _examples(
    history: History, full: str, version: int, most: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield states by position, those with other fields than the ones before first.

    Raises
    ------
    UpcasterError
        If there is none.
    """
    chosen = history.of_types(full).scan().select("position", "schema_version", "data")
    frame = (
        chosen.filter(pl.col("schema_version") == version, pl.col("data").is_not_null())
        .head(MOST_LOOKED_AT)
        .collect()
    )
    found: dict[int, dict[str, Any]] = {}
    for position, text in frame.select("position", "data").iter_rows():
        state = _state(text)
        if state is not None:
            state.pop("class_version", None)
            found[position] = state
    if not found:
        versions = history.of_types(full).types()["schema_versions"].explode().cast(pl.String)
        msg = (
            f"Cannot draft a test for version {version} of {printable(full)}: no event of it can "
            f"be decoded. Its versions: {near(str(version), versions.drop_nulls())}"
        )
        raise UpcasterError(msg)
    seen: set[frozenset[str]] = set()
    others = []
    left = most
    for position, state in found.items():
        if left and frozenset(state) not in seen:
            seen.add(frozenset(state))
            left -= 1
            yield position, state
        else:
            others.append(position)
    for position in others[-left:] if left else ():
        yield position, found[position]


def _state(text: str) -> dict[str, Any] | None:
    """Return a payload as the library decodes it; wrappers of an application's own stay."""
    try:
        return decoded_lines(pl.Series([text]))[0]
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        pass
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _literal(value: Any) -> str:  # noqa: ANN401
    """Return a value as Python code."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{quoted(str(n))}: {_literal(v)}' for n, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        return quoted(value)
    is_odd = isinstance(value, float) and not math.isfinite(value)
    if is_odd or isinstance(value, (Decimal, UUID)):
        return f'{type(value).__name__}("{value}")'
    return repr(value)
