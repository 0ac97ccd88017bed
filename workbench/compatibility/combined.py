"""Comparing schemas that are combined of others: `allOf`, `anyOf`, `oneOf`, lists of types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.compatibility.changes import is_compatible
from workbench.compatibility.disjoint import are_disjoint, own
from workbench.compatibility.documents import text_of
from workbench.compatibility.matching import largest_matching
from workbench.compatibility.nodes import COMBINED, Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.compatibility.changes import Change, Place
    from workbench.compatibility.json_changes import Comparison


def compare_with_combined(run: Comparison, old: Node, new: Node, place: Place) -> bool:
    """Compare two nodes of which one is combined; return whether that has settled it."""
    if new.kind in COMBINED and old.kind not in COMBINED:
        return _into_combined(run, old, new, place)
    if old.kind in COMBINED and new.kind not in COMBINED:
        return _out_of_combined(run, old, new, place)
    if old.kind in COMBINED and old.kind != new.kind:
        combined(run, old, new, place)
        return True
    return False


def _into_combined(run: Comparison, old: Node, new: Node, place: Place) -> bool:
    if len(new.parts) == 1:
        return _takes(run, run.trial(old, new.parts[0], place))
    if new.is_made:
        combined(run, _only(old), new, place)
        return True
    if new.kind == "allOf":
        return False
    for index, part in enumerate(new.parts):
        if _takes(run, run.trial(old, part, place)):
            run.add("sum_type_extended", place, _kinds([old]), _kinds(new.parts))
            if new.kind == "oneOf":
                _overlaps(run, new, {index: False}, place)
            return True
    return False


def _out_of_combined(run: Comparison, old: Node, new: Node, place: Place) -> bool:
    if len(old.parts) == 1:
        return _takes(run, run.trial(old.parts[0], new, place))
    if old.kind != "allOf":
        return False
    for part in old.parts:
        if _takes(run, run.trial(part, new, place)):
            run.add("product_type_narrowed", place, _kinds(old.parts), _kinds([new]))
            return True
    if old.is_made:
        combined(run, old, _only(new), place)
    return old.is_made


def _takes(run: Comparison, changes: list[Change]) -> bool:
    if is_compatible(changes):
        run.changes.extend(changes)
        return True
    return False


def _only(node: Node) -> Node:
    return Node("allOf", node.raw, parts=(node,), is_made=True)


def _kinds(parts: Iterable[Node]) -> list[str]:
    return [("integer" if part.is_integer else part.kind) for part in parts]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """What every pair of an old and a new part differs in, and which go together."""

    old: list[Node]
    new: list[Node]
    changes: dict[tuple[int, int], list[Change]]
    matching: dict[int, int]

    @property
    def alone(self) -> tuple[list[int], list[int]]:
        """The old and the new parts that go with none."""
        matched = set(self.matching.values())
        return (
            [i for i in range(len(self.old)) if i not in self.matching],
            [j for j in range(len(self.new)) if j not in matched],
        )


def combined(run: Comparison, old: Node, new: Node, place: Place) -> None:
    """Note the changes between two combined nodes.

    Notes
    -----
    Parts stand in no order: as many as possible are paired so that the new one takes all
    values of the old one. The change breaks where the fewer parts are not all paired, where
    an `anyOf` or `oneOf` has lost parts, or an `allOf` has got more.
    """
    if not _criterion(run, old, new, place):
        return
    pairs = _paired(run, old, new, place)
    is_product = new.kind == "allOf"
    before, after = len(pairs.old), len(pairs.new)
    told = _kinds(pairs.old), _kinds(pairs.new)
    alone = pairs.alone
    if before < after and not (is_product and new.is_made):
        rule = "product_type_extended" if is_product else "sum_type_extended"
        run.add(rule, place, *told, own(new))
    elif before > after:
        rule = "product_type_narrowed" if is_product else "sum_type_narrowed"
        run.add(rule, place, *told, own(new))
    for pair in pairs.matching.items():
        run.changes.extend(pairs.changes[pair])
    if is_product and new.is_made:
        _precisely(run, pairs, place)
    elif min(map(len, alone)):
        run.add("combined_type_subschemas_changed", place, *told, own(new))
    if new.kind == "oneOf":
        _overlaps(run, new, _kept(run, pairs, new), place)


def _criterion(run: Comparison, old: Node, new: Node, place: Place) -> bool:
    """Note that parts are combined in another way; return whether they can be compared."""
    if old.kind == new.kind:
        return True
    is_single = len(old.parts) == 1
    is_extended = (
        new.kind == "anyOf"
        or (new.kind == "oneOf" and is_single)
        or (new.kind == "allOf" and is_single and len(new.parts) == 1)
    )
    if is_extended:
        run.add("combined_type_extended", place, old.kind, new.kind)
    else:
        run.add("combined_type_changed", place, old.kind, new.kind, own(new))
    return is_extended


def _paired(run: Comparison, old: Node, new: Node, place: Place) -> _Pairs:
    before, after = _different(old), _different(new)
    changes = {}
    for i, first in enumerate(before):
        at = place if first.raw is old.raw else place.at(old.kind, str(i))
        for j, second in enumerate(after):
            changes[i, j] = run.trial(first, second, at)
    partners = {}
    for i in range(len(before)):
        fitting = [j for j in range(len(after)) if is_compatible(changes[i, j])]
        # Equal parts first, so that they are not torn apart.
        in_order = sorted((len(changes[i, j]), j) for j in fitting)
        partners[i] = [j for _, j in in_order]
    return _Pairs(before, after, changes, largest_matching(partners))


def _different(node: Node) -> list[Node]:
    """Return the parts without those that are written like an earlier one."""
    if node.is_own:
        return list(node.parts)
    return list({text_of(part.raw): part for part in reversed(node.parts)}.values())[::-1]


def _precisely(run: Comparison, pairs: _Pairs, place: Place) -> None:
    """Note which assertions of one schema were added, and how those that stayed have changed."""
    old, new = pairs.alone
    rest = {i: pairs.old[i].kind for i in old}
    for j in new:
        part = pairs.new[j]
        like = next((i for i, kind in rest.items() if kind == part.kind), None)
        if like is not None:
            del rest[like]
            run.changes.extend(pairs.changes[like, j])
        elif len(pairs.new) > len(pairs.old):
            run.add("product_type_extended", place, None, _kinds([part]), own(part))
        else:
            told = _kinds(pairs.old), _kinds(pairs.new)
            run.add("combined_type_subschemas_changed", place, *told, own(part))


def _kept(run: Comparison, pairs: _Pairs, new: Node) -> dict[int, bool]:
    """Return which of the new parts take old values, and whether each is as it was."""
    index = {id(part): at for at, part in enumerate(new.parts)}
    found = {}
    for i, j in pairs.matching.items():
        is_same = run.are_equal(pairs.old[i].raw, pairs.new[j].raw)
        found[index[id(pairs.new[j])]] = is_same
    return found


def _overlaps(run: Comparison, new: Node, takes: dict[int, bool], place: Place) -> None:
    """Note that a value might now satisfy two parts of a `oneOf`, which refuses it."""
    for i, is_same in takes.items():
        for j, other in enumerate(new.parts):
            is_as_before = is_same and takes.get(j, False)
            if j != i and not is_as_before and not are_disjoint(new.parts[i], other, run.new):
                run.add("one_of_overlaps", place, None, [i, j], own(new))
                return
