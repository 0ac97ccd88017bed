"""Histories in words and in small static tables for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from workbench.catalog import short_name
from workbench.errors import MOST_ALTERNATIVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from workbench.sources import Selection


MOST_CHARACTERS = 1_000  # of one value in a notebook


def in_words(chosen: Selection, first: datetime | None, last: datetime | None) -> str:
    """Return what a history is narrowed to, empty if to nothing."""
    words = []
    if chosen.after is not None:
        words.append(f"after {chosen.after:,}")
    if chosen.upto is not None:
        words.append(f"up to {chosen.upto:,}")
    if first is not None:
        words.append(f"since {first.isoformat()}")
    if last is not None:
        words.append(f"until {last.isoformat()}")
    if chosen.types is not None:
        words.append(f"types {_few(map(short_name, chosen.types))}")
    if chosen.streams is not None:
        words.append(f"streams {_few(chosen.streams)}")
    if chosen.tags:
        words.append(f"tags {_few(chosen.tags)}")
    return "; ".join(words)


def _few(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = len(listed) - MOST_ALTERNATIVES
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(listed[:MOST_ALTERNATIVES]) + tail


def cut(text: str) -> str:
    """Return a text, and where it is long its beginning and how much more there is.

    Examples
    --------
    >>> cut("x" * 1_001)[-23:]
    'xx… (1 more characters)'
    """
    more = len(text) - MOST_CHARACTERS
    return text if more <= 0 else f"{text[:MOST_CHARACTERS]}… ({more:,} more characters)"


def html_table(caption: str, rows: Mapping[str, str]) -> str:
    """Return a table of names and values, all of it escaped, and long values cut."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(cut(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{html.escape(caption)}</caption>{cells}</table>"
