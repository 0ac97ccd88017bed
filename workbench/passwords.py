"""A file of users and their passwords, as scrypt hashes: what `workbench password` writes.

One user a line: `name:$scrypt$n=...,r=...,p=...,since=...$salt$hash`. `since` is the second in
which the line was written; a login that is older than its user's line no longer counts, so
that a new password ends what was logged in with the old one. No password is in the file,
and none is in a message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.errors import AccessError

N, R, P = 2**15, 8, 3
"""What OWASP's cheat sheet on storing passwords gives for 32 MiB of memory."""
LEAST: Final = 8
"""How long a new password is at least."""
MOST: Final = 1024
"""How many characters of a password are looked at, so that nobody keeps the server busy."""
_MOST_MEMORY = 512 * 2**20
_NAME = re.compile(r"[^\s:#$][^\s:$]{0,127}")
_LINE = re.compile(
    r"(?P<name>[^\s:#$][^\s:$]{0,127}):\$scrypt\$n=(?P<n>\d{1,8}),r=(?P<r>\d{1,3}),p=(?P<p>\d{1,3}),"
    r"since=(?P<since>\d{1,12})\$(?P<salt>[A-Za-z0-9+/=]{16,})\$(?P<key>[A-Za-z0-9+/=]{40,})"
)


@dataclass(frozen=True, repr=False)
class Entry:
    """One user's line: the hash of the password, and what it was made with.

    Examples
    --------
    >>> entry = hashed("correct horse")
    >>> entry.fits("correct horse"), entry.fits("Correct horse")
    (True, False)
    """

    n: int
    r: int
    p: int
    since: int
    salt: bytes
    key: bytes

    def fits(self, password: str) -> bool:
        """Return whether it is the hash of this password, in a time that does not tell."""
        found = _scrypt(password, self.salt, (self.n, self.r, self.p))
        return hmac.compare_digest(found, self.key)

    def line(self, name: str) -> str:
        """Return the line that stands for it in a file."""
        how = f"n={self.n},r={self.r},p={self.p},since={self.since}"
        return f"{name}:$scrypt${how}${_text(self.salt)}${_text(self.key)}"


def hashed(password: str) -> Entry:
    """Return the entry for a password, with a salt of its own.

    Raises
    ------
    AccessError
        If the password is too short, or too long.
    """
    if not LEAST <= len(password) <= MOST:
        msg = (
            f"Cannot take a password of {len(password)} characters. "
            f"Choose one of {LEAST} to {MOST:,}."
        )
        raise AccessError(msg)
    salt = secrets.token_bytes(16)
    return Entry(N, R, P, int(time.time()), salt, _scrypt(password, salt, (N, R, P)))


def read(path: Path) -> dict[str, Entry]:
    """Return the entries of a file by user; lines that are empty or begin with # are left out.

    Raises
    ------
    AccessError
        If the file cannot be read, or a line is no entry.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        msg = (
            f"Cannot read the passwords in '{path}': {why}. "
            f"Write it with: workbench password {path.name} USER"
        )
        raise AccessError(msg) from error
    lines = ((n, line.strip()) for n, line in enumerate(text.splitlines(), 1))
    return dict(_entry(path, n, line) for n, line in lines if line and not line.startswith("#"))


def write(path: Path, name: str, password: str) -> None:
    """Write a user's entry into a file that only its owner can read; it may be a new one.

    Raises
    ------
    AccessError
        If the name or the password cannot be taken, the file has a line that is no entry, or
        it cannot be written.
    """
    if not _NAME.fullmatch(name):
        msg = (
            f"Cannot take {name!r} as a user's name: it is empty, too long, or has a space, a "
            "colon or a dollar sign. Choose letters and digits, such as ann."
        )
        raise AccessError(msg)
    entries = read(path) if path.exists() else {}
    entries[name] = hashed(password)
    _replace(path, "".join(f"{entry.line(user)}\n" for user, entry in entries.items()))


def _entry(path: Path, number: int, line: str) -> tuple[str, Entry]:
    found = _LINE.fullmatch(line)
    if found is not None:
        n, r, p, since = (int(found[name]) for name in ("n", "r", "p", "since"))
        # As scrypt itself asks for; more memory than that is a mistake, or an attack.
        if n > 1 and n & (n - 1) == 0 and r and p and 128 * n * r <= _MOST_MEMORY:
            with suppress(ValueError):
                salt, key = (
                    base64.b64decode(found[name], validate=True) for name in ("salt", "key")
                )
                return found["name"], Entry(n, r, p, since, salt, key)
    # The line itself may hold a password in plain text, and is not shown.
    msg = (
        f"Cannot read the passwords in '{path}': line {number} is no entry. "
        f"Write it again with: workbench password {path.name} USER"
    )
    raise AccessError(msg)


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; from its first byte it is its owner's alone."""
    try:
        # mkstemp makes a file that only its owner may read.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError as error:
        msg = f"Cannot write the passwords to '{path}': {error.strerror}. Choose another place."
        raise AccessError(msg) from error


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    data = password[:MOST].encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=132 * n * r + 2**20, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
