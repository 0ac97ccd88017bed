"""A laboratory for event streams: browse history, replay it, compare versions.

`open_history` opens a store of events for reading only; a `History` answers with
Polars frames; `replay` runs a `Projection` over it and remembers every change.
"""

from workbench.errors import WorkbenchError
from workbench.history import History, Progress, open_history
from workbench.projection import Event, Projection, handles, table
from workbench.trial import Trial, replay

__all__ = [
    "Event",
    "History",
    "Progress",
    "Projection",
    "Trial",
    "WorkbenchError",
    "handles",
    "open_history",
    "replay",
    "table",
]
