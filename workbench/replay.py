"""Running a projection over a history: the one loop that gives events to handlers."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from workbench.catalog import short_name
from workbench.errors import HandlerError, ProjectionError, near
from workbench.event import Event
from workbench.payload.native import fields_of
from workbench.projection import Projection
from workbench.rows import Rows
from workbench.scanning import ENVELOPE
from workbench.sources import Selection
from workbench.tables import FAILURES
from workbench.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.errors import WorkbenchError
    from workbench.history import History
    from workbench.reading import Progress


def replay(
    history: History,
    projection: type[Projection],
    *,
    on_error: Literal["stop", "collect"] = "stop",
    on_progress: Callable[[Progress], None] | None = None,
) -> Trial:
    """Return the trial of a projection over a history.

    Events come in order of position; those whose payload cannot be decoded, and are
    of a type that is handled, are failures.

    Parameters
    ----------
    history
        The events. They are read up to the head as it is when the replay begins.
    projection
        The class. It is made anew, so that nothing is left from a run before.
    on_error
        'stop': the first event that a handler cannot process raises. 'collect': it is
        listed in `failures`, its changes are taken back, and the replay goes on.
    on_progress
        Called now and then with how far the reading has come.

    Raises
    ------
    HandlerError
        If a handler raised, and `on_error` is 'stop'.
    ProjectionError
        If the projection has no tables or handlers, handles no type that the history
        has, or sets what its tables do not declare.
    """
    if on_error not in {"stop", "collect"}:
        msg = f"Cannot replay with on_error={on_error!r}. Choose 'stop' or 'collect'."
        raise ProjectionError(msg)
    begun = clock.perf_counter()
    head = history.source.head() or 0
    run = _Run(history.type_names(), history.name, projection, stops=on_error == "stop")
    pinned = replace(history, selection=history.selection.meet(Selection(upto=head)))
    run.over(pinned.with_progress(on_progress) if on_progress else pinned)
    return Trial(
        projection=projection,
        history=pinned,
        events=run.events,
        last_position=min(head, pinned.selection.upto or 0),
        elapsed_s=clock.perf_counter() - begun,
        failures=FAILURES.frame(run.failures),
        _logs={name: rows.log() for name, rows in run.rows.items()},
    )


class _Run:
    """The state of a replay: the projection's object, its rows, and what failed."""

    def __init__(
        self, types: frozenset[str], name: str, projection: type[Projection], *, stops: bool
    ) -> None:
        if not isinstance(projection, type) or not issubclass(projection, Projection):
            msg = (
                f"Cannot replay into {projection!r:.100}: it is no projection. "
                "Give a class that derives from workbench.Projection."
            )
            raise ProjectionError(msg)
        declared = projection.declared()
        self.rows = {table: Rows(table, found) for table, found in declared.items()}
        handlers = _handlers(projection, types, name)
        running = _made(projection)
        running.rows = {found: self.rows[table] for table, found in declared.items()}
        self._handlers = {type_: getattr(running, method) for type_, method in handlers.items()}
        self._stops = stops
        self.failures: list[dict[str, Any]] = []
        self.events = 0

    def over(self, history: History) -> None:
        """Give every event that is handled to its handler, in order."""
        handled = Selection(types=frozenset(self._handlers))
        chosen = replace(history, selection=history.selection.meet(handled))
        for frame in chosen.batches((*ENVELOPE, "data", "problem")):
            *envelope, data, problem = (frame[name].to_list() for name in frame.columns)
            for *known, text, wrong in zip(*envelope, data, problem, strict=True):
                self._process(known, text, wrong)
            for rows in self.rows.values():
                rows.settle()

    def _process(self, known: list[Any], text: str | None, wrong: str | None) -> None:
        event = Event._make((*known, {}))
        self.events += 1
        handler = self._handlers[event.type]
        marks = [rows.begin(event) for rows in self.rows.values()]
        try:
            event.data.update(_fields(text, wrong))
            handler(event)
        except Exception as error:
            for rows, mark in zip(self.rows.values(), marks, strict=True):
                rows.undo(mark)
            if self._stops:
                raise _stopped(event, handler.__name__, error) from error
            said = f"{type(error).__name__}: {error}"
            self.failures.append(
                {
                    "position": event.position,
                    "type": event.type,
                    "handler": handler.__name__,
                    "error": said,
                }
            )


def _made(projection: type[Projection]) -> Projection:
    try:
        return projection()
    except Exception as error:
        msg = (
            f"Cannot replay into {projection.__name__}: making it raised {type(error).__name__}: "
            f"{error}. Let it be made without arguments, and use its tables in handlers only."
        )
        raise ProjectionError(msg) from error


def _handlers(projection: type[Projection], types: frozenset[str], name: str) -> dict[str, str]:
    """Return the method for each stored type: a short name stands for all that have it."""
    named = projection.handlers()
    shorts = {type_: short_name(type_) for type_ in types}
    found = {type_: named[short] for type_, short in shorts.items() if short in named}
    found |= {type_: method for type_, method in named.items() if type_ in types}
    if not found:
        msg = (
            f"Cannot replay {name!r} into {projection.__name__}: it handles "
            f"{', '.join(sorted(named)[:5])}, and the history has none of them. "
            f"{near(next(iter(named)), shorts.values())}"
        )
        raise ProjectionError(msg)
    return found


def _fields(text: str | None, wrong: str | None) -> dict[str, Any]:
    if text is None:
        msg = f"the payload cannot be decoded: {wrong}"
        raise ValueError(msg)
    return fields_of(text)


def _stopped(event: Event, handler: str, error: Exception) -> WorkbenchError:
    kind = ProjectionError if isinstance(error, ProjectionError) else HandlerError
    return kind(
        f"Cannot replay the event at position {event.position:,} ({event.type}): {handler} raised "
        f"{type(error).__name__}: {error}. Mend the handler, or replay with on_error='collect', "
        "which lists such events in trial.failures and goes on."
    )
