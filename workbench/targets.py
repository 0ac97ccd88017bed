"""From what a user names, a path, a URL or an object, to the source that it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from workbench.errors import UnknownApplicationError, UnknownTargetError, missing_extra
from workbench.redaction import redacted

if TYPE_CHECKING:
    from workbench.sources import Source

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://?")


@dataclass(frozen=True, slots=True)
class Server:
    """How URLs of one scheme are opened.

    `module` has a function `open_url(url, application)` that returns the source. `needs` is
    the client's package, which `extra` installs; `feature` names both in an error.
    """

    module: str
    example: str
    feature: str
    extra: str
    needs: str


_POSTGRES = Server(
    "workbench.sources.postgres",
    "postgresql://user@host/db",
    "PostgreSQL sources",
    "postgres",
    "psycopg",
)
SERVERS: dict[str, Server] = {
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
}
"""What opens the URLs of a scheme. A new kind of server is one entry."""


def open_source(target: object, application: str | None = None) -> Source:
    """Return the source that `target` names; see `workbench.open_history`.

    Raises
    ------
    UnknownTargetError
        If no kind of source fits.
    MissingExtraError
        If the client of that kind of server is not installed.
    """
    if isinstance(target, (str, Path)):
        server = SERVERS.get(_scheme_of(target) or "")
        if server is not None:
            return _served(server, str(target), application)
        path, named = _path_of(target)
        from workbench.sources.sqlite import open_sqlite

        return open_sqlite(path, named if application is None else application)
    return _live(target, application)


def _scheme_of(target: str | Path) -> str | None:
    found = _SCHEME.match(target) if isinstance(target, str) else None
    return None if found is None else found[1].lower()


def _served(server: Server, url: str, application: str | None) -> Source:
    if find_spec(server.needs) is None:
        raise missing_extra(server.feature, server.extra)
    found: Source = import_module(server.module).open_url(url, application)
    return found


def _path_of(target: str | Path) -> tuple[Path, str | None]:
    """Return the path, and the application if a URL names one: `sqlite:///shop.db?application=a`."""
    if isinstance(target, Path):
        return target, None
    scheme = _scheme_of(target)
    if scheme is None:
        if not target:
            msg = "Cannot open '': no target was named. Give a path, a URL or an application."
            raise UnknownTargetError(msg)
        return Path(target), None
    if scheme != "sqlite":
        known = dict.fromkeys(("sqlite:///path", *(s.example for s in SERVERS.values())))
        msg = (
            f"Cannot open {redacted(target)!r}: no source knows the scheme {scheme!r}. "
            f"Known are: a path, {', '.join(known)}."
        )
        raise UnknownTargetError(msg)
    parts = urlsplit(target)
    if parts.netloc:
        msg = (
            f"Cannot open {redacted(target)!r}: a SQLite URL has three slashes before a "
            "relative path and four before an absolute one. "
            f"Write {redacted(f'sqlite://{parts.netloc}').replace('://', ':///')}{parts.path}."
        )
        raise UnknownTargetError(msg)
    named = parse_qs(parts.query).get("application", [None])[0]
    return Path(unquote(parts.path.removeprefix("/"))), named


def _live(target: Any, application: str | None) -> Source:  # noqa: ANN401, whatever was given
    from workbench.sources.recorder import Recorder, RecorderSource

    if isinstance(target, Recorder):
        return RecorderSource(target, application)
    recorder = getattr(target, "recorder", None)
    if isinstance(recorder, Recorder):
        name = getattr(target, "name", None)
        if application is not None and name is not None and application != name:
            msg = (
                f"Cannot find the application {application!r}: the one that was given is {name!r}. "
                "Leave application= out."
            )
            raise UnknownApplicationError(msg)
        return RecorderSource(recorder, name)
    msg = (
        f"Cannot open {target!r:.200}, of class {type(target).__name__}: it is no path, no URL, "
        "and has no recorder. Give a store's path, or an eventsourcing application or recorder."
    )
    raise UnknownTargetError(msg)
