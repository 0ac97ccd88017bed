"""Places where stored events lie, one module a system, all behind one port."""

from workbench.sources.base import (
    RAW_SCHEMA,
    Announcing,
    Capabilities,
    HeldBack,
    Part,
    Partitioned,
    Selection,
    Source,
    TimeIndexed,
    Wait,
    Withholding,
)

__all__ = [
    "RAW_SCHEMA",
    "Announcing",
    "Capabilities",
    "HeldBack",
    "Part",
    "Partitioned",
    "Selection",
    "Source",
    "TimeIndexed",
    "Wait",
    "Withholding",
]
