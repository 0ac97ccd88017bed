"""A trial in a folder: written whole, or a checkpoint at a time while a replay runs.

The folder holds parquet files, a few for each table, and `trial.json`, which names
those that count. It is replaced in one step, so that whatever happens in between, the
folder is the trial as of the checkpoint before.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.changelog.inferred import unified
from workbench.changelog.log import ChangeLog
from workbench.errors import TrialError
from workbench.trials.tables import FixedTables, LoggedTables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.changelog.writer import LogWriter
    from workbench.projections.running import Running
    from workbench.trials.tables import Tables
    from workbench.trials.trial import Trial

FORMAT = 1
ABOUT = "trial.json"
_FRAMES = ("failures", "handled", "profile")


@dataclass
class TrialFolder:
    """The folder of one trial, and which of its parts are written."""

    path: Path
    _parts: list[dict[str, Any]] = field(default_factory=list)
    _written: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _number: int = 0

    @classmethod
    def at(cls, path: str | Path) -> TrialFolder:
        """Return the folder for a new trial: a new one, an empty one, or that of a trial.

        Raises
        ------
        TrialError
            If something else is there.
        """
        found = Path(path)
        if found.exists() and not (
            found.is_dir() and ((found / ABOUT).exists() or not any(found.iterdir()))
        ):
            msg = (
                f"Cannot keep a trial in {str(path)!r}: something else is there. "
                "Name a new folder, an empty one, or that of a trial, which is replaced."
            )
            raise TrialError(msg)
        return cls(found)

    def clear(self) -> None:
        """Make the folder, and remove the trial that was in it.

        Raises
        ------
        TrialError
            If it cannot be written.
        """
        try:
            if (self.path / ABOUT).exists():
                (self.path / ABOUT).unlink()
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._parts, self._written, self._number = [], {}, 0

    def save(self, trial: Trial) -> Path:
        """Write a whole trial beside what is there, and then put it in its place.

        Raises
        ------
        TrialError
            If it cannot be written.
        """
        beside = TrialFolder(self.path.with_name(f".{self.path.name}.{os.getpid()}"))
        beside.clear()
        beside.keep(trial)
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            beside.path.rename(self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path

    def keep(self, trial: Trial, running: Running | None = None) -> None:
        """Write what is new since the last time, and then say that it counts.

        Raises
        ------
        TrialError
            If it cannot be written.
        """
        self._number += 1
        try:
            about = self._about(trial, running)
            unfinished = self.path / f"{ABOUT}.part"
            unfinished.write_text(json.dumps(about, indent=1, ensure_ascii=False))
            unfinished.replace(self.path / ABOUT)
            for name in _FRAMES:
                (self.path / f"{name}-{self._number - 1}.parquet").unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _about(self, trial: Trial, running: Running | None) -> dict[str, Any]:
        for name in _FRAMES:
            getattr(trial, name).write_parquet(self.path / f"{name}-{self._number}.parquet")
        self._write_tables(trial, running)
        is_logged = isinstance(trial.recorded, LoggedTables)
        return {
            "format": FORMAT,
            "name": trial.name,
            "events": trial.events,
            "last_position": trial.last_position,
            "elapsed_s": trial.elapsed_s,
            "is_complete": trial.is_complete,
            "handlers": dict(trial.handlers),
            "tables": list(trial.table_names),
            "keys": [] if is_logged else list(trial.key()),
            "is_logged": is_logged,
            "number": self._number,
            "parts": self._parts,
            "keeps_own_state": trial.engine.keeps_own_state,
            "recipe": trial.recipe.to_dict(),
        }

    def _write_tables(self, trial: Trial, running: Running | None) -> None:
        frames: dict[str, pl.DataFrame | None]
        for number, name in enumerate(trial.table_names):
            if not isinstance(trial.recorded, LoggedTables):
                frames = {"table": trial.table(name)}
            elif running is None:
                log = trial.recorded.log(name)
                frames = {"keys": log.keys, "entries": log.entries, "after": log.after}
            else:
                frames = self._new(name, running.writers[name])
            for kind, frame in frames.items():
                if frame is None:
                    continue
                file = f"{number}-{kind}-{self._number}.parquet"
                frame.write_parquet(self.path / file)
                self._parts.append({"table": name, "kind": kind, "file": file})

    def _new(self, name: str, writer: LogWriter) -> dict[str, pl.DataFrame | None]:
        """Return what a writer has come to have since it was last asked."""
        chunks = writer.chunks()
        before = self._written.get(name, (0, 0, 0))
        self._written[name] = tuple(map(len, chunks))  # type: ignore[assignment]
        return {
            kind: unified(found[skip:]) if len(found) > skip else None
            for kind, found, skip in zip(("keys", "entries", "after"), chunks, before, strict=True)
        }

    def _unwritable(self, error: OSError) -> TrialError:
        return TrialError(
            f"Cannot keep a trial in {str(self.path)!r}: {error.strerror or error}. "
            "Name a folder that can be written to."
        )


def read_folder(path: str | Path) -> tuple[dict[str, Any], Mapping[str, pl.DataFrame], Tables]:
    """Return what a folder says of its trial, its frames, and its tables.

    Raises
    ------
    TrialError
        If no trial is there, or it is damaged, or of a later format.
    """
    folder = Path(path)
    if not (folder / ABOUT).is_file():
        msg = (
            f"Cannot load a trial from {str(path)!r}: there is no {ABOUT} in it. "
            "Name the folder that trial.save was given."
        )
        raise TrialError(msg)
    try:
        about = json.loads((folder / ABOUT).read_text())
        if about["format"] > FORMAT:
            msg = (
                f"Cannot load the trial in {str(path)!r}: it is of format {about['format']}, and "
                f"this release knows up to {FORMAT}. Load it with the release that saved it."
            )
            raise TrialError(msg)
        number = about["number"]
        frames = {name: pl.read_parquet(folder / f"{name}-{number}.parquet") for name in _FRAMES}
        tables = _tables(folder, about)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        if isinstance(error, TrialError):
            raise
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"Cannot load the trial in {str(path)!r}: it is damaged: {said}. Save it again."
        raise TrialError(msg) from error
    return about, frames, tables


def _tables(folder: Path, about: Mapping[str, Any]) -> Tables:
    found: dict[str, dict[str, list[pl.DataFrame]]] = {name: {} for name in about["tables"]}
    for part in about["parts"]:
        # A name with a folder in it would be read from elsewhere.
        file = folder / Path(part["file"]).name
        found[part["table"]].setdefault(part["kind"], []).append(pl.read_parquet(file))
    if not about["is_logged"]:
        tables = {name: unified(kinds["table"]) for name, kinds in found.items()}
        return FixedTables(about["name"], tables, tuple(about["keys"]))
    return LoggedTables(
        about["name"],
        {
            name: ChangeLog(**{kind: unified(parts) for kind, parts in kinds.items()})
            for name, kinds in found.items()
        },
    )
