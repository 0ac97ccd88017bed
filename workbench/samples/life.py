"""Eighteen months of a shop, as the commands that people and machines give it.

Nothing here knows the domain model or the event store: :func:`plan` returns plain
commands in the order of time, and :mod:`workbench.samples.make` has the release of
the day carry them out. All chance comes from one ``random.Random``, so the same
seed gives the same commands. Three of the sample's flaws are planned here, with
the times that :mod:`workbench.samples.incidents` gives.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from workbench.samples import RELEASES
from workbench.samples.demand import (
    CAMPAIGN,
    FIRST_DAY,
    LAST_DAY,
    arrivals,
    midnight,
)
from workbench.samples.incidents import (
    BACK_OFFICE,
    CHARGED_TWICE,
    MISTYPED,
    SLOW_BY,
    SLOW_CLOCK,
    TEST_NUMBER,
)
from workbench.samples.names import CARRIERS, COUNTRIES, PRODUCTS

START: Final = RELEASES[0].deployed
END: Final = midnight(LAST_DAY + timedelta(days=1))
OPENING: Final = START + timedelta(hours=2)

ROUNDS: Final = (
    timedelta(hours=8, minutes=30),
    timedelta(hours=11),
    timedelta(hours=15),
)
"""When orders are packed, Monday to Saturday."""
PICK_UP: Final = timedelta(hours=16, minutes=45)
SUNDAY: Final = 6

COUNTED: Final = ((-1, "broken"), (-1, "miscounted"), (-2, "broken"), (1, "found"))
"""What comes of counting a shelf."""


class Command(NamedTuple):
    """One thing that somebody tells the shop to do.

    Attributes
    ----------
    time
        When it happens.
    name
        What it is called in release 1.
    arguments
        What it is about; money is ``Decimal``.
    lag
        How far the clock of the server that does it is behind.
    """

    time: datetime
    name: str
    arguments: dict[str, object]
    lag: timedelta


class Customer(NamedTuple):
    """A person who orders, perhaps again."""

    name: tuple[str, str]
    address: tuple[str, str, str, str]


class Payback(NamedTuple):
    """A refund to come; where the amount is ``None``, all that was asked for."""

    time: datetime
    payment_id: str
    amount: Decimal | None
    reason: str


@dataclass
class Shelf:
    """What the plan knows about one item.

    Attributes
    ----------
    weight
        Its popularity.
    since
        When the first ones are there.
    quantity
        How many are there; at most as many as the store says.
    """

    weight: float
    since: datetime
    quantity: int


def plan(seed: int) -> list[Command]:
    """Return everything that happens to the shop, in the order of time.

    Parameters
    ----------
    seed
        The same seed gives the same commands.

    Returns
    -------
    list of Command
        From ``START`` to ``END``.
    """
    life = Life(random.Random(seed))  # noqa: S311 - chance, not secrecy
    return life.commands()


class Life:
    """The shop's life, day by day, as a growing list of commands.

    Parameters
    ----------
    rng
        The source of all chance.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._commands: list[Command] = []
        self._shelves: dict[str, Shelf] = {}
        self._customers: list[Customer] = []
        self._number = TEST_NUMBER
        self._rounds: defaultdict[datetime, list[str]] = defaultdict(list)
        self._parcels: defaultdict[tuple[datetime, str], list[str]] = defaultdict(list)
        self._paybacks: list[Payback] = []

    def commands(self) -> list[Command]:
        """Return the commands of all days, in the order of time."""
        self._list_items()
        self._try_out()
        day = FIRST_DAY
        while day <= LAST_DAY:
            for time in arrivals(day, self._rng):
                if time > OPENING:
                    self._order(time)
            self._restock(day)
            day += timedelta(days=1)
        self._pack_and_ship()
        self._pay_back()
        return sorted(self._commands, key=lambda command: command.time)

    def _at(self, time: datetime, name: str, **arguments: object) -> None:
        """Add a command, unless it would come after the end."""
        is_slow = name in BACK_OFFICE and SLOW_CLOCK[0] <= time < SLOW_CLOCK[1]
        lag = SLOW_BY if is_slow else timedelta()
        if time < END:
            self._commands.append(Command(time, name, arguments, lag))

    def _seconds(self, low: float, high: float) -> timedelta:
        return timedelta(seconds=self._rng.uniform(low, high))

    def _hours(self, low: float, high: float) -> timedelta:
        return self._seconds(low * 3600, high * 3600)

    def _happens(self, probability: float) -> bool:
        return self._rng.random() < probability

    # Stock

    def _list_items(self) -> None:
        """Begin to sell each item, and take the first delivery of it."""
        items = [(product, c) for product in PRODUCTS for c in product.colours]
        for rank, (product, colour) in enumerate(items, start=1):
            time = midnight(product.since) + timedelta(hours=6, seconds=30 * rank)
            sku = f"{product.slug}-{colour}"
            title = f"{product.title}, {colour}"
            price = Decimal(product.price)
            self._at(time, "list_item", sku=sku, title=title, price=price)
            shelf = Shelf(rank**-0.9, time + timedelta(minutes=30), quantity=0)
            self._shelves[f"item-{sku}"] = shelf
            self._receive(shelf.since, f"item-{sku}")

    def _receive(self, time: datetime, item_id: str) -> None:
        """Take a delivery, of more if it is popular."""
        shelf = self._shelves[item_id]
        quantity = 12 * round(3 + 16 * shelf.weight)
        shelf.quantity += quantity
        self._at(time, "receive", item_id=item_id, quantity=quantity)

    def _restock(self, day: date) -> None:
        """Take deliveries on working days at five, and count shelves on Mondays."""
        time = midnight(day) + timedelta(hours=17)
        if day.weekday() >= SUNDAY - 1:
            return
        sold = {id_: s for id_, s in self._shelves.items() if s.since <= time}
        for item_id, shelf in sold.items():
            if shelf.quantity < 10 + 100 * shelf.weight:
                time += self._seconds(20, 60)
                self._receive(time, item_id)
        if day.weekday() == 0:
            for item_id in self._rng.sample(sorted(sold), self._rng.randint(2, 5)):
                time += self._seconds(60, 300)
                quantity, reason = self._rng.choice(COUNTED)
                sold[item_id].quantity += quantity
                adjustment = {"quantity": quantity, "reason": reason}
                self._at(time, "adjust", item_id=item_id, **adjustment)

    # Orders

    def _order(self, time: datetime) -> None:
        """Add one order with all that follows from it."""
        self._number += 1
        order_id = f"order-{self._number}"
        customer = self._customer()
        self._at(
            time,
            "place",
            number=self._number,
            customer=customer.name,
            address=customer.address,
            lines=self._basket(time),
        )
        if self._happens(0.035):
            later = time + timedelta(days=1)
            self._at(later, "cancel", order_id=order_id, reason="not confirmed")
            return
        time += self._seconds(15, 420)
        coupon = self._coupon(time)
        self._at(time, "confirm", order_id=order_id, coupon=coupon)
        paid = self._pay(time, order_id, has_coupon=coupon is not None)
        if paid is None:
            later = time + timedelta(days=3)
            self._at(later, "cancel", order_id=order_id, reason="not paid")
        elif self._happens(0.02):
            time = paid + self._seconds(60, 600)
            self._at(time, "cancel", order_id=order_id, reason="changed their mind")
            self._refund(time + self._hours(12, 40), order_id, "cancelled")
        else:
            self._send(paid + timedelta(minutes=10), order_id)

    def _customer(self) -> Customer:
        """Return somebody new, or somebody who has ordered before."""
        rng = self._rng
        if self._customers and self._happens(0.35):
            return rng.choice(self._customers)
        (home,) = rng.choices(COUNTRIES, [country.weight for country in COUNTRIES])
        name = (rng.choice(home.first_names), rng.choice(home.last_names))
        street = f"{rng.choice(home.streets)} {rng.randint(1, 140)}"
        customer = Customer(name, (street, *rng.choice(home.places), home.code))
        self._customers.append(customer)
        return customer

    def _basket(self, time: datetime) -> tuple[tuple[str, int], ...]:
        """Return one to four items that are there, the popular ones most often."""
        (size,) = self._rng.choices((1, 2, 3, 4), (52, 29, 13, 6))
        lines: dict[str, int] = {}
        while len(lines) < size:
            (quantity,) = self._rng.choices((1, 2, 3), (82, 13, 5))
            shelves = {
                item_id: shelf
                for item_id, shelf in self._shelves.items()
                if shelf.since <= time and shelf.quantity >= quantity
            }
            weights = [shelf.weight for shelf in shelves.values()]
            (item_id,) = self._rng.choices(list(shelves), weights)
            if item_id not in lines:
                lines[item_id] = quantity
                shelves[item_id].quantity -= quantity
        return tuple(lines.items())

    def _coupon(self, time: datetime) -> str | None:
        """Return the coupon that the customer types; the first came with release 2."""
        if time < RELEASES[1].deployed:
            return None
        if CAMPAIGN[0] <= time.date() <= CAMPAIGN[1] and self._happens(0.4):
            return "AUTUMN10"
        return "WELCOME5" if self._happens(0.09) else None

    def _pay(self, time: datetime, order_id: str, *, has_coupon: bool) -> datetime | None:
        """Add the charges of an order; return when it was paid, if it was."""
        payment_id = order_id.replace("order-", "payment-")
        (method,) = self._rng.choices(("card", "wallet", "transfer"), (55, 30, 15))
        time += self._seconds(2, 40)
        if method == "card" and self._happens(0.06):
            self._at(time, "decline", payment_id=payment_id, method=method)
            if self._happens(0.25):
                return None
            time += self._seconds(90, 5400)
            method = "wallet"
        self._at(time, "charge", payment_id=payment_id, method=method)
        if has_coupon and CHARGED_TWICE[0] <= time < CHARGED_TWICE[1]:
            time += self._seconds(1.2, 6)
            self._at(time, "charge", payment_id=payment_id, method=method)
            if self._happens(0.6):
                noticed = time + self._hours(30, 500)
                self._refund(noticed, order_id, "charged twice")
        return time

    # What follows a paid order

    def _send(self, ready: datetime, order_id: str) -> None:
        """Pack and ship an order, and add what becomes of the parcel."""
        packed = _next_round(ready)
        self._rounds[packed].append(order_id)
        shipped = midnight(packed.date()) + PICK_UP
        ((carrier, _, days),) = self._rng.choices(CARRIERS, [c[1] for c in CARRIERS])
        self._parcels[shipped, carrier].append(order_id)
        if self._happens(0.006):
            self._refund(shipped + self._hours(240, 480), order_id, "lost")
            return
        days = max(1, round(self._rng.gauss(days, 0.7)))
        arrived = shipped.date() + timedelta(days=days)
        if arrived.weekday() == SUNDAY:
            arrived += timedelta(days=1)
        delivered = midnight(arrived) + self._hours(7, 18)
        self._at(delivered, "deliver", order_id=order_id)
        if self._happens(0.01):
            self._refund(delivered + self._hours(2, 60), order_id, "damaged")
        elif self._happens(0.05) and delivered > RELEASES[1].deployed:
            time = delivered + self._hours(60, 400)
            (reason,) = self._rng.choices(("wrong colour", "not needed"), (3, 2))
            self._at(time, "take_back", order_id=order_id, reason=reason)
            self._refund(time + self._hours(3, 50), order_id, "returned")

    def _pack_and_ship(self) -> None:
        """Add the rounds of the warehouse and the pick-ups of the carriers."""
        for time, order_ids in self._rounds.items():
            self._at(time, "pack", order_ids=tuple(order_ids))
        for (time, carrier), order_ids in self._parcels.items():
            # Two carriers do not stand at the gate in the same second.
            time += self._seconds(0, 900)  # noqa: PLW2901
            self._at(time, "ship", order_ids=tuple(order_ids), carrier=carrier)

    # Money that goes back

    def _refund(self, time: datetime, order_id: str, reason: str) -> None:
        """Remember to pay back what an order cost."""
        payment_id = order_id.replace("order-", "payment-")
        self._paybacks.append(Payback(time, payment_id, None, reason))

    def _pay_back(self) -> None:
        """Add the refunds, numbered by time, and those that were mistyped."""
        for time in MISTYPED:
            digits = str(10001 + 8 * (time - START).days)
            payment_id = f"payment-{digits[:2]}{digits[3:]}"
            amount = Decimal(self._rng.randrange(990, 8900)) / 100
            self._paybacks.append(Payback(time, payment_id, amount, "damaged"))
        self._paybacks.sort(key=lambda payback: payback.time)
        for number, payback in enumerate(self._paybacks, 501):
            self._at(
                payback.time,
                "refund",
                number=number,
                payment_id=payback.payment_id,
                amount=payback.amount,
                reason=payback.reason,
            )

    def _try_out(self) -> None:
        """Place one order before the shop opens, and cancel it."""
        order_id, payment_id = f"order-{TEST_NUMBER}", f"payment-{TEST_NUMBER}"
        time = OPENING - timedelta(minutes=20)
        test: dict[str, object] = {
            "number": TEST_NUMBER,
            "customer": ("Test", "Test"),
            "address": ("Teststraße 1", "00000", "Test", "DE"),
            "lines": (("item-mug-blue", 1),),
        }
        self._at(time, "place", **test)
        time += timedelta(seconds=31)
        self._at(time, "confirm", order_id=order_id, coupon=None)
        time += timedelta(seconds=9)
        self._at(time, "charge", payment_id=payment_id, method="card")
        time += timedelta(minutes=5)
        self._at(time, "cancel", order_id=order_id, reason="test")


def _next_round(ready: datetime) -> datetime:
    """Return when an order that is ready is packed."""
    day = ready.date()
    while True:
        for time_of_day in ROUNDS:
            time = midnight(day) + time_of_day
            if time >= ready and day.weekday() != SUNDAY:
                return time
        day += timedelta(days=1)
