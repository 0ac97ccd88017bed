"""One event to be taken along: as JSON, as Python, and as a fixture of pytest."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.catalog import short_name
from workbench.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENVELOPE = ("position", "stream", "version", "type", "schema_version")
_LEFT_OUT = ("timestamp", "class_version")
"""What a `NewEvent` says beside its payload."""
_NAMES = {
    "datetime": "from datetime import datetime",
    "Decimal": "from decimal import Decimal",
    "UUID": "from uuid import UUID",
}
_WRAPPED = {
    "datetime_iso": "datetime.fromisoformat({!r})",
    "decimal_str": "Decimal({!r})",
    "uuid_hex": "UUID({!r})",
}
_LONGEST = 80


def as_json(event: Mapping[str, Any]) -> str:
    """Return an event as JSON: its envelope, and its payload and metadata as they are stored.

    Parameters
    ----------
    event
        A row of `workbench.tables.EVENTS`.
    """
    members = {name: json.dumps(event[name], ensure_ascii=False) for name in _ENVELOPE}
    time = event["time"]
    members["time"] = "null" if time is None else json.dumps(time.isoformat())
    members["data"] = event["data"] or "null"
    if event["metadata"] is not None:
        members["metadata"] = event["metadata"]
    if event["tags"]:
        members["tags"] = json.dumps(list(event["tags"]), ensure_ascii=False)
    lines = ",\n".join(f"  {json.dumps(name)}: {value}" for name, value in members.items())
    return f"{{\n{lines}\n}}"


def as_python(event: Mapping[str, Any]) -> str:
    """Return the Python that makes a `NewEvent` which `History.edit` can insert.

    Parameters
    ----------
    event
        A row of `workbench.tables.EVENTS`.

    Raises
    ------
    EditError
        If its payload cannot be decoded.
    """
    made = _new_event(event)
    return f"{_imports(made)}\n\nevent = {made}\n"


def as_fixture(event: Mapping[str, Any]) -> str:
    """Return a fixture of pytest that returns the event as a `NewEvent`.

    Parameters
    ----------
    event
        A row of `workbench.tables.EVENTS`.

    Raises
    ------
    EditError
        If its payload cannot be decoded.
    """
    made = _new_event(event, indent=1)
    name = _identifier(short_name(event["type"] or ""))
    position = event["position"]
    imports = _imports(made).replace("\nfrom workbench", "\nimport pytest\nfrom workbench")
    imports = imports if "import pytest" in imports else f"import pytest\n{imports}"
    return (
        f"{imports}\n\n\n@pytest.fixture\ndef {name}_{position}() -> NewEvent:\n"
        f'    """Return the event that is stored at position {position:,}."""\n'
        f"    return {made}\n"
    )


def _imports(code: str) -> str:
    needed = [line for name, line in _NAMES.items() if re.search(rf"\b{name}[.(]", code)]
    blank = [""] if needed else []
    return "\n".join([*needed, *blank, "from workbench import NewEvent"])


def _identifier(type_: str) -> str:
    """Return a name for a fixture: `Order.Placed` is `order_placed`."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", type_)
    name = "_".join(word.lower() for word in words)[:40].strip("_")
    return name if name and not name[0].isdigit() else f"event_{name}".strip("_")


def _new_event(event: Mapping[str, Any], indent: int = 0) -> str:
    data = event["data"]
    try:
        value = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        value = None
    if value is None:
        msg = (
            f"Cannot write the event at position {event['position']:,} as Python: its payload "
            f"cannot be decoded ({event['problem'] or 'there is none'}). Copy its bytes instead."
        )
        raise EditError(msg)
    if isinstance(value, dict):
        value = {name: inner for name, inner in value.items() if name not in _LEFT_OUT}
        payload = python_of(value, indent + 1)
    else:
        payload = repr(data)
    parts = {"type": repr(event["type"] or ""), "stream": repr(event["stream"] or "")}
    parts["data"] = payload
    if isinstance(event["time"], datetime):
        parts["time"] = f"datetime.fromisoformat({event['time'].isoformat()!r})"
    if event["schema_version"] is not None:
        parts["schema_version"] = str(event["schema_version"])
    inside, outside = "    " * (indent + 1), "    " * indent
    lines = "".join(f"{inside}{name}={value},\n" for name, value in parts.items())
    return f"NewEvent(\n{lines}{outside})"


def python_of(value: object, indent: int = 0) -> str:
    """Return the Python that makes a JSON value, wrappers of the library's in native types.

    Examples
    --------
    >>> python_of({"amount": {"_type_": "decimal_str", "_data_": "9.50"}, "n": [1, None]})
    "{'amount': Decimal('9.50'), 'n': [1, None]}"
    """
    wrapped = _wrapper(value)
    if wrapped is not None:
        return wrapped
    if isinstance(value, float) and value - value != 0:
        return f"float({str(value)!r})"
    if isinstance(value, list):
        return _laid("[", [python_of(item, indent + 1) for item in value], "]", indent)
    if isinstance(value, dict):
        members = [f"{name!r}: {python_of(inner, indent + 1)}" for name, inner in value.items()]
        return _laid("{", members, "}", indent)
    return repr(value)


def _wrapper(value: object) -> str | None:
    if not isinstance(value, dict) or value.keys() != {"_type_", "_data_"}:
        return None
    kind, content = value["_type_"], value["_data_"]
    form = _WRAPPED.get(kind) if isinstance(kind, str) else None
    return form.format(content) if form is not None and isinstance(content, str) else None


def _laid(opens: str, parts: list[str], closes: str, indent: int) -> str:
    """Return parts in one line, or each in a line of its own where that would be long."""
    line = ", ".join(parts)
    if len(line) <= _LONGEST - 4 * indent and "\n" not in line:
        return f"{opens}{line}{closes}"
    inside = "    " * (indent + 1)
    lines = "".join(f"{inside}{part},\n" for part in parts)
    return f"{opens}\n{lines}{'    ' * indent}{closes}"
