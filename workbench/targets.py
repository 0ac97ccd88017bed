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
from workbench.sources.of_path import refuse, source_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.sources import Source
    from workbench.sources.columns import Columns

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://?")


@dataclass(frozen=True, slots=True)
class Server:
    """How URLs of one scheme are opened.

    `module` has a function `open_url(url, application)` that returns the source, and is given
    options besides where it `takes_options`. `needs` is the client's package, which `extra`
    installs; `feature` names both in an error.
    """

    module: str
    example: str
    feature: str
    extra: str
    needs: str
    takes_options: bool = False


_KURRENTDB = Server(
    "workbench.sources.kurrentdb",
    "kurrentdb://host:port/stream",
    "KurrentDB servers",
    "kurrentdb",
    "kurrentdbclient",
)
_POSTGRES = Server(
    "workbench.sources.postgres",
    "postgresql://user@host/db",
    "PostgreSQL sources",
    "postgres",
    "psycopg",
)
_NATS = ("workbench.sources.nats", "nats://host:4222/STREAM", "NATS streams", "nats", "nats")
_KAFKA = (
    *("workbench.sources.kafka", "kafka://host:9092/topic"),
    *("Kafka topics", "kafka", "confluent_kafka"),
)
SERVERS: dict[str, Server] = {
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
    "nats": Server(*_NATS, takes_options=True),
    "tls": Server(*_NATS, takes_options=True),
    "kafka": Server(*_KAFKA, takes_options=True),
    "umadb": Server(
        "workbench.sources.umadb", "umadb://host:port", "UmaDB servers", "umadb", "umadb"
    ),
    **dict.fromkeys(("kurrentdb", "kurrentdb+discover"), _KURRENTDB),
    **dict.fromkeys(("esdb", "esdb+discover", "kdb", "kdb+discover"), _KURRENTDB),
}
"""What opens the URLs of a scheme. A new kind of server is one entry."""


def open_source(
    target: object,
    application: str | None = None,
    columns: Columns | None = None,
    object_type: str | None = None,
    **options: object,
) -> Source:
    """Return the source that `target` names; see `workbench.open_history`.

    Raises
    ------
    UnknownTargetError
        If no kind of source fits, or an option is given that the target has no use for.
    MissingExtraError
        If the client of that kind of server is not installed.
    """
    server = SERVERS.get(_scheme_of(target) or "") if isinstance(target, str) else None
    if options and (server is None or not server.takes_options):
        given = ", ".join(f"{name}=" for name in options)
        msg = (
            f"Cannot open {redacted(target)!r:.200} with {given}: those are options of a broker's "
            "messages. Leave them out, or give a nats:// or kafka:// URL."
        )
        raise UnknownTargetError(msg)
    if isinstance(target, (str, Path)):
        if server is not None:
            refuse(redacted(target), columns=columns, object_type=object_type)
            return _served(server, str(target), application, options)
        path, named = _path_of(target)
        file = source_at(path, columns, object_type)
        if file is not None:
            return file
        from workbench.sources.sqlite import open_sqlite

        return open_sqlite(path, named if application is None else application)
    refuse(type(target).__name__, columns=columns, object_type=object_type)
    return _live(target, application)


def _scheme_of(target: str | Path) -> str | None:
    found = _SCHEME.match(target) if isinstance(target, str) else None
    return None if found is None else found[1].lower()


def _served(
    server: Server, url: str, application: str | None, options: Mapping[str, object]
) -> Source:
    if find_spec(server.needs) is None:
        raise missing_extra(server.feature, server.extra)
    found: Source = import_module(server.module).open_url(url, application, **options)
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
