"""The parts that pages are made of: boxes, texts, fields and buttons, in one look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from workbench.dashboards.markup import notice
from workbench.dashboards.style import sheets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    Act = Callable[[Any], Awaitable[None]]
    """What a click or a change of value does; it is given Panel's event."""

GAP = (0, 0, 6, 0)


def at_once() -> AbstractContextManager[None]:
    """Return a context in which a page changes as one: what is changed is sent at its end."""
    return pn.io.hold()


class Plain:
    """A part that has our sheets alone.

    Panel links some more to each part, which say nothing of these: a browser would fetch them
    for each before it shows it, and in a notebook from Panel's own site.
    """

    def _process_param_change(self, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = super()._process_param_change(params)  # type: ignore[misc]
        if "stylesheets" in found:
            found["stylesheets"] = [one for one in found["stylesheets"] if isinstance(one, str)]
        return found


class Column(Plain, pn.Column):
    """Parts below each other."""


class Row(Plain, pn.Row):
    """Parts beside each other."""


def column(*parts: pn.viewable.Viewable, look: str = "", **options: Any) -> pn.Column:  # noqa: ANN401
    """Return parts below each other; `look` names classes of `layout.css`."""
    return Column(*parts, **_boxed(look, options))


def row(*parts: pn.viewable.Viewable, look: str = "bar", **options: Any) -> pn.Row:  # noqa: ANN401
    """Return parts beside each other; `look` names classes of `layout.css`."""
    return Row(*parts, **_boxed(look, options))


def _boxed(look: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "sizing_mode": "stretch_width",
        "margin": 0,
        "css_classes": [f"wb-{name}" for name in look.split()],
        "stylesheets": sheets("layout"),
        **options,
    }


class Text(Plain, pn.pane.HTML):
    """A place for HTML."""

    priority = 0  # Panel must not choose it by itself for what looks like HTML


def text(html: str = "", **options: Any) -> Text:  # noqa: ANN401, Panel's options
    """Return a place for HTML, in which what comes from a store has to be escaped."""
    chosen = {
        "sizing_mode": "stretch_width",
        "margin": 0,
        "align": "center",
        "stylesheets": sheets("text", "payload"),
        **options,
    }
    return Text(html, **chosen)  # type: ignore[no-untyped-call]


def button(
    name: str,
    act: Act,
    *,
    look: str = "",
    key: str = "",
    **options: Any,  # noqa: ANN401, Panel's options
) -> pn.widgets.Button:
    """Return a button.

    Parameters
    ----------
    name
        What is written on it.
    act
        What a click does.
    look
        Classes of `button.css`: 'link', 'small', 'tab', 'narrow' or 'unseen'.
    key
        Which key presses it: one of the names in `page.html`, such as 'next-page'.
    options
        Those of Panel.
    """
    look = f"{look} key-{key}" if key else look
    found = pn.widgets.Button(  # type: ignore[no-untyped-call]
        label=name,
        css_classes=[f"wb-{name}" for name in look.split()],
        stylesheets=sheets("button"),
        **{"margin": 0, "align": "center", **options},
    )
    found.on_click(act)
    return found


def download(name: str) -> pn.widgets.FileDownload:
    """Return a button that downloads; its `callback` and `filename` are to be set."""
    return pn.widgets.FileDownload(  # type: ignore[no-untyped-call]
        label=name, margin=(4, 0, 0, 0), stylesheets=sheets("button")
    )


def choice(
    label: str,
    options: Sequence[object] | dict[str, Any],
    act: Act,
    *,
    width: int,
    **others: Any,  # noqa: ANN401, Panel's options
) -> pn.widgets.Select:
    """Return a list from which one is chosen; its label is read out, and not seen."""
    found = pn.widgets.Select(  # type: ignore[no-untyped-call]
        label=label,
        options=options,
        width=width,
        css_classes=["wb-bare"],
        stylesheets=sheets("field"),
        **{"margin": 0, "align": "center", **others},
    )
    _acts(found, act)
    return found


def field(name: str, placeholder: str, act: Act, **options: Any) -> pn.widgets.TextInput:  # noqa: ANN401
    """Return a field for one line of text, which acts on Enter and when it is left."""
    chosen = {"sizing_mode": "stretch_width", "margin": GAP, **options}
    found = pn.widgets.TextInput(
        label=name, placeholder=placeholder, stylesheets=sheets("field"), **chosen
    )
    _acts(found, act)
    return found


def offers(act: Act) -> pn.widgets.RadioBoxGroup:
    """Return a list of suggestions below a field, of which one is taken; it is hidden first."""
    found = pn.widgets.RadioBoxGroup(  # type: ignore[no-untyped-call]
        options=[],
        value=None,
        visible=False,
        sizing_mode="stretch_width",
        margin=GAP,
        css_classes=["wb-checks", "wb-offers"],
        stylesheets=sheets("field"),
    )
    _acts(found, act)
    return found


def checks(act: Act) -> pn.widgets.CheckBoxGroup:
    """Return a list from which several are chosen."""
    found = pn.widgets.CheckBoxGroup(  # type: ignore[no-untyped-call]
        options={},
        sizing_mode="stretch_width",
        margin=GAP,
        css_classes=["wb-checks"],
        stylesheets=sheets("field"),
    )
    _acts(found, act)
    return found


def _acts(found: pn.widgets.Widget, act: Act) -> None:
    found.param.watch(act, "value")
    at_a_touch(found)


def at_a_touch(found: pn.reactive.Syncable) -> None:
    """Have what a person does there act at once: Panel waits 50 ms for more of the same.

    That helps where values come in a stream, as of a slider, and only costs where they do not.
    """
    found._debounce = 0  # type: ignore[misc]  # noqa: SLF001, there is no public way in


def loading(what: str, *, tall: bool = False) -> str:
    """Return the HTML that stands where something is still being read."""
    return f'<div class="loading{" tall" if tall else ""}" role=status>{what}</div>'


def failure(error: BaseException) -> str:
    """Return the HTML that says what went wrong."""
    return notice("This cannot be shown.", str(error), kind="error")
