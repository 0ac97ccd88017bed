"""What the demo finds in the sample history: all of it computed, nothing printed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench import replay
from workbench.catalog import SHORT_NAME
from workbench.samples import RELEASES
from workbench.samples.overcharges import Overcharges

if TYPE_CHECKING:
    from workbench import History, Trial

LAST_DAY_OF_LOOK = timedelta(days=2)  # after the first double charge


@dataclass(frozen=True, slots=True)
class Sums:
    """What a trial's table adds up to as of one position."""

    position: int
    payments: int
    charged_twice: int
    too_much: Decimal
    paid_back: Decimal
    paid_back_on: int

    @property
    def owed(self) -> Decimal:
        """What was charged too much and not paid back."""
        return self.too_much - self.paid_back


@dataclass(frozen=True, slots=True)
class Overcharged:
    """When payments were charged twice, and what those orders had in common."""

    first_position: int
    last_position: int
    first_time: datetime
    last_time: datetime
    week: datetime
    is_one_week: bool
    with_coupon: int
    """How many of the payments that were charged twice are of orders with a coupon."""
    others: int
    """How many payments of that week were charged once."""
    others_with_coupon: int


def releases(history: History) -> pl.DataFrame:
    """Return what each release of the sample's software wrote.

    Columns: release (String), deployed (Datetime, UTC), events (Int64), types and shapes
    (List(String)): which types, and which schema versions of a type that was there
    before, occur in its time and not earlier. In order of deployment.
    """
    deployed = pl.DataFrame(
        {"release": [r.name for r in RELEASES], "deployed": [r.deployed for r in RELEASES]},
        schema={"release": pl.String, "deployed": pl.Datetime("us", "UTC")},
    )
    # An event without a time was written between its neighbours.
    events = history.scan().select(
        SHORT_NAME.alias("type"), "schema_version", pl.col("time").cum_max().forward_fill()
    )
    told = events.collect().join_asof(deployed, left_on="time", right_on="deployed")
    shape = pl.format("{} v{}", "type", "schema_version")
    new_type = pl.col("type").is_first_distinct()
    new_shape = pl.struct("type", "schema_version").is_first_distinct() & (
        pl.col("schema_version") > 1
    )
    found = told.with_columns(shape.alias("shape"), new_type.alias("t"), new_shape.alias("s"))
    return found.group_by("release", "deployed", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("events"),
        pl.col("type").filter("t").alias("types"),
        pl.col("shape").filter("s").alias("shapes"),
    )


def run(history: History) -> Trial:
    """Return the trial of `Overcharges` over the history."""
    return replay(history, Overcharges, on_error="collect")


def sums(trial: Trial, moment: datetime | None = None) -> Sums:
    """Return what the trial's table adds up to, as of a time or the end."""
    at = trial.at() if moment is None else trial.at(time=moment)
    table = at.table("payments")
    twice = table.filter(pl.col("charges") > 1)
    return Sums(
        position=trial.last_position or 0 if at.position is None else at.position,
        payments=table.height,
        charged_twice=twice.height,
        too_much=Decimal(twice["too_much"].sum()),
        paid_back=Decimal(twice["refunded"].sum()),
        paid_back_on=twice.filter(pl.col("refunded") > 0).height,
    )


def look_back(found: Overcharged) -> datetime:
    """Return the end of the second day after the first double charge."""
    day = found.first_time.date() + LAST_DAY_OF_LOOK
    return datetime.combine(day, time.max, UTC)


def overcharged(history: History, trial: Trial) -> Overcharged:
    """Return when the double charges happened, and how they differ from their neighbours."""
    changes = trial.changes("payments")
    again = changes.filter(pl.col("charges_after") > pl.col("charges_before"))
    week = again["time"].dt.truncate("1w")
    first: datetime = week.min()  # type: ignore[assignment]
    in_week = changes.filter(
        pl.col("change") == "insert", pl.col("time").dt.truncate("1w") == first
    ).select("payment", pl.col("order_after").alias("order"))
    coupons = (
        history.events("Order.Confirmed")
        .filter(pl.col("coupon").is_not_null())
        .select(pl.col("stream").alias("order"))
    )
    is_twice = pl.col("payment").is_in(again["payment"].unique().to_list())
    twice, others = in_week.filter(is_twice), in_week.filter(~is_twice)
    ends: dict[str, Any] = again.select(
        pl.col("position").min().alias("first_position"),
        pl.col("position").max().alias("last_position"),
        pl.col("time").min().alias("first_time"),
        pl.col("time").max().alias("last_time"),
    ).row(0, named=True)
    return Overcharged(
        **ends,
        week=first,
        is_one_week=week.n_unique() == 1,
        with_coupon=twice.join(coupons, on="order", how="semi").height,
        others=others.height,
        others_with_coupon=others.join(coupons, on="order", how="semi").height,
    )
