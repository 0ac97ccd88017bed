"""What to say of streams and tags that a source does not have: what there is instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UnknownStreamError, UnknownTagError, near

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

MOST_SEEN = 10_000  # events that are looked at for names like the one that is not there


def no_stream(stream: str, name: str, events: pl.LazyFrame) -> UnknownStreamError:
    """Return the error for a stream that the events of the source `name` do not have."""
    known = events.select("stream").head(MOST_SEEN).unique().collect()["stream"]
    return UnknownStreamError(
        f"Cannot find the stream {stream!r} in {name!r}. "
        f"{near(stream, known.drop_nulls().to_list())}"
    )


def no_tags(tags: Sequence[str], name: str, events: pl.LazyFrame | None) -> UnknownTagError:
    """Return the error for tags that no event has together; `events` is None if none has any."""
    if events is None:
        return UnknownTagError(
            f"Cannot find the tags {list(tags)} in {name!r}: its events have no tags. "
            "Use of_streams or of_types."
        )
    seen = events.select("tags").head(MOST_SEEN).collect()["tags"]
    known = seen.explode().drop_nulls().unique().to_list()
    unknown = next((tag for tag in tags if tag not in known), None)
    hint = "Each of them occurs, but not together." if unknown is None else near(unknown, known)
    return UnknownTagError(f"Cannot find events with the tags {list(tags)} in {name!r}. {hint}")
