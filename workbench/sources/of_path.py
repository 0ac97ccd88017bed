"""Which kind of file lies at a path: told by its ending, its folder, or its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UnknownTargetError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.sources.base import Source
    from workbench.sources.columns import Columns


def source_at(path: Path, columns: Columns | None, object_type: str | None) -> Source | None:
    """Return the source of a file or folder of events, None if it is for a database to open.

    Raises
    ------
    UnknownTargetError
        If an option is given that this kind of file has no use for.
    """
    from workbench.sources.delta import is_delta, open_delta
    from workbench.sources.files import is_file_of_events, open_files
    from workbench.sources.ocel import is_log, open_ocel
    from workbench.sources.xes import is_xes, open_xes

    is_object_centric = is_log(path)
    if not is_object_centric:
        refuse(path, object_type=object_type)
    if is_object_centric or is_xes(path):
        refuse(path, columns=columns)
        return open_ocel(path, object_type) if is_object_centric else open_xes(path)
    if is_delta(path):
        return open_delta(path, columns)
    if is_file_of_events(path):
        return open_files(path, columns)
    refuse(path, columns=columns)
    return None


_FOR = {"columns": "files and tables", "object_type": "object-centric logs"}


def refuse(target: object, **given: object) -> None:
    """Raise if an option is given that a target has no use for.

    Raises
    ------
    UnknownTargetError
        If one of them is not None.
    """
    for option, value in given.items():
        if value is not None:
            msg = (
                f"Cannot open {str(target)!r:.200} with {option}={value!r:.100}: it is for "
                f"{_FOR[option]}, and this is none. Leave {option}= out."
            )
            raise UnknownTargetError(msg)
