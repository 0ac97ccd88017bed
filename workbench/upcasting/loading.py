"""In a process of the user's code: loading the modules that were named, and nothing else.

Limits are set before: on memory, on the size of files, and no core is dumped.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.classes import Classes
from workbench.revisions import is_of, missing_of

if TYPE_CHECKING:
    from types import ModuleType

    from eventsourcing.persistence import JSONTranscoder

    from workbench.upcasting.wire import Alias, Module, Request

LARGEST_FILE = 2**30
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux
_KILL = 9


class LoadingError(Exception):
    """Code that cannot be had; the message is for the user."""


class Loaded(NamedTuple):
    """The user's code, ready to use."""

    classes: Classes
    transcoder: JSONTranscoder
    is_standard: bool
    """Whether the transcoder has the library's own transcodings alone."""


def limit(memory_bytes: int | None) -> None:
    """Limit what this process may take, as far as the system can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, _KILL)
    try:
        import resource
    except ImportError:
        return
    wanted = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: LARGEST_FILE}
    if memory_bytes is not None and sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        wanted[resource.RLIMIT_AS] = used + memory_bytes
    for what, most in wanted.items():
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(what)[1]
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (least, least))


def loaded(request: Request) -> Loaded:
    """Return the classes of the named modules, and a transcoder as their applications make it.

    Raises
    ------
    LoadingError
        If a module cannot be imported, or is another than the one that was named.
    """
    sys.dont_write_bytecode = True
    sys.path[:0] = request.paths
    modules = [_module(module, request) for module in request.modules]
    classes = Classes.of(*modules)
    for alias in request.aliases:
        _register(alias)
    transcoder, is_standard = _transcoder(modules)
    return Loaded(classes, transcoder, is_standard)


def _module(module: Module, request: Request) -> ModuleType:
    try:
        found = _imported(module)
    except LoadingError:
        raise
    except BaseException as error:  # noqa: BLE001, SystemExit too: a module may end the interpreter
        said = (str(error).splitlines() or [""])[0][:300]
        if missing := missing_of(error, module.other or module.name):
            looked = ", ".join(request.paths[:3]) or "nowhere else"
            why = f"there is no module {missing!r} in {looked}, nor elsewhere"
            todo = "Run it in the folder that the module is imported from, or name its file."
        else:
            why = f"importing it raised {type(error).__name__}: {said}"
            todo = "Mend the module, or name another revision."
        msg = f"Cannot load {module.name!r}: {why}. {todo}"
        raise LoadingError(msg) from None
    if not is_of(request.tree, found):
        where = getattr(found, "__file__", None)
        msg = (
            f"Cannot load {module.name!r} of a git revision: the revision has no such module; "
            f"Python finds one in {where!r}. Name a module of the repository."
        )
        raise LoadingError(msg)
    return found


def _imported(module: Module) -> ModuleType:
    """Return a module, loaded by its name, or from a file under that name."""
    file = module.file
    if module.other is not None:
        spec = find_spec(module.other)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(module.other, name=module.other)
        file = spec.origin
    if file is None:
        return import_module(module.name)
    if module.other is None:
        with suppress(ModuleNotFoundError):
            found = import_module(module.name)
            if Path(found.__file__ or "").resolve() == Path(file).resolve():
                return found
        sys.modules.pop(module.name, None)
    if not Path(file).is_file():
        msg = f"Cannot load {module.name!r}: there is no file {file!r}. Name one that is there."
        raise LoadingError(msg)
    inside = [str(Path(file).parent)] if Path(file).name == "__init__.py" else None
    spec = spec_from_file_location(module.name, file, submodule_search_locations=inside)
    if spec is None or spec.loader is None:
        msg = f"Cannot load {module.name!r}: {file!r} is no Python file. Name one that is."
        raise LoadingError(msg)
    made = module_from_spec(spec)
    # The library looks the module up by name while its classes are being made.
    sys.modules[module.name] = made
    spec.loader.exec_module(made)
    return made


def _register(alias: Alias) -> None:
    from eventsourcing import utils

    found: Any = sys.modules.get(alias.module)
    for part in alias.name.split(".") if alias.name else ():
        found = getattr(found, part, None)
    if found is not None:
        utils._topic_cache.setdefault(alias.topic, found)  # noqa: SLF001, as `register_topic`, but never raises


def _transcoder(modules: list[ModuleType]) -> tuple[JSONTranscoder, bool]:
    """Return the library's transcoder, with what the modules' applications register."""
    from eventsourcing.application import Application
    from eventsourcing.persistence import DatetimeAsISO, DecimalAsStr, JSONTranscoder, UUIDAsHex

    made = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        made.register(transcoding)
    standard = {name: type(known) for name, known in made.names.items()}
    for module in modules:
        for thing in list(vars(module).values()):
            is_own = isinstance(thing, type) and thing.__module__ == module.__name__
            if is_own and issubclass(thing, Application):
                _check_mapper(thing)
                # No application is made: that would open its store.
                thing.register_transcodings(object.__new__(thing), made)
    found = {name: type(known) for name, known in made.names.items()}
    return made, all(found.get(name) is kind for name, kind in standard.items())


def _check_mapper(application: type) -> None:
    from eventsourcing.application import Application

    for name in ("construct_mapper", "construct_transcoder"):
        if getattr(application, name) is not getattr(Application, name):
            msg = (
                f"Cannot upcast as {application.__name__} does: it has a {name} of its own, and "
                "only the library's mapper and JSON transcoder are known here. Name the modules "
                "of its events without it, if these fit."
            )
            raise LoadingError(msg)
