"""The command that serves the pages of one or several histories, on this machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workbench.cli.app import Answer
from workbench.cli.options import FILE, NO_OPEN, PORT, STORE, Asked, command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench import History


def serving(
    histories: Mapping[str, History], port: int, *, is_opened: bool, tell: Callable[[str], None]
) -> None:
    """Serve the histories' pages until the user interrupts; `tell` is called with the address."""
    from workbench.dashboards import serve as serve_dashboards

    serve_dashboards(histories, port=port, show=is_opened, on_ready=tell)


@command(
    "serve",
    click.argument("targets", metavar="TARGET...", nargs=-1, required=True),
    PORT,
    NO_OPEN,
    *STORE,
    *FILE,
    examples=["serve shop.db", "serve shop.db bank.db --port 8080 --no-open"],
)
def serve(asked: Asked, targets: tuple[str, ...], port: int, *, no_open: bool) -> Answer:
    """Open a page on this machine that shows one or more stores.

    It listens on 127.0.0.1 alone, until it is interrupted.
    """
    found = [asked.opened(target) for target in targets]
    names = [history.name for history in found]
    if len(set(names)) < len(names):
        names = list(targets)
    histories = dict(zip(names, found, strict=True))

    def served(tell: Callable[[str], None]) -> None:
        serving(histories, port, is_opened=not no_open, tell=tell)

    return Answer(
        lambda: {"histories": list(histories)},
        lambda screen: screen.line(f"Serving {', '.join(histories)}. Ctrl-C ends it."),
        serve=served,
    )
