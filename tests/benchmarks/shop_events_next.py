"""The classes of `shop_events` in a next release: every event has been given a new version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from big_store import TYPES
from eventsourcing.domain import DomainEvent
from eventsourcing.utils import register_topic

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID


class Money(DomainEvent):
    """An event whose note has another name, and whose currency is told."""

    originator_id: UUID
    amount: Decimal
    remark: str
    currency: str
    class_version = 3

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        """Tell the currency."""
        state["currency"] = "EUR"

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        """Give the note its other name."""
        state["remark"] = state.pop("note")
        state.setdefault("currency", "EUR")


for stored in TYPES:
    register_topic(stored, Money)
