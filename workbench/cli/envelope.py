"""The one form in which every command answers to `--json`.

::

    {"workbench": "0.1.0",          the version that answers
     "command": "types",            the command, null if none was recognised
     "target": "shop.db",           as it was given; a list for `serve`; null if there is none
     "ok": true,                    false if there is an error
     "result": {...},               null if there is an error
     "error": null}                 else {"kind": "StoreNotFoundError", "message": "..."}

A command that lists a table has `rows` in its result, one object for each row with the
columns of the table's spec in `workbench.tables`, and `total`, how many rows there are
whatever `--limit` says. Times are ISO 8601 in UTC, decimals and integers of more than
64 bits are strings, bytes are base64, a number that JSON does not have is null. The
text is ASCII, so that no stored text can steer a terminal.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

LARGEST = 2**63


def envelope(
    command: str | None,
    target: object,
    *,
    result: Mapping[str, object] | None = None,
    error: Mapping[str, str] | None = None,
) -> str:
    """Return the answer of a command, or the error that it ended in, as one line of JSON.

    Parameters
    ----------
    command
        The command's name.
    target
        What it was asked about.
    result
        What it found.
    error
        What stopped it: kind and message.
    """
    answer = {
        "workbench": version(),
        "command": command,
        "target": target,
        "ok": error is None,
        "result": plain(result),
        "error": error,
    }
    return json.dumps(answer, allow_nan=False)


def version() -> str:
    """Return the version of the workbench that is installed."""
    from importlib import metadata

    try:
        return metadata.version("event-workbench")
    except metadata.PackageNotFoundError:
        return "0+source"


def rows(frame: pl.DataFrame, total: int | None = None) -> dict[str, object]:
    """Return a frame as a result: its rows, and how many there are in all."""
    return {"rows": frame.to_dicts(), "total": frame.height if total is None else total}


def plain(value: object) -> object:  # noqa: PLR0911, one line for each type
    """Return a value as what JSON has.

    Examples
    --------
    >>> plain({"a": [Decimal("1.10"), float("nan"), 2**80], "b": b"abc"})
    {'a': ['1.10', None, '1208925819614629174706176'], 'b': 'YWJj'}
    >>> plain(datetime(2025, 3, 1, 12))
    '2025-03-01T12:00:00'
    """
    match value:
        case bool() | str() | None:
            return value
        case int():
            return value if -LARGEST <= value < LARGEST else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case dict():
            return {str(key): plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case _:
            return str(value)
