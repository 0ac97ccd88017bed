"""What may be replayed on the pages: what modules define that a user has named.

A module offers its projections, those of the library with each view of its that fits, its
aggregates, and the Polars functions whose keys were named. Nothing of Panel is here.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, get_args

from workbench.errors import ProjectionError, RevisionError, near
from workbench.projections.declared import Projection
from workbench.replaying import replay
from workbench.separate.replaying import replay_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from threading import Event
    from types import ModuleType

    from workbench import Progress, Trial
    from workbench.history import History

_PROJECTION = ("eventsourcing.projection", "Projection")
_AGGREGATE = ("eventsourcing.domain", "BaseAggregate")
_RECORDER = ("eventsourcing.persistence", "TrackingRecorder")


@dataclass(frozen=True, eq=False)
class Offer:
    """Something that may be replayed, with all that it needs."""

    projection: Any
    """A class or a function, as `replay` takes it."""
    key: tuple[str, ...] = ()
    """Of a Polars function, the columns that tell the rows of its table apart."""
    view: type[Any] | None = None
    """Of a projection of the library, the class of its view."""
    classes: tuple[str, ...] = ()
    """Of what the library has made, the modules in which classes of events are looked for."""
    place: str | None = None
    """Where it can be imported from, as `module:Name`; None for what a page has written."""

    def replay(
        self,
        history: History,
        *,
        progress: Callable[[Progress], None],
        stop: Event,
        revision: str | None = None,
    ) -> Trial:
        """Return its trial over a history; what a handler cannot process is collected.

        Parameters
        ----------
        history
            What is replayed.
        progress
            Told how far it is.
        stop
            Ends it, once it is set.
        revision
            The git revision whose code runs, in a process of its own; None for that which is
            loaded here.

        Raises
        ------
        WorkbenchError
            As `workbench.replay` and `workbench.replay_revision` do.
        """
        if revision is not None:
            return replay_revision(
                history,
                f"{self._place()}@{revision}",
                key=self.key or None,
                view=None if self.view is None else _place_of(self.view),
                classes=self.classes,
                on_error="collect",
                progress=progress,
                stop=stop,
            )
        return replay(
            history,
            self.projection,
            key=self.key or None,
            view=self.view,
            classes=self.classes,
            on_error="collect",
            progress=progress,
            stop=stop,
        )

    def _place(self) -> str:
        """Return where it is imported from.

        Raises
        ------
        RevisionError
            If it is nowhere.
        """
        if self.place is None or self.place.startswith("__main__:"):
            name = getattr(self.projection, "__name__", "a projection")
            msg = (
                f"Cannot find {name!r} in a git revision: it was written on this page or in a "
                "notebook, and not in a module. Leave out the revision."
            )
            raise RevisionError(msg)
        return self.place


def _place_of(one: type[Any]) -> str:
    return f"{one.__module__}:{one.__qualname__}"


def offer_of(thing: Offer | type[Projection]) -> Offer:
    """Return a projection class as an offer; an offer as it is."""
    if isinstance(thing, Offer):
        return thing
    return Offer(thing, place=_place_of(thing))


def offered(
    modules: Iterable[ModuleType],
    *,
    keys: Mapping[str, Sequence[str]] | None = None,
    classes: Sequence[str] = (),
) -> dict[str, Offer]:
    """Return what modules offer, by name, in the order of their text.

    Where two modules have one of the same name, the module stands before it.

    Parameters
    ----------
    modules
        What a user has named.
    keys
        The key columns of Polars functions that are to be offered, by the function's name.
    classes
        Further modules in which classes of events are looked for.

    Raises
    ------
    ProjectionError
        If no module has a function of a name that a key was given for.
    """
    named, given = list(modules), dict(keys or {})
    within = (*(module.__name__ for module in named), *classes)
    found: dict[str, Offer] = {}
    for module in named:
        for name, offer in _of(module, named, given, within):
            found[name if name not in found else f"{module.__name__}.{name}"] = offer
    functions = {name for m in named for name, v in vars(m).items() if isinstance(v, FunctionType)}
    if missing := sorted(set(given) - functions):
        msg = f"Cannot offer the function {missing[0]!r}: no module that was named has it. "
        raise ProjectionError(msg + near(missing[0], functions))
    return found


def _of(
    module: ModuleType,
    named: list[ModuleType],
    keys: Mapping[str, Sequence[str]],
    classes: tuple[str, ...],
) -> Iterator[tuple[str, Offer]]:
    """Yield what one module defines itself."""
    for name, value in vars(module).items():
        place = f"{module.__name__}:{name}"
        if isinstance(value, FunctionType) and name in keys:
            yield name, Offer(value, key=tuple(keys[name]), place=place)
            continue
        is_own = isinstance(value, type) and value.__module__ == module.__name__
        if not is_own or name.startswith("_") or inspect.isabstract(value):
            continue
        if issubclass(value, Projection):
            yield name, Offer(value, place=place)
        elif _is_a(value, *_PROJECTION):
            views = list(_views(value, named))
            for view in views:
                called = name if len(views) == 1 else f"{name} ({view.__name__})"
                yield called, Offer(value, view=view, classes=classes, place=place)
        elif _is_a(value, *_AGGREGATE):
            yield name, Offer(value, classes=classes, place=place)


def _views(projection: type[Any], named: list[ModuleType]) -> Iterator[type[Any]]:
    """Yield the classes of the modules that can be a projection's view."""
    wanted = _view_type(projection)
    seen = set()
    for module in named:
        for name, value in vars(module).items():
            fits = isinstance(value, type) and value.__module__ == module.__name__
            if not fits or name.startswith("_") or inspect.isabstract(value) or value in seen:
                continue
            if any(base.__module__ == "eventsourcing.postgres" for base in value.__mro__):
                continue  # nobody has named a database for it
            if _is_a(value, *_RECORDER) and (wanted is None or issubclass(value, wanted)):
                seen.add(value)
                yield value


def _view_type(projection: type[Any]) -> type[Any] | None:
    """Return what a projection of the library says that its view is, None if nothing."""
    for base in projection.__mro__:
        for generic in vars(base).get("__orig_bases__", ()):
            for argument in get_args(generic):
                if isinstance(argument, type) and _is_a(argument, *_RECORDER):
                    return argument
    return None


def _is_a(thing: type[Any], module: str, name: str) -> bool:
    """Return whether a class derives from one of the library, which is not loaded for it."""
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and issubclass(thing, base)
