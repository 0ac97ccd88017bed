"""Where the plots of a value are reached: `history.plot.rate()`.

The plots are made by `workbench.dashboards.plots`, where Plotly is loaded. A value that stands
far below knows them by name alone: the module is loaded when a plot is asked for, so that
no layer imports one above it, and `import workbench` loads no Plotly.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar, overload

if TYPE_CHECKING:
    from typing import Self

Plots = TypeVar("Plots")


@dataclass(frozen=True)
class Plotted(Generic[Plots]):
    """A property that returns the plots of its owner.

    Parameters
    ----------
    where
        The class of the plots, as `module:Class`; it is given the owner.
    """

    where: str

    @overload
    def __get__(self, owner: None, of: type) -> Self: ...
    @overload
    def __get__(self, owner: object, of: type) -> Plots: ...
    def __get__(self, owner: object | None, of: type) -> Self | Plots:
        """Return the plots of a value."""
        if owner is None:
            return self
        module, _, name = self.where.partition(":")
        plots: Plots = getattr(import_module(module), name)(owner)
        return plots
