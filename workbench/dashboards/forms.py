"""What is to be replayed, as fields: a projection, an edit of the history, a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.dashboards.making import Asked
from workbench.dashboards.named_edits import edit_named
from workbench.dashboards.parts import choice, field, row
from workbench.errors import EditError, ProjectionError, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import panel as pn

    from workbench.dashboards.address import Place, Scene
    from workbench.dashboards.named_edits import NamedEdit
    from workbench.dashboards.offering import Offer
    from workbench.dashboards.parts import Act

AS_STORED = "as it is stored"
MOST_DIGITS = 18


async def no_act(_event: Any) -> None:  # noqa: ANN401, Panel's event
    """What is in a form counts once it is run."""


def position_of(value: str | None) -> int | None:
    """Return the position that somebody has typed, None if there is none."""
    digits = "".join(c for c in value or "" if c in "0123456789")
    return int(digits[:MOST_DIGITS]) if digits else None


class Choice:
    """A list from which one is chosen, and whose entries change.

    It is made anew when they do: a browser that has not yet drawn a widget takes no change
    of it.

    Parameters
    ----------
    label
        What it is called; it is read out, and not seen.
    width
        In pixels.
    act
        What a choice does.
    """

    def __init__(self, label: str, width: int, act: Act = no_act) -> None:
        self._label, self._width, self._act = label, width, act
        self._list: pn.widgets.Select | None = None
        self.view = row(look="", width=width, sizing_mode=None, visible=False, align="center")

    @property
    def value(self) -> str | None:
        """What is chosen."""
        return None if self._list is None else self._list.value

    def offer(
        self, options: Mapping[str, str | None], value: str | None, *, least: int = 1
    ) -> None:
        """Offer values by their names, and choose one; with fewer than `least` it is hidden."""
        known = value if value in options.values() else next(iter(options.values()), None)
        if self._list is None or self._list.options != options:
            self._list = choice(
                self._label, dict(options), self._act, width=self._width, value=known
            )
            self.view.param.update(objects=[self._list], visible=len(options) >= least)
        elif self._list.value != known:
            self._list.value = known


def edit_options(edits: tuple[NamedEdit, ...]) -> dict[str, str | None]:
    """Return under which edits a history may be replayed, by what a list says."""
    return {AS_STORED: None, **{f"edited: {edit.name}": edit.name for edit in edits}}


class TextFields:
    """Fields for a line of text each, side by side, which are made once they are filled.

    Parameters
    ----------
    names
        What they are called, which also stands in them while they are empty.
    width
        Of each, in pixels.
    """

    def __init__(self, names: Sequence[str], width: int) -> None:
        self._names, self._width = names, width
        self._fields: list[pn.widgets.TextInput] = []
        whole = len(names) * (width + 4)
        self.view = row(width=whole, sizing_mode=None, align="center")

    def fill(self, values: Iterable[object]) -> None:
        """Show values; None is an empty field."""
        texts = ["" if value is None else str(value) for value in values]
        if not self._fields:
            self._fields = [
                field(
                    name,
                    name,
                    no_act,
                    value=text,
                    width=self._width,
                    sizing_mode=None,
                    margin=0,
                    align="center",
                    css_classes=["wb-bare"],
                )
                for name, text in zip(self._names, texts, strict=True)
            ]
            self.view.objects = self._fields
        for one, text in zip(self._fields, texts, strict=True):
            one.value = text

    def read(self) -> list[str]:
        """Return what is typed into each."""
        return [(one.value or "").strip() for one in self._fields]


class RangeForm:
    """Two fields for the positions that are replayed."""

    def __init__(self) -> None:
        self._fields = TextFields(("After position", "Up to position"), 126)
        self.view = self._fields.view

    def fill(self, scene: Scene) -> None:
        """Show the range of a scene."""
        self._fields.fill((scene.after, scene.upto))

    def read(self) -> tuple[int | None, int | None]:
        """Return after and up to which position is replayed, None where nothing is typed."""
        after, upto = map(position_of, self._fields.read())
        return after, upto


def asked_by(place: Place, offers: Mapping[str, Offer]) -> Asked:
    """Return the trial that a place asks for.

    Raises
    ------
    ProjectionError
        If no projection of that name is offered.
    EditError
        If no edit of that name is at hand.
    """
    scene = place.scene
    return asked_for(offers, place.edits, scene.projection, scene.edited, (scene.after, scene.upto))


def asked_for(
    offers: Mapping[str, Offer],
    edits: tuple[NamedEdit, ...],
    projection: str | None,
    edited: str | None,
    between: tuple[int | None, int | None],
    revision: str | None = None,
) -> Asked:
    """Return the trial of a projection over a history with an edit, both by name.

    Raises
    ------
    ProjectionError
        If no projection of that name is offered.
    EditError
        If no edit of that name is at hand.
    """
    if projection is None or projection not in offers:
        msg = f"There is no projection {projection!r} here. {near(str(projection), offers)}"
        raise ProjectionError(msg)
    edit = edit_named(edits, edited)
    if edited is not None and edit is None:
        msg = f"There is no edit {edited!r} here. {near(edited, [one.name for one in edits])}"
        raise EditError(msg)
    return Asked(offers[projection], edit, *between, revision)
