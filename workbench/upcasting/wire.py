"""What is said between this process and the ones in which the user's code runs.

A request is one line of JSON, and so is an answer. Events, and results that may be large,
are files in a folder of the two. Nothing that comes back is code: it is checked to be of
these structures.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Kind = Literal["dry run", "forms", "rebuild", "state"]
IDLE: Final = -1
"""In the place of a row: no event is under way."""
LOADING: Final = -2
"""In the place of a row: the user's modules are being imported."""
ROW, AGAIN, TICK = range(3)
"""What stands where in the watched memory: the row of the event under way, whether that is a
second time that the workbench alone asks for, and a number that grows."""
WATCHED: Final = 3


class Module(msgspec.Struct, frozen=True):
    """One module of the user's, as another process is to load it."""

    name: str
    """Under which it is imported, and stored types name it."""
    file: str | None = None
    """The file to load it from, where its name alone does not find that."""
    other: str | None = None
    """The module whose file it is loaded from."""


class Alias(msgspec.Struct, frozen=True):
    """An old name that the user has registered with the library."""

    topic: str
    module: str
    name: str | None
    """The class in the module, None for the module itself."""


class Request(msgspec.Struct, frozen=True):
    """What a process is for."""

    kind: Kind
    modules: tuple[Module, ...]
    paths: tuple[str, ...]
    """Where modules are looked for first."""
    aliases: tuple[Alias, ...]
    tree: str | None
    """The folder that the modules must come from, if it is one of a git revision."""
    memory_bytes: int | None
    watched: str
    """The file of the watched memory."""


class Job(msgspec.Struct, frozen=True):
    """Events to work on: a file in Arrow's IPC format."""

    number: int
    file: str
    answer: str
    """The file for what they come to."""
    once: tuple[int, ...] = ()
    """Rows of events whose steps are to run once only."""


class Answer(msgspec.Struct, frozen=True):
    """The end of a job, or of the beginning, which is number -1."""

    number: int
    error: str | None = None
    """Why nothing can be done, in words for the user."""


class PathCount(msgspec.Struct):
    """What became of the events of one type and stored version."""

    type: str
    stored: int | None
    code: int | None
    events: int = 0
    succeeded: int = 0
    failed: int = 0
    untried: int = 0
    newer: int = 0
    steps: int = 0
    idempotent: int = 0
    unstable: int = 0
    seconds: float = 0.0
    first_position: int = 0
    last_position: int = 0


class Failed(msgspec.Struct, frozen=True):
    """One event that does not become one of the code's."""

    position: int
    stream: str | None
    version: int | None
    type: str
    stored: int | None
    code: int | None
    step: str
    error: str
    message: str


class FieldCount(msgspec.Struct):
    """What became of one field of one type and stored version."""

    type: str
    stored: int | None
    code: int | None
    path: str
    what: str
    events: int
    first_position: int
    last_position: int
    before: str | None
    after: str | None
    same_as: list[str] | None = None
    """Fields that had the same value in all of these events."""


class Unresolved(msgspec.Struct):
    """A type that no named class answers to."""

    is_named: bool
    reason: str
    events: int
    first_position: int
    last_position: int


class Census(msgspec.Struct):
    """What a dry run finds."""

    paths: list[PathCount] = []
    failures: list[Failed] = []
    fields: list[FieldCount] = []
    unresolved: dict[str, Unresolved] = {}


class Rebuilt(msgspec.Struct, frozen=True):
    """How far one stream can be rebuilt."""

    stream: str
    events: int
    row: int | None
    """The row of the event at which it stops, None where it does not."""
    error: str | None = None
    is_aggregate: bool = True


class Standing(msgspec.Struct, frozen=True):
    """An aggregate before and after an event: its attributes as text, None for no aggregate."""

    aggregate: str | None
    before: dict[str, str | None] | None
    after: dict[str, str | None] | None
    failed: str | None = None


class Forms(msgspec.Struct):
    """What each event becomes, by row: its fields in one written form."""

    forms: dict[int, str] = {}
    """Of those that do not stay as they are stored."""
    failures: list[tuple[int, str, str, str]] = []
    """Rows, with the step, the error and its message."""


class Streams(msgspec.Struct):
    """What becomes of streams."""

    streams: list[Rebuilt] = []
