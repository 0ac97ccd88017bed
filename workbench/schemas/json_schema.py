"""A schema as JSON Schema 2020-12, of the payload as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.schemas.shapes import ARRAY, INTEGER, JSON_KINDS, NUMBER, OBJECT, Mark, Path

if TYPE_CHECKING:
    from workbench.schemas.schema import Schema
    from workbench.schemas.statistics import Field, Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(schema: Schema) -> dict[str, Any]:
    """Return a schema as JSON Schema; see `Schema.json_schema`."""
    found = _Writer(schema).at(())
    what = (
        f"Inferred from {schema.count:,} events at {schema.first_position:,} to "
        f"{schema.last_position:,}."
    )
    return {
        "$schema": DIALECT,
        "title": f"{schema.short_name} {schema.name}",
        "description": what,
        **found,
    }


class _Writer:
    """Writes the fields of a schema, each inside what holds it."""

    def __init__(self, schema: Schema) -> None:
        self.fields = schema.cell.fields
        self.inside: dict[Path, list[Path]] = {}
        for path in self.fields:
            if path:
                self.inside.setdefault(path[:-1], []).append(path)

    def at(self, path: Path) -> dict[str, Any]:
        """Return the schema of what is at a path: any of its kinds."""
        kinds = self.fields[path].kinds
        plain = [kind for kind in kinds if kind in JSON_KINDS and kind not in (OBJECT, ARRAY)]
        if INTEGER in plain and NUMBER in plain:
            plain.remove(INTEGER)  # which is a number too
        found: list[dict[str, Any]] = []
        if plain:
            found.append({"type": plain[0] if len(plain) == 1 else sorted(plain)})
        if ARRAY in kinds:
            found.append(self.array(path))
        if OBJECT in kinds:
            found.append(self.object(path))
        wrappers = [(name, kind) for name, kind in kinds.items() if name not in JSON_KINDS]
        found += [self.wrapper(path, name, kind) for name, kind in wrappers]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def array(self, path: Path) -> dict[str, Any]:
        item = (*path, Mark.ITEM)
        items = {"items": self.at(item)} if item in self.fields else {}
        return {"type": "array", **items}

    def object(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "object", "properties": {}}
        required = []
        for member in self.inside.get(path, ()):
            name = member[-1]
            if name is Mark.ANY:
                found["additionalProperties"] = self.at(member)
            elif isinstance(name, str):
                found["properties"][name] = self.at(member)
                if is_always(self.fields[member]):
                    required.append(name)
        if required:
            found["required"] = required
        return found

    def wrapper(self, path: Path, name: str, kind: Kind) -> dict[str, Any]:
        data: list[dict[str, Any]] = []
        if kind.spread is not None:
            data.append({"type": "string"})
        inner = (*path, Mark.DATA)
        if inner in self.fields:
            data.append(self.at(inner))
        wrapped = {"anyOf": data} if len(data) > 1 else next(iter(data), {})
        return {
            "type": "object",
            "properties": {"_type_": {"const": name}, "_data_": wrapped},
            "required": ["_type_", "_data_"],
        }


def is_always(field: Field) -> bool:
    """Return whether a field is in all the objects that might have it."""
    return not field.missing.events
