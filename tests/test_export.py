from __future__ import annotations

import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from stores import Row, simple_rows, state_of, write_native

from workbench import open_history
from workbench.errors import ExportError, StoreUnreadableError
from workbench.export import FORMATS, export
from workbench.tables import EVENTS

TEXTS = {**EVENTS.schema, "time": pl.String, "tags": pl.String}
ENDINGS = pytest.mark.parametrize("ending", FORMATS)
LOGS = (".xes", ".xes.gz", ".ocel.json", ".ocel.sqlite")


def read_back(path):
    """Return an exported file as the event table: of a table, by Polars' own reader."""
    if path.name.endswith(LOGS):
        return open_history(path).scan().collect()
    match path.suffix:
        case ".parquet":
            return pl.read_parquet(path)
        case ".arrow":
            return pl.read_ipc(path)
        case ".csv":
            tags = pl.col("tags").str.json_decode(pl.List(pl.String))
            found = pl.read_csv(path, schema=TEXTS).with_columns(tags)
        case _:
            found = pl.read_ndjson(path, schema={**EVENTS.schema, "time": pl.String})
    return found.with_columns(pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC"))


@pytest.fixture
def odd(tmp_path):
    """Return a history with text that formats trip over, and an event that has no payload."""
    texts = ['"quoted", and\nin lines', "=1+1", "Zoë 🦆", ""]
    rows = [Row(i + 1, f"a,{i}", 1, "m:T", state_of(text=t)) for i, t in enumerate(texts)]
    return open_history(
        write_native(tmp_path / "odd.db", [*rows, Row(9, "b", 1, 'm:"T"', b"\xff")])
    )


@ENDINGS
def test_file_has_every_event(small, tmp_path, ending):
    """What was exported is read back as the event table, in order."""
    path = tmp_path / f"out{ending}"
    assert export(small, path) == len(small)
    assert_frame_equal(read_back(path), small.scan().collect())


@ENDINGS
def test_odd_text_survives(odd, tmp_path, ending):
    """Quotes, line ends, commas, non-ASCII and missing payloads come back as they were."""
    path = tmp_path / f"out{ending}"
    export(odd, path)
    assert_frame_equal(read_back(path), odd.scan().collect())


@ENDINGS
def test_narrowed_history_is_exported_narrowed(small, tmp_path, ending):
    """Only the selection is written."""
    path = tmp_path / f"out{ending}"
    chosen = small.between(after=10).of_types("Order.Placed")
    assert export(chosen, path) == len(chosen)
    assert_frame_equal(read_back(path), chosen.scan().collect())


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_empty_selection_keeps_the_columns(small, tmp_path, ending):
    """A file of no events still has the columns; NDJSON has no place for them."""
    path = tmp_path / f"out{ending}"
    assert export(small.since("2100-01-01"), path) == 0
    assert read_back(path).columns == list(EVENTS.names)


def test_empty_selection_is_an_empty_ndjson_file(small, tmp_path):
    """NDJSON of no events is a file of no lines."""
    export(small.since("2100-01-01"), tmp_path / "out.ndjson")
    assert (tmp_path / "out.ndjson").read_bytes() == b""


def test_history_of_several_parts_is_in_order(tmp_path):
    """Events that are read in several parts are written in order."""
    history = open_history(write_native(tmp_path / "big.db", simple_rows(150_000)))
    assert export(history, tmp_path / "out.parquet") == 150_000
    assert pl.read_parquet(tmp_path / "out.parquet")["position"].is_sorted()


@pytest.mark.parametrize("ending", [".csv", ".ndjson"])
def test_times_in_text_are_iso_8601(small, tmp_path, ending):
    """In text formats a time has its date, microseconds and zone."""
    export(small, tmp_path / f"out{ending}")
    assert "2025-03-01T00:00:00.000000Z" in (tmp_path / f"out{ending}").read_text("utf-8")


def test_every_line_of_ndjson_is_json(odd, tmp_path):
    """Each line is one JSON object with the columns of the event table."""
    export(odd, tmp_path / "out.ndjson")
    lines = (tmp_path / "out.ndjson").read_text("utf-8").splitlines()
    assert [tuple(json.loads(line)) for line in lines] == [EVENTS.names] * 5


def test_ending_in_capitals_counts(small, tmp_path):
    """The ending is told whatever its case."""
    assert export(small, tmp_path / "OUT.CSV") == 30


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz", "out.json"])
def test_unknown_ending_lists_the_known(small, tmp_path, name):
    """A file of another ending is refused, with the endings that there are."""
    with pytest.raises(ExportError, match=r"\.parquet, \.csv, \.ndjson, \.arrow"):
        export(small, tmp_path / name)


def test_existing_file_is_kept(small, tmp_path):
    """A file that is there is refused, and stays as it was."""
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(ExportError, match="there is a file already"):
        export(small, path)
    assert path.read_text() == "mine"


def test_existing_file_is_replaced_where_asked(small, tmp_path):
    """With `overwrite` the file is replaced."""
    path = tmp_path / "out.parquet"
    path.write_text("mine")
    export(small, path, overwrite=True)
    assert pl.read_parquet(path).height == 30


def test_store_is_never_replaced(small, store, tmp_path):
    """A SQLite file is refused whatever its name, also with `overwrite`."""
    path = tmp_path / "store.csv"
    before = store.read_bytes()
    store.rename(path)
    with pytest.raises(ExportError, match="may be a store"):
        export(open_history(path), path, overwrite=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["folder.csv", "nowhere/out.csv"])
def test_place_that_cannot_be_written_is_said(small, tmp_path, name):
    """A directory, and a folder that is not there, are refused."""
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ExportError, match=r"directory|no folder"):
        export(small, tmp_path / name)


class Failing:
    """A history whose reading fails after some events."""

    def __init__(self, history, error):
        self.history, self.error = history, error

    def scan(self):
        """Return a scan that fails after its first part."""
        from polars.io.plugins import register_io_source

        def read(*_):
            yield self.history.scan().collect()
            raise self.error

        return register_io_source(read, schema=EVENTS.schema)


@ENDINGS
@pytest.mark.parametrize("error", [StoreUnreadableError("gone"), KeyboardInterrupt()])
def test_reading_that_stops_leaves_no_file(small, tmp_path, ending, error):
    """An error of the source, or an interrupt, comes through, and no half file stays."""
    before = set(tmp_path.iterdir())
    with pytest.raises(type(error)):
        export(Failing(small, error), tmp_path / f"out{ending}")
    assert set(tmp_path.iterdir()) == before


@ENDINGS
def test_writing_that_fails_leaves_no_file(small, tmp_path, ending, monkeypatch):
    """An error of the disk is the project's own, and no half file stays."""

    def full(events, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMATS, ending, full)
    before = set(tmp_path.iterdir())
    with pytest.raises(ExportError, match="No space left on device"):
        export(small, tmp_path / f"out{ending}")
    assert set(tmp_path.iterdir()) == before
