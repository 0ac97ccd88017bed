"""What is drafted for two schemas of a history: an upcaster, and a test for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import UpcasterError
from workbench.upcasting.draft_tests import draft_test
from workbench.upcasting.drafting import draft_upcaster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.history import History
    from workbench.schemas import Schema


@dataclass(frozen=True, slots=True)
class Drafts:
    """An upcaster between two schemas and its test, as texts to paste; made by `drafts_of`."""

    upcaster: str
    test: str | None
    """None where none can be drafted."""
    notes: tuple[str, ...] = ()
    """What is to be known of them: why there is no test, which versions are left out."""


def drafts_of(history: History, older: Schema, newer: Schema, mask: Sequence[str] = ()) -> Drafts:
    """Return an upcaster from one schema of a type to another, and a test for it.

    Parameters
    ----------
    history
        Where the examples of the test are taken from: events of the older schema.
    older, newer
        Two schemas of one type.
    mask
        Which values of the examples to hide, as `draft_test` takes it.

    Raises
    ------
    StoreUnreadableError
        If the source can no longer be read.
    """
    version = older.schema_version or 1
    upcaster = draft_upcaster(older, newer, old_version=version)
    notes = _notes(version, newer.schema_version or 1)
    among = history.between(after=older.first_position - 1, upto=older.last_position)
    try:
        test = draft_test(among, older.type, older, newer, old_version=version, mask=mask)
    except UpcasterError as error:
        return Drafts(upcaster, None, (*notes, f"There is no test. {error}"))
    return Drafts(upcaster, test, notes)


def _notes(old: int, new: int) -> tuple[str, ...]:
    said = ""
    if new == old:
        said = (
            f"Both are of version {old}. Give the class version {old + 1}; its upcaster then "
            "meets the events of both."
        )
    elif new < old:
        said = f"This leads back, from version {old} to {new}, which the library never runs."
    elif new > old + 1:
        said = (
            f"This leads from version {old} to the fields of {new} at once. The library runs one "
            "upcaster for each version."
        )
    return (said,) if said else ()
