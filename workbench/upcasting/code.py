"""Where the user's code is: modules, files and git revisions, as another process loads them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from workbench.errors import UpcasterError, printable
from workbench.revisions import code_folder, repository
from workbench.upcasting.wire import Alias, Kind, Module, Request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from workbench.classes import Named

MEMORY_BYTES = 2 * 2**30
"""What the user's code may take, beside what the process has already."""


@dataclass(frozen=True)
class Code:
    """Modules that a user named, and where they come from."""

    modules: tuple[Module, ...]
    revision: str | None = None
    folder: Path | None = None
    """From where modules are looked for; None for the current folder."""
    told: str = ""
    """What the user wrote."""

    @contextmanager
    def request(self, kind: Kind) -> Iterator[Request]:
        """Yield the request for a process with this code.

        Raises
        ------
        RevisionError
            If there is no such revision.
        """
        folder = self.folder or Path.cwd()
        with code_folder(self.revision, folder) as (places, tree):
            modules, paths = self.modules, places
            if tree is not None:
                modules = tuple(_moved(m, repository(folder), tree) for m in modules)
            else:
                # What can be imported here can be there.
                paths = [*paths, *(p for p in sys.path if p)]
            yield Request(
                kind,
                modules,
                tuple(dict.fromkeys(paths)),
                _aliases({m.name for m in modules}) if tree is None else (),
                None if tree is None else str(tree),
                MEMORY_BYTES,
                "",
            )


def _moved(module: Module, top: Path, tree: Path) -> Module:
    """Return a module whose file is the one in a tree that was checked out."""
    if module.file is None:
        return module
    inside = Path(module.file).resolve().relative_to(top.resolve())
    return Module(module.name, str(tree / inside))


def code_of(named: Named | Sequence[Named], types: Collection[str]) -> Code:
    """Return the code that a user named: classes, modules, or texts.

    Parameters
    ----------
    named
        One or several. A text is `[NAME=]WHERE[@REVISION]`: a module, a file, or a folder.
    types
        The stored types: of a folder, the modules that they name are meant.

    Raises
    ------
    UpcasterError
        If one is none of these, or there is nothing.
    """
    is_several = isinstance(named, (list, tuple, set, frozenset))
    several: list[object] = list(named) if is_several else [named]  # type: ignore[arg-type]
    if not several:
        msg = (
            "Cannot upcast without code: nothing was named. Name the modules whose code you "
            "trust: 'shop.orders'."
        )
        raise UpcasterError(msg)
    found = [_one(one, types) for one in several]
    revisions = {code.revision for code in found}
    if len(revisions) > 1:
        msg = (
            f"Cannot upcast with code of several revisions: {', '.join(map(str, revisions))}. "
            "Name modules of one."
        )
        raise UpcasterError(msg)
    modules = tuple(dict.fromkeys(module for code in found for module in code.modules))
    told = ", ".join(code.told for code in found)
    folders = {code.folder for code in found} - {None}
    return Code(modules, revisions.pop(), folders.pop() if folders else None, told)


def _one(named: object, types: Collection[str]) -> Code:
    if isinstance(named, type):
        named = sys.modules.get(named.__module__) or named.__module__
    if isinstance(named, ModuleType):
        return Code((_of_object(named),), told=named.__name__)
    if isinstance(named, str):
        return _of_text(named, types)
    msg = (
        f"Cannot look for classes in {named!r:.100}. Name modules, classes or files: "
        "[shop.orders, Order, 'shop.payments', 'old/shop.py']."
    )
    raise UpcasterError(msg)


def _of_object(module: ModuleType) -> Module:
    """Return how another process loads a module that this one has."""
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" or file is None:
        msg = (
            f"Cannot upcast with classes of {module.__name__!r}: another process cannot have what "
            "was defined in a notebook or at the prompt. Write them to a file, in a notebook with "
            "%%writefile shop.py, and name it: 'shop.py'."
        )
        raise UpcasterError(msg)
    return Module(module.__name__, str(Path(file).resolve()))


def _of_text(text: str, types: Collection[str]) -> Code:
    rest, _, revision = text.partition("@")
    name, equals, where = rest.rpartition("=")
    if not where or (equals and not _is_module(name)) or (revision == "" and "@" in text):
        raise _no_code(text)
    path = Path(where)
    is_path = where.endswith(".py") or "/" in where or "\\" in where
    if not is_path and _is_module(where):
        module = Module(name or where, None, where if name and name != where else None)
        return Code((module,), revision or None, told=text)
    folder = path.parent if where.endswith(".py") else path
    while revision and not folder.is_dir() and folder != folder.parent:
        folder = folder.parent  # a place that only the revision has
    if not revision and not path.exists():
        msg = f"Cannot find code in {where!r}: nothing is there. Name a file, folder or module."
        raise UpcasterError(msg)
    modules = _in_folder(path, name, types) if path.is_dir() else (_in_file(path, name, text),)
    return Code(modules, revision or None, folder.resolve(), told=text)


def _in_file(path: Path, name: str, text: str) -> Module:
    found = name or path.stem
    if path.suffix != ".py" or not _is_module(found):
        raise _no_code(text)
    return Module(found, str(path.resolve()))


def _in_folder(path: Path, name: str, types: Collection[str]) -> tuple[Module, ...]:
    """Return the package that a folder is, or the modules in it that stored types name."""
    if (path / "__init__.py").is_file():
        return (Module(name or path.resolve().name, str((path / "__init__.py").resolve())),)
    wanted = sorted({type_.partition(":")[0] for type_ in types})
    found = []
    for module in filter(_is_module, wanted):
        place = path.joinpath(*module.split("."))
        if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
            found.append(Module(module))
    if not found or name:
        named = ", ".join(map(printable, wanted[:5])) or "none"
        msg = (
            f"Cannot find code in {str(path)!r}: it is no package, and has none of the modules "
            f"that stored types name, which are {named}. Name a file: 'shop=releases/shop_2.py'."
        )
        raise UpcasterError(msg)
    return tuple(found)


def _is_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _no_code(text: str) -> UpcasterError:
    return UpcasterError(
        f"Cannot find code by {text!r}. Write a module, a file or a folder, with NAME= before it "
        "where stored types call it otherwise, and @REVISION after it for a git revision."
    )


def _aliases(modules: Collection[str]) -> tuple[Alias, ...]:
    """Return the old names that were registered with the library for named modules."""
    utils = sys.modules.get("eventsourcing.utils")
    found = []
    for topic, thing in list(getattr(utils, "_topic_cache", {}).items()):
        if isinstance(thing, ModuleType):
            if thing.__name__ in modules and topic != thing.__name__:
                found.append(Alias(topic, thing.__name__, None))
        elif getattr(thing, "__module__", None) in modules:
            own = f"{thing.__module__}:{thing.__qualname__}"
            if topic != own:
                found.append(Alias(topic, thing.__module__, thing.__qualname__))
    return tuple(found)
