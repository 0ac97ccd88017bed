"""Two releases, told apart event by event: which each reads, and what it makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from workbench.projections.domain import decoded_lines
from workbench.tables import RELEASE_FIELDS, RELEASE_TYPES
from workbench.upcasting.forms import form_of
from workbench.upcasting.values import ABSENT, TAG, Difference, differences, example, joined, read
from workbench.upcasting.wire import Forms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.upcasting.crew import Task

_WHAT = {
    "lost": "only in old",
    "filled": "only in new",
    "changed type": "other type",
    "changed": "other value",
}
_KEY = ["type", "stored_version"]
_COUNTED = (
    *("events", "read_by_old", "read_by_new", "failed_in_old", "failed_in_new"),
    *("broken", "mended", "different"),
)


@dataclass
class _Field:
    """What two releases make of one field, in how many events."""

    events: int
    first_position: int
    last_position: int
    old: str | None
    new: str | None


class Side(NamedTuple):
    """What one release has made of some events, by row."""

    forms: dict[int, str]
    failures: dict[int, str]
    untried: set[int]


def side_of(task: Task) -> Side:
    """Return what a release has made of a task's events."""
    found, untried = Forms(), set[int]()
    lost = [frame for frame, _ in task.untried]
    if task.answer is not None:
        try:
            found = msgspec.json.decode(task.answer, type=Forms)
        except msgspec.DecodeError:
            lost.append(task.left)
    for frame in lost:
        untried |= set(frame["row"].to_list())
    failures = {row: f"{step}: {error}: {said}" for row, step, error, said in found.failures}
    failures |= {row["row"]: f"Stopped: {reason}" for row, reason in task.deaths}
    return Side(found.forms, failures, untried)


@dataclass
class Differ:
    """Adds up what two releases make of events."""

    types: list[pl.DataFrame] = field(default_factory=list)
    fields: dict[tuple[str, int | None, str, str], _Field] = field(default_factory=dict)

    def add(self, frame: pl.DataFrame, old: Side, new: Side) -> None:
        """Add what both have made of a frame."""
        rows = range(frame.height)
        differ = self._differ(frame, old, new)
        marks = frame.select("position", "type", stored_version="schema_version").with_columns(
            pl.Series("a", [r not in old.failures and r not in old.untried for r in rows]),
            pl.Series("b", [r not in new.failures and r not in new.untried for r in rows]),
            pl.Series("fails_a", [r in old.failures for r in rows]),
            pl.Series("fails_b", [r in new.failures for r in rows]),
            pl.Series("old_error", [old.failures.get(r) for r in rows], pl.String),
            pl.Series("new_error", [new.failures.get(r) for r in rows], pl.String),
            pl.Series("differs", [r in differ for r in rows]),
        )
        self.types.append(_counted(marks))

    def _differ(self, frame: pl.DataFrame, old: Side, new: Side) -> set[int]:
        """Return the rows that both read, to different fields; and count these."""
        out = old.failures.keys() | new.failures.keys() | old.untried | new.untried
        rows = sorted((old.forms.keys() | new.forms.keys()) - out)
        stays = [row for row in rows if not (row in old.forms and row in new.forms)]
        stored = _as_stored(frame, stays)
        events = frame.select("type", "schema_version", "position").rows()
        found = set()
        for row in rows:
            one, other = (side.forms.get(row) or stored.get(row) for side in (old, new))
            if one != other and one is not None and other is not None:
                found.add(row)
                self._count(events[row], one, other)
        return found

    def _count(self, event: tuple[Any, ...], old: str, new: str) -> None:
        """Count where two forms of an event differ."""
        type_, version, position = event
        seen: set[tuple[str, int | None, str, str]] = set()
        for one in _differences(old, new):
            key = (type_, version, one.path, _WHAT[one.what])
            known = self.fields.get(key)
            if known is None:
                before, after = (
                    read(bytes(held).decode()) if isinstance(held, msgspec.Raw) else held
                    for held in (one.before, one.after)
                )
                told = example(before), example(after)
                self.fields[key] = _Field(1, position, position, *told)
            elif key not in seen:
                known.events += 1
                known.last_position = position
            seen.add(key)

    def types_frame(self) -> pl.DataFrame:
        """Return `workbench.tables.RELEASE_TYPES`."""
        if not self.types:
            return RELEASE_TYPES.frame()
        found = (
            pl.concat(self.types)
            .group_by(_KEY, maintain_order=True)
            .agg(
                pl.col(_COUNTED).sum(),
                pl.col("old_error", "new_error").drop_nulls().first(),
                pl.col("first_position").min(),
                pl.col("last_position").max(),
            )
        )
        return RELEASE_TYPES.conform(found).sort(_KEY)

    def fields_frame(self) -> pl.DataFrame:
        """Return `workbench.tables.RELEASE_FIELDS`."""
        rows = [
            dict(zip(("type", "stored_version", "path", "what"), key, strict=True)) | vars(found)
            for key, found in self.fields.items()
        ]
        return RELEASE_FIELDS.frame(rows).sort("type", "stored_version", "path", "what")


def _counted(marks: pl.DataFrame) -> pl.DataFrame:
    a, b = pl.col("a"), pl.col("b")
    fails_a, fails_b = pl.col("fails_a"), pl.col("fails_b")
    return marks.group_by(_KEY, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("events"),
        a.sum().cast(pl.Int64).alias("read_by_old"),
        b.sum().cast(pl.Int64).alias("read_by_new"),
        fails_a.sum().cast(pl.Int64).alias("failed_in_old"),
        fails_b.sum().cast(pl.Int64).alias("failed_in_new"),
        (a & fails_b).sum().cast(pl.Int64).alias("broken"),
        (b & fails_a).sum().cast(pl.Int64).alias("mended"),
        pl.col("differs").sum().cast(pl.Int64).alias("different"),
        pl.col("old_error", "new_error").drop_nulls().first(),
        pl.col("position").min().alias("first_position"),
        pl.col("position").max().alias("last_position"),
    )


_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_path = cache(partial(joined, ""))


def _differences(old: str, new: str) -> Iterator[Difference]:
    """Yield where two written states differ; fields that only one has are as they were written."""
    try:
        one, other = _fields_of(old), _fields_of(new)
    except (ValueError, RecursionError):  # a NaN
        yield from differences(read(old), read(new))
        return
    if any(len(fields) == 1 and next(iter(fields))[:1] == TAG for fields in (one, other)):
        yield from differences(read(old), read(new))
        return
    for name, value in one.items():
        after = other.get(name)
        if after is None:
            yield Difference(_path(name), "lost", value, ABSENT)
        elif value != after:
            before, then = (read(bytes(held).decode()) for held in (value, after))
            yield from differences(before, then, _path(name), 1)
    for name, value in other.items():
        if name not in one:
            yield Difference(_path(name), "filled", ABSENT, value)


def _as_stored(frame: pl.DataFrame, rows: list[int]) -> dict[int, str]:
    """Return the forms of events that a release leaves as they are stored, by row."""
    try:
        states = decoded_lines(frame["data"].gather(rows))
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        if len(rows) == 1:
            return {}
        return {row: form for one in rows for row, form in _as_stored(frame, [one]).items()}
    found = {}
    for row, state in zip(rows, states, strict=True):
        state.pop("class_version", None)
        form = form_of(state)
        if isinstance(form, str):
            found[row] = form
    return found
