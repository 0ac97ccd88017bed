"""How many stored events a change really affects: each probe is tried on each payload.

A probe is what the reader's schema asks of the values at a path. An event is affected if it
has a value there that does not satisfy it. A payload is decoded once for all probes, and
only payloads of a version that some probe asks about are decoded at all. One that is no
JSON, or is nested deeper than Python can follow, is left out of those in question.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from workbench.compatibility.places import Field, values_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workbench.compatibility.accepting import Check
    from workbench.compatibility.places import Steps

COLUMNS = ("position", "type", "schema_version", "data")
"""The columns of the event table that are looked at."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The events that one version has written; None means all."""

    type: str | None = None
    schema_version: int | None = None
    first_position: int | None = None
    last_position: int | None = None

    def events(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return those of a frame's events that it has written and that can be read."""
        kept = [pl.col("data").is_not_null()]
        if self.type is not None:
            kept.append(pl.col("type") == self.type)
            kept.append(pl.col("schema_version").eq_missing(self.schema_version))
        if self.first_position is not None and self.last_position is not None:
            kept.append(pl.col("position").is_between(self.first_position, self.last_position))
        return frame.filter(kept)


@dataclass(slots=True)
class Tally:
    """What was counted of one question."""

    affected: int = 0
    of: int = 0
    first_position: int | None = None
    last_position: int | None = None

    def add(self, position: int) -> None:
        """Count an affected event; positions may come in any order."""
        self.affected += 1
        first, last = self.first_position, self.last_position
        self.first_position = position if first is None else min(first, position)
        self.last_position = position if last is None else max(last, position)


@dataclass(frozen=True, slots=True)
class Question:
    """How many of a writer's events have a value at a path that a check refuses."""

    writer: Writer
    steps: Steps
    check: Check | None
    """None where every value is taken, so that no payload has to be read."""
    tally: Tally = field(default_factory=Tally)


def count(questions: Iterable[Question], frames: Iterable[pl.DataFrame]) -> None:
    """Answer the questions: fill their tallies, in one pass over the events.

    Parameters
    ----------
    questions
        What to count.
    frames
        The columns `COLUMNS` of the event table, in parts.
    """
    by_writer: dict[Writer, list[Question]] = {}
    for question in questions:
        by_writer.setdefault(question.writer, []).append(question)
    for frame in frames:
        for writer, asked in by_writer.items():
            _count(asked, writer.events(frame))


def _count(questions: list[Question], events: pl.DataFrame) -> None:
    refusals = []
    for question in questions:
        question.tally.of += events.height
        if question.check is not None:
            refusals.append((refuses(question.steps, question.check), question.tally))
    if not refusals or events.is_empty():
        return
    read = msgspec.json.Decoder().decode
    positions = events["position"].to_list()
    for position, text in zip(positions, events["data"].to_list(), strict=True):
        try:
            payload = read(text)
            found = [tally for is_refused, tally in refusals if is_refused(payload)]
        except (msgspec.DecodeError, RecursionError):
            _leave_out(questions)
            continue
        for tally in found:
            tally.add(position)


def _leave_out(questions: list[Question]) -> None:
    """Take an event that cannot be judged out of those in question."""
    for question in questions:
        question.tally.of -= 1


def refuses(steps: Steps, check: Check) -> Callable[[Any], bool]:
    """Return the function that says whether a payload has a value at a path that is refused."""
    if not steps:
        return lambda payload: not check(payload)
    if all(isinstance(step, Field) for step in steps):
        names = [step.name for step in steps if isinstance(step, Field)]
        return lambda payload: _is_refused_at(payload, names, check)
    return lambda payload: not all(map(check, values_at(payload, steps)))


def _is_refused_at(at: Any, names: list[str], check: Check) -> bool:  # noqa: ANN401, any JSON
    for name in names:
        if not isinstance(at, dict) or name not in at:
            return False
        at = at[name]
    return not check(at)
