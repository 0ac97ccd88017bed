"""What a page mends in Bokeh and Tabulator, where a notebook shows it."""

from __future__ import annotations

import panel as pn

from workbench.dashboards.style import asset


class Mends(pn.custom.JSComponent):
    """Runs `mends.js` in a notebook; it has a place on the page, and shows nothing."""

    _esm = f"{asset('mends.js')}\nexport function render() {{}}\n"

    def __init__(self) -> None:
        super().__init__(width=1, height=1, margin=0)  # type: ignore[no-untyped-call]
