# ruff: noqa: ARG002 - the parameters of an event's method are the event's fields
"""The shop's domain model, release 1: the first half year.

Items in stock, orders, payments and refunds are aggregates; the application has
the commands. Streams have readable ids (``order-10423``, ``item-mug-blue``), and
the payment of an order has the order's number.

In the shop's life this file was the module ``shop``, as releases 2 and 3 were
after it, so stored topics read ``shop:Order.Placed``. There is no ``from
__future__ import annotations`` here: the library makes event classes from these
annotations while the module runs.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from eventsourcing.application import Application
from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    MetaDomainEvent,
    event,
)


class Aggregate(BaseAggregate[str]):
    """The base of every aggregate here: its id is text, not a UUID."""

    class Event(CanMutateAggregate[str], metaclass=MetaDomainEvent):
        """What every event carries."""

        originator_id: str
        originator_version: int
        timestamp: datetime

    class Created(Event, CanInitAggregate[str]):
        """The first event of a stream, which also names the aggregate's class."""

        originator_topic: str


class Item(Aggregate):
    """A thing that the shop sells, and how much of it is on the shelf."""

    @event("Listed")
    def __init__(self, sku: str, title: str, price: float) -> None:
        """Begin to sell it."""
        self.sku = sku
        self.title = title
        self.price = price
        self.available = 0

    @staticmethod
    def create_id(sku: str) -> str:
        """Return the stream of the item with this number."""
        return f"item-{sku}"

    @event("Received")
    def receive(self, quantity: int) -> None:
        """Take a delivery from the supplier."""
        self.available += quantity

    @event("Reserved")
    def reserve(self, order_id: str, quantity: int) -> None:
        """Set some aside for an order."""
        self.available -= quantity

    @event("Released")
    def release(self, order_id: str, quantity: int) -> None:
        """Put back what was set aside for an order."""
        self.available += quantity

    @event("Adjusted")
    def adjust(self, quantity: int, reason: str) -> None:
        """Correct the number after the shelf was counted."""
        self.available += quantity


class Order(Aggregate):
    """What a customer bought, from the checkout to the doorstep."""

    @event("Placed")
    def __init__(self, number: int, customer_name: str, address: list[str]) -> None:
        """Begin the checkout."""
        self.number = number
        self.customer_name = customer_name
        self.address = address
        self.lines: list[tuple[str, int]] = []
        self.total = 0.0
        self.status = "placed"

    @staticmethod
    def create_id(number: int) -> str:
        """Return the stream of the order with this number."""
        return f"order-{number}"

    @event("LineAdded")
    def add_line(self, item_id: str, quantity: int, price: float) -> None:
        """Add one line, at the price of that moment."""
        self.lines.append((item_id, quantity))
        self.total += quantity * price

    @event("Confirmed")
    def confirm(self) -> None:
        """Finish the checkout: the customer agrees to pay."""
        self.status = "confirmed"

    @event("Packed")
    def pack(self) -> None:
        """Put it into a parcel."""
        self.status = "packed"

    @event("Shipped")
    def ship(self, carrier: str) -> None:
        """Hand the parcel to a carrier."""
        self.carrier = carrier
        self.status = "shipped"

    @event("Delivered")
    def deliver(self) -> None:
        """Record that the carrier has handed it over."""
        self.status = "delivered"

    @event("Cancelled")
    def cancel(self, reason: str) -> None:
        """Give it up before it is packed."""
        self.reason = reason
        self.status = "cancelled"


class Payment(Aggregate):
    """The money for one order."""

    @event("Requested")
    def __init__(self, order_id: str, amount: float) -> None:
        """Ask the customer for an amount."""
        self.order_id = order_id
        self.amount = amount
        self.charged = 0.0

    @staticmethod
    def create_id(order_id: str) -> str:
        """Return the stream of the payment for an order."""
        return order_id.replace("order-", "payment-")

    @event("Charged")
    def charge(self, order_id: str, amount: float, method: str) -> None:
        """Record that the bank has moved the money."""
        self.charged += amount

    @event("Declined")
    def decline(self, order_id: str, method: str) -> None:
        """Record that the bank has said no."""


class Refund(Aggregate):
    """Money that goes back to a customer."""

    @event("Issued")
    def __init__(self, number: int, payment_id: str, amount: float, reason: str) -> None:
        """Pay back an amount of one payment."""
        self.number = number
        self.payment_id = payment_id
        self.amount = amount
        self.reason = reason

    @staticmethod
    def create_id(number: int) -> str:
        """Return the stream of the refund with this number."""
        return f"refund-{number}"


class Shop(Application[str]):
    """The commands of the shop, each of them saved in one transaction."""

    env: ClassVar[dict[str, str]] = {"ORIGINATOR_ID_TYPE": "text"}

    def list_item(self, sku: str, title: str, price: float) -> None:
        """Begin to sell an item."""
        self.save(Item(sku, title, price))

    def receive(self, item_id: str, quantity: int) -> None:
        """Take a delivery of an item."""
        item: Item = self.repository.get(item_id)
        item.receive(quantity)
        self.save(item)

    def adjust(self, item_id: str, quantity: int, reason: str) -> None:
        """Correct how much of an item is on the shelf."""
        item: Item = self.repository.get(item_id)
        item.adjust(quantity, reason)
        self.save(item)

    def place(
        self,
        number: int,
        customer_name: str,
        address: list[str],
        lines: Sequence[tuple[str, int]],
    ) -> None:
        """Place an order for items and quantities, and set them aside."""
        order = Order(number, customer_name, address)
        items: list[Item] = [self.repository.get(id_) for id_, _ in lines]
        for item, (item_id, quantity) in zip(items, lines, strict=True):
            order.add_line(item_id, quantity, item.price)
        # Events are saved by aggregate, so this loop keeps them in order of time.
        for item, (_, quantity) in zip(items, lines, strict=True):
            item.reserve(order.id, quantity)
        self.save(order, *items)

    def confirm(self, order_id: str) -> None:
        """Confirm an order, and ask for its price."""
        order: Order = self.repository.get(order_id)
        order.confirm()
        self.save(order, Payment(order_id, order.total))

    def charge(self, payment_id: str, method: str) -> None:
        """Charge what was asked for."""
        payment: Payment = self.repository.get(payment_id)
        payment.charge(payment.order_id, payment.amount, method)
        self.save(payment)

    def decline(self, payment_id: str, method: str) -> None:
        """Record a charge that failed."""
        payment: Payment = self.repository.get(payment_id)
        payment.decline(payment.order_id, method)
        self.save(payment)

    def pack(self, order_ids: Iterable[str]) -> None:
        """Pack the orders of one round through the warehouse."""
        orders: list[Order] = [self.repository.get(id_) for id_ in order_ids]
        for order in orders:
            order.pack()
        self.save(*orders)

    def ship(self, order_ids: Iterable[str], carrier: str) -> None:
        """Hand a carrier all its parcels of the day."""
        orders: list[Order] = [self.repository.get(id_) for id_ in order_ids]
        for order in orders:
            order.ship(carrier)
        self.save(*orders)

    def deliver(self, order_id: str) -> None:
        """Record a delivery."""
        order: Order = self.repository.get(order_id)
        order.deliver()
        self.save(order)

    def cancel(self, order_id: str, reason: str) -> None:
        """Cancel an order, and put its items back."""
        order: Order = self.repository.get(order_id)
        order.cancel(reason)
        items: list[Item] = []
        for item_id, quantity in order.lines:
            item: Item = self.repository.get(item_id)
            item.release(order_id, quantity)
            items.append(item)
        self.save(order, *items)

    def refund(self, number: int, payment_id: str, amount: float, reason: str) -> None:
        """Issue a refund. Staff type the id of the payment by hand."""
        self.save(Refund(number, payment_id, amount, reason))
