"""A line of small buttons that is one part of a page: a page may have many such lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn
import param

from workbench.dashboards.parts import Plain
from workbench.dashboards.style import sheets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

# A button of Bokeh is a view in a shadow root of its own, with sheets of its own.
_SCRIPT = """
export function render({ model, el }) {
  const line = document.createElement("div");
  const draw = () => {
    const label = document.createElement("span");
    label.textContent = model.said;
    line.replaceChildren(label, ...model.ways.map(([name, said]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.title = said;
      button.addEventListener("click", () => model.send_msg(name));
      return button;
    }));
  };
  model.on("ways", draw);
  draw();
  el.append(line);
}
"""


class Ways(Plain, pn.custom.JSComponent):
    """Ways to take along what is shown.

    Parameters
    ----------
    said
        What stands before them.
    ways
        The name of each, and what it does.
    act
        Called with the name of the one that was clicked.
    """

    said: str = param.String()  # type: ignore[assignment]
    ways: list[tuple[str, str]] = param.List(default=[])  # type: ignore[assignment]
    _esm = _SCRIPT

    def __init__(
        self,
        said: str,
        ways: Sequence[tuple[str, str]],
        act: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            said=said,
            ways=list(ways),
            min_height=20,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=sheets("ways"),
        )
        self._act = act

    # Panel runs what a handler returns, also where it has to be awaited.
    async def _handle_msg(self, name: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        if any(name == known for known, _ in self.ways):
            await self._act(name)
