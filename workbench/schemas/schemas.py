"""The schemas of a history: every type in every version that was really stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import check_window
from workbench.description import html_table
from workbench.errors import UnknownSchemaError, near
from workbench.schemas import frames
from workbench.schemas.regimes import regimes
from workbench.schemas.schema import Schema
from workbench.tables import SCHEMA_FIELDS, SCHEMA_OVERLAPS, SCHEMA_VERSIONS
from workbench.type_names import full_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workbench.schemas.census import Census
    from workbench.schemas.pieces import Part

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, eq=False)
class Schemas:
    """The schemas of a history's payloads, as they were stored; made by `History.schemas`.

    `len()` counts them, a loop gives each `Schema`, and `schemas[type, name]` one of them.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> schemas = open_history(shop_path()).schemas()
    >>> schemas.of("Order.Placed").versions["name"].to_list()
    ['1', '2', 'undecodable', '3']
    """

    source: str
    """What the source of the history is called."""
    census: Census = field(repr=False)
    read: Callable[[int | None], Iterable[Part]] = field(repr=False, compare=False)
    """Reads the history's parts after a position."""
    payloads: Callable[[frozenset[str]], Iterable[pl.DataFrame]] = field(repr=False, compare=False)
    """Reads the events of some types: position, type, schema_version and data."""
    times: Callable[[frozenset[str]], Iterable[pl.DataFrame]] = field(repr=False, compare=False)
    """Reads the events of some types: position, schema_version and time."""
    types: frozenset[str] | None = None
    """The types that it is narrowed to, if it is."""

    @property
    def head(self) -> int | None:
        """The last position that was read, None of an empty history."""
        return self.census.head

    def advance(self) -> Schemas:
        """Return the schemas of the history as it is now; only new events are read.

        Raises
        ------
        StoreUnreadableError
            If the source can no longer be read.
        """
        return replace(self, census=self.census.add(self.read(self.head)))

    def of(self, *types: str) -> Schemas:
        """Return the schemas of these types, by full or unambiguous short name.

        Raises
        ------
        UnknownTypeError
            If there is no such type, or several of that short name.
        """
        return replace(self, types=frozenset(self.full_type(name) for name in types))

    def full_type(self, name: str) -> str:
        """Return the type, as stored, for a full or short name.

        Raises
        ------
        UnknownTypeError
            If there is no such type, or several of that short name.
        """
        keys = (*self.census.versions, *self.census.undecoded)
        known = frozenset(key.type for key in keys if self._has(key.type))
        return full_type(name, known, self.source)

    def _has(self, type_: str) -> bool:
        return self.types is None or type_ in self.types

    @cached_property
    def _all(self) -> dict[tuple[str, str], Schema]:
        found = []
        for key, version in self.census.versions.items():
            if not self._has(key.type):
                continue
            label = "none" if key.version is None else str(key.version)
            parts = regimes(version.epochs)
            for letter, part in zip(_LETTERS, parts, strict=False):
                name = label if len(parts) == 1 else f"{label}{letter}"
                found.append(Schema(key.type, key.version, name, part.cell, part.began_with))
        found.sort(key=lambda schema: (schema.type, schema.first_position))
        return {(schema.type, schema.name): schema for schema in found}

    def __iter__(self) -> Iterator[Schema]:
        """Each schema, by type and first position."""
        return iter(self._all.values())

    def __len__(self) -> int:
        """The number of schemas."""
        return len(self._all)

    def __getitem__(self, which: tuple[str, str | int]) -> Schema:
        """Return the schema of a type, by full or short name, and of a name such as '1a'.

        Raises
        ------
        UnknownTypeError
            If there is no such type, or several of that short name.
        UnknownSchemaError
            If the type has no schema of that name.
        """
        type_, name = self.full_type(which[0]), str(which[1])
        found = self._all.get((type_, name))
        if found is None:
            names = [schema.name for schema in self if schema.type == type_]
            msg = (
                f"Cannot find the schema {name!r} of {which[0]!r} in {self.source!r}. "
                f"{near(name, names)}"
            )
            raise UnknownSchemaError(msg)
        return found

    @cached_property
    def versions(self) -> pl.DataFrame:
        """The schemas: `workbench.tables.SCHEMA_VERSIONS`, by type and first position."""
        undecoded = [(k.type, e) for k, e in self.census.undecoded.items() if self._has(k.type)]
        of: dict[str, int] = {}
        for type_, extent in (*((s.type, s.cell.extent) for s in self), *undecoded):
            of[type_] = of.get(type_, 0) + extent.events
        rows = []
        for schema in self:
            names = schema.type, schema.schema_version, schema.name
            row = frames.version_row(names, schema.cell.extent, of[schema.type], schema.began_with)
            row["fields"] = len(frames.shown(schema.cell))
            row["not_objects"] = frames.not_objects(schema.cell)
            rows.append(row)
        for type_, extent in undecoded:
            names = type_, None, frames.UNDECODABLE
            rows.append(frames.version_row(names, extent, of[type_], None))
        return SCHEMA_VERSIONS.frame(rows).sort("type", "first_position")

    @cached_property
    def fields(self) -> pl.DataFrame:
        """Their fields: `workbench.tables.SCHEMA_FIELDS`, by type, version and path."""
        return pl.concat([SCHEMA_FIELDS.frame(), *(schema.fields for schema in self)])

    @cached_property
    def overlaps(self) -> pl.DataFrame:
        """Schemas of one type that were written at the same time.

        `workbench.tables.SCHEMA_OVERLAPS`: two releases wrote at once, or events were
        stored again. Silent versions of one declared version follow each other.
        """
        rows = []
        schemas = list(self)
        for i, older in enumerate(schemas):
            for newer in schemas[i + 1 :]:
                last = min(older.last_position, newer.last_position)
                if older.type == newer.type and newer.first_position <= last:
                    rows.append(
                        {
                            "type": older.type,
                            "older": older.name,
                            "newer": newer.name,
                            "first_position": newer.first_position,
                            "last_position": last,
                        }
                    )
        order = ("type", "first_position", "older", "newer")
        return SCHEMA_OVERLAPS.frame(rows).sort(order)

    def shares(self, type_: str, every: str = "1mo") -> pl.DataFrame:
        """Return the share of each schema of a type over time: `workbench.tables.SCHEMA_SHARES`.

        Events without a time are in no window.

        Parameters
        ----------
        type_
            Full or short name.
        every
            The length of a window: '1h', '1d', '1w', '1mo'. Windows begin in UTC.

        Raises
        ------
        UnknownTypeError
            If there is no such type, or several of that short name.
        RangeError
            If `every` is no duration.
        StoreUnreadableError
            If the source can no longer be read.
        """
        from workbench.schemas.shares import shares

        check_window(every)
        full = self.full_type(type_)
        return shares(list(self.of(full)), self.times(frozenset({full})), every)

    def check(self, level: str = "BACKWARD_TRANSITIVE") -> pl.DataFrame:
        """Return what each version breaks, and for how many events: `workbench.tables.FINDINGS`.

        Each version of a type is checked against the one before it, or with a level that
        ends in `_TRANSITIVE` against all before it, in the order of their names. Payloads
        are read only of types in which something breaks.

        Parameters
        ----------
        level
            NONE, BACKWARD (the newer reads what the older has written), FORWARD (the older
            reads what the newer has written) or FULL (both), the last three also with
            _TRANSITIVE.

        Raises
        ------
        SchemaError
            If there is no such level.
        StoreUnreadableError
            If the source can no longer be read.
        """
        from workbench.compatibility.stored import check_stored

        return check_stored(self, level, self.payloads)

    def __repr__(self) -> str:
        """One line."""
        types = len({schema.type for schema in self})
        silent = sum(schema.is_silent for schema in self)
        return (
            f"<Schemas of {self.source!r}: {len(self)} of {types} types, {silent} silent, "
            f"up to position {self.head or 0:,}>"
        )

    def _repr_html_(self) -> str:
        rows = {
            f"{schema.short_name} {schema.name}": (
                f"{schema.count:,} events at {schema.first_position:,} to "
                f"{schema.last_position:,}; {len(frames.shown(schema.cell))} fields"
            )
            for schema in list(self)[:_MOST_ROWS]
        }
        return html_table(repr(self)[1:-1], rows)


_MOST_ROWS = 60
