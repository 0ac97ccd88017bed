"""Since which event a field is otherwise: there or missing, null, of a kind, a value, a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from workbench.schemas.regimes import LEAST_EVIDENCE, evidence
from workbench.schemas.shapes import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    Mark,
    Path,
    path_text,
)
from workbench.schemas.shifts import shifts
from workbench.schemas.statistics import LONGEST_TEXT, MOST_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from workbench.schemas.gathering import Gathered

KINDS = {
    "field_begins": "it is there, and never was before",
    "field_ends": "it is never there any more",
    "missing_begins": "it is missing, and never was before",
    "missing_ends": "it is never missing any more",
    "null_begins": "it is null, and never was before",
    "null_ends": "it is never null any more",
    "kind_begins": "it has values of a kind that it never had before",
    "kind_ends": "it never has values of a kind any more",
    "value_begins": "it has a value that it never had before, of at most 32",
    "value_ends": "it never has a value any more, of at most 32",
    "missing_share": "it is missing more often, or less often",
    "null_share": "it is null more often, or less often",
    "level": "its numbers are higher, or lower",
}
"""The kinds of change points, and what each says of a field since an event."""

LEAST_DELTA = 0.33
"""Cliff's delta of a level before and after: 0.33 is called a medium effect."""
LEAST_SHARE = 0.2
"""The least difference of two shares."""
NUMERIC = (INTEGER, NUMBER, "decimal_str")


class Change(NamedTuple):
    """One change point: the number of the event, and what it says."""

    path: Path
    kind: str
    nth: int
    before: str
    after: str
    what: str
    """In words, what is so since the event."""

    def row(self, of: Gathered) -> dict[str, Any]:
        """Return a row of `workbench.tables.CHANGE_POINTS`."""
        position = int(of.positions[self.nth])
        path = path_text(self.path)
        return {
            "path": path,
            "kind": self.kind,
            "position": position,
            "time": of.times[self.nth],
            "before": self.before,
            "after": self.after,
            "sentence": f"since position {position:,} `{path}` {self.what}",
        }


def changes(of: Gathered) -> Iterator[Change]:
    """Yield the change points of all fields; `KINDS` says which there are."""
    for path in of.paths:
        around = (of.around(path) > 0)[of.shape_of]
        have = of.count(path) > 0
        there = have[of.shape_of]
        field = _ends(path, ("field", "is there"), there, around)
        yield from field
        lack = (of.lacking(path) > 0)[of.shape_of]
        if not field:
            yield from _ends_and_share(path, ("missing", "is missing"), lack, around)
        yield from _of_kinds(of, path, there)
        yield from _of_values(of, path, there)
        yield from _of_level(of, path)


def _of_kinds(of: Gathered, path: Path, there: NDArray[np.bool_]) -> Iterator[Change]:
    for kind in of.kinds(path):
        has = (of.count(path, [kind]) > 0)[of.shape_of]
        if kind == NULL:
            yield from _ends_and_share(path, ("null", "is null"), has, there)
        else:
            yield from _ends(path, ("kind", f"is of the kind {kind}"), has, there)


def _ends(
    path: Path, names: tuple[str, str], has: NDArray[np.bool_], of: NDArray[np.bool_]
) -> list[Change]:
    """Return since when something is there, and since when it is not there any more."""
    name, what = names
    at = np.flatnonzero(has)
    if not at.size:
        return []
    found, first, last = [], int(at[0]), int(at[-1])
    before, since = int(of[:first].sum()), int(of[first:].sum())
    events = int(at.size)
    if evidence(before, events, since) >= LEAST_EVIDENCE:
        share = events / since
        said = f"{what} ({_percent(share)} of {since:,} events; never in {before:,} before)"
        if events < since:
            said = said.replace("is ", "is sometimes ", 1)
        found.append(Change(path, f"{name}_begins", first, "never", _often(share), said))
    after, until = int(of[last + 1 :].sum()), int(of[: last + 1].sum())
    if evidence(after, events, until) >= LEAST_EVIDENCE:
        share = events / until
        end = last + 1 + int(np.argmax(of[last + 1 :]))
        never = what.replace("is ", "is never ", 1)
        said = f"{never} any more ({_percent(share)} of {until:,} events before)"
        found.append(Change(path, f"{name}_ends", end, _often(share), "never", said))
    return found


def _ends_and_share(
    path: Path, names: tuple[str, str], has: NDArray[np.bool_], of: NDArray[np.bool_]
) -> Iterator[Change]:
    """Yield since when something is there, is not any more, or is more or less often."""
    ends = _ends(path, names, has, of)
    yield from ends
    told = {change.nth for change in ends}
    shares = _share(path, (f"{names[0]}_share", names[0]), has, of)
    yield from (change for change in shares if change.nth not in told)


def _often(share: float) -> str:
    return "always" if share == 1 else f"in {_percent(share)} of events"


def _percent(share: float) -> str:
    return "100 %" if share == 1 else f"{100 * share:.3g} %"


def _share(
    path: Path, names: tuple[str, str], has: NDArray[np.bool_], of: NDArray[np.bool_]
) -> Iterator[Change]:
    """Yield since when something is more or less often so, of what is so at times."""
    name, what = names
    events = np.flatnonzero(of)
    there = has[events].astype(np.float64)
    if not 0 < there.sum() < there.size:
        return
    edges = [0, *shifts(there, LEAST_SHARE), there.size]
    for begin, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = there[begin:at].mean(), there[at:end].mean()
        if 0 < before < 1 or 0 < after < 1:
            said = f"is {what} in {_percent(after)} of events, not in {_percent(before)}"
            yield Change(path, name, int(events[at]), _percent(before), _percent(after), said)


def _of_values(of: Gathered, path: Path, there: NDArray[np.bool_]) -> Iterator[Change]:
    """Yield since when a field of few values has one, or has not."""
    for kind in of.kinds(path):
        found = of.values.get((path, kind))
        if found is None or kind not in (STRING, INTEGER, BOOLEAN) or path[-1:] == (Mark.ANY,):
            continue
        unique = found.text.unique()
        longest = unique.str.len_chars().max()
        if unique.len() > MOST_VALUES or int(str(longest)) > LONGEST_TEXT or unique.len() < 2:  # noqa: PLR2004, one value is none of several
            continue
        for value in sorted(unique.to_list()):
            has = np.zeros(of.positions.size, np.bool_)
            has[found.nth[(found.text == value).to_numpy()]] = True
            shown = f"is {value!r}"
            yield from _ends(path, ("value", shown), has, there)


def _of_level(of: Gathered, path: Path) -> Iterator[Change]:
    """Yield since when the numbers of a field are higher, or lower."""
    numbers = numbers_at(of, path)
    value = numbers["value"].to_numpy()
    edges = [0, *shifts(value, LEAST_DELTA), value.size]
    for begin, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = float(np.median(value[begin:at])), float(np.median(value[at:end]))
        how = "higher" if after > before else "lower"
        said = f"is {how}: the median is {after:.6g}, not {before:.6g}"
        nth = int(numbers["nth"][at])
        yield Change(path, "level", nth, f"median {before:.6g}", f"median {after:.6g}", said)


def numbers_at(of: Gathered, path: Path) -> pl.DataFrame:
    """Return the finite numbers at a path in order: the number of the event, and the value."""
    parts = [
        pl.DataFrame({"nth": found.nth, "value": found.text.cast(pl.Float64, strict=False)})
        for kind in NUMERIC
        if (found := of.values.get((path, kind))) is not None
    ]
    empty = pl.DataFrame(schema={"nth": pl.Int64, "value": pl.Float64})
    whole = pl.concat([empty, *parts]).filter(pl.col("value").is_finite())
    return whole.sort("nth", maintain_order=True)
