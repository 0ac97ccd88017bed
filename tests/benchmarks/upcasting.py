"""How fast every stored event is upcast, beside the library's own mapper in a plain loop."""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from big_store import make_store
from replaying import machine, say

from workbench import check_upcasters, compare_releases, open_history

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 2.0


def by_library(path: Path, module: str) -> tuple[float, float]:
    """Return the wall's and the processor's seconds of the library's mapper in a plain loop."""
    script = Path(__file__).with_name("mapper_loop.py")
    command = [sys.executable, str(script), str(path), module]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall, processor = map(float, told.split())
    return wall, processor


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
    same = Path(__file__).with_name("shop_events.py")
    following = str(same.with_name("shop_events_next.py"))
    library: dict[str, Callable[[], tuple[float, float]]] = {
        "no step": lambda: by_library(path, "shop_events"),
        "a step for every event": lambda: by_library(path, "shop_events_next"),
    }
    asked: dict[str, Callable[[], object]] = {
        "no step": lambda: check_upcasters(history, str(same), progress=False),
        "a step for every event": lambda: check_upcasters(history, following, progress=False),
        "two releases": lambda: compare_releases(history, str(same), following, progress=False),
        "two releases, and streams": lambda: compare_releases(
            history, str(same), following, aggregates=True, progress=False
        ),
    }
    # In turns, so that a slow moment of the machine touches all.
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in asked}
    theirs: dict[str, list[tuple[float, float]]] = {what: [] for what in library}
    for _ in range(rounds):
        for what, call in asked.items():
            if what in library:
                theirs[what].append(library[what]())
            times[what].append(spent(call))
    for what, several in times.items():
        wall, processors = min(several)
        if what in theirs:
            beside = min(theirs[what])
            figure = f"{beside[0]:.2f} s, {events / beside[0]:,.0f} events/s"
            say(f"the library's mapper in a plain loop, {what}", figure)
        figure = f"{wall:.2f} s, {events / wall:,.0f} events/s; {processors:.1f} s of processors"
        say(f"the dry run, {what}" if what in theirs else what, figure)
        if what in theirs:
            ratio = beside[0] / wall
            met = ratio >= TARGET
            say("  by the wall's clock", f"{ratio:.1f} x", f">= {TARGET:g} x", met=met)
            say("  and by the processors'", f"{beside[1] / processors:.1f} x")


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
