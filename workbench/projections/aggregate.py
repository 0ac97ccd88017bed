"""Running an aggregate class: every stream of it is a row of its attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.changelog.inferred import as_text
from workbench.changelog.writer import LogWriter
from workbench.classes import modules_of
from workbench.errors import ProjectionError
from workbench.event import NEEDED
from workbench.projections.domain import DomainEvents, Unmade
from workbench.projections.kept import fields_of
from workbench.projections.library import UNMADE
from workbench.projections.running import Running
from workbench.projections.tracked import FIXED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from workbench.changelog.log import ChangeLog
    from workbench.history import History
    from workbench.projections.library import Given
    from workbench.projections.running import Call

KEY = "stream"
_SHOWN = {"_version": "version", "_created_on": "created_on", "_modified_on": "modified_on"}
_HIDDEN = {"_id", "id", "_pending_events"}
_FIRST = ("version", "created_on", "modified_on")


class Broken(NamedTuple):
    """In the place of an aggregate that could not be brought up to date."""

    reason: str


class _Foreign(NamedTuple):
    """In the place of a stream's aggregate that is of another class."""


_FOREIGN = _Foreign()


class AggregateRun(Running):
    """The aggregates of a class while events are applied to them.

    Raises
    ------
    ProjectionError
        If no stored type is of an event of that class.
    """

    columns = NEEDED

    def __init__(self, aggregate: type, given: Given, history: History, *, stops: bool) -> None:
        super().__init__(stops=stops)
        self._class = aggregate
        self._classes = given.classes
        self._events = DomainEvents(given.classes, history.state, given.transcoder, given.mapper)
        self._live: dict[str, Any] = {}
        self._present = ""
        """The stream of the event that is being applied."""
        self._history = history
        self._writer = LogWriter(aggregate.__name__, {KEY: None}, None, self.cursor)
        self._writer.expect({KEY: None}, dict.fromkeys(_FIRST))
        self._handlers: dict[str, str] = {}
        self._unmade = self.spent(UNMADE)
        self.renew(history)

    def renew(self, history: History) -> None:
        """Take note of event types that the history has come to have.

        Raises
        ------
        ProjectionError
            If no stored type is of an event of the aggregate.
        """
        self._history = history
        stored = history.type_names()
        found = {
            type_: self._classes.resolve(type_) for type_ in sorted(stored) if self._known(type_)
        }
        if stored and not found:
            msg = (
                f"Cannot replay {history.name!r} into {self._class.__name__}: no stored type is of "
                f"an event of it. Types are of {', '.join(modules_of(stored)) or 'no module'}, and "
                f"{', '.join(sorted(self._classes.modules)[:5])} were looked at. Name the modules "
                "whose code you trust: classes=['shop.orders']."
            )
            raise ProjectionError(msg)
        self._handlers = {type_: f"{kind.__name__}.mutate" for type_, kind in found.items()}
        # Named as one of the aggregate's, but without a class: not to be passed over.
        lost = {type_ for type_ in stored if self._is_lost(type_)}
        self._handlers |= dict.fromkeys(sorted(lost), UNMADE)
        for handler in self._handlers.values():
            self.spent(handler)
        self.types = frozenset(self._handlers)

    def _resolves(self, type_: str) -> bool:
        return self._classes.resolves(type_)

    def _is_lost(self, type_: str) -> bool:
        """Return whether a type is named as an event of the aggregate, and has no class."""
        outer = type_.rpartition(".")[0]
        if self._resolves(type_) or not self._resolves(outer):
            return False
        return issubclass(self._classes.resolve(outer), self._class)

    def _known(self, type_: str) -> bool:
        """Return whether a type may be of an event of the aggregate."""
        if not self._resolves(type_):
            return False
        kind = self._classes.resolve(type_)
        if not hasattr(kind, "mutate"):
            return False
        outer = f"{kind.__module__}:{kind.__qualname__}".rpartition(".")[0]
        if not outer or not self._resolves(outer):
            return True
        owner = self._classes.resolve(outer)
        is_aggregate = any(base.__name__ == "BaseAggregate" for base in owner.__mro__)
        return not is_aggregate or issubclass(owner, self._class) or issubclass(self._class, owner)

    @property
    def handlers(self) -> Mapping[str, str]:
        """The event class whose `mutate` is called, by event type."""
        return self._handlers

    @property
    def writers(self) -> Mapping[str, LogWriter]:
        """The change log of the one table."""
        return {self._writer.name: self._writer}

    def calls(self, batch: pl.DataFrame) -> Iterator[list[Call]]:
        """Yield what each event comes to: it is applied to the aggregate of its stream."""
        columns = (batch[name].to_list() for name in ("stream", "type", "position"))
        rows = zip(*columns, strict=True)
        spent, apply = {t: self.spent(h) for t, h in self._handlers.items()}, self._apply
        for events in self._events.of(batch):
            yield [
                (spent[type_], apply, (stream, event, position))
                for event, (stream, type_, position) in zip(events, rows, strict=False)
            ]

    def _apply(self, call: tuple[str, Any, int]) -> None:
        stream, event, position = call
        self._present = stream
        live = self._live
        aggregate = live.get(stream)
        if event.__class__ is Unmade and aggregate is not _FOREIGN:
            raise event.error
        if aggregate is None and stream not in live:
            aggregate = self._begun(stream, event, position)
        if aggregate is _FOREIGN:
            return
        if aggregate.__class__ is Broken:
            raise ValueError(aggregate.reason)
        aggregate = self._mutated(aggregate, event)
        live[stream] = aggregate
        if aggregate is _FOREIGN:
            return
        writer = self._writer
        state = writer.states.get(stream)
        row = None if aggregate is None else self._row(aggregate)
        if state is None:
            if row is None:
                return
            state = writer.new_state(stream)
        if state.values != row:
            writer.write(state, row)

    def _mutated(self, aggregate: Any, event: Any) -> Any:  # noqa: ANN401
        """Return what an event makes of an aggregate, or of nothing."""
        if event.__class__ is Unmade:
            raise event.error
        if aggregate is None:
            topic = getattr(event, "originator_topic", None)
            # The library would import whatever module the event names.
            if topic is not None:
                made = self._classes.shared_with_library(topic)
                if not issubclass(made, self._class):
                    return _FOREIGN
        try:
            found = event.mutate(aggregate)
        except AssertionError as error:
            if aggregate is not None:
                raise
            msg = "the first event of its stream is not in the history"
            raise ValueError(msg) from error
        if aggregate is None and found is not None and not isinstance(found, self._class):
            return _FOREIGN
        pending = getattr(found, "_pending_events", None)
        if pending:
            pending.clear()
        return found

    def _begun(self, stream: str, event: Any, position: int) -> Any:  # noqa: ANN401
        """Return the aggregate of a stream as the events before this one left it."""
        if event.originator_version <= getattr(self._class, "INITIAL_VERSION", 1):
            return None
        before = self._history.of_streams(stream).between(upto=position - 1)
        if self.types is not None:
            before = before.of_types(*self.types)
        aggregate: Any = None
        for batch in before.batches(self.columns):
            for events in self._events.of(batch):
                for earlier in events:
                    try:
                        aggregate = self._mutated(aggregate, earlier)
                    except Exception as error:  # noqa: BLE001, what a user's class raises
                        return self._broken(stream, f"{type(error).__name__}: {error}")
                    if aggregate is _FOREIGN:
                        return aggregate
        return aggregate

    def _broken(self, stream: str, said: str) -> Broken:
        found = Broken(f"an earlier event of the stream {stream!r} could not be applied: {said}")
        self._live[stream] = found
        return found

    def _row(self, aggregate: Any) -> tuple[Any, ...]:  # noqa: ANN401
        columns = self._writer.columns
        row: list[Any] = [None] * len(columns)
        for field, value in (fields_of(aggregate) or {}).items():
            if field in _HIDDEN:
                continue
            name = _SHOWN.get(field, field)
            name = f"value.{name}" if name == KEY else name
            kept = value if value.__class__ in FIXED else as_text(value)
            place = columns.setdefault(name, len(columns))
            if place == len(row):
                row.append(kept)
            else:
                row[place] = kept
        return tuple(row)

    def undo(self) -> None:
        """Take back what the present event has changed.

        The aggregate may be changed in part: it is made anew from its events if the same
        event comes again, and takes no other one.
        """
        super().undo()
        self._live.pop(self._present, None)

    def _fail(self, batch: pl.DataFrame, event: int, handler: str, error: Exception) -> None:
        stream = self._present
        known = self._live.get(stream)
        super()._fail(batch, event, handler, error)
        said = f"{type(error).__name__}: {error}"
        self._live[stream] = known if known.__class__ is Broken else self._broken(stream, said)

    def go_on_from(self, logs: Mapping[str, ChangeLog]) -> None:
        """Take up where a trial ended: aggregates are made of their events when they come."""
        self._writer.go_on_from(logs[self._writer.name])
