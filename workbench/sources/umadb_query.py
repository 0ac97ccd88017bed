"""What a UmaDB server is asked to select, and what is left to select here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from workbench.sources.umadb_frames import ORIGINATOR

if TYPE_CHECKING:
    from workbench.sources.base import Selection

LARGEST_QUERY = 2**20  # bytes; the server takes 4 MiB


def query_of(selection: Selection) -> tuple[Any, bool]:
    """Return what the server is asked to select, and whether that is all of the selection."""
    import umadb

    types, tags = selection.types, sorted(selection.tags)
    originators = [
        ORIGINATOR + form for stream in selection.streams or () for form in _stored_forms(stream)
    ]
    kinds = sorted(types or ())
    if _size(kinds) * max(len(originators), 1) > LARGEST_QUERY:
        kinds = []
    if _size(originators) + _size(tags) * len(originators) > LARGEST_QUERY:
        originators = []
    if not (kinds or tags or originators):
        return None, _is_exact(selection, kinds, originators)
    asked = [[name, *tags] for name in sorted(originators)] or [tags]
    items = [umadb.QueryItem(types=kinds, tags=tags_of_one) for tags_of_one in asked]
    return umadb.Query(items=items), _is_exact(selection, kinds, originators)


def _is_exact(selection: Selection, kinds: list[str], originators: list[str]) -> bool:
    """Return whether nothing that the server hands out is left out here."""
    return (
        selection.after_version is None
        and selection.upto_version is None
        and selection.streams is None
        and not originators
        and bool(kinds) == bool(selection.types)
    )


def _size(names: list[str]) -> int:
    return sum(len(name.encode()) + 8 for name in names)


def _stored_forms(stream: str) -> set[str]:
    """Return how the recorder may have written a stream's id into a tag."""
    try:
        return {stream, str(UUID(stream))}
    except ValueError:
        return {stream}
