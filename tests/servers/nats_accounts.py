"""Accounts of a NATS server: an operator, its accounts, and files of credentials for users.

What is signed here is what the tool `nsc` signs: tokens of the second version, of which the
text before the signature is what is signed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

import nkeys

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
STORES = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
"""What the account for events may: keep streams. The system account may not."""


class Signer:
    """A key that signs tokens for others, or for itself."""

    def __init__(self, prefix: int) -> None:
        self.seed = nkeys.encode_seed(os.urandom(32), prefix)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def token(self, kind: str, name: str, subject: str, **more: Any) -> str:
        """Return the token that says what a key is."""
        claims: dict[str, Any] = {
            "iat": int(time.time()),
            "iss": self.public,
            "name": name,
            "sub": subject,
            "nats": {"type": kind, "version": 2, **more},
        }
        digest = hashlib.sha256(json.dumps(claims).encode()).digest()
        claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
        signed = ".".join(map(_text, ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)))
        return f"{signed}.{_base64(self._pair.sign(signed.encode()))}"


class Accounts:
    """An operator with a system account and one for events."""

    def __init__(self) -> None:
        self._operator = Signer(nkeys.PREFIX_BYTE_OPERATOR)
        self._system, self._events = (Signer(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(2))

    @property
    def config(self) -> str:
        """What the server's configuration says of them."""
        own = self._operator.token("operator", "O", self._operator.public)
        anything = LIMITS | {"wildcards": True}
        accounts = {
            one.public: self._operator.token("account", name, one.public, limits=limits)
            for name, one, limits in (
                ("SYS", self._system, anything),
                ("EVENTS", self._events, anything | STORES),
            )
        }
        listed = "\n".join(f"{public}: {token}" for public, token in accounts.items())
        return (
            f"operator: {own}\nsystem_account: {self._system.public}\nresolver: MEMORY\n"
            f"resolver_preload: {{\n{listed}\n}}\n"
        )

    def credentials(self, path: Path, **permissions: Any) -> Path:
        """Write the credentials of a new user of the account for events, and return the path."""
        user = Signer(nkeys.PREFIX_BYTE_USER)
        limits = {"subs": -1, "data": -1, "payload": -1}
        token = self._events.token("user", "U", user.public, **limits, **permissions)
        parts = {"NATS USER JWT": token, "USER NKEY SEED": user.seed.decode()}
        path.write_text(
            "\n".join(
                f"-----BEGIN {what}-----\n{text}\n------END {what}------\n"
                for what, text in parts.items()
            )
        )
        return path


def _text(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
