"""What becomes of a masked value: JSON in, JSON out, and all else in it byte for byte as it was.

A text becomes `***` or a pseudonym, a number 0, a bool false; null, the lists, and the names in
objects stay, so that the shape of a payload can still be seen. A time, an amount or an id in
the library's wrapper keeps the wrapper, so that its column keeps its dtype.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from workbench.masking.rules import Fate

if TYPE_CHECKING:
    from workbench.masking.rules import Rules

HIDDEN = "***"
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_WRAPPED = {"decimal_str": "0", "datetime_iso": "1970-01-01T00:00:00+00:00"}
_OTHERS = {b"t": b"false", b"f": b"false", b"n": b"null"}
_FRACTION = re.compile(rb"[.eE]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
"""What a wrapper's type looks like; anything else may be a value."""
_PLAIN = re.compile(r'[^."\[\]\\\x00-\x20\x7f-\x9f]+')
"""A name that stands in a path as it is."""


@dataclass(frozen=True)
class Hiding:
    """How values are hidden: with a key by pseudonyms, without by one text for all."""

    key: bytes | None = None

    def name_for(self, text: str) -> str:
        """Return what stands for a text.

        Examples
        --------
        >>> Hiding().name_for("Ann"), Hiding(b"k").name_for("Ann") == Hiding(b"k").name_for("Ann")
        ('***', True)
        """
        return HIDDEN if self.key is None else f"~{self._digest(text)[:12]}"

    def _digest(self, text: str) -> str:
        return hmac.new(
            self.key or b"", text.encode("utf-8", "replace"), hashlib.sha256
        ).hexdigest()

    def payload(self, text: str, rules: Rules) -> str | None:
        """Return a payload whose values at the rules' paths are hidden; None if it is no JSON."""
        try:
            return self._masked(text.encode(), "", "", rules).decode()
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
            return None

    def all_of(self, text: str) -> str:
        """Return JSON in which every value is hidden; of what is no JSON, the text for it."""
        try:
            return self._hidden(text.encode()).decode()
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
            return HIDDEN

    def _masked(self, raw: bytes, path: str, quoted: str, rules: Rules) -> bytes:
        fate = rules.fate(path, quoted)
        if fate is Fate.HIDDEN:
            return self._hidden(raw)
        if fate is Fate.KEPT:
            return raw
        first = raw[:1]
        if first == b"{":
            fields = _object(raw)
            for name, inner in fields.items():
                inside = f"{path}.{name}" if path else name
                spelled = inside
                if not _PLAIN.fullmatch(name) or quoted != path:
                    spelled = f"{quoted}." * bool(quoted) + _spelled(name)
                if rules.fate(inside, spelled) is not Fate.KEPT:
                    found = self._masked(bytes(inner), inside, spelled, rules)
                    fields[name] = msgspec.Raw(found)
            return _encode(fields)
        if first == b"[":
            items = [
                msgspec.Raw(self._masked(bytes(item), f"{path}[]", f"{quoted}[]", rules))
                for item in _list(raw)
            ]
            return _encode(items)
        if first in b" \t\r\n":
            return self._masked(raw.strip(), path, quoted, rules)
        return raw

    def _hidden(self, raw: bytes) -> bytes:
        first = raw[:1]
        if first == b'"':
            return _encode(self.name_for(_text(raw)))
        if first == b"{":
            fields = _object(raw)
            if len(fields) == 2 and "_type_" in fields and "_data_" in fields:  # noqa: PLR2004
                return self._wrapper(bytes(fields["_type_"]), bytes(fields["_data_"]))
            return _encode({n: msgspec.Raw(self._hidden(bytes(v))) for n, v in fields.items()})
        if first == b"[":
            return _encode([msgspec.Raw(self._hidden(bytes(v))) for v in _list(raw)])
        if first in b" \t\r\n":
            return self._hidden(raw.strip())
        return _OTHERS.get(first) or (b"0.0" if _FRACTION.search(raw) else b"0")

    def _wrapper(self, type_: bytes, data: bytes) -> bytes:
        name = _text(type_) if type_[:1] == b'"' else ""
        if name == "uuid_hex" and data[:1] == b'"':
            found = "0" * 32 if self.key is None else self._digest(_text(data))[:32]
            return _encode({"_type_": name, "_data_": found})
        if name in _WRAPPED and data[:1] == b'"':
            return _encode({"_type_": name, "_data_": _WRAPPED[name]})
        kept = type_ if _NAME.fullmatch(name) else self._hidden(type_)
        return _encode({"_type_": msgspec.Raw(kept), "_data_": msgspec.Raw(self._hidden(data))})


def _spelled(name: str) -> str:
    """Return a name as it stands in a path that a schema writes."""
    is_odd = not name or any(c in '."[]' for c in name) or not name.isprintable()
    return json.dumps(name) if is_odd else name
