"""How fast a store is copied into an archive, and one of ten times as many events is asked."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from big_store import BEGINS, TYPES, make_store
from reading import best, say

from workbench import copy_history, open_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench import History

TIMES = 10


def copying(store: Path, folder: Path) -> None:
    """Print how fast a store is copied, beside reading it alone, and how fast it is checked."""
    history, path = open_history(store), folder / "one.delta"
    count = len(history)

    def copy() -> object:
        shutil.rmtree(path, ignore_errors=True)
        return copy_history(history, path, progress=False)

    floor, copied = best(lambda: sum(f.height for f in history.batches()), copy, rounds=3)
    rate, cpu = count / copied.wall_s, count / copied.cpu_s
    print(f"     floor, reading alone: {floor.wall_s:.2f} s, {floor.cpu_s:.2f} s of processor")
    say(
        f"copy, {count:,} events",
        f"{copied.wall_s:.2f} s ({copied.cpu_s:.2f} cpu), {rate:,.0f}/s",
        ">= 500,000 events/s",
        met=rate >= 500_000,
    )
    print(f"     on one processor alone: {cpu:,.0f}/s")
    again, checked = best(
        lambda: copy_history(history, path, progress=False),
        lambda: copy_history(history, path, progress=False, verify=True),
        rounds=2,
    )
    say("copy, nothing new", f"{again.wall_s * 1000:.0f} ms", "< 1 s", met=again.wall_s < 1)
    print(f"     with verify: {checked.wall_s:.2f} s")
    size = sum(file.stat().st_size for file in path.rglob("*"))
    print(f"     {size / 2**20:.0f} MiB, where the store has {store.stat().st_size / 2**20:.0f}")


def large(store: Path, folder: Path) -> Path:
    """Return an archive of ten times the events of a store."""
    path, parts = folder / "ten.delta", folder / "parts"
    if path.exists():
        return path
    events = open_history(store).scan().collect()
    parts.mkdir(exist_ok=True)
    shift = timedelta(seconds=7 * events.height)
    for number in range(TIMES):
        moved = events.with_columns(
            pl.col("position") + number * events.height, pl.col("time") + number * shift
        )
        moved.write_parquet(parts / f"{number}.parquet", compression="lz4")
    copy_history(open_history(parts), path, progress=False)
    shutil.rmtree(parts)
    return path


def asking(path: Path) -> None:
    """Print how fast an archive is opened, and asked by each of its conditions."""
    (opened,) = best(lambda: open_history(path), rounds=7)
    milliseconds = f"{opened.wall_s * 1000:.1f} ms"
    say("open_history", milliseconds, "< 100 ms", met=opened.wall_s < 0.1)
    history = open_history(path)
    count, head = len(history), history.head or 0
    day = BEGINS + timedelta(days=400)
    stream = history.scan().select("stream").head(1).collect().item()
    asked: dict[str, Callable[[], History]] = {
        "the last 10,000 positions": lambda: history.between(after=head - 10_000),
        "half of all positions": lambda: history.between(after=head // 2),
        "one day": lambda: history.since(day).until(day + timedelta(days=1)),
        "one of nine types": lambda: history.of_types(TYPES[3]),
        "one type in a month": lambda: (
            history.of_types(TYPES[3]).since(day).until(day + timedelta(days=30))
        ),
        "one stream": lambda: history.of_streams(stream),
    }
    print(f"{count:,} events in the archive; counted, then all columns of what is found")
    for what, narrow in asked.items():
        narrowed = narrow()
        counted, found = best(
            lambda it=narrowed: len(it), lambda it=narrowed: it.scan().collect(), rounds=3
        )
        said = f"{counted.wall_s * 1000:.0f} ms; {found.wall_s * 1000:,.0f} ms"
        say(what, f"{said} for {len(narrowed):,}", "< 1 s counted", met=counted.wall_s < 1)


def main() -> None:
    """Make the store and the archives, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    store = make_store(chosen.folder / f"workbench-{chosen.events}.db", chosen.events)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        copying(store, Path(folder))
        asking(large(store, Path(folder)))


if __name__ == "__main__":
    main()
