"""The sample history: a shop's store file, and the three releases that wrote it.

``data/shop.db`` holds 18 months of an online shop, written by really running
:mod:`~workbench.samples.release_1`, then ``release_2``, then ``release_3``, by
:mod:`workbench.samples.make`. Its flaws are on record in ``data/README.md``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.errors import StoreNotFoundError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["RELEASES", "Release", "load_release", "shop_path"]

MODULE: Final = "shop"
"""The module that every release was in its time, and that stored topics name."""


@dataclass(frozen=True)
class Release:
    """One release of the shop's domain model.

    Attributes
    ----------
    name
        What the release is called in prose.
    module
        Where its code is importable, beside the other releases.
    deployed
        When it went live; it wrote every event from then to the next release.
    """

    name: str
    module: str
    deployed: datetime

    @property
    def path(self) -> Path:
        """The file of the release's code."""
        return Path(__file__).with_name(f"{self.module.rpartition('.')[2]}.py")


RELEASES: Final = (
    Release("release 1", f"{__name__}.release_1", datetime(2025, 1, 1, 6, tzinfo=UTC)),
    Release("release 2", f"{__name__}.release_2", datetime(2025, 7, 1, 5, tzinfo=UTC)),
    Release("release 3", f"{__name__}.release_3", datetime(2026, 1, 6, 5, tzinfo=UTC)),
)
"""The releases in the order in which they were deployed."""


def shop_path() -> Path:
    """Return the path of the sample store file.

    Returns
    -------
    Path
        ``data/shop.db`` inside the installed package, or else beside the package
        in a checkout.

    Raises
    ------
    StoreNotFoundError
        If it is in neither place.
    """
    here = Path(__file__).parent
    places = [here / "data" / "shop.db", here.parents[1] / "data" / "shop.db"]
    for place in places:
        if place.is_file():
            return place
    looked = " nor ".join(str(place) for place in places)
    message = (
        f"asked for the sample history, found neither {looked}; "
        f"make one with: python -m workbench.samples.make {places[1]}"
    )
    raise StoreNotFoundError(message)


def load_release(release: Release) -> ModuleType:
    """Return a release's code as the module ``shop``, under which it went live.

    Stored topics such as ``shop:Order.Placed`` then resolve to that release. The
    library remembers for good which class a topic means, so a process can load
    one release in this way. To have several side by side, import them.

    Parameters
    ----------
    release
        One of ``RELEASES``.

    Returns
    -------
    ModuleType
        The module, which is also in ``sys.modules``.

    Raises
    ------
    ImportError
        If a module ``shop`` is already there, or the release's file is not.
    """
    if MODULE in sys.modules:
        found = sys.modules[MODULE].__spec__
        message = (
            f"asked for {release.name} as the module {MODULE!r}, found that name "
            f"taken by {found and found.origin}; use a process of its own"
        )
        raise ImportError(message)
    spec = spec_from_file_location(MODULE, release.path)
    if spec is None or spec.loader is None or not release.path.is_file():
        message = (
            f"asked for {release.name}, found no file {release.path}; install event-workbench again"
        )
        raise ImportError(message)
    module = module_from_spec(spec)
    # The library looks the module up by name while its classes are being made.
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module
