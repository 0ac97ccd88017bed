"""What the pages know of the person who looks at them: the zone of times, and where exports go.

It is set before anything is shown, and whatever is shown then reads it: so a page does not
hand it on from part to part.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from workbench.dashboards.exporting import Exported
    from workbench.dashboards.shelf import Shelf

UTC_NAME = "UTC"


@dataclass(frozen=True, slots=True)
class Session:
    """One person at the pages."""

    zone: str = UTC_NAME
    """In which zone times are shown, by its IANA name."""
    shelf: Shelf | None = None
    """Where files wait to be fetched; None where no server of ours could hand them out."""
    on_export: Callable[[Exported], None] | None = None
    """Told of each table that is exported, before it is handed out."""

    @property
    def is_local(self) -> bool:
        """Whether times are shown in another zone than UTC."""
        return self.zone != UTC_NAME

    def tell(self, exported: Exported) -> None:
        """Tell whoever looks after exports of one, before it is handed out."""
        if self.on_export is not None:
            self.on_export(exported)

    def local(self, moment: datetime) -> datetime:
        """Return a moment as a clock in the zone shows it."""
        return moment.astimezone(ZoneInfo(self.zone))


_PRESENT: ContextVar[Session] = ContextVar("session", default=Session())  # noqa: B039, it is frozen


def present() -> Session:
    """Return the session for which something is shown now."""
    return _PRESENT.get()


def show_for(session: Session) -> None:
    """Say for whom all that follows is shown."""
    _PRESENT.set(session)


def zone_of(name: object) -> str:
    """Return the zone that a browser names, UTC where there is none of that name.

    Examples
    --------
    >>> zone_of("Europe/Berlin"), zone_of("../etc/passwd"), zone_of(None)
    ('Europe/Berlin', 'UTC', 'UTC')
    """
    return name if isinstance(name, str) and name in available_timezones() else UTC_NAME
