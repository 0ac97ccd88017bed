"""Containers that note which of their keys are touched, in the place of those of a view.

A tracked container does all that the one it stands for does. Those of which all values
are such that nobody can change them note only what is written; once a value comes that
can be changed from within, what is read is noted too.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXED = frozenset(
    {type(None), bool, int, float, str, bytes, Decimal, UUID, datetime, date, time, timedelta}
)
"""Classes of values that nobody can change from within."""


class Touched:
    """Which keys of a container were touched since it was last looked at."""

    __slots__ = ("all", "keys", "put")

    def __init__(self) -> None:
        self.keys: dict[Any, None] = {}
        self.put: list[tuple[Any, Any]] = []
        """Keys of a dictionary with what was put there, not yet among the others.

        To hash a key costs more than all the rest: a UUID does it in Python.
        """
        self.all = False

    def gathered(self) -> dict[Any, None]:
        """Return all keys, with those that something was put at."""
        if self.put:
            self.keys.update((key, None) for key, _ in self.put)
            self.put.clear()
        return self.keys

    def clear(self) -> None:
        """Forget them."""
        self.keys.clear()
        self.put.clear()
        self.all = False


class _Dict(dict[Any, Any]):
    """What the tracked dictionaries share: writing is noted."""

    __slots__ = ()
    plain: ClassVar[type]
    reading: ClassVar[type]
    """The class that it becomes, once a value can be changed from within."""
    touched: Touched

    def __delitem__(self, key: Any) -> None:
        self.touched.keys[key] = None
        super().__delitem__(key)

    def pop(self, key: Any, *default: Any) -> Any:
        self.touched.keys[key] = None
        return super().pop(key, *default)

    def popitem(self, *last: Any, **named: Any) -> Any:
        key, value = super().popitem(*last, **named)
        self.touched.keys[key] = None
        return key, value

    def clear(self) -> None:
        self.touched.all = True
        super().clear()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *others: Any, **named: Any) -> None:
        for key, value in dict(*others, **named).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def copy(self) -> Any:
        return self.untracked()

    def __copy__(self) -> Any:
        return self.untracked()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from copy import deepcopy

        return deepcopy(self.untracked(), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.untracked().__reduce_ex__(protocol)

    def untracked(self) -> Any:
        """Return the same as the class that it stands for."""
        return self.plain(dict(self))


class _Read:
    """What the tracked dictionaries share whose values may be changed: reading is noted."""

    __slots__ = ()
    touched: Touched

    def __getitem__(self, key: Any) -> Any:
        self.touched.keys[key] = None
        return super().__getitem__(key)  # type: ignore[misc]

    def get(self, key: Any, default: Any = None) -> Any:
        if key in self:  # type: ignore[operator]
            self.touched.keys[key] = None
        return super().get(key, default)  # type: ignore[misc]

    def values(self) -> Any:
        self.touched.all = True
        return super().values()  # type: ignore[misc]

    def items(self) -> Any:
        self.touched.all = True
        return super().items()  # type: ignore[misc]


def _classes(plain: Any) -> type:
    """Return the tracked class for a class of dictionaries."""
    name, put = plain.__name__, plain.__setitem__

    def __setitem__(self: Any, key: Any, value: Any) -> None:  # noqa: N807, of the class below
        put(self, key, value)  # not super(), which takes twice the time
        if value.__class__ not in FIXED:
            self.__class__ = self.reading
        self.touched.put.append((key, value))

    own = {"__slots__": ("touched",), "plain": plain, "__setitem__": __setitem__}
    written = type(f"Tracked{name}", (_Dict, plain), own)
    # Nothing is added to an object, so that one can become of this class.
    written.reading = type(f"TrackedRead{name}", (_Read, written), {"__slots__": ()})  # type: ignore[attr-defined]
    return written


def _default(kind: type) -> None:
    """Let a tracked defaultdict be copied with its factory."""
    kind.untracked = lambda self: defaultdict(self.default_factory, dict(self))  # type: ignore[attr-defined]


_DICTS = {plain: _classes(plain) for plain in (dict, defaultdict, Counter, OrderedDict)}
for _kind in (_DICTS[defaultdict], _DICTS[defaultdict].reading):  # type: ignore[attr-defined]
    _default(_kind)


class _List(list[Any]):
    """A list that notes which places are touched."""

    __slots__ = ("is_fixed", "touched")
    touched: Touched
    is_fixed: bool

    def append(self, value: Any) -> None:
        self.touched.keys[len(self)] = None
        self.is_fixed = self.is_fixed and value.__class__ in FIXED
        super().append(value)

    def __setitem__(self, index: Any, value: Any) -> None:
        if index.__class__ is int and -len(self) <= index < len(self):
            self.touched.keys[index % len(self)] = None
        else:
            self.touched.all = True
        self.is_fixed = False
        super().__setitem__(index, value)

    def __getitem__(self, index: Any) -> Any:
        if not self.is_fixed:
            if index.__class__ is int and self:
                self.touched.keys[index % len(self)] = None
            else:
                self.touched.all = True
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Any]:
        self.touched.all = self.touched.all or not self.is_fixed
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self.touched.all = self.touched.all or not self.is_fixed
        return super().__reversed__()

    def __copy__(self) -> list[Any]:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        from copy import deepcopy

        return deepcopy(list(self), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.copy().__reduce_ex__(protocol)


class _Set(set[Any]):
    """A set that notes which members are touched."""

    __slots__ = ("touched",)
    touched: Touched

    def add(self, member: Any) -> None:
        self.touched.keys[member] = None
        super().add(member)

    def discard(self, member: Any) -> None:
        self.touched.keys[member] = None
        super().discard(member)

    def remove(self, member: Any) -> None:
        self.touched.keys[member] = None
        super().remove(member)

    def __copy__(self) -> set[Any]:
        return set(self)

    def copy(self) -> set[Any]:
        return set(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> set[Any]:
        return set(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return set(self).__reduce_ex__(protocol)


def _touching_all(kind: type, base: type, *names: str) -> None:
    """Let methods that move or change many note that all was touched."""
    for name in names:
        plain = getattr(base, name)

        def method(self: Any, *given: Any, _plain: Any = plain, **named: Any) -> Any:
            self.touched.all = True
            if kind is _List:
                self.is_fixed = False
            return _plain(self, *given, **named)

        setattr(kind, name, method)


_touching_all(_List, list, "insert", "pop", "remove", "extend", "clear", "sort", "reverse")
_touching_all(_List, list, "__delitem__", "__iadd__", "__imul__")
_touching_all(_Set, set, "pop", "clear", "update", "difference_update", "intersection_update")
_touching_all(_Set, set, "symmetric_difference_update", "__ior__", "__iand__", "__isub__")
_touching_all(_Set, set, "__ixor__")


def _counting(kind: type, name: str) -> None:
    """Let a method of a Counter note what it counts."""
    plain = getattr(Counter, name)

    def method(self: Any, *given: Any, **named: Any) -> None:
        counted = Counter(*given, **named)
        self.touched.keys.update(dict.fromkeys(counted))
        plain(self, counted)

    setattr(kind, name, method)


for _kind in (*_DICTS.values(), *(k.reading for k in _DICTS.values())):  # type: ignore[attr-defined]
    if issubclass(_kind, Counter):
        _counting(_kind, "update")
        _counting(_kind, "subtract")
        _touching_all(_kind, Counter, "__iadd__", "__isub__", "__ior__", "__iand__")
    if issubclass(_kind, OrderedDict):
        _touching_all(_kind, OrderedDict, "move_to_end")


def tracked(value: Any) -> Any:
    """Return a container of a standard class as a tracked one; None for anything else."""
    kind = value.__class__
    found: Any
    if isinstance(value, (_Dict, _List, _Set)):
        return value
    if kind in _DICTS:
        of: Any = _DICTS[kind]
        found = of.__new__(of)
        if kind is defaultdict:
            found.default_factory = value.default_factory
        found.touched = Touched()
        for key, item in value.items():
            found[key] = item
    elif kind is list:
        found = _List(value)
        found.touched = Touched()
        found.is_fixed = all(item.__class__ in FIXED for item in value)
    elif kind is set:
        found = _Set(value)
        found.touched = Touched()
    else:
        return None
    found.touched.all = True
    return found
