"""What Binder builds from the folder `binder/`, checked without building it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory):
    """Return the Dockerfile that repo2docker makes of the checkout's binder folder."""
    checkout = tmp_path_factory.mktemp("checkout")
    for path in ("binder", "pyproject.toml"):
        (checkout / path).symlink_to(ROOT / path)
    found = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "repo2docker",
            "--no-build",
            "--debug",
            str(checkout),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout + found.stderr


@pytest.mark.slow
def test_python_is_the_one_named(dockerfile):
    """The image is made with the Python of runtime.txt."""
    assert "3.11" in dockerfile
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.11"


@pytest.mark.slow
def test_requirements_and_post_build_are_used(dockerfile):
    """The image installs binder/requirements.txt and runs binder/postBuild."""
    assert "binder/requirements.txt" in dockerfile
    assert "binder/postBuild" in dockerfile


def test_post_build_is_executable():
    """Binder runs postBuild only if it may be executed."""
    assert (BINDER / "postBuild").stat().st_mode & 0o111


def test_requirements_are_those_of_the_project():
    """binder/requirements.txt lists the project's dependencies and extras, and nothing else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        requirement
        for name, requirements in project["optional-dependencies"].items()
        if name != "all"
        for requirement in requirements
    ]
    listed = (BINDER / "requirements.txt").read_text().split()
    assert listed == [*project["dependencies"], *extras]


def test_no_host_is_named():
    """No file of the folder names where packages come from."""
    texts = [path.read_text() for path in BINDER.iterdir()]
    assert not [text for text in texts if re.search(r"https?://", text)]
