"""Targets as they may be shown: without the passwords, tokens and keys that stand in them.

Every message, name and log line that mentions a target takes it from here.
"""

from __future__ import annotations

import re

HIDDEN = "***"
SECRETS = (
    *("password", "passwd", "pwd", "sslpassword", "sasl_password", "sasl.password"),
    *("token", "apikey", "api_key", "secret", "access_key", "user_key", "nkey", "seed"),
)
"""The options of a URL whose values are never shown; other spellings by case are the same."""
_SHOWS_USER = {"postgresql", "postgres"}
"""Schemes where what stands alone before the @ is a user; elsewhere it may be a token."""
# Greedy up to the last @: a password that was not percent-encoded may have any character.
_LOGIN = re.compile(r"(?s)^([A-Za-z][A-Za-z0-9+.-]*:/{1,2})(.*)@")
_OPTION = re.compile(
    rf"(?i)([?&;\s]|^)({'|'.join(map(re.escape, SECRETS))})(\s*=\s*)('[^']*'|[^&;\s]*)"
)


def redacted(target: object) -> str:
    """Return a target as text in which no secret stands.

    Examples
    --------
    >>> redacted("postgresql://ann:s3cret@db.example/shop?application=shop")
    'postgresql://ann:***@db.example/shop?application=shop'
    >>> redacted("nats://t0ken@host/ORDERS?user_key=abc")
    'nats://***@host/ORDERS?user_key=***'
    >>> redacted("shop.db")
    'shop.db'
    """
    text = _LOGIN.sub(_without_login, str(target))
    return _OPTION.sub(rf"\1\2\3{HIDDEN}", text)


def _without_login(found: re.Match[str]) -> str:
    scheme, login = found[1], found[2]
    if scheme.lower() == "sqlite://" and login.startswith("/"):
        return found[0]  # a path
    user, colon, _ = login.partition(":")
    is_plain = re.fullmatch(r"[^/?#@]*", login) is not None
    if is_plain and scheme.partition(":")[0].lower() in _SHOWS_USER:
        return f"{scheme}{user}{f':{HIDDEN}' if colon else ''}@"
    return f"{scheme}{HIDDEN}@"


def without(text: str, *secrets: str | None) -> str:
    """Return a foreign message in which none of these secrets stands.

    Examples
    --------
    >>> without("no pg_hba entry for s3cret", "s3cret", None, "")
    'no pg_hba entry for ***'
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text
