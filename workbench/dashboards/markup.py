"""HTML of what an event holds: payloads as trees, bytes as hex; no Panel.

Everything that comes from a store goes through `escaped`, so that it is text on the
page, whatever it contains.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_NODES = 2_000  # of one tree
MOST_CHARACTERS = 20_000  # of one value
MOST_BYTES = 4_096  # of a dump
OPEN_LEVELS = 3
_WIDTH = 8  # bytes in a line of a dump, which also fits a telephone
_WRAPPER = ("_type_", "_data_")
_COPY = (
    "const pre = this.parentNode.querySelector('pre');"
    "const done = () => this.textContent = 'Copied';"
    "if (navigator.clipboard) navigator.clipboard.writeText(pre.textContent).then(done);"
    "else { getSelection().selectAllChildren(pre); document.execCommand('copy'); done(); }"
)


def escaped(value: object) -> str:
    """Return text that HTML shows as it is, also inside an attribute.

    Examples
    --------
    >>> escaped('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(str(value), quote=True)


class _Number(str):
    """A number as it is written: `1.10` stays `1.10`, and 30 digits stay 30 digits."""

    __slots__ = ()


class _Object(list[tuple[str, object]]):
    """An object's members as they are written, also where a name occurs twice."""

    __slots__ = ()


def tree(data: str) -> str:
    """Return a payload, which is JSON, as a tree that folds.

    Objects and lists are `details` elements; the library's wrappers of times, decimals
    and the like are shown as the value, with the wrapper's name beside it. A tree of more
    than 2,000 values is cut, and says so.
    """
    try:
        value = json.loads(
            data,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_Number,
            object_pairs_hook=_Object,
        )
    except (ValueError, RecursionError) as error:
        return f"<p class=note>Not a tree: {escaped(error)}.</p><pre>{_cut(data)}</pre>"
    try:
        return f"<div class=tree>{''.join(_Tree().node(None, value, 0))}</div>"
    except RecursionError:
        return f"<p class=note>Nested too deep for a tree.</p><pre>{_cut(data)}</pre>"


class _Tree:
    def __init__(self) -> None:
        self._left = MOST_NODES

    def node(self, name: str | None, value: object, level: int) -> Iterator[str]:
        self._left -= 1
        wrapper = _wrapped(value)
        label = "" if name is None else f"<span class=key>{escaped(name)}</span>"
        if wrapper is not None:
            kind, value = wrapper
            label = f"{label}<span class=wrapper>{escaped(kind)}</span>"
        if not isinstance(value, list) or not value:
            yield f"<div class=leaf>{label}{_scalar(value)}</div>"
            return
        is_object = isinstance(value, _Object)
        size = f"{len(value):,} {'field' if is_object else 'item'}{'s' if len(value) > 1 else ''}"
        is_open = " open" if level < OPEN_LEVELS else ""
        yield f"<details{is_open}><summary>{label}<span class=size>{size}</span></summary>"
        members = value if is_object else enumerate(value)
        for done, (key, member) in enumerate(members):
            if self._left <= 0:
                yield f"<div class=note>{len(value) - done:,} more are not shown here.</div>"
                break
            yield from self.node(str(key), member, level + 1)
        yield "</details>"


def _wrapped(value: object) -> tuple[str, object] | None:
    """Return the name and the content of one of the library's wrappers."""
    if not isinstance(value, _Object) or tuple(name for name, _ in value) != _WRAPPER:
        return None
    kind, content = value[0][1], value[1][1]
    return (kind, content) if type(kind) is str else None


def _scalar(value: object) -> str:
    if isinstance(value, _Number):
        return f"<span class=number>{escaped(value)}</span>"
    if isinstance(value, str):
        return f"<span class=text>{_cut(value) or '<i>empty text</i>'}</span>"
    if isinstance(value, list):
        return f"<span class=none>{'{}' if isinstance(value, _Object) else '[]'}</span>"
    return f"<span class=none>{escaped(json.dumps(value))}</span>"


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return escaped(text)
    rest = len(text) - MOST_CHARACTERS
    return f"{escaped(text[:MOST_CHARACTERS])}<i class=note>… {rest:,} more characters</i>"


def hex_dump(state: bytes, *, most: int = MOST_BYTES) -> str:
    """Return bytes as lines of an offset, 8 bytes, and the same as ASCII.

    Examples
    --------
    >>> print(hex_dump(b"GIF89a<b>"))
    00000000  47 49 46 38 39 61 3c 62  GIF89a<b
    00000008  3e                       >
    """
    lines = []
    for offset in range(0, min(len(state), most), _WIDTH):
        row = state[offset : min(offset + _WIDTH, most)]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in row)  # noqa: PLR2004, ASCII
        lines.append(f"{offset:08x}  {row.hex(' '):<{_WIDTH * 3 - 1}}  {shown}")
    return "\n".join(lines)


def raw(state: bytes) -> str:
    """Return stored bytes as HTML: their size, a hex dump, and the same as text."""
    cut = (
        f"<p class=note>The first {MOST_BYTES:,} of them. Download them to see the rest.</p>"
        if len(state) > MOST_BYTES
        else ""
    )
    text = state[:MOST_BYTES].decode("utf-8", "replace")
    return (
        f"{cut}<details open><summary>Hex</summary>"
        f"<pre class=hex>{escaped(hex_dump(state))}</pre></details>"
        f"<details><summary>Text</summary><pre class=wrap>{escaped(text)}</pre></details>"
    )


def code_block(code: str) -> str:
    """Return Python, or other text to be taken along, with a button that copies it."""
    return (
        f"<div class=code><pre class=wrap tabindex=0>{escaped(code)}</pre>"
        f'<button type=button class=copy onclick="{escaped(_COPY)}">Copy</button></div>'
    )


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values, which is HTML already, as a list of definitions."""
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"


def notice(title: str, text: str = "", *, kind: str = "empty") -> str:
    """Return a message that stands where there is nothing to show, or that warns."""
    role = "alert" if kind == "error" else "status"
    body = f"<p>{escaped(text)}</p>" if text else ""
    return f'<div class="notice {kind}" role={role}><b>{escaped(title)}</b>{body}</div>'
