"""The commands that list a table: types, streams, stream, rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli import views
from workbench.cli.app import Answer
from workbench.cli.envelope import rows
from workbench.cli.options import FILE, LIMIT, NARROWING, STORE, TARGET, Asked, command

if TYPE_CHECKING:
    import polars as pl

    from workbench.cli.printing import Screen
    from workbench.cli.views import Field


def listed(
    asked: Asked,
    table: pl.DataFrame,
    view: tuple[Field, ...],
    what: str,
    prepared: pl.DataFrame | None = None,
) -> Answer:
    """Return the answer that lists a table; `prepared` has what only people are shown."""
    shown = table if prepared is None else prepared

    def show(screen: Screen) -> None:
        most = asked.most(screen.most_rows if screen.is_terminal else None)
        top = shown if most is None else shown.head(most)
        if table.height:
            screen.table(views.columns(view, top))
        more(screen, table.height, top.height, what)

    def result() -> dict[str, object]:
        most = asked.most(None)
        return rows(table if most is None else table.head(most), table.height)

    return Answer(result, show)


def more(screen: Screen, total: int, shown: int, what: str) -> None:
    """Print how many rows are not listed, if any."""
    if not total:
        screen.line(f"There are no {what}.")
    elif shown < total:
        said = f"{total - shown:,} more {what} of {total:,}: --limit 0 lists all."
        screen.line(said, dim=True)


def with_short_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `shown`: the short type, in full where that is ambiguous."""
    import polars as pl

    from workbench.catalog import SHORT_NAME

    several = pl.col("type").n_unique().over(SHORT_NAME) > 1
    return frame.with_columns(pl.when(several).then("type").otherwise(SHORT_NAME).alias("shown"))


@command(
    "types", TARGET, *STORE, *FILE, *NARROWING, LIMIT, examples=["types shop.db --since 2026-01-01"]
)
def types(asked: Asked) -> Answer:
    """List the event types, with counts, times and sizes."""
    found = asked.bar.watch(asked.history(), "counting types").types()
    return listed(asked, found, views.TYPES, "types", with_short_types(found))


@command(
    "streams",
    TARGET,
    *STORE,
    *FILE,
    *NARROWING,
    LIMIT,
    examples=["streams shop.db --type Refund.Issued"],
)
def streams(asked: Asked) -> Answer:
    """List the streams, with counts and times."""
    found = asked.bar.watch(asked.history(), "counting streams").streams()
    return listed(asked, found, views.STREAMS, "streams")


@command(
    "stream",
    TARGET,
    click.argument("stream_id", metavar="STREAM"),
    *STORE,
    *FILE,
    *NARROWING[:-1],
    LIMIT,
    examples=["stream shop.db order-10001", "stream shop.db order-10001 --json"],
)
def stream(asked: Asked, stream_id: str) -> Answer:
    """Show the events of one stream in order, with payloads."""
    import polars as pl

    history = asked.history().of_streams(stream_id)
    found = asked.bar.watch(history, "reading the stream").scan().collect()
    said = pl.format("({})", pl.col("problem").fill_null("no payload"))
    shown_data = pl.coalesce("data", said).alias("shown_data")
    prepared = with_short_types(found).with_columns(shown_data)
    return listed(asked, found, views.STREAM, "events", prepared)


@command(
    "rate",
    TARGET,
    click.option("--every", default="1d", show_default=True, help="The window: 1h, 1d, 1w, 1mo."),
    click.option(
        "--by",
        type=click.Choice(["type", "stream", "aggregate"]),
        default="type",
        show_default=True,
        help="What to count apart.",
    ),
    *STORE,
    *FILE,
    *NARROWING,
    LIMIT,
    examples=["rate shop.db --every 1mo --by aggregate"],
)
def rate(asked: Asked, every: str, by: Any) -> Answer:  # noqa: ANN401, one of three, says click
    """Count the events in each window of time."""
    found = asked.bar.watch(asked.history(), "counting").rate(every, by)
    return listed(asked, found, views.RATE, "windows with events")
