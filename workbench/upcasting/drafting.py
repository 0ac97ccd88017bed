"""Drafts of upcasters: a skeleton in the library's form, each lossy step marked.

A draft runs as it is. What it cannot know it marks: LOSSY where something stored is given
up, INVENTED where a value is made up, CHECK where it guesses, TODO where it does nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from workbench.errors import UpcasterError
from workbench.upcasting.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.upcasting.shapes import Shape

LEAST_LIKE = 0.6
_BLANK = {
    "str": '""',
    "int": "0",
    "float": "0.0",
    "bool": "False",
    "Decimal": 'Decimal("0")',
    "list": "[]",
    "dict": "{}",
}
_CONVERT: dict[tuple[str, str], tuple[str, str]] = {
    ("int", "float"): ("float({})", ""),
    ("int", "str"): ("str({})", ""),
    ("int", "Decimal"): ("Decimal({})", ""),
    ("int", "bool"): ("bool({})", "LOSSY: any number but 0 becomes True"),
    ("bool", "int"): ("int({})", ""),
    ("bool", "str"): ("str({})", ""),
    ("float", "int"): ("int({})", "LOSSY: the fraction is cut off"),
    ("float", "str"): ("str({})", ""),
    ("float", "Decimal"): ("Decimal(str({}))", "CHECK: as many digits as the float shows"),
    ("Decimal", "float"): ("float({})", "LOSSY: a float is not exact"),
    ("Decimal", "int"): ("int({})", "LOSSY: the fraction is cut off"),
    ("Decimal", "str"): ("str({})", ""),
    ("str", "int"): ("int({})", "CHECK: raises for a text that is no number"),
    ("str", "float"): ("float({})", "CHECK: raises for a text that is no number"),
    ("str", "Decimal"): ("Decimal({})", "CHECK: raises for a text that is no number"),
    ("str", "datetime"): ("datetime.fromisoformat({})", "CHECK: raises for a text that is no time"),
    ("str", "UUID"): ("UUID({})", "CHECK: raises for a text that is no UUID"),
    ("datetime", "str"): ("{}.isoformat()", ""),
    ("UUID", "str"): ("{}.hex", "CHECK: without dashes, as the library stores it"),
}
_IMPORTS = {
    "Decimal": "from decimal import Decimal",
    "datetime": "from datetime import datetime",
    "UUID": "from uuid import UUID",
}


def draft_upcaster(old_schema: object, new_schema: object, *, old_version: int = 1) -> str:
    """Return the text of an upcaster from one version of a payload to the next, to paste.

    Parameters
    ----------
    old_schema, new_schema
        JSON Schemas of the stored payload in both versions, as dicts, or objects with a
        method `json_schema`. A wrapper of the library is an object whose `_type_` is a
        constant; the upcaster gets what it wraps.
    old_version
        The version from which it leads to the next.

    Raises
    ------
    UpcasterError
        If one is no schema of a payload, or the version is below 1.

    Examples
    --------
    >>> old = {"properties": {"name": {"type": "string"}}, "required": ["name"]}
    >>> new = {"properties": {"full_name": {"type": "string"}}, "required": ["full_name"]}
    >>> draft_upcaster(old, new).splitlines()[1]
    'def upcast_v1_v2(state: dict[str, Any]) -> None:'
    >>> draft_upcaster(old, new).splitlines()[-2].strip()
    'if "name" in state:'
    """
    if isinstance(old_version, bool) or not isinstance(old_version, int) or old_version < 1:
        msg = f"Cannot draft an upcaster from version {old_version!r}. Versions count from 1."
        raise UpcasterError(msg)
    old, new = shape_of(old_schema), shape_of(new_schema)
    lines = list(_Draft("state", old, new).lines()) or ["# The two schemas have the same fields."]
    # Only comments make no function.
    if all(line.lstrip().startswith("#") for line in lines):
        lines.append("return")
    body = "\n".join(f"    {line}" for line in lines)
    needed = [text for name, text in _IMPORTS.items() if re.search(rf"\b{name}\(|\b{name}\.", body)]
    above = "".join(f"# needs: {text}\n" for text in needed)
    following = old_version + 1
    return (
        f"{above}@staticmethod\n"
        f"def upcast_v{old_version}_v{following}(state: dict[str, Any]) -> None:\n"
        f'    """Bring the fields of version {old_version} to version {following}."""\n{body}\n'
    ).rstrip("\n")


@dataclass
class _Draft:
    """The lines for one object."""

    name: str
    old: Shape
    new: Shape
    depth: int = 0
    taken: set[str] = field(default_factory=set)
    """Fields that a guess has dealt with."""

    def lines(self) -> Iterator[str]:
        """Yield the lines."""
        gone = [name for name in self.old.fields if name not in self.new.fields]
        come = [name for name in self.new.fields if name not in self.old.fields]
        yield from self._split(gone, come)
        yield from self._joined(gone, come)
        yield from self._renamed(gone, come)
        for name in gone:
            if name not in self.taken:
                yield f"{self.name}.pop({quoted(name)}, None)  # LOSSY: it is given up"
        for name in come:
            if name not in self.taken:
                yield from self._added(name, self.new.fields[name])
        for name, before in self.old.fields.items():
            if name in self.new.fields:
                yield from self._kept(name, before, self.new.fields[name])

    # Guesses

    def _texts(self, names: list[str], shape: Shape) -> list[str]:
        free = [name for name in names if name not in self.taken]
        return [name for name in free if shape.fields[name].kind == "str"]

    def _split(self, gone: list[str], come: list[str]) -> Iterator[str]:
        """Yield the split of a text in two whose names end like its own."""
        for name in self._texts(gone, self.old):
            parts = [n for n in self._texts(come, self.new) if _last(n) == _last(name)]
            if len(parts) == 2:  # noqa: PLR2004, a first and a last part
                self.taken |= {name, *parts}
                first, last = (f"{self.name}[{quoted(part)}]" for part in parts)
                told = " and ".join(map(quoted_in_words, parts))
                yield f"# CHECK: {quoted_in_words(name)} looks split at a space into {told}."
                yield "# LOSSY: where there is no space, the second part is empty."
                yield f"if {quoted(name)} in {self.name}:"
                yield f"    text = {self.name}.pop({quoted(name)})"
                yield f'    {first}, _, {last} = str(text or "").partition(" ")'

    def _joined(self, gone: list[str], come: list[str]) -> Iterator[str]:
        """Yield two texts made one whose name ends like theirs."""
        for name in self._texts(come, self.new):
            parts = [n for n in self._texts(gone, self.old) if _last(n) == _last(name)]
            if len(parts) == 2:  # noqa: PLR2004, a first and a last part
                self.taken |= {name, *parts}
                told = " and ".join(map(quoted_in_words, parts))
                popped = ", ".join(f'{self.name}.pop({quoted(part)}, "")' for part in parts)
                yield f"# CHECK: {told} look joined in {quoted_in_words(name)}."
                yield "# LOSSY: where one ends and the other begins."
                yield f'{self.name}[{quoted(name)}] = " ".join(map(str, ({popped}))).strip()'

    def _renamed(self, gone: list[str], come: list[str]) -> Iterator[str]:
        """Yield renames of fields of one kind whose names are alike."""
        pairs = sorted(
            (
                (_likeness(a, b), a, b)
                for a in gone
                for b in come
                if not {a, b} & self.taken and _fits(self.old.fields[a], self.new.fields[b])
            ),
            reverse=True,
        )
        for likeness, before, after in pairs:
            if likeness >= LEAST_LIKE and not {before, after} & self.taken:
                self.taken |= {before, after}
                told = f"{quoted_in_words(before)} looks like {quoted_in_words(after)}"
                yield f"# CHECK: {told}, renamed."
                yield f"if {quoted(before)} in {self.name}:"
                yield (f"    {self.name}[{quoted(after)}] = {self.name}.pop({quoted(before)})")

    # Single fields

    def _added(self, name: str, shape: Shape) -> Iterator[str]:
        if name not in self.new.required:
            yield f"# {quoted_in_words(name)} is new and optional: it is left out."
            return
        value, told = _value(shape)
        yield f"{self.name}.setdefault({quoted(name)}, {value})  # {told}"

    def _kept(self, name: str, before: Shape, after: Shape) -> Iterator[str]:
        place = f"{self.name}[{quoted(name)}]"
        value, told = _value(after)
        if name in self.new.required and name not in self.old.required:
            yield f"{self.name}.setdefault({quoted(name)}, {value})  # {told}, where it is absent"
        if before.nullable and before.kinds and not after.nullable:
            yield f"if {self.name}.get({quoted(name)}, 0) is None:"
            yield f"    {place} = {value}  # {told}, where it is null"
        if before.kinds and after.kinds and not before.kinds <= after.kinds:
            yield from self._converted(name, before, after)
        elif before.kind == after.kind == "dict":
            yield from self._inside(name, before, after)
        elif before.kind == after.kind == "list":
            yield from self._items(name, before, after)
        if after.values:
            lost = [v for v in before.values if v not in after.values]
            if lost:
                yield f"# CHECK: {quoted_in_words(name)} may no longer be {_few(lost)}."

    def _converted(self, name: str, before: Shape, after: Shape) -> Iterator[str]:
        place = f"{self.name}[{quoted(name)}]"
        kinds = " or ".join(sorted(before.kinds)), " or ".join(sorted(after.kinds))
        told = _CONVERT.get((before.kind or "", after.kind or ""))
        if told is None or before.kind is None:
            words = f"{quoted_in_words(name)} was {_plain(kinds[0])}, and is {_plain(kinds[1])} now"
            yield f"# TODO: {words}: it is left as it is."
            return
        code, mark = told
        yield f"if {self.name}.get({quoted(name)}) is not None:"
        yield f"    {place} = {code.format(place)}" + (f"  # {mark}" if mark else "")

    def _inside(self, name: str, before: Shape, after: Shape) -> Iterator[str]:
        inner = f"inner_{self.depth + 1}"
        lines = list(_Draft(inner, before, after, self.depth + 1).lines())
        if lines:
            yield f"{inner} = {self.name}.get({quoted(name)})"
            yield f"if isinstance({inner}, dict):"
            yield from _indented(lines)

    def _items(self, name: str, before: Shape, after: Shape) -> Iterator[str]:
        if before.items is None or after.items is None:
            return
        item = f"item_{self.depth + 1}"
        if before.items.kind == after.items.kind == "dict":
            lines = list(_Draft(item, before.items, after.items, self.depth + 1).lines())
            if lines:
                yield f"for {item} in {self.name}.get({quoted(name)}) or ():"
                yield f"    if isinstance({item}, dict):"
                yield from _indented(_indented(lines))
        elif after.items.kinds and not before.items.kinds <= after.items.kinds:
            told = _CONVERT.get((before.items.kind or "", after.items.kind or ""))
            if told is None:
                yield f"# TODO: the members of {quoted_in_words(name)} are of another type now."
            else:
                yield f"if isinstance({self.name}.get({quoted(name)}), list):"
                made = f"[{told[0].format(item)} for {item} in {self.name}[{quoted(name)}]]"
                mark = f"  # {told[1]}" if told[1] else ""
                yield f"    {self.name}[{quoted(name)}] = {made}{mark}"


def _indented(lines: list[str] | Iterator[str]) -> Iterator[str]:
    found = list(lines)
    yield from (f"    {line}" for line in found)
    if all(line.lstrip().startswith("#") for line in found):
        yield "    pass"


def _value(shape: Shape) -> tuple[str, str]:
    """Return a value for a field that old events lack, as code, and what is told of it."""
    if shape.default is not None and isinstance(shape.default, (str, int, float, bool)):
        return repr(shape.default), "the schema's own default"
    if shape.nullable:
        return "None", "INVENTED: old events do not say"
    if shape.values:
        return repr(shape.values[0]), "INVENTED: the first of the allowed values"
    kind = shape.kind or next(iter(sorted(shape.kinds)), "")
    return _BLANK.get(kind, "None"), "INVENTED: old events do not say"


def _fits(before: Shape, after: Shape) -> bool:
    return before.kinds == after.kinds


def _likeness(a: str, b: str) -> float:
    """Return how alike two names are, from 0 to 1; one inside the other, as a word, is alike."""
    words_a, words_b = set(_words(a)), set(_words(b))
    if words_a and words_b and (words_a <= words_b or words_b <= words_a):
        return 0.9
    return SequenceMatcher(None, a.casefold(), b.casefold()).ratio()


def _words(name: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]


def _last(name: str) -> str:
    words = _words(name)
    return words[-1] if words else name


def quoted(text: str) -> str:
    """Return a field's name as a literal in double quotes."""
    escaped = {'"': '\\"', "\\": "\\\\"}
    return f'"{"".join(escaped.get(c) or _escaped(c) for c in text)}"'


def _escaped(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def quoted_in_words(text: str) -> str:
    """Return a field's name as it may stand in a comment."""
    return f"'{''.join(map(_escaped, text))}'"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _few(values: list[object]) -> str:
    return ", ".join(ascii(value)[:40] for value in values[:5])
