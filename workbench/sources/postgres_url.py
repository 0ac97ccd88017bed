"""What a PostgreSQL URL says: where the server is and who asks, and what is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from workbench.errors import UnknownTargetError, near
from workbench.redaction import redacted
from workbench.sources.postgres_server import SETTINGS, Server

OWN = ("application", "schema", "timeout")
"""Options of the workbench's own; all others are libpq's."""
TIMEOUT_S = 60.0
CONNECT_S = 10


@dataclass(frozen=True)
class Address:
    """A database on a server, and what of it is to be read."""

    server: Server
    schema: str = "public"
    application: str | None = None


def address_of(url: str) -> Address:
    """Return what a URL says.

    Raises
    ------
    UnknownTargetError
        If it cannot be understood.

    Examples
    --------
    >>> address_of("postgresql://ann:s3cret@host/db?schema=events")
    Address(server=Server(shown='postgresql://ann:***@host/db'), schema='events', application=None)
    """
    place, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    own = {name: value for name, value in given if name in OWN}
    others = urlencode([(name, value) for name, value in given if name not in OWN])
    shown = redacted(url).partition("?")[0]
    try:
        known = conninfo_to_dict(f"{place}?{others}" if others else place)
    except psycopg.ProgrammingError as error:
        names = sorted({name for name, _ in given if f'"{name}"' in str(error)})
        libpq = [option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()]
        hint = (
            f"there is no option {names[0]!r}. {near(names[0], [*OWN, *libpq])}"
            if names
            else "it is no URL of libpq's. Write postgresql://user@host:port/database, with "
            "characters such as / @ : in a password percent-encoded."
        )
        msg = f"Cannot open {shown!r}: {hint}"
        raise UnknownTargetError(msg) from None  # what libpq says may quote a password
    timeout_s = _seconds(own.get("timeout"), shown)
    settings = SETTINGS.format(ms=int(timeout_s * 1000))
    known["options"] = " ".join(filter(None, (str(known.get("options") or ""), settings)))
    known.setdefault("connect_timeout", str(CONNECT_S))
    known.setdefault("application_name", "event-workbench")
    server = Server(shown, make_conninfo("", **known), timeout_s)
    return Address(server, own.get("schema", "public"), own.get("application"))


def _seconds(text: str | None, shown: str) -> float:
    try:
        seconds = TIMEOUT_S if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds < 1e6:  # noqa: PLR2004, what the server can count in milliseconds
        msg = f"Cannot open {shown!r} with timeout={text!r}. Give seconds: timeout=60."
        raise UnknownTargetError(msg)
    return seconds
