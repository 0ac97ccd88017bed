"""Which causes are intended, in a small file that is kept under version control.

::

    [[accepted]]
    id = "4fb5fc333d"
    cause = "orders: amount is lower since Order.Shipped (schema version 2)"
    reason = "the old one added the shipping twice"

Entries are added at the end; of two with one id, the last counts.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from workbench.catalog import short_name
from workbench.errors import ComparisonError, ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD = "# Differences that are intended: written by `workbench compare --accept`.\n"


def read_accepted(path: Path) -> dict[str, str]:
    """Return the reasons by the cause's id; none if the file is not there.

    Raises
    ------
    ComparisonError
        If the file cannot be read, or is of another form.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = [(entry["id"], entry["reason"]) for entry in found.get("accepted", [])]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        msg = (
            f"Cannot read the accepted causes in {str(path)!r}: {said}. It has a table "
            '[[accepted]] for each cause, with id = "..." and reason = "...".'
        )
        raise ComparisonError(msg) from error
    if not all(isinstance(part, str) and part.strip() for entry in entries for part in entry):
        msg = (
            f"Cannot read the accepted causes in {str(path)!r}: an id or a reason is no text, or "
            "empty. Say why each is intended."
        )
        raise ComparisonError(msg)
    return dict(entries)


def add_accepted(path: Path, causes: Mapping[str, Mapping[str, Any]]) -> None:
    """Add causes, with their reasons in `accepted`, to the end of the file.

    Parameters
    ----------
    path
        The file; it need not be there.
    causes
        Rows of `workbench.tables.CAUSES`, by id.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else _HEAD
        path.write_text(accepted_text(causes, before), encoding="utf-8")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        msg = f"Cannot write the accepted causes to {str(path)!r}: {said}. Name another file."
        raise ExportError(msg) from error


def accepted_text(causes: Mapping[str, Mapping[str, Any]], before: str = _HEAD) -> str:
    """Return the text of a file in which causes, with their reasons, come after what it has.

    Parameters
    ----------
    causes
        Rows of `workbench.tables.CAUSES`, by id, with their reasons in `accepted`.
    before
        What is in the file; by default no cause.
    """
    blocks = [
        f"\n[[accepted]]\nid = {_text(name)}\ncause = {_text(in_words(cause))}\n"
        f"reason = {_text(cause['accepted'])}\n"
        for name, cause in causes.items()
    ]
    return before + "\n" * (not before.endswith("\n")) + "".join(blocks)


def in_words(cause: Mapping[str, Any]) -> str:
    """Return a cause, a row of `workbench.tables.CAUSES`, in a few words.

    Examples
    --------
    >>> in_words({"table": "orders", "column": "amount", "direction": "lower",
    ...           "type": "shop:Order.Shipped", "schema_version": 2})
    'orders: amount is lower since Order.Shipped (schema version 2)'
    """
    what = f"{cause['table']}: {cause['column'] or 'the row'} is {cause['direction']}"
    if cause["type"] is None:
        return what
    version = cause["schema_version"]
    tail = "" if version is None else f" (schema version {version})"
    return f"{what} since {short_name(cause['type'])}{tail}"


def _text(value: str) -> str:
    """Return text as TOML has it, which takes one more character amiss than JSON does."""
    clean = value.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")
