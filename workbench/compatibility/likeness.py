"""How alike two fields are, so that a renaming can be offered."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from workbench.compatibility.outlines import Outline

LEAST = 0.5
"""The likeness from which a renaming is offered."""
NAME_WEIGHT = 0.6


class Renaming(NamedTuple):
    """A field that was lost and one that is new, and how alike they are, 0 to 1."""

    old: str
    new: str
    likeness: float


def renamings(lost: dict[str, Outline], new: dict[str, Outline]) -> list[Renaming]:
    """Return pairs of a lost and a new field that may be one: each is the other's most alike.

    Parameters
    ----------
    lost, new
        The fields by name.

    Notes
    -----
    Likeness is 0.6 times that of the names (the longest matching pieces of both, as
    `difflib` has it, the same both ways round) and 0.4 times that of what they hold (kinds
    and inner fields that both have, as part of those that either has).
    """
    found = sorted(
        (Renaming(a, b, likeness(a, lost[a], b, new[b])) for a in lost for b in new),
        key=lambda pair: (-pair.likeness, min(pair.old, pair.new), max(pair.old, pair.new)),
    )
    taken: set[str] = set()
    offered = []
    for pair in found:
        if pair.likeness >= LEAST and not {f"<{pair.old}", f">{pair.new}"} & taken:
            taken |= {f"<{pair.old}", f">{pair.new}"}
            offered.append(pair)
    return offered


def likeness(name: str, old: Outline, other: str, new: Outline) -> float:
    """Return how alike two fields are, 0 to 1, to three places."""
    names = [(name.casefold(), other.casefold()), (other.casefold(), name.casefold())]
    of_names = max(SequenceMatcher(None, a, b, autojunk=False).ratio() for a, b in names)
    held = _held(old), _held(new)
    of_held = len(held[0] & held[1]) / len(held[0] | held[1]) if held[0] | held[1] else 1.0
    return round(NAME_WEIGHT * of_names + (1 - NAME_WEIGHT) * of_held, 3)


def _held(outline: Outline) -> set[str]:
    return set(outline.kinds - {"null"}) | {f".{name}" for name in outline.fields()}
