"""One line for each export from the pages: who took what, and when.

The line goes to the logger `workbench.audit`, and to a file where one is named. It is written
before anything is handed out: where it cannot be written, nothing is.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from workbench.dashboards.address import query_of
from workbench.errors import AccessError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.dashboards.address import Place
    from workbench.dashboards.exporting import Exported

_LOG = logging.getLogger("workbench.audit")
_LOCK = Lock()


@dataclass(frozen=True, slots=True)
class Person:
    """Who looks at the pages."""

    user: str | None
    """By the login; None where nobody has to log in."""
    address: str | None

    @classmethod
    def of(cls, request: object) -> Person:
        """Return who made a request, as the gate found out."""
        return cls(getattr(request, "workbench_user", None), getattr(request, "remote_ip", None))


def audited(person: Person, exported: Exported, place: Place, first: str, log: Path | None) -> None:
    """Write the line for an export.

    Parameters
    ----------
    person
        Who exports.
    exported
        What.
    place
        Where on the pages: which history, narrowed to what.
    first
        The name of the history that is shown where the place names none.
    log
        A file to append to, which only its owner can read; None for none.

    Raises
    ------
    AccessError
        If the file cannot be written to.
    """
    line = json.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "user": person.user,
            "address": person.address,
            "history": place.history or first,
            "place": query_of(place),
            "export": exported.name,
            "format": exported.form,
            "rows": exported.rows,
            "size_bytes": exported.size_bytes,
        }
    )
    _LOG.info("%s", line)
    if log is not None:
        append(log, line)


def append(log: Path, line: str = "") -> None:
    """Append a line to a file, or only see whether that could be done.

    Raises
    ------
    AccessError
        If it cannot.
    """
    try:
        with _LOCK:
            handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write(f"{line}\n" if line else "")
    except OSError as error:
        msg = (
            f"Cannot write the audit log '{log}': {error.strerror}. Nothing is exported without "
            "its line: name a file that can be written."
        )
        raise AccessError(msg) from error
