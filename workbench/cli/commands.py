"""The commands that ask a store: open, types, streams, stream, event, problems, rate, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli import views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.envelope import rows
from workbench.cli.options import CHECK, LEVELS, LIMIT, NARROWING, STORE, TARGET, Asked, command

if TYPE_CHECKING:
    import polars as pl

    from workbench import History
    from workbench.cli.printing import Screen
    from workbench.cli.views import Field

MOST_TYPES = 3
MOST_BYTES = 64


def listed(
    asked: Asked,
    table: pl.DataFrame,
    view: tuple[Field, ...],
    what: str,
    prepared: pl.DataFrame | None = None,
) -> Answer:
    """Return the answer that lists a table; `prepared` has what only people are shown."""
    shown = table if prepared is None else prepared

    def show(screen: Screen) -> None:
        most = asked.most(screen.most_rows if screen.is_terminal else None)
        top = shown if most is None else shown.head(most)
        if table.height:
            screen.table(views.columns(view, top))
        more(screen, table.height, top.height, what)

    def result() -> dict[str, object]:
        most = asked.most(None)
        return rows(table if most is None else table.head(most), table.height)

    return Answer(result, show)


def more(screen: Screen, total: int, shown: int, what: str) -> None:
    """Print how many rows are not listed, if any."""
    if not total:
        screen.line(f"There are no {what}.")
    elif shown < total:
        said = f"{total - shown:,} more {what} of {total:,}: --limit 0 lists all."
        screen.line(said, style="dim")


def with_short_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `shown`: the short type, in full where that is ambiguous."""
    import polars as pl

    from workbench.catalog import SHORT_NAME

    several = pl.col("type").n_unique().over(SHORT_NAME) > 1
    return frame.with_columns(
        pl.when(several).then("type").otherwise(SHORT_NAME).alias("shown")
    )


@command("types", TARGET, *STORE, *NARROWING, LIMIT, examples=["types shop.db --since 2026-01-01"])
def types(asked: Asked) -> Answer:
    """List the event types: how many, since when, in which schema versions."""
    found = asked.bar.watch(asked.history(), "counting types").types()
    return listed(asked, found, views.TYPES, "types", with_short_types(found))


@command(
    "streams", TARGET, *STORE, *NARROWING, LIMIT, examples=["streams shop.db --type Refund.Issued"]
)
def streams(asked: Asked) -> Answer:
    """List the streams: how many events each has, and from when to when."""
    found = asked.bar.watch(asked.history(), "counting streams").streams()
    return listed(asked, found, views.STREAMS, "streams")


@command(
    "stream",
    TARGET,
    click.argument("stream_id", metavar="STREAM"),
    *STORE,
    *NARROWING[:-1],
    LIMIT,
    examples=["stream shop.db order-10001", "stream shop.db order-10001 --json"],
)
def stream(asked: Asked, stream_id: str) -> Answer:
    """Show the events of one stream in order, with their payloads."""
    import polars as pl

    history = asked.history().of_streams(stream_id)
    found = asked.bar.watch(history, "reading the stream").scan().collect()
    said = pl.format("({})", pl.col("problem").fill_null("no payload"))
    shown_data = pl.coalesce("data", said).alias("shown_data")
    prepared = with_short_types(found).with_columns(shown_data)
    return listed(asked, found, views.STREAM, "events", prepared)


@command(
    "event",
    TARGET,
    click.argument("position", type=int),
    *STORE,
    examples=["event shop.db 21036"],
)
def event(asked: Asked, position: int) -> Answer:
    """Show one event: its place, its payload, and how it is stored."""
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
        "stream": f"{row['stream']}",
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
    "problems",
    TARGET,
    *STORE,
    *NARROWING,
    LIMIT,
    *CHECK,
    examples=["problems shop.db", "problems shop.db --check-level error"],
)
def problems(asked: Asked) -> Answer:
    """List what is wrong or odd: where, what was found, and what it means."""
    import polars as pl

    found = asked.bar.watch(asked.history(), "checking").problems()
    first, last = pl.col("first_position"), pl.col("last_position")
    spoken = [views.number(value) for value in found["last_position"].fill_null(0)]
    ends = pl.Series("last", spoken, pl.String)
    starts = pl.Series("first", [views.number(v) for v in found["first_position"].fill_null(0)], pl.String)
    positions = (
        pl.when(first.is_null()).then(None).when(first == last).then(starts)
        .otherwise(pl.format("{} - {}", starts, ends)).alias("positions")
    )
    answer = listed(asked, found, views.PROBLEMS, "problems", found.with_columns(positions))
    meanings = found.select("kind", "meaning").unique(maintain_order=True).rows()

    def show(screen: Screen) -> None:
        answer.show(screen)
        for kind, meaning in meanings:
            screen.line()
            screen.line(f"{kind}: {meaning}")
        _show_check(screen, asked, found)

    return Answer(
        lambda: {**answer.result(), "check": _check(asked, found)},
        show,
        _code(asked, found),
    )


def _failing(asked: Asked, found: pl.DataFrame) -> int:
    """Return how many problems are at least as severe as was asked for."""
    if asked.level is None:
        return 0
    severe = LEVELS[: LEVELS.index(asked.level) + 1]
    return int(found["severity"].is_in(severe).sum())


def _code(asked: Asked, found: pl.DataFrame) -> int:
    return PROBLEMS_FOUND if _failing(asked, found) else 0


def _check(asked: Asked, found: pl.DataFrame) -> dict[str, object] | None:
    if asked.level is None:
        return None
    return {"level": asked.level, "passed": not _failing(asked, found)}


def _show_check(screen: Screen, asked: Asked, found: pl.DataFrame) -> None:
    if asked.level is not None:
        screen.line()
        failing = _failing(asked, found)
        said = f"failed: {failing:,} problems" if failing else "passed: no problem"
        screen.line(f"Check {said} of severity {asked.level!r} or worse.")


@command(
    "rate",
    TARGET,
    click.option("--every", default="1d", show_default=True, help="The window: 1h, 1d, 1w, 1mo."),
    click.option(
        "--by",
        type=click.Choice(["type", "stream", "aggregate"]),
        default="type",
        show_default=True,
        help="What to count apart.",
    ),
    *STORE,
    *NARROWING,
    LIMIT,
    examples=["rate shop.db --every 1mo --by aggregate"],
)
def rate(asked: Asked, every: str, by: Any) -> Answer:  # noqa: ANN401, one of three, says click
    """Count the events in each window of time."""
    found = asked.bar.watch(asked.history(), "counting").rate(every, by)
    return listed(asked, found, views.RATE, "windows with events")


@command(
    "open", TARGET, *STORE, *NARROWING, *CHECK, examples=["open shop.db", "open shop.db --check"]
)
def open_(asked: Asked) -> Answer:
    """Say what a store is and what it holds: types, streams, times, problems, receivers."""
    history = asked.history()
    found = asked.bar.watch(history, "counting types").types()
    streams = asked.bar.watch(history, "counting streams").streams().height
    wrong = asked.bar.watch(history, "checking").problems()
    kinds, receivers = problem_kinds(wrong), history.receivers()
    summary = _summary(history, found, streams)

    def show(screen: Screen) -> None:
        _show_summary(screen, summary, found)
        _show_tables(screen, kinds, receivers, history.source.head() or 0)
        _show_check(screen, asked, wrong)

    def result() -> dict[str, object]:
        return {
            **summary,
            "problems": kinds.drop("shown").to_dicts(),
            "receivers": receivers.to_dicts(),
            "check": _check(asked, wrong),
        }

    return Answer(result, show, _code(asked, wrong))


def _summary(history: History, types: pl.DataFrame, streams: int) -> dict[str, Any]:
    return {
        "name": history.name,
        "kind": history.source.kind,
        "application": history.application,
        "events": types["count"].sum(),
        "first_position": types["first_position"].min(),
        "last_position": types["last_position"].max(),
        "first_time": types["first_time"].min(),
        "last_time": types["last_time"].max(),
        "types": types.height,
        "streams": streams,
        "snapshots": history.snapshots().height,
        "undecodable": types["undecodable"].sum(),
    }


def problem_kinds(found: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each kind of problem: severity, kind, count, is_capped, shown.

    `is_capped` says that there are more of the kind than are listed one by one.
    """
    import polars as pl

    from workbench.quality import MOST_FOUND

    is_capped = pl.col("count") > MOST_FOUND
    count = pl.min_horizontal("count", MOST_FOUND)
    counted = found.group_by("severity", "kind", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("count")
    )
    spoken = [f"over {MOST_FOUND:,}" if n > MOST_FOUND else f"{n:,}" for n in counted["count"]]
    return counted.select(
        "severity", "kind", count, is_capped.alias("is_capped"), pl.Series("shown", spoken, pl.String)
    )


def _show_summary(screen: Screen, summary: dict[str, Any], types: pl.DataFrame) -> None:
    named = with_short_types(types)["shown"].fill_null("no type").to_list()
    rest = len(named) - MOST_TYPES
    tail = f" and {rest:,} more" if rest > 0 else ""
    first, last = summary["first_time"], summary["last_time"]
    said = {
        "store": f"{summary['name']}, {summary['kind']}",
        "application": summary["application"] or "not said by the store",
        "events": views.number(summary["events"]),
        "positions": _range(summary["first_position"], summary["last_position"], views.number),
        "times (UTC)": _range(first, last, views.second),
        "types": f"{len(named):,}: {', '.join(named[:MOST_TYPES])}{tail}" if named else "0",
        "streams": views.number(summary["streams"]),
        "snapshots": views.number(summary["snapshots"]),
        "undecodable": views.number(summary["undecodable"]),
    }
    screen.pairs(said)


def _range(first: Any, last: Any, form: Any) -> str:  # noqa: ANN401, numbers or times
    return "none" if first is None else f"{form(first)} to {form(last)}"


def _show_tables(
    screen: Screen, kinds: pl.DataFrame, receivers: pl.DataFrame, head: int
) -> None:
    screen.line()
    if kinds.height:
        screen.table(views.columns(views.PROBLEM_KINDS, kinds))
    else:
        screen.line("No problems were found.")
    if receivers.height:
        screen.line()
        behind = (head - receivers["position"]).alias("behind")
        screen.table(views.columns(views.RECEIVERS, receivers.with_columns(behind)))


@command(
    "export",
    TARGET,
    click.argument("out", type=click.Path(path_type=Path)),
    click.option("--overwrite", is_flag=True, help="Replace the file if it is there."),
    *STORE,
    *NARROWING,
    examples=[
        "export shop.db events.parquet",
        "export shop.db charges.csv --type Payment.Charged --since 2025-10-06",
    ],
)
def export(asked: Asked, out: Path, *, overwrite: bool) -> Answer:
    """Write the events to OUT, which ends in .parquet, .csv, .ndjson or .arrow."""
    from workbench.export import export as write

    history = asked.bar.watch(asked.history(), "exporting")
    events = write(history, out, overwrite=overwrite)
    size = out.stat().st_size

    def show(screen: Screen) -> None:
        screen.lines(f"Wrote {events:,} events to {out}, {size:,} bytes.")

    result = {"path": str(out), "format": out.suffix.lower()[1:], "events": events}
    return Answer(lambda: {**result, "size_bytes": size}, show)


COMMANDS = (open_, types, streams, stream, event, problems, rate, export)
