"""Below two versions side by side: an upcaster from one to the other and its test, to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.dashboards.markup import code_block, escaped
from workbench.dashboards.parts import button, column, failure, loading, text
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.dashboards.answers import Answers
    from workbench.schemas import Schema
    from workbench.upcasting.drafts import Drafts

RUNS = "It runs as it is. LOSSY, INVENTED, CHECK and TODO mark what is for you to decide."


class DraftPane:
    """The drafts for the two schemas that are chosen; made when somebody asks.

    Parameters
    ----------
    answers
        What is asked of the history.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._pair: tuple[Schema, Schema] | None = None
        self._button = button("Draft an upcaster", self._draft, align="start")
        self._said = text(margin=(8, 0, 0, 0))
        self.view = column(self._button, self._said, visible=False, margin=(8, 0, 0, 0))

    def offer(self, older: Schema | None, newer: Schema | None) -> None:
        """Offer drafts for two schemas; nothing where there are not two."""
        self._pair = None
        if older is not None and newer is not None and older is not newer:
            self._pair = older, newer
            self._button.label = f"Draft an upcaster from {older.name} to {newer.name}"
        self._said.object = ""
        self.view.visible = self._pair is not None

    async def _draft(self, _event: Any) -> None:  # noqa: ANN401, Panel's event
        pair = self._pair
        if pair is None:
            return
        self._said.object = loading("Drafting…")
        try:
            drafts = await self._answers.in_turn(lambda: self._answers.drafts(*pair))
            said = drafts_html(drafts)
        except WorkbenchError as error:
            said = failure(error)
        if pair == self._pair:  # else two others have been chosen meanwhile
            self._said.object = said


def drafts_html(drafts: Drafts) -> str:
    """Return drafts as HTML, each with a button that copies it."""
    notes = "".join(f"<p class=note>{escaped(note)}</p>" for note in (*drafts.notes, RUNS))
    parts = [f"<h2>Upcaster</h2>{notes}{code_block(drafts.upcaster)}"]
    if drafts.test is not None:
        parts.append(f"<h2>A test for it, with stored events</h2>{code_block(drafts.test)}")
    return "".join(parts)
