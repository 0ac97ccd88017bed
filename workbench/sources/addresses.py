"""Where a broker is, and who asks: the parts of a URL, of which secrets are never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from workbench.errors import UnknownTargetError, near

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

HIDDEN = "***"
TIMEOUT_S = 10.0
_SECRET = ("password", "secret", "token", "pem", "oauth")
_SHORTEST_SECRET = 3  # shorter ones would be found in any word


@dataclass(frozen=True)
class Address:
    """The parts of a broker's URL."""

    scheme: str
    hosts: tuple[str, ...]
    """Each `host:port`."""
    path: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The URL without what is secret in it."""
        return f"{self.scheme}://{','.join(self.hosts)}/{self.path}"

    def without_secrets(self, text: str) -> str:
        """Return a text of the broker's or its client's in which no secret of the URL stands."""
        secrets = [v for n, v in self.options.items() if any(word in n for word in _SECRET)]
        secrets.append(self.password or "")
        if self.password is None:
            secrets.append(self.user or "")  # a token stands where a name would
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, HIDDEN)
        return text


def address_of(url: str, port: int, what: str) -> Address:
    """Return the parts of a URL.

    Parameters
    ----------
    url
        `scheme://user:password@host:port,host:port/path?option=value`.
    port
        The port where the URL has none.
    what
        What the path names, such as 'stream'.

    Raises
    ------
    UnknownTargetError
        If no host or no path is in it, or a port is no number.

    Examples
    --------
    >>> address_of("nats://ann:secret@localhost/ORDERS", 4222, "stream")
    Address(scheme='nats', hosts=('localhost:4222',), path='ORDERS', user='ann')
    """
    parts = urlsplit(url)
    login, _, netloc = parts.netloc.rpartition("@")
    hosts = tuple(_with_port(host, port) for host in netloc.split(",") if host)
    name, colon, password = login.partition(":")
    found = Address(
        scheme=parts.scheme.lower(),
        hosts=hosts,
        path=unquote(parts.path.strip("/")),
        user=unquote(name) or None,
        password=unquote(password) if colon else None,
        options=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )
    if not hosts or not all(_has_port(host) for host in hosts) or not found.path:
        msg = (
            f"Cannot open {found.shown!r}: it does not name a host, a port that is a number, and "
            f"a {what}. Write {found.scheme}://host:{port}/{what}."
        )
        raise UnknownTargetError(msg)
    return found


def _with_port(host: str, port: int) -> str:
    """Return a host with its port; an IPv6 address stands in brackets."""
    has_one = ":" in host.rpartition("]")[2]
    return host if has_one else f"{host}:{port}"


def _has_port(host: str) -> bool:
    port = host.rpartition(":")[2]
    return ":" in host and port.isdigit() and 0 < int(port) < 2**16


def checked_options(
    address: Address, given: Mapping[str, object], known: Collection[str]
) -> dict[str, object]:
    """Return the options of the URL and those that were given, which go first.

    Raises
    ------
    UnknownTargetError
        If one of them is not known.
    """
    found: dict[str, object] = {**address.options, **given}
    for name in found:
        if name not in known:
            msg = f"Cannot open {address.shown!r} with the option {name!r}. {near(name, known)}"
            raise UnknownTargetError(msg)
    return found


def number_option(
    address: Address, options: Mapping[str, object], name: str, kind: Callable[[str], float]
) -> float | None:
    """Return an option that is a number, None where it is not given.

    Raises
    ------
    UnknownTargetError
        If it is no number, or negative.
    """
    value = options.get(name)
    if value is None:
        return None
    try:
        number = kind(str(value))
    except ValueError:
        number = -1
    if number < 0:
        msg = f"Cannot open {address.shown!r}: the option {name} is {value!r}. Give a number."
        raise UnknownTargetError(msg)
    return number
