"""How a trial came to be: what has to be the same for the same result."""

from __future__ import annotations

import hashlib
import inspect
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.description import html_table
from workbench.projections.functions import OF_HANDLER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PACKAGES = ("event-workbench", "eventsourcing", "polars")


def installed() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part in a replay."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[package] = "not installed"
    return found


@dataclass(frozen=True)
class Recipe:
    """How a trial came to be."""

    source: str
    """What the source is called."""
    kind: str
    """What the source was recognised as."""
    narrowed: str
    """What the history was narrowed to, in words; empty if to nothing."""
    after: int | None
    """Only events at greater positions were read."""
    upto: int
    """The last position that was to be read."""
    edits: tuple[str, ...]
    """What was changed in the history, in words."""
    projection: str
    """The projection's name."""
    projection_hash: str
    """SHA-256 of the projection's source."""
    on_error: str
    """'stop' or 'collect'."""
    result_hash: str
    """SHA-256 of every change and failure."""
    versions: Mapping[str, str] = field(default_factory=installed)
    """The versions of Python and of the packages that took part."""

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as values that JSON has."""
        return asdict(self) | {"edits": list(self.edits), "versions": dict(self.versions)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` told."""
        return cls(**{**values, "edits": tuple(values["edits"])})

    def _repr_html_(self) -> str:
        told = {name.replace("_", " "): _told(value) for name, value in self.to_dict().items()}
        return html_table("Recipe", told)


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    if isinstance(value, list):
        return "; ".join(value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value or "none")


def source_hash(code: object, *more: object) -> str:
    """Return SHA-256 of the source of a class or function, its bases and `more` included.

    A class is told by the sources of its methods and by its other attributes, since the
    source of a whole class cannot be had in every notebook.
    """
    digest = hashlib.sha256()
    for part in (code, *more):
        for text in _sources(part):
            digest.update(text.encode())
            digest.update(b"\0")
    return digest.hexdigest()


def _sources(code: object) -> Iterable[str]:
    if not isinstance(code, type):
        yield _source(code)
        return
    for base in code.__mro__:
        if base.__module__.startswith(_NOT_THE_USERS):
            continue
        yield base.__qualname__
        for name, value in vars(base).items():
            if not name.startswith("__") or callable(value):
                yield f"{name} {getattr(value, OF_HANDLER, '')} {_source(value)}"


_NOT_THE_USERS = ("builtins", "abc", "typing", "eventsourcing", "workbench.projections")


def _source(value: object) -> str:
    inner = inspect.unwrap(getattr(value, "__func__", value))  # type: ignore[arg-type]
    if inspect.isroutine(inner) or inspect.ismodule(inner) or isinstance(inner, type):
        try:
            return inspect.getsource(inner)
        except (OSError, TypeError):
            code = getattr(inner, "__code__", None)
            return repr((code.co_code, code.co_consts, code.co_names)) if code else repr(inner)
    schema = getattr(value, "schema", None)
    return repr(schema if schema is not None else type(value))


def digest_of(frames: Mapping[str, Iterable[pl.DataFrame]]) -> str:
    """Return SHA-256 of frames by what they hold, however their memory is laid out."""
    digest = hashlib.sha256()
    for name, parts in frames.items():
        digest.update(name.encode() + b"\0")
        for frame in parts:
            for column in frame.iter_columns():
                digest.update(f"{column.name} {column.dtype} {column.len()}\0".encode())
                _digest_column(digest, column)
    return digest.hexdigest()


def _digest_column(digest: Any, column: pl.Series) -> None:  # noqa: ANN401, hashlib's own class
    if column.dtype.is_nested() or column.dtype == pl.Object:
        digest.update(repr(column.to_list()).encode())
        return
    digest.update(column.is_null().cast(pl.UInt8).to_numpy().tobytes())
    if column.dtype in {pl.String, pl.Binary}:
        data = column.fill_null("" if column.dtype == pl.String else b"").cast(pl.Binary)
        digest.update(data.bin.size().to_numpy().tobytes())
        arrow = data.alias("data").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        digest.update(arrow.buffers()[2] or b"")
    elif isinstance(column.dtype, pl.Decimal):
        digest.update(repr(column.cast(pl.String).str.join(",").to_list()).encode())
    elif column.dtype == pl.Null:
        pass
    else:
        physical = column.to_physical()
        zero = physical.fill_null(False if physical.dtype == pl.Boolean else 0)
        digest.update(zero.to_numpy().tobytes())
