"""How long comparing two trials takes, beside a loop over keys and beside bisecting."""

from __future__ import annotations

import argparse
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from big_store import make_store

from workbench import Projection, compare, handles, open_history, replay, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench import Trial

TARGET_S = 5.0
ROUNDS = 5
BISECTIONS = 20


class Orders(Projection):
    """Sums and states of orders."""

    orders = table(
        key={"order": pl.String},
        values={"amount": pl.Decimal(38, 2), "events": pl.Int64, "state": pl.String},
    )

    def changed(self, event, state):
        """Add the amount of an event, and note the state."""
        row = self.orders.get(event.stream) or {"amount": Decimal(0), "events": 0}
        amount = row["amount"] + event.data["amount"]
        self.orders.set(event.stream, amount=amount, events=row["events"] + 1, state=state)

    @handles("Order.Placed", "Order.LineAdded", "Order.Confirmed")
    def opened(self, event):
        """Handle what comes before the money."""
        self.changed(event, "open")

    @handles("Order.Charged", "Order.Packed", "Order.Shipped")
    def moved(self, event):
        """Handle what comes before the door."""
        self.changed(event, "moving")

    @handles("Order.Delivered", "Order.Returned")
    def ended(self, event):
        """Handle what comes last."""
        self.changed(event, "done")


class FewDiffer(Orders):
    """The same, but for large amounts, which heal with the next event."""

    @handles("Order.Delivered", "Order.Returned")
    def ended(self, event):
        """Handle what comes last."""
        self.changed(event, "done" if event.data["amount"] < 990 else "large")


class AllDiffer(Orders):
    """Without a type of event, so that every row is another from its first such event on."""

    @handles("Order.Confirmed")
    def ignored(self, event):
        """Do nothing."""

    @handles("Order.Placed", "Order.LineAdded")
    def opened(self, event):
        """Handle what comes before the money."""
        self.changed(event, "open")


def seconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the least time that a call takes."""
    found = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        found = min(found, time.perf_counter() - begun)
    return found


def asked(a: Trial, b: Trial) -> None:
    """Compare, and ask for the verdict, the causes and the rows."""
    found = compare(a, b)
    assert found.causes.height
    assert found.rows() is not None
    assert found.first.height == 1


def by_key(a: Trial, b: Trial) -> dict[object, int]:
    """Return the first position at which each key differs, by a loop over both change logs."""
    changes: dict[object, list[tuple[int, int, tuple[object, ...]]]] = {}
    for side, trial in enumerate((a, b)):
        log = trial.recorded.log("orders")
        keys = log.keys.to_series().to_list()
        entries = log.entries.select("row", "position").rows()
        for (row, position), values in zip(entries, log.after.rows(), strict=True):
            changes.setdefault(keys[row], []).append((position, side, values))
    found: dict[object, int] = {}
    for key, made in changes.items():
        made.sort(key=lambda change: change[:2])
        states: list[tuple[object, ...] | None] = [None, None]
        for number, (position, side, values) in enumerate(made):
            states[side] = values
            is_end = number + 1 == len(made) or made[number + 1][0] != position
            if is_end and states[0] != states[1]:
                found[key] = position
                break
    return found


def bisected(a: Trial, b: Trial) -> None:
    """Rebuild and compare both tables at each of the steps that a bisection takes."""
    for step in range(BISECTIONS):
        position = a.last_position * (step + 1) // BISECTIONS
        a.at(position=position).table().equals(b.at(position=position).table())


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bench")
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    store = make_store(given.folder / f"workbench-{given.events}.db", given.events)
    history = open_history(store)
    base = replay(history, Orders)
    for other in (FewDiffer, AllDiffer):
        b = replay(history, other)
        sizes = " and ".join(f"{len(t.recorded.log('orders')):,}" for t in (base, b))
        ours = seconds(lambda b=b: asked(base, b))
        found = compare(base, b)
        divergences = found.divergences()
        firsts = divergences.group_by("order", maintain_order=True).first()
        loop = by_key(base, b)
        assert dict(firsts.select("order", "position").rows()) == loop
        naive = seconds(lambda b=b: by_key(base, b), rounds=1)
        bisecting = seconds(lambda b=b: bisected(base, b), rounds=1)
        print(f"{other.__name__}: {sizes} changes; {found.verdict}")
        print(f"  compare, causes and rows   {ours:8.2f} s   target {TARGET_S:.0f} s")
        print(f"  a loop over all keys       {naive:8.2f} s   {naive / ours:.1f} times as long")
        print(f"  {BISECTIONS} steps of one bisection  {bisecting:8.2f} s   for one key of all")
        print(f"  all divergences, as text   {seconds(found.divergences, 2):8.2f} s")


if __name__ == "__main__":
    main()
