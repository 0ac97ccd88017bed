"""In a process of the user's code: an aggregate as it stood before and after an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.changelog.inferred import as_text
from workbench.projections.kept import fields_of
from workbench.upcasting.rebuilding import allow, events_of
from workbench.upcasting.stepping import Broken, broken
from workbench.upcasting.wire import IDLE, Standing

if TYPE_CHECKING:
    import polars as pl

    from workbench.upcasting.stepping import Stepper

_HIDDEN = {"_pending_events"}
_SHOWN = {"_id": "id", "_version": "version", "_created_on": "created_on"}
_SHOWN |= {"_modified_on": "modified_on"}


def standing(frame: pl.DataFrame, stepper: Stepper) -> Standing:
    """Return how the aggregate of a stream stood before its last event, and after it.

    Parameters
    ----------
    frame
        The events of one stream, in order; the last one is the one that is asked about.
    stepper
        Makes the events.
    """
    events = events_of(frame, stepper)
    aggregate: Any = None
    before: dict[str, str | None] | None = None
    rows, positions = frame["row"].to_list(), frame["position"].to_list()
    for row, position in zip(rows, positions, strict=True):
        event = events[row]
        if row == rows[-1]:
            before = _attributes(aggregate)
        failed = event if event.__class__ is Broken else None
        if failed is None and not hasattr(event, "mutate"):
            return Standing(None, None, None, f"{type(event).__name__} is no aggregate's event")
        if failed is None:
            stepper.watch(row)
            try:
                allow(event, stepper)
                aggregate = event.mutate(aggregate)
            except BaseException as error:  # noqa: BLE001, what a user's class raises
                failed = broken("apply", error)
            finally:
                stepper.watch(IDLE)
        if failed is not None:
            said = f"{failed.error}: {failed.message}".removesuffix(": ")
            where = f"position {position:,}, {failed.step}: {said}"
            return Standing(_name(aggregate), before, None, where)
    return Standing(_name(aggregate), before, _attributes(aggregate))


def _name(aggregate: Any) -> str | None:  # noqa: ANN401, of a class of the user's
    return None if aggregate is None else type(aggregate).__qualname__


def _attributes(aggregate: Any) -> dict[str, str | None] | None:  # noqa: ANN401, the same
    """Return the attributes of an aggregate as text, None where there is none."""
    if aggregate is None:
        return None
    return {
        _SHOWN.get(name, name): as_text(value)
        for name, value in (fields_of(aggregate) or {}).items()
        if name not in _HIDDEN
    }
