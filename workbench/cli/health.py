"""The commands that say how a store is: open, in short, and problems, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.cli import views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.listings import listed, with_short_types
from workbench.cli.options import (
    CHECK,
    FILE,
    LEVELS,
    LIMIT,
    NARROWING,
    STORE,
    TARGET,
    Asked,
    command,
)

if TYPE_CHECKING:
    import polars as pl

    from workbench import History
    from workbench.cli.printing import Screen

MOST_TYPES = 3


@command(
    "open",
    TARGET,
    *STORE,
    *FILE,
    *NARROWING,
    *CHECK,
    examples=["open shop.db", "open shop.db --check"],
)
def open_(asked: Asked) -> Answer:
    """Say what a store is and what it holds, in short.

    The kind of store, the application, events, positions, times, types and streams; how
    many problems of which kind there are; and who follows it, how far.
    """
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
        "severity",
        "kind",
        count,
        is_capped.alias("is_capped"),
        pl.Series("shown", spoken, pl.String),
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


def _show_tables(screen: Screen, kinds: pl.DataFrame, receivers: pl.DataFrame, head: int) -> None:
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
    "problems",
    TARGET,
    *STORE,
    *FILE,
    *NARROWING,
    LIMIT,
    *CHECK,
    examples=["problems shop.db", "problems shop.db --check-level error"],
)
def problems(asked: Asked) -> Answer:
    """List what is wrong or odd, and what that means.

    Gaps, rare types, snapshots and receivers are looked at only in a whole history, not in
    one that is narrowed.
    """
    import polars as pl

    found = asked.bar.watch(asked.history(), "checking").problems()
    spans = [_span(*ends) for ends in found.select("first_position", "last_position").rows()]
    prepared = found.with_columns(pl.Series("positions", spans, pl.String))
    answer = listed(asked, found, views.PROBLEMS, "problems", prepared)
    meanings = found.select("kind", "meaning").unique(maintain_order=True).rows()

    def show(screen: Screen) -> None:
        answer.show(screen)
        for kind, meaning in meanings:
            screen.line()
            screen.line(f"{kind}: {meaning}")
        _show_check(screen, asked, found)

    def result() -> dict[str, object]:
        return {**answer.result(), "check": _check(asked, found)}

    return Answer(result, show, _code(asked, found))


def _span(first: int | None, last: int | None) -> str | None:
    if first is None or first == last:
        return None if first is None else views.number(first)
    return f"{views.number(first)} - {views.number(last)}"


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
        failing = _failing(asked, found)
        said = f"failed: {failing:,} problems are" if failing else "passed: no problem is"
        worse = "" if asked.level == LEVELS[0] else " or worse"
        screen.line()
        screen.line(f"The check has {said} of severity {asked.level!r}{worse}.")
