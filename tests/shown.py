"""All that the workbench shows, logs or keeps of a target, to be searched for its secret."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from workbench import copy_history, open_history, replay
from workbench.cli import main
from workbench.errors import WorkbenchError
from workbench.export import export

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from workbench import History

COMMANDS = ("open", "types", "streams", "problems", "rate", "schemas")
ENDINGS = ("parquet", "csv", "ndjson", "xes", "ocel.json")


def by_type(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return how many events there are of each type."""
    return events.group_by("type").len()


class _Kept(logging.Handler):
    """Whatever any library logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


def places_of(secret: str, url: str, gone: str, folder: Path) -> list[str]:
    """Return where a secret of a target is shown or kept: nowhere, it is hoped.

    Parameters
    ----------
    secret
        What is looked for; it stands in both URLs.
    url
        A target that can be read.
    gone
        One that cannot.
    folder
        An empty folder.
    """
    assert secret in url
    assert secret in gone
    kept, root = _Kept(), logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    try:
        shown = dict([*_of_history(open_history(url), folder), *_of_commands(url, folder)])
        shown |= dict(_of_errors(url, gone))
    finally:
        root.removeHandler(kept)
        root.setLevel(level)
    shown["the log"] = "\n".join(kept.texts)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            shown[str(file.relative_to(folder))] = file.read_bytes().decode("utf-8", "replace")
    assert len(shown) > len(COMMANDS) + len(ENDINGS)
    return [where for where, text in shown.items() if secret in text]


def _of_history(history: History, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is shown of a history, of a trial, and of what is made of both."""
    trial = replay(history, by_type, key="type", progress=False)
    trial.save(folder / "trial")
    for ending in ENDINGS:
        export(history, folder / f"events.{ending}")
    if history.source.capabilities.total_order:
        yield "copy", repr(copy_history(history, folder / "a.delta", progress=False))
        yield "edited", repr(history.edit(drop=history.head or 1))
    for name, one in (("history", history), ("trial", trial)):
        yield f"{name}, repr", repr(one)
        yield f"{name}, html", one._repr_html_()
    yield "source", f"{history.source!r} {history.source.name} {history.source.kind}"
    yield "recipe", repr(trial.recipe)
    yield "in memory", repr(history.in_memory())
    yield "receivers", repr(history.receivers().to_dicts())


def _of_commands(url: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what commands print, on both streams."""
    more = {"tail": ["--last", "1", "--no-follow"], "event": ["1"], "copy": [f"{folder}/b.delta"]}
    for command in (*COMMANDS, *more):
        for form in ([], ["--json"]):
            found = CliRunner().invoke(main, [command, url, *more.get(command, []), *form])
            yield f"workbench {command} {' '.join(form)}", found.output


def _of_errors(url: str, gone: str) -> Iterator[tuple[str, str]]:
    """Yield what errors say, with everything that a traceback prints."""
    with pytest.raises(WorkbenchError) as caught:
        open_history(gone)
    yield "error", "".join(traceback.format_exception(caught.value))
    found = CliRunner().invoke(main, ["open", gone, "--json"])
    assert found.exit_code
    yield "workbench open, an error", found.output
    with pytest.raises(WorkbenchError) as caught:
        open_history(url).state(2**40)
    yield "no such event", "".join(traceback.format_exception(caught.value))
