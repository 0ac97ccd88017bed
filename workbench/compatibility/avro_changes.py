"""What a reader of one Avro schema finds changed in data of another.

The rules are those by which Avro resolves a writer's schema to a reader's. They bear the
names of the kinds of incompatibility in Avro's own checker, in small letters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.compatibility.avro_names import AvroField, AvroType, json_of_avro
from workbench.compatibility.changes import Change, Place, is_compatible, made
from workbench.compatibility.places import Field, Items, Others
from workbench.compatibility.rules import RULES
from workbench.errors import SchemaError

if TYPE_CHECKING:
    from workbench.compatibility.documents import Raw

PROMOTIONS = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}
"""To which types a reader may promote what was written."""
NAMED = ("record", "enum", "fixed")
MOST_PAIRS = 50_000


@dataclass(slots=True)
class Resolution:
    """A resolution under way, of a part of two schemas."""

    count: list[int] = field(default_factory=lambda: [0])
    changes: list[Change] = field(default_factory=list)
    _todo: deque[tuple[AvroType, AvroType, Place]] = field(default_factory=deque)

    def run(self, writer: AvroType, reader: AvroType, place: Place) -> list[Change]:
        """Return the changes between two types and all that is in them."""
        self._todo.append((writer, reader, place))
        while self._todo:
            self._resolve(*self._todo.popleft())
        return self.changes

    def _add(
        self,
        rule: str,
        place: Place,
        old: object,
        new: object,
        probe: Raw | None = None,
        name: str | None = None,
    ) -> None:
        found = RULES[rule]
        asks = probe if found.breaks else None
        self.changes.append(made(found, place, old, new, asks, name))

    def _trial(self, writer: AvroType, reader: AvroType, place: Place) -> list[Change]:
        return Resolution(self.count).run(writer, reader, place)

    def _resolve(self, writer: AvroType, reader: AvroType, place: Place) -> None:
        self.count[0] += 1
        if self.count[0] > MOST_PAIRS:
            msg = "Cannot compare the Avro schemas: they are too large. Compare parts of them."
            raise SchemaError(msg)
        pair = id(writer), id(reader)
        if pair in place.seen:
            return
        place = place.after(pair)
        if writer.kind == "union":
            self._written_union(writer, reader, place)
        elif reader.kind == "union":
            self._read_union(writer, reader, place)
        elif writer.kind == reader.kind:
            self._same_kind(writer, reader, place)
        elif reader.kind in PROMOTIONS.get(writer.kind, ()):
            self._add("type_promoted", place, writer.kind, reader.kind)
        else:
            self._add("type_mismatch", place, writer.kind, reader.kind, json_of_avro(reader))

    def _written_union(self, writer: AvroType, reader: AvroType, place: Place) -> None:
        """A reader must take each branch that may have been written."""
        for index, branch in enumerate(writer.branches):
            at = place.at(str(index))
            changes = self._trial(branch, reader, at)
            if is_compatible(changes):
                self.changes.extend(changes)
            elif reader.kind == "union":
                told = told_type(branch), [told_type(part) for part in reader.branches]
                self._add("missing_union_branch", at, *told, json_of_avro(reader))
            else:
                self.changes.extend(changes)

    def _read_union(self, writer: AvroType, reader: AvroType, place: Place) -> None:
        trials = [self._trial(writer, branch, place) for branch in reader.branches]
        fitting = [changes for changes in trials if is_compatible(changes)]
        if fitting:
            # The branch that is most like what was written, as Avro's readers have it.
            fitting.sort(key=len)
            self.changes.extend(fitting[0])
            return
        told = told_type(writer), [told_type(part) for part in reader.branches]
        self._add("missing_union_branch", place, *told, json_of_avro(reader))

    def _same_kind(self, writer: AvroType, reader: AvroType, place: Place) -> None:
        if writer.kind in NAMED and not _is_same_name(writer, reader):
            # Payloads in JSON bear no names, so that they are affected by what differs besides.
            probe = json_of_avro(reader)
            self._add("name_mismatch", place.at("name"), writer.name, reader.name, probe)
        if writer.logical and reader.logical and writer.logical != reader.logical:
            told = list(writer.logical), list(reader.logical)
            self._add("decimal_mismatch", place.at("logicalType"), *told, probe=False)
        if writer.kind == "fixed" and writer.size != reader.size:
            told_sizes = writer.size, reader.size
            self._add("fixed_size_mismatch", place.at("size"), *told_sizes, json_of_avro(reader))
        elif writer.kind == "enum":
            self._symbols(writer, reader, place.at("symbols"))
        elif writer.kind == "array":
            step = place.into(Items(), "items")
            self._todo.append((writer.content, reader.content, step))
        elif writer.kind == "map":
            step = place.into(Others(), "values")
            self._todo.append((writer.content, reader.content, step))
        elif writer.kind == "record":
            self._fields(writer, reader, place)

    def _symbols(self, writer: AvroType, reader: AvroType, place: Place) -> None:
        missing = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if missing:
            has_default = reader.default is not None and reader.default in reader.symbols
            rule = "enum_symbol_defaulted" if has_default else "missing_enum_symbols"
            told = list(writer.symbols), list(reader.symbols)
            self._add(rule, place, *told, {"not": {"enum": missing}})

    def _fields(self, writer: AvroType, reader: AvroType, place: Place) -> None:
        written = {part.name: part for part in writer.fields}
        read = set()
        for index, part in enumerate(reader.fields):
            source = _source(part, written)
            at = ("fields", str(index))
            if source is not None:
                read.add(source.name)
                step = place.into(Field(source.name), *at, "type")
                self._todo.append((source.type, part.type, step))
            elif part.has_default:
                self._add(
                    "field_with_default_added", place.at(*at), None, part.name, name=part.name
                )
            else:
                probe: Raw = {"required": [part.name]}
                rule = "reader_field_missing_default_value"
                self._add(rule, place.at(*at), None, part.name, probe, part.name)
        for index, part in enumerate(writer.fields):
            if part.name not in read:
                step = place.into(Field(part.name), "fields", str(index))
                self._add("field_ignored", step, part.name, None)


def _is_same_name(writer: AvroType, reader: AvroType) -> bool:
    return (
        writer.short_name == reader.short_name
        or writer.name in reader.aliases
        or writer.short_name in {alias.rpartition(".")[2] for alias in reader.aliases}
    )


def _source(part: AvroField, written: dict[str, AvroField]) -> AvroField | None:
    """Return which written field a reader's field is filled from."""
    names = (part.name, *sorted(part.aliases))
    return next((written[name] for name in names if name in written), None)


def told_type(schema: AvroType) -> str:
    """Return a type as people are told: its name if it has one, or its kind."""
    return schema.name or schema.kind


def changes_of_avro(writer: AvroType, reader: AvroType) -> list[Change]:
    """Return what a reader of one Avro schema finds changed in data of another.

    Raises
    ------
    SchemaError
        If they are too large to compare.

    Notes
    -----
    Apache Avro 1.12, Specification: "Schema Resolution"; names are compared without their
    namespace, or by the reader's aliases. Two decimals of another precision or scale do not
    match, as the section "Decimal" has it.
    """
    try:
        return Resolution().run(writer, reader, Place())
    except RecursionError as error:
        msg = "Cannot compare the Avro schemas: unions are nested too deeply. Compare parts."
        raise SchemaError(msg) from error
