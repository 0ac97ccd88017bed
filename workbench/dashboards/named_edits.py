"""Edits that are drafted on a page: their steps, as text for an address, and as Python.

Nothing of Panel is here, and nothing is written: an edit becomes one call of
`History.edit`, whose choices look at the history as it is stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard
from uuid import UUID

import polars as pl

from workbench.edits import NewEvent
from workbench.errors import EditError, RangeError
from workbench.moments import moment_of
from workbench.payload.native import native
from workbench.payload.written import written

if TYPE_CHECKING:
    from workbench.history import History

MOST_STEPS = 100  # of one edit, so that an address stays one that browsers and servers take
MOST_EDITS = 20
_LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave an event out."""

    position: int


@dataclass(frozen=True, slots=True)
class Set:
    """Give a field of an event's payload another value."""

    position: int
    field: str
    value: str
    """The value as JSON, in the form in which the library stores it."""


@dataclass(frozen=True, slots=True)
class Move:
    """Let an event stand behind another."""

    position: int
    after: int


@dataclass(frozen=True, slots=True)
class Put:
    """Insert an event behind another; after no position, at the end."""

    after: int | None
    type: str
    stream: str
    data: str
    """The payload's fields as a JSON object, in the form in which the library stores them."""


Step: TypeAlias = Drop | Set | Move | Put
_WORDS: dict[type[Any], str] = {Drop: "drop", Set: "set", Move: "move", Put: "insert"}


@dataclass(frozen=True, slots=True)
class NamedEdit:
    """A named edit: what is to be dropped, set, moved and inserted."""

    name: str
    steps: tuple[Step, ...] = ()

    def with_step(self, step: Step) -> NamedEdit:
        """Return the edit with one more step, which replaces those that it contradicts.

        Raises
        ------
        EditError
            If it has as many steps as an address can hold.
        """
        kept = tuple(one for one in self.steps if not _contradicts(step, one))
        if len(kept) >= MOST_STEPS:
            msg = (
                f"Cannot add to the edit {self.name!r}: it has {MOST_STEPS} steps, as many as an "
                "address holds. Copy it as Python, and go on in a notebook."
            )
            raise EditError(msg)
        return replace(self, steps=(*kept, step))

    def without(self, number: int) -> NamedEdit:
        """Return the edit without one of its steps."""
        return replace(self, steps=self.steps[:number] + self.steps[number + 1 :])

    # For an address

    def text(self) -> str:
        """Return it as JSON: a list of the name, and a list a step.

        Examples
        --------
        >>> NamedEdit("less", (Drop(7), Set(9, "n", "3"))).text()
        '["less",["drop",7],["set",9,"n",3]]'
        """
        return json.dumps(
            [self.name, *map(_listed, self.steps)], ensure_ascii=False, separators=(",", ":")
        )

    @classmethod
    def of(cls, text: str) -> NamedEdit | None:
        """Return the edit that `text` gave, None if it is none; steps that are none are left out.

        Examples
        --------
        >>> NamedEdit.of('["less",["drop",7],["fly",9]]')
        NamedEdit(name='less', steps=(Drop(position=7),))
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, list) or not found or not isinstance(found[0], str):
            return None
        steps = [step for step in map(_step, found[1 : MOST_STEPS + 1]) if step is not None]
        return cls(found[0], tuple(steps)) if found[0] else None

    # For a history

    def asked(self) -> dict[str, Any]:
        """Return what `History.edit` is to be given."""
        drops = [step.position for step in self.steps if isinstance(step, Drop)]
        alters: dict[int, dict[str, object]] = {}
        for step in self.steps:
            if isinstance(step, Set):
                alters.setdefault(step.position, {})[step.field] = _value(step.value)
        moves = {step.position: step.after for step in self.steps if isinstance(step, Move)}
        inserts = [_event(step) for step in self.steps if isinstance(step, Put)]
        found = {"drop": drops, "alter": alters, "insert": inserts, "move": moves}
        return {"name": self.name, **{word: given for word, given in found.items() if given}}

    def applied(self, history: History) -> History:
        """Return the history as it would be; without steps, the history.

        Raises
        ------
        EditError
            As `History.edit` does.
        """
        return history.edit(**self.asked()) if self.steps else history

    def call(self) -> tuple[list[str], str]:
        """Return what is to be imported, and the call that edits a `history`."""
        lines = [f"    {word}={_code(word, given)}," for word, given in self.asked().items()]
        code = "\n".join(["history.edit(", *lines, ")"])
        return [line for name, line in _IMPORTS.items() if f"{name}(" in code], code

    def python(self, target: str) -> str:
        """Return the edit as Python that stands alone; `target` is what is opened."""
        imports, call = self.call()
        lines = [*imports, "from workbench import open_history", ""]
        return "\n".join([*lines, f"history = open_history({target!r})", f"edited = {call}", ""])


_IMPORTS = {
    "datetime.datetime": "import datetime",
    "Decimal": "from decimal import Decimal",
    "UUID": "from uuid import UUID",
    "NewEvent": "from workbench import NewEvent",
}


def edit_named(edits: tuple[NamedEdit, ...], name: str | None) -> NamedEdit | None:
    """Return the edit of a name, None if there is none."""
    return next((edit for edit in edits if edit.name == name), None)


def with_edit(edits: tuple[NamedEdit, ...], edit: NamedEdit) -> tuple[NamedEdit, ...]:
    """Return the edits with another one, in place of that of its name if there is one."""
    if edit_named(edits, edit.name) is None:
        return (*edits, edit)[-MOST_EDITS:]
    return tuple(edit if one.name == edit.name else one for one in edits)


def steps_in_words(edit: NamedEdit) -> pl.DataFrame:
    """Return the steps of an edit, a row each: `kind`, `position`, `what`, all text."""
    rows = [(_WORDS[type(step)], *_told(step)) for step in edit.steps]
    return pl.DataFrame(rows, schema=dict.fromkeys(_STEP_COLUMNS, pl.String), orient="row")


_STEP_COLUMNS = ("kind", "position", "what")


def typed(text: str, before: object) -> str:
    """Return what somebody has typed as a value's JSON, of the kind of the value before.

    Parameters
    ----------
    text
        What was typed.
    before
        The value that it replaces, as JSON has it: a wrapper of the library is kept, a text
        stays text. For anything else, and for `None`, JSON is read; what is no JSON is text.

    Raises
    ------
    EditError
        If it cannot be of that kind.

    Examples
    --------
    >>> typed("3.10", {"_type_": "decimal_str", "_data_": "2"})
    '{"_type_":"decimal_str","_data_":"3.10"}'
    >>> typed("12", "a text"), typed("12", 7)
    ('"12"', '12')
    """
    if isinstance(before, str):
        return _dumped(text)
    kind = before.get("_type_") if isinstance(before, dict) else None
    try:
        if kind == "decimal_str":
            return written(Decimal(text.strip())).decode()
        if kind == "datetime_iso":
            return written(moment_of(text.strip())).decode()
        if kind == "uuid_hex":
            return written(UUID(text.strip())).decode()
    except (InvalidOperation, RangeError, ValueError) as error:
        msg = f"Cannot read {text!r:.100} as {_KINDS[kind]}."
        raise EditError(msg) from error
    try:
        return _dumped(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        if before is None:
            return _dumped(text)
        msg = (
            f"Cannot read {text!r:.100} as JSON, which stands there now. Write a number, true, "
            'false, null, a text as "text", a list or an object.'
        )
        raise EditError(msg) from error


_KINDS: dict[str | None, str] = {
    "decimal_str": "an amount. Write it with a point, such as 12.50",
    "datetime_iso": "a time. Write it as 2026-01-31T12:00, UTC",
    "uuid_hex": "a UUID. Write its 32 hexadecimal digits",
}


def typed_fields(text: str) -> str:
    """Return the payload's fields that somebody has typed, as a JSON object.

    Raises
    ------
    EditError
        If it is none.
    """
    try:
        found = json.loads(text or "{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        msg = f'Cannot read the fields as JSON: {error}. Write an object, such as {{"amount": 3}}.'
        raise EditError(msg) from error
    if not isinstance(found, dict):
        msg = f'Cannot use {text!r:.50} as fields. Write a JSON object, such as {{"amount": 3}}.'
        raise EditError(msg)
    return _dumped(found)


def _no_constant(name: str) -> object:
    msg = f"JSON has no {name}"
    raise ValueError(msg)


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _contradicts(new: Step, old: Step) -> bool:
    """Return whether a new step takes the place of an old one."""
    if isinstance(new, Put) or isinstance(old, Put) or new.position != old.position:
        return False
    if isinstance(new, Drop) or isinstance(old, Drop):
        return True
    if isinstance(new, Set) and isinstance(old, Set):
        return new.field == old.field
    return type(new) is type(old)


def _listed(step: Step) -> list[object]:
    word = _WORDS[type(step)]
    if isinstance(step, Drop):
        return [word, step.position]
    if isinstance(step, Set):
        return [word, step.position, step.field, json.loads(step.value)]
    if isinstance(step, Move):
        return [word, step.position, step.after]
    return [word, step.after, step.type, step.stream, json.loads(step.data)]


def _step(listed: object) -> Step | None:
    """Return the step that an address names, None if it names none."""
    match listed:
        case ["drop", position] if _is_position(position):
            return Drop(position)
        case ["set", position, str(field), value] if _is_position(position):
            return Set(position, field, _dumped(value))
        case ["move", position, after] if _is_position(position) and _is_position(after):
            return Move(position, after)
        case ["insert", after, str(type_), str(stream), dict(data)] if type_ and stream:
            if after is None or _is_position(after):
                return Put(after, type_, stream, _dumped(data))
    return None


def _is_position(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _LARGEST


def _event(step: Put) -> NewEvent:
    fields = _value(step.data)
    return NewEvent(
        type=step.type,
        stream=step.stream,
        data=fields if isinstance(fields, dict) else {},
        after=step.after,
    )


def _value(text: str) -> object:
    """Return a value's JSON as a native value, with ids as UUIDs, so that they stay ids."""
    return _with_ids(json.loads(text))


def _with_ids(value: Any) -> Any:  # noqa: ANN401, JSON
    if isinstance(value, list):
        return [_with_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"_type_", "_data_"} and value["_type_"] == "uuid_hex":
        try:
            return UUID(value["_data_"])
        except (ValueError, TypeError, AttributeError):
            return value
    found = native(value)
    return found if not isinstance(found, dict) else {k: _with_ids(v) for k, v in value.items()}


def _told(step: Step) -> tuple[str, str]:
    """Return the position of a step, and what it does there, as text."""
    if isinstance(step, Drop):
        return str(step.position), "left out"
    if isinstance(step, Set):
        return str(step.position), f"{step.field} = {_plain(step.value)}"
    if isinstance(step, Move):
        return str(step.position), f"to after {step.after}"
    where = "at the end" if step.after is None else f"after {step.after}"
    at = "" if step.after is None else str(step.after)
    return at, f"{step.type} in {step.stream} {where}: {_plain(step.data)}"


def _plain(text: str) -> str:
    found = native(json.loads(text))
    return str(found) if isinstance(found, Decimal | datetime | str) else text


def _code(word: str, given: Any) -> str:  # noqa: ANN401, what `asked` returns
    if word == "insert":
        listed = ",\n        ".join(map(_event_code, given))
        return f"[\n        {listed},\n    ]"
    return repr(given)


def _event_code(event: NewEvent) -> str:
    after = "" if event.after is None else f", after={event.after!r}"
    return f"NewEvent(type={event.type!r}, stream={event.stream!r}, data={event.data!r}{after})"
