"""The command that compares two versions of a projection over one store, for CI."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import workbench
from workbench.cli import views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.envelope import rows
from workbench.cli.options import NARROWING, STORE, TARGET, Asked, command
from workbench.processes import terminable
from workbench.separate.side import Side, check, handed_over
from workbench.trials.apart import Apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench import Comparison, History, Trial
    from workbench.cli.printing import Screen
    from workbench.progress import Bar
    from workbench.revisions import Place

DEFAULT_ACCEPTED = "workbench-accepted.toml"


def _pairs(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Return what was given as NAME=VALUE, by name."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            msg = f"{text!r} is not of the form {option.metavar}."
            raise click.BadParameter(msg, context, option)
        found[name] = value
    return found


def _place(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """Return a place that was given, if it is one, and of no revision of its own."""
    if given is not None and re.fullmatch(r"[\w.]+:[\w.]+", given) is None:
        msg = (
            f"{given!r} is not of the form {option.metavar}. It is taken from the revision of "
            "each side."
        )
        raise click.BadParameter(msg, context, option)
    return given


@command(
    "compare",
    TARGET,
    click.option("--base", "base", required=True, metavar="MODULE:NAME[@REV]", help="The one."),
    click.option("--with", "other", required=True, metavar="MODULE:NAME[@REV]", help="The other."),
    click.option(
        "--tolerance",
        multiple=True,
        metavar="COLUMN=N",
        callback=_pairs,
        help="The greatest difference that counts as none. Repeatable.",
    ),
    click.option(
        "--pair",
        multiple=True,
        metavar="TABLE=OTHER",
        callback=_pairs,
        help="A table of the base, and its name in the other. Repeatable.",
    ),
    click.option(
        "--key",
        multiple=True,
        metavar="COLUMN",
        help="For Polars functions: what tells rows apart. Repeatable.",
    ),
    click.option(
        "--view",
        metavar="MODULE:NAME",
        callback=_place,
        help="For projections of the library: the class of their view.",
    ),
    click.option(
        "--classes",
        multiple=True,
        metavar="MODULE",
        help="For what is of the library: where classes of events are found. Repeatable.",
    ),
    click.option(
        "--scratch",
        envvar="WORKBENCH_SCRATCH",
        metavar="URL",
        help="For a view in PostgreSQL: a database without events, in which it may run.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["stop", "collect"]),
        default="stop",
        show_default=True,
        help="What to do with events that a handler cannot process.",
    ),
    click.option(
        "--accepted",
        type=click.Path(path_type=Path, dir_okay=False),
        default=DEFAULT_ACCEPTED,
        show_default=True,
        help="Where it is kept which causes are intended.",
    ),
    click.option(
        "--accept",
        multiple=True,
        metavar="ID=REASON",
        callback=_pairs,
        help="Write there that a cause is intended. Repeatable.",
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE.html",
        help="Write a report, as one HTML file.",
    ),
    *STORE,
    *NARROWING,
    examples=[
        "compare shop.db --base shop.views:Orders@main --with shop.views:Orders",
        "compare shop.db --base views:Old --with views:New --accept 1f0c33a9b2='rounded now'",
        "compare shop.db --base sums:Sums@main --with sums:Sums --view sums:View --classes shop",
    ],
)
def compare(  # noqa: PLR0913, an argument an option
    asked: Asked,
    *,
    base: str,
    other: str,
    tolerance: dict[str, str],
    pair: dict[str, str],
    key: tuple[str, ...],
    view: str | None,
    classes: tuple[str, ...],
    scratch: str | None,
    on_error: str,
    accepted: Path,
    accept: dict[str, str],
    report: Path | None,
) -> Answer:
    """Compare two versions of a projection, and say why they differ.

    MODULE:NAME is a class or function as Python imports it in the current folder; with
    @REV, as it is in that revision of the git repository. Each side runs in a process of
    its own. The exit code is 1 if there are differences that are not accepted.
    """
    from workbench.comparing.accepted import add_accepted, read_accepted
    from workbench.revisions import Place

    places = [Place.of(base), Place.of(other)]
    most = {column: _number(column, text) for column, text in tolerance.items()}
    reasons = read_accepted(accepted)
    history = asked.history()
    sides = [Apart(str(place), key, on_error, view, classes, scratch) for place in places]
    with terminable():
        a, b = _trials(history, sides, asked.bar)
        found = workbench.compare(a, b, tolerance=most, tables=pair or None)
    known = set(found.causes["cause"])
    for cause, reason in {**{c: r for c, r in reasons.items() if c in known}, **accept}.items():
        found = found.accept(cause, reason)
    if accept:
        causes = {row["cause"]: row for row in found.causes.to_dicts()}
        add_accepted(accepted, {cause: causes[cause] for cause in accept})
    if report is not None:
        found.report(report)
    gone = sorted(set(reasons) - known)
    return Answer(
        lambda: _result(found, gone),
        lambda screen: _show(screen, found, gone, places),
        0 if found.equal else PROBLEMS_FOUND,
    )


def _number(column: str, text: str) -> Any:  # noqa: ANN401, `compare` checks it
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text)
    except InvalidOperation as error:
        msg = f"The tolerance {text!r} of {column!r} is no number."
        raise click.UsageError(msg, click.get_current_context()) from error


def _trials(history: History, sides: Sequence[Apart], bar: Bar) -> list[Trial]:
    """Return the trials of both sides, which run at the same time."""
    here = Path.cwd()
    for side in sides:
        check(side, here)
    with ExitStack() as stack:
        handed = stack.enter_context(handed_over(bar.watch(history, "reading")))
        running = [stack.enter_context(Side(side, handed, here)) for side in sides]
        bar.begin("replaying")
        return [side.trial(bar.report) for side in running]


# The answer


def _result(found: Comparison, gone: list[str]) -> dict[str, object]:
    return {
        "equal": found.equal,
        "base": _told(found.a),
        "with": _told(found.b),
        "tables": found.summary.to_dicts(),
        "causes": rows(found.causes),
        "healed": rows(found.healed),
        "accepted_but_gone": gone,
    }


def _told(trial: Trial) -> dict[str, object]:
    return {"events": trial.events, "failures": trial.failures.height, **trial.recipe.to_dict()}


def _show(screen: Screen, found: Comparison, gone: list[str], places: Sequence[Place]) -> None:
    from workbench.catalog import SHORT_NAME
    from workbench.cli.printing import visible

    for side, trial, place in zip("ab", (found.a, found.b), places, strict=True):
        failed = f", {trial.failures.height:,} failures" if trial.failures.height else ""
        screen.line(f"{side}: {place}, {trial.events:,} events{failed}")
    screen.line(f"Found: {found.verdict}.")
    if found.causes.height:
        screen.line()
        screen.table(views.columns(views.CAUSES, found.causes.with_columns(type=SHORT_NAME)))
    if not found.equal:
        screen.line()
        screen.line("To accept what is intended: --accept ID='why'.")
    if gone:
        screen.line()
        screen.line(f"Accepted, and no longer found: {', '.join(map(visible, gone))}.")
