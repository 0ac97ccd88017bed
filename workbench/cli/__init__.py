"""The command line: `workbench COMMAND TARGET`.

Each command parses what was asked, calls the library, and prints what it returns, for
people or, with `--json`, in the envelope that `workbench.cli.envelope` describes. Exit
codes are in `workbench.cli.app`. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import click

from workbench.cli import (
    access,
    comparing,
    demo,
    extracts,
    health,
    listings,
    schemas,
    serve,
    start,
    tail,
    upcast,
)
from workbench.cli.app import SETTINGS, Workbench
from workbench.cli.envelope import version

__all__ = ["main"]


def _show_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001
    if asked:
        click.echo(f"workbench {version()}")
        context.exit()


@click.group(
    cls=Workbench,
    context_settings=SETTINGS,
    epilog="""\b
    Examples:
      workbench demo
      workbench open shop.db
      workbench export shop.db events.parquet

    Exit codes: 0; 1 if problems were found and --check asked for them, if compare found
    differences, or upcast events that fail; 2 if the usage is wrong or the target cannot be
    read. Targets are opened for reading only.
    """,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Look into stores of events: what is in them, what is odd, what they add up to.

    TARGET is a path to a store, a file or folder of events, an archive or a process-mining
    log; or a URL such as sqlite:///shop.db or postgresql://user@host/db.
    """


for command in (
    demo.demo,
    health.open_,
    health.problems,
    listings.types,
    listings.streams,
    listings.stream,
    listings.rate,
    schemas.schemas,
    extracts.event,
    extracts.export,
    extracts.copy,
    tail.tail,
    comparing.compare,
    upcast.upcast,
    serve.serve,
    start.start,
    access.password,
):
    main.add_command(command)
