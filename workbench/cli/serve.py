"""The command that serves the pages of one or several histories, on this machine alone."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING

import click

from workbench.cli.app import Answer
from workbench.cli.options import NO_OPEN, PORT, STORE, Asked, command, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench import History

HOST = "127.0.0.1"


def free_port(port: int) -> int:
    """Return the port, or any free one for 0.

    Raises
    ------
    click.UsageError
        If it is taken, or may not be used.
    """
    with socket.socket() as tried:
        if sys.platform != "win32":
            # As the server does it: a port that was just given up may be used again.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            why = "it is taken" if error.errno == errno.EADDRINUSE else str(error.strerror)
            msg = (
                f"Cannot serve on port {port} of {HOST}: {why}. "
                "Name another with --port, or 0 for any free one."
            )
            raise click.UsageError(msg) from error
        return int(tried.getsockname()[1])


def serve_page(histories: Mapping[str, History], port: int, *, is_opened: bool) -> None:
    """Serve the histories' pages until the user interrupts."""
    from workbench.dashboards import serve as serve_dashboards

    serve_dashboards(histories, port=port, show=is_opened)


def address(port: int) -> str:
    """Return where the page is."""
    return f"http://{HOST}:{port}"


@command(
    "serve",
    click.argument("targets", metavar="TARGET...", nargs=-1, required=True),
    PORT,
    NO_OPEN,
    *STORE,
    examples=["serve shop.db", "serve shop.db bank.db --port 8080 --no-open"],
)
def serve(asked: Asked, targets: tuple[str, ...], port: int, *, no_open: bool) -> Answer:
    """Open a page on this machine with all that the other commands show."""
    found = [opened(target, asked.application, asked.compressor) for target in targets]
    names = [history.name for history in found]
    if len(set(names)) < len(names):
        names = list(targets)
    histories = dict(zip(names, found, strict=True))
    port = free_port(port)
    result = {"address": address(port), "histories": list(histories)}
    return Answer(
        lambda: result,
        lambda screen: screen.line(f"{', '.join(histories)}: {address(port)} (Ctrl-C ends it)"),
        then=lambda: serve_page(histories, port, is_opened=not no_open),
    )
