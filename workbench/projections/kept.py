"""One container of a view as a table: its values by key, and the change log of them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any

from workbench.changelog.inferred import as_text
from workbench.changelog.writer import LogWriter
from workbench.errors import ProjectionError
from workbench.projections.tracked import FIXED, Touched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.changelog.writer import Cursor, RowState

VALUE = "value"
MOST_COLUMNS = 64  # a dictionary of more keys is no row of columns
_NO = object()


class KeptTable:
    """A container as a table: `key`, or `key_0` and on for tuples; and `value`, or its fields.

    What is no number, text, time or bytes is logged as JSON text, as it is at that moment.
    """

    def __init__(self, name: str, cursor: Cursor) -> None:
        self.writer = LogWriter(name, {"key": None}, None, cursor)
        self.container: Any = {}
        self.is_tracked = False
        self.touched = Touched()
        self._shadow: dict[Any, Any] = {}
        """Copies of values as they were logged, where the log's row is not the value itself."""
        self._first: dict[Any, Any] = {}
        self._width = 0
        self._replaced: list[tuple[Any, Any]] = []
        """What was in the place of what the present event has logged."""
        self._flushed_at = -1
        self._begun_at = -1
        self._is_new = True

    def hold(self, container: Any, *, is_tracked: bool) -> None:
        """Take a container, which may hold anything by now."""
        self.container, self.is_tracked = container, is_tracked
        self.touched = container.touched if is_tracked else Touched()
        self.touched.all = True
        if self._is_new and self.writer.cursor.event < 0:
            # What is there before the first event: to go back to, if that fails.
            self._first = {key: duplicate(value) for key, value in by_key(container).items()}

    def flush(self) -> None:
        """Log what the present event has changed."""
        touched, put, event = self.touched, self.touched.put, self.writer.cursor.event
        if self._flushed_at != event:
            self._flushed_at = event
            if self._replaced:
                self._replaced.clear()
        if touched.all:
            self._flush_all()
        elif len(put) == 1 and not touched.keys:
            self._flush_key(*put[0])  # as most events do
        else:
            self._flush_keys()
        touched.keys.clear()
        put.clear()

    def _flush_all(self) -> None:
        if self._is_new:
            self._is_new, self._begun_at = False, self.writer.cursor.event
        now = by_key(self.container)
        for key in [*now, *(key for key in self.writer.states if key not in now)]:
            self._log(key, now.get(key, _NO))
        self.touched.all = not self.is_tracked

    def _flush_keys(self) -> None:
        container = self.container
        if isinstance(container, dict):
            for key in self.touched.gathered():
                self._flush_key(key, dict.get(container, key, _NO))
        elif isinstance(container, list):
            for key in self.touched.keys:
                self._log(key, list.__getitem__(container, key))
        else:
            for key in self.touched.keys:
                self._log(key, True if key in container else _NO)

    def _flush_key(self, key: Any, value: Any) -> None:
        writer = self.writer
        columns, state = writer.columns, None
        if not self._shadow and len(columns) == 1 and VALUE in columns and value.__class__ in FIXED:
            state = writer.states.get(key)
        if state is None or state.values is None:
            self._log(key, value)
        elif (old := state.values[0]) != value or old.__class__ is not value.__class__:
            writer.write(state, (value,))

    def _log(self, key: Any, value: Any) -> None:
        writer = self.writer
        state = writer.states.get(key)
        if value is _NO:
            if state is not None and state.values is not None:
                writer.write(state, None)
                self._keep(key, _NO)
            return
        row = self._row(value)
        if state is None:
            state = self._new_state(key)
        if state.values is None or _differ(state.values, row):
            writer.write(state, row)
            self._keep(key, value)

    def _keep(self, key: Any, value: Any) -> None:
        """Keep a copy of a value that is logged, to go back to, if the log does not have it."""
        is_fixed = value is _NO or value.__class__ in FIXED
        if is_fixed and not self._shadow:
            return
        self._replaced.append((key, self._shadow.pop(key, _NO)))
        if not is_fixed:
            self._shadow[key] = duplicate(value)

    def _known(self, key: Any) -> Any:
        """Return a value as it was before the present event, `_NO` if there was none."""
        found = self._shadow.get(key, _NO)
        if found is not _NO:
            return duplicate(found)
        state = self.writer.states.get(key)
        if state is None or state.values is None:
            return _NO
        return state.values[self.writer.columns[VALUE]]

    def _new_state(self, key: Any) -> RowState:
        width = len(key) if key.__class__ is tuple else 1
        if not self._width:
            self._width = width
            if width > 1:
                self.writer.expect(
                    {f"key_{i}": None for i in range(width)}, dict.fromkeys(self.writer.columns)
                )
        if width != self._width:
            msg = (
                f"Cannot keep the key {key!r:.100} in the table {self.writer.name!r}: other keys "
                f"of it have {self._width} parts. Keep keys of one kind in one attribute."
            )
            raise ProjectionError(msg)
        return self.writer.new_state(key)

    def _row(self, value: Any) -> tuple[Any, ...]:
        """Return a value as a row: its fields, or the value itself."""
        columns = self.writer.columns
        if value.__class__ in FIXED:
            place = columns.setdefault(VALUE, len(columns))
            return (value,) if place == 0 else (*(None,) * place, value)
        fields = fields_of(value)
        if not fields or len(columns.keys() | fields.keys()) > MOST_COLUMNS:
            fields = {VALUE: value}
        row: list[Any] = [None] * len(columns)
        for field, inner in fields.items():
            name = f"value.{field}" if field in self.writer.key else field
            kept = inner if inner.__class__ in FIXED else as_text(inner)
            place = columns.setdefault(name, len(columns))
            if place == len(row):
                row.append(kept)
            else:
                row[place] = kept
        while len(row) > 1 and row[-1] is None:
            row.pop()  # so that the row is the same when there are more columns
        return tuple(row)

    def undo(self) -> None:
        """Make the container what it was before the present event, and the log.

        A key of a dictionary that the event took away is put back, but may stand at another
        place in its order.
        """
        self.writer.undo()
        touched, now = self.touched, by_key(self.container)
        touched.gathered()
        if self._flushed_at == self.writer.cursor.event:
            # The event failed after it was looked at: what is kept of it is taken back too.
            touched.all = True
            for key, value in reversed(self._replaced):
                self._shadow.pop(key, None)
                if value is not _NO:
                    self._shadow[key] = value
            self._replaced.clear()
        if self._begun_at == self.writer.cursor.event:
            self._is_new = True
        if self._is_new:
            before = {key: duplicate(value) for key, value in self._first.items()}
        else:
            keys = self.writer.states if touched.all else touched.keys
            changed = {key: self._known(key) for key in keys}
            gone = any(value is not _NO and key not in now for key, value in changed.items())
            order = self.writer.states if gone or touched.all else now
            before = {
                key: changed[key] if key in changed else now[key]
                for key in order
                if (changed.get(key, now.get(key, _NO)) is not _NO)
            }
        _refill(self.container, before)
        touched.clear()
        touched.all = self._is_new

    def settled(self) -> None:
        """Forget the present event: the next one may have its number."""
        self._flushed_at = self._begun_at = -1

    def unseen(self) -> tuple[Any, ...]:
        """Return the key of a value that is not what was logged, nothing if there is none."""
        if self._is_new or self.touched.all:
            return ()
        states = self.writer.states
        for key, value in by_key(self.container).items():
            if value.__class__ not in FIXED:
                state = states.get(key)
                if state is None or state.values is None or _differ(state.values, self._row(value)):
                    return (key,)
        return ()


def _differ(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    if one != other:
        return True
    # True is 1 and 1.0 for Python, but not in a column.
    return any(a.__class__ is not b.__class__ for a, b in zip(one, other, strict=True))


def _refill(container: Any, values: Mapping[Any, Any]) -> None:
    """Put values in the place of what a tracked container holds."""
    if isinstance(container, dict):
        container.clear()
        for key, value in values.items():
            container[key] = value
    elif isinstance(container, list):
        container[:] = list(values.values())
        container.is_fixed = all(v.__class__ in FIXED for v in values.values())  # type: ignore[attr-defined]
    else:
        container.clear()
        container.update(values)


def by_key(container: Any) -> dict[Any, Any]:
    """Return a container's values by key: by place in a list, true for the member of a set."""
    if isinstance(container, dict):
        return {key: dict.__getitem__(container, key) for key in dict.keys(container)}
    if isinstance(container, Mapping):
        return {key: container[key] for key in container}
    if isinstance(container, AbstractSet):
        return dict.fromkeys(container, True)
    items: Iterable[Any] = list.copy(container) if isinstance(container, list) else container
    return dict(enumerate(items))


def fields_of(value: Any) -> dict[str, Any] | None:
    """Return the fields of a dictionary or an object, None of anything else."""
    if isinstance(value, Mapping):
        return dict(value) if all(key.__class__ is str for key in value) else None
    if isinstance(value, (AbstractSet, list, tuple)):
        names = getattr(value, "_fields", None)
        return dict(zip(names, value, strict=True)) if names else None
    found = getattr(value, "__dict__", None)
    if found is None or isinstance(value, type):
        slots = getattr(type(value), "__slots__", None)
        if not slots:
            return None
        names = (slots,) if isinstance(slots, str) else slots
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    return dict(found)


def duplicate(value: Any) -> Any:
    """Return a copy of a value that no change of the value reaches."""
    kind = value.__class__
    if kind in FIXED:
        return value
    inner: Iterable[Any] | None = None
    if kind is dict:
        inner = value.values()
    elif kind in {list, set, tuple}:
        inner = value
    else:
        attributes = getattr(value, "__dict__", None)
        inner = (
            attributes.values() if attributes and not isinstance(value, (Mapping, list)) else None
        )
    if inner is not None and all(item.__class__ in FIXED for item in inner):
        return copy(value)
    return deepcopy(value)
