"""In a process of the user's code: rebuilding each stream's aggregate from its events.

As the library's repository does it, without snapshots: each event mutates what the ones
before it have made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.upcasting.stepping import MAKE, Broken, broken
from workbench.upcasting.wire import IDLE, Rebuilt, Streams

if TYPE_CHECKING:
    import polars as pl

    from workbench.upcasting.stepping import Stepper

APPLY = "apply"
HEADLESS = "the stream does not begin with its first event"


def rebuilt(frame: pl.DataFrame, stepper: Stepper) -> Streams:
    """Return how far each stream of a job can be rebuilt.

    Parameters
    ----------
    frame
        Events, each stream's beside each other and in order.
    stepper
        Makes the events.
    """
    events = events_of(frame, stepper)
    streams, rows = frame["stream"].to_list(), frame["row"].to_list()
    found: list[Rebuilt] = []
    begins = 0
    for at in range(1, len(streams) + 1):
        if at == len(streams) or streams[at] != streams[begins]:
            own = [(row, events[row]) for row in rows[begins:at]]
            found.append(_stream(streams[begins], own, stepper))
            begins = at
    return Streams(found)


def events_of(frame: pl.DataFrame, stepper: Stepper) -> dict[int, Any]:
    """Return the events of a job, or why one cannot be made, by row."""
    found: dict[int, Any] = {}
    for chunk in stepper.chunks(frame, times=True):
        kind, code = chunk.kind, chunk.kind.code
        for row, state, version in zip(chunk.rows, chunk.states, chunk.versions, strict=True):
            if state.__class__ is Broken:
                found[row] = state
                continue
            failed = kind.late
            if not (type(version) is int and type(code) is int and version >= code):
                failed = stepper.upcast(kind, state, version, row)
            found[row] = _made(kind.kind, state) if failed is None else failed
    return found


def _made(kind: Any, state: Any) -> Any:  # noqa: ANN401, a class and a state of the user's
    try:
        event = object.__new__(kind)
        object.__setattr__(event, "__dict__", state)
    except Exception as error:  # noqa: BLE001, what Python says of a class
        return broken(MAKE, error)
    return event


def _stream(stream: str, events: list[tuple[int, Any]], stepper: Stepper) -> Rebuilt:
    """Return how far a stream comes."""
    aggregate: Any = None
    for row, event in events:
        failed = event if event.__class__ is Broken else None
        if failed is None:
            if not hasattr(event, "mutate"):
                return Rebuilt(stream, len(events), None, is_aggregate=False)
            stepper.watch(row)
            try:
                allow(event, stepper)
                aggregate = event.mutate(aggregate)
            except BaseException as error:  # noqa: BLE001, what a user's class raises
                failed = broken(APPLY, error)
                if isinstance(error, AssertionError) and not failed.message and aggregate is None:
                    failed = failed._replace(
                        message="the stream does not begin with its first event"
                    )
            finally:
                stepper.watch(IDLE)
        if failed is not None:
            said = f"{failed.error}: {failed.message}".removesuffix(": ")
            return Rebuilt(stream, len(events), row, said)
    return Rebuilt(stream, len(events), None)


def allow(event: Any, stepper: Stepper) -> None:  # noqa: ANN401, of the user's class
    """Let the library find the aggregate's class among the named ones, and nowhere else."""
    topic = vars(event).get("originator_topic")
    if isinstance(topic, str):
        stepper.classes.shared_with_library(topic)
