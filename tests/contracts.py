"""What every source must do, whatever system it reads.

A test module derives a class from `SourceContract` and gives it the fixture `made`:
a source, and the rows that are known to be in it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from workbench.sources import RAW_SCHEMA, Capabilities, Selection, Source
from workbench.tables import EVENTS, RECEIVERS, SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from stores import Row


class Made(NamedTuple):
    """A source and the rows that it must hand out, in order of position."""

    source: Source
    rows: list[Row]


def raw(source: Source, selection: Selection, columns: Collection[str]) -> pl.DataFrame:
    """Return the selected raw rows as one frame."""
    with source.parts(selection, columns) as parts:
        frames = [part() for part in parts]
    whole = EVENTS.schema if source.capabilities.decoded else RAW_SCHEMA
    schema = {name: dtype for name, dtype in whole.items() if name in columns}
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def positions(made: Made, selection: Selection) -> list[int]:
    """Return the positions that the source hands out for a selection."""
    return raw(made.source, selection, {"position"})["position"].to_list()


def expected(rows: list[Row], chosen: Selection) -> list[int]:
    """Return the positions of the rows that are in a selection, found row by row."""
    found = [
        row.position
        for row in rows
        if (chosen.after is None or row.position > chosen.after)
        and (chosen.upto is None or row.position <= chosen.upto)
        and (chosen.types is None or row.type in chosen.types)
        and (chosen.streams is None or row.stream in chosen.streams)
        and (
            chosen.after_version is None
            or (row.version is not None and row.version > chosen.after_version)
        )
        and (
            chosen.upto_version is None
            or (row.version is not None and row.version <= chosen.upto_version)
        )
    ]
    return found if chosen.limit is None else found[: chosen.limit]


def _version(row: Row, if_none: int) -> int:
    return if_none if row.version is None else row.version


def _stream(row: Row) -> str:
    """Return the stream of a row; an unknown one if it is in none, as that of a DCB store."""
    return "none" if row.stream is None else row.stream


SELECTIONS: dict[str, Callable[[list[Row]], Selection]] = {
    "all": lambda _: Selection(),
    "after": lambda rows: Selection(after=rows[2].position),
    "after none": lambda rows: Selection(after=rows[0].position - 1),
    "after all": lambda rows: Selection(after=rows[-1].position),
    "far after": lambda _: Selection(after=2**62),
    "upto": lambda rows: Selection(upto=rows[-3].position),
    "upto none": lambda rows: Selection(upto=rows[0].position - 1),
    "far upto": lambda _: Selection(upto=2**62),
    "negative": lambda _: Selection(after=-5, upto=-1),
    "between": lambda rows: Selection(after=rows[1].position, upto=rows[-2].position),
    "one position": lambda rows: Selection(after=rows[3].position - 1, upto=rows[3].position),
    "nothing between": lambda rows: Selection(after=rows[3].position, upto=rows[3].position),
    "one type": lambda rows: Selection(types=frozenset({rows[0].type})),
    "two types": lambda rows: Selection(types=frozenset({rows[0].type, rows[-1].type})),
    "unknown type": lambda _: Selection(types=frozenset({"unknown:Type"})),
    "a type among unknown": lambda rows: Selection(types=frozenset({"x", rows[-1].type})),
    "no type": lambda _: Selection(types=frozenset()),
    "one stream": lambda rows: Selection(streams=frozenset({_stream(rows[0])})),
    "two streams": lambda rows: Selection(streams=frozenset({_stream(rows[0]), _stream(rows[-1])})),
    "unknown stream": lambda _: Selection(streams=frozenset({"unknown", "it's", "\x00"})),
    "no stream": lambda _: Selection(streams=frozenset()),
    "part of a stream": lambda rows: Selection(
        streams=frozenset({_stream(rows[0])}), after=rows[1].position, upto=rows[-1].position
    ),
    "versions": lambda _: Selection(after_version=1, upto_version=3),
    "no version": lambda _: Selection(after_version=10**6),
    "versions of a type": lambda rows: Selection(
        types=frozenset({rows[-1].type}), after_version=0, upto_version=10**6
    ),
    "limit": lambda _: Selection(limit=3),
    "limit of nothing": lambda _: Selection(limit=0),
    "limit beyond": lambda _: Selection(limit=10**6),
    "limit of a stream": lambda rows: Selection(streams=frozenset({_stream(rows[0])}), limit=1),
    "limit of a type": lambda rows: Selection(types=frozenset({rows[-1].type}), limit=1),
    "limit from the middle": lambda rows: Selection(after=rows[2].position, limit=2),
}


class SourceContract:
    """The tests; a subclass gives the fixture `made`."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Made:
        """Return the source and its rows."""
        raise NotImplementedError

    def test_hands_out_every_row_in_order(self, made: Made) -> None:
        """Position, stream, version, type and state are those that are stored, by position."""
        found = raw(made.source, Selection(), set(RAW_SCHEMA))
        names = ["position", "stream", "version", "type", "state"]
        assert found.select(names).rows() == [tuple(row) for row in made.rows]

    def test_rows_have_the_raw_schema(self, made: Made) -> None:
        """Every part has the columns and dtypes of `RAW_SCHEMA`."""
        with made.source.parts(Selection(), set(RAW_SCHEMA)) as parts:
            schemas = [part().schema for part in parts]
        assert schemas
        assert all(schema == RAW_SCHEMA for schema in schemas)

    @pytest.mark.parametrize("column", list(RAW_SCHEMA))
    def test_hands_out_single_columns(self, made: Made, column: str) -> None:
        """A column that is asked for alone is as it is among all."""
        alone = raw(made.source, Selection(), {column})
        among = raw(made.source, Selection(), set(RAW_SCHEMA))
        assert_frame_equal(alone, among.select(column))

    def test_is_one_part_of_one_log(self, made: Made) -> None:
        """The partition of a source that is not divided is 0."""
        partitions = raw(made.source, Selection(), {"partition"})
        assert partitions["partition"].unique().to_list() == [0]

    @pytest.mark.parametrize("name", SELECTIONS)
    def test_selects(self, made: Made, name: str) -> None:
        """What a selection leaves is what a look at each row leaves."""
        selection = SELECTIONS[name](made.rows)
        assert positions(made, selection) == expected(made.rows, selection)

    @pytest.mark.parametrize("name", SELECTIONS)
    def test_counts(self, made: Made, name: str) -> None:
        """The count of a selection is the number of rows that it leaves."""
        selection = SELECTIONS[name](made.rows)
        assert made.source.count(selection) == len(expected(made.rows, selection))

    def test_selects_by_more_values_than_fit_a_statement(self, made: Made) -> None:
        """A membership may have any number of values."""
        many = {f"unknown-{number}" for number in range(6_000)}
        selection = Selection(
            types=frozenset({made.rows[0].type, *many}),
            streams=frozenset({_stream(made.rows[0]), *many}),
        )
        assert positions(made, selection) == expected(made.rows, selection)

    def test_counts_more_values_than_fit_a_statement(self, made: Made) -> None:
        """The count of a membership with many values looks at all of them."""
        many = {f"unknown-{number}" for number in range(6_000)}
        selection = Selection(streams=frozenset({_stream(made.rows[0]), *many}))
        assert made.source.count(selection) == len(expected(made.rows, selection))

    def test_selects_by_long_values(self, made: Made) -> None:
        """The values of a membership may be of any length."""
        long = {f"{number}" * 20_000 for number in range(40)}
        selection = Selection(types=frozenset({made.rows[0].type, *long}))
        assert positions(made, selection) == expected(made.rows, selection)

    def test_head_and_tail_are_the_outer_positions(self, made: Made) -> None:
        """The head is the last position and the tail the first."""
        edges = made.rows[0].position, made.rows[-1].position
        assert (made.source.tail(), made.source.head()) == edges

    def test_returns_the_stored_bytes(self, made: Made) -> None:
        """The state of each position is its stored bytes."""
        states = [made.source.state(row.position) for row in made.rows]
        assert states == [row.state for row in made.rows]

    @pytest.mark.parametrize("position", [-1, 0, 2**62, 2**70])
    def test_no_state_where_no_event_is(self, made: Made, position: int) -> None:
        """The state of a position without an event is None."""
        assert made.source.state(position) is None

    def test_every_stream_is_found_by_its_own_name(self, made: Made) -> None:
        """A stream as it is shown is one of its own forms."""
        streams = {row.stream for row in made.rows} - {None}
        assert all(stream in made.source.stream_forms(stream) for stream in streams)

    def test_parts_run_in_threads(self, made: Made) -> None:
        """Parts give the same rows when they are called by several threads."""
        with (
            made.source.parts(Selection(), {"position"}) as parts,
            ThreadPoolExecutor(3) as pool,
        ):
            frames = list(pool.map(lambda part: part(), parts))
        assert pl.concat(frames)["position"].to_list() == [row.position for row in made.rows]

    def test_parts_are_not_read_before_they_are_called(self, made: Made) -> None:
        """Leaving the context without a look at the parts reads nothing and raises nothing."""
        with made.source.parts(Selection(), {"position"}) as parts:
            assert iter(parts) is not None

    def test_says_what_it_is(self, made: Made) -> None:
        """A source has a name and a kind for people to read."""
        assert made.source.name
        assert made.source.kind

    def test_says_what_it_can(self, made: Made) -> None:
        """A source states its capabilities."""
        assert isinstance(made.source.capabilities, Capabilities)

    def test_snapshots_fit_their_spec(self, made: Made) -> None:
        """Snapshots are a frame of `workbench.tables.SNAPSHOTS`."""
        assert SNAPSHOTS.misfits(made.source.snapshots()) == []

    def test_receivers_fit_their_spec(self, made: Made) -> None:
        """Receivers are a frame of `workbench.tables.RECEIVERS`."""
        assert RECEIVERS.misfits(made.source.receivers()) == []


class DecodedSourceContract(SourceContract):
    """The same for a source that hands out rows of the event table."""

    def test_hands_out_every_row_in_order(self, made: Made) -> None:
        """Position, stream, version and type are those that are known, by position."""
        found = raw(made.source, Selection(), set(EVENTS.names))
        names = ["position", "stream", "version", "type"]
        assert found.select(names).rows() == [tuple(row)[:4] for row in made.rows]

    def test_rows_have_the_raw_schema(self, made: Made) -> None:
        """Every part has the columns and dtypes of the event table."""
        with made.source.parts(Selection(), set(EVENTS.names)) as parts:
            schemas = [part().schema for part in parts]
        assert schemas
        assert all(schema == EVENTS.schema for schema in schemas)

    @pytest.mark.parametrize("column", EVENTS.names)
    def test_hands_out_single_columns(self, made: Made, column: str) -> None:
        """A column that is asked for alone is as it is among all."""
        alone = raw(made.source, Selection(), {column})
        among = raw(made.source, Selection(), set(EVENTS.names))
        assert_frame_equal(alone, among.select(column))

    def test_says_that_it_is_decoded(self, made: Made) -> None:
        """Its capabilities say which rows it hands out."""
        assert made.source.capabilities.decoded


class EmptySourceContract:
    """What a source without any event must do; a subclass gives the fixture `source`."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Source:
        """Return the empty source."""
        raise NotImplementedError

    def test_has_no_rows(self, source: Source) -> None:
        """There is nothing to read."""
        columns = EVENTS.names if source.capabilities.decoded else RAW_SCHEMA
        assert raw(source, Selection(), set(columns)).height == 0

    def test_counts_zero(self, source: Source) -> None:
        """There is nothing to count."""
        assert source.count(Selection()) == 0

    def test_has_no_edges(self, source: Source) -> None:
        """There is no first and no last position."""
        assert (source.tail(), source.head()) == (None, None)

    def test_has_no_state(self, source: Source) -> None:
        """There is no event at position 1."""
        assert source.state(1) is None
