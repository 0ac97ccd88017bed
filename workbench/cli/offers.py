"""What `workbench serve` offers for replay: the options, and the modules that they name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.errors import ProjectionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from workbench.dashboards.offering import Offer

PROJECTIONS = (
    click.option(
        "--projections",
        multiple=True,
        metavar="MODULE",
        help="Offer its projections for replay. It is imported. Repeatable.",
    ),
    click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="FUNCTION=COLUMN",
        help="Offer a Polars function of these modules too: what tells its rows apart. Repeatable.",
    ),
)


def offers_of(
    names: Sequence[str], keys: Sequence[str] = (), classes: Sequence[str] = ()
) -> dict[str, Offer]:
    """Return what the modules that the user named offer, by name.

    Parameters
    ----------
    names
        The modules, as Python imports them in the current folder.
    keys
        What `--key` says of Polars functions.
    classes
        What `--classes` says of where the classes of events are.

    Raises
    ------
    ProjectionError
        If there is no such module, it cannot be imported, or it defines no projection.
    click.BadParameter
        If a key is not of the form FUNCTION=COLUMN.
    """
    from workbench.dashboards.offering import offered

    given = _columns(keys)
    if not names and not given:
        return {}
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    modules = [_module(name) for name in names]
    # NAME=WHERE names a stored module that lies elsewhere by now.
    within = [text.partition("=")[2] or text for text in classes]
    found = offered(modules, keys=given, classes=within)
    for module in modules:
        own = {name: keys for name, keys in given.items() if hasattr(module, name)}
        if not offered([module], keys=own, classes=within):
            msg = (
                f"Cannot offer the projections of {module.__name__!r}: it defines none. Name the "
                "module in which classes derive from workbench.Projection, or from the library's "
                "beside their view, or name the key of a Polars function: --key."
            )
            raise ProjectionError(msg)
    return found


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        msg = (
            f"Cannot import the projections of {name!r}: {type(error).__name__}: {error}. "
            "Name a module as Python imports it in this folder, such as shop.views."
        )
        raise ProjectionError(msg) from error


def _columns(keys: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in keys:
        name, equals, column = text.partition("=")
        if not (name and equals and column):
            msg = f"{text!r} is not of the form FUNCTION=COLUMN."
            raise click.BadParameter(msg, param_hint="--key")
        found.setdefault(name, []).append(column)
    return found
