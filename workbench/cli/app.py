"""How a command runs: it answers, the answer is printed, and every failure has an exit code.

0: done. 1: problems were found, where `--check` asked for them. 2: a usage that is wrong, or
a target that cannot be read. 130 and 141: the user interrupted, or whoever read the output
went away. 70: a bug in the workbench, the only case that prints a traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from workbench.cli.envelope import envelope
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workbench.cli.printing import Screen

PROBLEMS_FOUND = 1
REFUSED = 2
BUG = 70
INTERRUPTED = 130  # as shells count: 128 and the signal's number
READER_GONE = 141

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass
class Call:
    """What is known of the command that runs, for the envelope of an error."""

    as_json: bool = False
    command: str | None = None
    target: object = None


@dataclass(frozen=True)
class Answer:
    """What a command found: as data for the envelope, and as print for people.

    `then` is what it goes on with after it has answered, such as serving a page.
    """

    result: Callable[[], Mapping[str, object]]
    show: Callable[[Screen], None]
    code: int = 0
    then: Callable[[], None] | None = None


class Workbench(click.Group):
    """The group of all commands, which turns every failure into one line and a code."""

    def main(  # noqa: PLR0913, the arguments are click's
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002
        **extra: Any,
    ) -> NoReturn:
        """Run the command that the arguments name, and exit with its code."""
        args = list(sys.argv[1:] if args is None else args)
        call = Call(as_json="--json" in args)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(
                args,
                prog_name or "workbench",
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                obj=call,
                **extra,
            )
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            code = REFUSED
        except click.ClickException as error:
            code = _refused(call, error)
        except WorkbenchError as error:
            code = _failed(call, error, str(error))
        except (click.Abort, KeyboardInterrupt):
            code = INTERRUPTED
        except Exception:  # noqa: BLE001, the process ends here, and 1 would mean problems found
            traceback.print_exc()
            code = BUG
        sys.exit(code)


def _refused(call: Call, error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    said = error.format_message()
    if context is not None:
        if context.parent is not None:
            call.command = context.info_name
        said = f"{said} Try '{context.command_path} --help'."
    return _failed(call, error, said, kind="UsageError")


def _failed(call: Call, error: Exception, said: str, kind: str | None = None) -> int:
    from workbench.cli.printing import visible

    said = " ".join(said.split())
    click.echo(f"workbench: {visible(said)}", err=True)
    if call.as_json:
        click.echo(envelope(call.command, call.target, error=error, kind=kind))
    return REFUSED


def give(call: Call, answer: Answer) -> int:
    """Print an answer in the form that was asked for, and return the exit code."""
    from workbench.cli.printing import Screen

    with writing():
        if call.as_json:
            click.echo(envelope(call.command, call.target, result=answer.result()))
        else:
            answer.show(Screen())
    if answer.then is not None:
        answer.then()
    return answer.code


@contextmanager
def writing() -> Iterator[None]:
    """Print in here: where the reader goes away, the command ends without a word."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        # Python flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(READER_GONE) from error
    except OSError as error:
        msg = f"Cannot write the answer: {error.strerror}. Check where standard output goes."
        raise click.ClickException(msg) from error
