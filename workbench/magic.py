"""The cell magic `%%trial`: a projection is defined in a cell, and replayed at once.

`%load_ext workbench` registers it. What is run, and how much of it, is decided by
`workbench.cells`; here is what has to do with IPython.
"""

from __future__ import annotations

import keyword
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from workbench.cells.defining import projections_in
from workbench.cells.report import Report
from workbench.cells.running import Ran, are_alike, run
from workbench.errors import WorkbenchError, near
from workbench.history import History
from workbench.projections.plan import FramePlan

if TYPE_CHECKING:
    import ast
    from argparse import Namespace

    from IPython.core.interactiveshell import InteractiveShell

    from workbench.projections.declared import Projection

_HERE = str(Path(__file__).parent)


@magics_class
class TrialMagic(Magics):
    """The cell magic `%%trial`, with what was run before in this shell."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._last: dict[tuple[str, str], Ran] = {}

    @magic_arguments()
    @argument("history", help="the variable that holds the history")
    @argument("--as", dest="name", default="trial", help="the variable for the trial")
    @argument("--key", action="append", default=[], help="a key column of a Polars function")
    @argument("--on-error", choices=("stop", "collect"), default="stop", help="as in replay")
    @argument("--table", help="the table to show, all by default")
    @argument("--all", action="store_true", help="replay everything in any case")
    @argument("--no-progress", action="store_true", help="show no progress")
    @no_var_expand
    @cell_magic
    def trial(self, line: str, cell: str) -> None:
        """Run the cell, replay the projection that it defines, and show what changed.

        The trial is kept in the variable `trial`, or what --as names; a dictionary by
        name if the cell defines several projections. After an edit, no more is replayed
        than has to be, where that can be proven; it is said what was, and why.

        Raises
        ------
        UsageError
            If the line cannot be understood, or names no history.
        """
        asked = parse_argstring(self.trial, line)
        history = self._history(asked)
        try:
            projections = self._defined(cell, [c for k in asked.key for c in k.split(",") if c])
            _check_table(asked.table, projections)
            trials = {}
            for projection in projections:
                ran = self._ran(history, projection, asked)
                trials[ran.trial.name] = ran.trial
        except SyntaxError as error:
            told = self.shell.SyntaxTB.structured_traceback(type(error), error, None)
            raise _renamed(error, told) from None
        except BaseException as error:
            lines = self._told(error)
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
            raise
        kept = trials if len(trials) > 1 else next(iter(trials.values()))
        self.shell.push({asked.name: kept})

    def _history(self, asked: Namespace) -> History:
        known = self.shell.user_ns
        found = known.get(asked.history)
        if not isinstance(found, History):
            names = [n for n, v in known.items() if isinstance(v, History) and n[:1] != "_"]
            is_what = f"a {type(found).__name__}" if asked.history in known else "not defined"
            hint = near(asked.history, names) if names else "Open one: history = open_history(...)."
            msg = f"Cannot replay {asked.history!r}: it is {is_what}, and no history. {hint}"
            raise UsageError(msg)
        name = asked.name
        if not name.isidentifier() or keyword.iskeyword(name) or name == asked.history:
            msg = f"Cannot keep the trial as {name!r}. Give the name of a variable: --as trial."
            raise UsageError(msg)
        return found

    def _defined(self, cell: str, key: list[str]) -> list[type[Projection] | FramePlan]:
        """Run the cell in the user's namespace; return what it has defined to be replayed."""
        shell = self.shell
        # The first line of the cell is the magic's: errors name the lines as the user sees them.
        source = "\n" + shell.transform_cell(cell)
        name = shell.compile.cache(source, shell.execution_count, raw_code=f"\n{cell}")
        tree: ast.Module = shell.transform_ast(shell.compile.ast_parse(source, name))
        code = shell.compile(tree, name, "exec")  # type: ignore[arg-type]  # it takes trees
        exec(code, shell.user_ns)  # noqa: S102, it is the user's own cell
        return projections_in(tree, shell.user_ns, key)

    def _ran(
        self, history: History, projection: type[Projection] | FramePlan, asked: Namespace
    ) -> Ran:
        """Replay a projection, and show what came of it."""
        name = projection.name if isinstance(projection, FramePlan) else projection.__name__
        place = (name, asked.history)
        before = self._last.get(place)
        if before is not None and not are_alike(before.history, history):
            before = None
        ran = run(
            history,
            projection,
            before=before,
            on_error=asked.on_error,
            everything=asked.all,
            progress=not asked.no_progress,
        )
        self._last[place] = ran
        display(Report(ran, before, asked.table))
        return ran

    def _told(self, error: BaseException) -> list[str]:
        """Return an error as it is shown: the user's own frames, and the message."""
        cause = error.__cause__ if isinstance(error, WorkbenchError) else None
        shown = error if cause is None else cause
        frames = _of_the_user(shown.__traceback__)
        lines: list[str] = []
        if frames is not None:
            told = self.shell.InteractiveTB.structured_traceback(
                type(shown), shown, frames, tb_offset=0
            )
            lines += told
        if frames is None or shown is not error:
            lines.append(f"{type(error).__name__}: {error}")
        return lines


def _check_table(wanted: str | None, projections: list[type[Projection] | FramePlan]) -> None:
    known = [
        name
        for each in projections
        for name in ([each.name] if isinstance(each, FramePlan) else each.declared())
    ]
    if wanted is not None and wanted not in known:
        msg = (
            f"Cannot show the table {wanted!r}: the cell declares none such. {near(wanted, known)}"
        )
        raise UsageError(msg)


def _of_the_user(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package."""
    found: list[TracebackType] = []
    while frames is not None:
        if not frames.tb_frame.f_code.co_filename.startswith(_HERE):
            found.append(frames)
        frames = frames.tb_next
    kept: TracebackType | None = None
    for each in reversed(found):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept


def _renamed(error: SyntaxError, lines: list[str]) -> Exception:
    """Return an error of the same name, whose traceback is these lines.

    A shell shows where a SyntaxError was raised, and never asks it how it wants to be shown.
    """
    told: dict[str, Any] = {"_render_traceback_": lambda _: lines}
    made: Exception = type(type(error).__name__, (Exception,), told)(str(error))
    return made
