"""The stores of a folder, each opened when somebody asks for it; and the page that lists them.

What lies in a folder is told by names and first bytes alone. A store is opened by whoever
chooses it, once for all; what cannot be opened then says why.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from workbench.dashboards.answers import Answers
from workbench.dashboards.markup import escaped, notice
from workbench.opening import open_history
from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench import Projection

SAMPLE = "the sample: an online shop"
DEEPEST = 3
MOST = 200
MOST_LOOKED_AT = 20_000
SQLITE = b"SQLite format 3\x00"
DATABASES = frozenset({".db", ".sqlite", ".sqlite3"})
LOGS = frozenset({".xes", ".jsonocel", ".xmlocel"})
_K = 1024


@dataclass(frozen=True, slots=True)
class Found:
    """What looks like a store."""

    name: str
    """Its path, from the folder on."""
    path: Path
    size_bytes: int | None
    """None for a folder."""
    changed: datetime | None


def stores_in(folder: Path) -> list[Found]:
    """Return what in a folder, and three levels below, looks like a store; newest first.

    At most `MOST`. Hidden folders and links are left out, and what cannot be read.
    """
    found = [_found(folder, path) for path in _paths(folder)]
    oldest = datetime.min.replace(tzinfo=UTC)
    newest = sorted(found, key=lambda one: (one.changed or oldest, one.name), reverse=True)
    return newest[:MOST]


def _paths(folder: Path) -> Iterator[Path]:
    seen = 0
    for here, folders, files in os.walk(folder):
        at = Path(here)
        if (at / "_delta_log").is_dir():
            folders.clear()
            yield at
            continue
        depth = len(at.relative_to(folder).parts)
        folders[:] = [n for n in sorted(folders) if depth < DEEPEST and not n.startswith(".")]
        yield from (at / name for name in sorted(files) if _is_store(at / name))
        seen += len(files)
        if seen > MOST_LOOKED_AT:
            return


def _is_store(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in LOGS:
        return not path.is_symlink()
    if suffix not in DATABASES or path.is_symlink():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False


def _found(folder: Path, path: Path) -> Found:
    name = str(path.relative_to(folder)) if path != folder else path.name
    try:
        told = path.stat()
    except OSError:
        return Found(name, path, None, None)
    changed = datetime.fromtimestamp(told.st_mtime, tz=UTC)
    return Found(name, path, None if path.is_dir() else told.st_size, changed)


class Folder(Mapping[str, Answers]):
    """The histories of a folder and the sample, by name; each is opened when it is asked for.

    Parameters
    ----------
    path
        The folder.
    projections
        What may be replayed, by the name under which it is offered.
    """

    def __init__(
        self, path: Path, projections: Mapping[str, type[Projection]] | None = None
    ) -> None:
        self.path = path
        self._projections = projections
        self._opened: dict[str, Answers] = {}
        self._lock = Lock()
        self._paths = {SAMPLE: shop_path()}
        self.look()

    def look(self) -> list[Found]:
        """Look what is there now, and return it."""
        found = stores_in(self.path)
        with self._lock:
            self._paths |= {one.name: one.path for one in found}
        return found

    def __getitem__(self, name: str) -> Answers:
        """Return what is asked of a history, opened now if it was not yet.

        Raises
        ------
        WorkbenchError
            If it cannot be opened.
        """
        with self._lock:
            if name not in self._opened:
                history = open_history(self._paths[name])
                self._opened[name] = Answers(history, self._projections)
            return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._paths))

    def __len__(self) -> int:
        with self._lock:
            return len(self._paths)

    def __contains__(self, name: object) -> bool:
        """Whether there is one of this name, without opening it."""
        with self._lock:
            return name in self._paths


def listed(folder: Path, found: list[Found]) -> str:
    """Return the HTML that lists stores, each with a link to its pages."""
    rows = "".join(
        f"<tr><td><a href='{_link(one.name)}'>{escaped(one.name)}</a></td>"
        f"<td class=number>{_size(one.size_bytes)}</td>"
        f"<td class=muted>{'' if one.changed is None else f'{one.changed:%Y-%m-%d %H:%M} UTC'}"
        "</td></tr>"
        for one in found
    )
    head = "<tr><th>Store</th><th class=number>Size</th><th>Changed</th></tr>"
    none = notice("No store was found here.", "A store is a SQLite file, an archive or a log.")
    table = f"<table class=stores><thead>{head}</thead><tbody>{rows}</tbody></table>"
    return (
        "<h1>Event workbench</h1>"
        f"<p class=muted>What looks like a store in {escaped(str(folder))}. "
        "It is opened for reading only.</p>"
        f"{table if found else none}"
        f"<p>Or look around in <a href='{_link(SAMPLE)}'>{SAMPLE}</a>.</p>"
    )


def _link(name: str) -> str:
    return escaped(f"./?{urlencode({'history': name})}")


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    if size_bytes < _K * _K:
        return f"{size_bytes / _K:,.0f} KiB"
    return f"{size_bytes / _K / _K:,.1f} MiB"
