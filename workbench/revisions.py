"""Code as it was in a revision of a git repository, in a folder that goes away again.

Nothing is changed but the list of worktrees, for as long as the folder is there. No hook
of the repository runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import RevisionError, near

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


@dataclass(frozen=True)
class Place:
    """Where a projection is: a name in a module, in a git revision or in the current folder."""

    module: str
    name: str
    revision: str | None = None

    @classmethod
    def of(cls, text: str) -> Place:
        """Return the place that a text such as 'shop.views:Orders@v1.2' names.

        Raises
        ------
        RevisionError
            If it names none.

        Examples
        --------
        >>> Place.of("shop.views:Orders@main~2")
        Place(module='shop.views', name='Orders', revision='main~2')
        """
        path, at, revision = text.partition("@")
        module, _, name = path.partition(":")
        is_whole = all(part.isidentifier() for part in (*module.split("."), *name.split(".")))
        if not is_whole or (at and not revision):
            msg = (
                f"Cannot find a projection by {text!r}. Write module:Projection, or "
                "module:Projection@REVISION for the one of a git revision."
            )
            raise RevisionError(msg)
        return cls(module, name, revision or None)

    def __str__(self) -> str:
        """The text that names it."""
        return f"{self.module}:{self.name}" + (f"@{self.revision}" if self.revision else "")


def git(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what a git command says, run in a folder and without hooks.

    Raises
    ------
    RevisionError
        If there is no git.
    """
    # A hook that calls the workbench has set these for its own work.
    env = {name: value for name, value in os.environ.items() if name not in _OF_GIT}
    command = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        return subprocess.run(  # noqa: S603, the arguments are checked
            command, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        msg = "Cannot read a git revision: there is no git. Install it, or leave out @REVISION."
        raise RevisionError(msg) from error


def repository(folder: Path) -> Path:
    """Return the top folder of the repository that a folder is in.

    Raises
    ------
    RevisionError
        If it is in none.
    """
    found = git("rev-parse", "--show-toplevel", folder=folder)
    if found.returncode or not found.stdout.strip():
        msg = (
            f"Cannot read a git revision in {str(folder)!r}: it is not in a git repository. "
            "Go into one, or leave out @REVISION."
        )
        raise RevisionError(msg)
    return Path(found.stdout.rstrip("\n"))


def commit_of(revision: str, folder: Path) -> str:
    """Return the commit that a revision names.

    Raises
    ------
    RevisionError
        If there is none.
    """
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    found = git(*asked, folder=folder)
    if found.returncode:
        names = git("for-each-ref", "--format=%(refname:short)", folder=folder).stdout.split()
        msg = (
            f"Cannot find the git revision {revision!r} in {str(repository(folder))!r}. "
            f"{near(revision, names)} A shallow clone lacks old commits: git fetch --unshallow."
        )
        raise RevisionError(msg)
    return found.stdout.strip()


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """Yield a temporary folder with a revision's files, and take it away at the end.

    Raises
    ------
    RevisionError
        If there is no repository, or no such revision, or it cannot be checked out.
    """
    top, commit = repository(folder), commit_of(revision, folder)
    outside = Path(tempfile.mkdtemp(prefix="workbench-revision-"))
    tree: Path | None = None
    try:
        # The folder's own name is what git lists it by.
        tree = outside / f"workbench-{outside.name[-8:]}"
        made = git("worktree", "add", "--detach", "--quiet", str(tree), commit, folder=top)
        if made.returncode:
            said = (made.stderr.strip() or "git says nothing more").splitlines()[-1]
            msg = (
                f"Cannot check out {revision!r} of {str(top)!r}: {said}. "
                "Look at git worktree list, and at the space on the disk."
            )
            raise RevisionError(msg)
        yield tree
    finally:
        if tree is not None:
            git("worktree", "remove", "--force", str(tree), folder=top)
        shutil.rmtree(outside, ignore_errors=True)


def search_path(tree: Path, folder: Path, top: Path) -> list[str]:
    """Return where modules of a checked-out tree are looked for, as from a folder of the original.

    Parameters
    ----------
    tree
        The top folder of what was checked out.
    folder
        The folder of the original from which the module was named.
    top
        The top folder of the original.
    """
    inside = os.path.relpath(folder.resolve(), top.resolve())
    places = [tree / inside, tree / inside / "src", tree, tree / "src"]
    return list(dict.fromkeys(str(place.resolve()) for place in places if place.is_dir()))


def is_of(tree: str | None, module: object) -> bool:
    """Return whether a module is of the files of a checked-out tree; None is any place."""
    if tree is None:
        return True
    where: str | None = getattr(module, "__file__", None)
    return where is not None and Path(where).resolve().is_relative_to(Path(tree).resolve())


def missing_of(error: BaseException, name: str) -> str | None:
    """Return which module was not there, if it is the one that was named or one around it.

    Examples
    --------
    >>> missing_of(ModuleNotFoundError(name="shop"), "shop.views")
    'shop'
    >>> missing_of(ModuleNotFoundError(name="numpy"), "shop.views") is None
    True
    """
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing if missing and f"{name}.".startswith(f"{missing}.") else None


@contextmanager
def code_folder(revision: str | None, folder: Path) -> Iterator[tuple[list[str], Path | None]]:
    """Yield where modules are looked for first, and the tree that they must be in, if any.

    Raises
    ------
    RevisionError
        As `checked_out`.
    """
    if revision is None:
        yield [str(folder)], None
        return
    with checked_out(revision, folder) as tree:
        yield search_path(tree, folder, repository(folder)), tree
