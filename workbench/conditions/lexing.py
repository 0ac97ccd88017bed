"""From the text of a condition to its words, each with its place in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import ConditionError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CHARACTERS = 4_000
_WORD = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]))
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<quoted>`(?:[^`]|``)+`)
    |(?P<name>[^\W\d]\w*|\$)
    |(?P<sign><=|>=|!=|<>|==|[=<>()\[\],.])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its kind, its text, and where it begins, from 0."""

    kind: str
    """'number', 'text', 'quoted', 'name', 'sign' or 'end'."""
    text: str
    at: int

    def __str__(self) -> str:
        """Return how it is called in a message."""
        return "the end" if self.kind == "end" else repr(self.text)


def words(text: str) -> list[Word]:
    """Return the words of a condition, and its end.

    Raises
    ------
    ConditionError
        If it is too long, or a character begins no word.

    Examples
    --------
    >>> [word.text for word in words("amount >= 10.5")]
    ['amount', '>=', '10.5', '']
    """
    if len(text) > MOST_CHARACTERS:
        msg = (
            f"Cannot read a condition of {len(text):,} characters. "
            f"Write one of at most {MOST_CHARACTERS:,}."
        )
        raise ConditionError(msg)
    return [*_found(text), Word("end", "", len(text))]


def _found(text: str) -> Iterator[Word]:
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise wrong(text, at, f"found {text[at]!r}", _hint(text[at]))
        kind = match.lastgroup or ""
        if kind != "space":
            yield Word(kind, match[0], at)
        at = match.end()


def _hint(character: str) -> str:
    if character in "'\"`":
        return f"close what it opens with another {character}"
    if character.isdigit() or character == "-":
        return "write a number as 12, -3 or 4.5, and put a name that begins so between ` and `"
    if character in "&|!":
        return "write and, or, not"
    return "put text between ' and ', and a name with such characters between ` and `"


def wrong(text: str, at: int, found: str, advice: str) -> ConditionError:
    """Return the error for what is wrong at a place of a condition."""
    where = f"at character {at + 1}" if at < len(text) else "at its end"
    said = text if len(text) <= 120 else f"{text[:120]}…"  # noqa: PLR2004, one line
    error = ConditionError(f"Cannot read the condition {said!r} {where}: {found}. Here, {advice}.")
    error.at = at
    return error
