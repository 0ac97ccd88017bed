"""A laboratory for event streams: browse history, replay it, compare versions.

`open_history` opens a store of events for reading only; a `History` answers with
Polars frames; `replay` runs a `Projection` over it and remembers every change;
`compare` says where two such trials differ, since which event, and why. `diff` and
`check_compatibility` hold schemas against each other and against what is stored. In a
notebook, `%load_ext workbench` makes the cell magic `%%trial` known.
"""

from workbench.comparing.comparison import Comparison, compare, propose_correction
from workbench.compatibility import SchemaDiff, check_compatibility, diff
from workbench.copying import Copied, copy_history
from workbench.edits import Edit, NewEvent
from workbench.errors import WorkbenchError
from workbench.event import Event
from workbench.extension import load_ipython_extension
from workbench.history import History
from workbench.opening import open_history
from workbench.pages import browse, replay_page
from workbench.projections.declared import Projection, handles
from workbench.projections.rows import table
from workbench.reading import Progress
from workbench.replay import load_trial, replay
from workbench.tracing import Lanes
from workbench.trials.trial import Trial
from workbench.upcasting.checking import check_upcasters
from workbench.upcasting.draft_tests import draft_test
from workbench.upcasting.drafting import draft_upcaster
from workbench.upcasting.releases import ReleaseComparison, compare_releases
from workbench.upcasting.report import UpcasterReport

__all__ = [
    "Comparison",
    "Copied",
    "Edit",
    "Event",
    "History",
    "Lanes",
    "NewEvent",
    "Progress",
    "Projection",
    "ReleaseComparison",
    "SchemaDiff",
    "Trial",
    "UpcasterReport",
    "WorkbenchError",
    "browse",
    "check_compatibility",
    "check_upcasters",
    "compare",
    "compare_releases",
    "copy_history",
    "diff",
    "draft_test",
    "draft_upcaster",
    "handles",
    "load_ipython_extension",
    "load_trial",
    "open_history",
    "propose_correction",
    "replay",
    "replay_page",
    "table",
]
