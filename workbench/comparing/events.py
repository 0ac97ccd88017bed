"""A history of a few events that are given as rows, for tests and for trying things out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench import tables
from workbench.history import History
from workbench.sources.base import RAW_SCHEMA, Capabilities, Selection
from workbench.type_names import TypeNames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from workbench.sources.base import Part


def history_of(
    events: Iterable[Mapping[str, Any]],
    *,
    types: Iterable[str] = (),
    first_schema_version: int | None = 1,
) -> History:
    """Return the history of events that are given as rows.

    Parameters
    ----------
    events
        Rows of `workbench.tables.EVENTS`, in order of position: `position`, `stream`,
        `version`, `type` and `data`, the payload as JSON, and where they matter
        `partition`, `metadata` and `tags`. Time and schema version are read from the
        payload.
    types
        Event types that the history knows, besides those that occur.
    first_schema_version
        The schema version of an event that states none.
    """
    rows = [
        {
            **{name: event.get(name) for name in RAW_SCHEMA if name != "state"},
            "partition": event.get("partition") or 0,
            "tags": event.get("tags") or [],
            "state": None if event["data"] is None else event["data"].encode(),
        }
        for event in events
    ]
    source = RowsSource(pl.DataFrame(rows, RAW_SCHEMA), first_schema_version)
    known = frozenset([*types, *source.rows["type"].drop_nulls()])
    return History(source, _types=TypeNames(source.head(), known))


@dataclass(frozen=True, eq=False)
class RowsSource:
    """Events in memory, as they would be stored: `workbench.sources.base.RAW_SCHEMA`."""

    rows: pl.DataFrame
    first_schema_version: int | None
    name: str = "events in memory"
    kind: str = "rows"
    application: str | None = None

    @property
    def capabilities(self) -> Capabilities:
        """A total order, with holes that mean nothing."""
        return Capabilities(
            total_order=True, time_index=False, live=False, receivers=False, own_numbers=False
        )

    def head(self) -> int | None:
        """The last position."""
        return self.rows["position"].max()  # type: ignore[return-value]

    def tail(self) -> int | None:
        """The first position."""
        return self.rows["position"].min()  # type: ignore[return-value]

    def _chosen(self, selection: Selection) -> pl.DataFrame:
        position, version = pl.col("position"), pl.col("version")
        ranges = (
            (selection.after, position.gt),
            (selection.upto, position.le),
            (selection.after_version, version.gt),
            (selection.upto_version, version.le),
        )
        members = (("type", selection.types), ("stream", selection.streams))
        found = self.rows.filter(
            *(fits(end) for end, fits in ranges if end is not None),
            *(pl.col(name).is_in(some) for name, some in members if some is not None),
        )
        return found if selection.limit is None else found.head(selection.limit)

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`."""
        return self._chosen(selection).height

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows, in one part."""
        found = self._chosen(selection).select(name for name in RAW_SCHEMA if name in columns)
        yield iter([lambda: found] if found.height else [])

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself."""
        return frozenset({str(stream)})

    def state(self, position: int) -> bytes | None:
        """The payload of one event."""
        found = self.rows.filter(pl.col("position") == position)["state"]
        return found[0] if found.len() else None

    def snapshots(self) -> pl.DataFrame:
        """None."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """None."""
        return tables.RECEIVERS.frame()
