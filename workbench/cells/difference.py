"""What differs between the tables of two runs, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class Difference:
    """What differs in one table between two runs.

    `changed` has the key, and `<column>_before` beside `<column>_after` for each value
    column that differs in some row.
    """

    table: str
    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame
    said: tuple[str, ...] = ()
    """What differs in how the table is declared, in words."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        rows = self.added.height + self.removed.height + self.changed.height
        return not rows and not self.said

    def in_words(self) -> str:
        """Return how many rows differ, and what else does."""
        frames = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        counts = [f"{frame.height:,} {word}" for word, frame in frames if frame.height]
        rows = [f"rows {', '.join(counts)}"] if counts else []
        return "; ".join([*self.said, *rows]) or "nothing changed"


def differences(
    before: dict[str, pl.DataFrame],
    after: dict[str, pl.DataFrame],
    keys: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]],
) -> list[Difference]:
    """Return what differs, a table each, also of those in which nothing does.

    Parameters
    ----------
    before, after
        The tables of two runs by name, each sorted by its key.
    keys
        The key columns of each table, before and after.
    """
    found = []
    for name in dict.fromkeys([*after, *before]):
        if name not in before or name not in after:
            said = "the table is new" if name in after else "the table is gone"
            found.append(_without_rows(name, said))
        elif keys[0][name] != keys[1][name]:
            said = f"its key is now {', '.join(keys[1][name])}, and was {', '.join(keys[0][name])}"
            found.append(_without_rows(name, said))
        else:
            found.append(_difference(name, before[name], after[name], keys[1][name]))
    return found


def _without_rows(name: str, *said: str) -> Difference:
    return Difference(name, pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), said)


def _difference(
    name: str, before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str]
) -> Difference:
    said = _declared(before.schema, after.schema)
    if any(before.schema[part] != after.schema[part] for part in key):
        return _without_rows(name, *said)
    return Difference(
        name,
        after.join(before, on=key, how="anti", maintain_order="left"),
        before.join(after, on=key, how="anti", maintain_order="left"),
        _changed(before, after, key),
        said,
    )


def _declared(before: pl.Schema, after: pl.Schema) -> tuple[str, ...]:
    """Return in words how the columns differ."""
    new = [f"the column {name} is new" for name in after if name not in before]
    gone = [f"the column {name} is gone" for name in before if name not in after]
    other = [
        f"the column {name} is now {after[name]}, and was {before[name]}"
        for name in after
        if name in before and before[name] != after[name]
    ]
    return (*new, *gone, *other)


def _changed(before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Return the rows that are in both, and differ."""
    same = [c for c in after.columns if before.schema.get(c) == after.schema[c] and c not in key]
    # By numbers, since a column may be called anything.
    keys = {f"k{i}": pl.col(c) for i, c in enumerate(key)}
    first = before.select(**keys, **{f"b{i}": pl.col(c) for i, c in enumerate(same)})
    second = after.select(**keys, **{f"a{i}": pl.col(c) for i, c in enumerate(same)})
    both = first.join(second, on=list(keys), how="inner", maintain_order="left")
    differs = {i: both[f"b{i}"].ne_missing(both[f"a{i}"]) for i in range(len(same))}
    some = [i for i, mask in differs.items() if mask.any()]
    if not some:
        return pl.DataFrame()
    rows = both.filter(pl.any_horizontal(differs[i].alias(str(i)) for i in some))
    columns = [rows[number].alias(c) for number, c in zip(keys, key, strict=True)]
    taken = set(key)
    for i in some:
        for letter, word in (("b", "before"), ("a", "after")):
            columns.append(rows[f"{letter}{i}"].alias(_free(f"{same[i]}_{word}", taken)))
    return pl.DataFrame(columns)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
