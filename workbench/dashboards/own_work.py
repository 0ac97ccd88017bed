"""What belongs to one person's pages alone, and to no address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.dashboards.answers import Answers
    from workbench.dashboards.offering import Offer


@dataclass
class OwnWork:
    """One person's pages."""

    writes: bool = False
    """Whether projections may be written here: their code runs in this process."""
    revisions: bool = False
    """Whether code of git revisions may be run from here, in processes of its own."""
    written: dict[str, Offer] = field(default_factory=dict)
    """What has been written here, by name."""
    code: str = ""
    """The text in the editor."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Why causes of differences are intended, by the cause's name."""

    def offers(self, answers: Answers) -> dict[str, Offer]:
        """Return what may be replayed, by name."""
        return {**answers.projections, **self.written}
