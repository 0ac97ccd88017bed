"""When the sample shop's orders come in: growth, seasons, weekdays, hours.

A Poisson process whose expectation is that of the day, bent to the hours of it.
"""

from __future__ import annotations

from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

FIRST_DAY: Final = date(2025, 1, 1)
LAST_DAY: Final = date(2026, 6, 30)

CAMPAIGN: Final = (date(2025, 9, 29), date(2025, 10, 19))
"""First and last day on which the coupon AUTUMN10 was advertised."""

SEASONS: Final = (
    (date(2025, 7, 1), date(2025, 8, 31), 0.85),
    (*CAMPAIGN, 1.3),
    (date(2025, 11, 24), date(2025, 11, 30), 3.0),
    (date(2025, 11, 28), date(2025, 11, 28), 1.8),
    (date(2025, 12, 1), date(2025, 12, 18), 1.5),
    (date(2025, 12, 24), date(2025, 12, 26), 0.4),
    (date(2026, 1, 1), date(2026, 1, 1), 0.4),
    (date(2026, 3, 9), date(2026, 3, 15), 2.0),
)
"""First day, last day, and how many times as busy as usual it is."""

WEEK: Final = (1.1, 1.0, 0.95, 1.0, 0.9, 0.85, 1.2)
"""How busy the days are, Monday first."""

MORNING: Final = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11)
AFTERNOON: Final = (12, 11, 10, 10, 11, 13, 16, 20, 22, 18, 10, 5)
DAY: Final = tuple(accumulate(MORNING + AFTERNOON, initial=0))
"""How many of a day's orders have come in by each hour (UTC), of 207."""


def busyness(day: date) -> float:
    """Return how many orders to expect on a day.

    Parameters
    ----------
    day
        From ``FIRST_DAY`` to ``LAST_DAY``.

    Returns
    -------
    float
        Six a day at first, twelve at the end, five times as many at the peak.
    """
    orders = 6.1 + 5.6 * (day - FIRST_DAY) / (LAST_DAY - FIRST_DAY)
    for first, last, factor in SEASONS:
        if first <= day <= last:
            orders *= factor
    return orders * WEEK[day.weekday()]


def arrivals(day: date, rng: random.Random) -> Iterator[datetime]:
    """Yield the times at which orders come in on a day, in order.

    Parameters
    ----------
    day
        From ``FIRST_DAY`` to ``LAST_DAY``.
    rng
        The source of chance.

    Yields
    ------
    datetime
        In UTC, with microseconds.
    """
    expected = busyness(day)
    share = rng.expovariate(expected)
    while share < 1:
        count = share * DAY[-1]
        hour = bisect(DAY, count) - 1
        part = (count - DAY[hour]) / (DAY[hour + 1] - DAY[hour])
        yield midnight(day) + timedelta(hours=hour + part)
        share += rng.expovariate(expected)


def midnight(day: date) -> datetime:
    """Return when a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
