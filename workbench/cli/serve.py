"""The command that serves the pages of one or several histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli.access import ACCESS, Guard
from workbench.cli.app import Answer
from workbench.cli.offers import PROJECTIONS, offers_of
from workbench.cli.options import FILE, NO_OPEN, PORT, STORE, Asked, command
from workbench.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workbench import History, Projection
    from workbench.dashboards.access import Access
    from workbench.dashboards.offering import Offer


def serving(
    histories: Mapping[str, History],
    port: int,
    *,
    is_opened: bool,
    tell: Callable[[str], None],
    projections: Mapping[str, Offer | type[Projection]] | None = None,
    classes: Sequence[str] = (),
    access: Access | None = None,
) -> None:
    """Serve the histories' pages until the user interrupts; `tell` is called with the address."""
    from workbench.dashboards import serve as serve_dashboards

    guarded = {} if access is None else {"access": access}
    serve_dashboards(
        histories,
        projections=projections,
        classes=classes,
        port=port,
        show=is_opened,
        on_ready=tell,
        **guarded,
    )


@command(
    "serve",
    click.argument("targets", metavar="TARGET...", nargs=-1, required=True),
    *PROJECTIONS,
    click.option(
        "--classes",
        multiple=True,
        metavar="[NAME=]WHERE",
        help="Where event classes are, to upcast every event with them. Repeatable.",
    ),
    PORT,
    NO_OPEN,
    *ACCESS,
    *STORE,
    *FILE,
    examples=[
        "serve shop.db --projections shop.views",
        "serve a.db b.db --port 8080 --no-open",
        "serve shop.db --host 0.0.0.0 --auth-file users --tls-cert cert.pem --tls-key key.pem",
    ],
)
def serve(
    asked: Asked,
    targets: tuple[str, ...],
    projections: tuple[str, ...],
    keys: tuple[str, ...],
    classes: tuple[str, ...],
    port: int,
    *,
    no_open: bool,
    **guard: Any,  # noqa: ANN401, the options of `ACCESS`
) -> Answer:
    """Serve pages that show one or more stores.

    They are served on 127.0.0.1 alone, until interrupted. An address that other machines
    reach (--host) needs a login: --auth-file, written by `workbench password`, or
    --oauth-provider, whose key and secret are in PANEL_OAUTH_KEY and PANEL_OAUTH_SECRET.
    """
    access = Guard(**guard).access()
    offers = offers_of(projections, keys, classes)
    found = [asked.opened(target) for target in targets]
    names = [history.name for history in found]
    if len(set(names)) < len(names):
        names = list(map(redacted, targets))
    histories = dict(zip(names, found, strict=True))

    def served(tell: Callable[[str], None]) -> None:
        serving(
            histories,
            port,
            is_opened=not no_open,
            tell=tell,
            projections=offers,
            classes=classes,
            access=access,
        )

    return Answer(
        lambda: {"histories": list(histories), "projections": list(offers)},
        lambda screen: screen.line(f"Serving {', '.join(histories)}. Ctrl-C ends it."),
        serve=served,
    )
