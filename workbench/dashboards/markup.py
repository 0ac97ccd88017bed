"""HTML of what an event holds: payloads as trees, bytes as hex; no Panel.

Everything that comes from a store goes through `escaped`, so that it is text on the
page, whatever it contains.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_NODES = 2_000  # of one tree
MOST_CHARACTERS = 20_000  # of one value
MOST_BYTES = 4_096  # of a dump
OPEN_LEVELS = 3
CUT_MARK = "class='note cut'"
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


def tree(data: str, *, whole: bool = False) -> str:
    """Return a payload, which is JSON, as a tree that folds.

    Objects and lists are `details` elements; the library's wrappers of times, decimals
    and the like are shown as the value, with the wrapper's name beside it. A tree of more
    than 2,000 values is cut, and a value of more than 20,000 characters; it says so, unless
    `whole` is asked for.
    """
    most = (len(data) + 1, len(data) + 1) if whole else (MOST_NODES, MOST_CHARACTERS)
    try:
        value = json.loads(
            data,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_Number,
            object_pairs_hook=_Object,
        )
    except (ValueError, RecursionError) as error:
        return f"<p class=note>Not a tree: {escaped(error)}.</p><pre tabindex=0>{_cut(data)}</pre>"
    try:
        return f"<div class=tree>{''.join(_Tree(*most).node(None, value, 0))}</div>"
    except RecursionError:
        return f"<p class=note>Nested too deep for a tree.</p><pre tabindex=0>{_cut(data)}</pre>"


class _Tree:
    def __init__(self, nodes: int, characters: int) -> None:
        self._left = nodes
        self._most = characters

    def node(self, name: str | None, value: object, level: int) -> Iterator[str]:
        self._left -= 1
        wrapper = _wrapped(value)
        label = "" if name is None else f"<span class=key>{escaped(name)}</span>"
        if wrapper is not None:
            kind, value = wrapper
            label = f"{label}<span class=wrapper>{escaped(kind)}</span>"
        if not isinstance(value, list) or not value:
            yield f"<div class=leaf>{label}{_scalar(value, self._most)}</div>"
            return
        is_object = isinstance(value, _Object)
        size = f"{len(value):,} {'field' if is_object else 'item'}{'s' if len(value) > 1 else ''}"
        is_open = " open" if level < OPEN_LEVELS else ""
        yield f"<details{is_open}><summary>{label}<span class=size>{size}</span></summary>"
        members = value if is_object else enumerate(value)
        for done, (key, member) in enumerate(members):
            if self._left <= 0:
                yield f"<div {CUT_MARK}>{len(value) - done:,} more are not shown here.</div>"
                break
            yield from self.node(str(key), member, level + 1)
        yield "</details>"


def _wrapped(value: object) -> tuple[str, object] | None:
    """Return the name and the content of one of the library's wrappers."""
    if not isinstance(value, _Object) or tuple(name for name, _ in value) != _WRAPPER:
        return None
    kind, content = value[0][1], value[1][1]
    return (kind, content) if type(kind) is str else None


def _scalar(value: object, most: int) -> str:
    if isinstance(value, _Number):
        return f"<span class=number>{escaped(value)}</span>"
    if isinstance(value, str):
        return f"<span class=text>{_cut(value, most) or '<i>empty text</i>'}</span>"
    if isinstance(value, list):
        return f"<span class=none>{'{}' if isinstance(value, _Object) else '[]'}</span>"
    return f"<span class=none>{escaped(json.dumps(value))}</span>"


def is_cut(data: str) -> bool:
    """Return whether a tree leaves out a part of a payload."""
    shown = tree(data) if len(data) > MOST_NODES else ""
    return f"{CUT_MARK}>" in shown


def _cut(text: str, most: int = MOST_CHARACTERS) -> str:
    if len(text) <= most:
        return escaped(text)
    rest = len(text) - most
    return f"{escaped(text[:most])}<i {CUT_MARK}>… {rest:,} more characters</i>"


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
        f"<pre tabindex=0 class=hex>{escaped(hex_dump(state))}</pre></details>"
        "<details><summary>Text</summary>"
        f"<pre tabindex=0 class=wrap>{escaped(text)}</pre></details>"
    )


def code_block(code: str) -> str:
    """Return Python, or other text to be taken along, with a button that copies it."""
    return (
        f"<div class=code><pre class=wrap tabindex=0>{escaped(code)}</pre>"
        f'<button type=button class=copy onclick="{escaped(_COPY)}">Copy</button></div>'
    )


def table(titles: Mapping[str, str], rows: Iterable[tuple[Iterable[str], bool]]) -> str:
    """Return a small table of texts.

    Parameters
    ----------
    titles
        The titles of its columns, by the class that their cells have.
    rows
        The texts of each row, and whether its last cell shines.
    """
    head = "".join(f"<th scope=col>{escaped(title)}</th>" for title in titles.values())
    body = []
    for texts, is_lit in rows:
        cells = [f"<td class={n}>{escaped(t)}</td>" for n, t in zip(titles, texts, strict=True)]
        if is_lit:
            cells[-1] = cells[-1].replace("<td class=", "<td data-lit class=", 1)
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f"<table class=values><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values, which is HTML already, as a list of definitions."""
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"


def notice(title: str, text: str = "", *, kind: str = "empty") -> str:
    """Return a message that stands where there is nothing to show, or that warns."""
    role = "alert" if kind == "error" else "status"
    body = f"<p>{escaped(text)}</p>" if text else ""
    return f'<div class="notice {kind}" role={role}><b>{escaped(title)}</b>{body}</div>'
