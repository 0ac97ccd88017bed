"""The Python that makes what a page shows of a trial or a comparison; no Panel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from workbench.projections.plan import AggregatePlan, FramePlan, LibraryPlan

if TYPE_CHECKING:
    from workbench import Comparison, Trial


def of_trial(trial: Trial, expression: str) -> str | None:
    """Return the Python that replays a `history` as a trial did, and asks it.

    None where nobody could import what was replayed: it was written on the page.

    Parameters
    ----------
    trial
        The trial.
    expression
        What is asked of `trial`.
    """
    made = _replayed(trial, "trial")
    return None if made is None else "\n".join([*sorted(made[0]), "", made[1], expression])


def of_comparison(found: Comparison, expression: str) -> str | None:
    """Return the Python that makes a comparison over one `history`, and asks it.

    None where nobody could import what was replayed, or there are two histories.

    Parameters
    ----------
    found
        The comparison.
    expression
        What is asked of `found`.
    """
    a, b = _replayed(found.a, "a"), _replayed(found.b, "b")
    targets = {one.history.target if one.history else None for one in (found.a, found.b)}
    if a is None or b is None or len(targets) > 1:
        return None
    imports = sorted({"from workbench import compare, replay", *a[0], *b[0]} - {_REPLAY})
    return "\n".join([*imports, "", a[1], b[1], "found = compare(a, b)", expression])


_REPLAY = "from workbench import replay"


def _replayed(trial: Trial, name: str) -> tuple[set[str], str] | None:
    """Return what to import, and the line that makes a trial."""
    plan, history = trial.engine.plan, trial.history
    if plan is None or history is None:
        return None
    imports, arguments = {_REPLAY}, []
    thing: Any
    if isinstance(plan, FramePlan):
        thing, arguments = plan.function, [f"key={list(plan.key)!r}"]
    else:
        thing = plan.aggregate if isinstance(plan, AggregatePlan) else plan.projection  # type: ignore[attr-defined]
    named = _importable(thing)
    if named is None:
        return None
    imports.add(named[0])
    if isinstance(plan, LibraryPlan):
        view = _importable(plan.view)
        if view is None:
            return None
        imports.add(view[0])
        arguments.append(f"view={view[1]}")
    if isinstance(plan, (LibraryPlan, AggregatePlan)):
        arguments.append(f"classes={sorted(plan.given.classes.modules)!r}")
    if not isinstance(plan, FramePlan):
        arguments.append('on_error="collect"')
    chosen = history.selection
    after = "" if chosen.after is None else f"after={chosen.after}, "
    between = f"history.between({after}upto={trial.last_position})"
    return imports, f"{name} = replay({', '.join([between, named[1], *arguments])})"


def _importable(thing: Any) -> tuple[str, str] | None:  # noqa: ANN401, a class or a function
    """Return the line that imports a class or function, and its name; None if none does."""
    module, path = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    found: Any = sys.modules.get(module) if module not in {None, "__main__"} else None
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is not thing:
        return None
    return f"from {module} import {path.partition('.')[0]}", path
