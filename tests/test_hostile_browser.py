"""No text of a store runs on any page: whatever holds it, and wherever it is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import polars as pl
import pytest
from browser import ARGUMENTS, Watched, chromium, serving, why_no_browser
from stores import Row, write_native

from workbench import open_history
from workbench.dashboards.address import PAGES, Place, Scene, query_of
from workbench.dashboards.named_edits import Drop, NamedEdit, Put, Set
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

REASON = why_no_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]
PATIENCE_MS = 120_000
ODD = "odd.db"
BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
EVIL = [
    "<img src=x onerror=evil()>",
    "</script><script>evil()</script>",
    '"><svg onload=evil()>',
    "<iframe srcdoc='<script>parent.evil()</script>'>",
    '<a href="javascript:evil()">x</a>',
    "<style>@import 'http://evil.example/x.css'</style>",
    "{{constructor.constructor('evil()')()}}",
    "<details open ontoggle=evil()>",
]
MADE = (
    "img, svg[onload], iframe[srcdoc], details[ontoggle], a[href^='javascript'], "
    "style:has-text('evil.example')"
)
"""What there would be on the page, if a text were taken for markup."""
# Elements in the shadow roots of Panel's parts count too; and what has an attribute of events.
FOUND = """() => {
    const found = [];
    const look = (root) => {
        for (const one of root.querySelectorAll("*")) {
            if ([...one.attributes].some((a) => a.value.includes("evil()") && /^on/.test(a.name)))
                found.push(one.outerHTML.slice(0, 200));
            if (one.shadowRoot) look(one.shadowRoot);
        }
    };
    look(document);
    return found;
}"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write events of which every column that holds text holds markup."""
    rows = []
    for n, text in enumerate(EVIL, 1):
        payload = json.dumps({text: text, "list": [{text: text}], "at": text, "n": n})
        rows.append(
            {
                "position": n,
                "partition": 0,
                "stream": f"s{text}",
                "version": 1,
                "type": f"{text}:T",
                "schema_version": 1 + n % 2,
                "time": BEGIN + timedelta(hours=n),
                "data": payload,
                "metadata": json.dumps({text: text, "correlation_id": text}),
                "tags": [text, f"customer:{text}"],
                "problem": None,
            }
        )
    path = tmp_path_factory.mktemp("hostile") / "evil.parquet"
    EVENTS.conform(pl.DataFrame(rows, schema=EVENTS.schema)).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write events whose problems name where they are: in fields that are markup."""
    rows = [
        Row(n, f"s{n}", 1, "m:T", f"{{{json.dumps(text)}: NaN}}".encode())
        for n, text in enumerate(EVIL, 1)
    ]
    return write_native(tmp_path_factory.mktemp("odd") / ODD, rows)


@pytest.fixture(scope="module")
def watched(store: Path, odd: Path) -> Iterator[Watched]:
    from playwright.sync_api import sync_playwright

    name = f"{EVIL[0]}.parquet"
    with serving({name: store, ODD: odd}, "hostile_views") as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        found = Watched(page, address)
        page.on("dialog", lambda dialog: found.errors.append(f"dialog {dialog.message}"))
        page.expose_function("evil", lambda: found.errors.append("evil ran"))
        yield found
        browser.close()


def settled(page: Page) -> None:
    """Wait until the page shows something, and nothing that is still being read."""
    page.locator(".wb-here").first.wait_for()
    page.wait_for_function(
        """() => {
            const look = (root) => [...root.querySelectorAll("*")].some(
                (one) => one.matches(".loading") && one.checkVisibility()
                    || (one.shadowRoot && look(one.shadowRoot)));
            return !look(document);
        }"""
    )


def test_store_is_hostile_everywhere(store: Path, odd: Path) -> None:
    """The events that are shown have markup in keys, values, names, metadata, tags, problems."""
    events = open_history(store).scan().collect()
    assert "evil()" in "".join(open_history(odd).scan().collect()["problem"])
    for column in ("stream", "type", "data", "metadata"):
        assert "evil()" in "".join(events[column].drop_nulls())
    assert "evil()" in str(events["tags"].to_list())


STEPS = (
    Drop(2),
    Set(1, "at", json.dumps(EVIL[1])),
    Put(3, f"{EVIL[3]}:T", EVIL[0], json.dumps({EVIL[4]: EVIL[6]})),
)
QUERIES = [
    *(f"?page={page}" for page in PAGES),
    *(f"?page=log&event={n}" for n in range(1, len(EVIL) + 1)),
    f"?page=log&stream={quote('s' + EVIL[0])}",
    f"?page=log&text={quote(EVIL[1])}",
    f"?page=log&where={quote(EVIL[2])}",
    f"?page=lanes&lane={quote('s' + EVIL[0])}&lane={quote('s' + EVIL[3])}",
    *(f"?history={ODD}{rest}" for rest in ("", "&page=schemas", "&page=log&event=1")),
    "?page=replay&projection=Hostile",
    "?page=replay&projection=Refusing",
    "?page=compare&projection=Hostile&other=Refusing",
    f"?page={quote(EVIL[0])}&history={quote(EVIL[1])}&zone={quote(EVIL[2])}",
    query_of(
        Place(
            page="whatif",
            scene=Scene("Hostile", edited=EVIL[5]),
            edits=(NamedEdit(EVIL[5], STEPS),),
        )
    ),
]


@pytest.mark.parametrize("query", QUERIES)
def test_nothing_of_the_store_runs(watched: Watched, query: str) -> None:
    """On every page, and whatever the address says, text is shown as text."""
    watched.errors.clear()
    page = watched.open(query)
    settled(page)
    assert page.locator(MADE).count() == 0
    assert page.evaluate(FOUND) == []
    assert [error for error in watched.errors if "evil" in error] == []
    assert [error for error in watched.errors if "Security Policy" in error] == []
    assert watched.foreign == []
