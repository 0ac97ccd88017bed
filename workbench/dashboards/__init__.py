"""Pages over histories, served by Panel from this machine alone.

`serve` opens them for a browser, `page` for a notebook cell. Every page is a thin skin
over functions that return frames: `queries` and `summary` hold them, without Panel.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workbench import Projection
    from workbench.dashboards.address import Place
    from workbench.dashboards.offering import Offer
    from workbench.dashboards.shell import Workbench
    from workbench.history import History

__all__ = ["page", "serve"]

ADDRESS = "127.0.0.1"


def serve(
    histories: Mapping[str, History],
    *,
    projections: Mapping[str, Offer | type[Projection]] | None = None,
    classes: Sequence[str] = (),
    port: int = 5006,
    show: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the pages over some histories on 127.0.0.1, until interrupted.

    Parameters
    ----------
    histories
        By the name under which each is shown. Of several, one is chosen on the page.
    projections
        What may be replayed, by the name under which it is offered.
    classes
        Where the classes of the events are, for the dry run of upcasters.
    port
        Where to listen; 0 takes a free one.
    show
        Whether to open a browser.
    on_ready
        Called with the address, once it can be opened.

    Raises
    ------
    WorkbenchError
        If there is no history, or the port is taken.
    """
    if not histories:
        raise WorkbenchError("Cannot serve: no history was given. Name at least one.")
    port = _free(port)

    import panel as pn
    from bokeh.io import curdoc
    from bokeh.models import CustomJS
    from bokeh.util.warnings import BokehUserWarning

    from workbench.dashboards.address import place_of
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.session import Session
    from workbench.dashboards.shelf import ROUTE, Fetch, Shelf
    from workbench.dashboards.shell import Workbench
    from workbench.dashboards.style import LOST, asset

    pn.extension("tabulator", "plotly")
    # Bokeh says so of every button that was not on the page from the beginning.
    warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)
    answers = {name: Answers(history, projections, classes) for name, history in histories.items()}
    next(iter(answers.values())).prepare()
    title = f"{', '.join(answers)} · event workbench"
    shelf = Shelf()

    def opened() -> Workbench:
        location = pn.state.location
        workbench = Workbench(
            answers, place_of(location.search if location else ""), Session(shelf=shelf)
        )
        pn.state.onload(workbench.start)
        document = curdoc()
        document.template = asset("page.html")  # type: ignore[assignment]  # Panel takes text too
        document.js_on_event("connection_lost", CustomJS(code=LOST))
        return workbench

    try:
        server = pn.serve(  # type: ignore[no-untyped-call]
            {"/": opened},
            address=ADDRESS,
            port=port,
            websocket_origin=[f"{ADDRESS}:{port}", f"localhost:{port}"],
            title=title,
            show=show,
            start=False,
            verbose=False,
            extra_patterns=[(ROUTE, Fetch, {"shelf": shelf})],
        )
    except OSError as error:
        raise _refused(port, error) from error
    with shelf:
        server.start()
        if on_ready is not None:
            on_ready(f"http://{ADDRESS}:{port}/")
        server.run_until_shutdown()


def page(
    history: History,
    projections: Sequence[type[Projection]] = (),
    place: Place | None = None,
) -> Workbench:
    """Return the pages over one history, to stand in a notebook cell.

    Parameters
    ----------
    history
        What they show.
    projections
        What may be replayed there.
    place
        Where they begin; the overview by default.
    """
    import panel as pn

    from workbench.dashboards.answers import Answers
    from workbench.dashboards.shell import Workbench

    pn.extension("tabulator", "plotly", inline=True)
    offered = {projection.__name__: projection for projection in projections}
    workbench = Workbench({history.name: Answers(history, offered)}, place)
    # A notebook's own loop is busy with the cell that calls this.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, workbench.start()).result()
    return workbench


def _free(port: int) -> int:
    """Return the port, or any free one for 0; tried before Panel, which takes long to load."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            raise _refused(port, error) from error
        found: int = probe.getsockname()[1]
        return found


def _refused(port: int, error: OSError | OverflowError) -> WorkbenchError:
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return WorkbenchError(
            f"Cannot serve on port {port}: another program listens there. "
            "Choose another port, or 0 for any that is free."
        )
    return WorkbenchError(
        f"Cannot serve on port {port}: {error}. Choose one from 1024 to 65535, or 0 for any "
        "that is free."
    )
