"""From the events of UmaDB's client to raw rows, column by column."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.sources.base import RAW_SCHEMA, Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ORIGINATOR = "originator:"
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
# What `eventsourcing_umadb.recorders` 0.3.5 writes: two tags, the id, and the version with the id.
_VERSION = "originator-{}-version:{}"
_BESIDE_ID = len(_VERSION.replace("{}", ""))
FROM_TAGS = ("stream", "version", "tags")

_event, _position = attrgetter("event"), attrgetter("position")
_type, _data = attrgetter("event_type"), attrgetter("data")
_metadata = attrgetter("metadata")


def needed_columns(columns: Collection[str], selection: Selection) -> set[str]:
    """Return the columns that the selection is told by, and those that are asked for."""
    by = {
        "type": selection.types is not None,
        "stream": selection.streams is not None,
        "version": selection.after_version is not None or selection.upto_version is not None,
        "tags": bool(selection.tags),
    }
    return {*columns, "position", *(name for name, is_used in by.items() if is_used)}


def frame_of(batch: list[Any], columns: Collection[str]) -> pl.DataFrame:
    """Return columns of `workbench.sources.RAW_SCHEMA` for events of the client.

    An event with the two tags of the recorder's has a stream and a version, and no tags;
    any other event has tags alone. A UUID is shown with 32 hex digits.
    """
    import numpy as np

    count, events = len(batch), list(map(_event, batch))
    found: dict[str, pl.Series] = {
        "position": pl.Series(np.fromiter(map(_position, batch), np.int64, count))
    }
    if "partition" in columns:
        found["partition"] = pl.repeat(0, count, dtype=pl.Int32, eager=True)
    if "type" in columns:
        found["type"] = pl.Series(list(map(_type, events)), dtype=pl.String)
    if "state" in columns:
        found["state"] = pl.Series(list(map(_data, events)), dtype=pl.Binary)
    if "metadata" in columns:
        found["metadata"] = _metadata_of(events)
    if not set(FROM_TAGS).isdisjoint(columns):
        found |= _from_tags(_tags_of(events))
    return pl.DataFrame({n: found[n].cast(RAW_SCHEMA[n]) for n in RAW_SCHEMA if n in found}).select(
        name for name in RAW_SCHEMA if name in columns
    )


def _tags_of(events: list[Any]) -> pl.Series:
    """Return the tags of events as a column, by way of Arrow.

    No list of lists is made: it would wake the garbage collector, at five times the cost.
    """
    import numpy as np
    import pyarrow as pa

    flat: list[str] = []
    ends = [0]
    for event in events:
        flat += event.tags
        ends.append(len(flat))
    offsets = pa.array(np.array(ends, np.int64))
    made = pl.from_arrow(pa.LargeListArray.from_arrays(offsets, pa.array(flat, pa.large_string())))
    return pl.Series(made, dtype=pl.List(pl.String))


def _from_tags(tags: pl.Series) -> Mapping[str, pl.Series]:
    """Return streams, versions and tags: of the recorder's events, and of all others."""
    two = pl.col("tags").list.len() == 2  # noqa: PLR2004, the recorder's two
    first, second = (pl.col("tags").list.get(i, null_on_oob=True) for i in (0, 1))
    stream = pl.col("id")
    text = pl.col("second").str.slice(stream.str.len_chars() + _BESIDE_ID)
    # What is put together again as it was is the recorder's: no pattern is looked for.
    again = pl.format(_VERSION, stream, "version") == pl.col("second")
    dashless = stream.str.replace_all("-", "", literal=True)
    return (
        pl.LazyFrame({"tags": tags})
        .with_columns(two.alias("two"), first.alias("first"), second.alias("second"))
        .with_columns(
            pl.when(pl.col("two") & pl.col("first").str.starts_with(ORIGINATOR))
            .then(pl.col("first").str.slice(len(ORIGINATOR)))
            .alias("id")
        )
        .with_columns(text.cast(pl.Int64, strict=False).alias("version"))
        .with_columns(again.fill_null(value=False).alias("own"))
        .select(
            pl.when("own")
            .then(pl.when(stream.str.contains(_UUID)).then(dashless).otherwise(stream))
            .alias("stream"),
            pl.when("own").then("version").alias("version"),
            pl.when(~pl.col("own")).then("tags").otherwise(pl.lit([], RAW_SCHEMA["tags"])),
        )
        .collect()
        .to_dict()
    )


def _metadata_of(events: list[Any]) -> pl.Series:
    """Return what is kept beside the payloads, with the event's id; null where nothing is."""
    import msgspec

    encode = msgspec.json.encode
    kept = list(map(_metadata, events))
    if not any(kept):
        return pl.repeat(None, len(events), dtype=pl.String, eager=True)
    texts = [
        encode(data if event.uuid is None else {"event_id": str(event.uuid), **data}).decode()
        if data
        else None
        for data, event in zip(kept, events, strict=True)
    ]
    return pl.Series(texts, dtype=pl.String)
