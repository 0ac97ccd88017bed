"""What one edit asks for, as rows of the event table.

All choices look at the history as it is before the edit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from workbench.edits.altering import Altered, altered, read_again
from workbench.edits.choosing import KEY
from workbench.edits.inserting import Inserted, inserted, nothing_inserted
from workbench.edits.overlay import SCHEMA
from workbench.edits.values import few
from workbench.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench.edits.choosing import Chooser
    from workbench.edits.values import Asked


@dataclass(frozen=True)
class Changes:
    """What is asked for, as rows."""

    dropped: pl.DataFrame
    altered: list[Altered]
    moved: pl.DataFrame
    """The events that move, as they are before, in the order given."""
    targets: list[int]
    """After which position each of them goes."""
    inserted: Inserted
    before: pl.DataFrame = field(init=False)
    """The altered events as they are before."""
    rewritten: pl.DataFrame = field(init=False)
    """The altered events as they are now, in the same order."""

    def __post_init__(self) -> None:
        found = read_again(self.altered) if self.altered else no_rows()
        object.__setattr__(self, "before", _befores(self.altered))
        object.__setattr__(self, "rewritten", found)


def no_rows() -> pl.DataFrame:
    """Return no row of the event table, with the column `ROW`."""
    return pl.DataFrame(schema=SCHEMA)


def _befores(changed: list[Altered]) -> pl.DataFrame:
    return pl.DataFrame([one.before for one in changed], schema=SCHEMA) if changed else no_rows()


def found_changes(
    asked: Asked, shown: Chooser, whole: Chooser, full_type: Callable[[str], str]
) -> Changes:
    """Return what is asked for.

    Parameters
    ----------
    asked
        What is to be dropped, altered, inserted and moved.
    shown
        Finds events in what the history shows.
    whole
        Finds events in the whole source.
    full_type
        Gives the full name of a type.

    Raises
    ------
    EditError
        If it is nothing, or cannot be made.
    """
    if all(part is None for part in (asked.drop, asked.alter, asked.insert, asked.move)):
        msg = (
            f"Cannot edit {shown.name!r} by nothing. Say what to drop, alter, insert or move: "
            "history.edit(drop=7)."
        )
        raise EditError(msg)
    dropped = no_rows() if asked.drop is None else shown.chosen(asked.drop, "drop")
    changed = [] if asked.alter is None else altered(asked.alter, shown, full_type)
    moved, targets = (no_rows(), []) if asked.move is None else _moved(asked.move, shown, whole)
    _check_apart(dropped, moved, "moved")
    _check_apart(dropped, _befores(changed), "altered")
    added = (
        nothing_inserted()
        if asked.insert is None
        else inserted(asked.insert, whole, full_type, pl.concat([dropped, moved]))
    )
    return Changes(dropped, changed, moved, targets, added)


def _moved(
    asked: Mapping[int, int], shown: Chooser, whole: Chooser
) -> tuple[pl.DataFrame, list[int]]:
    """Return the events that move, in the order given, and after which position each goes."""
    onto_itself = [position for position, after in asked.items() if position == after]
    if onto_itself:
        msg = (
            f"Cannot move the event at {few(onto_itself)} after itself. "
            "Name another event: move={position: after}."
        )
        raise EditError(msg)
    found = shown.at(asked, "move")
    whole.at(asked.values(), "move an event after")
    order = pl.DataFrame({"position": list(asked)}, schema={"position": pl.Int64})
    moved = order.join(found, on="position", how="left", maintain_order="left")
    return moved.select(SCHEMA.names()), list(asked.values())


def _check_apart(dropped: pl.DataFrame, others: pl.DataFrame, what: str) -> None:
    both = dropped.join(others, on=KEY, how="semi")["position"].to_list()
    if both:
        msg = (
            f"Cannot edit the events at {few(both)}: they are to be dropped and {what} at once. "
            "Ask for one of the two."
        )
        raise EditError(msg)
