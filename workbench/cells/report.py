"""What is shown under a cell: what was run, its tables, and what changed since the last run."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.cells.difference import Difference, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from workbench.cells.running import Ran
    from workbench.trials.trial import Trial

MOST_ROWS = 10
MOST_EXAMPLES = 5
Part = tuple[str, "pl.DataFrame | None"]
"""A line of text, and a frame that stands under it."""


@dataclass(frozen=True)
class Report:
    """What one run of a cell's projection came to; shows itself as text and as HTML.

    Parameters
    ----------
    ran
        The run.
    before
        The run before it, None if there is none to hold it against.
    table
        The one table to show, None for all.
    """

    ran: Ran
    before: Ran | None = None
    table: str | None = None

    @cached_property
    def differences(self) -> list[Difference]:
        """What changed since the run before, a table each; none where there was no run."""
        if self.before is None:
            return []
        keys = _keys(self.before.trial), _keys(self.ran.trial)
        return differences(self.before.tables, self.ran.tables, keys)

    def _parts(self) -> Iterator[Part]:
        ran, trial = self.ran, self.ran.trial
        yield f"{trial.name}: {ran.how}.", None
        rate = f", {ran.events / ran.took_s:,.0f} a second" if ran.events and ran.took_s else ""
        yield f"{_counted(ran.events, 'event')} in {ran.took_s:.2f} s{rate}.", None
        if not trial.is_complete:
            at = f"{trial.last_position:,}"
            yield f"Interrupted at position {at}: the trial's resume() completes it.", None
        if trial.failures.height:
            examples = trial.failures.select("position", "stream", "type", "handler", "error")
            yield f"Failures: {trial.failures.height:,}.", examples.head(MOST_EXAMPLES)
        for name, table in self.ran.tables.items():
            if self.table in {None, name}:
                yield f"Table {name}: {_counted(table.height, 'row')}.", table.head(MOST_ROWS)
        yield from self._since()

    def _since(self) -> Iterator[Part]:
        if self.before is None:
            return
        failed, earlier = self.ran.trial.failures.height, self.before.trial.failures.height
        found = [each for each in self.differences if not each.is_empty]
        if not found and failed == earlier:
            yield "Nothing changed since the last run.", None
            return
        yield "Changed since the last run:", None
        if failed != earlier:
            yield f"failures: {failed:,}, and were {earlier:,}", None
        for each in found:
            yield f"{each.table}: {each.in_words()}", None
            for word in ("changed", "added", "removed"):
                frame: pl.DataFrame = getattr(each, word)
                if frame.height:
                    yield f"{each.table}, {word}:", frame.head(MOST_EXAMPLES)

    def __repr__(self) -> str:
        """The report as text."""
        return "\n".join(
            f"{said}\n{frame}" if frame is not None else said for said, frame in self._parts()
        )

    def _repr_html_(self) -> str:
        return "".join(
            f"<p>{html.escape(said)}</p>" + ("" if frame is None else frame._repr_html_())
            for said, frame in self._parts()
        )


def _keys(trial: Trial) -> dict[str, tuple[str, ...]]:
    return {name: trial.key(name) for name in trial.table_names}


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
