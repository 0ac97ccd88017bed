"""From the events of KurrentDB's client to raw rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.sources.base import RAW_SCHEMA, STATED_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = pl.Schema({**RAW_SCHEMA, "time": STATED_SCHEMA["time"]})
SNAPSHOT_PREFIX = "snapshot-$"
"""How the streams begin in which `eventsourcing_kurrentdb` 1.2.2 keeps snapshots."""


def is_ordinary(event: Any) -> bool:  # noqa: ANN401, the client may not be installed
    """Return whether an event is neither the system's nor a snapshot."""
    return not (event.type.startswith("$") or event.stream_name.startswith(("$", SNAPSHOT_PREFIX)))


def frame_of(events: Sequence[Any]) -> pl.DataFrame:
    """Return the raw rows, with the time at which the server recorded each event."""
    return pl.DataFrame(
        {
            "position": [e.commit_position for e in events],
            "partition": [0] * len(events),
            "stream": [e.stream_name for e in events],
            "version": [e.stream_position + 1 for e in events],
            "type": [e.type for e in events],
            "state": [e.data for e in events],
            "metadata": [_metadata(e) for e in events],
            "tags": [[]] * len(events),
            "time": [e.recorded_at for e in events],
        },
        schema=COLUMNS,
    )


def _metadata(event: Any) -> str:  # noqa: ANN401, as above
    """Return the event's id with what is kept beside the payload."""
    import msgspec

    kept: dict[str, Any] = {"event_id": str(event.id)}
    if event.metadata:
        try:
            said = msgspec.json.decode(event.metadata)
        except (ValueError, RecursionError):
            said = event.metadata.decode("utf-8", "replace")
        kept = {**kept, **said} if isinstance(said, dict) else {**kept, "metadata": said}
    return msgspec.json.encode(kept).decode()
