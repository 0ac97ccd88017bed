"""The command that follows a store: a line for each event, as it comes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import click

from workbench.cli import views
from workbench.cli.app import Answer
from workbench.cli.options import NARROWING, STORE, TARGET, Asked, command
from workbench.cli.printing import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench import History, WorkbenchError
    from workbench.cli.printing import Screen

LAST = 10
FIRST_SPAN = 1_000  # positions that are looked through for the last events, at first
GROWTH = 10  # times as many, where they were too few
WIDTHS = (9, 23, 28, 24)


@command(
    "tail",
    TARGET,
    click.option(
        "--last",
        type=click.IntRange(min=0),
        metavar="N",
        help=f"Begin with the last N that are stored.  [default: {LAST}, or all since --after]",
    ),
    click.option("--no-follow", is_flag=True, help="End with what is stored now."),
    click.option(
        "--for",
        "seconds",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="End after so many seconds.",
    ),
    *STORE,
    *NARROWING,
    examples=["tail shop.db --last 3 --no-follow", "tail shop.db --type Payment.Charged --json"],
    has_bar=False,
)
def tail(asked: Asked, last: int | None, seconds: float | None, *, no_follow: bool) -> Answer:
    """Print events as they come, one a line, until Ctrl-C.

    With --json each line is an envelope whose result is one event. A server that goes away
    is waited for.
    """
    history = asked.history()
    begins = asked.after is not None or asked.since is not None
    after = 0 if asked.after is None else asked.after
    if last is not None or not begins:
        after = max(after, _before_last(history, LAST if last is None else last))
    if no_follow:
        head = history.source.head() or 0
        upto = head if asked.upto is None else min(head, asked.upto)
        if upto <= after:
            return Answer(dict, lambda _: None, each=iter(()))
        history = history.between(upto=upto)
    return Answer(dict, lambda _: None, each=_answers(history, after, seconds))


def _answers(history: History, after: int, seconds: float | None) -> Iterator[Answer]:
    """Yield the answer for each event."""
    stop = threading.Event()
    ends = None if seconds is None else threading.Timer(seconds, stop.set)
    if ends is not None:
        ends.start()
    try:
        for events in history.follow(after, stop=stop, on_trouble=_tell(history.name)):
            for event in events.iter_rows(named=True):
                yield Answer(event.copy, _Line(event))
    finally:
        if ends is not None:
            ends.cancel()


def _tell(name: str) -> Any:  # noqa: ANN401, a function of an error
    is_down = False

    def tell(error: WorkbenchError | None) -> None:
        nonlocal is_down
        if error is None:
            click.echo(f"workbench: {visible(name)} is back.", err=True)
        elif not is_down:
            said = visible(" ".join(str(error).split()))
            click.echo(f"workbench: {said} Waiting for it.", err=True)
        is_down = error is not None

    return tell


class _Line:
    """One event on one line: position, time, type, stream and payload."""

    def __init__(self, event: dict[str, Any]) -> None:
        self._event = event

    def __call__(self, screen: Screen) -> None:
        found = self._event
        time = views.NOTHING if found["time"] is None else views.millisecond(found["time"])
        type_ = (found["type"] or views.NOTHING).rpartition(":")[2]
        parts = (f"{found['position']:>{WIDTHS[0]}}", time, type_, found["stream"] or views.NOTHING)
        data = found["data"]
        if data is None:
            data = f"({found['problem'] or 'no payload'})"
        cells = [f"{visible(text):<{width}}" for text, width in zip(parts, WIDTHS, strict=True)]
        line = "  ".join([*cells, visible(data)])
        screen.lines(line[: screen.width] if screen.is_terminal else line)


def _before_last(history: History, events: int) -> int:
    """Return the position before the last so many events of a history."""
    head, tail = history.source.head() or 0, history.source.tail() or 0
    if not events:
        return head
    span = max(FIRST_SPAN, events)
    while True:
        narrowed = history.between(after=None if head - span < tail else head - span)
        found = narrowed.scan().select("position").tail(events).collect()["position"]
        if len(found) == events or head - span < tail:
            return int(found[0]) - 1 if len(found) else max(tail - 1, 0)
        span *= GROWTH
