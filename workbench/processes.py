"""Python processes in which code of the user's runs: apart from this one, and ended with it.

What they print goes into a file. Each is a group of its own, so that what it has started
ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAID: Final = "said.txt"
"""The file for what a process prints."""
_OWN = str(Path(__file__).parents[1])
_RUN = "import sys; sys.path.append(sys.argv[1]); from {} import main; main()"


def started(
    module: str,
    folder: Path,
    *,
    answers: bool = False,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Return a new Python process that runs the function `main` of a module of the workbench.

    Parameters
    ----------
    module
        The module.
    folder
        Where the file with what it prints is written.
    answers
        Whether it answers on its standard output, which is then a pipe.
    env
        What is added to the environment.
    """
    with (folder / SAID).open("wb") as output:
        # -P: the current folder is looked into only where the module says so.
        return subprocess.Popen(  # noqa: S603, Python itself
            [sys.executable, "-P", "-c", _RUN.format(module), _OWN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONUTF8": "1", **(env or {})},
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started, at once, and close its pipes."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg") and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def last_said(folder: Path) -> str:
    """Return the last line that a process has printed, in at most 300 characters."""
    with suppress(OSError), (folder / SAID).open("rb") as file:
        file.seek(max(0, (folder / SAID).stat().st_size - 5_000))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1][:300]
    return "it said nothing"


@contextmanager
def terminable() -> Iterator[None]:
    """Let a polite end of this process take away what is temporary, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
