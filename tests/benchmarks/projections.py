"""How fast unmodified projections of the library run in a trial, beside the library's runner."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import shop_events
from big_store import make_store
from eventsourcing.projection import ProjectionRunner
from reading import say
from shop_events import Balances, FileBalances, MemoryBalances, Shop

from workbench import open_history, replay

ROUNDS = 3
MEMORY, FILE = 3, 30
"""How many times the library's rate is asked for."""


def by_runner(store: Path, events: int, view: type[Any], view_file: Path | None) -> float:
    """Return the events a second of the library's own runner, which keeps to one event a time."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(store),
        "CREATE_TABLE": "no",
        "APPLICATION_RECORDER_TOPIC": f"{shop_events.__name__}:PollingRecorder",
        "BALANCES_PERSISTENCE_MODULE": "eventsourcing.popo",
    }
    if view_file is not None:
        env |= {
            "BALANCES_PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "BALANCES_SQLITE_DBNAME": str(view_file),
            "BALANCES_CREATE_TABLE": "yes",
        }
    begun = time.perf_counter()
    with ProjectionRunner(
        application_class=Shop, projection_class=Balances, view_class=view, env=env
    ) as runner:
        while (runner.view.max_tracking_id("Shop") or 0) < events:
            time.sleep(0.05)
            if runner.is_interrupted.is_set():
                runner.run_forever(0)
        return events / (time.perf_counter() - begun)


def by_trial(store: Path, view: type[Any]) -> float:
    """Return the events a second of a trial, change log included."""
    trial = replay(open_history(store), Balances, view=view, classes=[shop_events], progress=False)
    return trial.rate


def main() -> None:
    """Print both figures of each kind of view."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000)
    arguments.add_argument("--file-events", type=int, default=10_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    large = make_store(chosen.folder / f"workbench-{chosen.events}.db", chosen.events)
    small = make_store(chosen.folder / f"workbench-{chosen.file_events}.db", chosen.file_events)
    for view, store, events, least in (
        (MemoryBalances, large, chosen.events, MEMORY),
        (FileBalances, small, chosen.file_events, FILE),
    ):
        theirs = ours = 0.0
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                file = Path(folder) / "view.db" if view is FileBalances else None
                theirs = max(theirs, by_runner(store, events, view, file))
            ours = max(ours, by_trial(large, view))
        figure = f"{ours:,.0f}/s, runner {theirs:,.0f}/s: {ours / theirs:.1f} x"
        say(view.__name__, figure, f">= {least} x", met=ours >= least * theirs)


if __name__ == "__main__":
    main()
