"""Who asks a NATS server: credentials and TLS, of the URL, the environment, and files."""

from __future__ import annotations

import ssl
from os import environ
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.sources.nats_link import Server

LOGIN_OPTIONS = ("creds", "nkey", "tls", "tls_ca", "tls_cert", "tls_key")


def settings_of(server: Server, options: Mapping[str, object]) -> dict[str, Any]:
    """Return what the client needs to know: credentials and TLS.

    Raises
    ------
    StoreUnreadableError
        If a file of credentials or certificates cannot be used.

    Notes
    -----
    The names in the environment, such as `NATS_CREDS`, are those of the command `nats`.
    """

    def named(option: str, variable: str) -> str | None:
        value = options.get(option) or environ.get(variable)
        return None if value is None else str(value)

    address, found = server.address, dict[str, Any]()
    user = address.user or environ.get("NATS_USER")
    password = address.password if address.user else environ.get("NATS_PASSWORD")
    if user is not None:
        found |= {"token": user} if password is None else {"user": user, "password": password}
    if creds := named("creds", "NATS_CREDS"):
        found["user_credentials"] = creds
    if nkey := named("nkey", "NATS_NKEY"):
        found["nkeys_seed"] = nkey
    for path in (creds, nkey):
        _readable(server, path)
    context = _tls(server, options, [named(f"tls_{n}", f"NATS_{n.upper()}") for n in _TLS_FILES])
    return found if context is None else found | {"tls": context}


_TLS_FILES = ("ca", "cert", "key")


def _tls(
    server: Server, options: Mapping[str, object], files: list[str | None]
) -> ssl.SSLContext | None:
    ca, cert, key = files
    is_asked = str(options.get("tls", "")).lower() in {"true", "1", "yes"}
    if not (is_asked or any(files) or server.address.scheme == "tls"):
        return None
    for path in files:
        _readable(server, path)
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise server.error(f"TLS cannot be set up ({error})", "Check the files.") from error
    return context


def _readable(server: Server, path: str | None) -> None:
    if path is None:
        return
    try:
        with open(path, "rb"):  # noqa: PTH123, a path that only the client opens
            pass
    except OSError as error:
        raise server.error(
            f"{path!r} cannot be opened ({error.strerror})", "Check the path of that file."
        ) from error
