"""Tables that leave the pages: files, Python, and who is told of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from workbench import open_history
from workbench.dashboards import queries, shelf
from workbench.dashboards.answers import Answers
from workbench.dashboards.exporting import Download, Export, Exported, file_name, made_of, write
from workbench.dashboards.queries import Filters
from workbench.dashboards.session import Session, present, show_for, zone_of
from workbench.dashboards.shelf import Shelf
from workbench.errors import AccessError

TABLE = pl.DataFrame(
    {
        "name": ["<b>", None],
        "versions": [[1, 2], None],
        "time": [datetime(2025, 3, 1, 12, tzinfo=UTC), None],
        "cell": [{"a": 1}, {"a": None}],
    }
)
EXPORT = Export("a table", lambda: TABLE, "history.types()")


@pytest.fixture
def kept():
    with Shelf() as found:
        yield found


def fetched(html: str, kept: Shelf) -> shelf.Held:
    address = re.search(r'href="exported/([^"]+)"', html)
    assert address is not None
    held = kept.held(address[1])
    assert held is not None
    return held


def test_parquet_is_the_table(kept):
    """A Parquet file holds the frame that the call returns, with its dtypes."""
    held = fetched(made_of(EXPORT, "Parquet", Session(shelf=kept)), kept)
    assert_frame_equal(pl.read_parquet(held.path), TABLE)


def test_csv_writes_lists_as_json(kept):
    """In a CSV file a list or a struct is JSON, and a time is ISO 8601 in UTC."""
    held = fetched(made_of(EXPORT, "CSV", Session(shelf=kept)), kept)
    assert held.path.read_text("utf-8").splitlines() == [
        "name,versions,time,cell",
        '<b>,"[1,2]",2025-03-01T12:00:00.000000Z,"{""a"":1}"',
        ',,,"{""a"":null}"',
    ]


def test_all_that_matches_is_exported(shop, kept):
    """The log's export is every event that matches, not the page on screen."""
    filters = Filters(types=("Order.Placed",))
    export = Export("events", lambda: queries.matching(shop, filters))
    held = fetched(made_of(export, "Parquet", Session(shelf=kept)), kept)
    assert_frame_equal(pl.read_parquet(held.path), queries.matching(shop, filters).collect())


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(types=("Order.Placed",), first_position=100, last_position=900),
        Filters(stream="order-12600", since="2025-01-01", until="2026-12-31"),
    ],
    ids=str,
)
def test_python_returns_the_same_table(shop, filters):
    """The Python that is shown, run as it stands, returns the frame that is exported."""
    code = f"found = {queries.code_of(filters)}.scan().collect()"
    export = Answers(shop).export("events", lambda: queries.matching(shop, filters), code)
    names: dict[str, pl.DataFrame] = {}
    exec(export.code, names)
    assert_frame_equal(names["found"], export.frame().collect())


@pytest.mark.parametrize("form", ["CSV", "Parquet", "Python"])
def test_every_export_is_told(kept, form):
    """Whoever looks after exports is told what left, in which form, and how many rows."""
    told: list[Exported] = []
    made_of(EXPORT, form, Session(shelf=kept, on_export=told.append))
    assert [(e.name, e.form, e.rows) for e in told] == [
        ("a table", form, None if form == "Python" else 2)
    ]


def test_an_export_that_is_refused_is_not_handed_out(kept):
    """If telling of an export fails, nothing leaves."""

    def refuse(_: Exported) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        made_of(EXPORT, "CSV", Session(shelf=kept, on_export=refuse))


def test_without_a_server_the_link_holds_the_file():
    """In a notebook cell the file is in the link itself."""
    assert 'href="data:application/octet-stream;base64,' in made_of(EXPORT, "CSV", Session())


def test_a_large_file_is_not_put_into_a_notebook(monkeypatch):
    """A file that is too large for a cell is answered with the Python that makes it."""
    monkeypatch.setattr("workbench.dashboards.exporting.MOST_INLINE_BYTES", 10)
    made = made_of(EXPORT, "CSV", Session())
    assert "data:" not in made
    assert "history.types()" in made


def test_a_file_is_gone_after_a_while(kept, monkeypatch):
    """What nobody fetched is taken away."""
    held = fetched(made_of(EXPORT, "CSV", Session(shelf=kept)), kept)
    monkeypatch.setattr(shelf, "KEPT_S", -1.0)
    made_of(EXPORT, "CSV", Session(shelf=kept))
    assert not held.path.exists()


def test_names_of_files_are_plain():
    """Whatever a table is called, its file's name is letters, digits, dots and dashes."""
    assert file_name('../"x"\r\n<b>é', "Parquet") == "x-b.parquet"
    assert file_name("***", "CSV") == "table.csv"


def test_a_lazy_table_is_counted(tmp_path):
    """The rows of a lazy frame are counted while they are written."""
    assert write(TABLE.lazy(), tmp_path / "a.parquet", "Parquet") == 2


def test_python_is_escaped(kept):
    """Code that holds markup, from the name of a stream, is text on the page."""
    export = replace(EXPORT, code="history.of_streams('<img src=x onerror=evil()>')")
    assert "<img" not in made_of(export, "Python", Session(shelf=kept))


def test_the_session_is_what_was_set():
    """What is shown is shown for the session that was set last."""
    session = Session(zone="Europe/Berlin")
    show_for(session)
    assert present() is session
    show_for(Session())


def test_local_time_is_the_zones():
    """A moment is shown as a clock in the zone shows it."""
    moment = Session(zone="Europe/Berlin").local(datetime(2025, 7, 1, 12, tzinfo=UTC))
    assert (moment.hour, moment.tzname()) == (14, "CEST")


@pytest.mark.parametrize("name", ["Nowhere/City", "../../etc", "", None, 7])
def test_a_zone_that_is_none_is_utc(name):
    """A browser may say anything: what is no zone is UTC."""
    assert zone_of(name) == "UTC"


def test_target_is_kept_without_its_password():
    """A history remembers by what it was opened, and no secret."""
    assert open_history(str(shelf_target())).target == str(shelf_target())


def shelf_target() -> object:
    from workbench.samples import shop_path

    return shop_path()


def test_file_is_noted_before_it_is_handed_out():
    """A report, or the bytes of an event, is no table, and has its line all the same."""
    noted = []
    show_for(Session(on_export=noted.append))
    try:
        button = Download("Download the report")
    finally:
        show_for(Session())
    made = []
    button.offer("report", "what-if.html", lambda: made.append(1) or b"<html>")
    assert (noted, made) == ([], [])
    assert button.view.callback().read() == b"<html>"
    assert noted == [Exported("report", "html", None, 6)]


def test_file_is_not_handed_out_without_its_line():
    """Where the line cannot be written, nothing is taken."""

    def refuse(_exported):
        msg = "no line"
        raise AccessError(msg)

    show_for(Session(on_export=refuse))
    try:
        button = Download("Download the bytes")
    finally:
        show_for(Session())
    button.offer("bytes of event 7", "event-7.bin", lambda: b"x")
    with pytest.raises(AccessError, match="no line"):
        button.view.callback()
