"""What a user hands over for a class of the library: checked, and made ready to run.

The library is not loaded for it: a class that derives from one of its own has done that.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from workbench.classes import Classes
from workbench.errors import ProjectionError
from workbench.projections.plan import AggregatePlan, LibraryPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventsourcing.persistence import Mapper, Transcoder

    from workbench.classes import Named

_TOPICS = ("MAPPER_TOPIC", "TRANSCODER_TOPIC", "COMPRESSOR_TOPIC", "CIPHER_TOPIC")


@dataclass(frozen=True)
class LibraryOptions:
    """The arguments of `replay` that are for classes of the library alone."""

    view: type[Any] | None = None
    classes: tuple[Named, ...] = ()
    env: Mapping[str, str] | None = None
    transcoder: Transcoder | None = None
    mapper: Mapper[Any] | None = None
    scratch: str | None = None

    @property
    def given_names(self) -> list[str]:
        """The names of those that are given."""
        return [f.name for f in fields(self) if getattr(self, f.name) not in (None, ())]


def library_plan(
    projection: Any,  # noqa: ANN401, checked here
    options: LibraryOptions,
) -> LibraryPlan | AggregatePlan | None:
    """Return the plan of a projection or an aggregate of the library; None of anything else.

    Raises
    ------
    ProjectionError
        If it cannot be run, or its view cannot.
    """
    if options.transcoder is not None and options.mapper is not None:
        msg = "Cannot use a transcoder beside a mapper, which has its own. Give one of them."
        raise ProjectionError(msg)
    if _is_a(projection, "eventsourcing.projection", "Projection"):
        return _projection_plan(projection, options)
    if _is_a(projection, "eventsourcing.domain", "BaseAggregate"):
        for name in ("view", "env", "scratch"):
            if getattr(options, name) is not None:
                msg = (
                    f"Cannot use {name} with the aggregate {projection.__name__}: it has no view. "
                    f"Leave {name} out."
                )
                raise ProjectionError(msg)
        return AggregatePlan(projection, _given(options, projection))
    return None


def _is_a(thing: object, module: str, name: str) -> Any:  # noqa: ANN401, narrows nothing
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and isinstance(thing, type) and issubclass(thing, base)


def _projection_plan(projection: Any, options: LibraryOptions) -> LibraryPlan:  # noqa: ANN401
    view = options.view
    if view is None:
        msg = (
            f"Cannot replay into {projection.__name__} without its view. Name the class that the "
            "library's runner would be given: view=MyView."
        )
        raise ProjectionError(msg)
    if not isinstance(view, type):
        msg = f"Cannot use {view!r:.100} as a view: it is no class. Give the class: view=MyView."
        raise ProjectionError(msg)
    needs_server = _is_a(view, "eventsourcing.postgres", "PostgresTrackingRecorder")
    if needs_server and options.scratch is None:
        msg = (
            f"Cannot replay into the view {view.__name__} without a PostgreSQL database to run it "
            "in. Name one that holds no events; the trial makes a schema of its own there, and "
            "drops it: scratch='postgresql://user@host/scratch'."
        )
        raise ProjectionError(msg)
    if options.scratch is not None and not needs_server:
        msg = (
            f"Cannot use scratch with the view {view.__name__}, which needs no PostgreSQL "
            "database. Leave scratch out."
        )
        raise ProjectionError(msg)
    for thing in (projection, view):
        if inspect.isabstract(thing):
            missing = ", ".join(sorted(thing.__abstractmethods__)[:5])
            msg = (
                f"Cannot make {thing.__name__}: it is abstract, and lacks {missing}. "
                "Give a class that has them."
            )
            raise ProjectionError(msg)
    if refused := [key for key in options.env or () if key.endswith(_TOPICS)]:
        msg = (
            f"Cannot use {refused[0]} of env: it is of the application, which is not constructed. "
            "Give mapper= or transcoder=, and ciphers and compressors to open_history."
        )
        raise ProjectionError(msg)
    return LibraryPlan(projection, view, _given(options, projection, view))


def _given(options: LibraryOptions, *own: type) -> Any:  # noqa: ANN401, its module loads the library
    from workbench.projections.library import Given

    return Given(
        Classes.of(*own, *options.classes),
        options.transcoder,
        options.mapper,
        tuple((options.env or {}).items()),
        options.scratch,
    )
