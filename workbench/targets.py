"""From what a user names, a path, a URL or an object, to the source that it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from workbench.errors import UnknownApplicationError, UnknownTargetError, missing_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.sources import Source

SCHEMES = ("sqlite", "nats", "tls", "kafka")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://?")


def open_source(target: object, application: str | None = None, **options: object) -> Source:
    """Return the source that `target` names; see `workbench.open_history`.

    Raises
    ------
    UnknownTargetError
        If no kind of source fits, or it does not know an option.
    MissingExtraError
        If the client of that system is not installed.
    """
    if isinstance(target, str) and (named := _SCHEME.match(target)) is not None:
        broker = _broker(named[1].lower(), target, options)
        if broker is not None:
            return broker
    if options:
        given = ", ".join(f"{name}=" for name in options)
        msg = (
            f"Cannot open {_shown(target)} with {given}: those are options of a broker's messages. "
            "Leave them out, or give a nats:// or kafka:// URL."
        )
        raise UnknownTargetError(msg)
    if isinstance(target, (str, Path)):
        path, of = _path_of(target)
        from workbench.sources.sqlite import open_sqlite

        return open_sqlite(path, of if application is None else application)
    return _live(target, application)


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
            f"{scheme[1]!r}. Known are: a path, {', '.join(f'{s}:///path' for s in SCHEMES)}."
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


def _broker(scheme: str, url: str, options: Mapping[str, object]) -> Source | None:
    """Return the source of a broker's URL, None for any other."""
    try:
        if scheme in {"nats", "tls"}:
            from workbench.sources.nats import open_nats

            return open_nats(url, options)
        if scheme == "kafka":
            from workbench.sources.kafka import open_kafka

            return open_kafka(url, options)
    except ModuleNotFoundError as error:
        feature, extra = _EXTRAS[scheme]
        raise missing_extra(feature, extra) from error
    return None


_EXTRAS = {
    "nats": ("NATS streams", "nats"),
    "tls": ("NATS streams", "nats"),
    "kafka": ("Kafka topics", "kafka"),
}


def _shown(target: object) -> str:
    return repr(_without_password(target)) if isinstance(target, str) else f"{target!r:.200}"


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)


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
