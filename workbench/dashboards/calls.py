"""The Python that makes what a page shows of a trial or a comparison; no Panel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from workbench.projections.plan import AggregatePlan, FramePlan, LibraryPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench import Comparison, Trial
    from workbench.dashboards.named_edits import NamedEdit


def of_trial(trial: Trial, expression: str, edit: NamedEdit | None = None) -> str | None:
    """Return the Python that replays a `history` as a trial did, and asks it.

    None where nobody could import what was replayed: it was written on the page.

    Parameters
    ----------
    trial
        The trial.
    expression
        What is asked of `trial`.
    edit
        The edit of the page under which the history was replayed.
    """
    made = _replayed(trial, "trial", edit)
    if made is None:
        return None
    imports = sorted({f"from workbench import {_call(trial)}", *made[0]})
    return "\n".join([*imports, "", *made[1], expression])


def of_comparison(
    found: Comparison,
    expression: str,
    edits: tuple[NamedEdit | None, NamedEdit | None] = (None, None),
    *,
    needs: Sequence[str] = (),
) -> str | None:
    """Return the Python that makes a comparison over one `history`, and asks it.

    None where nobody could import what was replayed, or there are two histories.

    Parameters
    ----------
    found
        The comparison.
    expression
        What is asked of `found`.
    edits
        The edits of the page under which the history was replayed, for each side.
    needs
        The functions of `workbench` in the expression.
    """
    a, b = _replayed(found.a, "a", edits[0]), _replayed(found.b, "b", edits[1])
    targets = {one.history.target if one.history else None for one in (found.a, found.b)}
    if a is None or b is None or len(targets) > 1:
        return None
    ours = sorted({"compare", _call(found.a), _call(found.b), *needs})
    imports = sorted({f"from workbench import {', '.join(ours)}", *a[0], *b[0]})
    return "\n".join([*imports, "", *a[1], *b[1], "found = compare(a, b)", expression])


def _replayed(trial: Trial, name: str, edit: NamedEdit | None) -> tuple[set[str], list[str]] | None:
    """Return what to import of the user's, and the lines that make a trial."""
    imports, lines, over = set[str](), list[str](), "history"
    if edit is not None and edit.steps:
        needed, call = edit.call()
        over = f"edited_{name}"
        imports.update(needed)
        lines.append(f"{over} = {call}")
    made = _trial(trial)
    if made is None:
        return None
    function, arguments, needed = made
    between = f"{over}.between({_range(trial)})"
    lines.append(f"{name} = {function}({', '.join([between, *arguments])})")
    return imports | set(needed), lines


def _trial(trial: Trial) -> tuple[str, list[str], list[str]] | None:
    """Return the function that makes a trial, its arguments but the history, and imports."""
    plan, apart = trial.engine.plan, trial.engine.apart
    if apart is not None:
        given: dict[str, object] = {"on_error": apart.on_error, "key": apart.key}
        given |= {"view": apart.view, "classes": apart.classes}
        arguments = [f"{word}={value!r}" for word, value in given.items() if value]
        return _call(trial), [repr(apart.place), *arguments], []
    if plan is None:
        return None
    named = [_importable(plan.code[0])]
    if isinstance(plan, LibraryPlan):
        named.append(_importable(plan.view))
    known = [one for one in named if one is not None]
    if len(known) < len(named):
        return None
    arguments = [f"view={path}" for _, path in known[1:]]
    if isinstance(plan, (LibraryPlan, AggregatePlan)):
        arguments.append(f"classes={sorted(plan.given.classes.modules)!r}")
    if isinstance(plan, FramePlan):
        arguments.append(f"key={list(plan.key)!r}")
    else:
        arguments.append('on_error="collect"')
    return _call(trial), [known[0][1], *arguments], [line for line, _ in known]


def _call(trial: Trial) -> str:
    """Return the name of the function that makes a trial."""
    return "replay" if trial.engine.apart is None else "replay_revision"


def _range(trial: Trial) -> str:
    """Return the arguments of `History.between` that say what a trial has read."""
    after = None if trial.history is None else trial.history.selection.after
    first = "" if after is None else f"after={after}, "
    return f"{first}upto={trial.last_position}"


def _importable(thing: Any) -> tuple[str, str] | None:  # noqa: ANN401, a class or a function
    """Return the line that imports a class or function, and its name; None if none does."""
    module, path = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    found: Any = sys.modules.get(module) if module not in {None, "__main__"} else None
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is not thing:
        return None
    return f"from {module} import {path.partition('.')[0]}", path
