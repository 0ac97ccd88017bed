# ruff: noqa: ARG002 - the parameters of an event's method are the event's fields
"""The shop's domain model, release 3: addresses, and two checks that were missing.

What has changed since release 2:

- an address is a value of its own, ``Address``, stored with a transcoding of the
  shop's own (``Order.Placed`` version 3);
- ``Order.Shipped`` is called ``Order.Dispatched``;
- a payment is charged once, and a refund refers to a payment that exists. Both
  checks stand in the application's commands: the method of an event also runs
  when old events are replayed, and those have to stay readable.

The class names in old topics are registered at the end of the module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from eventsourcing.application import Application
from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    MetaDomainEvent,
    event,
)
from eventsourcing.persistence import JSONTranscoder, Transcoding
from eventsourcing.utils import register_topic

CENT = Decimal("0.01")
COUPONS = {"WELCOME5": Decimal("0.05"), "AUTUMN10": Decimal("0.10")}
"""The share of the price that each coupon takes off."""


def exact(amount: float) -> Decimal:
    """Return an amount of money in whole cents."""
    return Decimal(str(amount)).quantize(CENT)


class AlreadyChargedError(Exception):
    """The money for an order has already been taken."""


@dataclass(frozen=True)
class Address:
    """Where a parcel goes to."""

    street: str
    postcode: str
    city: str
    country: str


class AddressAsDict(Transcoding):
    """How an address is stored: its four fields, marked ``address``."""

    type = Address
    name = "address"

    def encode(self, obj: Address) -> dict[str, str]:
        """Return the fields."""
        return asdict(obj)

    def decode(self, data: dict[str, str]) -> Address:
        """Return the address."""
        return Address(**data)


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


class HasExactAmount:
    """What the events have in common that were about ``float`` in version 1."""

    class_version = 2

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        """Round the amount to cents."""
        state["amount"] = exact(state["amount"])


class StockItem(Aggregate):
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

    class Placed(Aggregate.Created):
        """The first event of an order."""

        number: int
        first_name: str
        last_name: str
        address: Address

        class_version = 3

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Split the name at its first space; some names have only one part."""
            first_name, _, last_name = state.pop("customer_name").partition(" ")
            state["first_name"] = first_name
            state["last_name"] = last_name

        @staticmethod
        def upcast_v2_v3(state: dict[str, Any]) -> None:
            """Make a value of the bare list of street, postcode, city, country."""
            state["address"] = Address(*state["address"])

    @event(Placed)
    def __init__(self, number: int, first_name: str, last_name: str, address: Address) -> None:
        """Begin the checkout."""
        self.number = number
        self.first_name = first_name
        self.last_name = last_name
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
    def confirm(self, coupon: str | None = None) -> None:
        """Finish the checkout: the customer agrees to pay."""
        self.coupon = coupon
        self.status = "confirmed"

    @event("Packed")
    def pack(self) -> None:
        """Put it into a parcel."""
        self.status = "packed"

    @event("Dispatched")
    def dispatch(self, carrier: str) -> None:
        """Hand the parcel to a carrier."""
        self.carrier = carrier
        self.status = "dispatched"

    @event("Delivered")
    def deliver(self) -> None:
        """Record that the carrier has handed it over."""
        self.status = "delivered"

    @event("Returned")
    def take_back(self, reason: str) -> None:
        """Take it back from the customer."""
        self.reason = reason
        self.status = "returned"

    @event("Cancelled")
    def cancel(self, reason: str) -> None:
        """Give it up before it is packed."""
        self.reason = reason
        self.status = "cancelled"


class Payment(Aggregate):
    """The money for one order."""

    class Requested(HasExactAmount, Aggregate.Created):
        """The first event of a payment."""

        order_id: str
        amount: Decimal

    class Charged(HasExactAmount, Aggregate.Event):
        """The bank has moved the money."""

        order_id: str
        amount: Decimal
        method: str

    @event(Requested)
    def __init__(self, order_id: str, amount: Decimal) -> None:
        """Ask the customer for an amount."""
        self.order_id = order_id
        self.amount = amount
        self.charged = Decimal(0)

    @staticmethod
    def create_id(order_id: str) -> str:
        """Return the stream of the payment for an order."""
        return order_id.replace("order-", "payment-")

    @event(Charged)
    def charge(self, order_id: str, amount: Decimal, method: str) -> None:
        """Record that the bank has moved the money."""
        self.charged += amount

    @event("Declined")
    def decline(self, order_id: str, method: str) -> None:
        """Record that the bank has said no."""


class Refund(Aggregate):
    """Money that goes back to a customer."""

    class Issued(HasExactAmount, Aggregate.Created):
        """The first event of a refund."""

        number: int
        payment_id: str
        amount: Decimal
        reason: str

    @event(Issued)
    def __init__(self, number: int, payment_id: str, amount: Decimal, reason: str) -> None:
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

    def register_transcodings(self, transcoder: JSONTranscoder) -> None:
        """Add the shop's own transcoding to the library's."""
        super().register_transcodings(transcoder)
        transcoder.register(AddressAsDict())

    def list_item(self, sku: str, title: str, price: float) -> None:
        """Begin to sell an item."""
        self.save(StockItem(sku, title, price))

    def receive(self, item_id: str, quantity: int) -> None:
        """Take a delivery of an item."""
        item: StockItem = self.repository.get(item_id)
        item.receive(quantity)
        self.save(item)

    def adjust(self, item_id: str, quantity: int, reason: str) -> None:
        """Correct how much of an item is on the shelf."""
        item: StockItem = self.repository.get(item_id)
        item.adjust(quantity, reason)
        self.save(item)

    def place(
        self,
        number: int,
        customer: tuple[str, str],
        address: Address,
        lines: Sequence[tuple[str, int]],
    ) -> None:
        """Place an order for items and quantities, and set them aside."""
        order = Order(number, *customer, address)
        items: list[StockItem] = [self.repository.get(id_) for id_, _ in lines]
        for item, (item_id, quantity) in zip(items, lines, strict=True):
            order.add_line(item_id, quantity, item.price)
        # Events are saved by aggregate, so this loop keeps them in order of time.
        for item, (_, quantity) in zip(items, lines, strict=True):
            item.reserve(order.id, quantity)
        self.save(order, *items)

    def confirm(self, order_id: str, coupon: str | None = None) -> None:
        """Confirm an order, and ask for its price less the coupon."""
        order: Order = self.repository.get(order_id)
        order.confirm(coupon)
        discount = COUPONS[coupon] if coupon else Decimal(0)
        amount = (exact(order.total) * (1 - discount)).quantize(CENT)
        self.save(order, Payment(order_id, amount))

    def charge(self, payment_id: str, method: str) -> None:
        """Charge what was asked for, once."""
        payment: Payment = self.repository.get(payment_id)
        if payment.charged:
            raise AlreadyChargedError(payment_id)
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

    def dispatch(self, order_ids: Iterable[str], carrier: str) -> None:
        """Hand a carrier all its parcels of the day."""
        orders: list[Order] = [self.repository.get(id_) for id_ in order_ids]
        for order in orders:
            order.dispatch(carrier)
        self.save(*orders)

    def deliver(self, order_id: str) -> None:
        """Record a delivery."""
        order: Order = self.repository.get(order_id)
        order.deliver()
        self.save(order)

    def take_back(self, order_id: str, reason: str) -> None:
        """Record a return."""
        order: Order = self.repository.get(order_id)
        order.take_back(reason)
        self.save(order)

    def cancel(self, order_id: str, reason: str) -> None:
        """Cancel an order, and put its items back."""
        order: Order = self.repository.get(order_id)
        order.cancel(reason)
        items: list[StockItem] = []
        for item_id, quantity in order.lines:
            item: StockItem = self.repository.get(item_id)
            item.release(order_id, quantity)
            items.append(item)
        self.save(order, *items)

    def refund(self, number: int, payment_id: str, amount: Decimal, reason: str) -> None:
        """Issue a refund for a payment that exists."""
        payment: Payment = self.repository.get(payment_id)
        self.save(Refund(number, payment.id, amount, reason))


register_topic(f"{__name__}:Item", StockItem)
register_topic(f"{__name__}:Order.Shipped", Order.Dispatched)  # type: ignore[attr-defined]
