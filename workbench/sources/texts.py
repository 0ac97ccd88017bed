"""Text of a file to values: times, whole numbers, tags, and JSON that is checked to be JSON.

Every function takes a column and returns one of the same length, with null where a text
does not say what it should; none raises for a value.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import polars as pl

from workbench.tables import TIME

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = ("%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%S%.f%:z")
_DATE = r"^(\d{4}-\d\d-\d\d)$"
_NO_SECONDS = r"T(\d\d:\d\d)([+-]|$)"
_ZONE = r"([+-]\d\d):?(\d\d)$"
_SHORT_ZONE = r"T(.*)([+-]\d\d)$"
_HAS_ZONE = r"T.*[+-]\d\d:\d\d$"
NOTHING_STORED = "no payload is stored"


def times_of(texts: pl.Series) -> pl.Series:
    """Return ISO 8601 times as UTC in microseconds; a time without a zone is UTC.

    Notes
    -----
    The forms are those of ISO 8601 that XML Schema's `dateTime` and Python's `isoformat`
    write: a date alone, with or without seconds, fractions and zone, `T` or a blank.

    Examples
    --------
    >>> times_of(pl.Series(["2025-03-01 12:00+02:00", "2025-03-01", "soon"])).to_list()[1:]
    [datetime.datetime(2025, 3, 1, 0, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')), None]
    """
    found = pl.Series(texts.name, [None], TIME).new_from_index(0, texts.len())
    for form in _FORMATS:
        missing = (found.is_null() & texts.is_not_null()).arg_true()
        if missing.is_empty():
            return found
        found = found.scatter(missing, _parsed(texts.gather(missing), form))
    missing = (found.is_null() & texts.is_not_null()).arg_true()
    if missing.is_empty():
        return found
    plain = pl.select(_plain(pl.lit(texts.gather(missing)))).to_series()
    return found.scatter(missing, _parsed(plain, _FORMATS[1]))


def _parsed(texts: pl.Series, form: str) -> pl.Series:
    return texts.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)


def _plain(text: pl.Expr) -> pl.Expr:
    """Return a time of any form in the one that has all parts."""
    text = text.str.strip_chars().str.to_uppercase().str.replace(" ", "T", literal=True)
    text = text.str.replace(_DATE, "${1}T00:00:00").str.replace(r"Z$", "+00:00")
    text = text.str.replace(_NO_SECONDS, "T${1}:00${2}").str.replace(_ZONE, "${1}:${2}")
    text = text.str.replace(_SHORT_ZONE, "T${1}${2}:00")
    return pl.when(text.str.contains(_HAS_ZONE)).then(text).otherwise(text + "+00:00")


def tags_of(texts: pl.Series) -> pl.Series:
    """Return JSON lists of text as lists; null where a text is none.

    Examples
    --------
    >>> tags_of(pl.Series(['["order:1"]', "[]", "order:1"])).to_list()
    [['order:1'], [], None]
    """
    import msgspec

    decode = msgspec.json.Decoder(list[str]).decode

    def read(text: str) -> list[str] | None:
        try:
            return decode(text)
        except (ValueError, RecursionError):
            return None

    # Many events have the same tags, most of them none: each list is made once.
    different = texts.drop_nulls().unique()
    lists = pl.Series("tags", [read(text) for text in different], pl.List(pl.String))
    known = pl.DataFrame({"text": different, "tags": lists})
    found = texts.to_frame("text").join(known, on="text", how="left", maintain_order="left")
    return found["tags"].alias(texts.name)


def checked(texts: pl.Series) -> pl.Series:
    """Return payloads as structs of `data`, null where a text is no JSON, and `why` not.

    Examples
    --------
    >>> checked(pl.Series(['{"a":1}', "{", None])).to_list()[1:]  # doctest: +ELLIPSIS
    [{'data': None, 'why': 'not JSON: ...'}, {'data': None, 'why': 'no payload is stored'}]
    """
    skip = _skipper()
    why: pl.Series = pl.repeat(None, texts.len(), dtype=pl.String, eager=True)
    try:
        # As fast as a loop can; what is not JSON is looked for only if there is some.
        deque(map(skip, texts.drop_nulls().cast(pl.Binary).to_list()), maxlen=0)
    except (ValueError, RecursionError):
        reasons = {row: said for row, text in enumerate(texts) if (said := _reason(text, skip))}
        why = why.scatter(list(reasons), list(reasons.values()))
        texts = texts.scatter(list(reasons), [None] * len(reasons))
    if texts.null_count():
        nothing = pl.repeat(NOTHING_STORED, texts.len(), eager=True)
        why = why.zip_with(why.is_not_null() | texts.is_not_null(), nothing)
    return pl.DataFrame({"data": texts, "why": why}).to_struct(texts.name)


def _skipper() -> Callable[[bytes], object]:
    """Return a decoder that walks over a JSON value and builds nothing."""
    import msgspec

    return msgspec.json.Decoder(msgspec.Raw).decode


def _reason(text: str | None, skip: Callable[[bytes], object]) -> str | None:
    if text is None:
        return None
    try:
        skip(text.encode())
    except ValueError as error:
        return f"not JSON: {error}"
    except RecursionError:
        return "not read: nested too deeply"
    return None
