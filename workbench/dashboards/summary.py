"""What the overview shows, as functions: facts, activity, and the events behind a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.catalog import short_name
from workbench.dashboards.queries import Filters
from workbench.tables import RATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from workbench.history import History

OTHER = "other types"
HOLE = "position_hole"  # the kind of problem that is about events which are not there
MOST_TYPES = 10  # that have a colour of their own
MOST_WINDOWS = 1_000  # bars beside each other
EVERY = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}
_NAMED = {
    "1h": "%Y-%m-%d %H:00 UTC",
    "1d": "%a %Y-%m-%d",
    "1w": "week of %Y-%m-%d",
    "1mo": "%B %Y",
}
_HOURS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a history is: where it comes from and how far it goes."""

    name: str
    kind: str
    """What it was recognised as, and what was edited or masked in it."""
    application: str | None
    events: int
    first_position: int | None
    last_position: int | None


def facts(history: History) -> Facts:
    """Return what the history is; raises `StoreUnreadableError` where it cannot be read."""
    return Facts(
        history.name,
        ", ".join(filter(None, (history.source.kind, history.made))),
        history.application,
        len(history),
        history.scan().select("position").head(1).collect()["position"].min(),  # type: ignore[arg-type]
        history.head,
    )


def span(types: pl.DataFrame) -> tuple[datetime, datetime] | None:
    """Return the earliest and latest time of the `workbench.tables.TYPES`, None without any."""
    first, last = types.select(pl.col("first_time").min(), pl.col("last_time").max()).row(0)
    return None if first is None or last is None else (first, last)


def windows_for(length: timedelta) -> list[str]:
    """Return which of hour, day, week and month fit a span of time; the default stands first.

    Examples
    --------
    >>> from datetime import timedelta
    >>> windows_for(timedelta(days=500))
    ['day', 'week', 'month']
    >>> windows_for(timedelta(days=3))
    ['hour', 'day', 'week', 'month']
    """
    hours = length.total_seconds() / 3600
    fitting = [name for name in EVERY if hours / _HOURS[name] <= MOST_WINDOWS]
    usual = [n for n in fitting if hours / _HOURS[n] <= MOST_WINDOWS * 0.6]
    names = fitting or ["month"]
    default = (usual or names)[0]
    return [default, *(name for name in names if name != default)]


def activity(history: History, every: str, *, most: int = MOST_TYPES) -> pl.DataFrame:
    """Return events in each window of time by type, all but the `most` frequent types as one.

    Parameters
    ----------
    history
        Whose events.
    every
        The window's length, as `History.rate` takes it.
    most
        How many types stand by themselves; the rest is `OTHER`.

    Returns
    -------
    polars.DataFrame
        `workbench.tables.RATE`.
    """
    rate = history.rate(every)
    top = frequent(rate, most=most)
    named = pl.when(pl.col("by").is_in(top)).then("by").otherwise(pl.lit(OTHER)).alias("by")
    summed = rate.group_by("time", named).agg(pl.col("count").sum())
    return RATE.conform(summed).sort("time", "by")


def frequent(rate: pl.DataFrame, *, most: int = MOST_TYPES) -> list[str]:
    """Return the types that stand by themselves, most frequent first.

    One type more than `most` stands by itself too: a group of one would hide its name.
    """
    counts = (
        rate.group_by("by").agg(pl.col("count").sum()).sort("count", "by", descending=[True, False])
    )
    names = counts["by"].to_list()
    return names if len(names) <= most + 1 else names[:most]


def longest(streams: pl.DataFrame, *, most: int = 12) -> pl.DataFrame:
    """Return the streams with the most events: `workbench.tables.STREAMS`, most first."""
    return streams.sort("events", "first_position", descending=[True, False]).head(most)


def steps(rate: pl.DataFrame, every: str) -> pl.DataFrame:
    """Return activity as it is drawn in steps: one column for each type, 0 where it has none.

    Parameters
    ----------
    rate
        `workbench.tables.RATE`, as `activity` returns it.
    every
        The window's length, one of the values of `EVERY`.

    Returns
    -------
    polars.DataFrame
        `time`, the middle of a window, ascending; and for each type Int64 events. Windows
        without any event are there only beside one that has some.
    """
    begin = pl.col("time")
    wide = rate.pivot("by", index="time", values="count")
    beside = [begin.dt.offset_by(f"-{every}"), begin, begin.dt.offset_by(every)]
    windows = pl.concat([wide.select(edge) for edge in beside]).unique().sort("time")
    middle = begin + (begin.dt.offset_by(every) - begin) / 2
    return (
        windows.join(wide, on="time", how="left", maintain_order="left")
        .with_columns(pl.exclude("time").fill_null(0), middle)
        .sort("time")
    )


def said(rate: pl.DataFrame, every: str, *, most: int = 6) -> pl.DataFrame:
    """Return what is said of each window: how many events, and of which types the most are.

    Parameters
    ----------
    rate
        `workbench.tables.RATE`, as `activity` returns it.
    every
        The window's length, one of the values of `EVERY`.
    most
        How many types are named.

    Returns
    -------
    polars.DataFrame
        `time`, the middle of a window with events, ascending; `count` Int64; `said` String.
    """
    begin = pl.col("time")
    line = pl.format("{}: {}", "by", "count").sort_by("count", descending=True)
    more = pl.when(pl.len() > most).then(pl.lit("\n…")).otherwise(pl.lit(""))
    named = line.head(most).str.join("\n")
    windows = rate.group_by("time").agg(
        named.alias("lines"), more.alias("more"), pl.col("count").sum()
    )
    return windows.sort("time").select(
        (begin + (begin.dt.offset_by(every) - begin) / 2).alias("time"),
        "count",
        pl.format(
            "{}: {} events\n{}{}", begin.dt.strftime(_NAMED[every]), "count", "lines", "more"
        ).alias("said"),
    )


def behind_window(moment: datetime, every: str) -> Filters:
    """Return the filters for the events of the window of activity that `moment` is in."""
    return behind_range(moment, moment, every)


def behind_range(first: datetime, last: datetime, every: str) -> Filters:
    """Return the filters for the events of all windows from one moment's to another's."""
    begin = pl.lit(first).dt.truncate(every)
    end = pl.lit(last).dt.truncate(every).dt.offset_by(every).dt.offset_by("-1us")
    form = "%Y-%m-%dT%H:%M:%S%.6f" if every == EVERY["hour"] else "%Y-%m-%d"
    since, until = pl.select(
        begin.dt.strftime(form).alias("since"), end.dt.strftime(form).alias("until")
    ).row(0)
    return Filters(since=since, until=until)


def behind_problem(problem: Mapping[str, Any]) -> Filters:
    """Return the filters for the events that a row of `workbench.tables.PROBLEMS` is about.

    A hole has no events in it: the ones on both sides show where it is.
    """
    first, last = problem["first_position"], problem["last_position"]
    if problem["kind"] == HOLE:
        first, last = first - 1, last + 1
    return Filters(stream=problem["stream"], first_position=first, last_position=last)


def problems_at(problems: pl.DataFrame, position: int, stream: str | None) -> pl.DataFrame:
    """Return the `workbench.tables.PROBLEMS` that an event is part of."""
    return problems.filter(
        pl.col("first_position") <= position,
        pl.col("last_position") >= position,
        pl.col("stream").is_null() | (pl.col("stream") == pl.lit(stream, pl.String)),
    )


def counts(types: pl.DataFrame) -> list[tuple[str, int]]:
    """Return each type with how many events it has, in the order of `types`."""
    return types.select("type", "count").rows()


def short_names(types: pl.DataFrame) -> dict[str, str]:
    """Return what each type is called on a page: its short name where no other type has it."""
    shared = set(types.filter(pl.col("short_name").is_duplicated())["short_name"])
    return {
        full: full if short_name(full) in shared else short_name(full) for full in types["type"]
    }
