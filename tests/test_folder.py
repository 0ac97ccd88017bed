"""The start page: which stores a folder has, and what becomes of them."""

from __future__ import annotations

import pytest
from stores import simple_rows, write_native, written

from workbench import errors
from workbench.dashboards.folder import SAMPLE, Folder, listed, stores_in
from workbench.launcher import tile


@pytest.fixture
def folder(tmp_path):
    write_native(tmp_path / "shop.db", simple_rows(3))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write_native(tmp_path / "deep" / "er" / "old.sqlite", simple_rows(2))
    (tmp_path / "notes.db").write_text("not a database")
    (tmp_path / ".hidden").mkdir()
    write_native(tmp_path / ".hidden" / "secret.db", simple_rows(1))
    return tmp_path


def test_stores_are_found(folder):
    """Stores are told by their first bytes, also in folders below; hidden ones are left out."""
    assert {found.name for found in stores_in(folder)} == {"shop.db", "deep/er/old.sqlite"}


def test_archive_is_one_store(folder):
    """The folder of an archive is one store, and what lies in it is none."""
    (folder / "events.delta" / "_delta_log").mkdir(parents=True)
    write_native(folder / "events.delta" / "inside.db", simple_rows(1))
    names = {found.name for found in stores_in(folder)}
    assert "events.delta" in names
    assert not any("inside" in name for name in names)


def test_opened_once(folder):
    """A store is opened when it is asked for, once for all who ask."""
    found = Folder(folder)
    assert set(found) == {SAMPLE, "shop.db", "deep/er/old.sqlite"}
    assert found["shop.db"] is found["shop.db"]
    assert len(found["shop.db"].history) == 3
    assert len(found[SAMPLE].history) == 54_375


def test_what_is_no_store_says_so(folder):
    """A database without events is found, and says what it is once it is opened."""
    with written(folder / "other.db", schema="CREATE TABLE things (a);"):
        pass
    with pytest.raises(errors.WorkbenchError):
        Folder(folder)["other.db"]


def test_new_stores_are_found_later(folder):
    """What is written later is there after another look."""
    found = Folder(folder)
    write_native(folder / "later.db", simple_rows(1))
    assert "later.db" not in found
    found.look()
    assert "later.db" in found


def test_names_are_escaped(folder):
    """A name that looks like markup is text, and its link leads to it."""
    write_native(folder / "<img src=x onerror=evil()>.db", simple_rows(1))
    shown = listed(folder, stores_in(folder))
    assert "<img" not in shown
    assert "history=%3Cimg+src%3Dx+onerror%3Devil%28%29%3E.db" in shown


def test_tile():
    """The tile says how Jupyter starts the pages: at its own address, for itself alone."""
    found = tile()
    assert found["command"][2:6] == ["workbench", "start", "--no-open", "--port"]
    assert "{base_url}event-workbench" in found["command"]
    icon = found["launcher_entry"]["icon_path"]
    with open(icon, encoding="utf-8") as file:
        assert file.read().startswith("<svg ")
