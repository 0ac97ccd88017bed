"""The fields of the Compare page: what is held against what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.dashboards.address import Scene
from workbench.dashboards.forms import Choice, RangeForm, TextFields, edit_options
from workbench.dashboards.parts import button, row, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import panel as pn

    from workbench.dashboards.address import Place
    from workbench.dashboards.parts import Act


class CompareForm:
    """Two projections, each with its git revision and its history, and a range for both.

    Parameters
    ----------
    revisions
        Whether revisions can be named.
    start
        What the button does.
    stop
        The button that stops.
    """

    def __init__(self, revisions: bool, start: Act, stop: pn.widgets.Button) -> None:  # noqa: FBT001
        self._a = Choice("Projection a", 180)
        self._revision_a = TextFields(("Git revision of a",), 150)
        self._edit_a = Choice("History of a", 150)
        self._b = Choice("Projection b", 180)
        self._revision_b = TextFields(("Git revision of b",), 150)
        self._edit_b = Choice("History of b", 150)
        self._history_b = Choice("Store of b", 150)
        self._range = RangeForm()
        self._revisions = (self._revision_a, self._revision_b)
        for one in self._revisions:
            one.view.visible = revisions
        self.view = row(
            self._a.view,
            self._revision_a.view,
            self._edit_a.view,
            text("<p class=muted>against</p>", width=54, sizing_mode=None),
            self._b.view,
            self._revision_b.view,
            self._history_b.view,
            self._edit_b.view,
            self._range.view,
            button("Compare them", start),
            stop,
            margin=(12, 0, 6, 0),
        )

    def fill(self, place: Place, names: Sequence[str], others: Sequence[str]) -> None:
        """Fill the fields with what a place says.

        Parameters
        ----------
        place
            What is shown.
        names
            The projections that are offered; without any, there are no fields.
        others
            The other histories.
        """
        scene = place.scene
        self.view.visible = bool(names)
        offers = {name: name for name in names}
        self._a.offer(offers, scene.projection or self._a.value)
        self._b.offer(offers, scene.other or self._b.value or (names[-1] if names else None))
        edits = edit_options(place.edits)
        self._edit_a.offer(edits, scene.edited, least=2)
        self._edit_b.offer(edits, scene.other_edited, least=2)
        same = {"the same store": None, **{name: name for name in others}}
        self._history_b.offer(same, scene.other_history, least=2)
        for field, revision in zip(
            self._revisions, (scene.revision, scene.other_revision), strict=True
        ):
            field.fill((revision,))
        self._range.fill(scene)

    def read(self) -> Scene:
        """Return what the fields say."""
        after, upto = self._range.read()
        revision, other_revision = (one.read()[0] or None for one in self._revisions)
        return Scene(
            self._a.value,
            after,
            upto,
            other=self._b.value,
            edited=self._edit_a.value,
            other_edited=self._edit_b.value,
            other_history=self._history_b.value,
            revision=revision,
            other_revision=other_revision,
        )
