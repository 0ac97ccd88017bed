"""The wheel holds all that the package needs, the sample history among it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKED = ("workbench", "data", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder into which the wheel was unpacked, with no checkout beside it."""
    checkout, folder = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("installed")
    for name in PACKED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, checkout / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    shutil.rmtree(checkout)
    return folder / "site"


def _run(installed, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_demo_runs_from_the_wheel(installed):
    """`workbench demo` finds the sample history in an installed wheel."""
    found = _run(installed, "-m", "workbench", "demo", "--no-serve")
    assert "54,375" in found.stdout


@pytest.mark.slow
def test_package_is_the_installed_one(installed):
    """The demo above ran what was in the wheel, not the checkout."""
    found = _run(installed, "-c", "import workbench.samples as s; print(s.__file__, s.shop_path())")
    assert all(Path(path).is_relative_to(installed) for path in found.stdout.split())


@pytest.mark.slow
def test_wheel_is_typed(installed):
    """The wheel tells type checkers that the package is typed, and has its licence."""
    assert (installed / "workbench" / "py.typed").exists()
    assert list(installed.glob("*.dist-info/licenses/LICENSE"))
