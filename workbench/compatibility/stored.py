"""Checking schemas for compatibility, with the stored events that each finding affects."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import polars as pl

from workbench.compatibility.affected import COLUMNS, Writer
from workbench.compatibility.checking import Version, asked, counted, frame_of, read_schema
from workbench.compatibility.levels import level_of
from workbench.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from workbench.compatibility.documents import SchemaLike


@runtime_checkable
class StoredSchema(Protocol):
    """A schema that was inferred from stored events, and says from which."""

    @property
    def type(self) -> str:
        """The event type as stored."""

    @property
    def name(self) -> str:
        """What the version is called."""

    @property
    def schema_version(self) -> int | None:
        """The version that the events declare."""

    @property
    def count(self) -> int:
        """The number of events."""

    @property
    def first_position(self) -> int:
        """The position of the first event."""

    @property
    def last_position(self) -> int:
        """The position of the last event."""

    def json_schema(self) -> dict[str, object]:
        """Return it as JSON Schema."""


class Batched(Protocol):
    """What gives its events a frame at a time, as a `History` does."""

    def batches(self, columns: Collection[str]) -> Iterable[pl.DataFrame]:
        """Yield columns of the event table."""


Events = Batched | pl.DataFrame | pl.LazyFrame


def check_stored(
    schemas: Iterable[StoredSchema],
    level: str,
    payloads: Callable[[frozenset[str]], Iterable[pl.DataFrame]],
) -> pl.DataFrame:
    """Return what the versions of each event type break: `workbench.tables.FINDINGS`.

    Parameters
    ----------
    schemas
        Of any types.
    level
        Which version must be able to read which: one of
        `workbench.compatibility.levels.LEVELS`.
    payloads
        Reads the events of some types.

    Raises
    ------
    SchemaError
        If there is no such level, or schemas cannot be compared.
    StoreUnreadableError
        If the source can no longer be read.
    """
    level_of(level)
    found = []
    in_order = sorted(schemas, key=lambda s: (s.type, s.schema_version or 0, s.first_position))
    for _, of_type in groupby(in_order, key=lambda s: s.type):
        versions = [_version(schema) for schema in of_type]
        found += asked(versions, level)
    types = frozenset(
        ask.question.writer.type
        for ask in found
        if ask.question is not None and ask.question.check and ask.question.writer.type
    )
    return frame_of(counted(found, lambda: payloads(types)))


def _version(schema: StoredSchema) -> Version:
    return Version(
        schema.name, read_schema(schema), _writer(schema), type=schema.type, count=schema.count
    )


def _writer(schema: StoredSchema) -> Writer:
    return Writer(schema.type, schema.schema_version, schema.first_position, schema.last_position)


def check_compatibility(
    new: SchemaLike,
    old: SchemaLike | Sequence[SchemaLike],
    level: str = "BACKWARD",
    *,
    events: Events | None = None,
) -> pl.DataFrame:
    """Return what a new schema breaks: `workbench.tables.FINDINGS`.

    Parameters
    ----------
    new
        The new schema: JSON Schema or Avro as data, or whatever has `json_schema()`.
    old
        The version before it, or all that came before it as a list, the oldest first. (An
        Avro union, which is a list too, is given in a list of one.)
    level
        Which version must be able to read which: NONE, BACKWARD, FORWARD, FULL, each of the
        last three also with _TRANSITIVE; see `workbench.compatibility.levels.pairs`.
    events
        The stored events of the type: a history, or a frame with the columns position and
        data. Of an old `Schema` of a history those that it was inferred from are counted,
        of any other old schema all; a new one has none stored yet.

    Returns
    -------
    polars.DataFrame
        A row for each change that a reader meets; `breaks` says whether it breaks it by
        definition, `affected` how many stored events the reader really refuses for it.

    Raises
    ------
    SchemaError
        If a schema cannot be read, they are of two forms, or there is no such level.

    Examples
    --------
    >>> import polars as pl
    >>> old = {"type": "object", "properties": {"price": {"type": "number"}}}
    >>> new = {**old, "required": ["price"]}
    >>> stored = pl.DataFrame({"position": [1, 2], "data": ['{"price": 5}', "{}"]})
    >>> found = check_compatibility(new, old, "BACKWARD", events=stored)
    >>> found.select("rule", "sentence", "first_position").rows()
    [('required_attribute_added', 'breaking, 1 of 2 events', 2)]
    """
    before = cast("list[SchemaLike]", list(old) if isinstance(old, list | tuple) else [old])
    if not before:
        msg = "Cannot check a schema against no other: `old` is empty. Give at least one."
        raise SchemaError(msg)
    has_events = events is not None
    versions = [
        _given(schema, str(number), has_events=has_events, is_stored=True)
        for number, schema in enumerate(before, 1)
    ]
    versions.append(_given(new, "new", has_events=has_events, is_stored=False))
    found = asked(versions, level, newest=1)
    return frame_of(counted(found, None if events is None else lambda: _frames(events)))


def _given(schema: SchemaLike, name: str, *, has_events: bool, is_stored: bool) -> Version:
    writer = Writer() if has_events and is_stored else None
    if not isinstance(schema, StoredSchema):
        return Version(name, read_schema(schema), writer)
    stored = _writer(schema) if has_events else None
    return Version(schema.name, read_schema(schema), stored, type=schema.type)


def _frames(events: Events) -> Iterable[pl.DataFrame]:
    if isinstance(events, pl.DataFrame | pl.LazyFrame):
        yield events.lazy().collect()
    else:
        yield from events.batches(COLUMNS)
