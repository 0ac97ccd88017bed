"""The command that compares two versions of a projection over one store, for CI."""

from __future__ import annotations

import json
import re
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import workbench
from workbench import errors
from workbench.cli import views
from workbench.cli.app import PROBLEMS_FOUND, Answer
from workbench.cli.envelope import rows
from workbench.cli.options import NARROWING, STORE, TARGET, Asked, command
from workbench.cli.side import FAILED, TRIAL, Request
from workbench.processes import end, last_said, started, terminable
from workbench.revisions import code_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from workbench import Comparison, Trial
    from workbench.cli.printing import Screen
    from workbench.revisions import Place

DEFAULT_ACCEPTED = "workbench-accepted.toml"
LOOK_EVERY_S = 0.05
_ASKED = (
    *("target", "application", "compressor", "after", "upto", "since", "until"),
    *("types", "streams", "masks", "pseudonyms"),
)


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
    head = asked.history().source.head() or 0
    # What is appended meanwhile is read by neither side.
    asked = replace(asked, upto=head if asked.upto is None else min(asked.upto, head))
    with terminable(), tempfile.TemporaryDirectory(prefix="workbench-compare-") as folder:
        how = {
            "key": list(key),
            "on_error": on_error,
            "view": view,
            "classes": list(classes),
            "scratch": scratch,
        }
        a, b = _trials(asked, places, Path(folder), how)
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


# The two sides


def _trials(
    asked: Asked, places: Sequence[Place], folder: Path, how: dict[str, Any]
) -> list[Trial]:
    """Return the trials of both sides, which run at the same time."""
    from workbench import load_trial

    with ExitStack() as stack:
        started = []
        for number, place in enumerate(places):
            own = folder / str(number)
            own.mkdir()
            paths, tree = stack.enter_context(code_folder(place.revision, Path.cwd()))
            request = Request(
                str(place),
                place.module,
                place.name,
                paths,
                None if tree is None else str(tree),
                str(own),
                {name: getattr(asked, name) for name in _ASKED},
                **how,
            )
            started.append((request, stack.enter_context(_started(request))))
        for request, process in started:
            # Not `wait`: once a database driver was in use, an interrupt would not end it.
            while process.poll() is None:
                time.sleep(LOOK_EVERY_S)
            _check(request, process.returncode)
        return [load_trial(Path(request.folder) / TRIAL) for request, _ in started]


@contextmanager
def _started(request: Request) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process of a side, which ends at the latest when this does."""
    process = started("workbench.cli.side", Path(request.folder))
    try:
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(request.text().encode())
        yield process
    finally:
        end(process)


def _check(request: Request, code: int) -> None:
    """Raise what stopped a side, if anything did.

    Raises
    ------
    WorkbenchError
        Of the class that the side has raised.
    """
    if code == 0:
        return
    failed = Path(request.folder) / FAILED
    if failed.exists():
        told = json.loads(failed.read_text(encoding="utf-8"))
        kind = getattr(errors, told["kind"], errors.ReplayError)
        raise kind(told["message"])
    msg = (
        f"Cannot replay into {request.place!r}: its process ended with {code}: "
        f"{last_said(Path(request.folder))}. "
        "Run the projection in a notebook, where the whole error shows."
    )
    raise errors.ReplayError(msg)


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
