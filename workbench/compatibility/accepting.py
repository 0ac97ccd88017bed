"""Whether a value satisfies a JSON Schema: compiled once into plain functions.

All assertions of drafts 4 to 2020-12 that a `Document` may have. `format`,
`contentEncoding` and the like are annotations and assert nothing, as in the standard's
default vocabulary.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.errors import SchemaError

if TYPE_CHECKING:
    from workbench.compatibility.documents import Document, Raw

Check = Callable[[Any], bool]
"""Returns whether a value is accepted."""


def is_integer(value: object) -> bool:
    """Return whether a value is an integer of JSON Schema, such as 1 and 1.0."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def is_number(value: object) -> bool:
    """Return whether a value is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: dict[str, Check] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


def same(one: object, other: object) -> bool:
    """Return whether two values are equal as JSON Schema has it: 1 and 1.0 are, 1 and true not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def pattern_of(text: object) -> re.Pattern[str]:
    """Return a regular expression, compiled.

    Raises
    ------
    SchemaError
        If Python does not take it.
    """
    try:
        return re.compile(str(text))
    except re.error as error:
        msg = f"Cannot use the pattern {text!r}: {error}. Write it so that Python's re takes it."
        raise SchemaError(msg) from error


@dataclass(frozen=True, slots=True, eq=False)
class Acceptor:
    """Compiles the parts of one document into checks; each part once."""

    document: Document
    _made: dict[int, tuple[Raw, Check]] = field(default_factory=dict)

    def check(self, raw: Raw) -> Check:
        """Return the function that says whether a value satisfies a schema.

        Raises
        ------
        SchemaError
            If the schema has a keyword that cannot be checked, or a broken reference.
        """
        if isinstance(raw, bool):
            return lambda _: raw
        known = self._made.get(id(raw))
        if known is not None:
            return known[1]
        holder: list[Check] = []
        # A schema that refers to itself finds this while it is being made.
        self._made[id(raw)] = raw, lambda value: holder[0](value)  # noqa: PLW0108, not yet there
        holder.append(self._compiled(raw))
        self._made[id(raw)] = raw, holder[0]
        return holder[0]

    def _compiled(self, raw: dict[str, Any]) -> Check:
        checks: list[Check] = []
        if "$ref" in raw:
            target = self.check(self.document.target(raw))
            if self.document.are_references_alone:
                return target
            checks.append(target)
        checks += _of_any(raw)
        checks += self._of_parts(raw)
        strings, numbers = _of_strings(raw), _of_numbers(raw)
        lists, fields = self._of_lists(raw), self._of_objects(raw)
        checks += [_only(str, strings)] if strings else []
        checks += [_only_numbers(numbers)] if numbers else []
        checks += [_only(list, lists)] if lists else []
        checks += [_only(dict, fields)] if fields else []
        return all_of(checks)

    def _of_parts(self, raw: dict[str, Any]) -> list[Check]:
        found: list[Check] = []
        if "allOf" in raw:
            found.append(all_of([self.check(part) for part in raw["allOf"]]))
        if "anyOf" in raw:
            any_of = [self.check(part) for part in raw["anyOf"]]
            found.append(lambda value: any(check(value) for check in any_of))
        if "oneOf" in raw:
            one_of = [self.check(part) for part in raw["oneOf"]]
            found.append(lambda value: sum(check(value) for check in one_of) == 1)
        if "not" in raw:
            refused = self.check(raw["not"])
            found.append(lambda value: not refused(value))
        if "if" in raw:
            asked = self.check(raw["if"])
            then, other = self.check(raw.get("then", True)), self.check(raw.get("else", True))
            found.append(lambda value: then(value) if asked(value) else other(value))
        return found

    def _of_lists(self, raw: dict[str, Any]) -> list[Check]:
        found: list[Check] = []
        _sizes(raw, "minItems", "maxItems", found)
        first, rest = first_items(raw)
        if first:
            each = [self.check(part) for part in first]
            found.append(lambda v: all(c(i) for c, i in zip(each, v, strict=False)))
        if rest is not True:
            others, start = self.check(rest), len(first)
            found.append(lambda value: all(others(item) for item in value[start:]))
        if raw.get("uniqueItems"):
            found.append(_is_unique)
        if "contains" in raw:
            wanted = self.check(raw["contains"])
            least, most = raw.get("minContains", 1), raw.get("maxContains", float("inf"))
            found.append(lambda value: least <= sum(map(wanted, value)) <= most)
        return found

    def _of_objects(self, raw: dict[str, Any]) -> list[Check]:
        found: list[Check] = []
        _sizes(raw, "minProperties", "maxProperties", found)
        if raw.get("required"):
            required = frozenset(raw["required"])
            found.append(lambda value: required <= value.keys())
        named = {name: self.check(part) for name, part in raw.get("properties", {}).items()}
        if named:
            found.append(lambda value: all(named[k](value[k]) for k in named.keys() & value.keys()))
        found += self._of_other_names(raw, frozenset(named))
        if "propertyNames" in raw:
            name = self.check(raw["propertyNames"])
            found.append(lambda value: all(map(name, value)))
        for key, needs in dependencies(raw).items():
            found.append(_dependent(key, self.check(needs)))
        return found

    def _of_other_names(self, raw: dict[str, Any], named: frozenset[str]) -> list[Check]:
        patterns = [
            (pattern_of(pattern), self.check(part))
            for pattern, part in raw.get("patternProperties", {}).items()
        ]
        found = [_matching(pattern, check) for pattern, check in patterns]
        if raw.get("additionalProperties", True) is not True:
            others = self.check(raw["additionalProperties"])
            found.append(
                lambda value: all(
                    others(value[k])
                    for k in value.keys() - named
                    if not any(p.search(k) for p, _ in patterns)
                )
            )
        return found


def first_items(raw: dict[str, Any]) -> tuple[list[Raw], Raw]:
    """Return the schemas of a list's first items, and that of all others."""
    items = raw.get("items", True)
    if isinstance(items, list):
        return items, raw.get("additionalItems", True)
    return raw.get("prefixItems", []), items


def dependencies(raw: dict[str, Any]) -> dict[str, Raw]:
    """Return what the presence of each field asks of the object, as schemas."""
    found: dict[str, Raw] = {}
    for word in ("dependencies", "dependentSchemas", "dependentRequired"):
        for key, needs in raw.get(word, {}).items():
            made = {"required": needs} if isinstance(needs, list) else needs
            found[key] = {"allOf": [found[key], made]} if key in found else made
    return found


def all_of(checks: list[Check]) -> Check:
    """Return the check that all of these accept a value."""
    if not checks:
        return lambda _: True
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def _of_any(raw: dict[str, Any]) -> list[Check]:
    found: list[Check] = []
    kinds = raw.get("type")
    if kinds is not None:
        named = kinds if isinstance(kinds, list) else [kinds]
        tests = [TYPES[kind] for kind in named]
        found.append(tests[0] if len(tests) == 1 else lambda v: any(test(v) for test in tests))
    if "enum" in raw:
        values = raw["enum"]
        found.append(lambda value: any(same(value, one) for one in values))
    if "const" in raw:
        only = raw["const"]
        found.append(lambda value: same(value, only))
    return found


def _of_strings(raw: dict[str, Any]) -> list[Check]:
    found: list[Check] = []
    _sizes(raw, "minLength", "maxLength", found)
    if "pattern" in raw:
        pattern = pattern_of(raw["pattern"])
        found.append(lambda value: pattern.search(value) is not None)
    return found


def _of_numbers(raw: dict[str, Any]) -> list[Check]:
    limit = limits(raw)
    found: list[Check] = [
        partial(test, limit[word]) for word, test in _LIMIT_TESTS.items() if word in limit
    ]
    if "multipleOf" in limit:
        found.append(partial(is_multiple, exact(limit["multipleOf"])))
    return found


# The limit comes first, so that it can be bound: 3 <= value is a minimum.
_LIMIT_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.le,
    "maximum": operator.ge,
    "exclusiveMinimum": operator.lt,
    "exclusiveMaximum": operator.gt,
}


def limits(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the limits of numbers; draft 4's exclusive ones as those of later drafts."""
    found = {word: raw[word] for word in _LIMITS if word in raw}
    for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        is_limit = found.get(exclusive)
        if isinstance(is_limit, bool):
            del found[exclusive]
            if is_limit and plain in found:
                found[exclusive] = found.pop(plain)
    return found


_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


def exact(number: float) -> Fraction:
    """Return a number as it is written, so that 0.3 is a multiple of 0.1."""
    return Fraction(repr(number))


def is_multiple(step: Fraction, value: float) -> bool:
    """Return whether a number is a whole multiple of `step`; infinity is of none."""
    return abs(value) != float("inf") and exact(value) % step == 0


def _sizes(raw: dict[str, Any], least: str, most: str, found: list[Check]) -> None:
    if least in raw or most in raw:
        at_least, at_most = raw.get(least, 0), raw.get(most, float("inf"))
        found.append(lambda value: at_least <= len(value) <= at_most)


def _matching(pattern: re.Pattern[str], check: Check) -> Check:
    return lambda value: all(check(value[name]) for name in value if pattern.search(name))


def _only(kind: type, checks: list[Check]) -> Check:
    accepts = all_of(checks)
    return lambda value: not isinstance(value, kind) or accepts(value)


def _only_numbers(checks: list[Check]) -> Check:
    accepts = all_of(checks)
    return lambda value: not is_number(value) or accepts(value)


def _dependent(key: str, needs: Check) -> Check:
    return lambda value: key not in value or needs(value)


def _is_unique(items: list[Any]) -> bool:
    return len({key_of(item) for item in items}) == len(items)


def key_of(value: Any) -> object:  # noqa: ANN401, any JSON
    """Return what is equal for values that are the `same`."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, list):
        return "array", tuple(map(key_of, value))
    if isinstance(value, dict):
        return "object", frozenset((name, key_of(at)) for name, at in value.items())
    return value
