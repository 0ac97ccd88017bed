"""What a selection is in PostgreSQL's SQL: names are quoted, and texts are literals.

Values are written into the statement, since the COPY that rows are read by takes no
parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.sources.layouts import quoted
from workbench.sources.postgres_layouts import can_be_stored, literal

if TYPE_CHECKING:
    from collections.abc import Collection

    from workbench.sources.base import Selection
    from workbench.sources.postgres_layouts import PostgresLayout


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements on one layout's table of events."""

    layout: PostgresLayout

    def rows(self, selection: Selection, columns: Collection[str]) -> str:
        """Return the query for raw rows, by position."""
        layout = self.layout
        expressions = {
            "position": f"{layout.position}::bigint",
            "stream": self._stream(),
            "version": layout.version,
            "type": layout.type,
            "state": layout.state,
            "metadata": layout.metadata,
            "tags": layout.tags,
        }
        chosen = [
            f"{expression} AS {quoted(name)}"
            for name, expression in expressions.items()
            if expression is not None and (name in columns or name == "position")
        ]
        limit = "" if selection.limit is None else f" LIMIT {selection.limit}"
        return (
            f"SELECT {', '.join(chosen)} FROM {layout.table}{self.where(selection)} "
            f"ORDER BY {layout.position}{limit}"
        )

    def _stream(self) -> str | None:
        """The stream as it is read: the 16 bytes of a UUID, which are written out here."""
        if self.layout.id_is_uuid and not self.layout.id_has_dashes:
            return self.layout.stream
        return None if self.layout.stream is None else f"{self.layout.stream}::text"

    def stream_text(self) -> str:
        """Return the expression of a stream as it is shown."""
        text = f"{self.layout.stream}::text"
        dashed = not self.layout.id_is_uuid or self.layout.id_has_dashes
        return text if dashed else f"replace({text}, '-', '')"

    def of_application(self) -> list[str]:
        """Return the condition on the application, where several share a table."""
        column, application = self.layout.application_column, self.layout.application
        if column is None or application is None:
            return []
        return [f"{quoted(column)} = {literal(application)}"]

    def where(self, selection: Selection) -> str:
        """Return the WHERE clause of a selection."""
        layout, conditions = self.layout, self.of_application()
        if selection.types is not None:
            conditions.append(f"{layout.type} = ANY({_array(selection.types)})")
        if selection.streams is not None:
            conditions.append(self._in_streams(selection.streams))
        if selection.tags:
            conditions.append(self._with_tags(selection.tags))
        for column, operator, value in (
            (layout.position, ">", selection.after),
            (layout.position, "<=", selection.upto),
            (layout.version or "NULL::bigint", ">", selection.after_version),
            (layout.version or "NULL::bigint", "<=", selection.upto_version),
        ):
            if value is not None:
                conditions.append(f"{column} {operator} {value}")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _in_streams(self, streams: frozenset[str]) -> str:
        if self.layout.stream is None:
            return "false"
        if not self.layout.id_is_uuid:
            return f"{self.layout.stream} = ANY({_array(streams)})"
        form = _DASHED if self.layout.id_has_dashes else _HEX
        ids = frozenset(filter(form.fullmatch, streams))
        return f"{self.layout.stream} = ANY({_array(ids)}::uuid[])"

    def _with_tags(self, tags: frozenset[str]) -> str:
        """Return the condition to have all of these tags, by their own index where there is one."""
        if self.layout.tags_table is None:
            return f"{self.layout.tags} @> {_array(tags)}"
        position, table = self.layout.position, self.layout.of(self.layout.tags_table)
        return " AND ".join(
            f"{position} IN (SELECT main_id FROM {table} WHERE tag = {literal(tag)})"
            if can_be_stored(tag)
            else "false"
            for tag in sorted(tags)
        )


_HEX = re.compile("[0-9a-f]{32}")
_DASHED = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _array(values: Collection[str]) -> str:
    """Return the SQL array of those values that a column can hold."""
    return f"ARRAY[{', '.join(literal(v) for v in sorted(values) if can_be_stored(v))}]::text[]"
