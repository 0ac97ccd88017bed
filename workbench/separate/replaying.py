"""The door to replays of code that is not loaded here: of a git revision, or as it is now."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import ProjectionError, ReplayError
from workbench.progress import shown
from workbench.projections.running import Interrupt
from workbench.separate.side import Side, check, handed_over
from workbench.trials.apart import Apart
from workbench.trials.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from workbench.history import History
    from workbench.reading import Progress
    from workbench.trials.trial import Trial


def replay_revision(  # noqa: PLR0913, as replay
    history: History,
    place: str,
    *,
    key: str | Sequence[str] | None = None,
    on_error: Literal["stop", "collect"] = "stop",
    progress: bool | Callable[[Progress], None] = True,
    view: str | None = None,
    classes: Sequence[str] = (),
    scratch: str | None = None,
    root: str | Path | None = None,
    stop: Event | None = None,
) -> Trial:
    """Return the trial of a projection as it is in a git revision, for `compare`.

    It runs in a process of its own, so that the code of this one stays what it is. Without
    a revision it is the code as it lies in the folder now, whatever this process imported
    before. The repository, its hooks and its working tree are left alone.

    Parameters
    ----------
    history
        The events, up to the head as it is. They are copied into a folder of the user's own,
        as the history has them, masked, edited and deciphered, and removed after the replay.
    place
        Where the projection is: 'shop.views:Orders@v1.2', 'shop.views:Orders@main~2', or
        'shop.views:Orders'. What it can be, `replay` says.
    key, on_error, progress, scratch, stop
        As in `replay`.
    view
        For a projection of the library, the class of its view, 'shop.views:OrdersView'; it is
        taken from the same revision.
    classes
        For what is of the library, the names of the modules of the events' classes; they are
        taken from the same revision.
    root
        The folder from which modules are imported: a repository's, or one inside of it. By
        default the current one.

    Returns
    -------
    Trial
        It cannot go on, or run again: it has no code. It is named after the revision.

    Raises
    ------
    RevisionError
        If there is no such repository, revision, module or name.
    ReplayError
        If its process ended, or was stopped before there was a trial.
    WorkbenchError
        As `replay` raises; what handlers raised is told, and not chained.
    """
    if on_error not in {"stop", "collect"}:
        msg = f"Cannot replay with on_error={on_error!r}. Choose 'stop' or 'collect'."
        raise ProjectionError(msg)
    keys = (key,) if isinstance(key, str) else tuple(key or ())
    apart = Apart(place, keys, on_error, view, tuple(classes), scratch)
    folder, interrupt = Path(root or Path.cwd()), Interrupt()
    check(apart, folder)
    with ExitStack() as stack:
        stack.enter_context(stopping(interrupt, stop))
        with shown(progress, f"reading {history.name}") as report:
            handed = stack.enter_context(handed_over(history.with_progress(report)))
        if interrupt.asked:
            msg = f"Stopped before the replay into {place!r} had begun. Replay it again."
            raise ReplayError(msg)
        side = stack.enter_context(Side(apart, handed, folder))
        with shown(progress, f"replaying {place}") as report:
            return side.trial(report, lambda: interrupt.asked)
