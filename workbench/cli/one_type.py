"""The command schemas, of one type: two versions side by side, over time, drift, a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workbench.cli import views
from workbench.cli.app import Answer
from workbench.cli.listings import listed

if TYPE_CHECKING:
    from workbench.cli.options import Asked
    from workbench.cli.printing import Screen
    from workbench.history import History
    from workbench.schemas import Schemas

BETWEEN = click.option(
    "--between",
    nargs=2,
    metavar="OLD NEW",
    help="Two versions of the --type, field by field.",
)
OVER_TIME = click.option(
    "--over-time",
    metavar="WINDOW",
    help="The share of each version of the --type over time: 1h, 1d, 1w, 1mo.",
)
DRIFT = click.option(
    "--drift",
    is_flag=True,
    help="Since which events the fields of the --type are otherwise.",
)
DRAFT = click.option(
    "--draft",
    nargs=2,
    metavar="OLD NEW",
    help="An upcaster between two versions of the --type, and a test for it, to paste.",
)


def one_of(history: History, asked: Asked) -> tuple[Schemas, str]:
    """Return the schemas of the one type that was asked for, and the type."""
    schemas = asked.bar.watch(history, "reading payloads").schemas()
    return schemas, schemas.full_type(asked.types[0])


def side_by_side(asked: Asked, names: tuple[str, str]) -> Answer:
    """Return two versions, field by field."""
    schemas, type_ = one_of(asked.history(), asked)
    found = schemas[type_, names[0]].beside(schemas[type_, names[1]])
    return listed(asked, found, views.SCHEMA_MATRIX, "fields")


def over_time(asked: Asked, window: str) -> Answer:
    """Return the share of each version over time."""
    schemas, type_ = one_of(asked.history(), asked)
    return listed(asked, schemas.shares(type_, window), views.SCHEMA_SHARES, "windows with events")


def drifted(asked: Asked) -> Answer:
    """Return the change points of the fields."""
    history = asked.bar.watch(asked.history(), "reading payloads")
    found = history.drift(asked.types[0]).changes
    return listed(asked, found, views.CHANGE_POINTS, "change points")


def drafted(asked: Asked, names: tuple[str, str]) -> Answer:
    """Return an upcaster and its test."""
    from workbench.upcasting.drafts import drafts_of

    history = asked.history()
    schemas, type_ = one_of(history, asked)
    drafts = drafts_of(history, schemas[type_, names[0]], schemas[type_, names[1]])

    def show(screen: Screen) -> None:
        parts = [*(f"# {note}" for note in drafts.notes), drafts.upcaster, drafts.test or ""]
        for line in "\n\n".join(filter(None, parts)).splitlines():
            screen.line(views.text(line))

    def result() -> dict[str, object]:
        notes = list(drafts.notes)
        return {"upcaster": drafts.upcaster, "test": drafts.test, "notes": notes}

    return Answer(result, show)


def refuse_several(asked: Asked, given: list[str]) -> None:
    """Refuse options that ask for different things, or of one type where there is not one.

    Raises
    ------
    click.UsageError
        If it is so.
    """
    said = None
    if len(given) > 1:
        said = f"{' and '.join(given)} ask for different things: give one of them."
    elif given and given != ["--check"] and len(asked.types) != 1:
        said = f"{given[0]} is about one type: give one --type."
    if said is not None:
        raise click.UsageError(said, click.get_current_context())
