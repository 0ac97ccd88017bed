"""An application of the library with projections and views, for tests of trials of them."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import ListenNotifySubscription, Tracking, TrackingRecorder
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteTrackingRecorder


class Order(Aggregate):
    """An order."""

    @event("Placed")
    def __init__(self, number: int, amount: Decimal) -> None:
        self.number = number
        self.amount = amount
        self.lines: list[tuple[str, int]] = []

    @staticmethod
    def create_id(number: int) -> UUID:
        return uuid5(NAMESPACE_URL, f"order-{number}")

    @event("LineAdded")
    def add_line(self, sku: str, quantity: int) -> None:
        self.lines.append((sku, quantity))
        if quantity == 13:
            msg = "thirteen"
            raise ValueError(msg)

    @event("Emptied")
    def empty(self) -> None:
        self.lines = []


class Parcel(Aggregate):
    """Something else, in the same store."""

    @event("Packed")
    def __init__(self, weight: float) -> None:
        self.weight = weight


class Shop(Application[UUID]):
    """The application."""


@dataclass
class Summary:
    """A value of a view that is an object."""

    amount: Decimal
    lines: int = 0
    skus: list[str] = field(default_factory=list)


class Orders(Projection[Any]):
    """An unmodified projection: it knows its view by its methods alone."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def placed(self, domain_event: Order.Placed, tracking: Tracking) -> None:
        self.view.place(domain_event.originator_id, domain_event.amount, tracking)

    @process_event.register
    def _(self, domain_event: Order.LineAdded, tracking: Tracking) -> None:
        self.view.add(domain_event.originator_id, domain_event.sku, domain_event.quantity, tracking)

    @process_event.register
    def emptied(self, domain_event: Order.Emptied, tracking: Tracking) -> None:
        self.view.empty(domain_event.originator_id, tracking)


class OnlyLines(Orders):
    """The same, for one type of event."""

    topics = ("library_shop:Order.LineAdded",)


class MemoryView(POPOTrackingRecorder):
    """Every kind of attribute that a view may have."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[UUID, Summary] = {}
        self.amounts: dict[UUID, Decimal] = {}
        self._skus: Counter[str] = Counter()
        self.by_sku: defaultdict[str, list[int]] = defaultdict(list)
        self.pairs: dict[tuple[UUID, str], int] = {}
        self.seen: set[UUID] = set()
        self.quantities: list[int] = []
        self.last: deque[int] = deque(maxlen=3)
        self.total = Decimal(0)
        self.latest: UUID | None = None

    def place(self, order: UUID, amount: Decimal, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self.orders[order] = Summary(amount)
            self.amounts[order] = amount
            self.seen.add(order)
            self.total += amount
            self.latest = order

    def add(self, order: UUID, sku: str, quantity: int, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            summary = self.orders[order]
            summary.lines += 1
            summary.skus.append(sku)
            self._skus.update([sku] * quantity)
            self.by_sku[sku].append(quantity)
            self.pairs[order, sku] = self.pairs.get((order, sku), 0) + quantity
            self.quantities.append(quantity)
            self.last.append(quantity)
            if quantity == 13:
                msg = "thirteen"
                raise ValueError(msg)

    def empty(self, order: UUID, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            del self.orders[order]
            self.amounts.pop(order, None)
            self.seen.discard(order)
            self.quantities = self.quantities[:1]


class SQLView(SQLiteTrackingRecorder):
    """A view with a table of each kind of key."""

    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE orders (id TEXT PRIMARY KEY, amount TEXT, lines INTEGER, note)",
            "CREATE TABLE pairs (id TEXT, sku TEXT, n INTEGER, PRIMARY KEY (id, sku))",
            "CREATE TABLE log (what TEXT, n REAL)",
            "CREATE TABLE flags (name TEXT PRIMARY KEY) WITHOUT ROWID",
        ]

    def place(self, order: UUID, amount: Decimal, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as c:
            c.execute("REPLACE INTO orders VALUES (?, ?, 0, NULL)", (order.hex, str(amount)))
            self._insert_tracking(c, tracking)

    def add(self, order: UUID, sku: str, quantity: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as c:
            c.execute("UPDATE orders SET lines = lines + 1 WHERE id = ?", (order.hex,))
            c.execute(
                "INSERT INTO pairs VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                (order.hex, sku, quantity),
            )
            c.execute("INSERT INTO log VALUES (?, ?)", (sku, quantity / 2))
            self._insert_tracking(c, tracking)
            if quantity == 13:
                msg = "thirteen"
                raise ValueError(msg)

    def empty(self, order: UUID, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as c:
            c.execute("DELETE FROM orders WHERE id = ?", (order.hex,))
            c.execute("UPDATE pairs SET sku = sku || '!' WHERE id = ? AND n > 5", (order.hex,))
            c.execute("DELETE FROM log")
            self._insert_tracking(c, tracking)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return all rows, for tests."""
        query = {
            "orders": "SELECT id, amount, lines, note FROM orders ORDER BY 1",
            "pairs": "SELECT id, sku, n FROM pairs ORDER BY 1, 2",
            "log": "SELECT rowid, what, n FROM log ORDER BY 1",
        }[table]
        with self.datastore.transaction(commit=False) as c:
            c.execute(query)
            return [tuple(row) for row in c.fetchall()]


class AbstractView(TrackingRecorder):
    """An interface, of which no object can be made."""


class Polling(ListenNotifySubscription[Any]):
    """A subscription that looks again now and then, which the library lacks for SQLite."""

    def __init__(self, recorder: Any, gt: int | None = None, topics: Any = ()) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while not self._has_been_stopped:
            time.sleep(0.02)
            self._has_been_notified.set()


class PollingRecorder(SQLiteApplicationRecorder):
    """A recorder that can be subscribed to."""

    def subscribe(self, gt: int | None = None, topics: Any = ()) -> Any:
        return Polling(self, gt, topics)


def write_orders(path: Any, steps: Any) -> Any:
    """Write what happened to a store, by the application; return the path.

    A step is the number of an order and a quantity: the first of an order places it, 0
    empties it, any other adds a line.
    """
    env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    orders: dict[int, Order] = {}
    with Shop(env) as application:
        with application.recorder.datastore.get_connection(commit=True) as connection:
            connection.cursor().execute("PRAGMA synchronous = OFF")
        for number, quantity in steps:
            order = orders.get(number)
            if order is None:
                order = orders[number] = Order(number, Decimal(quantity) / 4)
            elif quantity == 0:
                order.empty()
            else:
                order.trigger_event(
                    Order.LineAdded, sku=f"sku-{quantity % 3}", quantity=quantity
                ) if quantity != 13 else thirteen(order)
            application.save(order)
    return path


def thirteen(order: Order) -> None:
    """Write an event that cannot be applied: it is stored by an older release, so to say."""
    made = Order.LineAdded(
        originator_id=order.id,
        originator_version=order.version + 1,
        timestamp=Order.LineAdded.create_timestamp(),
        sku="sku-1",
        quantity=13,
    )
    order._version += 1
    order.pending_events.append(made)
