"""Who follows a stream of JetStream: its consumers, and how far each is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.sources.nats_link import ApiError, ask
from workbench.tables import RECEIVERS

if TYPE_CHECKING:
    import polars as pl

    from workbench.sources.nats_link import Server, StreamClient


async def receivers_of(server: Server, client: StreamClient) -> pl.DataFrame:
    """Return the consumers of a stream: `workbench.tables.RECEIVERS`.

    The position is the last message up to which all are acknowledged, or delivered where
    nothing is acknowledged. What is delivered and not acknowledged counts as lag.

    Raises
    ------
    StoreUnreadableError
        If the server does not say.
    """
    now = datetime.now(UTC)
    rows = [await _row(server, client, found, now) for found in await _consumers(server, client)]
    return RECEIVERS.frame(rows).sort("receiver", "follows")


async def _consumers(server: Server, client: StreamClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    what = f"CONSUMER.LIST.{server.address.path}"
    while True:
        try:
            page = await ask(server, client, what, {"offset": len(found)})
        except ApiError as error:
            msg = f"JetStream does not list consumers: {error.description}"
            raise server.error(msg, "See its log.") from error
        found += page["consumers"]
        if not page["consumers"] or len(found) >= page["total"]:
            return found


async def _row(
    server: Server, client: StreamClient, consumer: dict[str, Any], now: datetime
) -> dict[str, Any]:
    config = consumer["config"]
    acknowledges = config.get("ack_policy", "none") != "none"
    done = consumer["ack_floor" if acknowledges else "delivered"]
    behind = consumer["num_pending"] + (consumer["num_ack_pending"] if acknowledges else 0)
    waits = await _stored_after(server, client, done["stream_seq"], config) if behind else None
    moved = done.get("last_active") or consumer["delivered"].get("last_active")
    return {
        "receiver": consumer["name"],
        "follows": server.address.path,
        "position": done["stream_seq"],
        "lag_events": behind,
        "lag_s": _seconds(waits, now) if behind else 0.0,
        "moved_at": None if moved is None else datetime.fromisoformat(moved),
    }


async def _stored_after(
    server: Server, client: StreamClient, position: int, config: dict[str, Any]
) -> str | None:
    """Return when the first message that a consumer has not processed was stored."""
    subjects = config.get("filter_subjects") or [config.get("filter_subject") or ">"]
    found = []
    for subject in subjects:
        which = {"seq": position + 1, "next_by_subj": subject}
        try:
            message = await ask(server, client, f"STREAM.MSG.GET.{server.address.path}", which)
        except ApiError:
            continue  # none of that subject is left
        found.append(message["message"])
    return min(found, key=lambda m: m["seq"])["time"] if found else None


def _seconds(stored: str | None, now: datetime) -> float | None:
    if stored is None:
        return None
    return max(0.0, (now - datetime.fromisoformat(stored)).total_seconds())
