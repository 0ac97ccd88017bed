"""A trial projection over the sample history: which payments were charged twice."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from workbench.projections.declared import Projection, handles
from workbench.projections.rows import table

if TYPE_CHECKING:
    from workbench.event import Event

CENT = Decimal("0.01")
MONEY = pl.Decimal(38, 2)


def exact(amount: float | Decimal) -> Decimal:
    """Return an amount in whole cents: release 1 stored floats, release 2 decimals."""
    return Decimal(str(amount)).quantize(CENT)


class Overcharges(Projection):
    """What each payment was charged, how often, and what of it was too much."""

    payments = table(
        key={"payment": pl.String},
        values={
            "order": pl.String,
            "charges": pl.Int64,
            "too_much": MONEY,
            "refunded": MONEY,
        },
    )

    @handles("Payment.Charged")
    def charged(self, event: Event) -> None:
        """Count the charge; from the second on, it is too much."""
        row = self.payments.get(event.stream)
        if row is None:
            self.payments.set(
                event.stream,
                order=event.data["order_id"],
                charges=1,
                too_much=Decimal(0),
                refunded=Decimal(0),
            )
            return
        self.payments.update(
            event.stream,
            charges=row["charges"] + 1,
            too_much=row["too_much"] + exact(event.data["amount"]),
        )

    @handles("Refund.Issued")
    def refunded(self, event: Event) -> None:
        """Note what was paid back because of a double charge."""
        if event.data["reason"] == "charged twice":
            payment = event.data["payment_id"]
            row = self.payments.get(payment) or {"refunded": Decimal(0)}
            refunded = row["refunded"] + exact(event.data["amount"])
            self.payments.update(payment, refunded=refunded)


class ChargedOnce(Overcharges):
    """The same, had every payment been charged once: what a mended shop would hold."""

    @handles("Payment.Charged")
    def charged(self, event: Event) -> None:
        """Count the first charge alone."""
        if self.payments.get(event.stream) is None:
            super().charged(event)

    @handles("Refund.Issued")
    def refunded(self, event: Event) -> None:
        """Nothing was charged twice, so that nothing is paid back."""
