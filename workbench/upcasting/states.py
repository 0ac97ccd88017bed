"""The state of an aggregate before and after one event, made in a process of its own."""

from __future__ import annotations

import tempfile
import time as clock
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from workbench.description import html_table
from workbench.errors import UnknownPositionError, UpcasterError
from workbench.tables import STATES
from workbench.upcasting.code import code_of
from workbench.upcasting.crew import Crew, OutOfTimeError
from workbench.upcasting.feeding import feed, limited, without_event
from workbench.upcasting.wire import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.classes import Named
    from workbench.history import History

TIME_LIMIT_S = 60.0


@dataclass(frozen=True)
class StateChange:
    """An aggregate as it stood before an event, and after it."""

    aggregate: str | None
    """The name of its class, None where there is none after the event."""
    attributes: pl.DataFrame = field(repr=False, compare=False)
    """Its attributes on both sides: `workbench.tables.STATES`."""
    failed: str | None = None
    """Where an event could not be applied, and why; None if all could."""

    def _repr_html_(self) -> str:
        rows = {
            row["attribute"]: f"{row['before']} → {row['after']}"
            for row in self.attributes.iter_rows(named=True)
        }
        return html_table(self.aggregate or "no aggregate", rows)


def state_change(
    history: History,
    position: int,
    classes: Named | Sequence[Named],
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> StateChange:
    """Return what an event made of its aggregate.

    The events of its stream are applied, as the library's repository does it and without
    snapshots, by the user's code in a process of its own, as in `check_upcasters`.

    Parameters
    ----------
    history
        The events.
    position
        That of the event.
    classes
        Where the classes are, as `check_upcasters` takes them. No other module is imported.
    time_limit_s
        Seconds for the whole.

    Raises
    ------
    UnknownPositionError
        If no event has that position, or it belongs to no stream.
    UpcasterError
        If the code cannot be loaded, or does not come to an end.
    RevisionError
        If there is no such git revision.
    RangeError
        If the limit is not above zero.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> history = open_history(shop_path())
    >>> change = state_change(history, 88, "shop=workbench.samples.release_3")
    >>> change.aggregate, change.attributes.filter(pl.col("attribute") == "version").row(0)
    ('Order', ('version', '1', '2', True))
    """
    limited("time_limit_s", time_limit_s)
    found = history.between(after=position - 1, upto=position).scan().select("stream").collect()
    stream = found["stream"][0] if found.height else None
    if stream is None:
        what = "that event belongs to no stream" if found.height else "there is no such event"
        msg = f"Cannot tell a state at position {position:,}: {what}. Name another position."
        raise UnknownPositionError(msg)
    own = history.of_streams(stream).between(upto=position)
    frame = pl.concat(feed(own)).sort("version", "position", maintain_order=True)
    code = code_of(classes, history.type_names())
    with (
        tempfile.TemporaryDirectory(prefix="workbench-state-") as folder,
        code.request("state") as request,
        Crew(
            request,
            Path(folder),
            size=1,
            event_limit_s=time_limit_s,
            ends=clock.monotonic() + time_limit_s,
            drop=without_event,
        ) as crew,
    ):
        try:
            task = next(crew.run([frame]))
        except OutOfTimeError as error:
            msg = (
                f"Cannot tell the state at position {position:,}: the events of {stream!r} took "
                f"longer than {time_limit_s:g} s. Give a longer time_limit_s."
            )
            raise UpcasterError(msg) from error
    if task.answer is None or task.deaths:
        reason = task.deaths[0].reason if task.deaths else "its process gave no answer"
        msg = f"Cannot tell the state at position {position:,}: {reason}. Mend the named classes."
        raise UpcasterError(msg)
    return _change(msgspec.json.decode(task.answer, type=Standing))


def _change(stood: Standing) -> StateChange:
    before, after = stood.before or {}, stood.after or {}
    rows = [
        {
            "attribute": name,
            "before": before.get(name),
            "after": after.get(name),
            "changed": (name in before, before.get(name)) != (name in after, after.get(name)),
        }
        for name in dict.fromkeys((*before, *after))
    ]
    return StateChange(stood.aggregate, STATES.frame(rows), stood.failed)
