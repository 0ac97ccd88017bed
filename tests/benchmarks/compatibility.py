"""How fast the stored events that a change of schema affects are counted.

uv run python tests/benchmarks/compatibility.py [--events 1000000] [--folder /tmp]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from big_store import make_store
from reading import best, say

from workbench import check_compatibility, open_history
from workbench.compatibility.affected import COLUMNS

ROUNDS = 3


def at_timestamp(words: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that asks something of each event's time as it is stored."""
    wrapper = {"type": "object", "properties": {"_data_": {"type": "string", **words}}}
    return {"type": "object", "properties": {"timestamp": wrapper}}


def main() -> None:
    """Make the store, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    path = make_store(chosen.folder / f"workbench-{chosen.events}.db", chosen.events)
    history = open_history(path)
    required = {"type": "object", "required": ["nothing"]}
    floor, missing, pattern = best(
        lambda: [frame.height for frame in history.batches(COLUMNS)],
        lambda: check_compatibility(required, {"type": "object"}, events=history),
        lambda: check_compatibility(
            at_timestamp({"pattern": "^2024-01-0"}), at_timestamp({}), events=history
        ),
        rounds=ROUNDS,
    )
    events = len(history)
    say(f"reading {events:,} payloads (the floor)", f"{floor.wall_s:.2f} s")
    for name, timed in (("a required field", missing), ("a pattern of a nested text", pattern)):
        times = timed.wall_s / floor.wall_s
        figure = f"{timed.wall_s:.2f} s, {times:.1f} times the floor"
        say(f"counting for {name}", figure, "< 5 times", met=times < 5)


if __name__ == "__main__":
    main()
