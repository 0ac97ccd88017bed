"""A trial that is kept current: advanced each time that its history has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.following import Follower

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator

    from workbench.following import OnTrouble
    from workbench.sources import Selection, Source
    from workbench.trials.trial import Trial


def follow(
    trial: Trial, stop: threading.Event | None, on_trouble: OnTrouble | None
) -> Generator[Trial, None, None]:
    """Yield the trial advanced, as `Trial.follow` says."""
    history = trial.engine.followed()
    follower = Follower(
        history.source,
        trial.last_position if trial.is_complete else 0,
        upto=history.selection.upto,
        stop=stop,
        on_trouble=on_trouble,
    )
    current = trial

    def advanced(_source: Source, _unread: Selection) -> Iterator[Trial]:
        nonlocal current
        before, current = current, current.advance(progress=False)
        if current is not before:
            yield current

    def until_interrupted() -> Generator[Trial, None, None]:
        for made in follower.each(advanced):
            yield made
            if not made.is_complete:
                return  # a Ctrl-C came while events were handled, and ends this too

    return until_interrupted()
