"""The line that is written for every export."""

from __future__ import annotations

import json
import logging
import stat

import pytest
from browser import ARGUMENTS, chromium, why_no_browser
from served import PASSWORD, served

from workbench import passwords
from workbench.dashboards.address import Place
from workbench.dashboards.audit import Person, append, audited
from workbench.dashboards.exporting import Exported
from workbench.errors import AccessError
from workbench.samples import shop_path

REASON = why_no_browser()
PATIENCE_MS = 60_000
EXPORTED = Exported("events", "CSV", 7, 120)


def test_line_says_who_took_what(tmp_path, caplog):
    """One line of JSON, in the file and in the log, whatever stands in the names."""
    log, person = tmp_path / "audit.ndjson", Person("ann\n{", "10.0.0.1")
    with caplog.at_level(logging.INFO, "workbench.audit"):
        audited(person, EXPORTED, Place(page="log"), "shop.db", log)
        audited(Person(None, None), EXPORTED, Place(history="b\nc"), "shop.db", log)
    one, two = map(json.loads, log.read_text().splitlines())
    assert one.pop("time").endswith("+00:00")
    assert one == {
        "user": "ann\n{",
        "address": "10.0.0.1",
        "history": "shop.db",
        "place": "?page=log",
        "export": "events",
        "format": "CSV",
        "rows": 7,
        "size_bytes": 120,
    }
    assert (two["user"], two["history"]) == (None, "b\nc")
    assert [record.getMessage() for record in caplog.records] == log.read_text().splitlines()


def test_only_the_owner_reads_the_log(tmp_path):
    """Nobody else can read who took what."""
    append(tmp_path / "audit", "{}")
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o600


def test_log_that_cannot_be_written_stops_the_export(tmp_path):
    """Nothing is handed out of which no line can be kept."""
    with pytest.raises(AccessError, match="Nothing is exported without its line"):
        audited(Person(None, None), EXPORTED, Place(), "shop.db", tmp_path / "none" / "audit")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_export_of_a_person_is_noted(tmp_path):
    """In a browser: who logged in and exported a table stands in the log, with its rows."""
    from playwright.sync_api import sync_playwright

    log, users = tmp_path / "audit", tmp_path / "users"
    passwords.write(users, "ann", PASSWORD)
    options = ("--auth-file", users, "--audit-log", log, "--mask", "customer*")
    with served(shop_path(), *options) as caller, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{caller.address}?page=log")
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator(".tabulator-row").first.wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").first.click()
        text = download.value.path().read_text()
        browser.close()
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["user"], line["address"], line["history"]) == ("ann", "127.0.0.1", "shop.db")
    assert (line["format"], line["rows"], line["size_bytes"]) == (
        *("CSV", len(text.splitlines()) - 1),
        len(text.encode()),
    )
    assert "page=log" in line["place"]
