"""Who follows a source, and how far each has come: positions, and what lies behind them.

A source knows positions. How many events a receiver has not processed, and for how long
the oldest of them has waited, is asked of the events themselves, where the source does not
say it and it is certain that the receiver follows this very application.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.sources import Selection
from workbench.sources.tracking import tracked_in
from workbench.tables import RECEIVERS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from workbench.scanning import Reading


def receivers_of(reading: Reading, elsewhere: Iterable[str | Path]) -> pl.DataFrame:
    """Return who follows a source, and how far: `workbench.tables.RECEIVERS`.

    Parameters
    ----------
    reading
        How events are read.
    elsewhere
        Databases with tracking tables, besides the source's own. Receivers in them that follow
        another application are left out, where the source knows its application.

    Raises
    ------
    WorkbenchError
        What `workbench.sources.tracking.tracked_in` raises, and reading does.
    """
    application = reading.source.application
    found = [reading.source.receivers()]
    for target in elsewhere:
        other = tracked_in(target)
        ours = pl.col("follows").str.to_lowercase() == (application or "").lower()
        found.append(other if application is None else other.filter(ours))
    whole = replace(
        reading, selection=Selection(), first_time=None, last_time=None, on_progress=None
    )
    now = datetime.now(UTC)
    rows = [_with_lag(whole, row, application, now) for row in pl.concat(found).to_dicts()]
    return RECEIVERS.frame(rows).sort("receiver", "follows")


def _with_lag(
    reading: Reading, row: dict[str, Any], application: str | None, now: datetime
) -> dict[str, Any]:
    """Return a row with the lag that the source has not told, where it can be known."""
    is_ours = application is not None and (row["follows"] or "").lower() == application.lower()
    if row["position"] is None or not is_ours:
        return row
    behind = row["lag_events"]
    if behind is None:
        behind = reading.source.count(Selection(after=row["position"]))
    waited = row["lag_s"]
    if waited is None:
        waited = _waited(reading, row["position"], now) if behind else 0.0
    return row | {"lag_events": behind, "lag_s": waited}


def _waited(reading: Reading, position: int, now: datetime) -> float | None:
    """Return the age in seconds of the first event after a position, None where it has no time."""
    for frame in reading.frames({"time"}, Selection(after=position, limit=1)):
        if frame.height:
            time: datetime | None = frame["time"][0]
            return None if time is None else max(0.0, (now - time).total_seconds())
    return None
