"""What if: a history with events dropped, altered, inserted or moved, and nothing written."""

from workbench.edits.making import edited
from workbench.edits.overlay import EditedSource
from workbench.edits.values import Alter, Asked, Change, Edit, Insert, NewEvent, Which

__all__ = [
    "Alter",
    "Asked",
    "Change",
    "Edit",
    "EditedSource",
    "Insert",
    "NewEvent",
    "Which",
    "edited",
]
