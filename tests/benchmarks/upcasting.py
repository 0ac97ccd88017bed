"""How fast every stored event is upcast, beside the library's own mapper in a plain loop."""

from __future__ import annotations

import argparse
import gc
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import shop_events
from big_store import make_store, transcoder
from eventsourcing.persistence import Mapper
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from replaying import machine, say

from workbench import check_upcasters, compare_releases, open_history

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 5_000
TARGET = 2.0


def plain_loop(path: Path) -> int:
    """Return how many events the library's recorder and mapper make, in a plain loop."""
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path)))
    to_domain_event, last, count = Mapper(transcoder()).to_domain_event, None, 0
    while page := recorder.select_notifications(last, PAGE, inclusive_of_start=last is None):
        for notification in page:
            to_domain_event(notification)
        last, count = page[-1].id, count + len(page)
    recorder.datastore.close()
    return count


def spent(call: Callable[[], object]) -> tuple[float, float]:
    """Return the wall's and the processors' seconds of a call, other processes included."""
    gc.collect()
    begun, before = time.perf_counter(), _processors()
    call()
    return time.perf_counter() - begun, _processors() - before


def _processors() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def run(path: Path, events: int, rounds: int) -> None:
    """Print the rates of both, and of a comparison of two releases."""
    history = open_history(path)
    same = Path(shop_events.__file__)
    following = str(same.with_name("shop_events_next.py"))
    asked: dict[str, Callable[[], object]] = {
        "the library: recorder and mapper in a plain loop": lambda: plain_loop(path),
        "check_upcasters, events of the code's version": lambda: check_upcasters(
            history, str(same), progress=False
        ),
        "check_upcasters, a step for every event": lambda: check_upcasters(
            history, following, progress=False
        ),
        "compare_releases": lambda: compare_releases(history, str(same), following, progress=False),
        "compare_releases, aggregates=True": lambda: compare_releases(
            history, str(same), following, aggregates=True, progress=False
        ),
    }
    # In turns, so that a slow moment of the machine touches all.
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in asked}
    for _ in range(rounds):
        for what, call in asked.items():
            times[what].append(spent(call))
    found = {what: min(several) for what, several in times.items()}
    library = found["the library: recorder and mapper in a plain loop"]
    for i, (what, (wall, processors)) in enumerate(found.items()):
        figure = f"{wall:.2f} s, {events / wall:,.0f} events/s; {processors:.1f} s of processors"
        say(what, figure)
        if i:
            ratio, target = library[0] / wall, f">= {TARGET:g} x" if i == 1 else ""
            met = ratio >= TARGET if i == 1 else None
            say("  beside the library, by the wall's clock", f"{ratio:.1f} x", target, met=met)
            say("  and by the processors'", f"{library[1] / processors:.1f} x")


def main() -> None:
    """Make the store, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments.add_argument("--rounds", type=int, default=2)
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    path = make_store(chosen.folder / f"workbench-{chosen.events}.db", chosen.events)
    machine()
    run(path, chosen.events, chosen.rounds)
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    say("peak memory of the largest process", f"{peak / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
