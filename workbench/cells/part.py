"""A trial of which some streams were replayed anew: both put together as one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from workbench.changelog.merging import have_common_positions, merged, without_streams
from workbench.tables import FAILURES, HANDLED, PROFILE
from workbench.trials.tables import LoggedTables
from workbench.trials.trial import Trial

if TYPE_CHECKING:
    from workbench.changelog.log import ChangeLog
    from workbench.trials.engine import Engine


@dataclass(frozen=True)
class Part:
    """A whole trial, and one of some streams up to the same position.

    Streams must be independent in both, and handlers differ for no event of the other
    streams.
    """

    whole: Trial
    part: Trial
    streams: frozenset[str]

    @cached_property
    def _kept(self) -> dict[str, ChangeLog]:
        """What the other streams have written."""
        return {
            name: without_streams(self.whole.recorded.log(name), self.streams)
            for name in self.whole.table_names
        }

    @cached_property
    def _failures(self) -> pl.DataFrame:
        left_out = pl.Series(sorted(self.streams), dtype=pl.String).implode()
        kept = ~pl.col("stream").is_in(left_out).fill_null(value=False)
        return self.whole.failures.filter(kept)

    @property
    def has_common_positions(self) -> bool:
        """Whether both have something at the same position, whose order nobody knows."""
        if not self._failures.join(self.part.failures, on="position", how="semi").is_empty():
            return True
        return any(
            have_common_positions(log, self.part.recorded.log(name))
            for name, log in self._kept.items()
        )

    def merged(self, engine: Engine) -> Trial:
        """Return the trial that a replay of everything would be."""
        logs = {name: merged(log, self.part.recorded.log(name)) for name, log in self._kept.items()}
        handled = self._handled()
        return Trial(
            name=self.part.name,
            history=self.whole.history,
            events=int(handled["events"].sum()),
            last_position=self.whole.last_position,
            elapsed_s=self.whole.elapsed_s + self.part.elapsed_s,
            is_complete=True,
            failures=FAILURES.conform(
                pl.concat([self._failures, self.part.failures]).sort(
                    "position", maintain_order=True
                )
            ),
            handled=handled,
            profile=self._profile(handled),
            handlers=self.part.handlers,
            recorded=LoggedTables(self.part.name, logs),
            engine=engine,
        )

    def _handled(self) -> pl.DataFrame:
        """Return how many events were handled.

        A type that is new has all its events in the part, and one that is gone has none;
        all others have as many as before.
        """
        old, new = (list(trial.handlers) for trial in (self.whole, self.part))
        kept = self.whole.handled.filter(pl.col("type").is_in(new))
        added = self.part.handled.filter(~pl.col("type").is_in(old))
        return HANDLED.conform(pl.concat([kept, added]).sort("type", "schema_version"))

    def _profile(self, handled: pl.DataFrame) -> pl.DataFrame:
        """Return the time that handlers take: what they took for an event, times the events.

        That is the mean of the part where a handler ran in it, else that of the whole.
        """
        methods = self.part.handlers
        events = dict.fromkeys(self.part.profile["handler"].to_list(), 0)
        for type_, _, count in handled.rows():
            events[methods[type_]] += count
        means = {
            handler: mean
            for trial in (self.whole, self.part)
            for handler, mean in trial.profile.select("handler", "mean_us").rows()
            if mean is not None
        }
        rows = [
            (handler, count, count * means.get(handler, 0.0) / 1e6, means.get(handler))
            for handler, count in events.items()
        ]
        found = pl.DataFrame(rows, PROFILE.frame().schema, orient="row")
        return PROFILE.conform(found.sort("seconds", descending=True, maintain_order=True))
