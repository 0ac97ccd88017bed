"""The demo: what the workbench does with the sample history, step by step."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.app import Answer, writing
from workbench.cli.options import NO_OPEN, PORT, Asked, command
from workbench.cli.printing import Column, Screen
from workbench.cli.progress import Bar
from workbench.cli.views import NOTHING, Field, columns, number, second

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from workbench import History, Trial
    from workbench.cli.findings import Overcharged, Sums

INDENT = 3
MOST_NAMED = 4

RELEASES = (
    Field("release", "release", is_needed=True),
    Field("deployed", "deployed (UTC)", second, is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("types", "new types", lambda names: some(names), is_needed=True),
    Field("shapes", "new payload versions", lambda names: some(names), is_needed=True),
)
PROBLEMS = (
    Field("severity", "severity", is_needed=True),
    Field("kind", "problem", is_needed=True),
    Field("shown", "found", kind="number", is_needed=True),
    Field("first_position", "first at", number, "number", is_needed=True),
    Field("example", "which is", kind="text", is_needed=True),
)


def some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class Step:
    """One step of the demo: what it found as data, its sentences and its table."""

    name: str
    data: dict[str, Any]
    says: tuple[str, ...]
    table: tuple[Column, ...] = ()


@command(
    "demo",
    click.option("--no-serve", is_flag=True, help="Stop after the findings."),
    PORT,
    NO_OPEN,
    examples=["demo", "demo --no-serve"],
    has_bar=False,
    is_keyed=False,
)
def demo(asked: Asked, port: int, *, no_serve: bool, no_open: bool) -> Answer:
    """Look into the sample history of a shop, step by step, and serve its page.

    With --json it answers and ends, without a page.
    """
    from workbench.cli.serve import address, free_port, serve_page
    from workbench.samples import shop_path

    path, screen, done = shop_path(), Screen(), {}
    for index, step in enumerate(_steps(path), 1):
        done[step.name] = step.data
        if not asked.as_json:
            with writing():
                _show(screen, index, step)
    ends = no_serve or asked.as_json
    port = port if ends else free_port(port)

    def show(screen: Screen) -> None:
        screen.line(f"Ask it yourself: workbench problems {path}")
        if not ends:
            screen.line(f"Its page: {address(port)} (Ctrl-C ends it)")

    def serve() -> None:
        from workbench import open_history

        serve_page({path.name: open_history(path)}, port, is_opened=not no_open)

    return Answer(lambda: done, show, then=None if ends else serve)


def _show(screen: Screen, index: int, step: Step) -> None:
    for sentence in step.says:
        start = f"{index}. " if sentence is step.says[0] else " " * INDENT
        if screen.is_terminal:
            screen.line(start + sentence, style="bold" if start.strip() else "")
        else:
            screen.line(start + sentence)
    if step.table:
        screen.line()
        screen.table(step.table, indent=INDENT)
    screen.line()


def _steps(path: Path) -> Iterator[Step]:
    """Yield the steps, each as soon as it is done."""
    from workbench import open_history
    from workbench.cli import findings

    with Bar() as bar:
        history = open_history(path)
        step = _opened(bar.watch(history, "reading"), path)
    yield step
    with Bar() as bar:
        step = _counted(findings.releases(bar.watch(history, "counting")))
    yield step
    with Bar() as bar:
        trial = findings.run(bar.watch(history, "replaying"))
        step = _replayed(trial)
    yield step
    with Bar() as bar:
        end, found = findings.sums(trial), findings.overcharged(history, trial)
        step = _found(end, found)
    yield step
    with Bar() as bar:
        step = _checked(bar.watch(history, "checking"))
    yield step
    with Bar() as bar:
        moment = findings.look_back(found)
        step = _travelled(f"end of {moment:%Y-%m-%d}", findings.sums(trial, moment), end)
    yield step


def _opened(history: History, path: Path) -> Step:
    types, streams = history.types(), history.streams()
    events = int(types["count"].sum())
    first: Any = types["first_time"].min()
    last: Any = types["last_time"].max()
    days = (last - first).days
    data = {
        "path": str(path),
        "kind": history.source.kind,
        "events": events,
        "streams": streams.height,
        "types": types.height,
        "first_time": first,
        "last_time": last,
    }
    return Step(
        "opened",
        data,
        (
            f"Opened {path}, for reading only. It is a store of {history.source.kind}.",
            f"{events:,} events in {streams.height:,} streams, of {types.height} types, in {days} "
            f"days: {second(first)} to {second(last)} (UTC). It is a shop that does not exist.",
        ),
    )


def _counted(found: pl.DataFrame) -> Step:
    return Step(
        "counted",
        {"releases": found.to_dicts()},
        (f"Counted what each of {found.height} releases of the shop's software wrote.",),
        tuple(columns(RELEASES, found)),
    )


def _replayed(trial: Trial) -> Step:
    file = Path(inspect.getfile(trial.projection))
    rows = trial.table("payments").height
    failures = trial.failures
    data = {
        "projection": trial.projection.__name__,
        "events": trial.events,
        "elapsed_s": trial.elapsed_s,
        "events_a_second": trial.rate,
        "rows": rows,
        "failures": failures.to_dicts(),
    }
    says = [
        f"Replayed a read model that nobody has deployed: {trial.projection.__name__}, {file}",
        f"{trial.events:,} events of the types that it handles, in {trial.elapsed_s:.2f} s "
        f"({trial.rate:,.0f} a second), became a table of {rows:,} payments.",
    ]
    for position, error in failures.select("position", "error").head(1).rows():
        said = f"{failures.height:,} could not be processed and changed nothing; the first is at"
        says.append(f"{said} position {position:,}: {error}.")
    return Step("replayed", data, tuple(says))


def _found(end: Sums, found: Overcharged) -> Step:
    when = (
        f"all in the week of {found.week:%Y-%m-%d}"
        if found.is_one_week
        else f"from the week of {found.week:%Y-%m-%d} on"
    )
    return Step(
        "found",
        {**asdict(end), "owed": end.owed, **asdict(found)},
        (
            f"Found {end.charged_twice} payments that were charged twice, {when}.",
            f"It began at position {found.first_position:,}, {second(found.first_time)}, and the "
            f"last was at position {found.last_position:,}, {second(found.last_time)}.",
            f"{end.too_much:,} was charged too much. {end.paid_back:,} has been paid back, on "
            f"{end.paid_back_on} payments. {end.owed:,} is still owed.",
            f"{found.with_coupon} of the {end.charged_twice} are for orders with a coupon. Of the "
            f"{found.others} payments of that week that were charged once, "
            f"{found.others_with_coupon} are.",
        ),
    )


def _checked(history: History) -> Step:
    import polars as pl

    from workbench.cli.commands import problem_kinds

    problems = history.problems()
    where = pl.when(pl.col("stream").is_null()).then(pl.lit("")).otherwise(pl.col("stream") + ": ")
    examples = problems.group_by("kind", maintain_order=True).agg(
        pl.col("first_position").first(), (where + pl.col("found")).first().alias("example")
    )
    kinds = problem_kinds(problems).join(examples, on="kind", how="left", maintain_order="left")
    return Step(
        "checked",
        {"problems": kinds.drop("shown").to_dicts()},
        (f"Checked the store itself: {kinds.height} kinds of problem, one example of each.",),
        tuple(columns(PROBLEMS, kinds)),
    )


def _travelled(name: str, then: Sums, end: Sums) -> Step:
    measures = {
        "as of position": "position",
        "payments": "payments",
        "charged twice": "charged_twice",
        "charged too much": "too_much",
        "paid back": "paid_back",
        "still owed": "owed",
    }
    return Step(
        "travelled",
        {"then": {**asdict(then), "owed": then.owed}, "end": {**asdict(end), "owed": end.owed}},
        (f"Went back in time: the same table as of the {name}, with no second replay.",),
        (
            Column(NOTHING, list(measures), is_needed=True),
            Column(name, _values(then, measures), "number", is_needed=True),
            Column("end", _values(end, measures), "number", is_needed=True),
        ),
    )


def _values(sums: Sums, measures: dict[str, str]) -> list[str]:
    return [f"{getattr(sums, name):,}" for name in measures.values()]
