"""Make the sample history: ``python -m workbench.samples.make OUT.db``.

:mod:`workbench.samples.life` plans what happens; here each release of the shop, in
a process of its own and as the module ``shop``, carries out what happened in its
time, through the library's SQLite persistence. Then an operator has a bad day
(:mod:`workbench.samples.incidents`), and the file is left in one tidy piece.

Times come from the plan and chance from the seed, so remaking gives the same rows.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from workbench.errors import ExportError
from workbench.samples import RELEASES, load_release
from workbench.samples.facts import Facts, measure
from workbench.samples.incidents import break_events, delete_events
from workbench.samples.life import END, Command, plan
from workbench.samples.readme import with_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal
    from types import ModuleType

SEED: Final = 20250101


class Clock:
    """A clock that the plan sets, and that never shows one time twice.

    Parameters
    ----------
    start
        What it shows at first.
    rng
        How long things take: some hundred microseconds from event to event.
    """

    def __init__(self, start: datetime, rng: random.Random) -> None:
        self._now = start
        self._lag = timedelta()
        self._rng = rng

    def set(self, time: datetime, lag: timedelta) -> None:
        """Set it to a time, and let it show that much less from here on."""
        self._now = max(self._now, time)
        self._lag = lag

    def read(self) -> datetime:
        """Return the time that the server believes it is."""
        self._now += timedelta(microseconds=self._rng.randint(80, 900))
        return self._now - self._lag


class Clerk:
    """Carries commands out with release 1.

    What all releases share goes straight to the application. The methods here are
    what they do not share: what a release knows, and in which form it wants it.

    Parameters
    ----------
    shop
        The module of the release.
    path
        The store file.
    """

    def __init__(self, shop: ModuleType, path: Path) -> None:
        self.shop = shop
        self.application = shop.Shop(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "SQLITE_DBNAME": str(path),
                # There is one writer, so aggregates are kept instead of replayed.
                "AGGREGATE_CACHE_MAXSIZE": "0",
                "AGGREGATE_CACHE_FASTFORWARD": "n",
                "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
            },
        )

    def carry_out(self, command: Command) -> None:
        """Do what a command says."""
        method = getattr(self, command.name, None)
        method = method or getattr(self.application, command.name)
        method(**command.arguments)

    def list_item(self, sku: str, title: str, price: Decimal) -> None:
        """Make the price a ``float``, as it is in every release."""
        self.application.list_item(sku, title, float(price))

    def place(self, customer: tuple[str, str], address: tuple[str, ...], **order: object) -> None:
        """Write the name in one piece; some people have only one name."""
        name = " ".join(customer).strip()
        self.application.place(customer_name=name, address=list(address), **order)

    def confirm(self, order_id: str, coupon: str | None) -> None:  # noqa: ARG002
        """Leave out the coupon: there is none yet."""
        self.application.confirm(order_id)

    def refund(self, payment_id: str, amount: Decimal | None, **refund: object) -> None:
        """Pay back what the customer was asked for, unless the plan says how much."""
        if amount is None:
            amount = self.application.repository.get(payment_id).amount
        self.application.refund(payment_id=payment_id, amount=self.money(amount), **refund)

    @staticmethod
    def money(amount: Decimal) -> Decimal | float:
        """Return an amount in the form of the release."""
        return float(amount)


class SecondClerk(Clerk):
    """Carries commands out with release 2: names in two parts, coupons, cents."""

    def place(self, customer: tuple[str, str], address: tuple[str, ...], **order: object) -> None:
        """Leave the name in two parts."""
        self.application.place(customer=customer, address=list(address), **order)

    def confirm(self, order_id: str, coupon: str | None) -> None:
        """Pass the coupon on."""
        self.application.confirm(order_id, coupon)

    @staticmethod
    def money(amount: Decimal) -> Decimal:
        """Return an amount as it is."""
        return amount


class ThirdClerk(SecondClerk):
    """Carries commands out with release 3: addresses, and another word."""

    def place(self, customer: tuple[str, str], address: tuple[str, ...], **order: object) -> None:
        """Make the address a value of its own."""
        value = self.shop.Address(*address)
        self.application.place(customer=customer, address=value, **order)

    def ship(self, **parcels: object) -> None:
        """Call it what release 3 calls it."""
        self.application.dispatch(**parcels)


CLERKS: Final = (Clerk, SecondClerk, ThirdClerk)


def make_shop(
    path: Path,
    *,
    seed: int = SEED,
    progress: Callable[[int, int], None] | None = None,
) -> Facts:
    """Write the sample history to a new file.

    Parameters
    ----------
    path
        Where to; its folder exists, and it does not.
    seed
        The same seed gives the same rows.
    progress
        Called after each release with the number of commands done and of all.

    Returns
    -------
    Facts
        What is true of the file, its flaws above all.

    Raises
    ------
    ExportError
        If there is a file already, or no folder for it.
    """
    if path.exists() or not path.parent.is_dir():
        found = "something there" if path.exists() else f"no folder {path.parent}"
        message = (
            f"asked to make the sample history in {path}, found {found}; "
            "name a new file in a folder that exists"
        )
        raise ExportError(message)
    commands = plan(seed)
    until = [release.deployed for release in RELEASES[1:]] + [END]
    done = 0
    with TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / "draft.db"
        # The library remembers for good which class the topic shop:Order means, so
        # that each release needs an interpreter of its own.
        context = get_context("spawn")
        with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
            for number in range(len(RELEASES)):
                own = [c for c in commands[done:] if c.time < until[number]]
                pool.submit(run_release, number, own, draft, seed).result()
                done += len(own)
                if progress:
                    progress(done, len(commands))
        damage(draft, random.Random(seed))  # noqa: S311 - chance, not secrecy
        tidy(draft, path)
    return measure(path)


def run_release(number: int, commands: Sequence[Command], path: Path, seed: int) -> None:
    """Let one release carry out its commands, in a process that does only this.

    Parameters
    ----------
    number
        Which of ``RELEASES``, from 0.
    commands
        What happens in its time, in order.
    path
        The store file.
    seed
        Where small delays come from.
    """
    release = RELEASES[number]
    # Settings of the caller's own applications, such as a key, have no part here.
    os.environ.clear()
    shop = load_release(release)
    delays = random.Random(f"{seed} {release.name}")  # noqa: S311
    clock = Clock(release.deployed, delays)
    # Where the library asks for an event's time.
    shop.Aggregate.Event.create_timestamp = staticmethod(clock.read)
    clerk = CLERKS[number](shop, path)
    with clerk.application as application:
        # A draft need not survive a power cut: without this, 23,000 waits for a disk.
        with application.recorder.datastore.get_connection(commit=True) as connection:
            connection.cursor().execute("PRAGMA synchronous = OFF")
        for command in commands:
            clock.set(command.time, command.lag)
            clerk.carry_out(command)


def damage(path: Path, rng: random.Random) -> None:
    """Do to a store file what the shop's operator did to it, with SQL.

    Parameters
    ----------
    path
        The store file.
    rng
        Where random bytes come from.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        delete_events(connection)
        break_events(connection, rng)


def tidy(draft: Path, path: Path) -> None:
    """Leave a store as one small file with a rollback journal.

    The library keeps a file in WAL mode, in which every reader leaves two more
    files beside it, and cannot read from a folder that it must not write to.

    Parameters
    ----------
    draft
        The file that the library wrote.
    path
        Where the tidy file goes.
    """
    small = draft.with_name("small.db")
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM INTO ?", (str(small),))
        before = _positions(connection)
    with closing(sqlite3.connect(small)) as connection:
        after = _positions(connection)
    # Positions are rowids, and SQLite does not promise that VACUUM keeps them.
    (small if after == before else draft).replace(path)


def _positions(connection: sqlite3.Connection) -> list[tuple[int, str, int]]:
    return connection.execute(
        "SELECT rowid, originator_id, originator_version FROM stored_events ORDER BY rowid",
    ).fetchall()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a sample history from the command line.

    Parameters
    ----------
    arguments
        Those of the process where ``None``.

    Returns
    -------
    int
        0, or 2 if the file cannot be made there.
    """
    parser = argparse.ArgumentParser(description="Make the sample history.")
    parser.add_argument("out", type=Path, help="the store file to make")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--readme", type=Path, help="a README to write the facts into")
    options = parser.parse_args(arguments)
    try:
        facts = make_shop(options.out, seed=options.seed, progress=_report)
    except ExportError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.readme:
        text = options.readme.read_text(encoding="utf-8")
        options.readme.write_text(with_facts(text, facts), encoding="utf-8")
    sys.stdout.write(f"{facts.events:,} events in {options.out}\n")
    return 0


def _report(done: int, total: int) -> None:
    sys.stderr.write(f"{done:,} of {total:,} commands carried out\n")


if __name__ == "__main__":
    sys.exit(main())
