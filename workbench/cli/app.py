"""How a command runs: it answers, the answer is printed, and every failure has an exit code.

0: done. 1: problems were found, where `--check` asked for them, or differences, by
`compare`. 2: a usage that is wrong, or a target that cannot be read. 130 and 141: the user
interrupted, or whoever read the output went away. 70: a bug in the workbench, the only
case that prints a traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from workbench.cli.envelope import envelope
from workbench.errors import UnknownApplicationError, WorkbenchError, WrongKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workbench.cli.printing import Screen

PROBLEMS_FOUND = 1
REFUSED = 2
BUG = 70
INTERRUPTED = 130  # as shells count: 128 and the signal's number
READER_GONE = 141

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
HINTS: dict[type[Exception], str] = {
    UnknownApplicationError: " On the command line: --application NAME.",
    WrongKeyError: " On the command line: in the environment variable CIPHER_KEY.",
}
"""How to do on the command line what the library's messages say in its own words."""


@dataclass
class Call:
    """What is known of the command that runs, for the envelope of an error."""

    as_json: bool = False
    command: str | None = None
    target: object = None


@dataclass(frozen=True)
class Answer:
    """What a command found: as data for the envelope, and as print for people.

    `serve` is what it goes on with until the user interrupts. It is given a function to
    call with the page's address, and the answer is printed only then. `each` are answers
    that are printed instead of it, as they come; a Ctrl-C is how they end.
    """

    result: Callable[[], Mapping[str, object]]
    show: Callable[[Screen], None]
    code: int = 0
    serve: Callable[[Callable[[str], None]], None] | None = None
    each: Iterator[Answer] | None = None


class Workbench(click.Group):
    """The group of all commands, which turns every failure into one line and a code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002, FBT001, FBT002, click's argument
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002
        **extra: Any,  # noqa: ANN401, click's argument
    ) -> NoReturn:
        """Run the command that the arguments name, and exit with its code."""
        args = list(sys.argv[1:] if args is None else args)
        call = Call(as_json="--json" in args)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        with _quiet_interrupts():
            code = _coded(
                call,
                partial(
                    super().main,
                    args,
                    prog_name or "workbench",
                    complete_var,
                    standalone_mode=False,
                    windows_expand_args=windows_expand_args,
                    obj=call,
                    **extra,
                ),
            )
        sys.exit(code)


def _coded(call: Call, run: Callable[[], int]) -> int:
    """Return the exit code of a run, and say in one line why it failed, if it did."""
    try:
        return run()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return REFUSED
    except click.ClickException as error:
        return _refused(call, error)
    except WorkbenchError as error:
        return _failed(call, error, str(error))
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception:  # noqa: BLE001, the process ends here, and 1 would mean problems found
        traceback.print_exc()
        return BUG


@contextmanager
def _quiet_interrupts() -> Iterator[None]:
    """Say nothing of an interrupt that lands where Python cannot raise it, as in `__del__`."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs, /) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


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

    said = " ".join((said + HINTS.get(type(error), "")).split())
    click.echo(f"workbench: {visible(said)}", err=True)
    if call.as_json:
        found = {"kind": kind or type(error).__name__, "message": said}
        click.echo(envelope(call.command, call.target, error=found))
    return REFUSED


def give(call: Call, answer: Answer) -> int:
    """Print an answer in the form that was asked for, and return the exit code."""
    if answer.each is not None:
        with suppress(KeyboardInterrupt):
            for one in answer.each:
                _print(call, one, {})
    elif answer.serve is None:
        _print(call, answer, {})
    else:
        answer.serve(lambda address: _print(call, answer, {"address": address}))
    return answer.code


def _print(call: Call, answer: Answer, place: Mapping[str, str]) -> None:
    from workbench.cli.printing import Screen

    with writing():
        if call.as_json:
            result = {**answer.result(), **place}
            click.echo(envelope(call.command, call.target, result=result))
            return
        screen = Screen()
        answer.show(screen)
        for address in place.values():
            screen.line(address)


@contextmanager
def writing() -> Iterator[None]:
    """Print in here: where the reader goes away, the command ends without a word.

    Raises
    ------
    click.exceptions.Exit
        If the reader has gone away.
    click.ClickException
        If standard output cannot be written to.
    """
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
