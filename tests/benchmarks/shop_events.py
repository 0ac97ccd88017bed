"""Classes for the events of `big_store`, and a projection of the library with two views."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

from big_store import TYPES
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import ListenNotifySubscription, Tracking
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteTrackingRecorder
from eventsourcing.utils import register_topic


class Money(DomainEvent):
    """What all events of the store carry; an originator_id is a UUID."""

    originator_id: UUID
    amount: Decimal
    note: str


class Placed(Money):
    """Stored in its second version."""

    class_version = 2


class LineAdded(Money):
    """One of three that the projection looks at."""


class Refunded(Money):
    """One of three that the projection looks at."""


class Other(Money):
    """The six that it passes over."""


class Balances(Projection[Any]):
    """How much each order is worth, as its events come."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Note the position alone."""
        self.view.insert_tracking(tracking)

    @process_event.register
    def placed(self, domain_event: Placed, tracking: Tracking) -> None:
        """Count the order's first amount."""
        self.view.add(domain_event.originator_id, domain_event.amount, tracking)

    @process_event.register
    def line_added(self, domain_event: LineAdded, tracking: Tracking) -> None:
        """Count what was added."""
        self.view.add(domain_event.originator_id, domain_event.amount, tracking)

    @process_event.register
    def refunded(self, domain_event: Refunded, tracking: Tracking) -> None:
        """Take off what was paid back."""
        self.view.add(domain_event.originator_id, -domain_event.amount, tracking)


class MemoryBalances(POPOTrackingRecorder):
    """The view as a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.balances: dict[UUID, Decimal] = {}

    def add(self, order: UUID, amount: Decimal, tracking: Tracking) -> None:
        """Add an amount to an order."""
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self.balances[order] = self.balances.get(order, Decimal(0)) + amount


class FileBalances(SQLiteTrackingRecorder):
    """The view as a table."""

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements for the tracking table and for the view's own."""
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS balances (id TEXT PRIMARY KEY, cents INTEGER)",
        ]

    def add(self, order: UUID, amount: Decimal, tracking: Tracking) -> None:
        """Add an amount to an order."""
        with self.datastore.transaction(commit=True) as c:
            c.execute(
                "INSERT INTO balances VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET cents = cents + excluded.cents",
                (order.hex, int(amount * 100)),
            )
            self._insert_tracking(c, tracking)


class Polling(ListenNotifySubscription[Any]):
    """What the library lacks for SQLite: a subscription that looks again now and then."""

    def __init__(self, recorder: Any, gt: int | None = None, topics: Any = ()) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while not self._has_been_stopped:
            time.sleep(0.05)
            self._has_been_notified.set()


class PollingRecorder(SQLiteApplicationRecorder):
    """A recorder that can be subscribed to."""

    def subscribe(self, gt: int | None = None, topics: Any = ()) -> Any:
        """Return a subscription that polls."""
        return Polling(self, gt, topics)


class Shop(Application[UUID]):
    """The application whose store it is, for the library's own runner."""


KINDS = {"Placed": Placed, "LineAdded": LineAdded, "Refunded": Refunded}
for stored in TYPES:
    register_topic(stored, KINDS.get(stored.rpartition(".")[2], Other))
