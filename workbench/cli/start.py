"""The command that serves the stores of a folder, each opened from a page that lists them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.app import Answer
from workbench.cli.options import NO_OPEN, PORT, Asked, command

if TYPE_CHECKING:
    from collections.abc import Callable


@command(
    "start",
    click.argument(
        "folder", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
    ),
    PORT,
    NO_OPEN,
    click.option(
        "--prefix",
        default="",
        metavar="PATH",
        help="What stands before every path, where a proxy such as Jupyter's hands requests on.",
    ),
    examples=["start", "start stores --port 8080 --no-open"],
)
def start(_asked: Asked, folder: Path, port: int, prefix: str, *, no_open: bool) -> Answer:
    """Open a page that lists the stores of a folder.

    Each is shown when it is chosen. The sample history is there too. The page is served on
    127.0.0.1 alone, until it is interrupted.
    """

    def served(tell: Callable[[str], None]) -> None:
        from workbench.dashboards import serve_folder

        at = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
        serve_folder(folder.resolve(), port=port, show=not no_open, prefix=at, on_ready=tell)

    return Answer(
        lambda: {"folder": str(folder.resolve())},
        lambda screen: screen.line(f"Serving the stores of {folder}. Ctrl-C ends it."),
        serve=served,
    )
