"""The arguments and options that commands share, and what was asked with them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.app import SETTINGS, Answer, Call, give
from workbench.progress import Bar
from workbench.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench import History
    from workbench.sources.columns import Columns

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


LEVELS = ("error", "warning", "info")
KEYS = (
    "The key of encrypted payloads is read from the environment variable CIPHER_KEY, so that "
    "no list of processes shows it."
)

TARGET = click.argument("target")
JSON = click.option("--json", "as_json", is_flag=True, help="Answer as one line of JSON.")
STORE = (
    click.option("--application", metavar="NAME", help="Which one, where a file holds several."),
    click.option(
        "--compressor",
        metavar="TOPIC",
        help="What decompresses payloads, if not zlib, gzip, bz2 or xz. It is imported.",
    ),
    click.option(
        "--mask",
        "masks",
        multiple=True,
        metavar="PATTERN",
        help="Hide values by their path: 'customer.*', 'Order.Placed:name', @stream. Repeatable.",
    ),
    click.option(
        "--pseudonyms",
        is_flag=True,
        help="Hide texts so that equal ones stay equal, by the secret in WORKBENCH_MASK_KEY.",
    ),
)
FILE = (
    click.option(
        "--column",
        "columns",
        multiple=True,
        metavar="NAME=COLUMN",
        help="Of a file: which of its columns is NAME of the event table. data=... makes the "
        "payload of all that are left. Repeatable.",
    ),
    click.option(
        "--object-type",
        metavar="NAME",
        help="Of an object-centric log: which objects are the streams.",
    ),
)
NARROWING = (
    click.option("--after", type=int, metavar="N", help="Only positions greater than N."),
    click.option("--upto", type=int, metavar="N", help="Only positions up to and with N."),
    click.option("--since", metavar="T", help="Only events of this time or later, UTC."),
    click.option("--until", metavar="T", help="Only up to this time; a date means all of it."),
    click.option(
        "--type",
        "types",
        multiple=True,
        metavar="NAME",
        help="Only this type, by full or short name. May be repeated.",
    ),
    click.option(
        "--stream", "streams", multiple=True, metavar="ID", help="Only this stream. Repeatable."
    ),
)
LIMIT = click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="How many rows to list, 0 for all. [default: a screenful on a terminal, else all]",
)
CHECK = (
    click.option("--check", is_flag=True, help="Exit with 1 if there is an error or a warning."),
    click.option(
        "--check-level",
        type=click.Choice(LEVELS),
        help="The same, with the least severity that counts.",
    ),
)
PORT = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5006,
    show_default=True,
    help="Where the page is served, 0 for any free port.",
)
NO_OPEN = click.option("--no-open", is_flag=True, help="Do not open the page in a browser.")


@dataclass(frozen=True)
class Asked:
    """What a user asked a command, besides its own arguments."""

    bar: Bar
    as_json: bool = False
    target: str = ""
    application: str | None = None
    compressor: str | None = None
    masks: tuple[str, ...] = ()
    pseudonyms: bool = False
    columns: tuple[str, ...] = ()
    object_type: str | None = None
    after: int | None = None
    upto: int | None = None
    since: str | None = None
    until: str | None = None
    types: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    limit: int | None = None
    check: bool = False
    check_level: str | None = None

    def history(self) -> History:
        """Return the history at the target, narrowed as was asked."""
        history = self.opened(self.target)
        if self.after is not None or self.upto is not None:
            history = history.between(after=self.after, upto=self.upto)
        if self.since is not None:
            history = history.since(self.since)
        if self.until is not None:
            history = history.until(self.until)
        if self.types:
            history = history.of_types(*self.types)
        return history.of_streams(*self.streams) if self.streams else history

    def opened(self, target: str) -> History:
        """Return the history at a target, as the options say that it is to be opened."""
        from workbench import open_history

        key = _mask_key() if self.pseudonyms else None
        history = open_history(
            target,
            application=self.application,
            compressor=self.compressor,
            columns=mapping(self.columns),
            object_type=self.object_type,
        )
        return history.masked(*self.masks, key=key) if self.masks else history

    def most(self, screenful: int | None) -> int | None:
        """Return how many rows to list, None for all."""
        wanted = screenful if self.limit is None else self.limit
        return wanted or None

    @property
    def level(self) -> str | None:
        """The least severity at which `--check` fails, None where it was not asked."""
        return self.check_level or ("warning" if self.check else None)


def _mask_key() -> bytes:
    """Return what pseudonyms are made with.

    Raises
    ------
    click.UsageError
        If the environment does not have it.
    """
    found = os.environ.get("WORKBENCH_MASK_KEY", "")
    if not found:
        msg = "--pseudonyms needs a secret in the environment variable WORKBENCH_MASK_KEY."
        raise click.UsageError(msg)
    return found.encode("utf-8", "surrogateescape")


def mapping(given: Sequence[str]) -> Columns | None:
    """Return what `--column` says as `open_history` takes it, None where nothing is said.

    Raises
    ------
    click.BadParameter
        If one is not of the form NAME=COLUMN.

    Examples
    --------
    >>> mapping(["stream=order", "data=a", "data=b"])
    {'stream': 'order', 'data': ['a', 'b']}
    """
    found: dict[str, Any] = {}
    for text in given:
        name, separator, column = text.partition("=")
        if not (separator and name and column):
            msg = f"{text!r} is not of the form NAME=COLUMN."
            raise click.BadParameter(msg, param_hint="--column")
        if column == "..." and name == "data":
            found[name] = ...
        elif name == "data" and name in found:
            before = found[name]
            found[name] = [*(before if isinstance(before, list) else [before]), column]
        else:
            found[name] = column
    return found or None


def _shown(target: object) -> object:
    """Return what was named, one or several, without the secrets in it."""
    if isinstance(target, tuple):
        return tuple(map(redacted, target))
    return None if target is None else redacted(target)


_SHARED = frozenset(field.name for field in fields(Asked)) - {"bar"}


def command(
    name: str,
    *options: Decorator,
    examples: Sequence[str],
    has_bar: bool = True,
    is_keyed: bool = True,
) -> Callable[[Callable[..., Answer]], click.Command]:
    """Return a decorator that makes a function a command, which takes `Asked` first.

    Parameters
    ----------
    name
        What the user types.
    options
        Its arguments and options, in the order of the help; `--json` comes last.
    examples
        Lines to type, for the help.
    has_bar
        Whether a progress bar may stand on the screen until the function returns.
    is_keyed
        Whether the help says where the key of encrypted payloads is read.
    """

    def made(run: Callable[..., Answer]) -> click.Command:
        def callback(context: click.Context, /, **given: Any) -> int:  # noqa: ANN401, as click has it
            call = context.find_object(Call) or Call()
            call.command, call.as_json = name, given["as_json"]
            call.target = _shown(given.get("target", given.get("targets")))
            shared = {key: given.pop(key) for key in _SHARED & set(given)}
            with Bar(is_wanted=has_bar) as bar:
                answer = run(Asked(bar, **shared), **given)
            return give(call, answer)

        function: Callable[..., Any] = click.pass_context(callback)
        decorators: tuple[Decorator, ...] = (*options, JSON)
        for decorator in reversed(decorators):
            function = decorator(function)
        lines = "\n".join(f"  workbench {example}" for example in examples)
        epilog = f"\b\nExamples:\n{lines}" + (f"\n\n{KEYS}" if is_keyed else "")
        made_of = click.command(name, help=run.__doc__, epilog=epilog, context_settings=SETTINGS)
        return made_of(function)

    return made
