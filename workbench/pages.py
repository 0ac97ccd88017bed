"""The pages as they stand in a notebook cell; Panel is loaded when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import ProjectionError
from workbench.projections.declared import Projection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.dashboards.shell import Workbench
    from workbench.history import History


def browse(history: History, *, projections: Sequence[type[Projection]] = ()) -> Workbench:
    """Return the pages over a history, to stand in a notebook cell; no network is needed.

    Parameters
    ----------
    history
        What they show, and nothing beside it: narrow it to show less.
    projections
        What may be replayed on the page Replay.

    Raises
    ------
    ProjectionError
        If one of them does not derive from `workbench.Projection`.
    """
    from workbench.dashboards import page

    return page(history, [_checked(projection) for projection in projections])


def replay_page(
    history: History, projection: type[Projection], *others: type[Projection]
) -> Workbench:
    """Return the page that replays a projection, to stand in a notebook cell.

    It replays at once, over the whole history, and shows the tables as of each step.

    Parameters
    ----------
    history
        What is replayed.
    projection
        What it is replayed into.
    others
        Further ones, which can be chosen there.

    Raises
    ------
    ProjectionError
        If one of them does not derive from `workbench.Projection`.
    """
    from workbench.dashboards import page
    from workbench.dashboards.address import Place, Scene

    offered = [_checked(one) for one in (projection, *others)]
    return page(history, offered, Place(page="replay", scene=Scene(projection.__name__)))


def _checked(projection: object) -> type[Projection]:
    if isinstance(projection, type) and issubclass(projection, Projection):
        return projection
    msg = (
        f"Cannot offer {projection!r:.100} for replay: it is no class that derives from "
        "workbench.Projection. Give such a class, or use workbench.replay for other kinds."
    )
    raise ProjectionError(msg)
