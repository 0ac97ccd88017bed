"""What differs between two schemas, told by path: fields, kinds, values, renamings offered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import polars as pl

from workbench.compatibility.accepting import key_of
from workbench.compatibility.avro_names import AvroType
from workbench.compatibility.checking import read_schema
from workbench.compatibility.documents import Document, shown
from workbench.compatibility.likeness import renamings
from workbench.compatibility.outlines import AvroOutline, JsonOutline, Outline
from workbench.compatibility.places import Field, Items, Others, Steps, path_text
from workbench.description import html_table
from workbench.errors import SchemaError
from workbench.tables import SCHEMA_DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from workbench.compatibility.documents import SchemaLike

MIRRORED = {
    "field_added": "field_removed",
    "became_required": "became_optional",
    "became_nullable": "became_not_null",
    "enum_value_added": "enum_value_lost",
    "enum_added": "enum_lost",
    "field_renamed": "field_renamed",
    "kind_changed": "kind_changed",
    "wrapper_changed": "wrapper_changed",
    "constraint_changed": "constraint_changed",
}
MIRRORED |= {other: rule for rule, other in MIRRORED.items()}
"""Every rule, and which one it is the other way round."""
MOST_PAIRS = 50_000
_MOST_ROWS = 60


@runtime_checkable
class HasValues(Protocol):
    """A schema that was inferred from stored events, and knows the values of its fields."""

    def lost_values(self, since: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401, its like
        """Return path and value, as JSON, of what its fields had, and have no more."""


@dataclass(frozen=True, eq=False)
class SchemaDiff:
    """What differs between two schemas; made by `diff`.

    Examples
    --------
    >>> old = {"type": "object", "properties": {"price": {"type": "integer"}}}
    >>> new = {"type": "object", "properties": {"price": {"type": "number"}}}
    >>> diff(old, new).differences.select("rule", "path", "old", "new").rows()
    [('kind_changed', 'price', 'integer', 'number')]
    """

    differences: pl.DataFrame = field(repr=False)
    """`workbench.tables.SCHEMA_DIFFERENCES`, by path."""

    @property
    def is_empty(self) -> bool:
        """Whether the schemas say the same."""
        return self.differences.is_empty()

    def __len__(self) -> int:
        """The number of differences, offers of a renaming included."""
        return self.differences.height

    def __repr__(self) -> str:
        """One line."""
        counts = self.differences.group_by("rule").len().sort("rule").rows()
        said = ", ".join(f"{count} {rule}" for rule, count in counts)
        return f"<SchemaDiff: {said or 'no difference'}>"

    def _repr_html_(self) -> str:
        rows = {
            f"{path}: {rule}": f"{old or 'nothing'} to {new or 'nothing'}"
            for rule, path, old, new, _ in self.differences.head(_MOST_ROWS).rows()
        }
        return html_table(repr(self)[1:-1], rows)


def diff(old: SchemaLike, new: SchemaLike) -> SchemaDiff:
    """Return what differs between two schemas.

    Parameters
    ----------
    old, new
        Each a JSON Schema or an Avro schema as data, told apart by their form, or whatever
        has a method `json_schema()`, as a `Schema` of a history does. Of two of these, the
        values of fields that have at most 32 are compared too, as if they were an enum: one
        is lost or added where it cannot be by chance that only one of them has it.

    Returns
    -------
    SchemaDiff
        Its rules: field_added, field_removed, field_renamed (offered by likeness: both rows
        of the field stay), kind_changed, wrapper_changed, became_optional, became_required,
        became_nullable, became_not_null, enum_value_added, enum_value_lost, enum_added,
        enum_lost, constraint_changed.

    Raises
    ------
    SchemaError
        If one cannot be read, or one is JSON Schema and the other Avro.
    """
    before, after = read_schema(old), read_schema(new)
    if isinstance(before, Document) and isinstance(after, Document):
        pair: tuple[Outline, Outline] = (
            JsonOutline(before, ((before.root,),)),
            JsonOutline(after, ((after.root,),)),
        )
    elif isinstance(before, AvroType) and isinstance(after, AvroType):
        pair = AvroOutline((before,)), AvroOutline((after,))
    else:
        msg = (
            "Cannot compare a JSON Schema with an Avro schema: their types differ. Give two of "
            "one form."
        )
        raise SchemaError(msg)
    rows = _Walk().run(*pair)
    if isinstance(old, HasValues) and isinstance(new, HasValues):
        lost, added = old.lost_values(new), new.lost_values(old)
        rows += [("enum_value_lost", path, value, None, None) for path, value in lost]
        rows += [("enum_value_added", path, None, value, None) for path, value in added]
    frame = pl.DataFrame(rows, SCHEMA_DIFFERENCES.schema, orient="row")
    return SchemaDiff(frame.unique().sort(SCHEMA_DIFFERENCES.order))


Row = tuple[str, str, str | None, str | None, float | None]
Seen = frozenset[tuple["Hashable", "Hashable"]]


@dataclass(slots=True)
class _Walk:
    """Walks through two outlines at once."""

    rows: list[Row] = field(default_factory=list)
    count: int = 0
    todo: deque[tuple[Outline, Outline, Steps, Seen]] = field(default_factory=deque)

    def run(self, old: Outline, new: Outline) -> list[Row]:
        self.todo.append((old, new, (), frozenset()))
        while self.todo:
            before, after, steps, seen = self.todo.popleft()
            pair = before.key, after.key
            self.count += 1
            if self.count > MOST_PAIRS:
                msg = "Cannot compare the schemas: they are too large. Compare parts of them."
                raise SchemaError(msg)
            if pair not in seen:
                self.at(before, after, steps, seen | {pair})
        return self.rows

    def add(
        self, rule: str, steps: Steps, old: str | None, new: str | None, like: float | None = None
    ) -> None:
        self.rows.append((rule, path_text(steps), old, new, like))

    def at(self, old: Outline, new: Outline, steps: Steps, seen: Seen) -> None:
        self.kinds(old, new, steps)
        self.values(old, new, steps)
        for word in sorted({*old.limits, *new.limits}):
            limits = old.limits.get(word), new.limits.get(word)
            if limits[0] != limits[1]:
                before, after = (None if at is None else f"{word} {shown(at)}" for at in limits)
                self.add("constraint_changed", steps, before, after)
        self.fields(old, new, steps, seen)
        for step, inner in (
            (Items(), (old.items(), new.items())),
            (Others(), (old.others(), new.others())),
        ):
            one, other = inner
            if one is not None and other is not None:
                self.todo.append((one, other, (*steps, step), seen))
            elif one is not None:
                self.add("field_removed", (*steps, step), told(one), None)
            elif other is not None:
                self.add("field_added", (*steps, step), None, told(other))

    def kinds(self, old: Outline, new: Outline, steps: Steps) -> None:
        before, after = old.kinds, new.kinds
        if ("null" in before) != ("null" in after):
            rule = "became_not_null" if "null" in before else "became_nullable"
            self.add(rule, steps, told(old), told(new))
        if before - {"null"} != after - {"null"}:
            is_wrapper = old.wrappers != new.wrappers
            rule = "wrapper_changed" if is_wrapper else "kind_changed"
            self.add(rule, steps, told(old), told(new))

    def values(self, old: Outline, new: Outline, steps: Steps) -> None:
        before, after = old.values, new.values
        if before is None and after is not None:
            self.add("enum_added", steps, None, shown(list(after)))
        elif before is not None and after is None:
            self.add("enum_lost", steps, shown(list(before)), None)
        elif before is not None and after is not None:
            known, wanted = {key_of(v) for v in before}, {key_of(v) for v in after}
            for value in before:
                if key_of(value) not in wanted:
                    self.add("enum_value_lost", steps, shown(value), None)
            for value in after:
                if key_of(value) not in known:
                    self.add("enum_value_added", steps, None, shown(value))

    def fields(self, old: Outline, new: Outline, steps: Steps, seen: Seen) -> None:
        before, after = old.fields(), new.fields()
        lost = {name: m.outline for name, m in before.items() if name not in after}
        added = {name: m.outline for name, m in after.items() if name not in before}
        for name, outline in lost.items():
            self.add("field_removed", (*steps, Field(name)), told(outline), None)
        for name, outline in added.items():
            self.add("field_added", (*steps, Field(name)), None, told(outline))
        for pair in renamings(lost, added):
            self.add("field_renamed", steps, pair.old, pair.new, pair.likeness)
        for name in before.keys() & after.keys():
            one, other = before[name], after[name]
            within = (*steps, Field(name))
            if one.is_required != other.is_required:
                words = ("required", "optional") if one.is_required else ("optional", "required")
                self.add(f"became_{words[1]}", within, *words)
            self.todo.append((one.outline, other.outline, within, seen))


def told(outline: Outline) -> str:
    """Return the kinds of an outline, as people are told."""
    return " | ".join(sorted(outline.kinds)) or "nothing"
