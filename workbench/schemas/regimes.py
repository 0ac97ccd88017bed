"""Which beginnings in the payloads of one schema version are changes: silent versions.

Optional fields, nulls and whole numbers among fractions make shapes that differ all
the time. A change is something else: what was never there before, is there from some
event on, in so many events that it cannot be by chance that it was not there before.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

from workbench.schemas.statistics import NEVER, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.schemas.cells import Cell
    from workbench.schemas.shapes import Path

MISSING = "missing"
"""What stands for a kind where a field is not there."""
PRESENT = "present"
"""What stands for any kind, where a field is there that never was."""
LEAST_EVIDENCE = log(1e6)
"""How much more likely a change must be than none, as a natural logarithm."""


class Beginning(NamedTuple):
    """What is there since an epoch, and never was before."""

    path: Path
    kind: str
    before: int
    """Events before it that might have had it."""
    seen: Seen
    """Events that have it since."""
    after: int
    """Events since that might have it."""

    @property
    def evidence(self) -> float:
        """How much more likely it is that something has changed, as a logarithm."""
        return evidence(self.before, self.seen.events, self.after)


def evidence(before: int, events: int, after: int) -> float:
    """Return how much more likely a change is than none, as a natural logarithm.

    Parameters
    ----------
    before
        Events before, none of which has it.
    events
        Events since that have it.
    after
        All events since.

    Notes
    -----
    The logarithm of the likelihood ratio of two binomial models: a share of 0 before
    and of `events` / `after` since, against one share throughout. See S. S. Wilks, "The
    large-sample distribution of the likelihood ratio" (1938).

    Examples
    --------
    >>> round(evidence(10, 10, 10), 2), round(evidence(10, 1, 10), 2)
    (13.86, 0.72)
    """
    whole = before + after
    return _likelihood(events, after) - _likelihood(events, whole)


def _likelihood(events: int, of: int) -> float:
    rest = of - events
    found = events * log(events / of) if events else 0.0
    return found + (rest * log(rest / of) if rest else 0.0)


class Regime(NamedTuple):
    """Events of one silent version, and what it began with."""

    cell: Cell
    began_with: tuple[Beginning, ...]


def regimes(epochs: Sequence[Cell]) -> list[Regime]:
    """Return the silent versions of a type and declared schema version, in order.

    Parameters
    ----------
    epochs
        What is known of its events, cut wherever something is there for the first time.

    Notes
    -----
    An epoch begins a silent version if a kind of value at a path, or the lack of a
    field, that no event had before, is a change: the likelihood ratio of a change
    against none is above 1,000,000 (`evidence`), counted from the beginning of the
    silent version before it. For a field that is always there since, ten events before
    and ten after are enough. Where a field or a kind that was there at times is not
    there any more, no silent version begins: nothing in the events is new.
    """
    rest = _suffixes(epochs)
    found = [Regime(epochs[0], ())]
    past = epochs[0]
    for i in range(1, len(epochs)):
        since = found[-1].cell
        news = [b for b in beginnings(past, since, rest[i]) if _begins_in(b, epochs[i])]
        changes = tuple(b for b in news if b.evidence >= LEAST_EVIDENCE)
        if changes:
            found.append(Regime(epochs[i], changes))
        else:
            found[-1] = found[-1]._replace(cell=since.join(epochs[i]))
        past = past.join(epochs[i])
    return found


def _suffixes(epochs: Sequence[Cell]) -> list[Cell]:
    """Return for each epoch what is known of it and all later ones."""
    found = [epochs[-1]]
    for epoch in reversed(epochs[:-1]):
        found.append(epoch.join(found[-1]))
    return found[::-1]


def _begins_in(beginning: Beginning, epoch: Cell) -> bool:
    seen = seen_in(epoch, beginning.path, beginning.kind)
    return seen.events > 0 and seen.first_nth == beginning.seen.first_nth


def seen_in(cell: Cell, path: Path, kind: str) -> Seen:
    """Return in which events of a cell a kind, or a field at all, or its lack, is there."""
    if kind == MISSING:
        return cell.missing(path)
    known = cell.fields.get(path)
    if known is None:
        return NEVER
    if kind == PRESENT:
        return there(cell, path)
    return known.kinds[kind].seen if kind in known.kinds else NEVER


def there(cell: Cell, path: Path) -> Seen:
    """Return in which events a field is there, of any kind."""
    known = cell.fields[path]
    found = NEVER
    for kind in known.kinds.values():
        found = found.join(kind.seen)
    # Events in which it has several kinds, in the items of a list, are counted once.
    most = cell.around(path) - (known.missing.events if len(known.kinds) > 1 else 0)
    return found._replace(events=min(found.events, max(most, 1)))


def beginnings(past: Cell, since: Cell, rest: Cell) -> Iterator[Beginning]:
    """Yield what is there in the rest, and in no event of the past.

    Parameters
    ----------
    past
        All events before.
    since
        Those of them that count as the state before.
    rest
        All events after.
    """
    for path in dict.fromkeys((*past.fields, *rest.fields)):
        before = since.around(path)
        if not before:
            continue
        known = rest.fields.get(path)
        is_new = path not in past.fields or not past.fields[path].kinds
        kinds = (PRESENT,) if is_new else (*(known.kinds if known else ()), MISSING)
        for kind in kinds:
            seen = seen_in(rest, path, kind)
            if seen.events and not seen_in(past, path, kind).events:
                yield Beginning(path, kind, before, seen, rest.around(path))
