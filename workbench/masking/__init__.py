"""Masked histories: payloads of which some values are never seen.

`rules` says which values, `hiding` what becomes of them, `source` lays it over a source,
so that whoever reads the history can only see what is left.
"""

from workbench.masking.rules import Masks
from workbench.masking.source import MaskedSource, masked, masks_of

__all__ = ["MaskedSource", "Masks", "masked", "masks_of"]
