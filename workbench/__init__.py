"""A laboratory for event streams: browse history, replay it, compare versions.

`open_history` opens a store of events for reading only; a `History` answers with
Polars frames; `replay` runs a `Projection` over it and remembers every change;
`compare` says where two such trials differ, since which event, and why. `diff` and
`check_compatibility` hold schemas against each other and against what is stored. In a
notebook, `%load_ext workbench` makes the cell magic `%%trial` known.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from workbench.replaying import load_trial, replay
    from workbench.separate.replaying import replay_revision
    from workbench.tracing import Lanes
    from workbench.trials.trial import Trial
    from workbench.upcasting.checking import check_upcasters
    from workbench.upcasting.draft_tests import draft_test
    from workbench.upcasting.drafting import draft_upcaster
    from workbench.upcasting.releases import ReleaseComparison, compare_releases
    from workbench.upcasting.report import UpcasterReport
    from workbench.upcasting.states import StateChange, state_change
else:

    def __getattr__(name: str) -> object:
        """Return a public name, whose module is loaded when it is first asked for."""
        from importlib import import_module

        if name not in _HOMES:
            msg = f"module 'workbench' has no attribute {name!r}"
            raise AttributeError(msg)
        found = globals()[name] = getattr(import_module(f"workbench.{_HOMES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return __all__


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
    "StateChange",
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
    "replay_revision",
    "state_change",
    "table",
]

_HOMES = {
    "Comparison": "comparing.comparison",
    "Copied": "copying",
    "Edit": "edits",
    "Event": "event",
    "History": "history",
    "Lanes": "tracing",
    "NewEvent": "edits",
    "Progress": "reading",
    "Projection": "projections.declared",
    "ReleaseComparison": "upcasting.releases",
    "SchemaDiff": "compatibility",
    "StateChange": "upcasting.states",
    "Trial": "trials.trial",
    "UpcasterReport": "upcasting.report",
    "WorkbenchError": "errors",
    "browse": "pages",
    "check_compatibility": "compatibility",
    "check_upcasters": "upcasting.checking",
    "compare": "comparing.comparison",
    "compare_releases": "upcasting.releases",
    "copy_history": "copying",
    "diff": "compatibility",
    "draft_test": "upcasting.draft_tests",
    "draft_upcaster": "upcasting.drafting",
    "handles": "projections.declared",
    "load_ipython_extension": "extension",
    "load_trial": "replaying",
    "open_history": "opening",
    "propose_correction": "comparing.comparison",
    "replay": "replaying",
    "replay_page": "pages",
    "replay_revision": "separate.replaying",
    "state_change": "upcasting.states",
    "table": "projections.rows",
}
"""The module of each public name: Polars alone takes longer to load than most calls."""
