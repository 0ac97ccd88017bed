"""The command schemas: what payloads look like by version, and which versions break which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workbench.cli import one_type, views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.envelope import rows
from workbench.cli.listings import more, with_short_types
from workbench.cli.options import FILE, LIMIT, NARROWING, STORE, TARGET, Asked, command
from workbench.compatibility.levels import LEVELS

if TYPE_CHECKING:
    import polars as pl

    from workbench.cli.printing import Screen

CHECK_LEVEL = click.option(
    "--check",
    "check_of",
    type=click.Choice(LEVELS, case_sensitive=False),
    metavar="LEVEL",
    help="Exit with 1 if a version cannot read what it must: BACKWARD, FORWARD, FULL, each also "
    "with _TRANSITIVE, or NONE.",
)
ONLY_AFFECTED = click.option(
    "--only-affected",
    is_flag=True,
    help="With --check: only where stored events are really refused.",
)


@command(
    "schemas",
    TARGET,
    *STORE,
    *FILE,
    *NARROWING,
    LIMIT,
    CHECK_LEVEL,
    ONLY_AFFECTED,
    one_type.BETWEEN,
    one_type.OVER_TIME,
    one_type.DRIFT,
    one_type.DRAFT,
    examples=[
        "schemas shop.db",
        "schemas shop.db --check BACKWARD_TRANSITIVE --only-affected",
        "schemas shop.db --type Order.Placed --between 1 2",
        "schemas shop.db --type Order.Confirmed --drift",
        "schemas shop.db --type Order.Placed --draft 1 2 --mask '*name'",
    ],
)
def schemas(
    asked: Asked,
    *,
    check_of: str | None,
    only_affected: bool,
    between: tuple[str, str] | None,
    over_time: str | None,
    drift: bool,
    draft: tuple[str, str] | None,
) -> Answer:
    """List what payloads look like, by type and version.

    Silent versions, whose fields changed with no new version declared, are 1a, 1b. With
    --type, their fields too. With --check, what one version breaks for another instead, and
    how many stored events that affects.
    """
    _refuse_lone(check_of, only_affected=only_affected)
    asked_for = {
        "--check": check_of,
        "--between": between,
        "--over-time": over_time,
        "--drift": drift,
        "--draft": draft,
    }
    one_type.refuse_several(asked, [name for name, value in asked_for.items() if value])
    if check_of:
        return _check(asked, check_of, only_affected=only_affected)
    if between:
        return one_type.side_by_side(asked, between)
    if over_time:
        return one_type.over_time(asked, over_time)
    if drift:
        return one_type.drifted(asked)
    return one_type.drafted(asked, draft) if draft else _listed(asked)


def _refuse_lone(level: str | None, *, only_affected: bool) -> None:
    if only_affected and level is None:
        said = "--only-affected says what counts for --check LEVEL: give that too."
        raise click.UsageError(said, click.get_current_context())


def _listed(asked: Asked) -> Answer:
    found = asked.bar.watch(asked.history(), "reading payloads").schemas()
    versions, fields, overlaps = found.versions, found.fields, found.overlaps

    def show(screen: Screen) -> None:
        most = asked.most(screen.most_rows if screen.is_terminal else None)
        _table(screen, versions, views.SCHEMA_VERSIONS, "versions", most)
        if asked.types:
            screen.line()
            _table(screen, fields, views.SCHEMA_FIELDS, "fields", most)
        if overlaps.height:
            screen.line()
            screen.line("Written at the same time:")
            _table(screen, overlaps, views.SCHEMA_OVERLAPS, "pairs", most)

    def result() -> dict[str, object]:
        most = asked.most(None)
        top = versions if most is None else versions.head(most)
        told = fields if asked.types else None
        return {
            **rows(top, versions.height),
            "fields": None if told is None else told.to_dicts(),
            "overlaps": overlaps.to_dicts(),
            "check": None,
        }

    return Answer(result, show)


def _check(asked: Asked, level: str, *, only_affected: bool) -> Answer:
    import polars as pl

    schemas_ = asked.bar.watch(asked.history(), "reading payloads").schemas()
    asked.bar.begin("counting affected events")
    found = schemas_.check(level)
    counts = pl.col("breaks") & ((pl.col("affected") > 0) if only_affected else True)
    breaking = found.filter(counts)
    failing = breaking.height
    said = _said(breaking)

    def show(screen: Screen) -> None:
        most = asked.most(screen.most_rows if screen.is_terminal else None)
        _table(screen, said, views.FINDINGS, "breaking changes", most)
        kind = "breaking changes that affect stored events" if only_affected else "breaking changes"
        screen.line()
        outcome = f"failed: {failing:,} {kind}" if failing else f"passed: no {kind}"
        screen.line(f"The check for {level} has {outcome}.")

    def result() -> dict[str, object]:
        most = asked.most(None)
        check = {"level": level, "only_affected": only_affected, "passed": not failing}
        top = found if most is None else found.head(most)
        return {**rows(top, found.height), "fields": None, "overlaps": None, "check": check}

    return Answer(result, show, PROBLEMS_FOUND if failing else 0)


def _said(breaking: pl.DataFrame) -> pl.DataFrame:
    """Return findings with who reads whose payloads, such as '2 reads 1'."""
    import polars as pl

    is_backward = pl.col("direction") == "backward"
    reader = pl.when(is_backward).then("version").otherwise("against")
    writer = pl.when(is_backward).then("against").otherwise("version")
    return breaking.with_columns(pl.format("{} reads {}", reader, writer).alias("readers"))


def _table(
    screen: Screen,
    found: pl.DataFrame,
    view: tuple[views.Field, ...],
    what: str,
    most: int | None,
) -> None:
    said = with_short_types(found)
    top = said if most is None else said.head(most)
    if found.height:
        screen.table(views.columns(view, top))
    more(screen, found.height, top.height, what)
