"""How the pages look: the sheets in `assets/`, the colours of a plot, and the page around all.

Every part of a Panel page lives in a shadow root of its own, and gets the sheets that it
needs; `root.css` says how colours and widths reach them all.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

PALETTE: Final = (
    "#4878b0",
    "#e8873a",
    "#57a05a",
    "#d65f5f",
    "#8f78b8",
    "#3fa7a0",
    "#c9a227",
    "#a9745c",
    "#d581b4",
    "#7c8a3c",
    "#5b6bd0",
)
"""Colours that can be told apart on light and on dark, most frequent type first."""

OTHER_COLOUR: Final = "#98a2ad"
"""The colour of what is not told apart."""

LOST: Final = """
document.getElementById("wb-lost").style.display = "block";
const again = () => fetch("static/js/bokeh.min.js", {method: "HEAD", cache: "no-store"})
  .then((found) => found.ok ? location.reload() : setTimeout(again, 1000))
  .catch(() => setTimeout(again, 1000));
setTimeout(again, 1000);
"""
"""What the browser runs when the server cannot be reached any more: it waits until it can."""


@cache
def asset(name: str) -> str:
    """Return the text of a file in `assets/`."""
    return (files(__package__) / "assets" / name).read_text("utf-8")


def sheets(*names: str) -> list[str]:
    """Return sheets for one part of a page, in this order."""
    return [asset(f"{name}.css") for name in names]
