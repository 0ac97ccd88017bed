"""Places where stored events lie, one module a system, all behind one port."""

from workbench.sources.base import RAW_SCHEMA, Capabilities, Part, Selection, Source, TimeIndexed

__all__ = ["RAW_SCHEMA", "Capabilities", "Part", "Selection", "Source", "TimeIndexed"]
