"""Raw rows to the event table, a frame at a time.

Most payloads are JSON text as the library writes it: the time comes first, the
schema version last. Those are read by slicing columns; each is then checked to be
JSON. Whatever looks different is read one by one, so that one odd payload never
takes a neighbour with it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.payload.validity import odd_payloads
from workbench.sources.base import as_text
from workbench.tables import EVENTS, TIME

if TYPE_CHECKING:
    from collections.abc import Collection

    from workbench.payload.codec import Codec

FROM_STATE = frozenset({"schema_version", "time", "data", "metadata", "problem"})

# How the library's JSONTranscoder begins an event with a time, and ends one with a version.
TIME_OPENS = b'{"timestamp":{"_type_":"datetime_iso","_data_":"'
_TIME_LENGTH = 32  # 2025-01-01T12:00:00.123456+00:00
TIME_CLOSES = b'"}'
TIME_ENDS = len(TIME_OPENS) + _TIME_LENGTH + len(TIME_CLOSES)
_VERSION_CLOSES = r',"class_version":([0-9]{1,9})\}$'
_WRAPPED_TIME = re.compile(
    rb'\{\s*"_type_"\s*:\s*"datetime_iso"\s*,\s*"_data_"\s*:\s*("[^"\\]*")\s*\}'
)
_NAMED_METADATA = ("correlation_id", "causation_id")


def after_time(texts: pl.Series) -> pl.Series | None:
    """Return what comes after the time and its comma, if every text begins with a time.

    That is what is left to parse of most events: the time is known already, and is the
    longest value of them.
    """
    return _Opening(texts.cast(pl.Binary)).rest


class _Opening:
    """How payloads begin: with their time, as the library's JSONTranscoder writes it, or not."""

    def __init__(self, states: pl.Series) -> None:
        self._states = states
        closes = states.bin.slice(TIME_ENDS - len(TIME_CLOSES), len(TIME_CLOSES) + 1)
        opens = states.bin.starts_with(TIME_OPENS)
        self.fits = opens & closes.bin.starts_with(TIME_CLOSES)
        """Which begin with a text of a time's length; it may be no time."""
        self._goes_on = opens & closes.bin.starts_with(TIME_CLOSES + b",")

    @cached_property
    def sliced(self) -> pl.Series:
        """What stands where the time does."""
        return as_text(self._states.bin.slice(len(TIME_OPENS), _TIME_LENGTH), "null")

    @cached_property
    def times(self) -> pl.Series | None:
        """The times, if each payload begins with one."""
        return _parsed_by_arrow(self.sliced) if self.fits.all(ignore_nulls=False) else None

    @cached_property
    def rest(self) -> pl.Series | None:
        """What comes after the time and its comma, if there is that in each payload."""
        if not self._goes_on.all(ignore_nulls=False):
            return None
        return self._states.bin.slice(TIME_ENDS + 1).cast(pl.String)

    @property
    def after_known_time(self) -> pl.Series | None:
        """The rest, if what stands before it is nothing but a time in each payload."""
        return None if self.times is None else self.rest


def raw_columns(
    columns: Collection[str], stated: frozenset[str] = frozenset(), codec: Codec | None = None
) -> set[str]:
    """Return the raw columns that are needed for `columns` of the event table.

    Parameters
    ----------
    columns
        Columns of `workbench.tables.EVENTS`.
    stated
        Those that the raw rows carry though they are in the payload elsewhere.
    codec
        How the payloads are encoded: a function of the user's is given the type too.
    """
    read = FROM_STATE - stated
    needed = {c for c in columns if c not in read}
    if not read.isdisjoint(columns):
        needed.add("state")
        if codec is not None and codec.decode is not None:
            needed.add("type")
    return needed | ({"metadata"} & set(columns))


def decode(
    raw: pl.DataFrame,
    columns: Collection[str],
    codec: Codec,
    first_schema_version: int | None,
    *,
    checks: bool = True,
) -> pl.DataFrame:
    """Return `columns` of the event table for raw rows, in the table's order.

    Parameters
    ----------
    raw
        Rows of `workbench.sources.RAW_SCHEMA`, with the columns of `raw_columns`.
    columns
        Which columns of `workbench.tables.EVENTS`.
    codec
        How the payloads were encoded.
    first_schema_version
        The schema version of an event that states none.
    checks
        Whether texts that look like JSON are checked to be JSON.
    """
    needed = {c for c in columns if c in FROM_STATE and (c == "metadata" or c not in raw.columns)}
    if needed:
        payloads = _Payloads(raw, codec, checks=checks)
        raw = raw.with_columns(_read(raw, needed, payloads, first_schema_version))
    return raw.select(pl.col(c.name).cast(c.dtype) for c in EVENTS.columns if c.name in columns)


def _read(
    raw: pl.DataFrame, columns: set[str], payloads: _Payloads, first_schema_version: int | None
) -> list[pl.Series]:
    found = [payloads.data(), payloads.problem()]
    if "time" in columns:
        found.append(payloads.time())
    if "schema_version" in columns:
        found.append(payloads.schema_version(first_schema_version))
    if "metadata" in columns:
        found.append(payloads.metadata(raw["metadata"]))
    return found


class _Payloads:
    """One column of stored payloads, and what can be read out of it.

    `states` are the stored bytes, or for encoded payloads the JSON that was in them.
    """

    def __init__(self, raw: pl.DataFrame, codec: Codec, *, checks: bool) -> None:
        import msgspec

        states = raw["state"]
        self._problems: dict[int, str] = {}
        self._envelopes: dict[int, Any] = {}
        self._read_envelope = msgspec.json.Decoder(_envelope()).decode
        text = as_text(states, "null")
        plain = states.bin.starts_with(b"{") & text.is_not_null()
        if not codec.is_plain:
            plain = pl.zeros(states.len(), pl.Int8, eager=True).cast(pl.Boolean)
        self.text = self._peeled(raw, text, plain, codec)
        self._opening = _Opening(self.text.cast(pl.Binary))
        if checks:
            self._check()

    def _peeled(
        self, raw: pl.DataFrame, text: pl.Series, plain: pl.Series, codec: Codec
    ) -> pl.Series:
        """Read what is not plain JSON text, one by one."""
        rows = (~plain.fill_null(value=False)).arg_true()
        if rows.is_empty():
            return text
        states = raw["state"].gather(rows).to_list()
        types = repeat(None) if codec.decode is None else raw["type"].gather(rows).to_list()
        peeled = [codec.read(state, type_) for state, type_ in zip(states, types, strict=False)]
        self._problems.update(
            (row, read.problem)
            for row, read in zip(rows.to_list(), peeled, strict=True)
            if read.problem is not None
        )
        return text.scatter(rows, pl.Series([read.data for read in peeled], dtype=pl.String))

    def _check(self) -> None:
        """Check every payload to be JSON, and keep what can be read of those that are not."""
        odd = odd_payloads(self.text, self._opening.after_known_time)
        if not odd:
            return
        self._problems.update((row, t.problem) for row, t in odd.items() if t.problem is not None)
        read = pl.Series([t.data for t in odd.values()], dtype=pl.String)
        self.text = self.text.scatter(list(odd), read)
        self._opening = _Opening(self.text.cast(pl.Binary))

    def data(self) -> pl.Series:
        return self.text.alias("data")

    def problem(self) -> pl.Series:
        column = pl.repeat(None, self.text.len(), dtype=pl.String, eager=True)
        if self._problems:
            values = pl.Series(list(self._problems.values()), dtype=pl.String)
            column = column.scatter(list(self._problems), values)
        return column.alias("problem")

    def time(self) -> pl.Series:
        """The times: sliced where they stand first, else searched for."""
        if self._opening.times is not None:
            return self._opening.times.alias("time")
        fits = self._opening.fits
        times = parse_times(self._opening.sliced.set(~fits, None))
        rows = self._naming(~fits, "timestamp")
        if rows:
            found = pl.Series([_time_text(self._envelope(row).timestamp) for row in rows])
            times = times.scatter(rows, parse_times(found.cast(pl.String)))
        return times.alias("time")

    def schema_version(self, first: int | None) -> pl.Series:
        versions = pl.repeat(first, self.text.len(), dtype=pl.Int32, eager=True)
        rows = self._naming(self._names_more, "class_version")
        if rows:
            found = self.text.gather(rows).str.extract(_VERSION_CLOSES).cast(pl.Int32)
            inside = found.is_null().arg_true().to_list()
            if inside:
                read = [_version(self._envelope(rows[i]).class_version) for i in inside]
                other = pl.Series([first if v is None else v for v in read], dtype=pl.Int32)
                found = found.scatter(inside, other)
            versions = versions.scatter(rows, found)
        return versions.set(self.text.is_null(), None).alias("schema_version")

    def metadata(self, stored: pl.Series) -> pl.Series:
        """What the source keeps beside the payload, else what the payload says of causes."""
        rows = self._naming(self._names_more & stored.is_null(), *_NAMED_METADATA)
        if rows:
            found = [_causes(self._envelope(row)) for row in rows]
            stored = stored.scatter(rows, pl.Series(found, dtype=pl.String))
        return stored.alias("metadata")

    @cached_property
    def _names_more(self) -> pl.Series:
        """Which payloads name a schema version or a cause, somewhere: one pass for all."""
        rest = self._opening.after_known_time
        return (self.text if rest is None else rest).str.contains_any(
            ["class_version", *_NAMED_METADATA]
        )

    def _naming(self, among: pl.Series, *names: str) -> list[int]:
        """Return the rows `among` which the text has one of the names in quotes."""
        rows = among.fill_null(value=False).arg_true()
        if rows.is_empty():
            return []
        texts = self.text.gather(rows)
        found = [texts.str.contains(f'"{name}"', literal=True) for name in names]
        named: list[int] = rows.filter(pl.select(pl.any_horizontal(found)).to_series()).to_list()
        return named

    def _envelope(self, row: int) -> Any:  # noqa: ANN401, a class made at run time
        if row not in self._envelopes:
            try:
                self._envelopes[row] = self._read_envelope(self.text[row])
            except (ValueError, RecursionError):
                self._envelopes[row] = _envelope()()
        return self._envelopes[row]


def _envelope() -> Any:  # noqa: ANN401, a class made at run time
    import msgspec

    names = ("timestamp", "class_version", *_NAMED_METADATA)
    return msgspec.defstruct("Envelope", [(n, msgspec.Raw, msgspec.Raw(b"")) for n in names])


def _time_text(value: bytes) -> str | None:
    value = bytes(value)
    wrapped = _WRAPPED_TIME.fullmatch(value)
    value = wrapped[1] if wrapped else value
    return value[1:-1].decode("utf-8", "replace") if value.startswith(b'"') else None


def _version(value: bytes) -> int | None:
    digits = bytes(value)
    return int(digits) if digits.isdigit() and len(digits) < 10 else None  # noqa: PLR2004, Int32


def _causes(envelope: Any) -> str | None:  # noqa: ANN401, a class made at run time
    found = [(n, bytes(getattr(envelope, n)).decode()) for n in _NAMED_METADATA]
    members = ",".join(f'"{n}":{value}' for n, value in found if value)
    return f"{{{members}}}" if members else None


def parse_times(texts: pl.Series) -> pl.Series:
    """Return ISO 8601 times as UTC in microseconds; null where a text is none.

    A time without a zone is taken as UTC.

    Notes
    -----
    What is a time, and which, is what `datetime.fromisoformat` says, as in the
    library's own `DatetimeAsISO`. Arrow's parser is many times faster.
    """
    parsed = _parsed_by_arrow(texts)
    if parsed is not None:
        return parsed
    plain = texts.str.contains(_PLAIN_TIME).fill_null(value=False)
    zoned = pl.select(pl.when(texts.str.contains(_ZONE)).then(texts).otherwise(texts + "Z"))
    parsed = _parsed_by_arrow(zoned.to_series().set(~plain, None))
    others = texts.set(plain, None) if parsed is not None else texts
    read = pl.Series([_read_time(text) for text in others.to_list()], dtype=TIME)
    return read if parsed is None else parsed.zip_with(plain, read)


def _parsed_by_arrow(texts: pl.Series) -> pl.Series | None:
    """Return the times, or None if a text is none for Arrow, or not for Python."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        parsed = pl.from_arrow(pc.cast(arrow, pa.timestamp("us", "UTC")))
    except pa.ArrowInvalid:
        return None
    if not isinstance(parsed, pl.Series):
        msg = f"Arrow returned {type(parsed).__name__}, not a column"
        raise TypeError(msg)
    times = parsed.cast(TIME)
    outside = (times < _FIRST_TIME) | (times > _LAST_TIME)
    return None if outside.any() else times


def _read_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_FIRST_TIME = datetime.min.replace(tzinfo=UTC)
_LAST_TIME = datetime.max.replace(tzinfo=UTC)
_ZONE = r"([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
_PLAIN_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?$"
)
