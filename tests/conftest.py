"""What all tests share: the time zone, hypothesis' profile, and places to write stores to."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from stores import simple_rows, write_native

from workbench import open_history
from workbench.samples import shop_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext
    from servers.postgres import PostgresServer

    from workbench import History

os.environ["TZ"] = "UTC"
time.tzset()

# The writers run in throw-away environments, with other packages; benchmarks on demand.
collect_ignore = ["fixtures", "benchmarks"]

FIXTURES = Path(__file__).parent / "fixtures"

settings.register_profile(
    "workbench",
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# To look for bugs: many examples, and the first that fails as it is.
settings.register_profile(
    "search",
    parent=settings.get_profile("workbench"),
    max_examples=500,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "workbench"))


@pytest.fixture(scope="session")
def new_path(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that gives a path with nothing there, for examples of hypothesis."""
    folder, numbers = tmp_path_factory.mktemp("stores"), count()
    return lambda: folder / f"store-{next(numbers)}.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server, which is stopped at the end of the session."""
    from servers.postgres import postgres_server

    # Not below pytest's own folder, which only its user may enter.
    with (
        TemporaryDirectory(prefix="workbench-postgres-") as folder,
        postgres_server(Path(folder)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def shop() -> History:
    """Return the sample history."""
    return open_history(shop_path())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a small native store of 30 events: two types, three streams."""
    return write_native(tmp_path / "store.db", simple_rows(30))


@pytest.fixture
def small(store: Path) -> History:
    """Return the history of that small store."""
    return open_history(store)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a real Chromium, for the tests of one file."""
    from browser import ARGUMENTS, PATIENCE_MS, chromium
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """Return what the pages of one file share, as the tabs of one person do: what was loaded."""
    return browser.new_context(viewport={"width": 1280, "height": 900})
