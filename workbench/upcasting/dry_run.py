"""In a process of the user's code: upcasting the events of a job, and counting what happens."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

from workbench.upcasting.census import Counter, Declared, odd_field
from workbench.upcasting.stepping import Broken
from workbench.upcasting.values import FIXED, equal
from workbench.upcasting.wire import IDLE, Failed, Unresolved

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from workbench.upcasting.census import Path
    from workbench.upcasting.stepping import Chunk, Kind, Stepper
    from workbench.upcasting.wire import Census


class DryRun:
    """Counts what becomes of the events of one job.

    Parameters
    ----------
    stepper
        Makes the events.
    once
        Rows whose steps run once only: a second time has ended a process.
    """

    def __init__(self, stepper: Stepper, once: Collection[int] = ()) -> None:
        self._stepper = stepper
        self._once = frozenset(once)
        self._counter = Counter()
        self._declared: dict[str, Declared] = {}

    def of(self, frame: pl.DataFrame) -> Census:
        """Return what becomes of the events of a frame; see `Stepper.chunks`."""
        begun = clock.perf_counter()
        for chunk in self._stepper.chunks(frame):
            whole = chunk
            if not chunk.has_times and _steps(chunk):
                # The payload says another version than was told.
                whole = self._stepper.chunk(chunk.kind, chunk.part, odd=False, times=True)
            self._chunk(whole, begun)
            begun = clock.perf_counter()
        return self._counter.census()

    def _chunk(self, chunk: Chunk, begun: float) -> None:
        """Count the events of a chunk, by their stored version."""
        if chunk.kind.early is not None:
            self._unresolved(chunk, chunk.kind.early.message)
            if not chunk.kind.is_named:
                return
        rows = range(len(chunk.rows))
        groups = _groups(chunk.versions)
        seconds = clock.perf_counter() - begun
        again = self._again(chunk) if _steps(chunk) else {}
        positions = chunk.part["position"].to_list()
        for stored, among in groups.items():
            started = clock.perf_counter()
            path = _path(chunk.kind, stored)
            found = self._counter.events(
                path, positions[among[0]], positions[among[-1]], len(among)
            )
            if stored is not None and isinstance(chunk.kind.code, int):
                found.steps = max(0, chunk.kind.code - stored)
                found.newer += len(among) if stored > chunk.kind.code else 0
            self._group(chunk, path, among, positions, again)
            share = seconds * len(among) / len(rows)
            found.seconds += clock.perf_counter() - started + share

    def _unresolved(self, chunk: Chunk, reason: str) -> None:
        positions, kind = chunk.part["position"], chunk.kind
        span = (len(chunk.rows), positions[0], positions[-1])
        self._counter.lost(kind.stored, Unresolved(kind.is_named, reason, *span))

    def _again(self, chunk: Chunk) -> dict[int, tuple[Any, Any]]:
        """Return the states of events that run steps, decoded twice more."""
        need = [i for i in range(len(chunk.rows)) if _runs(chunk, i)]
        if chunk.is_plain:
            # The library's own transcodings make the same of a text every time.
            found = {i: (dict(s), dict(s)) for i in need if _is_flat(s := chunk.states[i])}
            need = [i for i in need if i not in found]
        else:
            found = {}
        if need:
            part = chunk.part[need]
            odd = not chunk.is_plain
            one, two = (
                self._stepper.chunk(chunk.kind, part, odd=odd, times=True).states for _ in range(2)
            )
            found |= dict(zip(need, zip(one, two, strict=True), strict=True))
        return found

    def _group(
        self,
        chunk: Chunk,
        path: Path,
        among: list[int],
        positions: list[int],
        again: dict[int, tuple[Any, Any]],
    ) -> None:
        """Upcast the events of one stored version."""
        found, kind = self._counter.path(path), chunk.kind
        is_simple = chunk.is_plain and not again and kind.early is kind.odd is kind.late is None
        if is_simple and Broken not in set(map(type, chunk.states)):
            found.succeeded += len(among)
            self._shapes(chunk, path, among, positions)
            return
        good: list[int] = []
        stepper, steps = self._stepper, self._counter.steps
        for i in among:
            state = chunk.states[i]
            if state.__class__ is Broken:
                self._fail(chunk, path, i, state)
                continue
            failed = kind.late
            if i in again:
                stepper.watch(chunk.rows[i])
                failed = stepper.bring(kind, state, chunk.versions[i])
                if failed is None:
                    before, second = again[i]
                    steps(path, positions[i], before, state)
                    if chunk.rows[i] not in self._once:
                        stable, idempotent = self._twice(chunk, i, second)
                        found.unstable += not stable
                        found.idempotent += idempotent
            if failed is None:
                good.append(i)
            else:
                self._fail(chunk, path, i, failed)
        stepper.watch(IDLE)
        found.succeeded += len(good)
        self._shapes(chunk, path, good, positions)

    def _twice(self, chunk: Chunk, i: int, second: Any) -> tuple[bool, bool]:  # noqa: ANN401
        """Return whether an event comes to the same twice, and whether once more changes it."""
        kind, version, state = chunk.kind, chunk.versions[i], chunk.states[i]
        bring, watch = self._stepper.bring, self._stepper.watch
        watch(chunk.rows[i], again=True)
        stable = bring(kind, second, version) is None and equal(state, second)
        if not stable:
            return False, False
        watch(chunk.rows[i], again=True)
        return True, bring(kind, second, version) is None and equal(state, second)

    def _shapes(self, chunk: Chunk, path: Path, good: list[int], positions: list[int]) -> None:
        """Hold the fields of events against those that the class declares."""
        kind = chunk.kind.kind
        if not good or kind is None:
            return
        declared = self._declared.get(chunk.kind.stored)
        if declared is None:
            declared = self._declared[chunk.kind.stored] = Declared(kind)
        spans: dict[tuple[str, ...], list[int]] = {}
        shapes = list(map(tuple, chunk.states)) if len(good) == len(chunk.states) else []
        if len(set(shapes)) == 1:
            spans[shapes[0]] = [len(good), positions[good[0]], positions[good[-1]]]
            good = []
        for i in good:
            names = tuple(chunk.states[i])
            span = spans.get(names)
            if span is None:
                spans[names] = [1, positions[i], positions[i]]
            else:
                span[0] += 1
                span[2] = positions[i]
        for names, (count, first, last) in spans.items():
            for name, what in declared.odd(names):
                self._counter.field(path, odd_field(path, name, what, (count, first, last)))

    def _fail(self, chunk: Chunk, path: Path, i: int, why: Broken) -> None:
        row = chunk.part.row(i, named=True)
        self._counter.fail(Failed(row["position"], row["stream"], row["version"], *path, *why))


def _is_flat(state: Any) -> bool:  # noqa: ANN401, a state of any kind
    """Return whether a copy of a state is of its own: nothing in it can be changed."""
    return type(state) is dict and FIXED.issuperset(map(type, state.values()))


def _path(kind: Kind, stored: int | None) -> Path:
    return kind.stored, stored, kind.code if isinstance(kind.code, int) else None


def _runs(chunk: Chunk, i: int) -> bool:
    """Return whether an event runs steps, or may fail for what its versions are."""
    if chunk.states[i].__class__ is Broken:
        return False
    stored, code = chunk.versions[i], chunk.kind.code
    return not (type(stored) is int and type(code) is int and stored >= code)


def _steps(chunk: Chunk) -> bool:
    """Return whether any event of a chunk runs steps."""
    code = chunk.kind.code
    if type(code) is int and set(map(type, chunk.versions)) == {int}:
        return bool(min(chunk.versions) < code)
    return any(_runs(chunk, i) for i in range(len(chunk.rows)))


def _groups(versions: list[Any]) -> dict[int | None, list[int]]:
    """Return which events have which stored version; None stands for what is no number."""
    if set(map(type, versions)) == {int} and len(set(versions)) == 1:
        return {versions[0]: list(range(len(versions)))}
    groups: dict[int | None, list[int]] = {}
    for i, version in enumerate(versions):
        groups.setdefault(version if type(version) is int else None, []).append(i)
    return groups
