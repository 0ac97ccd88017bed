"""A schema: the shape of the payload of one event type in one version, as it was stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.catalog import short_name
from workbench.description import html_table
from workbench.schemas import frames
from workbench.tables import SCHEMA_FIELDS

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from workbench.schemas.cells import Cell
    from workbench.schemas.regimes import Beginning


@dataclass(frozen=True, eq=False, slots=True)
class Schema:
    """The payloads of one event type in one version, as they were stored.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> schema = open_history(shop_path()).schemas()["Order.Confirmed", "1b"]
    >>> schema
    <Schema 'Order.Confirmed' 1b: 1 field, 3,756 events at 13,031 to 54,365>
    """

    type: str
    """The event type as stored."""
    schema_version: int | None
    """The version that the events declare, None if none."""
    name: str
    """'2' of version 2, '2a' and '2b' of its silent versions."""
    cell: Cell = field(repr=False)
    """What is known of its events."""
    began_with: tuple[Beginning, ...] = field(default=(), repr=False)
    """What is new in a silent version."""

    @property
    def short_name(self) -> str:
        """The type without its module."""
        return short_name(self.type)

    @property
    def is_silent(self) -> bool:
        """Whether it began with no new declared version."""
        return bool(self.began_with)

    @property
    def count(self) -> int:
        """The number of events."""
        return self.cell.extent.events

    @property
    def first_position(self) -> int:
        """The position of the first event."""
        return self.cell.extent.first

    @property
    def last_position(self) -> int:
        """The position of the last event."""
        return self.cell.extent.last

    @property
    def first_time(self) -> datetime | None:
        """The earliest time, None where no event has one."""
        return self.cell.extent.first_time

    @property
    def last_time(self) -> datetime | None:
        """The latest time, None where no event has one."""
        return self.cell.extent.last_time

    @property
    def fields(self) -> pl.DataFrame:
        """Its fields: `workbench.tables.SCHEMA_FIELDS`, by path."""
        rows = [
            frames.field_row(self.type, self.name, self.cell, path)
            for path in frames.shown(self.cell)
        ]
        return SCHEMA_FIELDS.frame(rows).sort("path")

    def json_schema(self) -> dict[str, Any]:
        """Return the schema as JSON Schema 2020-12, which every event of it satisfies.

        It is one of the payload as it is stored: the library's wrappers are objects with
        `_type_` and `_data_`. Fields that were never seen are allowed.
        """
        from workbench.schemas.json_schema import json_schema

        return json_schema(self)

    def against(self, declared: object) -> pl.DataFrame:
        """Return where the stored payloads and a declared schema differ.

        Parameters
        ----------
        declared
            A JSON Schema of the payload as it is stored, as a dict; or a pydantic model, a
            dataclass or an event class, of which the annotations are read: times, decimals
            and ids are wrapped as the library wraps them, fields with a default are
            optional, and what the library keeps beside the payload is left out.

        Returns
        -------
        polars.DataFrame
            `workbench.tables.SCHEMA_MISMATCHES`, empty if they agree. The rules are in
            `workbench.schemas.against.RULES`.

        Raises
        ------
        SchemaError
            If it is none of these, or a reference in it leads nowhere.
        """
        from workbench.schemas.against import mismatches
        from workbench.schemas.declared import json_schema_of

        return mismatches(self.cell, json_schema_of(declared))

    def beside(self, newer: Schema) -> pl.DataFrame:
        """Return the fields of this schema and a newer one: `workbench.tables.SCHEMA_MATRIX`.

        A row for each field of either, by path: what each says of it, and what changed.
        """
        from workbench.schemas.beside import beside

        return beside(self, newer)

    def lost_values(self, since: Schema) -> list[tuple[str, str]]:
        """Return path and value, as JSON, of what a field has here, and has no more since.

        Of fields with at most 32 values, where it cannot be by chance; `diff` asks for it.
        """
        from workbench.schemas.beside import lost_values

        return sorted(lost_values(self.cell, since.cell))

    def __repr__(self) -> str:
        """One line."""
        fields = len(frames.shown(self.cell))
        return (
            f"<Schema {self.short_name!r} {self.name}: {fields} field{'s'[: fields != 1]}, "
            f"{self.count:,} events at {self.first_position:,} to {self.last_position:,}>"
        )

    def _repr_html_(self) -> str:
        rows = {
            row["path"]: ", ".join(
                [*row["kinds"], *(["optional"] if row["presence"] == "optional" else [])]
            )
            for row in self.fields.head(_MOST_ROWS).to_dicts()
        }
        return html_table(repr(self)[1:-1], rows)


_MOST_ROWS = 60
