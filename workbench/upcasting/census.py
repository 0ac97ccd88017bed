"""Counting what becomes of fields: lost, filled, of another type, or none of the class's own."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_origin

from workbench.upcasting.values import ABSENT, FIXED, differences, example, joined, same
from workbench.upcasting.wire import Census, Failed, FieldCount, PathCount, Unresolved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.upcasting.values import Difference

MOST_FIELDS = 20_000
"""Fields that are told apart of one type and stored version."""
MOST_FAILURES = 10_000
"""Failures that are listed of one type and stored version; all are counted."""
_ENVELOPE = {"originator_id", "originator_version"}
_TOLD = {"lost", "filled", "changed type"}

Path = tuple[str, int | None, int | None]
"""A type, the stored version, and the version of the class."""


class Counter:
    """Adds up what is found, event by event or by many at once."""

    def __init__(self) -> None:
        self.paths: dict[Path, PathCount] = {}
        self.failures: list[Failed] = []
        self.unresolved: dict[str, Unresolved] = {}
        self._fields: dict[Path, dict[tuple[str, str], FieldCount]] = {}
        self._listed: dict[Path, int] = {}
        self._usual: dict[tuple[Path, tuple[Any, ...], tuple[Any, ...]], _Usual] = {}
        """What steps do as a rule, by the names before and after."""

    def path(self, path: Path) -> PathCount:
        """Return the counts of a path."""
        found = self.paths.get(path)
        if found is None:
            found = self.paths[path] = PathCount(*path)
        return found

    def events(self, path: Path, first: int, last: int, count: int) -> PathCount:
        """Count events that are between two positions, and return the counts of their path."""
        found = self.path(path)
        found.first_position = min(found.first_position, first) if found.events else first
        found.last_position = max(found.last_position, last)
        found.events += count
        return found

    def fail(self, failure: Failed) -> None:
        """Count one event that failed."""
        path = (failure.type, failure.stored, failure.code)
        self.path(path).failed += 1
        listed = self._listed.get(path, 0)
        if listed < MOST_FAILURES:
            self._listed[path] = listed + 1
            self.failures.append(failure)

    def lost(self, type_: str, found: Unresolved) -> None:
        """Add a count of events without a class."""
        known = self.unresolved.get(type_)
        if known is None:
            self.unresolved[type_] = found
            return
        known.events += found.events
        known.first_position = min(known.first_position, found.first_position)
        known.last_position = max(known.last_position, found.last_position)

    def field(self, path: Path, found: FieldCount) -> None:
        """Add a count of a field."""
        fields = self._fields.setdefault(path, {})
        known = fields.get((found.path, found.what))
        if known is not None:
            _add(known, found)
        elif len(fields) < MOST_FIELDS:
            fields[found.path, found.what] = found

    def steps(self, path: Path, position: int, before: Any, after: Any) -> None:  # noqa: ANN401
        """Note what upcasters did to one event's state."""
        if type(before) is dict and type(after) is dict:
            names = path, tuple(before), tuple(after)
            usual = self._usual.get(names)
            if usual is not None and usual.fits(before, after):
                usual.count(position, before, after)
                return
            self._steps(path, position, before, after)
            if usual is None and len(self._usual) < MOST_FIELDS:
                self._usual[names] = _Usual(self._fields[path], before, after)
            return
        self._steps(path, position, before, after)

    def _steps(self, path: Path, position: int, before: Any, after: Any) -> None:  # noqa: ANN401
        found = [d for d in differences(before, after) if d.what in _TOLD]
        known = self._fields.setdefault(path, {})
        for one in found:
            count = known.get((one.path, one.what))
            if count is None:
                self.field(path, _counted(path, position, one, _twins(one, found)))
                continue
            count.events += count.last_position != position
            count.last_position = position
            if count.same_as:
                twins = _twins(one, found)
                count.same_as = [twin for twin in count.same_as if twin in twins]

    @property
    def fields(self) -> list[FieldCount]:
        """The counts of all fields."""
        return [count for fields in self._fields.values() for count in fields.values()]

    def census(self) -> Census:
        """Return all that was counted."""
        return Census(list(self.paths.values()), self.failures, self.fields, self.unresolved)

    def add(self, other: Census) -> None:
        """Add what was counted of later events."""
        for count in other.paths:
            path = (count.type, count.stored, count.code)
            mine = self.events(path, count.first_position, count.last_position, count.events)
            for name in ("succeeded", "failed", "untried", "newer", "idempotent", "unstable"):
                setattr(mine, name, getattr(mine, name) + getattr(count, name))
            mine.seconds += count.seconds
            mine.steps = max(mine.steps, count.steps)
        for failure in other.failures:
            path = (failure.type, failure.stored, failure.code)
            listed = self._listed.get(path, 0)
            if listed < MOST_FAILURES:
                self._listed[path] = listed + 1
                self.failures.append(failure)
        for found in other.fields:
            self.field((found.type, found.stored, found.code), found)
        for type_, lost in other.unresolved.items():
            self.lost(type_, lost)


class _Usual:
    """What steps do to most events of some fields: some are lost, some filled, no other changes.

    Counts what `differences` would tell of such an event, without looking for it.
    """

    def __init__(
        self,
        known: dict[tuple[str, str], FieldCount],
        before: dict[Any, Any],
        after: dict[Any, Any],
    ) -> None:
        self._common = [name for name in before if name in after]
        lost = [name for name in before if name not in after]
        filled = [name for name in after if name not in before]
        told = [(n, known.get((joined("", n), "lost")), True) for n in lost]
        told += [(n, known.get((joined("", n), "filled")), False) for n in filled]
        self._told = [(name, count, is_lost) for name, count, is_lost in told if count is not None]
        self._is_whole = len(self._told) == len(told) and len(
            {joined("", name) for name in (*lost, *filled)}
        ) == len(told)
        self._names = {joined("", name): name for name in (*lost, *filled)}

    def fits(self, before: dict[Any, Any], after: dict[Any, Any]) -> bool:
        """Return whether all that is in both is as it was."""
        if not self._is_whole:
            return False
        for name in self._common:
            value, other = before[name], after[name]
            if value is not other and (
                type(value) not in FIXED or type(other) is not type(value) or value != other
            ):
                return False
        return True

    def count(self, position: int, before: dict[Any, Any], after: dict[Any, Any]) -> None:
        """Count an event that fits."""
        names = self._names
        for name, count, is_lost in self._told:
            count.events += count.last_position != position
            count.last_position = position
            if count.same_as:
                mine, others = (before[name], after) if is_lost else (after[name], before)
                count.same_as = [
                    twin
                    for twin in count.same_as
                    if twin in names and _is(others.get(names[twin], ABSENT), mine)
                ]


def _is(value: Any, other: Any) -> bool:  # noqa: ANN401, values of any kind
    return value is other or same(value, other)


def _add(known: FieldCount, found: FieldCount) -> None:
    known.events += found.events
    if found.first_position < known.first_position:
        known.first_position = found.first_position
        known.before, known.after = found.before, found.after
    known.last_position = max(known.last_position, found.last_position)
    others = set(found.same_as or ())
    known.same_as = [path for path in known.same_as or () if path in others]


def _counted(path: Path, position: int, one: Difference, twins: list[str]) -> FieldCount:
    """Return one field of one event."""
    before, after = example(one.before), example(one.after)
    return FieldCount(*path, one.path, one.what, 1, position, position, before, after, twins)


def _twins(one: Difference, found: list[Difference]) -> list[str]:
    """Return which other fields had a lost one's value after, or a new one's before."""
    if one.what == "lost":
        return [d.path for d in found if d.what == "filled" and same(d.after, one.before)]
    if one.what == "filled":
        return [d.path for d in found if d.what == "lost" and same(d.before, one.after)]
    return []


class Declared:
    """The fields that an event class declares, and those of them that have a default."""

    def __init__(self, kind: type) -> None:
        self.fields = _declared(kind)
        method = _method(kind)
        self.with_default = {
            name for name in self.fields if hasattr(kind, name) or name in _defaults(method)
        }

    def odd(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return the fields of an event that are not as declared, and what they are."""
        stored = set(names) - _ENVELOPE
        missing = [
            (joined("", name), "defaulted" if name in self.with_default else "missing")
            for name in self.fields
            if name not in stored
        ]
        extra = stored.difference(self.fields)
        return missing + [(joined("", name), "extra") for name in sorted(extra, key=str)]


def _declared(kind: type) -> list[str]:
    """Return the annotated fields of a class and its bases."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        try:
            annotations = inspect.get_annotations(base)
        except (TypeError, ValueError):
            continue
        for name, annotation in annotations.items():
            told = annotation if isinstance(annotation, str) else str(get_origin(annotation))
            if "ClassVar" not in told and name not in _ENVELOPE:
                found[str(name)] = None
    return list(found)


def _method(kind: type) -> Any:  # noqa: ANN401, a function
    """Return the decorated method that the class's events call, None where there is none."""
    from eventsourcing import domain

    return getattr(domain, "decorated_funcs", {}).get(kind)


def _defaults(method: Any) -> set[str]:  # noqa: ANN401
    """Return the parameters of a method that have a default."""
    try:
        parameters = inspect.signature(method).parameters.values() if method else ()
    except (ValueError, TypeError):
        return set()
    return {p.name for p in parameters if p.default is not p.empty}


def odd_field(path: Path, name: str, what: str, span: tuple[int, int, int]) -> FieldCount:
    """Return the count of a field that is not as declared: events, first, last position."""
    return FieldCount(*path, name, what, *span, example(ABSENT), None)
