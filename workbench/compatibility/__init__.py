"""Compatibility: what changed from one schema to another, and which stored events that breaks."""

from workbench.compatibility.differences import SchemaDiff, diff
from workbench.compatibility.levels import LEVELS
from workbench.compatibility.stored import check_compatibility

__all__ = ["LEVELS", "SchemaDiff", "check_compatibility", "diff"]
