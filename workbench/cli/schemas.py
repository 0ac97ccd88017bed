"""The command schemas: what payloads look like by version, and which versions break which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workbench.cli import views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.envelope import rows
from workbench.cli.listings import more, with_short_types
from workbench.cli.options import LIMIT, NARROWING, STORE, TARGET, Asked, command
from workbench.compatibility.levels import LEVELS

if TYPE_CHECKING:
    import polars as pl

    from workbench.cli.printing import Screen
    from workbench.schemas import Schemas

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
    *NARROWING,
    LIMIT,
    CHECK_LEVEL,
    ONLY_AFFECTED,
    examples=[
        "schemas shop.db",
        "schemas shop.db --type Order.Placed",
        "schemas shop.db --check BACKWARD_TRANSITIVE --only-affected",
    ],
)
def schemas(asked: Asked, check_of: str | None, only_affected: bool) -> Answer:  # noqa: FBT001
    """List what payloads look like, by type and version.

    Silent versions, whose fields changed with no new version declared, are 1a, 1b. With
    --type, their fields too. With --check, what one version breaks for another instead, and
    how many stored events that affects.
    """
    _refuse_lone(check_of, only_affected=only_affected)
    history = asked.bar.watch(asked.history(), "reading payloads")
    found = history.schemas()
    if check_of is None:
        return _listed(asked, found)
    asked.bar.begin("counting affected events")
    return _checked(asked, found.check(check_of), check_of, only_affected=only_affected)


def _refuse_lone(level: str | None, *, only_affected: bool) -> None:
    if only_affected and level is None:
        msg = "--only-affected says what counts for --check LEVEL: give that too."
        raise click.UsageError(msg, click.get_current_context())


def _listed(asked: Asked, found: Schemas) -> Answer:
    versions = found.versions
    fields = found.fields

    def show(screen: Screen) -> None:
        most = asked.most(screen.most_rows if screen.is_terminal else None)
        _table(screen, versions, views.SCHEMA_VERSIONS, "versions", most)
        if asked.types:
            screen.line()
            _table(screen, fields, views.SCHEMA_FIELDS, "fields", most)

    def result() -> dict[str, object]:
        most = asked.most(None)
        top = versions if most is None else versions.head(most)
        told = fields if asked.types else None
        return {
            **rows(top, versions.height),
            "fields": None if told is None else told.to_dicts(),
            "check": None,
        }

    return Answer(result, show)


def _checked(asked: Asked, found: pl.DataFrame, level: str, *, only_affected: bool) -> Answer:
    import polars as pl

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
        return {**rows(top, found.height), "fields": None, "check": check}

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
