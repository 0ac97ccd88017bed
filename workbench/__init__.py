"""A laboratory for event streams: browse history, replay it, compare versions.

`open_history` opens a store of events for reading only; a `History` answers with
Polars frames; `replay` runs a `Projection` over it and remembers every change.
"""

from workbench.errors import WorkbenchError
from workbench.event import Event
from workbench.history import History
from workbench.opening import open_history
from workbench.projection import Projection, handles
from workbench.reading import Progress
from workbench.replay import replay
from workbench.rows import table
from workbench.trial import Trial

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
