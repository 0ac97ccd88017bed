"""How a run ends early: at Ctrl-C, or once somebody else has asked for it."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import polars as pl

    from workbench.projections.running import Interrupt

_FEWEST, _MOST = 64, 65_536  # events between two looks at how far a run is
_SLICE_S = 0.2
_LOOK_S = 0.05


@contextmanager
def stopping(interrupt: Interrupt, stop: threading.Event | None = None) -> Iterator[None]:
    """Let the first Ctrl-C ask to stop between two events, and the second stop at once.

    Parameters
    ----------
    interrupt
        What a run looks at between two events.
    stop
        Asks to stop as well, once another thread sets it.
    """
    with _heeding(interrupt, stop), _at_signal(interrupt):
        yield


@contextmanager
def _at_signal(interrupt: Interrupt) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:  # noqa: ANN401, a frame of any kind
        if interrupt.asked:
            signal.default_int_handler(number, frame)
        interrupt.asked = True

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _heeding(interrupt: Interrupt, stop: threading.Event | None) -> Iterator[None]:
    """Watch `stop` in a thread: a run that asked it at every event would be slower."""
    if stop is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if stop.wait(_LOOK_S):
                interrupt.asked = True
                return

    watcher = threading.Thread(target=watch, daemon=True, name="workbench-stop")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def slices(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield batches in slices after which a run can tell how far it is, and end.

    A slice has as many events as take about `_SLICE_S`, whatever the handlers do. Events that
    share a position are in one slice: to go on begins after a position.
    """
    size = _FEWEST
    for batch in batches:
        positions, first = batch["position"], 0
        while first < batch.height:
            upto = first + size
            while upto < batch.height and positions[upto] == positions[upto - 1]:
                upto += 1
            begun = time.perf_counter()
            yield batch[first:upto]
            took = time.perf_counter() - begun
            size = max(_FEWEST, size // 2) if took > _SLICE_S else min(_MOST, size * 2)
            first = upto
