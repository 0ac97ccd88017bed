"""Exported files are opened as the history that they came from, and files of others are too."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from contracts import DecodedSourceContract, EmptySourceContract, Made
from files import KNOWN, exported, fingerprint, stored
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import BEGIN, simple_rows, write_native
from strategies import histories, predicates

from workbench import errors, open_history
from workbench.export import export
from workbench.sources.texts import times_of
from workbench.tables import EVENTS

TABLES = (".parquet", ".csv", ".ndjson", ".arrow")
ENDINGS = pytest.mark.parametrize("ending", TABLES)
MAPPED = {"position": "id", "stream": "order_id", "type": "kind", "time": "at", "data": ...}
CSV = (
    "id,order_id,kind,at,amount,note\n"
    '1,00042,placed,2025-03-01T10:00:00+02:00,9.50,"say ""hi"""\n'
    "2,00042,paid,2025-03-01 09:00,,\n"
)


@pytest.fixture
def orders(tmp_path):
    """Return a CSV file with columns of its own."""
    path = tmp_path / "orders.csv"
    path.write_text(CSV)
    return path


def written(path, frame):
    """Write a frame as Parquet, and return the path."""
    frame.write_parquet(path)
    return path


def frame_of(**columns):
    """Return a frame of two events, with other columns as given."""
    return pl.DataFrame({"position": [1, 2], "stream": ["s", "s"], "type": ["A", "B"], **columns})


class TestParquet(DecodedSourceContract):
    """An exported Parquet file."""

    ending = ".parquet"

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        return Made(open_history(exported(new_path, KNOWN, cls.ending)).source, KNOWN)


class TestCSV(TestParquet):
    """An exported CSV file."""

    ending = ".csv"


class TestNDJSON(TestParquet):
    """An exported NDJSON file."""

    ending = ".ndjson"


class TestArrow(TestParquet):
    """An exported Arrow file."""

    ending = ".arrow"


class TestUnordered(DecodedSourceContract):
    """A Parquet file whose rows are in no order."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        path = exported(new_path, KNOWN, ".parquet")
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
        return Made(open_history(path).source, KNOWN)


class TestFolder(DecodedSourceContract):
    """A folder of three Parquet files, whose names are not in the order of positions."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        rows = pl.read_parquet(exported(new_path, KNOWN, ".parquet"))
        folder = new_path().with_suffix("")
        folder.mkdir()
        for number, part in enumerate(rows.iter_slices(15)):
            part.write_parquet(folder / f"{9 - number}.parquet")
        (folder / "_SUCCESS").touch()
        (folder / "notes.txt").touch()
        return Made(open_history(folder).source, KNOWN)


class TestMapped(DecodedSourceContract):
    """A file whose columns have other names and dtypes."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, new_path):
        """Return the source of 40 events."""
        path = exported(new_path, KNOWN, ".parquet")
        pl.read_parquet(path).select(
            pl.col("position").cast(pl.String).alias("id"),
            pl.col("stream").cast(pl.Categorical).alias("of"),
            pl.col("version").cast(pl.Float64).alias("v"),
            pl.col("type").alias("kind"),
            pl.col("data").cast(pl.Binary).alias("body"),
        ).write_parquet(path)
        columns = {"position": "id", "stream": "of", "version": "v", "type": "kind", "data": "body"}
        return Made(open_history(path, columns=columns).source, KNOWN)


class TestEmptyParquet(EmptySourceContract):
    """A Parquet file of no events."""

    ending = ".parquet"

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, new_path):
        """Return the source of no events."""
        return open_history(exported(new_path, [], cls.ending)).source


class TestEmptyCSV(TestEmptyParquet):
    """A CSV file of no events."""

    ending = ".csv"


class TestEmptyNDJSON(TestEmptyParquet):
    """An NDJSON file of no lines."""

    ending = ".ndjson"


class TestEmptyArrow(TestEmptyParquet):
    """An Arrow file of no events."""

    ending = ".arrow"


# The law: what is exported and opened again is equal


@ENDINGS
@given(made=histories())
def test_exported_file_is_the_history(new_path, ending, made):
    """Every event of an exported file is that of the store, also what cannot be decoded."""
    path = new_path()
    history = stored(path, made)
    out = path.with_suffix(ending)
    export(history, out)
    assert_frame_equal(open_history(out).scan().collect(), history.scan().collect())


@ENDINGS
@given(made=histories(max_size=15), condition=predicates())
def test_conditions_find_the_same(new_path, ending, made, condition):
    """A condition leaves the same events in a file as in the store."""
    path = new_path()
    history = stored(path, made)
    out = path.with_suffix(ending)
    export(history, out)
    found = open_history(out).scan().filter(condition).collect()
    assert_frame_equal(found, history.scan().filter(condition).collect())


@ENDINGS
def test_questions_have_the_same_answers(new_path, shop, ending):
    """The catalogue and the typed columns of an exported sample are those of the store."""
    out = new_path().with_suffix(ending)
    some = shop.between(upto=3_000)
    export(some, out)
    found = open_history(out)
    assert_frame_equal(found.types(), some.types())
    assert_frame_equal(found.streams(), some.streams())
    typed = found.events_by_type()
    for name, frame in some.events_by_type().items():
        assert_frame_equal(typed[name], frame)


NARROWED = {
    "between": lambda h: h.between(after=5, upto=20),
    "since": lambda h: h.since("2025-03-01T00:10"),
    "until": lambda h: h.until("2025-03-01T00:10"),
    "types": lambda h: h.of_types("Order.Placed"),
    "streams": lambda h: h.of_streams("stream-1"),
    "all": lambda h: (
        h.between(after=3).of_types("Order.Placed").of_streams("stream-1").since("2025-03-01")
    ),
}


@ENDINGS
@pytest.mark.parametrize("name", NARROWED)
def test_narrowing_is_that_of_the_store(small, tmp_path, ending, name):
    """A history of a file is narrowed like any other, read at once and in batches."""
    export(small, tmp_path / f"out{ending}")
    history = NARROWED[name](open_history(tmp_path / f"out{ending}"))
    expected = NARROWED[name](small).scan().collect()
    assert_frame_equal(history.scan().collect(), expected)
    assert_frame_equal(pl.concat(history.batches()), expected)
    assert (len(history), history.head) == (expected.height, expected["position"].max())


def test_first_rows_are_the_first_of_the_selection(small, tmp_path):
    """A limit counts the events that are left by the narrowing, times included."""
    export(small, tmp_path / "out.parquet")
    history = open_history(tmp_path / "out.parquet").since("2025-03-01T00:10")
    assert history.scan().head(3).collect()["position"].to_list() == [11, 12, 13]


@pytest.mark.parametrize(
    "condition",
    [
        pl.col("position") > 10,
        pl.col("type") == "A",
        pl.col("time") > BEGIN,
        pl.col("stream").is_in(["a"]),
    ],
)
def test_condition_reaches_the_file(small, tmp_path, condition):
    """Conditions on position, type, time and stream are answered by the Parquet reader."""
    export(small, tmp_path / "out.parquet")
    source = open_history(tmp_path / "out.parquet").source
    plan = source.rows(None).filter(condition).select("position").explain()
    assert "SELECTION:" in plan
    assert "FILTER" not in plan


def test_time_is_indexed(small, tmp_path):
    """A file says that it finds times without reading everything."""
    export(small, tmp_path / "out.parquet")
    assert open_history(tmp_path / "out.parquet").source.capabilities.time_index


def test_partitions_have_no_total_order(tmp_path):
    """A file of several partitions keeps their positions apart, and says so."""
    frame = frame_of(partition=[1, 0]).with_columns(position=pl.lit(7))
    history = open_history(written(tmp_path / "a.parquet", frame))
    assert history.scan().collect()["type"].to_list() == ["B", "A"]
    assert not history.source.capabilities.total_order


def test_reports_progress(small, tmp_path):
    """Reading a file reports how far it has come."""
    export(small, tmp_path / "out.csv")
    seen = []
    open_history(tmp_path / "out.csv").with_progress(seen.append).scan().collect()
    assert seen[-1].done == seen[-1].total


# Columns of others


def test_columns_are_mapped(orders):
    """Columns are taken under the names that are given; all others become the payload."""
    found = open_history(orders, columns=MAPPED).scan().collect()
    assert found.select("position", "stream", "type").rows() == [
        (1, "00042", "placed"),
        (2, "00042", "paid"),
    ]
    assert found["time"].to_list() == [
        datetime(2025, 3, 1, 8, tzinfo=UTC),
        datetime(2025, 3, 1, 9, tzinfo=UTC),
    ]
    assert [json.loads(text) for text in found["data"]] == [
        {"amount": "9.50", "note": 'say "hi"'},
        {"amount": None, "note": None},
    ]
    assert found["problem"].to_list() == [None, None]


def test_payload_is_empty_where_it_is_not_asked_for(orders):
    """Without a column for it, the payload is an object of no fields."""
    columns = {"stream": "order_id", "type": "kind"}
    assert open_history(orders, columns=columns).scan().collect()["data"].to_list() == ["{}"] * 2


def test_payload_is_made_of_named_columns(orders):
    """A list names the columns of the payload."""
    columns = {"stream": "order_id", "type": "kind", "data": ["note"]}
    found = open_history(orders, columns=columns).scan().collect()
    assert json.loads(found["data"][0]) == {"note": 'say "hi"'}


def test_rows_are_numbered_without_a_position(orders):
    """Where no column is the position, it is the number of the row."""
    columns = {"stream": "order_id", "type": "kind"}
    found = open_history(orders, columns=columns)
    assert found.scan().collect()["position"].to_list() == [1, 2]
    assert found.between(after=1).scan().collect()["type"].to_list() == ["paid"]


def test_rows_of_a_folder_are_numbered_on(tmp_path):
    """Rows of several files without positions have numbers of one sequence."""
    frame = frame_of().drop("position")
    written(tmp_path / "a.parquet", frame)
    written(tmp_path / "b.parquet", frame)
    assert open_history(tmp_path).scan().collect()["position"].to_list() == [1, 2, 3, 4]


def test_column_may_be_an_expression(tmp_path):
    """A Polars expression says what no name can, such as the unit of a number."""
    path = written(tmp_path / "a.parquet", frame_of(ms=[0, 1_500]))
    columns = {"stream": "stream", "type": "type", "time": pl.from_epoch("ms", "ms")}
    found = open_history(path, columns=columns).scan().collect()
    assert found["time"][1] == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_dtypes_of_columns_are_kept_in_the_payload(tmp_path):
    """Times and decimals of a payload are typed columns again."""
    at, price = datetime(2025, 3, 1, tzinfo=UTC), Decimal("9.50")
    frame = frame_of(at=[at, None], price=[price, None], day=[date(2025, 3, 1), None], n=[1, 2])
    columns = {"position": "position", "stream": "stream", "type": "type", "data": ...}
    history = open_history(written(tmp_path / "a.parquet", frame), columns=columns)
    found = history.events("A").row(0, named=True)
    assert (found["at"], found["price"], found["day"], found["n"]) == (at, price, "2025-03-01", 1)


def test_nested_payload_is_json(tmp_path):
    """A column of structs is a payload of objects."""
    frame = frame_of(data=[{"a": [1], "b": None}, {"a": [], "b": "x"}])
    found = open_history(written(tmp_path / "a.parquet", frame)).scan().collect()
    assert found["data"].to_list() == ['{"a":[1],"b":null}', '{"a":[],"b":"x"}']


def test_lines_keep_what_each_has(tmp_path):
    """Lines of NDJSON may differ in all fields; numbers and objects stay as they are written."""
    (tmp_path / "a.ndjson").write_text(
        '{"id":1,"s":"x","kind":"A","body":{"n":1.50}}\n\n{"kind":"B","id":"2","s":7,"n":null}\n'
    )
    columns = {"position": "id", "stream": "s", "type": "kind", "data": ...}
    found = open_history(tmp_path / "a.ndjson", columns=columns).scan().collect()
    assert found["data"].to_list() == ['{"body":{"n":1.50}}', '{"n":null}']
    assert found["stream"].to_list() == ["x", "7"]


def test_payload_in_a_line_is_an_object_or_text(tmp_path):
    """The payload of a line may be an object, or the text of one."""
    (tmp_path / "a.ndjson").write_text(
        '{"stream":"x","type":"A","data":{"n":1}}\n{"stream":"x","type":"A","data":"{\\"n\\":2}"}\n'
    )
    found = open_history(tmp_path / "a.ndjson").scan().collect()
    assert found["data"].to_list() == ['{"n":1}', '{"n":2}']


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)))
def test_time_without_a_zone_is_utc(moment):
    """A time that states no zone is taken as UTC, with any part left out."""
    texts = pl.Series([moment.isoformat(), moment.isoformat(" "), moment.date().isoformat()])
    midnight = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    aware = moment.replace(tzinfo=UTC)
    assert times_of(texts).to_list() == [aware, aware, midnight]


@pytest.mark.parametrize("dtype", [pl.Datetime("ms"), pl.Datetime("ns", "Europe/Berlin"), pl.Date])
def test_times_of_any_dtype_are_utc(tmp_path, dtype):
    """A column of times in any unit and zone becomes microseconds in UTC."""
    times = pl.Series([date(2025, 3, 1)] * 2).cast(pl.Datetime("us"))
    zoned = times.dt.replace_time_zone("Europe/Berlin") if "Berlin" in str(dtype) else times
    path = written(tmp_path / "a.parquet", frame_of(time=zoned.cast(dtype)))
    hour = "2025-02-28T23" if "Berlin" in str(dtype) else "2025-03-01T00"
    assert f"{open_history(path).scan().collect()['time'][0]:%Y-%m-%dT%H}" == hour


# Bad data becomes a row with its reason


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("time", "soon", "time is not read: soon"),
        ("version", "1.5", "version is not read: 1.5"),
        ("schema_version", "v2", "schema_version is not read: v2"),
        ("tags", "order:1", "tags is not read: order:1"),
        ("data", "{", "not JSON"),
        ("data", "", "not JSON"),
        ("data", None, "no payload is stored"),
    ],
)
def test_value_that_does_not_fit_is_a_problem(tmp_path, column, value, said):
    """A value that cannot be read is null, and its row says so; other rows are as they were."""
    good = {"time": "2025-03-01", "version": "1", "schema_version": "1", "tags": "[]", "data": "{}"}
    path = written(tmp_path / "a.parquet", frame_of(**{column: [value, good[column]]}))
    found = open_history(path).scan().collect()
    assert found["problem"][0].startswith(said)
    assert found["problem"][1] is None
    assert found[column].to_list()[0] in (None, [])
    assert EVENTS.misfits(found) == []


def test_stored_text_of_a_bad_payload_is_kept(tmp_path):
    """The bytes of a payload that is no JSON can be looked at."""
    history = open_history(written(tmp_path / "a.parquet", frame_of(data=["{oops", "{}"])))
    assert history.state(1) == b"{oops"


def test_broken_line_is_a_row(tmp_path):
    """A line that is no JSON object is a row with its reason, and takes no other with it."""
    (tmp_path / "a.ndjson").write_text('{"stream":"x","type":"A"}\n{"stream":\n[1]\n')
    found = open_history(tmp_path / "a.ndjson").scan().collect()
    assert found["type"].to_list() == ["A", None, None]
    assert [text and text[:6] for text in found["problem"]] == [None, "line 2", "line 3"]


# Bad use, and what cannot be read


def touched(folder, name):
    """Make an empty file."""
    (folder / name).touch()
    return folder / name


def text_file(folder, name, text):
    """Make a file of text."""
    (folder / name).write_text(text)
    return folder / name


def truncated(folder, ending):
    """Export a store, and cut the file off."""
    path = folder / f"a{ending}"
    export(stored(folder / "a.db", simple_rows(200)), path)
    path.write_bytes(path.read_bytes()[:2_000])
    return path


def of_several_kinds(folder):
    """Make a folder of files of two kinds."""
    written(folder / "a.parquet", frame_of())
    text_file(folder, "b.csv", CSV)
    return folder


def with_position(folder, positions):
    """Write two events with these positions."""
    return written(folder / "a.parquet", frame_of().with_columns(position=pl.Series(positions)))


def broken_middle(folder):
    """Write a Parquet file whose pages are not what its end says."""
    path = written(folder / "a.parquet", frame_of(data=["x" * 5_000, "{}"]))
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    return path


CASES = {
    "missing": (lambda f: f / "none.parquet", errors.StoreNotFoundError, "no such file"),
    "no folder": (lambda f: f / "no" / "none.csv", errors.StoreNotFoundError, "no folder"),
    "empty parquet": (lambda f: touched(f, "a.parquet"), errors.StoreUnreadableError, "is empty"),
    "empty csv": (lambda f: touched(f, "a.csv"), errors.StoreUnreadableError, "is empty"),
    "empty arrow": (lambda f: touched(f, "a.arrow"), errors.StoreUnreadableError, "is empty"),
    "cut parquet": (lambda f: truncated(f, ".parquet"), errors.StoreUnreadableError, "damaged"),
    "cut arrow": (lambda f: truncated(f, ".arrow"), errors.StoreUnreadableError, "damaged"),
    "broken parquet": (broken_middle, errors.StoreUnreadableError, "damaged"),
    "other columns": (lambda f: text_file(f, "a.csv", CSV), errors.MappingError, "'order_id'"),
    "several kinds": (of_several_kinds, errors.StoreUnreadableError, "1 .csv, 1 .parquet"),
    "empty folder": (lambda f: f, errors.StoreUnreadableError, "is a directory"),
    "twice": (lambda f: with_position(f, [7, 7]), errors.MappingError, "position 7 occurs twice"),
    "no number": (lambda f: with_position(f, ["1", "x"]), errors.MappingError, "row 2 has no"),
    "no position": (lambda f: with_position(f, [1, None]), errors.MappingError, "row 2 has no"),
    "time in numbers": (
        lambda f: written(f / "a.parquet", frame_of(time=[1, 2])),
        errors.MappingError,
        "does not say its unit",
    ),
    "text that is no text": (
        lambda f: (f / "a.csv").write_bytes(b"stream,type\n\xff,\xfe\n") and f / "a.csv",
        errors.StoreUnreadableError,
        "UTF-8|utf-8",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_file_is_refused(tmp_path, name):
    """The error is of the project's tree, in one line, and nothing on disk has changed."""
    make, kind, said = CASES[name]
    path = make(tmp_path)
    before = fingerprint(tmp_path)
    with pytest.raises(kind, match=said) as caught:
        open_history(path).scan().collect()
    assert "\n" not in str(caught.value)
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"stream": "order"}, r"'order' in 'orders.csv'.*Near it: order_id"),
        ({"streams": "order_id"}, "no such column.*position, partition, stream"),
        ({"stream": ["order_id", "kind"]}, "only `data` is made of several"),
        ({"data": ["price"]}, "'price'"),
        ({"position": "kind"}, "row 1 has no whole number"),
    ],
)
def test_mapping_that_does_not_fit_is_refused(orders, columns, said):
    """A mapping names columns that are there; the error lists what is near."""
    with pytest.raises(errors.MappingError, match=said):
        open_history(orders, columns=columns)


@pytest.mark.parametrize("option", [{"columns": {"type": "kind"}}, {"object_type": "order"}])
def test_options_of_files_are_refused_elsewhere(store, option):
    """A store takes no mapping and no type of objects."""
    with pytest.raises(errors.UnknownTargetError, match=f"{next(iter(option))}="):
        open_history(store, **option)


def test_changed_file_is_refused(small, tmp_path):
    """A file that has changed since it was opened is not read, since its order is not known."""
    path = tmp_path / "out.parquet"
    export(small, path)
    history = open_history(path)
    export(small.between(upto=10), path, overwrite=True)
    with pytest.raises(errors.StoreUnreadableError, match="has changed since"):
        history.scan().collect()


def test_vanished_file_is_an_error_of_the_tree(small, tmp_path):
    """A file that is gone when it is read is said to be."""
    path = tmp_path / "out.parquet"
    export(small, path)
    history = open_history(path)
    path.unlink()
    with pytest.raises(errors.StoreNotFoundError, match="no such file"):
        history.scan().collect()


@ENDINGS
def test_reading_leaves_the_folder_as_it_is(small, tmp_path, ending):
    """No byte changes and no file appears while a file is opened and asked."""
    folder = tmp_path / "files"
    folder.mkdir()
    export(small, folder / f"out{ending}")
    before = fingerprint(folder)
    history = open_history(folder)
    history.types()
    history.problems()
    history.state(3)
    assert fingerprint(folder) == before


def test_store_with_another_ending_is_a_store(tmp_path):
    """A SQLite store is told by its first bytes, whatever its name ends in."""
    path = write_native(tmp_path / "a.db", simple_rows(3)).rename(tmp_path / "a.parquet")
    assert len(open_history(path)) == 3
