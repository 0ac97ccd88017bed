"""How fast the schemas of a history are inferred, and with how much memory.

uv run python tests/benchmarks/schemas.py [--events 1000000] [--folder /tmp]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from big_store import make_store
from reading import say

from workbench import open_history

ROUNDS = 3

# Not `ru_maxrss`: a process inherits that of the one that started it.
_PEAK = """
import sys
from workbench import open_history
found = open_history(sys.argv[1]).schemas().fields.height
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak) / 1024)
"""


def main() -> None:
    """Make the store, and print all figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    path = make_store(chosen.folder / f"workbench-{chosen.events}.db", chosen.events)
    history = open_history(path)
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        schemas = history.schemas()
        assert schemas.fields.height
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    figure = f"{min(walls):.2f} s ({min(cpus):.2f} cpu)"
    say(f"schemas() of {len(history):,} events", figure, "< 4 s", met=min(walls) < 4)
    begun = time.perf_counter()
    schemas.advance()
    took = time.perf_counter() - begun
    say("schemas().advance(), nothing new", f"{took * 1000:.1f} ms", "< 50 ms", met=took < 0.05)
    begun = time.perf_counter()
    drift = history.drift("Order.Placed", "1w")
    found = drift.windows.height + drift.changes.height
    took = time.perf_counter() - begun
    say("drift() of one type of 9", f"{took:.2f} s, {found} rows", "< 4 s", met=took < 4)
    peak = float(
        subprocess.run(
            [sys.executable, "-c", _PEAK, str(path)], check=True, capture_output=True, text=True
        ).stdout
    )
    say("peak memory of schemas()", f"{peak:.0f} MiB", "< 1,536 MiB", met=peak < 1536)


if __name__ == "__main__":
    main()
