"""What the tests of files, archives and logs share."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from stores import simple_rows, write_native

from workbench import open_history
from workbench.export import export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from stores import Row

    from workbench import History

KNOWN: list[Row] = simple_rows(40, step=3, start=5)
"""40 events at every third position."""


def stored(path: Path, rows: Iterable[Sequence[Any]]) -> History:
    """Return the history of a new store."""
    return open_history(write_native(path, rows))


def exported(new_path: Callable[[], Path], rows: Iterable[Sequence[Any]], ending: str) -> Path:
    """Write rows into a store, export them, and return the exported file."""
    path = new_path()
    out = path.with_suffix(ending)
    export(stored(path, rows), out)
    return out


def fingerprint(folder: Path) -> dict[Path, tuple[str, int]]:
    """Return the bytes and times of all that is in a folder."""
    return {
        path: (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }
