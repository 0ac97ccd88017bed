"""Trials and comparisons that are made once, kept while there is room, and shared."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.comparing.comparison import compare
from workbench.revisions import commit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from threading import Event

    from workbench import Comparison, Progress, Trial
    from workbench.dashboards.named_edits import NamedEdit
    from workbench.dashboards.offering import Offer
    from workbench.history import History

    Tell = Callable[[Progress], None]
    Make = Callable[[Tell, Event], Trial]

T = TypeVar("T")

MOST_HEAVY = 6  # trials and comparisons, which hold every change of their tables


class Heavy:
    """A few large things that are made once, and shared."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def recall(self, key: Hashable) -> Any:  # noqa: ANN401, whatever was made
        """Return what is kept under a key, None if nothing is."""
        with self._lock:
            return self._kept.get(key)

    def once(self, key: Hashable, make: Callable[[], T], is_whole: Callable[[T], bool]) -> T:
        """Return what is kept, or is made now; others who ask meanwhile wait for it."""
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            found: T | None = self.recall(key)
            if found is None:
                found = make()
                if is_whole(found):
                    self.keep(key, found)
        return found

    def keep(self, key: Hashable, made: object) -> None:
        """Keep what was made, and forget what was made longest ago."""
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > MOST_HEAVY:
                forgotten, _ = self._kept.popitem(last=False)
                self._making.pop(forgotten, None)


@dataclass(frozen=True, slots=True)
class Asked:
    """A trial that is asked for: what is run, and over what."""

    offer: Offer
    edit: NamedEdit | None = None
    """What if the history were edited so."""
    after: int | None = None
    upto: int | None = None
    """The positions that are replayed: after the one, up to and with the other."""
    revision: str | None = None
    """The git revision whose code runs; None for that which is loaded here."""

    def at_commit(self) -> Asked:
        """Return it with the commit that its revision names now, which stays what it is.

        Raises
        ------
        RevisionError
            If there is no such revision, or no repository in the current folder.
        """
        if self.revision is None:
            return self
        return replace(self, revision=commit_of(self.revision, Path.cwd()))


class Trials:
    """The trials over one history.

    Parameters
    ----------
    history
        What is replayed.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._heavy = Heavy()

    def over(self, edit: NamedEdit | None) -> History:
        """Return the history as an edit leaves it; the edit is made once while nothing is new.

        Raises
        ------
        EditError
            If it cannot be made.
        """
        if edit is None or not edit.steps:
            return self._history
        key = ("edit", edit, self._history.source.head())
        return self._heavy.once(key, lambda: edit.applied(self._history), lambda _: True)

    def kept(self, asked: Asked) -> Trial | None:
        """Return the trial that is asked for, if somebody has made it."""
        found: Trial | None = self._heavy.recall(self._key(asked))
        return found

    def made(self, asked: Asked, tell: Tell, stop: Event) -> Trial:
        """Return the trial that is asked for: as it was made, or made now.

        One that was stopped is not kept for others.

        Raises
        ------
        WorkbenchError
            As `replay` and `History.edit` do.
        """
        asked = asked.at_commit()
        return self.once(self._key(asked), lambda: self._replayed(asked, tell, stop))

    def once(self, key: Hashable, make: Callable[[], Trial]) -> Trial:
        """Return the trial that is kept under a key, or is made now."""
        return self._heavy.once(key, make, lambda trial: trial.is_complete)

    def resumed(self, asked: Asked, trial: Trial, tell: Tell, stop: Event) -> Trial:
        """Return a trial that was stopped, with what was left of it; kept if nothing is now.

        Raises
        ------
        WorkbenchError
            As `Trial.resume` does.
        """
        found = trial.resume(progress=tell, stop=stop)
        if found.is_complete:
            self._heavy.keep(self._key(asked), found)
        return found

    def advanced(self, asked: Asked, trial: Trial) -> Trial:
        """Return a trial that was made, with the events that have come since.

        It is advanced once for all who look at it, and the one before stays as it was.

        Raises
        ------
        WorkbenchError
            As `Trial.advance` does.
        """
        return self.once(self._key(asked), lambda: trial.advance(progress=False))

    def compared(self, a: Trial, b: Trial) -> Comparison:
        """Return how two trials differ.

        Raises
        ------
        WorkbenchError
            As `compare` does.
        """
        return self._heavy.once(("compare", a, b), lambda: compare(a, b), lambda _: True)

    def compared_as(self, asked: tuple[Asked, Asked], tell: Tell, stop: Event) -> Comparison | None:
        """Return how the trials that are asked for differ, up to one head; None if stopped.

        Raises
        ------
        WorkbenchError
            As `made` and `compare` do.
        """
        head = self._history.source.head()
        made = [self.made(one, tell, stop) for one in asked]
        if self._history.source.head() != head:  # the log has grown between the two
            upto = head if asked[0].upto is None else asked[0].upto
            made = [self.made(replace(one, upto=upto), tell, stop) for one in asked]
        return self.compared(*made) if all(trial.is_complete for trial in made) else None

    def can_grow(self, asked: Asked) -> bool:
        """Return whether what comes belongs to a trial, and its code is here to handle it."""
        return asked.edit is None and asked.upto is None and asked.revision is None

    def compared_anew(self, asked: tuple[Asked, Asked], found: Comparison) -> Comparison:
        """Return how two trials differ once both have what came; the same if nothing came.

        Raises
        ------
        WorkbenchError
            As `advanced` and `compare` do.
        """
        a, b = self.advanced(asked[0], found.a), self.advanced(asked[1], found.b)
        if (a, b) == (found.a, found.b) or a.last_position != b.last_position:
            return found  # more came between the two: the next news compares them
        return self.compared(a, b)

    def _replayed(self, asked: Asked, tell: Tell, stop: Event) -> Trial:
        history = self.over(asked.edit).between(after=asked.after, upto=asked.upto)
        return asked.offer.replay(history, progress=tell, stop=stop, revision=asked.revision)

    def _key(self, asked: Asked) -> Hashable:
        """Return what tells trials apart: one of yesterday, of a log that grows, is another."""
        head = self._history.source.head() or 0
        upto = head if asked.upto is None else min(asked.upto, head)
        return (
            asked.offer,
            asked.edit if asked.edit and asked.edit.steps else None,
            asked.after,
            upto,
            asked.revision,
        )
