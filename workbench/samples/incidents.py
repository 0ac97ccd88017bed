"""What went wrong in the sample shop: the flaws of its history, and their making.

The first three happened to the shop while it ran, and
:mod:`workbench.samples.life` plans them. The last two were done to its store file
by hand, with SQL, and are done here. ``data/README.md`` says what came of each.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    import sqlite3

CHARGED_TWICE: Final = (
    datetime(2025, 10, 6, tzinfo=UTC),
    datetime(2025, 10, 13, tzinfo=UTC),
)
"""1. The week in which the price check answered twice for an order with a coupon.

Each answer was charged. Release 2 has no check against it; release 3 has.
"""

MISTYPED: Final = (
    datetime(2025, 3, 4, 10, tzinfo=UTC),
    datetime(2025, 4, 22, 14, tzinfo=UTC),
    datetime(2025, 6, 11, 9, tzinfo=UTC),
    datetime(2025, 8, 7, 13, tzinfo=UTC),
    datetime(2025, 9, 18, 15, tzinfo=UTC),
    datetime(2025, 11, 12, 11, tzinfo=UTC),
    datetime(2025, 12, 30, 10, tzinfo=UTC),
)
"""2. When staff refunded a payment, and typed its id with a digit missing."""

SLOW_CLOCK: Final = (
    datetime(2026, 3, 11, 12, tzinfo=UTC),
    datetime(2026, 3, 11, 18, 30, tzinfo=UTC),
)
"""3. The afternoon on which the clock of the back office's server was behind."""
SLOW_BY: Final = timedelta(minutes=41)
BACK_OFFICE: Final = frozenset(
    {"charge", "decline", "pack", "ship", "deliver", "receive", "adjust", "refund"},
)
"""What that server does; placing, confirming and cancelling go through another."""

TEST_NUMBER: Final = 10000
"""4. The order that staff placed to try the shop out, deleted later."""
STUCK_ROUND: Final = "2025-11-28T10:00:00"
"""4. From when on the first packing round of five or more lost four events."""

TRUNCATED: Final = ("shop:Order.Placed", "2025-08-19T00:00:00", 66)
"""5. The first such event from then on keeps so many bytes: a full disk."""
OVERWRITTEN: Final = ("shop:Payment.Charged", "2025-04-15T00:00:00", 96)
"""5. The first such event from then on is so many random bytes: a bad sector."""


def delete_events(connection: sqlite3.Connection) -> None:
    """Delete events as an operator did, who had the database open and no doubts.

    Two whole streams go, those of the test order, and four events from the middle
    of four streams: one round through the warehouse had got stuck on a screen.

    Parameters
    ----------
    connection
        To the store file, for writing.
    """
    connection.execute(
        "DELETE FROM stored_events WHERE originator_id IN (?, ?)",
        (f"order-{TEST_NUMBER}", f"payment-{TEST_NUMBER}"),
    )
    positions = _positions(connection, "shop:Order.Packed", STUCK_ROUND)
    # A round is saved in one transaction, so its positions follow each other.
    first = next(p for n, p in enumerate(positions) if positions[n + 4] == p + 4)
    connection.execute(
        "DELETE FROM stored_events WHERE rowid BETWEEN ? AND ?",
        (first + 1, first + 4),
    )


def break_events(connection: sqlite3.Connection, rng: random.Random) -> None:
    """Break the state of two events, so that nobody can decode them.

    Parameters
    ----------
    connection
        To the store file, for writing.
    rng
        Where the random bytes come from.
    """
    topic, since, size = TRUNCATED
    connection.execute(
        "UPDATE stored_events SET state = substr(state, 1, ?) WHERE rowid = ?",
        (size, _positions(connection, topic, since)[0]),
    )
    topic, since, size = OVERWRITTEN
    connection.execute(
        "UPDATE stored_events SET state = ? WHERE rowid = ?",
        # No text in UTF-8 has the byte 0xFF.
        (b"\xff" + rng.randbytes(size - 1), _positions(connection, topic, since)[0]),
    )


def _positions(connection: sqlite3.Connection, topic: str, since: str) -> list[int]:
    """Return the positions of a topic's events from a time on, in order."""
    rows = connection.execute(
        "SELECT rowid, state FROM stored_events WHERE topic = ? ORDER BY rowid",
        (topic,),
    )
    return [
        position for position, state in rows if json.loads(state)["timestamp"]["_data_"] >= since
    ]
