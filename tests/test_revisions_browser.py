"""Git revisions on the Compare page: what a person does, and what is then to be seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from browser import PATIENCE_MS, Watched, watching, why_no_browser
from playwright.sync_api import expect
from repositories import VIEWS, git, make_repository, write_payments
from served import served

from workbench.dashboards.address import Place, Scene, query_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext

REASON = why_no_browser()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository, with a revision of which a handler never returns."""
    folder = make_repository(tmp_path_factory.mktemp("repository") / "shop")
    file = folder / "views" / "accounts.py"
    sleeps = "        import time; time.sleep(600)\n"
    file.write_text(VIEWS.replace("        row = self", sleeps + "        row = self"))
    git(folder, "commit", "-qam", "slow")
    git(folder, "tag", "slow")
    file.write_text(VIEWS)
    return folder


@pytest.fixture(scope="module")
def address(repository: Path) -> Iterator[str]:
    store = write_payments(repository.parent / "shop.db")
    options = ("--projections", "views.accounts", "--revisions")
    with served(store, *options, folder=repository) as server:
        yield server.address


@pytest.fixture
def watched(context: BrowserContext, address: str) -> Iterator[Watched]:
    with watching(context.new_page(), address, PATIENCE_MS) as found:
        yield found


def versus(revision: str | None, other: str | None) -> str:
    """Return the address of two revisions of one projection."""
    both = Scene("Accounts", other="Accounts", revision=revision, other_revision=other)
    return query_of(Place(page="compare", scene=both))


def test_person_compares_two_revisions(watched: Watched, repository: Path) -> None:
    """Both are typed, the differences are theirs, and the address opens the same again."""
    page = watched.open("?page=compare")
    page.get_by_label("Git revision of a").fill("main~3")
    page.get_by_label("Git revision of b").fill("v2")
    page.get_by_role("button", name="Compare them", exact=True).click()
    commits = [git(repository, "rev-parse", name)[:10] for name in ("v1", "v2")]
    heading = page.get_by_text(f"Accounts@{commits[0]} (a) and Accounts@{commits[1]} (b)")
    heading.wait_for()
    page.get_by_text("2 differences of 1 cause").wait_for()
    expect(page).to_have_url(re.compile(r"revision=main~3&other_revision=v2"))
    page.locator('.wb-go[tabulator-field="type"]').filter(has_text="Account.Paid").click()
    page.get_by_text("the first 2 rows, and the event at which each began to differ").wait_for()
    page.reload()
    heading.wait_for()
    expect(page.get_by_label("Git revision of a")).to_have_value("main~3")
    page.get_by_text("the first 2 rows, and the event at which each began to differ").wait_for()


def test_revision_against_the_code_that_is_loaded(watched: Watched) -> None:
    """An empty field is the code that the server has loaded."""
    page = watched.open(versus("v1", None))
    page.get_by_text("no differences").wait_for()


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("v9", "Cannot find the git revision 'v9'"),
        ("--upload-pack=touch x", "Cannot find the git revision"),
        ("broken", "importing it raised ZeroDivisionError"),
    ],
)
def test_revision_that_cannot_be_had(watched: Watched, revision: str, said: str) -> None:
    """The page says what is wrong, and stays usable."""
    page = watched.open(versus(revision, "v1"))
    page.get_by_text(said).wait_for()
    page.get_by_label("Git revision of a").fill("v1")
    page.get_by_role("button", name="Compare them", exact=True).click()
    page.get_by_text("no differences").wait_for()


def test_handler_that_never_returns_is_stopped(watched: Watched) -> None:
    """Its process is ended, and another comparison can begin."""
    page = watched.open(versus("slow", "v1"))
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("The comparison was stopped.").wait_for()
    page.get_by_label("Git revision of a").fill("v2")
    page.get_by_role("button", name="Compare them", exact=True).click()
    page.get_by_text("2 differences of 1 cause").wait_for()
