"""A git repository of projections over payments, for the tests that replay its revisions."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from stores import BEGIN, Row, state_of, write_native

if TYPE_CHECKING:
    from pathlib import Path

PAID = "shop:Account.Paid"
VIEWS = '''"""Views of accounts."""

import polars as pl

from workbench import Projection, handles, table

print("imported")


class Accounts(Projection):
    accounts = table(key={"account": pl.String}, values={"paid": pl.Float64, "n": pl.Int64})

    @handles("Account.Paid")
    def paid(self, event):
        row = self.accounts.get(event.stream) or {"paid": 0, "n": 0}
        paid = row["paid"] + event.data["amount"] * RATE
        self.accounts.set(event.stream, paid=paid, n=row["n"] + 1)


def counted(events):
    return events.group_by("stream").agg(pl.len().alias("n"))


RATE = 1
'''
OF_LIBRARY = '''"""A projection of the library, its views, and its events."""

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection
from psycopg.sql import SQL, Identifier

from views.amounts import RATE


class Sums(Projection):
    @singledispatchmethod
    def process_event(self, domain_event, tracking):
        amount = int(domain_event.amount * RATE)
        self.view.add(str(domain_event.originator_id), amount, tracking)


class Memory(POPOTrackingRecorder):
    def __init__(self):
        super().__init__()
        self.sums = {}

    def add(self, account, amount, tracking):
        self.sums[account] = self.sums.get(account, 0) + amount
        self.insert_tracking(tracking)


class Server(PostgresTrackingRecorder):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        text = "CREATE TABLE {}.sums (key text PRIMARY KEY, value int)"
        schema = Identifier(self.datastore.schema)
        self.sql_create_statements.append(SQL(text).format(schema))

    def add(self, account, amount, tracking):
        with self.datastore.transaction(commit=True) as c:
            c.execute(
                "INSERT INTO sums VALUES (%s, %s) "
                "ON CONFLICT (key) DO UPDATE SET value = sums.value + excluded.value",
                (account, amount),
            )
            self._insert_tracking(c, tracking)
'''
EVENTS = '''"""Events of accounts."""

from eventsourcing.domain import DomainEvent


class Account:
    class Paid(DomainEvent):
        originator_id: str
        amount: int
'''


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as somebody."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> Path:
    """Make a repository of three commits, v1, v2 and broken, and a change that is in none."""
    (folder / "views").mkdir(parents=True)
    (folder / "views" / "__init__.py").write_text("")
    git(folder, "init", "-q", "-b", "main")
    accounts = folder / "views" / "accounts.py"
    for tag, text in (
        ("v1", VIEWS),
        ("v2", VIEWS.replace("RATE = 1", "RATE = 1.001")),
        ("broken", VIEWS.replace("RATE = 1", "RATE = 1 / 0")),
    ):
        accounts.write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-qm", tag)
        git(folder, "tag", tag)
    accounts.write_text(VIEWS.replace("RATE = 1", "RATE = 2"))
    return folder


def add_library(folder: Path) -> None:
    """Add a projection of the library to a repository, of which the rate differs by revision."""
    (folder / "shop.py").write_text(EVENTS)
    (folder / "views" / "sums.py").write_text(OF_LIBRARY)
    for tag, rate in (("one", 1), ("two", 2)):
        (folder / "views" / "amounts.py").write_text(f"RATE = {rate}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", tag)
        git(folder, "tag", tag)


def write_payments(path: Path) -> Path:
    """Write ten payments of two accounts."""
    rows = [Row(n, "ab"[n % 2], n // 2 + 1, PAID, state_of(BEGIN, amount=n)) for n in range(1, 11)]
    return write_native(path, rows)
