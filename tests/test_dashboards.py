"""The functions behind the pages: what a page shows, a call returns."""

from __future__ import annotations

import asyncio
import http.client
import re
import socket
import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from browser import serving
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, PLACED, SHIPPED, Row, append, simple_rows, state_of, write_native

from workbench import WorkbenchError, copy_history, open_history
from workbench.conditions import containing
from workbench.dashboards import markup, page, queries, serve, summary
from workbench.dashboards.address import PAGES, SIZES, Place, Scene, place_of, query_of
from workbench.dashboards.answers import Answers
from workbench.dashboards.listing import LISTING, PREVIEW_CHARACTERS
from workbench.dashboards.neighbours import neighbours
from workbench.dashboards.queries import CancelledError, Filters
from workbench.errors import (
    RangeError,
    UnknownPositionError,
    UnknownStreamError,
    UnknownTypeError,
)
from workbench.tables import PROBLEMS, RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workbench import History

SOME_FILTERS = [
    Filters(first_position=27_000, last_position=27_900),
    Filters(types=("Order.Returned",)),
    Filters(types=("shop:Refund.Issued", "Item.Listed"), first_position=100),
    Filters(stream="order-12600"),
    Filters(stream="item-mug-blue", types=("Item.Adjusted", "StockItem.Adjusted")),
    Filters(since="2025-10-06", until="2025-10-12"),
    Filters(text="Lefèvre"),
    Filters(text="wallet", types=("Payment.Charged",), since="2026-01-01"),
    Filters(stream="order-12600", text="nothing like this"),
    Filters(where="amount > 200 and method = 'card'"),
    Filters(where="type = 'Order.Placed' or reason is not null", last_position=3_000),
]


def positions(history: History, filters: Filters) -> list[int]:
    return queries.matching(history, filters).select("position").collect()["position"].to_list()


def walked(history: History, filters: Filters, size: int) -> Iterator[pl.DataFrame]:
    found = queries.find(history, filters) if filters.reads_payloads else None
    start = None
    while True:
        page = queries.page_of(history, filters, start=start, size=size, found=found)
        if page.is_empty():
            return
        yield page
        start = page["position"][-1] + 1


def walked_back(history: History, filters: Filters, size: int) -> Iterator[pl.DataFrame]:
    found = queries.find(history, filters) if filters.reads_payloads else None
    before = None
    while True:
        start = queries.previous_start(history, filters, before=before, size=size, found=found)
        if start is None:
            return
        page = queries.page_of(history, filters, start=start, size=size, found=found)
        yield page if before is None else page.filter(pl.col("position") < before)
        before = start


# The log


@pytest.fixture(scope="module")
def archived(shop, tmp_path_factory):
    """Return the shop's history as an archive of it holds it."""
    path = tmp_path_factory.mktemp("archive") / "shop.delta"
    copy_history(shop, path, progress=False)
    return open_history(path)


@pytest.mark.parametrize("filters", SOME_FILTERS, ids=str)
def test_pages_one_after_the_other_are_what_matches(shop, filters):
    """All pages together list every event that matches, once, in order."""
    pages = list(walked(shop, filters, 25))
    assert [p for page in pages for p in page["position"]] == positions(shop, filters)
    assert all(page.height == 25 for page in pages[:-1])


@pytest.mark.parametrize("filters", [Filters(), *SOME_FILTERS], ids=str)
@pytest.mark.parametrize("start", [None, 1, 20_000, 54_386])
def test_pages_of_an_archive_are_those_of_its_store(shop, archived, filters, start):
    """Files are read by windows that widen, and list the same events."""
    expected = queries.page_of(shop, filters, start=start, size=40)
    assert_frame_equal(queries.page_of(archived, filters, start=start, size=40), expected)


@pytest.mark.parametrize("filters", SOME_FILTERS, ids=str)
def test_pages_backwards_are_what_matches(shop, filters):
    """From the last page back to the first, the pages list the same events."""
    pages = list(walked_back(shop, filters, 25))
    assert [p for page in reversed(pages) for p in page["position"]] == positions(shop, filters)


@pytest.mark.parametrize("filters", [Filters(), *SOME_FILTERS], ids=str)
def test_count_is_how_many_match(shop, filters):
    """The total beside a page is the number of events that match."""
    assert queries.count(shop, filters) == len(positions(shop, filters))


@pytest.mark.parametrize("filters", [Filters(), *SOME_FILTERS], ids=str)
def test_rank_is_how_many_match_before(shop, filters):
    """The offset of a page is the number of events that match before it."""
    before = sum(position < 27_500 for position in positions(shop, filters))
    assert queries.rank(shop, filters, 27_500) == before


@pytest.mark.parametrize("filters", [Filters(text="coupon"), Filters(since="2026-01-01")], ids=str)
def test_pages_of_many_matches_are_read_again(shop, filters, monkeypatch):
    """A search that keeps positions alone lists the same pages as one that keeps rows."""
    kept = [page for page, _ in zip(walked(shop, filters, 50), range(5), strict=False)]
    monkeypatch.setattr(queries, "MOST_KEPT", 10)
    assert queries.find(shop, filters).rows is None
    read = [page for page, _ in zip(walked(shop, filters, 50), range(5), strict=False)]
    assert_frame_equal(pl.concat(read), pl.concat(kept))


def test_page_of_scattered_matches(small, monkeypatch):
    """Matches that lie far from each other are read apart, and listed in order."""
    filters = Filters(text="é1")
    rows = queries.find(small, filters).rows
    monkeypatch.setattr(queries, "MOST_KEPT", 0)
    monkeypatch.setattr(queries, "_FAR", 2)
    assert_frame_equal(queries.page_of(small, filters), rows)


def test_listing_has_its_spec(shop):
    """Every page is of the schema of `LISTING`, also an empty one."""
    for filters in (Filters(), Filters(text="Lefèvre"), Filters(text="nowhere to be found")):
        assert LISTING.misfits(queries.page_of(shop, filters)) == []


@dataclass(frozen=True)
class Spy:
    """A source that notes which rows are asked of it."""

    source: Any
    asked: list[Any] = field(default_factory=list, compare=False, hash=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def parts(self, selection: Any, columns: Any) -> Any:
        self.asked.append(selection)
        return self.source.parts(selection, columns)


@pytest.mark.parametrize("filters", [Filters(), Filters(types=(PLACED,))], ids=str)
def test_page_reads_a_page(shop, filters):
    """A page of the log asks the source for as many rows as it shows, wherever it lies."""
    spy = Spy(shop.source)
    history = replace(shop, source=spy)
    history.type_names()
    spy.asked.clear()
    queries.page_of(history, filters, start=40_000, size=25)
    assert [selection.limit for selection in spy.asked] == [25]


def test_last_page_reads_near_the_end(shop):
    """The last page is found without reading the log from its beginning."""
    spy = Spy(shop.source)
    queries.previous_start(replace(shop, source=spy), Filters(), size=50)
    assert min(selection.after for selection in spy.asked) > 50_000


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ('{"a":"Zoë"}', "zoë"),
        ('{"a":"Zo\\u00eb"}', "Zoë"),
        ('{"a":"say \\"hi\\""}', 'say "hi"'),
        ('{"a":"C:\\\\x"}', "c:\\x"),
        ('{"a":null}', '"a":null'),
        ('{"a":"1.5*(x)"}', "1.5*(X)"),
    ],
)
def test_text_is_found_as_said_and_as_json_writes_it(stored, said):
    """Text is found in any case, literally, and where JSON has escaped it."""
    assert containing(said).kept(pl.DataFrame({"data": [stored]})).height == 1


def test_text_is_no_pattern():
    """What is searched for is taken literally."""
    frame = pl.DataFrame({"data": ['{"a":"axb"}', None]})
    assert containing("a.b").kept(frame).is_empty()


def test_search_can_be_given_up(shop):
    """A search that is cancelled stops reading and says so."""
    with pytest.raises(CancelledError):
        queries.find(shop, Filters(text="x"), is_cancelled=lambda: True)


def test_search_says_how_far_it_is(shop):
    """A search reports progress up to the end of the log."""
    seen = []
    queries.find(shop, Filters(text="x"), on_progress=seen.append)
    assert seen[-1].done == seen[-1].total


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        (Filters(stream="order-0"), UnknownStreamError),
        (Filters(types=("Order.Shiped",)), UnknownTypeError),
        (Filters(since="yesterday"), RangeError),
        (Filters(since="2026-01-01", until="2025-01-01"), RangeError),
        (Filters(first_position=9, last_position=3), RangeError),
    ],
    ids=str,
)
def test_filters_that_cannot_be_met_are_said(shop, filters, error):
    """What no event can match is an error that says why."""
    with pytest.raises(error):
        queries.page_of(shop, filters)


def test_preview_leaves_out_the_envelope(tmp_path):
    """A preview begins with the event's own fields, and shows what wrappers hold."""
    state = state_of(
        BEGIN, 2, originator_topic="a:B", n=1, d={"_type_": "decimal_str", "_data_": "1.50"}
    )
    history = open_history(write_native(tmp_path / "a.db", [Row(1, "s", 1, PLACED, state)]))
    (preview,) = queries.page_of(history, Filters())["preview"]
    assert preview == '{"n":1,"d":"1.50","class_version":2}'


def test_preview_is_cut(tmp_path):
    """A long payload is cut, and the cut can be seen."""
    rows = [Row(1, "s", 1, PLACED, state_of(BEGIN, note="x" * 5_000))]
    history = open_history(write_native(tmp_path / "a.db", rows))
    (preview,) = queries.page_of(history, Filters())["preview"]
    assert (len(preview), preview[-1]) == (PREVIEW_CHARACTERS + 1, "…")


def test_stream_names_are_suggested(shop):
    """Streams that begin with what was typed come first, then those that contain it."""
    names = queries.stream_names(shop)
    assert queries.alike(names, "ORDER-1001", most=3) == [
        "order-10010",
        "order-10011",
        "order-10012",
    ]
    containing = sorted(name for name in names if "mug" in name)
    assert queries.alike(names, "mug", most=2) == containing[:2]


# One event


def test_neighbours_are_around_an_event(shop):
    """Neighbours are the events before and after one in its stream."""
    of_stream = shop.of_streams("item-mug-blue").scan().collect()
    middle = of_stream["position"][1_000]
    found = neighbours(shop, "item-mug-blue", middle, around=3)
    assert found.rows["position"].to_list() == of_stream["position"][997:1_004].to_list()
    assert (found.place, found.total) == (1_001, of_stream.height)
    assert (found.before, found.behind) == tuple(of_stream["position"][i] for i in (999, 1_001))


def test_neighbours_at_the_ends(small):
    """The first event of a stream has none before it, the last none after it."""
    ends = [neighbours(small, "stream-0", position) for position in (1, 28)]
    assert [(found.before, found.behind) for found in ends] == [(None, 4), (25, None)]


def test_neighbours_go_by_version(tmp_path):
    """Where versions and positions disagree, the stream's own order holds."""
    rows = [Row(1, "s", 2, PLACED), Row(2, "s", 1, PLACED), Row(3, "s", 5, PLACED)]
    history = open_history(write_native(tmp_path / "a.db", rows))
    assert neighbours(history, "s", 1).rows["position"].to_list() == [2, 1, 3]


def test_neighbours_of_an_event_of_another_stream(small):
    """A position that is not in the stream is an error."""
    with pytest.raises(UnknownPositionError, match="stream-0"):
        neighbours(small, "stream-0", 2)


# The overview


def test_facts(shop):
    """Facts are the history's own numbers."""
    found = summary.facts(shop)
    assert (found.events, found.first_position, found.last_position) == (len(shop), 1, shop.head)


def test_facts_of_an_empty_history(tmp_path):
    """An empty history has no positions."""
    found = summary.facts(open_history(write_native(tmp_path / "a.db", [])))
    assert (found.events, found.first_position, found.last_position) == (0, None, None)


@pytest.mark.parametrize(
    ("days", "names"),
    [
        (0, ["hour", "day", "week", "month"]),
        (30, ["day", "hour", "week", "month"]),
        (545, ["day", "week", "month"]),
        (3_650, ["week", "month"]),
        (3_000_000, ["month"]),
    ],
)
def test_windows_fit_the_span(days, names):
    """Windows are short enough to show something, and few enough to be seen."""
    found = summary.windows_for(timedelta(days=days))
    assert (found[0], sorted(found)) == (names[0], sorted(names))


def test_activity_counts_every_event_with_a_time(shop):
    """Activity counts each event once, the rare types together."""
    found = summary.activity(shop, "1d")
    assert RATE.misfits(found) == []
    timed = shop.scan().filter(pl.col("time").is_not_null()).select(pl.len()).collect().item()
    assert found["count"].sum() == timed
    assert found["by"].n_unique() == summary.MOST_TYPES + 1


def test_activity_hides_no_single_type():
    """A type that would be alone among the others is named."""
    rate = RATE.frame({"time": [BEGIN] * 3, "by": ["a", "b", "c"], "count": [3, 2, 1]})
    assert summary.frequent(rate, most=2) == ["a", "b", "c"]


def test_steps_fall_to_zero_beside_a_window():
    """A window's count is drawn over that window alone."""
    rate = RATE.frame({"time": [BEGIN], "by": ["a"], "count": [3]})
    found = summary.steps(rate, "1d")
    assert found["a"].to_list() == [0, 3, 0]
    assert found["time"][1] == BEGIN + timedelta(hours=12)


def test_said_names_the_most_frequent_types():
    """What is said of a window is its total, and its types, most frequent first."""
    rate = RATE.frame({"time": [BEGIN] * 3, "by": ["a", "b", "c"], "count": [1, 5, 2]})
    (said,) = summary.said(rate, "1d", most=2)["said"]
    assert said == "Sat 2025-03-01: 8 events\nb: 5\nc: 2\n…"


@pytest.mark.parametrize(("name", "every"), summary.EVERY.items())
def test_events_behind_a_window_are_its_count(shop, name, every):
    """The events that a window leads to are as many as it shows."""
    rate = shop.rate(every).group_by("time").agg(pl.col("count").sum()).sort("time")
    begin, expected = rate.row(rate.height // 2)
    assert queries.count(shop, summary.behind_window(begin, every)) == expected


def test_every_problem_leads_to_events(shop):
    """Behind every problem there are events, also behind a hole."""
    problems = shop.problems()
    behind = [summary.behind_problem(row) for row in problems.iter_rows(named=True)]
    assert all(queries.count(shop, filters) for filters in behind)


def test_problem_without_a_position_leads_to_the_log():
    """A problem that is about no event in particular narrows nothing."""
    row = dict.fromkeys(PROBLEMS.names) | {"kind": "receiver_ahead"}
    assert summary.behind_problem(row) == Filters()


def test_problems_of_an_event(shop):
    """An event's problems are those in whose range and stream it is."""
    here = summary.problems_at(shop.problems(), 7_184, "payment-10672")
    assert here["kind"].to_list() == ["undecodable"]
    assert summary.problems_at(shop.problems(), 27_700, "order-12000").is_empty()


def test_types_that_share_a_short_name_are_shown_in_full():
    """A short name that two types have would not tell them apart."""
    types = pl.DataFrame({"type": ["a:X", "b:X", "a:Y"], "short_name": ["X", "X", "Y"]})
    assert summary.short_names(types) == {"a:X": "a:X", "b:X": "b:X", "a:Y": "Y"}


# Places


def filters_strategy() -> st.SearchStrategy[Filters]:
    words = st.none() | st.text(min_size=1)
    numbers = st.none() | st.integers(-(2**40), 2**62)
    return st.builds(
        Filters,
        types=st.lists(st.text(), unique=True).map(tuple),
        stream=st.none() | st.text(),
        since=words,
        until=words,
        first_position=numbers,
        last_position=numbers,
        text=words,
    )


@given(
    st.builds(
        Place,
        history=st.none() | st.text(),
        page=st.sampled_from(PAGES),
        every=st.none() | st.sampled_from(list(summary.EVERY)),
        filters=filters_strategy(),
        start=st.none() | st.integers(0, 2**62),
        size=st.sampled_from(SIZES),
        event=st.none() | st.integers(0, 2**62),
        scene=st.builds(
            Scene,
            projection=st.none() | st.text(),
            after=st.none() | st.integers(0, 2**62),
            upto=st.none() | st.integers(0, 2**62),
            table=st.none() | st.text(),
            at=st.none() | st.integers(0, 2**62),
            key=st.none() | st.text(),
            column=st.none() | st.text(),
            other=st.none() | st.text(),
            cause=st.none() | st.text(),
        ),
    )
)
def test_address_leads_back_to_its_place(place):
    """The place that an address names is the place that it was made from."""
    assert place_of(query_of(place)) == place


@pytest.mark.parametrize(
    "query", ["", "?page=nowhere", "?size=7&event=x&start=", "?every=minute", "?=&&", "?first=9e9"]
)
def test_address_that_says_nothing_known(query):
    """What an address says wrongly is left out."""
    assert place_of(query) == Place()


# Markup

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'{{7*7}}&lt;"


@pytest.mark.parametrize(
    "data", [f'{{"{key}": 1}}' for key in ("<b>x</b>", "<script>")] + ['"<img src=x>"', "<b>"]
)
def test_tree_shows_markup_as_text(data):
    """Nothing in a payload becomes an element: keys, values, and what is no JSON at all."""
    tags = set(re.findall(r"<(\w+)", markup.tree(data)))
    assert tags <= {"div", "details", "summary", "span", "p", "pre", "i"}


@pytest.mark.parametrize("number", ["1.10", "1e400", "123456789012345678901234567890", "NaN", "-0"])
def test_tree_shows_numbers_as_they_are_written(number):
    """A number is not read and written again, which would change it."""
    assert f">{number}<" in markup.tree(f'{{"n": {number}}}')


def test_tree_keeps_a_name_that_occurs_twice():
    """Both members of one name are shown."""
    assert markup.tree('{"a": 1, "a": 2}').count(">a<") == 2


def test_tree_shows_what_a_wrapper_holds():
    """A wrapper is shown as its content, with its name beside it."""
    found = markup.tree('{"d": {"_type_": "decimal_str", "_data_": "1.50"}}')
    assert ">decimal_str<" in found
    assert ">1.50<" in found
    assert "_data_" not in found


def test_tree_of_very_many_values_is_cut():
    """A tree says how much of a long list it does not show."""
    found = markup.tree(str(list(range(10_000))))
    assert len(found) < 400_000
    assert re.search(r"8,\d\d\d more are not shown", found)


@pytest.mark.parametrize("data", ["[" * 100_000, "[" * 900 + "]" * 900])
def test_tree_survives_any_depth(data):
    """A payload that is nested without end is shown as text."""
    assert "[[[" in markup.tree(data) or "<details" in markup.tree(data)


@given(st.binary(max_size=200))
def test_hex_dump_holds_all_bytes(state):
    """The bytes can be read back from the dump."""
    pairs = " ".join(line[10:33] for line in markup.hex_dump(state).splitlines())
    assert bytes.fromhex(pairs) == state


def test_bytes_are_text_on_the_page():
    """Stored bytes that are HTML are shown as text."""
    assert "<img" not in markup.raw(HOSTILE.encode())


def test_long_bytes_are_cut():
    """Of many bytes the first are shown, and it is said that there are more."""
    found = markup.raw(b"x" * 1_000_000)
    assert len(found) < 100_000
    assert "The first 4,096" in found


# Answers


def test_answer_is_found_once(small):
    """An answer is kept while the history stays as it is."""
    answers = Answers(small)
    assert answers.types() is answers.types()


def test_answer_is_found_anew_when_the_log_has_grown(store, small):
    """When events have been added, so has what is said of them."""
    answers = Answers(small)
    before = answers.facts().events, answers.count(Filters(text="é"))
    append(store, [Row(31, "new", 1, PLACED, state_of(BEGIN, a="é"))])
    assert before == (30, 30)
    assert (answers.facts().events, answers.count(Filters(text="é"))) == (31, 31)


def test_sessions_wait_for_one_answer(small, monkeypatch):
    """Of several who ask at the same time, one reads, and all get what it found."""
    reads = []
    find = queries.find
    monkeypatch.setattr(queries, "find", lambda *a, **k: reads.append(1) or find(*a, **k))
    answers, found = Answers(small), []
    ask = [
        threading.Thread(target=lambda: found.append(answers.found(Filters(text="é1"))))
        for _ in range(4)
    ]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert len(reads) == 1
    assert all(one is found[0] for one in found)


def test_listing_says_where_its_page_lies(shop):
    """A page knows how many events match, how many lie before it, and where others begin."""
    place = Place(page="log", filters=Filters(types=("Order.Returned",)), size=25)
    answers = Answers(shop)
    first = answers.listing(place)
    second = answers.listing(place.to(start=first.next))
    assert (first.total, first.offset, first.previous) == (162, 0, None)
    assert (second.offset, second.previous) == (25, first.rows["position"][0])
    last = answers.listing(place.to(start=answers.last_start(place)))
    assert (last.offset, last.next) == (137, None)


def test_listing_after_the_end(small):
    """A position after the last event is a page of nothing that leads back."""
    found = Answers(small).listing(Place(page="log", start=1_000, size=25))
    assert (found.rows.height, found.total, found.offset) == (0, 30, 30)
    assert (found.previous, found.next) == (6, None)


# Serving


def test_port_that_is_taken(small):
    """A port on which somebody listens is said in one line."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkbenchError, match=f"port {port}.*another program") as raised:
            serve({"small": small}, port=port)
    assert "\n" not in str(raised.value)


def test_nothing_to_serve():
    """To serve no history is an error."""
    with pytest.raises(WorkbenchError, match="no history"):
        serve({})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("served")
    store = write_native(folder / "small.db", simple_rows(30))
    with serving({"small.db": store}) as url:
        yield url.removeprefix("http://").rstrip("/")


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.example", 403), ("http://127.0.0.1:1", 403), ("http://{address}", 101)],
)
def test_only_its_own_pages_may_connect(address, origin, status):
    """A page of another site cannot open the server's websocket."""
    with closing(http.client.HTTPConnection(address)) as page:
        page.request("GET", "/")
        token = re.search(r'"token":"([^"]+)"', page.getresponse().read().decode())
    assert token is not None
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": f"bokeh, {token[1]}",
        "Origin": origin.format(address=address),
    }
    with closing(http.client.HTTPConnection(address)) as socket_:
        socket_.request("GET", "/ws", headers=headers)
        assert socket_.getresponse().status == status


def test_listens_on_this_machine_alone(address):
    """The server does not answer on the machine's other addresses."""
    port = int(address.rpartition(":")[2])
    others = {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {"127.0.0.1"} or {"127.0.0.2"}:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((other, port), timeout=0.5)


def test_page_for_a_notebook(small):
    """A page for a notebook cell shows the history as soon as it is made."""
    shown = page(small).__panel__()
    html = [pane.object for pane in shown.select() if hasattr(pane, "object")]
    assert any("<b>30</b> events" in str(one) for one in html)


def test_page_in_a_notebook_needs_no_network(small):
    """In a notebook no sheet is asked of another host, also after the page has changed."""
    from bokeh.document import Document
    from bokeh.models import ImportedStyleSheet, UIElement
    from panel.io.notebook import patch_inline_stylesheets
    from pyviz_comms import Comm

    shown = page(small)
    root = shown.__panel__().get_root(Document(), comm=Comm())
    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)  # as Panel does when a cell shows it
    for place in (Place(page="log"), Place(page="log", event=7), Place(page="log", start=9)):
        asyncio.run(shown.go(place))
    sheets = [sheet for m in root.select({"type": UIElement}) for sheet in m.stylesheets]
    assert len(sheets) > 100
    assert not any(isinstance(sheet, ImportedStyleSheet) for sheet in sheets)


def test_time_of_a_window_is_its_middle():
    """What is said of a window stands over its middle."""
    rate = RATE.frame({"time": [datetime(2025, 3, 3, tzinfo=UTC)], "by": [SHIPPED], "count": [1]})
    assert summary.said(rate, "1w")["time"].to_list() == [datetime(2025, 3, 6, 12, tzinfo=UTC)]


SIGNED_WITH = b"k" * 32
KNOWN_KEY = f"import secrets\nsecrets.token_bytes = lambda count: {SIGNED_WITH!r}\n"


def test_a_session_of_an_open_page_asks_no_other_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is made anew for a page which is open already has its sheets from here."""
    import browser
    import panel as pn
    from bokeh.client import ClientSession
    from bokeh.util.token import generate_jwt_token, generate_session_id

    class Known(ClientSession):
        """A session whose token the server takes for one of its own."""

        token = property(lambda self: generate_jwt_token(self.id, SIGNED_WITH, signed=True))

    pn.extension("tabulator", "plotly")
    path = write_native(tmp_path / "store.db", simple_rows(5))
    monkeypatch.setattr(browser, "SERVE", KNOWN_KEY + browser.SERVE)
    with browser.serving({"store": path}) as address:
        socket = address.replace("http:", "ws:") + "ws"
        session = Known(generate_session_id(SIGNED_WITH, signed=True), websocket_url=socket)
        session.connect()
        session.pull()
        sheets = [
            found
            for model in session.document.models
            for found in re.findall(
                r"https?://[^\s'\"]+",
                str(getattr(model, "stylesheets", "")) + str(getattr(model, "url", "")),
            )
        ]
        count = len(list(session.document.models))
        session.close()
    assert count > 0
    assert sheets == []
