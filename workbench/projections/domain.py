"""Stored events as the library's mapper makes them: objects of the user's classes, upcast.

What the library's own `Mapper` with the standard transcodings does is done here a list at
a time, and in one call of a decoder for most lists. Whatever that decoder does not take,
and whatever the user brings a transcoder or mapper for, goes through the library's mapper.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from operator import setitem
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec
import polars as pl

from workbench.errors import ProjectionError
from workbench.payload.decode import TIME_CLOSES, TIME_ENDS, after_time
from workbench.projections.running import undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventsourcing.persistence import Mapper, Transcoder

    from workbench.classes import Classes

AT_ONCE = 1024  # events that are objects at the same time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_KNOWN = 200_000  # ids that are kept as objects
_NO_TIME = '{"timestamp":0,'
_KEPT_WHOLE = "integer beyond 64 bits"  # the one problem that leaves a text as it was
_NEXT_PROBLEM = "; "


class Unmade(NamedTuple):
    """In the place of an event that could not be made: why."""

    error: Exception


class _Maker(NamedTuple):
    """How events of one stored type are made."""

    kind: type
    is_uuid: bool
    class_version: int
    problem: Exception | None = None
    """Why none can be made."""


class _Nothing:
    """What is made until it is known that nothing can be."""


class DomainEvents:
    """Makes domain events of the rows of the event table.

    Parameters
    ----------
    classes
        Where classes may be found.
    state
        Returns the stored bytes of the event at a position.
    transcoder
        The user's own, None for the library's with its standard transcodings.
    mapper
        The user's own, None for the library's. It gets payloads as JSON, deciphered and
        decompressed.
    """

    def __init__(
        self,
        classes: Classes,
        state: Callable[[int], bytes],
        transcoder: Transcoder | None = None,
        mapper: Mapper[Any] | None = None,
    ) -> None:
        self.classes = classes
        self._state = state
        self._is_standard = transcoder is None and mapper is None
        self._mapper = _without_codec(mapper) if mapper else _mapper(transcoder)
        self._makers: dict[str, _Maker] = {}
        self._has_unmade = False
        self._ids: dict[str, UUID] = {}

    def of(self, batch: pl.DataFrame) -> Iterator[list[Any]]:
        """Yield the events of a batch, a list at a time; `Unmade` for one that cannot be made.

        Parameters
        ----------
        batch
            Columns of the event table: position, stream, version, type, time, data, problem.
        """
        texts, times = batch["data"], None
        rest = _after_utc(texts) if self._is_standard else None
        if rest is not None:
            # A place for the time, so that it is the first field.
            texts = pl.select(_NO_TIME + rest).to_series()
            since = batch["time"].to_numpy().astype("timedelta64[us]").tolist()
            times = [_EPOCH + passed for passed in since]
        for first in range(0, batch.height, AT_ONCE):
            part = batch[first : first + AT_ONCE]
            states = self._states(part, texts[first : first + AT_ONCE])
            if states is None:
                yield [self._one(row) for row in part.iter_rows(named=True)]
            else:
                if times is not None:
                    _put(states, "timestamp", times[first : first + AT_ONCE])
                yield self._made(part, states)

    def _states(self, part: pl.DataFrame, texts: pl.Series) -> list[dict[str, Any]] | None:
        """Return what the payloads say; None if they have to be read one by one."""
        if not self._is_standard or texts.null_count() or _changed(part["problem"]):
            return None
        try:
            return decoded_lines(texts)
        except (ValueError, ArithmeticError, RecursionError, TypeError):
            return None

    def _made(self, part: pl.DataFrame, states: list[dict[str, Any]]) -> list[Any]:
        """Return the events, column by column, which is a loop in C for each."""
        types = part["type"].to_list()
        makers = {type_: self._makers.get(type_) or self._maker(type_) for type_ in set(types)}
        ids = self._ids_of(part["stream"].to_list(), types, makers)
        _put(states, "originator_id", ids)
        _put(states, "originator_version", part["version"].to_list())
        kinds = {type_: maker.kind for type_, maker in makers.items()}
        versions = {type_: maker.class_version for type_, maker in makers.items()}
        wanted = list(map(versions.__getitem__, types))
        stored = list(map(dict.pop, states, repeat("class_version"), repeat(1)))
        found: list[Any] = list(map(object.__new__, map(kinds.__getitem__, types)))
        deque(map(object.__setattr__, found, repeat("__dict__"), states), 0)
        if _differ(stored, wanted):
            for i, (old, new) in enumerate(zip(stored, wanted, strict=True)):
                if _differ(old, new):
                    found[i] = _upcast(found[i], states[i], old, new)
        if self._has_unmade or Unmade in map(type, ids):
            for i, (type_, id_) in enumerate(zip(types, ids, strict=True)):
                problem = makers[type_].problem
                if problem is not None or id_.__class__ is Unmade:
                    found[i] = id_ if problem is None else Unmade(problem)
        return found

    def _ids_of(self, streams: list[str], types: list[str], makers: dict[str, _Maker]) -> list[Any]:
        """Return the id of each event: of the class that the library would make it."""
        known = self._ids
        if all(maker.is_uuid for maker in makers.values()):
            ids: list[Any] = list(map(known.get, streams))
            if all(ids):
                return ids
        ids = []
        for type_, stream in zip(types, streams, strict=True):
            is_uuid = makers[type_].is_uuid
            try:
                ids.append(known.get(stream) or self._id(stream) if is_uuid else stream)
            except ValueError as error:
                ids.append(Unmade(error))
        return ids

    def _one(self, row: dict[str, Any]) -> Any:  # noqa: ANN401, an event of any class
        """Return one event, made by the library's mapper."""
        from eventsourcing.persistence import StoredEvent

        try:
            payload = self._payload(row)
            # The mapper looks for the class itself, and would import its module.
            self.classes.shared_with_library(row["type"])
            stored = StoredEvent(row["stream"], row["version"], row["type"], payload)
            return self._mapper.to_domain_event(stored)
        except Exception as error:  # noqa: BLE001, what a user's class raises
            return Unmade(error)

    def _payload(self, row: dict[str, Any]) -> bytes:
        if row["data"] is None:
            raise undecodable(row["problem"])
        problems = (row["problem"] or _KEPT_WHOLE).split(_NEXT_PROBLEM)
        if all(problem.startswith(_KEPT_WHOLE) for problem in problems):
            return row["data"].encode()  # type: ignore[no-any-return]
        # A NaN, which Python writes and strict JSON does not have.
        stored = self._state(row["position"])
        if not stored.startswith(b"{"):
            raise undecodable(row["problem"])
        return stored

    def _maker(self, type_: str) -> _Maker:
        from eventsourcing.persistence import find_id_convertor, str_to_uuid_convertor

        try:
            kind = self.classes.resolve(type_)
            is_uuid = find_id_convertor(kind, str) is str_to_uuid_convertor
            found = _Maker(kind, is_uuid, getattr(kind, "class_version", 1))
        except Exception as error:  # noqa: BLE001, no class, or one that is no event
            self._has_unmade = True
            found = _Maker(_Nothing, False, 1, error)  # noqa: FBT003
        self._makers[type_] = found
        return found

    def _id(self, stream: str) -> UUID:
        if len(self._ids) >= _MOST_KNOWN:
            self._ids.clear()
        found = self._ids[stream] = UUID(stream)
        return found


def _put(states: list[dict[str, Any]], name: str, values: list[Any]) -> None:
    deque(map(setitem, states, repeat(name), values), 0)


def _differ(one: object, other: object) -> bool:
    """Return whether two are not equal, or are not even to be compared, as a signaling NaN is."""
    try:
        return one != other
    except ArithmeticError:
        return True


def _upcast(event: Any, state: dict[str, Any], stored: Any, wanted: int) -> Any:  # noqa: ANN401
    """Return an event with its state brought to the version of its class."""
    try:
        while stored < wanted:
            getattr(type(event), f"upcast_v{stored}_v{stored + 1}")(state)
            stored += 1
    except Exception as error:  # noqa: BLE001, what a user's upcaster raises
        return Unmade(error)
    return event


def _changed(problems: pl.Series) -> bool:
    return problems.null_count() < problems.len()


def _after_utc(texts: pl.Series) -> pl.Series | None:
    """Return what comes after the time, if every text begins with a time in UTC."""
    if texts.null_count():
        return None
    zone = len("+00:00")
    zones = texts.cast(pl.Binary).bin.slice(TIME_ENDS - len(TIME_CLOSES) - zone, zone)
    return after_time(texts) if zones.bin.starts_with(b"+00:00").all() else None


def _mapper(transcoder: Transcoder | None) -> Mapper[Any]:
    from eventsourcing.persistence import (
        DatetimeAsISO,
        DecimalAsStr,
        JSONTranscoder,
        Mapper,
        UUIDAsHex,
    )

    if transcoder is None:
        transcoder = JSONTranscoder()
        for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
            transcoder.register(transcoding)
    if not hasattr(transcoder, "decode"):
        msg = (
            f"Cannot decode payloads with {transcoder!r:.100}: it has no decode. "
            "Give a transcoder of the library, with the application's transcodings registered."
        )
        raise ProjectionError(msg)
    return Mapper(transcoder)


def _without_codec(mapper: Mapper[Any]) -> Mapper[Any]:
    """Return a mapper that takes what is deciphered and decompressed already."""
    if not hasattr(mapper, "to_domain_event"):
        msg = (
            f"Cannot make events with {mapper!r:.100}: it has no to_domain_event. "
            "Give a mapper of the library, such as application.mapper."
        )
        raise ProjectionError(msg)
    found = copy(mapper)
    found.compressor = found.cipher = None
    return found


# Decoding


class _Time(msgspec.Struct, tag_field="_type_", tag="datetime_iso", forbid_unknown_fields=True):
    value: str = msgspec.field(name="_data_")


class _Decimal(msgspec.Struct, tag_field="_type_", tag="decimal_str", forbid_unknown_fields=True):
    value: str = msgspec.field(name="_data_")


class _UUID(msgspec.Struct, tag_field="_type_", tag="uuid_hex", forbid_unknown_fields=True):
    value: str = msgspec.field(name="_data_")


_decode_lines = msgspec.json.Decoder(
    dict[str, _Time | _Decimal | _UUID | str | int | float | bool | list[Any] | None]
).decode_lines
_decode_any_lines = msgspec.json.Decoder(dict[str, Any]).decode_lines


def decoded_lines(texts: pl.Series) -> list[dict[str, Any]]:
    """Return payloads as the library's JSONTranscoder decodes them, with its own transcodings.

    Raises
    ------
    ValueError, ArithmeticError, RecursionError, TypeError
        If there is one that has to be given to the transcoder itself.
    """
    lines = texts.str.join("\n")[0]
    try:
        found: list[dict[str, Any]] = _decode_lines(lines)
    except msgspec.ValidationError:
        found = [_revived_fields(fields) for fields in _decode_any_lines(lines)]
    else:
        wrapped = _OF_CLASS.keys()
        for fields in found:
            for name, value in fields.items():
                kind = value.__class__
                if kind is _Decimal:  # the class of most
                    fields[name] = Decimal(value.value)
                elif kind in wrapped:
                    fields[name] = _OF_CLASS[kind](value)
            if len(fields) == 2 and "_type_" in fields:  # noqa: PLR2004, the wrapper
                raise _UnsureError
    if len(found) != texts.len():
        msg = "a text has several lines"
        raise ValueError(msg)
    return found


class _UnsureError(ValueError):
    """The transcoder itself has to say what it is."""


def _revived_fields(fields: dict[str, Any]) -> dict[str, Any]:
    found = _revived(fields)
    if found.__class__ is not dict:
        raise _UnsureError
    return found


def _revived(value: Any) -> Any:  # noqa: ANN401, JSON
    if value.__class__ is list:
        return [_revived(item) for item in value]
    if value.__class__ is dict:
        inner = {name: _revived(item) for name, item in value.items()}
        if len(inner) == 2 and "_type_" in inner and "_data_" in inner:  # noqa: PLR2004
            convert, data = _WRAPPED.get(inner["_type_"]), inner["_data_"]
            if convert is None or data.__class__ is not str:
                raise _UnsureError
            return convert(data)
        return inner
    return value


_WRAPPED: dict[str, Callable[[str], Any]] = {
    "datetime_iso": datetime.fromisoformat,
    "decimal_str": Decimal,
    "uuid_hex": UUID,
}
_OF_CLASS: dict[type, Callable[[Any], Any]] = {
    _Time: lambda wrapped: datetime.fromisoformat(wrapped.value),
    _Decimal: lambda wrapped: Decimal(wrapped.value),
    _UUID: lambda wrapped: UUID(wrapped.value),
    list: _revived,
}
