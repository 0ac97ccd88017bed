"""The pages as they stand in a notebook cell; Panel is loaded when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import ProjectionError, UnknownPageError
from workbench.projections.declared import Projection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.dashboards.shell import Workbench
    from workbench.history import History


def browse(
    history: History,
    *,
    page: str | None = None,
    projections: Sequence[type[Projection]] = (),
    classes: Sequence[str] = (),
    edit_code: bool = False,
    revisions: bool = False,
) -> Workbench:
    """Return the pages over a history, to stand in a notebook cell; no network is needed.

    They stay current while the history grows, as long as they are shown.

    Parameters
    ----------
    history
        What they show, and nothing beside it: narrow it to show less.
    page
        One page by its name, such as "log", alone: the way to the others appears once a click
        leads there. By default all of them, beginning with the overview.
    projections
        What may be replayed on the page Replay.
    classes
        Where the classes of the events are, as `check_upcasters` takes it.
    edit_code
        Whether projections may be written on the page Replay; they run in this process.
    revisions
        Whether the page Compare takes git revisions of the repository of the current folder;
        their code runs in processes of its own.

    Raises
    ------
    ProjectionError
        If one of them does not derive from `workbench.Projection`.
    UnknownPageError
        If there is no such page.
    """
    from workbench.dashboards import page as pages
    from workbench.dashboards.address import PAGES, Place

    if page is not None and page not in PAGES:
        msg = (
            f"Cannot show the page {page!r:.100}: there is none of that name. "
            f"Choose one of {', '.join(PAGES)}."
        )
        raise UnknownPageError(msg)
    offered = [_checked(projection) for projection in projections]
    place = None if page is None else Place(page=page)
    return pages(
        history,
        offered,
        place,
        classes=classes,
        alone=page is not None,
        writes=edit_code,
        revisions=revisions,
    )


def replay_page(
    history: History, projection: type[Projection], *others: type[Projection]
) -> Workbench:
    """Return the page that replays a projection, to stand in a notebook cell.

    It replays at once, over the whole history, and shows the tables as of each step. The way
    to the other pages appears once a click leads there.

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
    place = Place(page="replay", scene=Scene(projection.__name__))
    return page(history, offered, place, alone=True)


def _checked(projection: object) -> type[Projection]:
    if isinstance(projection, type) and issubclass(projection, Projection):
        return projection
    msg = (
        f"Cannot offer {projection!r:.100} for replay: it is no class that derives from "
        "workbench.Projection. Give such a class, or use workbench.replay for other kinds."
    )
    raise ProjectionError(msg)
