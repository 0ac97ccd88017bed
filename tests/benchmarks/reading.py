"""How fast a SQLite store is read, beside the library's own way and beside the floor."""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adbc_driver_sqlite import dbapi
from big_store import make_store, transcoder
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from workbench import open_history

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

PAGE = 5_000
ROUNDS = 5


@dataclass
class Timed:
    """The best of several runs, in seconds of wall clock and of processor."""

    wall_s: float
    cpu_s: float


def best(*calls: Callable[[], object], rounds: int = ROUNDS) -> list[Timed]:
    """Run the calls in turns, several rounds, and return the best of each."""
    found = [Timed(float("inf"), float("inf")) for _ in calls]
    for _ in range(rounds):
        for call, timed in zip(calls, found, strict=True):
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            result = call()
            timed.wall_s = min(timed.wall_s, time.perf_counter() - wall)
            timed.cpu_s = min(timed.cpu_s, time.process_time() - cpu)
            del result
    return found


def library(path: Path) -> int:
    """Page through `select_notifications`, and decode each state: what a user does today."""
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path)))
    decode, last, count = transcoder().decode, None, 0
    while page := recorder.select_notifications(last, PAGE, inclusive_of_start=last is None):
        for notification in page:
            decode(notification.state)
        last, count = page[-1].id, count + len(page)
    recorder.datastore.close()
    return count


def floor(path: Path) -> object:
    """Fetch the same columns into Arrow, in one thread, with nothing decoded."""
    with dbapi.connect(f"file:{path}?mode=ro&immutable=1", autocommit=True) as db, db.cursor() as c:
        c.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "65536"})
        c.execute(
            "SELECT rowid, originator_id, originator_version, topic, state "
            "FROM stored_events ORDER BY rowid"
        )
        return c.fetch_arrow_table()


def say(what: str, figure: str, target: str, *, met: bool) -> None:
    """Print one line: what was measured, the figure, the target, and whether it is met."""
    print(f"{'ok  ' if met else 'MISS'} {what:<48} {figure:>34}   target {target}", flush=True)


def speed(path: Path) -> None:
    """Print the figures of reading, each beside the other side."""
    history = open_history(path)
    count = len(history)
    (base,) = best(lambda: library(path), rounds=2)
    lowest, scan, typed = best(
        lambda: floor(path), lambda: history.scan().collect(), history.events_by_type
    )
    print(f"{count:,} events, {path.stat().st_size / 2**20:,.0f} MiB")
    print(f"     library, paging and decoding: {base.wall_s:.2f} s = {count / base.wall_s:,.0f}/s")
    print(f"     floor, bare ADBC fetch: {lowest.wall_s:.2f} s, {lowest.cpu_s:.2f} s of processor")

    def ratio(what: str, timed: Timed, least: float) -> None:
        times = base.wall_s / timed.wall_s
        figure = f"{timed.wall_s:.2f} s ({timed.cpu_s:.2f} cpu), {times:.1f} x"
        say(what, figure, f">= {least:g} x the library", met=times >= least)

    ratio("scan(), all columns", scan, 10)
    ratio("events_by_type(), typed columns of 9 types", typed, 8)
    times = scan.wall_s / lowest.wall_s
    say("scan() beside the floor", f"{times:.2f} x", "<= 2 x the floor, aim 1", met=times <= 2)

    head = history.head or 0
    stream = history.scan().select("stream").head(1).collect().item()
    quick: list[tuple[str, Callable[[], object], float]] = [
        ("open_history", lambda: open_history(path), 0.050),
        ("the last 10,000 positions", lambda: _last(path, head), 0.060),
        ("one stream", lambda: history.of_streams(stream).scan().collect(), 0.020),
    ]
    for what, call, most in quick:
        (timed,) = best(call, rounds=7)
        say(
            what,
            f"{timed.wall_s * 1000:.1f} ms",
            f"< {most * 1000:.0f} ms",
            met=timed.wall_s < most,
        )


def _last(path: Path, head: int) -> pl.DataFrame:
    return open_history(path).between(after=head - 10_000).scan().collect()


# Not `ru_maxrss`: a process inherits that of the one that started it.
_PEAK = """
import sys
from workbench import open_history
counted = open_history(sys.argv[1]).scan().group_by("type").len().collect(engine="streaming")
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(counted["len"].sum()), int(peak) / 1024)
"""


def memory(paths: list[Path]) -> None:
    """Print the peak memory of a streaming count by type: the least of several processes."""
    peaks = []
    for path in paths:
        found = [
            subprocess.run(
                [sys.executable, "-c", _PEAK, str(path)], check=True, capture_output=True, text=True
            ).stdout.split()
            for _ in range(ROUNDS)
        ]
        peaks.append(min(float(peak) for _, peak in found))
        what = f"peak of group_by('type').len(), {int(found[0][0]):,} events"
        say(what, f"{peaks[-1]:.0f} MiB", "< 400 MiB", met=peaks[-1] < 400)
    grown = peaks[-1] / peaks[0]
    say("its growth, four times the events", f"{grown:.2f} x", "<= 1.1 x", met=grown <= 1.1)


_IMPORT = """
import sys, time
begun = time.perf_counter()
{what}
took = time.perf_counter() - begun
assert not {{"panel", "bokeh", "plotly", "pandas"}} & set(sys.modules)
print(took)
"""


def importing() -> None:
    """Print how long imports take: the package, its first name, and Polars, which that needs."""

    def seconds(what: str) -> float:
        code = [sys.executable, "-c", _IMPORT.format(what=what)]
        return min(
            float(subprocess.run(code, check=True, capture_output=True).stdout)
            for _ in range(ROUNDS)
        )

    took = seconds("import workbench")
    say("import workbench, without Panel", f"{took:.2f} s", "< 0.4 s", met=took < 0.4)
    first, polars = seconds("from workbench import open_history"), seconds("import polars")
    print(f"     from workbench import open_history: {first:.2f} s, of which Polars {polars:.2f} s")


def main() -> None:
    """Make the stores, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    small = make_store(chosen.folder / f"workbench-{chosen.events}.db", chosen.events)
    large = make_store(chosen.folder / f"workbench-{4 * chosen.events}.db", 4 * chosen.events)
    importing()
    speed(small)
    memory([small, large])


if __name__ == "__main__":
    main()
