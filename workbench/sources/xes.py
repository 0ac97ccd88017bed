"""XES, the process-mining log of IEEE 1849: a trace is a stream, an event an event.

The text is parsed as it comes, an event at a time, and turned into columns at once. A
document type is refused before anything of it is used, so that no entity is ever expanded
and nothing outside the file is fetched.

Notes
-----
IEEE Std 1849-2016, "eXtensible Event Stream (XES) for Achieving Interoperability in Event
Logs and Event Streams", and its schema `xes-ieee-1849-2016.xsd`: attributes `string`,
`date`, `int`, `float`, `boolean`, `id` and `list`, which may be nested; the extensions
Concept (`concept:name`) and Time (`time:timestamp`). `container` is from XES 2.0.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any
from uuid import UUID
from xml.parsers import expat

import polars as pl

from workbench.errors import StoreUnreadableError, UnknownLayoutError
from workbench.sources.files import in_order, stamp_of
from workbench.sources.lazy import LogSource, reading, unreadable
from workbench.sources.texts import tags_of, times_of
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = (".xes", ".xes.gz")
NAME, TIMESTAMP = "concept:name", "time:timestamp"
OWN = "workbench:"
"""The prefix of what the event table knows and XES has no attribute for."""
KIND = "workbench:type"
"""A nested attribute that says what a value is, where XES has no such kind."""
ITEM = "item"
"""The key of the values of a list that has no keys."""
WRAPPED = {"date": "datetime_iso", "id": "uuid_hex"}
ATTRIBUTES = frozenset({"string", "date", "int", "float", "boolean", "id", "list", "container"})
_COMPOSITE = frozenset({"list", "container"})
DEEPEST = 64
ROWS_A_FRAME = 50_000
BYTES_AT_ONCE = 2**18
_TEXTS = ("stream", "type", "time", "data", "metadata", "tags", "problem")
_NUMBERS = ("position", "partition", "version", "schema_version", "trace", "number")
_SCHEMA = {**dict.fromkeys(_NUMBERS, pl.Int64), **dict.fromkeys(_TEXTS, pl.String)}


def compact(value: object) -> str:
    """Return a value as JSON, as the library's transcoder writes it."""
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def is_xes(path: Path) -> bool:
    """Return whether a path is one that `open_xes` opens, by its ending."""
    return path.name.lower().endswith(ENDINGS)


def open_xes(path: Path) -> LogSource:
    """Return the events of a XES log, which is read into memory.

    Positions are those that `workbench export` has written. Another log has none: its events
    are numbered by time, where those of one trace stay in their order.

    Parameters
    ----------
    path
        A file that ends in .xes or .xes.gz.

    Raises
    ------
    StoreNotFoundError, StoreUnreadableError
        If there is nothing, or it is no XML, is cut off, or has a document type.
    UnknownLayoutError
        If it is XML of another kind.
    MappingError
        If two events have one position.
    """
    if not stamp_of(path).size_bytes:
        msg = f"Cannot read {str(path)!r}: it is empty. Export the log again."
        raise StoreUnreadableError(msg)
    read = _Reader(path.name)
    with reading(path.name):
        try:
            with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
                while block := file.read(BYTES_AT_ONCE):
                    read.parser.Parse(block)
                read.parser.Parse(b"", True)  # noqa: FBT003, expat takes no name
        except (expat.ExpatError, zlib.error) as error:
            raise unreadable(path.name, error) from error
        events, _ = in_order(_as_events(read.frame()).lazy(), path.name)
        return LogSource(path.name, "XES log", events.collect())


def _as_events(read: pl.DataFrame) -> pl.DataFrame:
    """Return what was read as rows of the event table."""
    times = times_of(read["time"])
    odd = read["time"].is_not_null() & times.is_null()
    late = pl.format("time is not read: {}", pl.lit(read["time"]).str.head(60))
    found = read.with_columns(
        times.alias("time"),
        tags_of(read["tags"]).alias("tags"),
        pl.when(pl.lit(odd)).then(late).otherwise("problem").alias("problem"),
    ).with_columns(pl.col("tags").fill_null([]), pl.col("partition").fill_null(0))
    if found["position"].null_count():
        # As late as the latest before it in its trace, whose order is what XES promises.
        reached = pl.col("time").cum_max().forward_fill().over("trace")
        found = (
            found.with_columns(reached.alias("reached"))
            .sort("reached", "trace", "number", nulls_last=False, maintain_order=True)
            .with_columns(
                pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("position"),
                pl.coalesce("version", "number").alias("version"),
            )
        )
    return EVENTS.conform(found)


class _Node:
    """An attribute that is not closed yet."""

    __slots__ = ("children", "key", "kind", "text")

    def __init__(self, kind: str, key: str, text: str) -> None:
        self.kind, self.key, self.text = kind, key, text
        self.children: list[tuple[str, Any]] = []


class _Reader:
    """What expat calls, and the events that it has come to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._frames: list[pl.DataFrame] = []
        self._rows: list[dict[str, Any]] = []
        self._open: list[_Node] = []
        self._depth = self._aside = self._trace = self._number = 0
        self._of_trace: dict[str, Any] = {}
        self._of_event: dict[str, Any] | None = None
        self._problems: list[str] = []
        self._trace_text: str | None = None

    def _refuse(self, *_: object) -> None:
        msg = (
            f"Cannot read {self.name!r}: it declares a document type, which a XES log has no use "
            "for, and which may hold entities that fill the memory. Remove the declaration."
        )
        raise StoreUnreadableError(msg)

    def _start(self, tag: str, given: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        self._depth += 1
        if self._depth == 1 and tag != "log":
            msg = (
                f"Cannot read {self.name!r} as XES: it is XML, but begins with <{tag[:40]}>. Name "
                "a file that begins with <log>."
            )
            raise UnknownLayoutError(msg)
        if self._aside or tag == "global":
            self._aside += 1
        elif tag in ATTRIBUTES:
            if len(self._open) > DEEPEST:
                msg = (
                    f"Cannot read {self.name!r}: attributes are nested deeper than {DEEPEST}. "
                    "Export the log with less nesting."
                )
                raise StoreUnreadableError(msg)
            self._open.append(_Node(tag, given.get("key", ""), given.get("value", "")))
        elif tag == "trace":
            self._trace += 1
            self._number, self._of_trace, self._trace_text = 0, {}, None
        elif tag == "event":
            self._number += 1
            self._of_event, self._problems = {}, []

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        self._depth -= 1
        if self._aside:
            self._aside -= 1
        elif tag in ATTRIBUTES:
            node = self._open.pop()
            value = self._value(node)
            if self._open:
                self._open[-1].children.append((node.key, value))
            elif self._of_event is not None:
                self._of_event[node.key] = node.text if node.key == TIMESTAMP else value
            elif self._trace and self._depth > 1:
                self._of_trace[node.key] = value
        elif tag == "event":
            self._add(self._of_event or {})
            self._of_event = None
        elif tag == "trace":
            self._of_trace, self._trace_text = {}, None

    def _value(self, node: _Node) -> Any:  # noqa: ANN401, JSON
        if not node.children and node.kind not in _COMPOSITE:  # nearly all are such
            return node.text if node.kind == "string" else self._plain(node)
        kind = next((value for key, value in node.children if key == KIND), None)
        rest = [(k, v) for k, v in node.children if k != KIND]
        match node.kind, kind:
            case _, "json":
                return self._json(node)
            case _, "decimal_str":
                return {"_type_": kind, "_data_": node.text}
            case ("container", _) | (_, "object"):
                return dict(rest)
            case "list", _:
                has_keys = any(key not in (ITEM, "") for key, _ in rest)
                return [{k: v} if has_keys else v for k, v in rest]
        value = self._plain(node)
        return {"value": value, **dict(rest)} if rest else value

    def _json(self, node: _Node) -> Any:  # noqa: ANN401, JSON
        try:
            return json.loads(node.text)
        except (ValueError, RecursionError):
            self._problems.append(f"{node.key} is not JSON: {node.text[:60]}")
            return node.text

    def _plain(self, node: _Node) -> Any:  # noqa: ANN401, JSON
        try:
            match node.kind:
                case "int":
                    return int(node.text)
                case "float":
                    return self._finite(node)
                case "boolean":
                    return {"true": True, "1": True, "false": False, "0": False}[node.text.strip()]
                case "id":
                    return {"_type_": WRAPPED["id"], "_data_": UUID(node.text).hex}
                case "date":
                    return {"_type_": WRAPPED["date"], "_data_": node.text}
        except (ValueError, KeyError):
            if node.kind != "id":
                self._problems.append(f"{node.key} is no {node.kind}: {node.text[:60]}")
        return node.text

    def _finite(self, node: _Node) -> float | None:
        value = float(node.text)
        if value - value == 0:
            return value
        self._problems.append(f"{node.text} at {node.key}: not JSON, read as null")
        return None

    def _add(self, fields: dict[str, Any]) -> None:
        """Add one event: what the event table knows of it, and the rest as its payload."""
        own = {key[len(OWN) :]: fields.pop(key) for key in list(fields) if key.startswith(OWN)}
        type_, stream = fields.pop(NAME, None), self._of_trace.get(NAME)
        said = own.get("problem")
        row = {name: own.get(name) for name in ("position", "partition", "schema_version")}
        row |= {"trace": self._trace, "number": self._number, "time": fields.pop(TIMESTAMP, None)}
        row |= {"tags": own.get("tags"), "metadata": own.get("metadata", self._said_of_trace())}
        row["type"] = None if type_ is None else str(type_)
        row["stream"] = None if stream is None and NAME in self._of_trace else self._stream()
        row["version"] = own.get("version")
        row["data"] = None if own.get("undecoded") else own.get("data") or compact(fields)
        row["problem"] = "; ".join(self._problems) or said
        self._rows.append(row)
        if len(self._rows) == ROWS_A_FRAME:
            self._frames.append(pl.DataFrame(self._rows, schema=_SCHEMA, strict=False))
            self._rows = []

    def _stream(self) -> str:
        return str(self._of_trace.get(NAME, f"trace {self._trace}"))

    def _said_of_trace(self) -> str | None:
        """Return what else a log says of the trace, which is the same for all its events."""
        if self._trace_text is None:
            rest = {key: value for key, value in self._of_trace.items() if key != NAME}
            self._trace_text = compact({"trace": rest}) if rest else ""
        return self._trace_text or None

    def frame(self) -> pl.DataFrame:
        """Return all events, in the order of the file."""
        last = pl.DataFrame(self._rows, schema=_SCHEMA, strict=False)
        return pl.concat([*self._frames, last])
