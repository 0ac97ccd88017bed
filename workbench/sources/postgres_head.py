"""How far a PostgreSQL table of events can be read with nothing missed.

Numbers are given before a transaction commits, so an event may appear below others that
are there already, and a number whose transaction was rolled back stays a hole. What can
be known of a table from outside is who writes: an INSERT holds a RowExclusiveLock on it
from before its first number is given until after it has become visible, or has failed.

So: let `top` be the greatest number that a snapshot shows, and `writers` the transactions
that hold such a lock after that snapshot was taken. All numbers up to `top` were given
before, and whoever got one either is among the writers, or is over, and visible to any
later snapshot. Once none of these writers is left, everything up to `top` is settled: it
is there, or it never will be. Nothing here depends on how transactions are numbered.
"""

from __future__ import annotations

import threading
import time as clock
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.sources.base import HeldBack
from workbench.sources.postgres_layouts import literal

if TYPE_CHECKING:
    from workbench.sources.postgres_layouts import PostgresLayout
    from workbench.sources.postgres_server import Session

FIRST_GRACE_S, GRACE_S = 0.25, 0.03
"""How long to wait for writers that are about to end, at first and later."""
PAUSE_S = 0.005
MARGIN = 1_000
"""Transactions: an INSERT has its own number before so many others have begun to write.

Only needed where a transaction has been open since before the first look; see `_by_age`.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a table shows: its greatest number, and who writes into it."""

    top: int
    writers: frozenset[str]


class SafeHead:
    """Up to where a table is settled, learnt from one look to the next."""

    def __init__(self, layout: PostgresLayout) -> None:
        self._layout = layout
        self._settled: int | None = None
        self._pending: dict[frozenset[str], int] = {}
        self._lock = threading.Lock()

    def bound(self, session: Session) -> int:
        """Return the number up to which everything is settled."""
        first = self._look(session)
        until = clock.monotonic() + (FIRST_GRACE_S if self._settled is None else GRACE_S)
        look = first
        while self._learnt(look) < first.top and clock.monotonic() < until:
            clock.sleep(PAUSE_S)
            look = self._look(session)
        with self._lock:
            settled = self._settled
        if settled is not None:
            return settled
        aged = self._by_age(session, look)
        with self._lock:
            self._settled = aged if self._settled is None else max(self._settled, aged)
            return self._settled

    def _look(self, session: Session) -> Look:
        table = literal(self._layout.table)
        # One statement: its snapshot is older than the list of locks. A server in recovery
        # sees no locks of the primary: there, all transactions in progress count.
        ((top, writers, since, recovering),) = session.ask(
            f"SELECT (SELECT max({self._layout.position})::bigint FROM {self._layout.table}), "
            "ARRAY(SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            f"AND relation = {table}::regclass AND mode = 'RowExclusiveLock' AND granted), "
            "pg_postmaster_start_time()::text, CASE WHEN pg_is_in_recovery() "
            "THEN ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot())::text) "
            "ELSE '{}'::text[] END"
        )
        return Look(top or 0, frozenset(f"{since} {w}" for w in (*writers, *recovering)))

    def _learnt(self, look: Look) -> int:
        """Return up to where everything is settled after a look; -1 where that is not known."""
        with self._lock:
            left: dict[frozenset[str], int] = {}
            for writers, top in (*self._pending.items(), (look.writers, look.top)):
                still = writers & look.writers
                left[still] = max(top, left.get(still, 0))
            settled = left.pop(frozenset(), None)
            if settled is not None:
                self._settled = settled if self._settled is None else max(settled, self._settled)
            known = -1 if self._settled is None else self._settled
            self._pending = {writers: top for writers, top in left.items() if top > known}
            return known

    def _by_age(self, session: Session, look: Look) -> int:
        """Return up to where all is settled, where a writer was open before the first look.

        Rows of transactions that are older than the oldest writer's were given their numbers
        before its own. So what the writer may still fill are holes after those; earlier holes
        are dead. A writer without a transaction number has written nothing yet that tells
        its age: then every hole counts.
        """
        position, table = self._layout.position, self._layout.table
        names = ", ".join(literal(writer.rpartition(" ")[2]) for writer in look.writers)
        ((open_, numbered, age),) = session.ask(
            "SELECT count(DISTINCT virtualtransaction), "
            "count(DISTINCT virtualtransaction) FILTER (WHERE locktype = 'transactionid'), "
            "max(age(transactionid)) FILTER (WHERE locktype = 'transactionid') "
            f"FROM pg_locks WHERE granted AND virtualtransaction IN ({names})"
        )
        trusted = 0
        if open_ and open_ == numbered:
            ((trusted,),) = session.ask(
                f"SELECT max({position})::bigint FROM {table} WHERE {position} < coalesce((SELECT "
                f"min({position}) FROM {table} WHERE age(xmin) <= {age + MARGIN}), {2**62})"
            )
        ((last,),) = session.ask(
            f"SELECT min(position)::bigint FROM (SELECT {position} AS position, lead({position}) "
            f"OVER (ORDER BY {position}) AS next FROM {table} WHERE {position} >= {trusted or 0}) "
            "AS numbers WHERE next IS DISTINCT FROM position + 1"
        )
        ((first,),) = session.ask(
            f"SELECT min({position})::bigint FROM {table} WHERE {position} >= {trusted or 0}"
        )
        begins = first is not None and first <= (trusted or 0) + 1
        return int(last) if begins and last is not None else trusted or 0

    def held_back(self, session: Session, conditions: str) -> HeldBack | None:
        """Return what is there beyond what is settled, None if nothing is."""
        bound = self.bound(session)
        look = self._look(session)
        position = self._layout.position
        ((events, last),) = session.ask(
            f"SELECT count(*), max({position})::bigint FROM {self._layout.table} "
            f"WHERE {position} > {bound} AND {position} <= {look.top}{conditions}"
        )
        if not events:
            return None
        return HeldBack(bound, last, events, self._reason(session, look))

    def _reason(self, session: Session, look: Look) -> str:
        """Return in words who may still write before what is held back."""
        names = ", ".join(literal(writer.rpartition(" ")[2]) for writer in look.writers) or "''"
        rows = session.ask(
            "SELECT DISTINCT l.pid, to_char(a.xact_start AT TIME ZONE 'UTC', "
            "'YYYY-MM-DD HH24:MI:SS') FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) "
            f"WHERE virtualtransaction IN ({names}) ORDER BY 2, 1"
        )
        open_ = len(look.writers)
        who = [
            f"process {pid or 'of a prepared transaction'}"
            + (f" since {since} UTC" if since else "")
            for pid, since in rows[:3]
        ]
        return (
            f"{open_} open transaction{'s' if open_ != 1 else ''} may still write before them"
            + (f": {', '.join(who)}" if who else "")
        )
