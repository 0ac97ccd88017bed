"""Searching a million events, as the pages do: seconds of each question, both sides in one run.

Run it with the number of events: `python tests/benchmarks/searching.py 1000000`. Beside each
question to the workbench stands the same one asked of Polars over the decoded payloads in
memory, which is what a notebook without it would do at best.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from big_store import make_store

from workbench import copy_history, open_history
from workbench.dashboards.address import Place
from workbench.dashboards.answers import Answers
from workbench.dashboards.queries import Filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench import History

ROUNDS = 7


def timed(name: str, ask: Callable[[int], object]) -> float:
    """Print the median and the greatest of several rounds, in wall and processor time."""
    walls, cpus = [], []
    for round_ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        ask(round_)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    median, cpu = statistics.median(walls), statistics.median(cpus)
    print(
        f"{name:62} {median * 1000:8.0f} ms, most {max(walls) * 1000:8.0f}; cpu {cpu * 1000:6.0f}"
    )
    return median


def page(history: History, filters: Filters) -> object:
    """Return a page of the log and its total, with nothing known before."""
    return Answers(history).listing(Place(page="log", filters=filters))


def asked(name: str, history: History) -> None:
    """Ask what the log asks."""
    types = history.types()
    stream = history.scan().select("stream").tail(1).collect().item()
    middle = history.head // 2
    begin = types["first_time"].min()
    end = types["last_time"].max()
    half = begin + (end - begin) / 2
    answers = Answers(history)
    answers.digest(), answers.stream_digest(), answers.types(), answers.problems()
    some = types["type"][1]
    timed(f"{name}: a page of a type", lambda _: page(history, Filters(types=(some,))))
    timed(f"{name}: a page of a stream", lambda _: page(history, Filters(stream=stream)))
    timed(f"{name}: a page of positions", lambda _: page(history, Filters(first_position=middle)))
    times = Filters(since=half.isoformat(), until=(half + (end - begin) / 50).isoformat())
    timed(f"{name}: a page of a range of time", lambda _: page(history, times))
    texts = [f"{n}77" for n in range(ROUNDS)]
    timed(f"{name}: a text in the payload", lambda n: page(history, Filters(text=texts[n])))
    where = [f"amount > {90 + n}.5" for n in range(ROUNDS)]
    timed(f"{name}: a condition on the payload", lambda n: page(history, Filters(where=where[n])))
    days = [(begin + (end - begin) * n / 10).date().isoformat() for n in range(ROUNDS + 2)]

    def brushed(n: int) -> None:
        range_ = Filters(since=days[n], until=days[n + 2])
        types = answers.types_in(range_)
        answers.versions_in(range_), answers.streams_in(range_)
        answers.problems_in(range_, types)

    timed(f"{name}: the overview of a brushed range", brushed)


def main() -> None:
    """Ask a store, its archive, and Polars alone."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    folder = Path(tempfile.gettempdir())
    store = folder / f"workbench-{events}.db"
    if not store.exists():
        make_store(store, events)
    history = open_history(store)
    copy = folder / f"workbench-searching-{events}.delta"
    copy_history(history, copy, progress=False)
    asked("archive", open_history(copy))
    asked("store", history)
    data = history.scan().select("data").collect()
    path = pl.col("data").str.json_path_match("$.amount").cast(pl.Float64, strict=False)
    timed("Polars in memory: the same text", lambda n: data.filter(
        pl.col("data").str.contains(f"(?i){n}77")
    ))  # fmt: skip
    timed("Polars in memory: the same condition", lambda n: data.filter(path > 90.5 + n))


if __name__ == "__main__":
    main()
