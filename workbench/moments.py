"""Moments in time as users write them: text, dates and datetimes, all to UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime

from workbench.errors import RangeError

_DATE_LENGTH = len("2025-03-01")


def moment_of(moment: datetime | date | str, *, end_of_day: bool = False) -> datetime:
    """Return the moment in UTC; a time without a zone is UTC.

    Parameters
    ----------
    moment
        A datetime, a date, or ISO 8601 text of either.
    end_of_day
        Whether a date means the last microsecond of that day, else the first.

    Raises
    ------
    RangeError
        If the text is no time.

    Examples
    --------
    >>> moment_of("2025-03-01T12:00+02:00").isoformat()
    '2025-03-01T10:00:00+00:00'
    >>> moment_of("2025-03-01", end_of_day=True).isoformat()
    '2025-03-01T23:59:59.999999+00:00'
    """
    if isinstance(moment, str):
        moment = _parsed(moment)
    if not isinstance(moment, datetime):
        time = datetime.max.time() if end_of_day else datetime.min.time()
        moment = datetime.combine(moment, time)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        msg = f"Cannot use {str(moment)!r} as a time: in UTC its year is not within 1 to 9999."
        raise RangeError(msg) from error


def _parsed(text: str) -> datetime | date:
    try:
        if len(text) <= _DATE_LENGTH:
            return date.fromisoformat(text)
        return datetime.fromisoformat(text)
    except ValueError as error:
        msg = (
            f"Cannot read {text!r} as a time. "
            "Write it as ISO 8601: 2025-03-01 or 2025-03-01T12:00+02:00."
        )
        raise RangeError(msg) from error
