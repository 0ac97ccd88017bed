"""One side of `workbench compare`, in a process of its own: replay, and save the trial.

What to do comes on standard input, as the JSON of a `Request`; the trial goes into a
folder, or an error, as JSON, into a file beside it. What the code prints is not part of
either. Only the module that was named is imported, and what it imports.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from workbench.errors import RevisionError, WorkbenchError, near

TRIAL, FAILED = "trial", "error.json"
REFUSED = 2


@dataclass(frozen=True)
class Request:
    """What one side has to do."""

    place: str
    """What the user wrote."""
    module: str
    name: str
    paths: list[str]
    """Where modules are looked for first."""
    tree: str | None
    """The folder that the module must come from, if it is one of a git revision."""
    folder: str
    """Where the trial goes."""
    asked: dict[str, Any]
    """The target and what it is narrowed to: fields of `workbench.cli.options.Asked`."""
    key: list[str]
    on_error: str
    view: str | None
    """For a projection of the library, the class of its view, as MODULE:NAME."""
    classes: list[str]
    """For what is of the library, the modules of the events' classes."""
    scratch: str | None
    """For a view in PostgreSQL, the database that it may run in."""

    def text(self) -> str:
        """Return the request as JSON."""
        return json.dumps(asdict(self))


def main() -> None:
    """Do what standard input says; exit with 2 if that cannot be done."""
    request = Request(**json.loads(sys.stdin.read()))
    sys.dont_write_bytecode = True
    sys.path[:0] = request.paths
    try:
        run(request)
    except WorkbenchError as error:
        told = {"kind": type(error).__name__, "message": str(error)}
        (Path(request.folder) / FAILED).write_text(json.dumps(told), encoding="utf-8")
        sys.exit(REFUSED)


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
    from workbench.cli.options import Asked
    from workbench.progress import Bar

    projection = _found(request, "projection", request.module, request.name)
    view = None
    if request.view is not None:
        view = _found(request, "view", *request.view.split(":"))
    narrowing: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in request.asked.items()
    }
    history = Asked(Bar(is_wanted=False), **narrowing).history()
    trial = replay(
        history,
        projection,
        key=request.key or None,
        on_error=request.on_error,  # type: ignore[arg-type]
        progress=False,
        view=view,
        classes=request.classes,
        scratch=request.scratch,
    )
    trial.save(Path(request.folder) / TRIAL)


def _found(request: Request, what: str, module: str, name: str) -> Any:  # noqa: ANN401, `replay` checks
    """Return what has a name in a module: the projection that a request names, or its view."""
    place = request.place if what == "projection" else request.view
    found: Any = _module(request, f"{what} {place!r}", module)
    where = getattr(found, "__file__", None)
    if request.tree is not None and not (
        where and Path(where).resolve().is_relative_to(Path(request.tree).resolve())
    ):
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
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name
            and (f"{name}.".startswith(f"{error.name}."))
        ):
            looked = "that revision" if request.tree else ", ".join(request.paths)
            why = f"there is no module {error.name!r} in {looked}, nor elsewhere"
            todo = "Run it in the folder that the module is imported from."
        else:
            said = (str(error).splitlines() or [""])[0]
            why = f"importing it raised {type(error).__name__}: {said}"
            todo = "Mend the module, or name another revision."
        msg = f"Cannot load the {wanted}: {why}. {todo}"
        raise RevisionError(msg) from error


if __name__ == "__main__":
    main()
