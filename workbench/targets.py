"""From what a user names, a path, a URL or an object, to the source that it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from workbench.errors import UnknownApplicationError, UnknownTargetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.sources import Source

SCHEMES = ("sqlite",)
SERVERS = {"umadb": "umadb://host:port", "kurrentdb": "kurrentdb://host:port/stream"}
"""The schemes of servers, and what to write."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://?")


def open_source(target: object, application: str | None = None) -> Source:
    """Return the source that `target` names; see `workbench.open_history`.

    Raises
    ------
    UnknownTargetError
        If no kind of source fits.
    """
    if isinstance(target, str) and (scheme := _SCHEME.match(target)) is not None:
        opener = _opener(scheme[1].lower())
        if opener is not None:
            return opener(target, application)
    if isinstance(target, (str, Path)):
        path, named = _path_of(target)
        from workbench.sources.sqlite import open_sqlite

        return open_sqlite(path, named if application is None else application)
    return _live(target, application)


def _opener(scheme: str) -> Callable[[str, str | None], Source] | None:
    """Return what opens URLs of a server's scheme, None for any other scheme."""
    if scheme == "umadb":
        from workbench.sources.umadb import open_umadb

        return open_umadb
    if scheme.partition("+")[0] in {"kurrentdb", "kdb", "esdb"}:
        from workbench.sources.kurrentdb import open_kurrentdb

        return open_kurrentdb
    return None


def _path_of(target: str | Path) -> tuple[Path, str | None]:
    """Return the path, and the application if a URL names one: `sqlite:///shop.db?application=a`."""
    if isinstance(target, Path):
        return target, None
    scheme = _SCHEME.match(target)
    if scheme is None:
        if not target:
            msg = "Cannot open '': no target was named. Give a path, a URL or an application."
            raise UnknownTargetError(msg)
        return Path(target), None
    if scheme[1].lower() not in SCHEMES:
        msg = (
            f"Cannot open {_without_password(target)!r}: no source knows the scheme "
            f"{scheme[1]!r}. Known are: a path, "
            f"{', '.join([*(f'{s}:///path' for s in SCHEMES), *SERVERS.values()])}."
        )
        raise UnknownTargetError(msg)
    parts = urlsplit(target)
    if parts.netloc:
        msg = (
            f"Cannot open {_without_password(target)!r}: a SQLite URL has three slashes before a "
            "relative path and four before an absolute one. "
            f"Write sqlite:///{parts.netloc}{parts.path}."
        )
        raise UnknownTargetError(msg)
    named = parse_qs(parts.query).get("application", [None])[0]
    return Path(unquote(parts.path.removeprefix("/"))), named


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)


def _live(target: Any, application: str | None) -> Source:  # noqa: ANN401, whatever was given
    found = _of_recorder(target, application)
    if found is not None:
        return found
    name = getattr(target, "name", None)
    found = _of_recorder(getattr(target, "recorder", None), name)
    if found is not None:
        if application is not None and name is not None and application != name:
            msg = (
                f"Cannot find the application {application!r}: the one that was given is {name!r}. "
                "Leave application= out."
            )
            raise UnknownApplicationError(msg)
        return found
    msg = (
        f"Cannot open {target!r:.200}, of class {type(target).__name__}: it is no path, no URL, "
        "and has no recorder. Give a store's path, or an eventsourcing application or recorder."
    )
    raise UnknownTargetError(msg)


def _of_recorder(target: object, application: str | None) -> Source | None:
    """Return the source for a recorder of the library's, None for anything else."""
    from eventsourcing.dcb.api import DCBRecorder

    from workbench.sources.dcb import DCBSource
    from workbench.sources.recorder import Recorder, RecorderSource

    if isinstance(target, DCBRecorder):
        return DCBSource(target, application)
    return RecorderSource(target, application) if isinstance(target, Recorder) else None
