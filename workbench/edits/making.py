"""Making an edit: what is asked for is resolved once, into an overlay on the source.

All choices look at the history as it is before the edit. What comes out is which events
of the source below are gone, which have new versions, and which rows are added.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from workbench.edits.changes import found_changes, no_rows
from workbench.edits.choosing import KEY, Chooser
from workbench.edits.overlay import BELOW, GONE, ROW, SCHEMA, VERSIONS, EditedSource, Overlay
from workbench.edits.telling import told
from workbench.edits.versions import FOLLOWER, LATEST, LINE, ORDER, OWNER, renumbered
from workbench.errors import EditError
from workbench.scanning import Reading
from workbench.sources import Selection
from workbench.sources.memory import MemorySource
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.edits.changes import Changes
    from workbench.edits.values import Asked, Edit
    from workbench.payload.codec import Codec
    from workbench.sources import Source


def edited(
    reading: Reading, asked: Asked, full_type: Callable[[str], str], name: str
) -> tuple[EditedSource, Edit]:
    """Return a source with one more edit, and what the edit does.

    Parameters
    ----------
    reading
        What the history shows: events are chosen among these.
    asked
        What is to be dropped, altered, inserted and moved.
    full_type
        Gives the full name of a type, or the name itself of a new one.
    name
        What the edit is called.

    Raises
    ------
    EditError
        If nothing is asked for, no event is named, two things are asked of one event,
        or a payload cannot be written.
    """
    source = editable(reading.source, reading.codec)
    shown = Chooser(replace(reading, source=source, on_progress=None, schema=SCHEMA))
    whole = Chooser(Reading(source, reading.codec, Selection(), schema=SCHEMA))
    changes = found_changes(asked, shown, whole, full_type)
    return replace(source, overlay=_applied(source, changes)), told(name, changes)


def editable(source: Source, codec: Codec) -> EditedSource:
    """Return a source with an overlay: the one that it has, or an empty one.

    Raises
    ------
    EditError
        If no one number orders its events.
    """
    if isinstance(source, EditedSource):
        return source
    if not source.capabilities.total_order:
        msg = (
            f"Cannot edit {source.name!r}: it is a source of several partitions, and no one number "
            "orders its events. Edit the history of one partition."
        )
        raise EditError(msg)
    if isinstance(source, MemorySource):
        # Of events that share a number, all but the first are additions.
        first = source.events["position"].is_first_distinct()
        below = replace(source, events=source.events.filter(first))
        return EditedSource(below, codec, below.head(), Overlay(extra=source.events.filter(~first)))
    return EditedSource(source, codec, source.head(), Overlay())


def _applied(source: EditedSource, changes: Changes) -> Overlay:
    overlay = source.overlay
    added = _added(overlay, changes)
    left = pl.concat([changes.dropped, changes.moved, changes.before])
    markers = pl.concat([_markers(changes.dropped), _markers(changes.moved), _restreamed(changes)])
    lines = _lines(source, left, added, markers)
    now = renumbered(lines)
    shifted = now.filter(pl.col("row").is_null() & pl.col("now").ne_missing(pl.col("version")))
    below = left.filter(pl.col(ROW) == BELOW)
    gone = pl.concat([overlay.gone, below.select(GONE.names())]).unique("position")
    known = overlay.versions.join(shifted, on="position", how="anti")
    new = shifted.select("position", pl.col("now").alias("version"))
    versions = pl.concat([known, new.cast(VERSIONS)]).join(gone, on="position", how="anti")
    version = now.filter(pl.col("row").is_not_null()).select("row", "now")
    extra = added.with_row_index("row").with_columns(pl.col("row").cast(LINE["row"]))
    extra = extra.join(version, on="row", how="left", maintain_order="left").with_columns(
        pl.when(pl.col("row").is_in(version["row"].implode()))
        .then("now")
        .otherwise("version")
        .alias("version")
    )
    return Overlay(gone.sort("position"), versions.sort("position"), EVENTS.conform(extra))


def _placed(
    rows: pl.DataFrame,
    tier: int | pl.Expr,
    seq: pl.Expr,
    *,
    is_new: bool | pl.Expr = False,
    derives: bool | pl.Expr = False,
) -> pl.DataFrame:
    """Return rows of the event table with where they stand, and how they get their version."""
    delta = is_new if isinstance(is_new, pl.Expr) else pl.lit(is_new)
    derived = derives if isinstance(derives, pl.Expr) else pl.lit(derives)
    level = tier if isinstance(tier, pl.Expr) else pl.lit(tier)
    return rows.select(
        *EVENTS.names,
        level.cast(LINE["tier"]).alias("tier"),
        seq.cast(LINE["seq"]).alias("seq"),
        delta.cast(LINE["delta"]).alias("delta"),
        derived.alias("derives"),
    )


_TIER = pl.when(pl.col(ROW) == BELOW).then(OWNER).otherwise(FOLLOWER)
_SEQ = pl.when(pl.col(ROW) == BELOW).then(0).otherwise(pl.col(ROW))


def _added(overlay: Overlay, changes: Changes) -> pl.DataFrame:
    """Return all rows that are added to the source below, in order."""
    away = pl.concat([changes.dropped, changes.moved])
    before = changes.before
    restreams = before["stream"].ne_missing(changes.rewritten["stream"])
    derives = restreams & before["version"].eq_missing(changes.rewritten["version"])
    in_place = changes.rewritten.with_columns(restreams.alias("new"), derives.alias("derived"))
    in_place = in_place.join(away, on=KEY, how="anti", maintain_order="left")
    stays = overlay.numbered.join(away, on=KEY, how="anti", maintain_order="left")
    stays = stays.join(before, on=KEY, how="anti", maintain_order="left")
    moved = _moved_now(changes)
    to = pl.Series("position", changes.targets, dtype=pl.Int64)
    follows = pl.Series(changes.inserted.follows, dtype=pl.Boolean)
    derived = pl.Series("derived", changes.inserted.derives, dtype=pl.Boolean)
    new = changes.inserted.rows.with_columns(derived)
    nth = pl.int_range(pl.len())
    placed = [
        _placed(in_place, _TIER, _SEQ, is_new=pl.col("new"), derives=pl.col("derived")),
        _placed(stays, FOLLOWER, pl.col(ROW)),
        _placed(moved.with_columns(to), LATEST, nth, is_new=True, derives=True),
        _placed(new.filter(~follows), OWNER, pl.lit(0), is_new=True, derives=pl.col("derived")),
        _placed(
            new.filter(follows),
            LATEST,
            nth + changes.moved.height,
            is_new=True,
            derives=pl.col("derived"),
        ),
    ]
    return pl.concat(placed).sort(ORDER, maintain_order=True)


def _moved_now(changes: Changes) -> pl.DataFrame:
    """Return the events that move as they are after they are altered, in the order given."""
    altered = changes.rewritten.join(changes.moved, on=KEY, how="semi")
    same = changes.moved.join(altered, on=KEY, how="anti")
    order = changes.moved.select(KEY)
    now = order.join(pl.concat([same, altered]), on=KEY, how="left", maintain_order="left")
    return now.select(SCHEMA.names())


def _markers(rows: pl.DataFrame) -> pl.DataFrame:
    """Return where events have left their streams: the columns of `LINE`."""
    return rows.select(
        "position",
        _TIER.cast(LINE["tier"]).alias("tier"),
        _SEQ.cast(LINE["seq"]).alias("seq"),
        "stream",
        "version",
        pl.lit(-1, LINE["delta"]).alias("delta"),
        pl.lit(value=False).alias("derives"),
        pl.lit(None, LINE["row"]).alias("row"),
    )


def _restreamed(changes: Changes) -> pl.DataFrame:
    """Return where altered events have left their streams, unless they have moved anyway."""
    before = changes.before
    left = before.filter(before["stream"].ne_missing(changes.rewritten["stream"]))
    return _markers(left.join(changes.moved, on=KEY, how="anti"))


def _lines(
    source: EditedSource, left: pl.DataFrame, added: pl.DataFrame, markers: pl.DataFrame
) -> pl.DataFrame:
    """Return the events of all streams that are touched: the columns of `LINE`."""
    new = added.with_row_index("row").with_columns(pl.col("row").cast(LINE["row"]))
    touched = pl.concat([markers["stream"], new.filter(pl.col("delta") > 0)["stream"]])
    streams = frozenset(touched.drop_nulls().to_list())
    columns = {"position", "stream", "version", ROW}
    reading = Reading(source, source.codec, Selection(streams=streams), schema=SCHEMA)
    frames = [no_rows().select(name for name in SCHEMA if name in columns)]
    if streams:
        frames += [
            frame.filter(pl.col(ROW) == BELOW).join(left, on=KEY, how="anti", maintain_order="left")
            for frame in reading.frames(columns)
        ]
    staying = pl.concat(frames)
    return pl.concat(
        [
            _markers(staying).with_columns(pl.lit(0, LINE["delta"]).alias("delta")),
            new.filter(pl.col("stream").is_in(list(streams))).select(LINE.names()),
            markers,
        ]
    ).filter(pl.col("stream").is_not_null())
