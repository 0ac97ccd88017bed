"""Keys that work anywhere on a page, unless somebody is typing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn
import param

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

# A key counts where it would do nothing else. In a notebook there are other cells: there it
# counts while something of the page has the focus.
_SCRIPT = """
export function render({ model, el }) {
  const own = new Set(["INPUT", "TEXTAREA", "SELECT"]);
  const listen = (event) => {
    if (!el.isConnected) return document.removeEventListener("keydown", listen);
    if (event.ctrlKey || event.metaKey || event.altKey || !model.keys.includes(event.key)) return;
    const path = event.composedPath();
    const target = path[0];
    if (own.has(target.tagName) || target.isContentEditable) return;
    if (target.getAttribute && target.getAttribute("role") === "slider") return;
    const isShown = el.getClientRects().length > 0;
    const root = el.getRootNode();
    const isNotebook = document.querySelector("[data-jp-theme-light]") !== null;
    if (!isShown || (isNotebook && !path.includes(root.host))) return;
    event.preventDefault();
    model.send_msg(event.key);
  };
  document.addEventListener("keydown", listen);
  el.classList.add("wb-listens");
}
"""


class Keys(pn.custom.JSComponent):
    """Listens to keys of the page; it has a place on it, and shows nothing."""

    keys: list[str] = param.List(default=[])  # type: ignore[assignment]
    _esm = _SCRIPT

    def __init__(self, acts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        super().__init__(keys=list(acts), width=1, height=1, margin=0)  # type: ignore[no-untyped-call]
        self._acts = dict(acts)

    # Panel runs what a handler returns, also where it has to be awaited.
    async def _handle_msg(self, key: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        act = self._acts.get(key) if isinstance(key, str) else None
        if act is not None:
            await act()
