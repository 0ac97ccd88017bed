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
from workbench.cli.views import Field, columns, minute, number
from workbench.progress import Bar
from workbench.samples.overcharges import ChargedOnce, Overcharges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from workbench import History, Trial
    from workbench.cli.findings import Overcharged, Sums

CLASSES = "shop=workbench.samples.release_3"
INDENT = " " * 3
MOST_NAMED = 4


def some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


RELEASES = (
    Field("release", "release", is_needed=True),
    Field("deployed", "deployed (UTC)", minute, is_needed=True),
    Field("events", "events", number, "number", is_needed=True),
    Field("shapes", "new payload versions", some, "text", is_needed=True),
    Field("types", "new types", some, "text", is_needed=True),
)
PROBLEMS = (
    Field("severity", "severity", is_needed=True),
    Field("kind", "problem", is_needed=True),
    Field("shown", "found", kind="number", is_needed=True),
    Field("first_position", "first at", number, "number", is_needed=True),
    Field("example", "which is", kind="text", is_needed=True),
)


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
    """Look into a sample history, step by step, then open its page.

    With --json it ends after the findings, as with --no-serve.
    """
    from workbench.cli.serve import serving
    from workbench.samples import shop_path

    path, screen, done = shop_path(), Screen(), {}
    for index, step in enumerate(_steps(path), 1):
        done[step.name] = step.data
        if not asked.as_json:
            with writing():
                _show(screen, index, step)

    def show(screen: Screen) -> None:
        screen.line(f"Ask it yourself, for example: workbench problems {_short(path)}")
        if not no_serve:
            screen.line("See it on its page. Ctrl-C ends it.")

    def served(tell: Callable[[str], None]) -> None:
        from workbench import open_history

        histories = {path.name: open_history(path)}
        offers = {kind.__name__: kind for kind in (Overcharges, ChargedOnce)}
        serving(
            histories, port, is_opened=not no_open, tell=tell, projections=offers, classes=[CLASSES]
        )

    return Answer(lambda: done, show, serve=None if no_serve or asked.as_json else served)


def _show(screen: Screen, index: int, step: Step) -> None:
    title, *sentences = step.says
    screen.line(title, lead=f"{index}. ", bold=True)
    for sentence in sentences:
        screen.line(sentence, lead=INDENT)
    if step.table:
        screen.line()
        screen.table(step.table, indent=len(INDENT))
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
    data = {
        "path": str(path),
        "kind": history.source.kind,
        "events": events,
        "streams": streams.height,
        "types": types.height,
        "first_time": first,
        "last_time": last,
    }
    held = f"{events:,} events of {types.height} types, in {streams.height:,} streams"
    return Step(
        "opened",
        data,
        (
            f"Opened {_short(path)} for reading only: a store of {history.source.kind}.",
            "It is of an online shop that does not exist, and has flaws like those of real ones.",
            f"It holds {held}, from {minute(first)} to {minute(last)} UTC.",
        ),
    )


def _short(path: Path) -> Path:
    """Return the path as one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _counted(found: pl.DataFrame) -> Step:
    return Step(
        "counted",
        {"releases": found.to_dicts()},
        (f"Counted what each of the {found.height} releases of the shop's software wrote.",),
        tuple(columns(RELEASES, found)),
    )


def _replayed(trial: Trial) -> Step:
    file = _short(Path(inspect.getfile(Overcharges)))
    rows, changes = trial.table("payments").height, trial.changes("payments").height
    failures = trial.failures
    data = {
        "projection": trial.name,
        "events": trial.events,
        "elapsed_s": trial.elapsed_s,
        "events_a_second": trial.rate,
        "rows": rows,
        "changes": changes,
        "failures": failures.to_dicts(),
    }
    name, seconds = trial.name, trial.elapsed_s
    says = [
        f"Replayed a new read model over all of it: {name}, in {file}.",
        f"It handled {trial.events:,} events in {seconds:.2f} s, {trial.rate:,.0f} a second.",
        f"They became a table of {rows:,} payments, and a log of its {changes:,} changes.",
    ]
    if failures.height:
        position, error = failures.select("position", "error").row(0)
        more = f" and {failures.height - 1:,} more" if failures.height > 1 else ""
        says.append(f"It could not use the event at {position:,}{more}. {error}.")
    return Step("replayed", data, tuple(says))


def _found(end: Sums, found: Overcharged) -> Step:
    week = f"{found.week:%Y-%m-%d}"
    when = f"all in the week of {week}" if found.is_one_week else f"from the week of {week} on"
    began = f"{minute(found.first_time)}, position {found.first_position:,}"
    ended = f"{minute(found.last_time)}, position {found.last_position:,}"
    twice = _count(found.with_coupon, end.charged_twice)
    once = _count(found.others_with_coupon, found.others)
    paid = f"{end.paid_back:,} has been paid back, on {end.paid_back_on} payments"
    return Step(
        "found",
        {**asdict(end), "owed": end.owed, **asdict(found)},
        (
            f"Found {end.charged_twice} payments that were charged twice, {when}.",
            f"It began at {began}, and ended at {ended}.",
            f"For orders with a coupon: {twice} payments, and {once} others of that week.",
            f"{end.too_much:,} was too much; {paid}; {end.owed:,} is still owed.",
        ),
    )


def _count(part: int, whole: int) -> str:
    return f"all {whole}" if part == whole else f"{part or 'none'} of the {whole}"


def _checked(history: History) -> Step:
    import polars as pl

    from workbench.cli.health import problem_kinds

    problems = history.problems()
    where = pl.coalesce(pl.col("stream") + ": ", pl.lit("")) + pl.col("found")
    examples = problems.group_by("kind", maintain_order=True).agg(
        pl.col("first_position").first(), where.first().alias("example")
    )
    kinds = problem_kinds(problems).join(examples, on="kind", how="left", maintain_order="left")
    return Step(
        "checked",
        {"problems": kinds.drop("shown").to_dicts()},
        (f"Checked the store itself: {kinds.height} kinds of problem, with the first of each.",),
        tuple(columns(PROBLEMS, kinds)),
    )


MEASURES = {
    "as of position": "position",
    "payments": "payments",
    "charged twice": "charged_twice",
    "charged too much": "too_much",
    "paid back": "paid_back",
    "still owed": "owed",
}


def _travelled(name: str, then: Sums, end: Sums) -> Step:
    return Step(
        "travelled",
        {"then": {**asdict(then), "owed": then.owed}, "end": {**asdict(end), "owed": end.owed}},
        (f"Went back in time: the same table as of the {name}, without a second replay.",),
        (
            Column("", list(MEASURES), is_needed=True),
            Column(name, _values(then), "number", is_needed=True),
            Column("end", _values(end), "number", is_needed=True),
        ),
    )


def _values(sums: Sums) -> list[str]:
    return [f"{getattr(sums, name):,}" for name in MEASURES.values()]
