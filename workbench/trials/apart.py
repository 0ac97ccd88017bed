"""What was replayed in a process of its own, and how: what has to be said to do it again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Apart:
    """The arguments of `replay_revision` that say what runs."""

    place: str
    """Where the projection is: 'module:Name', or 'module:Name@REVISION'."""
    key: tuple[str, ...] = ()
    """Of a Polars function, the columns that tell the rows of its table apart."""
    on_error: str = "stop"
    """'stop' or 'collect'."""
    view: str | None = None
    """Of a projection of the library, the class of its view, as 'module:Name'."""
    classes: tuple[str, ...] = ()
    """Of what is of the library, the modules of the events' classes."""
    scratch: str | None = field(default=None, repr=False)
    """Of a view in PostgreSQL, the database in which it may run."""
