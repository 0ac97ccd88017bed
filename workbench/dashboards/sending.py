"""What is sent to a browser is sent: a mend of how Panel writes what has to wait.

While a connection is being written to, Panel keeps what is to follow in `_WRITE_MSGS`, and a
task writes it later. A task that ends clears the mark `_WRITE_BLOCK` also of what was kept
meanwhile, whose own task then takes it for done: it stayed unsent until the next change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.io import document as panel

if TYPE_CHECKING:
    from bokeh.document import Document

_dispatch = panel._dispatch_msgs  # noqa: SLF001, there is no public way in


async def dispatch_all(document: Document) -> None:
    """Write what is kept for a document, and what has come since."""
    await _dispatch(document)  # type: ignore[no-untyped-call]
    if document in panel._WRITE_MSGS and document not in panel._WRITE_BLOCK:  # noqa: SLF001
        panel._WRITE_BLOCK[document] = True  # noqa: SLF001
        panel._dispatch_write_task(document, dispatch_all, document)  # type: ignore[no-untyped-call]  # noqa: SLF001


def mend_sending() -> None:
    """Have Panel write all of it, in this process."""
    panel._dispatch_msgs = dispatch_all  # noqa: SLF001
