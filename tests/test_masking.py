"""A masked history: what is hidden cannot be had from it in any way."""

from __future__ import annotations

import asyncio
import html
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stores import Row, state_of, write_native

from workbench import open_history, replay, tables
from workbench.cli import main
from workbench.copying import copy_history
from workbench.dashboards.address import PAGES, Place
from workbench.dashboards.answers import Answers
from workbench.dashboards.shell import Workbench
from workbench.dashboards.summary import facts
from workbench.errors import MaskError, UnknownStreamError, UnknownTypeError
from workbench.export import export
from workbench.masking.hiding import Hiding
from workbench.masking.rules import Masks
from workbench.samples import shop_path

if TYPE_CHECKING:
    from pathlib import Path

    from workbench import History

BEGIN = "2025-03-01T00:00:00+00:00"
SECRET = "s3cret-value"


def hidden(payload: str, *patterns: str, type_: str = "m:T", key: bytes | None = None) -> Any:
    """Return a payload as a masked history shows it."""
    rules = Masks(patterns).of_type(type_)
    if rules is None:
        return payload
    return Hiding(key).payload(payload, rules)


@pytest.mark.parametrize(
    ("payload", "patterns", "found"),
    [
        ('{"a":"x","b":"y"}', ["a"], '{"a":"***","b":"y"}'),
        (
            '{"a":{"b":"x","c":[1,2.5,true,null]}}',
            ["a"],
            '{"a":{"b":"***","c":[0,0.0,false,null]}}',
        ),
        ('{"a":{"b":"x","c":1}}', ["a.b"], '{"a":{"b":"***","c":1}}'),
        ('{"a":{"b":{"c":"x"}},"d":"y"}', ["a.*"], '{"a":{"b":{"c":"***"}},"d":"y"}'),
        ('{"a":"x","aa":"y"}', ["a"], '{"a":"***","aa":"y"}'),
        ('{"name":"x","o":{"last_name":"y"},"n":"z"}', ["*name"], None),
        ('{"l":[{"s":"x","t":1},{"s":"y"}]}', ["l[].s"], '{"l":[{"s":"***","t":1},{"s":"***"}]}'),
        ('[["x"],["y"]]', ["[][]"], '[["***"],["***"]]'),
        ('"x"', ["*"], '"***"'),
        (' { "a" : "x" } ', ["a"], '{"a":"***"}'),
        ('{"\\u0061":"x"}', ["a"], '{"a":"***"}'),
        ('{"a.b":"x","a":{"b":"y"}}', ["a.b"], '{"a.b":"***","a":{"b":"***"}}'),
        ('{"a.b":"x","c":"y"}', ['"a.b"'], '{"a.b":"***","c":"y"}'),
        ('{"a":"x"}', ["b", "A", "a.b", "a[]"], '{"a":"x"}'),
        ('{"n":123456789012345678901234567890.10,"a":"x"}', ["a"], None),
    ],
)
def test_pattern_names_values(payload: str, patterns: list[str], found: str | None) -> None:
    """A pattern masks what is at its path, with all inside, and nothing beside it."""
    made = hidden(payload, *patterns)
    if found is not None:
        assert made == found
    elif "name" in payload:
        assert made == '{"name":"***","o":{"last_name":"***"},"n":"z"}'
    else:
        assert made == '{"n":123456789012345678901234567890.10,"a":"***"}'


@pytest.mark.parametrize(
    ("pattern", "is_masked"),
    [
        ("T:a", True),
        ("m:T:a", True),
        ("*:a", True),
        ("m:*:a", True),
        ("U:a", False),
        ("m:U:a", False),
    ],
)
def test_pattern_may_be_for_one_type(pattern: str, *, is_masked: bool) -> None:
    """Before the path may stand a type, in full or short, with a wildcard."""
    assert (hidden('{"a":"x"}', pattern) == '{"a":"***"}') is is_masked


@pytest.mark.parametrize("pattern", ["", " ", ":", "T:", ":a", "@nothing", "T:@stream"])
def test_pattern_that_names_nothing_is_refused(pattern: str) -> None:
    """A pattern that could never mask is an error, not silence."""
    with pytest.raises(MaskError, match="names no value"):
        Masks((pattern,))


def test_no_pattern_is_refused() -> None:
    """To mask nothing is a mistake."""
    with pytest.raises(MaskError, match="Cannot mask nothing"):
        open_history(shop_path()).masked()


def test_unknown_type_is_refused() -> None:
    """A type that is not there would leave unmasked what was meant."""
    with pytest.raises(UnknownTypeError):
        open_history(shop_path()).masked("Order.Plced:customer_name")


@pytest.mark.parametrize(
    ("wrapper", "found"),
    [
        ({"_type_": "decimal_str", "_data_": "19.90"}, Decimal(0)),
        ({"_type_": "datetime_iso", "_data_": BEGIN}, None),
        ({"_type_": "uuid_hex", "_data_": "ab" * 16}, "0" * 32),
    ],
)
def test_typed_column_keeps_its_dtype(tmp_path: Path, wrapper: dict[str, str], found: Any) -> None:
    """A masked amount is a Decimal, a masked time a time, a masked id an id."""
    rows = [Row(n, "s", n, "m:T", state_of(BEGIN, a=wrapper)) for n in (1, 2)]
    history = open_history(write_native(tmp_path / "s.db", rows))
    plain, masked = history.events("T")["a"], history.masked("a").events("T")["a"]
    assert masked.dtype.base_type() == plain.dtype.base_type()
    assert masked.null_count() == 0
    assert found is None or masked.to_list() == [found, found]
    assert masked.to_list() != plain.to_list()


def test_pseudonyms_keep_equal_values_equal() -> None:
    """With a key, equal texts have one pseudonym, others another; with another key, another."""
    history = open_history(shop_path())
    plain = history.events("Order.Placed")["customer_name"].drop_nulls()
    one, two = (
        history.masked("customer*", key=key).events("Order.Placed")["customer_name"].drop_nulls()
        for key in (b"one", b"two")
    )
    assert one.n_unique() == plain.n_unique()
    assert one.rle_id().to_list() == plain.rle_id().to_list()
    assert not set(one) & (set(plain) | set(two))


# The law


def secrets() -> st.SearchStrategy[str]:
    """Return texts that occur nowhere else."""
    return st.text(st.characters(codec="utf-8"), max_size=8).map(lambda t: f"§{t}§")


NAMES = st.sampled_from(["a", "b", "secret", "x.y", "z[]", "é", '"'])
PATTERNS = ["secret", "*secret", "secret*", "*", "a.*"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | secrets(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def texts_of(value: Any) -> set[str]:
    """Return every text that is a value somewhere inside."""
    if isinstance(value, dict):
        return set().union(*map(texts_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts_of, value))
    return {value} if isinstance(value, str) else set()


@given(value=VALUES, pattern=st.sampled_from(PATTERNS), is_escaped=st.booleans())
def test_no_masked_text_is_left(value: Any, pattern: str, *, is_escaped: bool) -> None:
    """No text at a masked path is in what comes out; texts elsewhere are, and values stay."""
    name = {"a.*": "a"}.get(pattern, "secret")
    inner = {"n": value} if name == "a" else value
    payload = {name: inner, "kept": "as it was"}
    text = json.dumps(payload, ensure_ascii=is_escaped)
    made = hidden(text, pattern)
    found = json.loads(made)
    assert not texts_of(inner) & (texts_of(found) | {made})
    assert not any(f"§{t[1:-1]}§" in made for t in texts_of(inner))
    assert (pattern == "*") or found["kept"] == "as it was"


@given(VALUES)
def test_what_is_not_masked_stays_as_it_was(value: Any) -> None:
    """A payload without a masked path is the same, value by value."""
    payload = {"kept": value, "other": {"secret": "x"}}
    made = json.loads(hidden(json.dumps(payload), "other.secret"))
    assert made == {"kept": value, "other": {"secret": "***"}}


# The whole history


def per_name(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return what a projection makes of the payloads."""
    name = pl.col("data").str.json_path_match("$.customer.name")
    return events.group_by(name.alias("name")).len().drop_nulls("name")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Return a history in which a secret stands wherever a payload may have it."""
    customer = {"name": SECRET, "born": {"_type_": "datetime_iso", "_data_": BEGIN}}
    rows = [
        Row(1, "order-1", 1, "m:Order.Placed", state_of(BEGIN, customer=customer, n=7)),
        Row(2, "order-1", 2, "m:Order.Placed", state_of(BEGIN, customer=[SECRET, 3], n=8)),
        Row(3, "order-2", 1, "m:Order.Paid", state_of(BEGIN, customer=SECRET, n=1.5)),
        Row(4, "order-2", 2, "m:Order.Placed", SECRET.encode() + b"\xff"),
        Row(5, "order-2", 3, "m:Order.Placed", b"{" + SECRET.encode()),
        Row(6, f"{SECRET}-3", 1, "m:Order.Paid", state_of(BEGIN, n=9)),
        Row(7, "order-4", 1, "m:Order.Placed", b'{"\\u0063ustomer":"%s"}' % SECRET.encode()),
    ]
    return open_history(write_native(tmp_path_factory.mktemp("plain") / "shop.db", rows))


@pytest.fixture(scope="module")
def masked(plain: History) -> History:
    return plain.masked("customer", "@stream")


def shown(frame: pl.DataFrame) -> str:
    """Return all that is in a frame as one text."""
    return frame.write_json() + str(frame.schema)


def test_every_frame_is_masked(masked: History) -> None:
    """No frame that a history gives has the secret, and each still fits its spec."""
    frames = {
        tables.EVENTS: masked.scan().collect(),
        tables.TYPES: masked.types(),
        tables.STREAMS: masked.streams(),
        tables.RATE: masked.rate(by="stream"),
        tables.PROBLEMS: masked.problems(),
        tables.RECEIVERS: masked.receivers(),
        tables.SNAPSHOTS: masked.snapshots(),
    }
    for spec, frame in frames.items():
        assert spec.misfits(frame) == []
        assert SECRET not in shown(frame)
    for frame in [*masked.events_by_type().values(), masked.events("Order.Paid")]:
        assert SECRET not in shown(frame)
    assert SECRET not in "".join(map(shown, masked.batches()))
    assert SECRET not in "".join(map(shown, masked.batches(checks=False)))


def test_schemas_are_masked(masked: History) -> None:
    """Neither examples nor extremes of a schema have the secret."""
    schemas = masked.schemas()
    told = schemas._repr_html_() + repr(schemas)
    assert SECRET not in shown(schemas.fields) + shown(schemas.versions) + told
    assert SECRET not in "".join(str(schema.json_schema()) for schema in schemas)


def test_stored_bytes_are_masked(plain: History, masked: History) -> None:
    """The bytes are those of the masked payload; of one that is not decoded there are none."""
    for position in range(1, 8):
        assert SECRET.encode() not in masked.state(position)
    assert json.loads(masked.state(3))["customer"] == "***"
    assert masked.state(4) == b"***"
    assert SECRET.encode() in plain.state(4)


def test_search_does_not_find_what_is_masked(plain: History, masked: History) -> None:
    """A text that is masked is in no event, however it is asked for."""
    asked = pl.col("data").str.contains(SECRET, literal=True)
    assert plain.scan().filter(asked).collect().height == 4
    assert masked.scan().filter(asked).collect().is_empty()
    assert masked.scan().filter(asked).select(pl.len()).collect().item() == 0
    assert masked.scan().filter(pl.col("stream") == f"{SECRET}-3").collect().is_empty()
    with pytest.raises(UnknownStreamError) as caught:
        masked.of_streams(f"{SECRET}-3")
    assert f"{SECRET}-3, " not in str(caught.value)


def test_streams_are_told_apart_by_pseudonyms(plain: History, masked: History) -> None:
    """Each stream has a pseudonym, by which it is found, and which tells nothing."""
    names = masked.streams()["stream"].to_list()
    assert len(set(names)) == plain.streams().height
    for name, events in masked.streams().select("stream", "events").iter_rows():
        chosen = masked.of_streams(name)
        assert (len(chosen), chosen.scan().collect().height) == (events, events)
        assert chosen.scan().head(1).collect().height == 1


def test_streams_cannot_be_masked_once_chosen(plain: History) -> None:
    """A history that is narrowed to a stream by its name has no stream to hide."""
    with pytest.raises(MaskError, match="Mask first"):
        plain.of_streams("order-1").masked("@stream")


def test_copies_are_masked(masked: History, tmp_path: Path) -> None:
    """What is exported, archived, read into memory or replayed has only what is shown."""
    out, copy = tmp_path / "out.ndjson", tmp_path / "copy.delta"
    export(masked, out)
    assert SECRET not in out.read_text()
    copy_history(masked, copy)
    assert SECRET not in shown(open_history(copy).scan().collect())
    assert SECRET.encode() not in b"".join(p.read_bytes() for p in copy.rglob("*.parquet"))
    kept = masked.in_memory()
    assert SECRET not in shown(kept.scan().collect())
    assert SECRET.encode() not in b"".join(kept.state(p) for p in range(1, 8))
    assert SECRET not in shown(replay(masked, per_name, key="name").table())


def test_edits_are_masked(plain: History) -> None:
    """An edit that wrote a secret is not told; what is edited afterwards shows what is left."""
    edited = plain.edit(alter={1: {"customer": f"new {SECRET}"}}, name="it")
    found = edited.masked("customer")
    assert SECRET not in shown(found.scan().filter(pl.col("position") < 6).collect())
    assert SECRET not in shown(found.edited_events()) + repr(found.edits) + found._repr_html_()
    again = plain.masked("customer").edit(drop=2)
    assert (again.masks, SECRET in shown(again.scan().head(4).collect())) == (("customer",), False)


def test_masked_history_is_shown_as_such(masked: History) -> None:
    """Its name and its page say what is masked, also after it was narrowed or copied."""
    for history in (masked, masked.between(upto=3), masked.in_memory(), masked.edit(drop=1)):
        assert history.masks == ("customer", "@stream")
        assert "masked: customer, @stream" in repr(history)
    assert "customer, @stream" in masked._repr_html_()
    assert facts(masked).kind.endswith("masked: customer, @stream")


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Bokeh's use of pandas
@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_values_are_masked(plain: History, masked: History, page: str) -> None:
    """Whoever looks at a page is told, whichever page it is."""

    async def told(history: History) -> tuple[bool, str]:
        workbench = Workbench({"it": Answers(history)}, Place(page=page))
        await workbench.start()
        return workbench._made.visible, workbench._made.object

    is_shown, said = asyncio.run(told(masked))
    assert is_shown
    assert html.unescape(said) == f"<p class=muted>This history is {masked.made}.</p>"
    assert masked.made == "masked: customer, @stream"
    assert not asyncio.run(told(plain))[0]


def test_what_is_not_named_stays(plain: History) -> None:
    """A mask changes nothing but what it names."""
    found = plain.masked("Order.Paid:customer").scan().collect()
    whole = plain.scan().collect()
    assert_frame_equal(found.filter(pl.col("position") != 3), whole.filter(pl.col("position") != 3))
    assert json.loads(found["data"][2])["n"] == 1.5


def test_metadata_and_tags_are_masked(tmp_path: Path) -> None:
    """Paths look into the metadata too; it, and the tags, can be masked as a whole."""
    events = tables.EVENTS.conform(
        open_history(shop_path())
        .scan()
        .head(2)
        .collect()
        .with_columns(
            metadata=pl.lit(json.dumps({"customer": SECRET, "id": "c1"})),
            tags=pl.lit([SECRET], pl.List(pl.String)),
        )
    )
    path = tmp_path / "events.parquet"
    events.write_parquet(path)
    history = open_history(path)
    assert SECRET in shown(history.scan().collect())
    found = history.masked("customer", "@tags").scan().collect()
    assert SECRET not in shown(found)
    assert json.loads(found["metadata"][0]) == {"customer": "***", "id": "c1"}
    found = history.masked("@metadata").scan().collect()
    assert json.loads(found["metadata"][0]) == {"customer": "***", "id": "***"}


def run(*arguments: object, **environment: str) -> Any:
    return CliRunner().invoke(main, list(map(str, arguments)), env=environment)


@pytest.mark.parametrize(
    "command",
    [["event", "TARGET", 1], ["stream", "TARGET", "order-1"], ["tail", "TARGET", "--no-follow"]],
)
def test_commands_are_masked(plain: History, command: list[object]) -> None:
    """`--mask` holds for whatever a command prints."""
    target = plain.source.file.path
    arguments = [target if a == "TARGET" else a for a in command]
    assert SECRET in run(*arguments).stdout
    found = run(
        *arguments, "--mask", "customer*", *(["--mask", "@stream"] * (command[0] == "tail"))
    )
    assert (found.exit_code, SECRET in found.stdout, "***" in found.stdout) == (0, False, True)


def test_pseudonyms_need_a_secret(plain: History) -> None:
    """Without a secret in the environment there are none, as anybody could try names."""
    target = plain.source.file.path
    found = run("event", target, 3, "--mask", "customer", "--pseudonyms", WORKBENCH_MASK_KEY="")
    assert (found.exit_code, "WORKBENCH_MASK_KEY" in found.stderr) == (2, True)
    one, two = (
        run("event", target, 3, "--mask", "customer", "--pseudonyms", WORKBENCH_MASK_KEY="k").stdout
        for _ in range(2)
    )
    assert one == two
    assert "~" in one
