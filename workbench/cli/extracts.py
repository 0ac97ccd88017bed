"""The commands that take something out of a store: event, one of them, and export, all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli import views
from workbench.cli.app import Answer
from workbench.cli.options import FILE, NARROWING, STORE, TARGET, Asked, command

if TYPE_CHECKING:
    from workbench.cli.printing import Screen

MOST_BYTES = 64


@command(
    "event",
    TARGET,
    click.argument("position", type=int),
    *STORE,
    *FILE,
    examples=["event shop.db 21036"],
)
def event(asked: Asked, position: int) -> Answer:
    """Show one event, with its payload or its stored bytes."""
    history = asked.history()
    state = history.state(position)
    found = history.between(after=position - 1, upto=position).scan().collect()
    row: dict[str, Any] = found.row(0, named=True)

    def show(screen: Screen) -> None:
        _show_event(screen, row, state)

    return Answer(lambda: {**row, "state": state}, show)


def _show_event(screen: Screen, row: dict[str, Any], state: bytes) -> None:
    time = row["time"]
    said = {
        "position": views.number(row["position"]),
        "stream": views.NOTHING if row["stream"] is None else row["stream"],
        "version": views.NOTHING if row["version"] is None else views.number(row["version"]),
        "type": f"{row['type']}",
        "schema version": str(row["schema_version"] or views.NOTHING),
        "time (UTC)": views.NOTHING if time is None else views.millisecond(time),
        "stored as": f"{len(state):,} bytes",
        "metadata": row["metadata"],
        "tags": views.several(row["tags"]),
        "problem": row["problem"],
    }
    screen.pairs({name: value for name, value in said.items() if value})
    screen.line()
    if row["data"] is not None:
        from workbench.cli.printing import indented

        screen.lines(indented(row["data"]))
    else:
        rest = " …" if len(state) > MOST_BYTES else ""
        screen.lines(f"{state[:MOST_BYTES].hex(' ')}{rest}")


@command(
    "export",
    TARGET,
    click.argument("out", type=click.Path(path_type=Path)),
    click.option("--overwrite", is_flag=True, help="Replace the file if it is there."),
    *STORE,
    *FILE,
    *NARROWING,
    examples=[
        "export shop.db events.parquet",
        "export shop.db charges.csv --type Payment.Charged --since 2025-10-06",
        "export shop.db orders.xes.gz",
    ],
)
def export(asked: Asked, out: Path, *, overwrite: bool) -> Answer:
    """Write events to OUT, whose ending says in which format.

    Tables: .parquet, .csv, .ndjson, .arrow. Logs for process mining: .xes, .xes.gz,
    .ocel.json, .ocel.sqlite. OUT appears when it is whole. Payloads are JSON text; in a CSV
    file tags are too.
    """
    from workbench.export import ending_of
    from workbench.export import export as write

    history = asked.bar.watch(asked.history(), "exporting")
    events = write(history, out, overwrite=overwrite)
    size = out.stat().st_size

    def show(screen: Screen) -> None:
        screen.lines(f"Wrote {events:,} events to {out}, {size:,} bytes.")

    result = {"path": str(out), "format": (ending_of(out) or "")[1:], "events": events}
    return Answer(lambda: {**result, "size_bytes": size}, show)


@command(
    "copy",
    TARGET,
    click.argument("archive", type=click.Path(path_type=Path)),
    click.option("--verify", is_flag=True, help="Compare all of it with the source afterwards."),
    *STORE,
    *FILE,
    examples=["copy shop.db shop.delta", "copy shop.db shop.delta --verify"],
)
def copy(asked: Asked, archive: Path, *, verify: bool) -> Answer:
    """Copy what is new into a Delta table, each event exactly once.

    It can be stopped at any moment, and goes on where it was. ARCHIVE is opened like a store,
    also while it grows.
    """
    from workbench.copying import copy_history

    asked.bar.begin("copying")
    done = copy_history(asked.history(), archive, progress=asked.bar.report, verify=verify)

    def show(screen: Screen) -> None:
        also = ", and all of it is the same as in the source" if verify else ""
        screen.lines(
            f"Copied {done.events:,} new events to {archive}, which goes up to position "
            f"{done.position or 0:,}{also}."
        )

    result = {
        "path": str(archive),
        "events": done.events,
        "position": done.position,
        "version": done.version,
        "seconds": done.seconds,
        "verified": verify,
    }
    return Answer(lambda: result, show)
