"""Every error that the workbench raises, as one tree.

Each class is also the builtin that a caller would catch, so that
`except FileNotFoundError` works without knowing this module. A message has
three parts: what was asked, what was found, what to do.

::

    WorkbenchError
    ├── UnknownTargetError (ValueError)          no kind of source fits the target
    ├── StoreNotFoundError (FileNotFoundError)   nothing is there
    ├── StoreUnreadableError (OSError)           something is there, but no store
    │   ├── StoreLockedError                     another process holds it
    │   ├── ServerUnreachableError (ConnectionError)  a server does not answer, or no longer
    │   └── AccessDeniedError (PermissionError)  a server refuses who asks
    ├── UnknownLayoutError (ValueError)          a database without stored events
    ├── UnknownApplicationError (LookupError)    which application of several
    ├── UnknownTypeError (LookupError)           no event type of that name, or several
    ├── UnknownStreamError (LookupError)         no such stream
    ├── UnknownTagError (LookupError)            no event with all of these tags
    ├── UnknownPositionError (LookupError)       no event with that number
    ├── UnknownTableError (LookupError)          the trial has no such table
    ├── UnknownSchemaError (LookupError)         the type has no schema of that name
    ├── SchemaError (ValueError)                 a schema that cannot be read or compared
    ├── UnknownClassError (LookupError)          a stored type without a class that may be used
    ├── MappingError (ValueError)                columns of a file that make no events
    ├── ConditionError (ValueError)              a condition that cannot be read
    ├── RangeError (ValueError)                  a range that ends before it begins
    ├── EditError (ValueError)                   an edit that cannot be made
    ├── WrongKeyError (ValueError)               the cipher key does not fit
    ├── CodecError (ValueError)                  a cipher or compressor cannot be used
    ├── ReplayError (RuntimeError)               a replay that ended early
    │   ├── ProjectionError (TypeError)          a projection that cannot be run
    │   └── HandlerError                         a handler raised during a replay
    ├── NoChangeLogError (LookupError)           a table whose changes nobody recorded
    ├── UnknownRowError (LookupError)            a row that never was in the table
    ├── TrialError (ValueError)                  a trial that cannot go on, or be loaded
    ├── ComparisonError (ValueError)             two trials that cannot be compared
    │   └── MinimalError                         a difference that no few events show
    ├── UnknownCauseError (LookupError)          a cause that the comparison does not have
    ├── RevisionError (LookupError)              code that a git revision does not have
    ├── UpcasterError (ValueError)               code whose upcasters cannot be tried, or drafted
    ├── ExportError (OSError)                    a file that cannot be written
    ├── ArchiveError (ValueError)                a history that does not go on an archive
    └── MissingExtraError (ImportError)          an optional package is not installed
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.trials.trial import Trial

MOST_ALTERNATIVES = 5


class WorkbenchError(Exception):
    """The root of all errors that the workbench raises."""


class UnknownTargetError(WorkbenchError, ValueError):
    """A target for which no kind of source exists."""


class StoreNotFoundError(WorkbenchError, FileNotFoundError):
    """A path with nothing there."""


class StoreUnreadableError(WorkbenchError, OSError):
    """A path with something there that cannot be read as a store."""


class StoreLockedError(StoreUnreadableError):
    """A store that another process holds locked."""


class ServerUnreachableError(StoreUnreadableError, ConnectionError):
    """A server that does not answer, or has stopped to."""


class AccessDeniedError(StoreUnreadableError, PermissionError):
    """A server that refuses to tell this to whoever asks."""


class UnknownLayoutError(WorkbenchError, ValueError):
    """A database in which no table looks like stored events."""


class UnknownApplicationError(WorkbenchError, LookupError):
    """A store of several applications, of which none, or no existing one, was named."""


class UnknownTypeError(WorkbenchError, LookupError):
    """An event type that the history does not have, or a short name of several."""


class UnknownStreamError(WorkbenchError, LookupError):
    """A stream that the history does not have."""


class UnknownTagError(WorkbenchError, LookupError):
    """Tags that no event has together, or a source whose events have none."""


class UnknownPositionError(WorkbenchError, LookupError):
    """A position at which the history has no event."""


class UnknownTableError(WorkbenchError, LookupError):
    """A table that the projection does not declare."""


class UnknownSchemaError(WorkbenchError, LookupError):
    """A schema that an event type does not have."""


class SchemaError(WorkbenchError, ValueError):
    """A declared schema that cannot be read as one, or two that cannot be compared."""


class UnknownClassError(WorkbenchError, LookupError):
    """A stored type whose class is not in the modules that the user named."""


class MappingError(WorkbenchError, ValueError):
    """Columns of a file that make no events: not there, or positions that occur twice."""


class ConditionError(WorkbenchError, ValueError):
    """A condition that cannot be read; `at` is where in its text, from 0, where one place is."""

    at: int | None = None


class RangeError(WorkbenchError, ValueError):
    """A range that ends before it begins, or whose ends are of the wrong kind."""


class EditError(WorkbenchError, ValueError):
    """An edit of a history that cannot be made: it names no event, or writes no payload."""


class WrongKeyError(WorkbenchError, ValueError):
    """A cipher key that does not decipher the stored events."""


class CodecError(WorkbenchError, ValueError):
    """A cipher or compressor that was named but cannot be used."""


class ReplayError(WorkbenchError, RuntimeError):
    """A replay that ended early; `trial` is what it had come to, if it had begun."""

    trial: Trial | None = None


class ProjectionError(ReplayError, TypeError):
    """A projection that cannot be run: no handlers, or tables declared wrongly."""


class HandlerError(ReplayError):
    """A handler of a projection raised; the cause is chained."""


class NoChangeLogError(WorkbenchError, LookupError):
    """A table whose changes nobody recorded, as that of a Polars function."""


class UnknownRowError(WorkbenchError, LookupError):
    """A key, or a column, that a trial's table never had."""


class TrialError(WorkbenchError, ValueError):
    """A trial that cannot go on, be run again, be saved, or be loaded."""


class ComparisonError(WorkbenchError, ValueError):
    """Two trials that cannot be compared: no tables in common, or tables of other keys."""


class MinimalError(ComparisonError):
    """A difference that cannot be shown with few events, or written as a test."""


class UnknownCauseError(WorkbenchError, LookupError):
    """A cause that a comparison does not have."""


class RevisionError(WorkbenchError, LookupError):
    """Code that cannot be had from a git revision: no repository, revision, module or name."""


class UpcasterError(WorkbenchError, ValueError):
    """Code whose upcasters cannot be tried: none is named, or it cannot be loaded; or drafted."""


class ExportError(WorkbenchError, OSError):
    """An export that cannot be written where it was asked for."""


class ArchiveError(WorkbenchError, ValueError):
    """A history that does not go on what an archive holds, or an archive of something else."""


class MissingExtraError(WorkbenchError, ImportError):
    """A feature whose optional package is not installed."""


def missing_extra(feature: str, extra: str) -> MissingExtraError:
    """Return the error for a feature whose optional package is not there.

    Examples
    --------
    >>> print(missing_extra("AES ciphers", "crypto"))
    AES ciphers need the extra 'crypto'. Install it: pip install 'event-workbench[crypto]'
    """
    return MissingExtraError(
        f"{feature} need the extra {extra!r}. Install it: pip install 'event-workbench[{extra}]'"
    )


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint that lists at most five names like `name`, else the first five.

    Examples
    --------
    >>> near("Order.Shiped", ["Order.Shipped", "Order.Placed"])
    'Near it: Order.Shipped, Order.Placed.'
    >>> near("xyz", ["b", "a"])
    'There are: a, b.'
    >>> near("xyz", [])
    'There are none.'
    """
    names = sorted(set(known))
    if not names:
        return "There are none."
    close = get_close_matches(name, names, n=MOST_ALTERNATIVES, cutoff=0.6)
    if not close:
        folded = name.casefold()
        close = [n for n in names if folded in n.casefold()][:MOST_ALTERNATIVES]
    if close:
        return f"Near it: {', '.join(map(printable, close))}."
    more = len(names) - MOST_ALTERNATIVES
    tail = f" and {more} more" if more > 0 else ""
    return f"There are: {', '.join(map(printable, names[:MOST_ALTERNATIVES]))}{tail}."


def printable(name: str) -> str:
    r"""Return a name as it is, or quoted where it would break or hide in a line.

    Examples
    --------
    >>> printable("Order.Shipped")
    'Order.Shipped'
    >>> print(printable("Order.Shipped" + chr(10)), printable(""))
    'Order.Shipped\n' ''
    """
    return name if name and name.isprintable() else repr(name)
