"""Running an unmodified `eventsourcing.projection.Projection` with a view of its own.

It is driven in a plain loop: events are made of the history's rows, and given with their
position to the projection, in order. No application is constructed, and no thread.
"""

from __future__ import annotations

import functools
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.utils import Environment

from workbench.catalog import short_name
from workbench.classes import modules_of
from workbench.errors import ProjectionError, TrialError, WorkbenchError, near
from workbench.event import NEEDED
from workbench.projections.domain import DomainEvents, Unmade
from workbench.projections.memory_view import MemoryView
from workbench.projections.running import Running
from workbench.projections.sql_view import SqlView
from workbench.projections.sqlite_view import SqliteView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl
    from eventsourcing.persistence import Mapper, Transcoder
    from eventsourcing.projection import Projection

    from workbench.changelog.log import ChangeLog
    from workbench.changelog.writer import LogWriter
    from workbench.classes import Classes
    from workbench.history import History
    from workbench.projections.running import Call, Spent

UNMADE = "making the event"
"""The handler of events of which no object can be made."""


class Given(NamedTuple):
    """How the library's classes are to be used, as the user says."""

    classes: Classes
    transcoder: Transcoder | None = None
    mapper: Mapper[Any] | None = None
    env: tuple[tuple[str, str], ...] = ()
    scratch: str | None = None


class LibraryRun(Running):
    """A projection of the library while it runs.

    Raises
    ------
    ProjectionError
        If no stored type has a class in the named modules, or the projection or its view
        cannot be made.
    """

    columns = NEEDED

    def __init__(
        self,
        projection: type[Projection[Any]],
        view: type[Any],
        given: Given,
        history: History,
        *,
        stops: bool,
    ) -> None:
        super().__init__(stops=stops)
        self._classes = given.classes
        self._topics = tuple(projection.topics)
        self.application = history.application or history.name
        self._events = DomainEvents(given.classes, history.state, given.transcoder, given.mapper)
        self._view = self._made_view(projection, view, given)
        self._projection = _made_projection(projection, self._view.view)
        self._dispatcher = _dispatcher(self._projection)
        self._process = self._projection.process_event
        self._targets: dict[type, tuple[Spent, Callable[[Any, Tracking], object]]] = {}
        self._handlers: dict[str, str] = {}
        self._unmade = self.spent(UNMADE)
        self._is_checked = True
        self.renew(history)

    def _made_view(
        self, projection: type[Projection[Any]], view: type[Any], given: Given
    ) -> SqlView | MemoryView:
        name, env = projection.name or projection.__name__, dict(given.env)
        try:
            if given.scratch is not None:
                from workbench.projections.postgres_view import PostgresView

                made = Environment(name, env)
                return PostgresView(view, made, given.scratch, self.application, self.cursor)
            if issubclass(view, SQLiteTrackingRecorder):
                prefix = f"{name.upper()}_"
                env |= {f"{prefix}SQLITE_DBNAME": ":memory:", f"{prefix}CREATE_TABLE": "yes"}
                return SqliteView(view, Environment(name, env), self.application, self.cursor)
            return MemoryView(view(), self.application, self.cursor)
        except WorkbenchError:
            raise
        except Exception as error:
            msg = (
                f"Cannot make the view {view.__name__}: {type(error).__name__}: {error}. "
                "Let it be made as the library's factory makes it."
            )
            raise ProjectionError(msg) from error

    def renew(self, history: History) -> None:
        """Take note of event types that the history has come to have.

        Raises
        ------
        ProjectionError
            If no stored type has a class, or is among the topics.
        """
        stored = history.type_names()
        if self._topics:
            self.types = frozenset(self._topics) & stored
            if not self.types:
                msg = (
                    f"Cannot replay {history.name!r} into {type(self._projection).__name__}: its "
                    f"topics are {', '.join(self._topics[:5])}, and the history has none of them. "
                    f"{near(self._topics[0], stored)}"
                )
                raise ProjectionError(msg)
        wanted = stored if self.types is None else self.types
        known = {type_ for type_ in wanted if self._classes.resolves(type_)}
        if wanted and not known:
            raise _no_classes(history, type(self._projection).__name__, wanted)
        self._handlers = {
            type_: self._target(self._classes.resolve(type_))[0].handler
            if type_ in known
            else UNMADE
            for type_ in sorted(wanted)
        }
        self._handlers |= self._never(known)

    def _never(self, known: set[str]) -> dict[str, str]:
        """Return handlers of classes of which the history has no event."""
        if self._dispatcher is None:
            return {}
        met = {self._dispatcher.dispatch(self._classes.resolve(type_)) for type_ in known}
        return {
            getattr(kind, "TOPIC", f"{kind.__module__}:{kind.__qualname__}"): _name(method, kind)
            for kind, method in self._dispatcher.registry.items()
            if kind is not object and method not in met
        }

    @property
    def handlers(self) -> Mapping[str, str]:
        """The handler of each event type."""
        return self._handlers

    @property
    def writers(self) -> Mapping[str, LogWriter]:
        """The change log of each table while it is written."""
        return self._view.writers

    @property
    def keeps_own_state(self) -> bool:
        """Whether the view cannot be told from its change log."""
        return not isinstance(self._view, SqlView)

    def calls(self, batch: pl.DataFrame) -> Iterator[list[Call]]:
        """Yield what each event comes to: a method of the projection, the event, its position."""
        positions, types = batch["position"].to_list(), batch["type"].to_list()
        at = 0
        for events in self._events.of(batch):
            upto = at + len(events)
            yield self._calls(events, positions[at:upto], types[at:upto])
            at = upto

    def _calls(self, events: list[Any], positions: list[int], types: list[str]) -> list[Call]:
        kinds = list(map(type, events))
        targets = list(map(self._targets.get, kinds))
        if not all(targets):
            targets = [
                (self.spent(self._handlers.get(type_, UNMADE)), _fail)
                if kind is Unmade
                else self._target(kind)
                for kind, type_ in zip(kinds, types, strict=True)
            ]
        booked, handlers = zip(*targets, strict=True)
        given = zip(handlers, events, _tracked(self.application, positions), strict=True)
        return list(zip(booked, repeat(self._view.process), given))

    def _target(self, kind: type) -> tuple[Spent, Callable[[Any, Tracking], object]]:
        """Return what processes events of a class: the method that would be dispatched to."""
        found = self._targets.get(kind)
        if found is None:
            if self._dispatcher is None:
                found = self.spent("process_event"), self._process
            else:
                method = self._dispatcher.dispatch(kind)
                bound = method.__get__(self._projection, type(self._projection))
                found = self.spent(_name(method, kind)), bound
            self._targets[kind] = found
        return found

    def undo(self) -> None:
        """Take back what the present event has changed, in the view and in the log."""
        self._view.undo()

    def _settle(self, batch: pl.DataFrame) -> None:
        self._view.gather()
        super()._settle(batch)
        self._view.settled()
        self._is_checked = False

    def logs(self) -> dict[str, ChangeLog]:
        """Return the change logs so far.

        Raises
        ------
        ProjectionError
            If the view was changed in a way that cannot be told event by event.
        """
        if not self._is_checked:
            self._view.check()
            self._is_checked = True
        return super().logs()

    def go_on_from(self, logs: Mapping[str, ChangeLog]) -> None:
        """Take up where a trial ended.

        Raises
        ------
        TrialError
            If the view cannot be told from its change log.
        """
        if not isinstance(self._view, SqlView):
            msg = (
                f"Cannot go on with a trial of {type(self._projection).__name__} from its change "
                "log: its view is an object in memory, which went on with another trial, or was "
                "not saved. Use trial.rerun()."
            )
            raise TrialError(msg)
        self._view.restore(logs, self.application)

    def close(self) -> None:
        """Let go of the view's database."""
        if isinstance(self._view, SqlView):
            self._view.close()


def _made_projection(projection: type[Projection[Any]], view: object) -> Projection[Any]:
    try:
        return projection(view)
    except Exception as error:
        msg = (
            f"Cannot replay into {projection.__name__}: making it raised {type(error).__name__}: "
            f"{error}. Let it be made with its view alone, as the library's runner makes it."
        )
        raise ProjectionError(msg) from error


def _dispatcher(projection: Projection[Any]) -> Any:  # noqa: ANN401, of functools
    """Return what dispatches by the class of event, None where `process_event` is plain."""
    for base in type(projection).__mro__:
        found = vars(base).get("process_event")
        if found is not None:
            if not isinstance(found, functools.singledispatchmethod):
                return None
            found.__get__(projection, type(projection))  # does registrations that were put off
            return found.dispatcher
    return None


def _name(method: Any, kind: type) -> str:  # noqa: ANN401, a function of any kind
    """Return what a handler is called: by its class of event where it has no name itself."""
    name: str = getattr(method, "__name__", "_")
    return f"process_event({short_name(kind.__qualname__)})" if name == "_" else name


def _fail(unmade: Unmade, _: Tracking) -> None:
    raise unmade.error


def _tracked(application: str, positions: list[int]) -> list[Tracking]:
    """Return positions as their frozen dataclass would make them, in a fifth of the time."""
    known = [{"application_name": application, "notification_id": p} for p in positions]
    found = list(map(object.__new__, repeat(Tracking, len(known))))
    deque(map(object.__setattr__, found, repeat("__dict__"), known), 0)
    return found


def _no_classes(history: History, name: str, types: frozenset[str]) -> ProjectionError:
    return ProjectionError(
        f"Cannot replay {history.name!r} into {name}: no stored type has a class in the modules "
        f"that were named. Its types are of {', '.join(modules_of(types)) or 'no module'}. "
        "Name the modules whose code you trust: classes=['shop.orders']."
    )
