"""What a dry run over all stored events found, as a value."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import SHORT_NAME
from workbench.description import html_table

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROWS = 20
_SHOWN = (
    *("type", "stored_version", "code_version", "steps", "events", "succeeded", "failed"),
    *("untried", "newer", "lost", "filled", "changed_type", "missing", "extra"),
)


@dataclass(frozen=True, repr=False)
class UpcasterReport:
    """What became of every stored event when it was upcast with the user's classes.

    Made by `check_upcasters`.
    """

    paths: pl.DataFrame
    """By type and stored version: `workbench.tables.UPCASTS`."""
    failures: pl.DataFrame
    """Events that failed: `workbench.tables.UPCAST_FAILURES`, at most 10,000 of each path."""
    fields: pl.DataFrame
    """What became of fields: `workbench.tables.UPCAST_FIELDS`."""
    unresolved: pl.DataFrame
    """Types that no named class answers to: `workbench.tables.UNRESOLVED`."""
    events: int
    """Events that were looked at."""
    last_position: int | None
    """The last of them: up to here, the report is whole."""
    seconds: float
    """How long it took."""
    stopped: str | None
    """Why it ended early, None if it did not."""
    code: str
    """The code, as it was named."""

    @property
    def is_complete(self) -> bool:
        """Whether every event of the history was looked at and tried."""
        return self.stopped is None and self.untried == 0

    @property
    def failed(self) -> int:
        """How many events failed."""
        return int(self.paths["failed"].sum())

    @property
    def untried(self) -> int:
        """How many events were given up."""
        return int(self.paths["untried"].sum())

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        said = [f"{self.failed:,} of {self.events:,} events fail"]
        newer, elsewhere = (
            int(self.paths["newer"].sum()),
            self.unresolved.filter(~pl.col("is_named")),
        )
        if newer:
            said.append(f"{newer:,} are newer than the code")
        if self.untried:
            said.append(f"{self.untried:,} were given up")
        if elsewhere.height:
            said.append(f"{elsewhere['events'].sum():,} are of modules that were not named")
        if self.stopped is not None:
            said.append(f"stopped at position {self.last_position or 0:,}: {self.stopped}")
        return "; ".join(said)

    def __repr__(self) -> str:
        """One line."""
        return f"<UpcasterReport of {self.code}: {self.verdict}>"

    def _repr_html_(self) -> str:
        told = {
            "code": self.code,
            "found": self.verdict,
            "rate": f"{self.rate:,.0f} events/s",
        }
        return (
            html_table("Upcasters, tried on every stored event", told)
            + table(self.paths.select(_SHOWN).with_columns(SHORT_NAME.alias("type")))
            + (table(self.failures.drop("stream", "version")) if self.failures.height else "")
        )


def table(frame: pl.DataFrame, names: Sequence[str] = ()) -> str:
    """Return the first rows of a frame as a static table, all of it escaped."""
    shown = frame.select(names) if names else frame
    head = "".join(f"<th>{html.escape(name)}</th>" for name in shown.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>"
        for row in shown.head(MOST_ROWS).iter_rows()
    )
    more = frame.height - MOST_ROWS
    tail = f"<p>and {more:,} more rows</p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{tail}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return html.escape(str(value)[:MOST_CHARACTERS])


MOST_CHARACTERS = 300
