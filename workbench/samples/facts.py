"""What is true of the sample history, its flaws above all, measured in the file.

Plain ``sqlite3`` and ``json``, row by row: the workbench is tested against these
facts, so they are not found with it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workbench.samples import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

CENT: Final = Decimal("0.01")


class Row(NamedTuple):
    """One stored event. ``data`` and ``time`` are ``None`` if it cannot be decoded."""

    position: int
    stream: str
    version: int
    topic: str
    data: dict[str, Any] | None
    time: datetime | None
    problem: str


@dataclass(frozen=True)
class Period:
    """The time of one release, and what it wrote."""

    name: str
    since: datetime
    first: int
    last: int
    events: int


@dataclass(frozen=True)
class Kind:
    """One topic: how often, first where, and in which schema versions."""

    topic: str
    events: int
    first: int
    versions: tuple[int, ...]


@dataclass(frozen=True)
class ChargedTwice:
    """The payments with two charges; ``first`` and ``last`` are second charges."""

    payments: int
    first: int
    last: int
    overcharged: Decimal
    refunded: int
    owed: Decimal


@dataclass(frozen=True)
class TimeRunsBackwards:
    """Where a time is before that of the event before it, and where before any."""

    drops: int
    late: int
    first: int
    last: int
    streams: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What is true of a sample history.

    Attributes
    ----------
    events, streams, head
        How many, and the last position.
    first_time, last_time
        Of the first and the last event.
    periods
        One for each release.
    kinds
        One for each topic, the most frequent first.
    charged_twice
        Flaw 1.
    unknown_payments
        Flaw 2: position, stream and named payment of each refund.
    backwards
        Flaw 3.
    holes
        Flaw 4: first and last missing position of each run.
    broken_streams
        Flaw 4: stream and missing version.
    undecodable
        Flaw 5: the rows.
    """

    events: int
    streams: int
    head: int
    first_time: datetime
    last_time: datetime
    periods: tuple[Period, ...]
    kinds: tuple[Kind, ...]
    charged_twice: ChargedTwice
    unknown_payments: tuple[tuple[int, str, str], ...]
    backwards: TimeRunsBackwards
    holes: tuple[tuple[int, int], ...]
    broken_streams: tuple[tuple[str, int], ...]
    undecodable: tuple[Row, ...]


def measure(path: Path) -> Facts:
    """Return what is true of a sample history.

    Parameters
    ----------
    path
        The store file, which is only read.

    Returns
    -------
    Facts
        Measured in the file.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        rows = [
            _row(*values)
            for values in db.execute(
                "SELECT rowid, originator_id, originator_version, topic, state "
                "FROM stored_events ORDER BY rowid",
            )
        ]
    times = [row.time for row in rows if row.time]
    positions = [row.position for row in rows]
    return Facts(
        events=len(rows),
        streams=len({row.stream for row in rows}),
        head=positions[-1],
        first_time=times[0],
        last_time=times[-1],
        periods=tuple(_periods(rows)),
        kinds=tuple(_kinds(rows)),
        charged_twice=_charged_twice(rows),
        unknown_payments=tuple(_unknown_payments(rows)),
        backwards=_backwards(rows),
        holes=tuple(
            (before + 1, after - 1)
            for before, after in pairwise([0, *positions])
            if after > before + 1
        ),
        broken_streams=tuple(_broken_streams(rows)),
        undecodable=tuple(row for row in rows if row.problem),
    )


def _row(position: int, stream: str, version: int, topic: str, state: bytes) -> Row:
    try:
        data = json.loads(state.decode())
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except json.JSONDecodeError:
        problem = "truncated JSON"
    else:
        time = datetime.fromisoformat(data["timestamp"]["_data_"])
        return Row(position, stream, version, topic, data, time, "")
    return Row(position, stream, version, topic, None, None, problem)


def _amount(row: Row) -> Decimal:
    """Return an amount of money in cents, from whichever release."""
    amount = row.data["amount"] if row.data else 0
    amount = amount["_data_"] if isinstance(amount, dict) else amount
    return Decimal(str(amount)).quantize(CENT)


def _periods(rows: Sequence[Row]) -> Iterable[Period]:
    """Yield the releases: one ends where the first event of the next one is."""
    ends = []
    for release in RELEASES[1:]:
        new = (n for n, row in enumerate(rows) if row.time and row.time > release.deployed)
        ends.append(next(new))
    for release, start, end in zip(RELEASES, [0, *ends], [*ends, len(rows)], strict=True):
        first, last = rows[start].position, rows[end - 1].position
        yield Period(release.name, release.deployed, first, last, end - start)


def _kinds(rows: Sequence[Row]) -> Iterable[Kind]:
    first: dict[str, int] = {}
    versions = defaultdict(set)
    for row in rows:
        first.setdefault(row.topic, row.position)
        if row.data:
            versions[row.topic].add(row.data.get("class_version", 1))
    for topic, events in Counter(row.topic for row in rows).most_common():
        yield Kind(topic, events, first[topic], tuple(sorted(versions[topic])))


def _charged_twice(rows: Sequence[Row]) -> ChargedTwice:
    charged: set[str] = set()
    second: dict[str, Row] = {}
    refunded: set[str] = set()
    for row in rows:
        if row.topic == "shop:Payment.Charged":
            if row.stream in charged:
                second[row.stream] = row
            charged.add(row.stream)
        elif row.data and row.data.get("reason") == "charged twice":
            refunded.add(row.data["payment_id"])
    owed = [_amount(row) for stream, row in second.items() if stream not in refunded]
    positions = [row.position for row in second.values()]
    return ChargedTwice(
        payments=len(second),
        first=positions[0],
        last=positions[-1],
        overcharged=sum(map(_amount, second.values()), Decimal()),
        refunded=len(refunded),
        owed=sum(owed, Decimal()),
    )


def _unknown_payments(rows: Sequence[Row]) -> Iterable[tuple[int, str, str]]:
    streams = {row.stream for row in rows}
    for row in rows:
        payment_id = row.data.get("payment_id") if row.data else None
        if payment_id and payment_id not in streams:
            yield row.position, row.stream, payment_id


def _backwards(rows: Sequence[Row]) -> TimeRunsBackwards:
    """Compare each time with the last one, the latest one, and its stream's last."""
    previous = latest = rows[0].time
    last_of: dict[str, datetime] = {}
    drops, late, streams = [], [], set()
    for row in rows:
        if not (row.time and previous and latest):
            continue
        if row.time < previous:
            drops.append(row.position)
        if row.time < latest:
            late.append(row.position)
        if row.time < last_of.get(row.stream, row.time):
            streams.add(row.stream)
        previous, latest = row.time, max(latest, row.time)
        last_of[row.stream] = row.time
    return TimeRunsBackwards(len(drops), len(late), late[0], late[-1], tuple(sorted(streams)))


def _broken_streams(rows: Sequence[Row]) -> Iterable[tuple[str, int]]:
    versions = defaultdict(list)
    for row in rows:
        versions[row.stream].append(row.version)
    for stream, seen in versions.items():
        for version in sorted(set(range(1, max(seen))) - set(seen)):
            yield stream, version
