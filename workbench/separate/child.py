"""The process of a replay that runs apart: import, replay, and save the trial.

What to do comes on standard input, as the JSON of a `Request`. How far it is goes into a file
of the request's folder, the trial into a folder beside it, or an error, as JSON, into another
file; an empty file says that the replay is over and is being saved. What the code prints is
not part of any. Only the modules that were named are imported, and what they import. SIGINT
ends the replay between two events.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.errors import RevisionError, WorkbenchError, near
from workbench.revisions import is_of, missing_of
from workbench.trials.apart import Apart  # noqa: TC001, msgspec reads it

if TYPE_CHECKING:
    from workbench import History, Progress

TRIAL, FAILED, SO_FAR, SAVING = "trial", "error.json", "so-far.json", "saving"
REFUSED, STOPPED = 2, 3


class Request(msgspec.Struct, frozen=True):
    """What the process has to do."""

    apart: Apart
    """What it runs."""
    module: str
    name: str
    """Where the projection is."""
    paths: list[str]
    """Where modules are looked for first."""
    tree: str | None
    """The folder that the module must come from, if it is one of a git revision."""
    events: str
    """The file of the events."""
    source: str
    """What their source is called."""
    types: frozenset[str] | None
    """The names of all its types, None if every one is among the events."""
    folder: str
    """Where the trial goes."""
    parent: int
    """The process that waits for it."""


def main() -> None:
    """Do what standard input says; exit with 2 if that cannot be done, with 3 if stopped before."""
    # Where the parent runs in the background of a shell, SIGINT would be ignored here too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    sys.dont_write_bytecode = True
    sys.path[:0] = request.paths
    try:
        run(request)
    except WorkbenchError as error:
        told = {"kind": type(error).__name__, "message": str(error)}
        (Path(request.folder) / FAILED).write_text(json.dumps(told), encoding="utf-8")
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def run(request: Request) -> None:
    """Replay the projection that a request names, and save the trial.

    Raises
    ------
    RevisionError
        If there is no such module or name.
    WorkbenchError
        As `open_history` and `replay` raise.
    """
    from workbench import replay

    apart = request.apart
    projection = _found(request, "projection", request.module, request.name)
    view = None if apart.view is None else _found(request, "view", *apart.view.split(":"))
    trial = replay(
        _history(request),
        projection,
        key=apart.key or None,
        on_error=apart.on_error,  # type: ignore[arg-type]
        progress=lambda progress: _tell(request, progress),
        view=view,
        classes=apart.classes,
        scratch=apart.scratch,
    )
    (Path(request.folder) / SAVING).touch()
    trial.save(Path(request.folder) / TRIAL)


def _history(request: Request) -> History:
    """Return the history, by the name of its source, and with the names of all its types."""
    from workbench import open_history
    from workbench.type_names import TypeNames

    opened = open_history(request.events)
    source: Any = replace(opened.source, name=request.source)  # type: ignore[type-var]
    if request.types is None:
        return replace(opened, source=source)
    return replace(opened, source=source, _types=TypeNames(source.head(), request.types))


def _tell(request: Request, progress: Progress) -> None:
    """Write how far the replay is; end it where nobody waits for it any more."""
    if os.getppid() != request.parent:
        sys.exit(STOPPED)
    file = Path(request.folder) / SO_FAR
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(progress)))
    part.replace(file)


def _found(request: Request, what: str, module: str, name: str) -> Any:  # noqa: ANN401, `replay` checks
    """Return what has a name in a module: the projection that a request names, or its view."""
    place = request.apart.place if what == "projection" else request.apart.view
    found: Any = _module(request, f"{what} {place!r}", module)
    if not is_of(request.tree, found):
        where = getattr(found, "__file__", None)
        msg = (
            f"Cannot find the {what} {place!r}: the revision has no module "
            f"{module!r}; Python finds one in {where!r}. Name a module of the repository."
        )
        raise RevisionError(msg)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n, value in vars(found).items() if n[0] != "_" and callable(value)]
            msg = (
                f"Cannot find the {what} {place!r}: {module!r} has no {name!r}. {near(name, known)}"
            )
            raise RevisionError(msg)
        found = getattr(found, part)
    return found


def _module(request: Request, wanted: str, name: str) -> Any:  # noqa: ANN401, a module
    try:
        return import_module(name)
    except Exception as error:
        if missing := missing_of(error, name):
            looked = "that revision" if request.tree else ", ".join(request.paths)
            why = f"there is no module {missing!r} in {looked}, nor elsewhere"
            todo = "Run it in the folder that the module is imported from."
        else:
            said = (str(error).splitlines() or [""])[0]
            why = f"importing it raised {type(error).__name__}: {said}"
            todo = "Mend the module, or name another revision."
        msg = f"Cannot load the {wanted}: {why}. {todo}"
        raise RevisionError(msg) from error


if __name__ == "__main__":
    main()
