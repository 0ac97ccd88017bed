"""Which events may be wrong: those that problems name, and those that a search finds.

Nothing of Panel is here: what the page What if shows, these functions return.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.catalog import SHORT_NAME
from workbench.dashboards.grid import shown, shown_time
from workbench.dashboards.queries import Filters
from workbench.dashboards.summary import HOLE
from workbench.payload.native import native
from workbench.payload.written import TIME_FIELD, VERSION_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PROBLEMS = 300
MOST_LISTED = 50
MOST_CHARACTERS = 200  # of a value that is listed
_NO_EVENT = (HOLE, "log_time_backwards", "receiver_ahead", "snapshot_ahead")
"""Problems of which no one event is the cause."""
_ENVELOPE = (TIME_FIELD, VERSION_FIELD)


def problem_events(problems: pl.DataFrame) -> pl.DataFrame:
    """Return the problems that an event may be the cause of, the most severe first.

    `severity`, `kind`, `found` and `stream` are text; `position` is the event: of two that a
    problem names, the later.
    """
    one = ~pl.col("kind").is_in(_NO_EVENT) & pl.col("last_position").is_not_null()
    return (
        problems.filter(one)
        .head(MOST_PROBLEMS)
        .select(
            "severity", "kind", "found", shown("stream"), pl.col("last_position").alias("position")
        )
    )


def search_filters(text: str, stream: str, type_: str) -> Filters:
    """Return what somebody looks for: a number alone is a position, anything else is text."""
    found = text.strip()
    digits = found.replace(",", "")
    position = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None  # noqa: PLR2004, digits of Int64
    return Filters(
        types=(type_.strip(),) if type_.strip() else (),
        stream=stream.strip() or None,
        first_position=position,
        last_position=position,
        text=found if found and position is None else None,
    )


def searched(filters: Filters) -> str:
    """Return the text that `search_filters` made filters of."""
    if filters.first_position is not None and filters.first_position == filters.last_position:
        return str(filters.first_position)
    return filters.text or ""


def listed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a page of events, `listing.LISTING`, as text."""
    return rows.select(
        "position",
        shown_time("time"),
        SHORT_NAME.fill_null("no type").alias("name"),
        shown("stream"),
        pl.coalesce("preview", pl.format("⚠ {}", "problem")).fill_null("").alias("preview"),
    )


def fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event's payload as JSON has them; none where it has none."""
    try:
        found = json.loads(event["data"] or "")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name not in _ENVELOPE}


def field_rows(event: Mapping[str, Any]) -> pl.DataFrame:
    """Return the fields of an event's payload, a row each: `field`, `value`, both text."""
    rows = [(name, plain(value)[:MOST_CHARACTERS]) for name, value in fields(event).items()]
    return pl.DataFrame(rows, schema={"field": pl.String, "value": pl.String}, orient="row")


def plain(value: Any) -> str:  # noqa: ANN401, JSON
    """Return a value as somebody would type it: a text and what a wrapper wraps without quotes."""
    found = native(value)
    if isinstance(found, str):
        return found
    if isinstance(found, dict | list | bool | int | float | None):
        return json.dumps(value, ensure_ascii=False)
    return str(found)


def corrected(corrections: pl.DataFrame) -> pl.DataFrame:
    """Return what `propose_correction` proposes, `CORRECTIONS`, for a page."""
    return corrections.select(
        "action",
        "table",
        "key",
        *(shown(name) for name in ("column", "value", "should_be", "difference")),
        shown("position"),
        SHORT_NAME.fill_null("").alias("name"),
    )
