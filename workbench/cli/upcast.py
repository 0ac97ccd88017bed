"""The command that upcasts every stored event, with one release or with two, for CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workbench.cli import views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.envelope import rows
from workbench.cli.options import NARROWING, STORE, TARGET, Asked, command
from workbench.processes import terminable

if TYPE_CHECKING:
    import polars as pl

    from workbench import ReleaseComparison, UpcasterReport
    from workbench.cli.printing import Screen

MOST_FAILURES = 1_000
"""Failures in the envelope; all are counted."""
_CODE = "[NAME=]WHERE[@REV]"
_TIME = click.FloatRange(min=0, min_open=True)


@command(
    "upcast",
    TARGET,
    click.option(
        "--classes",
        multiple=True,
        metavar=_CODE,
        help="A module, file or folder with the classes. Repeatable.",
    ),
    click.option("--old", metavar=_CODE, help="The one of two releases."),
    click.option("--new", metavar=_CODE, help="The other."),
    click.option("--aggregates", is_flag=True, help="Rebuild each stream with both releases."),
    click.option("--time-limit", type=_TIME, metavar="S", help="Stop after so many seconds."),
    click.option(
        "--event-limit",
        type=_TIME,
        default=5.0,
        show_default=True,
        metavar="S",
        help="The seconds that one event may take.",
    ),
    *STORE,
    *NARROWING,
    examples=[
        "upcast shop.db --classes shop.orders --classes shop.payments",
        "upcast shop.db --old shop@v1.2 --new shop --aggregates",
        "upcast shop.db --old shop=releases/shop_1.py --new shop=releases/shop_2.py",
    ],
)
def upcast(
    asked: Asked,
    *,
    classes: tuple[str, ...],
    old: str | None,
    new: str | None,
    aggregates: bool,
    time_limit: float | None,
    event_limit: float,
) -> Answer:
    """Upcast every stored event, and say which ones fail.

    WHERE is a module as Python imports it in the current folder, a .py file, or a folder;
    with @REV, as it is in that revision of the git repository. NAME= says by which name
    stored types know it. The code runs in processes of its own. The exit code is 1 if
    events fail, or of two releases, if the new one fails where the old one does not.
    """
    from workbench import check_upcasters, compare_releases

    _check(classes, old, new, aggregates=aggregates)
    history = asked.history()
    asked.bar.begin("upcasting")
    with terminable():
        if old is None or new is None:
            report = check_upcasters(
                history,
                classes,
                time_limit_s=time_limit,
                event_limit_s=event_limit,
                progress=asked.bar.report,
            )
            code = PROBLEMS_FOUND if report.failed or not report.is_complete else 0
            return Answer(lambda: _told(report), lambda screen: _show(screen, report), code)
        found = compare_releases(
            history,
            old,
            new,
            aggregates=aggregates,
            time_limit_s=time_limit,
            event_limit_s=event_limit,
            progress=asked.bar.report,
        )
    code = PROBLEMS_FOUND if found.broken or not found.is_complete else 0
    return Answer(lambda: _compared(found), lambda screen: _show_two(screen, found), code)


def _check(classes: tuple[str, ...], old: str | None, new: str | None, *, aggregates: bool) -> None:
    is_one = bool(classes) and old is None and new is None and not aggregates
    if not is_one and (classes or old is None or new is None):
        msg = "Give --classes, or both --old and --new; --aggregates is for the latter."
        raise click.UsageError(msg, click.get_current_context())


def _told(report: UpcasterReport) -> dict[str, object]:
    return {
        "code": report.code,
        "events": report.events,
        "failed": report.failed,
        "is_complete": report.is_complete,
        "stopped": report.stopped,
        "last_position": report.last_position,
        "seconds": report.seconds,
        "paths": rows(report.paths),
        "fields": rows(report.fields),
        "failures": rows(report.failures.head(MOST_FAILURES), report.failed),
        "unresolved": rows(report.unresolved),
    }


def _compared(found: ReleaseComparison) -> dict[str, object]:
    return {
        "old": found.old,
        "new": found.new,
        "events": found.events,
        "broken": found.broken,
        "is_complete": found.is_complete,
        "stopped": found.stopped,
        "last_position": found.last_position,
        "seconds": found.seconds,
        "types": rows(found.types),
        "fields": rows(found.fields),
        "streams": rows(found.streams),
    }


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    from workbench.catalog import SHORT_NAME

    return frame.with_columns(SHORT_NAME.alias("shown"))


def _show(screen: Screen, report: UpcasterReport) -> None:
    import polars as pl

    screen.table(views.columns(views.UPCASTS, _shown(report.paths)))
    if report.failures.height:
        screen.line()
        said = pl.format("{}: {}", "error", "message").first().alias("said")
        key = ["type", "stored_version", "step"]
        by_step = report.failures.group_by(key, maintain_order=True).agg(
            pl.len().alias("events"), pl.col("position").first().alias("first_position"), said
        )
        screen.table(views.columns(views.UPCAST_FAILURES, _shown(by_step)))
    screen.line()
    screen.line(f"Found: {report.verdict}; {report.rate:,.0f} events/s.")


def _show_two(screen: Screen, found: ReleaseComparison) -> None:
    import polars as pl

    screen.table(views.columns(views.RELEASES, _shown(found.types)))
    if found.fields.height:
        screen.line()
        screen.table(views.columns(views.RELEASE_FIELDS, _shown(found.fields)))
    stops = [
        found.streams.filter(pl.col(f"{name}_rebuilds").eq(other=False))
        .group_by(
            pl.col(f"{name}_type").alias("type"),
            pl.col(f"{name}_error").str.extract("^([^:]*)").alias("kind"),
            maintain_order=True,
        )
        .agg(
            pl.lit(name).alias("release"),
            pl.len().alias("streams"),
            pl.col(f"{name}_position").min().alias("first_position"),
            pl.col(f"{name}_error").first().alias("error"),
        )
        for name in ("old", "new")
    ]
    stopped = pl.concat(stops)
    if stopped.height:
        screen.line()
        screen.table(views.columns(views.RELEASE_STOPS, _shown(stopped)))
    screen.line()
    screen.line(f"Found: {found.verdict}.")
