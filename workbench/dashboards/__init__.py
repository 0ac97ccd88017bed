"""Pages over histories, served by Panel from this machine alone unless told otherwise.

`serve` opens them for a browser, `page` for a notebook cell. Every page is a thin skin
over functions that return frames: `queries` and `summary` hold them, without Panel.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import secrets
import socket
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from workbench.dashboards.access import EVERYWHERE, LOOPBACK, Access, OAuth
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bokeh.server.server import Server
    from panel import Column

    from workbench import Projection
    from workbench.dashboards.address import Place
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.offering import Offer
    from workbench.dashboards.shelf import Shelf
    from workbench.dashboards.shell import Workbench
    from workbench.history import History

__all__ = ["page", "serve", "serve_folder"]

MOST_NAMED = 3  # histories, in a title
LOCAL = Access()
"""This machine alone, without a login."""
OF_ONE = Access(ready=0)
"""The same, for one person who has chosen no history yet."""


def serve(
    histories: Mapping[str, History],
    *,
    projections: Mapping[str, Offer | type[Projection]] | None = None,
    classes: Sequence[str] = (),
    port: int = 5006,
    show: bool = False,
    on_ready: Callable[[str], None] | None = None,
    access: Access = LOCAL,
) -> None:
    """Serve the pages over some histories, until interrupted; on 127.0.0.1 unless told.

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
    access
        Where to listen, and who may see the pages.

    Raises
    ------
    WorkbenchError
        If there is no history, or the port is taken.
    AccessError
        If the pages would be open to strangers.
    """
    if not histories:
        raise WorkbenchError("Cannot serve: no history was given. Name at least one.")
    access.check()
    port = _free(access.host, port)
    from workbench.dashboards.answers import Answers

    answers = {name: Answers(history, projections, classes) for name, history in histories.items()}
    next(iter(answers.values())).prepare()
    _serve(answers, port, access, show=show, on_ready=on_ready)


def serve_folder(
    path: Path,
    *,
    port: int = 5006,
    show: bool = False,
    prefix: str = "",
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a page that lists the stores of a folder, and their pages, on 127.0.0.1 alone.

    Parameters
    ----------
    path
        The folder.
    port
        Where to listen; 0 takes a free one.
    show
        Whether to open a browser.
    prefix
        What stands before every path, where a proxy hands requests on: '/user/me/workbench'.
    on_ready
        Called with the address of the list, once it can be opened.

    Raises
    ------
    WorkbenchError
        If the port is taken.
    """
    port = _free(LOCAL.host, port)
    from workbench.dashboards.folder import Folder, listed
    from workbench.dashboards.parts import column, text
    from workbench.dashboards.style import sheets
    from workbench.dashboards.visits import frame

    folder = Folder(path)

    def start() -> Column:
        from bokeh.io import curdoc

        frame(curdoc())
        return column(text(listed(path, folder.look())), stylesheets=sheets("root"))

    _serve(
        folder,
        port,
        OF_ONE,
        show=show,
        on_ready=None if on_ready is None else lambda address: on_ready(f"{address}start"),
        prefix=prefix,
        others={"/start": start},
    )


def _serve(
    answers: Mapping[str, Answers],
    port: int,
    access: Access,
    *,
    show: bool,
    on_ready: Callable[[str], None] | None,
    prefix: str = "",
    others: Mapping[str, Callable[[], object]] | None = None,
) -> None:
    import panel as pn
    from bokeh.util.warnings import BokehUserWarning

    from workbench.dashboards.audit import append
    from workbench.dashboards.ready import ReadySessions
    from workbench.dashboards.sending import mend_sending
    from workbench.dashboards.shelf import Shelf
    from workbench.dashboards.visits import Visits

    pn.extension("tabulator", "plotly")
    mend_sending()
    # Bokeh says so of every button that was not on the page from the beginning.
    warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)
    if access.audit_log is not None:
        append(access.audit_log)
    shelf = Shelf()
    visits = Visits(answers, access, shelf)
    title = f"{', '.join(list(answers)[:MOST_NAMED])} · event workbench"
    try:
        applications = {"/": visits.open, **(others or {})}
        server = _guarded(applications, title, port, access, show=show, shelf=shelf, prefix=prefix)
    except OSError as error:
        raise _refused(port, error) from error
    # What is there by now stays: without that, each look for garbage halts all pages.
    gc.collect()
    gc.freeze()
    with shelf:
        server.start()
        contexts = server._tornado._applications  # noqa: SLF001, as below
        server.io_loop.add_callback(ReadySessions(contexts["/"], visits, access.ready).fill)
        if on_ready is not None:
            on_ready(f"{_address(access, port).removesuffix('/')}{prefix}/")
        server.run_until_shutdown()


def _guarded(
    applications: Mapping[str, Callable[[], object]],
    title: str,
    port: int,
    access: Access,
    *,
    show: bool,
    shelf: Shelf,
    prefix: str,
) -> Server:
    """Return a server behind a gate, which listens but does not answer yet."""
    import panel as pn

    from workbench.dashboards.gate import Gate, guard, hidden_from_page
    from workbench.dashboards.login import Desk, login_options
    from workbench.dashboards.shelf import ROUTE, Fetch

    secret = secrets.token_urlsafe(32)
    hosts = access.hosts(port)
    # Servers of one host share their cookies; the name of Panel's OAuth cookie is Panel's.
    cookie = "user" if isinstance(access.login, OAuth) else f"workbench-{port}"
    gate = Gate(access.login, secret, hosts, cookie)
    server: Server = pn.serve(  # type: ignore[no-untyped-call]
        dict(applications),
        prefix=prefix,
        address=access.host,
        port=port,
        websocket_origin=[host for host in hosts if not host.startswith("[")],
        title=title,
        show=show,
        start=False,
        verbose=False,
        extra_patterns=[(ROUTE, Fetch, {"shelf": shelf})],
        cookie_secret=secret,
        sign_sessions=True,
        secret_key=secrets.token_bytes(32),
        ssl_certfile=access.certificate and str(access.certificate),
        ssl_keyfile=access.certificate_key and str(access.certificate_key),
        **login_options(Desk(gate, is_secret=access.is_secret)),
        **hidden_from_page(),
    )
    application = server._tornado  # noqa: SLF001, Bokeh has no other way to it
    application._websocket_origins.update(hosts)  # noqa: SLF001, it takes no address of IPv6
    guard(application, gate)
    return server


def _address(access: Access, port: int) -> str:
    """Return where a browser on this machine opens the pages."""
    scheme = "http" if access.certificate is None else "https"
    host = LOOPBACK if access.host in EVERYWHERE else access.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


def page(
    history: History,
    projections: Sequence[type[Projection]] = (),
    place: Place | None = None,
    *,
    classes: Sequence[str] = (),
    alone: bool = False,
    writes: bool = False,
    revisions: bool = False,
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
    classes
        Where the classes of the events are, for the dry run of upcasters.
    alone
        Whether the page stands alone, until a click leads to another.
    writes
        Whether projections may be written on it: their code runs in this process.
    revisions
        Whether code of git revisions may be run from it, in processes of its own.
    """
    import panel as pn

    from workbench.dashboards.answers import Answers
    from workbench.dashboards.shell import Workbench

    pn.extension("tabulator", "plotly", inline=True)
    offered = {projection.__name__: projection for projection in projections}
    workbench = Workbench(
        {history.name: Answers(history, offered, classes)},
        place,
        alone=alone,
        writes=writes,
        revisions=revisions,
    )
    # A notebook's own loop is busy with the cell that calls this.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, workbench.start()).result()
    with suppress(RuntimeError):  # a script has no loop in which a page could stay current
        workbench.follow_in(asyncio.get_running_loop().call_soon_threadsafe)
    return workbench


def _free(host: str, port: int) -> int:
    """Return the port, or any free one for 0; tried before Panel, which takes long to load."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
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
