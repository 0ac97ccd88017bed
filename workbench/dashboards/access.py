"""Who may see the pages, and from where: checked before anything is served.

`Access` says at which address the pages are served, who logs in and how, and which other
origins may open them. What would let strangers in raises `AccessError` with what to do.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Self

from workbench import passwords
from workbench.errors import AccessError, near

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104, where nobody without a login gets in
READY: Final = 20
"""How many sessions are made ahead."""
PROVIDERS: Final = (
    *("auth0", "azure", "azurev2", "bitbucket", "generic", "github", "gitlab", "google", "okta"),
)
"""Panel's providers that ask another place who somebody is."""
_ORIGIN = re.compile(
    r"(?i)(?:(?P<scheme>https?)://)?(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?P<port>:\d{1,5})?/?"
)
_GENERIC = tuple(f"PANEL_OAUTH_{name}_URL" for name in ("AUTHORIZE", "TOKEN", "USER"))
_DEFAULT = {"http": ":80", "https": ":443"}


@dataclass
class PasswordFile:
    """Users log in with a password whose hash is in a file; see `workbench.passwords`.

    The file is read again when it has changed: who is taken out of it is out.
    """

    path: Path
    _read: tuple[object, dict[str, passwords.Entry]] = field(default=(None, {}), repr=False)

    def entries(self) -> Mapping[str, passwords.Entry]:
        """Return the users' entries, as the file has them now.

        Raises
        ------
        AccessError
            If the file cannot be read, or has a line that is no entry.
        """
        try:
            found = self.path.stat()
            state: object = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            state = None
        if state is None or state != self._read[0]:
            self._read = state, passwords.read(self.path)
        return self._read[1]

    def check(self) -> None:
        """Raise where nobody could log in.

        Raises
        ------
        AccessError
            If the file cannot be read, or has no user.
        """
        if not self.entries():
            msg = (
                f"Cannot serve with the passwords in '{self.path}': no user is in it. "
                f"Write one with: workbench password {self.path.name} USER"
            )
            raise AccessError(msg)


@dataclass(frozen=True)
class OAuth:
    """Users log in at a provider of OAuth; of them, those come in whom a pattern names.

    Parameters
    ----------
    provider
        One of `PROVIDERS`, which are Panel's.
    key, secret
        What the provider gave to this application.
    users
        Names or e-mail addresses, as the provider has them; `*@example.com` and `*` too.
    """

    provider: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    users: tuple[str, ...]

    @classmethod
    def of_environment(cls, provider: str, users: tuple[str, ...]) -> Self:
        """Return it with the key and the secret from the environment, where Panel has them too.

        Raises
        ------
        AccessError
            If PANEL_OAUTH_KEY or PANEL_OAUTH_SECRET is not set.
        """
        key, secret = (os.environ.get(f"PANEL_OAUTH_{name}", "") for name in ("KEY", "SECRET"))
        if not (key and secret):
            msg = (
                f"Cannot let {provider} say who somebody is: PANEL_OAUTH_KEY or PANEL_OAUTH_SECRET "
                "is not set. Set both in the environment, as the provider gave them."
            )
            raise AccessError(msg)
        return cls(provider, key, secret, users)

    def lets_in(self, user: str) -> bool:
        """Return whether one who logged in may see the pages."""
        return any(fnmatchcase(user.casefold(), pattern.casefold()) for pattern in self.users)

    def check(self) -> None:
        """Raise where it is unknown who asks, or anybody would come in unsaid.

        Raises
        ------
        AccessError
            If there is no such provider, it is not said where it is, or no user is named.
        """
        if self.provider not in PROVIDERS:
            msg = (
                f"Cannot let {self.provider!r} say who somebody is: no provider has that name. "
                f"{near(self.provider, PROVIDERS)}"
            )
            raise AccessError(msg)
        unset = [
            name for name in _GENERIC if self.provider == "generic" and not os.environ.get(name)
        ]
        if unset:
            msg = (
                f"Cannot ask the generic provider of OAuth: {unset[0]} is not set. Set "
                f"{', '.join(_GENERIC)} in the environment."
            )
            raise AccessError(msg)
        if not self.users:
            msg = (
                f"Cannot let everybody in who has an account at {self.provider}. Name who may: "
                "--oauth-user ann@example.com, or '*@example.com', or '*' for all."
            )
            raise AccessError(msg)


@dataclass(frozen=True)
class Access:
    """Where the pages are served, who may see them, and for how many at once.

    Parameters
    ----------
    host
        The address to listen at; one that other machines reach needs a login.
    login
        How users log in; None where nobody has to.
    origins
        From which other origins the pages are opened, such as that of a proxy:
        `https://events.example.com` or `host:port`.
    certificate, certificate_key
        Files in PEM, to serve by TLS.
    audit_log
        A file to which a line is appended for every export.
    writes
        Whether projections may be written on the pages: their code runs in this process.
    revisions
        Whether code of git revisions may be run from the pages, in processes of its own.
    ready
        How many sessions are made ahead while nobody waits, so that as many who come get theirs
        at once. Each takes some 4 MiB of memory.
    """

    host: str = LOOPBACK
    login: PasswordFile | OAuth | None = None
    origins: tuple[str, ...] = ()
    certificate: Path | None = None
    certificate_key: Path | None = None
    audit_log: Path | None = None
    writes: bool = False
    revisions: bool = False
    ready: int = READY

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    @property
    def is_secret(self) -> bool:
        """Whether cookies only ever travel by TLS: its own, or that of every proxy before it."""
        is_proxied = bool(self.origins) and all(o.startswith("https://") for o in self.origins)
        return self.certificate is not None or (is_proxied and self.is_local)

    def check(self) -> None:
        """Raise where the pages would be open to strangers, or cannot be served so.

        Raises
        ------
        AccessError
            If other machines reach them without a login, or could run code there, an origin is
            none, nobody could log in, or a certificate cannot be used.
        """
        if not self.is_local and self.login is None:
            msg = (
                f"Cannot serve at {self.host!r} without a login: whoever reaches it would see "
                "the events. Add --auth-file or --oauth-provider, or leave out --host."
            )
            raise AccessError(msg)
        options = {
            "--edit-code": ("written on", self.writes),
            "--revisions": ("chosen on", self.revisions),
        }
        for option, (what, is_on) in options.items():
            if is_on and (not self.is_local or self.origins):
                where = self.origins[0] if self.origins else self.host
                msg = (
                    f"Cannot let code be {what} pages opened at {where!r}: whoever reaches them "
                    f"could run it here. Leave out {option}, or serve on 127.0.0.1 alone."
                )
                raise AccessError(msg)
        for origin in self.origins:
            _host_of(origin)
        if self.login is not None:
            self.login.check()
        _check_certificate(self.certificate, self.certificate_key)

    def hosts(self, port: int) -> list[str]:
        """Return the hosts, with their ports where these are not a scheme's own, that pages have.

        Raises
        ------
        AccessError
            If an origin is none.
        """
        names = ["localhost", LOOPBACK, "[::1]"]
        if self.host in EVERYWHERE:
            names += [socket.gethostname().lower(), *_own_addresses()]
        elif self.host not in names:
            names.append(f"[{self.host}]" if ":" in self.host else self.host.lower())
        own = _DEFAULT["http" if self.certificate is None else "https"] == f":{port}"
        found = [name if own else f"{name}:{port}" for name in names]
        return list(dict.fromkeys([*found, *map(_host_of, self.origins)]))


def is_loopback(host: str) -> bool:
    """Return whether an address, or every address of a name, is this machine's own alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None)  # noqa: S104, what an empty one means
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ip_address(str(a[4][0]).split("%")[0]).is_loopback for a in found)


def _own_addresses() -> list[str]:
    """Return the addresses under which other machines know this one, as its name has them."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []
    addresses = {str(info[4][0]).split("%")[0] for info in found}
    return sorted(f"[{address}]" if ":" in address else address for address in addresses)


def _host_of(origin: str) -> str:
    """Return the host of an origin as browsers write it: without a port that is the scheme's."""
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        msg = (
            f"Cannot allow the origin {origin!r}: it is none. Write what stands in the browser's "
            "address, such as https://events.example.com or host:5006."
        )
        raise AccessError(msg)
    port = found["port"] or ""
    is_default = port == _DEFAULT.get((found["scheme"] or "http").lower())
    return found["host"].lower() + ("" if is_default else port)


def _check_certificate(certificate: Path | None, key: Path | None) -> None:
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        msg = "Cannot serve by TLS with only one of --tls-cert and --tls-key. Give both."
        raise AccessError(msg)
    try:
        # A key with a password would ask for it on the terminal; it is taken as unusable.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            certificate, key, password=""
        )
    except (OSError, ssl.SSLError, ValueError) as error:
        msg = (
            f"Cannot serve by TLS with '{certificate}' and '{key}': {error.args[-1]}. "
            "Give a certificate and its key in PEM, without a password."
        )
        raise AccessError(msg) from error
