"""In a process of the user's code: what each event becomes, in one written form.

Two releases, each in its own process, write the same value as the same text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.upcasting.stepping import MAKE, Broken, broken
from workbench.upcasting.values import written
from workbench.upcasting.wire import Forms

if TYPE_CHECKING:
    import polars as pl

    from workbench.upcasting.stepping import Chunk, Stepper

_IDS = ("originator_id", "originator_version")


def forms_of(frame: pl.DataFrame, stepper: Stepper) -> Forms:
    """Return what the events of a job become: see `workbench.upcasting.wire.Forms`.

    An event that runs no step, and has nothing but the library's own transcodings, stays
    as it is stored, and has no form here.
    """
    found = Forms(forms={}, failures=[])
    for chunk in stepper.chunks(frame):
        whole = chunk
        if not chunk.has_times and any(not _stays(chunk, i) for i in range(len(chunk.rows))):
            whole = stepper.chunk(chunk.kind, chunk.part, odd=False, times=True)
        for i, row in enumerate(whole.rows):
            form = _form(whole, i, stepper)
            if isinstance(form, Broken):
                found.failures.append((row, *form))
            elif form is not None:
                found.forms[row] = form
    return found


def _form(chunk: Chunk, i: int, stepper: Stepper) -> str | Broken | None:
    """Return the form of one event, None if it stays as it is stored."""
    state, kind = chunk.states[i], chunk.kind
    if state.__class__ is Broken:
        return state
    if _stays(chunk, i):
        return kind.late
    failed = kind.late
    if not _is_of_code(chunk, i):
        failed = stepper.upcast(kind, state, chunk.versions[i], chunk.rows[i])
    return form_of(state) if failed is None else failed


def form_of(state: Any) -> str | Broken:  # noqa: ANN401, a state of any kind
    """Return the written form of a state, without its ids."""
    try:
        return written({k: v for k, v in state.items() if k not in _IDS})
    except Exception as error:  # noqa: BLE001, what a user's class raises
        return broken(MAKE, error)


def _is_of_code(chunk: Chunk, i: int) -> bool:
    stored, code = chunk.versions[i], chunk.kind.code
    return type(stored) is int and type(code) is int and stored >= code


def _stays(chunk: Chunk, i: int) -> bool:
    """Return whether an event is as it is stored, whatever the user's code is."""
    if chunk.states[i].__class__ is Broken:
        return True
    return chunk.is_plain and _is_of_code(chunk, i)
