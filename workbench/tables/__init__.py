"""The spec of every table that a public function returns.

A spec names the columns with their dtypes, units and meaning, and the order of
the rows. It lives here once: the code builds frames from it, the tests hold
frames against it, and the README's reference is printed from it.
"""

from workbench.tables.comparing import CAUSES, COMPARED, CORRECTIONS, DIVERGENCES, ROWS
from workbench.tables.compatibility import FINDINGS, SCHEMA_DIFFERENCES
from workbench.tables.history import EVENTS, PROBLEMS, RATE, RECEIVERS, SNAPSHOTS, STREAMS, TYPES
from workbench.tables.schemas import (
    CHANGE_POINTS,
    DRIFT,
    SCHEMA_FIELDS,
    SCHEMA_MATRIX,
    SCHEMA_MISMATCHES,
    SCHEMA_OVERLAPS,
    SCHEMA_SHARES,
    SCHEMA_VERSIONS,
)
from workbench.tables.spec import TIME, Column, Dtype, Table
from workbench.tables.trials import CHANGES, COVERAGE, EDITS, FAILURES, HANDLED, IMPACT, PROFILE
from workbench.tables.upcasting import (
    RELEASE_FIELDS,
    RELEASE_STREAMS,
    RELEASE_TYPES,
    UNRESOLVED,
    UPCAST_FAILURES,
    UPCAST_FIELDS,
    UPCASTS,
)

ALL = (
    EVENTS,
    TYPES,
    STREAMS,
    RATE,
    PROBLEMS,
    RECEIVERS,
    SNAPSHOTS,
    SCHEMA_VERSIONS,
    SCHEMA_FIELDS,
    SCHEMA_OVERLAPS,
    SCHEMA_SHARES,
    SCHEMA_MATRIX,
    SCHEMA_MISMATCHES,
    SCHEMA_DIFFERENCES,
    FINDINGS,
    DRIFT,
    CHANGE_POINTS,
    CHANGES,
    FAILURES,
    HANDLED,
    COVERAGE,
    PROFILE,
    IMPACT,
    EDITS,
    COMPARED,
    ROWS,
    DIVERGENCES,
    CAUSES,
    CORRECTIONS,
    UPCASTS,
    UPCAST_FAILURES,
    UPCAST_FIELDS,
    UNRESOLVED,
    RELEASE_TYPES,
    RELEASE_FIELDS,
    RELEASE_STREAMS,
)

__all__ = [
    "ALL",
    "CAUSES",
    "CHANGES",
    "CHANGE_POINTS",
    "COMPARED",
    "CORRECTIONS",
    "COVERAGE",
    "DIVERGENCES",
    "DRIFT",
    "EDITS",
    "EVENTS",
    "FAILURES",
    "FINDINGS",
    "HANDLED",
    "IMPACT",
    "PROBLEMS",
    "PROFILE",
    "RATE",
    "RECEIVERS",
    "RELEASE_FIELDS",
    "RELEASE_STREAMS",
    "RELEASE_TYPES",
    "ROWS",
    "SCHEMA_DIFFERENCES",
    "SCHEMA_FIELDS",
    "SCHEMA_MATRIX",
    "SCHEMA_MISMATCHES",
    "SCHEMA_OVERLAPS",
    "SCHEMA_SHARES",
    "SCHEMA_VERSIONS",
    "SNAPSHOTS",
    "STREAMS",
    "TIME",
    "TYPES",
    "UNRESOLVED",
    "UPCASTS",
    "UPCAST_FAILURES",
    "UPCAST_FIELDS",
    "Column",
    "Dtype",
    "Table",
]
